//! A lane between a store in memory and a scripted target, in virtual time.

mod bench;
mod breaker;
mod cancel;
mod control;
mod counts;
mod credentials;
mod endpoints;
mod expiry;
mod fallback;
mod hedging;
mod keys;
mod limits;
mod metrics;
mod order;
mod paced;
mod pushback;
mod reconfigure;
mod request;
mod restart;
mod retries;
mod shaping;
mod simulation;
mod stop;
mod store;
mod time;
mod trouble;
