//! Jobs, what operators have set for targets, what isn't well with those, audit records.

use fanway_store::change::{Audit, AuditPage, Control};
use fanway_store::job::Job;
use fanway_store::trouble::Trouble;
use fanway_types::{JobId, TargetName, Timestamp};
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;
use crate::record::{Controlled, Troubled};

/// Keeps a job as it stands, in place of how it stood.
pub(super) fn put_job(connection: &Connection, job: &Job) -> Result<(), Error> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO jobs (id, ended_at, json) VALUES (?, ?, ?)")?
        .execute((job.id.to_bytes(), job.ended_at.map(millis), json(job)))?;
    Ok(())
}

/// Notes of a job that one of its redrives was not done after all.
pub(super) fn pass_over(connection: &Connection, id: JobId) -> Result<(), Error> {
    let kept: Option<String> = connection
        .prepare_cached("SELECT json FROM jobs WHERE id = ?")?
        .query_row([id.to_bytes()], |row| row.get(0))
        .optional()?;
    let Some(kept) = kept else { return Ok(()) };
    let mut job: Job = parse("jobs", &kept)?;
    job.pass_over(1);
    put_job(connection, &job)
}

/// All jobs, the latest first.
pub(crate) fn jobs(connection: &mut Connection) -> Result<Vec<Job>, Error> {
    let mut statement = connection.prepare_cached("SELECT json FROM jobs ORDER BY id DESC")?;
    let mut rows = statement.query([])?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        jobs.push(parse("jobs", text(row.get_ref(0)?)?)?);
    }
    Ok(jobs)
}

/// Keeps what is set for a target; nothing where that is the default.
pub(super) fn put_control(connection: &Connection, controlled: &Controlled) -> Result<(), Error> {
    let target = controlled.target.as_str();
    if controlled.control == Control::default() {
        connection
            .prepare_cached("DELETE FROM controls WHERE target = ?")?
            .execute([target])?;
        return Ok(());
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO controls (target, json) VALUES (?, ?)")?
        .execute((target, json(&controlled.control)))?;
    Ok(())
}

/// What is set for targets, by their names.
pub(crate) fn controls(connection: &mut Connection) -> Result<Vec<(TargetName, Control)>, Error> {
    let sql = "SELECT target, json FROM controls ORDER BY target";
    by_target(connection, "controls", sql)
}

/// Keeps what isn't well with a target; nothing where all is.
pub(super) fn put_trouble(connection: &Connection, troubled: &Troubled) -> Result<(), Error> {
    let target = troubled.target.as_str();
    if troubled.trouble == Trouble::default() {
        connection
            .prepare_cached("DELETE FROM troubles WHERE target = ?")?
            .execute([target])?;
        return Ok(());
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO troubles (target, json) VALUES (?, ?)")?
        .execute((target, json(&troubled.trouble)))?;
    Ok(())
}

/// What isn't well with targets, by their names.
pub(crate) fn troubles(connection: &mut Connection) -> Result<Vec<(TargetName, Trouble)>, Error> {
    let sql = "SELECT target, json FROM troubles ORDER BY target";
    by_target(connection, "troubles", sql)
}

/// The rows of a table that has a target's name and JSON.
fn by_target<T: DeserializeOwned>(
    connection: &mut Connection,
    table: &'static str,
    sql: &str,
) -> Result<Vec<(TargetName, T)>, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let what = "not a name";
        let target = text(row.get_ref(0)?)?.parse();
        let target = target.map_err(|_| Error::Row { table, what })?;
        found.push((target, parse(table, text(row.get_ref(1)?)?)?));
    }
    Ok(found)
}

/// Keeps an audit record, under the next number.
pub(super) fn put_audit(connection: &Connection, audit: &Audit) -> Result<(), Error> {
    connection
        .prepare_cached("INSERT INTO audit (at, json) VALUES (?, ?)")?
        .execute((millis(audit.at), json(audit)))?;
    Ok(())
}

/// A page of audit records, latest first.
pub(crate) fn audit(
    connection: &mut Connection,
    below: Option<u64>,
    limit: usize,
) -> Result<AuditPage, Error> {
    let below = below.and_then(|below| i64::try_from(below).ok());
    let mut statement = connection
        .prepare_cached("SELECT number, json FROM audit WHERE number < ? ORDER BY number DESC")?;
    let mut rows = statement.query([below.unwrap_or(i64::MAX)])?;
    let mut page = AuditPage::default();
    while let Some(row) = rows.next()? {
        if page.records.len() == limit.max(1) {
            page.next = page.records.last().map(|(number, _)| *number);
            break;
        }
        let number = row.get::<_, i64>(0)?.cast_unsigned();
        let record = parse("audit", text(row.get_ref(1)?)?)?;
        page.records.push((number, record));
    }
    Ok(page)
}

/// Removes audit records from before `before`, and jobs that ended before it, so many of each at
/// most; returns how many.
pub(super) fn prune(connection: &Connection, before: Timestamp, most: u32) -> Result<usize, Error> {
    let mut removed = 0;
    for sql in [
        "DELETE FROM audit WHERE number IN (SELECT number FROM audit WHERE at < ? ORDER BY at LIMIT ?)",
        "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE ended_at < ? ORDER BY ended_at LIMIT ?)",
    ] {
        removed += connection
            .prepare_cached(sql)?
            .execute((millis(before), most))?;
    }
    Ok(removed)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("what is kept as JSON has only text keys")
}

fn parse<T: DeserializeOwned>(table: &'static str, json: &str) -> Result<T, Error> {
    let what = "the JSON can't be read";
    serde_json::from_str(json).map_err(|_| Error::Row { table, what })
}

fn text(value: rusqlite::types::ValueRef<'_>) -> Result<&str, Error> {
    Ok(value.as_str().map_err(rusqlite::Error::from)?)
}

fn millis(at: Timestamp) -> i64 {
    at.as_millis().cast_signed()
}
