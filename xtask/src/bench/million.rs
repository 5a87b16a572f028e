//! A million messages that wait: how much memory they take, and how soon a restart is ready.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::candidate::{start_fanway, wait_until_posted};
use super::rig::Rig;
use super::{MANY, WARM_UP};
use crate::process::resident;
use crate::{plain_http, say};

/// How many messages wait.
const MESSAGES: u64 = 1_000_000;
/// Load between two looks.
const LOAD: Duration = Duration::from_secs(5);
/// How long it may take until they are all there.
const PATIENCE: Duration = Duration::from_secs(600);
/// Nobody listens there.
const DOWN: &str = "http://127.0.0.1:1/";

/// What was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Million {
    /// Which targets are down.
    pub(crate) down: &'static str,
    /// Messages that waited.
    pub(crate) waiting: u64,
    /// Memory while few of them waited, in bytes.
    pub(crate) before: u64,
    /// Memory while all of them waited, in bytes.
    pub(crate) after: u64,
    /// From a restart after SIGKILL until it is ready.
    pub(crate) ready: Duration,
    /// Memory after that restart, in bytes.
    pub(crate) restarted: u64,
}

/// Measures with both targets down, and with one.
pub(crate) fn measure(rig: &Rig) -> anyhow::Result<Vec<Million>> {
    let [inventory, _] = rig.urls();
    let down = || DOWN.to_owned();
    let both = scene("both", &[down(), down()], rig)?;
    let one = scene("one", &[inventory, down()], rig)?;
    Ok(vec![both, one])
}

fn scene(down: &'static str, targets: &[String; 2], rig: &Rig) -> anyhow::Result<Million> {
    let name = format!("million-{down}");
    let (mut gateway, addresses) = start_fanway(&name, "always", targets, rig)?;
    let id = gateway.process().id();
    let load = |duration| rig.loader.run(addresses.gateway, MANY, duration);
    load(WARM_UP)?;
    wait_until_posted(addresses.admin)?;
    let before = resident(id).context("no memory")?;
    let begun = Instant::now();
    let mut waiting = pending(addresses.admin)?;
    while waiting < MESSAGES {
        if begun.elapsed() > PATIENCE {
            bail!("only {waiting} messages wait after {PATIENCE:?}");
        }
        load(LOAD)?;
        waiting = pending(addresses.admin)?;
        say::note(format_args!("{waiting} messages wait, {down} down"));
    }
    wait_until_posted(addresses.admin)?;
    let after = resident(id).context("no memory")?;
    gateway.process().kill();
    let begun = Instant::now();
    let (mut gateway, _) = start_fanway(&name, "always", targets, rig)?;
    let ready = begun.elapsed();
    let restarted = resident(gateway.process().id()).context("no memory")?;
    let seen = Million {
        down,
        waiting,
        before,
        after,
        ready,
        restarted,
    };
    say::note(format_args!("{seen:?}"));
    drop(gateway);
    std::fs::remove_dir_all(rig.folder.join(&name))?;
    Ok(seen)
}

/// Deliveries that wait for the target for which most do.
fn pending(admin: SocketAddr) -> anyhow::Result<u64> {
    let targets = plain_http::get_json(admin, "/api/v1/targets")?;
    let targets = targets["targets"].as_array().context("no targets")?;
    let pending = targets
        .iter()
        .filter_map(|target| target["pending"].as_u64());
    Ok(pending.max().unwrap_or_default())
}
