use super::check;
use crate::ledger::{Error, open_writer};

/// A message that has ended, one that hasn't, and a delivery of each.
const SOUND: &str = "
INSERT INTO targets VALUES (1, 'stock');
INSERT INTO plans VALUES (1, zeroblob(16), 'orders', '{}');
INSERT INTO messages (seq, id, plan, ended_at, size, head, body) VALUES
    (1, x'01', 1, 9, 3, x'', x'010203'), (2, x'02', 1, NULL, 3, x'', x'010203');
INSERT INTO deliveries (seq, step, item, run, target, plan, plan_step, state, due, attempts, used, spent)
    VALUES (1, 0, 0, 0, 1, 1, 0, 3, NULL, 1, 1, 1), (2, 0, 0, 0, 1, 1, 0, 1, 9, 1, 1, 1);
INSERT INTO keys VALUES (zeroblob(16), zeroblob(16), zeroblob(16), 9);
INSERT INTO jobs VALUES (x'01', NULL, '{\"state\": \"paused\"}'), (x'02', 9, '{\"state\": \"done\"}');
INSERT INTO controls VALUES ('stock', '{}');
INSERT INTO troubles VALUES ('stock', '{}');
INSERT INTO audit (at, json) VALUES (9, '{}');
UPDATE meta SET value = 3 WHERE key = 'backlog';
";

/// What is found where this was done to a sound ledger.
#[track_caller]
fn problems(sql: &str) -> Vec<String> {
    let dir = tempfile::tempdir().expect("the system gives temporary folders");
    let path = dir.path().join("ledger");
    let ledger = open_writer(&path).expect("the folder is empty");
    ledger.execute_batch(SOUND).expect("the tables are there");
    ledger.execute_batch(sql).expect("the tables are there");
    check(&path).expect("it can be read").problems
}

#[test]
fn nothing_is_wrong_with_a_sound_ledger() {
    assert_eq!(problems(""), Vec::<String>::new());
}

#[test]
fn each_row_that_makes_no_sense_is_found() {
    let cases = [
        (
            "DELETE FROM messages WHERE seq = 1",
            "1 deliveries without their message",
        ),
        (
            "UPDATE deliveries SET state = 2 WHERE seq = 2",
            "1 messages that never end: none of their deliveries is pending",
        ),
        (
            "UPDATE deliveries SET state = 7 WHERE seq = 1",
            "1 messages that ended with deliveries pending",
        ),
        (
            "UPDATE messages SET body = NULL",
            "1 unfinished messages without a body",
        ),
        (
            "UPDATE deliveries SET due = NULL",
            "1 scheduled deliveries without a due time",
        ),
        (
            "INSERT INTO edits VALUES (1, 0, 0, 1, NULL, x'01', 0); UPDATE messages SET edited = 1 WHERE seq = 1",
            "1 edited bodies without their delivery",
        ),
        (
            "UPDATE messages SET edited = 1 WHERE seq = 1",
            "1 messages whose edited bodies have other sizes than noted",
        ),
        (
            "UPDATE deliveries SET key_run = 0 WHERE seq = 1",
            "1 deliveries whose key isn't an earlier run's",
        ),
        (
            "UPDATE keys SET fingerprint = x'01'",
            "1 idempotency keys that can't be read",
        ),
        (
            "UPDATE jobs SET json = '{'",
            "2 jobs that can't be read, or whose end doesn't fit their state",
        ),
        (
            "UPDATE jobs SET ended_at = 9",
            "1 jobs that can't be read, or whose end doesn't fit their state",
        ),
        (
            "UPDATE controls SET json = ''",
            "1 targets' controls that can't be read",
        ),
        (
            "UPDATE troubles SET json = ''",
            "1 targets' troubles that can't be read",
        ),
        (
            "UPDATE audit SET json = ''",
            "1 audit records that can't be read",
        ),
        (
            "UPDATE meta SET value = 4 WHERE key = 'backlog'",
            "the backlog is noted as 4 bytes and is 3",
        ),
    ];
    check_each(&cases);
}

#[test]
fn each_row_that_makes_no_sense_in_a_line_is_found() {
    let cases = [
        (
            "UPDATE deliveries SET order_key = x'01' WHERE seq = 2",
            "1 order keys that can't be read",
        ),
        (
            "UPDATE deliveries SET state = 8 WHERE seq = 2",
            "1 deliveries in line without an order key",
        ),
        (
            "UPDATE deliveries SET order_key = zeroblob(16), state = 2 WHERE seq = 1",
            "1 deliveries in a line that they should have left",
        ),
        (
            "UPDATE deliveries SET order_key = zeroblob(16), state = 8 WHERE seq = 2",
            "1 lines in which nobody has the turn",
        ),
    ];
    check_each(&cases);
}

/// Checks what is found after each statement.
#[track_caller]
fn check_each(cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        assert_eq!(problems(sql), [*expected], "after {sql}");
    }
}

#[test]
fn a_ledger_of_a_later_release_is_neither_opened_nor_checked() {
    let dir = tempfile::tempdir().expect("the system gives temporary folders");
    let path = dir.path().join("ledger");
    let ledger = open_writer(&path).expect("the folder is empty");
    let later = ledger.pragma_update(None, "user_version", 5);
    later.expect("the file can be written");
    drop(ledger);
    let found = [open_writer(&path).map(|_| ()), check(&path).map(|_| ())];
    for result in found {
        let newer = matches!(
            result,
            Err(Error::Newer {
                found: 5,
                known: 4,
                ..
            })
        );
        assert!(newer, "{result:?}");
    }
}
