//! The value of `Date`, written once a second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use fanway_types::Timestamp;

/// Bytes of a date in the one form that is sent (RFC 9110 section 5.6.7).
pub(crate) const LENGTH: usize = b"Sun, 06 Nov 1994 08:49:37 GMT".len();

/// The last second that has such a date, at the end of the year 9999.
const LAST: u64 = 253_402_300_799;

/// The date of the last answer. Its second is none until there is one.
#[derive(Debug, Default)]
pub(crate) struct Date(Mutex<Option<(u64, [u8; LENGTH])>>);

impl Date {
    /// The date at a time.
    pub(crate) fn at(&self, now: Timestamp) -> [u8; LENGTH] {
        let second = now.as_millis() / 1000;
        // It is replaced as a whole.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((of, text)) if of == second => text,
            _ => {
                let text = text(second);
                *last = Some((second, text));
                text
            }
        }
    }
}

fn text(second: u64) -> [u8; LENGTH] {
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second.min(LAST)));
    text.as_bytes().try_into().expect("all dates are as long")
}

#[cfg(test)]
mod tests {
    use fanway_types::Timestamp;

    use super::Date;

    #[test]
    fn it_is_written_anew_when_the_second_is_another() {
        let date = Date::default();
        let at = |millis| date.at(Timestamp::from_millis(millis));
        assert_eq!(&at(784_111_777_000), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(&at(784_111_777_999), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(&at(784_111_778_000), b"Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(&at(784_111_777_000), b"Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
