//! One step, compiled.

use std::sync::Arc;

use fanway_types::{BodyFormat, ContentCoding, Step};

use super::Field;
use crate::{CompileError, Landing, Program, Template};

/// Headers that concern one connection (RFC 9110, section 7.6.1) or that the sending itself sets:
/// never forwarded, never set by a step.
const OF_THE_CONNECTION: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Headers that each attempt carries with values of Fanway's own.
const OF_THE_ATTEMPT: [&str; 4] = ["idempotency-key", "traceparent", "tracestate", "user-agent"];
/// A sender's credentials are for Fanway, not for a target.
const OF_THE_SENDER: [&str; 2] = ["authorization", "cookie"];

/// A step with its expressions compiled.
#[derive(Debug)]
pub struct CompiledStep {
    pub(crate) method: Arc<str>,
    pub(crate) when: Option<Program>,
    /// What gives its order key; it is evaluated when a message is accepted.
    pub(crate) order_by: Option<OrderBy>,
    pub(crate) path: Option<Template>,
    /// Names, as they are written in a query, and values.
    pub(crate) query: Vec<(Arc<str>, Template)>,
    pub(crate) headers: Vec<(Arc<str>, Template)>,
    pub(crate) body: Option<Program>,
    pub(crate) format: BodyFormat,
    /// Whether nothing is sent where no program makes a body.
    pub(crate) bodiless: bool,
    pub(crate) compress: Option<ContentCoding>,
    pub(crate) forward: Vec<Arc<str>>,
    pub(crate) forward_query: bool,
    /// Whether path and query are those of the message's request, as they are.
    pub(crate) keeps_address: bool,
    /// Path and query, where they are the same for each message.
    pub(crate) fixed_address: Option<Arc<str>>,
    needs_json: bool,
    needs_scope: bool,
    is_static: bool,
}

/// What gives an order key.
#[derive(Debug)]
pub(crate) struct OrderBy {
    pub(crate) program: Program,
    /// Whether it is but a path of names: it does nothing but look.
    pub(crate) is_path: bool,
}

impl CompiledStep {
    /// Compiles a step; what is wrong goes to `report`, and is left out of the result.
    pub(super) fn compile(step: &Step, report: &mut dyn FnMut(Field, CompileError)) -> Self {
        let mut compiled = Self::parts_of(step, report);
        let programs: Vec<Program> = compiled.programs().cloned().collect();
        compiled.is_static = programs.is_empty() && compiled.compress.is_none();
        compiled.needs_json = programs.iter().any(Program::reads_input);
        compiled.needs_scope = programs.iter().any(Program::reads_variables);
        compiled.fixed_address = compiled.find_fixed_address();
        compiled
    }

    fn parts_of(step: &Step, report: &mut dyn FnMut(Field, CompileError)) -> Self {
        let mut noted = |field, result| kept(report, field, result).unwrap_or_default();
        noted(Field::Method, check_token(&step.method, "method"));
        for name in &step.forward {
            noted(Field::Forward(name.as_str().into()), check_forwarded(name));
        }
        for (name, _) in &step.query {
            noted(Field::Query(name.as_str().into()), check_parameter(name));
        }
        for (name, _) in &step.headers {
            noted(Field::Header(name.as_str().into()), check_header(name));
        }
        let mut program =
            |field, source: Option<&String>| kept(report, field, Program::compile(source?));
        let when = program(Field::When, step.when.as_ref());
        let body = program(Field::Body, step.body.as_ref());
        let order_by = step.order.as_ref().map(|order| &order.by);
        let order_by = program(Field::OrderBy, order_by).zip(order_by);
        let order_by = order_by.map(|(program, source)| OrderBy {
            program,
            is_path: is_path(source),
        });
        let mut template =
            |field, source: &str, landing| kept(report, field, Template::compile(source, landing));
        let path = step
            .path
            .as_ref()
            .and_then(|path| template(Field::Path, path, Landing::Path));
        let query = templates(&step.query, Field::Query, Landing::Query, &mut template);
        let headers = templates(&step.headers, Field::Header, Landing::Header, &mut template);
        Self {
            method: step.method.as_str().into(),
            when,
            order_by,
            path,
            query,
            headers,
            body,
            format: step.format,
            bodiless: step.bodiless,
            compress: step.compress,
            forward: step
                .forward
                .iter()
                .map(|name| name.as_str().into())
                .collect(),
            forward_query: step.forward_query,
            keeps_address: step.origin.is_some(),
            fixed_address: None,
            needs_json: false,
            needs_scope: false,
            is_static: false,
        }
    }

