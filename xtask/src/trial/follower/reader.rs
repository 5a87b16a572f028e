//! A follower that reads: it has to be told of the end of its message, as the last thing of all.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use futures_util::StreamExt;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::Over;

/// What stands before a document in an event.
const DATA: &str = "data: ";

/// A follower.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) gateway: SocketAddr,
    pub(crate) path: String,
    pub(crate) over: Over,
}

impl Reader {
    /// Reads to the end.
    ///
    /// # Errors
    /// Where that isn't the end of the message.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let stream = TcpStream::connect(self.gateway).await?;
        let last = match self.over {
            Over::Events => self.read_events(stream).await?,
            Over::WebSocket => self.read_texts(stream).await?,
        };
        let document: Value = serde_json::from_str(&last)?;
        if document["state"] != "delivered" {
            bail!("the last that was told is {document}");
        }
        Ok(())
    }

    async fn read_events(&self, stream: TcpStream) -> anyhow::Result<String> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::get(&self.path)
            .header(HOST, self.gateway.to_string())
            .body(Empty::<Bytes>::new())?;
        let answer = sender.send_request(request).await?;
        anyhow::ensure!(answer.status() == StatusCode::OK, "{}", answer.status());
        last_event(answer.into_body()).await
    }

    async fn read_texts(&self, stream: TcpStream) -> anyhow::Result<String> {
        let url = format!("ws://{}{}", self.gateway, self.path);
        let (mut socket, _) = client_async(url, stream).await?;
        let mut last = None;
        while let Some(message) = socket.next().await {
            match message? {
                Message::Text(text) => last = Some(text),
                Message::Close(Some(frame)) if frame.code == CloseCode::Normal => break,
                Message::Close(frame) => bail!("it was closed with {frame:?}"),
                _ => {}
            }
        }
        Ok(last.context("no text")?.to_string())
    }
}

/// The document of the last event of a stream.
async fn last_event(mut stream: Incoming) -> anyhow::Result<String> {
    let (mut rest, mut last) = (String::new(), None);
    while let Some(frame) = stream.frame().await {
        let Ok(bytes) = frame?.into_data() else {
            continue;
        };
        rest += std::str::from_utf8(&bytes)?;
        while let Some((event, behind)) = rest.split_once("\n\n") {
            let mut lines = event.lines();
            let document = lines.find_map(|line| line.strip_prefix(DATA));
            last = document.map(str::to_owned).or(last);
            rest = behind.to_owned();
        }
    }
    last.context("no event")
}
