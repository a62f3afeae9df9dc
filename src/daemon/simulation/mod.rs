//! The whole daemon in virtual time: the real loop, relays, couriers, core and readers of answers, on a world that a seed
//! decides. Things go wrong for a while; then it is quiet, and everything has to come right.
//!
//! A seed that fails is printed; `CLAIMWATCH_SEED=n cargo test --lib simulation::one` runs it again.

mod check;
mod life;
mod plan;
mod sinks;
mod store;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::check::Outcome;
use self::life::Life;
use self::plan::{MIN, Plan, Rates, Receiver};
use self::sinks::{Hook, Lines, Outside, lock};
use self::store::{Faulty, hold_time};
use self::world::{Eyes, World};
use super::{Daemon, DaemonError, Parts, Setup};
use crate::clock::{Clock as _, TestClock};
use crate::config::{self, Loaded, Sources};
use crate::core::order::Stream;
use crate::core::random::Random;
use crate::core::time::{Tick, Timestamp};
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::store::outbox::{Outbox, Requeue};
use crate::store::sqlite::SqliteStore;

/// 2026-11-22T10:00:00Z.
const START: i64 = 1_795_341_600_000;
/// How long everything may take to come right once it is quiet: the longest wait of an order that failed seven times by its
/// own fault is 64 minutes, a retry window lasts 20.
const PATIENCE: u64 = 130 * MIN;
/// The same where an order was blocked, which is looked at daily.
const PATIENCE_BLOCKED: u64 = 26 * 60 * MIN;
/// How often it is looked whether everything has come right.
const LOOK_EVERY: u64 = 3 * MIN;

/// What goes wrong now.
pub(super) struct Trouble {
    clock: Arc<TestClock>,
    rates: Rates,
    quiet_at: u64,
    /// What somebody else changed of orders.
    edits: Mutex<Edits>,
}

/// What somebody else changed of orders, which nobody may undo but the lists.
#[derive(Debug, Default)]
pub(super) struct Edits {
    count: u64,
    /// The last change of each order.
    last: BTreeMap<Stream, u64>,
    /// Changes that were not there any more.
    lost: Vec<String>,
}

impl Trouble {
    /// Milliseconds since the start, by a clock that nobody sets.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.now().tick.since(Tick::ZERO).as_millis()).unwrap()
    }

    fn wall(&self) -> Timestamp {
        self.clock.now().wall
    }

    fn is_quiet(&self) -> bool {
        self.now_ms() >= self.quiet_at
    }

    fn rates(&self) -> Rates {
        if self.is_quiet() { Rates::default() } else { self.rates }
    }
}

/// Where the store is kept between two lives.
trait Disk: Sync {
    type Store: Store + Outbox;
    const ON_DISK: bool;
    async fn open(&self) -> Arc<Self::Store>;
}

struct InMemory(Arc<MemoryStore>);

impl Disk for InMemory {
    type Store = MemoryStore;
    const ON_DISK: bool = false;
    async fn open(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.0)
    }
}

struct OnDisk(TempDir);

impl Disk for OnDisk {
    type Store = SqliteStore;
    const ON_DISK: bool = true;
    async fn open(&self) -> Arc<SqliteStore> {
        let path = self.0.path().join("claimwatch.db");
        // The life before may not have let go of its lock yet.
        let store = hold_time(async {
            loop {
                match SqliteStore::open(&path).await {
                    Ok(store) => break store,
                    Err(error) => {
                        assert!(error.to_string().contains("another"), "{error}");
                        tokio::task::yield_now().await;
                    }
                }
            }
        })
        .await;
        Arc::new(store)
    }
}

/// One simulated world.
struct Run {
    plan: Plan,
    folder: TempDir,
    clock: Arc<TestClock>,
    trouble: Arc<Trouble>,
    world: Arc<World>,
    outside: Arc<Outside>,
    random: Mutex<Random>,
}

/// How a life ended.
#[derive(Debug, PartialEq)]
enum End {
    Died,
    Stopped,
    /// Everything came right, or never will.
    Over,
}

impl Run {
    fn new(plan: Plan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_config(folder.path());
        let clock = Arc::new(TestClock::at(Timestamp::from_millis(START)));
        let trouble = Arc::new(Trouble {
            clock: Arc::clone(&clock),
            rates: plan.rates,
            quiet_at: plan.quiet_at,
            edits: Mutex::default(),
        });
        Self {
            world: Arc::new(World::new(plan.clone(), Arc::clone(&trouble))),
            random: Mutex::new(Random(plan.seed ^ 0xfeed)),
            outside: Arc::default(),
            plan,
            folder,
            clock,
            trouble,
        }
    }

