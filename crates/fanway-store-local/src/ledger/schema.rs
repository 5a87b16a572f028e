//! The ledger's tables, and how connections to it are set up.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, OpenFlags};

use super::Error;

/// What brings a ledger from one version of the schema to the next; `PRAGMA user_version` has the
/// one of a file. A step is never changed once it has been released.
const STEPS: [&str; 4] = [FIRST, SECOND, THIRD, FOURTH];

/// Messages that haven't ended, or whose bodies are kept, are in `messages` with their
/// `deliveries`; `seq` is the position in the journal just behind the message's record, and so
/// the order of acceptance. Messages that ended are one row in `history`.
const FIRST: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('posted', 0), ('backlog', 0);

CREATE TABLE targets (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

CREATE TABLE plans (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    route TEXT NOT NULL,
    json TEXT NOT NULL
);

CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    plan INTEGER NOT NULL REFERENCES plans,
    ended_at INTEGER,
    size INTEGER NOT NULL,
    head BLOB NOT NULL,
    body BLOB
);
CREATE INDEX messages_ended ON messages (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE deliveries (
    seq INTEGER NOT NULL REFERENCES messages,
    step INTEGER NOT NULL,
    item INTEGER NOT NULL,
    run INTEGER NOT NULL,
    target INTEGER NOT NULL REFERENCES targets,
    plan INTEGER NOT NULL REFERENCES plans,
    plan_step INTEGER NOT NULL,
    state INTEGER NOT NULL,
    due INTEGER,
    attempts INTEGER NOT NULL,
    used INTEGER NOT NULL,
    spent INTEGER NOT NULL,
    at INTEGER,
    status INTEGER,
    reason INTEGER,
    detail TEXT,
    PRIMARY KEY (seq, step, item, run)
) WITHOUT ROWID;
CREATE INDEX deliveries_fresh ON deliveries (target, seq, step) WHERE state = 0;
CREATE INDEX deliveries_scheduled ON deliveries (target, due) WHERE state = 1;
CREATE INDEX deliveries_dead ON deliveries (at, seq, step, item, run) WHERE state = 3;

CREATE TABLE history (
    id BLOB PRIMARY KEY,
    plan INTEGER NOT NULL REFERENCES plans,
    ended_at INTEGER NOT NULL,
    state INTEGER NOT NULL,
    deliveries BLOB NOT NULL
) WITHOUT ROWID;
";

/// `messages.callback` is the URL that is told of the message's end, where its sender named one.
/// `deliveries_called_off` has those that were called off and haven't ended: when the process dies
/// they are all that is known of it. `deliveries.key_run` is the run whose id is the delivery's
/// key, where it isn't its own. `edits` has bodies that redrives have in place of their messages',
/// `messages.edited` the bytes of a message's. `keys` has idempotency keys by their hash.
const SECOND: &str = "
ALTER TABLE messages ADD COLUMN callback TEXT;

CREATE INDEX deliveries_called_off ON deliveries (target) WHERE state = 7;

ALTER TABLE deliveries ADD COLUMN key_run INTEGER;
CREATE INDEX deliveries_dead_of ON deliveries (target, at, seq, step, item, run) WHERE state = 3;
CREATE INDEX deliveries_ended ON deliveries (at, seq, step, item, run) WHERE state IN (2, 3);

ALTER TABLE messages ADD COLUMN edited INTEGER NOT NULL DEFAULT 0;
CREATE TABLE edits (
    seq INTEGER NOT NULL REFERENCES messages,
    step INTEGER NOT NULL,
    item INTEGER NOT NULL,
    run INTEGER NOT NULL,
    content_type TEXT,
    body BLOB NOT NULL,
    UNIQUE (seq, step, item, run)
);

CREATE TABLE keys (
    hash BLOB PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    message BLOB NOT NULL,
    until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX keys_until ON keys (until);

CREATE TABLE jobs (id BLOB PRIMARY KEY, ended_at INTEGER, json TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE controls (target TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE audit (number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, json TEXT NOT NULL);
CREATE INDEX audit_at ON audit (at);
";

/// `troubles` has what lanes have learnt of their targets that isn't well. `deliveries.fallback_of`
/// is the target of the delivery's step, where a fallback has it: then `target` is that one.
/// `deliveries.fallback_of` is the target of the delivery's step, where a fallback has it: then
/// `target` is that one.
///
/// `deliveries.order_key` is there while a delivery is in its line: until it has ended, and as long
/// as it blocks its key. `doomed` has the keys of which those that were accepted before the position
/// `until` are to be dead letters.
///
/// `deliveries_fresh` is by plan too: the plans of a target have turns.
const THIRD: &str = "
CREATE TABLE troubles (target TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;
ALTER TABLE deliveries ADD COLUMN fallback_of INTEGER REFERENCES targets;

ALTER TABLE deliveries ADD COLUMN order_key BLOB;
CREATE INDEX deliveries_turn ON deliveries (target, order_key)
    WHERE order_key IS NOT NULL AND state <> 8;
CREATE INDEX deliveries_in_line ON deliveries (target, order_key, seq, step, item, run)
    WHERE order_key IS NOT NULL AND state = 8;

CREATE TABLE doomed (
    target INTEGER NOT NULL REFERENCES targets,
    order_key BLOB NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (target, order_key)
) WITHOUT ROWID;

DROP INDEX deliveries_fresh;
CREATE INDEX deliveries_fresh ON deliveries (target, plan, seq, step) WHERE state = 0;
";

/// `data_keys` has the keys that seal what messages have in them, each wrapped by the operator's key
/// of the id `wrapped_by`. A number is never given twice. Where something is sealed, `messages.head`
/// says so of itself and of the `body`; `messages.callback`, `deliveries.detail` and
/// `keys.fingerprint` are blobs in the place of text, or of 16 bytes; `edits.sealed` is 1.
const FOURTH: &str = "
CREATE TABLE data_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    made_at INTEGER NOT NULL,
    wrapped_by BLOB NOT NULL,
    wrapped BLOB NOT NULL
);
ALTER TABLE edits ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;
";

/// Pages that a connection keeps in memory, in KiB.
const WRITER_CACHE_KIB: i32 = 8 * 1024;
const READER_CACHE_KIB: i32 = 2 * 1024;

/// Bytes that the write-ahead log's file keeps once it begins anew.
const LOG: u32 = 16 << 20;

/// How long a connection waits for another one's lock. Only a checkpoint can hold one.
const BUSY: Duration = Duration::from_secs(30);

/// Opens the ledger for the one thread that writes, and makes it where it isn't there.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, Error> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    // So that the log's file doesn't stay as large as it once was.
    connection.pragma_update(None, "journal_size_limit", LOG)?;
    // Only a new file takes this over, so it comes before the first table.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // NORMAL would lose committed transactions on a power loss, and the journal is trimmed by them.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Checkpoints are another thread's work.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    bring_up_to_date(&mut connection, path)?;
    set_up(&connection)?;
    Ok(connection)
}

/// Makes the tables, or changes those of an earlier release: all of it or nothing.
fn bring_up_to_date(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let done = version(connection, path)?;
    let steps = &STEPS[done..];
    if steps.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for step in steps {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known())?;
    Ok(transaction.commit()?)
}

/// The version of the schema in a ledger, at most the latest that is known here.
pub(super) fn version(connection: &Connection, path: &Path) -> Result<usize, Error> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = known();
    let newer = Error::Newer {
        path: path.to_owned(),
        found,
        known,
    };
    let version = usize::try_from(found).ok();
    version.filter(|_| found <= known).ok_or(newer)
}

fn known() -> u32 {
    u32::try_from(STEPS.len()).expect("there are few")
}

/// What all connections have in common.
fn set_up(connection: &Connection) -> Result<(), Error> {
    // Without it a statement is compiled again for each new value of a parameter that a partial
    // index could have to do with: a quarter of all posting.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Rows are written by one thread that knows what belongs together; `fanway ledger check`
    // looks at it. Enforced, each removed message would cost another look and a statement journal.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Opens the ledger for reading.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    set_up(&connection)?;
    Ok(connection)
}

/// Moves what is in the write-ahead log into the database, as far as no reader needs it there.
/// Once all is moved the log begins anew with the next transaction.
pub(crate) fn checkpoint(connection: &Connection) -> Result<(), Error> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?)
}

