//! From fanway.yaml to a checked [`Config`]: all errors at once, each with line and column.
//!
//! Nothing else in Fanway knows YAML, and nothing here knows who uses a value: it gives plain
//! values, and the server makes of them what each part wants to have.
//!
//! A text goes this way: `yaml` makes a tree of nodes that know their place; `fields` reads
//! mappings by tables of `keys`, which stand beside the code that reads each section (`server`,
//! `store`, `targets`, `routes`); `check` gathers what is wrong, and `problem` shows it.

mod check;
mod config;
mod docs;
mod environment;
mod fields;
mod hidden;
mod interpolation;
mod keys;
mod problem;
mod routes;
mod schema;
mod server;
mod store;
mod suggestion;
mod targets;
mod units;
mod url;
mod value;
mod yaml;

pub use config::Config;
pub use docs::docs_table;
pub use environment::{Environment, ProcessEnvironment};
pub use problem::{Code, Errors, Place, Problem};
pub use routes::Route;
pub use schema::schema;
pub use server::Server;
pub use store::{Bodies, Keep, Store, Sync};
pub use targets::{Credentials, Http, Target, Timeouts};
pub use url::{HttpUrl, UrlError};
