//! The corpus of the fuzz targets, replayed: what they found once, and what covers the readers best.

#![expect(clippy::unwrap_used, reason = "a corpus that cannot be read is a failed test")]

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use super::properties::{bodies, configuration, refusals, retry_after, scenario};

/// A target is called like the folder of its corpus.
const TARGETS: [(&str, fn(&[u8])); 6] = [
    ("bodies", bodies::check),
    ("refusals", refusals::check),
    ("retry_after", retry_after::check),
    ("watch_list", configuration::watch_list),
    ("main_file", configuration::main_file),
    ("scenario", scenario::check),
];

#[track_caller]
fn replay(target: &str, least: usize) {
    let (_, check) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz").join(target);
    let mut failed = Vec::new();
    let mut replayed = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let data = fs::read(&path).unwrap();
        if catch_unwind(|| check(&data)).is_err() {
            failed.push(path.display().to_string());
        }
        replayed += 1;
    }
    assert!(failed.is_empty(), "{target} fails, as is said above, with\n{}", failed.join("\n"));
    assert!(replayed >= least, "inputs were lost: {replayed} left");
}

#[test]
fn what_was_found_in_good_answers_holds() {
    replay("bodies", 100);
}

#[test]
fn what_was_found_in_refusals_holds() {
    replay("refusals", 50);
}

#[test]
fn what_was_found_in_times_to_wait_holds() {
    replay("retry_after", 50);
}

#[test]
fn what_was_found_in_watch_lists_holds() {
    replay("watch_list", 30);
}

#[test]
fn what_was_found_in_main_files_holds() {
    replay("main_file", 25);
}

#[test]
fn what_was_found_in_scenarios_holds() {
    replay("scenario", 15);
}
