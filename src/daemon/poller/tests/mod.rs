//! The loop in virtual time: marks, doubts and clocks, with a world that answers as each test says.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

mod quota;
mod relist;
mod scopes;
mod show;
mod stories;
mod sweeps;

use super::Poller;
use crate::clock::{Clock as _, TestClock};
use crate::config::{self, Config, Sources, WatchList};
use crate::core::inquiry::{Answer, Errand, Holder, Page};
use crate::core::observation::{ConnectNumber, Observation, Outage, Progress, Reach, Sighting, Word};
use crate::core::record::{Record, Style};
use crate::core::sweep::Listed;
use crate::core::time::Timestamp;
use crate::daemon::fleet::Fleet;
use crate::daemon::journal::Journal;
use crate::daemon::lists::Applier;
use crate::provider::{Ask, AskPage, Look};
use crate::store::memory::MemoryStore;
use crate::store::outbox::{Outbox as _, Registration, Takes};
use crate::store::{Known as _, Store as _};

const MAIN: &str = "[store]\nurl = \"sqlite:///nowhere/claimwatch.db\"\n[watch]\ndirs = [\"watch.d\"]\n[account.a]\nregion = \"eu-west-2\"\n";
const NUMBER: &str = "+442079460123";
const OTHER: &str = "0c1f3b6e-0000-4000-8000-00000000beef";
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// 2026-11-22T10:00:00Z.
const START: i64 = 1_795_341_600_000;

fn id(n: usize) -> String {
    format!("0c1f3b6e-0000-4000-8000-{n:012}")
}

/// A watch list of so many Connect numbers, under terms without stalls.
fn list(numbers: usize) -> String {
    let entry = |n| format!("[[number]]\nid = \"{}\"\noperation = \"claim\"\n", id(n));
    let entries: Vec<String> = (0..numbers).map(entry).collect();
    format!("account = \"a\"\nstalled_after = \"none\"\n{}", entries.concat())
}

type Lists = Box<dyn FnMut(Option<&str>, u64) -> Listed + Send>;
type Answers = Box<dyn FnMut(&str, &Errand, u64) -> Answer + Send>;

/// Answers each request by the id that is asked for, what is asked, and the second since the start by the monotonic
/// clock; and remembers them.
struct World {
    clock: Arc<TestClock>,
    answers: Mutex<Answers>,
    asked: Mutex<Vec<(u64, Errand)>>,
    /// What lists answer, by the token and the second.
    lists: Mutex<Lists>,
    pages: Mutex<Vec<(u64, Option<String>)>>,
    /// Whether the service's clock is seen to differ.
    clock_differs: AtomicBool,
    /// How long an answer about an id takes besides.
    takes: Box<dyn Fn(&str) -> Duration + Send + Sync>,
    /// The quota of each account, where there is one.
    quota: Option<quota::Server>,
}

impl Look for World {
    async fn look(&self, ask: Ask) -> Answer {
        let takes = (self.takes)(&ask.key.id);
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        if !self.admitted(&ask.key.account).await {
            return Answer::Observed(Observation::Throttled { retry_after: None });
        }
        let second = self.clock.now().tick.since(crate::core::time::Tick::ZERO).as_secs();
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push((second, ask.errand.clone()));
        (self.answers.lock().unwrap_or_else(PoisonError::into_inner))(&ask.key.id, &ask.errand, second)
    }

    async fn page(&self, ask: AskPage) -> Listed {
        if !self.admitted(&ask.account).await {
            return Listed::Observed(Observation::Throttled { retry_after: None });
        }
        let second = self.clock.now().tick.since(crate::core::time::Tick::ZERO).as_secs();
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).push((second, ask.token.clone()));
        (self.lists.lock().unwrap_or_else(PoisonError::into_inner))(ask.token.as_deref(), second)
    }

    fn clock_differs(&self, _account: &str, _provider: crate::core::order::Provider) -> bool {
        self.clock_differs.load(Ordering::Relaxed)
    }

    fn refresh(&self, _account: &str) {}
}

fn seen(raw: &str) -> Answer {
    let known = match raw {
        "IN_PROGRESS" => Some(Progress::InProgress),
        "CLAIMED" => Some(Progress::Claimed),
        "FAILED" => Some(Progress::Failed),
        _ => None,
    };
    Answer::Observed(Observation::Seen(Sighting::Connect(ConnectNumber {
        number: Some(NUMBER.into()),
        status: Some(Word { raw: raw.into(), known }),
        ..ConnectNumber::default()
    })))
}

fn missing() -> Answer {
    Answer::Observed(Observation::Missing { message: None, suspect: false })
}

fn down() -> Answer {
    Answer::Observed(Observation::Unavailable { outage: Outage::Status(503), retry_after: None })
}

/// The list of those that hold the number: the one asked about, and perhaps another.
fn holders(other: bool) -> Answer {
    let holder = |id: &str| Holder { id: id.to_owned(), ask: id.to_owned() };
    let mut holders = vec![holder(&id(0))];
    holders.extend(other.then(|| holder(OTHER)));
    Answer::Page(Page { holders, next: None })
}

