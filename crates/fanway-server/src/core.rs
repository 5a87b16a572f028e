//! The threads that serve: each has a runtime of its own, and a task stays where it was spawned.

use std::io;
use std::thread::{Builder, JoinHandle};

use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;

/// A thread with a runtime, until it is dropped: then its tasks are dropped as well.
pub(crate) struct Core {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Core {
    /// Starts the `index`-th.
    ///
    /// # Errors
    /// Where the system gives no thread, or nothing to wait for sockets with.
    pub(crate) fn start(index: usize) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            // Told, or left alone: both end it.
            let _told = runtime.block_on(stopped);
        };
        let thread = Builder::new()
            .name(format!("fanway-core-{index}"))
            .spawn(serve)?;
        Ok(Self {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where tasks of this core are spawned.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its tasks' panics were caught and told; the thread has none of its own.
            let _ended = thread.join();
        }
    }
}
