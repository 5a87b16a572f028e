//! Chores that are more than one command: `cargo xtask bench|crash|trial|generate`.
//!
//! - `bench` – Fanway against what a user would do without it; writes `docs/benchmarks.md`
//! - `crash` – a server that is killed again and again under load, and what must hold then
//! - `trial` – a server that is steered under load, and what must hold then
//! - `generate` – the files that are made from the code
//!
//! It reaches nothing but the loopback interface, and ends no process that it didn't start.

mod bench;
mod built;
mod client;
mod crash;
mod gateway;
mod generate;
mod inspect;
mod lives;
mod plain_http;
mod process;
mod say;
mod scene;
mod sink;
mod trial;
mod types;
mod wrongs;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores that are more than one command
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Measure Fanway against what a user would do without it, and write docs/benchmarks.md
    Bench(bench::Options),
    /// Kill a server under load again and again, and check that nothing is lost
    Crash(crash::Options),
    /// Steer a server under load, and count what comes of it
    Trial(trial::Options),
    /// Rewrite the files that are made from the code
    Generate,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Bench(options) => bench::run(&options),
        Chore::Crash(options) => crash::run(&options),
        Chore::Trial(options) => trial::run(&options),
        Chore::Generate => generate::run().map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        say::note(format_args!("xtask: {error:#}"));
        ExitCode::FAILURE
    })
}
