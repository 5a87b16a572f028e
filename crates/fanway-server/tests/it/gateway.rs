//! A server that is started, asked and stopped.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use fanway_config::{Config, ProcessEnvironment};
use fanway_server::{Running, Server, StartError};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::HeaderMap;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;

use crate::sink::Sink;

/// A server that runs.
pub(crate) struct Gateway {
    running: Running,
}

/// A data folder for one test.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// The config with the data in this folder and free ports, whose sections `targets` and `routes`
/// are these.
pub(crate) fn config(folder: &Path, sections: &str) -> Config {
    let text = format!(
        "server: {{ listen: 127.0.0.1:0, admin: 127.0.0.1:0, threads: 2 }}\n\
         store: {{ path: {:?}, segment: 4MiB }}\n{sections}",
        folder.join("data")
    );
    Config::parse(&text, "test.yaml", &ProcessEnvironment).unwrap_or_else(|error| panic!("{error}"))
}

/// The smallest config's targets and routes.
pub(crate) fn smallest(inventory: &Sink, shipping: &Sink) -> String {
    format!(
        "targets:\n\
         \x20 inventory: {{ url: 'http://{}/stock' }}\n\
         \x20 shipping: {{ url: 'http://{}/shipments' }}\n\
         routes:\n\
         \x20 orders: {{ match: POST /orders, send: [inventory, shipping] }}\n",
        inventory.address, shipping.address
    )
}

/// Starts a server, or doesn't.
pub(crate) async fn try_start(config: Config) -> Result<Gateway, StartError> {
    let start = spawn_blocking(move || Server::start(config));
    let running = start.await.expect("it doesn't panic")?;
    Ok(Gateway { running })
}

impl Gateway {
    /// Starts one that starts.
    pub(crate) async fn start(config: Config) -> Self {
        let started = try_start(config).await;
        started.unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)))
    }

    /// Where it is.
    pub(crate) fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.running.gateway, self.running.admin)
    }

    /// Begins to stop it, and returns when that shows.
    pub(crate) async fn begin_stop(&self, limit: Duration) {
        self.running.stopper().stop(limit);
        let drains = |ready: &Value| ready["problems"][0]["code"] == "draining";
        self.admin_until("/readyz", drains).await;
    }

    /// Stops it within a limit.
    pub(crate) async fn stop(self, limit: Duration) {
        let stop = spawn_blocking(move || self.running.stop(limit));
        let stopped = stop.await.expect("it doesn't panic");
        stopped.expect("it stops in order");
    }

    /// Sends a request that is accepted; returns the message's id.
    pub(crate) async fn send(&self, path: &str, body: impl Into<Bytes>) -> String {
        let answer = self.ask(Request::post(path), body.into()).await;
        assert_eq!(answer.status, 202, "{:?}", answer.body);
        let id = answer.json()["id"].as_str().expect("an id").to_owned();
        assert_eq!(answer.headers["location"], format!("/fanway/messages/{id}"));
        id
    }

    /// The message when it has ended.
    pub(crate) async fn ended(&self, id: &str) -> Value {
        loop {
            let path = format!("/fanway/messages/{id}?wait=10s");
            let answer = self.ask(Request::get(path), Bytes::new()).await;
            assert_eq!(answer.status, 200, "{:?}", answer.body);
            let message = answer.json();
            if message["state"] != "pending" {
                return message;
            }
        }
    }

    /// What the gateway answers.
    pub(crate) async fn ask(&self, request: hyper::http::request::Builder, body: Bytes) -> Answer {
        ask(self.running.gateway, request, body).await
    }

    /// What the admin API answers to a GET.
    pub(crate) async fn admin(&self, path: &str) -> Answer {
        ask(self.running.admin, Request::get(path), Bytes::new()).await
    }

    /// What the admin API answers to a GET once that is as expected.
    pub(crate) async fn admin_until(&self, path: &str, expected: impl Fn(&Value) -> bool) -> Value {
        loop {
            let answer = self.admin(path).await.json();
            if expected(&answer) {
                return answer;
            }
        }
    }

    /// The one dead letter that there is.
    pub(crate) async fn dead_letter(&self) -> Value {
        let mut page = self.admin("/api/v1/dead").await.json();
        page["dead"][0].take()
    }

    /// What the admin API answers to a POST.
    pub(crate) async fn command(&self, path: &str, body: &'static str) -> Answer {
        let body = Bytes::from_static(body.as_bytes());
        ask(self.running.admin, Request::post(path), body).await
    }
}

/// What was answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("text")
    }
}

async fn ask(address: SocketAddr, request: hyper::http::request::Builder, body: Bytes) -> Answer {
    let request = request
        .header("host", address.to_string())
        .body(Full::new(body))
        .expect("a request");
    let stream = TcpStream::connect(address).await.expect("it listens");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .expect("a connection");
    tokio::spawn(connection);
    let response = sender.send_request(request).await.expect("an answer");
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Answer {
        status: head.status,
        headers: head.headers,
        body,
    }
}
