//! What the comparison and a million messages gave, as tables.

use std::fmt::Write;

use crate::bench::comparison::{Comparison, Line};
use crate::bench::figures::mebibytes;
use crate::bench::hanging::Seen;
use crate::bench::million::Million;
use crate::bench::{FEW, MANY};

pub(super) fn medians(figures: &Comparison) -> String {
    let mut tables = format!("The load is made by {}.\n", figures.loader);
    for connections in [MANY, FEW] {
        let lines = figures.lines.iter();
        let lines = lines.filter(|line| line.connections == connections);
        let lines: String = lines.map(line).collect();
        // Writing into a string can't fail.
        let _ = write!(
            tables,
            "\n{connections} connections:\n\n\
             | | events/s | CPU µs | p50 ms | p99 ms | bytes to disk | peak MiB | failed |\n\
             |---|---|---|---|---|---|---|---|\n{lines}"
        );
    }
    let disk = figures.disk.get();
    tables + &format!("\nThe disk's own `fdatasync` of 4 KiB: p99 {disk} µs.\n")
}

fn line(line: &Line) -> String {
    let Line {
        events_per_second,
        cpu,
        failed,
        ..
    } = line;
    let (name, peak) = (line.candidate.name(), mebibytes(line.peak));
    let (p50, p99) = (line.p50.millis(), line.p99.millis());
    let written = line
        .written
        .map_or("—".to_owned(), |written| format!("{written:.0}"));
    format!(
        "| {name} | {events_per_second:.0} | {cpu:.1} | {p50:.2} | {p99:.2} | {written} | {peak:.0} | {failed} |\n"
    )
}

pub(super) fn hanging(figures: &Comparison) -> String {
    let line = |name: &str, seen: Seen| {
        let (deliveries, p99) = (seen.deliveries_per_second, seen.p99.millis());
        format!("| {name} | {deliveries:.0} | {p99:.2} |\n")
    };
    format!(
        "Half as many requests are due in a second as Fanway could take.\n\n\
         | | the other's deliveries/s | accept p99 ms |\n|---|---|---|\n{}{}",
        line("both well", figures.well),
        line("one hangs", figures.beside_hanging)
    )
}

pub(super) fn million(figures: &Million) -> String {
    let mut table = "Memory before: some seconds' messages wait, and are posted. \
                     The restart comes after SIGKILL.\n\n\
                     | targets down | waiting | MiB before | MiB with all | ready after a restart, s | MiB then |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    for seen in &figures.scenes {
        // Writing into a string can't fail.
        let _ = writeln!(
            table,
            "| {} | {} | {:.0} | {:.0} | {:.2} | {:.0} |",
            seen.down,
            seen.waiting,
            mebibytes(seen.before),
            mebibytes(seen.after),
            seen.ready.seconds(),
            mebibytes(seen.restarted)
        );
    }
    table
}
