//! A store that cannot be used is refused as it is, and nobody else may read what the daemon leaves.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use claimwatch::exit;

use super::alter_store;
use crate::support::house::{House, list};
use crate::support::process::{PROGRAM, Running};
use crate::support::sim::{Sim, WIDE, closed_address, number};

/// All files of the house with their bytes.
fn files(house: &House) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(house.folder()).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

/// Both kinds of `run` end with 74, say why, say it once, and change nothing.
fn refused(house: &House, why: &str) {
    let before = files(house);
    for args in [&[][..], &["--once"]] {
        let ended = house.ended(args);
        assert_eq!(ended.code, Some(i32::from(exit::STORE)), "{}", ended.stderr);
        assert!(ended.stderr.contains(why), "{why}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
        assert!(files(house) == before, "{why}: a file was changed");
    }
}

fn watching_one() -> House {
    let house = House::at(closed_address());
    house.list("emea", &list(&[1], &[]));
    house
}

#[test]
fn a_store_without_its_folder_is_refused() {
    let house = watching_one();
    house.alter("sqlite://claimwatch.db", "sqlite://missing/claimwatch.db");
    refused(&house, "does not exist");
    assert!(!house.path("missing").exists());
}

#[test]
fn a_store_that_is_something_else_is_refused() {
    let house = watching_one();
    house.write("claimwatch.db", "This is a letter, and nobody wants it overwritten.\n");
    refused(&house, "no SQLite database");
    fs::remove_file(house.path("claimwatch.db")).unwrap();
    fs::create_dir(house.path("claimwatch.db")).unwrap();
    refused(&house, "not a file");
}

#[test]
fn a_newer_store_is_refused() {
    let house = watching_one();
    house.ended(&["--once", "--deadline", "100ms"]);
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)";
    alter_store(&house.path("claimwatch.db"), newer, None);
    refused(&house, "newer claimwatch");
}

#[test]
fn one_store_has_one_daemon() {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "CLAIMED")])].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    let mut first = house.run();
    first.until_events(&["number.claimed"]);
    first.wait("the file", || house.events().len() == first.records().len());
    // Nothing is left to look at, but the bookkeeping of the scope goes to the log of the store within a second: so only
    // what a second daemon would write is compared.
    let (events, said) = (house.events(), first.records());
    let second = house.ended(&[]);
    assert_eq!(second.code, Some(i32::from(exit::STORE)), "{}", second.stderr);
    assert!(second.stderr.contains("in use by another claimwatch"), "{}", second.stderr);
    assert_eq!(second.stdout, "");
    assert_eq!((house.events(), first.records()), (events, said));
    assert_eq!(first.stop().code, Some(i32::from(exit::OK)));
    assert_eq!(house.up().stop().code, Some(i32::from(exit::OK)), "the lock goes with the process");
}

#[test]
fn one_store_has_one_daemon_whatever_links_lead_to_it() {
    let house = watching_one();
    let first = house.up();
    std::os::unix::fs::symlink(house.path("claimwatch.db"), house.path("other.db")).unwrap();
    house.alter("sqlite://claimwatch.db", "sqlite://other.db");
    let second = house.ended(&[]);
    assert_eq!(second.code, Some(i32::from(exit::STORE)), "{}", second.stderr);
    assert!(second.stderr.contains("in use by another claimwatch"), "{}", second.stderr);
    assert_eq!(first.stop().code, Some(i32::from(exit::OK)));
}

#[test]
fn a_store_that_is_deleted_under_the_daemon_ends_it() {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "IN_PROGRESS"), (50, "CLAIMED")])].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    let mut daemon = house.run();
    daemon.until_events(&["number.in_progress"]);
    fs::remove_file(house.path("claimwatch.db")).unwrap();
    sim.move_to(50);
    let ended = daemon.end();
    assert_eq!(ended.code, Some(i32::from(exit::STORE)), "{}", ended.stderr);
    assert!(ended.stderr.contains("deleted or replaced"), "{}", ended.stderr);
}

#[test]
fn nobody_else_may_read_what_it_leaves() {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "IN_PROGRESS")])].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    let mut command = Command::new("/bin/sh");
    let run = house.command(&["run"]);
    command.args(["-c", "umask 022; exec \"$0\" \"$@\"", PROGRAM]).args(run.get_args()).env_clear();
    command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut daemon = Running::start(command);
    daemon.until_events(&["number.in_progress"]);
    let names =
        ["claimwatch.db", "claimwatch.db-wal", "claimwatch.db-shm", "claimwatch.db.lock", "events.jsonl"];
    daemon.wait("all files", || names.iter().all(|name| house.path(name).exists()));
    for name in names {
        let mode = fs::metadata(house.path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}: {mode:o}");
    }
    daemon.stop();
}
