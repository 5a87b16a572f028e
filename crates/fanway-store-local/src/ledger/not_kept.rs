//! What was delivered and of what only history tells any more: it can be counted, and that is all.

use fanway_store::job::{Filter, Include};
use fanway_store::lookup::DeliveryView;
use fanway_types::{DeliveryState, MessageId, Plan, TargetName, Timestamp};
use rusqlite::Connection;

use super::{Error, Plans, history};

/// Rows of history that one part looks at.
const ROWS: usize = 5_000;

/// What a part of history has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NotKept {
    pub(crate) count: u64,
    /// The message behind which it goes on, where there may be more.
    pub(crate) next: Option<MessageId>,
}

/// How many deliveries a filter means of which only history tells, among the messages behind
/// `after`.
pub(crate) fn not_kept(
    connection: &mut Connection,
    plans: &mut Plans,
    filter: &Filter,
    after: Option<MessageId>,
) -> Result<NotKept, Error> {
    // History knows neither why something failed nor what a target said.
    let is_told = filter.reason.is_none() && filter.text.is_none();
    if filter.include == Include::Dead || !is_told {
        return Ok(NotKept::default());
    }
    let transaction = connection.transaction()?;
    let mut statement = transaction.prepare_cached(
        "SELECT id, plan, ended_at, deliveries FROM history WHERE id > ? AND id < ? ORDER BY id",
    )?;
    let after = after.map_or(Vec::new(), |after| after.to_bytes().to_vec());
    // What was accepted later has ended later.
    let before = filter
        .until
        .map_or(MessageId::from_bytes([0xff; 16]), MessageId::first_at);
    let mut rows = statement.query((after, before.to_bytes()))?;
    let mut answer = NotKept::default();
    let mut looked_at = 0;
    while let Some(row) = rows.next()? {
        let id = MessageId::from_bytes(row.get(0)?);
        looked_at += 1;
        if looked_at == ROWS {
            answer.next = Some(id);
        }
        let ended_at = Timestamp::from_millis(row.get::<_, i64>(2)?.cast_unsigned());
        let plan = plans.by_number(&transaction, row.get(1)?)?;
        if filter.since.is_none_or(|since| since <= ended_at) && may_mean(filter, &plan) {
            let deliveries = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
            let deliveries = history::deliveries(deliveries, id, &plan)?;
            let meant = deliveries
                .iter()
                .filter(|known| means(filter, known))
                .count();
            if meant > 0 && !is_kept(&transaction, id)? {
                answer.count += meant as u64;
            }
        }
        if answer.next.is_some() {
            break;
        }
    }
    Ok(answer)
}

/// Whether a filter means anything of a message that has this plan.
fn may_mean(filter: &Filter, plan: &Plan) -> bool {
    let of_target = |target: &TargetName| plan.steps.iter().any(|step| step.target == *target);
    filter
        .route
        .as_ref()
        .is_none_or(|route| *route == plan.route)
        && filter.target.as_ref().is_none_or(of_target)
}

/// Whether it means a delivery of such a message.
fn means(filter: &Filter, delivery: &DeliveryView) -> bool {
    let ended_at = delivery.at.unwrap_or_default();
    delivery.state == DeliveryState::Delivered
        && filter
            .target
            .as_ref()
            .is_none_or(|target| *target == delivery.target)
        && filter.since.is_none_or(|since| since <= ended_at)
        && filter.until.is_none_or(|until| ended_at < until)
}

/// Whether a message is still kept, so that it isn't counted twice.
fn is_kept(connection: &Connection, id: MessageId) -> Result<bool, Error> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM messages WHERE id = ?")?;
    Ok(statement.exists([id.to_bytes()])?)
}
