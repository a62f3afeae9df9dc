//! Refusals and nonsense: quota, credentials, one order's own trouble. Each has its own event and its own reaction.

use std::time::Duration;

use serde_json::Value;

use crate::support::Stopwatch;
use crate::support::house::{House, list};
use crate::support::process::Running;
use crate::support::records::{about, check, names, of, only};
use crate::support::sim::{Sim, WIDE, fault, number, number_id, order};

const PENDING: [(u32, &str); 1] = [(0, "IN_PROGRESS")];

/// Numbers 1 to `count`, pending, an order that is pending too, and these faults; watched.
fn watched(count: u32, faults: &[String]) -> (Sim, House) {
    let numbers: String = (1..=count).map(|n| number(n, &PENDING)).collect();
    let bought = order(1, &[(0, "Processing", "Processing")]);
    let sim = Sim::start(&[WIDE, &numbers, &bought, &faults.concat()].concat());
    let house = House::at(sim.address);
    let all: Vec<u32> = (1..=count).collect();
    house.list("emea", &list(&all, &[1]));
    (sim, house)
}

#[test]
fn a_429_holds_the_scope_and_no_other() {
    let quota = "[quota.connect]\nrate = 10000.0\nburst = 10000\nretry_after = \"2\"\nphases = [{ from = \"1s\", until = \"2s\", rate = 0.001, burst = 1 }]\n[quota.chime]\nrate = 10000.0\nburst = 10000\n";
    let bought = order(1, &[(0, "Processing", "Processing")]);
    let sim = Sim::start(&[quota, &number(1, &PENDING), &number(2, &PENDING), &bought].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1, 2], &[1]));
    let mut daemon = house.run();
    daemon.until("both", |records| of(records, "number.in_progress").len() == 3);
    sim.move_to(1);
    let records = daemon.until_events(&["scope.throttled"]);
    let watch = Stopwatch::start();
    let said = only(&records, "scope.throttled");
    assert_eq!((&said["condition"], &said["retry_after_s"]), (&"throttled".into(), &2.into()));
    // Looks may have been in flight when the first was refused.
    let (refused, chime) = (sim.described(), sim.gotten());
    sim.move_to(2);
    daemon.wait("the other scope", || sim.gotten() >= chime + 3);
    daemon.wait("a look after the hold", || sim.described() > refused + 1);
    assert!(watch.elapsed() > Duration::from_millis(1500), "{:?}", watch.elapsed());
    let records = daemon.stop().records();
    check(&records);
    assert!(of(&records, "scope.unavailable").is_empty(), "a 429 is no outage");
    assert!(of(&records, "order.blocked").is_empty(), "a 429 is nobody's fault");
}

#[test]
fn chimes_own_word_for_a_429_means_the_quota_at_any_status() {
    let refusal =
        fault("chime", (0, 100), "kind = \"status\"\nstatus = 400\ncode = \"ThrottledClientException\"");
    let (_sim, house) = watched(1, &[refusal]);
    let mut daemon = house.run();
    let records = daemon.until_events(&["scope.throttled", "number.in_progress"]);
    assert_eq!(only(&records, "scope.throttled")["provider"], "chime");
    daemon.stop();
}

/// Waits for `scope.denied` of Connect and for a while in which nothing of it is asked.
fn denied(daemon: &mut Running, sim: &Sim) -> Value {
    let records = daemon.until_events(&["scope.denied"]);
    // Looks that began before the refusal was read have ended once the other scope had some more.
    let chime = sim.gotten();
    daemon.wait("looks of the other scope", || sim.gotten() >= chime + 2);
    let (asked, chime) = (sim.described(), sim.gotten());
    daemon.wait("looks of the other scope", || sim.gotten() >= chime + 4);
    assert_eq!(sim.described(), asked, "it goes on although it is refused");
    only(&records, "scope.denied").clone()
}

#[test]
fn refused_credentials_stop_the_scope_and_no_other() {
    let cases = [
        ("401", "kind = \"status\"\nstatus = 401\nbody = \"empty\"", "HTTP 401"),
        ("expired", "kind = \"deny\"\ncode = \"ExpiredTokenException\"", "ExpiredTokenException"),
        (
            "at 400",
            "kind = \"deny\"\nstatus = 400\ncode = \"UnrecognizedClientException\"",
            "UnrecognizedClientException",
        ),
    ];
    for (name, keys, code) in cases {
        let (sim, house) = watched(2, &[fault("connect", (0, 100), keys)]);
        let mut daemon = house.run();
        let said = denied(&mut daemon, &sim);
        assert_eq!((&said["raw"], &said["level"]), (&code.into(), &"error".into()), "{name}");
        assert!(sim.described() <= 2, "{name}: {} looks", sim.described());
        daemon.stop();
        // A new life tries once at once, and says that it is over.
        sim.move_to(100);
        let mut daemon = house.run();
        let records = daemon.until_events(&["scope.recovered"]);
        assert_eq!(only(&records, "scope.recovered")["condition"], "denied", "{name}");
        daemon.until("its numbers", |records| of(records, "number.in_progress").len() == 2);
        daemon.stop();
        check(&house.events());
        only(&house.events(), "scope.denied");
    }
}

#[test]
fn a_wrong_secret_is_said_and_nothing_else_is() {
    let (sim, house) = watched(1, &[]);
    let mut command = house.command(&["run"]);
    command.env("AWS_SECRET_ACCESS_KEY", "another");
    let mut daemon = Running::start(command);
    daemon.until("both scopes", |records| of(records, "scope.denied").len() == 2);
    let ended = daemon.stop();
    let mut said = names(&ended.records()).into_iter().map(str::to_owned).collect::<Vec<_>>();
    said.sort();
    let wanted = ["config.applied", "daemon.started", "daemon.stopped", "order.tracked", "order.tracked"];
    assert_eq!(said, [&wanted[..], &["scope.denied", "scope.denied"]].concat());
    assert_eq!(sim.served.total(), 1, "STS said so, once, and nobody else was asked");
    assert!(!ended.stdout.contains("another") && !ended.stderr.contains("another"));
}

