//! Columns of text for people.

use std::fmt;

use serde_json::Value;

/// Rows of cells, printed with each column as wide as its widest cell.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with a first row of headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self {
            rows: vec![headings.iter().map(|&text| text.to_owned()).collect()],
        }
    }

    /// A table of documents: a row for each, with what it has under these names.
    pub(crate) fn of<'v>(documents: impl IntoIterator<Item = &'v Value>, names: &[&str]) -> Self {
        let mut table = Self::new(names);
        for document in documents {
            table.row(names.iter().map(|name| cell(&document[*name])));
        }
        table
    }

    /// A table of one document: a row for each of these names and what it has there, if anything.
    pub(crate) fn fields(document: &Value, names: &[&str]) -> Self {
        let mut table = Self::default();
        for name in names.iter().filter(|name| !document[**name].is_null()) {
            table.row([(*name).to_owned(), cell(&document[*name])]);
        }
        table
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (index, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths);
            let line: Vec<String> = cells
                .map(|(cell, &width)| format!("{cell:width$}"))
                .collect();
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{}", line.join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// A value as a cell: a text as it is, but in one line, and nothing for `null`.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => visible(text).replace('\n', "\\n"),
        other => other.to_string(),
    }
}

/// What a document has under these names, if anything, each behind its words: `status 503,
/// attempts 2`. Zeros count as nothing.
pub(crate) fn details(document: &Value, names: &[(&str, &str)]) -> String {
    let there = names
        .iter()
        .filter(|(_, name)| !document[*name].is_null() && document[*name] != 0);
    let details: Vec<String> = there
        .map(|(words, name)| format!("{words}{}", cell(&document[*name])))
        .collect();
    details.join(", ")
}

/// A text with its control characters made visible, line ends and tabs aside: what others wrote
/// must not steer the terminal.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && !matches!(character, '\n' | '\t') {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Table, cell};

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["step", "state"]);
        table.row(["inventory", "dead"].map(str::to_owned));
        table.row(["mail", ""].map(str::to_owned));
        assert_eq!(table.to_string(), "step       state\ninventory  dead\nmail");
    }

    #[test]
    fn documents_are_rows_and_one_document_is_many() {
        let documents = [json!({"a": 1, "b": "x", "c": 0}), json!({"a": null})];
        assert_eq!(
            Table::of(&documents, &["a", "b"]).to_string(),
            "a  b\n1  x\n"
        );
        let fields = Table::fields(&documents[0], &["b", "none", "a"]);
        assert_eq!(fields.to_string(), "b  x\na  1");
    }

    #[test]
    fn what_others_wrote_cant_steer_the_terminal() {
        assert_eq!(cell(&json!("a\u{1b}[2Jb\nc")), "a\\u{1b}[2Jb\\nc");
        assert_eq!(cell(&json!(null)), "");
        assert_eq!(cell(&json!(503)), "503");
    }
}
