//! A gateway on a port of its own, and talking to it byte by byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fanway_ingress::metrics::Metrics;
use fanway_ingress::{
    BodyKind, Door, Idempotency, Incoming, Ingress, Limits, Params, RouteParams, Table,
};
use fanway_types::{ByteCount, MemoryBudget, PlanHash, Timestamp};
use prometheus_client::registry::Registry;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::scripted_store::ScriptedStore;

/// When all of it happens.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_123);

/// A gateway that listens.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<ScriptedStore>,
    pub(crate) budget: MemoryBudget,
    pub(crate) registry: Registry,
    pub(crate) ingress: Ingress,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) running: JoinHandle<()>,
}

/// A route that asks for nothing.
pub(crate) fn route(name: &str, method: Option<http::Method>, path: &str) -> RouteParams {
    RouteParams {
        name: name.parse().expect("a name"),
        method,
        path: path.parse().expect("a template"),
        plan: PlanHash::of(name),
        order: None,
        body: BodyKind::Opaque,
        idempotency: Idempotency::default(),
        not_before: None,
        expires: None,
        callbacks: [].into(),
    }
}

/// A table: `POST /orders` takes anything, `POST /json` takes JSON, `/any/{rest...}` takes any
/// method.
pub(crate) fn table() -> Table {
    let json = RouteParams {
        body: BodyKind::Json,
        ..route("json", Some(http::Method::POST), "/json")
    };
    Table {
        routes: vec![
            route("orders", Some(http::Method::POST), "/orders"),
            route("replace", Some(http::Method::PUT), "/orders"),
            json,
            route("any", None, "/any/{rest...}"),
        ],
        limits: Limits::default(),
        public_url: None,
        cors: None,
        held: Arc::new(|_| None),
    }
}

/// Parameters with [`table`].
pub(crate) fn params(registry: &mut Registry) -> Params {
    Params {
        table: table(),
        budget: MemoryBudget::new(ByteCount::mib(64)),
        clock: || NOW,
        metrics: Metrics::register(registry),
        evaluator: None,
    }
}

/// A gateway that doesn't listen.
pub(crate) struct Pipes {
    pub(crate) door: Arc<Door>,
    pub(crate) store: Arc<ScriptedStore>,
    pub(crate) ingress: Ingress,
    pub(crate) registry: Registry,
}

impl Pipes {
    /// A gateway whose parameters are changed before.
    pub(crate) fn new(change: impl FnOnce(&mut Params)) -> Self {
        let mut registry = Registry::default();
        let mut params = params(&mut registry);
        change(&mut params);
        let store = Arc::new(ScriptedStore::default());
        let ingress = Ingress::try_new(params).expect("the routes can be told apart");
        let shared: Arc<dyn fanway_store::Store> = Arc::clone(&store) as _;
        Self {
            door: Arc::new(ingress.door(shared, StdRng::seed_from_u64(7))),
            store,
            ingress,
            registry,
        }
    }

    /// A connection that holds at most `buffer` bytes each way.
    pub(crate) fn connect(&self, buffer: usize) -> DuplexStream {
        let (near, far) = tokio::io::duplex(buffer);
        let door = Arc::clone(&self.door);
        tokio::spawn(async move { door.serve(far).await });
        near
    }

    /// The metrics as they are shown.
    pub(crate) fn metrics(&self) -> String {
        shown(&self.registry)
    }
}

/// The parts of a gateway that doesn't listen: its store and a door.
pub(crate) fn door(change: impl FnOnce(&mut Params)) -> (Door, Arc<ScriptedStore>) {
    let pipes = Pipes::new(change);
    let shared: Arc<dyn fanway_store::Store> = Arc::clone(&pipes.store) as _;
    let door = pipes.ingress.door(shared, StdRng::seed_from_u64(7));
    (door, pipes.store)
}

fn shown(registry: &Registry) -> String {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).expect("text");
    text
}

impl Gateway {
    /// A gateway as [`params`] has it.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A gateway whose parameters are changed before.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Params)) -> Self {
        let mut registry = Registry::default();
        let mut params = params(&mut registry);
        change(&mut params);
        let budget = params.budget.clone();
        let store = Arc::new(ScriptedStore::default());
        let ingress = Ingress::try_new(params).expect("the routes can be told apart");
        let shared: Arc<dyn fanway_store::Store> = Arc::clone(&store) as _;
        let door = ingress.door(shared, StdRng::seed_from_u64(7));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _dropped = stopped.await;
        };
        // So long that a test that needs it to be over doesn't end.
        let grace = Duration::from_secs(3600);
        let running = tokio::spawn(door.run(Incoming::Listener(listener), shutdown, grace));
        Self {
            address,
            store,
            budget,
            registry,
            ingress,
            stop,
            running,
        }
    }

    /// A connection to it.
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("it listens")
    }

    /// Sends `bytes` over a connection of its own, and returns all that comes back until the
    /// gateway closes it, without `date`.
    pub(crate) async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        // The gateway may close before it has read everything; what counts is what it says.
        let _broken = stream.write_all(bytes.as_ref()).await;
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer).await;
        without_date(&String::from_utf8(answer).expect("the answers are text"))
    }

    /// The metrics as they are shown.
    pub(crate) fn metrics(&self) -> String {
        shown(&self.registry)
    }
}

/// A request that asks for its connection to be closed, with a body of declared length.
pub(crate) fn request(start: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("{start} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n");
    for (name, value) in headers {
        bytes += &format!("{name}: {value}\r\n");
    }
    bytes += &format!("content-length: {}\r\n\r\n", body.len());
    [bytes.as_bytes(), body].concat()
}

/// Reads until `marker` has come.
pub(crate) async fn read_until(stream: &mut (impl AsyncRead + Unpin), marker: &str) -> String {
    let mut text = String::new();
    while !text.contains(marker) {
        let mut bytes = [0; 4096];
        let length = stream.read(&mut bytes).await.expect("it is open");
        assert_ne!(length, 0, "closed after: {text}");
        text += str::from_utf8(&bytes[..length]).expect("the answers are text");
    }
    without_date(&text)
}

fn without_date(answer: &str) -> String {
    answer
        .split_inclusive("\r\n")
        .filter(|line| !line.starts_with("date: "))
        .collect::<String>()
        .replace("\r\n", "\n")
}
