//! After a failed write or sync nothing goes on.

use std::io::ErrorKind;
use std::sync::Arc;

use fanway_journal::faulty::{Crash, FaultyFs, Op};
use fanway_journal::{
    Class, Committed, Doing, Entry, Observer, Params, Poison, Position, Rejected, Syncing, open,
};

use crate::rig::{HOUR, Note, Run, note, params, recovered};

#[test]
fn a_failed_write_or_sync_fails_its_batch_and_all_behind_it() {
    for (op, doing) in [(Op::Write, Doing::Write), (Op::Sync, Doing::Sync)] {
        let fs = FaultyFs::new();
        let mut run = Run::start(&fs, params());
        run.journal.wait_until_prepared();
        run.put(b"acknowledged").unwrap();
        let hold = fs.hold(op, "segment-");
        fs.fail(op, "segment-", 1, ErrorKind::StorageFull);
        run.send(&[b"in the batch"], Class::Message).unwrap();
        hold.wait_until_reached();
        run.send(&[b"behind it"], Class::Message).unwrap();
        run.send(&[b"behind it, too"], Class::Outcome).unwrap();
        drop(hold);
        run.watcher.wait(4);
        assert_eq!(run.watcher.committed(), [b"acknowledged"]);
        assert_eq!(run.watcher.told(|told| told.failed.clone()), run.sent[1..]);

        let Err(Rejected::Poisoned(cause)) = run.put(b"later") else {
            panic!("it was taken")
        };
        assert_eq!(
            (cause.doing, cause.source.kind()),
            (doing, ErrorKind::StorageFull)
        );
        assert_eq!(
            run.journal.health().poisoned.map(|poison| poison.doing),
            Some(doing)
        );
        assert_eq!(
            run.journal.flush().map_err(|poison| poison.doing),
            Err(doing)
        );
        let steps = fs.steps();
        assert_eq!(
            run.journal.close().map_err(|poison| poison.doing),
            Err(doing)
        );
        assert_eq!(
            fs.steps(),
            steps,
            "nothing was tried again, and there is no closing record"
        );
        assert_eq!(
            recovered(&fs.crash(&Crash::LoseUnsynced)),
            [b"acknowledged"]
        );
    }
}

#[test]
fn after_a_failed_sync_what_reads_fine_need_not_be_on_the_disk() {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params());
    run.journal.wait_until_prepared();
    fs.fail(Op::Sync, "segment-", 1, ErrorKind::Other);
    run.put(b"unknown").unwrap();
    drop(run);
    // The process comes back, the machine never went away: this is why what was recovered must be taken over
    // before a start.
    let after = fs.crash(&Crash::Killed);
    assert_eq!(recovered(&after), [b"unknown"]);
    assert!(recovered(&after.crash(&Crash::KeepAll)).is_empty());
}

#[test]
fn a_failed_activation_stops_the_journal_and_loses_nothing() {
    for op in [Op::Write, Op::Sync, Op::Rename, Op::SyncDir] {
        let fs = FaultyFs::new();
        let mut run = Run::start(&fs, params());
        run.journal.wait_until_prepared();
        run.put(note(0, 1000)).unwrap();
        fs.fail(
            op,
            if op == Op::SyncDir {
                "/journal"
            } else {
                "spare-"
            },
            1,
            ErrorKind::Other,
        );
        let mut number = 1;
        while run.put(note(number, 1000)).is_ok() {
            run.journal.wait_until_prepared();
            number += 1;
        }
        assert!(run.journal.health().poisoned.is_some(), "{op:?}");
        let committed = run.watcher.committed();
        drop(run);
        let recovered = recovered(&fs.crash(&Crash::LoseUnsynced));
        assert!(recovered.starts_with(&committed), "{op:?}: {recovered:?}");
    }
}

