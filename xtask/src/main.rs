//! Chores that are more than one command.

fn main() {}
