//! A config as a whole: its files, the top level, and what only shows when all of it is known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fanway_types::{ByteCount, TargetName};

use crate::callbacks::{self, Callbacks};
use crate::check::{Check, Finding};
use crate::egress::{self, Egress};
use crate::environment::Environment;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::problem::{Code, Errors, Problem};
use crate::reference::Reference;
use crate::routes::{self, Beside, Route};
use crate::secrets::{self, Secrets};
use crate::server::{self, Server};
use crate::store::{self, Store};
use crate::targets::{self, KnownTargets, Target};
use crate::yaml::{self, Entry, File, Node, Span};
use crate::{document, include};

/// A checked config.
///
/// It has at least one target and one route; each target that a route names is among the targets.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where Fanway listens, and the bounds of what comes in.
    pub server: Server,
    /// Where messages are kept.
    pub store: Store,
    /// Where Fanway may connect to.
    pub egress: Egress,
    /// How those are told who name a URL themselves.
    pub callbacks: Callbacks,
    /// How commands and vaults are asked for secrets.
    pub secrets: Secrets,
    /// What they were asked for.
    pub references: BTreeSet<Reference>,
    /// The APIs that are called.
    pub targets: BTreeMap<TargetName, Target>,
    /// What is accepted, in the order of the files.
    pub routes: Vec<Route>,
    /// Every file and folder that was read, for watching: the config's own, main file first, and
    /// those of `${file:…}`. A relative one starts at the working directory.
    pub files: Vec<PathBuf>,
    /// What tells this config from others: the first 64 bits of a SHA-256, as 16 hexadecimal
    /// digits, over the names and contents of the config's files and the values that were put in
    /// for `${…}`. The folder of the main file doesn't count.
    pub fingerprint: String,
    /// What is allowed and yet probably not meant.
    pub warnings: Vec<Problem>,
}

/// For what the main file may leave to an included one.
const REQUIRED: Default = Default::Depends("**required**, here or in an included file");

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
            name: "include",
            kind: Kind::List(&Kind::Source),
            default: Default::Unset,
            about: "Files with more targets and routes, and folders, of which each `*.yaml` and `*.yml` is read, by name, not those in folders below and not those whose name begins with a dot. A relative path starts at the folder of this file. An included file has `targets` and `routes` only; no name stands twice.",
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
            name: "egress",
            kind: Kind::Section(&egress::SECTION),
            default: Default::Unset,
            about: "Where Fanway may connect to. What comes from data (callbacks' addresses) reaches the public internet only, unless it is said otherwise here.",
        },
        Key {
            name: "secrets",
            kind: Kind::Section(&secrets::SECTION),
            default: Default::Unset,
            about: "How `${command:…}` and `${vault:…}` are asked, and how often again.",
        },
        Key {
            name: "callbacks",
            kind: Kind::Section(&callbacks::SECTION),
            default: Default::Unset,
            about: "How senders are told who name a URL themselves, in `Fanway-Callback`. A route's `callback` says which they may name.",
        },
        Key {
            name: "targets",
            kind: Kind::Named(&targets::SECTION),
            default: REQUIRED,
            about: "The APIs that Fanway calls, by name.",
        },
        Key {
            name: "routes",
            kind: Kind::Named(&routes::SECTION),
            default: REQUIRED,
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
    /// Reads a config from a file, and from those that it includes.
    ///
    /// # Errors
    /// Where the file can't be read, and otherwise with all that is wrong with it.
    pub fn load(path: &Path, environment: &dyn Environment) -> Result<Self, Errors> {
        match document::read_text(path) {
            Ok(text) => Self::read(path, &text, environment),
            Err(message) => {
                let file = path.display().to_string();
                let problem = Problem::with_file(Code::Unreadable, file, message);
                Err(Errors::new(vec![problem], vec![path.to_owned()]))
            }
        }
    }

    /// Reads a config from a text, and from the files that it includes; `file` is what problems
    /// call it, what relative paths of `include` start beside, and the first of `files`, whether
    /// it is there or not.
    ///
    /// # Errors
    /// With all that is wrong with it.
    pub fn parse(text: &str, file: &str, environment: &dyn Environment) -> Result<Self, Errors> {
        Self::read(Path::new(file), text, environment)
    }

    fn read(path: &Path, text: &str, environment: &dyn Environment) -> Result<Self, Errors> {
        let check = Check::new(path, environment);
        check.sources.note(path);
        let sections = document::read(&check, path, text).and_then(|main| match &main.root {
            Some(root) => Fields::read(&check, root, &SECTION, |fields| read(fields, path)),
            None => {
                report_empty(&check, main.file);
                None
            }
        });
        let found = check.finish();
        match sections {
            Some(sections) if found.errors.is_empty() => Ok(Self {
                server: sections.server,
                store: sections.store,
                egress: sections.egress,
                callbacks: sections.callbacks,
                secrets: sections.secrets,
                references: found.references,
                targets: sections.targets,
                routes: sections.routes,
                files: found.files,
                fingerprint: found.fingerprint,
                warnings: found.warnings,
            }),
            _ => Err(Errors::new(found.errors, found.files)),
        }
    }
}

