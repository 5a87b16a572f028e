//! A client of a gateway that comes and goes: it waits while there is none, keeps a connection, and
//! sends a request until it is accepted.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to rest before a request is sent again.
const REST: Duration = Duration::from_millis(5);

/// Where the gateway is at present.
#[derive(Debug)]
pub(crate) struct Whereabouts(watch::Sender<Option<SocketAddr>>);

impl Whereabouts {
    /// There is none yet.
    pub(crate) fn unknown() -> Self {
        Self(watch::channel(None).0)
    }

    /// Tells all clients where it is; `None` where there is none.
    pub(crate) fn are(&self, gateway: Option<SocketAddr>) {
        self.0.send_replace(gateway);
    }

    /// One more client.
    pub(crate) fn client(&self) -> Client {
        Client {
            gateway: self.0.subscribe(),
            connection: None,
        }
    }
}

/// A client with a connection of its own.
#[derive(Debug)]
pub(crate) struct Client {
    gateway: watch::Receiver<Option<SocketAddr>>,
    connection: Option<(SocketAddr, SendRequest<Full<Bytes>>)>,
}

/// What is sent, however often.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Besides `Host` and `Content-Type`, which is JSON.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

/// What a gateway answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// A request that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Accepted<B> {
    /// The message's id.
    pub(crate) id: String,
    /// What was noted when the try began that was accepted; `None` where an earlier one was, or
    /// another copy: nothing was written then for this answer.
    pub(crate) begin: Option<B>,
}

impl Order {
    /// A request without headers of its own.
    pub(crate) fn new(method: Method, path: impl Into<String>, body: Bytes) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body,
        }
    }

    /// A POST under an idempotency key, so that it may be sent again.
    pub(crate) fn keyed(path: impl Into<String>, key: &str, body: Bytes) -> Self {
        let headers = vec![("idempotency-key", format!("\"{key}\""))];
        Self {
            headers,
            ..Self::new(Method::POST, path, body)
        }
    }
}

impl Answer {
    /// The body; null where it is no JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Whether it repeats what was answered before.
    fn is_replayed(&self) -> bool {
        self.headers.contains_key("idempotent-replayed")
    }
}

impl Client {
    /// Sends a keyed request until it is accepted, and tells as what; `None` where it wasn't by
    /// `until`. What isn't answered, or answered with 409 or 503, is sent again. `begin` is called
    /// at the begin of each try.
    ///
    /// # Errors
    /// Where it is refused for good.
    pub(crate) async fn until_accepted<B>(
        &mut self,
        order: &Order,
        until: Instant,
        begin: impl Fn() -> B,
    ) -> Result<Option<Accepted<B>>, StatusCode> {
        while Instant::now() < until {
            let begin = begin();
            let Ok(answer) = self.call(order).await else {
                sleep(REST).await;
                continue;
            };
            match answer.status {
                // Who is told so late may have been accepted anew: the key's time can be over.
                StatusCode::ACCEPTED if Instant::now() >= until => break,
                StatusCode::ACCEPTED => {
                    let body = answer.json();
                    let id = body["id"].as_str().unwrap_or_default().to_owned();
                    let begin = (!answer.is_replayed()).then_some(begin);
                    return Ok(Some(Accepted { id, begin }));
                }
                StatusCode::CONFLICT | StatusCode::SERVICE_UNAVAILABLE => sleep(REST).await,
                refused => return Err(refused),
            }
        }
        Ok(None)
    }

    /// Sends a request once, as soon as there is a gateway.
    ///
    /// # Errors
    /// Where no answer comes: nobody knows then what was done.
    pub(crate) async fn call(&mut self, order: &Order) -> anyhow::Result<Answer> {
        let gateway = *self.gateway.wait_for(Option::is_some).await?;
        let gateway = gateway.context("there is no gateway")?;
        timeout(PATIENCE, self.exchange(gateway, order)).await?
    }

    async fn exchange(&mut self, gateway: SocketAddr, order: &Order) -> anyhow::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some((to, connection)) if to == gateway && !connection.is_closed() => connection,
            _ => connect(gateway).await?,
        };
        let mut request = Request::builder()
            .method(&order.method)
            .uri(&order.path)
            .header(HOST, gateway.to_string())
            .header(CONTENT_TYPE, "application/json");
        for (name, value) in &order.headers {
            request = request.header(*name, value);
        }
        connection.ready().await?;
        let request = request.body(Full::new(order.body.clone()))?;
        let (head, body) = connection.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        self.connection = Some((gateway, connection));
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    }
}

async fn connect(gateway: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(gateway).await.context("no connection")?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the sender, and its error is the pending request's too.
    tokio::spawn(connection);
    Ok(sender)
}
