//! The files that are made from the code: the table of `docs/configuration.md`, and
//! `fanway.schema.json`. Tests in `fanway-config` and here fail when they are old.

use std::fs;

use anyhow::Context;

use crate::{built, say};

const PAGE: &str = "docs/configuration.md";
const SCHEMA: &str = "fanway.schema.json";
/// What the table stands between, in the page.
const BEGIN: &str = "<!-- keys: begin";
const END: &str = "<!-- keys: end -->";

/// Rewrites them.
pub(crate) fn run() -> anyhow::Result<()> {
    let path = built::root().join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("{PAGE} can't be read"))?;
    let page = with_table(&page, &fanway_config::docs_table())?;
    write(PAGE, &page)?;
    write(SCHEMA, &fanway_config::schema())
}

fn write(name: &str, text: &str) -> anyhow::Result<()> {
    let path = built::root().join(name);
    let is_new = fs::read_to_string(&path).ok().as_deref() != Some(text);
    if is_new {
        fs::write(&path, text).with_context(|| format!("{name} can't be written"))?;
    }
    let state = if is_new { "written" } else { "is of today" };
    say::line(format_args!("{name} {state}"));
    Ok(())
}

/// The page with this table instead of the one that it has.
fn with_table(page: &str, table: &str) -> anyhow::Result<String> {
    let begin = page.find(BEGIN).context("the table's begin isn't marked")?;
    let line = page[begin..].find('\n').context("nothing follows")?;
    let end = page.find(END).context("the table's end isn't marked")?;
    Ok([&page[..=begin + line], table, &page[end..]].concat())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{SCHEMA, with_table};
    use crate::built;

    #[test]
    fn the_table_is_replaced_and_nothing_else() {
        let page = "before\n<!-- keys: begin (…) -->\nold\nold\n<!-- keys: end -->\nafter\n";
        let expected = "before\n<!-- keys: begin (…) -->\nnew\n<!-- keys: end -->\nafter\n";
        assert_eq!(with_table(page, "new\n").expect("marked"), expected);
        assert!(with_table("no marks", "new").is_err());
    }

    #[test]
    fn the_schema_is_of_today() {
        let found = fs::read_to_string(built::root().join(SCHEMA)).unwrap_or_default();
        let today = fanway_config::schema();
        assert!(found == today, "run `cargo xtask generate`");
    }
}
