//! Shaping: from a stored message and a step to what is sent.
//!
//! The body comes before the headers, which say what it is: its form, its boundary where it has parts,
//! its coding where it is compressed.
//!
//! The same for each attempt of a delivery. What differs between attempts (trace context, keys,
//! user agent, credentials) is added by whoever sends.

pub(crate) mod request;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanway_types::{ByteCount, ContentCoding, Headers, HeadersBuilder, Message};
use jaq_json::Val;

use crate::evaluator::Lost;
use crate::format::{self, Refusal};
use crate::json;
use crate::meter::{Interrupted, Meter, Stop, contain};
use crate::plan::{CompiledStep, Field};
use crate::program::Scope;
use crate::value::Value;

pub(crate) use request::no_scope;

/// Bytes that a step's headers take, as a rule.
const HEADERS: usize = 64;

/// A request as a step makes it, but for what each attempt adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shaped {
    /// The method.
    pub method: Arc<str>,
    /// What is appended to the target's URL: a path that begins with `/`, or nothing, then `?` and
    /// a query, or nothing. All of it is ASCII and percent-encoded.
    pub path_and_query: Arc<str>,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

/// What a step does for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shaping {
    /// It sends this.
    Send(Shaped),
    /// Nothing: its `when` gave `false` or `null`.
    Skip,
}

/// The bounds of one shaping.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long all of the step's expressions may take together, by the monotonic clock.
    pub deadline: Duration,
    /// The largest body that a program may make. An address may have as much, a header too, but never
    /// more than 65,535 bytes.
    pub output: ByteCount,
    /// How large and how deep the message's body may be, where it is read.
    pub input: json::Limits,
    /// The stack that may be used from the call on. The thread should have a quarter more.
    pub stack: ByteCount,
}

impl Default for Limits {
    /// One second, 10 MiB, the default input, and 1 MiB of stack: half of what Rust's threads have.
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(1),
            output: ByteCount::mib(10),
            input: json::Limits::default(),
            stack: ByteCount::mib(1),
        }
    }
}

/// Why a step can't be shaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// An expression reads the body, and it is no JSON.
    #[error("the body can't be read: {0}")]
    Input(#[source] json::Error),
    /// An expression failed.
    #[error("`{field}` failed: {message}")]
    Expression {
        /// Which.
        field: Field,
        /// How: a text for an operator, which may quote the message.
        message: String,
    },
    /// What an expression gave is larger than allowed.
    #[error("`{field}` gave more than allowed")]
    Output {
        /// Which.
        field: Field,
    },
    /// The expressions took too long.
    #[error("the step's expressions took too long")]
    Deadline,
    /// An expression needed more stack than allowed.
    #[error("the step's expressions recursed too deep")]
    Recursion,
    /// An expression made a value that is larger, or nested deeper, than allowed.
    #[error("the step's expressions made a value that is {0}")]
    Value(&'static str),
    /// The evaluation panicked: an error in the evaluator, not in the expression.
    #[error("the evaluation of the step's expressions panicked: {0}")]
    Panicked(String),
    /// So many evaluations are stuck that no more are begun. The one that passes: try again later.
    #[error("too many evaluations are stuck")]
    Overloaded,
}

impl From<Interrupted> for ShapeError {
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

impl From<Lost> for ShapeError {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Overloaded => Self::Overloaded,
            Lost::Deadline => Self::Deadline,
        }
    }
}

/// Shapes `step` for `message`. Blocks while expressions run, so a step that isn't static is better
/// given to an [`Evaluator`](crate::evaluator::Evaluator).
///
/// # Errors
/// Where an expression fails or breaks one of `limits`. Never [`ShapeError::Overloaded`].
pub fn shape(
    step: &CompiledStep,
    message: &Message,
    limits: &Limits,
) -> Result<Shaping, ShapeError> {
    if step.is_static() {
        return Evaluation::begin(step, message, limits, Value::parsed(Val::Null, 0)).shape();
    }
    contain(|| {
        let input = read_input(step, message, limits)?;
        Evaluation::begin(step, message, limits, input).shape()
    })?
}

fn read_input(
    step: &CompiledStep,
    message: &Message,
    limits: &Limits,
) -> Result<Value, ShapeError> {
    if !step.needs_json() {
        return Ok(Value::parsed(Val::Null, 0));
    }
    let encoding = message.request.headers.get_str("content-encoding");
    let json =
        json::read(&message.request.body, encoding, limits.input).map_err(ShapeError::Input)?;
    Ok(Value::parsed(json, limits.input.depth))
}

/// What a body's headers say of it, where it isn't one that passes as it is.
#[derive(Default)]
struct Description {
    media_type: Option<Cow<'static, str>>,
    coding: Option<ContentCoding>,
}

struct Evaluation<'a> {
    step: &'a CompiledStep,
    message: &'a Message,
    output: ByteCount,
    input: Value,
    scope: Scope,
    meter: Meter,
}

