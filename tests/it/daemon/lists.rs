//! Watch lists that are at fault, gone, or back: what was good stays in force, and accidents are refused.

use std::fs;

use claimwatch::exit;

use crate::support::house::{House, list};
use crate::support::process::ended;
use crate::support::records::{about, check, names, of, only};
use crate::support::sim::{Sim, WIDE, closed_address, number, number_id};

#[test]
fn a_list_that_was_never_good_stops_a_first_start() {
    let house = House::at(closed_address());
    house.list("good", &list(&[1], &[]));
    house.list("bad", "account = \"sim\"\n[[number]]\nid = \"nonsense\"\n");
    let ended = house.ended(&[]);
    assert_eq!(ended.code, Some(i32::from(exit::CONFIG)), "{}", ended.stderr);
    assert!(ended.stderr.contains("bad.toml") && ended.stderr.contains("never good"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    let left: Vec<_> =
        fs::read_dir(house.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "nothing is made: {left:?}");
}

#[test]
fn a_store_without_a_list_is_nothing_to_fall_back_to() {
    let house = House::at(closed_address());
    assert_eq!(house.ended(&["--once"]).code, Some(i32::from(exit::OK)), "nothing to watch is no fault");
    house.list("bad", "account = \"sim\"\n[[number]]\nid = \"nonsense\"\n");
    let ended = house.ended(&[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(i32::from(exit::CONFIG)), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("never good"), "{}", ended.stderr);
}

#[test]
fn a_list_that_went_bad_stays_in_force_as_it_was() {
    let timeline = [(0, "IN_PROGRESS"), (1, "CLAIMED")];
    let sim =
        Sim::start(&[WIDE, &number(1, &timeline), &number(2, &timeline), &number(3, &timeline)].concat());
    let house = House::at(sim.address);
    house.list("one", &list(&[1], &[]));
    house.list("two", &list(&[2], &[]));
    let mut daemon = house.run();
    daemon.until("both", |records| of(records, "number.in_progress").len() == 2);
    daemon.stop();

    house.list("one", &format!("{}label = 5\n", list(&[1], &[])));
    house.list("three", "account = \"sim\"\n\n[[number]]\nid = \"nonsense\"\n");
    house.list("two", &list(&[2, 3], &[]));
    sim.move_to(1);
    let mut daemon = house.run();
    daemon.until("all three", |records| of(records, "number.claimed").len() == 3);
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    let records = ended.records();
    let rejected = of(&records, "config.rejected");
    let told: Vec<_> = rejected
        .iter()
        .map(|record| (record["file"].as_str().unwrap(), record["line"].as_u64().unwrap()))
        .collect();
    let (one, three) = (house.path("watch.d/one.toml"), house.path("watch.d/three.toml"));
    assert_eq!(told, [(one.to_str().unwrap(), 4), (three.to_str().unwrap(), 4)]);
    assert!(rejected.iter().all(|record| record["level"] == "error" && record["reason"] != ""));
    assert!(ended.stderr.contains("one.toml:4") && ended.stderr.contains("three.toml:4"), "{}", ended.stderr);
    assert!(of(&records, "order.untracked").is_empty());
    assert_eq!(about(&records, &number_id(1)), ["number.claimed"]);
    check(&house.events());
}

#[test]
fn a_mass_removal_is_refused_unless_it_is_meant() {
    let numbers: Vec<u32> = (1..=12).collect();
    let world: String = numbers.iter().map(|n| number(*n, &[(0, "CLAIMED")])).collect();
    let sim = Sim::start(&[WIDE, &world].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&numbers, &[]));
    assert_eq!(house.ended(&["--once"]).code, Some(i32::from(exit::OK)));
    let before = house.events();

    house.list("emea", &list(&numbers[..5], &[]));
    let refused = house.ended(&["--once"]);
    assert_eq!(refused.code, Some(i32::from(exit::CONFIG)));
    assert!(
        refused.stderr.contains("drop 7 of 12") && refused.stderr.contains("--accept-removal"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        (refused.stdout.as_str(), house.events()),
        ("", before),
        "nothing was applied, and nothing said"
    );
    // A daemon goes on with what was in force: nobody watches otherwise.
    let mut daemon = house.up();
    let rejected = only(&daemon.until_events(&["config.rejected"]), "config.rejected").clone();
    assert!(
        rejected["reason"].as_str().unwrap().contains("drop 7 of 12 orders; if that is meant"),
        "{rejected}"
    );
    assert_eq!(only(&daemon.records(), "daemon.started")["orders"], 12);
    house.list("emea", &list(&numbers, &[]));
    assert_eq!(ended(house.command(&["reload"])).code, Some(i32::from(exit::OK)));
    let records = daemon.until_events(&["config.applied"]);
    assert_eq!(only(&records, "config.applied")["removed"], 0, "what was refused is mended");
    assert!(of(&daemon.stop().records(), "order.untracked").is_empty());

    house.list("emea", &list(&numbers[..6], &[]));
    let half = house.ended(&["--once"]);
    assert_eq!(half.code, Some(i32::from(exit::OK)), "half is no accident: {}", half.stderr);
    assert_eq!(of(&half.records(), "order.untracked").len(), 6);

    house.list("emea", &list(&numbers, &[]));
    house.ended(&["--once"]);
    fs::remove_file(house.path("watch.d/emea.toml")).unwrap();
    assert_eq!(
        house.ended(&["--once"]).code,
        Some(i32::from(exit::CONFIG)),
        "an empty folder is an accident"
    );
    let accepted = house.ended(&["--once", "--accept-removal"]);
    assert_eq!(accepted.code, Some(i32::from(exit::OK)), "{}", accepted.stderr);
    assert_eq!(of(&accepted.records(), "order.untracked").len(), 12);
    check(&house.events());
}

#[test]
fn what_is_dropped_and_brought_back_keeps_its_window() {
    let world = number(1, &[(0, "IN_PROGRESS"), (1, "FAILED"), (2, "IN_PROGRESS"), (3, "CLAIMED")]);
    let sim = Sim::start(&[WIDE, &world, &number(2, &[(0, "IN_PROGRESS")])].concat());
    let house = House::at(sim.address);
    house.list("kept", &list(&[2], &[]));
    house.list("dropped", &list(&[1], &[]));
    let mut daemon = house.run();
    daemon.until("both", |records| of(records, "number.in_progress").len() == 2);
    sim.move_to(1);
    let opened = daemon.until_events(&["window.opened"]);
    let opened = only(&opened, "window.opened").clone();
    daemon.stop();

    fs::remove_file(house.path("watch.d/dropped.toml")).unwrap();
    let mut daemon = house.run();
    let records = daemon.until_events(&["order.untracked", "daemon.started"]);
    assert_eq!(only(&records, "order.untracked")["level"], "warn", "a window is open");
    let asked = sim.described();
    daemon.wait("looks at the other", || sim.described() > asked + 3);
    let records = daemon.stop().records();
    assert_eq!(about(&records, &number_id(1)), ["order.untracked"]);

    house.list("dropped", &list(&[1], &[]));
    sim.move_to(3);
    let mut daemon = house.run();
    let records = daemon.until_events(&["window.resolved"]);
    let resolved = only(&records, "window.resolved");
    assert_eq!(about(&records, &number_id(1)), ["order.tracked", "number.claimed", "window.resolved"]);
    for key in ["window_id", "window_earliest", "window_latest", "window_basis"] {
        assert_eq!(resolved[key], opened[key], "{key}");
    }
    daemon.stop();
    check(&house.events());
    assert!(!names(&house.events()).contains(&"config.rejected"));
}
