//! The command line: exit codes, what goes to which stream, and the commands beside `run`.

use std::fs;

use claimwatch::exit;

use crate::support::house::{House, list};
use crate::support::process::{Ended, Running, claimwatch, ended};
use crate::support::records::{about, check};
use crate::support::sim::{closed_address, number, number_id};
use crate::support::{Stopwatch, wait_for};

fn check_command(house: &House) -> Ended {
    ended(house.command(&["check"]))
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    for args in [
        &[][..],
        &["walk"],
        &["run", "--twice"],
        &["run", "emea"],
        &["run", "--deadline", "1s"],
        &["run", "--once", "--deadline", "soon"],
        &["simulate", "--listen", "nowhere"],
    ] {
        let refused = ended(claimwatch(args));
        assert_eq!(refused.code, Some(i32::from(exit::USAGE)), "{args:?}: {}", refused.stderr);
        assert_eq!(refused.stdout, "", "{args:?}");
        assert!(
            refused.stderr.contains("--help") || refused.stderr.contains("Usage"),
            "{args:?}: {}",
            refused.stderr
        );
    }
    for (arg, wanted) in [("--help", "simulate"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let told = ended(claimwatch(&[arg]));
        assert_eq!((told.code, told.stderr.as_str()), (Some(i32::from(exit::OK)), ""));
        assert!(told.stdout.contains(wanted), "{}", told.stdout);
    }
}

#[test]
fn a_bad_main_file_is_told_in_full_and_nothing_is_made() {
    let house = House::with(closed_address(), "[walls]\ncolour = \"white\"\n");
    house.alter("steady = \"200ms\"", "steady = 5");
    house.alter("heartbeat = \"none\"", "heartbeat = \"often\"");
    house.list("emea", "account = \"nobody\"\n");
    for command in ["run", "check"] {
        let refused = ended(house.command(&[command]));
        assert_eq!(refused.code, Some(i32::from(exit::CONFIG)));
        assert_eq!(refused.stdout, "");
        for fault in ["walls", "steady", "heartbeat", "emea.toml:1", "claimwatch.toml:"] {
            assert!(refused.stderr.contains(fault), "{command}, {fault}: {}", refused.stderr);
        }
    }
    let mut left: Vec<_> =
        fs::read_dir(house.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["claimwatch.toml", "watch.d"]);

    let mut absent = claimwatch(&["run"]);
    absent.env("CLAIMWATCH_CONFIG", house.path("absent.toml"));
    let refused = ended(absent);
    assert_eq!(refused.code, Some(i32::from(exit::CONFIG)));
    assert!(
        refused.stderr.contains("absent.toml") && refused.stderr.contains("--config"),
        "{}",
        refused.stderr
    );
}

#[test]
fn check_ends_with_0_or_78_and_touches_nothing() {
    let house = House::at(closed_address());
    house.list("emea", &list(&[1, 2], &[1]));
    let good = check_command(&house);
    assert_eq!((good.code, good.stderr.as_str()), (Some(i32::from(exit::OK)), ""));
    assert!(good.stdout.contains("3 orders in 1 watch list"), "{}", good.stdout);

    // What `run` would live with, `check` refuses.
    house.list("more", "account = \"sim\"\n[[number]]\nid = \"nonsense\"\n");
    let bad = check_command(&house);
    assert_eq!((bad.code, bad.stdout.as_str()), (Some(i32::from(exit::CONFIG)), ""));
    assert!(bad.stderr.contains("more.toml:3") && bad.stderr.contains("1 error"), "{}", bad.stderr);
    assert!(!house.path("claimwatch.db").exists());
}

#[test]
fn the_simulator_serves_the_real_program_until_it_is_stopped() {
    let house = House::at(closed_address());
    house.write("world.toml", &number(1, &[(0, "CLAIMED")]));
    let mut command = claimwatch(&["simulate", "--listen", "127.0.0.1:0", "--scenario"]);
    command.arg(house.path("world.toml"));
    let simulator = Running::start(command);
    let address = wait_for(
        "the address",
        || {
            Some(
                simulator.stdout().strip_prefix("listening on http://")?.strip_suffix('\n')?.parse().unwrap(),
            )
        },
        || simulator.stderr(),
    );
    let house = House::at(address);
    house.list("emea", &list(&[1], &[]));
    let round = house.ended(&["--once"]);
    assert_eq!(round.code, Some(i32::from(exit::OK)), "{}", round.stderr);
    assert_eq!(about(&round.records(), &number_id(1)), ["order.tracked", "number.claimed"]);
    check(&round.records());

    let taken = ended(claimwatch(&["simulate", "--listen", &address.to_string()]));
    assert_eq!(taken.code, Some(i32::from(exit::UNAVAILABLE)));
    assert!(taken.stderr.contains(&address.to_string()), "{}", taken.stderr);
    let stopped = simulator.stop();
    assert_eq!((stopped.code, stopped.stderr.as_str()), (Some(i32::from(exit::OK)), ""));
}

#[test]
fn a_bad_scenario_is_told_with_its_line() {
    let house = House::at(closed_address());
    house.write("world.toml", "[world]\nseed = 1\nweather = \"fine\"\n");
    for (name, wanted) in [("world.toml", "3"), ("absent.toml", "absent.toml")] {
        let mut command = claimwatch(&["simulate", "--listen", "127.0.0.1:0", "--scenario"]);
        command.arg(house.path(name));
        let refused = ended(command);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(i32::from(exit::CONFIG)), ""));
        assert!(refused.stderr.contains(name) && refused.stderr.contains(wanted), "{}", refused.stderr);
    }
}

#[test]
fn the_demo_tells_its_whole_story() {
    let watch = Stopwatch::start();
    let demo = Running::start(claimwatch(&["demo"])).end();
    assert_eq!(demo.code, Some(i32::from(exit::OK)), "{}\n{}", demo.stdout, demo.stderr);
    assert!(watch.elapsed() < crate::support::PATIENCE);
    let table: Vec<&str> = demo.stdout.lines().filter(|line| line.starts_with("  seen ")).collect();
    assert_eq!(table.len(), 7, "{}", demo.stdout);
    assert!(!demo.stdout.contains("MISSING") && !demo.stdout.contains("WRONG"), "{}", demo.stdout);
    assert!(demo.stdout.contains("The whole story."));
}
