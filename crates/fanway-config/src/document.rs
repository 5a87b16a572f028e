//! One file of a config: its text, and the tree that stands in it.

use std::fs;
use std::path::Path;

use crate::check::Check;
use crate::hidden;
use crate::yaml::{self, File, Node};

/// A file that is YAML.
pub(crate) struct Document {
    pub(crate) file: File,
    /// What stands in it, if anything does.
    pub(crate) root: Option<Node>,
}

/// Reads a file's text.
///
/// # Errors
/// With what goes on after the file's name, where it can't be read or isn't UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    let bytes = fs::read(path).map_err(|error| format!("can't be read: {error}"))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.split(|byte| *byte == b'\n').count();
        format!("is not UTF-8 in line {line}")
    })
}

/// Reads a file's tree, and sees to it that no excerpt shows credentials that stand in it.
/// `None` where the text isn't YAML, which has been reported.
pub(crate) fn read(check: &Check<'_>, path: &Path, text: &str) -> Option<Document> {
    check.sources.count_file(path, text);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let file = check.add(path, text);
    match yaml::read(file, text, |finding| check.report(finding)) {
        Ok(root) => {
            if let Some(root) = &root {
                hidden::hide_values(check, root);
            }
            Some(Document { file, root })
        }
        Err(finding) => {
            // Without a tree nobody knows where credentials stand.
            hidden::hide_lines(check, file);
            check.report(*finding);
            None
        }
    }
}
