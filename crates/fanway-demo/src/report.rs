//! What the demo shows.

use std::fmt::Arguments;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use fanway_config::Config;
use fanway_server::Running;
use serde_json::Value;

use crate::gateway::With;
use crate::orders::Order;
use crate::waits::Waits;
use crate::without::Without;

fn say(line: Arguments<'_>) {
    // Who has closed the output doesn't read on.
    let _gone = writeln!(std::io::stdout(), "{line}");
}

/// What is about to happen.
pub(crate) fn opening(orders: &[Order], config: &Config, folder: &Path) {
    let url = |target: &str| {
        config
            .targets
            .get(target)
            .map_or("?", |target| target.url.as_str())
    };
    say(format_args!(
        "Fanway: the order example (examples/orders/fanway.yaml)\n"
    ));
    say(format_args!(
        "  {} orders, each for two APIs:",
        orders.len()
    ));
    say(format_args!(
        "  inventory  {}  takes its time, and answers one call in ten with a 503",
        url("inventory")
    ));
    say(format_args!(
        "  shipping   {}  likewise, and goes down for some seconds",
        url("shipping")
    ));
    say(format_args!("  data       {}\n", folder.display()));
}

/// What callers waited without Fanway.
pub(crate) fn without(without: &Without) {
    let orders = without.in_sequence.count();
    say(format_args!(
        "Without Fanway: {orders} of the orders by callers that call both APIs themselves\n"
    ));
    heading();
    row("one call after the other", &without.in_sequence);
    row("both calls in parallel", &without.in_parallel);
    say(format_args!(
        "\nWith Fanway: the caller sends the order once\n"
    ));
}

fn heading() {
    say(format_args!(
        "  {:<26} {:>12} {:>12} {:>14}",
        "the caller waited", "median", "99 of 100", "left to mend"
    ));
}

fn row(what: &str, waits: &Waits) {
    let (median, late) = (millis(waits.percentile(50)), millis(waits.percentile(99)));
    say(format_args!(
        "  {what:<26} {median:>12} {late:>12} {:>14}",
        format!("{} orders", waits.failed)
    ));
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// What came of the orders.
pub(crate) fn with(with: &With, without: &Without) {
    let count = |counts: &std::collections::BTreeMap<String, usize>, state| {
        counts.get(state).copied().unwrap_or(0)
    };
    say(format_args!(""));
    heading();
    row("one call after the other", &without.in_sequence);
    row("both calls in parallel", &without.in_parallel);
    row("Fanway: accepted, durable", &with.waits);

    let deliveries: usize = with.deliveries.values().sum();
    let [busy, down, refused] = with.failures;
    say(format_args!(
        "\n  {} orders had ended after {:.1} s:",
        with.waits.count(),
        with.took.as_secs_f64()
    ));
    say(format_args!(
        "  {deliveries} deliveries: {}",
        list(&with.deliveries)
    ));
    say(format_args!(
        "  {} further attempts after {busy} answers \"busy\" and {down} \"down\"",
        with.retries
    ));
    say(format_args!(
        "  {refused} refused for good, {} on the list of dead letters",
        with.dead.len()
    ));
    debug_assert_eq!(
        count(&with.messages, "pending"),
        0,
        "every message was followed to its end"
    );
    with.dead.iter().for_each(dead_letter);
}

fn list(counts: &std::collections::BTreeMap<String, usize>) -> String {
    let items: Vec<_> = counts
        .iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    items.join(", ")
}

fn dead_letter(letter: &Value) {
    let text = |name: &str| letter[name].as_str().unwrap_or("-").to_owned();
    say(format_args!("\n  The dead letter {}", text("id")));
    say(format_args!(
        "    step {} to target {}, {}: status {}",
        text("step"),
        text("target"),
        text("reason"),
        letter["last_status"]
    ));
    say(format_args!("    it answered {}", text("detail")));
}

/// What to try next.
pub(crate) fn try_it(program: &str, server: &Running, with: &With) {
    let (gateway, admin) = (server.gateway, server.admin);
    say(format_args!("\nTry it (Ctrl-C ends it):\n"));
    say(format_args!(
        "  curl -i http://{gateway}/orders -H 'content-type: application/json' \\\n    -d '{{\"id\": \"mine\", \"items\": [{{\"sku\": \"mug-blue\", \"quantity\": 1}}]}}'"
    ));
    if let Some(example) = &with.example {
        say(format_args!("  {program} status {example}"));
    }
    if let Some(letter) = with.dead.first() {
        say(format_args!(
            "  {program} dead show {}",
            letter["id"].as_str().unwrap_or_default()
        ));
    }
    say(format_args!(
        "\nThe admin API is at http://{admin}/, its metrics at http://{admin}/metrics"
    ));
}
