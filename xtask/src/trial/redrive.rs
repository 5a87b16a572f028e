//! A redrive of many dead letters, with kills in the middle.
//!
//! A target refuses all requests for good, until each is a dead letter; then it takes them. A dry
//! run counts all. Two redrives are started, one for each route; one of them asks for new keys.
//! They are paused, and the gateway is killed; then they go on and it is killed again.
//!
//! - A redrive that is paused stays so over a restart, where it was, and a dry run then counts
//!   what is left.
//! - What was shown as redriven stays so over a kill.
//! - In the end both are done, each has made as many new deliveries as there were letters, and
//!   none is dead or pending.
//! - Each letter comes to the sink under one key: where new ones were asked for another one than
//!   before, otherwise the same.
//! - A kill repeats no more than elsewhere. What is accepted meanwhile, for another target, is
//!   delivered too.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use hyper::StatusCode;
use rand::RngExt;
use serde_json::{Value, json};

use super::load::Load;
use super::stage::Stage;
use super::tally::{Counter, Seen, Tally};
use crate::lives::Bound;
use crate::scene::{Choice, Scene};
use crate::sink::Sink;
use crate::{inspect, plain_http, say};

/// Attempts that may be in flight to each target.
const CONCURRENCY: [u64; 2] = [16, 16];
/// The sinks: what refuses letters, and what goes on beside it.
const STOCK: usize = 0;
const BEATS: usize = 1;
/// Who sends beside a redrive, and how long each rests in between.
const BESIDE: usize = 2;
const REST: Duration = Duration::from_millis(5);

/// What to run
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Dead letters
    #[arg(long, default_value = "100000")]
    letters: u32,

    /// How often the gateway is killed
    #[arg(long, default_value = "4")]
    kills: u32,

    #[command(flatten)]
    choice: Choice,

    /// What repeated attempts are measured by
    #[arg(long, value_enum, default_value_t = Bound::Order)]
    bound: Bound,
}

/// Runs it, and tells whether all held.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let mut trial = Trial::prepare(options)?;
    let before = trial.make_letters()?;
    let beside = trial.load.start(
        BESIDE,
        options.letters..u32::MAX,
        &trial.stage.whereabouts,
        &trial.stage.scene.handle,
    );
    let begun = Instant::now();
    let jobs = trial.start()?;
    trial.kill_while_paused(&jobs)?;
    for kill in 1..options.kills {
        trial.kill_while_running(&jobs, kill)?;
    }
    trial.wait_until_done(&jobs)?;
    let took = begun.elapsed();
    beside.finish();
    trial.stage.close()?;
    trial.check(&before);
    let (words, wrongs) = trial.stage.tally.end(options.bound);
    let letters = options.letters;
    say::line(format_args!(
        "{letters} letters redriven in {took:.1?}\n{words}"
    ));
    trial.stage.scene.clear(wrongs.report())
}

/// Letters and those who redrive them.
struct Trial {
    letters: u32,
    kills: u32,
    stage: Stage,
    load: Load,
    stock: Arc<Counter>,
}

/// The redrives' ids, the second one of which makes new keys.
type Jobs = [String; 2];

impl Trial {
    fn prepare(options: &Options) -> anyhow::Result<Self> {
        let scene = Scene::set("redrive", &options.choice)?;
        let tally = Tally::new(&CONCURRENCY);
        let stock = Counter::new(&tally, STOCK, StatusCode::BAD_REQUEST);
        let beats = Counter::new(&tally, BEATS, StatusCode::OK);
        let desks: Vec<Arc<dyn crate::sink::Desk>> = vec![Arc::clone(&stock) as _, beats];
        let load = Load {
            rest: REST,
            ..Load::new(&tally, |_| "/beats")
        };
        Ok(Self {
            letters: options.letters,
            kills: options.kills,
            stage: Stage::open(scene, tally, desks, config)?,
            load,
            stock,
        })
    }

    /// Sends requests until so many are dead. Returns how each came.
    fn make_letters(&self) -> anyhow::Result<HashMap<u32, Seen>> {
        let Stage {
            scene, whereabouts, ..
        } = &self.stage;
        let begun = Instant::now();
        let load = Load::new(&self.stage.tally, route);
        load.send(0..self.letters, whereabouts, &scene.handle);
        let are_dead = || {
            let backlog = inspect::backlog(self.admin())?;
            let all = backlog.dead == u64::from(self.letters) && backlog.pending == 0;
            Ok(all.then_some(()))
        };
        self.stage.wait_for("the last dead letter", are_dead)?;
        say::note(format_args!(
            "{} dead letters after {:.1?}",
            self.letters,
            begun.elapsed()
        ));
        self.stock.answer(StatusCode::OK);
        Ok(self.stage.tally.turn(STOCK, &CONCURRENCY))
    }

    /// Starts the redrives, so paced that each takes two seconds at least.
    fn start(&self) -> anyhow::Result<Jobs> {
        self.check_left("before", u64::from(self.letters))?;
        let pace = (self.letters / 4).max(1);
        let start = |route: &str, new_key: bool| {
            let wanted = json!({"include": "dead", "target": "stock", "route": route,
                "new_key": new_key, "pace": pace});
            let job = self.command("/api/v1/redrives", &wanted, 201)?;
            let id = job["id"].as_str().context("a redrive without an id")?;
            Ok::<_, anyhow::Error>(id.to_owned())
        };
        Ok([start("orders", false)?, start("returns", true)?])
    }

