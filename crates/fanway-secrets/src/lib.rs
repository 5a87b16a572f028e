//! What a config's secrets are: asked of commands and of a vault, and kept fresh.
//!
//! A config is read in rounds ([`Known::load`]): what it refers to and nobody has asked for yet is
//! asked for, all of it at the same time, until nothing is missing. So each command runs once a
//! reading and each path of a vault is read once, and fields of one path belong together.
//!
//! While a server runs a [`Keeper`] renews leases and asks again. It changes no target: where a
//! value has changed it has the config read again, which does all that follows from that.
//!
//! - `command` – running a program
//! - `vault` – a vault's API, and the token that it is asked with
//! - `known` – what was answered last
//! - `reading` – a config, with what was answered
//! - `keeper` – what has to be asked again, and when
//!
//! No error, log line or metric has anything of a secret: they name commands and paths.

mod ask;
mod command;
mod keeper;
mod known;
mod metrics;
mod reading;
#[cfg(test)]
mod scripted;
mod vault;

pub use keeper::{InUse, Keeper, Told};
pub use known::Known;
pub use reading::Asking;
