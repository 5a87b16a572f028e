//! A server that is started, asked and stopped.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fanway_config::{Config, Errors, ProcessEnvironment};
use fanway_server::{Running, Server, Source, StartError, Unusable};
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
    parse(folder, sections).unwrap_or_else(|error| panic!("{error}"))
}

fn parse(folder: &Path, sections: &str) -> Result<Config, Errors> {
    let text = format!(
        "server: {{ listen: 127.0.0.1:0, admin: 127.0.0.1:0, threads: 2 }}\n\
         store: {{ path: {:?}, segment: 4MiB }}\n{sections}",
        folder.join("data")
    );
    Config::parse(&text, "test.yaml", &ProcessEnvironment)
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

/// A config that a test changes while a server runs. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Changing {
    folder: Arc<Mutex<PathBuf>>,
    sections: Arc<Mutex<String>>,
}

impl Changing {
    pub(crate) fn new(folder: &Path, sections: &str) -> Self {
        Self {
            folder: Arc::new(Mutex::new(folder.to_owned())),
            sections: Arc::new(Mutex::new(sections.to_owned())),
        }
    }

    pub(crate) fn set(&self, sections: &str) {
        sections.clone_into(&mut self.sections.lock().expect("nobody panics with it"));
    }

    /// Names another data folder.
    pub(crate) fn move_to(&self, folder: &Path) {
        folder.clone_into(&mut self.folder.lock().expect("nobody panics with it"));
    }
}

impl Source for Changing {
    fn load(&self) -> Result<Config, Unusable> {
        let sections = self.sections.lock().expect("nobody panics with it");
        let folder = self.folder.lock().expect("nobody panics with it");
        parse(&folder, &sections).map_err(|errors| Unusable {
            problems: errors.problems().iter().map(ToString::to_string).collect(),
            files: Vec::new(),
        })
    }

    fn has_files(&self) -> bool {
        false
    }
}

impl Gateway {
    /// Starts one that starts.
    pub(crate) async fn start(config: Config) -> Self {
        let started = try_start(config).await;
        started.unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)))
    }

    /// Starts one whose config changes.
    pub(crate) async fn start_changing(source: &Changing) -> Self {
        let source = source.clone();
        let start = spawn_blocking(move || {
            let config = source.load().expect("it begins with one that is right");
            Server::start_from(config, Arc::new(source))
        });
        let running = start.await.expect("it doesn't panic");
        Self {
            running: running.unwrap_or_else(|error| panic!("{error}")),
        }
    }

    /// Has it read its config again.
    pub(crate) async fn reload(&self) -> Answer {
        self.command("/api/v1/config/reload", "").await
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
        self.steer(Request::post(path), body).await
    }

    /// What the admin API answers to a request with a JSON body.
    pub(crate) async fn steer(
        &self,
        request: hyper::http::request::Builder,
        body: &'static str,
    ) -> Answer {
        let request = request.header("content-type", "application/json");
        let body = Bytes::from_static(body.as_bytes());
        ask(self.running.admin, request, body).await
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
