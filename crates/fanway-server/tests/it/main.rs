//! The whole server in this process, over real sockets, with a data folder of its own.

mod backlog;
mod counts;
mod dead;
mod gateway;
mod hostile;
mod keys;
mod network;
mod notices;
mod ordering;
mod pace;
mod pages;
mod proofs;
mod reaching;
mod refusals;
mod reloading;
mod secrets;
mod sink;
mod way;
