//! What is read of an answer's body: as much as is wanted of it, and enough to use the connection
//! again.

use std::ops::ControlFlow;

use bytes::BytesMut;
use http::StatusCode;

use super::noted::Noted;
use crate::{Capture, Captured, Exchange};

/// A body is read up to here; beyond it a new connection is cheaper than the rest.
const DRAIN_LIMIT: usize = 64 << 10;

/// An answer whose body is being read.
pub(super) struct Drain {
    status: StatusCode,
    noted: Noted,
    capture: Capture,
    /// What is kept of the body, where anything is.
    kept: Option<BytesMut>,
    /// How much is.
    limit: usize,
    /// Whether there was more than that.
    is_cut: bool,
    /// Whether all of it has come.
    is_over: bool,
    left: usize,
}

impl Drain {
    /// Begins with an answer's head.
    pub(super) fn new(status: StatusCode, noted: Noted, capture: Capture) -> Self {
        let limit = match capture {
            Capture::OnFailure if !status.is_success() => Some(Capture::EXCERPT_LIMIT),
            Capture::Excerpt => Some(Capture::EXCERPT_LIMIT),
            Capture::Whole => Some(Capture::WHOLE_LIMIT),
            Capture::OnFailure | Capture::Nothing => None,
        };
        Self {
            status,
            noted,
            capture,
            kept: limit.map(|_| BytesMut::new()),
            limit: limit.unwrap_or_default(),
            is_cut: false,
            is_over: false,
            left: DRAIN_LIMIT,
        }
    }

    /// Takes a piece of the body; breaks where enough has been read.
    pub(super) fn take(&mut self, piece: &[u8]) -> ControlFlow<()> {
        if let Some(kept) = &mut self.kept {
            let room = self.limit - kept.len();
            kept.extend_from_slice(&piece[..room.min(piece.len())]);
            self.is_cut |= piece.len() > room;
        }
        if piece.len() > self.left {
            return ControlFlow::Break(());
        }
        self.left -= piece.len();
        ControlFlow::Continue(())
    }

    /// Takes note that all of the body has come.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// The answer, with as much of the body as there was.
    pub(super) fn answered(self) -> Exchange {
        let is_whole = self.capture == Capture::Whole;
        let body = match self.kept.map(BytesMut::freeze) {
            None => Captured::Nothing,
            Some(body) if is_whole && self.is_cut => Captured::TooLong(body),
            Some(body) if is_whole && self.is_over => Captured::Whole(body),
            Some(body) if is_whole => Captured::Broken(body),
            Some(body) => Captured::Beginning(body),
        };
        Exchange::Answered {
            status: self.status.as_u16(),
            retry_after: self.noted.retry_after,
            limits: self.noted.limits,
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use bytes::Bytes;
    use http::StatusCode;

    use super::{DRAIN_LIMIT, Drain, Noted};
    use crate::{Capture, Captured, Exchange};

    fn drained(status: u16, capture: Capture, pieces: &[usize], ends: bool) -> Captured {
        let status = StatusCode::from_u16(status).expect("a status");
        let mut drain = Drain::new(status, Noted::default(), capture);
        let mut flow = ControlFlow::Continue(());
        for piece in pieces {
            assert_eq!(flow, ControlFlow::Continue(()));
            flow = drain.take(&vec![b'x'; *piece]);
        }
        if ends && flow.is_continue() {
            drain.end();
        }
        let Exchange::Answered { body, .. } = drain.answered() else {
            panic!("no answer")
        };
        body
    }

    #[track_caller]
    fn check(status: u16, capture: Capture, pieces: &[usize], expected: Option<usize>) {
        let body = drained(status, capture, pieces, true);
        assert_eq!(body.bytes().map(Bytes::len), expected);
        let is_beginning = matches!(body, Captured::Nothing | Captured::Beginning(_));
        assert!(is_beginning, "{body:?}");
    }

    #[test]
    fn only_the_beginning_of_a_failure_is_captured() {
        check(500, Capture::OnFailure, &[], Some(0));
        check(500, Capture::OnFailure, &[10, 20], Some(30));
        check(302, Capture::OnFailure, &[1000, 1000, 1000], Some(1024));
        check(200, Capture::OnFailure, &[10], None);
        check(500, Capture::Nothing, &[10], None);
    }

    #[test]
    fn the_beginning_of_any_answer_is_captured_where_it_is_wanted() {
        check(200, Capture::Excerpt, &[10], Some(10));
        check(204, Capture::Excerpt, &[], Some(0));
        check(500, Capture::Excerpt, &[2000], Some(1024));
    }

    #[track_caller]
    fn check_whole(pieces: &[usize], ends: bool, expected: &Captured) {
        for status in [200, 500] {
            let body = drained(status, Capture::Whole, pieces, ends);
            assert!(body == *expected, "{pieces:?}");
        }
    }

    #[test]
    fn a_whole_body_is_captured_up_to_its_limit_and_only_where_it_has_ended() {
        let bytes = |length| Bytes::from(vec![b'x'; length]);
        let whole = |length| Captured::Whole(bytes(length));
        check_whole(&[], true, &whole(0));
        check_whole(&[10, 20], true, &whole(30));
        let limit = Capture::WHOLE_LIMIT;
        check_whole(&[limit - 1, 1], true, &whole(limit));
        check_whole(&[limit, 1], true, &Captured::TooLong(bytes(limit)));
        check_whole(&[limit + 1], true, &Captured::TooLong(bytes(limit)));
        check_whole(&[10], false, &Captured::Broken(bytes(10)));
        check_whole(&[limit], false, &Captured::Broken(bytes(limit)));
    }

    #[test]
    fn a_body_is_read_up_to_its_limit() {
        let mut drain = Drain::new(StatusCode::OK, Noted::default(), Capture::Nothing);
        assert_eq!(drain.take(&[0; DRAIN_LIMIT]), ControlFlow::Continue(()));
        assert_eq!(drain.take(b"x"), ControlFlow::Break(()));
    }
}
