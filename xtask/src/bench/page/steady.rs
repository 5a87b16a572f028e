//! How steady it is, as tables: of each part what it must reach, and what that comes from.

use crate::bench::figures::median;
use crate::bench::hanging::Seen;
use crate::bench::ratios::Ratios;
use crate::bench::row::{self, STEADY};
use crate::bench::steady::Part;
use crate::bench::steady::busy::Busy;
use crate::bench::steady::drain::Drain;
use crate::bench::steady::hanging::{Hanging, Other};
use crate::bench::steady::limits::Limits;
use crate::bench::steady::order::Order;

/// What stands above the parts.
pub(super) const HEAD: &str = "\
What a target that is in trouble, or that is held to limits, costs the others and itself. Requests become due at a fixed \
rate, half of what the same setup took just before, unless it says otherwise. Ratios are taken within a round, and told \
as their median and, in brackets, the least and the greatest.
";

/// A part's title.
pub(super) fn title(part: Part) -> &'static str {
    match part {
        Part::Hanging => "### One of ten targets hangs",
        Part::Drain => "### A target was down, and comes back",
        Part::Busy => "### One answer of twenty is 503",
        Part::Limits => "### Limits that don't bind",
        Part::Order => "### Order by key",
    }
}

/// What must be reached, and is.
fn held(ratios: &Ratios) -> String {
    row::table(&STEADY, ratios)
}

pub(super) fn hanging(figures: &Hanging) -> String {
    let others = || figures.others.iter();
    let line = |name: &str, side: fn(&Other) -> Seen| {
        let deliveries = median(others().map(|other| side(other).deliveries_per_second));
        let p99 = median(others().map(|other| side(other).p99.millis()));
        format!("| {name} | {deliveries:.0} | {p99:.2} |\n")
    };
    let cells: String = others()
        .enumerate()
        .map(|(index, other)| {
            let (deliveries, p99) = (other.deliveries.cell(), other.p99.cell());
            format!("| {} | {deliveries} | {p99} |\n", index + 2)
        })
        .collect();
    format!(
        "{}\n\
         {} requests are due in a second, each for ten targets. The first takes each request and never answers: its \
         time-out is a second, and its breaker is set so that it never opens, so that it hangs all the time. The measures \
         are those of the worst of the other nine, whose p99 counts from when a request was sent until its head is at the \
         target.\n\n\
         | | deliveries/s, median of the nine | p99 ms, median of the nine |\n|---|---|---|\n{}{}\n\
         | target | deliveries/s beside it, × | p99 beside it, × |\n|---|---|---|\n{cells}",
        held(&figures.ratios()),
        figures.rate,
        line("all well", |other| other.well),
        line("one hangs", |other| other.beside),
    )
}

pub(super) fn drain(figures: &Drain) -> String {
    let Drain {
        waiting,
        rate,
        fresh,
        drain,
        ..
    } = figures;
    let [alone, beside_fresh, beside_drain] =
        [figures.alone, figures.beside_fresh, figures.beside_drain].map(|others| {
            let (delivered, accepted) = (others.delivered.millis(), others.accepted.millis());
            format!("{delivered:.2} | {accepted:.2}")
        });
    let (pace, p99) = (figures.pace.cell(), figures.p99.cell());
    let memory = &figures.memory;
    format!(
        "{}\n\
         {rate} requests are due in a second for two targets that are well. A third one is down, connections to it are \
         refused, until {waiting} messages wait for it; its breaker looks each second whether it is back. Its pace is held \
         against its own with fresh traffic from 64 connections that send when they are answered. The others' delivery p99 counts \
         from when a request was sent until its head is at the target, and is held against theirs with nothing beside. \
         Memory is what is resident beyond what was before any waited, the most of all rounds: {:.0} to {:.0} MiB.\n\n\
         | beside the others' traffic | its deliveries/s | the others' delivery p99 ms | accept p99 ms |\n|---|---|---|---|\n\
         | nothing | — | {alone} |\n\
         | fresh traffic at capacity | {fresh:.0} | {beside_fresh} |\n\
         | the drain | {drain:.0} | {beside_drain} |\n\n\
         Ratios of the rounds: pace {pace}, p99 {p99}.\n",
        held(&figures.ratios()),
        memory.least,
        memory.most,
    )
}

pub(super) fn busy(figures: &Busy) -> String {
    let Busy {
        rate, well, busy, ..
    } = figures;
    format!(
        "{}\n\
         {rate} requests are due in a second for two targets. One of them answers each twentieth with 503; those are \
         attempted again after a second or so. Deliveries count that it took while the load lasted.\n\n\
         | | deliveries/s |\n|---|---|\n| none is 503 | {well:.0} |\n| 5 % are 503 | {busy:.0} |\n\n\
         Ratios of the rounds: {}.\n",
        held(&figures.ratios()),
        figures.deliveries.cell()
    )
}

pub(super) fn limits(figures: &Limits) -> String {
    let Limits {
        rate,
        without,
        with,
        ..
    } = figures;
    format!(
        "{}\n\
         {rate} requests are due in a second for two targets. With limits, each target has a rate of a million a second \
         and a breaker that also looks for slow answers; without, neither is configured. Every target has a breaker, so \
         that the default one works on both sides.\n\n\
         | | CPU µs for an event |\n|---|---|\n| without | {without:.1} |\n| with | {with:.1} |\n\n\
         Ratios of the rounds: {}.\n",
        held(&figures.ratios()),
        figures.cpu.cell()
    )
}

pub(super) fn order(figures: &Order) -> String {
    let Order {
        keys,
        unordered,
        ordered,
        ..
    } = figures;
    let line = |name: &str, events: f64, cpu: f64| format!("| {name} | {events:.0} | {cpu:.1} |\n");
    format!(
        "{}\n\
         64 connections send when they are answered, so that this is at capacity. Each request has one of {keys} keys at \
         random, and goes to two targets; ordered, both steps have `order_by: '.customer_id'`. Gateways are started anew for each round.\n\n\
         | | events/s | CPU µs for an event |\n|---|---|---|\n{}{}\n\
         Ratios of the rounds: {}.\n",
        held(&figures.ratios()),
        line("unordered", unordered.events_per_second, unordered.cpu),
        line("ordered", ordered.events_per_second, ordered.cpu),
        figures.events.cell()
    )
}
