//! Reads deliveries that were never handed out, of which many may wait: the plans that have some
//! have turns, so that a route that floods a target doesn't keep another's deliveries waiting. Of
//! one plan they come in the order of acceptance.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use super::Error;
use super::next::{Ask, COLUMNS, Due, JOINS, Place, TARGET, place, work};

/// What a plan may have of one turn.
const TURN: usize = 64;

/// Which plan has the next turn, and what was read of each beyond what was read of all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    /// The last that was read of a plan.
    ahead: BTreeMap<i64, Place>,
    /// The plan that had the last turn; 0 before the first.
    last: i64,
}

/// Reads what fits in of a target's deliveries behind a place.
pub(super) fn read_fresh(
    connection: &Connection,
    ask: &Ask,
    after: Place,
    bytes: &mut u64,
    answer: &mut Due,
) -> Result<(), Error> {
    answer.turns = ask.turns.clone();
    // A round begins at the first plan. One that begins in between says nothing of those before.
    let (mut is_whole_round, mut found_some) = (answer.turns.last == 0, false);
    loop {
        if answer.fresh.len() >= ask.limit || *bytes == 0 {
            answer.more = true;
            return Ok(());
        }
        let Some(plan) = next_plan(connection, ask, answer.turns.last)? else {
            if is_whole_round && !found_some {
                answer.turns = Turns::default();
                return Ok(());
            }
            (is_whole_round, found_some) = (true, false);
            answer.turns.last = 0;
            continue;
        };
        found_some |= take_turn(connection, ask, plan, after, bytes, answer)?;
        answer.turns.last = plan;
    }
}

/// The next plan that has deliveries for a target that aren't known to be attempted, behind another.
fn next_plan(connection: &Connection, ask: &Ask, last: i64) -> Result<Option<i64>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT d.plan FROM deliveries d WHERE {TARGET} AND d.state = 0 AND d.plan > ?2
         ORDER BY d.plan LIMIT 1",
    ))?;
    let plan = statement.query_row((ask.target.as_str(), last), |row| row.get(0));
    Ok(plan.optional()?)
}

/// Reads what a plan may have; returns whether it had something.
fn take_turn(
    connection: &Connection,
    ask: &Ask,
    plan: i64,
    after: Place,
    bytes: &mut u64,
    answer: &mut Due,
) -> Result<bool, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} {JOINS} WHERE {TARGET} AND d.state = 0 AND d.plan = ?2
         AND (d.seq, d.step) > (?3, ?4) ORDER BY d.seq, d.step LIMIT ?5",
    ))?;
    let ahead = answer.turns.ahead.get(&plan);
    let mut last = ahead.map_or(after, |ahead| after.max(*ahead));
    let most = TURN.min(ask.limit - answer.fresh.len());
    let mut rows = statement.query((
        ask.target.as_str(),
        plan,
        last.seq.cast_signed(),
        last.step,
        i64::try_from(most).unwrap_or(i64::MAX),
    ))?;
    let before = answer.fresh.len();
    while *bytes > 0
        && let Some(row) = rows.next()?
    {
        last = place(row)?;
        answer.fresh.push(work(connection, &ask.ring, row, bytes)?);
    }
    answer.turns.ahead.insert(plan, last);
    Ok(answer.fresh.len() > before)
}
