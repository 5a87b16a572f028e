//! The built binary, as a person or a script runs it.

mod asking;
mod checking;
mod clients;
mod encrypting;
mod explaining;
mod following;
mod operating;
mod packaging;
mod program;
mod serving;
mod starting;
mod supervision;
