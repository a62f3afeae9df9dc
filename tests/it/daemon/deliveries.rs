//! `claimwatch deliveries` and `claimwatch requeue`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use claimwatch::exit;
use serde_json::Value;

use super::alter_store;
use super::status::asked;
use crate::support::house::{House, list};
use crate::support::process::{Ended, ended};
use crate::support::sim::{Sim, WIDE, closed_address, number, number_id};

/// A webhook that nobody answers at.
fn pager(name: &str) -> String {
    let address = closed_address();
    format!(
        "[[events.webhook]]\nname = \"{name}\"\nurl = \"http://{address}/\"\nsecret_files = [\"pager.secret\"]\nevents = [\"number.*\"]\n"
    )
}

/// Three numbers, a webhook called "on call", and what a daemon said until it was stopped.
fn told() -> (Sim, House, u64) {
    let numbers: String = (1..=3).map(|n| number(n, &[(0, "IN_PROGRESS"), (1, "CLAIMED")])).collect();
    let sim = Sim::start(&[WIDE, &numbers].concat());
    let house = House::with(sim.address, &pager("on call"));
    house.write("pager.secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
    house.list("emea", &list(&[1, 2, 3], &[]));
    let mut daemon = house.run();
    let records = daemon.until("all three", |records| {
        (1..=3).all(|n| {
            records.iter().any(|r| r["event"] == "number.in_progress" && r["order_id"] == number_id(n))
        })
    });
    let first = records.iter().find(|record| record["event"] == "number.in_progress").unwrap();
    let first = first["seq"].as_u64().unwrap();
    daemon.wait("the file", || house.events().len() >= records.len());
    daemon.stop();
    (sim, house, first)
}

fn claimwatch(house: &House, args: &[&str]) -> Ended {
    ended(house.command(args))
}

/// What a command answers as JSON.
fn json(house: &House, args: &[&str]) -> Value {
    let shown = claimwatch(house, &[args, &["--json"]].concat());
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""), "{}", shown.stdout);
    serde_json::from_str(&shown.stdout).unwrap()
}

fn refused(house: &House, args: &[&str], code: u8, why: &str) {
    let told = claimwatch(house, args);
    assert_eq!((told.code, told.stdout.as_str()), (Some(i32::from(code)), ""), "{args:?}: {}", told.stderr);
    assert!(told.stderr.contains(why), "{args:?}: {}", told.stderr);
}

/// Makes a delivery dead, as a webhook that refuses it three times does.
fn kill(house: &House, seq: u64) {
    let sql = "UPDATE deliveries SET state = 'dead', attempts = 3, last_error = '400 Bad Request', updated_at = 1795341600000 WHERE sink = 'on call' AND seq = ?1";
    alter_store(&house.path("claimwatch.db"), sql, Some(&seq.to_string()));
}

