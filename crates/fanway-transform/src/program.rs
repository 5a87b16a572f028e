//! A jq program, compiled once.

mod input;
mod recursion;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use jaq_core::compile::Undefined;
use jaq_core::load::lex::{Expect, Tok, Token};
use jaq_core::load::{self, Arena, File, Lexer, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars};
use jaq_std::ValT;

use crate::builtins;
use crate::meter::{Data, Jq, Meter};
use crate::value::Value;

/// Variables that each program sees, in the order of [`Scope`].
pub(crate) const VARIABLES: [&str; 3] = ["$request", "$message", "$steps"];

/// A compiled jq program. Clones share it.
#[derive(Clone)]
pub struct Program {
    shared: Arc<Shared>,
}

struct Shared {
    filter: Filter<Jq>,
    reads_input: bool,
    reads_variables: bool,
}

/// What a program sees besides its input.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) request: Value,
    pub(crate) message: Value,
    pub(crate) steps: Value,
}

const UNREADABLE: &str = "the program can't be read";

/// How a program failed: a text for an operator.
pub(crate) type Failure = String;

/// The longest text of a failure, in bytes; it may quote the value that it failed on.
const FAILURE_LIMIT: usize = 512;

/// A program or template that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// Where, in bytes from the start of the source.
    pub offset: usize,
    /// What is wrong: a lower-case fragment.
    pub message: String,
}

impl CompileError {
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self {
            offset,
            message: message.into(),
        }
    }

    /// The same error in a text in which the source begins at `offset`.
    pub(crate) fn shifted(self, offset: usize) -> Self {
        Self {
            offset: self.offset + offset,
            ..self
        }
    }
}

impl Program {
    /// Compiles a jq program.
    ///
    /// # Errors
    /// Where it doesn't parse, calls what isn't defined, or calls what could make two attempts
    /// differ or reaches outside of the message.
    pub fn compile(source: &str) -> Result<Self, CompileError> {
        refuse_modules(source)?;
        let arena = Arena::default();
        let file = File {
            code: source,
            path: (),
        };
        let modules = Loader::new(builtins::definitions())
            .load(&arena, file)
            .map_err(|errors| load_error(source, errors))?;
        let filter = Compiler::default()
            .with_funs(builtins::natives())
            .with_global_vars(VARIABLES)
            .compile(modules)
            .map_err(|errors| undefined_error(source, errors))?;
        // It was parsed just now, but jaq keeps what it parsed to itself.
        let term = load::parse(source, |parser| parser.term())
            .ok_or_else(|| CompileError::new(0, UNREADABLE))?;
        if let Some(name) = recursion::find_chain(&term) {
            let message = format!(
                "`{name}` takes a filter and calls itself last: define what repeats within it, without arguments"
            );
            return Err(CompileError::new(load::span(source, name).start, message));
        }
        let reads_input = input::is_read(&term);
        let reads_variables = VARIABLES.iter().any(|variable| source.contains(variable));
        Ok(Self {
            shared: Arc::new(Shared {
                filter,
                reads_input,
                reads_variables,
            }),
        })
    }

    /// Whether the outcome may depend on `.`.
    #[must_use]
    pub fn reads_input(&self) -> bool {
        self.shared.reads_input
    }

    /// Whether it may look at `$request`, `$message` or `$steps`.
    pub(crate) fn reads_variables(&self) -> bool {
        self.shared.reads_variables
    }

    /// The one value that the program gives for `input`.
    pub(crate) fn run(
        &self,
        input: &Value,
        scope: &Scope,
        meter: &Meter,
    ) -> Result<Value, Failure> {
        let filter = &self.shared.filter;
        let variables = [&scope.request, &scope.message, &scope.steps].map(Clone::clone);
        let context = Ctx::<Jq>::new(
            Data {
                lut: &filter.lut,
                meter,
            },
            Vars::new(variables),
        );
        let mut outputs = filter.id.run((context, input.clone()));
        let first = outputs
            .next()
            .ok_or_else(|| "the program gave no value, expected one".to_owned())?;
        let value = first.map_err(failure)?;
        match outputs.next() {
            None => Ok(value),
            Some(Ok(_)) => Err("the program gave more than one value, expected one".to_owned()),
            Some(Err(exception)) => Err(failure(exception)),
        }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("reads_input", &self.shared.reads_input)
            .finish_non_exhaustive()
    }
}

