//! `docs/benchmarks.md`, from the figures that are kept of several runs.

mod latency;
mod medians;
pub(crate) mod scale;
mod steady;

use std::fmt::Write;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::archive::{Archive, Section};
use super::axis::Axis;
use super::ratios::Ratios;
use super::row::{self, ROWS};
use super::steady::Part;
use super::{BODY, comparison, long, million, ratios};

/// A text that is written by hand and stands in the page: what each part of an event costs.
const BUDGET: &str = "budget.md";
/// Another one: what is known of measures that are missed under load.
const MISSED: &str = "steady.md";

/// The page: what no run has measured yet is left out.
pub(crate) fn page(archive: &Archive) -> anyhow::Result<String> {
    let described: Option<Section<Value>> = archive.read(comparison::NAME)?;
    let pages = Pages {
        archive,
        machine: described.map(|section| section.machine),
    };
    let mut page = head(pages.machine.as_deref());
    page += &held(&archive.read(ratios::NAME)?.unwrap_or_default());
    page += &pages.section(comparison::NAME, "Medians", medians::medians)?;
    page += &pages.section(
        comparison::NAME,
        "One of two targets hangs",
        medians::hanging,
    )?;
    if let Some(budget) = archive.text(BUDGET)? {
        // Writing into a string can't fail.
        let _ = write!(page, "\n{}\n", budget.trim());
    }
    page += &pages.section(super::latency::NAME, "Latency", latency::latency)?;
    page += &pages.section(long::NAME, "A long run", latency::long)?;
    for axis in Axis::ALL {
        let title = format!("Scale: {}", axis.title().to_lowercase());
        page += &pages.section(axis.name(), &title, |figures| scale::scale(axis, figures))?;
    }
    page += &pages.section(million::NAME, "A million waiting", medians::million)?;
    page += &pages.steady()?;
    Ok(page)
}

struct Pages<'a> {
    archive: &'a Archive,
    /// The machine that the head names.
    machine: Option<String>,
}

