//! Messages that are posted for the first time, with what the same range says of them.

use std::borrow::Cow;
use std::sync::Arc;

use fanway_store::lookup::MessageView;
use fanway_types::{
    DeliveryState, Message, MessageId, OrderKey, Outcome, Plan, Timestamp, Verdict,
};
use foldhash::{HashMap, HashMapExt};

use super::line::Standing;
use super::{Writing, millis, spent};
use crate::codec::message_head;
use crate::ledger::state::{delivery, number, reason_number};
use crate::ledger::{Error, history, keys, sealed};
use crate::params::Bodies;
use crate::record::Cancel;
use crate::seal::Of;
use crate::view;

/// A message of the range that is being posted.
pub(super) struct Fresh<'a> {
    pub(super) seq: u64,
    pub(super) message: &'a Arc<Message>,
    pub(super) plan: (i64, Arc<Plan>),
    pub(super) view: MessageView,
    /// When it is due, where that isn't at once.
    pub(super) due: Option<Timestamp>,
    /// The last outcome of each delivery with the position behind it, in the plan's order.
    pub(super) outcomes: Vec<Option<Recorded<'a>>>,
    /// The position behind the record that has ended it, once one has.
    pub(super) ended_by: u64,
}

/// An outcome, and the position behind its record.
pub(super) type Recorded<'a> = (u64, &'a Outcome);

/// The part of a range that hasn't been written yet.
#[derive(Default)]
pub(super) struct Range<'a> {
    pub(super) fresh: Vec<Fresh<'a>>,
    pub(super) places: HashMap<MessageId, usize>,
    /// Outcomes of messages that earlier ranges posted.
    pub(super) later: Vec<Recorded<'a>>,
    /// What was called off.
    pub(super) cancels: Vec<&'a Cancel>,
}

impl<'a> Range<'a> {
    /// A range that is to have so many messages.
    pub(super) fn of(messages: usize) -> Self {
        Self {
            fresh: Vec::with_capacity(messages),
            places: HashMap::with_capacity(messages),
            ..Self::default()
        }
    }

    /// Takes an outcome, where its message is in the range, or leaves it for later.
    pub(super) fn outcome(&mut self, position: u64, outcome: &'a Outcome) {
        let Some(place) = self.places.get(&outcome.delivery.message) else {
            self.later.push((position, outcome));
            return;
        };
        let fresh = &mut self.fresh[*place];
        let ended = |view: &MessageView| {
            view.deliveries
                .iter()
                .any(|known| known.id == outcome.delivery && known.state.has_ended())
        };
        if ended(&fresh.view) {
            return;
        }
        view::apply(&mut fresh.view, outcome);
        fresh.ended_by = position;
        if let Some(last) = fresh.outcomes.get_mut(usize::from(outcome.delivery.step)) {
            *last = Some((position, outcome));
        }
    }
}

