//! Opening, starting, closing.

use std::path::PathBuf;
use std::sync::Arc;

use fanway_journal::faulty::{Crash, FaultyFs, Noticed};
use fanway_journal::open::{Amount, Error};
use fanway_journal::{Class, Params, Position, Rejected, Stop, Syncing, open, start};

use crate::rig::{
    Ledger, Note, Run, Watcher, dir, named, note, opened, params, recovered, segments,
};

#[test]
fn an_empty_folder_is_a_new_journal() {
    let fs = FaultyFs::new();
    let opened = opened(&fs).unwrap();
    assert_eq!(opened.recovery().stop, Stop::Never);
    assert_eq!(opened.recovery().end, Position::ZERO);
    assert_eq!(opened.records(Position::ZERO).unwrap().count(), 0);
    assert!(fs.paths().is_empty(), "opening alone makes nothing");
}

#[test]
fn a_second_process_is_refused_and_told_who_has_it() {
    let fs = FaultyFs::new();
    let first = open(params(), Arc::new(fs.clone()), "fanway serve").unwrap();
    let Err(Error::Locked { holder, .. }) = opened(&fs) else {
        panic!("it was opened twice")
    };
    assert_eq!(
        holder,
        format!("process {} (fanway serve)", std::process::id())
    );
    drop(first);
    opened(&fs).expect("the lock was given back");
}

#[test]
fn a_running_journal_keeps_its_lock_until_it_is_closed() {
    let fs = FaultyFs::new();
    let run = Run::start(&fs, params());
    assert!(matches!(opened(&fs), Err(Error::Locked { .. })));
    run.journal.close().unwrap();
    opened(&fs).expect("the lock was given back");
}

#[test]
fn a_clean_stop_is_known_as_one_and_a_crash_as_one() {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params());
    run.put(b"one").unwrap();
    run.journal.close().unwrap();
    let amount = Amount {
        batches: 1,
        records: 1,
        bytes: 72 + 8 + 3,
    };
    let recovery = *opened(&fs).unwrap().recovery();
    assert_eq!(
        (recovery.stop, recovery.kept, recovery.cut),
        (Stop::Clean, amount, 0)
    );

    let mut run = Run::start(&fs, params());
    assert!(
        named(&fs, "closed").is_empty(),
        "the closing record is gone before anything is written"
    );
    run.put(b"two").unwrap();
    let crashed = fs.crash(&Crash::LoseUnsynced);
    let recovery = *opened(&crashed).unwrap().recovery();
    assert_eq!(
        (recovery.stop, recovery.kept, recovery.cut),
        (Stop::Unclean, amount, 0)
    );
}

#[test]
fn dropping_all_handles_commits_what_is_queued() {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params());
    run.send(&[b"one"], Class::Outcome).unwrap();
    drop(run.journal);
    assert_eq!(recovered(&fs), [b"one"]);
    assert_eq!(opened(&fs).unwrap().recovery().stop, Stop::Unclean);
}

#[test]
fn closing_commits_what_is_queued_and_closes_all_handles() {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params());
    let other = run.journal.clone();
    run.send(&[b"one"], Class::Outcome).unwrap();
    let end = run.journal.close().unwrap();
    assert!(matches!(
        other.append(Note::new(b"two"), Class::Outcome),
        Err(Rejected::Closed)
    ));
    assert_eq!(other.flush().unwrap(), end);
    assert_eq!(other.close().unwrap(), end, "closing twice is closing once");
    assert_eq!(recovered(&fs), [b"one"]);
}

#[test]
fn what_was_not_taken_over_is_not_thrown_away() {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params());
    run.put(b"one").unwrap();
    drop(run);
    let opened = opened(&fs).unwrap();
    let end = opened.recovery().end;
    let refused = opened.start::<Note, _>(Position(end.0 - 1), Watcher::default());
    assert!(matches!(refused, Err(start::Error::NotTakenOver { .. })));
    assert_eq!(recovered(&fs), [b"one"]);
}

#[test]
fn positions_grow_over_restarts_trimming_and_a_ledger_that_is_ahead() {
    let fs = FaultyFs::new();
    let mut last = Position::ZERO;
    for round in 0..8 {
        let opened = opened(&fs).unwrap();
        assert!(opened.recovery().end <= last);
        let mut run = Run::begin(opened, last).unwrap();
        for number in 0..4 {
            run.journal.wait_until_prepared();
            run.put(note(number, 1000)).unwrap();
            assert!(run.end() > last);
            last = run.end();
            run.journal.trim(last);
        }
        run.journal.wait_until_prepared();
        if round % 2 == 0 {
            run.journal.close().unwrap();
        } else {
            drop(run);
        }
        if round % 3 == 0 {
            last.0 += 100_000;
        }
    }
    assert!(
        fs.used() <= 6 * 8192,
        "and the folder doesn't: {:?}",
        fs.paths()
    );
}

