//! Scenario files, good and bad.

use claimwatch::sim::DEMO_SCENARIO;
use claimwatch::sim::scenario::Scenario;

use super::{Ask, body, world};

#[test]
fn the_demo_s_story_is_the_one_that_is_told() {
    let mut world = world(DEMO_SCENARIO);
    let mut number = |last: u8, seconds: i64| {
        let target = format!("/phone-number/0c1f3b6e-7d2a-4b8e-9a41-5f6d2c3b1a0{last}");
        let reply = body(&Ask::get("connect", &target).of(&mut world, seconds * 1_000));
        let status = &reply["ClaimedPhoneNumberSummary"]["PhoneNumberStatus"]["Status"];
        status.as_str().unwrap_or("-").to_owned()
    };
    assert_eq!([number(1, 0), number(2, 0), number(3, 0)], ["IN_PROGRESS"; 3]);
    assert_eq!([number(1, 3), number(2, 3), number(3, 3)], ["CLAIMED", "FAILED", "FAILED"]);
    assert_eq!([number(2, 5), number(2, 5)], ["FAILED", "-"], "the quota has shrunk");
    assert_eq!([number(2, 8), number(2, 10)], ["IN_PROGRESS", "CLAIMED"]);
    assert_eq!([number(3, 16), number(3, 17)], ["FAILED", "-"]);
    let mut order = |last: u8, seconds: i64| {
        let target = format!("/phone-number-orders/6f1c0d4e-3f0b-4c1e-9a57-0d0c8e0a1b2{last}");
        let reply = Ask::get("chime", &target).of(&mut world, seconds * 1_000);
        let value = body(&reply)["PhoneNumberOrder"].clone();
        let words = value["OrderedPhoneNumbers"].as_array().cloned().unwrap_or_default();
        let words: Vec<String> =
            words.iter().map(|held| held["Status"].as_str().unwrap().to_owned()).collect();
        (reply.status, value["Status"].as_str().unwrap_or("-").to_owned(), words.join(" "))
    };
    let said = |status, word: &str, words: &str| (status, word.to_owned(), words.to_owned());
    assert_eq!(order(1, 0), said(200, "Processing", "Processing Processing Processing"));
    assert_eq!(order(1, 6), said(200, "Partial", "Acquired Acquired Failed"));
    assert_eq!(order(2, 9), said(503, "-", ""));
    assert_eq!(order(2, 12), said(200, "Processing", "Processing"));
    assert_eq!(order(2, 14), said(200, "Successful", "Acquired"));
}

#[test]
fn every_shipped_scenario_can_be_used() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config/scenarios");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(Scenario::parse(&text).map(|_| ()), Ok(()), "{}", path.display());
        read += 1;
    }
    assert!(read >= 2);
}

#[test]
fn a_file_that_cannot_be_used_names_the_line() {
    let order = "[[chime_order]]\nid = \"22222222-bbbb-4bbb-8bbb-000000000001\"\n";
    for (text, line, column, message) in [
        ("[world]\nsead = 1".to_owned(), 2, 1, "unknown field `sead`"),
        ("[world]\nseed = ".to_owned(), 2, 8, ""),
        (format!("{order}timeline = []"), 3, 12, "at least one entry"),
        (format!("{order}timeline = [\n  {{ at = \"5 s\" }},\n]"), 4, 10, "not a time: \"5 s\""),
        (format!("{order}timeline = [\n {{ at = \"5s\" }},\n {{ at = \"5s\" }},\n]"), 5, 9, "not in order"),
        (format!("{order}timeline = [{{ at = \"5s\", stat = \"x\" }}]"), 3, 26, "unknown field `stat`"),
        (
            format!("{order}timeline = [{{ at = \"0s\" }}]\n{order}timeline = [{{ at = \"0s\" }}]"),
            5,
            6,
            "already",
        ),
        ("\n[[connect_number]]\nid = \"x\"\nnumber = \"+1\"\ntimeline = []".to_owned(), 3, 6, "not a UUID"),
        ("[quota.chime]\nrate = -1.0".to_owned(), 2, 8, "0 or more"),
        (
            "[quota.chime]\nphases = [{ from = \"5s\", until = \"4s\", rate = 1.0, burst = 1 }]".to_owned(),
            2,
            34,
            "ends before",
        ),
        ("[quota.chime]\nretry_after = \"date:soon\"".to_owned(), 2, 15, "not a time"),
        ("[[fault]]\nkind = \"sloow\"".to_owned(), 2, 8, "unknown variant `sloow`"),
        ("[[fault]]\nkind = \"slow\"".to_owned(), 2, 8, "needs `delay`"),
        ("[[fault]]\nkind = \"hang\"\ndelay = \"1s\"".to_owned(), 3, 9, "`delay` means nothing"),
        ("[[fault]]\nkind = \"status\"\nstatus = 42".to_owned(), 3, 10, "from 200 to 599"),
        ("[[fault]]\nkind = \"garbage\"\nbody = \"odd\"".to_owned(), 3, 8, "unknown variant `odd`"),
        ("[[fault]]\nkind = \"hang\"\nevery = 0".to_owned(), 3, 9, "1 or more"),
        ("[[fault]]\nkind = \"hang\"\nchance = 2.0".to_owned(), 3, 10, "from 0 to 1"),
        (
            "[[fault]]\nkind = \"hang\"\noperation = \"ClaimPhoneNumber\"".to_owned(),
            3,
            13,
            "not an operation",
        ),
    ] {
        let error = Scenario::parse(&text).unwrap_err();
        assert!(error.message.contains(message), "{text}\n{error}");
        assert_eq!((error.line, error.column), (line, column), "{text}\n{error}");
        assert!(error.to_string().starts_with(&format!("line {line}, column {column}: ")));
    }
}

#[test]
fn the_documented_file_can_be_used() {
    let page = include_str!("../../../docs/simulator.md");
    let file = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(Scenario::parse(file).map(|_| ()), Ok(()));
    let kinds = [
        "status", "deny", "slow", "hang", "reset", "truncate", "garbage", "skew", "stale", "stranger", "loop",
    ];
    for kind in kinds.into_iter().chain(["expired-token"]) {
        assert!(page.contains(&format!("| `{kind}` |")), "{kind} is not in the table");
    }
    let example = include_str!("../../boto3/scenario.toml");
    assert_eq!(Scenario::parse(example).map(|_| ()), Ok(()));
}
