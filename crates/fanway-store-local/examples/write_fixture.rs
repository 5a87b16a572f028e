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
use fanway_store::change::{Audit, Control, Edited, Force, Key, Pause, PauseCause, Redrive};
use fanway_store::job::{Filter, Job, State};
use fanway_store::lane::{Hold, Room, Work};
use fanway_store::{Lane, Store};
use fanway_store_local::{Encryption, Keep, LocalStore, Params, Syncing, Tuning, Turns};
use fanway_types::{
    AgainCause, ByteCount, DeadReason, End, Fingerprint, IdempotencyKey, JobId, KeyScope,
    MemoryBudget, Message, MessageId, Outcome, Plan, Request, Step, Terms, Timestamp, Verdict,
};

type Failure = Box<dyn Error + Send + Sync>;

/// When message 0 was accepted; each following one a second later.
const BEGIN: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);
const DEAD: Verdict = Verdict::Ended(End::Dead(DeadReason::Refused));

fn main() -> Result<(), Failure> {
    let folder = std::env::args_os().nth(1).ok_or("which folder?")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(write(folder.into()))
}

async fn write(path: PathBuf) -> Result<(), Failure> {
    let params = Params {
        path,
        sync: Syncing::Always,
        segment: ByteCount::kib(64),
        max: None,
        keep: Keep::default(),
        encrypt: Encryption::default(),
        budget: MemoryBudget::new(ByteCount::mib(1)),
        clock: Arc::new(|| BEGIN),
        fs: Arc::new(RealFs),
        owner: "write_fixture".to_owned(),
        turns: Turns::default(),
    };
    // Only what is asked for is posted: the rest is in the journal alone.
    let tuning = Tuning {
        rest: 24 * HOUR,
        ..Tuning::default()
    };
    let store = LocalStore::open_with(params, tuning)?;
    let orders = plan("orders", &[("stock", true), ("shipping", false)])?;
    let returns = Plan {
        callback: Some("accounting".parse()?),
        on_dead: Some("alerts".parse()?),
        ..plan("returns", &[("archive", true)])?
    };
    let (orders, returns) = (Arc::new(orders), Arc::new(returns));
    store.keep_plan(Arc::clone(&orders)).await?;
    store.keep_plan(Arc::clone(&returns)).await?;
    let mut stock = store.lane(&"stock".parse()?)?;
    let mut archive = store.lane(&"archive".parse()?)?;
    post_orders(&store, &orders, &mut *stock).await?;
    post_returns(&store, &returns, &mut *archive).await?;

    // From here on the ledger knows nothing.
    journal_returns(&store, &returns, &mut *archive).await?;
    journal_orders(&store, &orders, &mut *stock).await
    // No close: a later release has to bring the journal into the ledger.
}

async fn post_orders(store: &LocalStore, plan: &Plan, stock: &mut dyn Lane) -> Result<(), Failure> {
    let mut shipping = store.lane(&"shipping".parse()?)?;
    accept(store, plan, 0..6).await?;
    let work = take(stock, 6).await?;
    for work in &work[..5] {
        record(stock, work, Verdict::Ended(End::Delivered));
    }
    let work = take(&mut *shipping, 6).await?;
    record(&mut *shipping, &work[0], Verdict::Ended(End::Delivered));
    record(&mut *shipping, &work[1], Verdict::Ended(End::Skipped));
    let cause = AgainCause::Failed;
    let due = BEGIN.saturating_add(HOUR);
    record(&mut *shipping, &work[2], Verdict::Again { due, cause });
    record(&mut *shipping, &work[3], DEAD);
    record(&mut *shipping, &work[4], DEAD);
    store.posted().await?;
    let redrive = Redrive {
        old: work[4].delivery,
        plan: plan.hash(),
        step: 1,
        key: Key::Kept,
        body: None,
    };
    redriven(store, redrive, None).await
}

/// Of a schema 2: keys, times, notices, a cancel, a job, an edited body, what operators set.
async fn post_returns(
    store: &LocalStore,
    plan: &Plan,
    archive: &mut dyn Lane,
) -> Result<(), Failure> {
    let later = Terms {
        not_before: Some(BEGIN.saturating_add(HOUR)),
        expires: Some(BEGIN.saturating_add(2 * HOUR)),
        ..key(22)?
    };
    let messages = vec![
        message(plan, 20, key(20)?),
        message(plan, 21, key(21)?),
        message(plan, 22, later),
        message(plan, 23, Terms::default()),
    ];
    store.accept(messages).await?;
    let work = take(archive, 3).await?;
    record(archive, &work[0], Verdict::Ended(End::Delivered));
    record(archive, &work[1], DEAD);
    let called_off = work[2].delivery.message;
    store
        .cancel(called_off, Some(audit("message.cancel")), BEGIN)
        .await?;
    record(archive, &work[2], Verdict::Ended(End::Cancelled));
    store.posted().await?;
    let redrive = Redrive {
        old: work[1].delivery,
        plan: plan.hash(),
        step: 0,
        key: Key::New,
        body: Some(Edited {
            body: "id: 21".into(),
            content_type: Some("application/yaml".into()),
        }),
    };
    redriven(store, redrive, Some(job(State::Running))).await?;
    let pause = Pause {
        since: BEGIN,
        reason: "it is being moved".to_owned(),
        cause: PauseCause::Operator,
        address: None,
    };
    let control = Control {
        pause: Some(pause),
        ..Control::default()
    };
    let paused = Some(audit("target.pause"));
    store
        .keep_control("archive".parse()?, control, paused)
        .await?;
    Ok(store.posted().await?)
}

