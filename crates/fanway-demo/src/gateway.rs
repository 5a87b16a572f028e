//! The same orders through Fanway: sent, followed to their end, and what is to be learned of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use fanway_server::Running;
use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::apis::Apis;
use crate::client::Client;
use crate::orders::Order;
use crate::progress::Progress;
use crate::waits::Waits;

/// Callers at a time.
const CALLERS: usize = 8;
/// How long a caller rests between two orders: all of them take some six seconds, so that
/// shipping goes down in their midst.
const REST: Duration = Duration::from_millis(150);
/// Followers at a time: each waits for the end of one message.
const FOLLOWERS: usize = 32;

/// What came of the orders.
#[derive(Debug, Default)]
pub(crate) struct With {
    pub(crate) waits: Waits,
    /// How long it took until the last message had ended.
    pub(crate) took: Duration,
    /// Messages by the state that they ended in.
    pub(crate) messages: BTreeMap<String, usize>,
    /// Deliveries by the state that they ended in.
    pub(crate) deliveries: BTreeMap<String, usize>,
    /// Attempts that were made, beyond the first of each delivery.
    pub(crate) retries: u64,
    /// What the APIs answered instead of doing it: busy, down, refused.
    pub(crate) failures: [u64; 3],
    /// The dead letters, as the admin API shows them.
    pub(crate) dead: Vec<Value>,
    /// A message that shows a retry.
    pub(crate) example: Option<String>,
}

/// Sends all orders and follows them to their end.
pub(crate) async fn send_all(
    server: &Running,
    apis: &Apis,
    orders: &[Order],
) -> anyhow::Result<With> {
    let begun = Instant::now();
    let progress = Progress::start(server.admin, orders.len());
    let (sent, to_follow) = mpsc::channel(orders.len());
    let mut callers = JoinSet::new();
    for share in orders.chunks(orders.len().div_ceil(CALLERS)) {
        callers.spawn(send(server.gateway, share.to_vec(), sent.clone()));
    }
    drop(sent);
    let to_follow = Arc::new(Mutex::new(to_follow));
    let mut followers = JoinSet::new();
    for _ in 0..FOLLOWERS {
        followers.spawn(follow(
            server.gateway,
            Arc::clone(&to_follow),
            progress.clone(),
        ));
    }
    let watch = progress.clone();
    let is_down = || apis.is_shipping_down();
    let ended = tokio::select! {
        ended = gather(callers, followers) => ended?,
        watched = watch.watch(is_down) => return Err(watched.err().unwrap_or_else(|| anyhow::anyhow!("nobody watches"))),
    };
    progress.finish();
    let mut with = With {
        took: begun.elapsed(),
        ..ended
    };
    let seen = apis.seen();
    let sum = |count: fn(&crate::apis::Seen) -> u64| {
        seen.iter().map(|(_, seen)| count(seen)).sum::<u64>()
    };
    with.failures = [
        sum(|seen| seen.busy.load(Ordering::Relaxed)),
        sum(|seen| seen.down.load(Ordering::Relaxed)),
        sum(|seen| seen.refused.load(Ordering::Relaxed)),
    ];
    let attempted: usize = with
        .deliveries
        .iter()
        .filter(|(state, _)| *state != "skipped")
        .map(|(_, count)| count)
        .sum();
    with.retries = sum(|seen| seen.calls.load(Ordering::Relaxed)).saturating_sub(attempted as u64);
    with.dead = dead_letters(server.admin).await?;
    Ok(with)
}

async fn gather(
    mut callers: JoinSet<anyhow::Result<Waits>>,
    mut followers: JoinSet<anyhow::Result<Vec<Value>>>,
) -> anyhow::Result<With> {
    let mut with = With::default();
    while let Some(waits) = callers.join_next().await {
        with.waits.append(waits??);
    }
    while let Some(ended) = followers.join_next().await {
        for message in ended?? {
            with.count(&message);
        }
    }
    Ok(with)
}

impl With {
    fn count(&mut self, message: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        *self.messages.entry(text(&message["state"])).or_default() += 1;
        let mut attempts = 0;
        for delivery in message["deliveries"].as_array().into_iter().flatten() {
            *self.deliveries.entry(text(&delivery["state"])).or_default() += 1;
            attempts = attempts.max(delivery["attempts"].as_u64().unwrap_or_default());
        }
        if attempts > 1 && self.example.is_none() {
            self.example = Some(text(&message["id"]));
        }
    }
}

/// Sends a share of the orders, one after the other, and hands their ids on.
async fn send(
    gateway: SocketAddr,
    orders: Vec<Order>,
    sent: mpsc::Sender<String>,
) -> anyhow::Result<Waits> {
    let mut client = Client::new(gateway);
    let mut waits = Waits::default();
    let mut rest = tokio::time::interval(REST);
    for order in orders {
        rest.tick().await;
        let begun = Instant::now();
        let (status, body) = client.call(Method::POST, "/orders", order.body()).await?;
        waits.add(begun.elapsed(), status != StatusCode::ACCEPTED);
        let answer: Value = serde_json::from_slice(&body)?;
        let id = answer["id"]
            .as_str()
            .with_context(|| format!("order {} was answered {status}: {answer}", order.id()))?;
        sent.send(id.to_owned()).await?;
    }
    Ok(waits)
}

/// Follows one message after the other to its end.
async fn follow(
    gateway: SocketAddr,
    ids: Arc<Mutex<mpsc::Receiver<String>>>,
    progress: Progress,
) -> anyhow::Result<Vec<Value>> {
    let mut client = Client::new(gateway);
    let mut ended = Vec::new();
    loop {
        let Some(id) = ids.lock().await.recv().await else {
            return Ok(ended);
        };
        let message = loop {
            let message = client
                .get(&format!("/fanway/messages/{id}?wait=30s"))
                .await?;
            if message["state"] != "pending" {
                break message;
            }
        };
        progress.ended();
        ended.push(message);
    }
}

/// The dead letters in full.
async fn dead_letters(admin: SocketAddr) -> anyhow::Result<Vec<Value>> {
    let mut client = Client::new(admin);
    // A message can be known to have ended before the list of dead letters shows it.
    let listed = client.get("/api/v1/dead").await?;
    let mut letters = Vec::new();
    for letter in listed["dead"].as_array().into_iter().flatten() {
        let id = letter["id"]
            .as_str()
            .context("a dead letter without an id")?;
        letters.push(
            client
                .call(Method::GET, &format!("/api/v1/dead/{id}"), Bytes::new())
                .await?,
        );
    }
    letters
        .into_iter()
        .map(|(_, body)| Ok(serde_json::from_slice(&body)?))
        .collect()
}
