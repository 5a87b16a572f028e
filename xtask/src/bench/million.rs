//! A million messages that wait: how much memory they take, and how soon a restart is ready.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::candidate::wait_until_posted;
use super::load::Requests;
use super::quantiles::Micros;
use super::rig::Rig;
use super::setup::Setup;
use super::{MANY, WARM_UP};
use crate::process::resident;
use crate::{plain_http, say};

/// Its figures' name.
pub(crate) const NAME: &str = "million";
/// How many messages wait.
const MESSAGES: u64 = 1_000_000;
/// Load between two looks.
const LOAD: Duration = Duration::from_secs(5);
/// How long it may take until they are all there.
const PATIENCE: Duration = Duration::from_secs(600);
/// Nobody listens there.
pub(crate) const DOWN: &str = "http://127.0.0.1:1/";

/// With both targets down, and with one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Million {
    pub(crate) scenes: Vec<Scene>,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scene {
    /// Which targets are down.
    pub(crate) down: String,
    /// Messages that waited.
    pub(crate) waiting: u64,
    /// Memory while few of them waited, in bytes.
    pub(crate) before: u64,
    /// Memory while all of them waited, in bytes.
    pub(crate) after: u64,
    /// From a restart after SIGKILL until it is ready.
    pub(crate) ready: Micros,
    /// Memory after that restart, in bytes.
    pub(crate) restarted: u64,
}

/// Measures with both targets down, and with one.
pub(crate) fn measure(rig: &Rig) -> anyhow::Result<Million> {
    let [inventory, _] = rig.sinks.urls();
    let down = || DOWN.to_owned();
    let both = scene("both", [down(), down()], rig)?;
    let one = scene("one", [inventory, down()], rig)?;
    Ok(Million {
        scenes: vec![both, one],
    })
}

fn scene(down: &str, targets: [String; 2], rig: &Rig) -> anyhow::Result<Scene> {
    let setup = Setup::standard(&format!("million-{down}"), targets);
    let (mut gateway, addresses) = setup.start(rig)?;
    let id = gateway.process().id();
    let requests = Requests::default();
    let load = |duration| rig.loader.run(addresses.gateway, &requests, MANY, duration);
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
    let (mut gateway, _) = setup.start(rig)?;
    let ready = begun.elapsed();
    let restarted = resident(gateway.process().id()).context("no memory")?;
    let seen = Scene {
        down: down.to_owned(),
        waiting,
        before,
        after,
        ready: ready.into(),
        restarted,
    };
    say::note(format_args!("{seen:?}"));
    drop(gateway);
    std::fs::remove_dir_all(setup.data(rig))?;
    Ok(seen)
}

/// Deliveries that wait for the target for which most do.
pub(crate) fn pending(admin: SocketAddr) -> anyhow::Result<u64> {
    let targets = plain_http::get_json(admin, "/api/v1/targets")?;
    let targets = targets["targets"].as_array().context("no targets")?;
    let pending = targets
        .iter()
        .filter_map(|target| target["pending"].as_u64());
    Ok(pending.max().unwrap_or_default())
}
