//! From fanway.yaml to a checked [`Config`]: all errors at once, each with line and column.
//!
//! Nothing else in Fanway knows YAML, and nothing here knows who uses a value: it gives plain
//! values, and the server makes of them what each part wants to have.
//!
//! A text goes this way: `document` reads a file, and `yaml` makes of it a tree of nodes that know
//! their place; `include` brings in other files; `fields` reads mappings and `nodes` what is in
//! them, by tables of `keys`, which stand beside the code that reads each section (`server`,
//! `secrets`, `store`, `egress`, `callbacks`, `targets`, `routes`); `check` gathers what is wrong, and `problem` shows
//! it. `sources` records what all of that was read from.

mod callbacks;
mod check;
mod config;
mod docs;
mod document;
mod egress;
mod environment;
mod fields;
mod hidden;
mod include;
mod interpolation;
mod keys;
mod nodes;
mod pem;
mod problem;
mod reference;
mod restart;
mod routes;
mod schema;
mod secrets;
mod server;
mod sources;
mod store;
mod suggestion;
mod targets;
mod units;
mod url;
mod value;
mod yaml;

pub use callbacks::Callbacks;
pub use config::Config;
pub use docs::docs_table;
pub use egress::Egress;
pub use environment::{Environment, ProcessEnvironment};
pub use problem::{Code, Errors, Place, Problem};
pub use reference::{CommandLine, Reference};
pub use restart::needs_restart;
pub use routes::{Idempotency, Route};
pub use schema::schema;
pub use secrets::{Login, Secrets, Vault};
pub use server::{Cors, PageOrigins, Server};
pub use store::{Bodies, Encrypt, Keep, Store, Sync};
pub use targets::{
    ClientAuth, Counts, Credentials, Endpoint, Health, Hmac, HmacAlgorithm, HmacEncoding, Http,
    Identity, OAuth2, Proxy, ProxyKind, ProxyLogin, ProxyUrl, Reach, SigV4, Sign, SigningKey,
    SigningScheme, Target, Timeouts, Tls, TlsVersion,
};
pub use url::{HttpUrl, UrlError};
