//! Plans and targets by their numbers in the ledger.

use std::sync::Arc;

use fanway_types::{Plan, PlanHash, TargetName};
use foldhash::HashMap;
use rusqlite::{Connection, OptionalExtension};

use super::Error;

/// Plans that one connection has met, so that a row is read without another look-up.
///
/// A config has few plans, and each reload adds at most as many: what was met is kept.
/// No sender chooses what these maps have for keys.
#[derive(Default)]
pub(crate) struct Plans {
    by_number: HashMap<i64, Arc<Plan>>,
    by_hash: HashMap<PlanHash, (i64, Arc<Plan>)>,
    targets: HashMap<TargetName, i64>,
}

impl Plans {
    /// Adds a plan to the ledger, where it isn't there yet.
    pub(super) fn add(&mut self, connection: &Connection, plan: &Plan) -> Result<(), Error> {
        let json = plan.to_json();
        connection
            .prepare_cached("INSERT OR IGNORE INTO plans (hash, route, json) VALUES (?, ?, ?)")?
            .execute((PlanHash::of(&json).to_bytes(), plan.route.as_str(), json))?;
        Ok(())
    }

    /// The plan that has this hash, and its number.
    pub(super) fn by_hash(
        &mut self,
        connection: &Connection,
        hash: PlanHash,
    ) -> Result<(i64, Arc<Plan>), Error> {
        let missing = Error::Row {
            table: "plans",
            what: "a plan that messages name isn't there",
        };
        self.find(connection, hash)?.ok_or(missing)
    }

    /// The same, where it may not be there.
    pub(crate) fn find(
        &mut self,
        connection: &Connection,
        hash: PlanHash,
    ) -> Result<Option<(i64, Arc<Plan>)>, Error> {
        if let Some(found) = self.by_hash.get(&hash) {
            return Ok(Some(found.clone()));
        }
        let row = connection
            .prepare_cached("SELECT id, json FROM plans WHERE hash = ?")?
            .query_row([hash.to_bytes()], |row| {
                Ok((row.get(0)?, row.get::<_, String>(1)?))
            })
            .optional()?;
        let Some((number, json)) = row else {
            return Ok(None);
        };
        let plan = parse(&json)?;
        self.by_hash.insert(hash, (number, Arc::clone(&plan)));
        Ok(Some((number, plan)))
    }

    /// The plan that has this number.
    pub(super) fn by_number(
        &mut self,
        connection: &Connection,
        number: i64,
    ) -> Result<Arc<Plan>, Error> {
        if let Some(plan) = self.by_number.get(&number) {
            return Ok(Arc::clone(plan));
        }
        let json: String = connection
            .prepare_cached("SELECT json FROM plans WHERE id = ?")?
            .query_row([number], |row| row.get(0))?;
        let plan = parse(&json)?;
        self.by_number.insert(number, Arc::clone(&plan));
        Ok(plan)
    }

    /// A target's number; it is given one where it has none. For the writing connection.
    pub(super) fn target(
        &mut self,
        connection: &Connection,
        name: &TargetName,
    ) -> Result<i64, Error> {
        if let Some(number) = self.targets.get(name) {
            return Ok(*number);
        }
        connection
            .prepare_cached("INSERT OR IGNORE INTO targets (name) VALUES (?)")?
            .execute([name.as_str()])?;
        let number = connection
            .prepare_cached("SELECT id FROM targets WHERE name = ?")?
            .query_row([name.as_str()], |row| row.get(0))?;
        self.targets.insert(name.clone(), number);
        Ok(number)
    }

    /// Forgets all numbers: what a transaction that was rolled back has given is void.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// All plans that are kept.
pub(super) fn all(connection: &Connection) -> Result<Vec<Arc<Plan>>, Error> {
    let mut statement = connection.prepare("SELECT json FROM plans")?;
    let mut rows = statement.query([])?;
    let mut plans = Vec::new();
    while let Some(row) = rows.next()? {
        plans.push(parse(
            row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?,
        )?);
    }
    Ok(plans)
}

fn parse(json: &str) -> Result<Arc<Plan>, Error> {
    let damaged = |_| Error::Row {
        table: "plans",
        what: "the plan can't be read",
    };
    Plan::from_json(json).map(Arc::new).map_err(damaged)
}