    fn kill_while_paused(&mut self, jobs: &Jobs) -> anyhow::Result<()> {
        self.wait_for_progress(jobs, 1)?;
        for id in jobs {
            self.command(&format!("/api/v1/redrives/{id}/pause"), &Value::Null, 200)?;
        }
        let before = self.progress(jobs)?;
        let left = u64::from(self.letters) - before;
        self.check_left("while they are paused", left)?;
        self.stage.kill("paused")?;
        self.check_left("after the restart", left)?;
        let after = self.progress(jobs)?;
        let states = jobs.iter().map(|id| self.job(id));
        let states = states.collect::<anyhow::Result<Vec<_>>>()?;
        let are_paused = states.iter().all(|job| job["state"] == "paused");
        if after != before || !are_paused {
            let wrong = format!("paused at {before}, and after a restart {after}: {states:?}");
            self.stage.tally.wrong(wrong);
        }
        for id in jobs {
            self.command(&format!("/api/v1/redrives/{id}/resume"), &Value::Null, 200)?;
        }
        Ok(())
    }

    fn kill_while_running(&mut self, jobs: &Jobs, kill: u32) -> anyhow::Result<()> {
        let before = self.wait_for_progress(jobs, kill + 1)?;
        self.stage.kill("running")?;
        let after = self.progress(jobs)?;
        if after < before {
            let wrong = format!("{before} were redriven, and after a kill {after}");
            self.stage.tally.wrong(wrong);
        }
        Ok(())
    }

    fn wait_until_done(&self, jobs: &Jobs) -> anyhow::Result<()> {
        for (index, id) in (0..).zip(jobs) {
            let is_done = || {
                let job = self.job(id)?;
                Ok((job["state"] == "done").then_some(job))
            };
            let job = self.stage.wait_for("the end of a redrive", is_done)?;
            // Odd and even numbers.
            let letters = (self.letters + 1 - index) / 2;
            let counts = ["found", "redriven", "passed_over"].map(|count| job[count].as_u64());
            if counts != [Some(letters.into()), Some(letters.into()), Some(0)] {
                let wrong = format!("a redrive of {letters} letters counts {job}");
                self.stage.tally.wrong(wrong);
            }
        }
        Ok(())
    }

    fn check(&self, before: &HashMap<u32, Seen>) {
        let Self { stage, letters, .. } = self;
        let goes_to = |number| vec![if number < *letters { STOCK } else { BEATS }];
        stage.tally.check(goes_to);
        let after = stage.tally.seen(STOCK);
        for (number, Seen { key, .. }) in before {
            let makes_new_keys = route(*number) == "/returns";
            let Some(again) = after.get(number) else {
                continue;
            };
            if (again.key != *key) != makes_new_keys {
                let again = &again.key;
                let wrong =
                    format!("{number} died with the key {key}, and came again with {again}");
                stage.tally.wrong(wrong);
            }
        }
    }
}

/// What is asked of the gateway.
impl Trial {
    fn admin(&self) -> SocketAddr {
        self.stage.at.admin
    }

    fn command(&self, path: &str, body: &Value, status: u16) -> anyhow::Result<Value> {
        let answer = plain_http::post(self.admin(), path, body)?;
        if answer.status != status {
            bail!("POST {path}: {} {}", answer.status, answer.body);
        }
        answer.json()
    }

    fn job(&self, id: &str) -> anyhow::Result<Value> {
        plain_http::get_json(self.admin(), &format!("/api/v1/redrives/{id}"))
    }

    /// How many new deliveries there are.
    fn progress(&self, jobs: &Jobs) -> anyhow::Result<u64> {
        let redriven = jobs.iter().map(|id| {
            let redriven = self.job(id)?["redriven"].as_u64();
            redriven.context("a redrive without a count")
        });
        redriven.sum()
    }

    /// Waits until it's time for the `kill`-th kill, and tells how far the redrives are.
    fn wait_for_progress(&mut self, jobs: &Jobs, kill: u32) -> anyhow::Result<u64> {
        let part = u64::from(self.letters / (self.kills + 1));
        let early = self.stage.scene.rng.random_range(0..part / 2 + 1);
        let due = part * u64::from(kill) - early;
        let look = || {
            let progress = self.progress(jobs)?;
            Ok((progress >= due).then_some(progress))
        };
        self.stage.wait_for("a redrive's progress", look)
    }

    /// Checks what a dry run counts.
    fn check_left(&self, when: &str, expected: u64) -> anyhow::Result<()> {
        let wanted = json!({"include": "dead", "target": "stock", "dry_run": true});
        let counted = self.command("/api/v1/redrives", &wanted, 200)?;
        if counted != json!({"sendable": expected, "not_kept": 0}) {
            let wrong = format!("{when} a dry run counts {counted}, not {expected}");
            self.stage.tally.wrong(wrong);
        }
        Ok(())
    }
}

/// Half of the letters come from each route.
fn route(number: u32) -> &'static str {
    if number.is_multiple_of(2) {
        "/orders"
    } else {
        "/returns"
    }
}

fn config(scene: &Scene, sinks: &[Sink]) -> String {
    let target = |name: &str, sink: usize| {
        let (address, concurrency) = (sinks[sink].address(), CONCURRENCY[sink]);
        format!(
            "  {name}: {{ url: 'http://{address}', timeout: 60s, concurrency: {concurrency} }}\n"
        )
    };
    format!(
        "{}targets:\n{}{}routes:
  orders: {{ match: POST /orders, send: [stock] }}
  returns: {{ match: POST /returns, send: [stock] }}
  beats: {{ match: POST /beats, send: [beats] }}
",
        scene.head("  segment: 4MiB\n"),
        target("stock", STOCK),
        target("beats", BEATS),
    )
}
