//! A target that was down, and what waits for it: memory meanwhile, how fast it drains when the
//! target is back, and what the other targets' fresh traffic notices.

use std::net::SocketAddr;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};

use super::pairs;
use super::{Over, SENT};
use crate::bench::candidate::Candidate;
use crate::bench::effort::Effort;
use crate::bench::figures::{mebibytes, median, rounded};
use crate::bench::load::{Rate, Requests};
use crate::bench::quantiles::Micros;
use crate::bench::ratios::Ratios;
use crate::bench::rig::Rig;
use crate::bench::round::Load;
use crate::bench::scale::waiting::fill;
use crate::bench::setup::{Route, Setup};
use crate::bench::sinks::Sink;
use crate::bench::{BODY, MANY};
use crate::process::resident;
use crate::say;

/// Where requests for the target go.
const LATE: &str = "/late";
/// A breaker that looks soon whether the target is back.
const BACK_SOON: &str = "breaker: { open_for: 1s }";
/// Deliveries after which the drain has begun: by then the ramp is behind it.
const BEGUN: u64 = 500;
/// How long it may take until it has.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked how far it is.
const LOOK: Duration = Duration::from_millis(10);
/// By as much a drain may be faster than fresh traffic and still last as long as the load beside it.
const FASTER: f64 = 1.6;

/// What is kept of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Drain {
    /// Messages that waited: the median.
    pub(crate) waiting: u64,
    /// Requests for the others that were due in a second.
    pub(crate) rate: u32,
    /// Deliveries a second of fresh traffic at capacity, beside the others' traffic.
    pub(crate) fresh: f64,
    /// Deliveries a second of the drain, beside the others' traffic.
    pub(crate) drain: f64,
    pub(crate) pace: Over,
    /// The others' traffic with nothing beside.
    pub(crate) alone: Others,
    /// The same beside the target's fresh traffic at capacity.
    pub(crate) beside_fresh: Others,
    /// The same beside the drain.
    pub(crate) beside_drain: Others,
    /// Of the others' deliveries: beside the drain by with nothing beside.
    pub(crate) p99: Over,
    /// More memory than before, while all waited and at the end of the drain, in MiB.
    pub(crate) memory: Over,
}

/// 99th percentiles of the others' traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Others {
    /// Until a request was accepted.
    pub(crate) accepted: Micros,
    /// Until it was at its target.
    pub(crate) delivered: Micros,
}

/// What one round gave.
#[derive(Clone, Copy, Debug)]
struct Round {
    waiting: u64,
    alone: Others,
    fresh: f64,
    beside_fresh: Others,
    drain: f64,
    beside_drain: Others,
    /// In MiB.
    memory: f64,
}

impl Drain {
    pub(crate) fn ratios(&self) -> Ratios {
        Ratios::of(&[
            ("steady-waiting-memory", self.memory.most),
            ("steady-drain-deliveries", self.pace.median),
            ("steady-drain-p99", self.p99.median),
        ])
    }

    fn over(rate: u32, rounds: &[Round]) -> Self {
        let of = |of: fn(&Round) -> f64| median(rounds.iter().map(of));
        let others =
            |of: fn(&Round) -> Others| Others::over(&rounds.iter().map(of).collect::<Vec<_>>());
        let ratio = |of: fn(&Round) -> f64| Over::rounds(rounds.iter().map(of));
        let mut waiting: Vec<u64> = rounds.iter().map(|round| round.waiting).collect();
        waiting.sort_unstable();
        Self {
            waiting: waiting.get(rounds.len() / 2).copied().unwrap_or_default(),
            rate,
            fresh: of(|round| round.fresh),
            drain: of(|round| round.drain),
            pace: ratio(|round| round.drain / round.fresh),
            alone: others(|round| round.alone),
            beside_fresh: others(|round| round.beside_fresh),
            beside_drain: others(|round| round.beside_drain),
            p99: ratio(|round| {
                round.beside_drain.delivered.seconds() / round.alone.delivered.seconds()
            }),
            memory: ratio(|round| round.memory),
        }
    }
}

impl Others {
    /// The medians of several rounds.
    fn over(rounds: &[Self]) -> Self {
        let micros = |of: fn(&Self) -> Micros| {
            let micros = median(rounds.iter().map(|round| of(round).seconds() * 1e6));
            Micros::new(rounded(micros).into())
        };
        Self {
            accepted: micros(|round| round.accepted),
            delivered: micros(|round| round.delivered),
        }
    }
}

