//! What was read of a connection, and isn't used yet.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// Bytes that are read at a time, unless more are wanted, and that an idle connection keeps.
const SMALL: usize = 4 << 10;

/// Bytes that were read, in a space that grows up to a limit.
#[derive(Debug)]
pub struct Buffer {
    space: Vec<u8>,
    begin: usize,
    end: usize,
    limit: usize,
    /// In how many of the bytes a head's end was looked for, and not found.
    seen: usize,
}

impl Buffer {
    /// An empty one that holds `limit` bytes at most.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            space: Vec::new(),
            begin: 0,
            end: 0,
            limit,
            seen: 0,
        }
    }

    /// What isn't used yet.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.space[self.begin..self.end]
    }

    /// Notes that so many bytes were used.
    pub fn consume(&mut self, length: usize) {
        self.begin += length;
        self.seen = 0;
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
            // An idle connection keeps little.
            self.space.truncate(SMALL);
            self.space.shrink_to(SMALL);
        }
    }

    /// Whether it is worth to look for a head: at the first bytes of one, and once its end may have come, so that a
    /// head which comes in many pieces isn't parsed at each of them.
    #[must_use]
    pub fn may_hold_head(&self) -> bool {
        let bytes = self.bytes();
        // An end has three bytes at most before its last.
        !bytes.is_empty() && (self.seen == 0 || has_end(&bytes[self.seen.saturating_sub(3)..]))
    }

    /// Notes that there is no head's end so far.
    pub fn note_seen(&mut self) {
        self.seen = self.end - self.begin;
    }

    /// Whether there is no room for more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.end - self.begin == self.limit
    }

    /// Reads more; 0 where there is nothing more to come. The buffer isn't full.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn poll_fill<R: AsyncRead + Unpin>(
        &mut self,
        stream: &mut R,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.make_room();
        let mut room = ReadBuf::new(&mut self.space[self.end..]);
        ready!(Pin::new(stream).poll_read(cx, &mut room))?;
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
            let larger = (self.space.len() * 2).max(SMALL).min(self.limit);
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
