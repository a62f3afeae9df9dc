//! The examples of docs/events.md: a record of each event, said by the project's own code in one history.
//!
//! An event that is new: let a story of [`orders`], [`services`] or [`daemon`] say it ([`Story::undergoes`](story::Story::undergoes)
//! is for steps that neither an answer nor the clock makes), and give it a line in [`SHOWN`].

mod daemon;
mod orders;
mod services;
mod story;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use claimwatch::core::event::NAMES;
use claimwatch::core::record::{KEYS, Record, SCHEMA};
use claimwatch::sink::text;
use serde_json::Value;

use super::{catalog, read};
use crate::support::{expect, records};

const DOCUMENT: &str = "docs/events.md";
/// What stands between this
const BEGIN: &str = "<!-- made by tests/it/generated/examples: change that, not this -->\n";
/// and this is made.
const END: &str = "<!-- end of what is made -->\n";
/// The widest line of an example, unless one value is wider.
const WIDTH: usize = 110;

/// An event, what its example has (each a `key` or `key=text`; the first record that has them is shown), and what to say of
/// it.
type Shown = (&'static str, &'static [&'static str], &'static str);

/// What is shown, in the order of the document's table.
const SHOWN: &[Shown] = &[
    ("number.in_progress", &["label=Returns line"], "A claim"),
    (
        "number.in_progress",
        &["condition=retrying"],
        "Another one, inside the retry window of the one that failed",
    ),
    ("number.claimed", &["label=Support line"], ""),
    ("number.failed", &["label=Returns line"], "A claim; `window.opened` comes with it"),
    ("number.failed", &["operation=update"], "An update; the number stays where it was"),
    ("number.released", &["label=Returns line"], "No other id has it"),
    ("number.released", &["other_id"], "Another id has it"),
    ("window.opened", &["label=Returns line"], "Counted from the look that first showed the claim"),
    ("window.opened", &["window_basis=failure_first_seen"], "FAILED was the first that was seen"),
    ("window.closing", &["label=Returns line", "level=warn"], "At the first mark"),
    ("window.closing", &["label=Returns line", "level=error"], "At the last mark"),
    ("window.acknowledged", &[], ""),
    ("window.resolved", &["outcome=claimed"], "Under the same id"),
    ("window.resolved", &["outcome=claimed_elsewhere"], "Under another id"),
    ("window.closed", &["outcome=released"], "Seen to be gone"),
    ("window.closed", &["outcome=unconfirmed"], "Its latest end has passed"),
    ("order.tracked", &[], ""),
    ("order.untracked", &["level=info"], "With nothing at stake"),
    ("order.untracked", &["level=warn"], "With a retry window open"),
    ("order.status_changed", &["from=Processing"], ""),
    ("order.completed", &["level=info"], "All numbers were acquired"),
    ("order.completed", &["level=warn"], "Some were"),
    ("order.attention", &["condition=pending_documents"], "Documents of a port are missing"),
    ("order.attention", &["condition=holders_denied"], "A permission is missing"),
    ("order.unrecognized", &[], ""),
    ("order.not_found", &[], ""),
    ("order.stalled", &["label=Bristol"], ""),
    ("order.blocked", &[], ""),
    ("scope.throttled", &[], ""),
    ("scope.unavailable", &[], ""),
    ("scope.denied", &["raw=ExpiredTokenException"], "The credentials have expired"),
    ("scope.denied", &["clock_offset_s"], "The machine's clock is off"),
    ("scope.suspect", &[], ""),
    ("scope.overloaded", &[], ""),
    ("scope.caught_up", &[], ""),
    ("scope.recovered", &["condition=unavailable"], ""),
    ("sink.failing", &[], ""),
    ("sink.recovered", &[], ""),
    ("sink.disabled", &[], ""),
    ("delivery.dead", &[], ""),
    ("config.applied", &[], ""),
    ("config.rejected", &[], ""),
    ("daemon.started", &[], ""),
    ("daemon.stopped", &[], ""),
    ("heartbeat", &[], ""),
    ("digest", &[], ""),
];

/// Everything that is said, in the order of `seq`.
fn history() -> Vec<Record> {
    let stories = orders::emea();
    let mut said: Vec<Record> = stories.iter().flat_map(|story| story.records.clone()).collect();
    said.extend(services::amer());
    said.extend(daemon::itself(&stories));
    let refused = example(&said, "window.closing", &["label=Returns line", "level=error"]);
    said.extend(daemon::pager(refused));
    // What is said at one time stays in its order.
    said.sort_by_key(|record| record.time);
    for (seq, record) in (1..).zip(&mut said) {
        record.seq = seq;
    }
    said
}

/// The example that a line of [`SHOWN`] means.
fn example<'a>(said: &'a [Record], event: &str, wanted: &[&str]) -> &'a Record {
    let has = |record: &Record| {
        let json = serde_json::to_value(record).unwrap();
        wanted.iter().all(|wanted| match wanted.split_once('=') {
            None => json.get(wanted).is_some(),
            Some((key, value)) => json[key] == value,
        })
    };
    let mut of_event = said.iter().filter(|record| record.event == event);
    of_event.find(|record| has(record)).unwrap_or_else(|| panic!("nothing says {event} with {wanted:?}"))
}

/// The window whose story the other documents tell as well.
fn opened(said: &[Record]) -> &Record {
    example(said, "window.opened", &["label=Returns line"])
}

