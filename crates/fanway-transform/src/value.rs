//! The values of an evaluation: jaq's own, with bounds on how large and how deep they grow.
//!
//! jaq's values recurse when they are dropped, compared, merged or written, so one that a program
//! nests a million times would overflow the stack and take the process along; and `"x" * 1e12`
//! would ask for the memory. Each value therefore carries a bound of its own depth, kept up by every
//! operation, and growing operations look at sizes first. A bound that is broken ends the
//! evaluation.

mod growth;
mod operations;
mod traits;

use jaq_core::Error;
use jaq_json::Val;

use crate::meter::Stop;

/// Arrays and objects within each other that a program may make. The input has 128 at most.
pub(crate) const DEPTH_LIMIT: u32 = 256;

/// A value of jaq's.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    json: Val,
    /// The depth of `json`, or more.
    depth: u32,
}

impl Value {
    /// A value that was read from text nested at most `depth` deep.
    pub(crate) fn parsed(json: Val, depth: usize) -> Self {
        Self::nested(json, u32::try_from(depth).unwrap_or(u32::MAX))
    }

    /// A value at most `depth` deep; ends the evaluation where that is too deep.
    fn nested(json: Val, depth: u32) -> Self {
        if !matches!(json, Val::Arr(_) | Val::Obj(_)) {
            return Self { json, depth: 0 };
        }
        if depth <= DEPTH_LIMIT {
            return Self { json, depth };
        }
        // The bound grows by operations that don't make the value deeper; look how deep it is.
        match depth_within(&json, DEPTH_LIMIT) {
            Some(depth) => Self { json, depth },
            None => Stop::ValueTooDeep.throw(),
        }
    }

    /// A part of this value.
    fn part(&self, json: Val) -> Self {
        Self::nested(json, self.depth.saturating_sub(1))
    }

    /// The value as jaq's own.
    pub(crate) fn as_json(&self) -> &Val {
        &self.json
    }

    fn into_json(self) -> Val {
        self.json
    }
}

/// How deep a value is, where that is within `limit`.
fn depth_within(json: &Val, limit: u32) -> Option<u32> {
    match json {
        Val::Arr(items) => deepest(items.iter(), limit),
        Val::Obj(members) => deepest(members.iter().flat_map(|(key, value)| [key, value]), limit),
        _ => Some(0),
    }
}

fn deepest<'v>(mut parts: impl Iterator<Item = &'v Val>, limit: u32) -> Option<u32> {
    let limit = limit.checked_sub(1)?;
    let part = parts.try_fold(0, |deepest: u32, part| {
        Some(deepest.max(depth_within(part, limit)?))
    })?;
    Some(part + 1)
}

/// An error of jaq's own values as one of ours.
fn raise(error: jaq_json::Error) -> Error<Value> {
    Error::new(Value::parsed(error.into_val(), DEPTH_LIMIT as usize))
}
