//! Whether a ledger is sound.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::Error;
use super::state::delivery;

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
         AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.seq = m.seq AND d.state IN (0, 1))",
        "messages that never end: none of their deliveries is pending",
    ),
    (
        "SELECT count(*) FROM messages m WHERE ended_at IS NOT NULL
         AND EXISTS (SELECT 1 FROM deliveries d WHERE d.seq = m.seq AND d.state IN (0, 1))",
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

/// Checks a ledger: SQLite's own check, and that its rows make sense together. Changes nothing.
///
/// # Errors
/// Where it can't be opened or read at all.
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
    for (sql, meaning) in NEVER {
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
        "SELECT count(*) FROM deliveries WHERE state IN (0, 1)",
    )?;
    let dead = format!(
        "SELECT count(*) FROM deliveries WHERE state = {}",
        delivery::DEAD
    );
    report.dead = count(&connection, &dead)?;
    report.history = count(&connection, "SELECT count(*) FROM history")?;
    report.posted = count(&connection, "SELECT value FROM meta WHERE key = 'posted'")?;
    report.backlog = count(&connection, "SELECT value FROM meta WHERE key = 'backlog'")?;
    let bodies = count(
        &connection,
        "SELECT coalesce(sum(size), 0) FROM messages WHERE ended_at IS NULL",
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
