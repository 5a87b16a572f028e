//! A lane between a store in memory and a scripted target, in virtual time.

mod bench;
mod breaker;
mod credentials;
mod metrics;
mod order;
mod pushback;
mod request;
mod restart;
mod retries;
mod shaping;
mod stop;
mod store;
mod time;
