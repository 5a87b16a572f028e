//! Strikes over the deaths of a process.

use std::fs;
use std::path::PathBuf;

use fanway_types::{DeliveryId, Direction, MessageId};
use tempfile::TempDir;

use super::record::{Record, SLOT};
use super::{STRIKES_LIMIT, SlotFile};
use crate::evaluator::Witness;

fn delivery(step: u16) -> DeliveryId {
    DeliveryId::first(MessageId::from_bytes([7; 16]), step)
}

struct Process {
    folder: TempDir,
}

impl Process {
    fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a folder"),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("evaluations")
    }

    /// A start after a death: dropping the file does no more than a SIGKILL.
    #[track_caller]
    fn start(&self, expected: &[(u16, u8)]) -> SlotFile {
        let (file, found) = SlotFile::open(&self.path()).expect("it opens");
        let expected: Vec<_> = expected
            .iter()
            .map(|(step, strikes)| (delivery(*step), *strikes))
            .collect();
        assert_eq!(found, expected);
        file
    }
}

#[test]
fn what_ended_leaves_no_trace() {
    let process = Process::new();
    let file = process.start(&[]);
    file.began(0, delivery(1));
    file.began(3, delivery(2));
    file.ended(0);
    file.ended(3);
    process.start(&[]);
}

#[test]
fn what_ran_at_two_deaths_has_two_strikes() {
    let process = Process::new();
    process.start(&[]).began(0, delivery(1));
    process.start(&[(1, 1)]).began(1, delivery(1));
    process.start(&[(1, STRIKES_LIMIT)]);
}

#[test]
fn an_innocent_one_is_cleared_by_its_end() {
    let process = Process::new();
    let file = process.start(&[]);
    file.began(0, delivery(1));
    file.began(1, delivery(2));
    let file = process.start(&[(1, 1), (2, 1)]);
    file.began(0, delivery(1));
    file.ended(0);
    file.began(0, delivery(2));
    process.start(&[(2, 2)]);
}

#[test]
fn strikes_outlast_deaths_that_others_caused() {
    // Two causes that take turns would otherwise clear each other for ever.
    let process = Process::new();
    process.start(&[]).began(0, delivery(1));
    process.start(&[(1, 1)]).began(0, delivery(2));
    process.start(&[(1, 1), (2, 1)]).began(0, delivery(1));
    process.start(&[(1, 2), (2, 1)]);
}

#[test]
fn a_delivery_is_forgotten_when_it_is_given_up() {
    let process = Process::new();
    process.start(&[]).began(0, delivery(1));
    process.start(&[(1, 1)]).forget(delivery(1));
    process.start(&[]);
}

#[test]
fn a_damaged_slot_is_an_empty_one() {
    let process = Process::new();
    let file = process.start(&[]);
    file.began(0, delivery(1));
    file.began(1, delivery(2));
    let mut bytes = fs::read(process.path()).expect("it is there");
    bytes[20] ^= 1;
    bytes.truncate(SLOT * 2 - 1);
    bytes.push(0xff);
    bytes.extend([0xaa; SLOT + 5]);
    fs::write(process.path(), bytes).expect("it can be written");
    process.start(&[]);
}

#[test]
fn a_record_is_read_back_whole() {
    let delivery = DeliveryId {
        item: 70_000,
        run: 300,
        direction: Direction::Undo,
        ..delivery(513)
    };
    let record = Record {
        delivery,
        strikes: 9,
    };
    assert_eq!(Record::read(&record.write()), Some(record));
    assert_eq!(Record::read(&[0; SLOT]), None);
}
