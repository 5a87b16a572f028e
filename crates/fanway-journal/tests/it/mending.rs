//! Verifying, and repairing what is damaged.

use std::path::PathBuf;

use fanway_journal::faulty::{Crash, FaultyFs};
use fanway_journal::verify::Outcome;
use fanway_journal::{Class, Position, Stop, repair, verify};

use crate::rig::{Note, Run, dir, named, note, opened, params, segments};

const BLOCK: usize = 4096;
const BATCH: usize = 1080;

/// Twelve batches of one note of 1000 bytes, three to a segment.
fn journal(clean: bool) -> FaultyFs {
    let fs = FaultyFs::new();
    let mut run = Run::start(&fs, params());
    for number in 0..12 {
        run.journal.wait_until_prepared();
        run.put(note(number, 1000)).unwrap();
    }
    run.journal.wait_until_prepared();
    if clean {
        run.journal.close().unwrap();
    }
    fs.crash(&Crash::LoseUnsynced)
}

fn all() -> Vec<usize> {
    (0..12).collect()
}

fn without(gone: &[usize]) -> Vec<usize> {
    all()
        .into_iter()
        .filter(|number| !gone.contains(number))
        .collect()
}

/// Damages a journal, repairs it, and checks that exactly the expected notes are left, at their positions.
#[track_caller]
fn check(fs: &FaultyFs, expected: &[usize]) -> FaultyFs {
    let before = segments_and_side_files(fs);
    let report = verify(dir(), fs).unwrap();
    assert!(matches!(report.verdict, Outcome::Refused(_)), "{report:?}");
    assert!(!report.damage.is_empty());
    assert_eq!(
        segments_and_side_files(fs),
        before,
        "verifying changes nothing"
    );
    check_repaired(fs, expected)
}

#[track_caller]
fn check_repaired(fs: &FaultyFs, expected: &[usize]) -> FaultyFs {
    let repaired = repair(dir(), fs).unwrap();
    assert!(
        !matches!(repaired.after.verdict, Outcome::Refused(_)),
        "{repaired:?}"
    );
    for mended in &repaired.mended {
        assert!(
            mended
                .side_file
                .as_ref()
                .is_none_or(|file| fs.contents(file).is_some()),
            "{mended:?}"
        );
    }
    let fs = fs.crash(&Crash::LoseUnsynced);
    let again = repair(dir(), &fs).unwrap();
    assert!(again.mended.is_empty(), "{again:?}");
    let opened = opened(&fs).expect("opens");
    let start = opened.recovery().start.unwrap_or(Position::ZERO);
    let left: Vec<_> = opened
        .records(start)
        .unwrap()
        .map(|record| record.unwrap())
        .collect();
    let notes: Vec<_> = left.iter().map(|(_, bytes)| Note(bytes.clone())).collect();
    assert_eq!(
        notes,
        expected
            .iter()
            .map(|number| note(*number, 1000))
            .collect::<Vec<_>>()
    );
    for ((position, _), number) in left.iter().zip(expected) {
        assert_eq!(
            position.0,
            u64::try_from(number / 3 * BLOCK + (number % 3 + 1) * BATCH).unwrap(),
            "its position"
        );
    }
    drop(opened);
    fs
}

fn segments_and_side_files(fs: &FaultyFs) -> Vec<(PathBuf, Vec<u8>)> {
    fs.paths()
        .into_iter()
        .map(|path| (path.clone(), fs.contents(&path).unwrap()))
        .collect()
}

/// The byte of a segment's file where its batch of that number begins.
fn batch(number: usize) -> usize {
    BLOCK + number * BATCH
}

#[test]
fn an_intact_journal_verifies_and_is_left_as_it_is() {
    for clean in [true, false] {
        let fs = journal(clean);
        let before = segments_and_side_files(&fs);
        let report = verify(dir(), &fs).unwrap();
        assert!(matches!(report.verdict, Outcome::Intact), "{report:?}");
        assert_eq!(report.stop, if clean { Stop::Clean } else { Stop::Unclean });
        assert_eq!(
            (
                report.kept.batches,
                report.kept.records,
                report.segments.len()
            ),
            (12, 12, 5)
        );
        assert_eq!(report.segments[1].intact.records, 3);
        assert!(repair(dir(), &fs).unwrap().mended.is_empty());
        assert_eq!(segments_and_side_files(&fs), before);
    }
}

#[test]
fn a_torn_last_batch_is_reported_and_left_to_the_start() {
    let fs = journal(false);
    fs.flip_bit(&segments(&fs)[3], (batch(2) + 500) * 8);
    let report = verify(dir(), &fs).unwrap();
    assert!(matches!(report.verdict, Outcome::Cut(1080)), "{report:?}");
    assert_eq!(report.damage.len(), 1);
    assert_eq!(report.kept.records, 11);
    assert!(repair(dir(), &fs).unwrap().mended.is_empty());
    assert_eq!(opened(&fs).unwrap().recovery().cut, 1080);
}