/// The text of an error, cut where it is long.
fn failure(exception: jaq_core::Exn<'_, Value>) -> Failure {
    // Other exceptions are caught within a program: `break` needs its label around it, `halt` is refused.
    let Ok(error) = exception.get_err() else {
        return "the program broke off".to_owned();
    };
    let value = error.into_val();
    let text = value.as_utf8_bytes().map(String::from_utf8_lossy);
    let text = text.map_or_else(|| value.to_string(), Cow::into_owned);
    text[..text.floor_char_boundary(FAILURE_LIMIT)].to_owned()
}

/// Modules are files; one named by a program is refused, and so is one that the program says it is.
fn refuse_modules(source: &str) -> Result<(), CompileError> {
    let tokens = Lexer::new(source).lex().unwrap_or_default();
    let module = tokens.iter().find_map(|token| match token {
        Token(word @ ("import" | "include" | "module"), Tok::Word) => Some(*word),
        _ => None,
    });
    match module {
        Some(word) => Err(CompileError::new(
            load::span(source, word).start,
            format!("`{word}` is refused: there are no modules"),
        )),
        None => Ok(()),
    }
}

fn load_error(source: &str, errors: load::Errors<&str, ()>) -> CompileError {
    let first = errors.into_iter().next().map(|(_, error)| error);
    let found = match &first {
        Some(load::Error::Lex(errors)) => errors
            .first()
            .map(|(expected, found)| (lexical(expected), *found)),
        Some(load::Error::Parse(errors)) => errors
            .first()
            .map(|(expected, found)| (expected.as_str(), *found)),
        Some(load::Error::Io(_)) | None => None,
    };
    let Some((expected, found)) = found else {
        return CompileError::new(0, UNREADABLE);
    };
    let offset = load::span(source, found).start;
    let what = found
        .split_whitespace()
        .next()
        .map_or("the end".to_owned(), |word| {
            format!("`{}`", shortened(word))
        });
    CompileError::new(
        offset,
        match expected {
            "nothing" => format!("unexpected {what}"),
            expected => format!("expected {expected}, found {what}"),
        },
    )
}

fn lexical(expected: &Expect<&str>) -> &'static str {
    match expected {
        // The one delimiter that jaq's own text has no name for would panic.
        Expect::Delim(open) => match *open {
            "(" => "`)`",
            "[" => "`]`",
            "{" => "`}`",
            _ => "a closing quote",
        },
        other => other.as_str(),
    }
}

fn shortened(word: &str) -> &str {
    &word[..word.floor_char_boundary(20)]
}

fn undefined_error(source: &str, errors: jaq_core::compile::Errors<&str, ()>) -> CompileError {
    let first = errors.into_iter().flat_map(|(_, errors)| errors).next();
    let Some((name, undefined)) = first else {
        return CompileError::new(0, "the program can't be compiled");
    };
    let offset = load::span(source, name).start;
    if let Some(reason) = builtins::refusal(name) {
        return CompileError::new(offset, format!("`{name}` {reason} and is refused"));
    }
    CompileError::new(
        offset,
        match undefined {
            Undefined::Filter(arguments) if builtins::is_known(name) => {
                format!(
                    "function `{name}` doesn't take {arguments} argument{}",
                    if arguments == 1 { "" } else { "s" }
                )
            }
            Undefined::Filter(_) => format!("unknown function `{name}`"),
            other => format!("unknown {} `{name}`", other.as_str()),
        },
    )
}

#[cfg(test)]
mod tests;