/// The waiting and the dead of the webhook.
fn counts(house: &House) -> (u64, u64) {
    let all = json(house, &["deliveries"]);
    let sinks = all["sinks"].as_array().unwrap();
    let names: Vec<&str> = sinks.iter().map(|sink| sink["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["file", "log", "on call"]);
    assert_eq!((&sinks[0]["chooses"], &sinks[2]["chooses"]), (&false.into(), &true.into()));
    (sinks[2]["pending"].as_u64().unwrap(), sinks[2]["dead"].as_u64().unwrap())
}

/// All files beside the store with their bytes.
fn files(house: &House) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(house.folder()).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

#[test]
fn what_waits_is_shown_with_a_daemon_and_without_and_nothing_is_written() {
    let (_sim, house, first) = told();
    kill(&house, first);
    let before = files(&house);
    let shown = |house: &House| {
        (
            json(house, &["deliveries"]),
            json(house, &["deliveries", "on call"]),
            json(house, &["deliveries", "on call", "--state", "pending", "--limit", "1"]),
            claimwatch(house, &["deliveries", "on call"]).stdout,
        )
    };
    let (sinks, dead, pending, text) = shown(&house);
    assert_eq!(counts(&house), (2, 1));
    assert_eq!((&sinks["sinks"][0]["pending"], &sinks["sinks"][0]["oldest"]), (&0.into(), &Value::Null));
    let row = &dead["deliveries"][0];
    assert_eq!((&dead["state"], &dead["next"], &row["seq"]), (&"dead".into(), &Value::Null, &first.into()));
    assert_eq!((&row["attempts"], &row["last_error"]), (&3.into(), &"400 Bad Request".into()));
    assert_eq!(row["event"], "number.in_progress");
    assert_eq!(pending["next"], pending["deliveries"][0]["seq"]);
    assert_eq!(pending["deliveries"].as_array().unwrap().len(), 1);
    assert!(text.contains("number.in_progress") && text.contains("it said at 2026-"), "{text}");
    let after = pending["next"].to_string();
    let rest = json(&house, &["deliveries", "on call", "--state", "pending", "--after", &after]);
    assert_eq!(rest["deliveries"].as_array().unwrap().len(), 1);
    let line = claimwatch(&house, &["deliveries"]).stdout;
    assert!(line.lines().any(|line| line.starts_with("on call ") && line.contains(" 2 ")), "{line}");
    refused(&house, &["deliveries", "nobody"], exit::FAILURE, "there are: file, log, on call");
    assert!(files(&house) == before, "looking changed a file");

    let daemon = house.up();
    let with = shown(&house);
    assert_eq!((&with.1, &with.3), (&dead, &text));
    assert_eq!(with.2["deliveries"][0]["seq"], pending["deliveries"][0]["seq"]);
    assert_eq!(counts(&house).1, 1);
    refused(&house, &["deliveries", "nobody"], exit::FAILURE, "there are: file, log, on call");
    daemon.kill();
    // What a kill left in the log of the store counts, and stays there.
    let main = |house: &House| {
        let kept = |(path, _): &(PathBuf, Vec<u8>)| !path.to_string_lossy().ends_with("-shm");
        files(house).into_iter().filter(kept).collect::<BTreeMap<_, _>>()
    };
    let before = main(&house);
    assert_eq!(json(&house, &["deliveries", "on call"]), dead);
    assert!(main(&house) == before, "looking changed a file");
}

#[test]
fn a_store_that_cannot_be_read_and_words_that_make_no_sense_are_refused() {
    let (_sim, house, _) = told();
    for args in [
        &["deliveries", "--state", "dead"][..],
        &["deliveries", "on call", "--state", "lost"],
        &["deliveries", "on call", "--limit", "1001"],
        &["deliveries", "on call", "--limit", "0"],
        &["requeue"],
        &["requeue", "on call", "--seq", "1", "--event", "x"],
        &["requeue", "on call", "--from", "yesterday"],
        &["requeue", "log"],
        &["requeue", "file", "--seq", "1"],
    ] {
        refused(&house, args, exit::USAGE, "");
    }
    refused(&house, &["requeue", "log"], exit::USAGE, "gets every event once and in order");
    refused(&house, &["requeue", "on call"], exit::UNAVAILABLE, "the daemon has to run");
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)";
    alter_store(&house.path("claimwatch.db"), newer, None);
    let before = files(&house);
    refused(&house, &["deliveries"], exit::STORE, "newer claimwatch");
    assert!(files(&house) == before);
    house.write("claimwatch.db", "A letter.\n");
    refused(&house, &["deliveries"], exit::STORE, "no SQLite database");
    fs::remove_file(house.path("claimwatch.db")).unwrap();
    refused(&house, &["deliveries"], exit::STORE, "there is no store at");
    assert!(!house.path("claimwatch.db").exists());
}

#[test]
fn what_is_dead_goes_back_into_the_queue() {
    let (_sim, house, first) = told();
    kill(&house, first);
    kill(&house, first + 1);
    let id = json(&house, &["deliveries", "on call"])["deliveries"][1]["id"].as_str().unwrap().to_owned();
    let daemon = house.up();
    let (waiting, dead) = counts(&house);
    assert_eq!((waiting, dead), (1, 2));
    let again = claimwatch(&house, &["requeue", "on call", "--event", &id]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), "on call: 1 event is in its queue (again)\n"));
    assert_eq!(counts(&house), (2, 1));
    assert_eq!(json(&house, &["requeue", "on call"])["requeued"], 1);
    assert_eq!(counts(&house), (3, 0));
    let none = claimwatch(&house, &["requeue", "on call"]);
    assert!(none.stdout.starts_with("on call: nothing was put back"), "{}", none.stdout);
    assert_eq!(
        json(&house, &["requeue", "on call", "--seq", "1"])["requeued"],
        1,
        "one that it did not want"
    );
    assert_eq!(counts(&house), (4, 0));
    refused(&house, &["requeue", "on call", "--seq", "99999"], exit::FAILURE, "no such event");
    refused(&house, &["requeue", "on call", "--event", "x-1-0"], exit::FAILURE, "no such event");
    refused(&house, &["requeue", "nobody"], exit::FAILURE, "there are: file, log, on call");
    daemon.stop();
}