impl Writing<'_> {
    /// Adds a message to the range.
    pub(super) fn add<'m>(
        &mut self,
        range: &mut Range<'m>,
        seq: u64,
        message: &'m Arc<Message>,
    ) -> Result<(), Error> {
        let plan = self.plans.by_hash(self.connection, message.plan)?;
        let view = view::fresh(message, &plan.1);
        let outcomes = vec![None; view.deliveries.len()];
        range.places.insert(message.id, range.fresh.len());
        range.fresh.push(Fresh {
            seq,
            message,
            plan,
            view,
            due: message.due(),
            outcomes,
            ended_by: seq,
        });
        Ok(())
    }

    /// Writes a message of the range as it stands at its end.
    pub(super) fn write_fresh(&mut self, fresh: &Fresh<'_>) -> Result<(), Error> {
        let view = &fresh.view;
        if let Some(key) = &fresh.message.terms.key {
            keys::put(self.connection, key, fresh.message.id, self.ring)?;
        }
        if view.state.has_ended() {
            let ended = history::Ended {
                id: view.id,
                plan: fresh.plan.0,
                view,
            };
            history::put(self.connection, &ended)?;
            let terms = &fresh.message.terms;
            self.notify_of_end(fresh.ended_by, view, &fresh.plan.1, terms)?;
            if !self.is_kept(view.state) {
                return Ok(());
            }
        } else {
            *self.backlog += fresh.message.request.body.len() as u64;
        }
        self.insert_message(fresh)?;
        for (delivery, last) in view.deliveries.iter().zip(&fresh.outcomes) {
            self.insert_delivery(fresh, delivery.id.step, *last)?;
            if let (DeliveryState::Dead, Some((position, _))) = (delivery.state, last) {
                self.notify_of_death(*position, delivery, &fresh.plan.1)?;
            }
        }
        Ok(())
    }

    fn insert_message(&self, fresh: &Fresh<'_>) -> Result<(), Error> {
        let (id, body) = (fresh.message.id, &fresh.message.request.body);
        let key = self.ring.sealing();
        let ended_at = fresh.view.ended_at;
        let keeps_body = ended_at.is_none() || self.bodies != Bodies::None;
        let kept = keeps_body.then(|| match &key {
            None => Cow::Borrowed(&body[..]),
            Some(key) => Cow::Owned(key.seal(Of::Body(id), body)),
        });
        let callback = fresh.message.terms.callback.as_deref();
        let callback = callback.map(|url| sealed::put_text(self.ring, Of::Callback(id), url));
        self.connection
            .prepare_cached("INSERT INTO messages (seq, id, plan, ended_at, size, head, body, callback) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?
            .execute((
                fresh.seq.cast_signed(),
                id.to_bytes(),
                fresh.plan.0,
                ended_at.map(millis),
                i64::try_from(body.len()).unwrap_or(i64::MAX),
                message_head(fresh.message, key.as_deref()),
                kept,
                callback,
            ))?;
        Ok(())
    }

    fn insert_delivery(
        &mut self,
        fresh: &Fresh<'_>,
        step: u16,
        last: Option<Recorded<'_>>,
    ) -> Result<(), Error> {
        let view = &fresh.view.deliveries[usize::from(step)];
        let fallback_of = view.fallback_of.as_ref();
        let fallback_of = fallback_of
            .map(|name| self.target(name, fresh.seq))
            .transpose()?;
        // A fallback's name is of the time at which it was told to take it.
        let told = if fallback_of.is_some() {
            fresh.ended_by
        } else {
            fresh.seq
        };
        let target = self.target(&view.target, told)?;
        let due = match last.map(|(_, last)| last.verdict) {
            Some(Verdict::Again { due, .. }) => Some(due),
            Some(Verdict::Ended(_)) => None,
            None => fresh.due,
        };
        // What a lane gave back without an attempt is scheduled too, though it shows as pending.
        let state = if due.is_some() {
            delivery::SCHEDULED
        } else {
            number(view.state)
        };
        let standing = match fresh.message.order_key(step) {
            None => Standing::out_of_line(state, due),
            Some(key) => {
                let standing = Standing::out_of_line(state, due);
                self.come((target, key), fresh, step, last, standing)?
            }
        };
        let (state, due) = (standing.state, standing.due);
        match due.filter(|_| state == delivery::SCHEDULED) {
            Some(due) if last.is_none() && standing.key.is_some() => {
                self.note_turn(&view.target, due);
            }
            Some(due) => self.note_due(&view.target, due),
            None => {}
        }
        let last = last.map(|(_, last)| last);
        let detail = view.detail.as_deref();
        let detail = detail.map(|text| sealed::put_text(self.ring, Of::Detail(view.id), text));
        self.connection
            .prepare_cached(
                "INSERT INTO deliveries (seq, step, item, run, target, plan, plan_step, state, due, attempts, used,
                 spent, at, status, reason, detail, fallback_of, order_key)
                 VALUES (?, ?, 0, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(rusqlite::params![
                fresh.seq.cast_signed(),
                step,
                target,
                fresh.plan.0,
                step,
                state,
                due.map(millis),
                view.attempts,
                last.map_or(0, |last| last.used),
                last.map_or(0, spent),
                view.at.map(millis),
                view.status,
                view.reason.map(reason_number),
                detail,
                fallback_of,
                standing.key.map(OrderKey::to_bytes),
            ])?;
        Ok(())
    }
}
