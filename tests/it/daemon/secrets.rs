//! What must not get out: keys, tokens, signatures, and phone numbers where they are masked.

use std::fs;

use crate::support::house::{House, list};
use crate::support::process::{Ended, Running};
use crate::support::receiver::{Receiver, SECRET as WEBHOOK};
use crate::support::records::{check, of, only};
use crate::support::sim::{Sim, WIDE, e164, fault, number, order};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "IQoJb3JpZ2luX2VjEDeadBeefSessionTokenOfATest";

/// The length of a signature: 32 bytes in hex.
const SIGNATURE: usize = 64;

/// A run with everything logged that can be, until these events came.
fn talkative(house: &House, events: &[&str]) -> Ended {
    let mut command = house.command(&["run"]);
    command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1");
    command.env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_SESSION_TOKEN", TOKEN);
    let mut daemon = Running::start(command);
    daemon.until_events(events);
    // As it is while it runs, with its log, and as it is afterwards.
    tell_nothing_on_disk(house);
    daemon.stop()
}

fn tell_nothing_on_disk(house: &House) {
    for entry in fs::read_dir(house.folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            for secret in [SECRET, TOKEN, "Signature=", "AWS4-HMAC-SHA256"] {
                assert!(!contains(&bytes, secret), "{} holds {secret}", path.display());
            }
        }
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn tell_nothing(said: &str) {
    for secret in [SECRET, TOKEN, "Signature=", "signature=", "AWS4-HMAC-SHA256"] {
        if let Some(at) = said.find(secret) {
            panic!("{secret} is told: …{}", &said[at.saturating_sub(300)..at + secret.len()]);
        }
    }
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let signature = said.split(|c| !hex(c)).find(|run| run.len() >= SIGNATURE);
    assert_eq!(signature, None, "it looks like a signature");
}

#[test]
fn no_key_token_or_signature_gets_out_whatever_is_logged() {
    let down = fault("chime", (0, 100), "kind = \"reset\"");
    let ignored = "[world]\nsignatures = \"ignored\"\n";
    let claimed = number(1, &[(0, "CLAIMED")]);
    let working =
        Sim::start(&[ignored, WIDE, &claimed, &order(1, &[(0, "Processing", "Processing")]), &down].concat());
    // This one quotes what was signed when it refuses, as AWS does.
    let refusing = Sim::start(&[WIDE, &claimed].concat());
    for (sim, events) in
        [(working, &["number.claimed", "scope.unavailable"][..]), (refusing, &["scope.denied"])]
    {
        let house = House::at(sim.address);
        house.list("emea", &list(&[1], &[1]));
        let ended = talkative(&house, events);
        assert_eq!(ended.code, Some(0));
        tell_nothing(&ended.stdout);
        tell_nothing(&ended.stderr);
        tell_nothing(&fs::read_to_string(house.path("events.jsonl")).unwrap());
        tell_nothing_on_disk(&house);
        // The HTTP client and the signer tell headers below INFO.
        for line in ended.stderr.lines().filter(|line| line.contains(" TRACE ") || line.contains("DEBUG ")) {
            assert!(line.contains(" claimwatch::"), "{line}");
        }
    }
}

/// The secret's own part, and what an address lets in by.
const OF_THE_WEBHOOK: [&str; 3] = ["C2FVsBQIhrscChlQIMV", "T000SECRETPART", "whsec_"];

#[test]
fn no_webhooks_secret_signature_or_path_gets_out_even_if_its_receiver_repeats_them() {
    // The keys of this run are not the simulator's.
    let ignored = "[world]\nsignatures = \"ignored\"\n";
    let sim = Sim::start(&[ignored, WIDE, &number(1, &[(0, "CLAIMED")])].concat());
    let receiver = Receiver::start();
    // It quotes all that it knows, and is gone: so its words are stored and told at once.
    receiver.answer(|got| (410, format!("no {} for {WEBHOOK} or\u{1b}[31m\n{}", got.signatures, got.id)));
    let section =
        receiver.section("pager", "").replace("/hooks/pager", "/T000SECRETPART/x?key=T000SECRETPART");
    let house = House::with(sim.address, &section);
    house.alter("[\"pager.secret\"]", "[\"secrets/pager\"]");
    fs::create_dir(house.path("secrets")).unwrap();
    house.write("secrets/pager", WEBHOOK);
    house.list("emea", &list(&[1], &[]));
    let ended = talkative(&house, &["number.claimed", "sink.disabled"]);
    let records = ended.records();
    let disabled = only(&records, "sink.disabled");
    let reason = disabled["reason"].as_str().unwrap();
    assert!(reason.starts_with("HTTP 410: no v1,*** for *** or [31m "), "{reason}");
    let file = fs::read_to_string(house.path("events.jsonl")).unwrap();
    for said in [&ended.stdout, &ended.stderr, &file] {
        tell_nothing(said);
        for secret in OF_THE_WEBHOOK {
            assert!(!said.contains(secret), "{secret} is told");
        }
    }
    for name in ["claimwatch.db", "claimwatch.db-wal"] {
        let bytes = fs::read(house.path(name)).unwrap_or_default();
        for secret in OF_THE_WEBHOOK {
            assert!(!contains(&bytes, secret), "{name} holds {secret}");
        }
    }
    for got in receiver.got() {
        let signature = got.signatures.trim_start_matches("v1,");
        assert!(!ended.stdout.contains(signature) && !ended.stderr.contains(signature));
    }
}

#[test]
fn masked_numbers_are_masked_wherever_they_stand() {
    let quoted = number(1, &[(0, "IN_PROGRESS"), (1, "FAILED")])
        .replace("Target instance is full", &format!("No room for {}", e164(1)));
    let bought = order(1, &[(0, "Partial", "Failed")]);
    let sim = Sim::start(&[WIDE, &quoted, &bought].concat());
    let house = House::with(sim.address, "[events]\nnumbers = \"masked\"");
    house.alter("[events.file]\npath = \"events.jsonl\"\n", "");
    house.alter("[events]\n", "[events]\nfile = { path = \"events.jsonl\" }\n");
    house.list(
        "emea",
        &list(&[1], &[1]).replace("[[order]]", &format!("number = \"{}\"\n[[order]]", e164(1))),
    );
    let mut daemon = house.run();
    daemon.until("both", |records| {
        of(records, "number.in_progress").len() + of(records, "order.completed").len() == 2
    });
    sim.move_to(1);
    daemon.until_events(&["window.opened"]);
    let ended = daemon.stop();
    let records = ended.records();
    check(&records);
    let failed = of(&records, "number.failed");
    let mut told: Vec<&str> = failed.iter().map(|record| record["number"].as_str().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, ["+1206*****01", "+4420******01"]);
    assert_eq!(only(&records, "window.opened")["number"], "+4420******01");
    let file = fs::read_to_string(house.path("events.jsonl")).unwrap();
    for number in [e164(1), "+12065550101".to_owned()] {
        let digits = &number[1..];
        assert!(!ended.stdout.contains(digits) && !file.contains(digits) && !ended.stderr.contains(digits));
    }
}
