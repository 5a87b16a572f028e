//! HTTP targets against peers that are scripted byte by byte, over real sockets.
//!
//! Time stands still and moves only by `advance`; where the order of events on two sockets
//! matters, `settle` lets those that have happened arrive.

mod bodies;
mod budget;
mod egress;
mod http1;
mod http2;
mod peer;
mod preview;
mod proxies;
mod refusals;
mod signing;
mod timeouts;
mod tls;
mod tokens;
