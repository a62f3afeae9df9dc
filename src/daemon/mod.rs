//! The daemon: wires the rooms together, runs the loop, ends tidily.
//!
//! # Expected flow
//! Store, lists, scopes, schedule, relays, alarms, then "ready", then the loop; at the stop the same backwards: looks in
//! flight get a moment, `daemon.stopped` is written, the relays flush, the store is closed.

mod accounts;
mod alarm;
mod api;
mod courier;
mod fleet;
mod health;
mod housekeeping;
mod journal;
mod lifecycle;
mod lists;
pub mod observe;
pub mod outbox;
mod poller;
pub mod relay;
mod reload;
#[cfg(test)]
mod simulation;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::accounts::{Keys, aws};
pub use self::lists::{Affected, Change, Changes, ListsError};
pub use self::poller::Finish;
pub use self::reload::{Outcome, planned};

use self::alarm::{JobScheduler, Sleepers};
use self::api::Desk;
use self::courier::Courier;
use self::fleet::Fleet;
use self::housekeeping::{Housekeeper, ToDo};
use self::journal::Journal;
use self::lists::Applier;
use self::observe::metrics::Counters;
use self::poller::{Poller, Wish};
use self::reload::Reloader;
use crate::clock::Clock;
use crate::config::{BadList, Config, Follower, Loaded, Numbers, Sources, WatchList, Webhook};
use crate::core::delivery::{EVERYTHING, Filter};
use crate::core::event::DaemonEvent;
use crate::core::event::Level;
use crate::core::policy::AfterTerminal;
use crate::core::record::Style;
use crate::core::time::Now;
use crate::provider::Look;
use crate::sink::{Post, Sink};
use crate::store::outbox::{Outbox, Registration, Takes};
use crate::store::shown::Shown as _;
use crate::store::sqlite::{SqliteStore, Views};
use crate::store::{Store, StoreError};

/// Wishes that wait for the loop. They carry no data, so more than a few mean nothing.
const WISHES: usize = 8;
/// Orders read at once when the schedule is filled.
const PAGE: u32 = 10_000;
/// How long the relays get to flush at the stop; what is left is delivered after the next start.
const FLUSH_GRACE: Duration = Duration::from_secs(5);
/// The same for `run --once`, after which nothing may come for long.
const FLUSH_GRACE_ONCE: Duration = Duration::from_secs(30);
/// What it gets when its deadline has come: what was seen until then should not have been seen in vain.
const FLUSH_GRACE_LEAST: Duration = Duration::from_secs(1);
/// A stored due time is believed up to this far ahead, even where every ceiling is lower: a blocked order's.
const DUE_FARTHEST: Duration = Duration::from_hours(25);

/// Why the daemon did not run, or ended. Each variant is an exit code.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The configuration. Exit 78.
    #[error("{0}")]
    Config(String),
    /// The store. Exit 74.
    #[error(transparent)]
    Store(StoreError),
    /// Something outside that is needed. Exit 69.
    #[error("{0}")]
    Unavailable(String),
    /// A second signal. Exit 1.
    #[error("stopped at once, by a second signal")]
    Aborted,
}

/// What to run.
#[derive(Debug)]
pub struct Setup {
    /// The configuration with its lists. Its main part must be good.
    pub loaded: Loaded,
    /// One look at every order that is due, then the end.
    pub once: bool,
    /// The end of `once`, at the latest.
    pub deadline: Option<Duration>,
    /// A removal of more than half of the orders is meant.
    pub accept_removal: bool,
    /// Where it listens for commands; `None`: nowhere.
    pub control: Option<PathBuf>,
    /// Where the configuration is read again.
    pub sources: Sources,
}

/// What the daemon acts through.
#[derive(Debug)]
pub struct Parts<L, K, F, W, C> {
    /// Takes looks.
    pub look: L,
    /// Takes every event, in order, under the name `log`.
    pub log: K,
    /// Takes every event, in order and once, under the name `file`.
    pub file: Option<F>,
    /// The webhooks of the configuration.
    pub webhooks: Vec<W>,
    /// Tells the time.
    pub clock: C,
}

