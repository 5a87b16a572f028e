//! Rounds of two gateways that are set up differently: up at the same time, and measured in turn;
//! who comes first is the other one in the next round.

use std::fs;

use crate::bench::candidate::Candidate;
use crate::bench::effort::Effort;
use crate::bench::figures::rounded;
use crate::bench::rig::Rig;
use crate::bench::round::{self, Load};
use crate::bench::setup::Setup;
use crate::bench::{MANY, WARM_UP};

/// Which instances the rounds have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instances {
    /// The same in all: what a start brings with it is over after the first moments, and doesn't
    /// show in the slowest requests of each round.
    Kept,
    /// Others in each: two of one binary take different processor time, and all rounds of the same
    /// two would differ alike.
    Anew,
}

/// Measures both, round by round, by what `measure` does with one of them.
pub(super) fn in_rounds<T>(
    setups: [&Setup; 2],
    instances: Instances,
    stand: Stand<'_>,
    mut measure: impl FnMut(&Candidate) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<[T; 2]>> {
    let mut running: Option<[Candidate; 2]> = None;
    let mut rounds = Vec::new();
    for round in 0..stand.effort.rounds {
        let gateways = match running.take() {
            Some(gateways) if instances == Instances::Kept => gateways,
            ended => {
                // Their folders are the next ones'.
                drop(ended);
                [stand.start(setups[0])?, stand.start(setups[1])?]
            }
        };
        let [one, other] = &gateways;
        rounds.push(if round % 2 == 0 {
            let one = measure(one)?;
            [one, measure(other)?]
        } else {
            let other = measure(other)?;
            [measure(one)?, other]
        });
        running = Some(gateways);
    }
    Ok(rounds)
}

/// What gateways are measured with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stand<'a> {
    pub(super) rig: &'a Rig,
    pub(super) effort: Effort,
    pub(super) load: &'a Load,
}

impl Stand<'_> {
    /// Starts one with nothing kept, and has it do what it does only once.
    pub(super) fn start(&self, setup: &Setup) -> anyhow::Result<Candidate> {
        let Self { rig, load, .. } = self;
        let data = setup.data(rig);
        if data.exists() {
            fs::remove_dir_all(data)?;
        }
        let fanway = Candidate::fanway(setup, rig)?;
        rig.loader
            .run(fanway.gateway, &load.requests, MANY, WARM_UP)?;
        Ok(fanway)
    }

    /// Half as many events a second as a gateway takes that is set up like that.
    pub(super) fn half_of_capacity(&self, setup: &Setup) -> anyhow::Result<u32> {
        let fanway = self.start(setup)?;
        let sample = round::measure(&fanway, self.rig, self.load)?;
        Ok(rounded(sample.events_per_second / 2.0).max(1))
    }
}