#[test]
fn a_failed_recycling_stops_the_journal_and_loses_nothing() {
    for op in [Op::Remove, Op::Rename, Op::SyncDir] {
        let fs = FaultyFs::new();
        let mut run = Run::start(&fs, params());
        run.journal.wait_until_prepared();
        if op == Op::Rename {
            // Where a spare is wanting, the segment becomes one.
            fs.fail(Op::Create, "filling-", 1, ErrorKind::Other);
        }
        // Two into the second segment: from its half on a new spare is filled.
        for number in 0..5 {
            run.journal.wait_until_prepared();
            run.put(note(number, 1000)).unwrap();
        }
        run.journal.wait_until_prepared();
        let end = run.end();
        fs.fail(
            op,
            if op == Op::SyncDir {
                "/journal"
            } else {
                "segment-"
            },
            1,
            ErrorKind::Other,
        );
        run.journal.trim(end);
        run.journal.wait_until_prepared();
        assert_eq!(
            run.journal.health().poisoned.map(|poison| poison.doing),
            Some(Doing::Recycle)
        );
        drop(run);
        for how in [Crash::LoseUnsynced, Crash::KeepAll] {
            let opened = crate::rig::opened(&fs.crash(&how)).expect("opens");
            assert_eq!(opened.recovery().end, end, "{op:?}, {how:?}");
        }
    }
}

#[test]
fn a_failed_sync_on_the_interval_is_poison_too() {
    let fs = FaultyFs::new();
    let mut run = Run::start(
        &fs,
        Params {
            sync: Syncing::Interval(HOUR),
            ..params()
        },
    );
    run.journal.wait_until_prepared();
    run.put(b"told").unwrap();
    fs.fail(Op::Sync, "segment-", 1, ErrorKind::Other);
    assert_eq!(
        run.journal.flush().map_err(|poison| poison.doing),
        Err(Doing::Sync)
    );
    assert!(matches!(run.put(b"later"), Err(Rejected::Poisoned(_))));
}

/// An entry that says one size and encodes another.
struct Liar;

impl Entry for Liar {
    fn size(&self) -> usize {
        3
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"four");
    }
}

/// Tells when an entry is dropped or failed, by ending a channel.
struct Silent<E>(Vec<E>);

impl<E: Entry> Observer<E> for Silent<E> {
    fn committed(&mut self, batch: Committed<E>) {
        assert!(batch.len() < 2, "it panics when there are two");
    }

    fn failed(&mut self, entries: Vec<E>, _cause: &Poison) {
        self.0.extend(entries);
    }
}

#[test]
fn an_entry_that_lies_about_its_size_is_not_written() {
    let fs = FaultyFs::new();
    let journal = open(params(), Arc::new(fs.clone()), "test")
        .unwrap()
        .start(Position::ZERO, Silent(Vec::new()))
        .unwrap();
    journal.append(Liar, Class::Message).unwrap();
    assert_eq!(
        journal.flush().map_err(|poison| poison.doing),
        Err(Doing::Encode)
    );
    drop(journal);
    assert!(recovered(&fs).is_empty());
}

#[test]
fn an_observer_that_panics_stops_the_journal() {
    let fs = FaultyFs::new();
    let journal = open(params(), Arc::new(fs.clone()), "test")
        .unwrap()
        .start(Position::ZERO, Silent(Vec::new()))
        .unwrap();
    journal
        .append_group(vec![Note::new(b"one"), Note::new(b"two")], Class::Message)
        .unwrap();
    assert_eq!(
        journal.flush().map_err(|poison| poison.doing),
        Err(Doing::Panic)
    );
    assert!(matches!(
        journal.append(Note::new(b"three"), Class::Message),
        Err(Rejected::Poisoned(_))
    ));
    assert_eq!(
        journal.close().map_err(|poison| poison.doing),
        Err(Doing::Panic)
    );
    assert_eq!(
        recovered(&fs),
        [b"one", b"two"],
        "it was committed before the observer was told"
    );
}
