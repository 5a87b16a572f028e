//! Senders: each sends one event after the other, and repeats an event until it gets its 202.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::book::Book;
use super::request::Request;

/// How often an event is tried.
const TRIES: u32 = 20;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to rest before an event is tried again.
const REST: Duration = Duration::from_millis(5);
/// The longest rest between two events.
const PAUSE: Duration = Duration::from_millis(3);
/// One event of so many is asked about once it is accepted.
const ASKED: u32 = 8;

/// What senders are told.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// Where the gateway is.
    Up(SocketAddr),
    /// That there is none at present.
    Down,
    /// That the event that they are at is their last.
    Last(SocketAddr),
}

/// All senders.
pub(crate) struct Senders {
    told: watch::Sender<Told>,
    tasks: JoinSet<()>,
}

impl Senders {
    /// Starts so many. They wait until there is a gateway.
    pub(crate) fn start(count: u32, book: &Arc<Book>, seed: u64, handle: &Handle) -> Self {
        let (told, _) = watch::channel(Told::Down);
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let sender = Sender {
                number,
                book: Arc::clone(book),
                rng: StdRng::seed_from_u64(seed ^ u64::from(number)),
                told: told.subscribe(),
                connection: None,
            };
            tasks.spawn_on(sender.run(), handle);
        }
        Self { told, tasks }
    }

    /// Tells them where the gateway is; `None` where there is none.
    pub(crate) fn send_to(&self, gateway: Option<SocketAddr>) {
        self.told.send_replace(gateway.map_or(Told::Down, Told::Up));
    }

    /// Lets them finish the event that they are at. There has to be a gateway.
    pub(crate) async fn finish(&mut self) {
        self.told.send_modify(|told| {
            if let Told::Up(gateway) = *told {
                *told = Told::Last(gateway);
            }
        });
        while self.tasks.join_next().await.is_some() {}
    }
}

struct Sender {
    number: u32,
    book: Arc<Book>,
    rng: StdRng,
    told: watch::Receiver<Told>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// What a gateway answered.
struct Answer {
    status: StatusCode,
    body: Bytes,
}

impl Sender {
    async fn run(mut self) {
        for event in 0.. {
            self.send(event).await;
            if matches!(*self.told.borrow(), Told::Last(_)) {
                return;
            }
            sleep(self.rng.random_range(Duration::ZERO..PAUSE)).await;
        }
    }

    /// Sends an event until it is accepted, or gives up.
    async fn send(&mut self, event: u32) {
        for attempt in 0..TRIES {
            let request = Request {
                sender: self.number,
                event,
                attempt,
            };
            let begin = self.book.begin();
            // Without an answer nobody knows whether it was accepted: it is tried again.
            match self.post(request).await {
                Ok(answer) if answer.status == StatusCode::ACCEPTED => {
                    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                    let id = body["id"].as_str().unwrap_or_default();
                    self.book.accepted(request, id, begin);
                    if event.is_multiple_of(ASKED) {
                        self.ask(request, id).await;
                    }
                    return;
                }
                Ok(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => {}
                Ok(answer) => {
                    let status = answer.status;
                    let wrong = format!("request {request} was answered with {status}");
                    self.book.wrong(wrong);
                }
                Err(_) => self.connection = None,
            }
            sleep(REST).await;
        }
        self.book.given_up();
    }

    /// Asks how a message stands; what is shown as delivered must not be sent again.
    async fn ask(&mut self, request: Request, id: &str) {
        let path = format!("/fanway/messages/{id}?wait=1s");
        let Ok(answer) = self.call(Method::GET, &path, Bytes::new()).await else {
            self.connection = None;
            return;
        };
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if body["state"] == "delivered" {
            self.book.shown(request);
        }
    }

    async fn post(&mut self, request: Request) -> anyhow::Result<Answer> {
        self.call(Method::POST, "/orders", request.body()).await
    }

    async fn call(&mut self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Answer> {
        let gateway = self.gateway().await?;
        timeout(PATIENCE, self.exchange(gateway, method, path, body)).await?
    }

    /// Waits until there is a gateway.
    async fn gateway(&mut self) -> anyhow::Result<SocketAddr> {
        let told = self.told.wait_for(|told| !matches!(told, Told::Down));
        match *told.await? {
            Told::Up(gateway) | Told::Last(gateway) => Ok(gateway),
            Told::Down => anyhow::bail!("there is no gateway"),
        }
    }

    async fn exchange(
        &mut self,
        gateway: SocketAddr,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => connect(gateway).await?,
        };
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, gateway.to_string())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        connection.ready().await?;
        let answer = connection.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        self.connection = Some(connection);
        Ok(Answer { status, body })
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
