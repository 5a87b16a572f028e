//! What is read of an answer's body: enough for an excerpt, and to use the connection again.

use std::ops::ControlFlow;

use bytes::BytesMut;
use http::StatusCode;

use crate::{Capture, Exchange};

/// A body is read up to here; beyond it a new connection is cheaper than the rest.
const DRAIN_LIMIT: usize = 64 << 10;

/// An answer whose body is being read.
pub(super) struct Drain {
    status: StatusCode,
    retry_after: Option<Box<str>>,
    excerpt: Option<BytesMut>,
    left: usize,
}

impl Drain {
    /// Begins with an answer's head.
    pub(super) fn new(status: StatusCode, retry_after: Option<Box<str>>, capture: Capture) -> Self {
        let wanted = capture == Capture::OnFailure && !status.is_success();
        Self {
            status,
            retry_after,
            excerpt: wanted.then(BytesMut::new),
            left: DRAIN_LIMIT,
        }
    }

    /// Takes a piece of the body; breaks where enough has been read.
    pub(super) fn take(&mut self, piece: &[u8]) -> ControlFlow<()> {
        if let Some(excerpt) = &mut self.excerpt {
            let room = Capture::EXCERPT_LIMIT - excerpt.len();
            excerpt.extend_from_slice(&piece[..room.min(piece.len())]);
        }
        if piece.len() > self.left {
            return ControlFlow::Break(());
        }
        self.left -= piece.len();
        ControlFlow::Continue(())
    }

    /// The answer, with as much of the body as there was.
    pub(super) fn answered(self) -> Exchange {
        Exchange::Answered {
            status: self.status.as_u16(),
            retry_after: self.retry_after,
            excerpt: self.excerpt.map(BytesMut::freeze),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use http::StatusCode;

    use super::{DRAIN_LIMIT, Drain};
    use crate::{Capture, Exchange};

    #[track_caller]
    fn check(status: u16, capture: Capture, pieces: &[usize], expected: Option<usize>) {
        let status = StatusCode::from_u16(status).expect("a status");
        let mut drain = Drain::new(status, None, capture);
        for piece in pieces {
            assert_eq!(drain.take(&vec![b'x'; *piece]), ControlFlow::Continue(()));
        }
        let Exchange::Answered { excerpt, .. } = drain.answered() else {
            panic!("no answer")
        };
        assert_eq!(excerpt.map(|excerpt| excerpt.len()), expected);
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
    fn a_body_is_read_up_to_its_limit() {
        let mut drain = Drain::new(StatusCode::OK, None, Capture::Nothing);
        assert_eq!(drain.take(&[0; DRAIN_LIMIT]), ControlFlow::Continue(()));
        assert_eq!(drain.take(b"x"), ControlFlow::Break(()));
    }
}
