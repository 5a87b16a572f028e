//! A target API below HTTP: what it does with a connection is bytes and their end.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::interval;

use super::BODY;

/// How far apart the bytes of a crawl are.
const CRAWL: Duration = Duration::from_millis(2);

/// What is said.
pub(super) type Text = Cow<'static, str>;

/// What a peer does with a connection. Unless it says otherwise it reads one request first.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// Says this, and closes.
    Say(Text),
    /// Says this, and resets the connection.
    SayAndReset(Text),
    /// Says this, and does nothing more until it is closed from the other end.
    SayAndStay(Text),
    /// Says this before it reads anything, then reads all that comes.
    SayFirst(Text),
    /// Says the first, then the second again and again until the connection is closed.
    Flood(Text, Text),
    /// The same, but of the second one byte at a time.
    Crawl(Text, Text),
}

/// A target API that does as it likes.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    counts: Counted,
}

/// What is counted, by the peer and by all that it does.
type Counted = Arc<watch::Sender<Counts>>;

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Connections that have been taken.
    taken: usize,
    /// Those of them on which nothing was said yet.
    waiting: usize,
    /// The most that were at one time.
    most_waiting: usize,
    /// Those that are over.
    over: usize,
}

/// A connection, and what is counted.
struct Line {
    stream: TcpStream,
    counts: Counted,
    is_waiting: bool,
}

impl Deed {
    /// One that says this, and closes.
    pub(super) fn say(text: impl Into<Text>) -> Self {
        Self::Say(text.into())
    }
}

impl Peer {
    /// One that does each of these with a connection of its own, and then again from the first on.
    pub(super) async fn start(deeds: Vec<Deed>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self::listen(listener, deeds)
    }

    /// One that listens there.
    pub(super) fn listen(listener: TcpListener, deeds: Vec<Deed>) -> Self {
        let address = listener.local_addr().expect("bound");
        let counts = Counted::default();
        let counted = Arc::clone(&counts);
        tokio::spawn(async move {
            for deed in deeds.iter().cycle() {
                let (stream, _) = listener.accept().await.expect("a connection");
                let line = Line::take(stream, &counted);
                tokio::spawn(line.run(deed.clone()));
            }
        });
        Self { address, counts }
    }

    /// How many connections it has taken; each deed is for one attempt.
    pub(super) fn attempts(&self) -> usize {
        self.counts.borrow().taken
    }

    /// How many there were at most at one time that it had taken, and said nothing to yet.
    pub(super) fn most_at_once(&self) -> usize {
        self.counts.borrow().most_waiting
    }

    /// Returns when it has taken so many.
    pub(super) async fn taken(&self, count: usize) {
        let mut counts = self.counts.subscribe();
        let enough = counts.wait_for(|counts| counts.taken >= count).await;
        enough.expect("it runs as long as the test");
    }

    /// Returns when all that it has taken are over.
    pub(super) async fn over(&self) {
        let mut counts = self.counts.subscribe();
        let all = counts.wait_for(|counts| counts.taken == counts.over).await;
        all.expect("it runs as long as the test");
    }
}

impl Line {
    fn take(stream: TcpStream, counts: &Counted) -> Self {
        counts.send_modify(|counts| {
            counts.taken += 1;
            counts.waiting += 1;
            counts.most_waiting = counts.most_waiting.max(counts.waiting);
        });
        Self {
            stream,
            counts: Arc::clone(counts),
            is_waiting: true,
        }
    }

    /// Does a deed.
    async fn run(mut self, deed: Deed) {
        // It ends in an error where the gateway has heard enough.
        let _heard_enough = self.act(&deed).await;
        self.speaks();
        let counts = Arc::clone(&self.counts);
        drop(self);
        counts.send_modify(|counts| counts.over += 1);
    }

    async fn act(&mut self, deed: &Deed) -> io::Result<()> {
        match deed {
            Deed::Say(text) => self.answer(text).await,
            Deed::SayAndReset(text) => {
                self.answer(text).await?;
                self.stream.set_zero_linger()
            }
            Deed::SayAndStay(text) => {
                self.answer(text).await?;
                self.stay().await
            }
            Deed::SayFirst(text) => {
                self.say(text).await?;
                self.stay().await
            }
            Deed::Flood(first, again) => {
                self.answer(first).await?;
                let again = again.repeat((16 << 10) / again.len() + 1);
                loop {
                    self.say(&again).await?;
                }
            }
            Deed::Crawl(first, again) => {
                self.answer(first).await?;
                let mut pace = interval(CRAWL);
                loop {
                    for byte in again.split("").filter(|byte| !byte.is_empty()) {
                        pace.tick().await;
                        self.say(byte).await?;
                    }
                }
            }
        }
    }

    /// Reads a request, and says this.
    async fn answer(&mut self, text: &str) -> io::Result<()> {
        let end = format!("\r\n\r\n{BODY}");
        let mut read = Vec::new();
        while !read.ends_with(end.as_bytes()) {
            read.push(self.stream.read_u8().await?);
        }
        self.say(text).await
    }

    async fn say(&mut self, text: &str) -> io::Result<()> {
        self.speaks();
        self.stream.write_all(text.as_bytes()).await
    }

    /// Takes note that it says something, or won't any more.
    fn speaks(&mut self) {
        if std::mem::replace(&mut self.is_waiting, false) {
            self.counts.send_modify(|counts| counts.waiting -= 1);
        }
    }

    /// Reads all that comes.
    async fn stay(&mut self) -> io::Result<()> {
        copy(&mut self.stream, &mut sink()).await.map(drop)
    }
}
