//! Values from text, as a key's kind expects them.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use fanway_types::{
    AllowedOrigin, ByteCount, OriginError, PathTemplate, RouteName, Secret, StepName, TargetName,
};
use http::Method;

use crate::keys::{Kind, Least};
use crate::units;
use crate::url::{HttpUrl, UrlError};

/// Why a text is no value. None of them holds a part of it.
pub(crate) enum Refusal {
    /// It isn't what the kind expects.
    Unexpected,
    /// The same, and this is why.
    Because(String),
    /// The same, and the text must not be shown.
    Secret(String),
}

/// A value that is read from a scalar, its references replaced.
pub(crate) trait FromText: Sized {
    /// Reads a text as `kind` says, its bounds included.
    fn from_text(text: &str, kind: &Kind) -> Result<Self, Refusal>;
}

/// Where a kind has a short form and a long one, a scalar is the short one.
fn short(kind: &Kind) -> &Kind {
    match kind {
        Kind::Either(short, _) => short,
        other => other,
    }
}

fn expected<T>(value: Option<T>) -> Result<T, Refusal> {
    value.ok_or(Refusal::Unexpected)
}

impl FromText for Duration {
    fn from_text(text: &str, kind: &Kind) -> Result<Self, Refusal> {
        let fits = |duration: &Self| match short(kind) {
            Kind::Duration(Least::AboveZero) => !duration.is_zero(),
            Kind::DurationWithin { least, most } => (least..=most).contains(&duration),
            _ => true,
        };
        match units::duration(text) {
            Ok(duration) if fits(&duration) => Ok(duration),
            Ok(_) | Err(units::Error::Form) => Err(Refusal::Unexpected),
            Err(error @ units::Error::TooLong) => Err(Refusal::Because(error.to_string())),
        }
    }
}

impl FromText for ByteCount {
    fn from_text(text: &str, kind: &Kind) -> Result<Self, Refusal> {
        let fits = |size: &Self| match kind {
            Kind::Size { least, most } => (least..=most).contains(&size),
            _ => true,
        };
        expected(text.parse().ok().filter(fits))
    }
}

impl FromText for u32 {
    fn from_text(text: &str, kind: &Kind) -> Result<Self, Refusal> {
        let fits = |count: &Self| match kind {
            Kind::Count { least, most } => (least..=most).contains(&count),
            _ => true,
        };
        let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
        expected(text.parse().ok().filter(fits).filter(|_| digits_only))
    }
}

impl FromText for NonZeroU32 {
    fn from_text(text: &str, kind: &Kind) -> Result<Self, Refusal> {
        expected(Self::new(u32::from_text(text, kind)?))
    }
}

impl FromText for NonZeroUsize {
    fn from_text(text: &str, kind: &Kind) -> Result<Self, Refusal> {
        expected(NonZeroU32::from_text(text, kind)?.try_into().ok())
    }
}

impl FromText for f64 {
    fn from_text(text: &str, kind: &Kind) -> Result<Self, Refusal> {
        // Neither `inf` nor `1e9`: what looks like a number to people.
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
        let fits = |number: &Self| match kind {
            Kind::Number { least, most } => (least..=most).contains(&number),
            _ => true,
        };
        expected(text.parse().ok().filter(fits).filter(|_| plain))
    }
}

impl FromText for bool {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        expected(text.parse().ok())
    }
}

impl FromText for SocketAddr {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        expected(text.parse().ok())
    }
}

impl FromText for HttpUrl {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        Self::parse(text).map_err(|error| match error {
            UrlError::Scheme
            | UrlError::Query
            | UrlError::Fragment
            | UrlError::Host
            | UrlError::NotAUrl
                if !text.contains('@') =>
            {
                Refusal::Because(error.to_string())
            }
            _ => Refusal::Secret(error.to_string()),
        })
    }
}

impl FromText for AllowedOrigin {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        text.parse().map_err(|error: OriginError| {
            let why = error.to_string();
            // What stands before an `@` may be a password.
            if text.contains('@') {
                Refusal::Secret(why)
            } else {
                Refusal::Because(why)
            }
        })
    }
}

impl FromText for PathBuf {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        expected((!text.is_empty()).then(|| text.into()))
    }
}

impl FromText for String {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        expected((!text.is_empty()).then(|| text.to_owned()))
    }
}

impl FromText for Secret {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        match text {
            "" => Err(Refusal::Secret("it is empty".to_owned())),
            text if text.chars().any(char::is_control) => Err(Refusal::Secret(
                "it has a line break or another control character in it".to_owned(),
            )),
            text => Ok(Self::new(text.to_owned())),
        }
    }
}

impl FromText for TargetName {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        expected(text.parse().ok())
    }
}

impl FromText for RouteName {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        expected(text.parse().ok())
    }
}

impl FromText for StepName {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        expected(text.parse().ok())
    }
}

impl FromText for Method {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        // Methods tell capitals from small letters (RFC 9110, 9.1): `post` would match nothing.
        let in_capitals = !text.bytes().any(|byte| byte.is_ascii_lowercase());
        expected(
            Self::from_bytes(text.as_bytes())
                .ok()
                .filter(|_| in_capitals),
        )
    }
}

impl FromText for PathTemplate {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        text.parse().map_err(|_| Refusal::Unexpected)
    }
}
