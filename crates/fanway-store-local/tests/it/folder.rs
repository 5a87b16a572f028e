//! A data folder for a test: the ledger in a real temporary folder, the journal on whatever file
//! system the test wants.

use std::io::ErrorKind;
use std::sync::Arc;

use fanway_journal::faulty::{Crash, FaultyFs, Hold, Op};
use fanway_journal::fs::{Fs, RealFs};
use fanway_store_local::{
    Clock, Encryption, Keep, LocalStore, OpenError, Params, Report, Syncing, Tuning, Turns, check,
    ledger_path,
};
use fanway_types::{ByteCount, MemoryBudget, SecretKey, Timestamp};
use tempfile::TempDir;

/// A data folder.
pub(crate) struct Folder {
    dir: TempDir,
    /// The journal's file system, where it isn't the machine's.
    pub(crate) faulty: Option<FaultyFs>,
    pub(crate) segment: ByteCount,
    pub(crate) sync: Syncing,
    pub(crate) max: Option<ByteCount>,
    pub(crate) keep: Keep,
    pub(crate) encrypt: Encryption,
    pub(crate) clock: Clock,
    pub(crate) tuning: Tuning,
}

impl Folder {
    /// A new folder with the journal on the machine's file system.
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("the system gives temporary folders"),
            faulty: None,
            segment: ByteCount::kib(64),
            sync: Syncing::Always,
            max: None,
            keep: Keep::default(),
            encrypt: Encryption::default(),
            clock: Arc::new(|| Timestamp::from_millis(1_700_000_000_000)),
            tuning: Tuning::default(),
        }
    }

    /// A new folder with the journal on a file system that breaks on demand.
    pub(crate) fn faulty() -> Self {
        Self {
            faulty: Some(FaultyFs::new()),
            ..Self::new()
        }
    }

    /// The same with what messages have in them sealed.
    pub(crate) fn sealed(self) -> Self {
        Self {
            encrypt: Encryption {
                seals: Some(SecretKey::new([7; SecretKey::SIZE])),
                opens: Vec::new(),
            },
            ..self
        }
    }

    pub(crate) fn fs(&self) -> &FaultyFs {
        self.faulty.as_ref().expect("the test has a faulty journal")
    }

    /// Holds up the journal's preparer until what is returned is dropped: the journal has one
    /// segment, and nobody but its committer writes or syncs. To be asked for before it is opened.
    pub(crate) fn hold_preparer(&self) -> Hold {
        self.fs().hold(Op::Create, &format!("filling-{:016x}", 1))
    }

    pub(crate) fn open(&self) -> LocalStore {
        self.try_open().expect("the folder is sound")
    }

    pub(crate) fn try_open(&self) -> Result<LocalStore, OpenError> {
        let fs: Arc<dyn Fs> = match &self.faulty {
            Some(faulty) => Arc::new(faulty.clone()),
            None => Arc::new(RealFs),
        };
        let params = Params {
            path: self.dir.path().join("data"),
            sync: self.sync,
            segment: self.segment,
            max: self.max,
            keep: self.keep.clone(),
            encrypt: self.encrypt.clone(),
            budget: MemoryBudget::new(ByteCount::mib(64)),
            clock: Arc::clone(&self.clock),
            fs,
            owner: "a test".to_owned(),
            turns: Turns::default(),
        };
        LocalStore::open_with(params, self.tuning.clone())
    }

    /// The machine loses its power, and what wasn't synced is gone.
    pub(crate) fn crash(&mut self, how: &Crash) {
        if let Some(faulty) = &mut self.faulty {
            *faulty = faulty.crash(how);
        }
    }

    /// What is wrong with the ledger is a failure of the test.
    #[track_caller]
    pub(crate) fn check_ledger(&self) -> Report {
        let report = check(&ledger_path(&self.path())).expect("the ledger can be read");
        assert_eq!(report.problems, Vec::<String>::new());
        report
    }

    /// Removes the ledger: what the journal holds is all that there is.
    pub(crate) fn remove_ledger(&self) {
        let ledger = ledger_path(&self.path());
        for suffix in ["", "-wal", "-shm"] {
            let mut file = ledger.clone().into_os_string();
            file.push(suffix);
            match std::fs::remove_file(file) {
                Err(error) if error.kind() != ErrorKind::NotFound => panic!("{error}"),
                Ok(()) | Err(_) => {}
            }
        }
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }
}
