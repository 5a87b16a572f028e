//! `cargo xtask crash`: a gateway under load, killed with SIGKILL again and again.
//!
//! What must hold at the end: each request was accepted as one message, however often and by how
//! many connections at once it was sent; what was accepted was delivered to all sinks, whole and
//! with one key, unless it was called off; what was shown to have ended wasn't sent again; what was
//! put off didn't come earlier; whoever asked for a callback got one; one sink saw each key's
//! requests in the order of their acceptance. Each kill repeated no more
//! attempts than were in flight, and those whose outcomes were two ticks old at most. Journal and
//! ledger are sound; nothing is left pending.
//!
//! - `request` – what is sent, and what it asks for
//! - `sender`, `desk` – the load, and what it is delivered to
//! - `moment` – when to kill
//! - `book` – what was seen, and what is wrong with it

mod book;
mod desk;
mod moment;
mod request;
mod sender;

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use rand::RngExt;

use crate::gateway::Gateway;
use crate::inspect;
use crate::lives::Bound;
use crate::say;
use crate::scene::{Choice, START, Scene};
use crate::sink::Sink;
use book::{Book, Total};
use desk::{Callbacks, Target};
use moment::Moment;
use sender::Senders;

/// The sinks, which are the targets too.
const SINKS: [&str; 3] = ["inventory", "shipping", "crm"];
/// The number of the sink that requests come to in the order of their keys.
const ORDERED: usize = 2;
/// The number of the lane for callbacks, behind the sinks' own.
const CALLBACKS: usize = SINKS.len();
/// Attempts that may be in flight to each, and of callbacks.
const CONCURRENCY: u64 = 16;
/// Who sends at the same time.
const SENDERS: u32 = 8;
/// How long messages are kept, and their keys.
const KEPT: Duration = Duration::from_secs(10);
/// How long the rest of the load may take at the end.
const DRAIN: Duration = Duration::from_secs(120);

/// What to run
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often the gateway is killed
    #[arg(long, default_value = "10")]
    rounds: u32,

    #[command(flatten)]
    choice: Choice,

    /// What repeated attempts are measured by
    #[arg(long, value_enum, default_value_t = Bound::Clock)]
    bound: Bound,
}

/// Runs it, and tells whether all held.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let scene = Scene::set("crash", &options.choice)?;
    let mut run = Run::new(scene)?;
    for round in 1..=options.rounds {
        run.round(round)?;
    }
    run.finish()?;
    let Total { words, wrongs } = run.book.total(options.bound);
    say::line(words);
    run.scene.clear(wrongs.report())
}

/// A run: one data folder, some sinks and senders, and one gateway after the other.
struct Run {
    scene: Scene,
    book: Arc<Book>,
    /// The targets' and, last, that for callbacks.
    sinks: Vec<Sink>,
    senders: Senders,
}

impl Run {
    fn new(mut scene: Scene) -> anyhow::Result<Self> {
        let book = Arc::new(Book::default());
        let handle = scene.handle.clone();
        let mut sinks = Vec::new();
        for index in 0..SINKS.len() {
            let desk = Target::new(index, &book, scene.rng.random());
            sinks.push(Sink::start(Arc::new(desk), &handle)?);
        }
        let desk = Callbacks::new(&book, scene.rng.random());
        let callbacks = Sink::start(Arc::new(desk), &handle)?;
        let seed = scene.rng.random();
        let senders = Senders::start(SENDERS, &book, callbacks.address(), seed, &handle);
        sinks.push(callbacks);
        fs::write(scene.config(), config(&scene, &sinks))?;
        Ok(Self {
            scene,
            book,
            sinks,
            senders,
        })
    }

    /// Starts a gateway and kills it.
    fn round(&mut self, round: u32) -> anyhow::Result<()> {
        let moment = Moment::draw(&mut self.scene.rng);
        let mut gateway = self.scene.start()?;
        let begun = Instant::now();
        if !moment.is_before_ready() {
            let addresses = gateway.wait_ready(START)?;
            self.senders.send_to(Some(addresses.gateway));
        }
        let data = self.scene.data();
        moment.wait(&data, &gateway_asked(&mut gateway))?;
        let lived = begun.elapsed();
        let at = Instant::now();
        gateway.process().kill();
        self.senders.send_to(None);
        self.settle()?;
        let told = self.book.killed(at, moment.name());
        // One that was killed at once has none.
        if data.join("journal").exists() {
            self.note(inspect::verify_journal(&self.scene.fanway, &data)?);
        }
        let moment = moment.name();
        let lived = lived.as_millis();
        say::line(format_args!(
            "kill {round}, {moment}, after {lived} ms: {told}"
        ));
        Ok(())
    }

    /// Waits until the sinks have seen all that the killed gateway has sent.
    fn settle(&self) -> anyhow::Result<()> {
        let all = async {
            for sink in &self.sinks {
                sink.settle().await?;
            }
            Ok(())
        };
        self.scene.handle.block_on(all)
    }

    /// Lets a last gateway deliver all that is left, stops it, and looks at what it leaves.
    fn finish(&mut self) -> anyhow::Result<()> {
        let (mut gateway, addresses) = self.scene.start_ready()?;
        self.senders.send_to(Some(addresses.gateway));
        self.scene.handle.block_on(self.senders.finish());
        // What tells of an end is sent a little later than the end.
        let has_told = || self.book.missing_callbacks() == 0;
        self.note(inspect::wait_until_done(addresses.admin, DRAIN, has_told)?);
        if let Err(error) = gateway.stop(DRAIN) {
            self.book.wrong(format!("the last stop: {error:#}"));
        }
        let Scene { fanway, .. } = &self.scene;
        let data = self.scene.data();
        self.note(inspect::verify_journal(fanway, &data)?);
        self.note(inspect::check_ledger(fanway, &data)?);
        Ok(())
    }

    fn note(&self, wrongs: Vec<String>) {
        for wrong in wrongs {
            self.book.wrong(wrong);
        }
    }
}

/// What asks a gateway to stop, for a kill while it does.
fn gateway_asked(gateway: &mut Gateway) -> impl Fn() -> anyhow::Result<()> {
    let process = gateway.process();
    || process.ask_to_end()
}

/// Small segments and short retention, so that recycling and pruning are always at work; quick
/// retries, so that there are always some.
fn config(scene: &Scene, sinks: &[Sink]) -> String {
    let policies = format!(
        "timeout: 60s
    concurrency: {CONCURRENCY}
    retry: {{ first: 20ms, max: 200ms, attempts: 1000, give_up_after: 1h }}
    breaker: {{ consecutive: 1000, failure_ratio: 1, minimum: 1000 }}"
    );
    let targets = SINKS.iter().zip(sinks).map(|(name, sink)| {
        let address = sink.address();
        format!("  {name}:\n    url: http://{address}/\n    {policies}\n")
    });
    let targets: String = targets.collect();
    let callbacks = sinks[CALLBACKS].address();
    let kept = KEPT.as_secs();
    let head = scene.head(&format!(
        "  segment: 1MiB\n  keep: {{ messages: {kept}s, history: {kept}s, dead: 1h }}\n"
    ));
    format!(
        "{head}egress: {{ allow: [127.0.0.0/8] }}
callbacks:
    sign: {{ standard_webhooks: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw }}
    {policies}
targets:
{targets}routes:
  orders:
    match: POST /orders
    send: [{unordered}, {{ to: {ordered}, order_by: .customer }}]
    callback: {{ allow: ['http://{callbacks}'] }}
",
        unordered = SINKS[..ORDERED].join(", "),
        ordered = SINKS[ORDERED],
    )
}
