//! Load on a gateway: requests over many connections, and how each ended.
//!
//! A closed loop sends the next request of a connection when the last one is answered. At a fixed
//! rate a request is due at its time whether the gateway keeps up or not, and its latency counts
//! from then: a gateway that stalls can't hide it by slowing the load down.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, StatusCode};
use tokio::sync::Semaphore;

use crate::client::Server;
use crate::histogram::Histogram;

/// How long an answer may be late when the time is up.
const GRACE: Duration = Duration::from_secs(5);
/// How long a connection that broke rests before the next.
const REST: Duration = Duration::from_millis(50);

/// What load to make.
#[derive(Clone, Debug)]
pub(crate) struct Params {
    /// The gateway.
    pub(crate) server: Server,
    /// The request, whole.
    pub(crate) request: Request<Full<Bytes>>,
    /// Connections to hold.
    pub(crate) connections: NonZeroUsize,
    /// How long requests are begun.
    pub(crate) duration: Duration,
    /// Requests that become due in a second; without it the load is a closed loop.
    pub(crate) rate: Option<NonZeroU32>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// How long accepted requests took.
    pub(crate) latency: Histogram,
    /// Answers by status.
    pub(crate) statuses: BTreeMap<StatusCode, u64>,
    /// Requests without an answer, by what failed.
    pub(crate) failures: BTreeMap<&'static str, u64>,
    /// Requests that were due and never sent.
    pub(crate) unsent: u64,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Report {
    fn add(&mut self, other: &Self) {
        self.latency.add(&other.latency);
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (failure, count) in &other.failures {
            *self.failures.entry(failure).or_default() += count;
        }
    }

    fn fail(&mut self, failure: &'static str) {
        *self.failures.entry(failure).or_default() += 1;
    }
}

/// Makes the load, on as many threads as there are cores.
pub(crate) fn run(params: &Params) -> anyhow::Result<Report> {
    let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = cores.min(params.connections).get();
    let pace = params.rate.map(Pace::new);
    let begun = Instant::now();
    let mut report = Report::default();
    thread::scope(|scope| -> anyhow::Result<()> {
        let share = |thread| {
            let connections = params.connections.get();
            connections / threads + usize::from(thread < connections % threads)
        };
        let pace = pace.as_ref();
        let workers: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || hold(params, share(thread), begun, pace)))
            .collect();
        if let Some(pace) = pace {
            pace.run(begun, params.duration);
        }
        for worker in workers {
            report.add(&worker.join().expect("workers don't panic")?);
        }
        Ok(())
    })?;
    report.unsent = pace.map_or(0, |pace| pace.unsent());
    report.took = begun.elapsed();
    Ok(report)
}

/// Holds some connections on this thread.
fn hold(
    params: &Params,
    connections: usize,
    begun: Instant,
    pace: Option<&Pace>,
) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    let one = || async move {
        let mut connection = Connection {
            params,
            sender: None,
            report: Report::default(),
        };
        connection.drive(begun, pace).await;
        connection.report
    };
    let mut report = Report::default();
    let all = futures_util::future::join_all((0..connections).map(|_| one()));
    for one in runtime.block_on(all) {
        report.add(&one);
    }
    Ok(report)
}

/// One connection, opened again where it breaks.
struct Connection<'a> {
    params: &'a Params,
    sender: Option<SendRequest<Full<Bytes>>>,
    report: Report,
}

impl Connection<'_> {
    async fn drive(&mut self, begun: Instant, pace: Option<&Pace>) {
        let end = begun + self.params.duration;
        loop {
            let due = match pace {
                None => Some(Instant::now()),
                Some(pace) => pace.next(begun).await,
            };
            let Some(due) = due.filter(|_| Instant::now() < end) else {
                return;
            };
            let late = tokio::time::Instant::from_std(end + GRACE);
            match tokio::time::timeout_at(late, self.exchange()).await {
                Ok(Ok(status)) => self.answered(status, due),
                Ok(Err(failure)) => {
                    self.report.fail(failure);
                    self.sender = None;
                    tokio::time::sleep(REST).await;
                }
                Err(_) => return self.report.fail("no answer in time"),
            }
        }
    }

    async fn exchange(&mut self) -> Result<StatusCode, &'static str> {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self
                .params
                .server
                .connect()
                .await
                .map_err(|_| "connection refused")?,
        };
        sender.ready().await.map_err(|_| "connection broken")?;
        let answer = sender.send_request(self.params.request.clone()).await;
        let answer = answer.map_err(|_| "connection broken")?;
        let status = answer.status();
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            frame.map_err(|_| "connection broken")?;
        }
        self.sender = Some(sender);
        Ok(status)
    }

    fn answered(&mut self, status: StatusCode, due: Instant) {
        if status.is_success() {
            self.report.latency.record(due.elapsed());
        }
        *self.report.statuses.entry(status).or_default() += 1;
    }
}

/// A fixed rate: the n-th request is due at n times the interval.
struct Pace {
    interval: Duration,
    /// A permit for each request that is due and not taken.
    due: Semaphore,
    released: AtomicU64,
    taken: AtomicU64,
}

impl Pace {
    fn new(rate: NonZeroU32) -> Self {
        Self {
            interval: Duration::from_secs(1) / rate.get(),
            due: Semaphore::new(0),
            released: AtomicU64::new(0),
            taken: AtomicU64::new(0),
        }
    }

    /// Lets requests become due for `duration`. On a thread, since its sleep is finer than the
    /// runtime's, which is a millisecond.
    fn run(&self, begun: Instant, duration: Duration) {
        let mut released = 0;
        loop {
            let passed = begun.elapsed();
            if passed >= duration {
                break;
            }
            let count = passed.as_nanos() / self.interval.as_nanos() + 1;
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            let more = usize::try_from(count - released).unwrap_or(usize::MAX);
            self.due.add_permits(more);
            released = count;
            thread::sleep(
                self.at(begun, count)
                    .saturating_duration_since(Instant::now()),
            );
        }
        self.released.store(released, Ordering::Relaxed);
        self.due.close();
    }

    fn at(&self, begun: Instant, index: u64) -> Instant {
        let nanos = self.interval.as_nanos().saturating_mul(index.into());
        begun + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Takes the next request that is due, waiting for it; `None` once the time is up.
    async fn next(&self, begun: Instant) -> Option<Instant> {
        self.due.acquire().await.ok()?.forget();
        Some(self.at(begun, self.taken.fetch_add(1, Ordering::Relaxed)))
    }

    fn unsent(&self) -> u64 {
        let taken = self.taken.load(Ordering::Relaxed);
        self.released.load(Ordering::Relaxed).saturating_sub(taken)
    }
}
