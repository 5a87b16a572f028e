//! What is committed together, and when.

use std::sync::Arc;
use std::time::Duration;

use fanway_journal::faulty::{FaultyFs, Op};
use fanway_journal::{Class, Entry, Params, Position, Rejected, Turns, open};

use crate::rig::{HOUR, Note, Run, Told, Watcher, note, params};

fn batches(run: &Run) -> Vec<usize> {
    run.watcher
        .told(|told| told.batches.iter().map(Vec::len).collect())
}

/// Sends a first message and, while that is being synced, what `send` sends.
fn while_the_first_syncs(params: Params, send: impl FnOnce(&mut Run)) -> Run {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params);
    run.journal.wait_until_prepared();
    let hold = fs.hold(Op::Sync, "segment-");
    run.send(&[b"first"], Class::Message).unwrap();
    hold.wait_until_reached();
    send(&mut run);
    drop(hold);
    run
}

#[test]
fn all_that_gathers_during_a_sync_is_one_batch_in_the_order_it_came() {
    let run = while_the_first_syncs(params(), |run| {
        for number in 0..20 {
            run.send(&[&note(number, 50).0, b"and another"], Class::Message)
                .unwrap();
        }
    });
    run.watcher.wait(run.sent.len());
    assert_eq!(batches(&run), [1, 40]);
    assert_eq!(run.watcher.committed(), run.sent);
    let stats = run.journal.stats();
    assert_eq!((stats.batches, stats.records), (2, 41));
    assert_eq!(stats.batch_records.buckets[1], 1);
    assert_eq!(stats.batch_records.buckets[6], 1, "40 is between 32 and 64");
    assert_eq!(
        stats.sync_micros.buckets.iter().sum::<u64>(),
        2,
        "one sync for each batch"
    );
}

#[test]
fn what_does_not_fit_into_the_segment_goes_into_the_next_one() {
    let run = while_the_first_syncs(
        Params {
            spares: 4,
            ..params()
        },
        |run| {
            for number in 0..10 {
                run.send(&[&note(number, 1000).0], Class::Message).unwrap();
            }
        },
    );
    run.watcher.wait(run.sent.len());
    assert_eq!(batches(&run), [1, 3, 3, 3, 1]);
    assert_eq!(run.watcher.committed(), run.sent);
}

#[test]
fn a_group_is_never_in_two_batches() {
    let run = while_the_first_syncs(params(), |run| {
        for number in 0..3 {
            run.send(&[&note(number, 1000).0, b"two", b"three"], Class::Message)
                .unwrap();
        }
        run.send(&[&note(9, 1500).0, b"two", b"three"], Class::Message)
            .unwrap();
    });
    run.watcher.wait(run.sent.len());
    assert_eq!(
        batches(&run),
        [1, 9, 3],
        "the last one would have fitted in part"
    );
}

#[test]
fn outcomes_wait_for_a_message_and_go_with_it() {
    let params = Params {
        segment_size: 1 << 20,
        tick: HOUR,
        ..params()
    };
    let mut run = Run::start(&FaultyFs::new(), params);
    let rounds = 50;
    for _ in 0..rounds {
        for _ in 0..5 {
            run.send(&[b"outcome"], Class::Outcome).unwrap();
            // A committer that doesn't wait has every chance to take what is there.
            std::thread::yield_now();
        }
        run.put(b"message").unwrap();
    }
    assert_eq!(batches(&run), vec![6; rounds]);
}

#[test]
fn outcomes_alone_are_committed_on_the_tick() {
    let mut run = Run::start(
        &FaultyFs::new(),
        Params {
            tick: Duration::from_millis(1),
            ..params()
        },
    );
    run.send(&[b"outcome"], Class::Outcome).unwrap();
    run.watcher.wait(1);
    assert_eq!(run.watcher.committed(), [b"outcome"]);
}

#[test]
fn a_flush_does_not_wait_for_the_tick() {
    let mut run = Run::start(
        &FaultyFs::new(),
        Params {
            tick: HOUR,
            ..params()
        },
    );
    run.send(&[b"outcome"], Class::Outcome).unwrap();
    let end = run.journal.flush().unwrap();
    assert_eq!(run.watcher.told(Told::end), Some(end));
    assert_eq!(
        run.journal.flush().unwrap(),
        end,
        "with nothing to do it returns"
    );
}

/// A journal whose batches wait, as long as it takes, for the threads of `turns`.
fn with_turns(turns: &Turns) -> Run {
    let params = Params {
        segment_size: 1 << 20,
        turns: turns.clone(),
        linger: HOUR,
        ..params()
    };
    Run::start(&FaultyFs::new(), params)
}

#[test]
fn a_batch_is_what_the_turns_have_brought_until_the_last_one_rests() {
    let turns = Turns::default();
    let (first, second) = (turns.thread(), turns.thread());
    let mut run = with_turns(&turns);
    let rounds = 50;
    for round in 1..=rounds {
        first.begin();
        second.begin();
        for _ in 0..3 {
            run.send(&[b"message"], Class::Message).unwrap();
            // A committer that doesn't wait has every chance to take what is there.
            std::thread::yield_now();
        }
        first.end();
        std::thread::yield_now();
        run.send(&[b"message"], Class::Message).unwrap();
        second.end();
        run.watcher.wait(4 * round);
    }
    assert_eq!(batches(&run), vec![4; rounds]);
}

