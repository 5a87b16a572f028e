//! What can be asked of the binary.

use clap::{Parser, Subcommand};

use crate::commands::{bench, check, dead, demo, journal, ledger, send, serve, status};

/// One request in, two or more APIs out; nobody waits, nothing is lost, everybody can see.
#[derive(Debug, Parser)]
#[command(name = "fanway", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// Print JSON instead of text for people
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands, one file each under `commands`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The order example, end to end, with two lifelike target APIs: nothing else needed
    Demo(demo::Options),
    /// Run the gateway
    Serve(serve::Options),
    /// Check a config: all errors, each with line and column
    Check(check::Options),
    /// Print the JSON Schema of the config
    Schema,
    /// Send a request to the gateway, as a sender
    Send(send::Options),
    /// Ask the gateway for a message, as a sender
    Status(status::Options),
    /// Dead letters, as an operator: list, show, redrive, discard
    Dead(dead::Options),
    /// The journal in the data folder of a server that isn't running
    Journal(journal::Options),
    /// The ledger in the data folder of a server that isn't running
    Ledger(ledger::Options),
    /// Load on a running gateway, with a latency histogram
    Bench(bench::Options),
}
