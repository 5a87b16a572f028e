//! What the headers of a head say of its connection and its body (RFC 9112 sections 6 and 9.3).

/// What the headers of a head say of its connection and its body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// `Content-Length`.
    pub length: Option<u64>,
    /// How `Transfer-Encoding` says that it is coded.
    pub coding: Option<Coding>,
    /// Whether `Connection` lists `close`.
    pub closes: bool,
    /// Whether `Connection` lists `keep-alive`.
    pub keeps_alive: bool,
}

/// What `Transfer-Encoding` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `chunked`, and nothing else.
    Chunked,
    /// `chunked` on top of others.
    ChunkedLast,
    /// Others, on top of which there is no `chunked`.
    Other,
}

/// Lengths that aren't numbers, or that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body's length is unclear")]
pub struct Contradiction;

impl Said {
    /// Hears what one header says; most say nothing of interest here.
    ///
    /// # Errors
    /// A length that is no number, or another than one before.
    pub fn hear(&mut self, name: &str, value: &[u8]) -> Result<(), Contradiction> {
        // By length first: nearly all headers are of no interest here.
        match name.len() {
            10 if name.eq_ignore_ascii_case("connection") => {
                self.closes |= members(value).any(|option| is(option, "close"));
                self.keeps_alive |= members(value).any(|option| is(option, "keep-alive"));
            }
            14 if name.eq_ignore_ascii_case("content-length") => self.hear_length(value)?,
            17 if name.eq_ignore_ascii_case("transfer-encoding") => self.hear_coding(value),
            _ => {}
        }
        Ok(())
    }

    /// A length may be said more than once, but only the same.
    fn hear_length(&mut self, value: &[u8]) -> Result<(), Contradiction> {
        for member in members(value) {
            let length = number(member).ok_or(Contradiction)?;
            if self.length.is_some_and(|known| known != length) {
                return Err(Contradiction);
            }
            self.length = Some(length);
        }
        Ok(())
    }

    /// Codings that are said in several headers lie on top of each other as if said in one.
    fn hear_coding(&mut self, value: &[u8]) {
        for member in members(value) {
            let is_chunked = is(member, "chunked");
            self.coding = Some(match self.coding {
                None if is_chunked => Coding::Chunked,
                Some(_) if is_chunked => Coding::ChunkedLast,
                _ => Coding::Other,
            });
        }
    }
}

/// The members of a list (RFC 9110 section 5.6.1). There is one at least, and it may be empty.
fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

fn is(member: &[u8], name: &str) -> bool {
    member.eq_ignore_ascii_case(name.as_bytes())
}

/// A number in digits and nothing else.
fn number(member: &[u8]) -> Option<u64> {
    if member.is_empty() {
        return None;
    }
    member.iter().try_fold(0u64, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::{Coding, Contradiction, Said};

    #[track_caller]
    fn check(headers: &[(&str, &str)], expected: Result<Said, Contradiction>) {
        let mut said = Said::default();
        let heard = headers
            .iter()
            .try_for_each(|(name, value)| said.hear(name, value.as_bytes()));
        assert_eq!(heard.map(|()| said), expected, "{headers:?}");
    }

    fn length(length: u64) -> Said {
        Said {
            length: Some(length),
            ..Said::default()
        }
    }

    fn coding(coding: Coding) -> Said {
        Said {
            coding: Some(coding),
            ..Said::default()
        }
    }

    #[test]
    fn a_length_is_digits_and_is_said_alike() {
        check(&[("Content-Length", "12")], Ok(length(12)));
        check(&[("content-length", "12, 12")], Ok(length(12)));
        check(
            &[("content-length", "12"), ("content-length", "12")],
            Ok(length(12)),
        );
        for wrong in [
            "",
            "+1",
            "-1",
            "1 2",
            "0x1",
            "1,",
            "1, 2",
            "99999999999999999999",
        ] {
            check(&[("content-length", wrong)], Err(Contradiction));
        }
        check(
            &[("content-length", "1"), ("content-length", "2")],
            Err(Contradiction),
        );
    }

    #[test]
    fn codings_lie_on_top_of_each_other() {
        check(
            &[("Transfer-Encoding", "Chunked")],
            Ok(coding(Coding::Chunked)),
        );
        check(
            &[("transfer-encoding", "gzip, chunked")],
            Ok(coding(Coding::ChunkedLast)),
        );
        check(
            &[
                ("transfer-encoding", "gzip"),
                ("transfer-encoding", "chunked"),
            ],
            Ok(coding(Coding::ChunkedLast)),
        );
        for other in ["gzip", "chunked, gzip", "xchunked", "\u{b}chunked", ""] {
            check(&[("transfer-encoding", other)], Ok(coding(Coding::Other)));
        }
        check(
            &[("transfer-encoding", "chunked"), ("transfer-encoding", "x")],
            Ok(coding(Coding::Other)),
        );
    }

    #[test]
    fn the_connection_is_heard_of_among_other_options() {
        let said = Said {
            closes: true,
            keeps_alive: true,
            ..Said::default()
        };
        check(
            &[("Connection", "TE, Close"), ("connection", "keep-alive")],
            Ok(said),
        );
        check(&[("connection", "closed")], Ok(Said::default()));
        check(&[("x", "close")], Ok(Said::default()));
    }
}
