//! `claimwatch reload` and SIGHUP.

use std::fs;

use claimwatch::exit;
use serde_json::Value;

use crate::support::house::{House, list};
use crate::support::process::{Ended, ended};
use crate::support::receiver::{Receiver, SECRET};
use crate::support::records::{about, check, names, of, only};
use crate::support::sim::{Sim, WIDE, number, number_id};

/// So many numbers that are claimed after a second.
fn world(numbers: u32) -> Sim {
    let numbers: String = (1..=numbers).map(|n| number(n, &[(0, "IN_PROGRESS"), (1, "CLAIMED")])).collect();
    Sim::start(&[WIDE, &numbers].concat())
}

fn reload(house: &House, args: &[&str]) -> Ended {
    ended(house.command(&[&["reload"], args].concat()))
}

fn plan(house: &House) -> Ended {
    ended(house.command(&["plan"]))
}

fn said(ended: &Ended, code: u8, out: &str, err: &str) {
    assert_eq!(ended.code, Some(i32::from(code)), "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(ended.stdout, out, "{}", ended.stderr);
    assert!(ended.stderr.contains(err) && (!err.is_empty() || ended.stderr.is_empty()), "{}", ended.stderr);
}

#[test]
fn what_lists_add_drop_and_change_takes_effect_without_a_restart() {
    let sim = world(4);
    let house = House::at(sim.address);
    house.list("emea", &list(&[1, 2, 3], &[]));
    let mut daemon = house.up();
    daemon.until("all seen", |records| of(records, "number.in_progress").len() == 3);
    house.list("emea", &list(&[1, 3], &[]));
    house.list("us", &format!("labels = {{ team = \"voice\" }}\n{}", list(&[4], &[])));
    let told = format!(
        "emea: 0 added, 1 removed, 0 changed\n  - connect {}\nus: 1 added, 0 removed, 0 changed\n  + connect {}\n",
        number_id(2),
        number_id(4)
    );
    said(&plan(&house), exit::CHANGES, &told, "");
    said(&reload(&house, &[]), exit::OK, &told, "");
    said(&plan(&house), exit::OK, "the watch lists would stay as they are\n", "");
    daemon.until("the new one", |records| about(records, &number_id(4)).contains(&"number.in_progress"));
    said(&reload(&house, &[]), exit::OK, "reloaded: the watch lists are as they were\n", "");
    sim.move_to(1);
    daemon.until("all claimed", |records| of(records, "number.claimed").len() == 3);
    let records = daemon.stop().records();
    assert_eq!(about(&records, &number_id(2)), ["order.tracked", "number.in_progress", "order.untracked"]);
    let label =
        &of(&records, "number.claimed").into_iter().find(|r| r["list"] == "us").unwrap()["label_team"];
    assert_eq!(label, "voice");
    let applied: Vec<(u64, u64)> = of(&records, "config.applied")
        .iter()
        .map(|r| (r["added"].as_u64().unwrap(), r["removed"].as_u64().unwrap()))
        .collect();
    assert_eq!(applied, [(3, 0), (1, 1)], "what changed nothing says nothing");
    check(&house.events());
    // The store knows it as well: a restart changes nothing.
    let records = house.up().stop().records();
    assert_eq!(names(&records), ["daemon.started", "daemon.stopped"]);
}

#[test]
fn other_terms_of_a_list_take_effect_for_the_orders_that_it_has() {
    let sim = world(2);
    let house = House::at(sim.address);
    house.list("emea", &list(&[1, 2], &[]));
    let mut daemon = house.up();
    sim.move_to(1);
    daemon.until("all claimed", |records| of(records, "number.claimed").len() == 2);
    let due = |id: &str| {
        let shown: Value =
            serde_json::from_str(&ended(house.command(&["show", id, "--json"])).stdout).unwrap();
        shown["order"]["due_at"].as_str().map(str::to_owned)
    };
    assert_eq!(due(&number_id(1)), None, "what is done is not looked at");
    house.list("emea", &format!("poll.after_terminal = \"6h\"\n{}", list(&[1, 2], &[])));
    let told = format!(
        "emea: 0 added, 0 removed, 2 changed\n  ~ connect {}\n  ~ connect {}\n",
        number_id(1),
        number_id(2)
    );
    said(&plan(&house), exit::CHANGES, &told, "");
    said(&reload(&house, &[]), exit::OK, &told, "");
    assert!(due(&number_id(1)).is_some(), "now it is, for ever");
    said(&plan(&house), exit::OK, "the watch lists would stay as they are\n", "");
    let records = daemon.stop().records();
    let applied = of(&records, "config.applied");
    assert_eq!(applied[1]["changed"], 2);
    check(&house.events());
}

#[test]
fn a_hang_up_reloads() {
    let sim = world(2);
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    let mut daemon = house.up();
    house.list("emea", &list(&[1, 2], &[]));
    daemon.signal("HUP");
    daemon.until("the new one", |records| about(records, &number_id(2)).contains(&"number.in_progress"));
    assert_eq!(daemon.stop().code, Some(i32::from(exit::OK)));
}

#[test]
fn files_that_are_followed_take_effect_by_themselves() {
    let sim = world(3);
    let house = House::with(sim.address, "[watch]\nfollow = true\n");
    house.list("emea", &list(&[1], &[]));
    let mut daemon = house.up();
    house.write("next", &list(&[1, 2], &[]));
    fs::rename(house.path("next"), house.path("watch.d/emea.toml")).unwrap();
    daemon.until("the new one", |records| about(records, &number_id(2)).contains(&"number.in_progress"));
    house.list("emea", "account = \"sim\"\n[[number]]\nid = \"nonsense\"\n");
    daemon.until_events(&["config.rejected"]);
    // Asked for as well, it is read once.
    house.list("emea", &list(&[1, 2, 3], &[]));
    let told = format!("emea: 1 added, 0 removed, 0 changed\n  + connect {}\n", number_id(3));
    said(&reload(&house, &[]), exit::OK, &told, "");
    house.alter("follow = true", "follow = false");
    daemon.wait("no more following", || {
        daemon.stderr().matches("the configuration was read again").count() >= 4
    });
    sim.move_to(1);
    daemon.until("all claimed", |records| of(records, "number.claimed").len() == 3);
    let ended = daemon.stop();
    assert_eq!(names(&ended.records()).iter().filter(|name| **name == "config.rejected").count(), 1);
    assert_eq!(ended.stderr.matches("the configuration was read again").count(), 4, "{}", ended.stderr);
    check(&house.events());
}

#[test]
fn a_list_at_fault_stays_as_it_was_and_the_others_take_effect() {
    let sim = world(3);
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    house.list("us", &list(&[2], &[]));
    let mut daemon = house.up();
    house.list("emea", "account = \"sim\"\n[[number]]\nid = \"nonsense\"\n");
    house.list("us", &list(&[2, 3], &[]));
    let told = format!("us: 1 added, 0 removed, 0 changed\n  + connect {}\n", number_id(3));
    let why = "claimwatch: emea is at fault and would stay as it is";
    said(&plan(&house), exit::CONFIG, &told, why);
    said(&reload(&house, &[]), exit::CONFIG, &told, "claimwatch: emea is at fault and stays as it was");
    let records = daemon.until("the new one", |records| {
        about(records, &number_id(3)).contains(&"number.in_progress")
            && names(records).contains(&"config.rejected")
    });
    let rejected = only(&records, "config.rejected");
    assert!(rejected["file"].as_str().unwrap().ends_with("emea.toml") && rejected["line"] == 3, "{rejected}");
    sim.move_to(1);
    daemon.until("the old one too", |records| about(records, &number_id(1)).contains(&"number.claimed"));
    daemon.stop();
    check(&house.events());
}

#[test]
fn what_looks_like_an_accident_is_refused_unless_it_is_meant() {
    let sim = world(12);
    let house = House::at(sim.address);
    let all: Vec<u32> = (1..=12).collect();
    house.list("emea", &list(&all, &[]));
    let mut daemon = house.up();
    house.list("emea", &list(&[1], &[]));
    let why = "nothing changed: the watch lists would drop 11 of 12 orders; if that is meant, `claimwatch reload --force`";
    said(&reload(&house, &[]), exit::CONFIG, "", why);
    daemon.until_events(&["config.rejected"]);
    assert!(of(&daemon.records(), "order.untracked").is_empty());
    let planned = plan(&house);
    assert!(planned.stdout.starts_with("emea: 0 added, 11 removed, 0 changed\n"), "{}", planned.stdout);
    assert_eq!(planned.code, Some(i32::from(exit::CONFIG)));
    assert!(planned.stderr.contains("a reload would change nothing: the watch lists would drop 11 of 12"));
    said(&reload(&house, &["--force"]), exit::OK, &planned.stdout, "");
    daemon.until("all gone", |records| of(records, "order.untracked").len() == 11);
    daemon.stop();
    check(&house.events());
}

#[test]
fn a_main_file_at_fault_changes_nothing_and_what_needs_a_restart_is_said() {
    let sim = world(2);
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    let mut daemon = house.up();
    house.list("emea", &list(&[1, 2], &[]));
    house.alter("floor = \"100ms\"", "flor = \"100ms\"");
    said(&reload(&house, &[]), exit::CONFIG, "", "the main configuration is at fault: nothing was reloaded");
    // Who only hangs up learns it from the log.
    daemon.signal("HUP");
    let records = daemon.until_events(&["config.rejected"]);
    let rejected = only(&records, "config.rejected");
    assert!(rejected["file"].as_str().unwrap().ends_with("claimwatch.toml"), "{rejected}");
    assert!(rejected["reason"].as_str().unwrap().contains("flor"), "{rejected}");
    assert!(about(&records, &number_id(2)).is_empty());
    house.alter("flor = \"100ms\"", "floor = \"100ms\"");
    house.alter("path = \"events.jsonl\"", "path = \"elsewhere.jsonl\"");
    let told = format!(
        "emea: 1 added, 0 removed, 0 changed\n  + connect {}\nthese sections differ and take effect at the next start: events\n",
        number_id(2)
    );
    said(&plan(&house), exit::CHANGES, &told, "");
    said(&reload(&house, &[]), exit::OK, &told, "");
    house.list("new", &list(&[2], &[]).replace("\"sim\"", "\"new\""));
    house.alter("[poll]", "[account.new]\nregion = \"eu-west-1\"\n[poll]");
    house.list("emea", &list(&[1], &[]));
    said(
        &reload(&house, &[]),
        exit::CONFIG,
        "",
        "new.toml: account new is new or of another region: that takes a restart",
    );
    daemon.until("both refusals", |records| of(records, "config.rejected").len() == 2);
    daemon.stop();
    assert!(!house.path("elsewhere.jsonl").exists());
}

#[test]
fn a_webhook_that_was_gone_is_tried_again_and_json_is_for_scripts() {
    let (sim, receiver) = (world(1), Receiver::start());
    receiver.answer(|_| (410, String::new()));
    let house = House::with(sim.address, &receiver.section("pager", ""));
    house.write("pager.secret", SECRET);
    house.list("emea", &list(&[1], &[]));
    let mut daemon = house.up();
    daemon.until_events(&["sink.disabled"]);
    receiver.answer(|_| (200, String::new()));
    let told = reload(&house, &["--json"]);
    let outcome: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told.code, Some(i32::from(exit::OK)));
    assert!(outcome["refused"].is_null() && outcome["lists"].as_object().unwrap().is_empty(), "{outcome}");
    receiver.until("what waited", |taken| taken.iter().any(|got| got.event() == "number.in_progress"));
    daemon.stop();
    said(&reload(&house, &[]), exit::UNAVAILABLE, "", "no daemon answers");
}

