//! What rows of several queries have in common.

use fanway_types::{DeliveryId, Direction, MessageId, Plan, Step, TargetName};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::Error;

/// A delivery of `message`, whose step, item and run stand in the three columns from `first` on.
pub(super) fn delivery(
    row: &Row<'_>,
    message: MessageId,
    first: usize,
) -> Result<DeliveryId, Error> {
    Ok(DeliveryId {
        message,
        step: row.get(first)?,
        item: row.get(first + 1)?,
        run: row.get(first + 2)?,
        direction: Direction::Forward,
    })
}

/// The step of the plan that a delivery is of.
pub(super) fn step(plan: &Plan, delivery: DeliveryId) -> Result<&Step, Error> {
    let step = plan.steps.get(usize::from(delivery.step));
    step.ok_or(Error::Row {
        table: "deliveries",
        what: "a step that isn't in the plan",
    })
}

/// A target's name, where there is one.
pub(super) fn optional_target(row: &Row<'_>, column: usize) -> Result<Option<TargetName>, Error> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => target(row, column).map(Some),
    }
}

/// A target's name.
pub(super) fn target(row: &Row<'_>, column: usize) -> Result<TargetName, Error> {
    let name = row.get_ref(column)?.as_str();
    let name = name.map_err(rusqlite::Error::from)?;
    name.parse().map_err(|_| Error::Row {
        table: "targets",
        what: "not a name",
    })
}

/// The name of the target that has this number.
pub(super) fn target_name(connection: &Connection, number: i64) -> Result<TargetName, Error> {
    let mut statement = connection.prepare_cached("SELECT name FROM targets WHERE id = ?")?;
    statement.query_row([number], |row| Ok(target(row, 0)))?
}
