//! The threads that serve: each has a runtime of its own, and a task stays where it was spawned.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use fanway_store_local::Turn;
use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;

/// A thread with a runtime, until it is dropped: then its tasks are dropped as well.
pub(crate) struct Core {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Core {
    /// Starts the `index`-th. It is at work, as `turn` tells, until it has run out of ready tasks,
    /// and again once something has woken it.
    ///
    /// # Errors
    /// Where the system gives no thread, or nothing to wait for sockets with.
    pub(crate) fn start(index: usize, turn: Turn) -> io::Result<Self> {
        let turn = Arc::new(turn);
        let (resting, waking) = (Arc::clone(&turn), Arc::clone(&turn));
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(move || resting.end())
            .on_thread_unpark(move || waking.begin())
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            let _turn = FirstTurn::begin(turn);
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

/// The turn with which a thread begins. The thread ends with it as well, also where it panics.
struct FirstTurn(Arc<Turn>);

impl FirstTurn {
    fn begin(turn: Arc<Turn>) -> Self {
        turn.begin();
        Self(turn)
    }
}

impl Drop for FirstTurn {
    fn drop(&mut self) {
        self.0.end();
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;
    use std::thread::yield_now;

    use fanway_store_local::Turns;

    use super::Core;

    /// Waits until a core has run out of tasks.
    fn wait_for_rest(turns: &Turns) {
        while turns.at_work() > 0 {
            yield_now();
        }
    }

    #[test]
    fn a_core_is_at_work_while_it_has_tasks() {
        let turns = Turns::default();
        let core = Core::start(0, turns.thread()).expect("the system gives a thread");
        let (report, reported) = sync_channel(0);
        for _ in 0..3 {
            let (turns_seen, report) = (turns.clone(), report.clone());
            core.handle().spawn(async move {
                // Its turn can't end before this is taken.
                report.send(turns_seen.at_work()).expect("the test waits");
            });
            assert_eq!(reported.recv(), Ok(1));
            wait_for_rest(&turns);
        }
        drop(core);
        assert_eq!(turns.at_work(), 0);
    }

    #[test]
    fn a_core_that_ends_is_not_at_work() {
        let turns = Turns::default();
        let core = Core::start(0, turns.thread()).expect("the system gives a thread");
        // It outlives the thread, and with it what the runtime is told of parking.
        let handle = core.handle().clone();
        drop(core);
        assert_eq!(turns.at_work(), 0);
        drop(handle);
    }
}
