//! Names that people give to routes, targets and steps.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A text that can't be a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no name: expected a lower-case letter, then lower-case letters, digits and `_`, 64 at most"
)]
pub struct NameError {
    text: String,
}

const LONGEST: usize = 64;

fn checked(text: &str) -> Result<Arc<str>, NameError> {
    let starts_well = text.starts_with(|first: char| first.is_ascii_lowercase());
    let goes_on_well = text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if starts_well && goes_on_well && text.len() <= LONGEST {
        Ok(text.into())
    } else {
        Err(NameError {
            text: text.to_owned(),
        })
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Matches `[a-z][a-z0-9_]*`, 64 characters at most. Clones share the text.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                checked(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name! {
    /// The name of a route.
    RouteName
}
name! {
    /// The name of a target.
    TargetName
}
name! {
    /// The name of a step: unique within its route.
    StepName
}

#[cfg(test)]
mod tests {
    use super::TargetName;

    #[track_caller]
    fn check(text: &str, expected: bool) {
        assert_eq!(text.parse::<TargetName>().is_ok(), expected, "{text}");
    }

    #[test]
    fn names_are_short_and_plain() {
        check("inventory", true);
        check("mail_2", true);
        check("", false);
        check("2mail", false);
        check("_mail", false);
        check("Mail", false);
        check("e-mail", false);
        check(&"m".repeat(64), true);
        check(&"m".repeat(65), false);
    }
}
