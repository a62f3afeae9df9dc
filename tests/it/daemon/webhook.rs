//! Webhooks: the real program posts to a receiver of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use claimwatch::exit;
use serde_json::Value;

use crate::support::house::{House, list};
use crate::support::process::{Running, ended};
use crate::support::receiver::{Got, Receiver, SECRET};
use crate::support::records::{about, check, names, of, only};
use crate::support::sim::{Sim, WIDE, number, number_id};

/// Three numbers that fail after a second and are claimed after two.
fn world() -> Sim {
    let numbers: String =
        (1..=3).map(|n| number(n, &[(0, "IN_PROGRESS"), (1, "FAILED"), (2, "CLAIMED")])).collect();
    Sim::start(&[WIDE, &numbers].concat())
}

fn house(sim: &Sim, webhooks: &str) -> House {
    let house = House::with(sim.address, webhooks);
    house.write("pager.secret", &format!("{SECRET}\n"));
    fs::set_permissions(house.path("pager.secret"), fs::Permissions::from_mode(0o600)).unwrap();
    house.list("emea", &list(&[1, 2, 3], &[]));
    house
}

fn whole_story(sim: &Sim, daemon: &mut Running) {
    daemon.until("all seen", |records| of(records, "number.in_progress").len() == 3);
    sim.move_to(1);
    daemon.until("all failed", |records| of(records, "window.opened").len() == 3);
    sim.move_to(2);
    daemon.until("all claimed", |records| of(records, "window.resolved").len() == 3);
}

/// What every webhook's posts have to be: those taken are in order per stream, each once, without a gap in their
/// sequence, all of one store, signed, and the records of the event file byte for byte.
fn check_taken(house: &House, taken: &[Got]) {
    let file = fs::read_to_string(house.path("events.jsonl")).unwrap();
    let signer = standardwebhooks::Webhook::new(SECRET).unwrap();
    let mut sequences = BTreeSet::new();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let mut sources = BTreeSet::new();
    for got in taken {
        let signature = signer.sign(&got.id, got.at, got.body.as_bytes()).unwrap();
        assert_eq!(got.signatures, signature);
        let sequence = got.envelope["sequence"].as_str().unwrap();
        assert!(sequence.len() == 20 && sequences.insert(sequence.parse::<u64>().unwrap()), "{sequence}");
        let data = got.body.split_once("\"data\":").unwrap().1;
        let line = data.strip_suffix('}').unwrap();
        assert!(file.lines().any(|written| written == line), "{line}");
        let seq = got.envelope["data"]["seq"].as_u64().unwrap();
        assert!(last.insert(got.stream(), seq).is_none_or(|before| before < seq), "out of order: {line}");
        assert_eq!(got.envelope["id"], got.id);
        assert_eq!(got.envelope["type"], format!("claimwatch.{}", got.event()));
        sources.insert(got.envelope["source"].as_str().unwrap());
    }
    let wanted: BTreeSet<u64> = (1..=taken.len() as u64).collect();
    assert_eq!(sequences, wanted);
    assert_eq!(sources.len(), 1, "{sources:?}");
}

fn ids(records: &[Value]) -> BTreeSet<&str> {
    records.iter().map(|record| record["id"].as_str().unwrap()).collect()
}

#[test]
fn every_event_arrives_once_and_in_order_also_over_a_restart() {
    let (sim, receiver) = (world(), Receiver::start());
    let house = house(&sim, &receiver.section("pager", ""));
    let mut daemon = house.run();
    whole_story(&sim, &mut daemon);
    let first = daemon.stop();
    assert_eq!(first.code, Some(i32::from(exit::OK)), "{}", first.stderr);
    let second = house.up().stop();
    assert_eq!(second.code, Some(i32::from(exit::OK)), "{}", second.stderr);
    let records = house.events();
    check(&records);
    // The stop has flushed: nothing is waited for.
    let taken = receiver.taken();
    check_taken(&house, &taken);
    let arrived: BTreeSet<&str> = taken.iter().map(|got| got.id.as_str()).collect();
    assert_eq!(arrived, ids(&records), "an event about no sink is for every webhook");
    assert!(taken.iter().all(|got| got.path == "/hooks/pager"));
    let subject = format!("connect/{}", number_id(1));
    let subjects = taken.iter().filter(|got| got.envelope["subject"] == subject);
    assert_eq!(subjects.count(), about(&records, &number_id(1)).len());
}

