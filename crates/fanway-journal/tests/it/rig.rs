//! A journal on the faulty filesystem, an observer that remembers, and a ledger that takes over.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use fanway_journal::faulty::FaultyFs;
use fanway_journal::{
    Class, Committed, Entry, Journal, Missing, Observer, Opened, Params, Poison, Position,
    Rejected, open, start,
};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Where the journal of every test is.
pub(crate) fn dir() -> &'static Path {
    Path::new("/journal")
}

/// Small segments, and nothing that happens by itself.
pub(crate) fn params() -> Params {
    Params {
        segment_size: 8192,
        reserve: 0,
        linger: Duration::ZERO,
        tick: HOUR,
        retry: HOUR,
        ..Params::new(dir())
    }
}

/// An entry: its bytes. It shows itself in short.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Note(pub(crate) Vec<u8>);

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begin = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        write!(
            f,
            "{} ({} bytes)",
            String::from_utf8_lossy(begin),
            self.0.len()
        )
    }
}

impl AsRef<[u8]> for Note {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Note {
    fn eq(&self, other: &&[u8; N]) -> bool {
        self.0 == *other
    }
}

impl Note {
    pub(crate) fn new(bytes: impl AsRef<[u8]>) -> Self {
        Self(bytes.as_ref().to_vec())
    }
}

impl Entry for Note {
    fn size(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

/// What an observer was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) batches: Vec<Vec<(Position, Note)>>,
    pub(crate) failed: Vec<Note>,
}

impl Told {
    pub(crate) fn committed(&self) -> Vec<Note> {
        self.batches
            .iter()
            .flatten()
            .map(|(_, note)| note.clone())
            .collect()
    }

    pub(crate) fn end(&self) -> Option<Position> {
        self.batches
            .iter()
            .flatten()
            .map(|(position, _)| *position)
            .next_back()
    }

    fn count(&self) -> usize {
        self.failed.len() + self.batches.iter().map(Vec::len).sum::<usize>()
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Watcher {
    shared: Arc<(Mutex<Told>, Condvar)>,
}

impl Watcher {
    /// Waits until so many entries were told, committed or failed.
    pub(crate) fn wait(&self, count: usize) {
        let mut told = self.shared.0.lock().unwrap();
        while told.count() < count {
            told = self.shared.1.wait(told).unwrap();
        }
    }

    pub(crate) fn told<T>(&self, look: impl FnOnce(&Told) -> T) -> T {
        look(&self.shared.0.lock().unwrap())
    }

    pub(crate) fn committed(&self) -> Vec<Note> {
        self.told(Told::committed)
    }

    fn note(&self, note: impl FnOnce(&mut Told)) {
        note(&mut self.shared.0.lock().unwrap());
        self.shared.1.notify_all();
    }
}

impl Observer<Note> for Watcher {
    fn committed(&mut self, batch: Committed<Note>) {
        let batch = batch.into_iter().collect();
        self.note(|told| told.batches.push(batch));
    }

    fn failed(&mut self, entries: Vec<Note>, _cause: &Poison) {
        self.note(|told| told.failed.extend(entries));
    }
}

/// A journal that runs, with all that was sent to it in this run.
pub(crate) struct Run {
    pub(crate) journal: Journal<Note>,
    pub(crate) watcher: Watcher,
    pub(crate) sent: Vec<Note>,
}

impl Run {
    pub(crate) fn start(fs: &FaultyFs, params: Params) -> Self {
        let opened = open(params, Arc::new(fs.clone()), "test").expect("opens");
        let end = opened.recovery().end;
        Self::begin(opened, end).expect("starts")
    }

    pub(crate) fn begin(opened: Opened, taken_over: Position) -> Result<Self, start::Error> {
        let watcher = Watcher::default();
        let journal = opened.start(taken_over, watcher.clone())?;
        Ok(Self {
            journal,
            watcher,
            sent: Vec::new(),
        })
    }

    /// Appends a group without waiting for what becomes of it.
    pub(crate) fn send(&mut self, notes: &[&[u8]], class: Class) -> Result<(), Rejected> {
        self.journal
            .append_group(notes.iter().map(Note::new).collect(), class)?;
        self.sent.extend(notes.iter().map(Note::new));
        Ok(())
    }

    /// Appends a message and waits until it is told, committed or failed.
    pub(crate) fn put(&mut self, note: impl AsRef<[u8]>) -> Result<(), Rejected> {
        self.put_group(&[note.as_ref()])
    }

    pub(crate) fn put_group(&mut self, notes: &[&[u8]]) -> Result<(), Rejected> {
        self.send(notes, Class::Message)?;
        self.watcher.wait(self.sent.len());
        Ok(())
    }

    pub(crate) fn end(&self) -> Position {
        self.journal.committed()
    }
}

/// What keeps all that was recovered or committed, outside of the journal and never lost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) notes: Vec<Note>,
    pub(crate) position: Position,
}

impl Ledger {
    /// Takes over what was recovered. Panics when a record can't be read or a position doesn't grow.
    pub(crate) fn take_over(&mut self, opened: &Opened) -> Result<(), Missing> {
        for record in opened.records(self.position)? {
            let (position, note) = record.expect("what was recovered reads");
            assert!(position > self.position, "positions grow");
            self.position = position;
            self.notes.push(Note(note));
        }
        self.position = self.position.max(opened.recovery().end);
        Ok(())
    }

    /// Posts what has been committed in this run.
    pub(crate) fn post(&mut self, run: &Run) {
        run.watcher.told(|told| {
            for (position, note) in told.batches.iter().flatten() {
                if *position > self.position {
                    self.position = *position;
                    self.notes.push(note.clone());
                }
            }
        });
    }
}

pub(crate) fn opened(fs: &FaultyFs) -> Result<Opened, open::Error> {
    open(params(), Arc::new(fs.clone()), "test")
}

/// All that a start recovers.
#[track_caller]
pub(crate) fn recovered(fs: &FaultyFs) -> Vec<Note> {
    let opened = opened(fs).expect("opens");
    let mut ledger = Ledger::default();
    ledger.take_over(&opened).expect("nothing is missing");
    ledger.notes
}

/// The journal's segments, oldest first.
pub(crate) fn segments(fs: &FaultyFs) -> Vec<PathBuf> {
    named(fs, "segment-")
}

/// Files whose names begin so.
pub(crate) fn named(fs: &FaultyFs, prefix: &str) -> Vec<PathBuf> {
    let begins = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    };
    fs.paths().into_iter().filter(begins).collect()
}

/// A note of that many bytes, different for each number, which has the beginning of a batch in it.
pub(crate) fn note(number: usize, len: usize) -> Note {
    let mut bytes = format!("note {number}\u{0}").into_bytes();
    bytes.extend_from_slice(b"\xF5FWBatc\x0A\x48\x00");
    bytes.resize(len, u8::try_from(number % 251).unwrap());
    Note(bytes)
}