#[test]
fn a_webhook_that_was_added_later_can_have_what_came_before() {
    let (sim, house, _) = told();
    house.alter("[[events.webhook]]", &format!("{}[[events.webhook]]", pager("late")));
    let mut daemon = house.up();
    sim.move_to(1);
    daemon
        .until("all three", |records| records.iter().filter(|r| r["event"] == "number.claimed").count() == 3);
    let waits = |house: &House| {
        json(house, &["deliveries", "late", "--state", "pending"])["deliveries"].as_array().unwrap().len()
    };
    assert_eq!(waits(&house), 3);
    let all = json(&house, &["requeue", "late", "--from", "2020-01-01T00:00:00Z"]);
    assert_eq!((&all["requeued"], waits(&house)), (&6.into(), 6));
    let none = json(&house, &["requeue", "late", "--from", "2999-01-01T00:00:00Z"]);
    assert_eq!((&none["requeued"], waits(&house)), (&0.into(), 6));
    daemon.stop();
}

#[test]
fn whoever_asks_the_socket_for_nonsense_is_told() {
    let (_sim, house, _) = told();
    let daemon = house.up();
    for (method, path, wanted) in [
        ("POST", "/api/v1/sinks/log/requeue", "400"),
        ("POST", "/api/v1/sinks/on%20call/requeue?seq=1&from=2020-01-01T00:00:00Z", "400"),
        ("POST", "/api/v1/sinks/on%20call/requeue?from=yesterday", "400"),
        ("POST", "/api/v1/sinks/on%20call/requeue?seq=99999", "404"),
        ("POST", "/api/v1/sinks/nobody/requeue", "404"),
        ("GET", "/api/v1/sinks/on%20call/requeue", "405"),
        ("GET", "/api/v1/sinks/on%20call/deliveries?state=lost", "400"),
        ("GET", "/api/v1/sinks/on%20call/deliveries?limit=1001", "400"),
        ("GET", "/api/v1/sinks/on%20call/deliveries?limit=0", "400"),
        ("GET", "/api/v1/sinks/on%20call/deliveries?limit=some", "400"),
        ("POST", "/api/v1/sinks/on%20call/requeue?seq=-1", "400"),
        ("GET", "/api/v1/sinks/nobody/deliveries", "404"),
        ("GET", "/api/v1/sinks/on%20call/deliveries?limit=2", "200"),
        ("GET", "/api/v1/sinks", "200"),
    ] {
        let (head, body) = asked(&house, method, path);
        assert!(head.starts_with(&format!("http/1.1 {wanted} ")), "{method} {path}: {head}");
        let told: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(told["error"].is_string(), wanted != "200", "{method} {path}: {body}");
    }
    daemon.stop();
}
