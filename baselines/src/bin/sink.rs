//! A sink for deliveries: bare hyper, one thread, an empty answer, and a count.
//!
//! `sink [hang|stamps|busy] [ADDRESS]` listens there, or else on a free port of the loopback
//! interface, and prints its address. GET tells how many other requests have come. With `hang` it
//! reads them and never answers. With `stamps` it also counts how long they have been on their way,
//! by the header that the sender has put its time into: `GET /ways` and a path tells that of the
//! requests to this path, and begins anew. With `busy` it answers each twentieth with 503, and
//! doesn't count it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use baselines::{Durations, SENT, clock};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use mimalloc::MiMalloc;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Of so many requests, a busy sink refuses one.
const BUSY: u64 = 20;

/// What a sink does beside counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Answer,
    Hang,
    Stamps,
    Busy,
}

struct Sink {
    mode: Mode,
    count: Cell<u64>,
    /// Requests that were refused.
    refused: Cell<u64>,
    /// By path.
    ways: RefCell<HashMap<String, Durations>>,
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mode = match arguments.next().as_deref() {
        None => Mode::Answer,
        Some("hang") => Mode::Hang,
        Some("stamps") => Mode::Stamps,
        Some("busy") => Mode::Busy,
        Some(other) => anyhow::bail!("there is no mode {other}"),
    };
    let address = match arguments.next() {
        None => (Ipv4Addr::LOCALHOST, 0).into(),
        Some(address) => address.parse()?,
    };
    let sink = Sink {
        mode,
        count: Cell::new(0),
        refused: Cell::new(0),
        ways: RefCell::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    LocalSet::new().block_on(&runtime, listen(Rc::new(sink), address))
}

async fn listen(sink: Rc<Sink>, address: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let sink = Rc::clone(&sink);
        tokio::task::spawn_local(async move {
            let answer = service_fn(|request| sink.answer(request));
            // Connections break off when whoever is measured is stopped.
            let _broken = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

impl Sink {
    async fn answer(
        &self,
        mut request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        if request.method() == Method::GET {
            return Ok(Response::new(self.tell(request.uri().path()).into()));
        }
        if self.mode == Mode::Stamps
            && let Some(way) = way(request.headers())
        {
            self.record(request.uri().path(), way);
        }
        while let Some(Ok(_)) = request.body_mut().frame().await {}
        if self.mode == Mode::Busy && self.is_refused() {
            return Ok(refusal());
        }
        self.count.set(self.count.get() + 1);
        if self.mode == Mode::Hang {
            pending::<()>().await;
        }
        Ok(Response::new(Full::default()))
    }

    /// Whether it is the turn of a request that is refused.
    fn is_refused(&self) -> bool {
        let is_refused = (self.count.get() + self.refused.get()) % BUSY == BUSY - 1;
        self.refused.set(self.refused.get() + u64::from(is_refused));
        is_refused
    }

    fn record(&self, path: &str, way: Duration) {
        let mut ways = self.ways.borrow_mut();
        if let Some(ways) = ways.get_mut(path) {
            ways.record(way);
        } else {
            ways.entry(path.to_owned()).or_default().record(way);
        }
    }

    fn tell(&self, path: &str) -> String {
        let Some(path) = path.strip_prefix("/ways") else {
            return self.count.get().to_string();
        };
        let path = if path.is_empty() { "/" } else { path };
        let ways = self.ways.borrow_mut().remove(path).unwrap_or_default();
        let mut report = ways.report();
        report["count"] = ways.total().into();
        report.to_string()
    }
}

fn refusal() -> Response<Full<Bytes>> {
    let mut refusal = Response::new(Full::default());
    *refusal.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    refusal
}

/// How long a request has been on its way, now that its head is here.
fn way(headers: &HeaderMap) -> Option<Duration> {
    let sent = headers.get(SENT)?.to_str().ok()?.parse().ok()?;
    Some(clock().saturating_sub(Duration::from_nanos(sent)))
}