/// Runs until a signal, until `stop`, or with `once` until everything was looked at.
pub async fn run<L, K, F, W, C>(
    setup: Setup,
    parts: Parts<L, K, F, W, C>,
    stop: CancellationToken,
) -> Result<Finish, DaemonError>
where
    L: Look,
    K: Sink + 'static,
    F: Sink + 'static,
    W: Post,
    C: Clock,
{
    let Some(config) = setup.loaded.config.clone() else {
        return Err(DaemonError::Config("the configuration is wrong".to_owned()));
    };
    let path = config.store.clone();
    refuse_never_good(&path, &setup.loaded.bad_lists)?;
    let store = Arc::new(SqliteStore::open(&path).await.map_err(DaemonError::Store)?);
    let hang_ups = Arc::new(Notify::new());
    let try_now = Arc::default();
    let views = Some(store.views());
    let hung_up = Arc::clone(&hang_ups);
    let daemon = Daemon { config, setup, store: Arc::clone(&store), views, hang_ups: hung_up, try_now };
    let ended = tokio::select! {
        ended = daemon.run(parts, &stop) => ended,
        heard = lifecycle::second_signal(&stop, &hang_ups) => Err(match heard {
            Ok(()) => DaemonError::Aborted,
            Err(cause) => DaemonError::Unavailable(format!("signals cannot be heard: {cause}")),
        }),
    };
    store.close().await;
    ended
}

/// A list that was never good has nothing to fall back to where there is no store: better not to start than to watch
/// less than was asked for.
fn refuse_never_good(store: &Path, bad: &[BadList]) -> Result<(), DaemonError> {
    if bad.is_empty() || store.exists() { Ok(()) } else { Err(never_good(bad)) }
}

fn never_good(bad: &[BadList]) -> DaemonError {
    let names: Vec<String> = bad.iter().map(|list| list.path.display().to_string()).collect();
    DaemonError::Config(format!("never good before, and nothing is watched yet: {}", names.join(", ")))
}

/// A daemon on a store.
struct Daemon<S> {
    config: Config,
    setup: Setup,
    store: Arc<S>,
    /// What is shown of it; `None`: nobody asks.
    views: Option<Views>,
    /// Asks for a reload.
    hang_ups: Arc<Notify>,
    /// Has webhooks that fail tried now.
    try_now: Arc<Notify>,
}

impl<S: Store + Outbox> Daemon<S> {
    async fn run<L: Look, K: Sink + 'static, F: Sink + 'static, W: Post, C: Clock>(
        &self,
        parts: Parts<L, K, F, W, C>,
        stop: &CancellationToken,
    ) -> Result<Finish, DaemonError> {
        let Parts { look, log, file, webhooks, clock } = parts;
        let clock = Arc::new(clock);
        let began = clock.now().tick;
        let committed = Arc::new(Notify::new());
        self.register_sinks(log.name(), file.as_ref().map(Sink::name)).await?;
        let counters = self.counters().await?;
        let not_applied = self.apply_lists(clock.now()).await?;
        let rejects = not_applied.is_some() || !self.setup.loaded.bad_lists.is_empty();
        let mut poller = self.poller(look, Arc::clone(&clock), Arc::clone(&committed)).await?;

        let flush = CancellationToken::new();
        let mut relays = JoinSet::new();
        let shared = || (Arc::clone(&self.store), Arc::clone(&clock), Arc::clone(&committed), flush.clone());
        let (store, clock_of, told, until) = shared();
        relays.spawn(relay::run(store, log, clock_of, told, until));
        if let Some(file) = file {
            let (store, clock_of, told, until) = shared();
            relays.spawn(relay::run(store, file, clock_of, told, until));
        }
        let store_id = self.store.store_id().await.map_err(DaemonError::Store)?;
        for webhook in webhooks {
            let (store, clock, committed, stop) = shared();
            let (post, try_now) = (Arc::new(webhook), Arc::clone(&self.try_now));
            let courier = Courier { store, post, clock, store_id, committed, try_now, stop };
            relays.spawn(courier.run());
        }
        self.say_start(&mut poller, not_applied).await?;
        let finish = self.turn(&mut poller, &mut relays, (stop, &committed), (rejects, counters)).await?;
        if !self.setup.once {
            let reason = "it was asked to".to_owned();
            poller.say(&DaemonEvent::Stopped { reason }).await.map_err(DaemonError::Store)?;
        }
        flush.cancel();
        let passed = clock.now().tick.since(began);
        let mut undelivered = !self.flush(relays, passed).await?;
        if self.setup.once && !undelivered {
            // A courier does not wait for its webhook to come back.
            let sinks = self.store.sinks().await.map_err(DaemonError::Store)?;
            undelivered = sinks.iter().any(|sink| sink.pending > 0);
        }
        Ok(Finish { undelivered, ..finish })
    }

    fn style(&self) -> Style {
        Style { masked: self.config.events.numbers == Numbers::Masked }
    }

