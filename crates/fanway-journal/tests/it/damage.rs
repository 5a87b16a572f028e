//! What of a damaged journal is cut, and what is refused.

use std::time::Duration;

use fanway_journal::faulty::{Crash, FaultyFs, Keep, Noticed, Op};
use fanway_journal::open::Error;
use fanway_journal::{Class, Params, Position, Stop, Syncing};

use crate::rig::{HOUR, Note, Run, dir, named, note, opened, params, recovered, segments};

const BLOCK: usize = 4096;

/// Three batches of one note each, all acknowledged; the process was killed. Says where each batch ends.
fn three_batches() -> (FaultyFs, Vec<usize>) {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params());
    let mut ends = Vec::new();
    for number in 0..3 {
        run.put(note(number, 40)).unwrap();
        ends.push(offset(run.end()));
    }
    run.journal.wait_until_prepared();
    (fs.crash(&Crash::KeepAll), ends)
}

fn closed() -> (FaultyFs, Vec<usize>) {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params());
    let mut ends = Vec::new();
    for number in 0..2 {
        run.put(note(number, 40)).unwrap();
        ends.push(offset(run.end()));
    }
    run.journal.close().unwrap();
    (fs.crash(&Crash::LoseUnsynced), ends)
}

/// Where in the first segment a position of it is.
fn offset(position: Position) -> usize {
    BLOCK + usize::try_from(position.0).unwrap()
}

/// A run whose next batch is written and not synced: every crash now is a tear of it.
fn while_syncing(params: Params, last: &[&[u8]], check: impl Fn(&FaultyFs)) {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params);
    run.journal.wait_until_prepared();
    run.put(note(0, 40)).unwrap();
    run.put(note(1, 40)).unwrap();
    let hold = fs.hold(Op::Sync, "segment-");
    run.send(last, Class::Message).unwrap();
    hold.wait_until_reached();
    check(&fs);
    // The filesystem is frozen by now: the batch fails, and the run ends.
    drop(hold);
    run.watcher.wait(run.sent.len());
}

#[track_caller]
fn check_all_or_none(fs: &FaultyFs, crash: &Crash, last: usize) -> bool {
    let recovered = recovered(&fs.crash(crash));
    assert_eq!(recovered[..2], [note(0, 40), note(1, 40)], "{crash:?}");
    assert!(
        recovered.len() == 2 || recovered.len() == 2 + last,
        "{crash:?}: {} of the group",
        recovered.len() - 2
    );
    recovered.len() > 2
}

#[test]
fn a_group_torn_at_any_byte_is_cut_whole() {
    while_syncing(params(), &[b"one", b"two", &note(3, 300).0], |fs| {
        let last = fs.last_write().expect("it isn't synced");
        let kept = (0..=last)
            .filter(|at| check_all_or_none(fs, &Crash::TornWrite(*at), 3))
            .count();
        // Behind the batch there is the padding.
        assert!(kept > 1 && kept < last, "{kept} of {last}");
    });
}

#[test]
fn pages_of_the_last_batch_may_be_written_in_any_order() {
    let large = Params {
        segment_size: 32 << 10,
        ..params()
    };
    let (one, two) = (note(2, 9000), note(3, 5000));
    while_syncing(large, &[&one.0, &two.0], |fs| {
        let pages = fs.unsynced_sectors(BLOCK);
        assert!((4..8).contains(&pages), "{pages}");
        let kept = (0..1_usize << pages).filter(|subset| {
            let keep = Keep::Only((0..pages).filter(|page| subset >> page & 1 == 1).collect());
            check_all_or_none(fs, &Crash::Sectors { size: BLOCK, keep }, 2)
        });
        assert_eq!(kept.count(), 1, "only with all its pages");
    });
}

