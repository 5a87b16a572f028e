//! What a program does that calls both APIs itself: one after the other, or in parallel.

use std::time::Instant;

use bytes::Bytes;
use hyper::Method;
use tokio::task::JoinSet;

use crate::Calls;
use crate::apis::Apis;
use crate::client::Client;
use crate::orders::Order;
use crate::waits::Waits;

/// Callers at a time.
const CALLERS: usize = 8;
/// Orders that are tried this way: enough to show it.
const ORDERS: usize = 120;

/// How long callers waited without Fanway.
pub(crate) struct Without {
    pub(crate) in_sequence: Waits,
    pub(crate) in_parallel: Waits,
}

/// Makes the same calls without Fanway, both ways.
pub(crate) async fn measure(apis: &Apis, orders: &[Order]) -> anyhow::Result<Without> {
    let orders = &orders[..orders.len().min(ORDERS)];
    let in_sequence = run(apis, orders, Way::InSequence).await?;
    let in_parallel = run(apis, orders, Way::InParallel).await?;
    Ok(Without {
        in_sequence,
        in_parallel,
    })
}

#[derive(Clone, Copy)]
enum Way {
    InSequence,
    InParallel,
}

async fn run(apis: &Apis, orders: &[Order], way: Way) -> anyhow::Result<Waits> {
    let mut callers = JoinSet::new();
    for share in orders.chunks(orders.len().div_ceil(CALLERS)) {
        let calls: Vec<Calls> = share.iter().map(Calls::from).collect();
        let mut caller = Caller {
            inventory: Client::new(apis.inventory()),
            shipping: Client::new(apis.shipping()),
        };
        callers.spawn(async move {
            let mut waits = Waits::default();
            for calls in calls {
                let begun = Instant::now();
                let failed = !caller.make(calls, way).await;
                waits.add(begun.elapsed(), failed);
            }
            waits
        });
    }
    let shares = callers.join_all().await;
    let mut all = Waits::default();
    for share in shares {
        all.append(share);
    }
    Ok(all)
}

struct Caller {
    inventory: Client,
    shipping: Client,
}

impl Caller {
    /// Makes an order's calls; true where both succeeded.
    async fn make(&mut self, calls: Calls, way: Way) -> bool {
        let Calls {
            reservation,
            shipment,
        } = calls;
        let Self {
            inventory,
            shipping,
        } = self;
        let reserve = succeeds(
            inventory,
            Method::POST,
            "/reservations".to_owned(),
            reservation,
        );
        let ship = async {
            match shipment {
                Some((path, body)) => succeeds(shipping, Method::PUT, path, body).await,
                None => true,
            }
        };
        let (reserved, shipped) = match way {
            Way::InSequence => (reserve.await, ship.await),
            Way::InParallel => tokio::join!(reserve, ship),
        };
        reserved && shipped
    }
}

async fn succeeds(client: &mut Client, method: Method, path: String, body: String) -> bool {
    matches!(client.call(method, &path, Bytes::from(body)).await, Ok((status, _)) if status.is_success())
}
