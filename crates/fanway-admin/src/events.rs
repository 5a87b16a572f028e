//! `/api/v1/events`: all that happens, as server-sent events.
//!
//! The store's watch is the one queue: what a listener doesn't take in time is passed over there,
//! and the listener is told how much. So many may listen at a time.

pub(crate) mod document;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use fanway_store::event::{Events, Seen};
use fanway_types::{DeliveryState, MessageId, RouteName, TargetName};
use futures_util::StreamExt;
use futures_util::stream::{self, Stream};
use serde::{Deserialize, Deserializer};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;

use crate::events::document::{EventData, Missed, Told};
use crate::extract::Params;
use crate::problem::{Kind, Problem};
use crate::{Admin, schema};

/// Listeners at a time.
pub(crate) const MOST: usize = 64;
/// How often a comment is sent where nothing happens.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Which events to send. Every condition that is there has to hold.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only those of messages of this route.
    #[param(value_type = Option<schema::Name>)]
    route: Option<RouteName>,
    /// Only attempts of this target.
    #[param(value_type = Option<schema::Name>)]
    target: Option<TargetName>,
    /// Only those that lead to this state of a delivery; `pending` for messages that are accepted
    /// and deliveries that are made anew.
    #[serde(default, deserialize_with = "word")]
    #[param(value_type = Option<schema::DeliveryWord>)]
    state: Option<DeliveryState>,
    /// Only those of this message.
    #[param(value_type = Option<schema::MessageId>)]
    message: Option<MessageId>,
}

fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DeliveryState>, D::Error> {
    let word = String::deserialize(deserializer)?;
    let mut states = DeliveryState::ALL.into_iter();
    let state = states.find(|state| state.as_str() == word);
    let unknown = || serde::de::Error::custom(format!("`{word}` is no state of a delivery"));
    state.map(Some).ok_or_else(unknown)
}

impl Filter {
    fn takes(&self, event: &fanway_store::event::Event) -> bool {
        let is_of = |wanted: &TargetName| document::target(&event.what) == Some(wanted);
        let leads_to = |wanted| document::state(&event.what) == wanted;
        self.message.is_none_or(|wanted| wanted == event.message)
            && self
                .route
                .as_ref()
                .is_none_or(|wanted| *wanted == event.route)
            && self.target.as_ref().is_none_or(is_of)
            && self.state.is_none_or(leads_to)
    }
}

/// Tells all that happens from now on, as server-sent events.
///
/// `event` is `accepted`, `attempt`, `cancelled` or `redriven`, with an `EventData` as its `data`;
/// or `missed`, with a `Missed`. Where nothing happens a comment is sent every 15 seconds.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    tag = "messages",
    operation_id = "followEvents",
    params(Filter),
    responses(
        (status = 200, description = "The events, until the listener goes or the server stops.",
            body = Told, content_type = "text/event-stream"),
        (status = 400, description = "`request_malformed`"),
        (status = 503, description = "`too_many_followers`"),
    ),
)]
pub(crate) async fn follow(
    State(admin): State<Arc<Admin>>,
    Params(filter): Params<Filter>,
) -> Result<impl IntoResponse, Problem> {
    let place = Arc::clone(&admin.followers).try_acquire_owned();
    let place = place.map_err(|_| Kind::TooManyFollowers)?;
    let events = told(admin.params.store.watch(), filter, place);
    let events = events.take_until(Box::pin(admin.closed()));
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(events).keep_alive(keep_alive))
}

/// What a listener is told, while its place is its own.
fn told(
    watched: Events,
    filter: Filter,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    watched.flat_map(move |seen| {
        let _held = &place;
        stream::iter(batch(&seen, &filter).into_iter().map(Ok))
    })
}

fn batch(seen: &Seen, filter: &Filter) -> Vec<Event> {
    match seen {
        Seen::Missed(batches) => vec![named("missed", &Told::Missed(Missed { batches: *batches }))],
        Seen::Events(events) => {
            let taken = events.iter().filter(|event| filter.takes(event));
            taken
                .map(|event| {
                    named(
                        document::name(&event.what),
                        &Told::Happened(Box::new(EventData::new(event))),
                    )
                })
                .collect()
        }
    }
}

fn named(name: &str, data: &Told) -> Event {
    let event = Event::default().event(name).json_data(data);
    event.expect("a document has only text keys")
}