/// The section, without its heading.
fn section(said: &[Record]) -> String {
    let mut section = String::new();
    let mut heading = "";
    for (event, wanted, note) in SHOWN {
        if *event != heading {
            let _ = write!(section, "\n### `{event}`\n");
            heading = event;
        }
        if !note.is_empty() {
            let _ = write!(section, "\n{note}:\n");
        }
        let _ = write!(section, "\n```json\n{}\n```\n", wrapped(example(said, event, wanted)));
    }
    section + "\n"
}

/// A record as JSON for people: as many keys in a line as there is room for, the sentence in one of its own.
fn wrapped(record: &Record) -> String {
    let pretty = serde_json::to_string_pretty(record).unwrap();
    let mut out = String::new();
    let mut width = 0;
    // Each key has a line there, between those of the braces.
    for pair in pretty.lines().map(str::trim).filter(|line| line.len() > 1) {
        let length = pair.chars().count() + 1;
        if width == 0 {
            out.push('{');
        } else if width + length > WIDTH || pair.starts_with("\"message\"") {
            out.push_str("\n ");
            width = 0;
        } else {
            out.push(' ');
        }
        out += pair;
        width += length;
    }
    out + "}"
}

/// The document with what is made in its places: an event as a line, then the section.
fn made(document: &str, said: &[Record]) -> String {
    let line = format!("```json\n{}\n```\n", serde_json::to_string(opened(said)).unwrap());
    let mut made = String::new();
    let mut rest = document;
    for part in [line, section(said)] {
        let (before, after) = rest.split_once(BEGIN).unwrap_or_else(|| panic!("{DOCUMENT} has no {BEGIN}"));
        let (_, after) = after.split_once(END).unwrap_or_else(|| panic!("{DOCUMENT} has no {END}"));
        made += &[before, BEGIN, &part, END].concat();
        rest = after;
    }
    made + rest
}

#[test]
fn the_examples_are_what_the_code_says() {
    let shown: BTreeSet<&str> = SHOWN.iter().map(|(event, ..)| *event).collect();
    same(&shown, &NAMES.iter().copied().collect(), "SHOWN and core::event::NAMES");
    let said = history();
    let values: Vec<Value> = said.iter().map(|record| serde_json::to_value(record).unwrap()).collect();
    records::check(&values);
    expect::same(DOCUMENT, &made(&read(DOCUMENT), &said));
}

/// The README and docs/webhooks.md tell of the same failure.
#[test]
fn the_other_documents_tell_the_same_story() {
    let said = history();
    let readme = read("README.md");
    for (event, level) in [("number.failed", "warn"), ("window.opened", "warn"), ("window.closing", "error")]
    {
        let wanted = ["label=Returns line", &format!("level={level}")];
        let line = text::render(example(&said, event, &wanted), false);
        assert!(packed(&readme).contains(&packed(&line)), "README.md lacks\n{line}");
    }
    let id = &opened(&said).id;
    assert!(read("docs/webhooks.md").contains(id), "docs/webhooks.md lacks {id}");
}

fn same(some: &BTreeSet<&str>, others: &BTreeSet<&str>, what: &str) {
    let differ: Vec<_> = some.symmetric_difference(others).collect();
    assert!(differ.is_empty(), "only one of {what} has {differ:?}");
}

/// With one space for many.
fn packed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An example as a reader finds it: under which heading, and what it says.
fn examples(document: &str) -> Vec<(String, Value)> {
    let (_, section) = document.rsplit_once(BEGIN).unwrap();
    let (section, _) = section.split_once(END).unwrap();
    let mut examples = Vec::new();
    for of_event in section.split("\n### `").skip(1) {
        let (event, rest) = of_event.split_once("`\n").unwrap();
        for block in rest.split("\n```json\n").skip(1) {
            let (json, _) = block.split_once("\n```\n").unwrap();
            let value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{event}: {error}: {json}"));
            examples.push((event.to_owned(), value));
        }
    }
    examples
}

/// The keys that the table of the document has; `label_` for those that begin so.
fn documented_keys(document: &str) -> BTreeSet<&str> {
    let (_, section) = document.split_once("\n## The keys\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" | "));
    rows.flat_map(|(keys, _)| keys.split(", ")).map(|key| key.trim_matches(['`', '*'])).collect()
}

/// The document alone, as somebody reads it who does not know the code.
#[test]
fn the_examples_agree_with_the_tables() {
    let document = made(&read(DOCUMENT), &history());
    let examples = examples(&document);
    let rows = catalog::rows(&document);
    let mut events: Vec<&str> = examples.iter().map(|(event, _)| event.as_str()).collect();
    events.dedup();
    assert_eq!(events, rows.iter().map(|row| row.event.as_str()).collect::<Vec<_>>(), "in the table's order");
    let documented = documented_keys(&document);
    let schema = format!("the version of the record: {SCHEMA} |");
    assert!(document.contains(&schema), "the table of keys does not say that schema is {SCHEMA}");
    let mut told = BTreeSet::new();
    for (event, example) in &examples {
        assert_eq!((&example["event"], &example["schema"]), (&event.as_str().into(), &SCHEMA.into()));
        let level = example["level"].as_str().unwrap();
        let row = rows.iter().find(|row| row.event == *event).unwrap();
        assert!(row.level.contains(level), "{event} is {level}, but the table says {}", row.level);
        for key in example.as_object().unwrap().keys() {
            let key = if key.starts_with("label_") { "label_" } else { key };
            assert!(documented.contains(key), "{event} has the key {key}, which the table lacks");
            told.insert(key);
        }
    }
    same(&told, &documented, "the examples and the table of keys");
    let keys: BTreeSet<&str> = KEYS.iter().copied().chain(["label_"]).collect();
    same(&documented, &keys, "the table of keys and core::record::KEYS");
}