/// A number whose claim fails after three minutes, that nobody else holds.
fn fails_and_stays(errand: &Errand, second: u64) -> Answer {
    match errand {
        Errand::Itself(_) if second < 3 * MINUTE => seen("IN_PROGRESS"),
        Errand::Itself(_) => seen("FAILED"),
        Errand::Holders { .. } => holders(false),
        Errand::Holder(_) => missing(),
    }
}

type Loop = Poller<MemoryStore, World, TestClock>;

struct House {
    folder: TempDir,
    config: Config,
    lists: Vec<WatchList>,
    store: Arc<MemoryStore>,
    clock: Arc<TestClock>,
    world: Arc<World>,
}

impl House {
    async fn of(numbers: usize, answers: impl FnMut(&str, &Errand, u64) -> Answer + Send + 'static) -> Self {
        Self::with(MAIN, &[("l", &list(numbers))], answers).await
    }

    /// With a main file and watch lists by name.
    async fn with(
        main: &str,
        lists: &[(&str, &str)],
        answers: impl FnMut(&str, &Errand, u64) -> Answer + Send + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
        std::fs::create_dir(folder.path().join("watch.d")).unwrap();
        write(&folder.path().join("claimwatch.toml"), main);
        for (name, text) in lists {
            write(&folder.path().join(format!("watch.d/{name}.toml")), text);
        }
        let now = Timestamp::from_millis(START);
        let path = folder.path().join("claimwatch.toml");
        let loaded = config::load(&Sources { path, environment: std::collections::BTreeMap::new(), now });
        let clock = Arc::new(TestClock::at(now));
        let store = Arc::new(MemoryStore::new());
        let log = Registration { name: "log".to_owned(), takes: Takes::Everything };
        store.register_sinks(&[log]).await.unwrap();
        let world = World {
            clock: Arc::clone(&clock),
            answers: Mutex::new(Box::new(answers)),
            asked: Mutex::default(),
            lists: Mutex::new(Box::new(|_, _| panic!("nobody asks for lists here"))),
            pages: Mutex::default(),
            clock_differs: AtomicBool::new(false),
            takes: Box::new(|_| Duration::ZERO),
            quota: None,
        };
        let config = loaded.config.unwrap();
        Self { folder, config, lists: loaded.lists, store, clock, world: Arc::new(world) }
    }

    /// A daemon that comes up.
    async fn start(&self) -> Loop {
        self.start_for(false).await
    }

    async fn start_for(&self, once: bool) -> Loop {
        self.start_with(&self.lists, once).await
    }

    async fn start_with(&self, lists: &[WatchList], once: bool) -> Loop {
        let now = self.clock.now();
        let applier = Applier {
            store: &*self.store,
            accounts: &self.config.accounts,
            style: Style::default(),
            now: now.wall,
        };
        applier.apply(lists, &[], false).await.unwrap();
        let remembered = self.store.scopes().await.unwrap();
        let generation = self.store.daemon_generation().await.unwrap();
        let fleet = Fleet::new(&self.config, &remembered, now);
        let journal = Journal::new(Arc::clone(&self.store), generation, Style::default(), Arc::default());
        let parts = (Arc::clone(&self.store), Arc::clone(&self.world), Arc::clone(&self.clock));
        let mut poller = Poller::new(parts, fleet, journal, Style::default(), once);
        let mut after = None;
        loop {
            let page = self.store.schedule(after, 1000).await.unwrap();
            let Some(last) = page.last() else { return poller };
            after = Some(last.stream);
            for order in &page {
                poller.settle(order, Duration::from_hours(25), now.wall);
            }
        }
    }

    /// It runs for so many seconds.
    async fn run(&self, poller: &mut Loop, seconds: u64) {
        let stop = CancellationToken::new();
        let (_wishes, wished) = mpsc::channel(1);
        let ends = async {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            stop.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            finish = poller.run(wished, &stop) => drop(finish.unwrap()),
            () = ends => {}
        }
    }

    /// What was said, without what is of no interest here: the second by the record's own time, the event, its outcome.
    async fn said(&self) -> Vec<(u64, String)> {
        let records = self.records().await;
        let told = records.iter().filter(|record| !record.event.starts_with("config."));
        told.map(|record| {
            let at = record.time.unwrap().since(Timestamp::from_millis(START)).as_secs();
            let of = record.outcome.as_ref().or(record.condition.as_ref()).map(|word| format!(" {word}"));
            (at, format!("{}{}", record.event, of.unwrap_or_default()))
        })
        .collect()
    }

    async fn records(&self) -> Vec<Record> {
        let pending = self.store.pending("log", 1_000_000).await.unwrap();
        pending.iter().map(|delivery| serde_json::from_str(&delivery.json).unwrap()).collect()
    }

    /// Requests from a second on.
    fn asked(&self, from: u64) -> Vec<(u64, Errand)> {
        let asked = self.world.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|(second, _)| *second >= from).cloned().collect()
    }
}

fn names(said: &[(u64, String)]) -> Vec<&str> {
    said.iter().map(|(_, name)| name.as_str()).collect()
}
