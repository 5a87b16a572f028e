//! Status codes as people name them, and sets of them that answer at once.
//!
//! It knows numbers only: what a status means is [`exchange`](crate::exchange)'s to say.

use std::fmt;
use std::str::FromStr;

/// The least status that can be named.
const LEAST: u16 = 100;
/// The greatest status that can be named, and that HTTP can write (RFC 9110 section 15).
const GREATEST: u16 = 999;

/// One status, or all from one to another: written `409`, `5xx` or `520-529`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statuses {
    /// Not below 100, and not above `last`.
    first: u16,
    /// Not above 999.
    last: u16,
}

impl Statuses {
    /// 2xx.
    pub const SUCCESSFUL: Self = Self {
        first: 200,
        last: 299,
    };

    /// The status, where it is a single one.
    #[must_use]
    pub fn single(self) -> Option<u16> {
        (self.first == self.last).then_some(self.first)
    }

    /// All of them, from the least on.
    pub fn iter(self) -> impl Iterator<Item = u16> {
        self.first..=self.last
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = *self;
        match self.single() {
            Some(status) => write!(f, "{status}"),
            None if first.is_multiple_of(100) && last == first + 99 => {
                write!(f, "{}xx", first / 100)
            }
            None => write!(f, "{first}-{last}"),
        }
    }
}

impl FromStr for Statuses {
    type Err = StatusesError;

    fn from_str(text: &str) -> Result<Self, StatusesError> {
        let read = || {
            if let Some(class) = text.strip_suffix("xx") {
                let first = number(class)?.checked_mul(100)?;
                return Some((first, first.checked_add(99)?));
            }
            match text.split_once('-') {
                Some((first, last)) => Some((number(first)?, number(last)?)),
                None => number(text).map(|status| (status, status)),
            }
        };
        let in_range = |(first, last): &(u16, u16)| LEAST <= *first && *last <= GREATEST;
        match read().filter(in_range) {
            Some((first, last)) if first <= last => Ok(Self { first, last }),
            Some(_) | None => Err(StatusesError {
                text: text.to_owned(),
            }),
        }
    }
}

/// A number of digits and nothing else.
fn number(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

/// A text that names no statuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` names no statuses: expected one such as 409, a class such as 5xx, or a range such as 520-529"
)]
pub struct StatusesError {
    text: String,
}

/// A set of statuses. A look-up is one load and one shift.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusSet {
    /// A bit for each number below 1024.
    bits: [u64; 16],
}

impl StatusSet {
    /// Whether a status is in it.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        let bits = self.bits.get(usize::from(status / 64));
        bits.is_some_and(|bits| bits >> (status % 64) & 1 == 1)
    }

    /// Adds a status; one above 1023 is none, and is passed over.
    pub fn add(&mut self, status: u16) {
        if let Some(bits) = self.bits.get_mut(usize::from(status / 64)) {
            *bits |= 1 << (status % 64);
        }
    }
}

impl FromIterator<u16> for StatusSet {
    fn from_iter<I: IntoIterator<Item = u16>>(statuses: I) -> Self {
        let mut set = Self::default();
        statuses.into_iter().for_each(|status| set.add(status));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::{StatusSet, Statuses};

    #[track_caller]
    fn check(text: &str, expected: Option<(u16, u16)>) {
        let read: Option<Statuses> = text.parse().ok();
        let bounds = read.map(|statuses| (statuses.first, statuses.last));
        assert_eq!(bounds, expected, "{text:?}");
        if let Some(statuses) = read {
            assert_eq!(statuses.to_string(), text);
        }
    }

    #[test]
    fn statuses_are_written_as_one_a_class_or_a_range() {
        check("409", Some((409, 409)));
        check("5xx", Some((500, 599)));
        check("9xx", Some((900, 999)));
        check("520-529", Some((520, 529)));
        check("100-999", Some((100, 999)));
    }

    #[test]
    fn what_is_no_status_is_refused() {
        for text in [
            "", "99", "1000", "0xx", "10xx", "xx", "5x", "5XX", "529-520", "520-", "-520", "+500",
            "5 xx", "500-1000", "70000", "655xx", "٤٠٩",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_set_has_what_was_added_and_nothing_else() {
        let named = [100, 127, 128, 191, 192, 500, 999];
        let set: StatusSet = named.into_iter().collect();
        let found: Vec<u16> = (0..=u16::MAX).filter(|it| set.contains(*it)).collect();
        assert_eq!(found, named);
    }
}
