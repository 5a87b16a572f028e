//! The files that are made from the code: the table of `docs/configuration.md`,
//! `fanway.schema.json`, and the types of the clients. Tests in `fanway-config` and here fail when
//! they are old.

use std::fs;

use anyhow::Context;
use serde_json::Value;

use crate::{built, say, types};

const PAGE: &str = "docs/configuration.md";
const SCHEMA: &str = "fanway.schema.json";
/// What senders can ask: what the types of the clients are made of.
const OPENAPI: &str = "crates/fanway-ingress/src/openapi.json";
const TYPESCRIPT: &str = "clients/typescript/src/types.ts";
const PYTHON: &str = "clients/python/src/fanway/types.py";
/// What the table stands between, in the page.
const BEGIN: &str = "<!-- keys: begin";
const END: &str = "<!-- keys: end -->";

/// Rewrites them.
pub(crate) fn run() -> anyhow::Result<()> {
    let path = built::root().join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("{PAGE} can't be read"))?;
    let page = with_table(&page, &fanway_config::docs_table())?;
    write(PAGE, &page)?;
    write(SCHEMA, &fanway_config::schema())?;
    let openapi = openapi()?;
    write(TYPESCRIPT, &types::typescript(&openapi)?)?;
    write(PYTHON, &types::python(&openapi)?)
}

fn openapi() -> anyhow::Result<Value> {
    let text = fs::read_to_string(built::root().join(OPENAPI));
    let text = text.with_context(|| format!("{OPENAPI} can't be read"))?;
    serde_json::from_str(&text).with_context(|| format!("{OPENAPI} is no JSON"))
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

    use super::{PYTHON, SCHEMA, TYPESCRIPT, openapi, with_table};
    use crate::{built, types};

    #[test]
    fn the_table_is_replaced_and_nothing_else() {
        let page = "before\n<!-- keys: begin (…) -->\nold\nold\n<!-- keys: end -->\nafter\n";
        let expected = "before\n<!-- keys: begin (…) -->\nnew\n<!-- keys: end -->\nafter\n";
        assert_eq!(with_table(page, "new\n").expect("marked"), expected);
        assert!(with_table("no marks", "new").is_err());
    }

    #[track_caller]
    fn check(name: &str, today: &str) {
        let found = fs::read_to_string(built::root().join(name)).unwrap_or_default();
        assert!(found == today, "run `cargo xtask generate`");
    }

    #[test]
    fn the_schema_is_of_today() {
        check(SCHEMA, &fanway_config::schema());
    }

    #[test]
    fn the_types_of_the_clients_are_of_today() {
        let openapi = openapi().expect("it is there");
        check(
            TYPESCRIPT,
            &types::typescript(&openapi).expect("understood"),
        );
        check(PYTHON, &types::python(&openapi).expect("understood"));
    }
}
