//! Bodies that redrives have in place of their messages'.
//!
//! An edit is the delivery's that it was made for, and that of those that are made anew of it, up
//! to the next edit. `messages.edited` counts the bytes of all edits of a message.

use bytes::Bytes;
use fanway_store::change::Edited;
use fanway_types::DeliveryId;
use rusqlite::{Connection, OptionalExtension};

use super::Error;

/// Keeps an edit of a delivery of the message at `seq`.
pub(super) fn put(
    connection: &Connection,
    seq: i64,
    delivery: DeliveryId,
    edited: &Edited,
) -> Result<(), Error> {
    connection
        .prepare_cached("INSERT INTO edits (seq, step, item, run, content_type, body) VALUES (?, ?, ?, ?, ?, ?)")?
        .execute((
            seq,
            delivery.step,
            delivery.item,
            delivery.run,
            edited.content_type.as_deref(),
            &edited.body[..],
        ))?;
    let bytes = i64::try_from(edited.body.len()).unwrap_or(i64::MAX);
    connection
        .prepare_cached("UPDATE messages SET edited = edited + ? WHERE seq = ?")?
        .execute((bytes, seq))?;
    Ok(())
}

/// What a delivery of the message at `seq` has in place of the message's body.
pub(super) fn of(
    connection: &Connection,
    seq: i64,
    delivery: DeliveryId,
) -> Result<Option<Edited>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT content_type, body FROM edits WHERE seq = ? AND step = ? AND item = ? AND run <= ?
         ORDER BY run DESC LIMIT 1",
    )?;
    let key = (seq, delivery.step, delivery.item, delivery.run);
    let edited = statement.query_row(key, |row| {
        Ok(Edited {
            content_type: row.get::<_, Option<String>>(0)?.map(Into::into),
            body: Bytes::from(row.get::<_, Vec<u8>>(1)?),
        })
    });
    Ok(edited.optional()?)
}

/// Removes the edits of the message at `seq`, before the message itself.
pub(super) fn remove(connection: &Connection, seq: i64) -> Result<(), Error> {
    connection
        .prepare_cached("DELETE FROM edits WHERE seq = ?")?
        .execute([seq])?;
    Ok(())
}
