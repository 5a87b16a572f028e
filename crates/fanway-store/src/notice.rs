//! Notices: messages of Fanway's own that tell of another message.
//!
//! What is told, to whom and under which id follows from the message alone, so that an engine
//! that makes a notice twice makes the same one. A notice's plan asks for no notice.
//!
//! Bodies are `{"type", "timestamp", "data"}`, as Standard Webhooks 1.0 recommends: `message.ended`
//! with the message as its sender sees it, `delivery.dead` with the dead letter as operators do.

use std::sync::Arc;

use bytes::Bytes;
use fanway_types::{
    DeliveryId, Message, MessageId, Plan, Request, SplitUrl, Step, TargetName, Terms, Timestamp,
};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::document::MessageDocument;
use crate::lookup::{DeliveryView, MessageView};

/// The name of a callback's step.
const CALLBACK: &str = "callback";
/// The name of the step of a notice of a dead letter.
const ON_DEAD: &str = "on_dead";

/// A notice to be kept like an accepted message, and the plan that it names.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its plan.
    pub plan: Arc<Plan>,
    /// The message.
    pub message: Arc<Message>,
}

/// An origin that senders' callbacks go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackOrigin {
    /// The name of its lane.
    pub target: TargetName,
    /// Scheme, host and port.
    pub origin: String,
}

impl CallbackOrigin {
    /// The origin under its lane's name: `callback_` and the first 64 bits of its SHA-256.
    ///
    /// # Panics
    /// Never: the name is one.
    #[must_use]
    pub fn new(origin: &str) -> Self {
        let digest = Sha256::digest(origin.as_bytes());
        let (first, _) = digest.split_first_chunk().expect("SHA-256 has 32 bytes");
        let name = format!("{CALLBACK}_{:016x}", u64::from_be_bytes(*first));
        Self {
            target: name.parse().expect("letters, digits and `_` are a name"),
            origin: origin.to_owned(),
        }
    }

    /// The origin that a notice's plan goes to, where it goes to one that a sender named.
    #[must_use]
    pub fn of(plan: &Plan) -> Option<Self> {
        let origin = plan.steps.iter().find_map(|step| step.origin.as_deref());
        origin.map(Self::new)
    }
}

/// The notices of a message that has ended: to the target that its plan names, and to the URL that
/// its sender named.
#[must_use]
pub fn of_end(message: &MessageView, plan: &Plan, terms: &Terms) -> Vec<Notice> {
    if plan.callback.is_none() && terms.callback.is_none() {
        return Vec::new();
    }
    let at = message.ended_at.unwrap_or(message.id.timestamp());
    let data = MessageDocument::new(message, at, &|_| None);
    let data = serde_json::to_value(data).expect("a message has only text keys");
    let body = body("message.ended", at, &data);
    let runs = || message.deliveries.iter().map(|delivery| delivery.id);
    let to_target = plan.callback.as_ref().map(|target| {
        let id = id(CALLBACK, message.id, at, runs());
        let request = request("/", None, body.clone());
        notice(id, plan, step(CALLBACK, target.clone()), request)
    });
    let to_url = terms.callback.as_deref().and_then(|url| {
        // Whoever accepted the message has checked it.
        let url = SplitUrl::parse(url).ok()?;
        let origin = CallbackOrigin::new(&url.origin.to_string());
        let step = Step {
            origin: Some(origin.origin),
            ..step(CALLBACK, origin.target)
        };
        let id = id("url", message.id, at, runs());
        let request = request(url.path, url.query, body.clone());
        Some(notice(id, plan, step, request))
    });
    to_target.into_iter().chain(to_url).collect()
}

/// The notice of a delivery that is dead, where its message's plan asks for one.
#[must_use]
pub fn of_death(delivery: &DeliveryView, plan: &Plan) -> Option<Notice> {
    let target = plan.on_dead.as_ref()?;
    let cause = delivery.id.message;
    let at = delivery.at.unwrap_or(cause.timestamp());
    let data = json!({
        "message": cause,
        "route": plan.route.as_str(),
        "delivery": delivery.id,
        "step": delivery.step.as_str(),
        "target": delivery.target.as_str(),
        "reason": delivery.reason,
        "attempts": delivery.attempts,
        "last_status": delivery.status,
        "detail": delivery.detail.as_deref(),
    });
    let id = id(ON_DEAD, cause, at, std::iter::once(delivery.id));
    let step = step(ON_DEAD, target.clone());
    let request = request("/", None, body("delivery.dead", at, &data));
    Some(notice(id, plan, step, request))
}

fn step(name: &str, target: TargetName) -> Step {
    Step::new(name.parse().expect("the names above are names"), target)
}

fn request(path: &str, query: Option<&str>, body: Bytes) -> Request {
    Request {
        method: "POST".into(),
        path: path.into(),
        query: query.map(Into::into),
        params: Vec::new(),
        headers: [("content-type", &b"application/json"[..])]
            .into_iter()
            .collect(),
        body,
    }
}

fn notice(id: MessageId, cause: &Plan, step: Step, request: Request) -> Notice {
    let plan = Plan {
        route: cause.route.clone(),
        steps: vec![step],
        callback: None,
        on_dead: None,
    };
    let message = Message {
        id,
        route: plan.route.clone(),
        plan: plan.hash(),
        request,
        terms: Terms::default(),
        reservation: None,
    };
    Notice {
        plan: Arc::new(plan),
        message: Arc::new(message),
    }
}

