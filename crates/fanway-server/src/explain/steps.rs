//! Each step of a plan: what its expressions give, and the first attempt as it would be sent.

use std::error::Error;
use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fanway_config::Config;
use fanway_dispatch::{Stamp, outgoing};
use fanway_target::http::{HttpTarget, HttpTargetError, Preview, RequestError};
use fanway_transform::evaluator::{Evaluator, Params};
use fanway_transform::plan::CompiledPlan;
use fanway_transform::{Limits, ShapeError, Shaped, Shaping, order_values};
use fanway_types::{self as types, DeliveryId, Message, StepIndex, TargetName};
use tokio::runtime::{self, Runtime};

use super::{Body, Expression, Outgoing, Step, policy};
use crate::outward::Outward;
use crate::parts;

/// The span of an attempt. A real one is drawn by chance.
const SPAN: u64 = 1;

/// Explains the steps of a message's plan.
///
/// # Errors
/// Where there are no threads for expressions.
pub(super) fn explain(
    config: &Config,
    plan: &Arc<CompiledPlan>,
    message: Message,
) -> io::Result<Vec<Step>> {
    let stage = Stage {
        config,
        plan,
        message: Arc::new(message),
        // As in a server, so that what is too much there is too much here.
        evaluator: Evaluator::start(Params::default(), Arc::new(()))?,
        runtime: runtime::Builder::new_current_thread()
            .enable_all()
            .build()?,
        outward: Outward::new(config),
    };
    let steps = plan.plan().steps.iter().zip(0..);
    Ok(steps
        .map(|(step, index)| stage.explain(step, index))
        .collect())
}

/// What steps are explained with.
struct Stage<'c> {
    config: &'c Config,
    plan: &'c Arc<CompiledPlan>,
    message: Arc<Message>,
    evaluator: Evaluator,
    runtime: Runtime,
    outward: Outward,
}

/// Why a step makes no request.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error("the target can't be called as it is configured")]
    Target(#[from] HttpTargetError),
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl Stage<'_> {
    fn explain(&self, step: &types::Step, index: StepIndex) -> Step {
        let target = &self.config.targets[&step.target];
        let delivery = DeliveryId::first(self.message.id, index);
        let shaping = self.evaluator.shape(
            Arc::clone(self.plan),
            index,
            Arc::clone(&self.message),
            delivery,
        );
        let shaping = self.runtime.block_on(shaping);
        let mut explained = Step {
            step: step.name.clone(),
            target: step.target.clone(),
            critical: step.critical,
            expressions: expressions(step, shaping.as_ref().ok(), self.order_key(index)),
            request: None,
            skipped: None,
            fails: None,
            policy: policy::of(target),
        };
        match shaping.map_err(Failure::from) {
            Ok(Shaping::Skip) => {
                explained.skipped = Some("`when` gives false or null".to_owned());
            }
            Ok(Shaping::Send(shaped)) => match self.outgoing(&step.target, shaped, delivery) {
                Ok(preview) => explained.request = Some(shown(preview)),
                Err(failure) => explained.fails = Some(chain(&failure)),
            },
            Err(failure) => explained.fails = Some(chain(&failure)),
        }
        explained
    }

    /// What a step's `order_by` gives, where it has one.
    fn order_key(&self, index: StepIndex) -> Option<String> {
        let values = order_values(self.plan, &self.message, &Limits::default()).ok()?;
        let mut values = values.into_iter();
        let value = values.find(|(step, _)| *step == index);
        Some(value.map_or("null".to_owned(), |(_, value)| value))
    }

    /// The first attempt, as the target would send it.
    fn outgoing(
        &self,
        name: &TargetName,
        shaped: Shaped,
        delivery: DeliveryId,
    ) -> Result<Preview, Failure> {
        let stamp = Stamp {
            key: delivery,
            number: 1,
            span: SPAN,
        };
        let request = outgoing(shaped, &self.message, stamp);
        let target = &self.config.targets[name];
        let target = HttpTarget::try_new(parts::called(name, target, &self.outward)?)?;
        Ok(target.preview(&request)?)
    }
}

/// The expressions of a step, and what they gave.
fn expressions(
    step: &types::Step,
    shaping: Option<&Shaping>,
    key: Option<String>,
) -> Vec<Expression> {
    let shaped = match shaping {
        Some(Shaping::Send(shaped)) => Some(shaped),
        Some(Shaping::Skip) | None => None,
    };
    let wanted = shaping.map(|shaping| match shaping {
        Shaping::Send(_) => "true".to_owned(),
        Shaping::Skip => "false or null".to_owned(),
    });
    let mut found = Vec::new();
    let mut add = |field: String, source: &str, result: Option<String>| {
        found.push(Expression {
            field,
            source: source.to_owned(),
            result,
        });
    };
    if let Some(order) = &step.order {
        add("order_by".to_owned(), &order.by, key);
    }
    if let Some(when) = &step.when {
        add("when".to_owned(), when, wanted);
    }
    if let Some(path) = step.path.as_ref().filter(|path| has_program(path)) {
        add("path".to_owned(), path, shaped.map(path_of));
    }
    for (index, (name, value)) in step.query.iter().enumerate() {
        if has_program(value) {
            let from_end = step.query.len() - index;
            let result = shaped.and_then(|shaped| parameter(shaped, from_end));
            add(format!("query.{name}"), value, result);
        }
    }
    for (name, value) in &step.headers {
        if has_program(value) {
            let result = shaped.and_then(|shaped| header(shaped, name));
            add(format!("headers.{name}"), value, result);
        }
    }
    if let Some(body) = &step.body {
        add("body".to_owned(), body, None);
    }
    found
}

/// Whether a template isn't the same for each message.
fn has_program(template: &str) -> bool {
    template.contains(r"\(")
}

fn path_of(shaped: &Shaped) -> String {
    let address = &*shaped.path_and_query;
    let path = address.split_once('?').map_or(address, |(path, _)| path);
    path.to_owned()
}

/// What the parameter got that is the so-many-th from the end: before the step's own there may be
/// those that were passed on.
fn parameter(shaped: &Shaped, from_end: usize) -> Option<String> {
    let (_, query) = shaped.path_and_query.split_once('?')?;
    let pair = query.rsplit('&').nth(from_end - 1)?;
    let (_, value) = pair.split_once('=')?;
    Some(value.to_owned())
}

fn header(shaped: &Shaped, name: &str) -> Option<String> {
    let value = shaped.headers.get(name)?;
    Some(String::from_utf8_lossy(value).into_owned())
}

fn shown(preview: Preview) -> Outgoing {
    let headers = preview.headers.iter();
    Outgoing {
        method: preview.method.to_string(),
        url: preview.url,
        headers: headers
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes());
                (name.to_string(), value.into_owned())
            })
            .collect(),
        body: body(&preview.body),
    }
}

fn body(bytes: &Bytes) -> Body {
    match str::from_utf8(bytes) {
        Ok(text) => Body::Text(text.to_owned()),
        Err(_) => Body::Base64(STANDARD.encode(bytes)),
    }
}

/// An error and what it came from, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        // Some say what they came from themselves.
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}