/// Keeps account of the write-ahead log's bytes: what is returned has them as the connection's last
/// commit left them.
pub(super) fn watch_log(connection: &mut Connection) -> Result<Arc<AtomicU64>, Error> {
    let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let log = Arc::new(AtomicU64::new(0));
    let noted = Arc::clone(&log);
    connection.wal_hook(Some(move |_: &mut Wal, pages| {
        let pages = u64::try_from(pages).unwrap_or(0);
        noted.store(pages.saturating_mul(page.into()), Ordering::Relaxed);
        Ok(())
    }))?;
    Ok(log)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::{checkpoint, open_reader, open_writer, watch_log};

    #[test]
    fn the_writer_syncs_each_commit_and_readers_do_not_hold_it_up() {
        let dir = tempfile::tempdir().expect("the system gives temporary folders");
        let writer = open_writer(&dir.path().join("ledger")).expect("the folder is empty");
        let number = |name: &str| -> i64 {
            let value = writer.pragma_query_value(None, name, |row| row.get(0));
            value.expect("SQLite knows it")
        };
        let full = 2;
        assert_eq!(number("synchronous"), full);
        let incremental = 2;
        assert_eq!(number("auto_vacuum"), incremental);
        assert_eq!(number("foreign_keys"), 0);
        let mode = writer.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
        assert_eq!(mode.expect("SQLite knows it"), "wal");
    }

    #[test]
    fn the_log_is_as_long_as_it_was_left_and_begins_anew_once_all_of_it_is_moved() {
        let dir = tempfile::tempdir().expect("the system gives temporary folders");
        let mut writer = open_writer(&dir.path().join("ledger")).expect("the folder is empty");
        let log = watch_log(&mut writer).expect("SQLite has a log");
        let write = || {
            let wrote = writer.execute("UPDATE meta SET value = value + 1", []);
            assert_eq!(wrote.expect("there are some rows"), 2);
            log.load(Ordering::Relaxed)
        };
        let (first, second) = (write(), write());
        assert!(0 < first && first < second, "{first} and {second}");
        checkpoint(&writer).expect("nobody reads");
        let wrote = writer.execute("UPDATE meta SET value = value + 1", []);
        assert_eq!(wrote.expect("there are some rows"), 2);
        let anew = log.load(Ordering::Relaxed);
        assert!(0 < anew && anew < first, "{anew} after {first}");
    }

    #[test]
    fn a_reader_cannot_write() {
        let dir = tempfile::tempdir().expect("the system gives temporary folders");
        let path = dir.path().join("ledger");
        let _writer = open_writer(&path).expect("the folder is empty");
        let reader = open_reader(&path).expect("the writer has made it");
        assert!(reader.execute("DELETE FROM meta", []).is_err());
    }
}
