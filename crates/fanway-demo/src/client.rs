//! A caller with one connection that it keeps: HTTP/1.1 to an address of this machine.

use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// A caller.
pub(crate) struct Client {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// A caller that connects when it first calls.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            sender: None,
        }
    }

    /// Makes a call; connects again where the last connection has gone.
    pub(crate) async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.address.to_string())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let mut sender = self.sender().await?;
        let response = sender
            .send_request(request)
            .await
            .with_context(|| format!("{} broke off", self.address))?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        self.sender = Some(sender);
        Ok((status, body))
    }

    /// Gets a JSON document.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        let (status, body) = self.call(Method::GET, path, Bytes::new()).await?;
        anyhow::ensure!(status.is_success(), "{path} answered {status}");
        Ok(serde_json::from_slice(&body)?)
    }

    async fn sender(&mut self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        if let Some(mut sender) = self.sender.take()
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let stream = TcpStream::connect(self.address)
            .await
            .with_context(|| format!("{} can't be reached", self.address))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender, and its error is the pending call's too.
        tokio::spawn(connection);
        Ok(sender)
    }
}
