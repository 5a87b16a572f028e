//! `include`: other files with targets and routes, and what all files together have of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::check::{Check, Finding};
use crate::document;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::nodes::{list, mapping, scalar, verbatim};
use crate::problem::Code;
use crate::yaml::{Entry, Node, Span, Value};
use crate::{routes, targets};

const NOT_HERE: &str =
    "that belongs into the main file: an included one has only targets and routes";

const AS_THEY_ARE: &str =
    "files are named as they are, and a relative path starts at the folder of this one";

/// What an included file has.
static SECTION: Section = Section {
    about: "A file of a config that another one includes.",
    elsewhere: &[
        (
            "include",
            "included files don't include others: name it in the main file",
        ),
        ("version", NOT_HERE),
        ("server", NOT_HERE),
        ("store", NOT_HERE),
        ("egress", NOT_HERE),
        ("secrets", NOT_HERE),
        ("callbacks", NOT_HERE),
    ],
    keys: &[
        Key {
            name: "targets",
            kind: Kind::Named(&targets::SECTION),
            default: Default::Unset,
            about: "The APIs that Fanway calls, by name.",
        },
        Key {
            name: "routes",
            kind: Kind::Named(&routes::SECTION),
            default: Default::Unset,
            about: "What Fanway accepts, by name.",
        },
    ],
};

/// The included files.
pub(crate) struct Included {
    /// What each of them has, in the order in which they are named.
    roots: Vec<Node>,
    /// Whether one of them couldn't be read.
    is_partial: bool,
}

/// Files on their way.
struct Reading<'c> {
    check: &'c Check<'c>,
    /// Files by what the file system calls them, with where they are named first; the main file
    /// is named nowhere.
    seen: BTreeMap<PathBuf, Option<Span>>,
    roots: Vec<Node>,
}

/// Reads what `include` names; `main` is the path of the file that it stands in.
pub(crate) fn read(fields: &Fields<'_>, name: &'static str, main: &Path) -> Included {
    let mut reading = Reading {
        check: fields.check,
        seen: BTreeMap::from([(own_name(main), None)]),
        roots: Vec::new(),
    };
    let items = fields.entry(name).map_or(Some(&[][..]), |entry| {
        list(fields.check, &entry.node, &Kind::List(&Kind::Source))
    });
    let mut is_partial = items.is_none();
    for item in items.unwrap_or_default() {
        is_partial |= reading.item(item).is_none();
    }
    Included {
        roots: reading.roots,
        is_partial,
    }
}

/// What the file system calls a file, or its path where there is none.
fn own_name(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

impl Reading<'_> {
    /// Reads an item of the list; `None` where something of it couldn't be read.
    fn item(&mut self, item: &Node) -> Option<()> {
        verbatim(
            self.check,
            item,
            &Kind::Source,
            ("the names of files", AS_THEY_ARE),
        )?;
        let path: PathBuf = scalar(self.check, item, &Kind::Source)?;
        let path = self.check.sources.folder().join(path);
        self.check.sources.note(&path);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => self.folder(item, &path),
            Ok(_) => self.file(item, &path),
            Err(error) => self.unreadable(item, &path, &format!("can't be read: {error}")),
        }
    }

    fn folder(&mut self, item: &Node, path: &Path) -> Option<()> {
        let files = match files_in(path) {
            Ok(files) => files,
            Err(error) => {
                return self.unreadable(item, path, &format!("can't be read: {error}"));
            }
        };
        let mut is_whole = true;
        for file in files {
            self.check.sources.note(&file);
            is_whole &= self.file(item, &file).is_some();
        }
        is_whole.then_some(())
    }

    fn file(&mut self, item: &Node, path: &Path) -> Option<()> {
        if let Some(first) = self.seen.insert(own_name(path), Some(item.span)) {
            self.report_again(item, path, first);
            return Some(());
        }
        let text = match document::read_text(path) {
            Ok(text) => text,
            Err(message) => return self.unreadable(item, path, &message),
        };
        let document = document::read(self.check, path, &text)?;
        self.roots.extend(document.root);
        Some(())
    }

    fn unreadable(&self, item: &Node, path: &Path, why: &str) -> Option<()> {
        let message = format!("{} {why}", path.display());
        let finding = Finding::new(Code::Unreadable, item.span, message);
        self.check.report(
            finding.hint("a relative path starts at the folder of the file that it stands in"),
        );
        None
    }

    fn report_again(&self, item: &Node, path: &Path, first: Option<Span>) {
        let path = path.display();
        let finding = |message| Finding::new(Code::Fit, item.span, message);
        self.check.report(match first {
            None => finding(format!("{path} is the file that this stands in")),
            Some(span) if span == item.span => finding(format!("{path} is included twice")),
            Some(span) => finding(format!("{path} is included twice")).also(span, "the first"),
        });
    }
}

