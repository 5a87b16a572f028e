//! Ingress over real sockets, against a store that is told what to say.

mod accepting;
mod cancelling;
mod connections;
mod cors;
mod describing;
mod events;
mod explaining;
mod gateway;
mod idempotency;
mod refusing;
mod replacing;
mod scripted_store;
mod status;
mod terms;
mod websocket;
mod wire;
