//! What a target's answers count as: `success`, and under `retry` what is `on` and what is `never`.

use fanway_policy::exchange::{Otherwise, Params, Worth};
use fanway_policy::statuses::Statuses;
use fanway_transform::Predicate;

use crate::check::Finding;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::nodes::one_or_more;
use crate::problem::Code;
use crate::value::{FromText, Refusal};
use crate::yaml::{Entry, Value};

/// What a target's answers count as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By their statuses.
    pub answers: Params,
    /// A jq program that the body of an answer has to satisfy that has the status of a success.
    pub body: Option<String>,
}

/// What stands under `success`.
pub(super) struct Success {
    status: Vec<Statuses>,
    body: Option<String>,
    otherwise: Otherwise,
}

/// What is worth another attempt, and what never is.
pub(crate) struct Retried {
    pub(crate) on: Vec<Worth>,
    pub(crate) never: Vec<Statuses>,
}

pub(super) static SECTION: Section = Section {
    about: "Which answers are a success.",
    elsewhere: &[],
    keys: &[
        Key {
            name: "status",
            kind: Kind::OneOrMore(&Kind::Statuses),
            default: Default::Is("2xx"),
            about: "Their statuses. A class or a range doesn't take in 401, 407 and 429, which are about Fanway and not about the message: named by themselves they are a success.",
        },
        Key {
            name: "body",
            kind: Kind::Program,
            default: Default::Unset,
            about: "A jq program over the body of an answer with such a status; the answer is a success where it gives anything but `false` and `null`. The body is read up to 64 KiB. One that is longer or no JSON, or that the program fails on, is refused.",
        },
        Key {
            name: "otherwise",
            kind: Kind::Choice(&["retry", "fail"]),
            default: Default::Is("retry"),
            about: "What an answer is that `body` refuses: worth another attempt, or final.",
        },
    ],
};

impl FromText for Otherwise {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        match text {
            "retry" => Ok(Self::Retry),
            "fail" => Ok(Self::Fail),
            _ => Err(Refusal::Unexpected),
        }
    }
}

impl FromText for Statuses {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        text.parse().map_err(|_| Refusal::Unexpected)
    }
}

impl FromText for Worth {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        text.parse().map_err(|_| Refusal::Unexpected)
    }
}

/// Reads `success`: a program, or a mapping.
pub(super) fn read_success(fields: &Fields<'_>) -> Option<Success> {
    match fields.entry("success") {
        Some(Entry { node, .. }) if matches!(node.value, Value::Mapping(_)) => {
            Fields::read(fields.check, node, &SECTION, read_parts)
        }
        Some(_) | None => fields.expression("success", predicate).map(|body| Success {
            status: Params::default().success,
            body,
            otherwise: Otherwise::default(),
        }),
    }
}

fn read_parts(fields: &Fields<'_>) -> Option<Success> {
    let status = several(fields, "status", &Kind::OneOrMore(&Kind::Statuses), || {
        Params::default().success
    });
    let body = fields.expression("body", predicate);
    let otherwise = fields.value("otherwise");
    let otherwise_entry = fields.entry("otherwise");
    let (body, otherwise) = (body?, otherwise?);
    if let (None, Some(entry)) = (&body, otherwise_entry) {
        let message = "`otherwise` is about what `body` refuses, and there is none".to_owned();
        let finding = Finding::new(Code::Fit, entry.key_span, message);
        fields.check.report(finding);
        return None;
    }
    Some(Success {
        status: status?,
        body,
        otherwise,
    })
}

fn predicate(text: &str) -> Result<(), (usize, String)> {
    let compiled = Predicate::compile(text);
    compiled
        .map(drop)
        .map_err(|error| (error.offset, error.message))
}

/// Reads `on` and `never`.
pub(crate) fn read_retried(fields: &Fields<'_>) -> Option<Retried> {
    let on = several(fields, "on", &Kind::OneOrMore(&Kind::Worth), || {
        Params::default().on
    });
    let never = several(fields, "never", &Kind::OneOrMore(&Kind::Statuses), Vec::new);
    Some(Retried {
        on: on?,
        never: never?,
    })
}

fn several<T: FromText>(
    fields: &Fields<'_>,
    name: &'static str,
    kind: &Kind,
    otherwise: impl FnOnce() -> Vec<T>,
) -> Option<Vec<T>> {
    match fields.entry(name) {
        Some(entry) => one_or_more(fields.check, &entry.node, kind),
        None => Some(otherwise()),
    }
}

impl Counts {
    /// Puts together what was read of a target. What of `never` is a success all the same, and
    /// would do nothing, is reported.
    pub(super) fn of(fields: &Fields<'_>, success: Success, retried: Retried) -> Option<Self> {
        let Success {
            status,
            body,
            otherwise,
        } = success;
        let is_success = |it: u16| status.iter().any(|some| some.iter().any(|one| one == it));
        let idle = retried
            .never
            .iter()
            .find(|some| some.iter().all(is_success));
        if let (Some(idle), Some(entry)) = (idle, fields.entry("retry")) {
            let message = format!("`never` has {idle}, which is a success");
            let finding = Finding::new(Code::Fit, entry.node.span, message);
            let hint = "`success` says which statuses are: `{ status: [200] }`";
            fields.check.report(finding.hint(hint));
            return None;
        }
        let answers = Params {
            success: status,
            on: retried.on,
            never: retried.never,
            otherwise,
        };
        Some(Self { answers, body })
    }

    /// The same where nothing is said of success.
    pub(crate) fn of_retried(retried: Retried) -> Self {
        let answers = Params {
            on: retried.on,
            never: retried.never,
            ..Params::default()
        };
        Self {
            answers,
            body: None,
        }
    }
}
