//! `send`: the steps of a route.

use fanway_transform::{CompileError, Landing, Program, Template};
use fanway_types::{Step, StepName, StepOrder, TargetName, WhenDead};
use http::Method;

use super::{body, names};
use crate::check::{Check, Finding};
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::nodes::{found, list};
use crate::problem::Code;
use crate::targets::KnownTargets;
use crate::value::{FromText, Refusal};
use crate::yaml::{Node, Value};

pub(crate) static SECTION: Section = Section {
    about: "One send to one target.",
    elsewhere: &[
        ("each", "fanning out over a list is not in this release"),
        (
            "needs",
            "steps that need each other are not in this release",
        ),
        ("url", "the address is the target's: under `targets`"),
        ("timeout", "the time-out is the target's: under `targets`"),
        ("retry", "retries are the target's: under `targets`"),
    ],
    keys: &[
        Key {
            name: "to",
            kind: Kind::Name,
            default: Default::Required,
            about: "The target.",
        },
        Key {
            name: "as",
            kind: Kind::Name,
            default: Default::Depends("the target's name"),
            about: "The step's name, unique within the route.",
        },
        Key {
            name: "method",
            kind: Kind::Method,
            default: Default::Is("POST"),
            about: "The method of the request that is sent.",
        },
        Key {
            name: "path",
            kind: Kind::Template,
            default: Default::Unset,
            about: "Appended to the target's URL: `/orders/\\(.id)`. Values are percent-encoded.",
        },
        Key {
            name: "query",
            kind: Kind::Templates,
            default: Default::Unset,
            about: "Parameters that are added to the query. Values are percent-encoded.",
        },
        Key {
            name: "headers",
            kind: Kind::Templates,
            default: Default::Unset,
            about: "Headers that are set. Not credentials, which stand under the target, and not what Fanway or HTTP itself sets.",
        },
        Key {
            name: "body",
            kind: Kind::Program,
            default: Default::Depends(
                "the request's body, byte for byte; with `GET`, `HEAD`, `DELETE` and `TRACE` none",
            ),
            about: "Makes the body from the request's JSON.",
        },
        Key {
            name: "format",
            kind: Kind::Choice(&["json", "form", "multipart", "xml", "text", "binary"]),
            default: Default::Is("json"),
            about: "In which form what `body` gives is sent; the `content-type` says so, unless `headers` set another. [What each form takes](requests.md).",
        },
        Key {
            name: "compress",
            kind: Kind::Choice(&["gzip"]),
            default: Default::Unset,
            about: "How the body is compressed. One that passes unchanged and has a `content-encoding` already stays as it is.",
        },
        Key {
            name: "when",
            kind: Kind::Program,
            default: Default::Unset,
            about: "Where it gives `false` or `null` the step is skipped.",
        },
        Key {
            name: "order_by",
            kind: Kind::Program,
            default: Default::Unset,
            about: "Gives each message's order key, when it is accepted. Of the deliveries to one target with the same key, one goes after the other, in the order of acceptance; other keys flow on. `null` is no key. Where it fails, or gives an array or an object, the request is refused.",
        },
        Key {
            name: "order",
            kind: Kind::Choice(&["skip", "block", "dead_letter_rest"]),
            default: Default::Is("skip"),
            about: "What happens to an order key when one of its deliveries is dead: the next has its turn (`skip`); nothing of the key goes on until the dead letter is redriven or discarded (`block`); what was accepted with the key by then becomes dead letters too (`dead_letter_rest`).",
        },
        Key {
            name: "critical",
            kind: Kind::Flag,
            default: Default::Is("true"),
            about: "Whether its failure leaves the message `failed`, or only `partial`.",
        },
        Key {
            name: "forward",
            kind: Kind::List(&Kind::Header),
            default: Default::Unset,
            about: "Headers of the request that are passed on, and with the word `query` its query. `content-type` and `content-encoding` go with a body that passes unchanged, without being named. Never `authorization` or `cookie`.",
        },
    ],
};

impl FromText for WhenDead {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        let mut all = Self::ALL.into_iter();
        all.find(|word| word.as_str() == text)
            .ok_or(Refusal::Unexpected)
    }
}

/// What could be read of a step.
#[derive(Default)]
struct Read<'n> {
    name: Option<(StepName, &'n Node)>,
    step: Option<Step>,
}

pub(super) fn read(
    fields: &Fields<'_>,
    name: &'static str,
    targets: &KnownTargets<'_>,
) -> Option<Vec<Step>> {
    let check = fields.check;
    let entry = fields.required(name)?;
    let items = list(check, &entry.node, &Kind::List(&Kind::Name))?;
    if items.is_empty() {
        let message = "a route has at least one step".to_owned();
        check.report(Finding::new(Code::Value, entry.node.span, message));
        return None;
    }
    let read: Vec<Read<'_>> = items
        .iter()
        .map(|item| read_item(check, item, targets))
        .collect();
    report_same_names(check, &read);
    read.into_iter().map(|read| read.step).collect()
}