#[test]
fn sectors_of_the_last_batch_may_be_written_in_any_order() {
    let large = Params {
        segment_size: 16 << 10,
        ..params()
    };
    while_syncing(large, &[&note(2, 2000).0, &note(3, 3000).0], |fs| {
        for seed in 0..200 {
            check_all_or_none(
                fs,
                &Crash::Sectors {
                    size: 512,
                    keep: Keep::Seed(seed),
                },
                2,
            );
        }
    });
}

#[test]
fn a_bit_flipped_in_the_last_batch_cuts_it() {
    let (fs, ends) = three_batches();
    let segment = &segments(&fs)[0];
    for bit in ends[1] * 8..ends[2] * 8 {
        let fs = fs.crash(&Crash::KeepAll);
        fs.flip_bit(segment, bit);
        assert_eq!(recovered(&fs), [note(0, 40), note(1, 40)], "bit {bit}");
    }
}

#[test]
fn a_bit_flipped_in_an_earlier_batch_is_refused_and_named() {
    let (fs, ends) = three_batches();
    let segment = &segments(&fs)[0];
    for bit in BLOCK * 8..ends[1] * 8 {
        let fs = fs.crash(&Crash::KeepAll);
        fs.flip_bit(segment, bit);
        let Err(Error::Damaged(damage)) = opened(&fs) else {
            panic!("bit {bit} was taken for good")
        };
        let batch = if bit / 8 < ends[0] {
            BLOCK..ends[0]
        } else {
            ends[0]..ends[1]
        };
        assert_eq!(&damage.file, segment, "bit {bit}");
        assert!(
            batch.contains(&usize::try_from(damage.offset).unwrap()),
            "bit {bit}: {damage}"
        );
    }
}

#[test]
fn a_bit_flipped_in_any_segment_header_is_refused() {
    let (fs, _) = three_batches();
    assert_eq!(segments(&fs).len(), 2, "the next one is activated ahead");
    for segment in segments(&fs) {
        for bit in (0..BLOCK * 8).step_by(7) {
            let fs = fs.crash(&Crash::KeepAll);
            fs.flip_bit(&segment, bit);
            assert!(matches!(opened(&fs), Err(Error::Damaged(_))), "bit {bit}");
        }
    }
}

#[test]
fn after_a_clean_stop_any_flipped_bit_is_refused() {
    let (fs, ends) = closed();
    assert_eq!(recovered(&fs), [note(0, 40), note(1, 40)]);
    let segment = segments(&fs)[0].clone();
    let closing = dir().join("closed");
    let in_segment = (0..ends[1] * 8).map(|bit| (&segment, bit));
    let in_closing = (0..64 * 8).map(|bit| (&closing, bit));
    for (file, bit) in in_segment.chain(in_closing) {
        let fs = fs.crash(&Crash::KeepAll);
        fs.flip_bit(file, bit);
        assert!(
            matches!(opened(&fs), Err(Error::Damaged(_))),
            "bit {bit} of {}",
            file.display()
        );
    }
}

#[test]
fn a_closing_record_of_another_length_is_refused() {
    let (fs, _) = closed();
    let closing = dir().join("closed");
    let whole = fs.contents(&closing).unwrap();
    for len in [0, 1, 63, 65] {
        let fs = fs.crash(&Crash::KeepAll);
        let mut contents = whole.clone();
        contents.resize(len, 0);
        fs.put(&closing, contents);
        assert!(matches!(opened(&fs), Err(Error::Damaged(_))), "{len} bytes");
    }
}

#[test]
fn a_clean_stop_whose_last_segment_is_gone_is_refused() {
    let (fs, _) = closed();
    for segment in segments(&fs) {
        fs.delete(&segment);
    }
    assert!(matches!(opened(&fs), Err(Error::Damaged(_))));
}

