//! What is looked at when all is over: what a gateway says of its backlog, and what it leaves on
//! the disk. What is wrong is returned in words.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use crate::plain_http;

/// How often the backlog is asked for.
const LOOK: Duration = Duration::from_millis(20);

/// What waits for all targets, and what is dead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub(crate) pending: u64,
    pub(crate) dead: u64,
}

/// What waits.
pub(crate) fn backlog(admin: SocketAddr) -> anyhow::Result<Backlog> {
    let targets = plain_http::get_json(admin, "/api/v1/targets")?;
    let targets = targets["targets"].as_array().context("no targets")?;
    let sum = |key: &str| {
        let counts = targets.iter().filter_map(|target| target[key].as_u64());
        counts.sum()
    };
    Ok(Backlog {
        pending: sum("pending"),
        dead: sum("dead"),
    })
}

/// Waits until it is as it should be; `None` where it isn't when the time is up.
pub(crate) fn wait_until<T>(
    limit: Duration,
    look: impl Fn() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<Option<T>> {
    let begun = Instant::now();
    loop {
        let found = look()?;
        if found.is_some() || begun.elapsed() >= limit {
            return Ok(found);
        }
        sleep(LOOK);
    }
}

/// Waits until nothing is pending and `is_complete`, and tells what is left when the time is up.
pub(crate) fn wait_until_done(
    admin: SocketAddr,
    limit: Duration,
    is_complete: impl Fn() -> bool,
) -> anyhow::Result<Vec<String>> {
    let is_done = || {
        let is_done = backlog(admin)?.pending == 0 && is_complete();
        Ok(is_done.then_some(()))
    };
    wait_until(limit, is_done)?;
    let Backlog { pending, dead } = backlog(admin)?;
    let left = format!("{pending} deliveries are pending at the end, {dead} dead");
    Ok((pending > 0 || dead > 0)
        .then_some(left)
        .into_iter()
        .collect())
}

/// Checks the journal of a gateway that is gone, as an operator would.
pub(crate) fn verify_journal(fanway: &Path, data: &Path) -> anyhow::Result<Vec<String>> {
    match inspect(fanway, &["journal", "verify"], data)? {
        Ok(_) => Ok(Vec::new()),
        Err(wrong) => Ok(vec![wrong]),
    }
}

/// Checks the ledger of a gateway that was stopped, and that nothing is left in it.
pub(crate) fn check_ledger(fanway: &Path, data: &Path) -> anyhow::Result<Vec<String>> {
    let found = match inspect(fanway, &["ledger", "check"], data)? {
        Ok(found) => found,
        Err(wrong) => return Ok(vec![wrong]),
    };
    let left = ["unfinished", "pending", "dead", "backlog"].into_iter();
    let left = left.filter(|left| found[*left] != 0);
    Ok(left
        .map(|left| format!("the ledger has {left}: {}", found[left]))
        .collect())
}

/// What a command reports of a data folder, or what is wrong with it.
fn inspect(fanway: &Path, what: &[&str], data: &Path) -> anyhow::Result<Result<Value, String>> {
    let mut command = Command::new(fanway);
    let output = command.arg("--json").args(what).arg(data).output()?;
    if !output.status.success() {
        let printed = [output.stdout.as_slice(), &output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        return Ok(Err(format!("{}: {}", what.join(" "), printed.trim())));
    }
    let report = serde_json::from_slice(&output.stdout).context("the report is no JSON")?;
    Ok(Ok(report))
}
