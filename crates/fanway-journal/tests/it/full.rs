//! Room: the reserve, a full disk, the limit of the whole, and how it heals.

use std::io::ErrorKind;
use std::sync::mpsc;
use std::time::Duration;

use fanway_journal::faulty::{Crash, FaultyFs, Hold, Noticed, Op};
use fanway_journal::{Class, Params, Position, Progress, Rejected};

use crate::rig::{Run, named, note, opened, params, segments};

fn is_full(result: &Result<(), Rejected>, class: Class) -> bool {
    matches!(result, Err(Rejected::Full { class: refused }) if *refused == class)
}

fn is_preparing(result: &Result<(), Rejected>) -> bool {
    matches!(result, Err(Rejected::Preparing { .. }))
}

/// A journal that can't get another segment: three are there, of 4096 bytes each.
fn limited(reserve: u64) -> Run {
    let run = Run::start(
        &FaultyFs::new(),
        Params {
            reserve,
            max_total: Some(3 * 8192),
            ..params()
        },
    );
    run.journal.wait_until_prepared();
    assert_eq!(run.journal.health().room, 3 * 4096);
    run
}

/// Puts notes that take 1080 bytes each until they are refused; says how many were taken.
fn fill(run: &mut Run, class: Class) -> usize {
    let mut taken = 0;
    loop {
        let sent = run.send(&[&note(taken, 1000).0], class);
        if is_full(&sent, class) {
            return taken;
        }
        if is_preparing(&sent) {
            run.journal.wait_until_prepared();
            continue;
        }
        sent.expect("nothing else is in the way");
        run.journal.flush().unwrap();
        taken += 1;
    }
}

#[test]
fn the_reserve_lets_outcomes_pass_while_messages_are_refused_and_trimming_heals() {
    let mut run = limited(4900);
    assert_eq!(
        fill(&mut run, Class::Message),
        6,
        "three to a segment, and the third in reserve"
    );
    let health = run.journal.health();
    assert!(
        health.full_for_messages && !health.full_for_outcomes,
        "{health:?}"
    );

    assert_eq!(fill(&mut run, Class::Outcome), 3);
    let health = run.journal.health();
    assert!(
        health.room < 1080 && health.poisoned.is_none(),
        "{health:?}"
    );
    run.journal
        .flush()
        .expect("whatever was taken is committed");
    assert_eq!(run.watcher.committed(), run.sent);

    run.journal.trim(run.end());
    run.journal.wait_until_prepared();
    assert!(!run.journal.health().full_for_messages);
    run.put(b"it heals").unwrap();
}

#[test]
fn what_was_taken_is_committed_however_it_is_packed() {
    for reserve in [0, 1000, 5000] {
        for len in (0..4000).step_by(173) {
            let mut run = limited(reserve);
            // Nothing is waited for: it all is packed as it comes.
            let mut number = 0;
            while run.send(&[&note(number, len).0], Class::Message).is_ok() {
                number += 1;
                run.send(&[b"outcome"], Class::Outcome).ok();
            }
            while run.send(&[b"another"], Class::Outcome).is_ok() {}
            run.journal.flush().expect("it all fits");
            assert_eq!(
                run.watcher.committed(),
                run.sent,
                "notes of {len} bytes, {reserve} in reserve"
            );
        }
    }
}

#[test]
fn the_total_size_stays_within_its_limit() {
    let fs = FaultyFs::new();
    let mut run = Run::start(
        &fs,
        Params {
            max_total: Some(5 * 8192 + 100),
            ..params()
        },
    );
    let mut number = 0;
    loop {
        run.journal.wait_until_prepared();
        assert!(
            run.journal.stats().total <= 5 * 8192,
            "{:?}",
            run.journal.stats()
        );
        assert_eq!(fs.used(), run.journal.stats().total, "{:?}", fs.paths());
        if run.put(note(number, 1000)).is_err() {
            break;
        }
        number += 1;
    }
    assert_eq!(number, 15, "three to a segment");
}

#[test]
fn a_full_disk_refuses_and_says_why_and_heals_when_segments_are_trimmed() {
    for noticed in [Noticed::OnWrite, Noticed::OnSync] {
        let fs = FaultyFs::new();
        let mut run = Run::start(
            &fs,
            Params {
                reserve: 3000,
                ..params()
            },
        );
        run.journal.wait_until_prepared();
        fs.set_capacity(Some(fs.used()), noticed);
        let mut number = 0;
        while run.put(note(number, 1000)).is_ok() {
            run.journal.wait_until_prepared();
            number += 1;
        }
        assert_eq!(number, 7, "three segments, but for the reserve");
        let health = run.journal.health();
        assert!(
            health.full_for_messages && health.poisoned.is_none(),
            "{health:?}"
        );
        assert_eq!(
            health.starved.map(|error| error.kind()),
            Some(ErrorKind::StorageFull)
        );
        run.send(&[&note(7, 1000).0], Class::Outcome).unwrap();
        run.journal.flush().unwrap();

        run.journal.trim(run.end());
        run.journal.wait_until_prepared();
        run.put(b"it heals").unwrap();
        let committed = run.watcher.committed().len();
        assert!(
            recovered_with(&fs.crash(&Crash::LoseUnsynced)) > 0 && committed == 9,
            "{committed}"
        );
    }
}

