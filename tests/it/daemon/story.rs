//! A whole life: start, transitions in the file and the log, stop.

use claimwatch::exit;

use crate::support::house::{House, list};
use crate::support::records::{about, check, names, of, only};
use crate::support::sim::{Sim, WIDE, e164, number, number_id, order, order_id};

const WORLD: [(u32, &str); 4] = [(0, "IN_PROGRESS"), (1, "FAILED"), (2, "IN_PROGRESS"), (3, "CLAIMED")];

#[test]
fn every_transition_is_in_the_log_and_in_the_file_in_one_order() {
    let lost = number(2, &[(0, "IN_PROGRESS"), (1, "FAILED"), (3, "GONE")]);
    let bought = order(1, &[(0, "Processing", "Processing"), (2, "Successful", "Acquired")]);
    let sim = Sim::start(&[WIDE, &number(1, &WORLD), &lost, &bought].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1, 2], &[1]));

    let mut daemon = house.run();
    daemon.until("all seen", |records| {
        records.iter().filter(|r| r["event"] == "number.in_progress").count() == 3
    });
    sim.move_to(1);
    daemon.until("both failed", |records| {
        records.iter().filter(|r| r["event"] == "window.opened").count() == 2
    });
    sim.move_to(2);
    daemon.until("a retry and an order's end", |records| {
        about(records, &number_id(1)).last() == Some(&"number.in_progress")
            && names(records).contains(&"order.completed")
    });
    sim.move_to(3);
    daemon.until_events(&["window.resolved", "number.released"]);
    let ended = daemon.stop();

    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    let records = ended.records();
    check(&records);
    assert_eq!(house.events(), records);
    assert_eq!(
        about(&records, &number_id(1)),
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
        about(&records, &number_id(2)),
        [
            "order.tracked",
            "number.in_progress",
            "number.failed",
            "window.opened",
            "window.closed",
            "number.released"
        ]
    );
    let order = about(&records, &order_id(1));
    assert!(order.contains(&"number.claimed") && order.last() == Some(&"order.completed"), "{order:?}");
    assert_eq!(only(&records, "window.resolved")["number"], e164(1));
    assert_eq!(only(&records, "window.resolved")["outcome"], "claimed");
    assert_eq!(only(&records, "daemon.started")["orders"], 3);
    assert_eq!(names(&records).last(), Some(&"daemon.stopped"));
    assert_eq!(sim.served.with_status(403), 0);
    assert_eq!(sim.served.of(claimwatch::sim::served::Operation::Other), 0, "it only reads");
}

#[test]
fn a_heartbeat_comes_by_the_clock() {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "IN_PROGRESS")])].concat());
    let house = House::at(sim.address);
    house.alter("heartbeat = \"none\"", "heartbeat = \"* * * * * *\"");
    house.list("emea", &list(&[1], &[]));
    let mut daemon = house.run();
    let records = daemon.until("two", |records| of(records, "heartbeat").len() == 2);
    assert_eq!(
        (&of(&records, "heartbeat")[0]["orders"], &of(&records, "heartbeat")[0]["level"]),
        (&1.into(), &"info".into())
    );
    check(&daemon.stop().records());
}

#[test]
fn the_log_can_be_for_people_and_the_file_off() {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "CLAIMED")])].concat());
    let house = House::at(sim.address);
    house.alter("[events.file]\npath = \"events.jsonl\"", "[events.log]\nformat = \"text\"");
    house.list("emea", &list(&[1], &[]));
    let ended = house.ended(&["--once"]);
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    let claimed = ended.stdout.lines().find(|line| line.contains("number.claimed")).unwrap();
    assert!(claimed.contains(&e164(1)) && !claimed.contains(['{', '\u{1b}']), "{claimed}");
    assert!(!house.path("events.jsonl").exists());
}