#[test]
fn what_the_ledger_has_is_not_recovered_again() {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params());
    let mut ledger = Ledger::default();
    run.put_group(&[b"one", b"two", b"three"]).unwrap();
    let within = run.watcher.told(|told| told.batches[0][1].0);
    let crashed = fs.crash(&Crash::LoseUnsynced);
    ledger.position = within;
    ledger.take_over(&opened(&crashed).unwrap()).unwrap();
    assert_eq!(ledger.notes, [b"three"]);
    assert_eq!(ledger.position, run.end());
}

#[test]
fn the_size_of_segments_may_change() {
    let fs = FaultyFs::new();
    for segment_size in [8192, 16384, 8192] {
        let params = Params {
            segment_size,
            ..params()
        };
        let mut run = Run::start(&fs, params);
        run.put(note(1, 2000)).unwrap();
        run.journal.wait_until_prepared();
        assert_eq!(
            run.journal.stats().total,
            3 * segment_size,
            "{:?}",
            fs.paths()
        );
        run.journal.close().unwrap();
        assert_eq!(opened(&fs).unwrap().recovery().kept.records, 1);
    }
}

#[test]
fn spares_of_a_journal_that_was_taken_away_are_not_reused() {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params());
    run.journal.wait_until_prepared();
    // No new file fits: every spare is a recycled segment soon.
    fs.set_capacity(Some(fs.used()), Noticed::OnWrite);
    for number in 0..15 {
        run.put(note(number, 1000)).unwrap();
        run.journal.trim(run.end());
        run.journal.wait_until_prepared();
    }
    drop(run);
    fs.set_capacity(None, Noticed::OnWrite);
    let has_old_bytes = |path: &PathBuf| {
        fs.contents(path).unwrap()[4096..]
            .iter()
            .any(|byte| *byte != 0)
    };
    assert!(named(&fs, "spare-").iter().any(has_old_bytes));
    for segment in segments(&fs) {
        fs.delete(&segment);
    }
    let run = Run::start(&fs, params());
    run.journal.wait_until_prepared();
    assert_eq!((segments(&fs).len(), named(&fs, "spare-").len()), (2, 1));
    assert!(
        !segments(&fs)
            .iter()
            .chain(&named(&fs, "spare-"))
            .any(has_old_bytes)
    );
}

#[test]
fn a_position_that_was_lost_without_syncs_is_not_given_again() {
    let fs = FaultyFs::new();
    let mut run = Run::start(
        &fs,
        Params {
            sync: Syncing::Never,
            ..params()
        },
    );
    run.put(b"lost").unwrap();
    let lost = run.end();
    let fs = fs.crash(&Crash::LoseUnsynced);
    let mut run = Run::start(&fs, params());
    run.put(b"new").unwrap();
    assert!(run.watcher.told(|told| told.batches[0][0].0) > lost);
}

#[test]
fn parameters_that_contradict_each_other_are_refused() {
    for wrong in [
        Params {
            segment_size: 8193,
            ..params()
        },
        Params {
            segment_size: 4096,
            ..params()
        },
        Params {
            segment_size: 2 << 30,
            ..params()
        },
        Params {
            spares: 0,
            ..params()
        },
        Params {
            reserve: 8192,
            ..params()
        },
        Params {
            max_total: Some(8192),
            ..params()
        },
    ] {
        let refused = open(wrong.clone(), Arc::new(FaultyFs::new()), "test");
        assert!(matches!(refused, Err(Error::Params(_))), "{wrong:?}");
    }
    open(Params::new(dir()), Arc::new(FaultyFs::new()), "test").expect("the defaults are right");
}

#[test]
fn a_stranger_s_file_is_left_alone() {
    let fs = FaultyFs::new();
    Run::start(&fs, params()).journal.close().unwrap();
    let stranger = dir().join("segment-1.log");
    fs.put(&stranger, b"notes".to_vec());
    Run::start(&fs, params()).journal.close().unwrap();
    assert_eq!(fs.contents(&stranger).unwrap(), b"notes");
}
