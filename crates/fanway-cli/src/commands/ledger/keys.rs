//! `fanway ledger keys` and `rewrap`: the data keys, and which keys they are wrapped by.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use fanway_store_local::{KeyId, data_keys, ledger_path};
use serde_json::{Value, json};

use super::{Place, check_stopped, encryption};
use crate::output::{Style, Wrong, print};
use crate::table::Table;

/// Which ledger, and by which keys.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,

    /// A config with the keys of what is encrypted
    #[arg(short, long, value_name = "FILE", default_value = "fanway.yaml")]
    config: PathBuf,
}

pub(super) fn list(place: &Place, style: Style) -> anyhow::Result<ExitCode> {
    check_stopped(&place.path)?;
    let keys = data_keys(&ledger_path(&place.path))?;
    let documents: Vec<Value> = keys
        .iter()
        .map(|key| {
            json!({
                "number": key.number,
                "made_at": key.made_at,
                "wrapped_by": key.wrapped_by.to_string(),
                "values": key.values,
            })
        })
        .collect();
    let names = ["number", "made_at", "wrapped_by", "values"];
    let table = Table::of(&documents, &names);
    print(style, &json!({"data_keys": documents}), table)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn rewrap(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    let path = &options.place.path;
    check_stopped(path)?;
    let encryption = encryption(Some(&options.config))?;
    let Some(first) = &encryption.seals else {
        let text = "the config has no key to wrap by: `store.encrypt` isn't there, or `off`";
        return Err(Wrong(text.to_owned()).into());
    };
    let id = KeyId::of(first).to_string();
    let rewrapped = fanway_store_local::rewrap(&ledger_path(path), &encryption)?;
    let json = json!({"rewrapped": rewrapped, "wrapped_by": id});
    let text = format!("{rewrapped} data keys rewrapped; all are wrapped by {id} now");
    print(style, &json, text)?;
    Ok(ExitCode::SUCCESS)
}
