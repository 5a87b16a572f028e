//! An admin API that is served, with what stands behind it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::Bytes;
use fanway_admin::redrive::{self, Runner};
use fanway_admin::{Admin, Params, Readiness};
use fanway_dispatch::Clock;
use fanway_store::Store;
use fanway_store::change::Audit;
use fanway_store::lane::{Hold, Room, Work};
use fanway_testkit::{MemoryStore, build};
use fanway_types::{
    AgainCause, ByteCount, DeadReason, DeliveryId, End, Message, Outcome, Plan, TargetName,
    Timestamp, Verdict,
};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::HeaderMap;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use prometheus_client::registry::Registry;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::contract;
use crate::fakes::{FakeConfig, FakeLanes, FakePlans};

/// A second after the messages of `build` are accepted.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_001_000);

/// An admin API that is served until it is stopped or the test ends.
pub(crate) struct Served {
    pub(crate) store: MemoryStore,
    pub(crate) plan: Arc<Plan>,
    pub(crate) lanes: FakeLanes,
    pub(crate) config: FakeConfig,
    pub(crate) readiness: Readiness,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
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
        let plans = FakePlans::of([today]);
        let lanes = FakeLanes::default();
        let config = FakeConfig::default();
        let readiness = Readiness::default();
        // What dies in a test has died before.
        let clock = Clock::new(|| NOW);
        let (runner, redrives) = Runner::new(redrive::Params {
            store: Arc::new(store.clone()),
            plans: Arc::new(plans.clone()),
            lanes: Arc::new(lanes.clone()),
            clock: clock.clone(),
            rng: StdRng::seed_from_u64(7),
        });
        tokio::spawn(runner.run(std::future::pending()));
        let admin = Admin::new(Params {
            store: Arc::new(store.clone()),
            lanes: Arc::new(lanes.clone()),
            plans: Arc::new(plans.clone()),
            steering: Arc::new(config.clone()),
            redrives,
            readiness: readiness.clone(),
            registry: Registry::default(),
            largest_body: ByteCount::new(60_000),
            turn: Arc::default(),
            clock,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _told: Result<(), _> = stopped.await;
        };
        tokio::spawn(admin.run(listener, stopped));
        Self {
            store,
            plan: then,
            lanes,
            config,
            readiness,
            address,
            stop: Some(stop),
        }
    }

    /// Has it stop.
    pub(crate) fn stop(&mut self) {
        let stop = self.stop.take().expect("it is stopped once");
        stop.send(()).expect("it runs");
    }

    /// Accepts the `number`-th message.
    pub(crate) async fn accept(&self, number: u64) -> Arc<Message> {
        let message = build::message(&self.plan, number);
        let accepted = self.store.accept(vec![Arc::clone(&message)]).await;
        accepted.expect("accepted");
        message
    }

    /// Has a lane hold a target's next delivery; given back when the lane is dropped.
    pub(crate) fn take_next(&self, target: &str) -> (Box<dyn fanway_store::Lane>, Work) {
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
        (lane, work.remove(0))
    }

    /// Ends a target's next delivery as a dead letter that died so many milliseconds before now.
    pub(crate) fn kill_next(&self, target: &str, before: u64) -> DeliveryId {
        self.record_next(
            target,
            before,
            Verdict::Ended(End::Dead(DeadReason::Refused)),
        )
    }

    /// Has a target take its next delivery, so many milliseconds before now.
    pub(crate) fn deliver_next(&self, target: &str, before: u64) -> DeliveryId {
        self.record_next(target, before, Verdict::Ended(End::Delivered))
    }

    /// Has a target's next delivery fail for a second.
    pub(crate) fn fail_next(&self, target: &str, before: u64) -> DeliveryId {
        let verdict = Verdict::Again {
            due: NOW.saturating_add(std::time::Duration::from_secs(1)),
            cause: AgainCause::Failed,
        };
        self.record_next(target, before, verdict)
    }

    fn record_next(&self, target: &str, before: u64, verdict: Verdict) -> DeliveryId {
        let (mut lane, work) = self.take_next(target);
        let is_success = verdict == Verdict::Ended(End::Delivered);
        let outcome = Outcome {
            delivery: work.delivery,
            at: Timestamp::from_millis(NOW.as_millis() - before),
            verdict,
            attempts: 1,
            used: 1,
            spent: std::time::Duration::from_millis(5),
            status: Some(if is_success { 200 } else { 422 }),
            detail: (!is_success).then(|| "no such item".into()),
            fallback: None,
        };
        lane.record(&work, outcome, Hold::LetGo);
        work.delivery
    }

    /// All audit records, the latest first: who did what to what, and more about it.
    pub(crate) async fn audit(&self) -> Vec<String> {
        let page = self.store.audit(None, 500).await.expect("open");
        let record = |audit: &Audit| {
            assert_eq!(audit.at, NOW);
            let detail = audit.detail.as_deref().unwrap_or("-");
            format!(
                "{} {} {}: {detail}",
                audit.actor, audit.action, audit.subject
            )
        };
        page.records
            .iter()
            .map(|(_, audit)| record(audit))
            .collect()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path), "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask(Request::post(path), body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &str) -> Answer {
        self.ask(Request::patch(path), body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask(Request::delete(path), "").await
    }

    /// Asks with the headers that `request` has, and a `host` where it has none. What is asked and
    /// answered has to be as the document describes it.
    pub(crate) async fn ask(&self, request: hyper::http::request::Builder, body: &str) -> Answer {
        let (method, uri) = (request.method_ref().cloned(), request.uri_ref().cloned());
        let response = self.send(request, body).await;
        let (head, answer) = response.into_parts();
        let answer = answer.collect().await.expect("a body").to_bytes();
        let answer = Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(answer.to_vec()).expect("text"),
        };
        let method = method.expect("a method").as_str().to_ascii_lowercase();
        let uri = uri.expect("a path");
        contract::check(&method, uri.path(), body, &answer);
        answer
    }

    /// Begins to follow events.
    pub(crate) async fn follow(&self, query: &str) -> Told {
        let request = Request::get(format!("/api/v1/events?{query}"));
        let response = self.send(request, "").await;
        assert_eq!(response.status(), 200);
        let kind = response.headers().get("content-type");
        assert_eq!(kind.expect("a type"), "text/event-stream");
        Told {
            body: response.into_body(),
            text: String::new(),
        }
    }

    async fn send(&self, request: hyper::http::request::Builder, body: &str) -> Response<Incoming> {
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
        sender.send_request(request).await.expect("an answer")
    }
}

/// What a listener is told.
pub(crate) struct Told {
    body: Incoming,
    text: String,
}

impl Told {
    /// The next event, or comment, as it was written; `None` where there are no more.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = event.to_owned();
                self.text = rest.to_owned();
                return Some(event);
            }
            let frame = self.body.frame().await?.expect("a frame");
            let data = frame.into_data().expect("no trailers");
            self.text.push_str(str::from_utf8(&data).expect("text"));
        }
    }

    /// The name and the data of the next event.
    pub(crate) async fn event(&mut self) -> (String, Value) {
        let event = self.next().await.expect("an event");
        let (name, data) = event.split_once('\n').expect("two lines");
        let name = name.strip_prefix("event: ").expect("a name");
        let data = data.strip_prefix("data: ").expect("data");
        let data: Value = serde_json::from_str(data).expect("JSON");
        contract::check_event(name, &data);
        (name.to_owned(), data)
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
