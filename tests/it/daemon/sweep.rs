//! Asking once for many: a scope's list instead of a look at each order, and what happens when it cannot be had.

use claimwatch::exit;
use serde_json::Value;

use crate::support::house::{House, list};
use crate::support::process::Running;
use crate::support::records::{about, check, names, of};
use crate::support::sim::{Sim, WIDE, fault, number, number_id, order, order_id};
use crate::support::wait_for;

/// Orders 1 to `count`, which are all done in the tenth second, watched, with this beside them; those of `unlisted` are in
/// no list.
fn bought(count: u32, unlisted: &[u32], beside: &str) -> (Sim, House) {
    let timeline = [(0, "Processing", "Processing"), (10, "Successful", "Acquired")];
    let orders: String = (1..=count).map(|n| hidden(n, order(n, &timeline), unlisted)).collect();
    let sim = Sim::start(&[WIDE, &orders, beside].concat());
    let house = House::at(sim.address);
    let all: Vec<u32> = (1..=count).collect();
    house.list("emea", &list(&[], &all));
    (sim, house)
}

fn hidden(n: u32, section: String, unlisted: &[u32]) -> String {
    if unlisted.contains(&n) { section.replace("timeline", "listed = false\ntimeline") } else { section }
}

/// Has the daemon see them all pending, by so many pages, then done, and stop. Returns all that it said.
fn watch_them_be_done(sim: &Sim, house: &House, count: usize, pages: u64) -> Vec<Value> {
    let mut daemon = house.run();
    daemon.until("all pending", |records| of(records, "number.in_progress").len() == count);
    wait_for("pages", || (sim.listed_orders() >= pages).then_some(()), || sim.listed_orders().to_string());
    sim.move_to(10);
    daemon.until("all done", |records| of(records, "order.completed").len() == count);
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    let records = ended.records();
    check(&records);
    records
}

/// Each order's story is told, and once.
#[track_caller]
fn each_is_told_once(records: &[Value], count: u32) {
    let first = about(records, &order_id(1));
    for name in ["order.tracked", "number.in_progress", "number.claimed", "order.completed"] {
        assert_eq!(first.iter().filter(|told| **told == name).count(), 1, "{name} in {first:?}");
    }
    for n in 2..=count {
        assert_eq!(about(records, &order_id(n)), first, "order {n}");
    }
    let scopes: Vec<&str> = names(records).into_iter().filter(|name| name.starts_with("scope.")).collect();
    assert!(scopes.is_empty(), "{scopes:?}");
}

#[test]
fn three_hundred_orders_cost_three_calls_a_round() {
    let (sim, house) = bought(300, &[], "");
    // So that they are due together, round after round.
    house.alter("floor = \"100ms\"", "floor = \"2s\"");
    house.alter("steady = \"200ms\"", "steady = \"2s\"");
    house.alter("ceiling = \"300ms\"", "ceiling = \"2s\"");
    let records = watch_them_be_done(&sim, &house, 300, 1);
    each_is_told_once(&records, 300);
    let (pages, looks) = (sim.listed_orders(), sim.gotten());
    // 300 looks would be a single round of them, where there were two at least.
    assert!(pages >= 6 && pages + looks < 150, "{pages} pages and {looks} looks");
}

#[test]
fn an_order_that_no_list_shows_is_looked_at() {
    let (sim, house) = bought(10, &[4, 7], "");
    let records = watch_them_be_done(&sim, &house, 10, 2);
    each_is_told_once(&records, 10);
    assert!(sim.listed_orders() >= 2 && sim.gotten() >= 4, "{} looks", sim.gotten());
}

#[test]
fn a_list_that_cannot_be_used_costs_a_few_calls_and_no_transition() {
    let faults = [
        ("expired", "kind = \"expired-token\"", 4),
        ("refused", "kind = \"deny\"", 1),
        ("in circles", "kind = \"loop\"", 2),
        ("nonsense", "kind = \"garbage\"\nbody = \"object\"", 1),
        ("not there", "kind = \"status\"\nstatus = 404\ncode = \"NotFoundException\"", 1),
        ("an outage of its own", "kind = \"status\"\nstatus = 503", 3),
    ];
    for (name, keys, calls) in faults {
        let fault = fault("chime", (0, 100), &format!("operation = \"ListPhoneNumberOrders\"\n{keys}"));
        let (sim, house) = bought(120, &[], &fault);
        let records = watch_them_be_done(&sim, &house, 120, 0);
        each_is_told_once(&records, 120);
        assert!(sim.gotten() >= 120, "{name}: {} looks", sim.gotten());
        // For a minute it is not asked again.
        assert_eq!(sim.listed_orders(), calls, "{name}");
    }
}