impl<'a> Evaluation<'a> {
    fn begin(step: &'a CompiledStep, message: &'a Message, limits: &Limits, input: Value) -> Self {
        let meter = Meter::start(limits.deadline, limits.stack);
        let scope = if step.needs_scope() {
            request::scope_of(message)
        } else {
            no_scope()
        };
        Self {
            step,
            message,
            output: limits.output,
            input,
            scope,
            meter,
        }
    }

    fn shape(&self) -> Result<Shaping, ShapeError> {
        if !self.is_wanted()? {
            return Ok(Shaping::Skip);
        }
        let path_and_query = self.address()?;
        let (body, written) = self.compressed(self.body()?);
        let headers = self.headers(&written)?;
        Ok(Shaping::Send(Shaped {
            method: Arc::clone(&self.step.method),
            path_and_query,
            headers,
            body,
        }))
    }

    fn is_wanted(&self) -> Result<bool, ShapeError> {
        let Some(when) = &self.step.when else {
            return Ok(true);
        };
        let wanted = when
            .run(&self.input, &self.scope, &self.meter)
            .map_err(|message| failed(Field::When, message))?;
        Ok(!matches!(wanted.as_json(), Val::Null | Val::Bool(false)))
    }

    fn address(&self) -> Result<Arc<str>, ShapeError> {
        if let Some(address) = &self.step.fixed_address {
            return Ok(Arc::clone(address));
        }
        if self.step.keeps_address {
            return Ok(request::address(&self.message.request));
        }
        let mut address = String::new();
        if let Some(path) = &self.step.path {
            self.render(path, &mut address, || Field::Path)?;
        }
        let mut mark = '?';
        if let Some(query) = self
            .message
            .request
            .query
            .as_deref()
            .filter(|query| self.step.forward_query && !query.is_empty())
        {
            address.push(mark);
            address.push_str(query);
            mark = '&';
        }
        for (name, value) in &self.step.query {
            address.push(mark);
            address.push_str(name);
            address.push('=');
            self.render(value, &mut address, || Field::Query(Arc::clone(name)))?;
            mark = '&';
        }
        Ok(address.into())
    }

    fn headers(&self, written: &Description) -> Result<Headers, ShapeError> {
        let set = &self.step.headers;
        let is_set = |name: &str| set.iter().any(|(other, _)| **other == *name);
        let mut headers = HeadersBuilder::with_capacity(HEADERS);
        let mut add = |name: &str, value: &[u8]| {
            let too_long = || ShapeError::Output {
                field: Field::Header(name.into()),
            };
            headers.push(name, value).then_some(()).ok_or_else(too_long)
        };
        let passed_on = request::passed_on(&self.message.request.headers, self.step);
        for (name, value) in passed_on.filter(|(name, _)| !is_set(name)) {
            add(name, value)?;
        }
        if let Some(media_type) = &written.media_type
            && !is_set("content-type")
        {
            add("content-type", media_type.as_bytes())?;
        }
        if let Some(coding) = written.coding {
            add("content-encoding", coding.as_str().as_bytes())?;
        }
        for (name, template) in set {
            let mut value = String::new();
            self.render(template, &mut value, || Field::Header(Arc::clone(name)))?;
            add(name, value.as_bytes())?;
        }
        Ok(headers.build())
    }

    fn body(&self) -> Result<(Bytes, Description), ShapeError> {
        let step = self.step;
        let Some(program) = &step.body else {
            let passing = &self.message.request.body;
            let body = if step.bodiless {
                &Bytes::new()
            } else {
                passing
            };
            return Ok((body.clone(), Description::default()));
        };
        let value = program
            .run(&self.input, &self.scope, &self.meter)
            .map_err(|message| failed(Field::Body, message))?;
        let written = format::write(value.as_json(), step.format, self.output);
        let written = written.map_err(|refusal| match refusal {
            Refusal::TooLarge => ShapeError::Output { field: Field::Body },
            Refusal::Unfit(what) => failed(Field::Body, what),
        })?;
        let description = Description {
            media_type: Some(written.media_type),
            coding: None,
        };
        Ok((written.bytes, description))
    }

    /// The body, compressed where the step says so. One that passes and is encoded stays as it is, and
    /// so does an empty one.
    fn compressed(&self, (body, written): (Bytes, Description)) -> (Bytes, Description) {
        let Some(coding) = self.step.compress else {
            return (body, written);
        };
        let headers = &self.message.request.headers;
        let is_encoded = self.step.body.is_none() && headers.get_str("content-encoding").is_some();
        if is_encoded || body.is_empty() {
            return (body, written);
        }
        let body = match coding {
            ContentCoding::Gzip => format::gzip(&body, &self.meter),
        };
        let coding = Some(coding);
        (body, Description { coding, ..written })
    }

    fn render(
        &self,
        template: &crate::Template,
        out: &mut String,
        field: impl Fn() -> Field,
    ) -> Result<(), ShapeError> {
        template
            .render(&self.input, &self.scope, &self.meter, out)
            .map_err(|message| failed(field(), message))?;
        if out.len() > self.output.as_usize() {
            return Err(ShapeError::Output { field: field() });
        }
        Ok(())
    }
}

fn failed(field: Field, message: String) -> ShapeError {
    ShapeError::Expression { field, message }
}

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod tests;
