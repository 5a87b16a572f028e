//! From bytes to records.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanway_store::change::Edited;
use fanway_types::{
    DeliveryId, Direction, Fingerprint, Headers, IdempotencyKey, JobId, KeyScope, Message,
    MessageId, OrderKey, Outcome, Plan, PlanHash, Request, RouteName, StepIndex, TargetName, Terms,
    Timestamp, Verdict,
};
use serde::de::DeserializeOwned;

use super::fields::{Damage, Field, Fields, pass_over, take_varint};
use super::{ORDER_SIZE, kind, scope, tag, verdict};
use crate::record::{Cancel, Controlled, Discard, Record, Redrive, Troubled};
use crate::seal::{Of, Ring};

/// Reads a record, and opens what is sealed in it.
pub(crate) fn read(record: &Bytes, ring: &Ring) -> Result<Record, Damage> {
    match record.first().copied().ok_or(Damage::Cut)? {
        kind::MESSAGE => Ok(Record::Message(Arc::new(read_message(record, None, ring)?))),
        kind::OUTCOME => Ok(Record::Outcome(read_outcome(&record[1..], ring)?)),
        kind::PLAN => Ok(Record::Plan(Arc::new(read_plan(&record[1..])?))),
        kind::REDRIVE => Ok(Record::Redrive(Arc::new(read_redrive(record, ring)?))),
        kind::DISCARD => Ok(Record::Discard(read_discard(&record[1..])?)),
        kind::CANCEL => Ok(Record::Cancel(read_cancel(&record[1..])?)),
        kind::JOB => Ok(Record::Job(Arc::new(read_json(&record[1..])?))),
        kind::CONTROL => {
            let (target, control) = read_of_target(&record[1..])?;
            Ok(Record::Control(Arc::new(Controlled { target, control })))
        }
        kind::TROUBLE => {
            let (target, trouble) = read_of_target(&record[1..])?;
            Ok(Record::Trouble(Arc::new(Troubled { target, trouble })))
        }
        kind::AUDIT => Ok(Record::Audit(Arc::new(read_json(&record[1..])?))),
        unknown => Err(Damage::UnknownKind(unknown)),
    }
}

/// Reads a message's record, or its head with `body` from elsewhere; opens what is sealed.
pub(crate) fn read_message(
    record: &Bytes,
    body: Option<Bytes>,
    ring: &Ring,
) -> Result<Message, Damage> {
    let mut read = MessageRead::of(record)?;
    read.body = read.body.or(body);
    let body = read.body.take().ok_or(Damage::Missing(tag::BODY))?;
    let (is_sealed, mut message) = (read.sealed.is_some(), read.open(ring)?);
    message.request.body = if is_sealed {
        Bytes::from(ring.open(Of::Body(message.id), &body)?)
    } else {
        body
    };
    Ok(message)
}

/// Reads a message's head without its body, and opens what is sealed in it.
pub(crate) fn read_head(head: &Bytes, ring: &Ring) -> Result<Message, Damage> {
    MessageRead::of(head)?.open(ring)
}

/// The sealed value in a message's head; `None` where it and the body beside it are in the open.
pub(crate) fn sealed_head(head: &Bytes) -> Result<Option<Bytes>, Damage> {
    Ok(MessageRead::of(head)?.sealed)
}

/// The order key of a step in a message's head; nothing in it is opened for that.
pub(crate) fn order_key(head: &Bytes, step: StepIndex) -> Result<Option<OrderKey>, Damage> {
    let read = MessageRead::of(head)?;
    let mut keys = read.terms.terms.order.iter();
    Ok(keys.find(|(of, _)| *of == step).map(|(_, key)| *key))
}

/// A message, as far as it was read.
#[derive(Default)]
struct MessageRead {
    id: Option<MessageId>,
    route: Option<RouteName>,
    plan: Option<PlanHash>,
    request: Request,
    terms: TermsRead,
    body: Option<Bytes>,
    sealed: Option<Bytes>,
}

impl MessageRead {
    /// Reads a record or its head, as far as that is in the open.
    fn of(record: &Bytes) -> Result<Self, Damage> {
        let mut read = Self::default();
        read.take_all(&record.slice(1.min(record.len())..))?;
        Ok(read)
    }

    /// Opens what is sealed of the head.
    fn open(mut self, ring: &Ring) -> Result<Message, Damage> {
        let id = self.id.ok_or(Damage::Missing(tag::ID))?;
        if let Some(sealed) = self.sealed.take() {
            self.take_all(&Bytes::from(ring.open(Of::Head(id), &sealed)?))?;
        }
        Ok(Message {
            id,
            route: self.route.ok_or(Damage::Missing(tag::ROUTE))?,
            plan: self.plan.ok_or(Damage::Missing(tag::PLAN))?,
            request: self.request,
            terms: self.terms.read()?,
            reservation: None,
        })
    }

