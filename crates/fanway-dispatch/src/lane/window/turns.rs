//! Deliveries that are ready, of several routes: the routes have turns, one delivery each, so that
//! one that floods the target doesn't keep another's waiting. Of one route they keep their order.

use std::collections::VecDeque;

use fanway_store::lane::Work;
use fanway_types::RouteName;

/// Deliveries that are ready.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The one whose turn it is comes first. Some may have nothing that is ready.
    routes: VecDeque<OfRoute>,
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
        self.len += 1;
        let mut routes = self.routes.iter_mut();
        if let Some(known) = routes.find(|of| of.route == work.message.route) {
            known.ready.push_back(work);
            return;
        }
        // There are as many as have something at one time, not as many as ever had.
        self.routes.retain(|of| !of.ready.is_empty());
        self.routes.push_back(OfRoute {
            route: work.message.route.clone(),
            ready: [work].into(),
        });
    }

    /// The next delivery.
    pub(super) fn front(&self) -> Option<&Work> {
        self.routes.iter().find_map(|of| of.ready.front())
    }

    /// Takes the next delivery. The next turn is another route's, where one has something.
    pub(super) fn pop_front(&mut self) -> Option<Work> {
        let place = self.routes.iter().position(|of| !of.ready.is_empty())?;
        let work = self.routes[place].ready.pop_front()?;
        self.routes.rotate_left(place + 1);
        self.len -= 1;
        Some(work)
    }

    /// Keeps those of which `is_kept` is true.
    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(&Work) -> bool) {
        for of in &mut self.routes {
            of.ready.retain(&mut is_kept);
        }
        self.len = self.routes.iter().map(|of| of.ready.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fanway_store::lane::{Progress, Work};
    use fanway_testkit::build;
    use fanway_types::{DeliveryId, Message, Plan};

    use super::Turns;

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
    fn a_route_that_comes_back_has_its_turn() {
        let mut turns = Turns::default();
        turns.push_back(work("b", 1));
        for number in 0..3 {
            turns.push_back(work("a", number));
        }
        let mut next = || turns.pop_front().map(|work| text(&work));
        assert_eq!((next(), next()), (Some("b1".into()), Some("a0".into())));
        turns.push_back(work("b", 2));
        turns.retain(|work| text(work) != "a1");
        let rest: Vec<_> = std::iter::from_fn(|| turns.pop_front()).collect();
        assert_eq!(rest.iter().map(text).collect::<Vec<_>>(), ["b2", "a2"]);
        assert_eq!(turns.len(), 0);
    }
}
