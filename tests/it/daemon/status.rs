//! What the running daemon shows of itself: over its socket, and as `claimwatch status`.

use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::support::house::{House, list};
use crate::support::process::{Ended, Running, ended};
use crate::support::sim::{Sim, WIDE, fault, number, order};

const NUMBERS: u32 = 59;

fn status(house: &House, args: &[&str]) -> Ended {
    ended(house.command(&[&["status"], args].concat()))
}

fn scopes(house: &House) -> Vec<Value> {
    let shown = status(house, &["--json"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""), "{}", shown.stdout);
    let told: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert!(told["at"].as_str().unwrap().ends_with('Z'), "{told}");
    told["scopes"].as_array().unwrap().clone()
}

fn socket(house: &House) -> io::Result<UnixStream> {
    UnixStream::connect(house.path("claimwatch.db.sock"))
}

/// The head of an answer in small letters, and its body.
pub(super) fn asked(house: &House, method: &str, path: &str) -> (String, String) {
    let mut stream = socket(house).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: claimwatch\r\nconnection: close\r\n\r\n").unwrap();
    let answer = io::read_to_string(stream).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

/// Many numbers at one call a second, not so many that it is called overload, and a Chime order that is looked at in time.
fn late() -> (Sim, House, Running) {
    let numbers: String = (1..=NUMBERS).map(|n| number(n, &[(0, "IN_PROGRESS")])).collect();
    let sim = Sim::start(&[WIDE, &numbers, &order(1, &[(0, "Processing", "Processing")])].concat());
    let house = House::at(sim.address);
    house.alter("connect = { rate = 100.0, burst = 100,", "connect = { rate = 1.0, burst = 1,");
    house.alter("ceiling = \"300ms\"", "ceiling = \"1h\"");
    house.alter("floor = \"100ms\"\nsteady = \"200ms\"", "floor = \"1h\"\nsteady = \"1h\"");
    let all: Vec<u32> = (1..=NUMBERS).collect();
    house.list("emea", &list(&all, &[1]));
    let daemon = house.up();
    daemon.wait("a look at each service", || sim.described() > 0 && sim.gotten() > 0);
    (sim, house, daemon)
}

#[test]
fn it_shows_how_late_looks_are() {
    let (_sim, house, daemon) = late();
    let scopes = scopes(&house);
    let [chime, connect] = &scopes[..] else { panic!("{scopes:?}") };
    assert_eq!((&chime["provider"], &chime["tracked"]), (&"chime".into(), &1.into()));
    assert_eq!((&connect["account"], &connect["accounts"][0]), (&"sim".into(), &"sim".into()));
    assert_eq!((&connect["account_id"], &connect["region"]), (&"123456789012".into(), &"eu-west-2".into()));
    assert_eq!((&connect["tracked"], &connect["looked_at"]), (&NUMBERS.into(), &NUMBERS.into()));
    assert_eq!((&connect["rate"], &connect["quota"]), (&1.0.into(), &1.0.into()));
    assert_eq!((&connect["throttled_since"], &connect["hold_s"]), (&Value::Null, &0.0.into()));
    let pending = &connect["lanes"]["pending"];
    let due = pending["due"].as_u64().unwrap();
    assert!((1..u64::from(NUMBERS)).contains(&due), "{connect}");
    // A call a second, which the other lanes do not share.
    assert_eq!(pending["expected_s"].as_f64(), Some(f64::from(u32::try_from(due).unwrap())));
    assert!(pending["oldest_s"].as_f64().unwrap() > 0.0, "{connect}");
    assert_eq!(connect["lanes"]["urgent"]["due"], 0);

    let shown = status(&house, &[]);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{}", shown.stdout);
    assert!(lines[0].starts_with("* claimwatch 0.1.0 runs since "), "{}", shown.stdout);
    assert_eq!(lines[2], format!("  {} orders: {} pending", NUMBERS + 1, NUMBERS + 1));
    let first = lines.iter().position(|line| line.starts_with("SCOPE ")).unwrap() + 1;
    assert!(lines[first].starts_with("connect/sim eu-west-2 "), "the late one comes first: {}", shown.stdout);
    assert!(
        lines[first + 1].starts_with("  pending ") && lines[first + 1].ends_with(" s"),
        "{}",
        shown.stdout
    );
    let last = lines[first + 2];
    assert!(last.starts_with("chime/sim ") && last.ends_with("  nothing waits"), "{}", shown.stdout);

    let (head, body) = asked(&house, "GET", "/metrics");
    assert!(head.starts_with("http/1.1 200 ok"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    let labels = "{provider=\"connect\",account=\"sim\",region=\"eu-west-2\"";
    assert!(body.contains(&format!("\nclaimwatch_scope_orders_tracked{labels}}} {NUMBERS}\n")), "{body}");
    let due = format!("\nclaimwatch_lane_orders_due{labels},lane=\"pending\"}} ");
    let due = body.split_once(&due).unwrap().1.lines().next().unwrap().parse::<u32>().unwrap();
    assert!((1..NUMBERS).contains(&due), "{body}");
    daemon.stop();
}

#[test]
fn it_shows_what_is_wrong() {
    let refused = fault("connect", (0, 100), "kind = \"status\"\nstatus = 429\nretry_after = \"900\"");
    let down = fault("chime", (0, 100), "kind = \"status\"\nstatus = 503");
    let order = order(1, &[(0, "Processing", "Processing")]);
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "IN_PROGRESS")]), &order, &refused, &down].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[1]));
    let mut daemon = house.run();
    daemon.until_events(&["scope.throttled", "scope.unavailable"]);
    let scopes = scopes(&house);
    let [chime, connect] = &scopes[..] else { panic!("{scopes:?}") };
    let held = connect["hold_s"].as_f64().unwrap();
    assert!((800.0..=900.0).contains(&held), "{connect}");
    let since = connect["throttled_since"].as_str().unwrap();
    assert!(connect["rate"].as_f64() < connect["quota"].as_f64(), "{connect}");
    let pending = &connect["lanes"]["pending"];
    assert_eq!(pending["due"], 1, "{connect}");
    assert!(pending["expected_s"].as_f64().unwrap() > held, "{connect}");
    assert!(chime["unavailable_since"].is_string() && chime["throttled_since"].is_null(), "{chime}");

    let shown = status(&house, &[]).stdout;
    let (unavailable, throttled) = shown.split_once("connect/sim").unwrap();
    assert!(unavailable.contains("\n  ! unavailable since "), "{shown}");
    assert!(throttled.contains(&format!("\n  ! throttled since {since}: ")), "{shown}");
    assert!(throttled.contains("\n  ! every call waits for 14 min "), "{shown}");
    let (_, metrics) = asked(&house, "GET", "/metrics");
    for (provider, name) in [("connect", "throttled"), ("chime", "unavailable")] {
        let labels = format!("{{provider=\"{provider}\",account=\"sim\",region=\"eu-west-2\"}}");
        assert!(metrics.contains(&format!("\nclaimwatch_scope_{name}{labels} 1\n")), "{metrics}");
    }
    daemon.stop();
}

