//! Latency: until a request is accepted, and until its delivery is at the target.
//!
//! Closed loop says how long a sender waits that sends one request after the other; at a fixed
//! rate, latency counts from when a request was due, so that a gateway that stalls can't hide it.

use serde::{Deserialize, Serialize};

use super::candidate::{Candidate, Kind};
use super::comparison::warm_up;
use super::effort::Effort;
use super::figures::{median, rounded};
use super::load::{Answered, Rate, Requests};
use super::quantiles::Quantiles;
use super::rig::Rig;
use super::round::{self, Load, Sample};
use super::setup::Setup;
use super::sinks::Sinks;
use super::{MANY, WARM_UP};
use crate::say;

/// Its figures' name.
pub(crate) const NAME: &str = "latency";
/// Who is measured.
const KINDS: [Kind; 3] = [Kind::Fanway, Kind::JoinAll, Kind::Nginx];
/// Connections of the closed loop.
const CONNECTIONS: [u32; 4] = [1, 4, MANY, 512];
/// Shares of a candidate's capacity, at which requests are due.
const SHARES: [f64; 2] = [0.5, 0.9];
/// The header that the sender puts its time into.
const SENT: &str = "x-sent";

/// What is kept of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) closed: Vec<Closed>,
    pub(crate) open: Vec<Open>,
    /// From when a request was sent until its head is at each of Fanway's two targets, at half of
    /// its capacity.
    pub(crate) delivery: [Quantiles; 2],
}

/// A candidate's answers in a closed loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Closed {
    pub(crate) candidate: Kind,
    pub(crate) connections: u32,
    pub(crate) events_per_second: f64,
    pub(crate) accepted: Quantiles,
    pub(crate) failed: u64,
}

/// A candidate's answers to requests that are due at fixed times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Open {
    pub(crate) candidate: Kind,
    /// Of what it took in the closed loop.
    pub(crate) share: f64,
    /// Requests that were due in a second.
    pub(crate) rate: u32,
    pub(crate) accepted: Quantiles,
    /// Requests that were refused, not answered, or not sent.
    pub(crate) failed: u64,
}

/// Measures.
pub(crate) fn measure(rig: &Rig, effort: Effort) -> anyhow::Result<Latency> {
    let mut candidates = Candidate::start_all(&KINDS, rig)?;
    warm_up(&candidates, rig)?;
    let closed = closed(&mut candidates, rig, effort)?;
    let capacity = |kind: Kind| {
        let of_kind = |line: &&Closed| line.candidate == kind && line.connections == MANY;
        closed
            .iter()
            .find(of_kind)
            .map_or(0.0, |line| line.events_per_second)
    };
    let open = open(&mut candidates, capacity, rig, effort)?;
    drop(candidates);
    let rate = rounded(capacity(Kind::Fanway) / 2.0).max(1);
    Ok(Latency {
        delivery: delivery(rate, rig, effort)?,
        closed,
        open,
    })
}

fn closed(candidates: &mut [Candidate], rig: &Rig, effort: Effort) -> anyhow::Result<Vec<Closed>> {
    let mut samples: Vec<((u32, Kind), Sample)> = Vec::new();
    for round in 0..effort.rounds {
        for connections in CONNECTIONS {
            for candidate in &*candidates {
                let kind = candidate.kind;
                let load = Load::new(connections, effort.load);
                let sample = round::measure(candidate, rig, &load)?;
                let name = kind.name();
                say::note(format_args!(
                    "latency, round {}: {name} at {connections}: {sample}",
                    round + 1
                ));
                samples.push(((connections, kind), sample));
            }
        }
        candidates.rotate_left(1);
    }
    let lines = grouped(&CONNECTIONS, &samples).into_iter();
    Ok(lines
        .map(|((connections, kind), rounds)| Closed::over(kind, connections, &rounds))
        .collect())
}

/// What was measured in all rounds, line by line, in the order of a table.
fn grouped<G: Copy + PartialEq, T: Copy>(
    groups: &[G],
    samples: &[((G, Kind), T)],
) -> Vec<((G, Kind), Vec<T>)> {
    let lines = groups
        .iter()
        .flat_map(|group| KINDS.map(|kind| (*group, kind)));
    let rounds = |line: (G, Kind)| {
        let of_line = samples.iter().filter(move |(of, _)| *of == line);
        of_line.map(|(_, sample)| *sample).collect::<Vec<T>>()
    };
    lines
        .map(|line| (line, rounds(line)))
        .filter(|(_, rounds)| !rounds.is_empty())
        .collect()
}

