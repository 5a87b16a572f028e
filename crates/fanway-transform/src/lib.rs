//! jq programs and templates, compiled once, run within bounds.
//!
//! A route's plan is compiled to a [`plan::CompiledPlan`] when the config is read. At each attempt
//! a step of it is shaped from the stored message into what is sent: by [`shape`] itself where no
//! expression has to be evaluated, otherwise on the threads of an [`evaluator::Evaluator`].
//!
//! Whether an answer is a success is told by a [`Predicate`] over its body, on the same threads.
//!
//! An evaluation is bounded in time, stack, output, and in the size and depth of each value it
//! makes (`meter`, `value`). It gives the same for each attempt of a delivery, since what could make
//! two attempts differ is refused when it is compiled (`builtins`).
//!
//! Two things aren't bounded. The sum of an evaluation's values: it can hold what it can make
//! before its deadline. And the inside of one native function, where neither clock nor memory is
//! looked at: a regular expression that comes from the data, such as `(a{1000}){1000}`, can take
//! both. `evaluator` keeps such an evaluation from holding up others, and `slots` from taking the
//! process down again and again.

mod builtins;
pub mod evaluator;
mod format;
mod functions;
pub mod json;
mod meter;
mod order;
pub mod plan;
mod predicate;
mod program;
mod shape;
pub mod slots;
mod template;
mod value;

pub use order::{OrderError, order_values};
pub use predicate::{Predicate, PredicateError};
pub use program::{CompileError, Program};
pub use shape::{Limits, ShapeError, Shaped, Shaping, shape};
pub use template::{Landing, Template};
