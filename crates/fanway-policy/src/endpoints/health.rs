//! When an endpoint is left out because its checks fail, and when it is back.

use std::num::NonZeroU32;

/// What checks have to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// Checks in a row that bring an endpoint that is down back.
    pub healthy: NonZeroU32,
    /// Checks in a row that have to fail before an endpoint is down.
    pub unhealthy: NonZeroU32,
}

/// What its checks have told of an endpoint. It is up until they fail.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    is_down: bool,
    /// Checks in a row that speak against its being up, or down.
    against: u32,
}

impl Watch {
    pub(super) fn is_down(&self) -> bool {
        self.is_down
    }

    pub(super) fn checked(&mut self, params: &Params, passed: bool) {
        if passed != self.is_down {
            self.against = 0;
            return;
        }
        self.against += 1;
        let enough = if self.is_down {
            params.healthy
        } else {
            params.unhealthy
        };
        if self.against >= enough.get() {
            self.is_down = !self.is_down;
            self.against = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::{Params, Watch};

    /// Checks in turn, `x` for one that fails; what it is after each, `d` for down.
    #[track_caller]
    fn check(checks: &str, expected: &str) {
        let count = |count| NonZeroU32::new(count).expect("not 0");
        let params = Params {
            healthy: count(2),
            unhealthy: count(3),
        };
        let mut watch = Watch::default();
        let states = checks.bytes().map(|check| {
            watch.checked(&params, check != b'x');
            if watch.is_down() { 'd' } else { 'u' }
        });
        assert_eq!(states.collect::<String>(), expected, "{checks}");
    }

    #[test]
    fn only_checks_in_a_row_change_what_it_is() {
        check("xx.xx.", "uuuuuu");
        check("xxxxx", "uuddd");
        check("xxx.x.x", "uuddddd");
        check("xxx..xx", "uudduuu");
        check("xxx..xxx", "uudduuud");
    }
}
