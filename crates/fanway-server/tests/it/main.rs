//! The whole server in this process, over real sockets, with a data folder of its own.

mod backlog;
mod dead;
mod gateway;
mod refusals;
mod secrets;
mod sink;
mod way;
