//! The binary `fanway`: arguments in, a command run, an exit status out.
//!
//! Data goes to standard output, everything else to standard error. The exit status is 0, 1 where
//! what was asked failed, 2 where it was asked wrongly.

mod admin;
mod advice;
mod arguments;
mod client;
mod commands;
mod durations;
mod events;
mod filter;
mod gateway;
mod histogram;
mod load;
mod logging;
mod output;
mod query;
mod request;
mod request_file;
mod sse;
mod supervision;
mod table;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

use crate::arguments::{Arguments, Command};
use crate::commands::{
    audit, bench, cancel, check, completions, config, dead, demo, explain, init, journal, ledger,
    man, redrive, schema, send, serve, status, tail, target,
};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            output::note(format!("fanway: {error:#}"));
            ExitCode::from(if error.is::<output::Wrong>() { 2 } else { 1 })
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let style = output::Style::new(arguments.json);
    match arguments.command {
        Command::Demo(options) => demo::run(&options, style),
        Command::Init(options) => init::run(&options, style),
        Command::Serve(options) => serve::run(&options, style),
        Command::Check(options) => check::run(&options, style),
        Command::Explain(options) => explain::run(&options, style),
        Command::Schema => schema::run(),
        Command::Send(options) => send::run(&options, style),
        Command::Status(options) => status::run(&options, style),
        Command::Cancel(options) => cancel::run(&options, style),
        Command::Tail(options) => tail::run(&options, style),
        Command::Dead(options) => dead::run(&options, style),
        Command::Redrive(options) => redrive::run(&options, style),
        Command::Target(options) => target::run(&options, style),
        Command::Config(options) => config::run(&options, style),
        Command::Audit(options) => audit::run(&options, style),
        Command::Journal(options) => journal::run(&options, style),
        Command::Ledger(options) => ledger::run(&options, style),
        Command::Bench(options) => bench::run(&options, style),
        Command::Completions(options) => completions::run(&options, style),
        Command::Man(options) => man::run(&options, style),
    }
}
