//! Messages through the local store, one at a time: accepted, taken from the lane, their end
//! recorded; and at last all of them posted together. All of the store's threads are at work.
//!
//! Nothing is synced but at the end, and nothing posted, so that neither the disk nor the time has a
//! say in how often that is done.

use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fanway_dispatch::lane::DEFAULT_WINDOW;
use fanway_journal::fs::RealFs;
use fanway_store::lane::Hold;
use fanway_store::{Lane, Store};
use fanway_store_local::{
    Encryption, Keep, LocalStore, Params, Syncing, Tuning, Turns, journal_path,
};
use fanway_testkit::build;
use fanway_types::{
    ByteCount, DeliveryId, End, MemoryBudget, Message, MessageId, Outcome, Terms, Verdict,
};
use tempfile::tempdir;
use tokio::runtime;

use crate::{BODY, Failure, now};

/// A few thousand messages fit into one.
const SEGMENT: ByteCount = ByteCount::mib(8);
/// Segments that a journal prepares: one to begin with, and two spares.
const PREPARED: u64 = 3;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps so many messages.
pub(crate) fn run(count: u64) -> Result<(), Failure> {
    let folder = tempdir()?;
    let store = open(folder.path())?;
    wait_for_segments(&journal_path(folder.path()))?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        keep(&store, count).await?;
        store.posted().await?;
        Ok(store.close().await?)
    })
}

fn open(folder: &Path) -> Result<LocalStore, Failure> {
    let params = Params {
        path: folder.to_owned(),
        sync: Syncing::Never,
        segment: SEGMENT,
        max: None,
        keep: Keep::default(),
        encrypt: Encryption::default(),
        budget: MemoryBudget::new(ByteCount::mib(64)),
        clock: Arc::new(now),
        fs: Arc::new(RealFs),
        owner: "hot_path".to_owned(),
        turns: Turns::default(),
    };
    let tuning = Tuning {
        rest: Duration::from_secs(24 * 3600),
        ..Tuning::default()
    };
    Ok(LocalStore::open_with(params, tuning)?)
}

/// Waits until the journal has prepared its segments: the end of a short run would come before.
fn wait_for_segments(journal: &Path) -> Result<(), Failure> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let mut prepared = 0;
        for entry in journal.read_dir()? {
            // A file may just have got another name.
            prepared += entry?.metadata().map_or(0, |metadata| metadata.len());
        }
        if prepared >= PREPARED * SEGMENT.get() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err("the journal didn't prepare its segments".into())
}

async fn keep(store: &LocalStore, count: u64) -> Result<(), Failure> {
    let plan = build::plan([build::step("inventory")]);
    store.keep_plan(Arc::clone(&plan)).await?;
    let mut lane = store.lane(&plan.steps[0].target)?;
    let model = build::message_with_body(&plan, 0, &BODY[..]);
    for number in 0..count {
        let message = numbered(&model, number);
        store.accept(vec![Arc::clone(&message)]).await?;
        deliver(&mut *lane, message.id).await?;
    }
    Ok(())
}

/// The `number`-th message, which but for its id is like the model.
fn numbered(model: &Message, number: u64) -> Arc<Message> {
    let at = now().saturating_add(Duration::from_millis(number));
    Arc::new(Message {
        id: MessageId::first_at(at),
        route: model.route.clone(),
        plan: model.plan,
        request: model.request.clone(),
        terms: Terms::default(),
        reservation: None,
    })
}

/// Takes a message's delivery, and records that it was delivered.
async fn deliver(lane: &mut dyn Lane, message: MessageId) -> Result<(), Failure> {
    let mut taken = Vec::new();
    poll_fn(|cx| lane.poll_take(cx, now(), DEFAULT_WINDOW, &mut taken)).await?;
    let [work] = taken.as_slice() else {
        return Err("more was handed out than there is".into());
    };
    if work.delivery != DeliveryId::first(message, 0) {
        return Err("another delivery was handed out".into());
    }
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
    Ok(())
}
