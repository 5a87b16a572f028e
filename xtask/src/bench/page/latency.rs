//! Latencies as tables.

use std::fmt::Write;

use crate::bench::latency::{Closed, Latency, Open};
use crate::bench::long::{KEEP, Long};
use crate::bench::probe::Meanwhile;
use crate::bench::quantiles::{Micros, Quantiles};

pub(super) fn latency(figures: &Latency) -> String {
    let closed: String = figures.closed.iter().map(closed).collect();
    let open: String = figures.open.iter().map(open).collect();
    let targets = figures.delivery.iter().zip(["first", "second"]);
    let delivery: String = targets
        .map(|(ways, target)| format!("| {target} | {} |\n", ways.cells()))
        .collect();
    format!(
        "Until an event is accepted: medians of the rounds, and the slowest of all. wrk's percentiles count, beside an \
         answer that was late, the requests that its connection would have sent meanwhile.\n\n\
         Each connection sends when the last request is answered:\n\n\
         | connections | | events/s | p50 ms | p99 ms | p99.9 ms | slowest ms | failed |\n\
         |---|---|---|---|---|---|---|---|\n{closed}\n\
         Requests are due at fixed times, at a share of what the same candidate took above at 64 connections:\n\n\
         | share | | due/s | p50 ms | p99 ms | p99.9 ms | slowest ms | failed |\n\
         |---|---|---|---|---|---|---|---|\n{open}\n\
         From when a request was sent until its head is at Fanway's target, at half of its capacity:\n\n\
         | target | p50 ms | p99 ms | p99.9 ms | slowest ms |\n|---|---|---|---|---|\n{delivery}"
    )
}

fn closed(line: &Closed) -> String {
    let Closed {
        connections,
        events_per_second,
        accepted,
        failed,
        ..
    } = line;
    let (name, cells) = (line.candidate.name(), accepted.cells());
    format!("| {connections} | {name} | {events_per_second:.0} | {cells} | {failed} |\n")
}

fn open(line: &Open) -> String {
    let Open {
        share,
        rate,
        accepted,
        failed,
        ..
    } = line;
    let (name, cells) = (line.candidate.name(), accepted.cells());
    format!("| {share} | {name} | {rate} | {cells} | {failed} |\n")
}

pub(super) fn long(figures: &Long) -> String {
    let Long {
        minutes,
        rate,
        failed,
        ..
    } = figures;
    let [accepted, hiccups, disk] = [figures.accepted, figures.hiccups, figures.disk]
        .map(|quantiles: Quantiles| quantiles.cells());
    let mut page = format!(
        "Fanway alone, for {minutes} min at half of its capacity: {rate} requests are due in a second, {failed} failed. \
         Posting, checkpoints and changes of segments go on as by default; everything is kept for {KEEP} only, so that \
         from then on as much is pruned as comes. Three probes run beside it: one sleeps a millisecond at a time and notes \
         by how much it overslept; another writes 4 KiB and syncs them 20 times a second, in the same folder; the third \
         asks as often what the journal's syncs have taken.\n\n\
         | | p50 ms | p99 ms | p99.9 ms | slowest ms |\n|---|---|---|---|---|\n\
         | accepted | {accepted} |\n| overslept | {hiccups} |\n| written and synced | {disk} |\n\n\
         The slowest moments, and what the probes noted while that request waited: the longest, of naps too long also all \
         together, and what the journal's syncs took beyond what as many take in the mean of the whole run: 64 connections \
         bring 64 requests at a time, so that where each sync is slow what is due adds up. What took at least half of the \
         time is held to explain it; what is left is Fanway's.\n\n\
         | at, s | accepted after, ms | overslept, ms | in all, ms | written and synced, ms | journal's syncs, beyond, ms | whose |\n\
         |---|---|---|---|---|---|---|\n"
    );
    for moment in &figures.moments {
        let Meanwhile {
            hiccup,
            hiccups,
            disk,
            syncs,
        } = moment.meanwhile;
        let [accepted, hiccup, hiccups, disk, syncs] =
            [moment.accepted, hiccup, hiccups, disk, syncs].map(Micros::millis);
        let (at, whose) = (moment.at, moment.whose());
        // Writing into a string can't fail.
        let _ = writeln!(
            page,
            "| {at:.1} | {accepted:.1} | {hiccup:.1} | {hiccups:.1} | {disk:.1} | {syncs:.1} | {whose} |"
        );
    }
    page
}
