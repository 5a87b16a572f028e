//! A target for which many messages wait gets another name, with a kill in the middle.
//!
//! The target refuses everything, until many wait for it. Then the config has it under another name
//! and at another address, with `was:`, and is reloaded while senders go on. While what waited
//! comes to the new address the gateway is killed.
//!
//! - All that was accepted comes to the new address, under the key that it came with to the old
//!   one, and a kill repeats no more than elsewhere.
//! - Nothing comes to the old address after the kill.
//! - Nothing is pending in the end, and nobody knows of the old name any more.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use hyper::StatusCode;
use rand::RngExt;

use super::change::{Told, fingerprint};
use super::load::Load;
use super::stage::Stage;
use super::tally::{Counter, Seen, Tally};
use crate::lives::Bound;
use crate::scene::{Choice, Scene};
use crate::sink::{Desk, Sink};
use crate::{inspect, plain_http, say};

/// Attempts that may be in flight to each address.
const CONCURRENCY: [u64; 2] = [16, 16];
/// The sinks: the old address, and the new one.
const OLD: usize = 0;
const NEW: usize = 1;
/// Who goes on sending, and how long each rests in between.
const BESIDE: usize = 2;
const REST: Duration = Duration::from_millis(5);

/// What to run
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Messages that wait for the old name
    #[arg(long, default_value = "10000")]
    waiting: u32,

    #[command(flatten)]
    choice: Choice,

    /// What repeated attempts are measured by
    #[arg(long, value_enum, default_value_t = Bound::Order)]
    bound: Bound,
}

/// Runs it, and tells whether all held.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let scene = Scene::set("rename", &options.choice)?;
    let tally = Tally::new(&CONCURRENCY);
    let desks: Vec<Arc<dyn Desk>> = vec![
        Counter::new(&tally, OLD, StatusCode::SERVICE_UNAVAILABLE),
        Counter::new(&tally, NEW, StatusCode::OK),
    ];
    let mut stage = Stage::open(scene, Arc::clone(&tally), desks, |scene, sinks| {
        config(scene, "old", &sinks[OLD], "")
    })?;
    wait_in_line(&stage, options.waiting)?;

    let load = Load {
        rest: REST,
        ..Load::new(&tally, |_| "/orders")
    };
    let numbers = options.waiting..u32::MAX;
    let Stage {
        scene, whereabouts, ..
    } = &stage;
    let beside = load.start(BESIDE, numbers, whereabouts, &scene.handle);
    let begun = Instant::now();
    let told = rename(&mut stage)?;
    kill_in_the_middle(&mut stage, options.waiting)?;
    let at_the_old_address = tally.attempts(OLD);
    wait_until_delivered(&stage, options.waiting)?;
    let took = begun.elapsed();
    beside.finish();
    stage.close()?;

    tally.check(|_| vec![NEW]);
    check_keys(&tally);
    if tally.attempts(OLD) != at_the_old_address {
        tally.wrong("something came to the old address after the restart");
    }
    let (words, wrongs) = tally.end(options.bound);
    let waiting = options.waiting;
    say::line(format_args!(
        "{waiting} waited, and came under the new name in {took:.1?}; told by {told:?}\n{words}"
    ));
    stage.scene.clear(wrongs.report())
}

/// Sends until so many wait.
fn wait_in_line(stage: &Stage, waiting: u32) -> anyhow::Result<()> {
    let load = Load::new(&stage.tally, |_| "/orders");
    load.send(0..waiting, &stage.whereabouts, &stage.scene.handle);
    let all_wait = || {
        let backlog = inspect::backlog(stage.at.admin)?;
        Ok((backlog.pending == u64::from(waiting)).then_some(()))
    };
    stage.wait_for("the last one that waits", all_wait)
}

/// Gives the target its new name and address, and waits until that is in use.
fn rename(stage: &mut Stage) -> anyhow::Result<Told> {
    let file = stage.scene.config();
    let text = config(&stage.scene, "new", &stage.sinks()[NEW], "was: [old]");
    let wanted = fingerprint(&file, &text)?;
    let rng = &mut stage.scene.rng;
    let told = Told::draw(rng);
    told.change(&file, &text, &mut stage.gateway, rng)?;
    let is_in_use = || {
        let config = plain_http::get_json(stage.at.admin, "/api/v1/config")?;
        Ok((config["fingerprint"] == *wanted).then_some(()))
    };
    stage.wait_for("the new config", is_in_use)?;
    Ok(told)
}

fn kill_in_the_middle(stage: &mut Stage, waiting: u32) -> anyhow::Result<()> {
    let due = stage.scene.rng.random_range(waiting / 10..waiting / 2);
    let tally = &stage.tally;
    let have_come = || Ok((tally.delivered(NEW) >= due as usize).then_some(()));
    stage.wait_for("what was renamed", have_come)?;
    stage.kill("renaming")
}

fn wait_until_delivered(stage: &Stage, waiting: u32) -> anyhow::Result<()> {
    let tally = &stage.tally;
    let have_come = || Ok((tally.delivered(NEW) >= waiting as usize).then_some(()));
    stage.wait_for("all that waited", have_come)?;
    let admin = stage.at.admin;
    let is_forgotten = || {
        let targets = plain_http::get(admin, "/api/v1/targets")?;
        let ready = plain_http::get_json(admin, "/readyz")?;
        let notes = ready["notes"].as_array().map_or(1, Vec::len);
        Ok((!targets.contains("\"old\"") && notes == 0).then_some(()))
    };
    stage.wait_for("the end of the old name", is_forgotten)
}

/// What came to both addresses came under one key.
fn check_keys(tally: &Tally) {
    let new = tally.seen(NEW);
    for (number, Seen { key, .. }) in tally.seen(OLD) {
        if let Some(seen) = new.get(&number)
            && seen.key != key
        {
            let other = &seen.key;
            tally.wrong(format_args!(
                "{number} came with the keys {key} and {other}"
            ));
        }
    }
}

fn config(scene: &Scene, name: &str, sink: &Sink, was: &str) -> String {
    let head = scene.head("  segment: 4MiB\n");
    let address = sink.address();
    let concurrency = CONCURRENCY[NEW];
    format!(
        "{head}targets:
  {name}:
    url: http://{address}/
    timeout: 60s
    concurrency: {concurrency}
    retry: {{ first: 100ms, max: 1s, attempts: 1000, give_up_after: 1h }}
    {was}
routes:
  orders: {{ match: POST /orders, send: [{{ to: {name}, as: stock }}] }}
"
    )
}
