//! `fanway ledger`: the ledger in the data folder of a server that isn't running.

mod check;
mod export;
mod keys;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use fanway_config::{Config, Errors, ProcessEnvironment};
use fanway_journal::fs::RealFs;
use fanway_journal::verify;
use fanway_store_local::{Encryption, journal_path};

use crate::output::Style;

const EXAMPLES: &str = "\
Examples:
  fanway ledger check ./fanway-data
  fanway ledger check ./fanway-data -c fanway.yaml
  fanway ledger keys ./fanway-data
  fanway ledger rewrap ./fanway-data -c fanway.yaml
  fanway ledger export ./fanway-data -c fanway.yaml | jq -r .request.body
`check`, `rewrap` and `export` take the keys of what is encrypted from `store.encrypt` in a config.";

/// What to do with which ledger.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Options {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check that it is sound; changes nothing
    Check(check::Options),
    /// List the data keys, and which of your keys each is wrapped by; no key is needed
    Keys(Place),
    /// Wrap the data keys by the first key of the config, so that older ones can go
    Rewrap(keys::Options),
    /// Print the messages that are kept, with what is encrypted decrypted, a line of JSON each
    Export(export::Options),
}

/// Which ledger.
#[derive(Debug, Args)]
struct Place {
    /// The data folder
    #[arg(default_value = "./fanway-data")]
    path: PathBuf,
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    match &options.action {
        Action::Check(options) => check::run(options, style),
        Action::Keys(place) => keys::list(place, style),
        Action::Rewrap(options) => keys::rewrap(options, style),
        Action::Export(options) => export::run(options),
    }
}

/// Refuses the folder of a server that runs: it has the journal's lock, and is told by name. A
/// ledger that is only read would be seen as it stood at some moment, so nothing breaks where a
/// server starts meanwhile.
fn check_stopped(path: &Path) -> anyhow::Result<()> {
    verify(&journal_path(path), &RealFs)?;
    Ok(())
}

/// The keys that a config has; none without one.
fn encryption(config: Option<&Path>) -> Result<Encryption, Errors> {
    let Some(config) = config else {
        return Ok(Encryption::default());
    };
    let keys = Config::load(config, &ProcessEnvironment)?.store.encrypt;
    Ok(Encryption {
        seals: keys.seals,
        opens: keys.opens,
    })
}
