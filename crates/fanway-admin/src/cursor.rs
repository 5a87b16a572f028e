//! Places in the list of dead letters, as callers carry them from page to page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanway_store::dead::Cursor;
use fanway_types::Timestamp;

/// The text that [`decode`] reads; callers are to see nothing in it.
pub(crate) fn encode(cursor: Cursor) -> String {
    let text = format!("{} {}", cursor.died_at.as_millis(), cursor.delivery);
    URL_SAFE_NO_PAD.encode(text)
}

/// The place that [`encode`] wrote; `None` where the text is none.
pub(crate) fn decode(text: &str) -> Option<Cursor> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (died_at, delivery) = str::from_utf8(&bytes).ok()?.split_once(' ')?;
    Some(Cursor {
        died_at: Timestamp::from_millis(died_at.parse().ok()?),
        delivery: delivery.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use fanway_store::dead::Cursor;
    use fanway_types::{DeliveryId, MessageId, Timestamp};

    use super::{decode, encode};

    #[test]
    fn a_cursor_survives_the_caller() {
        let cursor = Cursor {
            died_at: Timestamp::from_millis(1_700_000_000_123),
            delivery: DeliveryId::first(MessageId::from_bytes([7; 16]), 3),
        };
        assert_eq!(decode(&encode(cursor)), Some(cursor));
        for wrong in ["", "x", "AAAA", "MTcwMA"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
