//! What stands between a target's policies and the wire: for programs that bring their own, such as
//! a scripted one in tests, by [`TargetBuilder::build_over`](crate::TargetBuilder::build_over).

pub use fanway_target::{
    Answer, AttemptRequest, Begun, Exchange, FailureKind, Limits, Sent, Target,
};
pub use fanway_types::{Headers, HeadersBuilder};