fn report_same_names(check: &Check<'_>, steps: &[Read<'_>]) {
    let names: Vec<&(StepName, &Node)> =
        steps.iter().filter_map(|read| read.name.as_ref()).collect();
    for (index, (name, node)) in names.iter().enumerate() {
        if let Some((_, first)) = names[..index].iter().find(|(other, _)| other == name) {
            let message = format!("two steps are named {}", found(check, node));
            let finding = Finding::new(Code::Fit, node.span, message).also(first.span, "the first");
            check.report(finding.hint("`as` gives a step a name of its own: { to: …, as: … }"));
        }
    }
}

fn read_item<'n>(check: &'n Check<'n>, item: &'n Node, targets: &KnownTargets<'_>) -> Read<'n> {
    match &item.value {
        Value::Mapping(_) => {
            let read = Fields::read(check, item, &SECTION, |fields| {
                Some(read_step(fields, targets))
            });
            read.unwrap_or_default()
        }
        Value::Scalar(_) | Value::Sequence(_) => {
            let Some(target) = targets.read(check, item) else {
                return Read::default();
            };
            let name = own_name(&target);
            let step = targets.has(&target).then(|| plain(&target, name.clone()));
            Read {
                name: Some((name, item)),
                step,
            }
        }
    }
}

/// The name of a step that isn't given one.
fn own_name(target: &TargetName) -> StepName {
    target
        .as_str()
        .parse()
        .expect("names of targets and steps follow one rule")
}

/// A step that passes on what came.
pub(super) fn plain(target: &TargetName, name: StepName) -> Step {
    Step::new(name, target.clone())
}

fn read_step<'n>(fields: &Fields<'n>, targets: &KnownTargets<'_>) -> Read<'n> {
    let check = fields.check;
    let to = fields.required("to");
    let target = to.and_then(|entry| Some((targets.read(check, &entry.node)?, &entry.node)));
    let given: Option<Option<StepName>> = fields.optional("as");
    let given = given.map(|name| name.zip(fields.entry("as").map(|entry| &entry.node)));
    let name = given.and_then(|given| {
        given.or_else(|| {
            target
                .as_ref()
                .map(|(target, node)| (own_name(target), *node))
        })
    });
    let target = target
        .map(|(target, _)| target)
        .filter(|target| targets.has(target));
    if let Some(target) = &target {
        report_order_lost(fields, targets, target);
    }
    let step = read_parts(fields, target, name.as_ref().map(|(name, _)| name.clone()));
    Read { name, step }
}

/// What goes to a fallback has left its line, and the next of its key would overtake it.
fn report_order_lost(fields: &Fields<'_>, targets: &KnownTargets<'_>, target: &TargetName) {
    let ordered = fields.entry("order_by");
    if let Some((ordered, fallback)) = ordered.zip(targets.fallback(target)) {
        let message = format!("`{target}` has a fallback, so it can't keep an order");
        let finding = Finding::new(Code::Fit, ordered.node.span, message);
        fields.check.report(finding.also(fallback, "its fallback"));
    }
}

fn read_parts(
    fields: &Fields<'_>,
    target: Option<TargetName>,
    name: Option<StepName>,
) -> Option<Step> {
    let method = method(fields);
    let path = fields.expression("path", path_template);
    let query = names::query(fields, "query");
    let headers = names::headers(fields, "headers");
    let body = body::read(fields, method.as_ref(), headers.as_ref());
    let when = fields.expression("when", program);
    let order = order(fields);
    let critical = fields.value("critical");
    let forward = names::forward(fields, "forward");
    let (forward, body) = (forward?, body?);
    Some(Step {
        method: method?.to_string(),
        path: path?,
        query: query?,
        headers: headers?,
        body: body.program,
        format: body.format,
        bodiless: body.bodiless,
        compress: body.compress,
        when: when?,
        critical: critical?,
        forward: forward.headers,
        forward_query: forward.query,
        order: order?,
        ..Step::new(name?, target?)
    })
}

fn method(fields: &Fields<'_>) -> Option<Method> {
    let method: Method = fields.value("method")?;
    if let Some(entry) = fields.entry("method").filter(|_| method == Method::CONNECT) {
        let message = "CONNECT asks a proxy for a tunnel, and is no request to an API".to_owned();
        let finding = Finding::new(Code::Value, entry.node.span, message);
        fields.check.report(finding);
        return None;
    }
    Some(method)
}

/// `order_by` and `order`: the second says nothing without the first.
fn order(fields: &Fields<'_>) -> Option<Option<StepOrder>> {
    let by = fields.expression("order_by", program);
    let when_dead: Option<WhenDead> = fields.value("order");
    if let (Some(None), Some(entry)) = (&by, fields.entry("order")) {
        let message = "`order` says nothing without `order_by`".to_owned();
        let finding = Finding::new(Code::Fit, entry.node.span, message);
        fields.check.report(finding);
        return None;
    }
    let (by, when_dead) = by.zip(when_dead)?;
    Some(by.map(|by| StepOrder { by, when_dead }))
}

pub(super) fn program(text: &str) -> Result<(), (usize, String)> {
    Program::compile(text).map(drop).map_err(placed)
}

fn path_template(text: &str) -> Result<(), (usize, String)> {
    Template::compile(text, Landing::Path)
        .map(drop)
        .map_err(placed)
}

/// What went wrong in an expression, and at which byte.
pub(super) fn placed(error: CompileError) -> (usize, String) {
    (error.offset, error.message)
}
