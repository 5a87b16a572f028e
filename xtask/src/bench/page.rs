//! `docs/benchmarks.md`: the figures, and how they came about.

use std::fmt::Write;

use super::candidate::Kind;
use super::figures::{Figures, median};
use super::rig::Rig;
use super::row::{Row, mebibytes, rows};
use super::{BODY, FEW, MANY};

/// The page.
pub(crate) fn page(figures: &Figures, machine: &str, rig: &Rig) -> String {
    let mut page = head(figures, machine, rig);
    page += "## What Fanway is held to\n\n| measure | must | aim | measured | |\n|---|---|---|---|---|\n";
    for line in rows(figures).iter().filter_map(Row::line) {
        page += &line;
        page.push('\n');
    }
    page += "\n## Medians\n\nAbsolute figures say something about this machine only.\n";
    for connections in [MANY, FEW] {
        page += &medians(figures, connections);
    }
    let disk = median(figures.disk.iter().map(|p99| p99.as_secs_f64() * 1e6));
    // Writing into a string can't fail.
    let _ = writeln!(
        page,
        "\nThe disk's own `fdatasync` of 4 KiB: p99 {disk:.0} µs."
    );
    page += &hanging(figures);
    page += &million(figures);
    page
}

fn head(figures: &Figures, machine: &str, rig: &Rig) -> String {
    let (rounds, seconds) = (figures.rounds, figures.load.as_secs());
    let million = if figures.million.is_empty() {
        ""
    } else {
        " --million"
    };
    let load = rig.loader.name();
    format!(
        "# Benchmarks

Written by `cargo xtask bench --rounds {rounds} --seconds {seconds}{million}`. Machine: {machine}.

An event is a request of {BODY} bytes that came to both of two sinks. Events a second are counted from the begin of the
load until the last delivery. All candidates run on one machine together with the load ({load}) and the sinks (bare
hyper, one thread each, empty answers); they are up at the same time and get their load in turn, {seconds} s each,
{rounds} rounds. Ratios are taken within a round, and of these the median.

- **Fanway** runs with the default config: each event is synced to the disk before it is answered, and posted to the
  history. Processor time and bytes include delivery and posting.
- **`join_all`** (`baselines/src/bin/join_all.rs`) is what one would write without it: an axum handler that awaits two
  reqwest calls. It stores nothing.
- **nginx** passes the request to one API and mirrors it to the other, connections to both held open. It stores nothing
  and doesn't notice when the mirrored request fails.

CPU is utime + stime of all processes of a candidate, bytes are what the disk's device counts,
the least of all rounds, since it counts what others write, too; memory is the greatest resident size. The disk is measured in the same run: 1,000 writes of 4 KiB, each with its `fdatasync`, to a file of
zeros in the same folder. With a hanging target, requests are due at fixed times, half as many as Fanway could take,
and latency counts from then (`fanway bench --rate`).

"
    )
}

fn medians(figures: &Figures, connections: u32) -> String {
    let mut table = format!(
        "\n{connections} connections:\n\n\
         | | events/s | CPU µs | p50 ms | p99 ms | bytes to disk | peak MiB | failed |\n\
         |---|---|---|---|---|---|---|---|\n"
    );
    for kind in Kind::ALL {
        if !figures.samples.contains_key(&(kind, connections)) {
            continue;
        }
        let of = |figure| figures.median(kind, connections, figure);
        let (events, cpu) = (of(|s| s.events_per_second), of(|s| s.cpu));
        let p50 = of(|s| s.answered.p50.as_secs_f64() * 1e3);
        let p99 = of(|s| s.answered.p99.as_secs_f64() * 1e3);
        let written = figures.written(kind, connections);
        let peak = figures
            .peaks
            .get(&kind)
            .copied()
            .map_or(f64::NAN, mebibytes);
        let (name, failed) = (kind.name(), figures.failed(kind, connections));
        // Writing into a string can't fail.
        let _ = writeln!(
            table,
            "| {name} | {events:.0} | {cpu:.1} | {p50:.2} | {p99:.2} | {written:.0} | {peak:.0} | {failed} |"
        );
    }
    table
}

fn hanging(figures: &Figures) -> String {
    let of =
        |figure: fn(&super::hanging::Hanging) -> f64| median(figures.hanging.iter().map(figure));
    let line = |name: &str, deliveries: f64, p99: f64| {
        format!("| {name} | {deliveries:.0} | {:.2} |\n", p99 * 1e3)
    };
    let well = line(
        "both well",
        of(|round| round.well.deliveries_per_second),
        of(|round| round.well.p99.as_secs_f64()),
    );
    let beside = line(
        "one hangs",
        of(|round| round.beside.deliveries_per_second),
        of(|round| round.beside.p99.as_secs_f64()),
    );
    format!(
        "\n## One of two targets hangs\n\n\
         | | the other's deliveries/s | accept p99 ms |\n|---|---|---|\n{well}{beside}"
    )
}

fn million(figures: &Figures) -> String {
    if figures.million.is_empty() {
        return String::new();
    }
    let mut table = "\n## A million waiting\n\nMemory before: some seconds' messages wait, and are posted. \
                     The restart comes after SIGKILL.\n\n\
                     | targets down | waiting | MiB before | MiB with all | ready after a restart, s | MiB then |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    for seen in &figures.million {
        // Writing into a string can't fail.
        let _ = writeln!(
            table,
            "| {} | {} | {:.0} | {:.0} | {:.2} | {:.0} |",
            seen.down,
            seen.waiting,
            mebibytes(seen.before),
            mebibytes(seen.after),
            seen.ready.as_secs_f64(),
            mebibytes(seen.restarted)
        );
    }
    table
}
