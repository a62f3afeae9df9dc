//! The corpus of the fuzz targets, replayed: what they found once, and what covers the readers best.

#![expect(clippy::unwrap_used, reason = "a corpus that cannot be read is a failed test")]

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use super::properties::{bodies, configuration, refusals, retry_after, scenario};

/// Replays what is kept of a target: its corpus is in the folder of that name.
#[track_caller]
fn replay(target: &str, check: fn(&[u8]), least: usize) {
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
    replay("bodies", bodies::check, 80);
}

#[test]
fn what_was_found_in_refusals_holds() {
    replay("refusals", refusals::check, 80);
}

#[test]
fn what_was_found_in_times_to_wait_holds() {
    replay("retry_after", retry_after::check, 80);
}

#[test]
fn what_was_found_in_watch_lists_holds() {
    replay("watch_list", configuration::watch_list, 80);
}

#[test]
fn what_was_found_in_main_files_holds() {
    replay("main_file", configuration::main_file, 80);
}

#[test]
fn what_was_found_in_scenarios_holds() {
    replay("scenario", scenario::check, 80);
}
