//! Messages that wait for a target that is down, more and more of them, while the load goes to a
//! route whose targets are well.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};

use super::{Kept, Point, Scale};
use crate::bench::MANY;
use crate::bench::axis::Axis;
use crate::bench::candidate::Candidate;
use crate::bench::comparison::warm_up;
use crate::bench::effort::Effort;
use crate::bench::load::{Rate, Requests};
use crate::bench::million::DOWN;
use crate::bench::rig::Rig;
use crate::bench::round::{self, Load};
use crate::bench::setup::{Route, Setup};
use crate::process::resident;
use crate::say;

/// Messages that wait, as far as that is wanted.
const STEPS: [u64; 5] = [0, 10_000, 100_000, 1_000_000, 10_000_000];
/// Bytes of a message that waits.
const SIZE: usize = 100;
/// How fast they are sent, and for how long at a time.
const RATE: u64 = 20_000;
/// See [`RATE`].
const LONGEST: u64 = 30;
/// Bytes of a block in what a file's metadata tell.
const BLOCK: u64 = 512;

/// Measures with up to `most` messages waiting.
pub(super) fn measure(rig: &Rig, effort: Effort, most: u64) -> anyhow::Result<Scale> {
    let mut setup = Setup::standard("waiting", rig.sinks.urls());
    setup.targets.push(DOWN.to_owned());
    setup.routes.push(Route::new("/waiting", [2]));
    let candidates = [Candidate::fanway(&setup, rig)?];
    warm_up(&candidates, rig)?;
    let [fanway] = candidates;
    let requests = Requests::to("/waiting", SIZE);
    let mut points = Vec::new();
    let mut waiting = 0;
    for step in STEPS.into_iter().filter(|step| *step <= most) {
        while waiting < step {
            waiting += fill(&fanway, &requests, step - waiting, rig)?;
            say::note(format_args!("{waiting} messages wait"));
        }
        let mut samples = Vec::new();
        for _ in 0..effort.rounds {
            let sample = round::measure(&fanway, rig, &Load::new(MANY, effort.load))?;
            say::note(format_args!("{waiting} {}: {sample}", Axis::Waiting.unit()));
            samples.push(sample);
        }
        let memory = resident(fanway.processes[0]).context("no memory")?;
        let kept = Kept {
            disk: size(&setup.data(rig))?,
            memory,
        };
        points.push(Point {
            kept: Some(kept),
            ..Point::over(waiting, &samples)
        });
    }
    drop(fanway);
    fs::remove_dir_all(setup.data(rig))?;
    Ok(Scale { points, copy: None })
}

/// Sends no more than `missing` messages, and tells how many were accepted.
pub(crate) fn fill(
    fanway: &Candidate,
    requests: &Requests,
    missing: u64,
    rig: &Rig,
) -> anyhow::Result<u64> {
    let seconds = missing.div_ceil(RATE).min(LONGEST);
    let rate = Rate {
        per_second: u32::try_from((missing / seconds).clamp(1, RATE))?,
        duration: Duration::from_secs(seconds),
    };
    let (answered, _) = rig.loader.run_at_rate(fanway.gateway, requests, rate)?;
    if answered.accepted == 0 {
        bail!("no message is accepted any more");
    }
    fanway.wait_until_posted()?;
    Ok(answered.accepted)
}

/// What a folder takes on the disk, in bytes.
fn size(folder: &Path) -> anyhow::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        size += if metadata.is_dir() {
            self::size(&entry.path())?
        } else {
            metadata.blocks() * BLOCK
        };
    }
    Ok(size)
}
