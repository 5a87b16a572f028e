//! A request's body on its way out, piece by piece, and when its last piece was taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::time::Instant;

/// A body of known length that is handed out in pieces, so that it can be seen moving.
#[derive(Debug)]
pub(super) struct Upload {
    rest: Bytes,
    progress: Progress,
}

/// When a piece of a body was last taken.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    started: Instant,
    /// Milliseconds since then. A body of one piece is taken at once and needs none.
    taken: Option<Arc<AtomicU64>>,
}

impl Upload {
    /// The longest piece, in bytes.
    pub(super) const PIECE: usize = 64 << 10;

    /// All of `body`, from `started` on.
    pub(super) fn new(body: Bytes, started: Instant) -> Self {
        let taken = (body.len() > Self::PIECE).then(Arc::default);
        Self {
            rest: body,
            progress: Progress { started, taken },
        }
    }

    /// The view of whoever waits for it.
    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Bytes not yet taken.
    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `limit` bytes at most.
    pub(super) fn take(&mut self, limit: usize) -> Bytes {
        self.progress.note();
        self.rest
            .split_to(limit.min(Self::PIECE).min(self.rest.len()))
    }

    /// The bytes to take next, without taking them.
    pub(super) fn piece(&self) -> &[u8] {
        &self.rest[..self.rest.len().min(Self::PIECE)]
    }

    /// Takes so many bytes of the [`piece`](Self::piece).
    pub(super) fn advance(&mut self, taken: usize) {
        if taken > 0 {
            self.progress.note();
            self.rest.advance(taken);
        }
    }
}

impl Progress {
    fn note(&self) {
        if let Some(taken) = &self.taken {
            let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            taken.store(millis, Ordering::Relaxed);
        }
    }

    /// When the last piece was taken; the beginning, where there is only one.
    pub(super) fn last(&self) -> Instant {
        let millis = self
            .taken
            .as_ref()
            .map_or(0, |taken| taken.load(Ordering::Relaxed));
        self.started + Duration::from_millis(millis)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::time::{Instant, advance};

    use super::Upload;

    #[tokio::test(start_paused = true)]
    async fn a_long_body_is_seen_moving() {
        let started = Instant::now();
        let mut upload = Upload::new(Bytes::from(vec![0; Upload::PIECE + 1]), started);
        let progress = upload.progress();
        advance(Duration::from_secs(3)).await;
        assert_eq!(progress.last(), started);
        assert_eq!(upload.take(usize::MAX).len(), Upload::PIECE);
        assert_eq!(progress.last(), started + Duration::from_secs(3));
        assert_eq!(upload.take(usize::MAX).len(), 1);
        assert_eq!(upload.remaining(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_body_counts_from_its_beginning() {
        let started = Instant::now();
        let mut upload = Upload::new(Bytes::from_static(b"short"), started);
        advance(Duration::from_secs(3)).await;
        assert_eq!(upload.take(usize::MAX), "short");
        assert_eq!(upload.progress().last(), started);
    }
}
