//! A crash, a failure or a full disk at every step of a journal's life.
//!
//! The same story runs again and again: notes over several segments, trimming, a clean stop, a start. What must
//! hold afterwards is always the same: everything that was told as committed is there, in order, and nothing
//! else but a part of what was sent, in whole groups.

use std::io::ErrorKind;
use std::sync::Arc;

use fanway_journal::faulty::{Crash, FaultyFs, Keep, Noticed};
use fanway_journal::{Class, Params, Stop, open};

use crate::rig::{Ledger, Note, Run, note, params};

/// What was sent and what of it was told as committed, over all runs.
#[derive(Clone, Debug, Default)]
struct Story {
    /// In groups.
    sent: Vec<Vec<Note>>,
    committed: usize,
    ledger: Ledger,
}

impl Story {
    /// Lives through it, as far as the filesystem lets it. Returns whether it came to the end.
    fn live(&mut self, fs: &FaultyFs) -> bool {
        [true, false]
            .into_iter()
            .all(|stop| self.run(fs, stop).is_some())
    }

    fn run(&mut self, fs: &FaultyFs, stop: bool) -> Option<()> {
        let opened = open(params(), Arc::new(fs.clone()), "story").ok()?;
        self.ledger.take_over(&opened).expect("nothing is missing");
        self.check();
        let mut run = Run::begin(opened, self.ledger.position).ok()?;
        let told = self.told(&run);
        for round in 0..5 {
            for len in [700, 1400, 30] {
                let number = self.sent.len();
                let (one, two) = (note(number, len), note(1000 + number, 300));
                run.journal.wait_until_prepared();
                if run.put_group(&[&one.0, &two.0]).is_ok() {
                    self.sent.push(vec![one, two]);
                }
                self.committed = told + run.watcher.committed().len();
            }
            if round > 1 {
                self.ledger.post(&run);
                run.journal.trim(self.ledger.position);
            }
        }
        run.send(&[b"outcome"], Class::Outcome).ok()?;
        self.sent.push(vec![Note::new(b"outcome")]);
        let watcher = run.watcher.clone();
        let closed = if stop {
            run.journal.close().is_ok()
        } else {
            run.journal.flush().is_ok()
        };
        self.committed = told + watcher.committed().len();
        closed.then_some(())
    }

    fn told(&self, _run: &Run) -> usize {
        self.ledger.notes.len()
    }

    /// What the ledger has now must be what was sent, up to some group, and no less than what was committed.
    #[track_caller]
    fn check(&mut self) {
        let mut groups = 0;
        let mut notes = 0;
        while notes < self.ledger.notes.len() {
            notes += self
                .sent
                .get(groups)
                .expect("nothing is there that wasn't sent")
                .len();
            groups += 1;
        }
        assert_eq!(notes, self.ledger.notes.len(), "a group is there in part");
        self.sent.truncate(groups);
        let sent: Vec<_> = self.sent.concat();
        assert_eq!(self.ledger.notes, sent);
        assert!(
            notes >= self.committed,
            "{} of {} committed notes are there",
            notes,
            self.committed
        );
    }

    /// Starts after a crash and takes over what is there; then everything must work as ever.
    #[track_caller]
    fn recover(&self, fs: &FaultyFs, why: &str) {
        let mut story = self.clone();
        let opened = match open(params(), Arc::new(fs.clone()), "story") {
            Ok(opened) => opened,
            Err(error) => panic!("{why}: {error}"),
        };
        story
            .ledger
            .take_over(&opened)
            .unwrap_or_else(|missing| panic!("{why}: {missing}"));
        story.check();
        let mut run = Run::begin(opened, story.ledger.position)
            .unwrap_or_else(|error| panic!("{why}: {error}"));
        run.put(b"as ever").unwrap();
        run.journal.close().unwrap();
        let opened = open(params(), Arc::new(fs.clone()), "story").unwrap();
        assert_eq!(opened.recovery().stop, Stop::Clean, "{why}");
        let last = opened
            .records(story.ledger.position)
            .unwrap()
            .last()
            .unwrap()
            .unwrap()
            .1;
        assert_eq!(last, b"as ever", "{why}");
    }

