//! A config as a whole: the file, its top level, and what only shows when all of it is known.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fanway_types::{ByteCount, TargetName};

use crate::check::{Check, Finding};
use crate::environment::Environment;
use crate::fields::{Fields, mapping, name};
use crate::hidden;
use crate::keys::{Default, Key, Kind, Section};
use crate::problem::{Code, Errors, Problem};
use crate::routes::{self, KnownTargets, Route};
use crate::server::{self, Server};
use crate::store::{self, Store};
use crate::targets::{self, Target};
use crate::yaml::{self, Entry, Node, Span};

/// A checked config.
///
/// It has at least one target and one route; each step's target is among the targets.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where Fanway listens, and the bounds of what comes in.
    pub server: Server,
    /// Where messages are kept.
    pub store: Store,
    /// The APIs that are called.
    pub targets: BTreeMap<TargetName, Target>,
    /// What is accepted, in the order of the file.
    pub routes: Vec<Route>,
    /// What is allowed and yet probably not meant.
    pub warnings: Vec<Problem>,
}

pub(crate) static SECTION: Section = Section {
    about: "The config of a Fanway gateway.",
    elsewhere: &[(
        "senders",
        "not in this release: who may send is for what stands before Fanway",
    )],
    keys: &[
        Key {
            name: "version",
            kind: Kind::Count { least: 1, most: 1 },
            default: Default::Is("1"),
            about: "The version of this format. A file without it is version 1 for ever.",
        },
        Key {
            name: "server",
            kind: Kind::Section(&server::SECTION),
            default: Default::Unset,
            about: "Where Fanway listens, and the bounds of what comes in.",
        },
        Key {
            name: "store",
            kind: Kind::Section(&store::SECTION),
            default: Default::Unset,
            about: "Where messages are kept, how surely and for how long.",
        },
        Key {
            name: "targets",
            kind: Kind::Named(&targets::SECTION),
            default: Default::Required,
            about: "The APIs that Fanway calls, by name.",
        },
        Key {
            name: "routes",
            kind: Kind::Named(&routes::SECTION),
            default: Default::Required,
            about: "What Fanway accepts, by name.",
        },
    ],
};

/// What a segment of the local store has to have beyond a body: room for the message's headers and
/// the journal's own. The same as in its `largest_message`, which the config mustn't depend on.
const BESIDE_BODY: ByteCount = ByteCount::kib(64);

