//! How it stops: tidily, soon, and at once if it is told twice.

use std::time::Duration;

use claimwatch::exit;

use crate::support::Stopwatch;
use crate::support::house::{House, list};
use crate::support::process::Running;
use crate::support::records::{check, names};
use crate::support::sim::{Sim, WIDE, fault, number, soon_after};

/// A Connect service that answers nobody, and a look at it in flight.
fn hanging() -> (Sim, House) {
    let hang = fault("connect", (0, 200), "kind = \"hang\"");
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "IN_PROGRESS")]), &hang].concat());
    let house = House::at(sim.address);
    house.alter("timeout = \"5s\"", "timeout = \"1m\"");
    house.list("emea", &list(&[1], &[]));
    (sim, house)
}

/// How long looks in flight get before they are dropped, seconds.
const GRACE: u64 = 5;

#[test]
fn each_stop_signal_ends_it_tidily_though_a_look_hangs() {
    let both = ["TERM", "INT"].map(|name| {
        let (sim, house) = hanging();
        let daemon = house.up();
        daemon.wait("the look", || sim.described() == 1);
        daemon.signal(name);
        (name, sim, house, daemon, Stopwatch::start())
    });
    for (name, sim, house, daemon, watch) in both {
        let ended = daemon.end();
        let took = watch.elapsed();
        assert_eq!(ended.code, Some(i32::from(exit::OK)), "SIG{name}: {}", ended.stderr);
        assert!(took < soon_after(GRACE), "SIG{name} took {took:?}");
        assert_eq!(
            names(&ended.records()),
            ["order.tracked", "config.applied", "daemon.started", "daemon.stopped"]
        );
        check(&ended.records());
        assert_eq!(house.events(), ended.records());
        assert_eq!(sim.described(), 1, "no look begins during the stop");
    }
}

#[test]
fn without_looks_in_flight_it_stops_at_once() {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "CLAIMED")])].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    let mut daemon = house.up();
    daemon.until_events(&["number.claimed"]);
    let watch = Stopwatch::start();
    assert_eq!(daemon.stop().code, Some(i32::from(exit::OK)));
    assert!(watch.elapsed() < soon_after(0), "{:?}", watch.elapsed());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "TERM")] {
        let (sim, house) = hanging();
        let daemon = house.up();
        daemon.wait("the look", || sim.described() == 1);
        let watch = Stopwatch::start();
        daemon.signal(first);
        daemon.wait("the first signal", || daemon.stderr().contains("stopping"));
        daemon.signal(second);
        let ended = daemon.end();
        let took = watch.elapsed();
        assert_eq!(ended.code, Some(i32::from(exit::FAILURE)), "{}", ended.stderr);
        assert!(took < Duration::from_secs(GRACE), "it waited for the look: {took:?}");
        assert!(ended.stderr.contains("second signal"), "{}", ended.stderr);

        // What it left behind is whole: the next life goes on from there.
        sim.move_to(200);
        let again = house.up().stop();
        assert_eq!(again.code, Some(i32::from(exit::OK)), "{}", again.stderr);
        check(&house.events());
    }
}

#[test]
fn diagnostics_that_nobody_reads_hold_up_nothing() {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "IN_PROGRESS"), (50, "CLAIMED")])].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    let mut daemon = Running::start(house.command_into_full_pipe(2, &["run"]));
    daemon.until_events(&["number.in_progress"]);
    sim.move_to(50);
    daemon.until_events(&["number.claimed"]);
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(i32::from(exit::OK)));
    assert!(names(&ended.records()).contains(&"daemon.stopped"));
}

#[test]
fn the_end_comes_though_nobody_reads_standard_error() {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "IN_PROGRESS")])].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    let mut daemon = Running::start(house.command_into_full_pipe(2, &["run"]));
    daemon.until_events(&["number.in_progress"]);
    // The daemon sees that its store is gone with the next write, and ends.
    std::fs::rename(house.path("claimwatch.db"), house.path("elsewhere.db")).unwrap();
    assert_eq!(daemon.end().code, Some(i32::from(exit::STORE)));
}

#[test]
fn a_hang_up_after_a_rotation_ends_nothing_and_loses_nothing() {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "IN_PROGRESS"), (4, "CLAIMED")])].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    let mut daemon = house.up();
    daemon.until_events(&["number.in_progress"]);
    let (file, rotated) = (house.path("events.jsonl"), house.path("events.jsonl.1"));
    daemon.wait("the file to have it", || std::fs::read_to_string(&file).unwrap().contains("in_progress"));
    std::fs::rename(&file, &rotated).unwrap();
    daemon.signal("HUP");
    sim.move_to(4);
    daemon.until_events(&["number.claimed"]);
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    let both = [rotated, file].map(|path| std::fs::read_to_string(path).unwrap()).concat();
    assert_eq!(both, ended.stdout, "each event once, in one file or the other");
}
