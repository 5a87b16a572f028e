//! A `fanway serve` that runs: started, waited for until it is ready, stopped.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::process::Process;

/// Where a gateway listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// For senders.
    pub(crate) gateway: SocketAddr,
    /// For operators.
    pub(crate) admin: SocketAddr,
}

/// A gateway that was started, and may not be ready.
#[derive(Debug)]
pub(crate) struct Gateway {
    process: Process,
    ready: Receiver<Addresses>,
}

impl Gateway {
    /// Starts one. What it logs is added to the file `log`.
    pub(crate) fn start(fanway: &Path, config: &Path, log: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(fanway);
        command.args(["--json", "serve", "--config"]).arg(config);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut process = Process::start("fanway", command.stderr(Stdio::piped()))?;
        let logs = process.child().stderr.take().context("no logs")?;
        let log = File::options().create(true).append(true).open(log)?;
        let (sender, ready) = sync_channel(1);
        thread::spawn(move || keep_logs(logs, log, &sender));
        Ok(Self { process, ready })
    }

    /// Waits until it is ready, and tells where it listens.
    pub(crate) fn wait_ready(&self, limit: Duration) -> anyhow::Result<Addresses> {
        match self.ready.recv_timeout(limit) {
            Ok(addresses) => Ok(addresses),
            Err(RecvTimeoutError::Timeout) => bail!("fanway isn't ready after {limit:?}"),
            Err(RecvTimeoutError::Disconnected) => bail!("fanway ended before it was ready"),
        }
    }

    /// Its process.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Stops it as an operator would, and fails where it doesn't end well.
    pub(crate) fn stop(&mut self, limit: Duration) -> anyhow::Result<()> {
        self.process.ask_to_end()?;
        let status = self.process.wait(limit)?;
        if !status.success() {
            bail!("fanway ended with {status}");
        }
        Ok(())
    }
}

/// Writes logs into a file until they end, and tells when the server says that it is ready.
fn keep_logs(logs: ChildStderr, mut file: File, ready: &SyncSender<Addresses>) {
    for line in BufReader::new(logs).lines().map_while(Result::ok) {
        // Logs that can't be kept are no reason to let the server's pipe run full.
        let _lost = writeln!(file, "{line}");
        if let Some(addresses) = read_ready(&line) {
            let _nobody_waits = ready.try_send(addresses);
        }
    }
}

fn read_ready(line: &str) -> Option<Addresses> {
    let log: Value = serde_json::from_str(line).ok()?;
    let fields = &log["fields"];
    let address = |name: &str| fields[name].as_str()?.parse().ok();
    (fields["message"] == "ready").then_some(())?;
    Some(Addresses {
        gateway: address("gateway")?,
        admin: address("admin")?,
    })
}

#[cfg(test)]
mod tests {
    use super::{Addresses, read_ready};

    #[test]
    fn the_line_that_says_ready_has_the_addresses() {
        let line = r#"{"level":"INFO","fields":{"message":"ready","gateway":"127.0.0.1:1","admin":"127.0.0.1:2"}}"#;
        let expected = Addresses {
            gateway: ([127, 0, 0, 1], 1).into(),
            admin: ([127, 0, 0, 1], 2).into(),
        };
        assert_eq!(read_ready(line), Some(expected));
        assert_eq!(read_ready(r#"{"fields":{"message":"stopping"}}"#), None);
        assert_eq!(read_ready("no JSON"), None);
    }
}
