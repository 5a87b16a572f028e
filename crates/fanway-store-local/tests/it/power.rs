//! What a power loss leaves: unsynced writes, torn ones, sectors in any order, flipped bits.

use std::time::Duration;

use fanway_journal::faulty::{Crash, FaultyFs, Keep, Op};
use fanway_store::Store as _;
use fanway_store_local::{OpenError, Syncing, Tuning};
use fanway_types::MessageId;

use crate::folder::Folder;
use crate::scene::{Scene, view};

/// A folder in which nothing is posted unless it is asked for.
fn unposted() -> Folder {
    let mut folder = Folder::faulty();
    folder.tuning = Tuning {
        rest: Duration::from_secs(3600),
        ..Tuning::default()
    };
    folder
}

/// How many of the messages with these ids a new ledger gets out of this journal.
async fn found(folder: &mut Folder, journal: FaultyFs, ids: &[MessageId]) -> usize {
    folder.remove_ledger();
    folder.faulty = Some(journal);
    let store = folder.open();
    let mut found = 0;
    for id in ids {
        found += usize::from(view(&store, *id).await.is_some());
    }
    drop(store);
    folder.check_ledger();
    found
}

async fn lost_to_a_power_loss(sync: Syncing) -> usize {
    let mut folder = unposted();
    folder.sync = sync;
    let mut scene = Scene::new(folder);
    let store = scene.open().await;
    for _ in 0..10 {
        scene.accept(&store, 2, 100).await.expect("there is room");
    }
    scene.folder.crash(&Crash::LoseUnsynced);
    drop(store);
    let journal = scene.folder.fs().clone();
    let ids = scene.acknowledged;
    ids.len() - found(&mut scene.folder, journal, &ids).await
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_with_the_power() {
    assert_eq!(lost_to_a_power_loss(Syncing::Always).await, 0);
}

#[tokio::test]
async fn without_syncs_the_same_loss_is_noticed() {
    assert_ne!(lost_to_a_power_loss(Syncing::Never).await, 0);
}

/// A journal whose last batch is written and not synced: a group of three messages.
struct Unsynced {
    folder: Folder,
    journal: FaultyFs,
    acknowledged: Vec<MessageId>,
    last: Vec<MessageId>,
}

async fn unsynced_batch() -> Unsynced {
    let folder = unposted();
    // So that the last write and the sync that is waited for are the batch's.
    let preparer = folder.hold_preparer();
    let mut scene = Scene::new(folder);
    let store = scene.open().await;
    scene.accept(&store, 2, 100).await.expect("there is room");
    let group: Vec<_> = (0..3).map(|_| scene.message(60)).collect();
    let last = group.iter().map(|message| message.id).collect();
    let hold = scene.folder.fs().hold(Op::Sync, "segment-");
    let accepted = store.accept(group);
    hold.wait_until_reached();
    let journal = scene.folder.fs().crash(&Crash::Killed);
    drop((hold, preparer));
    drop(accepted);
    drop(store);
    Unsynced {
        folder: scene.folder,
        journal,
        acknowledged: scene.acknowledged,
        last,
    }
}

impl Unsynced {
    /// What was acknowledged is there, and all or none of the last group.
    async fn check(&mut self, how: &Crash) {
        let journal = self.journal.crash(how);
        let acknowledged = found(&mut self.folder, journal, &self.acknowledged).await;
        let journal = self.journal.crash(how);
        assert_eq!(acknowledged, self.acknowledged.len(), "after {how:?}");
        let last = found(&mut self.folder, journal, &self.last).await;
        assert!(
            last == 0 || last == self.last.len(),
            "{last} of a group after {how:?}"
        );
    }
}

#[tokio::test]
async fn a_batch_that_is_torn_at_any_byte_is_there_whole_or_not_at_all() {
    let mut unsynced = unsynced_batch().await;
    let len = unsynced.journal.last_write().expect("it isn't synced");
    // Behind the batch there is only padding.
    let batch = 700;
    assert!(batch < len);
    for at in (0..batch).chain((batch..=len).step_by(512)) {
        unsynced.check(&Crash::TornWrite(at)).await;
    }
}

#[tokio::test]
async fn a_batch_whose_sectors_were_written_in_any_order_is_there_whole_or_not_at_all() {
    let mut unsynced = unsynced_batch().await;
    let sectors = unsynced.journal.unsynced_sectors(128).min(6);
    for chosen in 0..1_usize << sectors {
        let keep = (0..sectors).filter(|sector| chosen >> sector & 1 == 1);
        let keep = Keep::Only(keep.collect());
        unsynced.check(&Crash::Sectors { size: 128, keep }).await;
    }
}

/// A journal with two batches, and the bytes of each within its segment.
struct Batches {
    scene: Scene,
    segment: std::path::PathBuf,
    first: std::ops::Range<usize>,
    last: std::ops::Range<usize>,
}

async fn two_batches(clean: bool) -> Batches {
    let mut scene = Scene::new(unposted());
    let store = scene.open().await;
    let mut ends = Vec::new();
    let segment = written_segment(scene.folder.fs());
    ends.push(used(scene.folder.fs(), &segment));
    for _ in 0..2 {
        scene.accept(&store, 1, 100).await.expect("there is room");
        ends.push(used(scene.folder.fs(), &segment));
    }
    if clean {
        store.close().await.expect("nothing keeps it from closing");
    }
    scene.folder.crash(&Crash::LoseUnsynced);
    drop(store);
    Batches {
        scene,
        segment,
        first: ends[0]..ends[1],
        last: ends[1]..ends[2],
    }
}

/// The one file that more than a header was written to.
fn written_segment(fs: &FaultyFs) -> std::path::PathBuf {
    let written = |path: &std::path::PathBuf| used(fs, path) > 4096;
    fs.paths()
        .into_iter()
        .find(written)
        .expect("the plan was written")
}

/// Bytes up to the last one that isn't zero.
fn used(fs: &FaultyFs, path: &std::path::Path) -> usize {
    let contents = fs.contents(path).expect("the file is there");
    contents
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1)
}

