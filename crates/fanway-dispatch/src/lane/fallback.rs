//! How a delivery goes to the fallback: when its target's breaker isn't closed, or the target has
//! given it up. From then on it is the fallback's, whose lane makes it by its own limits, breaker
//! and credentials, with a budget of its own: this lane has nothing to do with it any more.

use std::ops::ControlFlow;
use std::time::Duration;

use fanway_policy::retry::Used;
use fanway_store::lane::{Hold, Progress, Work};
use fanway_types::{AgainCause, DeadReason, End, Outcome, TargetName, Verdict};

use super::Lane;
use super::gate::{Judgement, Next};
use super::land;
use crate::metrics::FallbackCause;

impl Lane {
    /// Hands the next delivery to the fallback, where the gate let none pass because of how the
    /// target is; breaks where there is nothing to do but to wait.
    pub(super) fn fall_back_next(&mut self) -> ControlFlow<()> {
        let next = self.window.next_ready();
        let falls_back = next.is_some_and(|work| self.may_fall_back(work)) && self.gate.is_down();
        let Some(work) = falls_back.then(|| self.window.take_ready()).flatten() else {
            return ControlFlow::Break(());
        };
        self.metrics.fell_back(FallbackCause::Breaker);
        self.fall_back(work);
        ControlFlow::Continue(())
    }

    /// What is kept in order stays: elsewhere the next of its key would overtake it. A config with
    /// both is refused; what was accepted under an earlier one may be here.
    fn may_fall_back(&self, work: &Work) -> bool {
        self.fallback.is_some() && work.message.order_key(work.step).is_none()
    }

    fn fall_back(&mut self, mut work: Work) {
        work.progress = Progress {
            attempts: work.progress.attempts,
            ..Progress::default()
        };
        let now = self.now();
        let verdict = Verdict::Again {
            due: now.wall,
            cause: AgainCause::Fallback,
        };
        let outcome = Outcome {
            fallback: self.fallback.clone(),
            ..land::outcome(&work, verdict, now)
        };
        self.reader.record(&work, outcome, Hold::LetGo);
        self.window.let_go(&work);
    }

    /// What follows from an attempt, where there is a fallback: what is given up goes there with a
    /// new budget, and so does a failed probe.
    pub(super) fn with_fallback(
        &self,
        judgement: Judgement,
        work: &Work,
        is_called_off: bool,
    ) -> Judgement {
        let cause = match judgement.next {
            _ if is_called_off || !self.may_fall_back(work) => return judgement,
            Next::End(End::Dead(DeadReason::Refused | DeadReason::Exhausted)) => {
                FallbackCause::GivenUp
            }
            Next::Again {
                cause: AgainCause::Probe,
                ..
            } => FallbackCause::Breaker,
            Next::Again { .. } | Next::End(_) => return judgement,
        };
        self.metrics.fell_back(cause);
        Judgement {
            next: Next::Again {
                wait: Duration::ZERO,
                cause: AgainCause::Fallback,
            },
            used: Used::default(),
            ..judgement
        }
    }

    /// Who has a delivery after what follows, where that is the fallback.
    pub(super) fn fallback_after(&self, next: Next) -> Option<TargetName> {
        let falls_back = matches!(
            next,
            Next::Again {
                cause: AgainCause::Fallback,
                ..
            }
        );
        self.fallback.as_ref().filter(|_| falls_back).cloned()
    }
}
