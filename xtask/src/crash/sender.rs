//! Senders: each sends one event after the other. An event's request is sent by several
//! connections at once, and by each again until it is told that it was accepted.
//!
//! - `cancel` – calling some of them off

mod cancel;

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use fanway_types::Timestamp;
use futures_util::future::join_all;
use hyper::{Method, StatusCode};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::KEPT;
use super::book::Book;
use super::desk::DONE;
use super::request::Request;
use crate::client::{Client, Order, Whereabouts};

/// The longest rest between two events.
const PAUSE: Duration = Duration::from_millis(3);
/// How long requests are put off that are.
const PUT_OFF: Range<Duration> = Duration::from_millis(50)..Duration::from_millis(500);

/// All senders.
pub(crate) struct Senders {
    whereabouts: Whereabouts,
    is_over: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Senders {
    /// Starts so many. They wait until there is a gateway. `callbacks` is where they want to be
    /// told of what has ended.
    pub(crate) fn start(
        count: u32,
        book: &Arc<Book>,
        callbacks: SocketAddr,
        seed: u64,
        handle: &Handle,
    ) -> Self {
        let whereabouts = Whereabouts::unknown();
        let (is_over, _) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let clients = (0..Request::MOST_COPIES).map(|_| whereabouts.client());
            let sender = Sender {
                number,
                book: Arc::clone(book),
                callbacks,
                rng: StdRng::seed_from_u64(seed ^ u64::from(number)),
                clients: clients.collect(),
            };
            tasks.spawn_on(sender.run(is_over.subscribe()), handle);
        }
        Self {
            whereabouts,
            is_over,
            tasks,
        }
    }

    /// Tells them where the gateway is; `None` where there is none.
    pub(crate) fn send_to(&self, gateway: Option<SocketAddr>) {
        self.whereabouts.are(gateway);
    }

    /// Lets them finish the event that they are at. There has to be a gateway.
    pub(crate) async fn finish(&mut self) {
        self.is_over.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

struct Sender {
    number: u32,
    book: Arc<Book>,
    callbacks: SocketAddr,
    rng: StdRng,
    clients: Vec<Client>,
}

/// A request that was accepted, as its sender knows it.
struct Known {
    request: Request,
    /// Where its message is.
    path: String,
    /// Until when it is kept, and its key.
    until: Instant,
}

impl Sender {
    async fn run(mut self, is_over: watch::Receiver<bool>) {
        for event in 0.. {
            let sender = self.number;
            self.send(Request { sender, event }).await;
            if *is_over.borrow() {
                return;
            }
            sleep(self.rng.random_range(Duration::ZERO..PAUSE)).await;
        }
    }

    async fn send(&mut self, request: Request) {
        // What is told later may be told of another message.
        let until = Instant::now() + KEPT;
        let order = self.order(request);
        let Some(id) = self.race(request, &order, until).await else {
            self.book.given_up(request);
            return;
        };
        let path = format!("/fanway/messages/{id}");
        let known = Known {
            request,
            path,
            until,
        };
        if request.is_called_off() {
            self.call_off(&known).await;
        } else if request.is_asked_about() {
            self.ask(&known).await;
        }
    }

    fn order(&mut self, request: Request) -> Order {
        let mut order = Order::keyed("/orders", &request.to_string(), request.body());
        let put_off = request.is_put_off().then(|| {
            let delay = self.rng.random_range(PUT_OFF);
            let until = Timestamp::from(SystemTime::now() + delay);
            order.headers.push(("fanway-not-before", until.to_string()));
            SystemTime::UNIX_EPOCH + Duration::from_millis(until.as_millis())
        });
        if request.has_callback() {
            let url = format!("http://{}{DONE}{request}", self.callbacks);
            order.headers.push(("fanway-callback", url));
        }
        self.book.sending(request, put_off);
        order
    }

    /// Sends a request over several connections at once, over each until it is accepted. Returns
    /// the message's id; `None` where a connection wasn't told in time.
    async fn race(&mut self, request: Request, order: &Order, until: Instant) -> Option<String> {
        let book = &self.book;
        let clients = self.clients.iter_mut().take(request.copies());
        let racing = clients.map(|client| client.until_accepted(order, until, || book.begin()));
        let mut id = None;
        let mut is_decided = true;
        for told in join_all(racing).await {
            match told {
                Ok(Some(accepted)) => {
                    book.accepted(request, &accepted.id, accepted.begin.as_ref());
                    id = Some(accepted.id);
                }
                Ok(None) => is_decided = false,
                Err(status) => {
                    book.wrong(format_args!("request {request} was answered with {status}"));
                }
            }
        }
        id.filter(|_| is_decided)
    }

    /// Asks how a message stands; what is shown to have ended must not be sent again.
    async fn ask(&mut self, known: &Known) {
        let path = format!("{}?wait=1s", known.path);
        let order = Order::new(Method::GET, path, Vec::new().into());
        // Without an answer nothing was shown.
        if let Ok(answer) = self.clients[0].call(&order).await
            && answer.status == StatusCode::OK
        {
            self.book.shown(known.request, &answer.json());
        }
    }
}
