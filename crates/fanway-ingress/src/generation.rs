//! What is replaced as a whole, checked and arranged: the routes and limits of one config.
//!
//! A request holds the generation that it began with to its end; a connection holds none, only the
//! limits that it was opened with.

use crate::cors::Cors;
use crate::metrics::Metrics;
use crate::params::{Held, Limits, Table};
use crate::router::{Ambiguous, Router};

/// A [`Table`] that can be used.
pub(crate) struct Generation {
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    /// What links begin with; empty where they are relative.
    pub(crate) public_url: String,
    pub(crate) cors: Option<Cors>,
    pub(crate) held: Held,
}

/// Why a [`Table`] can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Two routes take the same requests.
    #[error(transparent)]
    Ambiguous(#[from] Ambiguous),
    /// The public URL can't stand in a header.
    #[error("`{0}` can't be the beginning of a link")]
    PublicUrl(String),
}

impl Generation {
    /// Nothing is counted for the routes of a table that is refused.
    pub(crate) fn try_new(table: Table, metrics: &Metrics) -> Result<Self, Error> {
        let mut public_url = table.public_url.unwrap_or_default();
        public_url.truncate(public_url.trim_end_matches('/').len());
        if !public_url
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
        {
            return Err(Error::PublicUrl(public_url));
        }
        Ok(Self {
            router: Router::try_new(table.routes, metrics)?,
            limits: table.limits,
            public_url,
            cors: table.cors,
            held: table.held,
        })
    }
}
