//! The table of all keys in the documentation.

use crate::config::SECTION;
use crate::keys::{Default, Key, Section};

/// A table in Markdown with a row for every key: its dotted name, type, default and meaning.
#[must_use]
pub fn docs_table() -> String {
    let mut table = "| key | type | default | meaning |\n|---|---|---|---|\n".to_owned();
    add_rows(&SECTION, "", &mut table);
    table
}

fn add_rows(section: &Section, prefix: &str, table: &mut String) {
    for key in section.keys {
        let name = format!("{prefix}{}", key.name);
        let kind = key.kind.short_words();
        let row = format!("| `{name}` | {kind} | {} | {} |\n", default(key), key.about);
        table.push_str(&row);
        if let Some((inner, between)) = key.kind.section() {
            add_rows(inner, &format!("{name}{between}."), table);
        }
    }
}

fn default(key: &Key) -> String {
    match key.default {
        Default::Required => "**required**".to_owned(),
        Default::Is(text) => format!("`{text}`"),
        Default::Depends(words) => words.to_owned(),
        Default::Unset => String::new(),
    }
}
