//! Dead letters, as the list shows them.

use std::sync::Arc;

use bytes::Bytes;
use fanway_store::dead::{Letter, Opened};
use fanway_types::DeliveryId;
use rusqlite::{Connection, OptionalExtension, Row};

use super::ended::{COLUMNS, Ended};
use super::state::delivery;
use super::{Error, Plans, edits};
use crate::codec::read_message;
use crate::seal::Ring;

/// One dead letter with its request.
pub(crate) fn dead_letter(
    connection: &mut Connection,
    plans: &mut Plans,
    ring: &Ring,
    id: DeliveryId,
) -> Result<Option<Opened>, Error> {
    let transaction = connection.transaction()?;
    let mut statement = transaction.prepare_cached(&format!(
        "SELECT {COLUMNS}, m.head, m.body, m.seq FROM messages m JOIN deliveries d ON d.seq = m.seq
           JOIN targets t ON t.id = d.target
         WHERE m.id = ? AND d.step = ? AND d.item = ? AND d.run = ? AND d.state = {}",
        delivery::DEAD
    ))?;
    let key = (id.message.to_bytes(), id.step, id.item, id.run);
    let read = |row: &Row<'_>| Ok(opened(&transaction, plans, ring, row));
    statement.query_row(key, read).optional()?.transpose()
}

fn opened(
    connection: &Connection,
    plans: &mut Plans,
    ring: &Ring,
    row: &Row<'_>,
) -> Result<Opened, Error> {
    let head = Bytes::from(row.get::<_, Vec<u8>>(13)?);
    let body = row.get::<_, Option<Vec<u8>>>(14)?.map(Bytes::from);
    let message = body.map(|body| read_message(&head, Some(body), ring));
    let mut message = message.transpose()?;
    let letter = letter(Ended::read(connection, plans, ring, row)?)?;
    if let Some(message) = &mut message
        && let Some(edited) = edits::of(connection, row.get(15)?, letter.delivery, ring)?
    {
        message.request = edited.in_place_of(&message.request);
    }
    Ok(Opened {
        letter,
        message: message.map(Arc::new),
    })
}

/// A delivery that has ended as the dead letter that it is.
pub(crate) fn letter(ended: Ended) -> Result<Letter, Error> {
    Ok(Letter {
        delivery: ended.place.delivery,
        route: ended.route,
        step: ended.step,
        target: ended.target,
        reason: ended.reason.ok_or(Error::Row {
            table: "deliveries",
            what: "dead for no reason",
        })?,
        detail: ended.detail,
        status: ended.status,
        attempts: ended.attempts,
        died_at: ended.place.at,
        size: ended.size,
    })
}
