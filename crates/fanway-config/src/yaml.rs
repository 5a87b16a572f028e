//! YAML as a tree of nodes that know where they stand.
//!
//! Only what a config has a use for: one document of mappings with plain keys, sequences and
//! scalars; anchors and aliases. Merge keys, tags, other keys and keys that stand twice are
//! refused, and so are trees beyond [`MOST_NODES`] and [`DEEPEST`]. A scalar stays the text that
//! it is: whether `on` or `1e3` means something is for its reader to say.

mod build;
mod locate;

use std::fmt;

pub(crate) use build::read;
pub(crate) use locate::locate;
use saphyr_parser::ScalarStyle;

/// Nodes that a file may have, aliases counted as what they stand for.
pub(crate) const MOST_NODES: usize = 100_000;

/// How deep nodes may be nested; a config needs eight.
pub(crate) const DEEPEST: usize = 32;

/// Which of a config's files, in the order in which they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct File(pub(crate) usize);

/// Where something stands: from its first character to just behind its last. All count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) file: File,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) end_line: usize,
    pub(crate) end_column: usize,
}

impl Span {
    /// A single character.
    pub(crate) fn one(file: File, line: usize, column: usize) -> Self {
        Self {
            file,
            line,
            column,
            end_line: line,
            end_column: column + 1,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

#[derive(Clone)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: ScalarStyle,
}

/// Without the text: nobody knows here whether it is a secret.
impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scalar")
            .field("style", &self.style)
            .finish_non_exhaustive()
    }
}

/// A key with its value. A mapping's keys differ.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) node: Node,
}

impl Node {
    /// Whether nothing was written: `key:`, `key: ~` or `key: null`.
    pub(crate) fn is_nothing(&self) -> bool {
        match &self.value {
            Value::Scalar(scalar) => {
                scalar.style == ScalarStyle::Plain
                    && matches!(scalar.text.as_str(), "" | "~" | "null")
            }
            Value::Sequence(_) | Value::Mapping(_) => false,
        }
    }
}
