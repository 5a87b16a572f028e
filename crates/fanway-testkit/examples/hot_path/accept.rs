//! Requests on one connection, each sent when the one before is answered: its thread does all.
//!
//! The plan has no steps, so that the store has next to nothing to do; what is left is ingress, and
//! a client that copies bytes.

use std::sync::Arc;

use fanway_ingress::metrics::Metrics;
use fanway_ingress::{BodyKind, Door, Idempotency, Ingress, Limits, Params, RouteParams, Table};
use fanway_store::Store;
use fanway_testkit::{MemoryStore, build};
use fanway_types::{ByteCount, MemoryBudget, PlanHash};
use prometheus_client::registry::Registry;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime;

use crate::{BODY, Failure, SEED, now};

/// What the connection holds each way: any request, any answer.
const PIPE: usize = 16 * 1024;

/// Has so many requests accepted.
pub(crate) fn run(count: u64) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let store = MemoryStore::default();
        let plan = store.keep_plan(build::plan([])).await?;
        let door = door(store, plan)?;
        let (mut client, server) = duplex(PIPE);
        tokio::spawn(async move { door.serve(server).await });
        send(&mut client, count).await
    })
}

fn door(store: MemoryStore, plan: PlanHash) -> Result<Door, Failure> {
    let route = RouteParams {
        name: "orders".parse()?,
        method: Some(http::Method::POST),
        path: "/orders".parse()?,
        plan,
        order: None,
        body: BodyKind::Opaque,
        idempotency: Idempotency::default(),
        not_before: None,
        expires: None,
        callbacks: [].into(),
    };
    let table = Table {
        routes: vec![route],
        limits: Limits::default(),
        public_url: None,
        cors: None,
        held: Arc::new(|_| None),
    };
    let ingress = Ingress::try_new(Params {
        table,
        budget: MemoryBudget::new(ByteCount::mib(64)),
        clock: now,
        metrics: Metrics::register(&mut Registry::default()),
        evaluator: None,
    })?;
    Ok(ingress.door(Arc::new(store), StdRng::seed_from_u64(SEED)))
}

async fn send(client: &mut DuplexStream, count: u64) -> Result<(), Failure> {
    let length = BODY.len();
    let head = format!(
        "POST /orders HTTP/1.1\r\nhost: 127.0.0.1:8080\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n"
    );
    let request = [head.as_bytes(), &BODY].concat();
    let mut answer = Vec::with_capacity(PIPE);
    for _ in 0..count {
        client.write_all(&request).await?;
        read_accepted(client, &mut answer).await?;
    }
    Ok(())
}

/// Reads an answer, which is to be a 202.
async fn read_accepted(client: &mut DuplexStream, answer: &mut Vec<u8>) -> Result<(), Failure> {
    answer.clear();
    // Its body is an object, and no part of its head ends like one.
    while !answer.ends_with(b"}") {
        if client.read_buf(answer).await? == 0 {
            return Err("the connection was closed".into());
        }
    }
    if answer.starts_with(b"HTTP/1.1 202 ") {
        return Ok(());
    }
    Err(String::from_utf8_lossy(answer).into())
}