    async fn register_sinks(&self, log: &str, file: Option<&str>) -> Result<(), DaemonError> {
        let everything = [Some(log), file].into_iter().flatten();
        let everything =
            everything.map(|name| Registration { name: name.to_owned(), takes: Takes::Everything });
        let sinks: Vec<Registration> =
            everything.chain(self.config.events.webhooks.iter().map(registration)).collect();
        let before = self.store.sinks().await.map_err(DaemonError::Store)?;
        for (sink, waiting) in self.store.register_sinks(&sinks).await.map_err(DaemonError::Store)? {
            let oldest = before.iter().find(|status| status.name == sink).and_then(|status| status.oldest);
            let since = oldest.map_or_else(|| "TIME".to_owned(), |oldest| oldest.to_string());
            let later = if EVERYTHING.contains(&sink.as_str()) {
                "log and file never get it".to_owned()
            } else {
                format!("if it comes back, `claimwatch requeue '{sink}' --from {since}` gives it that")
            };
            tracing::warn!(
                sink,
                waiting,
                "the sink is not configured any more: what waited for it is dropped; {later}"
            );
        }
        Ok(())
    }

    /// Applies the lists. Gives why they were not, where they look like an accident: then what was in force stays so, since to
    /// watch nothing would be worse.
    async fn apply_lists(&self, now: Now) -> Result<Option<DaemonEvent>, DaemonError> {
        let loaded = &self.setup.loaded;
        let in_force = self.store.lists().await.map_err(DaemonError::Store)?;
        if in_force.is_empty() && !loaded.bad_lists.is_empty() {
            return Err(never_good(&loaded.bad_lists));
        }
        let applier = Applier {
            store: &*self.store,
            accounts: &self.config.accounts,
            style: self.style(),
            now: now.wall,
        };
        let ended = applier.apply(&loaded.lists, &loaded.bad_lists, self.setup.accept_removal).await;
        match ended {
            Ok(()) => Ok(None),
            Err(ListsError::Store(source)) => Err(DaemonError::Store(source)),
            Err(removal @ ListsError::MassRemoval { .. }) if self.setup.once => {
                let why = format!("{removal}; if that is meant, start once with --accept-removal");
                Err(DaemonError::Config(why))
            }
            Err(removal @ ListsError::MassRemoval { .. }) => Ok(Some(lists::as_a_whole(&removal))),
        }
    }

    async fn poller<L: Look, C: Clock>(
        &self,
        look: L,
        clock: Arc<C>,
        committed: Arc<Notify>,
    ) -> Result<Poller<S, L, C>, DaemonError> {
        let now = clock.now();
        let remembered = self.store.scopes().await.map_err(DaemonError::Store)?;
        let generation = self.store.daemon_generation().await.map_err(DaemonError::Store)?;
        let fleet = Fleet::new(&self.config, &remembered, now);
        let journal = Journal::new(Arc::clone(&self.store), generation, self.style(), committed);
        let parts = (Arc::clone(&self.store), Arc::new(look), clock);
        let mut poller = Poller::new(parts, fleet, journal, self.style(), self.setup.once);
        let farthest = farthest_due(&self.setup.loaded.lists);
        let mut after = None;
        loop {
            let page = self.store.schedule(after, PAGE).await.map_err(DaemonError::Store)?;
            let Some(last) = page.last() else { break };
            after = Some(last.stream);
            lifecycle::tell_progress();
            for order in &page {
                poller.settle(order, farthest, now.wall);
            }
        }
        Ok(poller)
    }

    async fn say_start<L: Look, C: Clock>(
        &self,
        poller: &mut Poller<S, L, C>,
        not_applied: Option<DaemonEvent>,
    ) -> Result<(), DaemonError> {
        let mut events = rejected(&self.setup.loaded);
        events.extend(not_applied);
        if !self.setup.once {
            events.push(DaemonEvent::Started { orders: poller.orders() });
        }
        poller.health().read(poller.clock().now().wall, health::rejected(&events));
        for event in &events {
            poller.say(event).await.map_err(DaemonError::Store)?;
        }
        Ok(())
    }

    /// Counts the events from here on.
    async fn counters(&self) -> Result<Counters, DaemonError> {
        let last = match &self.views {
            Some(views) => views.last_seq().await.map_err(DaemonError::Store)?,
            None => 0,
        };
        Ok(Counters::after(last))
    }

