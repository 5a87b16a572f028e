//! Two lifelike APIs: an inventory and a shipping company.
//!
//! Both take their time, more now and then, and answer one call in ten with a 503. Inventory
//! refuses a product that it no longer has; shipping is down for some seconds.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use fanway_config::Config;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

/// The product that inventory refuses for good.
const RETIRED: &str = "lamp-retired";
/// When, after the demo has begun, shipping goes down, and for how long.
const DOWN_AFTER: Duration = Duration::from_millis(1500);
const DOWN_FOR: Duration = Duration::from_millis(3500);

/// Both APIs, running.
pub(crate) struct Apis {
    inventory: Arc<Api>,
    shipping: Arc<Api>,
}

/// What an API has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) calls: AtomicU64,
    pub(crate) done: AtomicU64,
    pub(crate) busy: AtomicU64,
    pub(crate) down: AtomicU64,
    pub(crate) refused: AtomicU64,
}

struct Api {
    kind: Kind,
    address: SocketAddr,
    rng: Mutex<StdRng>,
    /// When the demo has begun: before, nothing goes down.
    begun: Mutex<Option<Instant>>,
    seen: Seen,
}

#[derive(Clone, Copy)]
enum Kind {
    Inventory,
    Shipping,
}

impl Apis {
    /// Listens where the config's targets are.
    pub(crate) async fn start(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            inventory: Api::start(Kind::Inventory, config, "inventory").await?,
            shipping: Api::start(Kind::Shipping, config, "shipping").await?,
        })
    }

    /// Begins to count anew, and lets shipping go down after a while.
    pub(crate) fn begin(&self) {
        for api in [&self.inventory, &self.shipping] {
            *lock(&api.begun) = Some(Instant::now());
            let Seen {
                calls,
                done,
                busy,
                down,
                refused,
            } = &api.seen;
            for count in [calls, done, busy, down, refused] {
                count.store(0, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn inventory(&self) -> SocketAddr {
        self.inventory.address
    }

    pub(crate) fn shipping(&self) -> SocketAddr {
        self.shipping.address
    }

    /// What inventory and shipping have seen since [`begin`](Self::begin).
    pub(crate) fn seen(&self) -> [(&'static str, &Seen); 2] {
        [
            ("inventory", &self.inventory.seen),
            ("shipping", &self.shipping.seen),
        ]
    }

    /// Whether shipping is down now.
    pub(crate) fn is_shipping_down(&self) -> bool {
        self.shipping.is_down()
    }
}

impl Api {
    async fn start(kind: Kind, config: &Config, target: &str) -> anyhow::Result<Arc<Self>> {
        let url = config
            .targets
            .get(target)
            .with_context(|| format!("the config has no target {target}"))?
            .url
            .as_str();
        let authority = url
            .strip_prefix("http://")
            .unwrap_or(url)
            .trim_end_matches('/');
        let address: SocketAddr = authority
            .parse()
            .with_context(|| format!("{url} is no address of this machine"))?;
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("the {target} API can't listen on {address}"))?;
        let seed = match kind {
            Kind::Inventory => 1,
            Kind::Shipping => 2,
        };
        let api = Arc::new(Self {
            kind,
            address,
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
            begun: Mutex::default(),
            seen: Seen::default(),
        });
        tokio::spawn(Arc::clone(&api).listen(listener));
        Ok(api)
    }

    async fn listen(self: Arc<Self>, listener: TcpListener) {
        // The listener ends with the demo's runtime.
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(Arc::clone(&self).serve(stream));
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let answer = service_fn(move |request| {
            let api = Arc::clone(&self);
            async move { Ok::<_, Infallible>(api.answer(request).await) }
        });
        // A caller that breaks off is no concern of an API's.
        let _broken_off = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), answer)
            .await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let seen = &self.seen;
        seen.calls.fetch_add(1, Ordering::Relaxed);
        if self.is_down() {
            seen.down.fetch_add(1, Ordering::Relaxed);
            return reply(
                StatusCode::SERVICE_UNAVAILABLE,
                &json!({"error": "down for maintenance"}),
            );
        }
        let (time, is_busy) = self.mood();
        let (parts, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        tokio::time::sleep(time).await;
        if is_busy {
            seen.busy.fetch_add(1, Ordering::Relaxed);
            return reply(
                StatusCode::SERVICE_UNAVAILABLE,
                &json!({"error": "too busy, try again"}),
            );
        }
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let (status, answer) = match self.kind {
            Kind::Inventory => reserve(&parts.method, parts.uri.path(), &body),
            Kind::Shipping => ship(&parts.method, parts.uri.path(), &body),
        };
        let count = if status.is_success() {
            &seen.done
        } else {
            &seen.refused
        };
        count.fetch_add(1, Ordering::Relaxed);
        reply(status, &answer)
    }

    /// How long the next answer takes, and whether it is a 503: mostly quick, now and then not.
    fn mood(&self) -> (Duration, bool) {
        let mut rng = lock(&self.rng);
        let (quick, slow) = match self.kind {
            Kind::Inventory => (5..30, 60..180),
            Kind::Shipping => (15..60, 120..400),
        };
        let range = if rng.random_ratio(1, 12) { slow } else { quick };
        (
            Duration::from_millis(rng.random_range(range)),
            rng.random_ratio(1, 10),
        )
    }

    fn is_down(&self) -> bool {
        let Kind::Shipping = self.kind else {
            return false;
        };
        let since = lock(&self.begun).map(|begun| begun.elapsed());
        since.is_some_and(|since| (DOWN_AFTER..DOWN_AFTER + DOWN_FOR).contains(&since))
    }
}

fn reserve(method: &Method, path: &str, body: &Value) -> (StatusCode, Value) {
    let (true, Some(lines)) = (
        method == Method::POST && path == "/reservations",
        body["lines"].as_array(),
    ) else {
        return (
            StatusCode::BAD_REQUEST,
            json!({"error": "expected POST /reservations with lines"}),
        );
    };
    if lines.iter().any(|line| line["sku"] == RETIRED) {
        let error = format!("{RETIRED} is no longer made, and none is left");
        return (StatusCode::UNPROCESSABLE_ENTITY, json!({"error": error}));
    }
    (
        StatusCode::CREATED,
        json!({"order": body["order"], "reserved": lines.len()}),
    )
}

fn ship(method: &Method, path: &str, body: &Value) -> (StatusCode, Value) {
    let (true, Some(order)) = (
        method == Method::PUT && body["to"].is_object(),
        path.strip_prefix("/shipments/"),
    ) else {
        return (
            StatusCode::BAD_REQUEST,
            json!({"error": "expected PUT /shipments/{order} with an address"}),
        );
    };
    (
        StatusCode::CREATED,
        json!({"shipment": order, "state": "announced"}),
    )
}

fn reply(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(
        "content-type",
        hyper::header::HeaderValue::from_static("application/json"),
    );
    response
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
