//! The values by which a message's deliveries are kept in order.

use fanway_types::{Message, StepIndex};
use jaq_json::Val;

use crate::evaluator::Lost;
use crate::json::{self, write};
use crate::meter::{Meter, contain};
use crate::plan::{CompiledPlan, Field, OrderBy};
use crate::program::{Program, Scope};
use crate::shape::{Limits, ShapeError, request};
use crate::value::Value;

/// Why a message has no order: an `order_by` failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct OrderError {
    /// The step whose it is; `None` where the evaluation as a whole failed.
    pub step: Option<StepIndex>,
    /// How it failed.
    #[source]
    pub error: ShapeError,
}

impl OrderError {
    pub(crate) fn whole(error: impl Into<ShapeError>) -> Self {
        Self {
            step: None,
            error: error.into(),
        }
    }
}

impl From<Lost> for OrderError {
    fn from(lost: Lost) -> Self {
        Self::whole(lost)
    }
}

/// The value of each `order_by` of a plan for a message, as text: a string as it is, a number, `true`
/// or `false`. Where it is `null`, there is none.
///
/// Blocks while expressions run. Where a plan doesn't
/// [find them in place](CompiledPlan::orders_in_place), this is better given to an
/// [`Evaluator`](crate::evaluator::Evaluator).
///
/// # Errors
/// Where an expression fails, gives an array or an object, or breaks one of `limits`.
pub fn order_values(
    plan: &CompiledPlan,
    message: &Message,
    limits: &Limits,
) -> Result<Vec<(StepIndex, String)>, OrderError> {
    let evaluate = || {
        let evaluation = Evaluation::begin(plan, message, limits)?;
        let values = plan.ordered().filter_map(|(step, order)| {
            let value = evaluation.value(order).transpose()?;
            let failed = |error| OrderError {
                step: Some(step),
                error,
            };
            Some(value.map(|value| (step, value)).map_err(failed))
        });
        values.collect()
    };
    contain(evaluate).map_err(OrderError::whole)?
}

struct Evaluation {
    input: Value,
    scope: Scope,
    meter: Meter,
}

impl Evaluation {
    fn begin(plan: &CompiledPlan, message: &Message, limits: &Limits) -> Result<Self, OrderError> {
        let mut programs = plan.ordered().map(|(_, order)| &order.program);
        let input = if programs.any(Program::reads_input) {
            let encoding = message.request.headers.get_str("content-encoding");
            let json = json::read(&message.request.body, encoding, limits.input);
            let json = json.map_err(|error| OrderError::whole(ShapeError::Input(error)))?;
            Value::parsed(json, limits.input.depth)
        } else {
            Value::parsed(Val::Null, 0)
        };
        let mut programs = plan.ordered().map(|(_, order)| &order.program);
        let scope = if programs.any(Program::reads_variables) {
            request::scope_of(message)
        } else {
            request::no_scope()
        };
        Ok(Self {
            input,
            scope,
            meter: Meter::start(limits.deadline, limits.stack),
        })
    }

    fn value(&self, order: &OrderBy) -> Result<Option<String>, ShapeError> {
        let value = order.program.run(&self.input, &self.scope, &self.meter);
        let value = value.and_then(|value| text(&value));
        value.map_err(|message| ShapeError::Expression {
            field: Field::OrderBy,
            message,
        })
    }
}

/// The text of a scalar; nothing for `null`.
fn text(value: &Value) -> Result<Option<String>, String> {
    let refused = |what: &str| Err(format!("it gave {what}, expected a text, a number or null"));
    match value.as_json() {
        Val::Null => Ok(None),
        Val::Bool(value) => Ok(Some(value.to_string())),
        Val::Num(value) => match write::number(value) {
            Ok(text) => Ok(Some(text)),
            Err(_) => refused("a number that isn't finite"),
        },
        Val::TStr(text) => match str::from_utf8(text) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => refused("a text that isn't UTF-8"),
        },
        Val::Arr(_) => refused("an array"),
        Val::Obj(_) => refused("an object"),
        Val::BStr(_) => refused("a byte string"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fanway_types::{
        Message, MessageId, Plan, Request, Step, StepOrder, Terms, Timestamp, WhenDead,
    };

    use super::order_values;
    use crate::Limits;
    use crate::plan::CompiledPlan;

    fn plan(order_by: &str) -> CompiledPlan {
        let step = Step {
            order: Some(StepOrder {
                by: order_by.to_owned(),
                when_dead: WhenDead::Skip,
            }),
            ..Step::new(
                "stock".parse().expect("a name"),
                "inventory".parse().expect("a name"),
            )
        };
        let plan = Plan {
            route: "orders".parse().expect("a name"),
            steps: vec![step],
            callback: None,
            on_dead: None,
        };
        CompiledPlan::compile(&plan).expect("it compiles")
    }

    fn values(order_by: &str, body: &'static str) -> Result<Option<String>, String> {
        let message = Message {
            id: MessageId::first_at(Timestamp::from_millis(7)),
            route: "orders".parse().expect("a name"),
            plan: plan(order_by).plan().hash(),
            request: Request {
                body: body.into(),
                path: "/orders".into(),
                ..Request::default()
            },
            terms: Terms::default(),
            reservation: None,
        };
        let plan = Arc::new(plan(order_by));
        let values = order_values(&plan, &message, &Limits::default());
        let values = values.map_err(|error| error.to_string())?;
        Ok(values.into_iter().next().map(|(_, value)| value))
    }

    #[track_caller]
    fn check(order_by: &str, body: &'static str, expected: Option<&str>) {
        let expected = Ok(expected.map(str::to_owned));
        assert_eq!(values(order_by, body), expected, "{order_by} of {body}");
    }

    #[track_caller]
    fn check_fails(order_by: &str, body: &'static str, expected: &str) {
        let error = values(order_by, body).expect_err("it fails");
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn scalars_are_keys_by_their_text_and_null_is_none() {
        check(".id", r#"{"id": "c-42"}"#, Some("c-42"));
        check(".id", r#"{"id": 42}"#, Some("42"));
        check(".id", r#"{"id": false}"#, Some("false"));
        check(".id", r#"{"id": null}"#, None);
        check(".customer.id", r#"{"other": 1}"#, None);
        check(
            r#"$request.path + "-" + .id"#,
            r#"{"id": "7"}"#,
            Some("/orders-7"),
        );
        check(r#""all""#, "no JSON at all", Some("all"));
    }

    #[test]
    fn what_is_no_scalar_and_what_fails_is_no_key() {
        check_fails(
            ".id",
            r#"{"id": [1]}"#,
            "`order_by` failed: it gave an array",
        );
        check_fails(".", r#"{"id": 1}"#, "an object");
        check_fails(".id", "[]", "`order_by` failed");
        check_fails(".id", "{", "can't be read");
        check_fails("empty", "{}", "no value");
    }

    #[track_caller]
    fn check_in_place(order_by: &str, expected: bool) {
        assert_eq!(plan(order_by).orders_in_place(), expected, "{order_by}");
    }

    #[test]
    fn a_path_of_names_is_found_in_place() {
        check_in_place(".id", true);
        check_in_place(" .customer.id_2 ", true);
        check_in_place(".", false);
        check_in_place(".id | tostring", false);
        check_in_place(".items[0]", false);
        check_in_place("$request.path", false);
    }
}
