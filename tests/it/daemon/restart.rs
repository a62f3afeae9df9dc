//! What a new life takes over from the one before: every event once, the quota, the orders.

use std::fs::OpenOptions;
use std::io::Write as _;

use claimwatch::exit;
use serde_json::Value;

use crate::support::house::{House, list};
use crate::support::process::Ended;
use crate::support::records::{about, check, lines, names, of, only};
use crate::support::sim::{Sim, WIDE, e164, fault, number, number_id, order, order_id};

/// Two claims and an order, of which something changes each second.
fn world() -> Sim {
    let rescued = number(1, &[(0, "IN_PROGRESS"), (1, "FAILED"), (3, "IN_PROGRESS"), (4, "CLAIMED")]);
    let lost = number(2, &[(0, "IN_PROGRESS"), (2, "FAILED"), (5, "GONE")]);
    let bought = order(1, &[(0, "Processing", "Processing"), (5, "Successful", "Acquired")]);
    Sim::start(&[WIDE, &rescued, &lost, &bought].concat())
}

/// Of each second of that world, an event about a subject that has come by then, and how often.
fn reached(second: u32, records: &[Value]) -> bool {
    let count =
        |n: u32, event: &str| about(records, &number_id(n)).iter().filter(|seen| **seen == event).count();
    match second {
        0 => {
            count(1, "number.in_progress") == 1
                && count(2, "number.in_progress") == 1
                && about(records, &order_id(1)).contains(&"number.in_progress")
        }
        1 => count(1, "window.opened") == 1,
        2 => count(2, "window.opened") == 1,
        3 => count(1, "number.in_progress") == 2,
        4 => count(1, "window.resolved") == 1,
        _ => count(2, "number.released") == 1 && about(records, &order_id(1)).contains(&"order.completed"),
    }
}

/// What must have been said about the world in the end, whoever said it and when.
fn check_end(records: &[Value]) {
    check(records);
    assert_eq!(
        about(records, &number_id(1)),
        [
            "order.tracked",
            "number.in_progress",
            "number.failed",
            "window.opened",
            "number.in_progress",
            "number.claimed",
            "window.resolved"
        ]
    );
    assert_eq!(
        about(records, &number_id(2)),
        [
            "order.tracked",
            "number.in_progress",
            "number.failed",
            "window.opened",
            "window.closed",
            "number.released"
        ]
    );
    assert_eq!(only(records, "order.completed")["outcome"], "Successful");
    assert_eq!(of(records, "config.applied").len(), 1, "unchanged lists change nothing");
}

#[test]
fn stopped_and_started_at_each_turn_nothing_is_repeated_or_lost() {
    let sim = world();
    let house = House::at(sim.address);
    house.list("emea", &list(&[1, 2], &[1]));
    let mut log = String::new();
    for second in 0..=5 {
        // Each life but the first begins after the world moved on while nobody looked.
        sim.move_to(second);
        let mut daemon = house.run();
        let (house, before) = (&house, lines(&log));
        daemon.until(&format!("second {second}"), |records| {
            let all = [before.as_slice(), records].concat();
            reached(second, &all) && house.events().len() >= all.len()
        });
        let ended = daemon.stop();
        assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
        log.push_str(&ended.stdout);
    }
    let records = lines(&log);
    check_end(&records);
    assert_eq!(house.events(), records, "log and file have the same, once");
    assert_eq!(of(&records, "daemon.started").len(), 6);
    assert_eq!(of(&records, "daemon.stopped").len(), 6);
}

/// Leaves the event file as a kill in the middle of a write does.
fn tear(house: &House) {
    let mut file = OpenOptions::new().append(true).create(true).open(house.path("events.jsonl")).unwrap();
    file.write_all(b"{\"schema\":1,\"time\":\"2026").unwrap();
}