#[test]
fn a_refused_list_is_told_to_whoever_reads_the_diagnostics() {
    let fault = fault("chime", (0, 100), "operation = \"ListPhoneNumberOrders\"\nkind = \"deny\"");
    let (sim, house) = bought(5, &[], &fault);
    let mut daemon = house.run();
    daemon.until("all pending", |records| of(records, "number.in_progress").len() == 5);
    let stderr = daemon.stop().stderr;
    let told: Vec<&str> = stderr.lines().filter(|line| line.contains("list cannot be used")).collect();
    assert_eq!((told.len(), sim.listed_orders()), (1, 1), "{stderr}");
    assert!(told[0].contains("AccessDeniedException") && told[0].contains("chime/sim"), "{}", told[0]);
}

/// Numbers 1 to `count`, claimed and watched on each second, of which the seventh is released in the tenth second.
fn claimed(count: u32, unlisted: &[u32], beside: &str) -> (Sim, House, Running) {
    let timeline = |n| if n == 7 { vec![(0, "CLAIMED"), (10, "GONE")] } else { vec![(0, "CLAIMED")] };
    let numbers: String = (1..=count).map(|n| hidden(n, number(n, &timeline(n)), unlisted)).collect();
    let sim = Sim::start(&[WIDE, &numbers, beside].concat());
    let house = House::at(sim.address);
    house.alter("missing_grace", "after_terminal = \"1s\"\nmissing_grace");
    let all: Vec<u32> = (1..=count).collect();
    house.list("emea", &list(&all, &[]));
    let mut daemon = house.run();
    daemon.until("all claimed", |records| of(records, "number.claimed").len() == count as usize);
    (sim, house, daemon)
}

#[test]
fn numbers_that_are_there_cost_lists_rather_than_looks() {
    let (sim, _house, daemon) = claimed(40, &[], "");
    let (lists, looks) = (sim.listed(), sim.described());
    daemon.wait("lists", || sim.listed() >= lists + 8);
    let looks = sim.described() - looks;
    // A look at each, round after round, would be forty a list; every fourth round it is.
    assert!((20..160).contains(&looks), "{looks} looks beside eight lists");
    let records = daemon.stop().records();
    check(&records);
    assert!(of(&records, "number.released").is_empty());
}

#[test]
fn a_released_number_is_told_after_looks_at_itself_and_one_that_is_only_unlisted_is_not() {
    let (sim, house, mut daemon) = claimed(40, &[3], "");
    daemon.wait("lists", || sim.listed() >= 2);
    let (lists, missing) = (sim.listed(), sim.served.with_status(404));
    assert_eq!(missing, 0);
    sim.move_to(10);
    let records = daemon.until_events(&["number.released"]);
    assert_eq!(about(&records, &number_id(7)).last(), Some(&"number.released"));
    assert!(sim.served.with_status(404) >= 2, "it was looked at, and once more to be sure");
    daemon.wait("more lists", || sim.listed() >= lists + 4);
    daemon.stop();
    let records = house.events();
    check(&records);
    assert_eq!(of(&records, "number.released").len(), 1, "{:?}", names(&records));
    assert_eq!(about(&records, &number_id(3)), ["order.tracked", "number.claimed"]);
}

#[test]
fn one_round_reads_the_list_and_answers_for_every_order() {
    let (sim, house) = bought(250, &[9], "");
    let ended = house.ended(&["--once"]);
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    let records = ended.records();
    check(&records);
    assert_eq!(of(&records, "number.in_progress").len(), 250);
    assert_eq!((sim.listed_orders(), sim.gotten()), (3, 1), "and a look at the one that is in no list");

    sim.move_to(10);
    let deny = fault("chime", (0, 100), "operation = \"ListPhoneNumberOrders\"\nkind = \"deny\"");
    let (refused, other) = bought(30, &[], &deny);
    let ended = other.ended(&["--once"]);
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "each was looked at: {}", ended.stderr);
    assert_eq!((refused.listed_orders(), refused.gotten()), (1, 30));
    assert_eq!(of(&ended.records(), "number.in_progress").len(), 30);
}

#[test]
fn one_round_asks_the_list_which_numbers_are_there() {
    let (sim, house, daemon) = claimed(10, &[], "");
    daemon.stop();
    house.alter("after_terminal = \"1s\"", "after_terminal = \"1h\"");
    for n in 1..=10 {
        let due = "UPDATE orders SET due_at = 0 WHERE id = ?1";
        super::alter_store(&house.path("claimwatch.db"), due, Some(&number_id(n)));
    }
    sim.move_to(10);
    let (lists, looks) = (sim.listed(), sim.described());
    let ended = house.ended(&["--once"]);
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    assert_eq!(about(&ended.records(), &number_id(7)), ["number.released"]);
    check(&house.events());
    assert_eq!(sim.listed(), lists + 2, "all numbers, and who else holds the one that is gone");
    let looks = sim.described() - looks;
    assert!((2..=4).contains(&looks), "{looks} looks: two at the one that is gone, and at a witness");
}