    fn sources(&self) -> Sources {
        let path = self.folder.path().join("claimwatch.toml");
        Sources { path, environment: BTreeMap::new(), now: self.trouble.wall() }
    }

    /// Writes the lists as they are now.
    fn write_lists(&self) {
        let now = self.trouble.now_ms();
        let leaves_out = self.plan.untracked.is_some_and(|(from, to)| (from..to).contains(&now));
        write_lists(self.folder.path(), &self.plan, leaves_out);
    }

    /// Has the running daemon read the lists again when it is planned, and never ends.
    async fn reload(&self, hang_ups: &Notify) {
        let mut times = self.plan.reloads.clone();
        times.sort_unstable();
        for at in times {
            let now = self.trouble.now_ms();
            if at > now {
                tokio::time::sleep(Duration::from_millis(at - now)).await;
                self.write_lists();
                hang_ups.notify_one();
            }
        }
        std::future::pending::<()>().await;
    }

    fn load(&self) -> Loaded {
        self.write_lists();
        let path = self.folder.path().join("claimwatch.toml");
        let sources = Sources { path, environment: BTreeMap::new(), now: self.trouble.wall() };
        let loaded = config::load(&sources);
        assert!(loaded.config.is_some() && loaded.bad_lists.is_empty(), "{}", loaded.problems.render(false));
        loaded
    }

    fn seed(&self) -> u64 {
        lock(&self.random).next()
    }

    /// From the start until everything has come right, or has had its time.
    async fn whole<D: Disk>(&self, disk: &D) -> Result<(), String> {
        tokio::select! {
            biased;
            () = self.step_clock() => Ok(()),
            ended = self.lives(disk) => ended.and_then(|()| self.verdict()),
        }
    }

    async fn lives<D: Disk>(&self, disk: &D) -> Result<(), String> {
        let mut requeued = false;
        loop {
            let store = disk.open().await;
            if self.trouble.is_quiet() && !requeued {
                requeued = true;
                for (name, _) in check::HOOKS {
                    hold_time(store.requeue(name, Requeue::Dead, 0))
                        .await
                        .map_err(|error| error.to_string())?;
                }
            }
            match self.live(store, D::ON_DISK).await? {
                End::Over => return Ok(()),
                End::Died | End::Stopped => {}
            }
            let down = u64::from(lock(&self.random).below(120_000));
            tokio::time::sleep(Duration::from_millis(down)).await;
        }
    }

    /// Sets the wall clock as it is planned, and never ends.
    async fn step_clock(&self) {
        let mut steps = self.plan.clock.clone();
        steps.sort_unstable();
        for (at, seconds) in steps {
            tokio::time::sleep(Duration::from_millis(at - self.trouble.now_ms())).await;
            if seconds > 0 {
                self.clock.sleep(seconds.unsigned_abs());
            } else {
                self.clock.go_back(seconds.unsigned_abs());
            }
        }
        std::future::pending::<()>().await;
    }

    /// One life.
    async fn live<S: Store + Outbox>(&self, store: Arc<S>, on_disk: bool) -> Result<End, String> {
        let now = self.trouble.now_ms();
        let most = if self.trouble.is_quiet() { 0 } else { self.plan.kill_after_steps };
        let steps = if most == 0 { 0 } else { 1 + lock(&self.random).below(most) };
        let life = Arc::new(Life::of(steps, self.seed()));
        let loaded = self.load();
        let config = loaded.config.clone().unwrap_or_else(|| unreachable!("checked by `load`"));
        let sources = self.sources();
        let setup =
            Setup { loaded, once: false, deadline: None, accept_removal: true, control: None, sources };
        let random = Mutex::new(Random(self.seed()));
        let (trouble, of_life) = (Arc::clone(&self.trouble), Arc::clone(&life));
        let store = Arc::new(Faulty { inner: store, life: of_life, trouble, random, on_disk });
        let hang_ups = Arc::new(Notify::new());
        let daemon = Daemon {
            config,
            setup,
            store,
            views: None,
            hang_ups: Arc::clone(&hang_ups),
            try_now: Arc::default(),
        };
        let stop = CancellationToken::new();
        let end_at = |times: &[u64]| {
            let next = times.iter().copied().filter(|at| *at > now).min();
            async move {
                match next {
                    Some(at) => tokio::time::sleep(Duration::from_millis(at - now)).await,
                    None => std::future::pending().await,
                }
            }
        };
        let running = daemon.run(self.parts(&life), &stop);
        tokio::pin!(running);
        let told = tokio::select! {
            biased;
            () = life.ended() => return Ok(End::Died),
            ended = &mut running => return ended_by_itself(ended),
            () = end_at(&self.plan.kills) => {
                life.end();
                return Ok(End::Died);
            }
            () = end_at(&self.plan.stops) => End::Stopped,
            () = self.reload(&hang_ups) => End::Stopped,
            // Somebody mends the receiver that was gone, and starts the daemon again.
            () = end_at(&[self.plan.quiet_at]), if self.somebody_is_gone() => End::Stopped,
            // What the stop would say might find a receiver in the middle of a refusal.
            () = self.comes_right() => return Ok(End::Over),
        };
        stop.cancel();
        tokio::select! {
            biased;
            // Killed while it stops.
            () = life.ended() => Ok(End::Died),
            ended = running => ended_by_itself(ended).map(|_| told),
            () = tokio::time::sleep(Duration::from_millis(10 * MIN)) => {
                Err("it did not stop in ten minutes".to_owned())
            }
        }
    }