async fn journal_returns(
    store: &LocalStore,
    plan: &Plan,
    archive: &mut dyn Lane,
) -> Result<(), Failure> {
    let callback = Terms {
        callback: Some("https://example.com/told?of=24".into()),
        ..key(24)?
    };
    let later = Terms {
        not_before: Some(BEGIN.saturating_add(HOUR)),
        ..Terms::default()
    };
    let messages = vec![
        message(plan, 24, callback),
        message(plan, 25, later),
        message(plan, 26, Terms::default()),
    ];
    let called_off = messages[2].id;
    store.accept(messages).await?;
    // The lane has all that is due: whether it was sent nobody can say.
    take(archive, 3).await?;
    store.cancel(called_off, None, BEGIN).await?;
    let control = Control {
        breaker: Force::Open,
        ..Control::default()
    };
    store.keep_control("stock".parse()?, control, None).await?;
    store.keep_job(job(State::Done), None).await?;
    Ok(store.note(audit("config.reload")).await?)
}

async fn journal_orders(
    store: &LocalStore,
    plan: &Plan,
    stock: &mut dyn Lane,
) -> Result<(), Failure> {
    accept(store, plan, 6..9).await?;
    let work = take(stock, 3).await?;
    record(stock, &work[0], Verdict::Ended(End::Delivered));
    let changed = store.changed(work[1].delivery.message);
    record(stock, &work[1], DEAD);
    changed.await;
    Ok(())
}

async fn redriven(store: &LocalStore, redrive: Redrive, job: Option<Job>) -> Result<(), Failure> {
    for redriven in store.redrive(vec![redrive], job, None, BEGIN).await? {
        redriven?;
    }
    Ok(())
}

fn job(state: State) -> Job {
    Job {
        id: JobId::from_bytes([7; 16]),
        filter: Filter::default(),
        to: None,
        new_key: true,
        pace: Some(5),
        state,
        cursor: None,
        found: 1,
        redriven: 1,
        passed_over: 0,
        ended_at: state.has_ended().then_some(BEGIN),
    }
}

fn audit(action: &str) -> Audit {
    Audit {
        at: BEGIN,
        actor: "127.0.0.1".into(),
        action: action.into(),
        subject: "archive".into(),
        detail: None,
    }
}

/// Terms with a key that is named after the message.
fn key(number: u64) -> Result<Terms, Failure> {
    let body = body(number);
    let key = IdempotencyKey {
        scope: KeyScope::Route("returns".parse()?),
        text: format!("key {number}").into(),
        fingerprint: Fingerprint::of("POST", "/", None, body.as_bytes()),
        until: BEGIN.saturating_add(24 * HOUR),
    };
    Ok(Terms {
        key: Some(key),
        ..Terms::default()
    })
}

fn body(number: u64) -> String {
    format!(r#"{{"id": {number}}}"#)
}

fn plan(route: &str, targets: &[(&str, bool)]) -> Result<Plan, Failure> {
    let mut steps = Vec::new();
    for &(target, critical) in targets {
        steps.push(Step {
            path: Some("/v1".to_owned()),
            query: vec![("source".to_owned(), "fanway".to_owned())],
            headers: vec![("x-customer".to_owned(), "\\(.customer)".to_owned())],
            body: Some("{id}".to_owned()),
            critical,
            forward: vec!["x-request-id".to_owned()],
            forward_query: true,
            ..Step::new(target.parse()?, target.parse()?)
        });
    }
    Ok(Plan {
        route: route.parse()?,
        steps,
        callback: None,
        on_dead: None,
    })
}

async fn accept(
    store: &LocalStore,
    plan: &Plan,
    numbers: std::ops::Range<u64>,
) -> Result<(), Failure> {
    let messages = numbers.map(|number| message(plan, number, Terms::default()));
    Ok(store.accept(messages.collect()).await?)
}

fn message(plan: &Plan, number: u64, terms: Terms) -> Arc<Message> {
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
            body: body(number).into(),
        },
        terms,
        reservation: None,
    })
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
        fallback: None,
    };
    lane.record(work, outcome, Hold::LetGo);
}
