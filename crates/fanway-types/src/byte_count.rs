//! Numbers of bytes, as people write them: `10MiB`.

use std::fmt;
use std::str::FromStr;

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteCount(u64);

/// Units with their sizes, largest first. Decimal ones are read but not written.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl ByteCount {
    /// So many bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// So many times 1,024 bytes.
    #[must_use]
    pub const fn kib(count: u64) -> Self {
        Self(count << 10)
    }

    /// So many times 1,048,576 bytes.
    #[must_use]
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// The number as an integer.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number as a size in memory, or the largest one there is.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// The largest binary unit that divides it: `10MiB`, `1536B`.
impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = UNITS
            .iter()
            .filter(|(unit, _)| unit.contains('i') || *unit == "B")
            .find(|(_, size)| self.0 != 0 && self.0.is_multiple_of(*size))
            .unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / size)
    }
}

impl FromStr for ByteCount {
    type Err = ByteCountError;

    fn from_str(text: &str) -> Result<Self, ByteCountError> {
        let refused = || ByteCountError {
            text: text.to_owned(),
        };
        let digits = text
            .find(|character: char| !character.is_ascii_digit())
            .ok_or_else(refused)?;
        let (number, unit) = text.split_at(digits);
        let (_, size) = UNITS
            .iter()
            .find(|(name, _)| *name == unit.trim_start())
            .ok_or_else(refused)?;
        let number: u64 = number.parse().map_err(|_| refused())?;
        number.checked_mul(*size).map(Self).ok_or_else(refused)
    }
}

/// A text that is no number of bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no size: expected a whole number with a unit, such as 512KiB, 10MiB or 2GiB")]
pub struct ByteCountError {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::ByteCount;

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(
            text.parse::<ByteCount>().ok().map(ByteCount::get),
            expected,
            "{text}"
        );
    }

    #[test]
    fn sizes_are_whole_numbers_with_a_unit() {
        check("10MiB", Some(10 << 20));
        check("1 KiB", Some(1024));
        check("2MB", Some(2_000_000));
        check("0B", Some(0));
        check("10", None);
        check("MiB", None);
        check("1.5MiB", None);
        check("10mib", None);
        check("99999999999GiB", None);
    }

    #[test]
    fn the_largest_fitting_unit_is_written() {
        assert_eq!(ByteCount::mib(10).to_string(), "10MiB");
        assert_eq!(ByteCount::new(1536).to_string(), "1536B");
        assert_eq!(ByteCount::new(0).to_string(), "0B");
    }
}
