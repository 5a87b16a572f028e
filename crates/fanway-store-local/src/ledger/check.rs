//! Whether a ledger is sound.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::state::delivery;
use super::{Error, schema};

/// What [`check`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong; empty where nothing is.
    pub problems: Vec<String>,
    /// Messages that haven't ended.
    pub unfinished: u64,
    /// Their deliveries that haven't ended.
    pub pending: u64,
    /// Dead letters on the list.
    pub dead: u64,
    /// Ended messages in the history.
    pub history: u64,
    /// Idempotency keys.
    pub keys: u64,
    /// The position in the journal up to which it is posted.
    pub posted: u64,
    /// Bytes of unfinished messages' bodies.
    pub backlog: u64,
}

/// Rows that must not be there, and what they would mean.
const NEVER: [(&str, &str); 5] = [
    (
        "SELECT count(*) FROM deliveries d LEFT JOIN messages m ON m.seq = d.seq WHERE m.seq IS NULL",
        "deliveries without their message",
    ),
    (
        "SELECT count(*) FROM messages m WHERE ended_at IS NULL
         AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.seq = m.seq AND d.state IN (0, 1, 7, 8))",
        "messages that never end: none of their deliveries is pending",
    ),
    (
        "SELECT count(*) FROM messages m WHERE ended_at IS NOT NULL
         AND EXISTS (SELECT 1 FROM deliveries d WHERE d.seq = m.seq AND d.state IN (0, 1, 7, 8))",
        "messages that ended with deliveries pending",
    ),
    (
        "SELECT count(*) FROM messages WHERE ended_at IS NULL AND body IS NULL",
        "unfinished messages without a body",
    ),
    (
        "SELECT count(*) FROM deliveries WHERE state = 1 AND due IS NULL",
        "scheduled deliveries without a due time",
    ),
];

/// The same in tables and columns that schema 2 has added.
const NEVER_SINCE_2: [(&str, &str); 5] = [
    (
        "SELECT count(*) FROM edits e WHERE NOT EXISTS (SELECT 1 FROM deliveries d
         WHERE (d.seq, d.step, d.item, d.run) = (e.seq, e.step, e.item, e.run))",
        "edited bodies without their delivery",
    ),
    (
        "SELECT count(*) FROM deliveries WHERE key_run >= run",
        "deliveries whose key isn't an earlier run's",
    ),
    (
        "SELECT count(*) FROM jobs WHERE NOT json_valid(json)
         OR (ended_at IS NULL) != (json ->> '$.state' IN ('running', 'paused'))",
        "jobs that can't be read, or whose end doesn't fit their state",
    ),
    (
        "SELECT count(*) FROM controls WHERE NOT json_valid(json)",
        "targets' controls that can't be read",
    ),
    (
        "SELECT count(*) FROM audit WHERE NOT json_valid(json)",
        "audit records that can't be read",
    ),
];

/// The same in schemas 2 and 3, which had nothing that was sealed.
const NEVER_UNSEALED: [(&str, &str); 2] = [
    (
        "SELECT count(*) FROM messages m WHERE edited !=
         (SELECT coalesce(sum(length(e.body)), 0) FROM edits e WHERE e.seq = m.seq)",
        "messages whose edited bodies have other sizes than noted",
    ),
    (
        "SELECT count(*) FROM keys
         WHERE (length(hash), length(fingerprint), length(message)) != (16, 16, 16)",
        "idempotency keys that can't be read",
    ),
];

/// The same since schema 4, by the bytes that sealed values have more.
const NEVER_SINCE_4: [(&str, &str); 3] = [
    (
        "SELECT count(*) FROM messages m WHERE edited !=
         (SELECT coalesce(sum(length(e.body) - 32 * e.sealed), 0) FROM edits e WHERE e.seq = m.seq)",
        "messages whose edited bodies have other sizes than noted",
    ),
    (
        "SELECT count(*) FROM keys
         WHERE (length(hash), length(message)) != (16, 16) OR length(fingerprint) NOT IN (16, 48)",
        "idempotency keys that can't be read",
    ),
    (
        "SELECT count(*) FROM data_keys WHERE (length(wrapped_by), length(wrapped)) != (8, 60)",
        "data keys that can't be read",
    ),
];