#[test]
fn who_asks_for_something_else_or_of_nobody_is_told() {
    let sim = Sim::start(WIDE);
    let house = House::at(sim.address);
    house.list("emea", &list(&[], &[]));
    for args in [&[][..], &["--json"]] {
        let nobody = status(&house, args);
        assert_eq!((nobody.code, nobody.stdout.as_str()), (Some(74), ""), "{}", nobody.stderr);
        assert!(nobody.stderr.starts_with("claimwatch: nothing is known yet: "), "{}", nobody.stderr);
        assert!(nobody.stderr.contains("claimwatch run"), "{}", nobody.stderr);
    }
    assert_eq!(status(&house, &["--yaml"]).code, Some(64));
    let daemon = house.up();
    daemon.wait("the socket", || socket(&house).is_ok());
    for (method, path, wanted) in [
        ("POST", "/api/v1/scopes", "405"),
        ("DELETE", "/metrics", "405"),
        ("GET", "/api/v1/scopes/connect/sim/accept", "405"),
        ("GET", "/api/v1/scopes/", "404"),
        ("GET", "/api/v2/scopes", "404"),
        ("GET", "/", "404"),
    ] {
        let (head, body) = asked(&house, method, path);
        assert!(head.starts_with(&format!("http/1.1 {wanted} ")), "{method} {path}: {head}");
        assert_eq!(head.contains("\r\nallow: "), wanted == "405", "{method} {path}: {head}");
        let told: Value = serde_json::from_str(&body).unwrap();
        assert!(told["error"].as_str().is_some_and(|why| !why.is_empty()), "{method} {path}: {body}");
    }
    let (head, _) = asked(&house, "GET", "/api/v1/scopes");
    // One that is there and does not answer is no daemon that is not there.
    daemon.signal("STOP");
    let silent = status(&house, &[]);
    daemon.signal("CONT");
    assert_eq!((silent.code, silent.stdout.as_str()), (Some(69), ""), "{}", silent.stderr);
    assert!(silent.stderr.contains("has not answered for 10 s"), "{}", silent.stderr);
    assert!(head.starts_with("http/1.1 200 ") && head.contains("content-type: application/json"), "{head}");
    daemon.stop();
}
