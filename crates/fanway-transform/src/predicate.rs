//! Whether a target's answer is what a success has to be: a jq program over its JSON body.
//!
//! It sees the body and nothing else. Like other expressions it runs within bounds, on the threads
//! of an [`Evaluator`](crate::evaluator::Evaluator).

use jaq_json::Val;

use crate::evaluator::Lost;
use crate::json;
use crate::meter::{Interrupted, Meter, Stop};
use crate::program::VARIABLES;
use crate::shape::{Limits, no_scope};
use crate::value::Value;
use crate::{CompileError, Program};

/// A compiled predicate. Clones share it.
#[derive(Clone, Debug)]
pub struct Predicate {
    program: Program,
}

/// Why a predicate has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PredicateError {
    /// The body is no JSON.
    #[error("the answer is no JSON: {0}")]
    Input(#[source] json::Error),
    /// The program failed: a text for an operator, which may quote the answer.
    #[error("it failed: {0}")]
    Failed(String),
    /// It took too long.
    #[error("it took too long")]
    Deadline,
    /// It needed more stack than allowed.
    #[error("it recursed too deep")]
    Recursion,
    /// It made a value that is larger, or nested deeper, than allowed.
    #[error("it made a value that is {0}")]
    Value(&'static str),
    /// Its evaluation panicked: an error in the evaluator, not in the program.
    #[error("its evaluation panicked: {0}")]
    Panicked(String),
    /// So many evaluations are stuck that no more are begun.
    #[error("too many evaluations are stuck")]
    Overloaded,
}

impl From<Interrupted> for PredicateError {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Stopped(Stop::Deadline) => Self::Deadline,
            Interrupted::Stopped(Stop::Recursion) => Self::Recursion,
            Interrupted::Stopped(Stop::ValueTooLarge) => Self::Value("too large"),
            Interrupted::Stopped(Stop::ValueTooDeep) => Self::Value("nested too deep"),
            Interrupted::Panicked(message) => Self::Panicked(message),
        }
    }
}

impl From<Lost> for PredicateError {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Overloaded => Self::Overloaded,
            Lost::Deadline => Self::Deadline,
        }
    }
}

impl Predicate {
    /// Compiles a jq program.
    ///
    /// # Errors
    /// Where [`Program::compile`] would refuse it, or it names what only steps see.
    pub fn compile(source: &str) -> Result<Self, CompileError> {
        let program = Program::compile(source)?;
        let found = VARIABLES.iter().find_map(|name| {
            let mut places = source.match_indices(name);
            let offset = places
                .find(|(at, _)| !goes_on(&source[at + name.len()..]))?
                .0;
            Some((offset, name))
        });
        match found {
            Some((offset, name)) => {
                let message = format!("`{name}` isn't there: it sees the answer's body alone");
                Err(CompileError::new(offset, message))
            }
            None => Ok(Self { program }),
        }
    }

    /// Whether the program gives anything but `false` and `null` for an answer's body. Blocks while
    /// it runs; is to be contained.
    pub(crate) fn test(&self, body: &[u8], limits: &Limits) -> Result<bool, PredicateError> {
        let json = json::read(body, None, limits.input).map_err(PredicateError::Input)?;
        let input = Value::parsed(json, limits.input.depth);
        let meter = Meter::start(limits.deadline, limits.stack);
        let given = self.program.run(&input, &no_scope(), &meter);
        let given = given.map_err(PredicateError::Failed)?;
        Ok(!matches!(given.as_json(), Val::Null | Val::Bool(false)))
    }
}

/// Whether a name isn't at its end yet.
fn goes_on(rest: &str) -> bool {
    let next = rest.chars().next();
    next.is_some_and(|next| next == '_' || next.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::{Predicate, PredicateError};
    use crate::shape::Limits;

    fn test(source: &str, body: &str) -> Result<bool, PredicateError> {
        let predicate = Predicate::compile(source).expect("it compiles");
        predicate.test(body.as_bytes(), &Limits::default())
    }

    #[track_caller]
    fn check(source: &str, body: &str, expected: bool) {
        assert_eq!(test(source, body), Ok(expected), "{source} of {body}");
    }

    #[test]
    fn all_but_false_and_null_is_a_success() {
        check(".ok == true", r#"{"ok": true}"#, true);
        check(
            ".ok == true",
            r#"{"ok": false, "error": "no stock"}"#,
            false,
        );
        check(".ok", "{}", false);
        check(".ok", r#"{"ok": 0}"#, true);
        check(".errors | length == 0", r#"{"errors": []}"#, true);
        check("has(0)", "[1]", true);
    }

    #[track_caller]
    fn check_error(source: &str, body: &str, expected: &str) {
        let error = test(source, body).expect_err("there is no answer");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn what_cannot_be_told_is_an_error() {
        let no_json =
            "the answer is no JSON: the text ends where a value is expected at line 1, column 1";
        check_error(".ok", "", no_json);
        check_error(".a.b", "[1]", "it failed: cannot index [1] with \"a\"");
        check_error(
            "empty",
            "1",
            "it failed: the program gave no value, expected one",
        );
        check_error(
            "1, 2",
            "1",
            "it failed: the program gave more than one value, expected one",
        );
    }

    #[test]
    fn what_only_steps_see_is_refused() {
        let error = Predicate::compile(".ok and $request.method == \"POST\"");
        let error = error.expect_err("there is no request");
        assert_eq!(error.offset, 8);
        let message = "`$request` isn't there: it sees the answer's body alone";
        assert_eq!(error.message, message);
        assert!(Predicate::compile(".ok ==").is_err());
        check(". as $messages | $messages | length > 0", "[1]", true);
    }
}
