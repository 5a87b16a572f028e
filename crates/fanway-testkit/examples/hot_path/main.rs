//! The hot path, gone so many times and nothing else, for tools that count what it takes.
//!
//! `cargo run --profile counted -p fanway-testkit --example hot_path -- accept|deliver|keep COUNT`
//!
//! Input is the same in each run, one thing is in progress at a time, and no thread's work depends
//! on how fast another one is. So what a run takes beyond a shorter one is what the difference of
//! their counts takes: `xtask/tests/instructions.rs` holds that to a bound. It prints nothing, and
//! fails where something else happened than the hot path.
//!
//! - `accept` – from a request's bytes to the 202; the store is one in memory
//! - `deliver` – from a lane's store, in memory, to a target's answer and the outcome
//! - `keep` – what the local store does for a message and its one delivery, posting included

mod accept;
mod deliver;
mod keep;

use std::error::Error;

use fanway_types::Timestamp;
use mimalloc::MiMalloc;

/// What the binary allocates with.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The body of each message: 1 KiB.
const BODY: [u8; 1024] = [b'x'; 1024];
/// What draws at random draws the same each time.
const SEED: u64 = 7;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [way, count] = arguments.as_slice() else {
        return Err("which way, and how many times?".into());
    };
    let count = count.parse()?;
    match way.as_str() {
        "accept" => accept::run(count),
        "deliver" => deliver::run(count),
        "keep" => keep::run(count),
        _ => Err("accept, deliver or keep?".into()),
    }
}

/// When all of it happens.
fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}