/// Measures with so many messages waiting.
pub(super) fn measure(rig: &Rig, effort: Effort, waiting: u64) -> anyhow::Result<Drain> {
    let load = Load::new(MANY, effort.load);
    let gateways = pairs::Stand {
        rig,
        effort,
        load: &load,
    };
    let mut sink = Sink::start(&rig.baselines)?;
    let mut setup = Setup::standard("drain", rig.sinks.urls());
    setup.forward = Some(SENT);
    setup.targets.push(sink.url());
    setup.settings.insert(2, BACK_SOON.to_owned());
    setup.routes.push(Route::new(LATE, [2]));
    let per_second = gateways.half_of_capacity(&setup)?;
    say::note(format_args!(
        "a drain beside {per_second} requests a second to the others"
    ));
    let fanway = gateways.start(&setup)?;
    let stand = Stand {
        rig,
        fanway: &fanway,
        rate: Rate {
            per_second,
            duration: effort.load,
        },
    };
    let mut rounds = Vec::new();
    for _ in 0..effort.rounds {
        let (round, back) = stand.round(sink, waiting)?;
        say::note(format_args!("{round:?}"));
        rounds.push(round);
        sink = back;
    }
    Ok(Drain::over(per_second, &rounds))
}

/// How long the load beside a drain lasts, in whole seconds: no longer than the drain.
fn lasting(waiting: u64, fresh: f64, most: Duration) -> Duration {
    let waiting = f64::from(u32::try_from(waiting).unwrap_or(u32::MAX));
    let seconds = rounded((waiting / (fresh * FASTER)).floor()).max(1);
    Duration::from_secs(seconds.into()).min(most)
}

/// A gateway, and the others' traffic.
struct Stand<'a> {
    rig: &'a Rig,
    fanway: &'a Candidate,
    rate: Rate,
}

impl Stand<'_> {
    /// The others' traffic alone, beside fresh traffic of the target, and beside its drain. Takes
    /// the target's sink down, and gives the one that is there instead.
    fn round(&self, sink: Sink, waiting: u64) -> anyhow::Result<(Round, Sink)> {
        let Self { rig, fanway, rate } = *self;
        let late = Requests::to(LATE, BODY);
        let ((), alone) = self.beside(rate, || Ok(()))?;
        let fresh = || self.fresh(&sink, &late);
        let (fresh, beside_fresh) = self.beside(rate, fresh)?;
        fanway.wait_until_delivered()?;
        let before = self.memory()?;
        let place = Place::hold(sink)?;
        let waiting = self.fill(&late, waiting)?;
        let full = self.memory()?;
        let sink = place.give_back(rig)?;
        wait_for(&sink, BEGUN)?;
        let rate = Rate {
            duration: lasting(waiting, fresh, rate.duration),
            ..rate
        };
        let drain = || drain(&sink, waiting, rate.duration);
        let (drain, beside_drain) = self.beside(rate, drain)?;
        let drained = self.memory()?;
        fanway.wait_until_delivered()?;
        let round = Round {
            waiting,
            alone,
            fresh,
            beside_fresh,
            drain,
            beside_drain,
            memory: full.max(drained) - before,
        };
        Ok((round, sink))
    }

    /// The others' traffic, which begins with `work` and is no shorter.
    fn beside<T>(
        &self,
        rate: Rate,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, Others)> {
        let Self { rig, fanway, .. } = self;
        rig.sinks.wait_until_quiet()?;
        rig.sinks.ways()?;
        let (loader, gateway) = (&rig.loader, fanway.gateway);
        let (done, accepted) = scope(|scope| {
            let load = scope.spawn(move || loader.run_at_rate(gateway, &Requests::default(), rate));
            let done = work();
            let (answered, _) = load.join().expect("a load's thread doesn't panic")?;
            Ok::<_, anyhow::Error>((done?, answered.quantiles.p99))
        })?;
        rig.sinks.wait_until_quiet()?;
        let [one, other] = rig.sinks.ways()?;
        let delivered = one.p99.max(other.p99);
        let others = Others {
            accepted,
            delivered,
        };
        Ok((done, others))
    }

    /// Deliveries a second of as much traffic as is answered.
    fn fresh(&self, sink: &Sink, late: &Requests) -> anyhow::Result<f64> {
        let count = Count::begin(sink)?;
        let duration = self.rate.duration;
        let loader = &self.rig.loader;
        loader.run(self.fanway.gateway, late, MANY, duration)?;
        count.per_second()
    }

    /// Sends what waits, and tells how much it is.
    fn fill(&self, late: &Requests, waiting: u64) -> anyhow::Result<u64> {
        let mut filled = 0;
        while filled < waiting {
            filled += fill(self.fanway, late, waiting - filled, self.rig)?;
            say::note(format_args!("{filled} messages wait"));
        }
        Ok(filled)
    }

    /// In MiB.
    fn memory(&self) -> anyhow::Result<f64> {
        self.fanway.wait_until_posted()?;
        let memory = resident(self.fanway.processes[0]).context("no memory")?;
        Ok(mebibytes(memory))
    }
}