fn recovered_with(fs: &FaultyFs) -> u64 {
    opened(fs).expect("opens").recovery().kept.records
}

/// A journal whose only segment takes three notes, and whose preparer gets nowhere before the hold is
/// dropped; it tells of its progress.
fn held_up() -> (FaultyFs, Run, Hold, mpsc::Receiver<()>) {
    let fs = FaultyFs::new();
    let hold = fs.hold(Op::Create, &format!("filling-{:016x}", 1));
    let (told, progress) = mpsc::sync_channel(16);
    let run = Run::start(
        &fs,
        Params {
            progress: Progress::new(move || told.try_send(()).unwrap_or_default()),
            ..params()
        },
    );
    hold.wait_until_reached();
    (fs, run, hold, progress)
}

/// Puts notes until one is refused, because room is being prepared.
fn put_until_preparing(run: &mut Run) {
    loop {
        let put = run.put(note(0, 1000));
        if put.is_err() {
            assert!(is_preparing(&put), "{put:?}");
            return;
        }
    }
}

#[test]
fn a_preparer_that_is_slow_is_no_full_disk_and_tells_when_there_is_room() {
    let (_fs, mut run, hold, progress) = held_up();
    put_until_preparing(&mut run);
    assert!(run.journal.health().preparing);
    drop(hold);
    progress.recv().expect("the journal runs");
    run.put(note(1, 1000)).unwrap();
    assert_eq!(run.watcher.committed(), run.sent);
}

#[test]
fn a_preparer_that_fails_tells_and_then_the_disk_is_full() {
    let (fs, mut run, hold, progress) = held_up();
    put_until_preparing(&mut run);
    fs.set_capacity(Some(fs.used()), Noticed::OnWrite);
    drop(hold);
    progress.recv().expect("the journal runs");
    let put = run.put(note(1, 1000));
    assert!(is_full(&put, Class::Message), "{put:?}");
    assert!(!run.journal.health().preparing);
}

#[test]
fn a_journal_that_stops_tells_who_waits_for_room() {
    let (fs, mut run, hold, progress) = held_up();
    put_until_preparing(&mut run);
    fs.fail(Op::Sync, "segment-", 1, ErrorKind::Other);
    run.send(&[b"small"], Class::Outcome).unwrap();
    assert!(run.journal.flush().is_err());
    progress.recv().expect("it is told before the journal ends");
    let put = run.put(note(1, 1000));
    assert!(matches!(put, Err(Rejected::Poisoned(_))), "{put:?}");
    drop(hold);
}

/// Half of the second segment isn't used: a spare would be put off until trimming may make one.
#[test]
fn a_group_that_has_no_room_has_a_spare_filled() {
    let fs = FaultyFs::new();
    let reserve = 3000;
    let mut run = Run::start(
        &fs,
        Params {
            reserve,
            ..params()
        },
    );
    run.journal.wait_until_prepared();
    for number in 0..4 {
        run.put(note(number, 1000)).unwrap();
    }
    run.journal.wait_until_prepared();
    assert_eq!(run.journal.stats().spares, 1);
    let large = note(4, 4000 - 100);
    let put = run.put(&large);
    assert!(is_preparing(&put), "{put:?}");
    run.journal.wait_until_prepared();
    assert_eq!(run.journal.stats().spares, 2);
    run.put(large).unwrap();
}

#[test]
fn a_full_disk_heals_when_there_is_room_again() {
    let fs = FaultyFs::new();
    let mut run = Run::start(
        &fs,
        Params {
            retry: Duration::from_millis(1),
            ..params()
        },
    );
    run.journal.wait_until_prepared();
    fs.set_capacity(Some(fs.used()), Noticed::OnWrite);
    fill(&mut run, Class::Message);
    fs.set_capacity(None, Noticed::OnWrite);
    // The preparer tries again by itself; nothing else has to happen.
    loop {
        let put = run.put(note(0, 1000));
        if put.is_ok() {
            break;
        }
        assert!(is_full(&put, Class::Message) || is_preparing(&put));
        std::thread::yield_now();
    }
    assert_eq!(run.watcher.committed(), run.sent);
    assert!(run.journal.health().starved.is_none());
}

