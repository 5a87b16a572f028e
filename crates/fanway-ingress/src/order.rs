//! The keys by which a message's deliveries are kept in order: evaluated once, before it is kept.
//!
//! A path of names is looked up in place, where the body is small; all else is evaluated on the
//! evaluator's threads, within their bounds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanway_transform::plan::CompiledPlan;
use fanway_transform::{Limits, OrderError, ShapeError, json, order_values};
use fanway_types::{ByteCount, Headers, Message, OrderKey, StepIndex, Terms};

use crate::door::Core;
use crate::problem::{Kind, Problem};
use crate::validate::{self, IN_PLACE, encoding};

/// When another evaluation is worth a try where too many are stuck.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(5);

/// A message's order keys, each with its step.
type Keys = Box<[(StepIndex, OrderKey)]>;

impl Core {
    /// The order keys of a message that has none yet.
    pub(crate) async fn order_keys(
        &self,
        plan: &Arc<CompiledPlan>,
        message: &Message,
        max_body: ByteCount,
    ) -> Result<Keys, Problem> {
        let request = &message.request;
        if is_here(plan, &request.headers, &request.body) {
            return here(plan, message, max_body);
        }
        let Some(evaluator) = &self.shared.evaluator else {
            return here(plan, message, max_body);
        };
        let seen = Message {
            id: message.id,
            route: message.route.clone(),
            plan: message.plan,
            request: request.clone(),
            terms: Terms::default(),
            reservation: None,
        };
        let values = evaluator.order_values(Arc::clone(plan), Arc::new(seen));
        keys(plan, values.await, max_body)
    }
}

/// Whether a message's order keys are looked up in place, where the whole body is read.
pub(crate) fn is_here(plan: &CompiledPlan, headers: &Headers, body: &Bytes) -> bool {
    body.len() <= IN_PLACE && encoding(headers).is_none() && plan.orders_in_place()
}

/// The order keys of a message, here and now.
pub(crate) fn here(
    plan: &CompiledPlan,
    message: &Message,
    max_body: ByteCount,
) -> Result<Keys, Problem> {
    let limits = Limits {
        input: json::Limits {
            size: max_body,
            ..json::Limits::default()
        },
        ..Limits::default()
    };
    keys(plan, order_values(plan, message, &limits), max_body)
}

fn keys(
    plan: &CompiledPlan,
    values: Result<Vec<(StepIndex, String)>, OrderError>,
    max_body: ByteCount,
) -> Result<Keys, Problem> {
    let values = values.map_err(|error| refusal(plan, &error, max_body))?;
    let keys = values.iter();
    Ok(keys
        .map(|(step, value)| (*step, OrderKey::of(value)))
        .collect())
}

fn refusal(plan: &CompiledPlan, error: &OrderError, max_body: ByteCount) -> Problem {
    match &error.error {
        ShapeError::Overloaded => {
            return Problem::from(Kind::ExpressionsBusy).retry_after(BUSY_RETRY_AFTER);
        }
        ShapeError::Input(error) => return validate::refusal(error, max_body),
        _ => {}
    }
    let step = error
        .step
        .map(|step| &plan.plan().steps[usize::from(step)].name);
    let detail = match step {
        Some(step) => format!("step `{step}`: {error}"),
        None => error.to_string(),
    };
    Problem::new(Kind::OrderKeyMissing, detail)
}
