//! A crowd sends the same request, all at once, and the gateway is killed in between.
//!
//! - Each of the crowd gets a 202, and all of them the same message.
//! - It comes to the sink under one key, and a kill repeats no more than elsewhere.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use hyper::StatusCode;
use rand::RngExt;

use super::load::Load;
use super::stage::Stage;
use super::tally::{Counter, Tally};
use crate::lives::Bound;
use crate::say;
use crate::scene::{Choice, Scene};
use crate::sink::Sink;

/// Connections of the crowd.
const CROWD: usize = 100;

/// What to run
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often each request is sent
    #[arg(long, default_value = "1000")]
    copies: u32,

    /// How many requests, one after the other
    #[arg(long, default_value = "20")]
    requests: u32,

    /// How often the gateway is killed
    #[arg(long, default_value = "10")]
    kills: u32,

    #[command(flatten)]
    choice: Choice,

    /// What repeated attempts are measured by
    #[arg(long, value_enum, default_value_t = Bound::Order)]
    bound: Bound,
}

/// Runs it, and tells whether all held.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let scene = Scene::set("duplicates", &options.choice)?;
    let tally = Tally::new(&[16]);
    let sink = Counter::new(&tally, 0, StatusCode::OK);
    let mut stage = Stage::open(scene, Arc::clone(&tally), vec![sink], config)?;
    let load = Load {
        copies: options.copies,
        ..Load::new(&tally, |_| "/orders")
    };
    let Stage {
        scene, whereabouts, ..
    } = &stage;
    let crowd = load.start(CROWD, 0..options.requests, whereabouts, &scene.handle);
    let all = u64::from(options.requests * options.copies);
    for kill in 1..=u64::from(options.kills) {
        let part = all / u64::from(options.kills + 1);
        let due = part * kill - stage.scene.rng.random_range(0..part);
        let are_told = || Ok((tally.answers() >= due).then_some(()));
        stage.wait_for("the crowd's answers", are_told)?;
        stage.kill("racing")?;
    }
    crowd.wait();
    stage.close()?;
    tally.check(|_| vec![0]);
    if tally.answers() != all {
        let answers = tally.answers();
        tally.wrong(format_args!("{answers} of {all} were told"));
    }
    let (words, wrongs) = tally.end(options.bound);
    say::line(words);
    stage.scene.clear(wrongs.report())
}

fn config(scene: &Scene, sinks: &[Sink]) -> String {
    let head = scene.head("  segment: 1MiB\n");
    let address = sinks[0].address();
    format!(
        "{head}targets:
  stock: {{ url: 'http://{address}', timeout: 60s, concurrency: 16 }}
routes:
  orders: {{ match: POST /orders, send: [stock], idempotency: {{ required: true }} }}
"
    )
}