/// Notes of 1000 bytes over several segments; the first and the last note of each segment's are its neighbours'.
fn several_segments() -> (FaultyFs, usize) {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params());
    for number in 0..14 {
        run.journal.wait_until_prepared();
        run.put(note(number, 1000)).unwrap();
    }
    run.journal.wait_until_prepared();
    assert_eq!(run.watcher.committed().len(), 14);
    let image = fs.crash(&Crash::KeepAll);
    assert_eq!(
        segments(&image).len(),
        6,
        "three notes to each, and one activated ahead"
    );
    (image, 14)
}

#[test]
fn a_missing_segment_is_refused_and_named() {
    let (fs, notes) = several_segments();
    assert_eq!(recovered(&fs).len(), notes);
    for missing in &segments(&fs)[1..5] {
        let fs = fs.crash(&Crash::KeepAll);
        fs.delete(missing);
        match opened(&fs) {
            Err(Error::Damaged(damage)) => assert_eq!(&damage.file, missing),
            // The last one that holds anything: the one activated ahead shows that it was there.
            other => panic!(
                "{}: {:?}",
                missing.display(),
                other.map(|opened| *opened.recovery())
            ),
        }
    }
}

#[test]
fn a_missing_first_segment_is_told_to_whoever_needs_it() {
    let (fs, notes) = several_segments();
    let from = opened(&fs)
        .unwrap()
        .records(Position::ZERO)
        .unwrap()
        .nth(2)
        .unwrap()
        .unwrap()
        .0;
    fs.delete(&segments(&fs)[0]);
    let opened = opened(&fs).unwrap();
    let missing = opened
        .records(Position::ZERO)
        .expect_err("three notes are missing");
    assert_eq!(missing.start, from);
    assert_eq!(
        opened.records(from).expect("the others are there").count(),
        notes - 3
    );
}

#[test]
fn damage_at_the_end_of_a_full_segment_is_refused() {
    let (fs, _) = several_segments();
    let segment = &segments(&fs)[1];
    for at in [BLOCK + 2 * 1080 + 3, BLOCK + 2 * 1080 + 500] {
        let fs = fs.crash(&Crash::KeepAll);
        fs.flip_bit(segment, at * 8);
        let Err(Error::Damaged(damage)) = opened(&fs) else {
            panic!("byte {at} was taken for good")
        };
        assert_eq!(&damage.file, segment);
    }
}

#[test]
fn old_bytes_of_a_recycled_segment_are_never_taken_for_new() {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params());
    run.journal.wait_until_prepared();
    fs.set_capacity(Some(fs.used()), Noticed::OnWrite);
    // No new file fits. All batches have the same length: the old ones stand just where the new ones would. The last one isn't the
    // first of its segment: the header of the next would be the last write then.
    for number in 0..31 {
        run.journal.wait_until_prepared();
        run.put(note(number, 1000)).unwrap();
        run.journal.trim(run.end());
    }
    run.journal.wait_until_prepared();
    assert!(
        segments(&fs).len() <= 3 && named(&fs, "spare-").len() <= 2,
        "they were recycled: {:?}",
        fs.paths()
    );
    let hold = fs.hold(Op::Sync, "segment-");
    run.send(&[&note(31, 1000).0], Class::Message).unwrap();
    hold.wait_until_reached();
    for how in [
        Crash::LoseUnsynced,
        Crash::TornWrite(0),
        Crash::TornWrite(100),
        Crash::KeepAll,
    ] {
        let crashed = fs.crash(&how);
        let opened = opened(&crashed).expect("opens");
        let start = opened.recovery().start.expect("the first batch tells");
        let notes: Vec<_> = opened
            .records(start)
            .unwrap()
            .map(|record| Note(record.unwrap().1))
            .collect();
        let last = if matches!(how, Crash::KeepAll) {
            32
        } else {
            31
        };
        let expected: Vec<_> = (last - notes.len()..last)
            .map(|number| note(number, 1000))
            .collect();
        assert_eq!(notes, expected, "{how:?}");
    }
    drop(hold);
}