#[test]
fn what_comes_while_the_receiver_is_down_comes_when_it_is_back() {
    let (sim, receiver) = (world(), Receiver::start());
    receiver.answer(|_| (500, "no room".into()));
    let house = house(&sim, &receiver.section("pager", ""));
    let mut daemon = house.run();
    whole_story(&sim, &mut daemon);
    daemon.wait("a post in vain", || !receiver.got().is_empty());
    assert!(receiver.taken().is_empty());
    receiver.answer(|_| (200, String::new()));
    let count = daemon.records().len();
    receiver.until("all of it", |taken| taken.len() >= count);
    let ended = daemon.stop();
    let records = ended.records();
    check(&records);
    check_taken(&house, &receiver.taken());
    assert_eq!(receiver.taken().len(), records.len());
    assert!(of(&records, "sink.failing").is_empty(), "one failure is not worth a line");
}

#[test]
fn an_event_that_is_refused_is_dead_in_the_end_and_the_next_goes_on() {
    let (sim, receiver) = (world(), Receiver::start());
    let refused = number_id(1);
    receiver.answer(move |got| {
        let data = &got.envelope["data"];
        let bad = data["order_id"] == refused.as_str() && got.event() == "number.failed";
        if bad { (400, "what is this?".into()) } else { (200, String::new()) }
    });
    let house = house(&sim, &receiver.section("pager", ""));
    let mut daemon = house.run();
    whole_story(&sim, &mut daemon);
    let records = daemon.until_events(&["delivery.dead"]);
    let dead = only(&records, "delivery.dead");
    let failed = of(&records, "number.failed").into_iter().find(|r| r["order_id"] == number_id(1)).unwrap();
    assert_eq!((&dead["sink"], &dead["about"]), (&"pager".into(), &failed["id"]));
    assert_eq!((&dead["level"], &dead["reason"]), (&"error".into(), &"HTTP 400: what is this?".into()));
    receiver.until("what is behind it", |taken| {
        let of_it: Vec<&Got> =
            taken.iter().filter(|got| got.envelope["data"]["order_id"] == number_id(1)).collect();
        of_it.last().is_some_and(|got| got.event() == "window.resolved")
    });
    daemon.stop();
    let records = house.events();
    check(&records);
    let tries = receiver.got().iter().filter(|got| got.id == failed["id"]).count();
    assert_eq!(tries, 3);
    let taken: BTreeSet<String> = receiver.taken().iter().map(|got| got.id.clone()).collect();
    let (dead, failed) = (dead["id"].as_str().unwrap(), failed["id"].as_str().unwrap());
    let missing: Vec<&str> = ids(&records).into_iter().filter(|id| !taken.contains(*id)).collect();
    // What is about a sink is not for that sink.
    assert_eq!(BTreeSet::from_iter(missing), BTreeSet::from([dead, failed]));
}

#[test]
fn one_that_is_gone_is_left_alone_and_the_others_are_told() {
    let (sim, receiver, other) = (world(), Receiver::start(), Receiver::start());
    receiver.answer(|_| (410, String::new()));
    let house = house(&sim, &[receiver.section("pager", ""), other.section("chat", "")].concat());
    let mut daemon = house.run();
    let records = daemon.until_events(&["sink.disabled"]);
    let said = only(&records, "sink.disabled");
    assert_eq!((&said["sink"], &said["reason"]), (&"pager".into(), &"HTTP 410".into()));
    daemon.until("all seen", |records| of(records, "number.in_progress").len() == 3);
    let before = receiver.got().len();
    sim.move_to(1);
    daemon.until("all failed", |records| of(records, "window.opened").len() == 3);
    other.until("the disabled one", |taken| taken.iter().any(|got| got.event() == "sink.disabled"));
    daemon.stop();
    house.up().stop();
    assert_eq!(receiver.got().len(), before, "it is left alone, also after a restart");
    check_taken(&house, &other.taken());
    assert_eq!(other.taken().len(), house.events().len());
}