fn flipped(intact: &FaultyFs, segment: &std::path::Path, byte: usize) -> FaultyFs {
    let journal = intact.crash(&Crash::KeepAll);
    journal.flip_bit(segment, byte * 8 + byte % 8);
    journal
}

impl Batches {
    fn refused(&mut self, byte: usize) -> String {
        let folder = &mut self.scene.folder;
        let intact = folder.fs().clone();
        folder.faulty = Some(flipped(&intact, &self.segment, byte));
        let opened = folder.try_open();
        folder.faulty = Some(intact);
        match opened {
            Err(OpenError::Journal(error)) => error.to_string(),
            other => panic!("a flipped bit in byte {byte} gave {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_in_the_last_batch_cuts_it() {
    let mut batches = two_batches(false).await;
    let [first, last] = batches.scene.acknowledged[..] else {
        panic!("two were accepted");
    };
    let intact = batches.scene.folder.fs().clone();
    for byte in batches.last.clone().step_by(3) {
        for (id, expected) in [(first, 1), (last, 0)] {
            let journal = flipped(&intact, &batches.segment, byte);
            let found = found(&mut batches.scene.folder, journal, &[id]).await;
            assert_eq!(found, expected, "byte {byte}");
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_before_the_last_batch_stops_the_start() {
    let mut batches = two_batches(false).await;
    let file = batches.segment.to_string_lossy().into_owned();
    for byte in batches.first.clone() {
        let message = batches.refused(byte);
        for said in [file.as_str(), "fanway journal repair", " at byte "] {
            assert!(message.contains(said), "{message:?} doesn't say {said:?}");
        }
    }
}

#[tokio::test]
async fn after_a_clean_stop_any_flipped_bit_stops_the_start() {
    let mut batches = two_batches(true).await;
    for byte in batches.first.start..batches.last.end {
        batches.refused(byte);
    }
}