const SMALLEST: &str = "the smallest config is
targets:
  inventory: { url: http://127.0.0.1:9101/stock }
routes:
  orders:
    match: POST /orders
    send: [inventory]";

impl Config {
    /// Reads a config from a file.
    ///
    /// # Errors
    /// Where the file can't be read, and otherwise with all that is wrong with it.
    pub fn load(path: &Path, environment: &dyn Environment) -> Result<Self, Errors> {
        let file = path.display().to_string();
        let unreadable =
            |message| Errors::new(vec![Problem::with_file(Code::Unreadable, &file, message)]);
        let bytes =
            fs::read(path).map_err(|error| unreadable(format!("can't be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = good.split(|byte| *byte == b'\n').count();
            unreadable(format!("is not UTF-8 in line {line}"))
        })?;
        Self::parse(&text, &file, environment)
    }

    /// Reads a config from a text; `file` is what problems call it.
    ///
    /// # Errors
    /// With all that is wrong with it.
    pub fn parse(text: &str, file: &str, environment: &dyn Environment) -> Result<Self, Errors> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let check = Check::new(file, text, environment);
        let root = yaml::read(text, |finding| check.report(finding)).unwrap_or_else(|finding| {
            // Without a tree nobody knows where credentials stand.
            hidden::hide_lines(&check);
            check.report(*finding);
            None
        });
        let config = match &root {
            Some(root) => {
                hidden::hide_values(&check, root);
                Fields::read(&check, root, &SECTION, read)
            }
            None => {
                report_empty(&check);
                None
            }
        };
        let (errors, warnings) = check.finish();
        match config {
            Some(config) if errors.is_empty() => Ok(Self { warnings, ..config }),
            _ => Err(Errors::new(errors)),
        }
    }
}

fn report_empty(check: &Check<'_>) {
    if !check.has_errors() {
        let finding = Finding::new(
            Code::Missing,
            Span::one(1, 1),
            "there is nothing in this file".to_owned(),
        );
        check.report(finding.hint(SMALLEST));
    }
}

fn read(fields: &Fields<'_>) -> Option<Config> {
    let check = fields.check;
    let version: Option<u32> = fields.value("version");
    let server = fields.section("server", server::read);
    let store = fields.section("store", store::read);
    let target_entries = named(fields, "targets");
    let route_entries = named(fields, "routes");
    let known = KnownTargets::new(
        target_entries
            .iter()
            .copied()
            .flatten()
            .map(|entry| entry.key.as_str()),
    );
    let targets = target_entries.map(|entries| {
        entries
            .iter()
            .map(|entry| read_target(check, entry))
            .collect::<Vec<_>>()
    });
    let routes = route_entries.and_then(|entries| routes::read_all(check, entries, &known));
    if route_entries.is_some() {
        warn_unused(check, target_entries.unwrap_or_default(), &known);
    }
    version?;
    let (server, store) = (server?, store?);
    check_body(fields, &server, &store);
    Some(Config {
        server,
        store,
        targets: targets?.into_iter().collect::<Option<_>>()?,
        routes: routes?,
        warnings: Vec::new(),
    })
}

/// A body has to fit into a segment. Where its limit is only the default, a small segment lowers it.
fn check_body(fields: &Fields<'_>, server: &Server, store: &Store) {
    let (max_body, segment) = (server.max_body, store.segment);
    let most = ByteCount::new(segment.get().saturating_sub(BESIDE_BODY.get()));
    if max_body <= most {
        return;
    }
    let written_segment = written(fields, "store", "segment");
    if let Some(node) = written(fields, "server", "max_body") {
        let message = format!("\"max_body\" is more than fits into a segment of {segment}: {most}");
        let finding = Finding::new(Code::Fit, node.span, message);
        fields.check.report(match written_segment {
            Some(segment) => finding.also(segment.span, "the segment"),
            None => finding,
        });
    } else {
        // Segments are smaller than the default of `max_body` only where they were written.
        let span = written_segment.map_or(fields.span, |node| node.span);
        let message = format!(
            "no body of more than {most} fits into a segment of {segment}, so that is the limit instead of the {max_body} of `server.max_body`"
        );
        fields.check.warn(Finding::new(Code::Fit, span, message));
    }
}

/// What was written for a key of a section.
fn written<'a>(fields: &Fields<'a>, section: &'static str, key: &str) -> Option<&'a Node> {
    let yaml::Value::Mapping(entries) = &fields.entry(section)?.node.value else {
        return None;
    };
    let entry = entries.iter().find(|entry| entry.key == key)?;
    Some(&entry.node)
}

/// The entries of a mapping that has to be there, and has to have some.
fn named<'a>(fields: &Fields<'a>, name: &'static str) -> Option<&'a [Entry]> {
    let entry = fields.required(name)?;
    let is_empty = |node: &Node| {
        node.is_nothing()
            || matches!(&node.value, yaml::Value::Mapping(entries) if entries.is_empty())
    };
    if is_empty(&entry.node) {
        let message = format!("there is nothing under \"{name}\"");
        fields
            .check
            .report(Finding::new(Code::Missing, entry.key_span, message));
        return None;
    }
    mapping(fields.check, &entry.node, &Kind::Named(&SECTION))
}

fn read_target(check: &Check<'_>, entry: &Entry) -> Option<(TargetName, Target)> {
    let name: Option<TargetName> = name(check, entry);
    let target = Fields::read(check, &entry.node, &targets::SECTION, targets::read);
    Some((name?, target?))
}

fn warn_unused(check: &Check<'_>, targets: &[Entry], known: &KnownTargets<'_>) {
    for entry in targets.iter().filter(|entry| !known.is_used(&entry.key)) {
        check.warn(Finding::new(
            Code::Unused,
            entry.key_span,
            format!("no route sends to the target `{}`", entry.key),
        ));
    }
}
