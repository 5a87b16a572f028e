//! What the store in memory finds: dead letters, what a job goes through, what waits.

use std::collections::BTreeMap;
use std::sync::Arc;

use fanway_store::Backlog;
use fanway_store::dead::{self, Letter, Opened, Page, Query};
use fanway_store::job::{Candidate, Candidates, Count, Cursor, Filter, Include};
use fanway_types::{ByteCount, DeliveryId, Outcome, Timestamp};

use super::{Book, Delivery};

impl Book {
    pub(in super::super) fn dead_letters(&self, query: &Query) -> Page {
        let on_list = self.deliveries.iter();
        let mut letters: Vec<Letter> = on_list
            .filter(|(_, delivery)| delivery.is_dead_letter())
            .filter(|(_, delivery)| delivery.fits(&query.filter))
            .filter_map(|(id, delivery)| delivery.letter(*id))
            .collect();
        letters.sort_by_key(|letter| std::cmp::Reverse(order(letter)));
        if let Some(after) = query.after {
            letters.retain(|letter| order(letter) < (after.died_at, after.delivery));
        }
        let more = letters.len() > query.limit;
        letters.truncate(query.limit);
        let next = letters.last().filter(|_| more).map(|last| dead::Cursor {
            died_at: last.died_at,
            delivery: last.delivery,
        });
        Page { letters, next }
    }

    pub(in super::super) fn dead_letter(&self, id: DeliveryId) -> Option<Opened> {
        let delivery = self.deliveries.get(&id)?;
        let letter = delivery.letter(id)?;
        let is_kept = !self.forgotten.contains(&id.message);
        delivery.is_dead_letter().then(|| Opened {
            letter,
            message: is_kept.then(|| Arc::clone(&delivery.run.message)),
        })
    }

    pub(in super::super) fn candidates(
        &self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Candidates {
        let mut found = self.all_candidates(filter);
        // Of what was delivered and isn't kept only history tells.
        found.retain(|candidate| candidate.is_kept || candidate.reason.is_some());
        found.retain(|candidate| after.is_none_or(|after| candidate.place > after));
        let more = found.len() > limit;
        found.truncate(limit);
        Candidates { found, more }
    }

    pub(in super::super) fn count(&self, filter: &Filter) -> Count {
        let found = self.all_candidates(filter);
        let (kept, not_kept): (Vec<_>, Vec<_>) = found.iter().partition(|it| it.is_kept);
        Count {
            sendable: kept.len() as u64,
            not_kept: not_kept.len() as u64,
        }
    }

    /// The oldest first.
    fn all_candidates(&self, filter: &Filter) -> Vec<Candidate> {
        let meant = |delivery: &Delivery| {
            let wants_all = filter.include == Include::All;
            delivery.can_be_redriven() && (wants_all || delivery.is_dead_letter())
        };
        let ended = self.deliveries.iter();
        let mut found: Vec<_> = ended
            .filter(|(_, delivery)| meant(delivery) && delivery.fits(filter))
            .filter_map(|(id, delivery)| self.candidate(*id, delivery))
            .collect();
        found.sort_by_key(|candidate| candidate.place);
        found
    }

    fn candidate(&self, id: DeliveryId, delivery: &Delivery) -> Option<Candidate> {
        let last = delivery.last.as_ref()?;
        Some(Candidate {
            place: Cursor {
                at: last.at,
                delivery: id,
            },
            route: delivery.run.message.route.clone(),
            step: delivery.step.name.clone(),
            target: delivery.step.target.clone(),
            reason: delivery.dead_reason(),
            is_kept: !self.forgotten.contains(&id.message),
        })
    }

    pub(in super::super) fn backlog(&self) -> Vec<Backlog> {
        let mut backlogs = BTreeMap::new();
        for (id, delivery) in &self.deliveries {
            let target = delivery.step.target.clone();
            let backlog = backlogs.entry(target.clone()).or_insert(Backlog {
                target,
                pending: 0,
                oldest: None,
                dead: 0,
            });
            let accepted = id.message.timestamp();
            if !delivery.state.has_ended() {
                backlog.pending += 1;
                backlog.oldest = Some(backlog.oldest.unwrap_or(accepted).min(accepted));
            }
            backlog.dead += u64::from(delivery.is_dead_letter());
        }
        backlogs.retain(|_, backlog| backlog.pending + backlog.dead > 0);
        backlogs.into_values().collect()
    }
}

impl Delivery {
    /// Whether it has ended as a filter says, whatever that includes.
    fn fits(&self, filter: &Filter) -> bool {
        let Some(last) = &self.last else { return false };
        let Filter {
            include: _,
            target,
            route,
            reason,
            since,
            until,
            text,
        } = filter;
        let own_route = &self.run.message.route;
        target.as_ref().is_none_or(|it| *it == self.step.target)
            && route.as_ref().is_none_or(|it| it == own_route)
            && reason.is_none_or(|it| Some(it.0) == self.dead_reason())
            && since.is_none_or(|since| last.at >= since)
            && until.is_none_or(|until| last.at < until)
            && text.as_ref().is_none_or(|text| has_text(last, text))
    }

    fn letter(&self, id: DeliveryId) -> Option<Letter> {
        let last = self.last.as_ref()?;
        let message = &self.run.message;
        Some(Letter {
            delivery: id,
            route: message.route.clone(),
            step: self.step.name.clone(),
            target: self.step.target.clone(),
            reason: self.dead_reason()?,
            detail: last.detail.clone(),
            status: last.status,
            attempts: last.attempts,
            died_at: last.at,
            size: ByteCount::new(message.request.body.len() as u64),
        })
    }
}

fn has_text(last: &Outcome, text: &str) -> bool {
    let detail = last.detail.as_deref().unwrap_or_default();
    detail
        .to_ascii_lowercase()
        .contains(&text.to_ascii_lowercase())
}

fn order(letter: &Letter) -> (Timestamp, DeliveryId) {
    (letter.died_at, letter.delivery)
}
