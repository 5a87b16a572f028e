//! nginx at its best: a worker for each core, upstream connections held, nothing logged.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::{available_parallelism, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::rig::Rig;
use crate::process::Process;

/// How long it may take to start.
const START: Duration = Duration::from_secs(60);
/// How often it is looked for that.
const LOOK: Duration = Duration::from_millis(20);
/// Ports below those that the system deals out to connections.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// Starts it, and waits until it listens and its workers are there: the one comes before the other.
pub(crate) fn start(nginx: &Path, rig: &Rig) -> anyhow::Result<(Process, SocketAddr)> {
    let gateway = free_address()?;
    let path = rig.folder.join("nginx.conf");
    let workers = available_parallelism().map_or(1, NonZeroUsize::get);
    fs::write(&path, config(gateway, workers, rig))?;
    let mut command = Command::new(nginx);
    command.arg("-e").arg(rig.folder.join("nginx.log"));
    command.arg("-c").arg(path).stdin(Stdio::null());
    let process = Process::start("nginx", &mut command)?;
    let begun = Instant::now();
    while TcpStream::connect(gateway).is_err() || process.family().len() <= workers {
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

fn config(gateway: SocketAddr, workers: usize, rig: &Rig) -> String {
    let folder = rig.folder.display();
    let [inventory, shipping] = rig.sinks.urls();
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
        "worker_processes {workers};
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
