//! What every command prints, as a person sees it, in `tests/it/transcripts/*.txt`: with the daemon up, with it down, and where nothing
//! is watched yet. `UPDATE_EXPECT=1` writes them anew.
//!
//! Times and how long ago they are differ from run to run; what stands for them keeps the columns.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop")]

use std::fmt::Write as _;

use regex_lite::{Captures, Regex};

use crate::support::expect;
use crate::support::house::House;
use crate::support::process::{Ended, ended};
use crate::support::sim::{Sim, WIDE, e164, number, number_id, order, order_id};

/// The width that output for people keeps to.
const COLUMNS: usize = 80;

/// Commands whose lines are records, or of the configuration, as wide as they are.
const WIDER: &[&str] = &["events", "--wide", "config"];

/// A story of one order each that is claimed, fails, is under way, and ends half well.
fn scenario() -> String {
    let failed = format!(
        "[[connect_number]]\nid = \"{}\"\nnumber = \"{}\"\ncountry = \"GB\"\ntimeline = [{{ at = \"0s\", status = \"IN_PROGRESS\" }}, {{ at = \"5s\", status = \"FAILED\", message = \"Target instance has reached its limit of claimed numbers\" }}]\n",
        number_id(2),
        e164(2)
    );
    [
        WIDE,
        &number(1, &[(0, "CLAIMED")]),
        &failed,
        &number(3, &[(0, "IN_PROGRESS")]),
        &order(1, &[(0, "Processing", "Processing"), (5, "Partial", "Failed")]),
    ]
    .concat()
}

fn watched() -> String {
    let mut text = "account = \"sim\"\nlabels = { site = \"london\", team = \"voice\" }\n".to_owned();
    for (n, label) in [(1, "Support line"), (2, "Returns line"), (3, "Sales line")] {
        let _infallible = write!(
            text,
            "[[number]]\nid = \"{}\"\noperation = \"claim\"\nlabel = \"{label}\"\n",
            number_id(n)
        );
    }
    let _infallible = write!(text, "[[order]]\nid = \"{}\"\nlabel = \"Ten for Leeds\"\n", order_id(1));
    text
}

/// Puts what differs from run to run into words of its own, and keeps the columns.
fn steady(text: &str, house: &House) -> String {
    let folder = house.folder().display().to_string();
    let text = text.replace(&folder, "/etc/claimwatch");
    let times = Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z").unwrap();
    let text = times.replace_all(&text, "YYYY-MM-DDThh:mm:ssZ");
    let spans = Regex::new(
        r"(?x)( \b(in\ )? (\d+|under\ 1)\ (s|min|h|d)\b (\ \d+\ (s|min|h)\b)? (\ ago)? | \b(just\ )?now\b )(\ *)",
    )
    .unwrap();
    let replace = |found: &Captures<'_>| {
        let (whole, gap) = (&found[0], &found[9]);
        // A cell keeps its width; in a sentence there is none to keep.
        if gap.len() > 1 { format!("{:width$}", "~", width = whole.len()) } else { format!("~{gap}") }
    };
    let text = spans.replace_all(&text, replace).into_owned();
    let text = in_order(&text);
    let text = Regex::new(r"127\.0\.0\.1:\d+").unwrap().replace_all(&text, "127.0.0.1:4566").into_owned();
    let cursors = Regex::new(r"--after \S+").unwrap();
    cursors.replace_all(&text, "--after CURSOR").into_owned()
}

/// The last changes of several orders, which come as the answers do, in an order of their own.
fn in_order(text: &str) -> String {
    let Some((before, changes)) = text.split_once("\nLAST CHANGES\n") else { return text.to_owned() };
    let mut changes: Vec<&str> = changes.lines().collect();
    changes.sort_unstable();
    format!("{before}\nLAST CHANGES\n{}\n", changes.join("\n"))
}

/// A command with what it printed.
fn told(house: &House, args: &[&str]) -> String {
    let Ended { code, stdout, stderr } = ended(house.command(args));
    if !args.iter().any(|arg| WIDER.contains(arg)) {
        for line in stdout.lines() {
            assert!(line.chars().count() <= COLUMNS, "wider than {COLUMNS}: {line:?}");
        }
    }
    for line in stdout.lines() {
        assert!(!line.ends_with(' ') && !line.chars().any(char::is_control), "{line:?}");
    }
    let shown = args.join(" ");
    let mut text = format!("$ claimwatch {shown}\n{}", steady(&stdout, house));
    let _infallible = write!(text, "{}", steady(&stderr, house));
    let _infallible = writeln!(text, "[exit {}]\n", code.unwrap());
    text
}

/// The commands that show something, each with the transcript that it belongs to.
fn shown() -> Vec<(&'static str, Vec<String>)> {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let of_order = |command: &str, id: &str| vec![command.to_owned(), id.to_owned()];
    vec![
        ("status", words("status")),
        ("orders", words("orders")),
        ("orders", words("orders --wide")),
        ("orders", words("orders --status failed --list emea --label team=voice --scope connect/sim")),
        ("orders", words("orders --urgency attention")),
        ("orders", words("orders --limit 1")),
        ("orders", words("orders --label nonsense")),
        ("show", of_order("show", &e164(2))),
        ("show", of_order("show", &number_id(1))),
        ("show", of_order("show", &order_id(1))),
        ("show", of_order("show", "0c1f3b6e")),
        ("show", of_order("show", "+442079469999")),
        ("events", words("events --event window.* --level warn")),
        ("wait", of_order("wait", &number_id(1))),
        ("wait", of_order("wait", &number_id(2))),
        ("wait", vec!["wait".into(), number_id(2), "--for".into(), "terminal".into()]),
        ("deliveries", words("deliveries")),
        ("config", words("config show --origin")),
    ]
}

#[test]
fn what_every_command_prints() {
    let sim = Sim::start(&scenario());
    let house = House::at(sim.address);
    house.list("emea", &watched());
    let mut files: std::collections::BTreeMap<&str, String> = std::collections::BTreeMap::new();
    let mut put = |house: &House, when: &str, only: Option<&str>| {
        for (file, args) in shown() {
            if only.is_none_or(|only| only == file) {
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                let text = files.entry(file).or_default();
                let _infallible = write!(text, "# {when}\n\n{}", told(house, &args));
            }
        }
    };
    for only in ["status", "orders", "deliveries"] {
        put(&house, "Before the first start", Some(only));
    }
    let mut daemon = house.up();
    daemon.wait("first looks", || {
        house.events().iter().filter(|e| e["event"] == "number.in_progress").count() >= 3
    });
    sim.move_to(6);
    daemon.until_events(&["number.claimed", "window.opened", "order.completed"]);
    put(&house, "While the daemon runs", None);
    let mut ack = told(&house, &["ack", &number_id(2)]);
    ack.push_str(&told(&house, &["ack", &number_id(1)]));
    ack.push_str(&told(&house, &["status"]));
    let _ended = daemon.stop();
    put(&house, "While none runs", None);
    ack.push_str(&told(&house, &["ack", &number_id(2)]));
    files.insert("ack", ack);
    for (file, text) in files {
        expect::same(&format!("tests/it/transcripts/{file}.txt"), &text);
    }
}
