//! The order in which each customer's requests have come, over all lives.
//!
//! A kill may repeat the last attempt. A later request doesn't come before the one that came last
//! has been answered with a success, as its last answer; one that was called off may have ended
//! without that. What never comes is missed elsewhere.

use std::collections::HashMap;

use crate::crash::request::{Customer, Request};

/// What came last of each customer.
#[derive(Debug, Default)]
pub(crate) struct Order(HashMap<Customer, Last>);

#[derive(Debug)]
struct Last {
    request: Request,
    /// Whether its last attempt was answered with a success.
    succeeded: bool,
}

impl Order {
    /// Takes an attempt in.
    ///
    /// # Errors
    /// Where it comes out of order.
    pub(crate) fn arrived(
        &mut self,
        request: Request,
        is_called_off: impl Fn(&Request) -> bool,
    ) -> Result<(), String> {
        let came = Last {
            request,
            succeeded: false,
        };
        let Some(last) = self.0.insert(request.customer(), came) else {
            return Ok(());
        };
        let before = last.request;
        if request.event < before.event {
            return Err(format!("{request} came after {before}"));
        }
        let has_ended = last.succeeded || is_called_off(&before);
        if request != before && !has_ended {
            return Err(format!("{request} came before {before} had ended"));
        }
        Ok(())
    }

    /// An attempt is answered.
    pub(crate) fn answering(&mut self, request: Request, succeeded: bool) {
        if let Some(last) = self.0.get_mut(&request.customer())
            && last.request == request
        {
            last.succeeded = succeeded;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Order, Request};

    /// Attempts of one customer's requests, by the number of the event, each answered with a
    /// success or not; and what is wrong with the last of them. The second event is called off.
    #[track_caller]
    fn check(attempts: &[(u32, bool)], expected: Result<(), &str>) {
        let of = |event: u32| Request {
            sender: 3,
            event: 4 * event,
        };
        let mut order = Order::default();
        let mut found = Ok(());
        for (event, succeeded) in attempts {
            assert_eq!(found, Ok(()));
            found = order.arrived(of(*event), |request| *request == of(2));
            order.answering(of(*event), *succeeded);
        }
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn each_comes_when_the_one_before_has_ended() {
        check(&[(0, true), (1, true), (3, true)], Ok(()));
        check(&[(0, false), (0, true), (1, true)], Ok(()));
        check(&[(2, false), (3, true)], Ok(()));
        let early = Err("3-4 came before 3-0 had ended");
        check(&[(0, false), (1, true)], early);
    }

    #[test]
    fn only_the_last_is_repeated() {
        check(&[(0, true), (0, true), (1, true), (1, true)], Ok(()));
        let late = Err("3-0 came after 3-4");
        check(&[(0, true), (1, true), (0, true)], late);
    }

    #[test]
    fn what_is_repeated_has_to_succeed_again() {
        let early = Err("3-4 came before 3-0 had ended");
        check(&[(0, true), (0, false), (1, true)], early);
    }

    #[test]
    fn customers_dont_wait_for_each_other() {
        let mut order = Order::default();
        for event in [3, 2, 1, 0] {
            let request = Request { sender: 0, event };
            assert_eq!(order.arrived(request, |_| false), Ok(()));
        }
    }
}
