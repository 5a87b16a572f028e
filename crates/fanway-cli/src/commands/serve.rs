//! `fanway serve`: the gateway, until it is stopped.

use std::path::PathBuf;
use std::process::{ExitCode, exit};
use std::sync::{Arc, OnceLock};
use std::thread;

use anyhow::Context;
use clap::Args;
use fanway_config::{Config, ProcessEnvironment};
use fanway_server::{Server, Stopper};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::commands::check;
use crate::logging;
use crate::output::{Style, note};

/// What to run.
#[derive(Debug, Args)]
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
    let config = match Config::load(&options.config, &ProcessEnvironment) {
        Ok(config) => config,
        Err(errors) => {
            note(errors);
            return Ok(ExitCode::FAILURE);
        }
    };
    check::warn(&config);
    let drain = config.server.drain;
    let stopper = Arc::new(OnceLock::<Stopper>::new());
    let running = Arc::clone(&stopper);
    Signals::new()?.on_each(move |count| match running.get() {
        Some(stopper) if count == 1 => {
            note("fanway: stopping once what is in flight is done; a second signal (Ctrl-C) stops at once");
            stopper.stop(drain);
        }
        _ => {
            note("fanway: stopped at once; what was in flight is done after the next start");
            exit(1);
        }
    })?;
    let server = Server::start(config)?;
    stopper.get_or_init(|| server.stopper());
    server.wait()?;
    Ok(ExitCode::SUCCESS)
}

/// SIGINT and SIGTERM, caught from the time that this is made.
struct Signals {
    runtime: tokio::runtime::Runtime,
    interrupt: Signal,
    terminate: Signal,
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
        Ok(Self {
            runtime,
            interrupt,
            terminate,
        })
    }

    /// Calls `react` with the number of the signal, counted from 1, on a thread of its own.
    fn on_each(self, react: impl Fn(usize) + Send + 'static) -> anyhow::Result<()> {
        let Self {
            runtime,
            mut interrupt,
            mut terminate,
        } = self;
        let wait = async move {
            for count in 1.. {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                react(count);
            }
        };
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(wait))?;
        Ok(())
    }
}