#[test]
fn each_gets_what_it_wants() {
    let sim = world();
    let receivers = [(); 4].map(|()| Receiver::start());
    let [windows, us, loud, beats] = &receivers;
    let sections = [
        windows.section("windows", "events = [\"window.*\", \"number.f*\"]"),
        us.section("us", "lists = [\"us\"]\nlabels = { team = \"voice\" }"),
        loud.section("loud", "min_level = \"warn\""),
        beats.section("beats", "events = [\"heartbeat\"]"),
    ];
    let house = house(&sim, &sections.concat());
    house.alter("heartbeat = \"none\"", "heartbeat = \"* * * * * *\"");
    house.list("emea", &list(&[1, 2], &[]));
    house.list("us", &format!("labels = {{ team = \"voice\" }}\n{}", list(&[3], &[])));
    let mut daemon = house.run();
    whole_story(&sim, &mut daemon);
    daemon.until_events(&["heartbeat"]);
    daemon.stop();
    let records = house.events();
    check(&records);
    let expected = |wanted: &dyn Fn(&Value) -> bool| -> BTreeSet<String> {
        let chosen = records.iter().filter(|record| wanted(record));
        chosen.map(|record| record["id"].as_str().unwrap().to_owned()).collect()
    };
    let name = |record: &Value| record["event"].as_str().unwrap().to_owned();
    for (receiver, wanted) in [
        (windows, expected(&|r| name(r).starts_with("window.") || name(r) == "number.failed")),
        (us, expected(&|r| r["list"] == "us")),
        (loud, expected(&|r| r["level"] != "info")),
        (beats, expected(&|r| name(r) == "heartbeat")),
    ] {
        let taken = receiver.taken();
        check_taken(&house, &taken);
        assert!(!wanted.is_empty());
        assert_eq!(taken.iter().map(|got| got.id.clone()).collect::<BTreeSet<_>>(), wanted);
    }
    let told: Vec<String> = us.taken().iter().map(|got| got.event().to_owned()).collect();
    let of_it: Vec<&Value> = records.iter().filter(|record| record["list"] == "us").collect();
    assert_eq!(told.len(), of_it.len(), "{:?}", names(&records));
}

#[test]
fn a_secret_that_cannot_be_read_stops_the_start_and_is_reported_by_check() {
    let (sim, receiver) = (world(), Receiver::start());
    let house = house(&sim, &receiver.section("pager", ""));
    let path = house.path("pager.secret");
    let not_shown = "C2FVsBQIhrscChlQIMV";
    for (content, said) in [
        (None, "cannot be read: no such file"),
        (Some(String::new()), "is empty"),
        (Some(format!("whsec-{not_shown}+b5sSYspob7oD")), "does not begin with whsec_"),
        (Some(format!("whsec_{not_shown}!b5sSYspob7oD")), "what follows whsec_ is not Base64"),
        (Some(format!("whsec_{not_shown}A")), "has a key of 15 bytes instead of 24 to 64"),
        (Some("x".repeat(5000)), "has more than 4096 bytes: it is no secret"),
    ] {
        match &content {
            None => fs::remove_file(&path).unwrap(),
            Some(content) => house.write("pager.secret", content),
        }
        for command in ["run", "check"] {
            let ended = ended(house.command(&[command]));
            assert_eq!(ended.code, Some(i32::from(exit::CONFIG)), "{command} {said}: {}", ended.stderr);
            let line = format!("error: webhook \"pager\": secret_files: {} {said}", path.display());
            assert!(ended.stderr.lines().any(|told| told == line), "{command} {said}: {}", ended.stderr);
            assert!(!ended.stderr.contains(not_shown), "{}", ended.stderr);
        }
    }
    assert!(!house.path("claimwatch.db").exists(), "nothing was begun");
    house.write("pager.secret", SECRET);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let checked = ended(house.command(&["check"]));
    assert_eq!(checked.code, Some(i32::from(exit::OK)));
    assert!(checked.stderr.contains("can be read by everybody: chmod o-r"), "{}", checked.stderr);
    assert!(checked.stdout.contains("1 warning"), "{}", checked.stdout);
}

#[test]
fn a_secret_can_be_a_credential_of_systemd() {
    let (sim, receiver) = (world(), Receiver::start());
    let house = house(&sim, &receiver.section("pager", ""));
    house.alter("[\"pager.secret\"]", "[\"credential:claimwatch.pager\"]");
    let refused = ended(house.command(&["run"]));
    assert_eq!(refused.code, Some(i32::from(exit::CONFIG)));
    let said = "error: webhook \"pager\": secret_files: credential:claimwatch.pager: CREDENTIALS_DIRECTORY is not set";
    assert!(refused.stderr.contains(said), "{}", refused.stderr);
    // Whoever checks by hand has no credentials of the unit.
    let checked = ended(house.command(&["check"]));
    assert_eq!((checked.code, checked.stdout.contains("1 warning")), (Some(i32::from(exit::OK)), true));
    fs::create_dir(house.path("credentials")).unwrap();
    fs::rename(house.path("pager.secret"), house.path("credentials/claimwatch.pager")).unwrap();
    let mut command = house.command(&["run", "--once"]);
    command.env("CREDENTIALS_DIRECTORY", house.path("credentials"));
    let once = ended(command);
    assert_eq!(once.code, Some(i32::from(exit::OK)), "{}", once.stderr);
    check_taken(&house, &receiver.taken());
    assert_eq!(receiver.taken().len(), once.records().len());
}
