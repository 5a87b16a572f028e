//! A small HTTP client for the commands that ask a running server: HTTP/1.1, no TLS.
//!
//! It takes no redirects and holds no pool: a command makes a request or two. What goes wrong is
//! told with what to try (`advice`).

use std::fmt;
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::advice::{self, Door};

/// How long a server may take to answer, beyond what it was asked to wait.
const PATIENCE: Duration = Duration::from_secs(30);
/// A dead letter is shown with its request, whose body is 10 MiB at most unless configured.
const LARGEST_ANSWER: usize = 256 << 20;

/// A server's address: `http://127.0.0.1:8080`, with a path that goes before all others.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    door: Door,
    authority: Authority,
    prefix: String,
}

impl Server {
    /// A gateway's address, as it is written on the command line.
    pub(crate) fn gateway(text: &str) -> Result<Self, String> {
        Self::parse(Door::Gateway, text)
    }

    /// An admin API's address, as it is written on the command line.
    pub(crate) fn admin(text: &str) -> Result<Self, String> {
        Self::parse(Door::Admin, text)
    }

    fn parse(door: Door, text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
        let parts = uri.into_parts();
        if parts.scheme.is_none_or(|scheme| scheme.as_str() != "http") {
            return Err(format!(
                "expected a URL such as {}; TLS isn't spoken",
                door.address()
            ));
        }
        let authority = parts.authority.expect("a URL with a scheme has a host");
        let path = parts.path_and_query.map(|path| path.path().to_owned());
        let prefix = path.unwrap_or_default().trim_end_matches('/').to_owned();
        Ok(Self {
            door,
            authority,
            prefix,
        })
    }

    /// Its host and port, as `Host` has them.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The host and port to connect to.
    pub(crate) fn endpoint(&self) -> (&str, u16) {
        let host = self.authority.host();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        (host, self.authority.port_u16().unwrap_or(80))
    }

    /// A path as this server has it.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// Opens a connection, which lives until the sender is dropped.
    pub(crate) async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.endpoint())
            .await
            .map_err(|error| anyhow!("{self} can't be reached: {error}{}", self.door.closed()))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender, and its error is the pending request's too.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Makes one request.
    pub(crate) async fn call(&self, call: Call) -> anyhow::Result<Answer> {
        let patience = PATIENCE.saturating_add(call.wait);
        let exchange = async {
            let (head, body) = self.exchange(call).await?.into_parts();
            let body = Limited::new(body, LARGEST_ANSWER)
                .collect()
                .await
                .map_err(|error| anyhow!("{self} broke off: {error}"))?;
            Ok(self.answer(head.status, head.headers, body.to_bytes()))
        };
        timeout(patience, exchange)
            .await
            .map_err(|_| self.silent())?
    }

    /// Makes one request whose answer is read as it comes. One that says no is read whole.
    pub(crate) async fn open(&self, call: Call) -> anyhow::Result<Result<Incoming, Answer>> {
        let exchange = async {
            let (head, body) = self.exchange(call).await?.into_parts();
            if head.status == StatusCode::OK {
                return Ok(Ok(body));
            }
            let body = Limited::new(body, LARGEST_ANSWER).collect().await;
            let body = body.map_err(|error| anyhow!("{self} broke off: {error}"))?;
            Ok(Err(self.answer(head.status, head.headers, body.to_bytes())))
        };
        timeout(PATIENCE, exchange)
            .await
            .map_err(|_| self.silent())?
    }

    async fn exchange(&self, call: Call) -> anyhow::Result<Response<Incoming>> {
        let mut sender = self.connect().await?;
        let sent = sender.send_request(self.request(call)?).await;
        sent.map_err(|error| anyhow!("{self} broke off: {error}{}", self.door.foreign()))
    }

    fn answer(&self, status: StatusCode, headers: HeaderMap, body: Bytes) -> Answer {
        Answer {
            door: self.door,
            status,
            headers,
            body,
        }
    }

    fn silent(&self) -> anyhow::Error {
        anyhow!("{self} doesn't answer{}", self.door.closed())
    }

    fn request(&self, call: Call) -> anyhow::Result<Request<Full<Bytes>>> {
        let path: Uri = self
            .path(&call.path)
            .parse()
            .with_context(|| format!("`{}` is no path", call.path))?;
        let mut request = Request::new(Full::new(call.body));
        *request.method_mut() = call.method;
        *request.uri_mut() = path;
        *request.headers_mut() = call.headers;
        let host = HeaderValue::from_str(self.authority.as_str())?;
        request.headers_mut().entry(HOST).or_insert(host);
        Ok(request)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.prefix)
    }
}

/// What is asked of a server.
#[derive(Debug, Default)]
pub(crate) struct Call {
    /// GET where nothing is said.
    pub(crate) method: Method,
    /// The path with its query.
    pub(crate) path: String,
    /// Headers; `Host` is added.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Bytes,
    /// How long the server was asked to wait.
    pub(crate) wait: Duration,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    door: Door,
    /// The status.
    pub(crate) status: StatusCode,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body of an answer that says yes; an error in the server's words otherwise.
    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        self.accepted()?;
        serde_json::from_slice(&self.body)
            .map_err(|_| anyhow!("the server's answer is no JSON{}", self.door.foreign()))
    }

    /// Fails in the server's words where it didn't say yes.
    pub(crate) fn accepted(&self) -> anyhow::Result<()> {
        if self.status.is_success() {
            return Ok(());
        }
        let (status, problem) = (self.status, self.problem());
        Err(anyhow!(advice::refusal(self.door, status, &problem)))
    }

    /// The problem document of an answer that says no; `null` where it has none.
    pub(crate) fn problem(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Runs a command that asks a server.
pub(crate) fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(future)
}

#[cfg(test)]
mod tests {
    use super::Server;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, u16, &str)>) {
        let server = Server::gateway(text).ok();
        let found = server.as_ref().map(|server| {
            let (host, port) = server.endpoint();
            (host, port, server.prefix.as_str())
        });
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_server_is_a_plain_http_url() {
        check("http://localhost", Some(("localhost", 80, "")));
        check("http://[::1]:8081/", Some(("::1", 8081, "")));
        check("http://proxy:80/fanway", Some(("proxy", 80, "/fanway")));
        check("https://localhost", None);
        check("localhost:8080", None);
        check("", None);
    }
}
