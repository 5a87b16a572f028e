//! The vocabulary of Fanway: ids, names, messages, plans, deliveries, outcomes.
//!
//! Every other crate speaks in these words, and each stands for one thing only. Nothing here
//! does I/O, reads a clock or draws a random number: both come in as arguments.

mod base32;
mod byte_count;
mod delivery;
pub mod egress;
mod headers;
mod idempotency;
mod ids;
mod memory;
mod message;
mod name;
mod order_key;
mod origin;
mod outcome;
mod path_template;
mod plan;
mod secret;
mod signing_template;
mod timestamp;
mod trace;

pub use byte_count::{ByteCount, ByteCountError};
pub use delivery::{DeliveryState, HeldBy, MessageState};
pub use egress::{Egress, Network, NetworkError};
pub use headers::{Headers, HeadersBuilder};
pub use idempotency::{Fingerprint, IdempotencyKey, KeyHash, KeyScope};
pub use ids::{DeliveryId, Direction, IdError, IdText, JobId, MessageId, StepIndex};
pub use memory::{MemoryBudget, Reservation};
pub use message::{Message, Request, Terms};
pub use name::{NameError, RouteName, StepName, TargetName};
pub use order_key::OrderKey;
pub use origin::{AllowedOrigin, Origin, OriginError, Scheme, SplitUrl};
pub use outcome::{AgainCause, DeadReason, End, Outcome, Verdict};
pub use path_template::{Captures, PathTemplate, PathTemplateError, Segment};
pub use plan::{BodyFormat, ContentCoding, Plan, PlanHash, Step, StepOrder, WhenDead};
pub use secret::{Secret, SecretKey};
pub use signing_template::{SigningField, SigningPiece, SigningTemplate, SigningTemplateError};
pub use timestamp::{Timestamp, TimestampError};
pub use trace::{TraceContext, Traceparent};