    /// Answers whoever asks, at the control socket and the HTTP endpoint, for ever.
    async fn doors<L: Look, C: Clock>(
        &self,
        (wishes, reloads): (mpsc::Sender<Wish>, mpsc::Sender<reload::Request>),
        poller: &Poller<S, L, C>,
        committed: &Arc<Notify>,
        counters: Counters,
    ) -> Result<Pin<Box<dyn Future<Output = ()> + Send>>, DaemonError> {
        let Some(views) = self.views.clone() else {
            return Ok(Box::pin(async move {
                // Whoever listens to these ends where nobody can ask any more.
                let _held = (wishes, reloads);
                std::future::pending::<()>().await;
            }));
        };
        let desk = Desk {
            wishes,
            store: Arc::clone(&self.store),
            views,
            committed: Arc::clone(committed),
            try_now: Arc::clone(&self.try_now),
            reloads,
            health: poller.health(),
            counters: Arc::new(Mutex::new(counters)),
            followers: api::followers(),
            account_ids: Arc::new(observe::status::account_ids(&self.config)),
            // Whoever may open the socket may read the store.
            style: Style::default(),
            clock: poller.clock(),
        };
        let endpoint = self.endpoint(Desk { style: self.style(), ..desk.clone() }).await?;
        let control = self.control(desk).await;
        Ok(Box::pin(async {
            tokio::select! {
                () = endpoint => {}
                () = control => {}
            }
        }))
    }