#[test]
fn a_plan_is_made_without_a_daemon_and_changes_nothing() {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "FAILED")])].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    let first = format!("emea: 1 added, 0 removed, 0 changed\n  + connect {}\n", number_id(1));
    said(&plan(&house), exit::CHANGES, &first, "");
    assert!(!house.path("claimwatch.db").exists(), "nothing is made");
    let mut daemon = house.up();
    daemon.until_events(&["window.opened"]);
    daemon.stop();
    let store = fs::read(house.path("claimwatch.db")).unwrap();
    house.list("emea", &format!("labels = {{ team = \"voice\" }}\n{}", list(&[2], &[])));
    let told = format!(
        "emea: 1 added, 1 removed, 0 changed\n  + connect {}\n  - connect {}, whose retry window is open\n",
        number_id(2),
        number_id(1)
    );
    said(&plan(&house), exit::CHANGES, &told, "");
    house.list("emea", &format!("labels = {{ team = \"voice\" }}\n{}", list(&[1], &[])));
    let told = format!(
        "emea: 0 added, 0 removed, 1 changed\n  ~ connect {}, whose retry window is open\n",
        number_id(1)
    );
    said(&plan(&house), exit::CHANGES, &told, "");
    let json: Value = serde_json::from_str(&ended(house.command(&["plan", "--json"])).stdout).unwrap();
    assert_eq!((&json["lists"]["emea"]["changed"], &json["at_fault"]), (&1.into(), &false.into()), "{json}");
    assert_eq!(json["lists"]["emea"]["orders"][0]["window_open"], true, "{json}");
    assert_eq!(fs::read(house.path("claimwatch.db")).unwrap(), store);
    house.alter("floor = \"100ms\"", "flor = \"100ms\"");
    said(&plan(&house), exit::CONFIG, "", "the configuration is at fault");
}

