//! The walls of the house, as a test: who may know whom, who may read a clock, who may name the database or the HTTP
//! client, and how long a file may be. `ARCHITECTURE.md` says why.

#![expect(clippy::unwrap_used, reason = "what cannot be read here is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Lines of a file, tests included. Past this nobody reads it in one sitting.
const LINES_MAX: usize = 700;

/// Which rooms a room may name. What stands directly under `src` is not a room.
const ROOMS: &[(&str, &[&str])] = &[
    ("core", &["core"]),
    ("aws", &["aws", "clock", "core", "http"]),
    ("config", &["config", "core"]),
    ("http", &["core", "http"]),
    ("provider", &["aws", "core", "http", "provider"]),
    ("sim", &["clock", "core", "sim"]),
    ("sink", &["core", "http", "sink"]),
    ("store", &["core", "store"]),
    ("daemon", &["aws", "clock", "config", "core", "daemon", "http", "provider", "sink", "store"]),
    (
        "cli",
        &["cli", "clock", "config", "core", "daemon", "exit", "http", "provider", "sim", "sink", "store"],
    ),
];

/// What the pure core does without. Matched as written in code.
const NOT_IN_CORE: &[&str] = &[
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "async fn",
    "aws_",
    "axum",
    "rand::",
    "reqwest",
    "sqlx",
    "extern crate",
    "include_str!",
    "jiff::Zoned",
    "println!",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    // Would name a module without its path, and so hide it from this list.
    "use std::{",
    "use std as",
    "use std;",
    "tokio",
    "tracing",
];

/// Words that stand in one place only: the word, and the places (prefixes under `src`) that may say it.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("sqlx", &["store/"]),
    ("reqwest", &["http/transport.rs"]),
    ("standardwebhooks", &["sink/webhook/secret.rs"]),
    ("Instant::now", &["clock.rs", "daemon/courier/tests.rs"]),
    ("SystemTime::now", &["clock.rs"]),
    ("std::env::", &["daemon/simulation/", "main.rs"]),
    ("aws_sigv4", &["aws/sign.rs"]),
    ("tokio_cron_scheduler", &["daemon/alarm.rs"]),
    ("croner", &["daemon/alarm.rs"]),
    ("chrono", &["daemon/alarm.rs"]),
    ("sd_notify", &["daemon/"]),
    ("annotate_snippets", &["config/"]),
    ("axum", &["daemon/api/", "sim/"]),
    ("hyper::", &["cli/accept.rs", "cli/control.rs", "daemon/api/"]),
    ("toml_edit", &["config/local/"]),
    ("indicatif", &["cli/progress.rs"]),
    ("futures_util", &["daemon/api/follow.rs"]),
    ("tokio_io_timeout", &["daemon/api/mod.rs"]),
];

/// What is nowhere in the project's Rust code.
const NOWHERE: &[&str] = &["#[allow(", "#![allow(", "#[ignore", "TODO", "FIXME", "dbg!(", "process::exit"];

/// A source file: its path under the root, and its code without comment lines.
struct Source {
    path: String,
    lines: usize,
    code: Vec<(usize, String)>,
}

impl Source {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let code = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(at, line)| (at + 1, line.to_owned()))
            .collect();
        let path = path.strip_prefix(ROOT).unwrap().to_string_lossy().into_owned();
        Self { path, lines: text.lines().count(), code }
    }

    /// The path under `src`, if it is there.
    fn under_src(&self) -> Option<&str> {
        self.path.strip_prefix("src/")
    }

    /// Where a word stands: not as the end of another one.
    fn says(&self, word: &str) -> Vec<String> {
        let begins = |(at, _): &(usize, &str), line: &str| {
            !line[..*at].ends_with(|before: char| before.is_ascii_alphanumeric())
        };
        let hits =
            self.code.iter().filter(|(_, line)| line.match_indices(word).any(|hit| begins(&hit, line)));
        hits.map(|(at, _)| format!("{}:{at}: {word}", self.path)).collect()
    }
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| Path::new(ROOT).join(folder)).collect();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    let sources: Vec<Source> = found.iter().map(|path| Source::read(path)).collect();
    assert!(sources.len() > 20, "the sources are where they are looked for");
    sources
}

