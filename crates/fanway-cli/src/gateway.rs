//! The gateway, as the commands for senders ask it.

use std::time::Duration;

use clap::Args;
use fanway_types::MessageId;
use hyper::Method;
use serde_json::Value;

use crate::advice::Door;
use crate::client::{Answer, Call, Server};
use crate::events::Events;
use crate::query::Query;

/// Where senders ask.
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    /// The gateway
    #[arg(
        long = "gateway",
        value_name = "URL",
        default_value = Door::Gateway.address(),
        value_parser = Server::gateway
    )]
    pub(crate) server: Server,
}

impl Gateway {
    /// Asks for a message; the answer may wait so long until it has ended.
    pub(crate) async fn message(&self, id: MessageId, wait: Duration) -> anyhow::Result<Value> {
        let seconds = wait.as_millis().div_ceil(1000);
        let wanted = (seconds > 0).then(|| format!("{seconds}s"));
        let query = Query::default().with("wait", wanted);
        let call = Call {
            path: format!("{}{query}", path(id)),
            wait,
            ..Call::default()
        };
        self.server.call(call).await?.json()
    }

    /// Asks for a message to be called off.
    pub(crate) async fn cancel(&self, id: MessageId) -> anyhow::Result<Answer> {
        let call = Call {
            method: Method::DELETE,
            path: path(id),
            ..Call::default()
        };
        self.server.call(call).await
    }

    /// Begins to listen to a message's changes.
    pub(crate) async fn events(&self, id: MessageId) -> anyhow::Result<Events<'_>> {
        Events::listen(&self.server, format!("{}/events", path(id))).await
    }
}

fn path(id: MessageId) -> String {
    format!("/fanway/messages/{id}")
}
