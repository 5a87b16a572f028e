//! A target API that tells what it was sent, and answers as it is told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

/// What a sink was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Sent {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).expect("the header is there");
        value.to_str().expect("text")
    }
}

/// A target API.
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    sent: mpsc::Receiver<Sent>,
    status: Arc<watch::Sender<Option<u16>>>,
}

impl Sink {
    /// One that answers with this status; with none it hangs until it is told another.
    pub(crate) async fn start(status: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (sender, sent) = mpsc::channel(10_000);
        let status = Arc::new(watch::Sender::new(status));
        let answers = Arc::clone(&status);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, answers) = (sender.clone(), Arc::clone(&answers));
                let service =
                    service_fn(move |request| answer(request, sender.clone(), answers.subscribe()));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self {
            address,
            sent,
            status,
        }
    }

    /// Answers with this status from now on, those included who wait.
    pub(crate) fn answer_with(&self, status: u16) {
        self.status.send_replace(Some(status));
    }

    /// What it is sent next.
    pub(crate) async fn next(&mut self) -> Sent {
        self.sent.recv().await.expect("it runs as long as the test")
    }

    /// Whether it has been sent nothing more.
    pub(crate) fn is_quiet(&self) -> bool {
        self.sent.is_empty()
    }
}

async fn answer(
    request: Request<Incoming>,
    sender: mpsc::Sender<Sent>,
    mut status: watch::Receiver<Option<u16>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    // A body that breaks off is one of an attempt that was broken off.
    let body = body.collect().await.map(Collected::to_bytes);
    let sent = Sent {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head.headers,
        body: body.unwrap_or_default(),
    };
    sender.send(sent).await.expect("the test reads");
    let status = *status.wait_for(Option::is_some).await.expect("kept");
    let mut response = Response::new(Full::new(Bytes::from_static(b"an answer")));
    let status = status.expect("waited for").try_into().expect("a status");
    *response.status_mut() = status;
    Ok(response)
}
