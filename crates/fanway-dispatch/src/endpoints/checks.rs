//! Active checks of a target's endpoints: each goes on until it is dropped with its lane, or another
//! config takes over. They count against nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanway_policy::endpoints::Id;
use fanway_target::{AttemptRequest, Capture, Exchange, FailureKind};
use fanway_types::HeadersBuilder;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::sleep;

use super::{Check, Endpoints, Params};
use crate::lane::OWN_USER_AGENT;

/// The checks of a target's endpoints.
pub(crate) type Checks = FuturesUnordered<BoxFuture<'static, Infallible>>;

impl Endpoints {
    /// The checks that a config wants, whose endpoints these are.
    pub(crate) fn checks(self: &Arc<Self>, params: &Params) -> Checks {
        let mut shared = self.lock();
        let ids: Vec<Id> = shared.roster.ids().collect();
        let checks = ids.into_iter().zip(&params.endpoints);
        let checks = checks.filter_map(|(id, endpoint)| {
            let rng = StdRng::seed_from_u64(rand::Rng::next_u64(&mut shared.rng));
            let check = endpoint.check.clone()?;
            let round = Arc::clone(self).check(id, check, params.check_every, rng);
            Some(Box::pin(round) as BoxFuture<'static, Infallible>)
        });
        checks.collect()
    }

    /// Checks an endpoint every so often: a tenth more or less, and the first time at some time
    /// within the first round, so that neither servers nor endpoints are in step.
    async fn check(
        self: Arc<Self>,
        id: Id,
        check: Check,
        every: Duration,
        mut rng: StdRng,
    ) -> Infallible {
        sleep(every.mul_f64(rng.random_range(0.0..1.0))).await;
        loop {
            let answer = check.target.attempt(request(&check.path)).await;
            let has_passed = match &answer.exchange {
                Exchange::Answered { status, .. } => Some((200..300).contains(status)),
                // Who gives no token is somebody else.
                Exchange::Failed {
                    kind: FailureKind::Token,
                    ..
                } => None,
                Exchange::Failed { .. } => Some(false),
            };
            if has_passed != Some(true) {
                let (target_name, answer) = (&self.target, &answer.exchange);
                tracing::debug!(%target_name, ?answer, "a check of an endpoint has failed");
            }
            if let Some(has_passed) = has_passed {
                self.checked(id, has_passed);
            }
            sleep(every.mul_f64(rng.random_range(0.9..1.1))).await;
        }
    }

    fn checked(&self, id: Id, has_passed: bool) {
        let mut shared = self.lock();
        shared.roster.checked(id, has_passed);
        self.show(&mut shared);
    }
}

fn request(path: &Arc<str>) -> AttemptRequest {
    let mut headers = HeadersBuilder::with_capacity(64);
    let fits = headers.push("user-agent", OWN_USER_AGENT.as_bytes());
    debug_assert!(fits, "it is short");
    AttemptRequest {
        method: "GET".into(),
        path_and_query: Arc::clone(path),
        headers: headers.build(),
        body: Bytes::new(),
        capture: Capture::Nothing,
    }
}
