//! What all measurements share: the binaries, the sinks, a folder, and what makes the load.

use std::path::PathBuf;

use super::disk::Disk;
use super::load::Loader;
use super::sinks::Sinks;

/// What all measurements share.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) fanway: PathBuf,
    pub(crate) baselines: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) disk: Disk,
    pub(crate) loader: Loader,
    pub(crate) sinks: Sinks,
}

impl Rig {
    /// Starts two sinks.
    pub(crate) fn start(
        fanway: PathBuf,
        baselines: PathBuf,
        folder: PathBuf,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            disk: Disk::prepare(&folder)?,
            loader: Loader::find(&fanway, &baselines, &folder),
            sinks: Sinks::start(&baselines)?,
            fanway,
            baselines,
            folder,
        })
    }

    /// Another one with sinks that also count how long what comes has been on its way.
    pub(crate) fn reading_stamps(&self) -> anyhow::Result<Self> {
        let Self {
            fanway,
            baselines,
            folder,
            ..
        } = self;
        Ok(Self {
            disk: Disk::prepare(folder)?,
            loader: Loader::find(fanway, baselines, folder),
            sinks: Sinks::start_reading_stamps(baselines)?,
            fanway: fanway.clone(),
            baselines: baselines.clone(),
            folder: folder.clone(),
        })
    }
}