/// The configs in a folder, by name. What begins with a dot is somebody else's: editors and
/// Kubernetes keep such files beside the ones that are meant.
fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_config = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_config && !is_hidden && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The entries of a section in all files, in the order of the files; their names differ.
#[derive(Default)]
pub(crate) struct Gathered<'n> {
    pub(crate) entries: Vec<&'n Entry>,
    places: BTreeMap<&'n str, Span>,
    /// Whether there may be others, in what couldn't be read.
    pub(crate) is_partial: bool,
}

impl<'n> Gathered<'n> {
    fn add(&mut self, fields: &Fields<'n>, name: &'static str, what: &str) {
        let Some(entry) = fields.entry(name) else {
            return;
        };
        match named(fields.check, entry) {
            Some(entries) => entries
                .iter()
                .for_each(|entry| self.add_one(fields.check, entry, what)),
            None => self.is_partial = true,
        }
    }

    fn add_one(&mut self, check: &Check<'_>, entry: &'n Entry, what: &str) {
        let Some(first) = self.places.get(entry.key.as_str()).copied() else {
            self.places.insert(&entry.key, entry.key_span);
            self.entries.push(entry);
            return;
        };
        let place = check.line_from(entry.key_span.file, first);
        let message = format!("the {what} `{}` stands twice, first in {place}", entry.key);
        let finding = Finding::new(Code::Key, entry.key_span, message);
        check.report(finding.also(first, "the first"));
    }
}

/// The entries of a mapping that has to have some.
fn named<'n>(check: &Check<'_>, entry: &'n Entry) -> Option<&'n [Entry]> {
    let is_empty = |node: &Node| {
        node.is_nothing() || matches!(&node.value, Value::Mapping(entries) if entries.is_empty())
    };
    if is_empty(&entry.node) {
        let message = format!("there is nothing under \"{}\"", entry.key);
        check.report(Finding::new(Code::Missing, entry.key_span, message));
        return None;
    }
    mapping(check, &entry.node, &Kind::Named(&SECTION))
}

/// Targets and routes of the main file, which is being read, and of the included ones.
pub(crate) fn gather<'n>(
    main: &Fields<'n>,
    included: &'n Included,
) -> (Gathered<'n>, Gathered<'n>) {
    let (mut targets, mut routes) = (Gathered::default(), Gathered::default());
    let mut add = |fields: &Fields<'n>| {
        targets.add(fields, "targets", "target");
        routes.add(fields, "routes", "route");
        Some(())
    };
    let mut is_partial = included.is_partial;
    add(main);
    for root in &included.roots {
        is_partial |= Fields::read(main.check, root, &SECTION, &mut add).is_none();
    }
    for (name, gathered) in [("targets", &mut targets), ("routes", &mut routes)] {
        gathered.is_partial |= is_partial;
        // Where something couldn't be read, that is what is wrong.
        if gathered.entries.is_empty() && !gathered.is_partial {
            main.required(name);
        }
    }
    (targets, routes)
}