    /// Answers at the control socket, for ever. One that cannot be had is no reason not to watch.
    async fn control(&self, desk: Desk<S>) -> impl Future<Output = ()> + use<S> {
        let socket = match &self.setup.control {
            Some(path) => api::listen(path).await.map_err(|cause| (path, cause)).map(Some),
            None => Ok(None),
        };
        let socket = socket.unwrap_or_else(|(path, cause)| {
            tracing::error!(path = %path.display(), %cause, "no control socket: commands cannot reach this daemon");
            None
        });
        async {
            match socket {
                Some(socket) => api::serve(socket, desk).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Answers at the HTTP endpoint, if there is to be one, for ever. One that cannot be had ends the daemon, and the service
    /// manager starts it anew: whoever scrapes it would be blind, and not know.
    async fn endpoint(&self, desk: Desk<S>) -> Result<impl Future<Output = ()> + use<S>, DaemonError> {
        let listening = match self.config.http.as_ref().filter(|_| !self.setup.once) {
            Some(http) => Some(api::bind(http).await.map_err(|cause| {
                DaemonError::Unavailable(format!("http.listen = \"{}\": {cause}", http.listen))
            })?),
            None => None,
        };
        Ok(async {
            match listening {
                Some(listening) => api::serve_http(listening, desk).await,
                None => std::future::pending().await,
            }
        })
    }

    /// The loop, with everything that may end it.
    async fn turn<L: Look, C: Clock>(
        &self,
        poller: &mut Poller<S, L, C>,
        relays: &mut JoinSet<Result<(), StoreError>>,
        (stop, committed): (&CancellationToken, &Arc<Notify>),
        (rejects, counters): (bool, Counters),
    ) -> Result<Finish, DaemonError> {
        let (wishes, wished) = mpsc::channel(WISHES);
        let (reloads, requests) = mpsc::channel(reload::REQUESTS);
        let health = poller.health();
        let doors = self.doors((wishes.clone(), reloads), poller, committed, counters).await?;
        let reloader = Reloader {
            sources: self.setup.sources.clone(),
            running: self.config.clone(),
            follower: Follower::new(self.setup.loaded.outline.clone()),
            rejected: rejects,
            said: rejected(&self.setup.loaded),
            refused: Vec::new(),
            health: Arc::clone(&health),
            store: Arc::clone(&self.store),
            clock: poller.clock(),
            wishes: wishes.clone(),
            committed: Arc::clone(committed),
            try_now: Arc::clone(&self.try_now),
        };
        let mut beside = JoinSet::new();
        let mut alarms = None;
        if !self.setup.once {
            alarms = self.keep_house(&mut beside, wishes, poller.clock()).await?;
            beside.spawn(reloader.run(requests, Arc::clone(&self.hang_ups)));
        }
        lifecycle::tell(&[NotifyState::Ready]);
        let too_late = async {
            match self.setup.deadline {
                Some(deadline) => tokio::time::sleep(deadline).await,
                None => std::future::pending().await,
            }
            stop.cancel();
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            biased;
            finish = poller.run(wished, stop) => finish.map_err(DaemonError::Store),
            () = too_late => Ok(Finish::default()),
            () = doors => Ok(Finish::default()),
            Some(ended) = relays.join_next() => Err(relay_ended(ended)),
            Some(Err(panicked)) = beside.join_next() => Err(broken(panicked)),
        };
        // A backup that is not finished is taken away by the next one.
        beside.shutdown().await;
        if let Some(alarms) = &mut alarms
            && let Err(cause) = alarms.shutdown().await
        {
            tracing::debug!(%cause, "the alarm clock did not stop");
        }
        ended
    }

    /// Starts the housekeeper and its alarm clock.
    async fn keep_house<C: Clock>(
        &self,
        beside: &mut JoinSet<()>,
        wishes: mpsc::Sender<Wish>,
        clock: Arc<C>,
    ) -> Result<Option<JobScheduler>, DaemonError> {
        let schedules = &self.config.schedules;
        let to_do = Arc::new(ToDo::default());
        let missed = match alarm::missed(schedules, &*self.store, clock.now().wall).await {
            Ok(missed) => missed,
            Err(StoreError::Failing(cause)) => {
                tracing::warn!(%cause, "what was due while no daemon ran is not known, and not made up for");
                Vec::new()
            }
            Err(error @ StoreError::Unusable { .. }) => return Err(DaemonError::Store(error)),
        };
        for chore in missed {
            tracing::info!(chore = chore.word(), "it was due while no daemon ran, and is made up for");
            to_do.add(chore);
        }
        let keeper = Housekeeper::new(&self.config, Arc::clone(&self.store), clock, wishes.clone());
        beside.spawn(keeper.run(Arc::clone(&to_do)));
        let alarms = alarm::set(schedules, Sleepers { wishes, to_do }).await;
        alarms.map_err(|cause| DaemonError::Config(format!("schedules: {cause}")))
    }

    /// Lets the relays deliver what is written. False if they could not in their time.
    async fn flush(
        &self,
        mut relays: JoinSet<Result<(), StoreError>>,
        passed: Duration,
    ) -> Result<bool, DaemonError> {
        let grace = match (self.setup.once, self.setup.deadline) {
            (false, _) => FLUSH_GRACE,
            (true, None) => FLUSH_GRACE_ONCE,
            (true, Some(deadline)) => {
                deadline.saturating_sub(passed).clamp(FLUSH_GRACE_LEAST, FLUSH_GRACE_ONCE)
            }
        };
        let flushed = tokio::time::timeout(grace, async {
            while let Some(ended) = relays.join_next().await {
                ended.map_err(broken)?.map_err(DaemonError::Store)?;
            }
            Ok(true)
        });
        flushed.await.unwrap_or_else(|_elapsed| {
            tracing::warn!("some events are not delivered yet; they go out after the next start");
            Ok(false)
        })
    }
}

/// What there is to say of lists at fault.
fn rejected(loaded: &Loaded) -> Vec<DaemonEvent> {
    let rejected = |bad: &BadList| {
        let problem = loaded.problems.first_error_of(&bad.path);
        DaemonEvent::ConfigRejected {
            file: bad.path.display().to_string(),
            line: problem.and_then(|problem| problem.line),
            reason: problem.map(|problem| problem.message.clone()).unwrap_or_default(),
        }
    };
    loaded.bad_lists.iter().map(rejected).collect()
}

/// What the store has to know of a webhook.
fn registration(webhook: &Webhook) -> Registration {
    let filter = Filter {
        events: webhook.events.clone(),
        labels: webhook.labels.clone(),
        lists: webhook.lists.clone(),
        min_level: webhook.min_level.as_deref().and_then(Level::parse),
    };
    // A path or query may be what lets in, so that the address itself is not for the store.
    let place = Sha256::digest(webhook.url.as_str()).iter().fold(String::new(), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    });
    Registration { name: webhook.name.clone(), takes: Takes::Chosen { filter, place } }
}

/// A relay that ends unasked ends the daemon: events that nobody gets are worse than a restart.
fn relay_ended(ended: Result<Result<(), StoreError>, tokio::task::JoinError>) -> DaemonError {
    match ended {
        Ok(Ok(())) => DaemonError::Unavailable("a relay ended unasked".to_owned()),
        Ok(Err(error)) => DaemonError::Store(error),
        Err(join) => broken(join),
    }
}

/// A task that panicked is a bug: its panic goes on here.
fn broken(join: tokio::task::JoinError) -> DaemonError {
    if join.is_panic() {
        std::panic::resume_unwind(join.into_panic());
    }
    DaemonError::Unavailable(join.to_string())
}

fn farthest_due(lists: &[WatchList]) -> Duration {
    let wanted = lists.iter().map(|list| {
        let poll = &list.terms.policy.poll;
        match poll.after_terminal {
            AfterTerminal::Stop => poll.ceiling,
            AfterTerminal::Every(interval) => poll.ceiling.max(interval.saturating_mul(11) / 10),
        }
    });
    wanted.max().unwrap_or_default().max(DUE_FARTHEST)
}
