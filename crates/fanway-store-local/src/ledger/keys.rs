//! Idempotency keys in the ledger.

use fanway_types::{Fingerprint, IdempotencyKey, KeyHash, MessageId, Timestamp};
use rusqlite::{Connection, Row};

use super::Error;
use super::sealed::put_bytes;
use crate::keys::Holder;
use crate::seal::{Of, Ring};

/// Keeps a message's key, in place of an earlier message's that has expired.
pub(super) fn put(
    connection: &Connection,
    key: &IdempotencyKey,
    message: MessageId,
    ring: &Ring,
) -> Result<(), Error> {
    let fingerprint = key.fingerprint.to_bytes();
    // It tells whether a guess at a whole request is right.
    let (fingerprint, _) = put_bytes(ring, Of::Fingerprint(message), &fingerprint);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO keys (hash, fingerprint, message, until) VALUES (?, ?, ?, ?)",
        )?
        .execute((
            key.hash().to_bytes(),
            fingerprint,
            message.to_bytes(),
            key.until.as_millis().cast_signed(),
        ))?;
    Ok(())
}

/// Those of these keys that are there.
pub(crate) fn find_keys(
    connection: &Connection,
    hashes: &[KeyHash],
    ring: &Ring,
) -> Result<Vec<(KeyHash, Holder)>, Error> {
    let mut statement = connection
        .prepare_cached("SELECT hash, fingerprint, message, until FROM keys WHERE hash = ?")?;
    let mut found = Vec::new();
    for hash in hashes {
        let mut rows = statement.query([hash.to_bytes()])?;
        if let Some(row) = rows.next()? {
            found.push(read(row, ring)?);
        }
    }
    Ok(found)
}

/// The keys that expire last, `most` at most, and until when there are others.
pub(crate) fn recent_keys(
    connection: &Connection,
    now: Timestamp,
    most: usize,
    ring: &Ring,
) -> Result<(Vec<(KeyHash, Holder)>, Timestamp), Error> {
    let mut statement = connection.prepare(
        "SELECT hash, fingerprint, message, until FROM keys WHERE until >= ?
         ORDER BY until DESC LIMIT ?",
    )?;
    let limit = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let mut rows = statement.query((now.as_millis().cast_signed(), limit))?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        keys.push(read(row, ring)?);
    }
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

fn read(row: &Row<'_>, ring: &Ring) -> Result<(KeyHash, Holder), Error> {
    let message = MessageId::from_bytes(row.get(2)?);
    let fingerprint = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
    let fingerprint = match fingerprint.try_into() {
        Ok(open) => open,
        Err(_) => fingerprint_in(&ring.open(Of::Fingerprint(message), fingerprint)?)?,
    };
    let holder = Holder {
        fingerprint: Fingerprint::from_bytes(fingerprint),
        message,
        until: Timestamp::from_millis(row.get::<_, i64>(3)?.cast_unsigned()),
    };
    Ok((KeyHash::from_bytes(row.get(0)?), holder))
}

fn fingerprint_in(opened: &[u8]) -> Result<[u8; 16], Error> {
    opened.try_into().map_err(|_| Error::Row {
        table: "keys",
        what: "a fingerprint that is none",
    })
}
