//! What is wrong with a config, and how that is shown: file, line, column, the line itself.
//!
//! A message quotes only what stands in the file, never what a `${…}` stands for, and an excerpt
//! shows stars where a credential is written out.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong with a config, or (as a warning) looks wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of thing it is, for looking it up.
    pub code: Code,
    /// The file, as it was named when it was asked for.
    pub file: String,
    /// Where in the file; `None` where the file as a whole is meant.
    pub place: Option<Place>,
    /// What is wrong: a fragment in lower case, without the place.
    pub message: String,
    /// What might help.
    pub hint: Option<String>,
    excerpts: Vec<Excerpt>,
}

/// A place in a file; both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// A line of a file with a part of it underlined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// The file, where it is another one than the problem's.
    pub(crate) file: Option<String>,
    pub(crate) place: Place,
    pub(crate) line: String,
    pub(crate) width: usize,
    pub(crate) label: &'static str,
}

/// The kinds of problems; each is explained in `docs/errors/config.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// FW0101: a file or folder can't be read.
    Unreadable,
    /// FW0102: the file isn't YAML, or uses a part of YAML that a config has no use for.
    Yaml,
    /// FW0103: a key that is unknown here or stands twice.
    Key,
    /// FW0104: a key that has to be there and isn't.
    Missing,
    /// FW0105: a value that isn't what its key expects.
    Value,
    /// FW0106: a `${…}` that stands for nothing.
    Reference,
    /// FW0107: a jq program or a template that doesn't compile.
    Expression,
    /// FW0108: parts that don't fit together.
    Fit,
    /// FW0109, a warning: a target that no route sends to.
    Unused,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Unreadable,
        Self::Yaml,
        Self::Key,
        Self::Missing,
        Self::Value,
        Self::Reference,
        Self::Expression,
        Self::Fit,
        Self::Unused,
    ];

    /// The code as it is written: `FW0101`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "FW0101",
            Self::Yaml => "FW0102",
            Self::Key => "FW0103",
            Self::Missing => "FW0104",
            Self::Value => "FW0105",
            Self::Reference => "FW0106",
            Self::Expression => "FW0107",
            Self::Fit => "FW0108",
            Self::Unused => "FW0109",
        }
    }
}

impl Problem {
    /// A problem with the file as a whole.
    pub(crate) fn with_file(code: Code, file: String, message: String) -> Self {
        Self {
            code,
            file,
            place: None,
            message,
            hint: None,
            excerpts: Vec::new(),
        }
    }

    /// A problem at the place of the first excerpt.
    pub(crate) fn at(
        code: Code,
        file: String,
        message: String,
        hint: Option<String>,
        excerpts: Vec<Excerpt>,
    ) -> Self {
        let place = excerpts.first().map(|excerpt| excerpt.place);
        Self {
            code,
            file,
            place,
            message,
            hint,
            excerpts,
        }
    }
}

/// `fanway.yaml:12:5: unknown key "retires", did you mean "retry"? [FW0103]`, and below it the
/// line with the place underlined. Several lines, without a newline at the end.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(Place { line, column }) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {} [{}]", self.message, self.code.as_str())?;
        for excerpt in &self.excerpts {
            write!(f, "\n{excerpt}")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n      = hint: {}", hint.replace('\n', "\n        ")),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One space for each character that moves the cursor in its own way, so that the mark
        // below stands where it should.
        let line = self.line.replace(char::is_control, " ");
        let indent = self.place.column.saturating_sub(1);
        let mark = if self.label.is_empty() { "^" } else { "-" }.repeat(self.width.max(1));
        if let (Some(file), Place { line, column }) = (&self.file, self.place) {
            writeln!(f, "     ::: {file}:{line}:{column}")?;
        }
        writeln!(f, "{:5} | {}", self.place.line, line.trim_end())?;
        write!(f, "      | {:indent$}{mark}", "")?;
        match self.label {
            "" => Ok(()),
            label => write!(f, " {label}"),
        }
    }
}

/// Everything that is wrong with a config; at least one problem, in the order of the files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Errors {
    problems: Vec<Problem>,
    files: Vec<PathBuf>,
}

impl Errors {
    /// `problems` has at least one.
    pub(crate) fn new(problems: Vec<Problem>, files: Vec<PathBuf>) -> Self {
        debug_assert!(!problems.is_empty(), "errors without a problem");
        Self { problems, files }
    }

    /// Every file and folder that was read or should have been: a change of one of them may mend
    /// the config.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The problems, in the order of the files.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// Each problem, a blank line after each, and how many there are.
impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}\n")?;
        }
        let plural = if self.problems.len() == 1 {
            "error"
        } else {
            "errors"
        };
        write!(
            f,
            "{} {plural}; the codes are explained in docs/errors/config.md",
            self.problems.len()
        )
    }
}
