//! A follower that reads one byte a second, or nothing, until it is told to hurry: then it has been
//! let go, and what is left for it to read doesn't tell of its message's end.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{Over, request};

/// What its system keeps for it. The loopback's own sizes would take in megabytes.
const RECEIVE_BUFFER: u32 = 4096;
/// The largest segment that it takes, as on a poor line: it also bounds what the gateway's system
/// keeps for it.
const SEGMENT: u32 = 536;
/// How often it reads a byte.
const DRIP: Duration = Duration::from_secs(1);
/// How long the rest may take: a limit for when the connection stays open.
const REST: Duration = Duration::from_secs(60);
/// How a message's document begins to say that it was delivered: `id` and `route` come before.
const END: &[u8] = br#""route":"watched","state":"delivered""#;

/// A follower.
#[derive(Debug)]
pub(crate) struct Slow {
    pub(crate) gateway: SocketAddr,
    pub(crate) path: String,
    pub(crate) over: Over,
    /// Whether it reads a byte now and then.
    pub(crate) drips: bool,
}

impl Slow {
    /// Follows until it is `hurried`, and reads what is left.
    ///
    /// # Errors
    /// Where the connection is still open, or the message's end was told.
    pub(crate) async fn run(self, mut hurried: watch::Receiver<bool>) -> anyhow::Result<()> {
        let mut stream = self.connect().await?;
        let request = request(self.gateway, &self.path, self.over);
        stream.write_all(request.as_bytes()).await?;
        let mut read = Vec::new();
        while self.drips && !*hurried.borrow() {
            let mut byte = [0];
            // What is wrong with the connection shows when the rest is read.
            let Ok(1) = stream.read(&mut byte).await else {
                break;
            };
            read.push(byte[0]);
            sleep(DRIP).await;
        }
        hurried.wait_for(|hurried| *hurried).await?;
        // It ends either way: what matters is that it does.
        let rest = timeout(REST, stream.read_to_end(&mut read)).await;
        let _end = rest.context("it is still connected")?;
        if read.windows(END.len()).any(|window| window == END) {
            bail!("it was told of the end");
        }
        Ok(())
    }

    async fn connect(&self) -> anyhow::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        SockRef::from(&socket).set_tcp_mss(SEGMENT)?;
        Ok(socket.connect(self.gateway).await?)
    }
}
