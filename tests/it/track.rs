//! `track` and `untrack`: a list that people write too is edited, checked, and taken by the daemon.

use std::fs;

use claimwatch::exit;

use crate::support::house::{House, list};
use crate::support::process::{Ended, ended};
use crate::support::records::of;
use crate::support::sim::{Sim, WIDE, closed_address, number, number_id, order, order_id};

fn claimwatch(house: &House, args: &[&str]) -> Ended {
    ended(house.command(args))
}

fn local(house: &House) -> String {
    fs::read_to_string(house.path("watch.d/local.toml")).unwrap_or_default()
}

#[test]
fn what_is_tracked_is_watched_and_what_is_untracked_is_not() {
    let sim = Sim::start(
        &[WIDE, &number(1, &[(0, "IN_PROGRESS")]), &order(1, &[(0, "Processing", "Processing")])].concat(),
    );
    let house = House::at(sim.address);
    house.list("emea", &list(&[], &[]));
    let mut daemon = house.up();
    let arn = format!("arn:aws:connect:eu-west-2:123456789012:phone-number/{}", number_id(1));
    let done = claimwatch(&house, &["track", &arn, "--label", "Sales \"line\"", "--operation", "claim"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("local: 1 added, 0 removed, 0 changed"), "{}", done.stdout);
    daemon.until_events(&["order.tracked", "number.in_progress"]);
    let done = claimwatch(&house, &["track", &order_id(1), "--kind", "order"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    daemon.until("the order", |records| of(records, "order.tracked").len() == 2);
    // What a person adds is kept.
    let text = format!("{}\n# mine\n", local(&house));
    house.list("local", &text);
    let done = claimwatch(&house, &["untrack", &number_id(1)]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    daemon.until_events(&["order.untracked"]);
    let left = local(&house);
    assert!(
        left.contains("# mine") && left.contains(&order_id(1)) && !left.contains(&number_id(1)),
        "{left}"
    );
    daemon.stop();
}

#[test]
fn what_would_be_at_fault_is_not_written() {
    let house = House::at(closed_address());
    house.list("emea", &list(&[1], &[]));
    let (one, two) = (number_id(1), number_id(2));
    for (args, code, why) in [
        (vec!["track", &two], exit::USAGE, "--kind order (Chime) or --kind number (Connect)"),
        (vec!["track", &two, "--kind", "order", "--number", "+442079460002"], exit::USAGE, "no --number"),
        (vec!["track", &two, "--kind", "number", "--account", "nobody"], exit::USAGE, "there are: sim"),
        (
            vec!["track", "nonsense", "--kind", "number"],
            exit::FAILURE,
            "would be at fault: nothing was edited",
        ),
        (
            vec!["track", &two, "--kind", "number", "--requested-at", "today"],
            exit::FAILURE,
            "not a date and time",
        ),
        (vec!["track", &two, "--kind", "number", "--list", "no name"], exit::FAILURE, "would be at fault"),
        (vec!["track", &one, "--kind", "number"], exit::FAILURE, "would be at fault"),
        (vec!["untrack", &one], exit::FAILURE, "emea.toml:2; take it out there"),
        (vec!["untrack", &two], exit::FAILURE, "it is not listed"),
    ] {
        let refused = claimwatch(&house, &args);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(i32::from(code)), ""), "{args:?}");
        assert!(refused.stderr.contains(why), "{args:?}: {}", refused.stderr);
        assert_eq!(local(&house), "", "{args:?}");
        let files = fs::read_dir(house.path("watch.d")).unwrap().count();
        assert_eq!(files, 1, "{args:?} leaves nothing behind");
    }
    let done = claimwatch(&house, &["track", &two, "--kind", "number"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("no daemon runs: it takes effect when one starts"), "{}", done.stdout);
    let before = local(&house);
    let again = claimwatch(&house, &["track", &two, "--kind", "number"]);
    assert_eq!(again.code, Some(i32::from(exit::FAILURE)));
    assert!(again.stderr.contains("it is listed already, in line "), "{}", again.stderr);
    assert_eq!(local(&house), before);
}
