//! The config changes in a loop under load, and every other version is broken.
//!
//! The gateway is told by a signal, or sees for itself that the file has changed. Targets come and
//! go: all versions send to one of them, and each also to one that its neighbours don't have.
//!
//! - No request is lost or refused, and each is delivered once to both of its targets.
//! - Both of its deliveries are of one version, which may have been in use between its begin and
//!   its answer.
//! - `/readyz` is 200 all the time, and shows nothing but versions that were written and weren't
//!   broken, the generations counted up.
//!
//! - `versions` – what is written
//! - `watch` – looking at `/readyz`

mod versions;
mod watch;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use hyper::StatusCode;
use serde_json::Value;

use super::change::{Told, fingerprint};
use super::load::Load;
use super::stage::Stage;
use super::tally::{Counter, Seen, Tally};
use crate::lives::Bound;
use crate::scene::{Choice, Scene};
use crate::sink::Desk;
use crate::{plain_http, say};
use versions::{BOTH, LEFT, RIGHT, Timeline, Version, of_path, side};
use watch::Watch;

/// Who sends.
const SENDERS: usize = 4;

/// What to run
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long
    #[arg(long, default_value = "20")]
    seconds: u32,

    #[command(flatten)]
    choice: Choice,
}

/// Runs it, and tells whether all held.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let mut trial = Trial::prepare(&options.choice)?;
    let watch = Watch::start(trial.stage.at.admin, &trial.timeline, &trial.stage.tally);
    let Stage {
        scene,
        whereabouts,
        tally,
        ..
    } = &trial.stage;
    let load = Load::new(tally, |_| "/orders");
    let senders = load.start(SENDERS, 0..u32::MAX, whereabouts, &scene.handle);
    let until = Instant::now() + Duration::from_secs(options.seconds.into());
    while Instant::now() < until {
        trial.break_it()?;
        trial.mend_it()?;
    }
    senders.finish();
    let Trial { version, .. } = trial;
    trial.put(&Version::last(
        version + 1,
        &trial.head,
        trial.stage.sinks(),
    ))?;
    let looks = watch.finish();
    trial.stage.close()?;
    trial.check();
    let (words, wrongs) = trial.stage.tally.end(Bound::Order);
    let Trial { seen, refused, .. } = trial;
    say::line(format_args!(
        "{} versions in use, {refused} refused, {seen} of all noticed without a signal; {looks} looks at /readyz\n{words}",
        version + 1
    ));
    trial.stage.scene.clear(wrongs.report())
}

struct Trial {
    stage: Stage,
    head: String,
    timeline: Arc<Mutex<Timeline>>,
    /// The version in use.
    version: u32,
    /// Versions that were refused.
    refused: u32,
    /// Versions that the gateway has noticed by itself.
    seen: u32,
}

impl Trial {
    fn prepare(choice: &Choice) -> anyhow::Result<Self> {
        let scene = Scene::set("reload", choice)?;
        let head = scene.head("  segment: 4MiB\n");
        let tally = Tally::new(&[16; 3]);
        let desks = [BOTH, LEFT, RIGHT]
            .map(|sink| -> Arc<dyn Desk> { Counter::new(&tally, sink, StatusCode::OK) });
        let timeline = Arc::<Mutex<Timeline>>::default();
        let first = |scene: &Scene, sinks: &[_]| {
            let Version { number, text } = Version::new(0, &head, sinks);
            let known = fingerprint(&scene.config(), &text);
            lock(&timeline).writing(number, &known.unwrap_or_default());
            text
        };
        let stage = Stage::open(scene, Arc::clone(&tally), desks.into(), first)?;
        Ok(Self {
            stage,
            head,
            timeline,
            version: 0,
            refused: 0,
            seen: 0,
        })
    }

    /// Writes a version that is broken, and waits until it was refused.
    fn break_it(&mut self) -> anyhow::Result<()> {
        let next = Version::new(self.version + 1, &self.head, self.stage.sinks());
        let text = next.broken(&mut self.stage.scene.rng);
        self.change(&text, "the refusal", |config| config["refused"].is_object())?;
        self.refused += 1;
        Ok(())
    }

    /// Writes the next version, and waits until it is in use.
    fn mend_it(&mut self) -> anyhow::Result<()> {
        let next = Version::new(self.version + 1, &self.head, self.stage.sinks());
        self.put(&next)
    }

    fn put(&mut self, version: &Version) -> anyhow::Result<()> {
        let fingerprint = fingerprint(&self.stage.scene.config(), &version.text)?;
        lock(&self.timeline).writing(version.number, &fingerprint);
        self.change(&version.text, "the new config", |config| {
            config["fingerprint"] == *fingerprint
        })?;
        lock(&self.timeline).in_use(version.number);
        self.version = version.number;
        Ok(())
    }

    /// Changes the file to a text, and waits until that shows.
    fn change(
        &mut self,
        text: &str,
        what: &str,
        shows: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<()> {
        let Stage { scene, gateway, .. } = &mut self.stage;
        let told = Told::draw(&mut scene.rng);
        told.change(&scene.config(), text, gateway, &mut scene.rng)?;
        self.seen += u32::from(told == Told::Nothing);
        let admin = self.stage.at.admin;
        let look = || {
            let config = plain_http::get_json(admin, "/api/v1/config")?;
            Ok(shows(&config).then_some(()))
        };
        self.stage.wait_for(what, look)
    }

    fn check(&self) {
        let tally = &self.stage.tally;
        let timeline = lock(&self.timeline);
        let by_sink = [BOTH, LEFT, RIGHT].map(|sink| tally.seen(sink));
        let version = |number| {
            let Seen { path, .. } = by_sink[BOTH].get(&number)?;
            of_path(path)
        };
        tally.check(|number| {
            let side = version(number).map(side);
            [BOTH].into_iter().chain(side).collect()
        });
        for (number, request) in tally.requests() {
            let came = by_sink.iter().filter_map(|seen| seen.get(&number));
            let paths: Vec<&str> = came.map(|seen| &*seen.path).collect();
            let is_one = paths.len() == 2 && paths[0] == paths[1];
            let is_timely = version(number).is_some_and(|version| {
                timeline.may_be_used(version, request.begun, request.answered)
            });
            if !is_one || !is_timely {
                tally.wrong(format_args!(
                    "{number} came to {paths:?}, of one version: {is_one}, in its time: {is_timely}"
                ));
            }
        }
    }
}

fn lock(timeline: &Mutex<Timeline>) -> MutexGuard<'_, Timeline> {
    timeline.lock().unwrap_or_else(PoisonError::into_inner)
}
