//! The list of dead letters.

use std::sync::Arc;

use bytes::Bytes;
use fanway_store::dead::{Cursor, Letter, Opened, Page, Query};
use fanway_types::{ByteCount, DeliveryId, Direction, MessageId, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::state::{delivery, reason};
use super::{Error, Plans};
use crate::codec::read_message;

const COLUMNS: &str =
    "m.id, d.step, d.item, d.run, m.plan, t.name, d.reason, d.detail, d.status, d.attempts, d.at,
    m.size";
const JOINS: &str = "FROM deliveries d JOIN messages m ON m.seq = d.seq JOIN targets t ON t.id = d.target JOIN plans p ON p.id = m.plan";

/// A page of dead letters, latest first.
pub(crate) fn dead_letters(
    connection: &mut Connection,
    plans: &mut Plans,
    query: &Query,
) -> Result<Page, Error> {
    let transaction = connection.transaction()?;
    let (sql, values) = listing(query);
    let mut statement = transaction.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut page = Page::default();
    while let Some(row) = rows.next()? {
        if page.letters.len() == query.limit.max(1) {
            page.next = page.letters.last().map(|last: &Letter| Cursor {
                died_at: last.died_at,
                delivery: last.delivery,
            });
            break;
        }
        page.letters.push(letter(&transaction, plans, row)?);
    }
    Ok(page)
}

fn listing(query: &Query) -> (String, Vec<Value>) {
    let mut sql = format!(
        "SELECT {COLUMNS} {JOINS} WHERE d.state = {}",
        delivery::DEAD
    );
    let mut values = Vec::new();
    if let Some(target) = &query.target {
        sql.push_str(" AND t.name = ?");
        values.push(Value::from(target.as_str().to_owned()));
    }
    if let Some(route) = &query.route {
        sql.push_str(" AND p.route = ?");
        values.push(Value::from(route.as_str().to_owned()));
    }
    if let Some(Cursor { died_at, delivery }) = query.after {
        // Where the cursor's own letter has gone the list goes on behind its time: letters of the
        // same millisecond may then be passed over once.
        sql.push_str(
            " AND (d.at, d.seq, d.step, d.item, d.run) <
              (?, coalesce((SELECT seq FROM messages WHERE id = ?), 0), ?, ?, ?)",
        );
        values.extend([
            Value::from(died_at.as_millis().cast_signed()),
            Value::from(delivery.message.to_bytes().to_vec()),
            Value::from(i64::from(delivery.step)),
            Value::from(i64::from(delivery.item)),
            Value::from(i64::from(delivery.run)),
        ]);
    }
    sql.push_str(" ORDER BY d.at DESC, d.seq DESC, d.step DESC, d.item DESC, d.run DESC");
    (sql, values)
}

/// One dead letter with its request.
pub(crate) fn dead_letter(
    connection: &mut Connection,
    plans: &mut Plans,
    id: DeliveryId,
) -> Result<Option<Opened>, Error> {
    let transaction = connection.transaction()?;
    let sql = format!(
        "SELECT {COLUMNS}, m.head, m.body {JOINS}
         WHERE m.id = ? AND d.step = ? AND d.item = ? AND d.run = ? AND d.state = {}",
        delivery::DEAD
    );
    let mut statement = transaction.prepare_cached(&sql)?;
    let key = (id.message.to_bytes(), id.step, id.item, id.run);
    let read = |row: &Row<'_>| Ok(opened(&transaction, plans, row));
    statement.query_row(key, read).optional()?.transpose()
}

fn opened(connection: &Connection, plans: &mut Plans, row: &Row<'_>) -> Result<Opened, Error> {
    let head = Bytes::from(row.get::<_, Vec<u8>>(12)?);
    let body = row.get::<_, Option<Vec<u8>>>(13)?.map(Bytes::from);
    let message = body
        .map(|body| read_message(&head, Some(body)).map(Arc::new))
        .transpose()?;
    Ok(Opened {
        letter: letter(connection, plans, row)?,
        message,
    })
}

fn letter(connection: &Connection, plans: &mut Plans, row: &Row<'_>) -> Result<Letter, Error> {
    let delivery = DeliveryId {
        message: MessageId::from_bytes(row.get(0)?),
        step: row.get(1)?,
        item: row.get(2)?,
        run: row.get(3)?,
        direction: Direction::Forward,
    };
    let plan = plans.by_number(connection, row.get(4)?)?;
    let no_step = Error::Row {
        table: "deliveries",
        what: "a step that isn't in the plan",
    };
    let target = row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(Letter {
        delivery,
        route: plan.route.clone(),
        step: plan
            .steps
            .get(usize::from(delivery.step))
            .ok_or(no_step)?
            .name
            .clone(),
        target: target.parse().map_err(|_| Error::Row {
            table: "targets",
            what: "not a name",
        })?,
        reason: reason(row.get(6)?)?,
        detail: row.get::<_, Option<String>>(7)?.map(Into::into),
        status: row.get(8)?,
        attempts: row.get(9)?,
        died_at: Timestamp::from_millis(row.get::<_, i64>(10)?.cast_unsigned()),
        size: ByteCount::new(row.get::<_, i64>(11)?.cast_unsigned()),
    })
}
