//! Bodies that redrives have in place of their messages'.
//!
//! An edit is the delivery's that it was made for, and that of those that are made anew of it, up
//! to the next edit. `messages.edited` counts the bytes of all edits of a message.

use bytes::Bytes;
use fanway_store::change::Edited;
use fanway_types::DeliveryId;
use rusqlite::Connection;

use super::Error;
use super::sealed::put_bytes;
use crate::seal::{Of, Ring};

/// Keeps an edit of a delivery of the message at `seq`.
pub(super) fn put(
    connection: &Connection,
    seq: i64,
    delivery: DeliveryId,
    edited: &Edited,
    ring: &Ring,
) -> Result<(), Error> {
    let (body, is_sealed) = put_bytes(ring, Of::Edit(delivery), &edited.body);
    connection
        .prepare_cached("INSERT INTO edits (seq, step, item, run, content_type, body, sealed) VALUES (?, ?, ?, ?, ?, ?, ?)")?
        .execute((
            seq,
            delivery.step,
            delivery.item,
            delivery.run,
            edited.content_type.as_deref(),
            body,
            is_sealed,
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
    ring: &Ring,
) -> Result<Option<Edited>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT content_type, body, sealed, run FROM edits
         WHERE seq = ? AND step = ? AND item = ? AND run <= ? ORDER BY run DESC LIMIT 1",
    )?;
    let mut rows = statement.query((seq, delivery.step, delivery.item, delivery.run))?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let mut body: Vec<u8> = row.get(1)?;
    if row.get(2)? {
        let run = row.get(3)?;
        body = ring.open(Of::Edit(DeliveryId { run, ..delivery }), &body)?;
    }
    Ok(Some(Edited {
        body: Bytes::from(body),
        content_type: row.get::<_, Option<String>>(0)?.map(Into::into),
    }))
}

/// Removes the edits of the message at `seq`, before the message itself.
pub(super) fn remove(connection: &Connection, seq: i64) -> Result<(), Error> {
    connection
        .prepare_cached("DELETE FROM edits WHERE seq = ?")?
        .execute([seq])?;
    Ok(())
}
