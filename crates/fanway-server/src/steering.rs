//! Changing the config of a server that runs: the end that asks, and what it is shown.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanway_admin::steering::{Generation, Refused, RollbackError};
use fanway_store::BoxFuture;
use tokio::sync::{mpsc, oneshot};

/// Orders that wait.
const WAITING: usize = 16;

/// Changes the config of a server that runs. Clones change the same one.
#[derive(Clone, Debug)]
pub struct Steering {
    orders: mpsc::Sender<Order>,
    shown: Arc<Mutex<Shown>>,
}

/// What is asked for, and who is told what came of it.
#[derive(Debug)]
pub(crate) enum Order {
    /// The config is to be read again, for a reason.
    Reload(Why, oneshot::Sender<Result<Generation, Vec<String>>>),
    /// The config before is to be used again.
    Rollback(oneshot::Sender<Result<Generation, RollbackError>>),
}

/// Why the config is read again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Why {
    /// The admin API was asked to.
    Operator,
    /// Something else has told the server: a signal, a file that has changed.
    Told(&'static str),
    /// A secret has changed, and is known.
    Secret,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operator => "an operator",
            Self::Told(by) => by,
            Self::Secret => "a changed secret",
        })
    }
}

/// What is shown of the config in use.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) current: Generation,
    pub(crate) refused: Option<Refused>,
}

impl Steering {
    pub(crate) fn new(current: Generation) -> (Self, mpsc::Receiver<Order>) {
        let (orders, receiver) = mpsc::channel(WAITING);
        let shown = Shown {
            current,
            refused: None,
        };
        let shown = Arc::new(Mutex::new(shown));
        (Self { orders, shown }, receiver)
    }

    /// Reads the config again and puts it to use, where all of it is right.
    ///
    /// # Errors
    /// With all that is wrong with it; then nothing has changed.
    pub(crate) async fn reload_for(&self, why: Why) -> Result<Generation, Vec<String>> {
        let (answer, answered) = oneshot::channel();
        // Where nobody takes it, nobody answers.
        let _stopping = self.orders.send(Order::Reload(why, answer)).await;
        answered.await.unwrap_or_else(|_| Err(vec![stopping()]))
    }

    /// The same for a thread that may block, which has been told by `actor`, such as a signal.
    ///
    /// # Errors
    /// With all that is wrong with it; then nothing has changed.
    ///
    /// # Panics
    /// Within an asynchronous runtime.
    pub fn reload_blocking(&self, actor: &'static str) -> Result<Generation, Vec<String>> {
        let (answer, answered) = oneshot::channel();
        let order = Order::Reload(Why::Told(actor), answer);
        let _stopping = self.orders.blocking_send(order);
        answered
            .blocking_recv()
            .unwrap_or_else(|_| Err(vec![stopping()]))
    }

    pub(crate) fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stopping() -> String {
    "the server is stopping".to_owned()
}

impl fanway_admin::steering::Steering for Steering {
    fn current(&self) -> Generation {
        self.shown().current.clone()
    }

    fn refused(&self) -> Option<Refused> {
        self.shown().refused.clone()
    }

    fn reload(&self) -> BoxFuture<'_, Result<Generation, Vec<String>>> {
        Box::pin(self.reload_for(Why::Operator))
    }

    fn rollback(&self) -> BoxFuture<'_, Result<Generation, RollbackError>> {
        Box::pin(async {
            let (answer, answered) = oneshot::channel();
            let _stopping = self.orders.send(Order::Rollback(answer)).await;
            let stopping = |_| Err(RollbackError::Refused(vec![stopping()]));
            answered.await.unwrap_or_else(stopping)
        })
    }
}