impl Closed {
    fn over(candidate: Kind, connections: u32, rounds: &[Sample]) -> Self {
        let (accepted, failed) = over(rounds.iter().map(|sample| sample.answered));
        Self {
            candidate,
            connections,
            events_per_second: median(rounds.iter().map(|sample| sample.events_per_second)),
            accepted,
            failed,
        }
    }
}

/// What several rounds' answers say together.
fn over(rounds: impl Iterator<Item = Answered> + Clone) -> (Quantiles, u64) {
    let quantiles: Vec<Quantiles> = rounds.clone().map(|round| round.quantiles).collect();
    let failed = rounds.map(|round| round.failed).sum();
    (Quantiles::over(&quantiles), failed)
}

fn open(
    candidates: &mut [Candidate],
    capacity: impl Fn(Kind) -> f64,
    rig: &Rig,
    effort: Effort,
) -> anyhow::Result<Vec<Open>> {
    let rate = |share: f64, kind: Kind| rounded(capacity(kind) * share).max(1);
    let mut samples: Vec<((f64, Kind), Answered)> = Vec::new();
    for round in 0..effort.rounds {
        for share in SHARES {
            for candidate in &*candidates {
                let kind = candidate.kind;
                let rate = rate(share, kind);
                let answered = at_rate(candidate, rate, rig, effort)?;
                let (name, cells) = (kind.name(), answered.quantiles.cells());
                say::note(format_args!(
                    "latency, round {}: {name} at {rate} a second: {cells}",
                    round + 1
                ));
                samples.push(((share, kind), answered));
            }
        }
        candidates.rotate_left(1);
    }
    let lines = grouped(&SHARES, &samples).into_iter();
    Ok(lines
        .map(|((share, kind), rounds)| Open::over(kind, share, rate(share, kind), &rounds))
        .collect())
}

impl Open {
    fn over(candidate: Kind, share: f64, rate: u32, rounds: &[Answered]) -> Self {
        let (accepted, failed) = over(rounds.iter().copied());
        Self {
            candidate,
            share,
            rate,
            accepted,
            failed,
        }
    }
}

fn at_rate(
    candidate: &Candidate,
    rate: u32,
    rig: &Rig,
    effort: Effort,
) -> anyhow::Result<Answered> {
    rig.sinks.wait_until_quiet()?;
    candidate.wait_until_posted()?;
    let due = Rate {
        per_second: rate,
        duration: effort.load,
    };
    let requests = Requests::default();
    let (answered, _) = rig.loader.run_at_rate(candidate.gateway, &requests, due)?;
    Ok(answered)
}

/// Fanway alone, with targets that read the sender's time from a header that is passed on.
fn delivery(rate: u32, rig: &Rig, effort: Effort) -> anyhow::Result<[Quantiles; 2]> {
    let sinks = Sinks::start_reading_stamps(&rig.baselines)?;
    let mut setup = Setup::standard("delivery", sinks.urls());
    setup.forward = Some(SENT);
    let fanway = Candidate::fanway(&setup, rig)?;
    let run = |duration| {
        let due = Rate {
            per_second: rate,
            duration,
        };
        let requests = Requests::default();
        rig.loader.run_at_rate(fanway.gateway, &requests, due)?;
        sinks.wait_until_quiet()?;
        sinks.ways()
    };
    run(WARM_UP)?;
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..effort.rounds {
        let [one, other] = run(effort.load)?;
        rounds[0].push(one);
        rounds[1].push(other);
    }
    let ways = [Quantiles::over(&rounds[0]), Quantiles::over(&rounds[1])];
    say::note(format_args!(
        "latency: delivery at {rate} a second: {ways:?}"
    ));
    Ok(ways)
}

#[cfg(test)]
mod tests {
    use super::{Kind, grouped};

    #[test]
    fn rounds_stand_in_the_order_of_the_table_whoever_came_first() {
        let samples = [
            ((4, Kind::Nginx), 'a'),
            ((1, Kind::Nginx), 'b'),
            ((1, Kind::Fanway), 'c'),
            ((4, Kind::Nginx), 'd'),
        ];
        let expected = [
            ((1, Kind::Fanway), vec!['c']),
            ((1, Kind::Nginx), vec!['b']),
            ((4, Kind::Nginx), vec!['a', 'd']),
        ];
        assert_eq!(grouped(&[1, 4], &samples), expected);
    }
}
