//! `fanway serve`: the gateway, until it is stopped.

use std::path::PathBuf;
use std::process::{ExitCode, exit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use fanway_server::{ConfigFile, Server, Steering};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::client::{self, Call};
use crate::commands::check;
use crate::logging;
use crate::output::{Style, note};
use crate::supervision::Supervisor;

const EXAMPLES: &str = "\
SIGTERM and SIGINT (Ctrl-C) stop it once what is in flight is done; a second one stops at once.
SIGHUP reads the config again: one with errors changes nothing. Logs go to standard error.

Examples:
  fanway serve
  fanway serve -c /etc/fanway/fanway.yaml --json
  fanway serve --log fanway_dispatch=debug,info";

/// What to run.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Options {
    /// The config
    #[arg(short, long, value_name = "FILE", default_value = "fanway.yaml")]
    config: PathBuf,

    /// Which logs to write: `info`, or `fanway_dispatch=debug,warn`
    #[arg(long, value_name = "FILTER", env = "RUST_LOG", default_value = "info")]
    log: String,
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    logging::start(&options.log, style)?;
    let source = ConfigFile::new(options.config.clone());
    let config = match source.read() {
        Ok(config) => config,
        Err(errors) => {
            note(errors);
            return Ok(ExitCode::FAILURE);
        }
    };
    check::warn(&config);
    let drain = config.server.drain;
    let supervisor = Supervisor::from_environment();
    let told = supervisor.clone();
    let stop = Arc::new(Stop::default());
    let wanted = Arc::clone(&stop);
    let (hang_up, hang_ups) = sync_channel(1);
    Signals::new()?.on_each(move |heard| match heard {
        Heard::HangUp => {
            // One that waits reads what is there by then.
            let _one_waits = hang_up.try_send(());
        }
        Heard::Stop(1) => {
            note("fanway: stopping once what is in flight is done; a second signal (Ctrl-C) stops at once");
            told.stopping();
            wanted.want();
        }
        Heard::Stop(_) => {
            note("fanway: stopped at once; what was in flight is done after the next start");
            exit(1);
        }
    })?;
    let server = Server::start_from(config, Arc::new(source))?;
    let stopper = server.stopper();
    stop.becomes(move || stopper.stop(drain));
    let health = client::Server::admin(&format!("http://{}", server.admin));
    let health = health.expect("an address and a port are a URL's");
    let _watchdog = supervisor.watch(move |patience| is_alive(&health, patience))?;
    supervisor.ready();
    reload_on_each(hang_ups, server.steering(), supervisor)?;
    server.wait()?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the config again for each hang-up, on a thread of its own. What comes of it is logged.
fn reload_on_each(
    hang_ups: Receiver<()>,
    steering: Steering,
    supervisor: Supervisor,
) -> anyhow::Result<()> {
    let reload = move || {
        for () in hang_ups {
            supervisor.reloading();
            let _logged = steering.reload_blocking("SIGHUP");
            supervisor.ready();
        }
    };
    thread::Builder::new()
        .name("reloads".to_owned())
        .spawn(reload)?;
    Ok(())
}

/// Whether the server's controlling thread answers.
fn is_alive(admin: &client::Server, patience: Duration) -> bool {
    let call = Call {
        path: "/healthz".to_owned(),
        ..Call::default()
    };
    let answered = client::block_on(async {
        let answer = timeout(patience, admin.call(call)).await??;
        answer.accepted()
    });
    answered
        .inspect_err(|error| note(format!("fanway: the watchdog got no answer: {error:#}")))
        .is_ok()
}

/// A stop that may be wanted before there is something to be stopped.
#[derive(Default)]
struct Stop {
    is_wanted: AtomicBool,
    act: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Stop {
    /// Stops what there is, or will be.
    fn want(&self) {
        self.is_wanted.store(true, Ordering::SeqCst);
        self.act();
    }

    /// From now on `act` stops it, and does so now where that was wanted before.
    fn becomes(&self, act: impl Fn() + Send + Sync + 'static) {
        self.act.get_or_init(|| Box::new(act));
        self.act();
    }

    /// Whoever comes second of the two above sees what the first has done. Both may: a stop that
    /// is asked for twice is one.
    fn act(&self) {
        if self.is_wanted.load(Ordering::SeqCst)
            && let Some(act) = self.act.get()
        {
            act();
        }
    }
}

/// A signal that was caught.
enum Heard {
    /// SIGHUP.
    HangUp,
    /// SIGINT or SIGTERM: the so-many-th, counted from 1.
    Stop(usize),
}

/// SIGINT, SIGTERM and SIGHUP, caught from the time that this is made.
struct Signals {
    runtime: tokio::runtime::Runtime,
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let caught = |kind| {
            let _within = runtime.enter();
            signal(kind).context("signals can't be caught")
        };
        let interrupt = caught(SignalKind::interrupt())?;
        let terminate = caught(SignalKind::terminate())?;
        let hang_up = caught(SignalKind::hangup())?;
        Ok(Self {
            runtime,
            interrupt,
            terminate,
            hang_up,
        })
    }

    /// Calls `react` with each, on a thread of its own.
    fn on_each(self, react: impl Fn(Heard) + Send + 'static) -> anyhow::Result<()> {
        let Self {
            runtime,
            mut interrupt,
            mut terminate,
            mut hang_up,
        } = self;
        let wait = async move {
            let mut stops = 0;
            loop {
                tokio::select! {
                    _ = interrupt.recv() => stops += 1,
                    _ = terminate.recv() => stops += 1,
                    _ = hang_up.recv() => {
                        react(Heard::HangUp);
                        continue;
                    }
                }
                react(Heard::Stop(stops));
            }
        };
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(wait))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::Stop;

    #[test]
    fn a_stop_that_is_wanted_before_the_start_is_made_after_it() {
        let (stopped, stops) = sync_channel(2);
        let stop = Stop::default();
        stop.want();
        stop.becomes(move || stopped.send(()).expect("room"));
        assert_eq!(stops.try_iter().count(), 1);
    }

    #[test]
    fn nothing_is_stopped_before_that_is_wanted() {
        let (stopped, stops) = sync_channel(2);
        let stop = Stop::default();
        stop.becomes(move || stopped.send(()).expect("room"));
        assert_eq!(stops.try_iter().count(), 0);
        stop.want();
        assert_eq!(stops.try_iter().count(), 1);
    }
}
