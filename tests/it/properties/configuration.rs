//! The main file and the watch lists: what is said of them, and what is taken from them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use claimwatch::config::{
    Account, Config, Loaded, Outline, Problem, Quota, Service, Severity, Sources, WatchList, load,
};
use claimwatch::core::policy::{AfterTerminal, Poll, WindowTerms};
use claimwatch::core::time::Timestamp;
use tempfile::TempDir;

use super::http::RECEIVED_MS;

/// The main file that lists are read against.
const MAIN: &str = r#"
[account.prod-eu]
region = "eu-west-2"
account_id = "123456789012"
[account.lab]
region = "us-east-1"
"#;

/// The list that main files are read with.
const LIST: &str = r#"
account = "prod-eu"
[[order]]
id = "6f1c0d4e-3f0b-4c1e-9a57-0d0c8e0a1b2c"
"#;

/// A message, in bytes (`LONGEST_MESSAGE` and its ellipsis), and as long a help.
const MESSAGE_MOST: usize = 403;
/// What a problem takes of the report, in bytes: two lines of 2,000 with their carets, each character shown with four, a
/// message and a help.
const REPORTED_MOST: usize = 50_000;
/// Problems of one file that are told in full.
const TOLD_MOST: usize = 100;

/// Reads the bytes as the main file.
pub(crate) fn main_file(data: &[u8]) {
    read_all(data, LIST.as_bytes(), Mine::Main);
}

/// Reads the bytes as a watch list.
pub(crate) fn watch_list(data: &[u8]) {
    read_all(MAIN.as_bytes(), data, Mine::List);
}

/// Which file is the one under test.
#[derive(Clone, Copy, PartialEq)]
enum Mine {
    Main,
    List,
}

struct Folder(TempDir);

impl Folder {
    fn load(&self, main: &[u8], list: &[u8]) -> Loaded {
        let path = self.0.path().join("claimwatch.toml");
        fs::create_dir_all(self.0.path().join("watch.d")).expect("a folder");
        fs::write(&path, main).expect("the main file");
        fs::write(self.0.path().join("watch.d/mine.toml"), list).expect("a list");
        let now = Timestamp::from_millis(RECEIVED_MS);
        let loaded = load(&Sources { path, environment: std::collections::BTreeMap::new(), now });
        // The same bytes, written again, are another file.
        Loaded { outline: Outline::default(), ..loaded }
    }
}

fn read_all(main: &[u8], list: &[u8], mine: Mine) {
    let folder = Folder(TempDir::new().expect("a folder"));
    let loaded = folder.load(main, list);
    consistent(&loaded);
    reported(&loaded);
    if let Some(config) = &loaded.config {
        accepted(config);
        for list in &loaded.lists {
            watched(list, config);
        }
    }
    let told = shown(&loaded);
    assert_eq!(told, shown(&folder.load(main, list)), "read in two ways");
    // A list without anything in it is not parsed, so that a comment behind bare carriage returns is news.
    let tested = if mine == Mine::Main { main } else { list };
    let blank = String::from_utf8_lossy(tested).trim().is_empty();
    if loaded.problems.errors() == 0 && !blank {
        let more = |text: &[u8]| [text, b"\n# the same\n"].concat();
        let again = match mine {
            Mine::Main => folder.load(&more(main), list),
            Mine::List => folder.load(main, &more(list)),
        };
        assert_eq!(told, shown(&again), "with a comment at its end");
    }
}

/// Everything that was loaded, as text.
fn shown(loaded: &Loaded) -> String {
    format!("{loaded:?}")
}

fn consistent(loaded: &Loaded) {
    let good = loaded.config.is_some() && loaded.bad_lists.is_empty();
    assert_eq!(good, loaded.problems.errors() == 0, "{}", loaded.problems.render(false));
    assert!(loaded.config.is_some() || loaded.lists.is_empty(), "a list that rests on nothing");
    for bad in &loaded.bad_lists {
        assert!(loaded.problems.first_error_of(&bad.path).is_some(), "{} is bad for no reason", bad.name);
    }
}

fn reported(loaded: &Loaded) {
    let problems = &loaded.problems;
    let plain = problems.render(false);
    assert_eq!(plain.is_empty(), problems.is_empty());
    // To render takes the most time of all; so this is for some.
    if problems.iter().len().is_multiple_of(4) {
        assert!(problems.render(true).len() >= plain.len());
    }
    let unfit = |c: char| c.is_control() && c != '\n';
    assert!(!plain.contains(unfit), "control characters are shown, not obeyed: {plain:?}");
    assert!(plain.len() <= 1_000 + problems.iter().len() * REPORTED_MOST, "{} bytes", plain.len());
    let files: BTreeSet<&Path> = problems.iter().map(|problem| problem.file.as_path()).collect();
    for file in files {
        assert!(problems.iter().filter(|problem| problem.file == file).count() <= TOLD_MOST);
    }
    for problem in problems {
        sensible(problem);
    }
    let count = |wanted| problems.iter().filter(|problem| problem.severity == wanted).count();
    assert!(count(Severity::Error) <= problems.errors());
    assert!(count(Severity::Warning) <= problems.warnings());
}