#[test]
fn killed_at_any_moment_the_file_has_every_event_once() {
    let sim = world();
    let house = House::at(sim.address);
    house.list("emea", &list(&[1, 2], &[1]));
    let mut logs: Vec<Value> = Vec::new();
    for second in 0..=5 {
        sim.move_to(second);
        // Killed as soon as the log says something, with the file and the store somewhere on the way: then twice more
        // while it starts up.
        for few in 1..=2 {
            let mut daemon = house.run();
            daemon.until("a few records", |records| records.len() >= few);
            logs.extend(daemon.kill().records());
            tear(&house);
        }
        let mut daemon = house.run();
        daemon.until(&format!("second {second}"), |_| reached(second, &house.events()));
        logs.extend(daemon.kill().records());
    }
    let mut daemon = house.up();
    daemon.until("the file", |records| house.events().last() == records.last());
    logs.extend(daemon.stop().records());

    let records = house.events();
    check_end(&records);
    for record in &records {
        assert!(logs.contains(record), "the log lacks {record}");
    }
    for logged in &logs {
        assert!(records.contains(logged), "the log made up {logged}");
    }
    assert_eq!(of(&records, "daemon.stopped").len(), 1);
}

#[test]
fn a_scope_on_hold_stays_on_hold() {
    let quota = "[quota.connect]\nrate = 1.0\nburst = 1\nretry_after = \"3600\"\n[quota.chime]\nrate = 10000.0\nburst = 10000\n";
    let bought = order(1, &[(0, "Processing", "Processing")]);
    let sim = Sim::start(&[quota, &number(1, &[(0, "IN_PROGRESS")]), &bought].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[1]));
    let mut daemon = house.run();
    let records = daemon.until_events(&["scope.throttled"]);
    let throttled = only(&records, "scope.throttled");
    assert_eq!((&throttled["provider"], &throttled["retry_after_s"]), (&"connect".into(), &3600.into()));
    assert_eq!(daemon.stop().code, Some(i32::from(exit::OK)));
    let asked = sim.described();
    assert_eq!(sim.served.with_status(429), 1);

    let (daemon, chime) = (house.up(), sim.gotten());
    daemon.wait("looks at the other scope", || sim.gotten() >= chime + 5);
    let ended = daemon.stop();
    assert_eq!(sim.described(), asked, "a look during the hold");
    assert!(of(&ended.records(), "scope.throttled").is_empty(), "it was said before");
    check(&house.events());
}

#[test]
fn an_outage_is_said_once_however_often_it_is_started() {
    let down = fault("connect", (0, 100), "kind = \"status\"\nstatus = 503");
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "IN_PROGRESS")]), &down].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    let mut daemon = house.run();
    daemon.until_events(&["scope.unavailable"]);
    daemon.stop();
    let asked = sim.described();
    let daemon = house.up();
    daemon.wait("a probe", || sim.described() > asked);
    daemon.stop();
    sim.move_to(100);
    let mut daemon = house.up();
    daemon.until_events(&["scope.recovered"]);
    daemon.stop();
    let records = house.events();
    check(&records);
    only(&records, "scope.unavailable");
    only(&records, "scope.recovered");
}

fn life(house: &House) -> Ended {
    let ended = house.up().stop();
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    ended
}

#[test]
fn an_arn_and_its_bare_id_are_one_order() {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "IN_PROGRESS"), (1, "FAILED")])].concat());
    let house = House::at(sim.address);
    let bare = list(&[1], &[]);
    house.list("emea", &bare);
    let mut daemon = house.run();
    daemon.until_events(&["number.in_progress"]);
    daemon.stop();

    let arn = format!("arn:aws:connect:eu-west-2:123456789012:phone-number/{}", number_id(1));
    house.list("emea", &bare.replace(&number_id(1), &arn));
    let ended = life(&house);
    assert_eq!(names(&ended.records()), ["config.applied", "daemon.started", "daemon.stopped"]);
    let applied = &ended.records()[0];
    assert_eq!(
        (&applied["added"], &applied["removed"], &applied["changed"]),
        (&0.into(), &0.into(), &1.into())
    );

    sim.move_to(1);
    let mut daemon = house.run();
    let failed = daemon.until_events(&["number.failed"]);
    let failed = only(&failed, "number.failed").clone();
    assert_eq!((&failed["from"], &failed["number"]), (&"IN_PROGRESS".into(), &e164(1).into()));
    assert_eq!(failed["order_id"], number_id(1));
    daemon.stop();
    house.list("emea", &bare);
    assert_eq!(only(&life(&house).records(), "config.applied")["changed"], 1);
    check(&house.events());
    only(&house.events(), "order.tracked");
}
