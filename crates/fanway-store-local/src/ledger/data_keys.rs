//! The folder's data keys, each wrapped by an operator's key.
//!
//! A data key is durable here before anything is sealed by it, since the journal is read only once
//! these are known.

use fanway_types::Timestamp;
use rusqlite::{Connection, TransactionBehavior};

use super::{Error, used};
use crate::params::Encryption;
use crate::seal::{self, KeyId, Ring, is_fresh, random_key};

/// A data key, as far as it can be seen without an operator's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataKeyInfo {
    /// Its number, which what it has sealed names.
    pub number: u32,
    /// When it was made.
    pub made_at: Timestamp,
    /// The operator's key that it is wrapped by.
    pub wrapped_by: KeyId,
    /// How many values in the ledger it has sealed.
    pub values: u64,
}

/// A row of the table.
struct Row {
    number: u32,
    made_at: Timestamp,
    wrapped_by: KeyId,
    wrapped: Vec<u8>,
}

fn rows(connection: &Connection) -> Result<Vec<Row>, Error> {
    let mut statement =
        connection.prepare("SELECT id, made_at, wrapped_by, wrapped FROM data_keys ORDER BY id")?;
    let rows = statement.query_map([], |row| {
        Ok(Row {
            number: row.get(0)?,
            made_at: Timestamp::from_millis(row.get::<_, i64>(1)?.cast_unsigned()),
            wrapped_by: KeyId::from_bytes(row.get(2)?),
            wrapped: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The keys of a folder, all of its data keys among them. Changes nothing.
///
/// # Errors
/// [`seal::Error::NoKey`] where one is wrapped by a key that wasn't given.
pub(crate) fn ring(connection: &Connection, encryption: &Encryption) -> Result<Ring, Error> {
    let ring = Ring::new(encryption);
    let rows = rows(connection)?;
    let missing = rows.iter().map(|row| row.wrapped_by);
    let mut missing: Vec<_> = missing.filter(|id| ring.wrapping(*id).is_none()).collect();
    missing.sort_unstable();
    missing.dedup();
    for row in rows {
        let Some(wrapping) = ring.wrapping(row.wrapped_by) else {
            return Err(seal::Error::NoKey(missing).into());
        };
        let key = wrapping.unwrap(row.number, &row.wrapped)?;
        ring.add(row.number, row.made_at, &key);
    }
    Ok(ring)
}

/// The same for a folder that is written to: every data key is wrapped by the key that seals from
/// now on, and there is one to seal with.
pub(crate) fn take_over(
    connection: &mut Connection,
    encryption: &Encryption,
    now: Timestamp,
) -> Result<Ring, Error> {
    let ring = ring(connection, encryption)?;
    let rewrapped = rewrap(connection, &ring)?;
    if let Some(wraps) = ring.wraps().filter(|_| rewrapped > 0) {
        tracing::info!(rewrapped, by = %wraps.id, "the first key wraps all data keys now");
    }
    let latest = rows(connection)?.pop();
    if let Some(latest) = latest.filter(|latest| is_fresh(latest.made_at, now)) {
        ring.seal_by(latest.number);
    }
    if ring.wants_data_key(now) {
        make(connection, &ring, now)?;
    }
    Ok(ring)
}

/// Wraps every data key by the key that seals; returns how many were wrapped by others.
pub(super) fn rewrap(connection: &mut Connection, ring: &Ring) -> Result<usize, Error> {
    let Some(wraps) = ring.wraps() else {
        return Ok(0);
    };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut rewrapped = 0;
    for row in rows(&transaction)? {
        if row.wrapped_by == wraps.id {
            continue;
        }
        let Some(before) = ring.wrapping(row.wrapped_by) else {
            return Err(seal::Error::NoKey(vec![row.wrapped_by]).into());
        };
        let key = before.unwrap(row.number, &row.wrapped)?;
        let wrapped = wraps.wrap(row.number, &key);
        transaction.execute(
            "UPDATE data_keys SET wrapped_by = ?, wrapped = ? WHERE id = ?",
            (wraps.id.to_bytes(), wrapped, row.number),
        )?;
        rewrapped += 1;
    }
    transaction.commit()?;
    Ok(rewrapped)
}

/// Makes a data key, and seals with it from then on; nothing where nothing is sealed.
pub(crate) fn make(connection: &mut Connection, ring: &Ring, now: Timestamp) -> Result<(), Error> {
    let Some(wraps) = ring.wraps() else {
        return Ok(());
    };
    let key = random_key();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Its number is part of what it is wrapped as.
    transaction.execute(
        "INSERT INTO data_keys (made_at, wrapped_by, wrapped) VALUES (?, ?, x'')",
        (now.as_millis().cast_signed(), wraps.id.to_bytes()),
    )?;
    let number = u32::try_from(transaction.last_insert_rowid());
    let number = number.map_err(|_| Error::Row {
        table: "data_keys",
        what: "more keys than there are numbers",
    })?;
    transaction.execute(
        "UPDATE data_keys SET wrapped = ? WHERE id = ?",
        (wraps.wrap(number, &key), number),
    )?;
    transaction.commit()?;
    ring.add(number, now, &key);
    ring.seal_by(number);
    Ok(())
}

/// Removes the data keys that nothing is sealed by any more, where nothing is sealed anew and the
/// ledger has all there is: once there are none, no key is needed.
pub(crate) fn remove_unused(connection: &mut Connection, ring: &Ring) -> Result<(), Error> {
    if ring.wraps().is_some() || rows(connection)?.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let used = used::count(&transaction)?;
    for row in rows(&transaction)? {
        if !used.contains_key(&row.number) {
            transaction.execute("DELETE FROM data_keys WHERE id = ?", [row.number])?;
        }
    }
    Ok(transaction.commit()?)
}

/// The data keys as they are, each with how many values in the ledger it has sealed.
pub(super) fn list(connection: &Connection) -> Result<Vec<DataKeyInfo>, Error> {
    let used = used::count(connection)?;
    let keys = rows(connection)?.into_iter().map(|row| DataKeyInfo {
        number: row.number,
        made_at: row.made_at,
        wrapped_by: row.wrapped_by,
        values: used.get(&row.number).copied().unwrap_or(0),
    });
    Ok(keys.collect())
}
