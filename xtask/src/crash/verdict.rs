//! What is checked when all is over, and what is told of it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use super::Bound;
use super::book::{Book, Kill, SLACK, Total};
use crate::{plain_http, say};

/// How often the backlog is asked for.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until nothing is pending, and notes what is left when the time is up.
pub(crate) fn wait_until_done(
    admin: SocketAddr,
    limit: Duration,
    book: &Book,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let targets = plain_http::get_json(admin, "/api/v1/targets")?;
        let targets = targets["targets"].as_array().context("no targets")?;
        let sum = |key: &str| {
            targets
                .iter()
                .filter_map(|target| target[key].as_u64())
                .sum()
        };
        let (pending, dead): (u64, u64) = (sum("pending"), sum("dead"));
        if pending > 0 && begun.elapsed() < limit {
            sleep(LOOK);
            continue;
        }
        if pending > 0 || dead > 0 {
            book.wrong(format!(
                "{pending} deliveries are pending at the end, {dead} dead"
            ));
        }
        return Ok(());
    }
}

/// Checks the journal of a gateway that is gone, as an operator would.
pub(crate) fn verify_journal(fanway: &Path, data: &Path, book: &Book) -> anyhow::Result<()> {
    inspect(fanway, &["journal", "verify"], data, book).map(drop)
}

/// Checks the ledger of a gateway that was stopped, and that nothing is left in it.
pub(crate) fn check_ledger(fanway: &Path, data: &Path, book: &Book) -> anyhow::Result<()> {
    let found = inspect(fanway, &["ledger", "check"], data, book)?;
    for left in ["unfinished", "pending", "dead", "backlog"] {
        if found[left] != 0 {
            book.wrong(format!("the ledger has {left}: {}", found[left]));
        }
    }
    Ok(())
}

fn inspect(fanway: &Path, what: &[&str], data: &Path, book: &Book) -> anyhow::Result<Value> {
    let mut command = Command::new(fanway);
    let output = command.arg("--json").args(what).arg(data).output()?;
    if !output.status.success() {
        let printed = [output.stdout.as_slice(), &output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        book.wrong(format!("{}: {}", what.join(" "), printed.trim()));
        return Ok(Value::Null);
    }
    serde_json::from_slice(&output.stdout).context("the report is no JSON")
}

/// Tells how it went. Returns whether all held.
pub(crate) fn report(book: &Book, bound: Bound) -> bool {
    let mut total = book.total();
    let beyond = |bound| {
        let kills = total.kills.iter().enumerate();
        kills.filter(move |(_, kill)| kill.repeats > kill.limit(bound))
    };
    let words = |(index, kill): (usize, &Kill)| {
        let Kill {
            moment, repeats, ..
        } = kill;
        let limit = kill.limit(bound);
        format!(
            "kill {} ({moment}) repeated {repeats} attempts, {limit} at most",
            index + 1
        )
    };
    let beyond_clock = beyond(Bound::Clock).count();
    let beyond: Vec<String> = beyond(bound).map(words).collect();
    say::line(summary(&total, bound, beyond_clock));
    total.wrongs.extend(beyond);
    for wrong in &total.wrongs {
        say::line(format_args!("wrong: {wrong}"));
    }
    if total.more_wrongs > 0 {
        say::line(format_args!("wrong: and {} more", total.more_wrongs));
    }
    if total.wrongs.is_empty() {
        say::line("all held");
    }
    total.wrongs.is_empty()
}

fn summary(total: &Total, bound: Bound, beyond_clock: usize) -> String {
    let Total {
        accepted,
        shown,
        given_up,
        attempts,
        deliveries,
        kills,
        ..
    } = total;
    let repeats = spread(kills.iter().map(|kill| kill.repeats));
    let limits = spread(kills.iter().map(|kill| kill.limit(bound)));
    let share = kills
        .iter()
        .map(|kill| (kill.repeats * 100).div_ceil(kill.limit(bound)));
    let share = spread(share);
    let all: u64 = kills.iter().map(|kill| kill.repeats).sum();
    let slack = SLACK.as_millis();
    format!(
        "{} kills; {accepted} accepted, {given_up} given up; {deliveries} deliveries in {attempts} attempts; \
         {shown} shown as delivered
repeated attempts: {all}; for each kill {repeats}; allowed {limits}; used of it in percent {share}
kills beyond two ticks and {slack} ms: {beyond_clock}",
        kills.len()
    )
}

/// Median and greatest of some numbers.
fn spread(numbers: impl Iterator<Item = u64>) -> String {
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    let median = numbers.get(numbers.len() / 2).copied().unwrap_or_default();
    let most = numbers.last().copied().unwrap_or_default();
    format!("{median} (median), {most} (most)")
}
