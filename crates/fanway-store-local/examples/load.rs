//! Load on a local store: what a record costs, what a backlog costs, and how fast it is taken.
//!
//! `cargo run --release -p fanway-store-local --example load -- FOLDER [mixed|waiting|reopen|behind]`
//!
//! `mixed` runs 64 senders for five seconds; each message is delivered to two targets. `waiting`
//! accepts a million messages for a target whose lane takes nothing and aborts; `reopen` opens
//! that folder again and delivers them. `behind` accepts a million of which the first is never
//! delivered, and all others but each hundredth wait behind it by their order key; those are
//! delivered.

use std::error::Error;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use fanway_journal::fs::RealFs;
use fanway_store::lane::{Hold, Room, Work};
use fanway_store::{Lane, Store};
use fanway_store_local::{Encryption, Keep, LocalStore, Params, Syncing, Turns};
use fanway_types::{
    ByteCount, End, MemoryBudget, Message, MessageId, OrderKey, Outcome, Plan, Request, Step,
    StepOrder, Terms, Timestamp, Verdict, WhenDead,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

const SENDERS: u64 = 64;
const WAITING: u64 = 1_000_000;
const BODY: usize = 1024;
const TIME: Duration = Duration::from_secs(5);
const WINDOW: Room = Room {
    deliveries: 4096,
    bytes: ByteCount::mib(16),
};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("which folder?")?);
    let what = arguments.next().unwrap_or_else(|| "mixed".to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match what.as_str() {
            "mixed" => mixed(&folder).await,
            "waiting" => waiting(&folder).await,
            "reopen" => reopen(&folder).await,
            "behind" => behind(&folder).await,
            _ => Err("mixed, waiting, reopen or behind?".into()),
        }
    })
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

fn open(folder: &Path) -> Result<LocalStore, Failure> {
    let began = Instant::now();
    let store = LocalStore::open(Params {
        path: folder.to_owned(),
        sync: Syncing::Always,
        segment: ByteCount::mib(64),
        max: None,
        keep: Keep::default(),
        encrypt: Encryption::default(),
        budget: MemoryBudget::new(ByteCount::mib(64)),
        clock: Arc::new(now),
        fs: Arc::new(RealFs),
        owner: "load".to_owned(),
        turns: Turns::default(),
    })?;
    say(&format!(
        "opened in {:?}, {}",
        began.elapsed(),
        Usage::now()
    ));
    Ok(store)
}

async fn plan(
    store: &LocalStore,
    targets: &[&str],
    order: Option<StepOrder>,
) -> Result<Arc<Plan>, Failure> {
    let mut steps = Vec::new();
    for target in targets {
        steps.push(Step {
            order: order.clone(),
            ..Step::new(target.parse()?, target.parse()?)
        });
    }
    let route = "orders".parse()?;
    let plan = Arc::new(Plan {
        route,
        steps,
        callback: None,
        on_dead: None,
    });
    store.keep_plan(Arc::clone(&plan)).await?;
    Ok(plan)
}

/// The order key that waits.
const BLOCKED: &str = "blocked";

/// The order key of a message, where there is an order: each hundredth has its own.
fn order_key(plan: &Plan, number: u64) -> Option<OrderKey> {
    plan.steps[0].order.as_ref()?;
    Some(match number % 100 {
        0 => OrderKey::of(&number.to_string()),
        _ => OrderKey::of(BLOCKED),
    })
}

fn message(plan: &Plan, number: u64, rng: &mut StdRng) -> Arc<Message> {
    let headers = [
        ("content-type", &b"application/json"[..]),
        ("user-agent", b"load"),
        ("host", b"127.0.0.1:8080"),
    ];
    Arc::new(Message {
        id: MessageId::new(now(), rng),
        route: plan.route.clone(),
        plan: plan.hash(),
        request: Request {
            method: "POST".into(),
            path: "/orders".into(),
            headers: headers.into_iter().collect(),
            body: vec![b'x'; BODY].into(),
            ..Request::default()
        },
        terms: Terms {
            order: order_key(plan, number)
                .map(|key| (0, key))
                .into_iter()
                .collect(),
            ..Terms::default()
        },
        reservation: None,
    })
}

