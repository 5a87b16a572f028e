//! Anything a caller and the world may do, in any order, against a model in memory.

use std::sync::Arc;

use fanway_journal::faulty::{Crash, FaultyFs, Keep};
use fanway_journal::{Class, Params, open};
use proptest::prelude::*;

use crate::rig::{Ledger, Note, Run, note, params};

#[derive(Clone, Debug)]
enum Deed {
    Group {
        notes: usize,
        len: usize,
        outcome: bool,
    },
    Wait,
    Flush,
    Trim,
    Close,
    Drop,
    Crash(Crash),
    /// After so many further steps.
    CrashLater(u64, Crash),
}

fn crash() -> impl Strategy<Value = Crash> {
    prop_oneof![
        Just(Crash::LoseUnsynced),
        Just(Crash::KeepAll),
        Just(Crash::Killed),
        (0..5000_usize).prop_map(Crash::TornWrite),
        any::<u64>().prop_map(|seed| Crash::Sectors {
            size: 512,
            keep: Keep::Seed(seed)
        }),
        any::<u64>().prop_map(|seed| Crash::Sectors {
            size: 4096,
            keep: Keep::Seed(seed)
        }),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        10 => (1..4_usize, 0..1300_usize, any::<bool>())
            .prop_map(|(notes, len, outcome)| Deed::Group { notes, len, outcome }),
        3 => Just(Deed::Wait),
        1 => Just(Deed::Flush),
        3 => Just(Deed::Trim),
        1 => Just(Deed::Close),
        1 => Just(Deed::Drop),
        1 => crash().prop_map(Deed::Crash),
        1 => (0..40_u64, crash()).prop_map(|(steps, crash)| Deed::CrashLater(steps, crash)),
    ]
}

/// The model: what was sent, in groups, and what the ledger has of it.
struct World {
    fs: FaultyFs,
    run: Option<Run>,
    crash: Option<Crash>,
    sent: Vec<Vec<Note>>,
    /// Notes that earlier runs had when this one began.
    before: usize,
    ledger: Ledger,
}

impl World {
    fn new() -> Self {
        let fs = FaultyFs::new();
        let mut world = Self {
            fs,
            run: None,
            crash: None,
            sent: Vec::new(),
            before: 0,
            ledger: Ledger::default(),
        };
        world.start();
        world
    }

    fn start(&mut self) {
        let params = Params {
            spares: 4,
            ..params()
        };
        let opened = open(params, Arc::new(self.fs.clone()), "model").expect("opens");
        self.ledger.take_over(&opened).expect("nothing is missing");
        let mut rest = &self.ledger.notes[..];
        let mut groups = 0;
        while !rest.is_empty() {
            let group = &self.sent[groups];
            assert_eq!(
                &rest[..group.len()],
                group,
                "a group is there whole and in its place"
            );
            rest = &rest[group.len()..];
            groups += 1;
        }
        self.sent.truncate(groups);
        self.before = self.ledger.notes.len();
        self.run = Some(Run::begin(opened, self.ledger.position).expect("starts"));
    }

    fn run(&mut self) -> &mut Run {
        self.run.as_mut().expect("it runs")
    }

    fn group(&mut self, notes: usize, len: usize, outcome: bool) {
        let first = self.sent.concat().len();
        let notes: Vec<Note> = (0..notes).map(|number| note(first + number, len)).collect();
        let class = if outcome {
            Class::Outcome
        } else {
            Class::Message
        };
        let slices: Vec<&[u8]> = notes.iter().map(AsRef::as_ref).collect();
        self.run().journal.wait_until_prepared();
        if self.run().send(&slices, class).is_ok() {
            self.sent.push(notes);
        }
    }

    /// Ends the run, and says how much was told as committed.
    fn end(&mut self, end: impl FnOnce(Run)) -> usize {
        let run = self.run.take().expect("it runs");
        let watcher = run.watcher.clone();
        end(run);
        self.before + watcher.committed().len()
    }

    fn crash(&mut self, how: &Crash) {
        // First the disk stops, then the process: what it still tells as committed must be there.
        let fs = self.fs.crash(how);
        let committed = self.end(drop);
        self.fs = fs;
        self.start();
        assert!(
            self.before >= committed,
            "{} of {committed} are there after {how:?}",
            self.before
        );
    }

    fn orderly(&mut self, end: impl FnOnce(Run)) {
        let committed = self.end(end);
        match self.crash.take() {
            None => self.start(),
            Some(how) => {
                self.fs = self.fs.crash(&how);
                self.start();
            }
        }
        assert!(
            self.before >= committed,
            "{} of {committed} are there",
            self.before
        );
    }

    fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Group {
                notes,
                len,
                outcome,
            } => self.group(notes, len, outcome),
            Deed::Wait => self.run().journal.wait_until_prepared(),
            Deed::Flush => {
                let flushed = self.run().journal.flush().is_ok();
                let run = self.run();
                assert!(
                    !flushed || run.watcher.committed().len() == run.sent.len(),
                    "flushed is committed"
                );
            }
            Deed::Trim => {
                let run = self.run.as_ref().expect("it runs");
                self.ledger.post(run);
                run.journal.trim(self.ledger.position);
            }
            Deed::Close => self.orderly(|run| drop(run.journal.close())),
            Deed::Drop => self.orderly(drop),
            Deed::Crash(how) => {
                self.crash = None;
                self.crash(&how);
            }
            Deed::CrashLater(steps, how) => {
                self.fs.freeze_after(self.fs.steps() + steps);
                self.crash = Some(how);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_committed_note_is_there_and_nothing_that_was_not_sent(deeds in prop::collection::vec(deed(), 1..60)) {
        let mut world = World::new();
        for deed in deeds {
            world.act(deed);
        }
        world.orderly(|run| drop(run.journal.close()));
    }
}
