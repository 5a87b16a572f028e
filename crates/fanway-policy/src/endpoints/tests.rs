use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Balance, Id, Named, Params, Roster, Sign, State, eject, health};

const SECOND: Duration = Duration::from_secs(1);

fn count(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).expect("not 0")
}

fn params(balance: Balance) -> Params {
    Params {
        balance,
        eject: eject::Params::default(),
        health: Some(health::Params {
            healthy: count(1),
            unhealthy: count(1),
        }),
    }
}

fn named(weights: &[u32]) -> Vec<Named> {
    let named = |(at, weight): (usize, &u32)| Named {
        name: format!("e{at}").into(),
        weight: count(*weight),
    };
    weights.iter().enumerate().map(named).collect()
}

struct Rig {
    roster: Roster,
    rng: StdRng,
    now: Instant,
    ids: Vec<Id>,
}

impl Rig {
    fn new(balance: Balance, weights: &[u32]) -> Self {
        let roster = Roster::new(params(balance), named(weights));
        Self {
            ids: roster.ids().collect(),
            roster,
            rng: StdRng::seed_from_u64(7),
            now: Instant::now(),
        }
    }

    /// The place of the endpoint that is chosen.
    fn choose(&mut self, avoid: Option<usize>) -> usize {
        let avoid = avoid.map(|at| self.ids[at]);
        let id = self.roster.choose(avoid, self.now, &mut self.rng);
        let at = self.ids.iter().position(|known| *known == id);
        at.expect("one of them")
    }

    fn end(&mut self, at: usize, sign: Sign) -> bool {
        self.roster.ended(self.ids[at], self.now, sign, self.now)
    }

    /// How often each is chosen in so many attempts, of which each is over before the next.
    fn shares(&mut self, attempts: usize) -> Vec<usize> {
        let mut shares = vec![0; self.ids.len()];
        for _ in 0..attempts {
            let at = self.choose(None);
            self.end(at, Sign::Well);
            shares[at] += 1;
        }
        shares
    }

    fn fail(&mut self, at: usize, times: usize) {
        for _ in 0..times {
            self.end(at, Sign::Ill);
        }
    }

    fn states(&self) -> String {
        let states = self.roster.views(self.now).map(|view| match view.state {
            State::Up => 'u',
            State::Ejected { .. } => 'e',
            State::Down => 'd',
        });
        states.collect()
    }
}