async fn send(store: LocalStore, plan: Arc<Plan>, seed: u64, left: Arc<AtomicU64>, until: Instant) {
    let mut rng = StdRng::seed_from_u64(seed);
    let more = |left: u64| left.checked_sub(1);
    while Instant::now() < until
        && let Ok(number) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
    {
        let message = message(&plan, number, &mut rng);
        while store.accept(vec![Arc::clone(&message)]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn take(lane: &mut dyn Lane, work: &mut Vec<Work>) -> Result<(), fanway_store::Error> {
    work.clear();
    poll_fn(|cx| lane.poll_take(cx, now(), WINDOW, work)).await
}

/// Delivers all but what is blocked.
async fn deliver(mut lane: Box<dyn Lane>, done: Arc<AtomicU64>) {
    let blocked = OrderKey::of(BLOCKED);
    let is_blocked = |work: &Work| {
        work.message
            .terms
            .order
            .iter()
            .any(|(_, key)| *key == blocked)
    };
    let mut work = Vec::new();
    while take(&mut *lane, &mut work).await.is_ok() {
        work.retain(|work| !is_blocked(work));
        for work in &work {
            let outcome = Outcome {
                delivery: work.delivery,
                at: now(),
                verdict: Verdict::Ended(End::Delivered),
                attempts: 1,
                used: 1,
                spent: Duration::from_millis(1),
                status: Some(200),
                detail: None,
                fallback: None,
            };
            lane.record(work, outcome, Hold::LetGo);
        }
        done.fetch_add(work.len() as u64, Ordering::Relaxed);
    }
}

/// Starts the senders and waits until they are done; returns how many messages they sent.
async fn send_all(store: &LocalStore, plan: &Arc<Plan>, most: u64, time: Duration) -> u64 {
    let left = Arc::new(AtomicU64::new(most));
    let until = Instant::now() + time;
    let mut senders = tokio::task::JoinSet::new();
    for seed in 0..SENDERS {
        let (store, plan, left) = (store.clone(), Arc::clone(plan), Arc::clone(&left));
        senders.spawn(send(store, plan, seed, left, until));
    }
    senders.join_all().await;
    most - left.load(Ordering::Relaxed)
}

async fn mixed(folder: &Path) -> Result<(), Failure> {
    let store = open(folder)?;
    let targets = ["stock", "shipping"];
    let plan = plan(&store, &targets, None).await?;
    let done = Arc::new(AtomicU64::new(0));
    for target in targets {
        tokio::spawn(deliver(store.lane(&target.parse()?)?, Arc::clone(&done)));
    }
    let (began, before) = (Instant::now(), Usage::now());
    let events = send_all(&store, &plan, u64::MAX, TIME).await;
    let (took, used) = (began.elapsed(), Usage::now().since(&before));
    report("mixed", events, took, &used);
    let began = Instant::now();
    store.close().await?;
    say(&format!(
        "closed in {:?}, {}",
        began.elapsed(),
        Usage::now()
    ));
    Ok(())
}

async fn waiting(folder: &Path) -> Result<(), Failure> {
    let store = open(folder)?;
    let plan = plan(&store, &["hanging"], None).await?;
    let lane = store.lane(&"hanging".parse()?)?;
    let (began, before) = (Instant::now(), Usage::now());
    let events = send_all(&store, &plan, WAITING, Duration::from_secs(3600)).await;
    let (took, used) = (began.elapsed(), Usage::now().since(&before));
    report("waiting", events, took, &used);
    drop(lane);
    std::process::abort();
}

async fn behind(folder: &Path) -> Result<(), Failure> {
    let store = open(folder)?;
    let order = StepOrder {
        by: ".customer".to_owned(),
        when_dead: WhenDead::Skip,
    };
    let plan = plan(&store, &["crm"], Some(order)).await?;
    let done = Arc::new(AtomicU64::new(0));
    tokio::spawn(deliver(store.lane(&"crm".parse()?)?, Arc::clone(&done)));
    let (began, before) = (Instant::now(), Usage::now());
    let events = send_all(&store, &plan, WAITING, Duration::from_secs(3600)).await;
    while done.load(Ordering::Relaxed) < WAITING / 100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (took, used) = (began.elapsed(), Usage::now().since(&before));
    report("behind", events, took, &used);
    store.close().await?;
    Ok(())
}

async fn reopen(folder: &Path) -> Result<(), Failure> {
    let store = open(folder)?;
    let done = Arc::new(AtomicU64::new(0));
    let (began, before) = (Instant::now(), Usage::now());
    tokio::spawn(deliver(store.lane(&"hanging".parse()?)?, Arc::clone(&done)));
    while done.load(Ordering::Relaxed) < WAITING {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (took, used) = (began.elapsed(), Usage::now().since(&before));
    report("read back", WAITING, took, &used);
    let began = Instant::now();
    store.close().await?;
    say(&format!(
        "closed in {:?}, {}",
        began.elapsed(),
        Usage::now()
    ));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn report(what: &str, events: u64, took: Duration, used: &Usage) {
    let per = |number: u64| number as f64 / events as f64;
    say(&format!(
        "{what}: {events} events, {:.0}/s; per event {:.1} us of CPU and {:.0} bytes written; {used}",
        events as f64 / took.as_secs_f64(),
        per(used.cpu_micros),
        per(used.written),
    ));
}

/// What the process has used.
struct Usage {
    cpu_micros: u64,
    written: u64,
    resident: ByteCount,
    peak: ByteCount,
}

impl Usage {
    fn now() -> Self {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let number = line.and_then(|line| line.split_whitespace().nth(1));
            number.and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        let (status, io, stat) = (
            read("/proc/self/status"),
            read("/proc/self/io"),
            read("/proc/self/stat"),
        );
        // Behind the name, which may hold blanks: user and system time in ticks of 10 ms.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks = after_name.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Self {
            cpu_micros: ticks * 10_000,
            written: field(&io, "write_bytes:"),
            resident: ByteCount::kib(field(&status, "VmRSS:")),
            peak: ByteCount::kib(field(&status, "VmHWM:")),
        }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            cpu_micros: self.cpu_micros - before.cpu_micros,
            written: self.written - before.written,
            ..*self
        }
    }
}

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mib = |bytes: ByteCount| bytes.get() >> 20;
        let (resident, peak) = (mib(self.resident), mib(self.peak));
        write!(f, "{resident} MiB resident, {peak} MiB at most")
    }
}

#[expect(clippy::print_stdout, reason = "figures for people")]
fn say(line: &str) {
    println!("{line}");
}
