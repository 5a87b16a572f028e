//! Targets over a script.

use std::sync::Arc;
use std::time::Duration;

use fanway::{Message, Outcome, Request, Target, TargetBuilder};
use fanway_testkit::scripted_target::{Reply, ScriptedTarget};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A target over a script, and the script.
pub(crate) fn scripted(
    name: &str,
    script: impl IntoIterator<Item = Reply>,
    otherwise: Reply,
) -> (Target, ScriptedTarget) {
    built(name, ScriptedTarget::scripted(script, otherwise), |it| it)
}

pub(crate) fn built(
    name: &str,
    wire: ScriptedTarget,
    with: impl FnOnce(TargetBuilder) -> TargetBuilder,
) -> (Target, ScriptedTarget) {
    let builder = with(Target::builder(name, "http://localhost"));
    let target = builder.build_over(Arc::new(wire.clone())).expect("a name");
    (target, wire)
}

/// What becomes of one delivery to a target.
pub(crate) async fn sent(target: &Target, deadline: Duration) -> Outcome {
    let message = Message::new().to(target, Request::post());
    let outcomes = message.deadline(deadline).send().await;
    outcomes.into_iter().next().expect("one for each")
}