#[test]
fn turns_are_taken_smoothly_by_weight() {
    let mut rig = Rig::new(Balance::RoundRobin, &[5, 1, 1]);
    let turns: Vec<_> = (0..14).map(|_| rig.choose(None)).collect();
    assert_eq!(turns, [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
}

/// Shares within three standard deviations of those that the weights say.
#[track_caller]
fn check_shares(balance: Balance, weights: &[u32]) {
    const ATTEMPTS: u32 = 20_000;
    let total: u32 = weights.iter().sum();
    let shares = Rig::new(balance, weights).shares(ATTEMPTS as usize);
    for (weight, share) in weights.iter().zip(shares) {
        let part = f64::from(*weight) / f64::from(total);
        let expected = part * f64::from(ATTEMPTS);
        let deviation = (expected * (1.0 - part)).sqrt();
        let share = f64::from(u32::try_from(share).expect("few"));
        let is_near = (share - expected).abs() < 3.0 * deviation;
        assert!(is_near, "{balance:?} {weights:?}: {share}, not {expected}");
    }
}

#[test]
fn where_nothing_is_in_flight_attempts_go_by_weight() {
    for balance in [
        Balance::RoundRobin,
        Balance::LeastInFlight,
        Balance::TwoChoices,
    ] {
        check_shares(balance, &[1, 1]);
        check_shares(balance, &[1, 3]);
        check_shares(balance, &[5, 1, 2, 2]);
    }
}

/// What is in flight at each endpoint once so many attempts hang.
fn hanging(balance: Balance, weights: &[u32], attempts: usize) -> Vec<u32> {
    let mut rig = Rig::new(balance, weights);
    (0..attempts).for_each(|_| {
        rig.choose(None);
    });
    rig.roster
        .views(rig.now)
        .map(|view| view.in_flight)
        .collect()
}

#[test]
fn the_least_in_flight_evens_out_to_the_weights() {
    assert_eq!(
        hanging(Balance::LeastInFlight, &[1, 1, 2], 40),
        [10, 10, 20]
    );
}

#[test]
fn two_choices_keep_the_load_nearly_even_where_one_draw_does_not() {
    let weights = [1; 16];
    let in_flight = hanging(Balance::TwoChoices, &weights, 1600);
    let most = in_flight.iter().max().expect("some");
    // A single draw would put some 125 on the fullest of them.
    assert!(*most <= 103, "{in_flight:?}");
}

#[test]
fn a_slow_endpoint_gets_fewer_of_two_choices() {
    let mut rig = Rig::new(Balance::TwoChoices, &[1, 1]);
    for _ in 0..4 {
        rig.roster.choose(Some(rig.ids[1]), rig.now, &mut rig.rng);
    }
    assert_eq!(rig.shares(100), [0, 100]);
}

#[test]
fn an_attempt_goes_elsewhere_where_there_is_an_elsewhere() {
    for balance in [Balance::RoundRobin, Balance::TwoChoices] {
        let mut rig = Rig::new(balance, &[9, 1]);
        assert!((0..50).all(|_| rig.choose(Some(0)) == 1));
        rig.roster.checked(rig.ids[1], false);
        assert_eq!(rig.choose(Some(0)), 0, "the other is down");
    }
    assert_eq!(Rig::new(Balance::TwoChoices, &[1]).choose(Some(0)), 0);
}

#[test]
fn one_that_fails_is_left_out_and_says_nothing_of_the_target_from_then_on() {
    let mut rig = Rig::new(Balance::RoundRobin, &[1, 1]);
    assert!(!rig.end(0, Sign::Ill), "it counts as long as it is used");
    rig.fail(0, 3);
    assert_eq!(rig.states(), "uu");
    assert!(rig.end(0, Sign::Ill));
    assert_eq!(rig.states(), "eu");
    assert!(rig.end(0, Sign::Ill), "what was in flight at it");
    assert_eq!(rig.shares(10), [0, 10]);
    rig.now += 30 * SECOND;
    assert_eq!(rig.states(), "uu");
    assert_eq!(rig.shares(10), [5, 5]);
}

#[test]
fn the_last_one_is_never_ejected() {
    let mut rig = Rig::new(Balance::RoundRobin, &[1, 1]);
    rig.fail(0, 5);
    rig.fail(1, 50);
    assert_eq!(rig.states(), "eu");
    assert!(!rig.end(1, Sign::Ill), "it is all that the target has");
}

#[test]
fn where_none_is_up_all_are_used() {
    let mut rig = Rig::new(Balance::RoundRobin, &[1, 1]);
    rig.fail(0, 5);
    rig.roster.checked(rig.ids[1], false);
    assert_eq!(rig.states(), "ed");
    assert_eq!(rig.choose(None), 0);
    assert_eq!(rig.choose(None), 1);
    rig.now += SECOND;
    rig.end(0, Sign::Well);
    assert_eq!(rig.states(), "ud");
}

#[test]
fn a_reload_keeps_what_is_known_of_endpoints_that_stay() {
    let mut rig = Rig::new(Balance::RoundRobin, &[1, 1, 1]);
    rig.fail(1, 5);
    rig.choose(None);
    let mut other = named(&[1, 2, 1, 1]);
    other.remove(0);
    rig.roster.reconfigure(params(Balance::TwoChoices), other);
    assert_eq!(rig.states(), "euu");
    assert_eq!(rig.roster.ids().next(), Some(rig.ids[1]));
    // One that is gone ends without a trace.
    assert!(!rig.end(0, Sign::Well));
}

#[test]
fn one_whose_checks_are_gone_is_no_longer_down() {
    let mut rig = Rig::new(Balance::RoundRobin, &[1, 1]);
    rig.roster.checked(rig.ids[0], false);
    assert_eq!(rig.states(), "du");
    let without = Params {
        health: None,
        ..params(Balance::RoundRobin)
    };
    rig.roster.reconfigure(without, named(&[1, 1]));
    rig.roster.checked(rig.ids[0], false);
    assert_eq!(rig.states(), "uu");
}
