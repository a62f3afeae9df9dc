//! Services that do not work: few looks, one word about it, and back to work by itself.

use std::time::Duration;

use crate::support::Stopwatch;
use crate::support::house::{House, list};
use crate::support::records::{check, names, of, only};
use crate::support::sim::{Sim, WIDE, closed_address, fault, number, number_id, order, soon_after};

/// Outages in a row that open a scope's breaker.
const ROW: u64 = 5;

#[test]
fn it_stays_up_while_nobody_listens_and_comes_back_by_itself() {
    let address = closed_address();
    let house = House::at(address);
    house.list("emea", &list(&[1], &[]));
    let mut daemon = house.run();
    let records = daemon.until_events(&["scope.unavailable"]);
    let said = only(&records, "scope.unavailable");
    assert_eq!((&said["provider"], &said["level"]), (&"connect".into(), &"warn".into()));
    assert!(said["reason"].as_str().unwrap().contains("no connection"), "{said}");
    assert!(said["retry_after_s"].as_u64().unwrap() <= 1, "{said}");

    let sim = Sim::at(address, &[WIDE, &number(1, &[(0, "IN_PROGRESS")])].concat());
    let records = daemon.until_events(&["scope.recovered", "number.in_progress"]);
    assert_eq!(only(&records, "scope.recovered")["condition"], "unavailable");
    assert_eq!(sim.served.with_status(200), sim.described());
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    check(&ended.records());
    only(&ended.records(), "scope.unavailable");
}

#[test]
fn an_open_breaker_asks_seldom_and_ever_more_seldom() {
    let down = fault("connect", (0, 100), "kind = \"status\"\nstatus = 503");
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "IN_PROGRESS")]), &down].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    let mut daemon = house.run();
    daemon.until_events(&["scope.unavailable"]);
    let watch = Stopwatch::start();
    assert_eq!(sim.described(), ROW);
    daemon.wait("a probe", || sim.described() > ROW);
    // The waits are of 1 and 2 s, a fifth more or less. The stopwatch started a moment after the first one.
    assert!(watch.elapsed() > Duration::from_millis(500), "{:?}", watch.elapsed());
    let watch = Stopwatch::start();
    sim.move_to(100);
    daemon.wait("another probe", || sim.described() > ROW + 1);
    assert!(watch.elapsed() > Duration::from_millis(1500), "{:?}", watch.elapsed());
    daemon.until_events(&["scope.recovered", "number.in_progress"]);
    assert_eq!(sim.served.with_status(503), ROW + 1);
    let records = daemon.stop().records();
    only(&records, "scope.unavailable");
    assert!(of(&records, "order.blocked").is_empty(), "an outage is no order's fault");
}

#[test]
fn an_order_without_an_answer_waits_its_interval_like_the_others() {
    let one =
        fault("connect", (0, 100), &format!("id = \"{}\"\nkind = \"status\"\nstatus = 500", number_id(1)));
    let both = [number(1, &[(0, "IN_PROGRESS")]), number(2, &[(0, "IN_PROGRESS")])].concat();
    let sim = Sim::start(&[WIDE, &both, &one].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1, 2], &[]));
    let daemon = house.up();
    daemon.wait("looks", || sim.described() >= 10);
    let (failed, answered) = (sim.served.with_status(500), sim.served.with_status(200));
    assert!(failed <= answered + 3, "{failed} looks at the one, {answered} at the other");
    daemon.stop();
}

#[test]
fn what_the_service_asks_for_is_kept_to() {
    let down = fault("chime", (0, 100), "kind = \"status\"\nstatus = 503\nretry_after = \"3\"");
    let sim = Sim::start(&[WIDE, &order(1, &[(0, "Processing", "Processing")]), &down].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[], &[1]));
    let mut daemon = house.run();
    let records = daemon.until_events(&["scope.unavailable"]);
    let watch = Stopwatch::start();
    assert_eq!(only(&records, "scope.unavailable")["retry_after_s"], 3);
    let asked = sim.gotten();
    daemon.wait("a probe", || sim.gotten() > asked);
    assert!(watch.elapsed() > Duration::from_millis(2500), "{:?}", watch.elapsed());
    daemon.stop();
}

#[test]
fn each_kind_of_silence_is_an_outage_and_a_gone_order_is_not() {
    // The slowest is the last.
    let kinds = [
        ("reset", "kind = \"reset\"", "no connection"),
        ("cut", "kind = \"truncate\"\nafter_bytes = 9", "unusable answer"),
        ("gateway", "kind = \"status\"\nstatus = 404\nbody = \"html\"", "404"),
        ("broken", "kind = \"status\"\nstatus = 500\nbody = \"empty\"", "500"),
        ("hang", "kind = \"hang\"", "no answer in time"),
    ];
    let all = kinds.map(|(name, keys, reason)| {
        let down = fault("connect", (0, 100), keys);
        let sim = Sim::start(&[WIDE, &number(1, &[(0, "IN_PROGRESS")]), &down].concat());
        let house = House::at(sim.address);
        house.alter("timeout = \"5s\"", "timeout = \"300ms\"");
        house.list("emea", &list(&[1], &[]));
        let daemon = house.run();
        (name, reason, sim, house, daemon)
    });
    // All at once and step by step: each failed probe of one doubles its next wait.
    let all = all.map(|(name, reason, sim, house, mut daemon)| {
        let records = daemon.until_events(&["scope.unavailable"]);
        let said = only(&records, "scope.unavailable")["reason"].as_str().unwrap();
        assert!(said.contains(reason), "{name}: {said}");
        sim.move_to(100);
        (name, house, sim, daemon)
    });
    for (name, _house, _sim, mut daemon) in all {
        let records = daemon.until_events(&["scope.recovered", "number.in_progress"]);
        assert!(!names(&records).contains(&"number.released"), "{name}");
        let watch = Stopwatch::start();
        daemon.stop();
        assert!(watch.elapsed() < soon_after(0), "{name}: {:?}", watch.elapsed());
    }
}
