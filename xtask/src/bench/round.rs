//! One measurement: load on a candidate, until all of it is delivered and posted.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::candidate::Candidate;
use super::load::{Answered, Rate, Requests};
use super::rig::Rig;
use crate::process::processor_time;

/// The load of a measurement.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) requests: Requests,
    pub(crate) connections: u32,
    /// Requests that become due in a second, over [`MANY`](super::MANY) connections; without it as
    /// many are sent as are answered.
    pub(crate) rate: Option<u32>,
    pub(crate) duration: Duration,
    /// Deliveries of an event that come to each sink.
    pub(crate) deliveries: [u64; 2],
}

impl Load {
    /// Events that come once to each sink.
    pub(crate) fn new(connections: u32, duration: Duration) -> Self {
        Self {
            requests: Requests::default(),
            connections,
            rate: None,
            duration,
            deliveries: [1, 1],
        }
    }

    /// Sends it.
    fn send(&self, gateway: SocketAddr, rig: &Rig) -> anyhow::Result<Answered> {
        let (requests, duration) = (&self.requests, self.duration);
        let Some(per_second) = self.rate else {
            return rig
                .loader
                .run(gateway, requests, self.connections, duration);
        };
        let rate = Rate {
            per_second,
            duration,
        };
        let (answered, _) = rig.loader.run_at_rate(gateway, requests, rate)?;
        Ok(answered)
    }

    /// How many events came to all their targets, of what came to the sinks.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of a measurement are far below 2 to the 52"
    )]
    fn events(&self, before: [u64; 2], after: [u64; 2]) -> f64 {
        let came = |sink: usize| {
            let more = after[sink] - before[sink];
            more.checked_div(self.deliveries[sink])
        };
        [came(0), came(1)]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(0)
            .max(1) as f64
    }
}

/// What one measurement gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Events that came to all their targets, by the time from the load's begin to the last of them.
    pub(crate) events_per_second: f64,
    /// Processor time of the candidate's processes for an event, in microseconds.
    pub(crate) cpu: f64,
    /// Bytes written to the disk for an event, by whomever; NaN where nobody counts them.
    pub(crate) written: f64,
    pub(crate) answered: Answered,
}

/// Measures.
pub(crate) fn measure(candidate: &Candidate, rig: &Rig, load: &Load) -> anyhow::Result<Sample> {
    let (before, _) = rig.sinks.wait_until_quiet()?;
    candidate.wait_until_posted()?;
    rig.disk.settle()?;
    let (cpu, written) = count(candidate, rig)?;
    let begun = Instant::now();
    let answered = load.send(candidate.gateway, rig)?;
    let (after, end) = rig.sinks.wait_until_quiet()?;
    candidate.wait_until_posted()?;
    rig.disk.settle()?;
    let (cpu_after, written_after) = count(candidate, rig)?;
    let events = load.events(before, after);
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
            answered,
        } = self;
        let latency = answered.quantiles;
        let (p50, p99) = (latency.p50.millis(), latency.p99.millis());
        write!(
            f,
            "{events_per_second:.0} events/s, {cpu:.1} µs each, {written:.0} bytes each, \
             p50 {p50:.2} ms, p99 {p99:.2} ms"
        )?;
        if answered.failed > 0 {
            write!(f, ", {} failed", answered.failed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Load;

    #[track_caller]
    fn check(deliveries: [u64; 2], came: [u64; 2], expected: f64) {
        let mut load = Load::new(1, Duration::ZERO);
        load.deliveries = deliveries;
        let after = [came[0] + 100, came[1] + 100];
        assert!(load.events([100, 100], after).total_cmp(&expected).is_eq());
    }

    #[test]
    fn an_event_is_done_when_it_came_to_all_its_targets() {
        check([1, 1], [50, 40], 40.0);
        check([8, 8], [800, 799], 99.0);
        check([1, 0], [50, 0], 50.0);
    }
}
