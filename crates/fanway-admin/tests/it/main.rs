//! The admin API over real sockets, above the store in memory.

mod dead;
mod doors;
mod figures;
mod served;
