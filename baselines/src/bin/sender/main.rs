//! A sender that costs little and keeps to a rate: a request is due at its time whether the
//! gateway keeps up or not, and its latency counts from then.
//!
//! `sender ADDRESS PATH RATE SECONDS CONNECTIONS BYTES` sends JSON of so many bytes, and prints
//! what came of it as JSON. Each request carries the time at which it was sent, for the sink. One
//! thread waits for all connections at once; nothing else would cost less at 20,000 a second.

mod connection;
mod moments;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use baselines::{Durations, clock};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::Timespec;
use serde_json::json;

use connection::{Connection, Progress};
use moments::Moments;

/// How long what is late may take when the time is up.
const GRACE: Duration = Duration::from_secs(5);

/// What to send.
struct Params {
    gateway: SocketAddr,
    path: String,
    /// Requests that become due in a second.
    rate: u64,
    duration: Duration,
    connections: usize,
    /// Bytes of a body.
    size: usize,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [gateway, path, rate, seconds, connections, size] = arguments.as_slice() else {
        anyhow::bail!("sender ADDRESS PATH RATE SECONDS CONNECTIONS BYTES");
    };
    let params = Params {
        gateway: read(gateway)?,
        path: path.clone(),
        rate: read::<u64>(rate)?.max(1),
        duration: Duration::from_secs(read(seconds)?),
        connections: read(connections)?,
        size: read(size)?,
    };
    let mut sender = Sender::connect(&params)?;
    sender.run()?;
    println!("{}", sender.report());
    Ok(())
}

fn read<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    text: &str,
) -> anyhow::Result<T> {
    text.parse()
        .with_context(|| format!("{text} can't be read"))
}

struct Sender {
    connections: Vec<Connection>,
    /// Those without a request, by their index.
    idle: VecDeque<usize>,
    begun: Duration,
    interval: Duration,
    /// Requests that become due.
    total: u64,
    sent: u64,
    latency: Durations,
    slowest: Moments,
    /// Requests that were refused, or not answered.
    failed: u64,
    took: Duration,
}

impl Sender {
    fn connect(params: &Params) -> anyhow::Result<Self> {
        let request = connection::request(params.gateway, &params.path, params.size);
        let connect = |_| Connection::open(params.gateway, request.clone());
        let connections: Vec<Connection> = (0..params.connections)
            .map(connect)
            .collect::<Result<_, _>>()?;
        let begun = clock();
        Ok(Self {
            idle: (0..connections.len()).collect(),
            connections,
            begun,
            interval: Duration::from_secs(1) / u32::try_from(params.rate)?,
            total: params.rate * params.duration.as_secs(),
            sent: 0,
            latency: Durations::default(),
            slowest: Moments::starting(begun, params.duration),
            failed: 0,
            took: Duration::ZERO,
        })
    }

    fn run(&mut self) -> anyhow::Result<()> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        for index in 0..self.connections.len() {
            self.watch(epoll.as_fd(), index)?;
        }
        let end = self.due(self.total) + GRACE;
        let mut events = Vec::with_capacity(self.connections.len());
        while clock() < end && (self.sent < self.total || self.idle.len() < self.connections.len())
        {
            self.send_what_is_due();
            let wait = self.next_due().unwrap_or(end).saturating_sub(clock());
            let wait = Timespec::try_from(wait)?;
            events.clear();
            match epoll::wait(
                &epoll,
                rustix::buffer::spare_capacity(&mut events),
                Some(&wait),
            ) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                let index = usize::try_from(event.data.u64())?;
                if self.receive(index)? {
                    self.watch(epoll.as_fd(), index)?;
                }
            }
        }
        self.took = clock() - self.begun;
        Ok(())
    }

    fn watch(&self, epoll: std::os::fd::BorrowedFd<'_>, index: usize) -> anyhow::Result<()> {
        let data = EventData::new_u64(index as u64);
        Ok(epoll::add(
            epoll,
            self.connections[index].stream(),
            data,
            EventFlags::IN,
        )?)
    }

    /// When the n-th request is due.
    fn due(&self, index: u64) -> Duration {
        let nanos = self.interval.as_nanos().saturating_mul(index.into());
        self.begun + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// When the next one is due that could be sent then.
    fn next_due(&self) -> Option<Duration> {
        let can_be_sent = self.sent < self.total && !self.idle.is_empty();
        can_be_sent.then(|| self.due(self.sent))
    }

    fn send_what_is_due(&mut self) {
        while let Some(due) = self.next_due().filter(|due| *due <= clock()) {
            let index = self
                .idle
                .pop_front()
                .expect("something is due only where one is idle");
            self.connections[index].send(due);
            self.sent += 1;
        }
    }

    /// Reads what has come. Tells whether the connection is a new one.
    fn receive(&mut self, index: usize) -> anyhow::Result<bool> {
        let progress = self.connections[index].receive();
        match progress {
            Progress::Partial => return Ok(false),
            Progress::Answered {
                due,
                is_success: true,
            } => {
                let took = clock() - due;
                self.latency.record(took);
                self.slowest.record(due, took);
            }
            Progress::Answered { .. } => self.failed += 1,
            Progress::Broken { was_busy } => {
                self.connections[index]
                    .reopen()
                    .context("the gateway is gone")?;
                if was_busy {
                    self.failed += 1;
                    self.idle.push_back(index);
                }
                return Ok(true);
            }
        }
        self.idle.push_back(index);
        Ok(false)
    }

    fn report(&self) -> serde_json::Value {
        let unanswered = self.connections.len() - self.idle.len();
        json!({
            "seconds": self.took.as_secs_f64(),
            "answered": self.latency.total(),
            "latency_micros": self.latency.report(),
            "failed": self.failed + unanswered as u64,
            "unsent": self.total - self.sent,
            "slowest": self.slowest.report(),
        })
    }
}
