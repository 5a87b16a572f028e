//! Plans, compiled: each step's expressions and all that doesn't depend on the message.

mod step;

use std::fmt;
use std::sync::Arc;

use fanway_types::{Plan, StepIndex};

use crate::CompileError;
pub use step::CompiledStep;
pub(crate) use step::OrderBy;

/// A plan with its expressions compiled.
#[derive(Debug)]
pub struct CompiledPlan {
    plan: Arc<Plan>,
    steps: Vec<CompiledStep>,
    needs_json: bool,
    orders_in_place: bool,
}

/// What is wrong with a step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {error}")]
pub struct StepError {
    /// The step's place in the plan.
    pub step: StepIndex,
    /// The part of it.
    pub field: Field,
    /// What is wrong there.
    #[source]
    pub error: CompileError,
}

/// A part of a step that may hold an expression, or is checked like one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `method`.
    Method,
    /// `path`.
    Path,
    /// A parameter under `query`.
    Query(Arc<str>),
    /// A header under `headers`.
    Header(Arc<str>),
    /// `body`.
    Body,
    /// `when`.
    When,
    /// `order_by`.
    OrderBy,
    /// A header's name under `forward`.
    Forward(Arc<str>),
}

/// As people write it: `body`, `query.limit`, `headers.x-priority`.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method => f.write_str("method"),
            Self::Path => f.write_str("path"),
            Self::Query(name) => write!(f, "query.{name}"),
            Self::Header(name) => write!(f, "headers.{name}"),
            Self::Body => f.write_str("body"),
            Self::When => f.write_str("when"),
            Self::OrderBy => f.write_str("order_by"),
            Self::Forward(name) => write!(f, "forward.{name}"),
        }
    }
}

impl CompiledPlan {
    /// Compiles a plan.
    ///
    /// # Errors
    /// Everything that is wrong with any of its steps.
    pub fn compile(plan: &Plan) -> Result<Self, Vec<StepError>> {
        let mut errors = Vec::new();
        let mut steps = Vec::new();
        for (step, index) in plan.steps.iter().zip(0..) {
            let report = &mut |field, error| {
                errors.push(StepError {
                    step: index,
                    field,
                    error,
                });
            };
            steps.push(CompiledStep::compile(step, report));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let orders = || steps.iter().filter_map(|step| step.order_by.as_ref());
        let needs_json = steps.iter().any(CompiledStep::needs_json)
            || orders().any(|order| order.program.reads_input());
        let orders_in_place = orders().all(|order| order.is_path);
        Ok(Self {
            plan: Arc::new(plan.clone()),
            steps,
            needs_json,
            orders_in_place,
        })
    }

    /// The plan as it is kept.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Whether an expression of any step may read the JSON body.
    #[must_use]
    pub fn needs_json(&self) -> bool {
        self.needs_json
    }

    /// Whether the order keys of a message are found without evaluating anything: each `order_by` is
    /// but a path, such as `.customer.id`.
    #[must_use]
    pub fn orders_in_place(&self) -> bool {
        self.orders_in_place
    }

    /// The steps that have an `order_by`.
    pub(crate) fn ordered(&self) -> impl Iterator<Item = (StepIndex, &OrderBy)> {
        let steps = (0..).zip(&self.steps);
        steps.filter_map(|(index, step)| Some((index, step.order_by.as_ref()?)))
    }

    /// A step.
    ///
    /// # Panics
    /// Where the plan has no step of that index.
    #[must_use]
    pub fn step(&self, index: StepIndex) -> &CompiledStep {
        &self.steps[usize::from(index)]
    }
}

#[cfg(test)]
mod tests;
