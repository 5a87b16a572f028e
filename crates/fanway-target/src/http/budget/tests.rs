//! Who gets the connections, without any.

use std::sync::{Arc, Mutex, Weak};

use futures_util::FutureExt;

use super::{Asked, Claim, ConnectionBudget, Holder, Part, Slot, Waiting};

/// A pool: what it holds idle.
#[derive(Default)]
struct Idle(Mutex<Vec<Slot>>);

impl Holder for Idle {
    fn close_one_idle(&self) -> bool {
        let idle = self.0.lock().expect("nobody panics").pop();
        idle.is_some()
    }
}

struct Pool {
    part: Part,
    idle: Arc<Idle>,
}

impl Pool {
    fn new(budget: &ConnectionBudget) -> Self {
        let idle = Arc::new(Idle::default());
        let holder: Weak<dyn Holder> = Arc::<Idle>::downgrade(&idle);
        Self {
            part: budget.join(holder),
            idle,
        }
    }

    /// As many as it gets of so many.
    fn slots(&self, count: usize) -> Vec<Slot> {
        let asked = (0..count).map(|_| self.part.ask());
        asked
            .filter_map(|asked| match asked {
                Asked::Slot(slot) => Some(slot),
                Asked::Waiting(_) => None,
            })
            .collect()
    }

    #[track_caller]
    fn waits(&self) -> Waiting {
        match self.part.ask() {
            Asked::Waiting(waiting) => waiting,
            Asked::Slot(_) => panic!("there is one"),
        }
    }

    fn hold(&self, slots: Vec<Slot>) {
        self.idle.0.lock().expect("nobody panics").extend(slots);
    }
}

fn pools<const COUNT: usize>(most: usize) -> (ConnectionBudget, [Pool; COUNT]) {
    let budget = ConnectionBudget::new(most);
    let pools = std::array::from_fn(|_| Pool::new(&budget));
    (budget, pools)
}

#[test]
fn there_are_never_more_than_the_most() {
    let (budget, [one, other]) = pools(10);
    let held = [one.slots(20), other.slots(20)];
    assert_eq!(budget.figures().open, 10);
    drop(held);
    assert_eq!(budget.figures().open, 0);
}

#[test]
fn a_target_that_takes_all_it_can_leaves_each_other_one_its_own() {
    let (budget, [hanging, one, other]) = pools(60);
    assert_eq!(budget.own(), 10);
    let taken = hanging.slots(1000);
    assert_eq!(taken.len(), 40, "half of all and its own");
    assert_eq!((one.slots(1000).len(), other.slots(1000).len()), (10, 10));
}

#[test]
fn who_waits_gets_what_is_closed_in_order_of_asking() {
    let (_budget, [one, other]) = pools(2);
    let mut held = one.slots(1);
    held.extend(other.slots(1));
    let (first, second) = (one.waits(), one.waits());
    let mut first = Box::pin(first.given());
    assert!((&mut first).now_or_never().is_none());
    drop(held.remove(0));
    let given = first.now_or_never().expect("its turn").expect("a slot");
    let mut second = Box::pin(second.given());
    assert!((&mut second).now_or_never().is_none());
    drop(given);
    assert!(second.now_or_never().expect("its turn").is_some());
}

#[test]
fn who_goes_away_while_waiting_leaves_its_turn_to_the_next() {
    let (budget, [one]) = pools(1);
    let held = one.slots(1);
    let (first, second, third) = (one.waits(), one.waits(), one.waits());
    drop(first);
    drop(held);
    // It was the second's turn, which goes away with what it was given.
    drop(second);
    assert!(third.given().now_or_never().expect("its turn").is_some());
    assert_eq!(budget.figures().open, 0);
    assert_eq!(budget.figures().waited, 3);
}

#[test]
fn a_connection_that_another_pool_holds_idle_is_closed_for_who_wants_one() {
    let (budget, [one, other]) = pools(4);
    one.hold(one.slots(3));
    let _held = other.slots(1);
    let waiting = other.waits();
    other.part.close_elsewhere();
    let given = waiting.given().now_or_never().expect("its turn");
    assert!(given.is_some());
    assert_eq!((budget.figures().open, budget.figures().closed), (4, 1));
}

#[test]
fn what_is_a_pools_own_is_not_closed_for_another() {
    let (budget, [one, other]) = pools(8);
    assert_eq!(budget.own(), 2);
    one.hold(one.slots(2));
    let _held = other.slots(6);
    let waiting = other.waits();
    other.part.close_elsewhere();
    assert!(waiting.given().now_or_never().is_none());
    assert_eq!(budget.figures().closed, 0);
}

#[test]
fn a_connection_that_is_free_goes_to_who_waits_and_stays_where_nobody_does() {
    let (_budget, [one, other]) = pools(4);
    let _held = (one.slots(3), other.slots(1));
    assert!(matches!(one.part.claim(), Claim::Nobody));
    let waiting = other.waits();
    assert!(matches!(one.part.claim(), Claim::Elsewhere));
    drop(waiting);
    assert!(
        matches!(one.part.claim(), Claim::Nobody),
        "it has gone away"
    );
    let waiting = one.waits();
    let Claim::Own(told) = one.part.claim() else {
        panic!("its own waits");
    };
    told.look();
    let given = waiting.given().now_or_never().expect("its turn");
    assert!(given.is_none(), "one of its own is free");
}

#[test]
fn another_number_counts_from_then_on() {
    let (budget, [one]) = pools(1);
    let held = one.slots(5);
    assert_eq!(held.len(), 1);
    let waiting = one.waits();
    budget.set(3);
    let given = waiting.given().now_or_never().expect("its turn");
    budget.set(1);
    assert!(one.slots(1).is_empty());
    drop(given);
    assert!(one.slots(1).is_empty(), "one is still open");
}

#[test]
fn a_pool_that_is_gone_is_counted_until_its_last_connection_is_closed() {
    let (budget, [one, other]) = pools(8);
    let held = one.slots(1);
    drop(one);
    assert_eq!((budget.own(), budget.figures().open), (2, 1));
    drop(held);
    assert_eq!((budget.own(), budget.figures().open), (4, 0));
    drop(other);
}
