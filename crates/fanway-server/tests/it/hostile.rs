//! Targets that misbehave: what an operator reads of it, what their neighbour pays for it, and
//! what is counted at their end.
//!
//! - `peer` – a target that does as it likes with each connection
//! - `answers` – answers that are none, lie, break off or never end
//! - `silence` – no answer, or one that comes byte by byte; no connection, or one that comes and goes
//! - `pushback` – 429 and 503 with whatever a `Retry-After` can say
//! - `limits` – what comes to those for whom limits are set

mod answers;
mod limits;
mod peer;
mod pushback;
mod silence;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::gateway::{Gateway, config, folder};
use crate::sink::Sink;

/// The body of each message.
const BODY: &str = "{}";

/// A gateway with some targets that misbehave, and one that doesn't: all are sent each message.
struct Scene {
    gateway: Gateway,
    neighbour: Sink,
    _folder: TempDir,
}

impl Scene {
    /// Targets by name and address, each with more of its keys.
    async fn set(targets: &[(&str, SocketAddr, &str)]) -> Self {
        let neighbour = Sink::start(Some(200)).await;
        let folder = folder();
        let line = |(name, address, more): (&str, SocketAddr, &str)| {
            format!("  {name}: {{ url: 'http://{address}/in', {more} }}\n")
        };
        let well = ("neighbour", neighbour.address, "");
        let all = || targets.iter().copied().chain([well]);
        let lines: String = all().map(line).collect();
        let names: Vec<&str> = all().map(|(name, ..)| name).collect();
        let names = names.join(", ");
        let sections = format!(
            "targets:\n{lines}routes: {{ orders: {{ match: POST /orders, send: [{names}] }} }}"
        );
        let gateway = Gateway::start(config(folder.path(), &sections)).await;
        Self {
            gateway,
            neighbour,
            _folder: folder,
        }
    }

    /// Sends so many messages; returns when the neighbour has all of them.
    async fn send(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.gateway.send("/orders", BODY).await);
        }
        for _ in 0..count {
            assert_eq!(self.neighbour.next().await.body, BODY);
        }
        assert!(self.neighbour.is_quiet(), "each once");
        ids
    }

    /// A target as the admin API shows it, once that is as expected.
    async fn target(&self, name: &str, expected: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/api/v1/targets/{name}");
        self.gateway.admin_until(&path, expected).await
    }

    /// A message as an operator sees it, once that is as expected.
    async fn message(&self, id: &str, expected: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/api/v1/messages/{id}");
        self.gateway.admin_until(&path, expected).await
    }

    /// A message as an operator sees it when it has ended.
    async fn ended(&self, id: &str) -> Value {
        self.gateway.ended(id).await;
        self.message(id, |message| message["state"] != "pending")
            .await
    }

    /// Stops the gateway, which breaks off what is in flight.
    async fn stop(self) {
        self.gateway.stop(Duration::ZERO).await;
    }
}

/// A message's delivery to a target.
fn delivery<'m>(message: &'m Value, target: &str) -> &'m Value {
    let deliveries = message["deliveries"].as_array().expect("a list");
    let delivery = deliveries.iter().find(|one| one["target"] == target);
    delivery.expect("one to each target")
}

/// What is said of a delivery: its state, the reason, the attempts, the last status and the detail,
/// in which the target's address is `PEER`.
fn said(delivery: &Value, address: SocketAddr) -> String {
    let text = |key: &str| delivery[key].as_str().unwrap_or("-").to_owned();
    let detail = text("detail").replace(&address.to_string(), "PEER");
    format!(
        "{} {}, {} attempts, status {}: {detail}",
        text("state"),
        text("reason"),
        delivery["attempts"],
        delivery["last_status"],
    )
}
