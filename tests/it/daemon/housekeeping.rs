//! Backups and pruning, as the running daemon does them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use claimwatch::exit;
use serde_json::Value;

use super::alter_store;
use crate::support::house::{House, list};
use crate::support::process::ended;
use crate::support::records::{check, of, only};
use crate::support::sim::{Sim, WIDE, e164, number};

const EVERY_SECOND: &str = "* * * * * *";

/// Does this chore every second from the next start on.
fn every_second(house: &House, chore: &str) {
    house.alter(&format!("{chore} = \"none\""), &format!("{chore} = \"{EVERY_SECOND}\""));
}

fn watching() -> (Sim, House) {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "IN_PROGRESS"), (1, "CLAIMED")])].concat());
    let house = House::with(sim.address, "[backup]\nkeep = 2\n");
    house.list("emea", &list(&[1], &[]));
    (sim, house)
}

/// The files of the folder for backups, the oldest first.
fn backups(house: &House) -> Vec<PathBuf> {
    let Ok(folder) = fs::read_dir(house.path("backups")) else { return Vec::new() };
    let mut all: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.to_string_lossy().ends_with("Z.db"));
    all.sort();
    all
}

#[test]
fn backups_are_made_kept_and_can_be_put_back() {
    let (sim, house) = watching();
    every_second(&house, "backup");
    let mut daemon = house.run();
    daemon.until_events(&["number.in_progress"]);
    daemon.wait("a backup", || !backups(&house).is_empty());
    let first = backups(&house)[0].clone();
    daemon.wait("the end of the first one", || !first.exists());
    assert!(backups(&house).len() <= 3, "two, and one that is about to go: {:?}", backups(&house));
    assert_eq!(fs::metadata(house.path("backups")).unwrap().permissions().mode() & 0o777, 0o700);
    let events = house.events().len();
    daemon.wait("one that has it all", || {
        backups(&house).last() > Some(&first) && house.events().len() == events
    });
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    assert!(ended.stderr.contains("the store is backed up"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);

    // Put back, without the events since: it goes on from there.
    let last = backups(&house).pop().unwrap();
    assert_eq!(fs::metadata(&last).unwrap().permissions().mode() & 0o777, 0o600);
    fs::copy(&last, house.path("claimwatch.db")).unwrap();
    house.alter(EVERY_SECOND, "none");
    sim.move_to(1);
    let mut daemon = house.run();
    let records = daemon.until_events(&["number.claimed"]);
    let claimed = records.iter().find(|record| record["event"] == "number.claimed").unwrap();
    assert_eq!(claimed["from"], "IN_PROGRESS");
    assert_eq!(daemon.stop().code, Some(i32::from(exit::OK)));
}

#[test]
fn a_backup_that_cannot_be_made_is_told_and_stops_nothing() {
    let (sim, house) = watching();
    every_second(&house, "backup");
    house.write("backups", "a file where a folder should be\n");
    let mut daemon = house.run();
    daemon.wait("a complaint", || daemon.stderr().contains("the store could not be backed up"));
    fs::remove_file(house.path("backups")).unwrap();
    daemon.wait("the next try", || !backups(&house).is_empty());
    sim.move_to(1);
    daemon.until_events(&["number.claimed"]);
    assert_eq!(daemon.stop().code, Some(i32::from(exit::OK)));
    check(&house.events());
}

#[test]
fn a_digest_says_what_is_open_and_one_that_was_missed_is_made_up_once() {
    let failed = number(1, &[(0, "FAILED")]);
    let sim = Sim::start(&[WIDE, &failed, &number(2, &[(0, "IN_PROGRESS")])].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1, 2], &[]));
    every_second(&house, "digest");
    let mut daemon = house.run();
    let records = daemon.until("a digest", |records| {
        of(records, "digest").last().is_some_and(|digest| digest["windows"] == 1 && digest["pending"] == 1)
    });
    let digest = of(&records, "digest").pop().unwrap().clone();
    assert_eq!(
        (&digest["failed"], &digest["orders"], &digest["level"]),
        (&1.into(), &2.into(), &"info".into())
    );
    let opened = only(&records, "window.opened");
    assert_eq!(digest["window_earliest"], opened["window_earliest"]);
    let message = digest["message"].as_str().unwrap();
    assert!(message.contains(&e164(1)) && message.contains("of emea"), "{message}");
    daemon.stop();

    // The last one is long ago; the next start makes one up, and the one after that none.
    house.alter(EVERY_SECOND, "0 0 8 29 2 *");
    alter_store(&house.path("claimwatch.db"), "UPDATE runs SET at = 0 WHERE chore = ?1", Some("digest"));
    let mut daemon = house.up();
    daemon.until_events(&["digest"]);
    let ended = daemon.stop();
    assert_eq!(of(&ended.records(), "digest").len(), 1);
    assert!(ended.stderr.contains("it was due while no daemon ran"), "{}", ended.stderr);
    let ended = house.up().stop();
    assert_eq!(of(&ended.records(), "digest").len(), 0);
    check(&house.events());
}

#[test]
fn what_is_old_is_pruned_and_nothing_is_told_twice() {
    let (sim, house) = watching();
    let mut daemon = house.run();
    let records = daemon.until_events(&["number.in_progress", "daemon.started"]);
    daemon.wait("the file", || house.events().len() >= records.len());
    daemon.stop();
    let old =
        "UPDATE events SET record = json_set(record, '$.time', '2020-01-01T00:00:00.000Z') WHERE seq = ?1";
    alter_store(&house.path("claimwatch.db"), old, Some("1"));
    alter_store(&house.path("claimwatch.db"), old, Some("2"));
    every_second(&house, "prune");
    let mut daemon = house.up();
    daemon.wait("pruning", || daemon.stderr().contains("old history is pruned"));
    sim.move_to(1);
    daemon.until_events(&["number.claimed"]);
    let seen =
        ended(house.command(&["deliveries", "file", "--state", "delivered", "--limit", "1", "--json"]));
    let seen: Value = serde_json::from_str(&seen.stdout).unwrap();
    assert_eq!(seen["deliveries"][0]["seq"], 3, "{seen}");
    daemon.stop();
    // The last line of the file is still known, and the numbers go on.
    let ended = house.up().stop();
    assert!(!ended.stderr.contains("not of this store"), "{}", ended.stderr);
    check(&house.events());
}
