//! Lists of what has ended, and counts of it: part by part, so that those who look a message up
//! wait for no long list.

use std::sync::Arc;

use fanway_store::job::{Candidate, Candidates, Count, Cursor, Filter, Include};
use fanway_store::{Error, dead};

use crate::inner::engine;
use crate::ledger::ended::{Ask, Ended, Order, Part, Place, part};
use crate::ledger::{letter, not_kept};
use crate::store::LocalStore;

impl LocalStore {
    /// A page of dead letters, latest first.
    pub(crate) async fn letters(&self, query: dead::Query) -> Result<dead::Page, Error> {
        let include = Include::Dead;
        let after = query.after.map(|after| Cursor {
            at: after.died_at,
            delivery: after.delivery,
        });
        let ask = Ask {
            filter: Filter {
                include,
                ..query.filter
            },
            order: Order::LatestFirst,
            after: after.map(Place::Behind),
            limit: query.limit.max(1),
        };
        let (found, more) = self.ended(ask).await?;
        let letters = found.into_iter().map(letter);
        let letters = letters.collect::<Result<Vec<_>, _>>().map_err(engine)?;
        let last = letters.last().filter(|_| more);
        let next = last.map(|last| dead::Cursor {
            died_at: last.died_at,
            delivery: last.delivery,
        });
        Ok(dead::Page { letters, next })
    }

    /// What a job goes through, the oldest first.
    pub(crate) async fn go_through(
        &self,
        filter: Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Candidates, Error> {
        let ask = Ask {
            filter,
            order: Order::OldestFirst,
            after: after.map(Place::Behind),
            limit: limit.max(1),
        };
        let (found, more) = self.ended(ask).await?;
        let found = found.into_iter().map(candidate).collect();
        Ok(Candidates { found, more })
    }

    /// What there is, as far as it was asked for, and whether there is more.
    async fn ended(&self, mut ask: Ask) -> Result<(Vec<Ended>, bool), Error> {
        let wanted = ask.limit;
        let mut found = Vec::new();
        self.catch_up().await;
        loop {
            // One more tells whether there is more.
            ask.limit = wanted + 1 - found.len();
            let part = self.part(ask.clone()).await?;
            found.extend(part.found);
            ask.after = part.next;
            if found.len() > wanted {
                found.truncate(wanted);
                return Ok((found, true));
            }
            if ask.after.is_none() {
                return Ok((found, false));
            }
        }
    }

    async fn part(&self, ask: Ask) -> Result<Part, Error> {
        let ring = Arc::clone(&self.inner.ring);
        self.ask(move |connection, plans| part(connection, plans, &ring, &ask))
            .await
    }

    /// How much a job goes through, and of how much only history tells any more.
    pub(crate) async fn count_all(&self, filter: Filter) -> Result<Count, Error> {
        let mut count = Count::default();
        let mut ask = Ask {
            filter: filter.clone(),
            order: Order::OldestFirst,
            after: None,
            limit: usize::MAX,
        };
        self.catch_up().await;
        loop {
            let part = self.part(ask.clone()).await?;
            let kept = part.found.iter().filter(|ended| ended.is_kept).count() as u64;
            count.sendable += kept;
            count.not_kept += part.found.len() as u64 - kept;
            ask.after = part.next;
            if ask.after.is_none() {
                break;
            }
        }
        let mut after = None;
        loop {
            let filter = filter.clone();
            let found = self
                .ask(move |connection, plans| not_kept(connection, plans, &filter, after))
                .await?;
            count.not_kept += found.count;
            after = found.next;
            if after.is_none() {
                return Ok(count);
            }
        }
    }
}

fn candidate(ended: Ended) -> Candidate {
    Candidate {
        place: ended.place,
        route: ended.route,
        step: ended.step,
        target: ended.target,
        reason: ended.reason,
        is_kept: ended.is_kept,
    }
}
