//! A sink for deliveries: bare hyper, one thread, an empty answer, and a count.
//!
//! `sink [hang|stamps]` listens on a free port of the loopback interface and prints its address.
//! GET tells how many other requests have come. With `hang` it reads them and never answers. With
//! `stamps` it also counts how long they have been on their way, by the header that the sender has
//! put its time into; `GET /ways` tells that, and begins anew.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::pending;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use baselines::{Durations, SENT, clock};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use mimalloc::MiMalloc;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What a sink does beside counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Answer,
    Hang,
    Stamps,
}

struct Sink {
    mode: Mode,
    count: Cell<u64>,
    ways: RefCell<Durations>,
}

fn main() -> anyhow::Result<()> {
    let mode = match std::env::args().nth(1).as_deref() {
        None => Mode::Answer,
        Some("hang") => Mode::Hang,
        Some("stamps") => Mode::Stamps,
        Some(other) => anyhow::bail!("there is no mode {other}"),
    };
    let sink = Sink {
        mode,
        count: Cell::new(0),
        ways: RefCell::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    LocalSet::new().block_on(&runtime, listen(Rc::new(sink)))
}

async fn listen(sink: Rc<Sink>) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
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
            self.ways.borrow_mut().record(way);
        }
        while let Some(Ok(_)) = request.body_mut().frame().await {}
        self.count.set(self.count.get() + 1);
        if self.mode == Mode::Hang {
            pending::<()>().await;
        }
        Ok(Response::new(Full::default()))
    }

    fn tell(&self, path: &str) -> String {
        if path == "/ways" {
            self.ways.take().report().to_string()
        } else {
            self.count.get().to_string()
        }
    }
}

/// How long a request has been on its way, now that its head is here.
fn way(headers: &HeaderMap) -> Option<Duration> {
    let sent = headers.get(SENT)?.to_str().ok()?.parse().ok()?;
    Some(clock().saturating_sub(Duration::from_nanos(sent)))
}
