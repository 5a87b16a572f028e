//! `cargo xtask trial`: a gateway that is steered while it is under load, and killed in between.
//!
//! Each trial has its rules at the top of its file. All of them send numbered requests, and count
//! at sinks what came of them.
//!
//! - `redrive` – many dead letters
//! - `rename` – a target with many waiting gets another name
//! - `reload` – the config changes in a loop, and half of the time it is broken
//! - `follower` – followers that are slow, or don't read at all
//! - `duplicates` – a crowd that sends the same request
//!
//! - `change` – changing the config of a gateway that runs
//! - `stage` – a gateway that is killed and started again
//! - `load`, `tally` – the load, and what came of it

mod change;
mod duplicates;
mod follower;
mod load;
mod redrive;
mod reload;
mod rename;
mod stage;
mod tally;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// What to run
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    trial: Trial,
}

#[derive(Debug, Subcommand)]
enum Trial {
    /// Redrive many dead letters, and kill the server in the middle
    Redrive(redrive::Options),
    /// Rename a target for which many messages wait, and kill the server in the middle
    Rename(rename::Options),
    /// Change the config in a loop, every other time to one that is broken
    Reload(reload::Options),
    /// Follow messages slowly, or without reading, while others send
    Follower(follower::Options),
    /// Have a crowd send the same request, and kill the server in between
    Duplicates(duplicates::Options),
}

/// Runs one, and tells whether all held.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    match &options.trial {
        Trial::Redrive(options) => redrive::run(options),
        Trial::Rename(options) => rename::run(options),
        Trial::Reload(options) => reload::run(options),
        Trial::Follower(options) => follower::run(options),
        Trial::Duplicates(options) => duplicates::run(options),
    }
}
