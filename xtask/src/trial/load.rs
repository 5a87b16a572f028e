//! Senders of numbered requests, each under a key of its own, sent until it is accepted.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::tally::{Tally, body};
use crate::client::{Client, Order, Whereabouts};

/// How long a request may take to be accepted: a limit for when something hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many send where as much is to be sent as can be.
const MANY: usize = 32;

/// What is sent, and who is told of it.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) tally: Arc<Tally>,
    /// The path of each number.
    pub(crate) path: fn(u32) -> &'static str,
    /// How often each number is sent.
    pub(crate) copies: u32,
    /// How long each sender rests between two requests.
    pub(crate) rest: Duration,
}

/// Senders at work.
#[derive(Debug)]
pub(crate) struct Senders {
    is_over: watch::Sender<bool>,
    tasks: JoinSet<()>,
    handle: Handle,
}

impl Load {
    /// Sends each number once to this path, without a rest.
    pub(crate) fn new(tally: &Arc<Tally>, path: fn(u32) -> &'static str) -> Self {
        Self {
            tally: Arc::clone(tally),
            path,
            copies: 1,
            rest: Duration::ZERO,
        }
    }

    /// Sends these numbers, and waits until all are accepted.
    pub(crate) fn send(&self, numbers: Range<u32>, whereabouts: &Whereabouts, handle: &Handle) {
        self.start(MANY, numbers, whereabouts, handle).wait();
    }

    /// Has so many senders send these numbers.
    pub(crate) fn start(
        &self,
        senders: usize,
        numbers: Range<u32>,
        whereabouts: &Whereabouts,
        handle: &Handle,
    ) -> Senders {
        let (is_over, over) = watch::channel(false);
        let next = Arc::new(AtomicU32::new(numbers.start * self.copies));
        let mut tasks = JoinSet::new();
        for _ in 0..senders {
            let sender = Sender {
                load: self.clone(),
                client: whereabouts.client(),
                next: Arc::clone(&next),
                end: numbers.end,
                is_over: over.clone(),
            };
            tasks.spawn_on(sender.run(), handle);
        }
        Senders {
            is_over,
            tasks,
            handle: handle.clone(),
        }
    }
}

impl Senders {
    /// Lets them finish the request that they are at. There has to be a gateway.
    pub(crate) fn finish(self) {
        self.is_over.send_replace(true);
        self.wait();
    }

    /// Waits until they have sent all.
    pub(crate) fn wait(self) {
        let Self {
            mut tasks, handle, ..
        } = self;
        handle.block_on(async { while tasks.join_next().await.is_some() {} });
    }
}

struct Sender {
    load: Load,
    client: Client,
    next: Arc<AtomicU32>,
    end: u32,
    is_over: watch::Receiver<bool>,
}

impl Sender {
    async fn run(mut self) {
        while !*self.is_over.borrow() {
            let number = self.next.fetch_add(1, Ordering::Relaxed) / self.load.copies;
            if number >= self.end {
                return;
            }
            self.send(number).await;
            if !self.load.rest.is_zero() {
                sleep(self.load.rest).await;
            }
        }
    }

    async fn send(&mut self, number: u32) {
        let Load { tally, path, .. } = &self.load;
        let order = Order::keyed(path(number), &number.to_string(), body(number));
        let begun = Instant::now();
        let until = begun + PATIENCE;
        let told = self.client.until_accepted(&order, until, || tally.begin());
        match told.await {
            Ok(Some(accepted)) => {
                tally.accepted(number, &accepted.id, begun, accepted.begin.as_ref());
            }
            Ok(None) => tally.wrong(format_args!("{number} wasn't accepted within {PATIENCE:?}")),
            Err(status) => tally.wrong(format_args!("{number} was answered with {status}")),
        }
    }
}
