//! One request in your program, several APIs called at the same time, one outcome for each.
//!
//! This is Fanway's engine without the gateway: time-outs, retries with backoff and jitter,
//! `Retry-After`, breakers, limits on rate and concurrency, credentials and signatures, by the same
//! policies and under the same names as in `fanway.yaml`. There is no journal and no server: what
//! has not been delivered when your program ends is gone. Where that must not be, run the gateway.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! # use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! # async fn peer(status: &'static str) -> std::io::Result<String> {
//! #     let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! #     let address = listener.local_addr()?;
//! #     tokio::spawn(async move {
//! #         let (mut stream, _) = listener.accept().await?;
//! #         let mut seen = Vec::new();
//! #         while !seen.ends_with(b"}") { stream.read_buf(&mut seen).await?; }
//! #         let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
//! #         stream.write_all(answer.as_bytes()).await
//! #     });
//! #     Ok(format!("http://{address}"))
//! # }
//! # let (stock_url, shipping_url) = (peer("200 OK").await?, peer("422 No").await?);
//! use fanway::{Message, Request, Target};
//!
//! let inventory = Target::builder("inventory", &stock_url).build()?;
//! let shipping = Target::builder("shipping", &shipping_url).build()?;
//! let outcomes = Message::new()
//!     .to(&inventory, Request::post().json(r#"{"sku": "lamp", "quantity": 1}"#))
//!     .to(&shipping, Request::put().path("/orders/7").json(r#"{"to": "Bergen"}"#))
//!     .send()
//!     .await;
//! for outcome in &outcomes {
//!     println!("{outcome}");   // inventory: delivered (200), and shipping: refused (422)
//! }
//! # assert!(outcomes["inventory"].is_delivered() && !outcomes["shipping"].is_delivered());
//! # assert_eq!(outcomes["shipping"].to_string(), "shipping: refused (422)");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is what
//!
//! - A [`Target`] is an API: its address, credentials and policies, and what was learnt of it. Make
//!   it once and clone it: clones share connections, breaker and limits.
//! - A [`Message`] is what you have to say, with a [`Request`] for each target: of any method, path,
//!   headers and body. Each of these is a *delivery*; the HTTP exchanges for it are *attempts*.
//! - [`Outcomes`] has one [`Outcome`] for each delivery, in the order in which they were added,
//!   whatever became of the others.
//!
//! # Time
//!
//! [`Message::deadline`] bounds all of it. A delivery that could not be attempted again before the
//! deadline ends at once with [`End::Deadline`] or [`End::Held`], instead of waiting for nothing;
//! one whose attempt is under way then is broken off.
//!
//! # Cancelling
//!
//! Nothing is spawned: dropping the future of [`Message::send`] breaks off what is in flight and
//! gives back what it held of limits and breakers. The target may have seen a request that was
//! broken off, and acted on it. Each attempt of a delivery carries the same `Idempotency-Key`: send
//! the message again under the same [`Message::id`], and a target that honours the key acts once.
//!
//! # Runtimes
//!
//! It runs on tokio, whichever runtime polls it, with time and I/O enabled. There is no global
//! state. A connection belongs to the runtime that it was opened on; a target that is used from
//! several opens others.

mod headers;
mod message;
mod outcome;
mod request;
pub mod seam;
mod target;

pub use fanway_policy::concurrency::Concurrency;
pub use fanway_policy::{auto, breaker, exchange, rate, retry, statuses};
pub use fanway_target::http::{
    Algorithm, BaseUrlError, Credentials, Encoding, HmacError, HmacParams, HmacSigning,
    HttpTargetError, Identity, IdentityError, LeastVersion, Login, LoginError, Proxy, ProxyKind,
    Roots, SigV4, Timeouts, Tls, Version, WebhookKey, WebhookKeyError,
};
pub use fanway_target::{Capture, Captured};
pub use fanway_types::{
    DeliveryId, Egress, MessageId, NameError, Network, NetworkError, Secret, SigningTemplate,
    SigningTemplateError, TargetName,
};
pub use message::Message;
pub use outcome::{Answer, End, Failure, Hold, Outcome, Outcomes};
pub use request::Request;
pub use target::{Target, TargetBuilder, TargetError};

/// Its examples are compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/library.md")]
struct Guide;
