//! The configuration, read from folders as a user has them.

#![expect(clippy::unwrap_used, reason = "a test that cannot set its stage may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use claimwatch::config::{Loaded, LogFormat, Numbers, Quota, SecretFile, Sources, load};
use claimwatch::core::order::{Operation, Provider};
use claimwatch::core::policy::{AfterTerminal, CountsFrom, Poll, WindowTerms};
use claimwatch::core::time::Timestamp;
use proptest::prelude::*;
use tempfile::TempDir;

const ID: &str = "6f1c0d4e-3f0b-4c1e-9a57-0d0c8e0a1b2c";
const MAIN: &str = "claimwatch.toml";

/// A folder of its own with the files of a case in it, all of mode 644 whatever the umask of the checkout was.
struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = Self(TempDir::new().unwrap());
        for (name, content) in files {
            folder.write(name, content);
        }
        folder
    }

    fn of(case: &Path) -> Self {
        let folder = Self::new(&[]);
        folder.copy(case, Path::new(""));
        folder
    }

    fn copy(&self, from: &Path, to: &Path) {
        for entry in fs::read_dir(from).unwrap() {
            let (path, name) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
            if path.is_dir() {
                self.copy(&path, &name);
            } else {
                self.write(name.to_str().unwrap(), &fs::read(path).unwrap());
            }
        }
    }

    fn write(&self, name: &str, content: &[u8]) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self) -> Loaded {
        let variables = fs::read_to_string(self.path("env")).unwrap_or_default();
        let environment: BTreeMap<String, String> = variables
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let now = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
        load(&Sources { path: self.path(MAIN), environment, now })
    }

    /// The report with the folder's path left out.
    fn report(&self, loaded: &Loaded) -> String {
        let root = format!("{}/", self.0.path().display());
        loaded.problems.render(false).replace(&root, "")
    }
}

