use fanway_store::job::{Filter, Include};
use rusqlite::Connection;
use tempfile::TempDir;

use super::{Ask, Order, ROWS, part};
use crate::ledger::not_kept::not_kept;
use crate::ledger::sample::plan;
use crate::ledger::{Plans, open_writer};
use crate::seal::Ring;

/// More than two parts of them.
const MESSAGES: usize = 3 * ROWS - 1000;

/// A ledger with so many messages: each has a dead letter, 700 of them in each millisecond; and as
/// many of which only history tells.
fn ledger() -> (TempDir, Connection) {
    let dir = tempfile::tempdir().expect("the system gives temporary folders");
    let ledger = open_writer(&dir.path().join("ledger")).expect("the folder is empty");
    Plans::default()
        .add(&ledger, &plan())
        .expect("the table is there");
    let numbers = format!(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {MESSAGES})"
    );
    // Ids fall where places in the order of acceptance rise.
    let all = format!(
        "INSERT INTO targets VALUES (1, 'stock');
         {numbers} INSERT INTO messages (seq, id, plan, ended_at, size, head, body)
           SELECT n, CAST(printf('%016d', 99999 - n) AS BLOB), 1, 9, 5, x'', x'' FROM numbers;
         {numbers} INSERT INTO deliveries (seq, step, item, run, target, plan, plan_step, state, attempts, used,
             spent, at, reason)
           SELECT n, 0, 0, 0, 1, 1, 0, 3, 1, 1, 0, n / 700, 1 FROM numbers;
         {numbers} INSERT INTO history
           SELECT CAST(printf('h%015d', n) AS BLOB), 1, 9, 1, x'0002010000' FROM numbers;"
    );
    ledger.execute_batch(&all).expect("the tables are there");
    (dir, ledger)
}

fn all() -> Filter {
    Filter {
        include: Include::All,
        ..Filter::default()
    }
}

/// Reads all, so many at a time, and checks that each comes once, in its order.
#[track_caller]
fn check(order: Order, limit: usize) {
    let (_dir, mut ledger) = ledger();
    let mut ask = Ask {
        filter: all(),
        order,
        after: None,
        limit,
    };
    let (mut places, mut parts) = (Vec::new(), 0);
    loop {
        let part = part(&mut ledger, &mut Plans::default(), &Ring::default(), &ask)
            .expect("the ledger is sound");
        assert!(part.found.len() <= limit.min(ROWS + 700));
        places.extend(part.found.iter().map(|ended| ended.place));
        parts += 1;
        ask.after = part.next;
        if ask.after.is_none() {
            break;
        }
    }
    assert_eq!(places.len(), MESSAGES, "{order:?}, {limit} at a time");
    let is_sorted = match order {
        Order::OldestFirst => places.is_sorted_by(|left, right| left < right),
        Order::LatestFirst => places.is_sorted_by(|left, right| left > right),
    };
    assert!(is_sorted, "{order:?}, {limit} at a time");
    assert!(parts >= 3, "{parts} parts are too few");
}

#[test]
fn a_long_list_is_read_in_parts_without_gap_or_double() {
    for order in [Order::OldestFirst, Order::LatestFirst] {
        for limit in [usize::MAX, 4000, 999] {
            check(order, limit);
        }
    }
}

#[test]
fn a_long_history_is_counted_in_parts() {
    let (_dir, mut ledger) = ledger();
    let (mut count, mut parts, mut after) = (0, 0, None);
    loop {
        let part = not_kept(&mut ledger, &mut Plans::default(), &all(), after);
        let part = part.expect("the ledger is sound");
        assert!(part.count <= ROWS as u64);
        count += part.count;
        parts += 1;
        after = part.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((count, parts), (MESSAGES as u64, 3));
}
