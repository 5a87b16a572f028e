//! The orders of the example.

use anyhow::Context;
use bytes::Bytes;
use serde_json::Value;

/// An order, as a shop would send it.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    body: Bytes,
    json: Value,
    id: String,
}

impl Order {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn body(&self) -> Bytes {
        self.body.clone()
    }

    pub(crate) fn json(&self) -> &Value {
        &self.json
    }
}

/// Reads one order a line.
pub(crate) fn read(lines: &'static str) -> anyhow::Result<Vec<Order>> {
    lines.lines().map(order).collect()
}

fn order(line: &'static str) -> anyhow::Result<Order> {
    let json: Value =
        serde_json::from_str(line).with_context(|| format!("not an order: {line}"))?;
    let id = json["id"]
        .as_str()
        .with_context(|| format!("an order without an id: {line}"))?
        .to_owned();
    Ok(Order {
        body: Bytes::from_static(line.as_bytes()),
        json,
        id,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::read;

    #[test]
    fn the_example_has_a_few_hundred_different_orders() {
        let orders = read(crate::ORDERS).expect("the example is well-formed");
        let ids: HashSet<_> = orders.iter().map(super::Order::id).collect();
        assert_eq!(ids.len(), orders.len());
        assert!((200..1000).contains(&orders.len()));
        let bodies: HashSet<_> = orders
            .iter()
            .map(|order| order.json()["items"].to_string())
            .collect();
        assert!(bodies.len() > 200, "{} different baskets", bodies.len());
    }
}