fn body(kind: &str, at: Timestamp, data: &serde_json::Value) -> Bytes {
    let body = json!({ "type": kind, "timestamp": at, "data": data });
    body.to_string().into()
}

/// The id of a notice of `kind`: at the time of what it tells of. It can be guessed as little as
/// its cause's, whose 80 random bits go into the 80 bits here.
fn id(
    kind: &str,
    cause: MessageId,
    at: Timestamp,
    deliveries: impl Iterator<Item = DeliveryId>,
) -> MessageId {
    let mut hash = Sha256::new();
    hash.update(cause.to_bytes());
    for delivery in deliveries {
        hash.update(delivery.step.to_le_bytes());
        hash.update(delivery.item.to_le_bytes());
        hash.update(delivery.run.to_le_bytes());
    }
    hash.update(kind.as_bytes());
    let digest = hash.finalize();
    let mut bytes = MessageId::first_at(at).to_bytes();
    bytes[6..].copy_from_slice(&digest[..10]);
    MessageId::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fanway_types::{DeadReason, DeliveryId, DeliveryState, MessageId, Plan, Terms, Timestamp};
    use serde_json::Value;

    use super::{CallbackOrigin, Notice, of_death, of_end, step};
    use crate::lookup::{DeliveryView, MessageView};

    fn plan() -> Plan {
        Plan {
            route: "orders".parse().expect("a name"),
            steps: vec![step("stock", "inventory".parse().expect("a name"))],
            callback: Some("accounting".parse().expect("a name")),
            on_dead: Some("alerts".parse().expect("a name")),
        }
    }

    fn dead() -> MessageView {
        let id = MessageId::first_at(Timestamp::from_millis(1_700_000_000_000));
        let at = Timestamp::from_millis(1_700_000_001_000);
        let delivery = DeliveryView {
            id: DeliveryId::first(id, 0),
            step: "stock".parse().expect("a name"),
            target: "inventory".parse().expect("a name"),
            fallback_of: None,
            critical: true,
            state: DeliveryState::Dead,
            in_line: false,
            attempts: 3,
            status: Some(422),
            at: Some(at),
            due: None,
            reason: Some(DeadReason::Refused),
            detail: Some(Arc::from("no such item")),
        };
        MessageView {
            id,
            route: "orders".parse().expect("a name"),
            state: fanway_types::MessageState::Failed,
            ended_at: Some(at),
            deliveries: vec![delivery],
        }
    }

    fn body(notice: &Notice) -> Value {
        serde_json::from_slice(&notice.message.request.body).expect("JSON")
    }

    #[test]
    fn a_callback_says_what_the_sender_may_see() {
        let [notice] = &of_end(&dead(), &plan(), &Terms::default())[..] else {
            panic!("one is asked for");
        };
        let body = body(notice);
        assert_eq!(body["type"], "message.ended");
        assert_eq!(body["timestamp"], "2023-11-14T22:13:21.000Z");
        assert_eq!(body["data"]["state"], "failed");
        assert_eq!(body["data"]["deliveries"][0]["last_status"], 422);
        assert!(!body.to_string().contains("no such item"), "{body}");
        assert_eq!(notice.plan.steps[0].target.as_str(), "accounting");
        assert_eq!(notice.message.plan, notice.plan.hash());
    }

    #[test]
    fn operators_are_told_why_a_delivery_is_dead() {
        let notice = of_death(&dead().deliveries[0], &plan()).expect("it is asked for");
        let body = body(&notice);
        assert_eq!(body["type"], "delivery.dead");
        assert_eq!(body["data"]["reason"], "refused");
        assert_eq!(body["data"]["detail"], "no such item");
        assert_eq!(notice.plan.steps[0].target.as_str(), "alerts");
    }

    #[test]
    fn a_senders_url_is_called_as_it_is() {
        let terms = Terms {
            callback: Some("https://a.example:8443/done?order=7&x=%20".into()),
            ..Terms::default()
        };
        let notices = of_end(&dead(), &plan(), &terms);
        let [_, notice] = &notices[..] else {
            panic!("the route's and the sender's");
        };
        let request = &notice.message.request;
        assert_eq!(
            (&*request.path, request.query.as_deref()),
            ("/done", Some("order=7&x=%20"))
        );
        let origin = CallbackOrigin::of(&notice.plan).expect("it goes to an origin");
        assert_eq!(origin.origin, "https://a.example:8443");
        assert_eq!(origin.target, notice.plan.steps[0].target);
        assert_ne!(notices[0].message.id, notice.message.id);
    }

    #[test]
    fn a_notice_has_one_id_however_often_it_is_made_and_causes_none() {
        let make = || of_end(&dead(), &plan(), &Terms::default()).remove(0);
        assert_eq!(make().message.id, make().message.id);
        let mut redriven = dead();
        redriven.deliveries[0].id.run = 1;
        let again = of_end(&redriven, &plan(), &Terms::default()).remove(0);
        assert_ne!(again.message.id, make().message.id);
        let plan = &make().plan;
        assert!(of_end(&redriven, plan, &again.message.terms).is_empty());
        assert!(of_death(&redriven.deliveries[0], plan).is_none());
    }

    #[test]
    fn without_being_asked_for_there_is_none() {
        let plan = Plan {
            callback: None,
            on_dead: None,
            ..plan()
        };
        assert!(of_end(&dead(), &plan, &Terms::default()).is_empty());
        assert!(of_death(&dead().deliveries[0], &plan).is_none());
    }
}
