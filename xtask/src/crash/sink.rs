//! A sink: what is delivered to it is written into the book, then answered. Some answers are
//! slow, some are 503, so that retries are always under way.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use super::book::{Arrival, Book};

/// How long a killed gateway's connections may take to be seen as closed: a limit.
const SETTLED: Duration = Duration::from_secs(60);

/// A sink that listens.
pub(crate) struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    index: usize,
    book: Arc<Book>,
    rng: Mutex<StdRng>,
    /// Connections that are open.
    open: AtomicUsize,
}

/// What a sink does with a delivery.
struct Mood {
    delay: Duration,
    status: StatusCode,
}

impl Sink {
    /// Starts the `index`-th.
    pub(crate) fn start(
        index: usize,
        book: Arc<Book>,
        seed: u64,
        handle: &Handle,
    ) -> anyhow::Result<Self> {
        let listener = handle.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            index,
            book,
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
            open: AtomicUsize::new(0),
        });
        handle.spawn(listen(listener, Arc::clone(&shared)));
        Ok(Self { address, shared })
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
            while self.shared.open.load(Ordering::SeqCst) > 0 {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(SETTLED, closed)
            .await
            .context("connections of a killed process stay open")
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        shared.open.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // Only about speed.
            let _slower = stream.set_nodelay(true);
            let answer = service_fn(|request| answer(request, &shared));
            // Connections break off with each kill.
            let _broken = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
            shared.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    if request.method() == Method::GET {
        return Ok(Response::new(Full::default()));
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let place = arrival(&head.headers, &body)
        .map(|arrival| shared.book.arrived(shared.index, arrival))
        .map_err(|wrong| shared.book.wrong(wrong));
    let Mood { delay, status } = shared.mood();
    if !delay.is_zero() {
        sleep(delay).await;
    }
    if let Ok(place) = place {
        shared.book.answered(shared.index, &place, status);
    }
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    Ok(answer)
}

impl Shared {
    fn mood(&self) -> Mood {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let slowest = Duration::from_millis(80);
        Mood {
            delay: if rng.random_ratio(1, 20) {
                rng.random_range(Duration::ZERO..slowest)
            } else {
                Duration::ZERO
            },
            status: if rng.random_ratio(1, 12) {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::OK
            },
        }
    }
}

fn arrival(headers: &HeaderMap, body: &[u8]) -> Result<Arrival, String> {
    let text = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.ok_or_else(|| format!("a delivery without {name}"))
    };
    let attempt = text("fanway-attempt")?;
    Ok(Arrival {
        key: text("idempotency-key")?.to_owned(),
        message: text("fanway-message")?.to_owned(),
        attempt: attempt
            .parse()
            .map_err(|_| format!("attempt {attempt} is no number"))?,
        request: super::request::Request::of_body(body)
            .ok_or("a delivery whose body isn't what was sent")?,
    })
}