    fn somebody_is_gone(&self) -> bool {
        self.plan.receivers.iter().any(|receiver| matches!(receiver, Receiver::Gone(_) | Receiver::Poisoned))
    }

    fn parts(&self, life: &Arc<Life>) -> Parts<Eyes, Lines, Lines, Hook, Arc<TestClock>> {
        let lines = |name| Lines {
            name,
            outside: Arc::clone(&self.outside),
            life: Arc::clone(life),
            trouble: Arc::clone(&self.trouble),
            random: Random(self.seed()),
            torn_at: None,
        };
        let hook = |place: usize| Hook {
            name: check::HOOKS[place].0,
            place,
            behaviour: self.plan.receivers[place],
            outside: Arc::clone(&self.outside),
            life: Arc::clone(life),
            trouble: Arc::clone(&self.trouble),
            random: Mutex::new(Random(self.seed())),
        };
        Parts {
            look: Eyes { world: Arc::clone(&self.world), life: Arc::clone(life) },
            log: lines("log"),
            file: Some(lines("file")),
            webhooks: vec![hook(0), hook(1)],
            clock: Arc::clone(&self.clock),
        }
    }

    /// Waits until everything has come right in the quiet time, or its time is over.
    async fn comes_right(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(LOOK_EVERY)).await;
            let now = self.trouble.now_ms();
            if now < self.plan.last_change().max(self.plan.quiet_at) + LOOK_EVERY {
                continue;
            }
            let blocked = lock(&self.outside.file).contains("\"event\":\"order.blocked\"");
            // Where it refuses all that is left, an event is dead after twelve tries, each forty seconds after the one before.
            let picky = self.plan.receivers.contains(&Receiver::Picky);
            let patience = if blocked || picky { PATIENCE_BLOCKED } else { PATIENCE };
            // A window ends by the wall clock, which has all that it was set back to make up for.
            if now > self.plan.quiet_at + patience + self.plan.set_back() || self.verdict().is_ok() {
                return;
            }
        }
    }

    fn verdict(&self) -> Result<(), String> {
        let (file, log) = (lock(&self.outside.file), lock(&self.outside.log));
        let (first, second) = (lock(&self.outside.got[0]), lock(&self.outside.got[1]));
        check::check(&Outcome {
            plan: &self.plan,
            file: &file,
            log: &log,
            got: [&first, &second],
            given: &lock(&self.world.given),
            complaints: &[&lock(&self.world.complaints)[..], &lock(&self.trouble.edits).lost].concat(),
            ended: self.trouble.now_ms(),
        })
    }
}

/// A store that fails while the daemon starts ends it; whoever runs it starts it again.
fn ended_by_itself(ended: Result<super::Finish, DaemonError>) -> Result<End, String> {
    match ended {
        Ok(_) => Ok(End::Stopped),
        Err(DaemonError::Store(crate::store::StoreError::Failing(_))) => Ok(End::Died),
        Err(error) => Err(format!("the daemon ended: {error}")),
    }
}