    /// Takes all of these fields.
    fn take_all(&mut self, bytes: &Bytes) -> Result<(), Damage> {
        let mut fields = Fields::new(bytes);
        while let Some(field) = fields.next()? {
            self.take(bytes, &field)?;
        }
        Ok(())
    }

    fn take(&mut self, within: &Bytes, field: &Field<'_>) -> Result<(), Damage> {
        let (tag, value) = (field.tag, field.value);
        let bytes = || within.slice(field.start..field.start + value.len());
        let request = &mut self.request;
        match tag {
            tag::ID => self.id = Some(MessageId::from_bytes(array(tag, value)?)),
            tag::ROUTE => {
                self.route = Some(text(tag, value)?.parse().map_err(|_| Damage::Value(tag))?);
            }
            tag::PLAN => self.plan = Some(PlanHash::from_bytes(array(tag, value)?)),
            tag::METHOD => request.method = text(tag, value)?.into(),
            tag::PATH => request.path = text(tag, value)?.into(),
            tag::QUERY => request.query = Some(text(tag, value)?.into()),
            tag::PARAMS => request.params = params(value).ok_or(Damage::Value(tag))?,
            tag::HEADERS => {
                request.headers = Headers::from_block(bytes()).ok_or(Damage::Value(tag))?;
            }
            tag::BODY => self.body = Some(bytes()),
            tag::SEALED => self.sealed = Some(bytes()),
            other if self.terms.take(other, value)? => {}
            other => pass_over(other)?,
        }
        Ok(())
    }
}

/// A message's terms, as far as they were read.
#[derive(Default)]
struct TermsRead {
    key: Option<(KeyScope, Box<str>)>,
    fingerprint: Option<Fingerprint>,
    until: Option<Timestamp>,
    terms: Terms,
}

