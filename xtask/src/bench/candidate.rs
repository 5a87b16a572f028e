//! What is measured: Fanway, and what a user would do without it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::rig::{Rig, start_printing};
use crate::gateway::{Addresses, Gateway};
use crate::process::Process;
use crate::{built, plain_http, say};

/// How long anything may take to start.
const START: Duration = Duration::from_secs(60);
/// How long what is accepted may take to be posted.
const POSTED: Duration = Duration::from_secs(60);
/// How often it is looked for that.
const LOOK: Duration = Duration::from_millis(20);
/// Ports below those that the system deals out to connections.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// Which candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    admin: Option<SocketAddr>,
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
        let [inventory, shipping] = rig.urls();
        match kind {
            Kind::Fanway => fanway(kind, "always", rig).map(Some),
            Kind::NoSync => fanway(kind, "never", rig).map(Some),
            Kind::JoinAll => {
                let mut command = Command::new(rig.baselines.join("join_all"));
                command.args([inventory, shipping]);
                let (process, gateway) = start_printing("join_all", command)?;
                Ok(Some(Self::other(kind, process, gateway)))
            }
            Kind::Nginx => {
                let Some(nginx) = built::installed("nginx") else {
                    say::note("nginx isn't installed, and is left out");
                    return Ok(None);
                };
                let (process, gateway) = start_nginx(&nginx, rig)?;
                Ok(Some(Self::other(kind, process, gateway)))
            }
        }
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

/// Waits until a gateway has posted all that it has accepted.
pub(crate) fn wait_until_posted(admin: SocketAddr) -> anyhow::Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < POSTED {
        if plain_http::figure(admin, "fanway_ledger_lag_seconds")? == 0.0 {
            return Ok(());
        }
        sleep(LOOK);
    }
    bail!("posting is behind by more than {POSTED:?}")
}

fn fanway(kind: Kind, sync: &str, rig: &Rig) -> anyhow::Result<Candidate> {
    let (mut gateway, addresses) = start_fanway(sync, sync, &rig.urls(), rig)?;
    Ok(Candidate {
        kind,
        gateway: addresses.gateway,
        processes: vec![gateway.process().id()],
        admin: Some(addresses.admin),
        _running: Running::Fanway(gateway),
    })
}

/// Starts Fanway with two targets and the defaults, on a data folder of this name.
pub(crate) fn start_fanway(
    name: &str,
    sync: &str,
    targets: &[String; 2],
    rig: &Rig,
) -> anyhow::Result<(Gateway, Addresses)> {
    let [inventory, shipping] = targets;
    let data = serde_json::json!(rig.folder.join(name));
    let config = format!(
        "server: {{ listen: 127.0.0.1:0, admin: 127.0.0.1:0 }}
store: {{ path: {data}, sync: {sync} }}
targets:
  inventory: {{ url: {inventory} }}
  shipping: {{ url: {shipping} }}
routes:
  orders:
    match: POST /orders
    send: [inventory, shipping]
"
    );
    let path = rig.folder.join(format!("{name}.yaml"));
    fs::write(&path, config)?;
    let log = rig.folder.join(format!("{name}.log"));
    let gateway = Gateway::start(&rig.fanway, &path, &log)?;
    let addresses = gateway.wait_ready(START)?;
    Ok((gateway, addresses))
}

fn start_nginx(nginx: &Path, rig: &Rig) -> anyhow::Result<(Process, SocketAddr)> {
    let gateway = free_address()?;
    let config = rig.folder.join("nginx.conf");
    fs::write(&config, nginx_config(gateway, rig))?;
    let mut command = Command::new(nginx);
    command.arg("-e").arg(rig.folder.join("nginx.log"));
    command.arg("-c").arg(config).stdin(Stdio::null());
    let process = Process::start("nginx", &mut command)?;
    let begun = Instant::now();
    while TcpStream::connect(gateway).is_err() {
        if begun.elapsed() > START {
            bail!("nginx doesn't listen");
        }
        sleep(LOOK);
    }
    Ok((process, gateway))
}

/// An address that nobody listens on.
fn free_address() -> anyhow::Result<SocketAddr> {
    let mut ports = PORTS.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    ports
        .find(|address| TcpListener::bind(address).is_ok())
        .context("no port is free")
}

/// nginx at its best: a worker for each core, upstream connections held, nothing logged.
fn nginx_config(gateway: SocketAddr, rig: &Rig) -> String {
    let folder = rig.folder.display();
    let [inventory, shipping] = rig.urls();
    let host = |url: &str| {
        url.trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned()
    };
    let upstream = |name: &str, url: &str| {
        let host = host(url);
        format!(
            "  upstream {name} {{ server {host}; keepalive 256; keepalive_requests 1000000000; }}\n"
        )
    };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|part| format!("  {part}_temp_path {folder}/nginx-{part};\n"))
        .concat();
    let pass = |upstream: &str| {
        format!(
            r#"proxy_pass http://{upstream}; proxy_http_version 1.1; proxy_set_header Connection "";"#
        )
    };
    format!(
        "worker_processes auto;
daemon off;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
{temporary}{}{}  server {{
    listen {gateway} reuseport;
    tcp_nodelay on;
    location / {{ mirror /mirror; {} }}
    location = /mirror {{ internal; {} }}
  }}
}}
",
        upstream("inventory", &inventory),
        upstream("shipping", &shipping),
        pass("inventory"),
        pass("shipping/"),
    )
}
