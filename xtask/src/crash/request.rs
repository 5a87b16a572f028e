//! What senders send: each request is told apart by its body, and its body and all that it asks
//! for are known from its id alone.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

/// What comes before the id in a body.
const HEAD: &str = r#"{"request":""#;

/// Customers of each sender.
const CUSTOMERS: u32 = 4;

/// What a sender sends for one event, under one idempotency key, as often as it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Request {
    /// Who sends it.
    pub(crate) sender: u32,
    /// The sender's event.
    pub(crate) event: u32,
}

/// Whose requests are kept in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Customer {
    sender: u32,
    number: u32,
}

impl Request {
    /// The most connections that send a request at the same time.
    pub(crate) const MOST_COPIES: usize = 4;

    /// The body.
    pub(crate) fn body(self) -> Bytes {
        // From 100 bytes to 8 KiB, so that small segments fill quickly.
        let spread = u64::from(self.sender + 1) * 7_919 * u64::from(self.event + 1);
        let filler = "x".repeat(usize::try_from(100 + spread % 8_000).unwrap_or(100));
        let Customer { sender, number } = self.customer();
        format!(r#"{HEAD}{self}","customer":"{sender}-{number}","filler":"{filler}"}}"#).into()
    }

    /// Whom it is about: requests of one customer have to come in the order of their events, since
    /// a sender sends one event after the other.
    pub(crate) fn customer(self) -> Customer {
        Customer {
            sender: self.sender,
            number: self.event % CUSTOMERS,
        }
    }

    /// The request whose body this is, every byte of it.
    pub(crate) fn of_body(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let (id, _) = text.strip_prefix(HEAD)?.split_once('"')?;
        let request: Self = id.parse().ok()?;
        (request.body() == body).then_some(request)
    }

    /// How many connections send it at the same time.
    pub(crate) fn copies(self) -> usize {
        Self::MOST_COPIES - self.one_of(3)
    }

    /// Whether its sender asks how it stands once it is accepted.
    pub(crate) fn is_asked_about(self) -> bool {
        self.one_of(8) == 0
    }

    /// Whether its sender calls it off.
    pub(crate) fn is_called_off(self) -> bool {
        self.one_of(11) == 0
    }

    /// Whether it must not be delivered at once.
    pub(crate) fn is_put_off(self) -> bool {
        self.one_of(7) == 0
    }

    /// Whether its sender wants to be told of its end.
    pub(crate) fn has_callback(self) -> bool {
        self.one_of(5) == 0
    }

    /// Its number among so many. Primes make all combinations.
    fn one_of(self, many: u32) -> usize {
        ((self.sender + self.event) % many) as usize
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sender, event } = self;
        write!(f, "{sender}-{event}")
    }
}

impl FromStr for Request {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (sender, event) = text.split_once('-').ok_or(())?;
        let number = |text: &str| text.parse().map_err(|_| ());
        Ok(Self {
            sender: number(sender)?,
            event: number(event)?,
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
        };
        let body = request.body();
        assert_eq!(Request::of_body(&body), Some(request));
        assert_eq!(Request::of_body(&body[..body.len() - 1]), None);
        assert_eq!(Request::of_body(b""), None);
    }

    #[test]
    fn some_requests_ask_for_everything_and_most_for_nothing_but_delivery() {
        let requests = (0..1_000).map(|event| Request { sender: 0, event });
        let asks = |request: &Request| {
            let asks = [
                request.is_called_off(),
                request.is_put_off(),
                request.has_callback(),
            ];
            asks.into_iter().filter(|asks| *asks).count()
        };
        let asked: Vec<usize> = requests.map(|request| asks(&request)).collect();
        assert!(asked.contains(&3));
        assert!(asked.iter().filter(|asked| **asked == 0).count() > 500);
    }
}
