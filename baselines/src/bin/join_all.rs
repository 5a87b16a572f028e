//! What one would write without Fanway: a handler that calls two APIs at the same time, waits for
//! both, and stores nothing.
//!
//! `join_all URL URL` listens on a free port of the loopback interface and prints its address.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use axum::serve::ListenerExt;
use futures_util::future::join_all;
use mimalloc::MiMalloc;
use reqwest::Client;
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Connections that wait to be used again, for each API: more than are ever needed here.
const IDLE: usize = 256;

struct Apis {
    client: Client,
    urls: Vec<String>,
}

fn main() -> anyhow::Result<()> {
    let apis = Apis {
        client: Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(IDLE)
            .build()?,
        urls: std::env::args().skip(1).collect(),
    };
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(listen(Arc::new(apis)))
}

async fn listen(apis: Arc<Apis>) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        // Without it an answer waits for its acknowledgement; it is only about speed.
        let _slower = stream.set_nodelay(true);
    });
    let router = Router::new()
        .route("/orders", post(orders))
        .with_state(apis);
    Ok(axum::serve(listener, router).await?)
}

async fn orders(State(apis): State<Arc<Apis>>, body: Bytes) -> StatusCode {
    let calls = apis.urls.iter().map(|url| call(&apis.client, url, &body));
    let answers = join_all(calls).await;
    if answers.iter().all(|answer| matches!(answer, Ok(true))) {
        StatusCode::OK
    } else {
        StatusCode::BAD_GATEWAY
    }
}

async fn call(client: &Client, url: &str, body: &Bytes) -> reqwest::Result<bool> {
    let request = client.post(url).header(CONTENT_TYPE, "application/json");
    let answer = request.body(body.clone()).send().await?;
    let is_success = answer.status().is_success();
    answer.bytes().await?;
    Ok(is_success)
}
