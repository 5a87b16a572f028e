//! A sink: an HTTP server that deliveries go to. What is taken down of them, and how they are
//! answered, is for its desk to say.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

/// How long a killed gateway's connections may take to be seen as closed: a limit.
const SETTLED: Duration = Duration::from_secs(60);

/// What deliveries come to.
pub(crate) trait Desk: Send + Sync + 'static {
    /// Takes a delivery, and says how it is to be answered.
    fn take(&self, delivery: &Delivery) -> Reply;

    /// A delivery is about to be answered.
    fn answering(&self, delivery: &Delivery, status: StatusCode);
}

/// A delivery as it arrived.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) path: String,
    pub(crate) body: Bytes,
    /// Its `Idempotency-Key`.
    pub(crate) key: String,
    /// The message's id.
    pub(crate) message: String,
    /// Its number.
    pub(crate) attempt: u32,
}

/// How a delivery is to be answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply {
    pub(crate) after: Duration,
    pub(crate) status: StatusCode,
}

impl Reply {
    /// At once, with this status.
    pub(crate) fn now(status: StatusCode) -> Self {
        let after = Duration::ZERO;
        Self { after, status }
    }
}

/// A sink that listens.
#[derive(Debug)]
pub(crate) struct Sink {
    address: SocketAddr,
    /// Connections that are open.
    open: Arc<AtomicUsize>,
}

impl Sink {
    /// Starts one.
    pub(crate) fn start(desk: Arc<dyn Desk>, handle: &Handle) -> anyhow::Result<Self> {
        let listener = handle.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let open = Arc::default();
        handle.spawn(listen(listener, desk, Arc::clone(&open)));
        Ok(Self { address, open })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the connections of a gateway that is gone have been read to their end.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        // Connections are taken in order: with this one, all before it have been taken.
        let mut fence = TcpStream::connect(self.address).await?;
        fence
            .write_all(b"GET / HTTP/1.1\r\nhost: sink\r\nconnection: close\r\n\r\n")
            .await?;
        fence.read_to_end(&mut Vec::new()).await?;
        let closed = async {
            while self.open.load(Ordering::SeqCst) > 0 {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(SETTLED, closed)
            .await
            .context("connections of a killed process stay open")
    }
}

async fn listen(listener: TcpListener, desk: Arc<dyn Desk>, open: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        open.fetch_add(1, Ordering::SeqCst);
        let (desk, open) = (Arc::clone(&desk), Arc::clone(&open));
        tokio::spawn(async move {
            // Only about speed.
            let _slower = stream.set_nodelay(true);
            let answer = service_fn(|request| answer(request, &*desk));
            // Connections break off with each kill.
            let _broken = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    desk: &dyn Desk,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    if request.method() == Method::GET {
        return Ok(Response::new(Full::default()));
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let delivery = Delivery::read(head.uri.path(), &head.headers, body);
    let Reply { after, status } = desk.take(&delivery);
    if !after.is_zero() {
        sleep(after).await;
    }
    desk.answering(&delivery, status);
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    Ok(answer)
}

impl Delivery {
    /// A header that isn't there, or no number where there should be one, reads as nothing, and
    /// fits to nothing that is known.
    fn read(path: &str, headers: &HeaderMap, body: Bytes) -> Self {
        let text = |name: &str| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        Self {
            path: path.to_owned(),
            body,
            key: text("idempotency-key"),
            message: text("fanway-message"),
            attempt: text("fanway-attempt").parse().unwrap_or_default(),
        }
    }

    /// What it lacks that every delivery has.
    pub(crate) fn lacks(&self) -> Option<&'static str> {
        let has = [
            ("Idempotency-Key", !self.key.is_empty()),
            ("Fanway-Message", !self.message.is_empty()),
            ("Fanway-Attempt", self.attempt > 0),
        ];
        let mut lacking = has.into_iter().filter(|(_, is_there)| !is_there);
        lacking.next().map(|(name, _)| name)
    }
}
