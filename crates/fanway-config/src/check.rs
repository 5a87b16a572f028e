//! One check of one config: what was found, what must not be shown, and the files to show it in.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fanway_types::Secret;

use crate::environment::Environment;
use crate::interpolation::{Unresolved, resolve};
use crate::problem::{Code, Excerpt, Place, Problem};
use crate::reference::Reference;
use crate::secrets::Secrets;
use crate::sources::{Read, Sources};
use crate::yaml::{File, Node, Span, Value, locate};

/// Something found, before it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    code: Code,
    span: Span,
    message: String,
    hint: Option<String>,
    also: Option<(Span, &'static str)>,
}

impl Finding {
    pub(crate) fn new(code: Code, span: Span, message: String) -> Self {
        Self {
            code,
            span,
            message,
            hint: None,
            also: None,
        }
    }

    /// With what might help.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// With a second place that has to do with it.
    pub(crate) fn also(self, span: Span, label: &'static str) -> Self {
        Self {
            also: Some((span, label)),
            ..self
        }
    }
}

/// A file as excerpts show it.
struct Text {
    name: String,
    lines: Vec<String>,
}

/// The state of a check. What reads sections shares it.
pub(crate) struct Check<'e> {
    /// What is read, and the environment that it is read through.
    pub(crate) sources: Sources<'e>,
    texts: RefCell<Vec<Text>>,
    errors: RefCell<Vec<Finding>>,
    warnings: RefCell<Vec<Finding>>,
    hidden: RefCell<Vec<Span>>,
    /// How others are asked for what references stand for, once that has been read.
    secrets: OnceCell<Secrets>,
}

/// What a check came to: findings as they are shown, each list in the order of the files.
pub(crate) struct Findings {
    pub(crate) errors: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
    /// Every file and folder that was read or should have been.
    pub(crate) files: Vec<PathBuf>,
    /// What others were asked for.
    pub(crate) references: BTreeSet<Reference>,
    pub(crate) fingerprint: String,
}

impl<'e> Check<'e> {
    /// A check of a config whose main file is `main`.
    pub(crate) fn new(main: &Path, environment: &'e dyn Environment) -> Self {
        Self {
            sources: Sources::new(main, environment),
            texts: RefCell::default(),
            errors: RefCell::default(),
            warnings: RefCell::default(),
            hidden: RefCell::default(),
            secrets: OnceCell::new(),
        }
    }

    /// Puts in what the references of a text stand for.
    pub(crate) fn resolve(&self, text: &str) -> Result<Secret, Vec<Unresolved>> {
        let as_usual = Secrets::default();
        let secrets = self.secrets.get().unwrap_or(&as_usual);
        resolve(text, &self.sources, secrets)
    }

    /// From here on others are asked in this way. Said once.
    pub(crate) fn ask_by(&self, secrets: Secrets) {
        let said = self.secrets.set(secrets);
        debug_assert!(said.is_ok(), "said twice");
    }

    /// Adds a file that findings may be in; problems call it by its path.
    pub(crate) fn add(&self, path: &Path, text: &str) -> File {
        let mut texts = self.texts.borrow_mut();
        texts.push(Text {
            name: path.display().to_string(),
            lines: text.lines().map(str::to_owned).collect(),
        });
        File(texts.len() - 1)
    }

    /// Notes an error.
    pub(crate) fn report(&self, finding: Finding) {
        self.errors.borrow_mut().push(finding);
    }

    /// Notes something that is allowed and yet probably not meant.
    pub(crate) fn warn(&self, finding: Finding) {
        self.warnings.borrow_mut().push(finding);
    }

    /// Sees to it that neither message nor excerpt shows what stands there.
    pub(crate) fn hide(&self, span: Span) {
        self.hidden.borrow_mut().push(span);
    }

    /// Whether messages and excerpts must not show what stands there.
    pub(crate) fn is_hidden(&self, span: Span) -> bool {
        self.hidden.borrow().contains(&span)
    }

    /// Sees to it that no excerpt shows anything of the lines of a file for which this holds.
    pub(crate) fn hide_lines(&self, file: File, is_secret: impl Fn(&str) -> bool) {
        let texts = self.texts.borrow();
        let lines = (1..).zip(&texts[file.0].lines);
        for (line, _) in lines.filter(|(_, text)| is_secret(text)) {
            self.hide(Span {
                file,
                line,
                column: 1,
                end_line: line + 1,
                end_column: 1,
            });
        }
    }

