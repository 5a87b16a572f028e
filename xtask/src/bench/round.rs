//! One measurement: load on a candidate, until all of it is delivered and posted.

use std::fmt;
use std::time::{Duration, Instant};

use super::candidate::Candidate;
use super::load::Answered;
use super::rig::Rig;
use crate::process::processor_time;

/// What one measurement gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Events that came to both sinks, by the time from the load's begin to the last of them.
    pub(crate) events_per_second: f64,
    /// Processor time of the candidate's processes for an event, in microseconds.
    pub(crate) cpu: f64,
    /// Bytes written to the disk for an event, by whomever; NaN where nobody counts them.
    pub(crate) written: f64,
    pub(crate) answered: Answered,
}

/// Measures.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a measurement are far below 2 to the 52"
)]
pub(crate) fn measure(
    candidate: &Candidate,
    rig: &Rig,
    connections: u32,
    load: Duration,
) -> anyhow::Result<Sample> {
    let (before, _) = rig.wait_until_quiet()?;
    candidate.wait_until_posted()?;
    let (cpu, written) = count(candidate, rig)?;
    let begun = Instant::now();
    let answered = rig.loader.run(candidate.gateway, connections, load)?;
    let (after, end) = rig.wait_until_quiet()?;
    candidate.wait_until_posted()?;
    let (cpu_after, written_after) = count(candidate, rig)?;
    let events = (after[0] - before[0]).min(after[1] - before[1]).max(1) as f64;
    Ok(Sample {
        events_per_second: events / (end - begun).as_secs_f64(),
        cpu: (cpu_after - cpu) * 1e6 / events,
        written: (written_after - written) / events,
        answered,
    })
}

/// Processor time so far in seconds, and bytes written to the disk.
#[expect(clippy::cast_precision_loss, reason = "below 8 PiB no byte is lost")]
fn count(candidate: &Candidate, rig: &Rig) -> anyhow::Result<(f64, f64)> {
    let written = rig
        .disk
        .written()
        .map_or(f64::NAN, |written| written as f64);
    Ok((processor_time(&candidate.processes)?, written))
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            events_per_second,
            cpu,
            written,
            answered: Answered { p50, p99, failed },
        } = self;
        write!(
            f,
            "{events_per_second:.0} events/s, {cpu:.1} µs each, {written:.0} bytes each, p50 {p50:?}, p99 {p99:?}"
        )?;
        if *failed > 0 {
            write!(f, ", {failed} failed")?;
        }
        Ok(())
    }
}