#[test]
fn a_spare_that_could_not_be_filled_leaves_nothing_behind() {
    for op in [Op::Create, Op::Write, Op::Sync, Op::Rename] {
        let fs = FaultyFs::new();
        let mut run = Run::start(&fs, params());
        run.journal.wait_until_prepared();
        let before = fs.used();
        fs.fail(op, "filling-", 1, ErrorKind::Other);
        for number in 0..6 {
            run.put(note(number, 1000)).unwrap();
        }
        run.journal.wait_until_prepared();
        assert_eq!(fs.used(), before, "{op:?}: {:?}", fs.paths());
        assert!(run.journal.health().starved.is_some(), "{op:?}");
    }
}

#[test]
fn a_spare_is_on_the_disk_to_its_last_byte() {
    let fs = FaultyFs::new();
    let run = Run::start(&fs, params());
    run.journal.wait_until_prepared();
    let after = fs.crash(&Crash::LoseUnsynced);
    let prepared: Vec<_> = named(&after, "spare-")
        .into_iter()
        .chain(segments(&after))
        .collect();
    assert_eq!(prepared.len(), 3, "{prepared:?}");
    for path in prepared {
        assert_eq!(
            after.contents(&path).map(|bytes| bytes.len()),
            Some(8192),
            "{}",
            path.display()
        );
    }
}

#[test]
fn trimming_keeps_as_many_spares_as_are_wanted_and_deletes_the_rest() {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params());
    for number in 0..20 {
        run.journal.wait_until_prepared();
        run.put(note(number, 1000)).unwrap();
    }
    run.journal.wait_until_prepared();
    assert_eq!(
        (run.journal.stats().segments, run.journal.stats().spares),
        (7, 2)
    );
    let filled = fs.steps();
    run.journal.trim(run.end());
    run.journal.wait_until_prepared();
    assert_eq!(
        (run.journal.stats().segments, run.journal.stats().spares),
        (1, 2),
        "{:?}",
        fs.paths()
    );
    assert_eq!(fs.used(), 3 * 8192);
    assert!(fs.steps() > filled);
    assert!(recovered_with(&fs.crash(&Crash::LoseUnsynced)) > 0);
}

#[test]
fn only_what_lies_wholly_below_is_trimmed() {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params());
    for number in 0..9 {
        run.journal.wait_until_prepared();
        run.put(note(number, 1000)).unwrap();
    }
    let fourth = run.watcher.told(|told| told.batches[3][0].0);
    run.journal.trim(fourth);
    run.journal.wait_until_prepared();
    let image = fs.crash(&Crash::LoseUnsynced);
    assert_eq!(
        recovered_with(&image),
        6,
        "the first segment's three are gone"
    );
    let opened = opened(&image).unwrap();
    assert_eq!(opened.records(fourth).unwrap().count(), 5);
}

#[test]
fn a_segment_is_not_trimmed_before_a_later_batch_tells_where_the_log_begins() {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params());
    for number in 0..3 {
        run.put(note(number, 1000)).unwrap();
        run.journal.trim(run.end());
    }
    run.journal.wait_until_prepared();
    let hold = fs.hold(Op::Sync, "segment-");
    run.send(&[&note(3, 1000).0], Class::Message).unwrap();
    hold.wait_until_reached();
    // The first segment is full and trimmed, and the second one's first batch isn't synced.
    run.journal.wait_until_prepared();
    let recovery = *opened(&fs.crash(&Crash::LoseUnsynced))
        .expect("opens")
        .recovery();
    assert_eq!(
        (recovery.start, recovery.end),
        (Some(Position::ZERO), run.end())
    );
    drop(hold);
    run.watcher.wait(4);
}

#[test]
fn recycling_writes_no_zeros_again() {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params());
    run.journal.wait_until_prepared();
    // From here on, a new file would be noticed.
    fs.fail(Op::Create, "filling-", 1, ErrorKind::Other);
    for number in 0..30 {
        run.put(note(number, 1000)).unwrap();
        run.journal.wait_until_prepared();
        // What is committed in a segment's first half trims the one before.
        run.journal.trim(run.end());
        run.journal.wait_until_prepared();
        assert!(
            run.journal.health().starved.is_none(),
            "after note {number}"
        );
    }
    assert_eq!(run.watcher.committed(), run.sent);
}

#[test]
fn a_new_spare_is_not_filled_while_trimming_may_still_make_one() {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params());
    run.journal.wait_until_prepared();
    let mut totals = Vec::new();
    for number in 0..5 {
        run.put(note(number, 1000)).unwrap();
        run.journal.wait_until_prepared();
        totals.push(run.journal.stats().total / 8192);
    }
    assert_eq!(
        totals,
        [3, 3, 3, 3, 4],
        "three to a segment, and half of the second one"
    );
}
