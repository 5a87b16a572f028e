//! How lanes are stopped: in two stages, so that what is in flight may come home.

use tokio::sync::watch;

/// How far a stop has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// No stop is wanted.
    #[default]
    Running,
    /// No new attempts; those in flight are waited for.
    Finishing,
    /// Those in flight are broken off. Nothing is recorded of them, so that the store hands their
    /// deliveries out again after the next start.
    Abandoning,
}

/// Makes the two ends of a stop.
#[must_use]
pub fn shutdown() -> (Stopper, Shutdown) {
    let (sender, receiver) = watch::channel(Stage::Running);
    (Stopper(sender), Shutdown(receiver))
}

/// The end that stops. Dropped, it abandons what is in flight.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Stage>);

impl Stopper {
    /// No new attempts from now on; those in flight are waited for.
    pub fn finish(&self) {
        self.advance(Stage::Finishing);
    }

    /// Breaks off what is in flight, without recording anything of it.
    pub fn abandon(&self) {
        self.advance(Stage::Abandoning);
    }

    fn advance(&self, stage: Stage) {
        self.0
            .send_if_modified(|now| std::mem::replace(now, stage.max(*now)) < stage);
    }
}

/// The end that is told. Clones are told as well.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Stage>);

impl Shutdown {
    /// Waits until the stop has come further than this end was told, and tells it how far.
    pub(crate) async fn next(mut self) -> (Stage, Self) {
        let stage = match self.0.changed().await {
            Ok(()) => *self.0.borrow_and_update(),
            Err(_stopper_is_gone) => Stage::Abandoning,
        };
        (stage, self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Stage, shutdown};

    #[tokio::test]
    async fn a_stop_goes_on_and_never_back() {
        let (stopper, told) = shutdown();
        stopper.finish();
        let (stage, told) = told.next().await;
        assert_eq!(stage, Stage::Finishing);
        stopper.abandon();
        stopper.finish();
        let (stage, _) = told.next().await;
        assert_eq!(stage, Stage::Abandoning);
    }

    #[tokio::test]
    async fn a_stopper_that_is_gone_abandons() {
        let (stopper, told) = shutdown();
        drop(stopper);
        assert_eq!(told.next().await.0, Stage::Abandoning);
    }
}
