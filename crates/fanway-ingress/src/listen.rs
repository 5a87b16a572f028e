//! Taking connections in, up to a limit, until the door closes.
//!
//! A connection beyond the limit gets a 503 and is closed without waiting for its peer. An accept
//! that fails for want of file descriptors is tried again after a pause instead of at once.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::connection::{Closing, serve};
use crate::door::Door;
use crate::places::Place;
use crate::problem::{Kind, Problem};

/// Where connections come from.
#[derive(Debug)]
pub enum Incoming {
    /// The door accepts them itself.
    Listener(TcpListener),
    /// Somebody else accepts them and hands them over. The door closes when all senders are gone.
    Handed(mpsc::Receiver<std::net::TcpStream>),
}

/// How long to wait before accepting again when there are no file descriptors or no memory.
const PAUSE: Duration = Duration::from_millis(50);

/// When a connection beyond the limit may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Incoming {
    /// The next connection; `None` when there will be none.
    async fn next(&mut self) -> Option<TcpStream> {
        match self {
            Self::Listener(listener) => Some(accept(listener).await),
            Self::Handed(receiver) => loop {
                match adopt(receiver.recv().await?) {
                    Ok(stream) => return Some(stream),
                    Err(error) => tracing::warn!(%error, "a connection could not be taken over"),
                }
            },
        }
    }
}

/// The next connection of a listener. One whose peer has gone again is passed over; without file
/// descriptors or memory it waits and tries again.
pub async fn accept(listener: &TcpListener) -> TcpStream {
    let mut told = false;
    loop {
        let error = match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => error,
        };
        // The peer was gone before it was accepted: the next one may be there already.
        if matches!(
            error.kind(),
            ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
        ) {
            continue;
        }
        if !told {
            tracing::error!(%error, "connections can't be accepted");
            told = true;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn adopt(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

impl Door {
    /// Takes connections in and answers their requests until `shutdown` resolves. Then requests
    /// in progress are finished, for as long as `grace` at most.
    ///
    /// To be run within the runtime of the core that the door is for.
    pub async fn run(
        self,
        mut incoming: Incoming,
        shutdown: impl Future<Output = ()>,
        grace: Duration,
    ) {
        let (closing, _) = watch::channel(Closing::Open);
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = shutdown.as_mut() => break,
                next = incoming.next() => match next {
                    Some(stream) => self.take_in(stream, &closing),
                    None => break,
                },
            }
        }
        drop(incoming);
        close(&closing, grace).await;
    }

    fn take_in(&self, stream: TcpStream, closing: &watch::Sender<Closing>) {
        let shared = &self.core.shared;
        let limit = shared.present().limits.connections.get();
        let Some(place) = Place::take(&shared.metrics.connections, limit) else {
            shared.metrics.refuse(Kind::TooManyConnections);
            if let Err(error) = turn_away(stream) {
                tracing::debug!(%error, "a connection beyond the limit got no answer");
            }
            return;
        };
        // Answers are small and written whole: nothing is won by waiting for more.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection is gone already");
            return;
        }
        let connection = serve(Arc::clone(&self.core), stream, closing.subscribe());
        tokio::spawn(async move {
            connection.await;
            drop(place);
        });
    }
}

/// Waits until all connections have ended, and ends those that are left after `grace`.
async fn close(closing: &watch::Sender<Closing>, grace: Duration) {
    closing.send_replace(Closing::Finishing);
    if tokio::time::timeout(grace, closing.closed()).await.is_ok() {
        return;
    }
    tracing::warn!(
        connections = closing.receiver_count(),
        "connections are cut off"
    );
    // Each connection ends as soon as it sees this; none is waited for any longer.
    closing.send_replace(Closing::Closed);
}

/// Answers whatever the peer may have asked with 503, without waiting for it.
fn turn_away(stream: TcpStream) -> io::Result<()> {
    let problem = Problem::from(Kind::TooManyConnections).to_json();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\n\
         content-type: application/problem+json\r\n\
         content-length: {}\r\n\
         retry-after: {}\r\n\
         connection: close\r\n\r\n",
        problem.len(),
        RETRY_AFTER.as_secs(),
    );
    let mut stream = stream.into_std()?;
    // What is left unread makes the kernel reset the connection, and the answer may be lost.
    if let Err(error) = stream.read(&mut [0; 4096])
        && error.kind() != ErrorKind::WouldBlock
    {
        return Err(error);
    }
    // An empty send buffer takes this whole.
    stream.write_all(&[head.as_bytes(), &problem].concat())?;
    stream.shutdown(std::net::Shutdown::Write)
}