#[test]
fn a_batch_goes_at_once_where_nobody_is_at_work() {
    let turns = Turns::default();
    let resting = turns.thread();
    let mut run = with_turns(&turns);
    run.put(b"before its first turn").unwrap();
    resting.begin();
    resting.end();
    run.put(b"after it").unwrap();
    assert_eq!(batches(&run), [1, 1]);
}

#[test]
fn a_thread_that_dies_at_work_holds_nothing_up() {
    let turns = Turns::default();
    let mut run = with_turns(&turns);
    let turn = turns.thread();
    turn.begin();
    run.send(&[b"message"], Class::Message).unwrap();
    let died = std::thread::spawn(move || {
        let _turn = turn;
        panic!("as it is meant to");
    });
    assert!(died.join().is_err());
    run.watcher.wait(1);
    assert_eq!(batches(&run), [1]);
}

#[test]
fn a_flush_waits_for_no_turn() {
    let turns = Turns::default();
    let turn = turns.thread();
    let mut run = with_turns(&turns);
    turn.begin();
    run.send(&[b"message"], Class::Message).unwrap();
    run.journal.flush().unwrap();
    assert_eq!(batches(&run), [1]);
}

#[test]
fn a_linger_ends_by_itself() {
    let turns = Turns::default();
    let turn = turns.thread();
    let params = Params {
        turns: turns.clone(),
        linger: Duration::from_micros(200),
        ..params()
    };
    let mut run = Run::start(&FaultyFs::new(), params);
    turn.begin();
    run.put(b"alone").unwrap();
    assert_eq!(batches(&run), [1]);
}

#[test]
fn more_than_may_be_queued_is_refused_and_outcomes_may_queue_twice_as_much() {
    let params = Params {
        max_queued: 200,
        ..params()
    };
    let run = while_the_first_syncs(params, |run| {
        // 13 bytes are being written.
        run.send(&[&[0; 179]], Class::Message).unwrap();
        let refused = run.send(&[b"x"], Class::Message);
        assert!(
            matches!(refused, Err(Rejected::QueueFull { queued: 200 })),
            "{refused:?}"
        );
        run.send(&[&[0; 192]], Class::Outcome).unwrap();
        let refused = run.send(&[b"x"], Class::Outcome);
        assert!(
            matches!(refused, Err(Rejected::QueueFull { queued: 400 })),
            "{refused:?}"
        );
        assert_eq!(run.journal.stats().refused, 2);
    });
    run.watcher.wait(run.sent.len());
    assert_eq!(run.journal.stats().queued, 0);
}

#[test]
fn a_group_that_fits_no_segment_is_too_large() {
    let mut run = Run::start(&FaultyFs::new(), params());
    let most = 4096 - 72 - 8;
    run.put(note(0, most)).unwrap();
    let refused = run.put(note(1, most + 1));
    assert!(
        matches!(
            refused,
            Err(Rejected::TooLarge {
                size: 4097,
                limit: 4096
            })
        ),
        "{refused:?}"
    );
    let refused = run.put_group(&[&note(1, most - 7).0, b""]);
    assert!(
        matches!(refused, Err(Rejected::TooLarge { .. })),
        "{refused:?}"
    );
}

#[test]
fn an_empty_group_is_nothing() {
    let run = Run::start(&FaultyFs::new(), params());
    run.journal
        .append_group(Vec::new(), Class::Message)
        .unwrap();
    assert_eq!(run.journal.flush().unwrap(), Position::ZERO);
    assert_eq!(run.journal.stats().batches, 0);
}

/// Entries of many threads at once: none is lost, and each thread's own order is kept.
#[test]
fn many_threads_may_append() {
    let opened = open(
        Params {
            segment_size: 1 << 20,
            ..params()
        },
        Arc::new(FaultyFs::new()),
        "test",
    )
    .unwrap();
    let watcher = Watcher::default();
    let journal = opened.start(Position::ZERO, watcher.clone()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let journal = &journal;
            scope.spawn(move || {
                for number in 0..200_u8 {
                    let class = if number % 3 == 0 {
                        Class::Outcome
                    } else {
                        Class::Message
                    };
                    journal.append(Note::new([thread, number]), class).unwrap();
                }
            });
        }
    });
    journal.close().unwrap();
    let committed = watcher.committed();
    assert_eq!(committed.len(), 1600);
    for thread in 0..8 {
        let numbers: Vec<_> = committed
            .iter()
            .filter(|note| note.0[0] == thread)
            .map(|note| note.0[1])
            .collect();
        assert_eq!(numbers, (0..200).collect::<Vec<_>>());
        assert_eq!(committed[0].size(), 2);
    }
}
