//! Where the repository is, and the programs that are built from it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::say;

/// How a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Debug,
    Release,
}

impl Profile {
    fn folder(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package has a folder of its own below the root")
}

/// Where cargo puts what it builds, which is where this program runs from.
pub(crate) fn target_dir() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2);
    Ok(target.context("this program was moved")?.to_owned())
}

/// A folder for files of a chore, on the disk that cargo builds on. What it held is removed.
pub(crate) fn scratch(name: &str) -> anyhow::Result<PathBuf> {
    let folder = target_dir()?.join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Builds the binary `fanway`, where it isn't of today, and tells where it is.
pub(crate) fn fanway(profile: Profile) -> anyhow::Result<PathBuf> {
    let target = target_dir()?;
    let manifest = root().join("Cargo.toml");
    build(&manifest, &["--package", "fanway-cli"], profile, &target)?;
    Ok(target.join(profile.folder()).join("fanway"))
}

/// Builds what Fanway is measured against, and tells the folder that holds it.
pub(crate) fn baselines() -> anyhow::Result<PathBuf> {
    let target = target_dir()?.join("baselines");
    let manifest = root().join("baselines/Cargo.toml");
    build(&manifest, &["--locked"], Profile::Release, &target)?;
    Ok(target.join(Profile::Release.folder()))
}

fn build(manifest: &Path, what: &[&str], profile: Profile, target: &Path) -> anyhow::Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg("build").arg("--manifest-path").arg(manifest);
    cargo.args(what).arg("--target-dir").arg(target);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    say::note(format_args!("building {}", what.join(" ")));
    if !cargo.status().context("cargo can't be started")?.success() {
        bail!("cargo couldn't build it");
    }
    Ok(())
}

/// A program of the machine's, where it is installed.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