/// The rooms that a line names: the word after each `crate::`.
fn named_rooms(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

fn none(broken: &[String], rule: &str) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

#[test]
fn arrows_point_down() {
    let mut broken = Vec::new();
    let mut seen = BTreeSet::new();
    for source in sources(&["src"]) {
        let Some((room, _)) = source.under_src().and_then(|path| path.split_once('/')) else { continue };
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            broken.push(format!("{}: the room {room} has no place in the plan", source.path));
            continue;
        };
        seen.insert(room.to_owned());
        for (at, line) in &source.code {
            for named in named_rooms(line).filter(|named| !allowed.contains(named)) {
                broken.push(format!("{}:{at}: {room} must not know {named}", source.path));
            }
        }
    }
    none(&broken, "ARCHITECTURE.md, \"Who may know whom\"");
    assert_eq!(seen.len(), ROOMS.len(), "a room of the plan is gone: {seen:?}");
}

#[test]
fn nothing_that_is_shipped_knows_the_simulator_but_demo_and_simulate() {
    let may = ["cli/demo.rs", "cli/simulate.rs"];
    let broken: Vec<String> = sources(&["src"])
        .iter()
        .filter(|source| {
            source.under_src().is_some_and(|path| !path.starts_with("sim/") && !may.contains(&path))
        })
        .flat_map(|source| source.says("crate::sim"))
        .collect();
    none(&broken, "only `demo` and `simulate` use the simulator");
}

#[test]
fn the_core_is_pure() {
    let sources = sources(&["src/core"]);
    let broken: Vec<String> =
        NOT_IN_CORE.iter().flat_map(|word| sources.iter().flat_map(|source| source.says(word))).collect();
    none(&broken, "the core is told the time and what was seen; it reads, waits for and logs nothing");
}

#[test]
fn what_has_one_place_stands_there_only() {
    let sources = sources(&["src"]);
    let mut broken = Vec::new();
    for (word, places) in ONLY_IN {
        let mut at_home = 0;
        for source in &sources {
            let path = source.under_src().unwrap_or_default();
            if places.iter().any(|place| path.starts_with(place)) {
                at_home += source.says(word).len();
            } else {
                broken.extend(source.says(word));
            }
        }
        assert!(at_home > 0, "{word} is nowhere: the rule is stale");
    }
    none(&broken, "each of these words has one home");
}

#[test]
fn files_are_short() {
    let long: Vec<String> = sources(&["src", "tests", "fuzz/src", "fuzz/fuzz_targets"])
        .iter()
        .filter(|source| source.lines > LINES_MAX)
        .map(|source| format!("{}: {} lines", source.path, source.lines))
        .collect();
    none(&long, "a file has at most 700 lines");
}

#[test]
fn nothing_is_left_lying_about() {
    let sources = sources(&["src", "tests", "fuzz/src", "fuzz/fuzz_targets"]);
    let others = sources.iter().filter(|source| source.path != "tests/it/tidy.rs");
    let broken: Vec<String> =
        others.flat_map(|source| NOWHERE.iter().flat_map(|word| source.says(word))).collect();
    none(&broken, "not in this house");
    // Polling a level with a bound is the one way of waiting; it stands in one place.
    let sleeping: Vec<String> = sources
        .iter()
        .filter(|source| !["tests/it/tidy.rs", "tests/it/support/mod.rs"].contains(&source.path.as_str()))
        .flat_map(|source| source.says("thread::sleep"))
        .collect();
    none(&sleeping, "wait for a level, with `wait_for`");
}

#[test]
fn every_event_and_every_key_of_the_record_is_documented() {
    let docs = fs::read_to_string(Path::new(ROOT).join("docs/events.md")).unwrap();
    let events = fs::read_to_string(Path::new(ROOT).join("src/core/event.rs")).unwrap();
    let names: BTreeSet<&str> = events
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|word| {
            ["heartbeat", "digest"].contains(word)
                || word.split_once('.').is_some_and(|(a, b)| is_word(a) && is_word(b))
        })
        .collect();
    assert!(names.len() > 20, "the names stand in core/event.rs: {names:?}");
    let listed: BTreeSet<&str> = claimwatch::core::event::NAMES.iter().copied().collect();
    assert_eq!(names, listed, "core::event::NAMES has them all");
    let keys = claimwatch::core::record::KEYS.iter().copied();
    let missing: Vec<String> = names
        .into_iter()
        .chain(keys)
        .filter(|name| !docs.contains(&format!("`{name}`")))
        .map(str::to_owned)
        .collect();
    none(&missing, "docs/events.md lacks");
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}
