//! Places in lists, as callers carry them from page to page, and how long a page may be.
//!
//! Callers are to see nothing in a cursor. Each begins with its list's letter, so that one of
//! another list is known as such.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanway_store::dead::Cursor;
use fanway_types::{JobId, Timestamp};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::malformed;
use crate::problem::Problem;

/// Entries of a page, where nobody says how many.
const DEFAULT: usize = 50;
/// Entries of a page at most.
const MOST: usize = 500;

/// How many entries a page gets.
///
/// # Errors
/// Where it is to have none, or more than are given.
pub(crate) fn limit(wanted: Option<usize>) -> Result<usize, Problem> {
    let limit = wanted.unwrap_or(DEFAULT);
    if !(1..=MOST).contains(&limit) {
        return Err(malformed(format!("`limit`: expected 1 to {MOST}")));
    }
    Ok(limit)
}

/// Where a page begins.
///
/// # Errors
/// Where the text is not what a page of this list has given.
pub(crate) fn place<T: Place>(text: Option<&str>) -> Result<Option<T>, Problem> {
    let decode = |text| {
        decode(text)
            .ok_or_else(|| malformed("`cursor`: not one that a page of this list has given"))
    };
    text.map(decode).transpose()
}

/// Which page of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// How many at most.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

impl Page {
    /// How many entries it gets, and where it begins.
    ///
    /// # Errors
    /// See [`limit`] and [`place`].
    pub(crate) fn place<T: Place>(&self) -> Result<(usize, Option<T>), Problem> {
        Ok((limit(self.limit)?, place(self.cursor.as_deref())?))
    }
}

/// A place in a list.
pub(crate) trait Place: Sized {
    /// The list's own letter.
    const LIST: char;
    fn write(&self) -> String;
    fn read(text: &str) -> Option<Self>;
}

/// The text that [`place`] reads.
pub(crate) fn encode<T: Place>(place: &T) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}{}", T::LIST, place.write()))
}

fn decode<T: Place>(text: &str) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    T::read(str::from_utf8(&bytes).ok()?.strip_prefix(T::LIST)?)
}

/// Of dead letters.
impl Place for Cursor {
    const LIST: char = 'd';

    fn write(&self) -> String {
        format!("{} {}", self.died_at.as_millis(), self.delivery)
    }

    fn read(text: &str) -> Option<Self> {
        let (died_at, delivery) = text.split_once(' ')?;
        Some(Self {
            died_at: Timestamp::from_millis(died_at.parse().ok()?),
            delivery: delivery.parse().ok()?,
        })
    }
}

/// Of redrives.
impl Place for JobId {
    const LIST: char = 'r';

    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// Of audit records.
impl Place for u64 {
    const LIST: char = 'a';

    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use fanway_store::dead::Cursor;
    use fanway_types::{DeliveryId, JobId, MessageId, Timestamp};

    use super::{decode, encode};

    #[test]
    fn a_cursor_survives_the_caller() {
        let cursor = Cursor {
            died_at: Timestamp::from_millis(1_700_000_000_123),
            delivery: DeliveryId::first(MessageId::from_bytes([7; 16]), 3),
        };
        assert_eq!(decode(&encode(&cursor)), Some(cursor));
        let job = JobId::from_bytes([7; 16]);
        assert_eq!(decode(&encode(&job)), Some(job));
        assert_eq!(decode(&encode(&12_u64)), Some(12_u64));
    }

    #[test]
    fn what_is_no_cursor_of_the_list_is_refused() {
        for wrong in ["", "x", "AAAA", "MTcwMA", &encode(&12_u64)] {
            assert_eq!(decode::<Cursor>(wrong), None, "{wrong}");
        }
    }
}
