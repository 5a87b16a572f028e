//! Followers that are slow, or don't read at all, while others send.
//!
//! Some messages are followed that change all the time, since their target refuses them. Half of
//! the followers read, a quarter reads one byte a second, a quarter reads nothing; half of each
//! over server-sent events, half over WebSockets. How fast requests are accepted is measured without
//! them, with them, with those who read, and without them again.
//!
//! - Those who read are told of the end of their message, and of nothing after it.
//! - Those who are slow are let go, and not told of an end that came after that.
//! - The gateway's memory doesn't grow by more than a bound, however much they don't read.
//!
//! What it costs others is told, and no rule: it depends on what else the machine does.
//!
//! - `reader`, `slow` – the followers
//! - `pace` – how fast requests are accepted

mod pace;
mod reader;
mod slow;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use hyper::{Method, StatusCode};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::stage::Stage;
use super::tally::Tally;
use crate::client::Order;
use crate::lives::Bound;
use crate::process::resident;
use crate::scene::{Choice, Scene};
use crate::sink::{Delivery, Desk, Reply, Sink};
use crate::{plain_http, say};
use pace::Pace;
use reader::Reader;
use slow::Slow;

/// Messages that are followed.
const MESSAGES: usize = 4;
/// Steps of each: with its deliveries a message is some kilobytes long.
const STEPS: usize = 24;
/// By how much the gateway's memory may grow, in bytes.
const GROWTH: u64 = 64 << 20;
/// How long the ends of messages may take to be told: a limit for when something hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// What counts followers.
const FOLLOWERS: &str = "fanway_ingress_followers";

/// What to run
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Followers, of which half read
    #[arg(long, default_value = "200")]
    followers: u32,

    /// Seconds of load for each measurement
    #[arg(long, default_value = "5")]
    seconds: u32,

    #[command(flatten)]
    choice: Choice,
}

/// How a message's events are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Events,
    WebSocket,
}

/// Runs it, and tells whether all held.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let scene = Scene::set("follower", &options.choice)?;
    let tally = Tally::new(&[]);
    let (steady, restless) = (
        Answering::with(StatusCode::OK),
        Answering::with(StatusCode::SERVICE_UNAVAILABLE),
    );
    let desks: Vec<Arc<dyn Desk>> = vec![steady, Arc::clone(&restless) as _];
    let mut stage = Stage::open(scene, tally, desks, config)?;
    let load = Duration::from_secs(options.seconds.into());
    let pace = |stage: &Stage| Pace::measure(&stage.scene.fanway, stage.at.gateway, load);

    // The first one warms up.
    pace(&stage)?;
    let before = pace(&stage)?;
    let memory_before = memory(&mut stage)?;
    let followers = Followers::start(&stage, options.followers)?;
    let beside = pace(&stage)?;
    let memory_beside = memory(&mut stage)?;
    let dropped_after = followers.wait_until_slow_are_dropped(&stage)?;
    let readers = pace(&stage)?;
    restless.answer(StatusCode::OK);
    followers.finish(&stage);
    let after = pace(&stage)?;

    if memory_beside > memory_before + GROWTH {
        let grown = memory_beside - memory_before;
        let wrong = format!("memory has grown by {grown} bytes, {GROWTH} at most");
        stage.tally.wrong(wrong);
    }
    stage.close()?;
    let (_, wrongs) = stage.tally.end(Bound::Order);
    let count = options.followers;
    let ratio = |pace: Pace| pace.against(before, after);
    let (all, those_who_read) = (ratio(beside), ratio(readers));
    let (from, to) = (memory_before >> 10, memory_beside >> 10);
    say::line(format_args!(
        "without followers: {before}; without again: {after}
with {count}: {beside}; against without: {all}
with those of them who read: {readers}; against without: {those_who_read}
memory {from} KiB, with followers {to} KiB; the slow ones were dropped after {dropped_after:.1?}"
    ));
    stage.scene.clear(wrongs.report())
}

fn memory(stage: &mut Stage) -> anyhow::Result<u64> {
    resident(stage.gateway.process().id()).context("no memory")
}

/// All followers.
struct Followers {
    begun: Instant,
    readers: JoinSet<anyhow::Result<()>>,
    slow: JoinSet<anyhow::Result<()>>,
    /// Tells the slow ones to read what is left.
    hurry: watch::Sender<bool>,
}