fn write_config(folder: &Path) {
    let mut text = "[store]\nurl = \"sqlite:///nowhere/claimwatch.db\"\n[watch]\ndirs = [\"watch.d\"]\n\
        [schedules]\nheartbeat = \"none\"\nprune = \"none\"\nbackup = \"none\"\ndigest = \"none\"\n\
        [events.file]\npath = \"events.jsonl\"\n"
        .to_owned();
    for account in ["a", "b"] {
        let _infallible = write!(
            text,
            "[account.{account}]\nregion = \"eu-west-2\"\n\
            connect = {{ rate = 2.0, burst = 5, share = 0.8 }}\nchime = {{ rate = 2.0, burst = 5, share = 0.8 }}\n"
        );
    }
    for (name, wants) in check::HOOKS {
        let wants: Vec<String> = wants.iter().map(|begin| format!("\"{begin}*\"")).collect();
        let _infallible = write!(
            text,
            "[[events.webhook]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:9/{name}\"\n\
            secret_files = [\"secret\"]\nevents = [{}]\n",
            wants.join(", ")
        );
    }
    std::fs::write(folder.join("claimwatch.toml"), text).unwrap();
    std::fs::write(folder.join("secret"), "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
    std::fs::create_dir(folder.join("watch.d")).unwrap();
}

fn write_lists(folder: &Path, plan: &Plan, leaves_out: bool) {
    let last = plan.numbers.last().map(|number| &number.id);
    for account in ["a", "b"] {
        let mut text = format!(
            "account = \"{account}\"\nstalled_after = \"15m\"\n[retry_window]\nlength = \"20m\"\n\
             warn_before = [\"10m\", \"5m\", \"1m\"]\n[poll]\nmissing_grace = \"5m\"\nafter_terminal = \"{}\"\n",
            if plan.watched_on { "5m" } else { "stop" }
        );
        for number in plan.numbers.iter().filter(|number| number.account == account) {
            if !(leaves_out && Some(&number.id) == last) {
                let _infallible = write!(text, "[[number]]\nid = \"{}\"\n", number.id);
            }
        }
        for order in plan.orders.iter().filter(|order| order.account == account) {
            let _infallible = write!(text, "[[order]]\nid = \"{}\"\n", order.id);
        }
        std::fs::write(folder.join(format!("watch.d/{account}.toml")), text).unwrap();
    }
}

/// Runs a seed and gives the event file. An error says what did not hold.
fn run(seed: u64, on_disk: bool) -> Result<String, (String, String)> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    runtime.unwrap_or_else(|error| panic!("{error}")).block_on(async {
        let run = Run::new(plan::plan(seed));
        let ended = if on_disk {
            let disk = OnDisk(tempfile::tempdir().unwrap_or_else(|error| panic!("{error}")));
            Box::pin(run.whole(&disk)).await
        } else {
            Box::pin(run.whole(&InMemory(Arc::new(MemoryStore::new())))).await
        };
        let file = lock(&run.outside.file).clone();
        match ended {
            Ok(()) => Ok(file),
            Err(why) => Err((why, file)),
        }
    })
}

/// Runs seeds on all processors. Prints those that fail.
fn run_all(seeds: std::ops::Range<u64>, on_disk: bool) {
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let told = std::panic::catch_unwind(|| run(seed, on_disk));
                    let told = told.unwrap_or_else(|_| Err(("panicked".to_owned(), String::new())));
                    if let Err((why, _)) = told {
                        lock(&failed).push((seed, why));
                    }
                }
            });
        }
    });
    let mut failed = lock(&failed);
    failed.sort_unstable();
    let mut said = String::new();
    for (seed, why) in failed.iter().take(10) {
        let _infallible = writeln!(said, "seed {seed}: {why}");
    }
    assert!(
        failed.is_empty(),
        "{} seeds failed; `CLAIMWATCH_SEED=n cargo test --lib simulation::one` runs one\n{said}",
        failed.len()
    );
}

/// A number from the environment.
#[expect(clippy::disallowed_methods, reason = "which seeds a test runs is nothing that the program knows")]
fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn a_thousand_seeds_in_memory() {
    let first = from_environment("CLAIMWATCH_FIRST_SEED").unwrap_or(0);
    run_all(first..first + from_environment("CLAIMWATCH_SEEDS").unwrap_or(1000), false);
}

#[test]
fn fifty_seeds_on_disk() {
    let first = from_environment("CLAIMWATCH_FIRST_SEED").unwrap_or(0);
    run_all(first..first + from_environment("CLAIMWATCH_SEEDS_ON_DISK").unwrap_or(50), true);
}

#[test]
fn a_seed_is_the_same_each_time() {
    for seed in 100..110 {
        let (first, again) = (run(seed, false).unwrap_or_default(), run(seed, false).unwrap_or_default());
        let differs = first.lines().zip(again.lines()).find(|(first, again)| first != again);
        assert!(first == again, "seed {seed} differs from itself: {differs:?}");
    }
}

#[test]
fn one() {
    let seed = from_environment("CLAIMWATCH_SEED").unwrap_or(0);
    for on_disk in [false, true] {
        if let Err((why, file)) = run(seed, on_disk) {
            panic!("{:#?}\n{file}\nseed {seed}, on disk {on_disk}: {why}", plan::plan(seed));
        }
    }
}
