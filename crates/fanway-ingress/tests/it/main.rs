//! Ingress over real sockets, against a store that is told what to say.

mod accepting;
mod connections;
mod gateway;
mod refusing;
mod scripted_store;
mod status;
