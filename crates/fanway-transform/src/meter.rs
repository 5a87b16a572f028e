//! What stops an evaluation: time, stack, and values that grow too large or too deep.
//!
//! jaq has no fuel of its own. But each step of its interpreter asks the evaluation's data for the
//! program (`HasLut::lut`), so that is where time and stack are looked at: it covers endless
//! recursion, endless loops that give nothing, and recursion that would overflow the stack. What
//! is found is thrown as an unwinding, which no `try` in a program can catch, and caught again by
//! [`contain`]. Not covered is the inside of one native function, such as a regular expression
//! over megabytes; against that there is the `Evaluator`, which leaves such a thread behind.

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use fanway_types::ByteCount;
use jaq_core::data::HasLut;
use jaq_core::{DataT, Lut};

use crate::value::Value;

/// How many steps are made between two looks at the clock.
const STEPS_PER_LOOK: u32 = 64;

/// Why an evaluation was stopped from within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Its time is up.
    Deadline,
    /// It needs more stack than it may use.
    Recursion,
    /// A value became too large.
    ValueTooLarge,
    /// A value became nested too deep.
    ValueTooDeep,
}

impl Stop {
    /// Ends the evaluation. Not a panic: the panic hook isn't called, nothing is printed.
    pub(crate) fn throw(self) -> ! {
        resume_unwind(Box::new(self))
    }
}

/// How an evaluation ended early.
#[derive(Debug)]
pub(crate) enum Interrupted {
    /// By a bound.
    Stopped(Stop),
    /// By a panic, with its message.
    Panicked(String),
}

/// Runs `evaluate` and catches what is thrown out of it. Everything it changes must be its own.
pub(crate) fn contain<T>(evaluate: impl FnOnce() -> T) -> Result<T, Interrupted> {
    catch_unwind(AssertUnwindSafe(evaluate)).map_err(|thrown| match thrown.downcast::<Stop>() {
        Ok(stop) => Interrupted::Stopped(*stop),
        Err(panic) => Interrupted::Panicked(message_of(panic.as_ref())),
    })
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let owned = || panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(owned).unwrap_or("no message").to_owned()
}

/// Watches one shaping on one thread.
#[derive(Debug)]
pub(crate) struct Meter {
    /// When the first step was made: most steps have no expressions, and need no clock.
    started: OnceCell<Instant>,
    deadline: Duration,
    /// Where the stack was when the shaping began.
    base: usize,
    stack: usize,
    steps: Cell<u32>,
}

impl Meter {
    /// A clock that starts with the first step; `stack` is what may be used from the caller's frame on.
    pub(crate) fn start(deadline: Duration, stack: ByteCount) -> Self {
        Self {
            started: OnceCell::new(),
            deadline,
            base: stack_address(),
            stack: stack.as_usize(),
            steps: Cell::new(0),
        }
    }

    fn step(&self) {
        if self.base.abs_diff(stack_address()) > self.stack {
            Stop::Recursion.throw();
        }
        let steps = self.steps.get().wrapping_add(1);
        self.steps.set(steps);
        if steps == 1 || steps.is_multiple_of(STEPS_PER_LOOK) {
            self.look();
        }
    }

    /// Looks at the clock, which the first look starts, and throws where the time is up.
    pub(crate) fn look(&self) {
        if self.started.get_or_init(Instant::now).elapsed() >= self.deadline {
            Stop::Deadline.throw();
        }
    }
}

/// The address of something on the stack: how far the stack has grown, to a few bytes.
#[inline(never)]
fn stack_address() -> usize {
    let here = 0u8;
    std::ptr::from_ref(black_box(&here)).addr()
}

/// Tells jaq which values and which data an evaluation has.
#[derive(Debug)]
pub(crate) struct Jq;

impl DataT for Jq {
    type V<'a> = Value;
    type Data<'a> = Data<'a>;
}

/// What jaq passes along through an evaluation.
#[derive(Clone, Copy)]
pub(crate) struct Data<'a> {
    pub(crate) lut: &'a Lut<Jq>,
    pub(crate) meter: &'a Meter,
}

impl<'a> HasLut<'a, Jq> for Data<'a> {
    fn lut(&self) -> &'a Lut<Jq> {
        self.meter.step();
        self.lut
    }
}
