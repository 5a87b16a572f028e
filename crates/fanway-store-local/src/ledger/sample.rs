//! For tests: a plan of one step.

use fanway_types::{Plan, Step};

/// The plan of route `orders`, whose one step sends to `stock`.
pub(super) fn plan() -> Plan {
    let step = Step {
        name: "stock".parse().expect("a name"),
        target: "stock".parse().expect("a name"),
        method: "POST".to_owned(),
        path: None,
        query: Vec::new(),
        headers: Vec::new(),
        body: None,
        when: None,
        critical: true,
        forward: Vec::new(),
        forward_query: false,
        order: None,
        origin: None,
    };
    Plan {
        route: "orders".parse().expect("a name"),
        steps: vec![step],
        callback: None,
        on_dead: None,
    }
}
