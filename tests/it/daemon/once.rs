//! One round: a look at everything that is due, what there is to say, and the end.

use std::time::Duration;

use claimwatch::exit;

use crate::support::Stopwatch;
use crate::support::house::{House, list};
use crate::support::process::ended;
use crate::support::receiver::{Receiver, SECRET};
use crate::support::records::{about, check, names, of, only};
use crate::support::sim::{Sim, WIDE, closed_address, fault, number, number_id, order, order_id, soon_after};

#[test]
fn each_order_is_looked_at_once() {
    let bought = order(1, &[(0, "Successful", "Acquired")]);
    let sim = Sim::start(
        &[WIDE, &number(1, &[(0, "CLAIMED")]), &number(2, &[(0, "IN_PROGRESS")]), &bought].concat(),
    );
    let house = House::at(sim.address);
    house.list("emea", &list(&[1, 2], &[1]));
    let ended = house.ended(&["--once"]);
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    assert_eq!((sim.described(), sim.gotten()), (2, 1));
    assert_eq!(sim.served.total(), 4, "besides, STS was asked once whose credentials these are");
    let records = ended.records();
    check(&records);
    assert_eq!(house.events(), records);
    assert_eq!(about(&records, &number_id(1)), ["order.tracked", "number.claimed"]);
    assert_eq!(about(&records, &number_id(2)), ["order.tracked", "number.in_progress"]);
    assert!(about(&records, &order_id(1)).contains(&"order.completed"));
    assert!(!names(&records).iter().any(|name| name.starts_with("daemon.")), "{:?}", names(&records));

    // What is done is not due, and what is due has nothing new.
    let again = house.ended(&["--once"]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(i32::from(exit::OK)), ""), "{}", again.stderr);
    assert!(sim.described() <= 3 && sim.gotten() == 1);
}

#[test]
fn what_is_missing_is_confirmed_in_the_same_round() {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "GONE")])].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1, 2], &[1]));
    let ended = house.ended(&["--once"]);
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    assert_eq!((sim.described(), sim.gotten()), (4, 2), "each twice");
    let records = ended.records();
    assert_eq!(of(&records, "order.not_found").len(), 3);
    check(&records);
}

#[test]
fn a_refusal_for_quota_is_waited_for() {
    let busy = fault("connect", (0, 100), "every = 2\nkind = \"status\"\nstatus = 429\nretry_after = \"1\"");
    let numbers = [number(1, &[(0, "CLAIMED")]), number(2, &[(0, "CLAIMED")])].concat();
    let sim = Sim::start(&[WIDE, &numbers, &busy].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1, 2], &[]));
    let ended = house.ended(&["--once"]);
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    assert_eq!((sim.served.with_status(429), sim.described()), (1, 3));
    let records = ended.records();
    assert_eq!(of(&records, "number.claimed").len(), 2);
    only(&records, "scope.throttled");
}

#[test]
fn looks_without_an_answer_are_an_exit_of_their_own() {
    let house = House::at(closed_address());
    house.list("emea", &list(&[1, 2], &[1]));
    let ended = house.ended(&["--once"]);
    assert_eq!(ended.code, Some(i32::from(exit::UNAVAILABLE)));
    assert!(ended.stderr.contains("3 of the looks had no answer"), "{}", ended.stderr);
    let records = ended.records();
    assert_eq!(names(&records), ["order.tracked", "order.tracked", "order.tracked", "config.applied"]);
    check(&house.events());

    let refused = fault("all", (0, 100), "kind = \"deny\"\ncode = \"ExpiredTokenException\"");
    let sim = Sim::start(&[WIDE, &refused].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1, 2, 3], &[]));
    let ended = house.ended(&["--once"]);
    assert_eq!(ended.code, Some(i32::from(exit::UNAVAILABLE)));
    assert!(ended.stderr.contains("3 of the looks had no answer"), "{}", ended.stderr);
    only(&ended.records(), "scope.denied");
}

#[test]
fn the_deadline_bounds_it() {
    let hang = fault("connect", (0, 100), "kind = \"hang\"");
    let sim = Sim::start(&[WIDE, &hang, &order(1, &[(0, "Successful", "Acquired")])].concat());
    let house = House::at(sim.address);
    house.alter("timeout = \"5s\"", "timeout = \"1m\"");
    house.list("emea", &list(&[1, 2], &[1]));
    let watch = Stopwatch::start();
    let ended = house.ended(&["--once", "--deadline", "1s"]);
    let took = watch.elapsed();
    assert_eq!(ended.code, Some(i32::from(exit::UNAVAILABLE)), "{}", ended.stderr);
    assert!(took >= Duration::from_secs(1) && took < soon_after(1), "{took:?}");
    assert!(ended.stderr.contains("2 of the looks had no answer"), "{}", ended.stderr);
    assert_eq!(
        only(&ended.records(), "order.completed")["order_id"],
        order_id(1),
        "what came in time counts"
    );
    check(&house.events());
}

#[test]
fn a_service_that_works_again_is_looked_at_in_full_by_the_first_round_after_its_outage() {
    let address = closed_address();
    let house = House::at(address);
    let all: Vec<u32> = (1..=12).collect();
    house.list("emea", &list(&all, &[]));
    let down = house.ended(&["--once"]);
    assert!(down.stderr.contains("12 of the looks had no answer"), "{}", down.stderr);
    let numbers: String = all.iter().map(|n| number(*n, &[(0, "IN_PROGRESS")])).collect();
    let _sim = Sim::at(address, &[WIDE, &numbers].concat());
    let up = house.ended(&["--once"]);
    assert_eq!(up.code, Some(i32::from(exit::OK)), "{}", up.stderr);
    // Who was looked at in vain is due again a moment later.
    let seen = || of(&house.events(), "number.in_progress").len();
    assert!(seen() >= 6, "{}", up.stdout);
    while seen() < 12 {
        assert_eq!(house.ended(&["--once"]).code, Some(i32::from(exit::OK)));
    }
    check(&house.events());
}

#[test]
fn a_webhook_that_takes_nothing_is_an_exit_of_its_own() {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "CLAIMED")])].concat());
    let receiver = Receiver::start();
    let house = House::with(sim.address, &receiver.section("pager", ""));
    house.write("pager.secret", SECRET);
    house.list("emea", &list(&[1], &[]));
    receiver.answer(|_| (503, String::new()));
    let stuck = house.ended(&["--once"]);
    assert_eq!(stuck.code, Some(i32::from(exit::UNAVAILABLE)), "{}", stuck.stderr);
    assert!(stuck.stderr.contains("not delivered yet"), "{}", stuck.stderr);
    receiver.answer(|_| (200, String::new()));
    let later = house.ended(&["--once"]);
    assert_eq!(later.code, Some(i32::from(exit::OK)), "{}", later.stderr);
    assert_eq!(receiver.taken().len(), house.events().len());
}

#[test]
fn events_that_nobody_takes_are_an_exit_of_their_own_and_wait() {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "CLAIMED")])].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    let stuck = ended(house.command_into_full_pipe(1, &["run", "--once", "--deadline", "1s"]));
    assert_eq!(stuck.code, Some(i32::from(exit::UNAVAILABLE)), "{}", stuck.stderr);
    assert!(stuck.stderr.contains("not delivered yet"), "{}", stuck.stderr);
    assert_eq!(names(&house.events()), ["order.tracked", "config.applied", "number.claimed"]);
    let later = house.ended(&["--once"]);
    assert_eq!(later.records(), house.events(), "the log gets them at the next start, the file has them");
}
