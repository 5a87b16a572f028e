//! Whether a target refuses our credentials, where a single answer doesn't tell.
//!
//! 401 and 407 say so at once. 403 may as well be about the one request, and is then an ordinary
//! answer; only an unbroken run of it speaks of the credentials. What follows is the breaker's
//! matter: [`Sign::CredentialsRefused`](crate::breaker::Sign::CredentialsRefused) holds the lane.

use std::num::NonZeroU32;

/// Answers of 403 in a row that say that the credentials are refused.
pub const FORBIDDEN_IN_A_ROW: NonZeroU32 = NonZeroU32::new(5).expect("5 is not 0");

/// The run of 403 that a target's last answers make.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    in_a_row: u32,
}

impl Watch {
    /// Learns from an answer; whether it says that the credentials are refused.
    ///
    /// `suspected` says that the lane is held for that already: then a 403 confirms it, however
    /// short its run. An attempt without an answer neither makes nor breaks a run, and is not
    /// to be shown.
    pub fn observe(&mut self, status: u16, suspected: bool) -> bool {
        match status {
            401 | 407 => true,
            403 => {
                self.in_a_row = self.in_a_row.saturating_add(1);
                suspected || self.in_a_row >= FORBIDDEN_IN_A_ROW.get()
            }
            _ => {
                self.in_a_row = 0;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Watch;

    #[track_caller]
    fn check(answers: &[u16], suspected: bool, expected: bool) {
        let mut watch = Watch::default();
        let mut refused = false;
        for status in answers {
            refused = watch.observe(*status, suspected);
        }
        assert_eq!(refused, expected, "{answers:?}");
    }

    #[test]
    fn refused_credentials_are_told_from_a_refused_request() {
        check(&[401], false, true);
        check(&[407], false, true);
        check(&[403], false, false);
        check(&[403, 403, 403, 403], false, false);
        check(&[403, 403, 403, 403, 403], false, true);
        check(&[403, 403, 403, 403, 200, 403], false, false);
        check(&[403, 403, 403, 403, 500, 403], false, false);
        check(&[403, 403, 403, 403, 403, 404], false, false);
    }

    #[test]
    fn while_the_credentials_are_suspected_one_403_confirms_it() {
        check(&[503, 403], true, true);
        check(&[503], true, false);
    }
}
