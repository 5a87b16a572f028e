//! A sink for deliveries: bare hyper, one thread, an empty answer, and a count.
//!
//! `sink [hang]` listens on a free port of the loopback interface and prints its address. GET
//! tells how many other requests have come. With `hang` it reads them and never answers.

use std::convert::Infallible;
use std::future::pending;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use mimalloc::MiMalloc;
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> anyhow::Result<()> {
    let hangs = std::env::args().nth(1).as_deref() == Some("hang");
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(listen(hangs))
}

async fn listen(hangs: bool) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?);
    let count = Arc::new(AtomicU64::new(0));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let count = Arc::clone(&count);
        tokio::spawn(async move {
            let answer = service_fn(|request| answer(request, &count, hangs));
            // Connections break off when whoever is measured is stopped.
            let _broken = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

async fn answer(
    mut request: Request<Incoming>,
    count: &AtomicU64,
    hangs: bool,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::GET {
        let count = count.load(Ordering::Relaxed).to_string();
        return Ok(Response::new(count.into()));
    }
    while let Some(Ok(_)) = request.body_mut().frame().await {}
    count.fetch_add(1, Ordering::Relaxed);
    if hangs {
        pending::<()>().await;
    }
    Ok(Response::new(Full::default()))
}
