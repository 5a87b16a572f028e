//! Retention: forgetting what has been kept long enough, a little at a time.

use std::collections::BTreeSet;

use fanway_types::{MessageId, TargetName, Timestamp};
use rusqlite::{Connection, TransactionBehavior};

use super::lines::{Line, Promoted};
use super::state::delivery;
use super::{Error, by_hand, edits, find, keys, lines, row};
use crate::params::{Bodies, Keep};

/// Rows that one call removes at most, so that posting doesn't wait for long.
const ROWS: u32 = 2_000;
/// Pages that one call gives back to the file system at most.
const PAGES: u32 = 1_000;

/// What a call has removed.
#[derive(Debug, Default)]
pub(crate) struct Pruned {
    /// Whether there may be more.
    pub(crate) more: bool,
    /// Targets for which one has its turn now that a dead letter is gone that blocked its key, and
    /// when that is due.
    pub(crate) turns: Vec<(TargetName, Timestamp)>,
}

/// Removes some of what is older than `keep` says, in a transaction of its own.
pub(crate) fn prune(
    connection: &mut Connection,
    keep: &Keep,
    now: Timestamp,
) -> Result<Pruned, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // What can be asked for by its id has to be there, however short the history is.
    let history = now.saturating_sub(keep.history.max(keep.messages));
    let mut removed = transaction
        .prepare_cached(
            "DELETE FROM history WHERE id IN
             (SELECT id FROM history WHERE id < ?1 AND ended_at < ?2 ORDER BY id LIMIT ?3)",
        )?
        .execute((
            MessageId::first_at(history).to_bytes(),
            millis(history),
            ROWS,
        ))?;
    let dead = now.saturating_sub(keep.dead);
    let bodies = if keep.bodies == Bodies::All {
        history
    } else {
        now
    };
    let mut freed = BTreeSet::new();
    removed += remove_messages(&transaction, dead, bodies, &mut freed)?;
    let turns = promote(&transaction, freed)?;
    removed += keys::prune(&transaction, now, ROWS)?;
    let noted = now.saturating_sub(keep.history);
    removed += by_hand::prune(&transaction, noted, ROWS)?;
    transaction.commit()?;
    give_back(connection)?;
    Ok(Pruned {
        more: removed >= ROWS as usize,
        turns,
    })
}

/// Gives the next one its turn in lines that a dead letter has left.
fn promote(
    connection: &Connection,
    freed: BTreeSet<Line>,
) -> Result<Vec<(TargetName, Timestamp)>, Error> {
    let mut turns = Vec::new();
    if freed.is_empty() {
        return Ok(turns);
    }
    let posted = find::posted(connection)?;
    for line in freed {
        let promoted = lines::promote(connection, line, posted)?;
        if let Promoted::Due(due) | Promoted::Anew(due) = promoted {
            turns.push((row::target_name(connection, line.0)?, due));
        }
    }
    Ok(turns)
}

/// Gives free pages back to the file system.
fn give_back(connection: &Connection) -> Result<(), Error> {
    let mut vacuum = connection.prepare_cached(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    // Each step gives back one page.
    let mut freed = vacuum.query([])?;
    while freed.next()?.is_some() {}
    Ok(())
}

/// Removes ended messages: those with a letter on the list after `dead`, others after `bodies`.
fn remove_messages(
    connection: &Connection,
    dead: Timestamp,
    bodies: Timestamp,
    freed: &mut BTreeSet<Line>,
) -> Result<usize, Error> {
    let on_list = format!(
        "EXISTS (SELECT 1 FROM deliveries d WHERE d.seq = m.seq AND d.state = {})",
        delivery::DEAD
    );
    let mut statement = connection.prepare_cached(&format!(
        "SELECT seq FROM messages m WHERE ended_at IS NOT NULL AND ended_at < max(?1, ?2)
         AND ended_at < CASE WHEN {on_list} THEN ?1 ELSE ?2 END ORDER BY ended_at LIMIT ?3",
    ))?;
    let rows = statement.query_map((millis(dead), millis(bodies), ROWS), |row| {
        row.get::<_, i64>(0)
    })?;
    let mut removed = 0;
    for seq in rows {
        let seq = seq?;
        freed.extend(lines::of_message(connection, seq)?);
        connection
            .prepare_cached("DELETE FROM deliveries WHERE seq = ?")?
            .execute([seq])?;
        edits::remove(connection, seq)?;
        connection
            .prepare_cached("DELETE FROM messages WHERE seq = ?")?
            .execute([seq])?;
        removed += 1;
    }
    Ok(removed)
}

fn millis(at: Timestamp) -> i64 {
    at.as_millis().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::give_back;
    use crate::ledger::open_writer;

    #[test]
    fn free_pages_go_back_to_the_file_system() {
        let dir = tempfile::tempdir().expect("the system gives temporary folders");
        let ledger = open_writer(&dir.path().join("ledger")).expect("the folder is empty");
        let insert =
            "INSERT INTO plans (hash, route, json) VALUES (zeroblob(16), '', zeroblob(400000))";
        ledger.execute(insert, []).expect("the table is there");
        ledger
            .execute("DELETE FROM plans", [])
            .expect("it was just added");
        let free = |name| -> i64 {
            let pages = ledger.pragma_query_value(None, name, |row| row.get(0));
            pages.expect("SQLite counts them")
        };
        assert!(free("freelist_count") > 90);
        give_back(&ledger).expect("nothing fails");
        assert_eq!(free("freelist_count"), 0);
    }
}
