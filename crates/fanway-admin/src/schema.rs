//! How texts that other crates define are described: names, ids, times, words.
//!
//! Each stands in for a type of another crate in the annotations here; none is ever made. Words
//! come from the type itself, so that the description has all of them.

use std::borrow::Cow;

use fanway_dispatch::handle::Limit;
use fanway_store::change::{self, Force};
use fanway_store::job::{Include, State};
use fanway_store::trouble::Cause;
use fanway_types::{AgainCause, DeadReason, DeliveryState, HeldBy, MessageState};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

macro_rules! texts {
    ($($(#[doc = $doc:literal])+ $name:ident = $object:expr;)+) => {$(
        $(#[doc = $doc])+
        pub(crate) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let text: ObjectBuilder = $object.schema_type(Type::String);
                let doc = [$($doc),+].map(str::trim).join(" ");
                Schema::Object(text.description(Some(doc)).build()).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    )+};
}

texts! {
    /// A point in time: RFC 3339 in UTC, to the millisecond.
    Time = ObjectBuilder::new().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    /// A point in time: RFC 3339, or how long ago, as `90s`, `15m`, `2h` or `7d`.
    When = ObjectBuilder::new().examples(["2026-11-22T10:07:07Z", "2h"]);
    /// The name of a route, a target or a step.
    Name = ObjectBuilder::new().pattern(Some("^[a-z][a-z0-9_]{0,63}$"));
    /// The id of a message.
    MessageId = ObjectBuilder::new().pattern(Some("^msg_[0-9a-z]{26}$"));
    /// The id of a delivery: `dlv_`, its message's 26 characters, `_` and the step's index; then
    /// `.iN` for an item, `.rN` for a redrive and `.undo` for a compensation, where it is one.
    DeliveryId = ObjectBuilder::new().pattern(Some(r"^dlv_[0-9a-z]{26}_[0-9]+(\.[a-z0-9]+)*$"));
    /// The id of a redrive of many deliveries.
    RedriveId = ObjectBuilder::new().pattern(Some("^job_[0-9a-z]{26}$"));
    /// Where a message stands.
    MessageWord = ObjectBuilder::new().enum_values(Some(MessageState::ALL.map(MessageState::as_str)));
    /// Where a delivery stands.
    DeliveryWord = ObjectBuilder::new().enum_values(Some(DeliveryState::ALL.map(DeliveryState::as_str)));
    /// What keeps a delivery from being attempted.
    HeldWord = ObjectBuilder::new().enum_values(Some(HeldBy::ALL.map(HeldBy::as_str)));
    /// Why a delivery is dead.
    ReasonWord = ObjectBuilder::new().enum_values(Some(DeadReason::ALL.map(DeadReason::as_str)));
    /// Why a delivery is attempted again.
    AgainWord = ObjectBuilder::new().enum_values(Some(AgainCause::ALL.map(AgainCause::as_str)));
    /// What a breaker does: what follows from the target's answers, or what an operator says.
    ForceWord = ObjectBuilder::new()
        .enum_values(Some([Force::Auto, Force::Open, Force::Closed].map(Force::as_str)));
    /// What a pause came from: an operator, or a 410 of the target's.
    PauseCauseWord = ObjectBuilder::new()
        .enum_values(Some([change::PauseCause::Operator, change::PauseCause::Gone].map(change::PauseCause::as_str)));
    /// A limit: the rate, how many attempts may be in flight, how many may be while a target is taken
    /// up again, or that the target has asked to be left alone, or has told
    /// how much it still takes.
    LimitWord = ObjectBuilder::new().enum_values(Some(
        [Limit::Rate, Limit::Concurrency, Limit::Ramp, Limit::Pushback, Limit::Pace].map(Limit::as_str),
    ));
    /// Why a breaker isn't closed: failures, slow answers, or that the target refuses the credentials.
    CauseWord = ObjectBuilder::new()
        .enum_values(Some([Cause::Failures, Cause::Slow, Cause::Credentials].map(Cause::as_str)));
    /// Where a redrive stands.
    RedriveWord = ObjectBuilder::new().enum_values(Some(
        [State::Running, State::Paused, State::Done, State::Cancelled].map(State::as_str),
    ));
    /// What a redrive is of: dead letters, or also what was delivered, as far as requests are kept.
    IncludeWord = ObjectBuilder::new().enum_values(Some([Include::Dead, Include::All].map(include)));
}

fn include(include: Include) -> &'static str {
    match include {
        Include::Dead => "dead",
        Include::All => "all",
    }
}