impl TermsRead {
    /// Takes a field, where it is one of the terms'.
    fn take(&mut self, tag: u8, value: &[u8]) -> Result<bool, Damage> {
        match tag {
            tag::KEY => self.key = Some(scoped_key(value).ok_or(Damage::Value(tag))?),
            tag::FINGERPRINT => {
                self.fingerprint = Some(Fingerprint::from_bytes(array(tag, value)?));
            }
            tag::KEY_UNTIL => self.until = Some(timestamp(tag, value)?),
            tag::NOT_BEFORE => self.terms.not_before = Some(timestamp(tag, value)?),
            tag::EXPIRES => self.terms.expires = Some(timestamp(tag, value)?),
            tag::ORDER => self.terms.order = order(value).ok_or(Damage::Value(tag))?,
            tag::CALLBACK => self.terms.callback = Some(text(tag, value)?.into()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn read(self) -> Result<Terms, Damage> {
        let Some((scope, text)) = self.key else {
            return Ok(self.terms);
        };
        let key = IdempotencyKey {
            scope,
            text,
            fingerprint: self.fingerprint.ok_or(Damage::Missing(tag::FINGERPRINT))?,
            until: self.until.ok_or(Damage::Missing(tag::KEY_UNTIL))?,
        };
        Ok(Terms {
            key: Some(key),
            ..self.terms
        })
    }
}

fn order(value: &[u8]) -> Option<Box<[(StepIndex, OrderKey)]>> {
    let (keys, rest) = value.as_chunks::<ORDER_SIZE>();
    let read = |key: &[u8; ORDER_SIZE]| {
        let (step, key) = key.split_first_chunk()?;
        let key = OrderKey::from_bytes(key.try_into().ok()?);
        Some((StepIndex::from_le_bytes(*step), key))
    };
    rest.is_empty().then(|| keys.iter().map(read).collect())?
}

fn scoped_key(value: &[u8]) -> Option<(KeyScope, Box<str>)> {
    let (kind, mut rest) = value.split_first()?;
    if *kind != scope::ROUTE {
        return None;
    }
    let length = usize::try_from(take_varint(&mut rest)?).ok()?;
    let (name, key) = rest.split_at_checked(length)?;
    let route = str::from_utf8(name).ok()?.parse().ok()?;
    Some((KeyScope::Route(route), str::from_utf8(key).ok()?.into()))
}

fn params(mut value: &[u8]) -> Option<Vec<(Box<str>, Box<str>)>> {
    let mut params = Vec::new();
    while !value.is_empty() {
        let mut next = || {
            let length = usize::try_from(take_varint(&mut value)?).ok()?;
            let (text, rest) = value.split_at_checked(length)?;
            value = rest;
            Some(Box::from(str::from_utf8(text).ok()?))
        };
        params.push((next()?, next()?));
    }
    Some(params)
}

fn read_outcome(record: &[u8], ring: &Ring) -> Result<Outcome, Damage> {
    let (mut delivery, mut ruling) = (None, None);
    let (mut attempts, mut used, mut spent) = (0, 0, Duration::ZERO);
    let (mut status, mut detail, mut sealed, mut fallback) = (None, None, None, None);
    let mut fields = Fields::new(record);
    while let Some(field) = fields.next()? {
        let (tag, value) = (field.tag, field.value);
        match tag {
            tag::DELIVERY => delivery = Some(delivery_id(tag, value)?),
            tag::VERDICT => ruling = Some(read_verdict(value).ok_or(Damage::Value(tag))?),
            tag::PROGRESS => (attempts, used, spent) = progress(value).ok_or(Damage::Value(tag))?,
            tag::STATUS => status = Some(u16::from_le_bytes(array(tag, value)?)),
            tag::DETAIL => detail = Some(text(tag, value)?.into()),
            tag::SEALED_DETAIL => sealed = Some(value),
            tag::FALLBACK => {
                fallback = Some(text(tag, value)?.parse().map_err(|_| Damage::Value(tag))?);
            }
            other => pass_over(other)?,
        }
    }
    let (at, verdict) = ruling.ok_or(Damage::Missing(tag::VERDICT))?;
    let delivery = delivery.ok_or(Damage::Missing(tag::DELIVERY))?;
    if let Some(sealed) = sealed {
        let opened = ring.open(Of::Detail(delivery), sealed)?;
        detail = Some(text(tag::SEALED_DETAIL, &opened)?.into());
    }
    Ok(Outcome {
        delivery,
        at,
        verdict,
        attempts,
        used,
        spent,
        status,
        detail,
        fallback,
    })
}

fn read_verdict(value: &[u8]) -> Option<(Timestamp, Verdict)> {
    let (at, rest) = value.split_first_chunk()?;
    let (code, rest) = rest.split_first()?;
    let at = Timestamp::from_millis(u64::from_le_bytes(*at));
    if !verdict::has_due(*code) {
        return Some((at, verdict::ended(*code)?));
    }
    let due = Timestamp::from_millis(u64::from_le_bytes(rest.try_into().ok()?));
    Some((
        at,
        Verdict::Again {
            due,
            cause: verdict::cause(*code)?,
        },
    ))
}

fn progress(mut value: &[u8]) -> Option<(u32, u32, Duration)> {
    let attempts = u32::try_from(take_varint(&mut value)?).ok()?;
    let used = u32::try_from(take_varint(&mut value)?).ok()?;
    Some((
        attempts,
        used,
        Duration::from_millis(take_varint(&mut value)?),
    ))
}

fn read_plan(record: &[u8]) -> Result<Plan, Damage> {
    let mut json = None;
    let mut fields = Fields::new(record);
    while let Some(field) = fields.next()? {
        match field.tag {
            tag::JSON => json = Some(text(field.tag, field.value)?),
            other => pass_over(other)?,
        }
    }
    Plan::from_json(json.ok_or(Damage::Missing(tag::JSON))?).map_err(|_| Damage::Value(tag::JSON))
}

fn read_redrive(record: &Bytes, ring: &Ring) -> Result<Redrive, Damage> {
    let (mut old, mut new, mut plan, mut step, mut due) = (None, None, None, None, None);
    let (mut key, mut job, mut content_type, mut body) = (None, None, None, None);
    let mut sealed = None;
    let mut fields = Fields::new(record.get(1..).ok_or(Damage::Cut)?);
    while let Some(field) = fields.next()? {
        let (tag, value) = (field.tag, field.value);
        match tag {
            tag::DELIVERY => old = Some(delivery_id(tag, value)?),
            tag::NEW_DELIVERY => new = Some(delivery_id(tag, value)?),
            tag::NEW_PLAN => plan = Some(PlanHash::from_bytes(array(tag, value)?)),
            tag::NEW_STEP => step = Some(u16::from_le_bytes(array(tag, value)?)),
            tag::DUE => due = Some(timestamp(tag, value)?),
            tag::KEY_OF => key = Some(delivery_id(tag, value)?),
            tag::OF_JOB => job = Some(JobId::from_bytes(array(tag, value)?)),
            tag::CONTENT_TYPE => content_type = Some(text(tag, value)?.into()),
            tag::BODY => {
                let start = 1 + field.start;
                body = Some(record.slice(start..start + value.len()));
            }
            tag::SEALED => sealed = Some(value),
            other => pass_over(other)?,
        }
    }
    let new = new.ok_or(Damage::Missing(tag::NEW_DELIVERY))?;
    if let Some(sealed) = sealed {
        body = Some(Bytes::from(ring.open(Of::Edit(new), sealed)?));
    }
    Ok(Redrive {
        old: old.ok_or(Damage::Missing(tag::DELIVERY))?,
        new,
        plan: plan.ok_or(Damage::Missing(tag::NEW_PLAN))?,
        step: step.ok_or(Damage::Missing(tag::NEW_STEP))?,
        due: due.ok_or(Damage::Missing(tag::DUE))?,
        key: key.unwrap_or(new),
        body: body.map(|body| Edited { body, content_type }),
        job,
    })
}

fn read_cancel(record: &[u8]) -> Result<Cancel, Damage> {
    let (mut message, mut at) = (None, None);
    let mut fields = Fields::new(record);
    while let Some(field) = fields.next()? {
        let (tag, value) = (field.tag, field.value);
        match tag {
            tag::ID => message = Some(MessageId::from_bytes(array(tag, value)?)),
            tag::AT => at = Some(timestamp(tag, value)?),
            other => pass_over(other)?,
        }
    }
    Ok(Cancel {
        message: message.ok_or(Damage::Missing(tag::ID))?,
        at: at.ok_or(Damage::Missing(tag::AT))?,
    })
}

/// A record that is a target's name and JSON.
fn read_of_target<T: DeserializeOwned>(record: &[u8]) -> Result<(TargetName, T), Damage> {
    let (mut target, mut of_it) = (None, None);
    let mut fields = Fields::new(record);
    while let Some(field) = fields.next()? {
        let (tag, value) = (field.tag, field.value);
        match tag {
            tag::JSON => of_it = Some(json(tag, value)?),
            tag::TARGET => {
                target = Some(text(tag, value)?.parse().map_err(|_| Damage::Value(tag))?);
            }
            other => pass_over(other)?,
        }
    }
    let target = target.ok_or(Damage::Missing(tag::TARGET))?;
    Ok((target, of_it.ok_or(Damage::Missing(tag::JSON))?))
}

/// A record that is but its JSON.
fn read_json<T: DeserializeOwned>(record: &[u8]) -> Result<T, Damage> {
    let mut value = None;
    let mut fields = Fields::new(record);
    while let Some(field) = fields.next()? {
        match field.tag {
            tag::JSON => value = Some(json(field.tag, field.value)?),
            other => pass_over(other)?,
        }
    }
    value.ok_or(Damage::Missing(tag::JSON))
}

fn json<T: DeserializeOwned>(tag: u8, value: &[u8]) -> Result<T, Damage> {
    serde_json::from_slice(value).map_err(|_| Damage::Value(tag))
}

fn read_discard(record: &[u8]) -> Result<Discard, Damage> {
    let (mut dead, mut at, mut reason) = (None, None, String::new());
    let mut fields = Fields::new(record);
    while let Some(field) = fields.next()? {
        let (tag, value) = (field.tag, field.value);
        match tag {
            tag::DELIVERY => dead = Some(delivery_id(tag, value)?),
            tag::AT => at = Some(timestamp(tag, value)?),
            tag::REASON => text(tag, value)?.clone_into(&mut reason),
            other => pass_over(other)?,
        }
    }
    let dead = dead.ok_or(Damage::Missing(tag::DELIVERY))?;
    Ok(Discard {
        dead,
        at: at.ok_or(Damage::Missing(tag::AT))?,
        reason,
    })
}

fn delivery_id(tag: u8, value: &[u8]) -> Result<DeliveryId, Damage> {
    let parse = || {
        let (message, rest) = value.split_first_chunk()?;
        let (step, rest) = rest.split_first_chunk()?;
        let mut id = DeliveryId::first(MessageId::from_bytes(*message), u16::from_le_bytes(*step));
        if rest.is_empty() {
            return Some(id);
        }
        let (item, rest) = rest.split_first_chunk()?;
        let (run, rest) = rest.split_first_chunk()?;
        id.item = u32::from_le_bytes(*item);
        id.run = u16::from_le_bytes(*run);
        id.direction = match rest {
            [0] => Direction::Forward,
            [1] => Direction::Undo,
            _ => return None,
        };
        Some(id)
    };
    parse().ok_or(Damage::Value(tag))
}

fn timestamp(tag: u8, value: &[u8]) -> Result<Timestamp, Damage> {
    Ok(Timestamp::from_millis(u64::from_le_bytes(array(
        tag, value,
    )?)))
}

fn array<const N: usize>(tag: u8, value: &[u8]) -> Result<[u8; N], Damage> {
    value.try_into().map_err(|_| Damage::Value(tag))
}

fn text(tag: u8, value: &[u8]) -> Result<&str, Damage> {
    str::from_utf8(value).map_err(|_| Damage::Value(tag))
}
