//! For tests: a plan of one step.

use fanway_types::{Plan, Step};

/// The plan of route `orders`, whose one step sends to `stock`.
pub(super) fn plan() -> Plan {
    let step = Step::new(
        "stock".parse().expect("a name"),
        "stock".parse().expect("a name"),
    );
    Plan {
        route: "orders".parse().expect("a name"),
        steps: vec![step],
        callback: None,
        on_dead: None,
    }
}