fn report_empty(check: &Check<'_>, file: File) {
    if !check.has_errors() {
        let finding = Finding::new(
            Code::Missing,
            Span::one(file, 1, 1),
            "there is nothing in this file".to_owned(),
        );
        check.report(finding.hint(SMALLEST));
    }
}

/// What stands in the files.
struct Sections {
    server: Server,
    store: Store,
    egress: Egress,
    secrets: Secrets,
    callbacks: Callbacks,
    targets: BTreeMap<TargetName, Target>,
    routes: Vec<Route>,
}

/// Reads the main file, whose path is `main`, and those that it includes.
fn read(fields: &Fields<'_>, main: &Path) -> Option<Sections> {
    let check = fields.check;
    let version: Option<u32> = fields.value("version");
    // First, since all else may refer to what has to be asked for in this way.
    let secrets = fields.section("secrets", secrets::read);
    check.ask_by(secrets.clone().unwrap_or_else(Secrets::broken));
    let included = include::read(fields, "include", main);
    let server = fields.section("server", server::read);
    let store = fields.section("store", store::read);
    let read_egress = fields.section("egress", egress::read);
    let egress = read_egress.clone().unwrap_or_default();
    let callbacks = fields.section("callbacks", |inner| {
        callbacks::read(inner, egress.data.clone())
    });
    let (targets, routes) = include::gather(fields, &included);
    let known = if targets.is_partial {
        KnownTargets::some(&targets.entries)
    } else {
        KnownTargets::all(&targets.entries)
    };
    let beside = Beside {
        targets: &known,
        messages: store.as_ref().map(|store| store.keep.messages),
        messages_span: written(fields, "store", &["keep", "messages"]).map(|node| node.span),
        signs_callbacks: written(fields, "callbacks", &["sign"]).is_some(),
        egress: &egress.data,
    };
    let read_targets = targets::read_all(check, &targets.entries, &known, &egress.targets);
    let read_routes = routes::read_all(check, &routes.entries, &beside);
    if !routes.is_partial && !routes.entries.is_empty() {
        warn_unused(check, &targets.entries, &known);
    }
    version?;
    let (server, store) = (server?, store?);
    check_body(fields, &server, &store);
    Some(Sections {
        server,
        store,
        egress: read_egress?,
        secrets: secrets?,
        callbacks: callbacks?,
        targets: read_targets?,
        routes: read_routes?,
    })
}

/// A body has to fit into a segment. Where its limit is only the default, a small segment lowers it.
fn check_body(fields: &Fields<'_>, server: &Server, store: &Store) {
    let (max_body, segment) = (server.max_body, store.segment);
    let most = ByteCount::new(segment.get().saturating_sub(BESIDE_BODY.get()));
    if max_body <= most {
        return;
    }
    let written_segment = written(fields, "store", &["segment"]);
    if let Some(node) = written(fields, "server", &["max_body"]) {
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

/// What was written below a section.
fn written<'n>(fields: &Fields<'n>, section: &'static str, path: &[&str]) -> Option<&'n Node> {
    path.iter()
        .try_fold(&fields.entry(section)?.node, |node, key| {
            match &node.value {
                yaml::Value::Mapping(entries) => {
                    let entry = entries.iter().find(|entry| entry.key == *key);
                    entry.map(|entry| &entry.node)
                }
                yaml::Value::Scalar(_) | yaml::Value::Sequence(_) => None,
            }
        })
}

fn warn_unused(check: &Check<'_>, targets: &[&Entry], known: &KnownTargets<'_>) {
    for entry in targets.iter().filter(|entry| !known.is_used(&entry.key)) {
        check.warn(Finding::new(
            Code::Unused,
            entry.key_span,
            format!("no route sends to the target `{}`", entry.key),
        ));
    }
}
