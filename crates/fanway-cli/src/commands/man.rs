//! `fanway man`: manual pages, from what the commands say of themselves.

use std::fs::{create_dir_all, write};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use crate::arguments::Arguments;
use crate::output::{Style, page, text_only};

/// Where they go.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write a page for each command into this folder, which is made if it isn't there
    #[arg(long)]
    dir: Option<PathBuf>,
}

pub(crate) fn run(options: &Options, style: Style) -> anyhow::Result<ExitCode> {
    text_only(style, "a manual page")?;
    let mut command = Arguments::command().disable_help_subcommand(true);
    // Gives each command its whole name.
    command.build();
    match &options.dir {
        Some(folder) => create_dir_all(folder)
            .and_then(|()| write_all(&command, folder))
            .with_context(|| format!("{} can't be written to", folder.display()))?,
        None => page(str::from_utf8(&render(&manual(&command))?)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the pages of a command and of all below it.
fn write_all(command: &Command, folder: &Path) -> io::Result<()> {
    for inner in command.get_subcommands() {
        write_all(inner, folder)?;
    }
    let manual = manual(command);
    write(folder.join(manual.get_filename()), render(&manual)?)
}

fn manual(command: &Command) -> Man {
    Man::new(command.clone())
        .source(concat!("fanway ", env!("CARGO_PKG_VERSION")))
        .manual("Fanway")
}

fn render(manual: &Man) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    manual.render(&mut text)?;
    Ok(text)
}
