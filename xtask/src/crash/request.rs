//! What senders send: each request is told apart by its body, which is known from its id alone.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

/// What comes before the id in a body.
const HEAD: &str = r#"{"request":""#;

/// A request that is sent once: a sender that has to repeat itself makes another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Request {
    /// Who sends it.
    pub(crate) sender: u32,
    /// The sender's event.
    pub(crate) event: u32,
    /// Which try it is for this event.
    pub(crate) attempt: u32,
}

impl Request {
    /// The body: the same for all requests of an event, but for the id.
    pub(crate) fn body(self) -> Bytes {
        // From 100 bytes to 8 KiB, so that small segments fill quickly.
        let spread = u64::from(self.sender + 1) * 7_919 * u64::from(self.event + 1);
        let filler = "x".repeat(usize::try_from(100 + spread % 8_000).unwrap_or(100));
        format!(r#"{HEAD}{self}","filler":"{filler}"}}"#).into()
    }

    /// The request whose body this is, every byte of it.
    pub(crate) fn of_body(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let (id, _) = text.strip_prefix(HEAD)?.split_once('"')?;
        let request: Self = id.parse().ok()?;
        (request.body() == body).then_some(request)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sender,
            event,
            attempt,
        } = self;
        write!(f, "{sender}-{event}-{attempt}")
    }
}

impl FromStr for Request {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut numbers = text.split('-').map(|number| number.parse().map_err(|_| ()));
        let mut next = || numbers.next().unwrap_or(Err(()));
        Ok(Self {
            sender: next()?,
            event: next()?,
            attempt: next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Request;

    #[test]
    fn a_request_is_known_by_its_body_and_only_by_all_of_it() {
        let request = Request {
            sender: 3,
            event: 17,
            attempt: 2,
        };
        let body = request.body();
        assert_eq!(Request::of_body(&body), Some(request));
        assert_eq!(Request::of_body(&body[..body.len() - 1]), None);
        assert_eq!(Request::of_body(b""), None);
    }
}