#[test]
fn a_damaged_batch_is_set_aside_and_all_others_are_kept() {
    for clean in [true, false] {
        for number in 0..if clean { 12 } else { 11 } {
            // In the header, in the record's length, in its bytes, at its end.
            for at in [3, 20, 70, 73, 500, BATCH - 1] {
                let fs = journal(clean);
                let segment = &segments(&fs)[number / 3];
                fs.flip_bit(segment, (batch(number % 3) + at) * 8);
                let fs = check(&fs, &without(&[number]));
                let side = &named(&fs, "damaged-")[0];
                let damaged = fs.contents(side).unwrap();
                assert!(
                    damaged
                        .windows(200)
                        .any(|bytes| note(number, 1000).0[600..].starts_with(bytes))
                );
            }
        }
    }
}

#[test]
fn several_damages_are_mended_one_by_one() {
    let fs = journal(true);
    for number in [0, 4, 5, 6, 11] {
        fs.flip_bit(&segments(&fs)[number / 3], (batch(number % 3) + 90) * 8);
    }
    check(&fs, &without(&[0, 4, 5, 6, 11]));
}

#[test]
fn a_page_of_noise_costs_only_what_it_hit() {
    let fs = journal(true);
    let segment = &segments(&fs)[1];
    let mut contents = fs.contents(segment).unwrap();
    contents[batch(0) + 100..batch(1) + 100].fill(0xA5);
    fs.put(segment, contents);
    check(&fs, &without(&[3, 4]));
}

#[test]
fn either_copy_of_a_header_is_enough() {
    for at in [30, 2048 + 30] {
        for segment in 0..5 {
            let fs = journal(true);
            fs.flip_bit(&segments(&fs)[segment], at * 8);
            check(&fs, &all());
        }
    }
}

#[test]
fn a_segment_without_a_header_is_set_aside_whole() {
    for (segment, gone) in [(0, [0, 1, 2]), (1, [3, 4, 5]), (2, [6, 7, 8])] {
        let fs = journal(true);
        let path = &segments(&fs)[segment];
        let mut contents = fs.contents(path).unwrap();
        contents[..BLOCK].fill(0);
        fs.put(path, contents.clone());
        let fs = check(&fs, &without(&gone));
        assert_eq!(fs.contents(&named(&fs, "damaged-")[0]), Some(contents));
    }
}

#[test]
fn a_missing_segment_is_bridged() {
    let fs = journal(true);
    for missing in &segments(&fs)[1..3] {
        fs.delete(missing);
    }
    check(&fs, &without(&[3, 4, 5, 6, 7, 8]));
}

#[test]
fn a_segment_cut_short_keeps_what_is_before() {
    let fs = journal(true);
    let path = &segments(&fs)[1];
    let mut contents = fs.contents(path).unwrap();
    contents.truncate(batch(2) + 10);
    fs.put(path, contents);
    check(&fs, &without(&[5]));
}

#[test]
fn a_damaged_closing_record_is_set_aside() {
    let fs = journal(true);
    fs.flip_bit(&dir().join("closed"), 200);
    let fs = check(&fs, &all());
    assert_eq!(opened(&fs).unwrap().recovery().stop, Stop::Unclean);
}

#[test]
fn a_journal_of_which_the_last_segment_is_gone_keeps_the_rest() {
    let fs = journal(true);
    for missing in &segments(&fs)[3..] {
        fs.delete(missing);
    }
    check(&fs, &without(&[9, 10, 11]));
}

#[test]
fn a_repaired_journal_goes_on_behind_everything_it_ever_held() {
    let fs = journal(true);
    let end = opened(&fs).unwrap().recovery().end;
    fs.flip_bit(&segments(&fs)[3], (batch(2) + 90) * 8);
    repair(dir(), &fs).unwrap();
    let mut run = Run::start(&fs, params());
    run.put(b"as ever").unwrap();
    assert!(run.end() > end);
    run.send(&[b"and on"], Class::Outcome).unwrap();
    run.journal.close().unwrap();
    assert!(matches!(
        verify(dir(), &fs).unwrap().verdict,
        Outcome::Intact
    ));
}

#[test]
fn a_running_journal_is_neither_verified_nor_repaired() {
    let fs = FaultyFs::new();
    let run = Run::start(&fs, params());
    verify(dir(), &fs).expect_err("it runs");
    repair(dir(), &fs).expect_err("it runs");
    drop(run);
    verify(dir(), &fs).expect("it doesn't");
}

#[test]
fn a_repair_that_crashes_can_be_repeated() {
    let damaged = || {
        let fs = journal(true);
        fs.flip_bit(&segments(&fs)[0], 30 * 8);
        fs.flip_bit(&segments(&fs)[1], (batch(1) + 90) * 8);
        fs.delete(&segments(&fs)[2]);
        fs
    };
    let fs = damaged();
    repair(dir(), &fs).unwrap();
    for step in 0..fs.steps() {
        for how in [Crash::LoseUnsynced, Crash::KeepAll, Crash::TornWrite(20)] {
            let fs = damaged();
            fs.freeze_after(step);
            repair(dir(), &fs).expect_err("it was stopped");
            check_repaired(&fs.crash(&how), &without(&[4, 6, 7, 8]));
        }
    }
}
