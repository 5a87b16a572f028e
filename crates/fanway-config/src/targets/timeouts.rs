//! `timeout`: how long an attempt may take, as a whole or part by part.

use std::time::Duration;

use crate::check::Finding;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Least, Section};
use crate::problem::Code;
use crate::yaml::{Entry, Value};

/// How long an attempt may take; neither part is longer than the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until there is a connection, TLS included.
    pub connect: Duration,
    /// Until the answer's head is there, counted from when there is a connection, and from the last
    /// 64 KiB that the target has taken of a long body.
    pub first_byte: Duration,
    /// Until the answer has been read.
    pub whole: Duration,
}

/// The longest wait for a connection where none is given: a target that can't be reached within
/// it is rarely reached at all.
const CONNECT: Duration = Duration::from_secs(5);

pub(crate) static SECTION: Section = Section {
    about: "How long an attempt may take, part by part.",
    elsewhere: &[],
    keys: &[
        Key {
            name: "connect",
            kind: Kind::Duration(Least::AboveZero),
            default: Default::Depends("`5s`, or `whole` where that is less"),
            about: "Until there is a connection, TLS included.",
        },
        Key {
            name: "first_byte",
            kind: Kind::Duration(Least::AboveZero),
            default: Default::Depends("`whole`"),
            about: "Until the answer's head is there, counted from when there is a connection, and from the last 64 KiB that the target has taken of a long body.",
        },
        Key {
            name: "whole",
            kind: Kind::Duration(Least::AboveZero),
            default: Default::Is("10s"),
            about: "Until the answer has been read.",
        },
    ],
};

pub(crate) fn read(fields: &Fields<'_>, name: &'static str) -> Option<Timeouts> {
    match fields.entry(name) {
        Some(Entry { node, .. }) if matches!(node.value, Value::Mapping(_)) => {
            Fields::read(fields.check, node, &SECTION, read_parts)
        }
        Some(_) | None => fields.value(name).map(|whole: Duration| Timeouts {
            connect: CONNECT.min(whole),
            first_byte: whole,
            whole,
        }),
    }
}

fn read_parts(fields: &Fields<'_>) -> Option<Timeouts> {
    let whole = fields.value("whole");
    let connect = fields.optional("connect");
    let first_byte = fields.optional("first_byte");
    let whole: Duration = whole?;
    let connect = connect?.unwrap_or(CONNECT.min(whole));
    let first_byte = first_byte?.unwrap_or(whole);
    let mut fits = true;
    for (name, part) in [("connect", connect), ("first_byte", first_byte)] {
        if let Some(entry) = fields.entry(name).filter(|_| part > whole) {
            let message = format!("\"{name}\" is longer than the whole attempt");
            let finding = Finding::new(Code::Fit, entry.node.span, message);
            fields.check.report(match fields.entry("whole") {
                Some(whole) => finding.also(whole.node.span, "the whole attempt"),
                None => finding.hint("`whole` is 10s where it isn't given"),
            });
            fits = false;
        }
    }
    fits.then_some(Timeouts {
        connect,
        first_byte,
        whole,
    })
}