    #[track_caller]
    fn recover_from_all(&self, fs: &FaultyFs, why: &str) {
        let sectors = |size, seed| Crash::Sectors {
            size,
            keep: Keep::Seed(seed),
        };
        for how in [
            Crash::LoseUnsynced,
            Crash::KeepAll,
            Crash::Killed,
            Crash::TornWrite(100),
            sectors(512, 1),
            sectors(512, 2),
            sectors(4096, 3),
            sectors(4096, 4),
        ] {
            self.recover(&fs.crash(&how), &format!("{why}, {how:?}"));
        }
    }
}

/// The steps that the story takes; a few more or less from run to run, since two threads take them.
fn steps() -> u64 {
    let fs = FaultyFs::new();
    let mut story = Story::default();
    assert!(story.live(&fs), "nothing goes wrong by itself");
    assert_eq!(
        story.committed,
        story.sent.iter().map(Vec::len).sum::<usize>()
    );
    fs.steps()
}

#[test]
fn a_crash_at_any_step_loses_nothing_that_was_told_as_committed() {
    for step in 0..=steps() {
        let fs = FaultyFs::new();
        fs.freeze_after(step);
        let mut story = Story::default();
        story.live(&fs);
        story.recover_from_all(&fs, &format!("crash after step {step}"));
    }
}

/// Here the names matter: which of them outlive a crash within a start is tried in many ways.
#[test]
fn a_crash_at_any_step_of_a_start_leaves_a_journal_that_starts() {
    for clean in [true, false] {
        let lived = FaultyFs::new();
        let mut story = Story::default();
        story
            .run(&lived, clean)
            .expect("nothing goes wrong by itself");
        for step in 0..16 {
            let fs = lived.crash(&Crash::KeepAll);
            fs.freeze_after(step);
            let mut story = story.clone();
            story.run(&fs, clean);
            for seed in 0..16 {
                let how = Crash::Sectors {
                    size: 4096,
                    keep: Keep::Seed(seed),
                };
                story.recover(
                    &fs.crash(&how),
                    &format!("crash after step {step}, {how:?}"),
                );
            }
        }
    }
}

#[test]
fn a_failure_at_any_step_loses_nothing_that_was_told_as_committed() {
    for step in 1..=steps() {
        let fs = FaultyFs::new();
        fs.fail_step(step, ErrorKind::Other);
        let mut story = Story::default();
        story.live(&fs);
        story.recover_from_all(&fs, &format!("failure of step {step}"));
    }
}

#[test]
fn a_disk_full_at_any_size_loses_nothing_that_was_told_as_committed() {
    let most = {
        let fs = FaultyFs::new();
        Story::default().live(&fs);
        fs.used()
    };
    for noticed in [Noticed::OnWrite, Noticed::OnSync] {
        for capacity in (0..=most + 8192).step_by(1000) {
            let fs = FaultyFs::new();
            fs.set_capacity(Some(capacity), noticed);
            let mut story = Story::default();
            story.live(&fs);
            let after = fs.crash(&Crash::LoseUnsynced);
            after.set_capacity(None, noticed);
            story.recover(&after, &format!("{capacity} bytes, {noticed:?}"));
        }
    }
}

#[test]
fn a_full_disk_does_not_keep_a_journal_from_starting_that_has_segments() {
    let fs = FaultyFs::new();
    let params = Params {
        spares: 1,
        ..params()
    };
    let mut run = Run::start(&fs, params.clone());
    for number in 0..9 {
        run.journal.wait_until_prepared();
        run.put(note(number, 1000)).unwrap();
    }
    fs.set_capacity(Some(fs.used()), Noticed::OnWrite);
    drop(run);
    for _ in 0..5 {
        let mut run = Run::start(&fs, params.clone());
        run.put(b"it goes on").unwrap();
    }
}