#[test]
fn the_segment_activated_ahead_is_recycled_and_empty() {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params());
    run.journal.wait_until_prepared();
    fs.set_capacity(Some(fs.used()), Noticed::OnWrite);
    for number in 0..30 {
        run.journal.wait_until_prepared();
        run.put(note(number, 1000)).unwrap();
        run.journal.trim(run.end());
    }
    run.journal.wait_until_prepared();
    let image = fs.crash(&Crash::LoseUnsynced);
    let ahead = segments(&image).pop().unwrap();
    let old = image.contents(&ahead).unwrap();
    assert!(
        old[BLOCK..].starts_with(b"\xF5FWBatc"),
        "it has an old batch at its beginning"
    );
    let opened = opened(&image).unwrap();
    assert_eq!(opened.recovery().end, run.end());
}

#[test]
fn without_syncs_what_was_told_as_committed_can_be_lost() {
    for sync in [Syncing::Never, Syncing::Interval(HOUR)] {
        let fs = FaultyFs::new();
        let mut run = Run::start(&fs, Params { sync, ..params() });
        run.put(b"told").unwrap();
        assert_eq!(run.watcher.committed(), [b"told"]);
        assert!(
            recovered(&fs.crash(&Crash::LoseUnsynced)).is_empty(),
            "{sync:?}: this is what always syncing is for"
        );
        assert_eq!(
            recovered(&fs.crash(&Crash::Killed)),
            [b"told"],
            "{sync:?}: the process alone loses nothing"
        );
    }
}

#[test]
fn without_syncs_a_flush_makes_all_segments_durable() {
    for sync in [
        Syncing::Never,
        Syncing::Interval(HOUR),
        Syncing::Interval(Duration::ZERO),
    ] {
        let fs = FaultyFs::new();
        let mut run = Run::start(&fs, Params { sync, ..params() });
        for number in 0..8 {
            run.journal.wait_until_prepared();
            run.put(note(number, 1000)).unwrap();
        }
        assert_eq!(run.journal.flush().unwrap(), run.end());
        assert_eq!(
            recovered(&fs.crash(&Crash::LoseUnsynced)).len(),
            8,
            "{sync:?}"
        );
    }
}

#[test]
fn on_an_interval_the_committer_syncs_by_itself() {
    let fs = FaultyFs::new();
    let mut run = Run::start(
        &fs,
        Params {
            sync: Syncing::Interval(Duration::from_millis(1)),
            ..params()
        },
    );
    run.journal.wait_until_prepared();
    let hold = fs.hold(Op::Sync, "segment-");
    run.put(b"told before it is synced").unwrap();
    hold.wait_until_reached();
    drop(hold);
}

#[test]
fn without_syncs_a_clean_stop_is_durable_all_the_same() {
    let fs = FaultyFs::new();
    let mut run = Run::start(
        &fs,
        Params {
            sync: Syncing::Never,
            ..params()
        },
    );
    for number in 0..8 {
        run.journal.wait_until_prepared();
        run.put(note(number, 1000)).unwrap();
    }
    run.journal.close().unwrap();
    let after = fs.crash(&Crash::LoseUnsynced);
    assert_eq!(opened(&after).unwrap().recovery().stop, Stop::Clean);
    assert_eq!(recovered(&after).len(), 8);
}

#[test]
fn without_syncs_segments_written_out_of_order_are_cut_at_the_first_gap() {
    let fs = FaultyFs::new();
    let mut run = Run::start(
        &fs,
        Params {
            sync: Syncing::Never,
            ..params()
        },
    );
    for number in 0..9 {
        run.journal.wait_until_prepared();
        run.put(note(number, 1000)).unwrap();
    }
    for seed in 0..300 {
        let recovered = recovered(&fs.crash(&Crash::Sectors {
            size: BLOCK,
            keep: Keep::Seed(seed),
        }));
        let expected: Vec<_> = (0..recovered.len())
            .map(|number| note(number, 1000))
            .collect();
        assert_eq!(recovered, expected, "seed {seed}");
    }
}
