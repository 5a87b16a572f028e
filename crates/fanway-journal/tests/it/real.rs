//! On the machine's own filesystem.

use std::sync::Arc;

use fanway_journal::fs::RealFs;
use fanway_journal::open::Error;
use fanway_journal::verify::Outcome;
use fanway_journal::{Params, Stop, open, verify};

use crate::rig::{Ledger, Run, note, params};

#[test]
fn a_journal_is_written_closed_and_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let params = Params {
        dir: folder.path().join("new/journal"),
        ..params()
    };
    let mut ledger = Ledger::default();
    for round in 0..3 {
        let opened = open(params.clone(), Arc::new(RealFs), "test").unwrap();
        assert_eq!(
            opened.recovery().stop,
            if round == 0 { Stop::Never } else { Stop::Clean }
        );
        ledger.take_over(&opened).unwrap();
        let mut run = Run::begin(opened, ledger.position).unwrap();
        for number in 0..10 {
            run.journal.wait_until_prepared();
            run.put(note(round * 10 + number, 1000)).unwrap();
        }
        run.journal.close().unwrap();
    }
    let report = verify(&params.dir, &RealFs).unwrap();
    assert!(matches!(report.verdict, Outcome::Intact), "{report:?}");
    ledger
        .take_over(&open(params, Arc::new(RealFs), "test").unwrap())
        .unwrap();
    assert_eq!(
        ledger.notes,
        (0..30).map(|number| note(number, 1000)).collect::<Vec<_>>()
    );
}

#[test]
fn a_second_lock_is_refused_and_told_who_has_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let params = Params {
        dir: folder.path().to_owned(),
        ..params()
    };
    let first = open(params.clone(), Arc::new(RealFs), "fanway serve").unwrap();
    let Err(Error::Locked { holder, .. }) = open(params.clone(), Arc::new(RealFs), "test") else {
        panic!("it was opened twice")
    };
    assert_eq!(
        holder,
        format!("process {} (fanway serve)", std::process::id())
    );
    drop(first);
    open(params, Arc::new(RealFs), "test").expect("the lock was given back");
}

#[test]
fn a_folder_that_is_not_there_is_not_verified() {
    let folder = tempfile::tempdir().unwrap();
    verify(&folder.path().join("typo"), &RealFs).expect_err("nothing is there");
    assert!(!folder.path().join("typo").exists());
}
