//! What was read of a connection, and isn't used yet.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::Socket;

/// Bytes that are read at a time. Most answers are shorter.
const SMALL: usize = 4 << 10;
/// The longest head of an answer, and the most that is buffered of a body, in bytes.
const LIMIT: usize = 64 << 10;

/// Bytes that were read, in a space that grows up to [`LIMIT`].
#[derive(Default)]
pub(super) struct Buffer {
    space: Vec<u8>,
    begin: usize,
    end: usize,
    /// In how many of the bytes a head's end was looked for, and not found.
    seen: usize,
}

impl Buffer {
    /// What isn't used yet.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.space[self.begin..self.end]
    }

    /// Notes that so many bytes were used.
    pub(super) fn consume(&mut self, length: usize) {
        self.begin += length;
        self.seen = 0;
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
            // An idle connection keeps little.
            self.space.truncate(SMALL);
            self.space.shrink_to(SMALL);
        }
    }

    /// Whether it is worth to look for a head: at the first bytes of one, and once its end may have
    /// come, so that a head which comes in many pieces isn't parsed at each of them.
    pub(super) fn may_hold_head(&self) -> bool {
        let bytes = self.bytes();
        // An end has three bytes at most before its last.
        !bytes.is_empty() && (self.seen == 0 || has_end(&bytes[self.seen.saturating_sub(3)..]))
    }

    /// Notes that there is no head's end so far.
    pub(super) fn note_seen(&mut self) {
        self.seen = self.end - self.begin;
    }

    /// Whether there is no room for more.
    pub(super) fn is_full(&self) -> bool {
        self.end - self.begin == LIMIT
    }

    /// Reads more; 0 where there is nothing more to come. The buffer isn't full.
    pub(super) fn poll_fill(
        &mut self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.make_room();
        let mut room = ReadBuf::new(&mut self.space[self.end..]);
        ready!(Pin::new(socket).poll_read(cx, &mut room))?;
        let read = room.filled().len();
        self.end += read;
        Poll::Ready(Ok(read))
    }

    fn make_room(&mut self) {
        if self.end < self.space.len() {
            return;
        }
        if self.begin > 0 {
            self.space.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
        } else {
            let larger = (self.space.len() * 2).clamp(SMALL, LIMIT);
            self.space.resize(larger, 0);
        }
    }
}

/// Whether there is an empty line. httparse takes a bare line feed for a line's end, too.
fn has_end(bytes: &[u8]) -> bool {
    let is_end = |(at, byte): (usize, &u8)| {
        *byte == b'\n' && matches!(&bytes[..at], [.., b'\n'] | [.., b'\n', b'\r'])
    };
    bytes.iter().enumerate().any(is_end)
}