impl Pages<'_> {
    /// A section with the command that made it; nothing where none did.
    fn section<T: DeserializeOwned>(
        &self,
        name: &str,
        title: &str,
        render: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<String> {
        self.titled(name, &format!("## {title}"), render)
    }

    /// How steady it is, part by part; nothing where none is there.
    fn steady(&self) -> anyhow::Result<String> {
        let mut parts = String::new();
        for part in Part::ALL {
            let (name, title) = (part.name(), steady::title(part));
            parts += &match part {
                Part::Hanging => self.titled(&name, title, steady::hanging),
                Part::Drain => self.titled(&name, title, steady::drain),
                Part::Busy => self.titled(&name, title, steady::busy),
                Part::Limits => self.titled(&name, title, steady::limits),
                Part::Order => self.titled(&name, title, steady::order),
            }?;
        }
        if parts.is_empty() {
            return Ok(parts);
        }
        if let Some(missed) = self.archive.text(MISSED)? {
            // Writing into a string can't fail.
            let _ = write!(parts, "\n{}\n", missed.trim());
        }
        Ok(format!("\n## How steady\n\n{}{parts}", steady::HEAD))
    }

    fn titled<T: DeserializeOwned>(
        &self,
        name: &str,
        title: &str,
        render: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<String> {
        let Some(section) = self.archive.read::<Section<T>>(name)? else {
            return Ok(String::new());
        };
        let elsewhere = if self.machine.as_ref() == Some(&section.machine) {
            String::new()
        } else {
            format!(" on {}", section.machine)
        };
        let (command, body) = (&section.command, render(&section.figures));
        Ok(format!(
            "\n{title}\n\nMeasured by `{command}`{elsewhere}.\n\n{body}"
        ))
    }
}

fn head(machine: Option<&str>) -> String {
    let machine = machine.map_or(String::new(), |machine| {
        format!("\nThe machine: {machine}.")
    });
    format!(
        "# Benchmarks

Written by `cargo xtask bench`; each section says by which run. Their figures lie in [benchmarks](benchmarks).{machine}
Absolute figures say something about this machine only.

An event is a request of {BODY} bytes that came to both of two sinks. Events a second are counted from the begin of the
load until the last delivery. All candidates run on one machine together with the load and the sinks (bare hyper, one
thread each, empty answers); they are up at the same time and get their load in turn, round by round. Ratios are taken
within a round, and of these the median.

- **Fanway** runs with the default config: each event is synced to the disk before it is answered, and posted to the
  history. Processor time and bytes include delivery and posting.
- **`join_all`** (`baselines/src/bin/join_all.rs`) is what one would write without it: an axum handler that awaits two
  reqwest calls. It stores nothing.
- **nginx** passes the request to one API and mirrors it to the other, connections to both held open. It stores nothing
  and doesn't notice when the mirrored request fails.

CPU is utime + stime of all processes of a candidate. Bytes are what the disk's device counts, the least of all rounds,
since it counts what others write, too; before and after each load all is written that the system holds back. Memory is
the greatest resident size. The disk is measured in the same run: 1,000 writes of 4 KiB, each with its `fdatasync`, to a
file of zeros in the same folder. Where requests are due at fixed times (`baselines/src/bin/sender`), latency counts from then.
"
    )
}

/// What Fanway is held to, and whether it is.
fn held(ratios: &Ratios) -> String {
    let table = row::table(&ROWS, ratios);
    if table.is_empty() {
        return table;
    }
    format!(
        "\n## What Fanway is held to\n\n\
         `cargo xtask bench --check` fails where a measure is worse than here by more than its tolerance.\n\n{table}"
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use serde_json::json;

    use super::page;
    use crate::bench::archive::{Archive, Section};
    use crate::bench::axis::Axis;
    use crate::bench::ratios::{self, Ratios};
    use crate::bench::scale::{Point, Scale};
    use crate::bench::steady::Part;
    use crate::bench::{BODY, comparison};

    /// A folder that is removed with its handle.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("fanway-{name}-{}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _gone = fs::remove_dir_all(&self.0);
        }
    }

    fn section<T>(command: &str, machine: &str, figures: T) -> Section<T> {
        Section {
            command: command.to_owned(),
            machine: machine.to_owned(),
            figures,
        }
    }

    /// These stand in a page, one after the other.
    #[track_caller]
    fn check(page: &str, expected: &[&str]) {
        let mut rest = page;
        for part in expected {
            let (_, after) = rest
                .split_once(part)
                .unwrap_or_else(|| panic!("{part} isn't where it should be in {page}"));
            rest = after;
        }
    }

    fn routes() -> Scale {
        let point = |at, cpu| Point {
            at,
            events_per_second: 20_000.0,
            cpu,
            failed: 0,
            kept: None,
        };
        Scale {
            points: vec![point(1, 50.0), point(10_000, 55.0)],
            copy: None,
        }
    }

    #[test]
    fn what_no_run_has_measured_is_left_out() {
        let folder = Folder::new("nothing-measured");
        let archive = Archive::within(&folder.0);
        let page = page(&archive).expect("rendered");
        assert!(page.contains(&format!("a request of {BODY} bytes")));
        assert!(!page.contains("##"), "{page}");
    }

    #[test]
    fn how_steady_it_is_is_told_part_by_part() {
        let folder = Folder::new("steady");
        let archive = Archive::within(&folder.0);
        let over = |median| json!({"median": median, "least": 0.5, "most": 2.0});
        let order = json!({
            "keys": 10_000, "events": over(0.8),
            "unordered": {"events_per_second": 20_000.0, "cpu": 50.0},
            "ordered": {"events_per_second": 16_000.0, "cpu": 60.0},
        });
        let command = "cargo xtask bench --only --steady=order";
        let kept = section(command, "2 cores", order);
        archive.keep(&Part::Order.name(), &kept).expect("kept");
        let busy =
            json!({"rate": 9_000, "well": 9_000.0, "busy": 8_900.0, "deliveries": over(0.99)});
        let kept = section("cargo xtask bench --only --steady=busy", "2 cores", busy);
        archive.keep(&Part::Busy.name(), &kept).expect("kept");

        fs::write(folder.0.join("benchmarks/steady.md"), "### Why\n").expect("written");

        let page = page(&archive).expect("rendered");
        let expected = [
            "\n## How steady\n\n",
            "\n### One answer of twenty is 503\n\nMeasured by `cargo xtask bench --only --steady=busy`",
            "| 5 % of answers are 503: deliveries/s | ≥ 0.9× | — | 0.99× | reached | 3 % |",
            "| 5 % are 503 | 8900 |",
            "\n### Order by key\n\nMeasured by `cargo xtask bench --only --steady=order`",
            "| `order_by` over 10,000 keys: events/s | ≥ 0.85× | — | 0.80× | **missed** | 12 % |",
            "| ordered | 16000 | 60.0 |",
            "Ratios of the rounds: 0.80 (0.50 to 2.00).",
            "\n### Why\n",
        ];
        check(&page, &expected);
        assert!(!page.contains("### One of ten targets hangs"), "{page}");
    }

    #[test]
    fn sections_of_several_runs_stand_in_one_page() {
        let folder = Folder::new("several-runs");
        let archive = Archive::within(&folder.0);
        let seen = json!({"deliveries_per_second": 9_000.0, "p99": 2_500});
        let line = json!({
            "candidate": "join_all", "connections": 64, "events_per_second": 17_944.0, "cpu": 62.6,
            "p50": 3_240, "p99": 7_750, "written": null, "peak": 20 << 20, "failed": 0,
        });
        let compared = json!({
            "loader": "wrk", "disk": 245, "lines": [line], "well": seen, "beside_hanging": seen,
        });
        let kept = section("cargo xtask bench --rounds 5", "2 cores", compared);
        archive.keep(comparison::NAME, &kept).expect("kept");
        let elsewhere = section("cargo xtask bench --only --scale", "8 cores", routes());
        archive.keep(Axis::Routes.name(), &elsewhere).expect("kept");
        let reached = Ratios::of(&[("memory", 79.54)]);
        archive.keep(ratios::NAME, &reached).expect("kept");
        fs::write(folder.0.join("benchmarks/budget.md"), "## The budget\n").expect("written");

        let page = page(&archive).expect("rendered");
        let expected = [
            "The machine: 2 cores.",
            "| resident memory | ≤ 96 MiB | ≤ 64 MiB | 79.54 MiB | must reached | 20 % |",
            "## Medians\n\nMeasured by `cargo xtask bench --rounds 5`.\n",
            "| axum + reqwest, `join_all` | 17944 | 62.6 | 3.24 | 7.75 | — | 20 | 0 |",
            "## One of two targets hangs",
            "\n## The budget\n",
            "## Scale: routes\n\nMeasured by `cargo xtask bench --only --scale` on 8 cores.\n",
            "![Routes](benchmarks/routes.svg)",
            "| 10,000 | 20000 | 55.0 | 0 |",
        ];
        check(&page, &expected);
    }
}
