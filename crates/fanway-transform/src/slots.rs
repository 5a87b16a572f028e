//! A file that says which evaluations are running, for the process that comes after this one.
//!
//! An evaluation that takes the process down (a stack overflow in native code, memory) would do so
//! again after each restart. So each is noted here while it runs, and one that was running at
//! [`STRIKES_LIMIT`] deaths is to be given up. One death isn't enough: a `kill -9` at the wrong moment
//! would cost an innocent delivery.
//!
//! The file is a row of slots of 64 bytes, little endian: the letters `FWEV` (4), strikes (1),
//! direction (1), step (2), item (4), run (2), two zero bytes, the message's id (16), 28 zero
//! bytes, CRC32C of all before (4). The first 1,024 slots are for threads, those after it for
//! deliveries with strikes. A slot with anything else in it is empty. Nothing is synced: the file is
//! against the death of the process, not of the machine, and what it lost would cost one more strike.

mod record;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fanway_types::DeliveryId;

use crate::evaluator::Witness;
use record::{Record, SLOT};

/// The deaths of the process after which an evaluation that was running at each is given up.
pub const STRIKES_LIMIT: u8 = 2;

/// Slots for threads; an evaluation on a thread beyond them goes unnoted.
const THREADS: usize = 1024;

/// The file, open. A write that fails is passed over: the file guards deliveries, it doesn't carry them.
#[derive(Debug)]
pub struct SlotFile {
    file: File,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: BTreeMap<usize, DeliveryId>,
    struck: BTreeMap<DeliveryId, Struck>,
}

#[derive(Clone, Copy, Debug)]
struct Struck {
    place: usize,
    strikes: u8,
}

impl SlotFile {
    /// Opens the file, or makes it; also returns the deliveries whose evaluations were running when
    /// the process died, with how often. One with [`STRIKES_LIMIT`] or more is to be given up, and
    /// then [forgotten](Self::forget); others may be tried again.
    ///
    /// # Errors
    /// Where the file can't be opened, read or written.
    pub fn open(path: &Path) -> io::Result<(Self, Vec<(DeliveryId, u8)>)> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let slots = read_slots(&file)?;
        let mut state = State::default();
        for (place, record) in slots.iter().filter(|(place, _)| *place >= THREADS) {
            state.struck.insert(
                record.delivery,
                Struck {
                    place: *place,
                    strikes: record.strikes,
                },
            );
        }
        let running: Vec<_> = slots.iter().filter(|(place, _)| *place < THREADS).collect();
        for (_, record) in &running {
            state.strike(*record);
        }
        for (delivery, struck) in &state.struck {
            write_slot(
                &file,
                struck.place,
                Some(Record {
                    delivery: *delivery,
                    strikes: struck.strikes,
                }),
            )?;
        }
        for (place, _) in &running {
            write_slot(&file, *place, None)?;
        }
        let found = state
            .struck
            .iter()
            .map(|(delivery, struck)| (*delivery, struck.strikes))
            .collect();
        Ok((
            Self {
                file,
                state: Mutex::new(state),
            },
            found,
        ))
    }

    /// Strikes out what is known of a delivery: it has ended.
    pub fn forget(&self, delivery: DeliveryId) {
        let struck = self.state().struck.remove(&delivery);
        if let Some(struck) = struck {
            let _unwritten = write_slot(&self.file, struck.place, None);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn strike(&mut self, record: Record) {
        let strikes = record.strikes.saturating_add(1);
        if let Some(struck) = self.struck.get_mut(&record.delivery) {
            struck.strikes = struck.strikes.max(strikes);
            return;
        }
        let taken = |place: &usize| self.struck.values().any(|struck| struck.place == *place);
        let place = (THREADS..)
            .find(|place| !taken(place))
            .expect("there are fewer deliveries than numbers");
        self.struck
            .insert(record.delivery, Struck { place, strikes });
    }
}

impl Witness for SlotFile {
    fn began(&self, slot: usize, delivery: DeliveryId) {
        if slot >= THREADS {
            return;
        }
        let strikes = {
            let mut state = self.state();
            state.running.insert(slot, delivery);
            state
                .struck
                .get(&delivery)
                .map_or(0, |struck| struck.strikes)
        };
        let _unwritten = write_slot(&self.file, slot, Some(Record { delivery, strikes }));
    }

    /// An evaluation that comes to an end is innocent: its strikes go too.
    fn ended(&self, slot: usize) {
        let delivery = self.state().running.remove(&slot);
        let Some(delivery) = delivery else { return };
        let _unwritten = write_slot(&self.file, slot, None);
        self.forget(delivery);
    }
}

fn read_slots(file: &File) -> io::Result<Vec<(usize, Record)>> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut slots = Vec::new();
    for place in 0..length / SLOT {
        let mut bytes = [0; SLOT];
        file.read_exact_at(&mut bytes, offset(place))?;
        slots.extend(Record::read(&bytes).map(|record| (place, record)));
    }
    Ok(slots)
}

fn write_slot(file: &File, place: usize, record: Option<Record>) -> io::Result<()> {
    file.write_all_at(&record.map_or([0; SLOT], Record::write), offset(place))
}

fn offset(place: usize) -> u64 {
    (place * SLOT) as u64
}

#[cfg(test)]
mod tests;
