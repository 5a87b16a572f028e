//! What is measured: Fanway, and what a user would do without it.

use std::net::SocketAddr;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::bail;
use serde::{Deserialize, Serialize};

use super::million;
use super::nginx;
use super::rig::Rig;
use super::setup::Setup;
use super::sinks::start_printing;
use crate::gateway::{Addresses, Gateway};
use crate::process::Process;
use crate::{built, plain_http, say};

/// How long what is accepted may take to be posted.
const POSTED: Duration = Duration::from_secs(60);
/// How long deliveries may take that are attempted again.
const DELIVERED: Duration = Duration::from_secs(60);
/// When it is looked for that first: posting comes half a second behind, and a look costs the
/// gateway something.
const FIRST_LOOK: Duration = Duration::from_millis(600);
/// How often it is looked for that.
const LOOK: Duration = Duration::from_millis(20);

/// Which candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Fanway with the default config.
    Fanway,
    /// Fanway with `sync: never`.
    NoSync,
    /// A handler that awaits two calls, axum and reqwest.
    JoinAll,
    /// nginx, `proxy_pass` and `mirror`.
    Nginx,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Fanway, Self::NoSync, Self::JoinAll, Self::Nginx];

    /// What it is called in a table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fanway => "Fanway",
            Self::NoSync => "Fanway, `sync: never`",
            Self::JoinAll => "axum + reqwest, `join_all`",
            Self::Nginx => "nginx, `proxy_pass` + `mirror`",
        }
    }
}

/// A candidate that runs.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) kind: Kind,
    /// Where it is sent to.
    pub(crate) gateway: SocketAddr,
    /// Its processes.
    pub(crate) processes: Vec<u32>,
    /// Where Fanway is asked how far it is.
    pub(crate) admin: Option<SocketAddr>,
    _running: Running,
}

#[derive(Debug)]
#[expect(
    dead_code,
    reason = "held to be dropped: processes end with their handles"
)]
enum Running {
    Fanway(Gateway),
    Other(Process),
}

impl Candidate {
    /// Starts one; `None` where it isn't installed.
    pub(crate) fn start(kind: Kind, rig: &Rig) -> anyhow::Result<Option<Self>> {
        let targets = rig.sinks.urls();
        match kind {
            Kind::Fanway => Self::fanway(&Setup::standard("always", targets), rig).map(Some),
            Kind::NoSync => {
                let mut setup = Setup::standard("never", targets);
                setup.sync = "never";
                let fanway = Self::fanway(&setup, rig)?;
                Ok(Some(Self { kind, ..fanway }))
            }
            Kind::JoinAll => {
                let mut command = Command::new(rig.baselines.join("join_all"));
                command.args(targets);
                let (process, gateway) = start_printing("join_all", command)?;
                Ok(Some(Self::other(kind, process, gateway)))
            }
            Kind::Nginx => {
                let Some(nginx) = built::installed("nginx") else {
                    say::note("nginx isn't installed, and is left out");
                    return Ok(None);
                };
                let (process, gateway) = nginx::start(&nginx, rig)?;
                Ok(Some(Self::other(kind, process, gateway)))
            }
        }
    }

    /// Starts those that are installed.
    pub(crate) fn start_all(kinds: &[Kind], rig: &Rig) -> anyhow::Result<Vec<Self>> {
        let mut candidates = Vec::new();
        for kind in kinds {
            candidates.extend(Self::start(*kind, rig)?);
        }
        Ok(candidates)
    }

    /// Starts Fanway as it is set up.
    pub(crate) fn fanway(setup: &Setup, rig: &Rig) -> anyhow::Result<Self> {
        let (mut gateway, addresses) = setup.start(rig)?;
        let Addresses {
            gateway: address,
            admin,
        } = addresses;
        Ok(Self {
            kind: Kind::Fanway,
            gateway: address,
            processes: vec![gateway.process().id()],
            admin: Some(admin),
            _running: Running::Fanway(gateway),
        })
    }

    fn other(kind: Kind, process: Process, gateway: SocketAddr) -> Self {
        Self {
            kind,
            gateway,
            processes: process.family(),
            admin: None,
            _running: Running::Other(process),
        }
    }

    /// Waits until all that was accepted is posted. Only Fanway has something to post.
    pub(crate) fn wait_until_posted(&self) -> anyhow::Result<()> {
        self.admin.map_or(Ok(()), wait_until_posted)
    }
}

impl Candidate {
    /// Waits until nothing is waiting for another attempt. Only Fanway makes one.
    pub(crate) fn wait_until_delivered(&self) -> anyhow::Result<()> {
        let Some(admin) = self.admin else {
            return Ok(());
        };
        let begun = Instant::now();
        while begun.elapsed() < DELIVERED {
            if million::pending(admin)? == 0 {
                return Ok(());
            }
            sleep(LOOK);
        }
        bail!("deliveries wait after {DELIVERED:?}")
    }
}

/// Waits until a gateway has posted all that it has accepted.
pub(crate) fn wait_until_posted(admin: SocketAddr) -> anyhow::Result<()> {
    let begun = Instant::now();
    sleep(FIRST_LOOK);
    while begun.elapsed() < POSTED {
        if plain_http::figure(admin, "fanway_ledger_lag_seconds")? == 0.0 {
            return Ok(());
        }
        sleep(LOOK);
    }
    bail!("posting is behind by more than {POSTED:?}")
}
