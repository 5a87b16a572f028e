//! What is changed by a hand: redrives, discards, jobs, controls, audit records.

use std::sync::Arc;

use fanway_journal::{Class, Rejected};
use fanway_store::change::{Audit, Key, Redrive};
use fanway_store::job::Job;
use fanway_store::{Error, dead};
use fanway_types::{DeliveryId, JobId, Timestamp};
use tokio::sync::oneshot;

use crate::entry::{Entry, Waiter};
use crate::inner::Inner;
use crate::ledger::{self, Changed, Redrivable};
use crate::receipt::receipt;
use crate::record::{Discard, Record, Redrive as Redriven};
use crate::store::LocalStore;

/// Why no change was kept.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The journal has no room for it.
    NoRoom(Rejected),
    /// The store was closed, or takes nothing any more.
    Closed,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoRoom(rejected) => Self::Engine(Arc::new(rejected)),
            Refused::Closed => Self::Closed,
        }
    }
}

impl From<Refused> for dead::Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoRoom(_) => Self::Full,
            Refused::Closed => Self::Store(Error::Closed),
        }
    }
}

impl Inner {
    /// Appends records as one group, and waits until they are durable and the ledger shows what
    /// [can fail](Record::is_change) among them; returns what became of each of that.
    pub(crate) async fn change(&self, records: Vec<Record>) -> Result<Vec<Changed>, Refused> {
        let mut posted = Vec::new();
        let mut entries: Vec<_> = records
            .into_iter()
            .map(|record| {
                let waiter = if record.is_change() {
                    let (sender, receiver) = oneshot::channel();
                    posted.push(receiver);
                    Waiter::Posted(sender)
                } else {
                    Waiter::Nobody
                };
                Entry::new(record, waiter)
            })
            .collect();
        let mut durable = None;
        if posted.is_empty()
            && let Some(last) = entries.last_mut()
        {
            let (issuer, receipt) = receipt();
            last.waiter = Waiter::Durable(issuer);
            durable = Some(receipt);
        }
        self.intake
            .append_group(entries, Class::Message)
            .map_err(|rejected| match rejected {
                Rejected::Poisoned(_) | Rejected::Closed => Refused::Closed,
                no_room => Refused::NoRoom(no_room),
            })?;
        if let Some(durable) = durable {
            let Ok(()) = durable.await else {
                return Err(Refused::Closed);
            };
        }
        let mut changes = Vec::with_capacity(posted.len());
        for changed in posted {
            changes.push(changed.await.map_err(|_| Refused::Closed)?);
        }
        Ok(changes)
    }
}

impl LocalStore {
    pub(crate) async fn redrive_all(
        &self,
        redrives: Vec<Redrive>,
        job: Option<Job>,
        audit: Option<Audit>,
        now: Timestamp,
    ) -> Result<Vec<Result<DeliveryId, dead::Error>>, Error> {
        let ids: Vec<_> = redrives.iter().map(|redrive| redrive.old).collect();
        self.catch_up().await;
        let answers = self
            .ask(move |connection, plans| ledger::redrivable(connection, plans, &ids))
            .await?;
        let of_job = job.as_ref().map(|job| job.id);
        let checked: Vec<_> = redrives
            .into_iter()
            .zip(answers)
            .map(|(redrive, answer)| self.check(redrive, answer, of_job, now))
            .collect();
        let refused = checked.iter().filter(|result| result.is_err()).count();
        let job = job.map(|mut job| {
            job.pass_over(refused as u64);
            Record::Job(Arc::new(job))
        });
        let audit = audit.filter(|_| refused < checked.len());
        let audit = audit.map(|audit| Record::Audit(Arc::new(audit)));
        let redrives = checked.iter().flatten().cloned().map(Record::Redrive);
        // The job comes before its redrives: what becomes of each is counted in it.
        let records = job.into_iter().chain(audit).chain(redrives).collect();
        let changes = match self.inner.change(records).await {
            Ok(changes) => changes,
            Err(Refused::NoRoom(_)) if refused < checked.len() => {
                let full = |result: Result<_, _>| Err(result.err().unwrap_or(dead::Error::Full));
                return Ok(checked.into_iter().map(full).collect());
            }
            Err(refused) => return Err(refused.into()),
        };
        let mut changes = changes.into_iter();
        let became = checked.into_iter().map(|result| {
            let redriven = result?;
            match changes.next() {
                Some(Changed::Done) => Ok(redriven.new),
                Some(Changed::NotDone) | None => Err(dead::Error::NotFound(redriven.old)),
            }
        });
        Ok(became.collect())
    }

    /// The record of a redrive, where it can be done as far as the ledger knows. What is in the
    /// batch twice shows when it is posted.
    fn check(
        &self,
        redrive: Redrive,
        answer: Redrivable,
        job: Option<JobId>,
        due: Timestamp,
    ) -> Result<Arc<Redriven>, dead::Error> {
        let old = redrive.old;
        let key = match answer {
            Redrivable::Yes { key } => key,
            Redrivable::NotKept => return Err(dead::Error::NoBody(old)),
            Redrivable::No => return Err(dead::Error::NotFound(old)),
        };
        let plan = self.inner.commons.plan(redrive.plan);
        let plan = plan.filter(|plan| usize::from(redrive.step) < plan.steps.len());
        let new = plan
            .and_then(|_| old.next_run())
            .ok_or(dead::Error::NoStep)?;
        Ok(Arc::new(Redriven {
            old,
            new,
            plan: redrive.plan,
            step: redrive.step,
            due,
            key: match redrive.key {
                Key::Kept => key,
                Key::New => new,
            },
            body: redrive.body,
            job,
        }))
    }

    pub(crate) async fn discard_one(
        &self,
        id: DeliveryId,
        reason: String,
        audit: Option<Audit>,
        now: Timestamp,
    ) -> Result<(), dead::Error> {
        self.catch_up().await;
        let is_listed = self
            .ask(move |connection, _| ledger::is_listed(connection, id))
            .await?;
        if !is_listed {
            return Err(dead::Error::NotFound(id));
        }
        let audit = audit.map(|audit| Record::Audit(Arc::new(audit)));
        let discard = Record::Discard(Discard {
            dead: id,
            at: now,
            reason,
        });
        let records = audit.into_iter().chain([discard]).collect();
        match self.inner.change(records).await?[..] {
            [Changed::Done] => Ok(()),
            _ => Err(dead::Error::NotFound(id)),
        }
    }

    /// Appends a record, with an audit record of it, and waits until both are durable.
    pub(crate) async fn keep(&self, record: Record, audit: Option<Audit>) -> Result<(), Error> {
        self.inner.check_open()?;
        let audit = audit.map(|audit| Record::Audit(Arc::new(audit)));
        let records = audit.into_iter().chain([record]).collect();
        self.inner.change(records).await?;
        Ok(())
    }
}