fn cases(kind: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(kind);
    let mut cases: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

/// Compares with a golden file, or writes it where `UPDATE_EXPECT` is set. What differs is returned.
fn differs(file: &Path, found: &str) -> Option<String> {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(file, found).unwrap();
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    (expected != found).then(|| format!("{}:\n{found}", file.display()))
}

#[test]
fn every_bad_case_is_reported_as_it_says() {
    let mut wrong = Vec::new();
    for case in cases("config-bad") {
        let folder = Folder::of(&case);
        let loaded = folder.load();
        assert!(loaded.problems.errors() > 0, "{}", case.display());
        assert!(loaded.config.is_none() || !loaded.bad_lists.is_empty(), "{}", case.display());
        wrong.extend(differs(&case.join("expected.txt"), &folder.report(&loaded)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_good_case_is_good() {
    for case in cases("config-good") {
        let folder = Folder::of(&case);
        let loaded = folder.load();
        let report = folder.report(&loaded);
        assert_eq!(loaded.problems.errors(), 0, "{report}");
        assert!(loaded.config.is_some() && loaded.bad_lists.is_empty());
        // Only the case of the warnings is about their words.
        if case.ends_with("warnings") {
            assert_eq!(differs(&case.join("expected.txt"), &report), None);
        }
    }
}

fn millis(duration: Duration) -> u128 {
    duration.as_millis()
}

#[test]
fn the_example_of_the_design_is_read_key_by_key() {
    let folder = Folder::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config-good/design"));
    let loaded = folder.load();
    let config = loaded.config.unwrap();
    assert_eq!(config.path, folder.path(MAIN));
    assert_eq!(config.store, Path::new("/var/lib/claimwatch/claimwatch.db"));
    assert_eq!(config.watch_dirs, [folder.path("watch.d")]);
    assert_eq!(config.accounts.keys().collect::<Vec<_>>(), ["prod-eu"]);
    let account = &config.accounts["prod-eu"];
    assert_eq!((account.name.as_str(), account.region.as_str()), ("prod-eu", "eu-west-2"));
    assert_eq!(account.profile.as_deref(), Some("telephony"));
    assert_eq!(account.role_arn.as_deref(), Some("arn:aws:iam::123456789012:role/claimwatch"));
    assert_eq!(account.external_id, None);
    assert_eq!(account.account_id.as_deref(), Some("123456789012"));
    assert!(!account.fips && !account.dual_stack);
    let service = |service: &claimwatch::config::Service, rate, burst| {
        assert_eq!(service.quota, Quota { rate, burst });
        assert!((service.share - 0.8).abs() < 1e-9);
        assert!(service.endpoint.is_none() && service.list.is_none() && service.in_flight.is_none());
    };
    service(account.service(Provider::Connect), 2.0, 5);
    service(account.service(Provider::Chime), 1.0, 3);
    // The example says 5 s, which was the default once.
    assert_eq!(config.poll, Poll { floor: Duration::from_secs(5), ..Poll::default() });
    assert_eq!(config.retry_window, WindowTerms::default());
    assert_eq!((config.events.numbers, config.events.log), (Numbers::Full, LogFormat::Auto));
    assert_eq!(config.events.file, Some(folder.path("events.jsonl")));
    let [hook] = &config.events.webhooks[..] else { unreachable!("one webhook is written") };
    assert_eq!((hook.name.as_str(), hook.url.as_str()), ("pager", "https://hooks.example.com/claimwatch"));
    assert_eq!(hook.secret_files, [SecretFile::File("/etc/claimwatch/pager.secret".into())]);
    assert_eq!(hook.events, ["window.*", "number.failed"]);
    assert!(hook.labels.is_empty() && hook.lists.is_empty() && hook.min_level.is_none());
    assert!(!format!("{hook:?}").contains("/claimwatch"), "the path of a webhook may be a secret");
    let http = config.http.unwrap();
    assert_eq!((http.listen.to_string().as_str(), http.allow_remote), ("127.0.0.1:9185", false));
    let schedules = config.schedules;
    assert_eq!(schedules.heartbeat.as_deref(), Some("0 */5 * * * *"));
    assert_eq!(schedules.prune.as_deref(), Some("0 30 3 * * *"));
    assert_eq!(schedules.backup.as_deref(), Some("0 0 4 * * *"));
    assert_eq!(schedules.digest.as_deref(), Some("0 0 8 * * *"));
    assert_eq!(millis(schedules.prune_keep), 90 * 86_400_000);
    assert_eq!((schedules.backup_dir, schedules.backup_keep), (None, 7));
    assert_eq!(config.control_socket, None);
}

#[test]
fn the_list_of_the_design_is_read_key_by_key() {
    let folder = Folder::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config-good/design"));
    let loaded = folder.load();
    let [list] = &loaded.lists[..] else { unreachable!("one list is written") };
    assert_eq!(list.path, folder.path("watch.d/emea.toml"));
    assert_eq!((list.terms.name.as_str(), list.terms.account.as_str()), ("emea", "prod-eu"));
    let labels =
        BTreeMap::from([("site".to_owned(), "london".to_owned()), ("team".to_owned(), "voice".to_owned())]);
    assert_eq!(list.terms.labels, labels);
    let poll = Poll { floor: Duration::from_secs(5), ..Poll::default() };
    assert_eq!(list.terms.policy, claimwatch::core::policy::Policy { poll, ..Default::default() });
    let [order, number] = &list.entries[..] else { unreachable!("two entries are written") };
    assert_eq!((order.provider, order.id.as_str(), order.line), (Provider::Chime, ID, 5));
    assert_eq!(order.declared.ask, ID);
    assert_eq!((number.provider, number.line), (Provider::Connect, 7));
    assert_eq!(number.id, "0c1f3b6e-5d3c-4b8e-8a55-3f1f1c6a9d10");
    let arn = "arn:aws:connect:eu-west-2:123456789012:phone-number/0c1f3b6e-5d3c-4b8e-8a55-3f1f1c6a9d10";
    assert_eq!(number.declared.ask, arn);
    assert_eq!(number.declared.number.as_deref(), Some("+442071838750"));
    assert_eq!(number.declared.operation, Some(Operation::Claim));
    assert_eq!(number.declared.requested_at, Timestamp::parse("2026-11-20T10:00:00Z"));
    assert_eq!(number.declared.label.as_deref(), Some("Support line"));
}

#[test]
fn later_layers_win_key_by_key_and_webhooks_add_up() {
    let folder = Folder::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config-good/layers"));
    let loaded = folder.load();
    let config = loaded.config.unwrap();
    assert_eq!(config.store, folder.path("state.db"));
    let poll = [config.poll.floor, config.poll.steady, config.poll.ceiling, config.poll.timeout].map(millis);
    assert_eq!(poll, [10_000, 180_000, 12 * 3_600_000, 10_000]);
    assert!(config.retry_window.warn_before.is_empty());
    assert_eq!(config.watch_dirs, [folder.path("watch.d"), folder.path("more.d")]);
    let prod = &config.accounts["prod-eu"];
    assert_eq!(prod.connect.quota, Quota { rate: 4.0, burst: 2 });
    assert!((prod.connect.share - 0.5).abs() < 1e-9 && prod.fips);
    assert_eq!(config.accounts.len(), 2);
    let chime = &config.accounts["lab"].chime;
    assert_eq!(chime.endpoint.as_ref().map(url_text), Some("http://localhost:4566/".to_owned()));
    assert_eq!(chime.list, Some(Quota { rate: 3.0, burst: 3 }));
    let hooks: Vec<(&str, usize)> =
        config.events.webhooks.iter().map(|hook| (hook.name.as_str(), hook.secret_files.len())).collect();
    assert_eq!(hooks, [("first", 1), ("second", 2)]);
    assert_eq!(config.events.webhooks[1].min_level.as_deref(), Some("warn"));
    let [lab, emea] = &loaded.lists[..] else { unreachable!("two lists are written") };
    let lines: Vec<(Provider, u32)> = lab.entries.iter().map(|entry| (entry.provider, entry.line)).collect();
    assert_eq!(lines, [(Provider::Connect, 2), (Provider::Chime, 5), (Provider::Connect, 7)]);
    let policy = &emea.terms.policy;
    assert_eq!(policy.stalled_after, None);
    assert_eq!(policy.poll.after_terminal, AfterTerminal::Every(Duration::from_hours(24)));
    assert_eq!(policy.poll.steady, config.poll.steady, "what a list leaves out is as in the main file");
    assert_eq!(
        (millis(policy.window.length), policy.window.counts_from),
        (6 * 3_600_000, CountsFrom::Failure)
    );
    let marks: Vec<u128> = policy.window.warn_before.iter().copied().map(millis).collect();
    assert_eq!(marks, [7_200_000, 2_700_000, 1_800_000]);
    assert!(policy.window_for_chime && !lab.terms.policy.window_for_chime);
    assert_eq!(emea.entries[0].id, ID);
}

fn url_text(url: &impl ToString) -> String {
    url.to_string()
}

#[test]
fn an_empty_main_file_is_the_defaults() {
    let folder = Folder::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config-good/minimal"));
    let loaded = folder.load();
    assert!(loaded.problems.is_empty(), "{}", loaded.problems.render(false));
    assert!(loaded.lists.is_empty());
    let config = loaded.config.unwrap();
    assert_eq!(config.poll, Poll::default());
    assert_eq!(config.retry_window, WindowTerms::default());
    assert!(config.http.is_none() && config.accounts.is_empty() && config.events.file.is_none());
    assert_eq!(config.schedules.backup_keep, 7);
}

/// The shipped files with every setting in them switched on: `#key = …` is one, `# words` are not.
fn switched_on(text: &str) -> String {
    let setting = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line.len() > 1;
    text.lines().map(|line| if setting(line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_shipped_passes_as_it_is_and_with_everything_switched_on() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let (main, list) = (shipped.join(MAIN), shipped.join("watch.d/example.toml"));
    let (main, list) = (fs::read_to_string(main).unwrap(), fs::read_to_string(list).unwrap());
    let as_it_is = Folder::new(&[(MAIN, main.as_bytes()), ("watch.d/example.toml", list.as_bytes())]).load();
    assert!(as_it_is.problems.is_empty(), "{}", as_it_is.problems.render(false));
    let (main, list) = (switched_on(&main).replace("fips = false", "fips = true"), switched_on(&list));
    let on = Folder::new(&[(MAIN, main.as_bytes()), ("watch.d/example.toml", list.as_bytes())]).load();
    assert_eq!(on.problems.errors(), 0, "{}", on.problems.render(false));
    let config = on.config.unwrap();
    assert!(config.accounts["prod-eu"].fips && config.http.is_some() && config.control_socket.is_some());
    assert_eq!(on.lists[0].entries.len(), 2);
}

#[test]
fn a_bad_list_takes_nothing_from_the_good_ones() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config-bad/ids");
    let folder = Folder::of(&case);
    let loaded = folder.load();
    assert!(loaded.config.is_some());
    let good: Vec<&str> = loaded.lists.iter().map(|list| list.terms.name.as_str()).collect();
    let bad: Vec<&str> = loaded.bad_lists.iter().map(|list| list.name.as_str()).collect();
    assert_eq!((good, bad), (vec!["good"], vec!["a", "b", "c"]));
    let first = loaded.problems.first_error_of(&folder.path("watch.d/c.toml")).unwrap();
    assert_eq!((first.line, first.column), (Some(1), Some(11)));
}

#[test]
fn of_two_lists_with_one_order_the_later_path_is_bad() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config-bad/duplicates");
    let loaded = Folder::of(&case).load();
    let bad: Vec<&str> = loaded.bad_lists.iter().map(|list| list.name.as_str()).collect();
    assert_eq!(bad, ["one", "two"]);
    assert_eq!(loaded.lists.len(), 2, "the same id in another account is another order");
}

const ACCOUNT: &[u8] = b"[account.a]\nregion = \"eu-west-2\"\n";

#[test]
fn places_are_counted_in_characters_whatever_the_line_ends_and_marks() {
    let list = "\u{feff}account = \"a\"\r\nlabels = { \"é→𝄞\" = \"x\" }\r\n\t[[order]]\r\nid = \"é\"\r\n";
    let folder = Folder::new(&[(MAIN, ACCOUNT), ("watch.d/l.toml", list.as_bytes())]);
    let loaded = folder.load();
    let places: Vec<(Option<u32>, Option<u32>)> =
        loaded.problems.iter().map(|p| (p.line, p.column)).collect();
    assert_eq!(places, [(Some(2), Some(12)), (Some(4), Some(6))]);
    let report = folder.report(&loaded);
    for place in ["watch.d/l.toml:2:12", "watch.d/l.toml:4:6"] {
        assert!(report.contains(place), "{report}");
    }
    assert!(!report.contains('␍'), "the end of a line is no part of it: {report}");
    let tabs = "account = \"a\"\n\t[[order]]\n\tid\t=\t\"é\" # ü\n";
    let folder = Folder::new(&[(MAIN, ACCOUNT), ("watch.d/l.toml", tabs.as_bytes())]);
    let loaded = folder.load();
    assert!(folder.report(&loaded).contains("watch.d/l.toml:3:7"));
    let places: Vec<(Option<u32>, Option<u32>)> =
        loaded.problems.iter().map(|p| (p.line, p.column)).collect();
    assert_eq!(places, [(Some(3), Some(7))]);
}

#[test]
fn a_place_in_the_first_line_does_not_count_the_byte_order_mark() {
    let folder = Folder::new(&[(MAIN, "\u{feff}x = 1".as_bytes())]);
    let loaded = folder.load();
    let first = loaded.problems.first_error_of(&folder.path(MAIN)).unwrap();
    assert_eq!((first.line, first.column), (Some(1), Some(1)));
}

#[test]
fn what_cannot_be_read_is_a_problem_like_any_other() {
    let folder = Folder::new(&[
        (MAIN, ACCOUNT),
        ("watch.d/bytes.toml", b"account = \"a\"\n# \xff\n"),
        ("watch.d/folder.toml/x", b""),
        ("elsewhere/linked.txt", b"account = \"a\"\n"),
    ]);
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(folder.path(to), folder.path(name)).unwrap();
    link("elsewhere/linked.txt", "watch.d/linked.toml");
    link("nowhere", "watch.d/dangling.toml");
    let fifo = folder.path("watch.d/pipe.toml");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let loaded = folder.load();
    let bad: Vec<&str> = loaded.bad_lists.iter().map(|list| list.name.as_str()).collect();
    assert_eq!(bad, ["bytes", "dangling", "folder", "pipe"]);
    assert_eq!(loaded.lists[0].terms.name, "linked");
    let bytes = loaded.problems.first_error_of(&folder.path("watch.d/bytes.toml")).unwrap();
    assert_eq!((bytes.line, bytes.column), (Some(2), Some(3)));
}

#[test]
fn a_folder_of_lists_that_cannot_be_read_stops_everything() {
    let folder = Folder::new(&[(MAIN, b"watch.dirs = [\"claimwatch.toml\"]\n")]);
    let loaded = folder.load();
    assert!(loaded.config.is_none(), "its lists must not look as if they had been deleted");
    assert_eq!(loaded.problems.errors(), 1);
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let folder = Folder::new(&[(MAIN, ACCOUNT), ("watch.d/large.toml", b"account = \"a\"\n")]);
    let file = fs::OpenOptions::new().write(true).open(folder.path("watch.d/large.toml")).unwrap();
    file.set_len(64 * 1024 * 1024 + 1).unwrap();
    let loaded = folder.load();
    assert_eq!(loaded.bad_lists.len(), 1);
    assert!(folder.report(&loaded).contains("is larger than 64 MiB"));
}

#[test]
fn a_request_time_is_one_moment_however_it_is_written() {
    let times = [
        "2026-11-20T11:00:00+01:00",
        "2026-11-20 10:00:00Z",
        "2026-11-20t10:00:00.000z",
        "2026-11-20T10:00Z",
    ];
    let entry = |(number, time)| {
        format!("[[order]]\nid = \"00000000-0000-4000-8000-00000000000{number}\"\nrequested_at = {time}\n")
    };
    let list = "account = \"a\"\n".to_owned() + &times.iter().enumerate().map(entry).collect::<String>();
    let folder = Folder::new(&[(MAIN, ACCOUNT), ("watch.d/l.toml", list.as_bytes())]);
    let loaded = folder.load();
    assert!(loaded.problems.is_empty(), "{}", folder.report(&loaded));
    let read: Vec<_> = loaded.lists[0].entries.iter().map(|entry| entry.declared.requested_at).collect();
    assert_eq!(read, [Timestamp::parse("2026-11-20T10:00:00Z"); 4]);
}

#[test]
fn a_file_that_others_may_write_is_warned_of() {
    let folder = Folder::new(&[(MAIN, ACCOUNT), ("watch.d/a.toml", b"account = \"a\"\n")]);
    fs::set_permissions(folder.path("watch.d/a.toml"), fs::Permissions::from_mode(0o664)).unwrap();
    let loaded = folder.load();
    assert_eq!((loaded.problems.errors(), loaded.problems.warnings(), loaded.lists.len()), (0, 1, 1));
    assert!(folder.report(&loaded).contains("mode 664"));
}

#[test]
fn a_mistake_made_a_thousand_times_is_told_a_hundred_times() {
    let list = "account = \"a\"\n".to_owned() + &"[[order]]\nid = \"x\"\n".repeat(1_000);
    let folder = Folder::new(&[(MAIN, ACCOUNT), ("watch.d/l.toml", list.as_bytes())]);
    let loaded = folder.load();
    assert_eq!((loaded.problems.errors(), loaded.problems.iter().count()), (1_000, 100));
    let report = folder.report(&loaded);
    assert!(report.contains("900 more of watch.d/l.toml are not shown"));
    assert!(report.ends_with("1000 errors, 0 warnings\n"));
}

#[test]
fn a_line_without_end_is_named_and_not_shown() {
    let list = format!("account = \"a\"\norder = [{}]", "{ id = \"x\" },".repeat(500));
    let folder = Folder::new(&[(MAIN, ACCOUNT), ("watch.d/l.toml", list.as_bytes())]);
    let loaded = folder.load();
    let second = loaded.problems.iter().nth(1).unwrap();
    assert_eq!((second.line, second.column), (Some(2), Some(30)));
    assert!(folder.report(&loaded).contains("watch.d/l.toml:2:30"));
    assert!(folder.report(&loaded).len() < 100_000);
}

#[test]
fn of_a_large_file_that_is_no_toml_the_first_error_is_told() {
    for (length, lines) in [(1 << 20, &[1, 2][..]), ((1 << 20) + 1, &[1])] {
        let list = "]\n]\n".to_owned() + &"#".repeat(length - 4);
        let folder = Folder::new(&[(MAIN, b""), ("watch.d/a.toml", list.as_bytes())]);
        let loaded = folder.load();
        let told: Vec<u32> = loaded.problems.iter().filter_map(|problem| problem.line).collect();
        assert_eq!(told, lines, "{}", folder.report(&loaded));
        assert!(loaded.config.is_some() && loaded.bad_lists.len() == 1);
    }
}

#[test]
fn the_report_is_coloured_only_when_asked_and_shows_control_characters() {
    let folder = Folder::new(&[(MAIN, b"\"\\u001b[31mred\" = 1")]);
    let loaded = folder.load();
    let plain = folder.report(&loaded);
    assert!(!plain.contains('\u{1b}'), "{plain}");
    assert!(loaded.problems.render(true).contains("\u{1b}["));
}

/// What every load must keep, whatever the files say.
fn sound(folder: &Folder, files: &[(&str, &[u8])]) -> Result<(), TestCaseError> {
    let loaded = folder.load();
    prop_assert!(loaded.config.is_some() || loaded.problems.errors() > 0);
    prop_assert!(loaded.bad_lists.is_empty() || loaded.problems.errors() > 0);
    prop_assert!(loaded.config.is_some() || loaded.lists.is_empty());
    for problem in &loaded.problems {
        let known = files.iter().find(|(name, _)| folder.path(name) == problem.file);
        if let (Some((_, content)), Some(line)) = (known, problem.line) {
            let lines = content.split(|byte| *byte == b'\n').count();
            prop_assert!(line >= 1 && line as usize <= lines);
            prop_assert!(problem.column.is_some_and(|column| column >= 1));
        }
    }
    prop_assert_eq!(loaded.problems.render(false).is_empty(), loaded.problems.is_empty());
    loaded.problems.render(true);
    Ok(())
}

/// Changes a text as a slip of the hand does: pieces go, come twice, or turn into other bytes.
fn mutated(mut text: Vec<u8>, slips: &[(usize, usize, u8, Vec<u8>)]) -> Vec<u8> {
    for (at, length, how, bytes) in slips {
        let start = at % (text.len() + 1);
        let end = (start + length % 12).min(text.len());
        let piece = match how % 3 {
            0 => bytes.clone(),
            1 => text[start..end].repeat(2),
            _ => b"\"[]{}=,.#\n'\\\r\t-+0e:Z"[usize::from(*how) % 20..][..1].to_vec(),
        };
        text.splice(start..end, piece);
    }
    text
}

fn slips() -> impl Strategy<Value = Vec<(usize, usize, u8, Vec<u8>)>> {
    let slip = (any::<usize>(), any::<usize>(), any::<u8>(), proptest::collection::vec(any::<u8>(), 0..6));
    proptest::collection::vec(slip, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_slip_of_the_hand_makes_it_panic(main in slips(), list in slips(), which in 0..3u8) {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config-good/design");
        let read = |name: &str| fs::read(data.join(name)).unwrap();
        let (mut first, mut second) = (read(MAIN), read("watch.d/emea.toml"));
        if which != 1 {
            first = mutated(first, &main);
        }
        if which != 0 {
            second = mutated(second, &list);
        }
        let files: [(&str, &[u8]); 2] = [(MAIN, &first), ("watch.d/emea.toml", &second)];
        sound(&Folder::new(&files), &files)?;
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*|[a-z\\[\\]\"={}.#\n\r\t, 0-9-]*", variable in "\\PC{0,40}") {
        let variables = format!("CLAIMWATCH__{variable}=x\nCLAIMWATCH__POLL__FLOOR={variable}\n");
        let files: [(&str, &[u8]); 3] =
            [(MAIN, text.as_bytes()), ("conf.d/x.toml", text.as_bytes()), ("watch.d/l.toml", text.as_bytes())];
        let folder = Folder::new(&files);
        folder.write("env", variables.as_bytes());
        sound(&folder, &files)?;
    }
}
