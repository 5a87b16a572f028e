//! The order example, end to end: what Fanway does with orders for two lifelike APIs, and what
//! the same calls cost without it.
//!
//! The config and the orders are those of `examples/orders`, unchanged. Everything that is shown
//! is learned as a stranger would: over HTTP, from the gateway, the admin API, and the two APIs.

mod apis;
mod client;
mod gateway;
mod orders;
mod progress;
mod report;
mod waits;
mod without;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use fanway_config::{Config, ProcessEnvironment};
use fanway_server::{Running, Server};

use crate::apis::Apis;
use crate::orders::Order;

const CONFIG: &str = include_str!("../../../examples/orders/fanway.yaml");
const ORDERS: &str = include_str!("../../../examples/orders/orders.ndjson");

/// How long the server waits for what is in flight when the demo ends.
const DRAIN: Duration = Duration::from_secs(5);

/// How the demo is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether it ends when it has shown everything, or stays up to be tried.
    pub exit: bool,
    /// What a person types to run this program.
    pub program: String,
}

/// Runs the demo. Blocks until it has ended, or somebody has pressed Ctrl-C.
///
/// # Errors
/// Where an address of the config is taken, or something doesn't do what it should.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let stopped = tokio::signal::ctrl_c();
        tokio::select! {
            shown = show(options) => shown,
            stopped = stopped => Ok(stopped?),
        }
    })
}

async fn show(options: &Options) -> anyhow::Result<()> {
    let orders = orders::read(ORDERS)?;
    let folder = DataFolder::make()?;
    let config = config(&folder)?;
    let apis = Apis::start(&config).await?;
    report::opening(&orders, &config, folder.path());

    let without = without::measure(&apis, &orders).await?;
    report::without(&without);

    apis.begin();
    let server = tokio::task::spawn_blocking(move || Server::start(config)).await??;
    let with = gateway::send_all(&server, &apis, &orders).await;
    let shown = async {
        let with = with?;
        report::with(&with, &without);
        report::try_it(&options.program, &server, &with);
        if !options.exit {
            tokio::signal::ctrl_c().await?;
        }
        Ok(())
    };
    let shown = shown.await;
    stop(server).await?;
    shown
}

async fn stop(server: Running) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(move || server.stop(DRAIN))
        .await?
        .context("the gateway didn't stop in order")
}

/// The example's config, with a data folder of its own.
fn config(folder: &DataFolder) -> anyhow::Result<Config> {
    let mut config = Config::parse(CONFIG, "examples/orders/fanway.yaml", &ProcessEnvironment)
        .map_err(|errors| anyhow::anyhow!("{errors}"))?;
    config.store.path = folder.path().to_owned();
    Ok(config)
}

/// A data folder that is removed when the demo ends.
struct DataFolder(PathBuf);

impl DataFolder {
    fn make() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("fanway-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path)
            .with_context(|| format!("{} can't be made", path.display()))?;
        Ok(Self(path))
    }

    fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        // What can't be removed lies in the folder for temporary files.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// An order and what it is sent as, for whoever calls the APIs themselves.
#[derive(Clone, Debug)]
struct Calls {
    reservation: String,
    /// Path and body; `None` where nothing is shipped.
    shipment: Option<(String, String)>,
}

impl From<&Order> for Calls {
    fn from(order: &Order) -> Self {
        let json = order.json();
        let lines: Vec<_> = json["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(line)
            .collect();
        let reservation = serde_json::json!({"order": json["id"], "lines": lines}).to_string();
        let shipment = json.get("delivery").map(|delivery| {
            let body = serde_json::json!({
                "to": delivery,
                "express": delivery.get("express").is_some(),
                "parcels": lines.len(),
            });
            (format!("/shipments/{}", order.id()), body.to_string())
        });
        Self {
            reservation,
            shipment,
        }
    }
}

fn line(item: &serde_json::Value) -> serde_json::Value {
    serde_json::json!({"sku": item["sku"], "quantity": item["quantity"]})
}
