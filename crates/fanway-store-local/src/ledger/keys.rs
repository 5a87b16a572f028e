//! Idempotency keys in the ledger.

use fanway_types::{Fingerprint, IdempotencyKey, KeyHash, MessageId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};

use super::Error;
use crate::keys::Holder;

/// Keeps a message's key, in place of an earlier message's that has expired.
pub(super) fn put(
    connection: &Connection,
    key: &IdempotencyKey,
    message: MessageId,
) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO keys (hash, fingerprint, message, until) VALUES (?, ?, ?, ?)",
        )?
        .execute((
            key.hash().to_bytes(),
            key.fingerprint.to_bytes(),
            message.to_bytes(),
            key.until.as_millis().cast_signed(),
        ))?;
    Ok(())
}

/// Those of these keys that are there.
pub(crate) fn find_keys(
    connection: &Connection,
    hashes: &[KeyHash],
) -> Result<Vec<(KeyHash, Holder)>, Error> {
    let mut statement = connection
        .prepare_cached("SELECT hash, fingerprint, message, until FROM keys WHERE hash = ?")?;
    let mut found = Vec::new();
    for hash in hashes {
        let row = statement.query_row([hash.to_bytes()], read).optional()?;
        found.extend(row);
    }
    Ok(found)
}

/// The keys that expire last, `most` at most, and until when there are others.
pub(crate) fn recent_keys(
    connection: &Connection,
    now: Timestamp,
    most: usize,
) -> Result<(Vec<(KeyHash, Holder)>, Timestamp), Error> {
    let mut statement = connection.prepare(
        "SELECT hash, fingerprint, message, until FROM keys WHERE until >= ?
         ORDER BY until DESC LIMIT ?",
    )?;
    let limit = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let rows = statement.query_map((now.as_millis().cast_signed(), limit), read)?;
    let mut keys = rows.collect::<Result<Vec<_>, _>>()?;
    let elsewhere = if keys.len() > most { keys.pop() } else { None };
    let elsewhere = elsewhere.map_or(Timestamp::default(), |(_, other)| other.until);
    Ok((keys, elsewhere))
}

/// Removes keys that have expired, so many at most; returns how many.
pub(super) fn prune(connection: &Connection, now: Timestamp, most: u32) -> Result<usize, Error> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM keys WHERE hash IN (SELECT hash FROM keys WHERE until < ? ORDER BY until LIMIT ?)",
    )?;
    Ok(statement.execute((now.as_millis().cast_signed(), most))?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<(KeyHash, Holder)> {
    let holder = Holder {
        fingerprint: Fingerprint::from_bytes(row.get(1)?),
        message: MessageId::from_bytes(row.get(2)?),
        until: Timestamp::from_millis(row.get::<_, i64>(3)?.cast_unsigned()),
    };
    Ok((KeyHash::from_bytes(row.get(0)?), holder))
}