#[test]
fn a_folder_that_goes_takes_no_orders_with_it_unless_somebody_says_so() {
    let sim = world(2);
    let house = House::with(sim.address, "[watch]\nfollow = true\n");
    house.list("emea", &list(&[1, 2], &[]));
    let mut daemon = house.up();
    fs::rename(house.path("watch.d"), house.path("away")).unwrap();
    let records = daemon.until_events(&["config.rejected"]);
    assert!(only(&records, "config.rejected")["file"].as_str().unwrap().ends_with("watch.d"));
    fs::rename(house.path("away"), house.path("watch.d")).unwrap();
    daemon.until("it is mended", |records| of(records, "config.applied").len() == 2);
    assert!(of(&daemon.records(), "order.untracked").is_empty());
    fs::rename(house.path("watch.d"), house.path("away")).unwrap();
    daemon.until("it is gone again", |records| of(records, "config.rejected").len() == 2);
    assert_eq!(reload(&house, &[]).code, Some(i32::from(exit::OK)), "that is meant");
    daemon.until("nothing is watched", |records| of(records, "order.untracked").len() == 2);
    daemon.stop();
    check(&house.events());
}

#[test]
fn a_fault_is_told_once_and_again_after_each_change_so_that_the_last_word_holds() {
    let sim = world(3);
    let house = House::at(sim.address);
    house.list("us", &list(&[1], &[]));
    let mut daemon = house.up();
    let fault = |text: &str| house.list("emea", &format!("account = \"sim\"\n[[number]]\n{text}\n"));
    let reloaded = || assert_eq!(reload(&house, &[]).code, Some(i32::from(exit::CONFIG)));
    fault("id = \"nonsense\"");
    reloaded();
    reloaded();
    house.list("us", &list(&[1, 2], &[]));
    reloaded();
    // Another fault of the same list is told.
    fault("name = \"nonsense\"");
    reloaded();
    daemon.until("the last fault", |records| of(records, "config.rejected").len() == 3);
    house.list("emea", &list(&[3], &[]));
    assert_eq!(reload(&house, &[]).code, Some(i32::from(exit::OK)));
    daemon.until("it is mended", |records| of(records, "config.applied").len() == 3);
    let records = daemon.stop().records();
    let words: Vec<&str> = names(&records).into_iter().filter(|name| name.starts_with("config.")).collect();
    let (yes, no) = ("config.applied", "config.rejected");
    assert_eq!(words, [yes, no, yes, no, no, yes]);
    check(&house.events());
}