/// The same in what schema 3 has added.
const NEVER_SINCE_3: [(&str, &str); 5] = [
    (
        "SELECT count(*) FROM troubles WHERE NOT json_valid(json)",
        "targets' troubles that can't be read",
    ),
    (
        "SELECT count(*) FROM deliveries WHERE order_key IS NOT NULL AND length(order_key) != 16",
        "order keys that can't be read",
    ),
    (
        "SELECT count(*) FROM deliveries WHERE state = 8 AND order_key IS NULL",
        "deliveries in line without an order key",
    ),
    (
        "SELECT count(*) FROM deliveries WHERE order_key IS NOT NULL AND state NOT IN (1, 3, 7, 8)",
        "deliveries in a line that they should have left",
    ),
    (
        "SELECT count(*) FROM (SELECT DISTINCT target, order_key FROM deliveries
           WHERE state = 8 AND order_key IS NOT NULL) w
         WHERE NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.target = w.target
           AND d.order_key = w.order_key AND d.state <> 8)
         AND NOT EXISTS (SELECT 1 FROM doomed x WHERE x.target = w.target
           AND x.order_key = w.order_key)",
        "lines in which nobody has the turn",
    ),
];

/// Checks a ledger: SQLite's own check, and that its rows make sense together. Changes nothing.
/// One of an earlier release is checked as that one left it.
///
/// # Errors
/// Where it can't be opened or read at all, or a later release made it.
pub fn check(path: &Path) -> Result<Report, Error> {
    let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "query_only", true)?;
    // All of it at one moment, should somebody still be posting.
    let connection = connection.transaction()?;
    let mut report = Report::default();
    let mut integrity = connection.prepare("PRAGMA integrity_check")?;
    for line in integrity.query_map([], |row| row.get::<_, String>(0))? {
        let line = line?;
        if line != "ok" {
            report.problems.push(line);
        }
    }
    let version = schema::version(&connection, path)?;
    let has_keys = version > 1;
    if has_keys {
        report.keys = count(&connection, "SELECT count(*) FROM keys")?;
    }
    let unsealed = NEVER_UNSEALED.into_iter();
    let unsealed = unsealed.filter(|_| version > 1 && version < 4);
    let since_4 = NEVER_SINCE_4.into_iter().filter(|_| version > 3);
    let since_2 = NEVER_SINCE_2.into_iter().filter(|_| version > 1);
    let since_3 = NEVER_SINCE_3.into_iter().filter(|_| version > 2);
    let rows = NEVER.into_iter().chain(unsealed).chain(since_2);
    for (sql, meaning) in rows.chain(since_3).chain(since_4) {
        let found = count(&connection, sql)?;
        if found != 0 {
            report.problems.push(format!("{found} {meaning}"));
        }
    }
    report.unfinished = count(
        &connection,
        "SELECT count(*) FROM messages WHERE ended_at IS NULL",
    )?;
    report.pending = count(
        &connection,
        "SELECT count(*) FROM deliveries WHERE state IN (0, 1, 7, 8)",
    )?;
    let dead = format!(
        "SELECT count(*) FROM deliveries WHERE state = {}",
        delivery::DEAD
    );
    report.dead = count(&connection, &dead)?;
    report.history = count(&connection, "SELECT count(*) FROM history")?;
    report.posted = count(&connection, "SELECT value FROM meta WHERE key = 'posted'")?;
    report.backlog = count(&connection, "SELECT value FROM meta WHERE key = 'backlog'")?;
    let size = if has_keys { "size + edited" } else { "size" };
    let bodies = count(
        &connection,
        &format!("SELECT coalesce(sum({size}), 0) FROM messages WHERE ended_at IS NULL"),
    )?;
    if bodies != report.backlog {
        let backlog = report.backlog;
        report.problems.push(format!(
            "the backlog is noted as {backlog} bytes and is {bodies}"
        ));
    }
    Ok(report)
}

fn count(connection: &Connection, sql: &str) -> Result<u64, Error> {
    Ok(connection
        .query_row(sql, [], |row| row.get::<_, i64>(0))?
        .cast_unsigned())
}

#[cfg(test)]
mod tests;
