//! What is not where it was: numbers that a whole scope loses at once, and numbers that another id holds.

use crate::support::house::{House, list};
use crate::support::process::Ended;
use crate::support::records::{about, check, names, of, only};
use crate::support::sim::{Sim, WIDE, e164, fault, number, number_id};

const GOES: [(u32, &str); 2] = [(0, "IN_PROGRESS"), (10, "GONE")];

/// Four numbers that all go in the tenth second, watched.
fn vanishing() -> (Sim, House) {
    let numbers: String = (1..=4).map(|n| number(n, &GOES)).collect();
    let sim = Sim::start(&[WIDE, &numbers].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1, 2, 3, 4], &[]));
    (sim, house)
}

fn accept(house: &House, scope: &str) -> Ended {
    crate::support::process::ended(house.command(&["accept", scope]))
}

#[test]
fn a_scope_that_goes_missing_is_suspect_until_somebody_accepts_that() {
    let (sim, house) = vanishing();
    let mut daemon = house.run();
    daemon.until("all numbers", |records| of(records, "number.in_progress").len() == 4);
    let refused = accept(&house, "connect/sim");
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("connect/sim is not suspect"), "{}", refused.stderr);
    sim.move_to(10);
    let records = daemon.until_events(&["scope.suspect"]);
    let said = only(&records, "scope.suspect");
    assert_eq!((&said["level"], &said["condition"]), (&"error".into(), &"suspect".into()));
    let (looks, lists) = (sim.described(), sim.listed());
    daemon.wait("more looks at each", || sim.described() >= looks + 20);
    assert!(of(&daemon.records(), "number.released").is_empty(), "{:?}", names(&daemon.records()));
    let killed = daemon.kill();
    check(&killed.records());

    let mut daemon = house.up();
    let looks = sim.described();
    daemon.wait("more looks at each", || sim.described() >= looks + 20);
    assert!(of(&daemon.records(), "number.released").is_empty(), "a restart does not end it");
    let accepted = accept(&house, "connect/sim");
    assert_eq!((accepted.code, accepted.stderr.as_str()), (Some(0), ""), "{}", accepted.stdout);
    daemon.until("all of them", |records| of(records, "number.released").len() == 4);
    assert!(sim.listed() > lists, "before that it was asked who else holds them");
    daemon.stop();
    let all = house.events();
    check(&all);
    assert_eq!(only(&all, "scope.recovered")["condition"], "suspect");
    only(&all, "scope.suspect");
}

#[test]
fn with_another_accounts_credentials_for_a_while_nothing_is_lost() {
    let numbers: String = (1..=4).map(|n| number(n, &[(0, "IN_PROGRESS")])).collect();
    let stranger = fault("connect", (10, 20), "kind = \"stranger\"");
    let sim = Sim::start(&[WIDE, &numbers, &stranger].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1, 2, 3, 4], &[]));
    let mut daemon = house.run();
    daemon.until("all numbers", |records| of(records, "number.in_progress").len() == 4);
    sim.move_to(10);
    daemon.until_events(&["scope.suspect"]);
    sim.move_to(20);
    daemon.until_events(&["scope.recovered"]);
    daemon.stop();
    let all = house.events();
    check(&all);
    assert!(of(&all, "number.released").is_empty(), "{:?}", names(&all));
    assert_eq!(only(&all, "scope.recovered")["condition"], "suspect");
}

#[test]
fn whom_accept_does_not_reach_is_told_why() {
    let (_sim, house) = vanishing();
    let nobody = accept(&house, "connect/sim");
    assert_eq!(nobody.code, Some(69), "{}", nobody.stderr);
    assert!(nobody.stderr.contains("claimwatch.db.sock"), "{}", nobody.stderr);
    assert_eq!(accept(&house, "sim").code, Some(64));
    let daemon = house.up();
    let unknown = accept(&house, "connect/other");
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("there are: chime/sim, connect/sim"), "{}", unknown.stderr);
    daemon.stop();
    assert!(!house.path("claimwatch.db.sock").exists(), "the socket goes with the daemon");
}

/// A number whose claim fails, and the same number under another id, which gets it.
fn retried_elsewhere(word: &str) -> Sim {
    let other = number(2, &[(0, word)]).replace(&e164(2), &e164(1));
    Sim::start(&[WIDE, &number(1, &[(0, "FAILED")]), &other].concat())
}

#[test]
fn a_claim_that_was_retried_under_another_id_is_resolved_before_anybody_is_woken() {
    let sim = retried_elsewhere("CLAIMED");
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    let mut daemon = house.run();
    let records = daemon.until_events(&["window.resolved"]);
    let said = only(&records, "window.resolved");
    assert_eq!(said["outcome"], "claimed_elsewhere");
    assert_eq!(said["other_id"], number_id(2));
    let looks = sim.described();
    daemon.wait("more looks", || sim.described() >= looks + 5);
    let records = daemon.stop().records();
    check(&records);
    let wanted = ["order.tracked", "number.failed", "window.opened", "window.resolved"];
    assert_eq!(about(&records, &number_id(1)), wanted, "FAILED was the first thing seen, and yet no warning");
    assert_eq!(sim.listed(), 1, "it is asked once");
}

#[test]
fn a_claim_that_failed_under_another_id_too_is_warned_of() {
    let sim = retried_elsewhere("FAILED");
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    let mut daemon = house.run();
    let records = daemon.until_events(&["window.closing"]);
    let said = only(&records, "window.closing");
    assert_eq!((&said["level"], &said["other_id"]), (&"error".into(), &number_id(2).into()));
    let also = format!("the id {} has it too, FAILED", number_id(2));
    assert!(said["message"].as_str().unwrap().contains(&also), "{said}");
    assert_eq!(sim.listed(), 1);
    daemon.stop();
}

#[test]
fn who_may_not_list_numbers_is_told_so_and_warned_all_the_same() {
    let deny = fault("connect", (0, 100), "operation = \"ListPhoneNumbersV2\"\nkind = \"deny\"");
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "FAILED")]), &deny].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    let mut daemon = house.run();
    let records = daemon.until_events(&["order.attention", "window.closing"]);
    let said = only(&records, "order.attention");
    assert_eq!(
        (&said["condition"], &said["raw"]),
        (&"holders_denied".into(), &"AccessDeniedException".into())
    );
    assert!(of(&records, "scope.denied").is_empty());
    daemon.stop();
}