/// Deliveries a second of a drain, for no longer than this.
fn drain(sink: &Sink, waiting: u64, duration: Duration) -> anyhow::Result<f64> {
    // What was attempted while the target was down waits for its next attempt, and is no part of it.
    let measured = waiting - waiting / 100;
    let count = Count::begin(sink)?;
    while count.begun.elapsed() < duration && sink.delivered()? < measured {
        sleep(LOOK);
    }
    count.per_second()
}

/// What comes to a sink from a moment on.
struct Count<'a> {
    sink: &'a Sink,
    before: u64,
    begun: Instant,
}

impl<'a> Count<'a> {
    fn begin(sink: &'a Sink) -> anyhow::Result<Self> {
        Ok(Self {
            sink,
            before: sink.delivered()?,
            begun: Instant::now(),
        })
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of a measurement are far below 2 to the 52"
    )]
    fn per_second(&self) -> anyhow::Result<f64> {
        let more = self.sink.delivered()? - self.before;
        Ok(more as f64 / self.begun.elapsed().as_secs_f64())
    }
}

/// Waits until so much has come.
fn wait_for(sink: &Sink, deliveries: u64) -> anyhow::Result<()> {
    let begun = Instant::now();
    while sink.delivered()? < deliveries {
        if begun.elapsed() > PATIENCE {
            bail!("the target is back, and isn't sent to within {PATIENCE:?}");
        }
        sleep(LOOK);
    }
    Ok(())
}

/// An address at which nobody listens, held so that nobody else takes it.
struct Place {
    address: SocketAddr,
    socket: Socket,
}

impl Place {
    /// Ends a sink.
    fn hold(sink: Sink) -> anyhow::Result<Self> {
        let address = sink.address();
        drop(sink);
        Self::hold_address(address)
    }

    fn hold_address(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        Ok(Self { address, socket })
    }

    /// Somebody listens there again.
    fn give_back(self, rig: &Rig) -> anyhow::Result<Sink> {
        drop(self.socket);
        Sink::start_at(&rig.baselines, self.address)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::time::Duration;

    use socket2::{Domain, Socket, Type};

    use super::{Drain, Micros, Others, Place, Round, lasting};

    #[test]
    fn nobody_listens_at_an_address_that_is_held() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any: std::net::SocketAddr = ([127, 0, 0, 1], 0).into();
        socket.bind(&any.into()).expect("bound");
        let address = socket.local_addr().expect("bound");
        drop(socket);
        let address = address.as_socket().expect("of the internet");
        let place = Place::hold_address(address).expect("held");
        assert!(TcpStream::connect(place.address).is_err());
    }

    #[test]
    fn the_load_beside_a_drain_ends_before_it() {
        let most = Duration::from_secs(4);
        assert_eq!(lasting(100_000, 20_000.0, most), Duration::from_secs(3));
        assert_eq!(lasting(1_000_000, 20_000.0, most), most);
        assert_eq!(lasting(100, 20_000.0, most), Duration::from_secs(1));
    }

    #[test]
    fn memory_is_the_most_of_all_rounds_and_ratios_are_medians() {
        let others = |delivered| Others {
            accepted: Micros::new(700),
            delivered: Micros::new(delivered),
        };
        let round = |drain, p99, memory| Round {
            waiting: 100_000,
            alone: others(1_000),
            fresh: 10_000.0,
            beside_fresh: others(2_000),
            drain,
            beside_drain: others(p99),
            memory,
        };
        let rounds = [
            round(9_000.0, 1_100, 5.0),
            round(8_000.0, 1_200, 9.0),
            round(20_000.0, 5_000, 1.0),
        ];
        let ratios = Drain::over(1, &rounds).ratios();
        assert_eq!(ratios.get("steady-waiting-memory"), Some(9.0));
        assert_eq!(ratios.get("steady-drain-deliveries"), Some(0.9));
        assert_eq!(ratios.get("steady-drain-p99"), Some(1.2));
    }
}
