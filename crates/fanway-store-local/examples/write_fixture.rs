//! Writes a data folder with a little of everything, for the tests of later releases.
//!
//! `cargo run -p fanway-store-local --example write_fixture -- FOLDER`
//!
//! What stands where is said in `tests/fixtures/README.md`. A release that changes a format adds a
//! folder of its own; those that are there are never written again.

use std::error::Error;
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fanway_journal::fs::RealFs;
use fanway_store::lane::{Hold, Room, Work};
use fanway_store::{Lane, Redrive, Store};
use fanway_store_local::{Keep, LocalStore, Params, Syncing, Tuning};
use fanway_types::{
    AgainCause, ByteCount, DeadReason, End, MemoryBudget, Message, MessageId, Outcome, Plan,
    Request, Step, Timestamp, Verdict,
};

type Failure = Box<dyn Error + Send + Sync>;

/// When message 0 was accepted; each following one a second later.
const BEGIN: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);

fn main() -> Result<(), Failure> {
    let folder = std::env::args_os().nth(1).ok_or("which folder?")?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(write(folder.into()))
}

async fn write(path: PathBuf) -> Result<(), Failure> {
    let params = Params {
        path,
        sync: Syncing::Always,
        segment: ByteCount::kib(64),
        max: None,
        keep: Keep::default(),
        budget: MemoryBudget::new(ByteCount::mib(1)),
        clock: Arc::new(|| BEGIN),
        fs: Arc::new(RealFs),
        owner: "write_fixture".to_owned(),
    };
    // Only what is asked for is posted: the rest is in the journal alone.
    let tuning = Tuning {
        rest: 24 * HOUR,
        ..Tuning::default()
    };
    let store = LocalStore::open_with(params, tuning)?;
    let plan = plan()?;
    store.keep_plan(Arc::clone(&plan)).await?;
    let mut stock = store.lane(&"stock".parse()?)?;
    let mut shipping = store.lane(&"shipping".parse()?)?;

    accept(&store, &plan, 0..6).await?;
    let work = take(&mut *stock, 6).await?;
    for work in &work[..5] {
        record(&mut *stock, work, Verdict::Ended(End::Delivered));
    }
    let work = take(&mut *shipping, 6).await?;
    record(&mut *shipping, &work[0], Verdict::Ended(End::Delivered));
    record(&mut *shipping, &work[1], Verdict::Ended(End::Skipped));
    let cause = AgainCause::Failed;
    let due = BEGIN.saturating_add(HOUR);
    record(&mut *shipping, &work[2], Verdict::Again { due, cause });
    let dead = Verdict::Ended(End::Dead(DeadReason::Refused));
    record(&mut *shipping, &work[3], dead);
    record(&mut *shipping, &work[4], dead);
    store.posted().await?;
    let redrive = Redrive {
        dead: work[4].delivery,
        plan: plan.hash(),
        step: 1,
    };
    store.redrive(redrive, BEGIN).await?;

    // From here on the ledger knows nothing.
    accept(&store, &plan, 6..9).await?;
    let work = take(&mut *stock, 3).await?;
    record(&mut *stock, &work[0], Verdict::Ended(End::Delivered));
    record(&mut *stock, &work[1], dead);
    let changed = store.changed(work[1].delivery.message);
    changed.await;
    // No close: a later release has to bring the journal into the ledger.
    Ok(())
}

fn plan() -> Result<Arc<Plan>, Failure> {
    let mut steps = Vec::new();
    for (target, critical) in [("stock", true), ("shipping", false)] {
        steps.push(Step {
            name: target.parse()?,
            target: target.parse()?,
            method: "POST".to_owned(),
            path: Some("/v1".to_owned()),
            query: vec![("source".to_owned(), "fanway".to_owned())],
            headers: vec![("x-customer".to_owned(), "\\(.customer)".to_owned())],
            body: Some("{id}".to_owned()),
            when: None,
            critical,
            forward: vec!["x-request-id".to_owned()],
            forward_query: true,
        });
    }
    let route = "orders".parse()?;
    Ok(Arc::new(Plan { route, steps }))
}

async fn accept(
    store: &LocalStore,
    plan: &Plan,
    numbers: std::ops::Range<u64>,
) -> Result<(), Failure> {
    let messages = numbers.map(|number| {
        let at = BEGIN.saturating_add(Duration::from_secs(number));
        let headers = [
            ("content-type", &b"application/json"[..]),
            ("x-request-id", b"7"),
        ];
        Arc::new(Message {
            id: MessageId::first_at(at),
            route: plan.route.clone(),
            plan: plan.hash(),
            request: Request {
                method: "POST".into(),
                path: format!("/orders/{number}").into(),
                query: Some("dry=0".into()),
                params: vec![("id".into(), number.to_string().into())],
                headers: headers.into_iter().collect(),
                body: format!(r#"{{"id": {number}}}"#).into(),
            },
            reservation: None,
        })
    });
    Ok(store.accept(messages.collect()).await?)
}

async fn take(lane: &mut dyn Lane, count: usize) -> Result<Vec<Work>, Failure> {
    let mut work = Vec::new();
    let room = Room {
        deliveries: count,
        bytes: ByteCount::mib(1),
    };
    while work.len() < count {
        poll_fn(|cx| lane.poll_take(cx, BEGIN, room, &mut work)).await?;
    }
    Ok(work)
}

fn record(lane: &mut dyn Lane, work: &Work, verdict: Verdict) {
    let outcome = Outcome {
        delivery: work.delivery,
        at: BEGIN.saturating_add(Duration::from_secs(60)),
        verdict,
        attempts: 2,
        used: 1,
        spent: Duration::from_millis(1500),
        status: Some(409),
        detail: Some("no such article".into()),
    };
    lane.record(outcome, Hold::LetGo);
}