#[test]
fn a_clock_that_is_off_is_made_up_for() {
    let ahead = fault("all", (0, 100), "kind = \"skew\"\nclock = \"10m\"");
    let (sim, house) = watched(1, &[ahead]);
    let mut daemon = house.run();
    daemon.until("both", |records| of(records, "number.in_progress").len() == 2);
    let asked = sim.served.total();
    daemon.wait("more looks", || sim.served.total() > asked + 6);
    // One of each service: of STS, Connect and Chime.
    assert_eq!(sim.served.with_status(403), 3, "signed once more, and right from then on");
    let records = daemon.stop().records();
    assert!(of(&records, "scope.denied").is_empty());
}

#[test]
fn no_credentials_at_all_are_refused_credentials() {
    let (sim, house) = watched(1, &[]);
    let mut command = house.command(&["run"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let mut daemon = Running::start(command);
    let records = daemon.until("both scopes", |records| of(records, "scope.denied").len() == 2);
    assert_eq!(of(&records, "scope.denied")[0]["raw"], "NoCredentials");
    assert_eq!((daemon.stop().code, sim.served.total()), (Some(0), 0));
}

#[test]
fn access_denied_is_one_orders_trouble_until_three_have_it() {
    let id = number_id(1);
    let one = fault("connect", (0, 100), &format!("id = \"{id}\"\nkind = \"deny\""));
    let (sim, house) = watched(3, &[one]);
    let mut daemon = house.run();
    let records = daemon.until_events(&["order.attention", "number.in_progress"]);
    let said = only(&records, "order.attention");
    assert_eq!((&said["order_id"], &said["condition"]), (&id.into(), &"access_denied".into()));
    let asked = sim.described();
    daemon.wait("more looks", || sim.described() > asked + 9);
    let records = daemon.stop().records();
    only(&records, "order.attention");
    assert!(of(&records, "scope.denied").is_empty(), "others were seen between");

    let (sim, house) = watched(3, &[fault("connect", (0, 100), "kind = \"deny\"")]);
    let mut daemon = house.run();
    let said = denied(&mut daemon, &sim);
    assert_eq!(said["raw"], "AccessDeniedException");
    daemon.stop();
}

fn garbage(scope: &str, body: &str) -> String {
    fault("connect", (0, 100), &format!("{scope}kind = \"garbage\"\nbody = \"{body}\""))
}

#[test]
fn nonsense_about_one_order_is_its_own_fault() {
    let alone = format!("id = \"{}\"\n", number_id(1));
    // Three at once, so that their waits pass together.
    for bodies in [["html", "object", "half"], ["deep", "bytes", "types"]] {
        let started = bodies.map(|body| {
            let (sim, house) = watched(2, &[garbage(&alone, body)]);
            let daemon = house.run();
            (body, sim, house, daemon)
        });
        for (body, sim, _house, mut daemon) in started {
            daemon.until(body, |records| of(records, "number.in_progress").len() == 2);
            let asked = sim.described();
            daemon.wait("looks at the good one", || sim.described() > asked + 5);
            let ended = daemon.stop();
            assert_eq!(ended.code, Some(0), "{body}: {}", ended.stderr);
            let records = ended.records();
            assert_eq!(about(&records, &number_id(1)), ["order.tracked"], "{body}");
            assert_eq!(about(&records, &number_id(2)), ["order.tracked", "number.in_progress"], "{body}");
            assert!(of(&records, "scope.unavailable").is_empty(), "{body}: it is one order's own");
        }
    }
}

#[test]
fn nonsense_about_everything_is_an_outage() {
    let started = ["empty", "array", "null", "huge"].map(|body| {
        let (sim, house) = watched(5, &[garbage("", body)]);
        let daemon = house.run();
        (body, sim, house, daemon)
    });
    let started = started.map(|(body, sim, house, mut daemon)| {
        let records = daemon.until_events(&["scope.unavailable"]);
        assert_eq!(only(&records, "scope.unavailable")["provider"], "connect", "{body}");
        sim.move_to(100);
        (sim, house, daemon)
    });
    for (_sim, _house, mut daemon) in started {
        daemon.until_events(&["scope.recovered"]);
        daemon.stop();
    }
}

#[test]
fn an_order_that_is_always_nonsense_is_blocked_in_the_end() {
    let sim = Sim::start(
        &[
            WIDE,
            &number(1, &PENDING),
            &number(2, &PENDING),
            &fault(
                "connect",
                (0, 100),
                &format!("id = \"{}\"\nkind = \"garbage\"\nbody = \"html\"", number_id(1)),
            ),
        ]
        .concat(),
    );
    let house = House::at(sim.address);
    house.list("emea", &list(&[1, 2], &[]));
    // Seven looks have failed and the eighth is due: waiting for that would take ten minutes.
    house.ended(&["--once"]);
    let moved = "UPDATE orders SET faults = 7, due_at = 0 WHERE id = ?1";
    super::alter_store(&house.path("claimwatch.db"), moved, Some(&number_id(1)));
    let mut daemon = house.run();
    let records = daemon.until_events(&["order.blocked"]);
    let said = only(&records, "order.blocked");
    assert_eq!((&said["order_id"], &said["level"]), (&number_id(1).into(), &"error".into()));
    daemon.stop();
    check(&house.events());
}