fn sensible(problem: &Problem) {
    assert!(!problem.message.is_empty());
    assert!(problem.message.len() <= MESSAGE_MOST, "{} bytes", problem.message.len());
    assert!(problem.help.as_ref().is_none_or(|help| help.len() <= MESSAGE_MOST), "{:?}", problem.help);
    let Some(line) = problem.line else { return };
    let text = fs::read(&problem.file).expect("a problem is of a file");
    let text = String::from_utf8_lossy(&text);
    let line = usize::try_from(line).expect("a line");
    assert!((1..=text.split('\n').count()).contains(&line), "line {line}");
    let columns = text.split('\n').nth(line - 1).map_or(0, |line| line.chars().count());
    let column = usize::try_from(problem.column.expect("a line has a column")).expect("a column");
    assert!((1..=columns + 2).contains(&column), "column {column} of line {line}, which has {columns}");
}

fn accepted(config: &Config) {
    assert!(config.watch_dirs.iter().collect::<BTreeSet<_>>().len() <= config.watch_dirs.len());
    poll(&config.poll);
    window(&config.retry_window);
    for (name, account) in &config.accounts {
        assert_eq!(*name, account.name);
        accepted_account(account);
    }
    let mut names = BTreeSet::new();
    for hook in &config.events.webhooks {
        assert!((1..=64).contains(&hook.name.chars().count()) && names.insert(&hook.name));
        assert!((1..=2).contains(&hook.secret_files.len()));
        assert!(hook.labels.len() <= 20);
    }
    if let Some(http) = &config.http {
        assert!(http.allow_remote || http.listen.ip().to_canonical().is_loopback());
    }
}

fn accepted_account(account: &Account) {
    let plain = |b: u8| b == b'-' || b.is_ascii_lowercase() || b.is_ascii_digit();
    assert!((1..=64).contains(&account.name.len()) && account.name.bytes().all(plain), "{account:?}");
    assert!(!account.region.is_empty() && account.region.bytes().all(plain), "{account:?}");
    let digits = |id: &String| id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit());
    assert!(account.account_id.as_ref().is_none_or(digits), "{account:?}");
    assert!(account.external_id.is_none() || account.role_arn.is_some(), "{account:?}");
    for Service { quota, share, endpoint, list, in_flight } in [&account.connect, &account.chime] {
        for Quota { rate, burst } in std::iter::once(quota).chain(list) {
            assert!(*rate > 0.0 && *rate <= 10_000.0 && (1..=10_000).contains(burst), "{account:?}");
        }
        assert!(*share > 0.0 && *share <= 1.0, "{account:?}");
        assert!(in_flight.is_none_or(|most| (1..=256).contains(&most)), "{account:?}");
        assert!(endpoint.as_ref().is_none_or(|url| url.has_host() && url.query().is_none()), "{account:?}");
    }
}

fn poll(poll: &Poll) {
    let month = Duration::from_hours(24 * 30);
    assert!(poll.floor >= Duration::from_millis(100), "{poll:?}");
    assert!(poll.floor <= poll.steady && poll.steady <= poll.ceiling && poll.ceiling <= month, "{poll:?}");
    assert!((Duration::from_millis(100)..=Duration::from_mins(1)).contains(&poll.timeout), "{poll:?}");
    match poll.after_terminal {
        AfterTerminal::Stop => {}
        AfterTerminal::Every(every) => assert!(!every.is_zero() && every <= month, "{poll:?}"),
    }
}

fn window(window: &WindowTerms) {
    assert!(!window.length.is_zero() && window.length <= Duration::from_hours(24 * 30), "{window:?}");
    assert!(window.warn_before.len() <= 20, "{window:?}");
    assert!(window.warn_before.is_sorted_by(|a, b| a > b), "longest first, each once: {window:?}");
    assert!(window.warn_before.iter().all(|mark| !mark.is_zero() && *mark <= window.length), "{window:?}");
}

fn watched(list: &WatchList, config: &Config) {
    let terms = &list.terms;
    assert!(config.accounts.contains_key(&terms.account), "{terms:?}");
    assert!(terms.labels.len() <= 20, "{terms:?}");
    assert!(terms.labels.values().all(|value| (1..=200).contains(&value.chars().count())), "{terms:?}");
    poll(&terms.policy.poll);
    window(&terms.policy.window);
    let mut known = BTreeSet::new();
    assert!(list.entries.is_sorted_by_key(|entry| entry.line), "as they stand in it");
    for entry in &list.entries {
        assert!(known.insert((entry.provider, &entry.id)), "{} is there twice", entry.id);
        let of_uuid = |b: u8| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        assert!(entry.id.len() == 36 && entry.id.bytes().all(of_uuid), "{entry:?}");
        let declared = &entry.declared;
        assert!(declared.ask.ends_with(&entry.id), "{entry:?}");
        assert!(declared.number.as_ref().is_none_or(|number| (3..=16).contains(&number.len())), "{entry:?}");
        let short = |label: &String| (1..=200).contains(&label.chars().count());
        assert!(declared.label.as_ref().is_none_or(short), "{entry:?}");
        if let Some(at) = declared.requested_at {
            assert_eq!(Timestamp::parse(&at.to_string()), Some(at), "{entry:?}");
        }
    }
}