    /// Whether there is no expression to evaluate and nothing to compress: shaping is cheap and needs
    /// no threads.
    #[must_use]
    pub fn is_static(&self) -> bool {
        self.is_static
    }

    /// Whether an expression may read the JSON body.
    #[must_use]
    pub fn needs_json(&self) -> bool {
        self.needs_json
    }

    /// Whether an expression may look at `$request`, `$message` or `$steps`.
    pub(crate) fn needs_scope(&self) -> bool {
        self.needs_scope
    }

    fn programs(&self) -> impl Iterator<Item = &Program> {
        let named = self
            .query
            .iter()
            .chain(&self.headers)
            .map(|(_, template)| template);
        let in_templates = self.path.iter().chain(named).flat_map(Template::programs);
        self.when.iter().chain(&self.body).chain(in_templates)
    }

    fn find_fixed_address(&self) -> Option<Arc<str>> {
        if self.forward_query || self.keeps_address {
            return None;
        }
        let mut address = self
            .path
            .as_ref()
            .map_or(Some(""), Template::as_static)?
            .to_owned();
        for (place, (name, value)) in self.query.iter().enumerate() {
            address.push(if place == 0 { '?' } else { '&' });
            address.push_str(name);
            address.push('=');
            address.push_str(value.as_static()?);
        }
        Some(address.into())
    }
}

/// Whether a program is but a path of names, such as `.customer.id`.
fn is_path(source: &str) -> bool {
    let mut names = source.trim().split('.');
    let is_name = |name: &str| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        !name.is_empty() && !name.as_bytes()[0].is_ascii_digit() && name.bytes().all(is_part)
    };
    names.next() == Some("") && names.all(is_name)
}

fn kept<T>(
    report: &mut dyn FnMut(Field, CompileError),
    field: Field,
    result: Result<T, CompileError>,
) -> Option<T> {
    result.map_err(|error| report(field, error)).ok()
}

fn templates(
    sources: &[(String, String)],
    field: fn(Arc<str>) -> Field,
    landing: Landing,
    compile: &mut dyn FnMut(Field, &str, Landing) -> Option<Template>,
) -> Vec<(Arc<str>, Template)> {
    let compiled = sources.iter().map(|(name, source)| {
        let name: Arc<str> = name.as_str().into();
        Some((Arc::clone(&name), compile(field(name), source, landing)?))
    });
    compiled.flatten().collect()
}

/// A name by RFC 9110, section 5.6.2.
fn check_token(name: &str, what: &str) -> Result<(), CompileError> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.is_empty() && name.bytes().all(is_good) {
        return Ok(());
    }
    Err(CompileError::new(
        0,
        format!("`{}` is no {what}", name.escape_debug()),
    ))
}

fn check_header(name: &str) -> Result<(), CompileError> {
    check_token(name, "header name")?;
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(CompileError::new(
            0,
            format!("`{name}` is not in lower case"),
        ));
    }
    if OF_THE_CONNECTION.contains(&name) {
        return Err(CompileError::new(
            0,
            format!("`{name}` belongs to the connection"),
        ));
    }
    if OF_THE_ATTEMPT.contains(&name) || name.starts_with("fanway-") {
        return Err(CompileError::new(
            0,
            format!("`{name}` is set by Fanway on each attempt"),
        ));
    }
    Ok(())
}

fn check_forwarded(name: &str) -> Result<(), CompileError> {
    check_header(name)?;
    if OF_THE_SENDER.contains(&name) {
        return Err(CompileError::new(
            0,
            format!("`{name}` holds the sender's credentials and is never forwarded"),
        ));
    }
    Ok(())
}

fn check_parameter(name: &str) -> Result<(), CompileError> {
    if name.contains('=') {
        return Err(CompileError::new(
            0,
            "`=` in a parameter's name: write `%3D`",
        ));
    }
    if name.contains('\\') || name.is_empty() {
        return Err(CompileError::new(0, "no name for a parameter"));
    }
    Template::compile(name, Landing::Query).map(drop)
}
