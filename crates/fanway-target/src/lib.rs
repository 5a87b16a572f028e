//! The seam to the APIs that are called, and HTTP behind it.
//!
//! A [`Target`] makes attempts and says how each ended; whether to try again is not its business.
//! It follows no redirects and parses neither `Retry-After` nor what a target says of its limits: a 3xx is an answer, and what an answer
//! means is policy. The types of hyper and h2 stay inside.

mod attempt;
pub mod http;

pub use attempt::{
    Answer, AttemptRequest, Begun, Capture, Captured, Exchange, FailureKind, Limits, Sent, Target,
};