    /// How many errors have been noted.
    pub(crate) fn count_errors(&self) -> usize {
        self.errors.borrow().len()
    }

    /// Whether an error has been noted.
    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.borrow().is_empty()
    }

    /// Where something stands, for a message about something in `from`: `line 4`, or in another
    /// file `targets.yaml:4`.
    pub(crate) fn line_from(&self, from: File, span: Span) -> String {
        if span.file == from {
            format!("line {}", span.line)
        } else {
            format!("{}:{}", self.name(span.file), span.line)
        }
    }

    fn name(&self, file: File) -> String {
        self.texts.borrow()[file.0].name.clone()
    }

    /// The folder that a file is in; the working directory is the empty path.
    pub(crate) fn folder_of(&self, file: File) -> PathBuf {
        let name = PathBuf::from(self.name(file));
        name.parent().map(Path::to_owned).unwrap_or_default()
    }

    /// The text of a line.
    fn line(&self, file: File, line: usize) -> String {
        let texts = self.texts.borrow();
        let text = texts[file.0].lines.get(line.wrapping_sub(1));
        text.cloned().unwrap_or_default()
    }

    /// The place of a byte of a scalar's text, or else where the scalar begins.
    pub(crate) fn place_within(&self, node: &Node, offset: usize) -> Span {
        match &node.value {
            Value::Scalar(scalar) => {
                let texts = self.texts.borrow();
                let lines = &texts[node.span.file.0].lines;
                locate(lines, node.span, scalar, offset).unwrap_or(node.span)
            }
            Value::Sequence(_) | Value::Mapping(_) => node.span,
        }
    }

    /// The place of a stretch of a scalar's text; both ends are bytes, and lie on one line.
    pub(crate) fn place_between(&self, node: &Node, from: usize, to: usize) -> Span {
        let first = self.place_within(node, from);
        let last = self.place_within(node, to - 1);
        Span {
            end_line: last.end_line,
            end_column: last.end_column,
            ..first
        }
    }

    /// What it came to.
    pub(crate) fn finish(self) -> Findings {
        let errors = self.shown(&self.errors);
        let warnings = self.shown(&self.warnings);
        let Read {
            files,
            references,
            fingerprint,
        } = self.sources.finish();
        Findings {
            errors,
            warnings,
            files,
            references,
            fingerprint,
        }
    }

    fn shown(&self, findings: &RefCell<Vec<Finding>>) -> Vec<Problem> {
        let mut findings = findings.take();
        findings.sort_by_key(|finding| finding.span);
        // What stands behind an alias is read once for each place where it is used.
        findings.dedup();
        let show = |finding| self.show(finding);
        findings.into_iter().map(show).collect()
    }

    fn show(&self, finding: Finding) -> Problem {
        let file = finding.span.file;
        let first = self.excerpt(finding.span, "");
        let second = finding.also.map(|(span, label)| Excerpt {
            file: (span.file != file).then(|| self.name(span.file)),
            ..self.excerpt(span, label)
        });
        Problem::at(
            finding.code,
            self.name(file),
            finding.message,
            finding.hint,
            std::iter::once(first).chain(second).collect(),
        )
    }

    fn excerpt(&self, span: Span, label: &'static str) -> Excerpt {
        let length = self.line(span.file, span.line).chars().count();
        let end = if span.end_line == span.line {
            span.end_column
        } else {
            length + 1
        };
        Excerpt {
            file: None,
            place: Place {
                line: span.line,
                column: span.column,
            },
            line: self.shown_line(span.file, span.line),
            width: end.saturating_sub(span.column),
            label,
        }
    }

    /// A line with stars for what is hidden.
    fn shown_line(&self, file: File, line: usize) -> String {
        let hidden = self.hidden.borrow();
        let is_hidden = |column: usize| {
            let at = (line, column);
            hidden
                .iter()
                .filter(|span| span.file == file)
                .any(|span| at >= (span.line, span.column) && at < (span.end_line, span.end_column))
        };
        let text = self.line(file, line);
        let star = |(index, character): (usize, char)| {
            if !character.is_whitespace() && is_hidden(index + 1) {
                '*'
            } else {
                character
            }
        };
        text.chars().enumerate().map(star).collect()
    }
}
