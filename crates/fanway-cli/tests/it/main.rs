//! The built binary, as a person or a script runs it.

mod asking;
mod checking;
mod program;
mod serving;
