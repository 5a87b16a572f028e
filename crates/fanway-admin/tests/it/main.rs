//! The admin API over real sockets, above the store in memory.

mod contract;
mod dead;
mod describing;
mod doors;
mod fakes;
mod figures;
mod messages;
mod redrives;
mod served;
mod steering;
