//! A small HTTP client for the commands that ask a running server: HTTP/1.1, no TLS.
//!
//! It takes no redirects and holds no pool: a command makes a request or two.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::table::visible;

/// How long a server may take to answer, beyond what it was asked to wait.
const PATIENCE: Duration = Duration::from_secs(30);
/// A dead letter is shown with its request, whose body is 10 MiB at most unless configured.
const LARGEST_ANSWER: usize = 256 << 20;

/// A server's address: `http://127.0.0.1:8080`, with a path that goes before all others.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    authority: Authority,
    prefix: String,
}

impl Server {
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
            .with_context(|| format!("{self} can't be reached"))?;
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
            let mut sender = self.connect().await?;
            let response = sender
                .send_request(self.request(call)?)
                .await
                .with_context(|| format!("{self} broke off"))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LARGEST_ANSWER)
                .collect()
                .await
                .map_err(|error| anyhow::anyhow!(error))
                .with_context(|| format!("{self} broke off"))?;
            Ok(Answer {
                status,
                body: body.to_bytes(),
            })
        };
        tokio::time::timeout(patience, exchange)
            .await
            .with_context(|| format!("{self} doesn't answer"))?
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

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
        let parts = uri.into_parts();
        if parts.scheme.is_none_or(|scheme| scheme.as_str() != "http") {
            return Err("expected a URL such as http://127.0.0.1:8080".to_owned());
        }
        let authority = parts.authority.expect("a URL with a scheme has a host");
        let path = parts.path_and_query.map(|path| path.path().to_owned());
        let prefix = path.unwrap_or_default().trim_end_matches('/').to_owned();
        Ok(Self { authority, prefix })
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
    /// The status.
    pub(crate) status: StatusCode,
    /// The body.
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body of an answer that says yes; an error in the server's words otherwise.
    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        self.accepted()?;
        serde_json::from_slice(&self.body).context("the server's answer is no JSON")
    }

    /// Fails in the server's words where it didn't say yes.
    pub(crate) fn accepted(&self) -> anyhow::Result<()> {
        if self.status.is_success() {
            return Ok(());
        }
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let text = |key: &str| problem[key].as_str();
        match text("detail").or(text("title")) {
            Some(said) => bail!("{} ({})", visible(said), self.status),
            None => bail!("the server answered {}", self.status),
        }
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
        let server = text.parse::<Server>().ok();
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
