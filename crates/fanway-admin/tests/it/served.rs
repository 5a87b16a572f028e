//! An admin API that is served, with what stands behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::Bytes;
use fanway_admin::{Admin, Look, Params, Readiness};
use fanway_dispatch::handle::{Breaker, Snapshot};
use fanway_store::Store;
use fanway_store::lane::{Hold, Room};
use fanway_testkit::{MemoryStore, build};
use fanway_types::{
    ByteCount, DeadReason, DeliveryId, End, HeldBy, Message, Outcome, Plan, TargetName, Timestamp,
    Verdict,
};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::HeaderMap;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

/// A second after the messages of `build` are accepted.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_001_000);

/// An admin API that is served until the test ends.
pub(crate) struct Served {
    pub(crate) store: MemoryStore,
    pub(crate) plan: Arc<Plan>,
    pub(crate) readiness: Readiness,
    address: SocketAddr,
}

impl Served {
    /// Targets `inventory`, which its breaker holds, and `shipping`; a route `orders` to both.
    pub(crate) async fn start() -> Self {
        let plan = build::plan([build::step("inventory"), build::step("shipping")]);
        Self::start_with(Arc::clone(&plan), plan).await
    }

    /// Messages are accepted with the plan `then`, and the route does `today`'s.
    pub(crate) async fn start_with(then: Arc<Plan>, today: Arc<Plan>) -> Self {
        let store = MemoryStore::default();
        for plan in [&then, &today] {
            store.keep_plan(Arc::clone(plan)).await.expect("kept");
        }
        let readiness = Readiness::default();
        let params = Params {
            store: Arc::new(store.clone()),
            lanes: BTreeMap::from([look("inventory", held()), look("shipping", free())]),
            plans: BTreeMap::from([(today.route.clone(), today)]),
            readiness: readiness.clone(),
            registry: Registry::default(),
            clock: || NOW,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(Admin::new(params).run(listener, std::future::pending()));
        Self {
            store,
            plan: then,
            readiness,
            address,
        }
    }

    /// Accepts the `number`-th message.
    pub(crate) async fn accept(&self, number: u64) -> Arc<Message> {
        let message = build::message(&self.plan, number);
        let accepted = self.store.accept(vec![Arc::clone(&message)]).await;
        accepted.expect("accepted");
        message
    }

    /// Ends a target's next delivery as a dead letter that died so many milliseconds after now.
    pub(crate) fn kill_next(&self, target: &str, after: u64) -> DeliveryId {
        let target: TargetName = target.parse().expect("a name");
        let mut lane = self.store.lane(&target).expect("no other lane");
        let mut work = Vec::new();
        let room = Room {
            deliveries: 1,
            bytes: ByteCount::mib(1),
        };
        let mut cx = Context::from_waker(Waker::noop());
        let taken = lane.poll_take(&mut cx, NOW, room, &mut work);
        assert!(taken.is_ready(), "nothing waits for {target}");
        let delivery = work[0].delivery;
        let outcome = Outcome {
            delivery,
            at: Timestamp::from_millis(NOW.as_millis() + after),
            verdict: Verdict::Ended(End::Dead(DeadReason::Refused)),
            attempts: 1,
            used: 1,
            spent: std::time::Duration::from_millis(5),
            status: Some(422),
            detail: Some("no such item".into()),
        };
        lane.record(outcome, Hold::LetGo);
        delivery
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path), "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask(Request::post(path), body).await
    }

    /// Asks with the headers that `request` has, and a `host` where it has none.
    pub(crate) async fn ask(&self, request: hyper::http::request::Builder, body: &str) -> Answer {
        let mut request = request
            .body(Full::new(Bytes::from(body.to_owned())))
            .expect("a request");
        let host = self.address.to_string().parse().expect("a header");
        request.headers_mut().entry("host").or_insert(host);
        let stream = TcpStream::connect(self.address).await.expect("it listens");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .expect("a connection");
        tokio::spawn(connection);
        let response = sender.send_request(request).await.expect("an answer");
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(body.to_vec()).expect("text"),
        }
    }
}

/// What was answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub(crate) fn json(&self, expected: u16) -> Value {
        assert_eq!(self.status.as_u16(), expected, "{}", self.text);
        serde_json::from_str(&self.text).expect("JSON")
    }

    /// The code of a problem with this status.
    #[track_caller]
    pub(crate) fn problem(&self, expected: u16) -> String {
        let problem = self.json(expected);
        let kind = self.header("content-type");
        assert_eq!(kind, Some("application/problem+json"));
        assert_eq!(problem["status"], expected);
        let code = problem["type"].as_str().expect("a type");
        code.trim_start_matches("/problems/").to_owned()
    }
}

fn look(target: &str, snapshot: Snapshot) -> (TargetName, Look) {
    (target.parse().expect("a name"), Box::new(move || snapshot))
}

fn held() -> Snapshot {
    Snapshot {
        held_by: Some(HeldBy::Breaker),
        held_until: Some(NOW),
        breaker: Breaker::Open,
        ..Snapshot::default()
    }
}

fn free() -> Snapshot {
    Snapshot {
        in_flight: 3,
        ..Snapshot::default()
    }
}