impl Followers {
    /// Sends messages that don't end, and follows them.
    fn start(stage: &Stage, count: u32) -> anyhow::Result<Self> {
        let paths = (0..MESSAGES).map(|_| send(stage));
        let paths = paths.collect::<anyhow::Result<Vec<_>>>()?;
        let (hurry, hurried) = watch::channel(false);
        let mut followers = Self {
            begun: Instant::now(),
            readers: JoinSet::new(),
            slow: JoinSet::new(),
            hurry,
        };
        let (gateway, handle) = (stage.at.gateway, &stage.scene.handle);
        for (number, path) in (0..count).zip(paths.iter().cycle()) {
            let (path, hurried) = (path.clone(), hurried.clone());
            // Messages come in fours, kinds of followers in eights.
            let (over, kind) = (over(number / 4), number / 8 % 4);
            match kind {
                0 | 1 => {
                    let reader = Reader {
                        gateway,
                        path,
                        over,
                    };
                    followers.readers.spawn_on(reader.run(), handle);
                }
                _ => {
                    let drips = kind == 2;
                    let slow = Slow {
                        gateway,
                        path,
                        over,
                        drips,
                    };
                    followers.slow.spawn_on(slow.run(hurried), handle);
                }
            }
        }
        stage.wait_for("all followers", || {
            let there = plain_http::figure(stage.at.admin, FOLLOWERS)?;
            Ok((there >= f64::from(count)).then_some(()))
        })?;
        Ok(followers)
    }

    fn wait_until_slow_are_dropped(&self, stage: &Stage) -> anyhow::Result<Duration> {
        let readers = u32::try_from(self.readers.len())?;
        stage.wait_for("the drop of the slow ones", || {
            let there = plain_http::figure(stage.at.admin, FOLLOWERS)?;
            Ok((there <= f64::from(readers)).then_some(()))
        })?;
        Ok(self.begun.elapsed())
    }

    /// Waits until all have read to the end, and notes what is wrong with what they read.
    fn finish(self, stage: &Stage) {
        let Self {
            readers,
            slow,
            hurry,
            ..
        } = self;
        hurry.send_replace(true);
        for (kind, tasks) in [("reads", readers), ("is slow", slow)] {
            let all = async { timeout(PATIENCE, tasks.join_all()).await };
            let all = stage.scene.handle.block_on(all);
            let wrong = match all {
                Ok(ends) => ends.into_iter().filter_map(Result::err).collect(),
                Err(_) => vec![anyhow::anyhow!("the stream didn't end within {PATIENCE:?}")],
            };
            for wrong in wrong {
                stage.tally.wrong(format_args!("one who {kind}: {wrong:#}"));
            }
        }
    }
}

fn over(number: u32) -> Over {
    if number.is_multiple_of(2) {
        Over::Events
    } else {
        Over::WebSocket
    }
}

/// Sends a message that doesn't end. Returns the path of its events.
fn send(stage: &Stage) -> anyhow::Result<String> {
    let order = Order::new(Method::POST, "/watched", "{}".into());
    let mut client = stage.whereabouts.client();
    let answer = stage.scene.handle.block_on(client.call(&order))?;
    anyhow::ensure!(answer.status == StatusCode::ACCEPTED, "{}", answer.status);
    let body = answer.json();
    let status = body["status"].as_str().context("no place to ask")?;
    Ok(format!("{status}/events"))
}

/// A desk that counts nothing and answers all alike.
#[derive(Debug)]
struct Answering(AtomicU16);

impl Answering {
    fn with(status: StatusCode) -> Arc<Self> {
        Arc::new(Self(AtomicU16::new(status.as_u16())))
    }

    fn answer(&self, status: StatusCode) {
        self.0.store(status.as_u16(), Ordering::SeqCst);
    }
}

impl Desk for Answering {
    fn take(&self, _: &Delivery) -> Reply {
        let status = StatusCode::from_u16(self.0.load(Ordering::SeqCst));
        Reply::now(status.unwrap_or_default())
    }

    fn answering(&self, _: &Delivery, _: StatusCode) {}
}

/// What both kinds of followers send, where they speak for themselves.
fn request(gateway: SocketAddr, path: &str, over: Over) -> String {
    let upgrade = match over {
        Over::Events => "",
        Over::WebSocket => {
            "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        }
    };
    format!("GET {path} HTTP/1.1\r\nhost: {gateway}\r\n{upgrade}\r\n")
}

fn config(scene: &Scene, sinks: &[Sink]) -> String {
    let head = scene.head("  segment: 16MiB\n");
    let [steady, restless] = [0, 1].map(|sink: usize| sinks[sink].address());
    let steps = (0..STEPS).map(|step| format!("{{ to: restless, as: step_{step} }}"));
    let steps: Vec<_> = steps.collect();
    format!(
        "{head}targets:
  steady: {{ url: 'http://{steady}' }}
  restless:
    url: http://{restless}/
    retry: {{ first: 2s, max: 2s, attempts: 10000, give_up_after: 1h }}
    breaker: {{ consecutive: 1000000, failure_ratio: 1, minimum: 1000000 }}
routes:
  orders: {{ match: POST /orders, send: [steady] }}
  watched: {{ match: POST /watched, send: [{steps}] }}
",
        steps = steps.join(", ")
    )
}
