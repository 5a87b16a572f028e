//! A server that runs: waiting for a stop, or for a part to die, and then the stop.
//!
//! The order of a stop: no more connections, and requests in progress are answered; no more
//! attempts, and those in flight come home; the store makes all of that durable and closes; the
//! admin API, which has shown all that, ends last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use fanway_admin::Readiness;
use fanway_store::{Error, Store};
use tokio::sync::{oneshot, watch};

use crate::core::Core;
use crate::foreman::Foreman;
use crate::group::{Ended, Group, after};
use crate::steering::Steering;

/// How long parts get to come to an end when another one has died.
const AFTER_A_DEATH: Duration = Duration::from_secs(5);
/// How long parts get that have nothing to wait for any more.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// A server that runs. Dropped, it is stopped without waiting for what is in flight.
#[derive(Debug)]
pub struct Running {
    /// Where senders are listened to, with the port that was taken.
    pub gateway: SocketAddr,
    /// Where operators are listened to, with the port that was taken.
    pub admin: SocketAddr,
    steering: Steering,
    stopper: Stopper,
    control: JoinHandle<Result<(), Failure>>,
}

/// How a server that runs is reached: where it listens, and what changes its config.
pub(crate) struct Reached {
    pub(crate) gateway: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) steering: Steering,
}

/// Why a server ended otherwise than by being stopped.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A part of it died, and the rest was stopped.
    #[error("{part} died")]
    Died {
        /// The part.
        part: String,
        /// What it died of.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store couldn't be closed in order.
    #[error("the store can't be closed")]
    Close(#[source] Error),
    /// The thread that controls the server panicked.
    #[error("the server broke down")]
    Broken,
}

/// Stops a server. Clones stop the same one.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<Option<Duration>>);

/// The end of a [`Stopper`] that is told.
pub(crate) struct Wanted(watch::Receiver<Option<Duration>>);

impl Stopper {
    pub(crate) fn new() -> (Self, Wanted) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), Wanted(receiver))
    }

    /// Asks for a stop that waits at most for `limit` until what is in flight is done. What isn't
    /// by then is done after the next start.
    pub fn stop(&self, limit: Duration) {
        self.0.send_replace(Some(limit));
    }
}

impl Wanted {
    /// Waits until a stop is wanted, and tells its limit.
    async fn stop(&mut self) -> Duration {
        match self.0.wait_for(Option::is_some).await {
            Ok(limit) => limit.unwrap_or_default(),
            Err(_nobody_holds_the_server) => Duration::ZERO,
        }
    }
}

impl Running {
    pub(crate) fn new(
        reached: Reached,
        stopper: Stopper,
        control: JoinHandle<Result<(), Failure>>,
    ) -> Self {
        Self {
            gateway: reached.gateway,
            admin: reached.admin,
            steering: reached.steering,
            stopper,
            control,
        }
    }

    /// What stops it from elsewhere, while [`wait`](Self::wait) waits.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// What changes its config from elsewhere.
    #[must_use]
    pub fn steering(&self) -> Steering {
        self.steering.clone()
    }

    /// Waits until it has been stopped, or has stopped because a part of it died. Blocks.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn wait(self) -> Result<(), Failure> {
        self.control.join().unwrap_or(Err(Failure::Broken))
    }

    /// Stops it: see [`Stopper::stop`]. Blocks until it has stopped.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn stop(self, limit: Duration) -> Result<(), Failure> {
        self.stopper.stop(limit);
        self.wait()
    }
}

/// All parts of a server that runs.
pub(crate) struct Assembled {
    pub(crate) addresses: (SocketAddr, SocketAddr),
    pub(crate) store: Arc<dyn Store>,
    pub(crate) readiness: Readiness,
    /// What takes connections in. Doors close when it is gone.
    pub(crate) intake: Group,
    pub(crate) doors: Group,
    pub(crate) foreman: Foreman,
    pub(crate) steering: Steering,
    /// The admin API.
    pub(crate) admin: Group,
    pub(crate) close_admin: oneshot::Sender<()>,
    /// What looks for orphans and changes of files, keeps secrets fresh, and carries out redrives.
    pub(crate) watch: Group,
    pub(crate) end_redrives: oneshot::Sender<()>,
    pub(crate) cores: Vec<Core>,
    pub(crate) wanted: Wanted,
}

impl Assembled {
    pub(crate) fn reached(&self) -> Reached {
        let (gateway, admin) = self.addresses;
        Reached {
            gateway,
            admin,
            steering: self.steering.clone(),
        }
    }

    /// Runs until a stop is wanted or a part dies, and stops in order.
    pub(crate) async fn run(mut self) -> Result<(), Failure> {
        let (gateway, admin) = self.addresses;
        tracing::info!(%gateway, %admin, "ready");
        let died = tokio::select! {
            biased;
            limit = self.wanted.stop() => {
                self.readiness.drain();
                return self.stop(limit).await;
            }
            ended = self.intake.next() => ended,
            ended = self.doors.next() => ended,
            ended = self.foreman.run() => ended,
            ended = self.admin.next() => ended,
            ended = self.watch.next() => ended,
        };
        let Ended { name, end } = died;
        let source = end.err().unwrap_or_else(|| "it ended by itself".into());
        tracing::error!(part = name, error = %source, "a part died: the server stops");
        self.readiness.fail(&name);
        if let Err(error) = self.stop(AFTER_A_DEATH).await {
            tracing::error!(%error, "the server didn't stop in order");
        }
        Err(Failure::Died { part: name, source })
    }

    async fn stop(mut self, limit: Duration) -> Result<(), Failure> {
        tracing::info!(?limit, "stopping");
        let deadline = after(limit);
        drop(self.intake);
        // A batch of a redrive that has begun is finished.
        drop(self.end_redrives);
        if !self.doors.all_ended(after(limit / 2)).await {
            tracing::warn!(doors = self.doors.len(), "requests in progress are cut off");
        }
        drop(self.doors);

        self.foreman.stop(deadline, LAST_GRACE).await;
        drop(self.watch);

        let closed = self.store.close().await.map_err(Failure::Close);
        drop(self.close_admin);
        self.admin.all_ended(after(LAST_GRACE)).await;
        drop(self.cores);
        tracing::info!("stopped");
        closed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fanway_admin::Readiness;
    use fanway_testkit::MemoryStore;
    use tokio::runtime::Handle;
    use tokio::sync::oneshot;

    use super::{Assembled, Failure, Stopper};
    use crate::foreman::Foreman;
    use crate::group::Group;

    #[tokio::test(start_paused = true)]
    async fn a_server_goes_down_with_the_part_that_dies() {
        let here = Handle::current();
        let (_stopper, wanted) = Stopper::new();
        let (foreman, steering) = Foreman::with_nothing_to_do(&here).await;
        let mut parts = Assembled {
            addresses: (([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into()),
            store: Arc::new(MemoryStore::default()),
            readiness: Readiness::default(),
            intake: Group::default(),
            doors: Group::default(),
            foreman,
            steering,
            admin: Group::default(),
            close_admin: oneshot::channel().0,
            watch: Group::default(),
            end_redrives: oneshot::channel().0,
            cores: Vec::new(),
            wanted,
        };
        parts
            .doors
            .spawn("door 0".to_owned(), std::future::pending(), &here);
        let dying = async { panic!("as asked") };
        parts.admin.spawn("admin".to_owned(), dying, &here);
        let failure = parts.run().await.expect_err("a part died");
        assert!(matches!(failure, Failure::Died { part, .. } if part == "admin"));
    }
}
