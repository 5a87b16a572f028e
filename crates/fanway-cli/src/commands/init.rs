//! `fanway init`: a config to begin with.
//!
//! What it writes is `init/fanway.yaml`, as it is. It writes over a file only where it is told to.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use crate::output::{Style, note, page, text_only};

/// The config.
const CONFIG: &str = include_str!("init/fanway.yaml");

/// Where it goes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The file to write, or `-` for standard output
    #[arg(default_value = "fanway.yaml")]
    file: PathBuf,

    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    text_only(style, "a config")?;
    let file = &options.file;
    if file.as_os_str() == "-" {
        page(CONFIG)?;
        return Ok(ExitCode::SUCCESS);
    }
    match write(file, options.force) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!(
                "{} is there already; --force writes over it",
                file.display()
            )
        }
        written => written.with_context(|| format!("{} can't be written", file.display()))?,
    }
    note(next(file));
    Ok(ExitCode::SUCCESS)
}

fn write(file: &Path, force: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    options.write(true).open(file)?.write_all(CONFIG.as_bytes())
}

/// What to do with it.
fn next(file: &Path) -> String {
    let shown = file.display();
    let which = if file == Path::new("fanway.yaml") {
        String::new()
    } else {
        format!(" -c {shown}")
    };
    format!(
        "fanway: {shown} is written: what is posted to /orders goes to two APIs. Next:\n\
         \x20 1. put your own addresses under `targets`, and what you take in under `routes`\n\
         \x20 2. fanway check{which}\n\
         \x20 3. fanway serve{which}\n\
         \x20 4. fanway send /orders -d '{{\"id\": 7}}'   from another terminal\n\
         `fanway demo` shows all of it without a config."
    )
}
