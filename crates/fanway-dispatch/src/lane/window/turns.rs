//! Deliveries that are ready, of several routes: the routes have turns, one delivery each, so that
//! one that floods the target doesn't keep another's waiting. Of one route they keep their order.

use std::collections::{HashMap, VecDeque};

use fanway_store::lane::Work;
use fanway_types::RouteName;

/// Below this many routes none is forgotten.
const FEW: usize = 16;

/// Deliveries that are ready.
#[derive(Debug, Default)]
pub(super) struct Turns {
    routes: Vec<OfRoute>,
    /// Where each is.
    places: HashMap<RouteName, usize>,
    /// The places of those that have something, in the order of their turns.
    turns: VecDeque<usize>,
    /// The place of the route that was added to last: most often it is the next one's too.
    last: usize,
    len: usize,
}

#[derive(Debug)]
struct OfRoute {
    route: RouteName,
    ready: VecDeque<Work>,
}

impl Turns {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a delivery behind those of its route.
    pub(super) fn push_back(&mut self, work: Work) {
        let place = self.place(&work.message.route);
        let ready = &mut self.routes[place].ready;
        if ready.is_empty() {
            self.turns.push_back(place);
        }
        ready.push_back(work);
        self.last = place;
        self.len += 1;
    }

    /// The next delivery.
    pub(super) fn front(&self) -> Option<&Work> {
        let place = *self.turns.front()?;
        self.routes[place].ready.front()
    }

    /// Takes the next delivery. The next turn is another route's, where one has something.
    pub(super) fn pop_front(&mut self) -> Option<Work> {
        let place = self.turns.pop_front()?;
        let ready = &mut self.routes[place].ready;
        let work = ready.pop_front()?;
        if !ready.is_empty() {
            self.turns.push_back(place);
        }
        self.len -= 1;
        Some(work)
    }

    /// Keeps those of which `is_kept` is true.
    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(&Work) -> bool) {
        for of in &mut self.routes {
            of.ready.retain(&mut is_kept);
        }
        let routes = &self.routes;
        self.turns.retain(|place| !routes[*place].ready.is_empty());
        self.len = routes.iter().map(|of| of.ready.len()).sum();
    }

    fn place(&mut self, route: &RouteName) -> usize {
        let last = self.routes.get(self.last);
        if last.is_some_and(|last| last.route == *route) {
            return self.last;
        }
        if let Some(place) = self.places.get(route) {
            return *place;
        }
        if self.routes.len() >= FEW.max(2 * self.turns.len()) {
            self.forget_idle();
        }
        self.places.insert(route.clone(), self.routes.len());
        self.routes.push(OfRoute {
            route: route.clone(),
            ready: VecDeque::new(),
        });
        self.routes.len() - 1
    }

    /// Forgets the routes that have nothing, so that there are no more than twice as many as have
    /// something, however many ever had.
    fn forget_idle(&mut self) {
        let mut routes = Vec::with_capacity(self.turns.len());
        for place in &mut self.turns {
            let of = &mut self.routes[*place];
            *place = routes.len();
            routes.push(OfRoute {
                route: of.route.clone(),
                ready: std::mem::take(&mut of.ready),
            });
        }
        let places = routes.iter().enumerate();
        self.places = places
            .map(|(place, of)| (of.route.clone(), place))
            .collect();
        self.routes = routes;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fanway_store::lane::{Progress, Work};
    use fanway_testkit::build;
    use fanway_types::{DeliveryId, Message, Plan};

    use super::{FEW, Turns};

    /// A delivery of a route, whose body is its number.
    fn work(route: &str, number: u64) -> Work {
        let plan = Plan {
            route: route.parse().expect("a name"),
            ..Plan::clone(&build::plan([build::step("inventory")]))
        };
        let message: Arc<Message> = build::message(&plan, number);
        let delivery = DeliveryId::first(message.id, 0);
        Work {
            delivery,
            plan: message.plan,
            step: 0,
            key: delivery,
            progress: Progress::default(),
            message,
        }
    }

    fn text(work: &Work) -> String {
        let body = String::from_utf8_lossy(&work.message.request.body);
        format!("{}{body}", work.message.route.as_str())
    }

    #[track_caller]
    fn check(ready: &[(&str, u64)], expected: &[&str]) {
        let mut turns = Turns::default();
        for (route, number) in ready {
            turns.push_back(work(route, *number));
        }
        assert_eq!(turns.len(), ready.len());
        let mut taken = Vec::new();
        while let Some(next) = turns.front().map(text) {
            let work = turns.pop_front().expect("it is the next");
            assert_eq!(text(&work), next);
            taken.push(next);
        }
        assert_eq!(taken, expected);
        assert!(turns.is_empty() && turns.pop_front().is_none());
    }

    #[test]
    fn of_one_route_they_come_in_their_order() {
        check(&[("a", 3), ("a", 1), ("a", 2)], &["a3", "a1", "a2"]);
    }

    #[test]
    fn routes_have_turns_however_many_one_has() {
        check(
            &[
                ("a", 1),
                ("a", 2),
                ("a", 3),
                ("a", 4),
                ("b", 1),
                ("c", 1),
                ("b", 2),
            ],
            &["a1", "b1", "c1", "a2", "b2", "a3", "a4"],
        );
    }

    #[test]
    fn a_route_that_comes_back_has_a_turn_behind_those_that_wait() {
        let mut turns = Turns::default();
        turns.push_back(work("b", 1));
        for number in 0..3 {
            turns.push_back(work("a", number));
        }
        let mut next = || turns.pop_front().map(|work| text(&work));
        assert_eq!((next(), next()), (Some("b1".into()), Some("a0".into())));
        turns.push_back(work("b", 2));
        turns.push_back(work("c", 3));
        turns.retain(|work| !["a1", "c3"].contains(&text(work).as_str()));
        let rest: Vec<_> = std::iter::from_fn(|| turns.pop_front()).collect();
        assert_eq!(rest.iter().map(text).collect::<Vec<_>>(), ["a2", "b2"]);
        assert_eq!(turns.len(), 0);
    }

    #[test]
    fn routes_that_have_nothing_are_forgotten() {
        let mut turns = Turns::default();
        turns.push_back(work("waits", 0));
        for number in 0..1_000 {
            turns.push_back(work(&format!("r{number}"), number));
            turns.push_back(work("waits", number));
            turns.pop_front().expect("two were added");
            turns.pop_front().expect("two were added");
        }
        assert!(turns.routes.len() <= 2 * FEW, "{}", turns.routes.len());
        assert_eq!(turns.places.len(), turns.routes.len());
        assert_eq!(
            turns.pop_front().map(|work| text(&work)),
            Some("waits999".into())
        );
        assert!(turns.is_empty());
    }
}
