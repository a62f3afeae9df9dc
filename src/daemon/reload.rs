//! Reload: reads the configuration again and has the loop take its watch lists, or says why not.
//!
//! # Guarantees
//! One at a time, in the order in which they are asked for. All or nothing: where the main file is at fault, or the lists
//! would drop most of the orders, nothing changes. A list at fault stays as it was; the others take effect. What only a
//! restart can change is said.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::health::{self, Health};
use super::lifecycle;
use super::lists::{self, Changes, Plan};
use super::observe::status::Rejected;
use super::poller::{NewLists, Relisted, Wish};
use super::{farthest_due, rejected};
use crate::clock::Clock;
use crate::config::{self, Account, Config, Follower, Loaded, Outline, Sources};
use crate::core::event::DaemonEvent;
use crate::core::time::Timestamp;
use crate::store::outbox::{Outbox, Requeue};
use crate::store::{Known, StoreError};

/// When a reload that the store did not take is tried again.
const AGAIN: Duration = Duration::from_secs(10);

const STOPPING: &str = "the daemon is stopping";

/// How often the files are looked at where they are followed: they are read once they have stayed the same so long.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Reloads that wait for their turn.
pub(super) const REQUESTS: usize = 4;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A reload.
    Reload {
        /// A removal of more than half of the orders is meant.
        force: bool,
    },
    /// To be told what a reload would change.
    Plan,
}

/// A reload that the store did not take.
#[derive(Debug)]
struct Again {
    /// A removal was meant: of what the files said then.
    force: bool,
    /// How they stood then.
    files: Outline,
}

/// Asks for a reload, or for what it would change.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) kind: Kind,
    /// Who wants to know what became of it.
    pub(super) reply: oneshot::Sender<Outcome>,
}

/// What became of a reload.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Why nothing changed; absent: what there was to change did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Whether that is because of the configuration, which has to be mended.
    pub at_fault: bool,
    /// What changed in which list.
    pub lists: BTreeMap<String, Changes>,
    /// Lists at fault, which stay as they were.
    pub bad_lists: Vec<String>,
    /// Sections that differ from what the daemon runs with and take effect at the next start.
    pub needs_restart: Vec<String>,
    /// All problems and warnings, for people.
    pub report: String,
}

impl Outcome {
    /// Whether it failed for no fault of the configuration.
    fn is_worth_another_try(&self) -> bool {
        self.refused.is_some() && !self.at_fault
    }
}

/// Reloads.
#[derive(Debug)]
pub(super) struct Reloader<S, C> {
    pub(super) sources: Sources,
    /// What the daemon runs with.
    pub(super) running: Config,
    /// Follows the files, if they are to be.
    pub(super) follower: Follower,
    /// Whether something was said to be refused that is not said to be mended.
    pub(super) rejected: bool,
    /// What was said last to be at fault.
    pub(super) said: Vec<DaemonEvent>,
    /// What this reload said to be at fault besides.
    pub(super) refused: Vec<DaemonEvent>,
    pub(super) store: Arc<S>,
    pub(super) clock: Arc<C>,
    pub(super) wishes: mpsc::Sender<Wish>,
    /// Wakes those who bring events to sinks.
    pub(super) committed: Arc<Notify>,
    /// Has webhooks that fail tried now.
    pub(super) try_now: Arc<Notify>,
    /// Where it says what is in force.
    pub(super) health: Arc<Health>,
}

impl<S: Known + Outbox, C: Clock> Reloader<S, C> {
    /// Reloads when it is asked to, at SIGHUP, or when the files have changed, until nobody can ask any more.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>, hang_ups: Arc<Notify>) {
        let mut again: Option<Again> = None;
        let (mut retry, mut look) = (tokio::time::interval(AGAIN), tokio::time::interval(LOOK_EVERY));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let force = tokio::select! {
                request = requests.recv() => {
                    let Some(Request { kind, reply }) = request else { return };
                    let outcome = match kind {
                        Kind::Plan => self.plan().await,
                        Kind::Reload { force } => {
                            let outcome = self.reload(force).await;
                            again = outcome.is_worth_another_try().then(|| self.again(force));
                            retry.reset();
                            outcome
                        }
                    };
                    // Who asked may have gone; it is done all the same.
                    let _gone = reply.send(outcome);
                    continue;
                }
                () = hang_ups.notified() => false,
                _ = retry.tick(), if again.is_some() => {
                    let now = self.outline().await;
                    again.take().is_some_and(|again| again.force && again.files == now)
                }
                _ = look.tick(), if self.running.follow => {
                    let now = self.outline().await;
                    let before = self.follower.read().clone();
                    if !self.follower.look(now.clone()) || self.refuses(&before, &now).await {
                        continue;
                    }
                    false
                }
            };
            again = self.reload(force).await.is_worth_another_try().then(|| self.again(force));
            retry.reset();
        }
    }

    /// What the store did not take, as it was meant.
    fn again(&self, force: bool) -> Again {
        Again { force, files: self.follower.read().clone() }
    }

    /// Whether a folder of lists has gone, which nobody reloads for: it is more likely not mounted, or about to be replaced.
    async fn refuses(&mut self, before: &Outline, now: &Outline) -> bool {
        if !before.has_main_of(now) {
            return false;
        }
        let gone = self.running.watch_dirs.iter().find(|dir| before.is_within(dir) && !dir.exists());
        let Some(gone) = gone.map(|dir| dir.display().to_string()) else { return false };
        tracing::info!(folder = gone, "nothing is read again: a folder of watch lists has gone");
        self.rejected = true;
        let reason = "the folder has gone; if that is meant, `claimwatch reload`".to_owned();
        self.say(DaemonEvent::ConfigRejected { file: gone, line: None, reason }).await;
        true
    }

    /// How the files stand now.
    async fn outline(&self) -> Outline {
        let (main, dirs) = (self.running.path.clone(), self.running.watch_dirs.clone());
        // Where it cannot be found out they look as if they were all gone, which reading them shows to be wrong.
        tokio::task::spawn_blocking(move || Outline::of(&main, &dirs)).await.unwrap_or_default()
    }

    /// Reads the configuration.
    async fn load(&self) -> Result<Loaded, String> {
        let sources = Sources { now: self.clock.now().wall, ..self.sources.clone() };
        tokio::task::spawn_blocking(move || config::load(&sources)).await.map_err(|join| join.to_string())
    }

    /// What a reload would change.
    async fn plan(&self) -> Outcome {
        let loaded = match self.load().await {
            Ok(loaded) => loaded,
            Err(why) => return refused(why),
        };
        let now = self.clock.now().wall;
        let told =
            planned(&*self.store, &loaded, now).await.unwrap_or_else(|error| refused(error.to_string()));
        let needs_restart = loaded.config.as_ref().map(|config| differences(&self.running, config));
        let needs_restart = needs_restart.unwrap_or_default();
        match self.unknown_account(&loaded) {
            Some((file, reason)) => {
                let why = format!("{file}: {reason}");
                Outcome { at_fault: true, needs_restart, report: told.report, ..refused(why) }
            }
            None => Outcome { needs_restart, ..told },
        }
    }

    async fn reload(&mut self, force: bool) -> Outcome {
        lifecycle::tell_reloading();
        // However it ends, the files were read as they are.
        let outline = self.outline().await;
        self.follower.note(outline);
        let outcome = match self.load().await {
            Ok(loaded) => self.take(loaded, force).await,
            Err(why) => refused(why),
        };
        let status = match (&outcome.refused, outcome.bad_lists.as_slice()) {
            (Some(why), _) => format!("reload refused: {why}"),
            (None, []) => "reloaded".to_owned(),
            (None, bad) => format!("reloaded, but for lists at fault: {}", bad.join(", ")),
        };
        let at_fault = outcome.at_fault || !outcome.bad_lists.is_empty();
        if at_fault {
            // An event has said so.
            tracing::info!(status, "the configuration was read again");
        } else if outcome.refused.is_some() {
            tracing::error!(status, "the configuration was read again");
        } else {
            if std::mem::take(&mut self.rejected) && outcome.lists.is_empty() {
                self.say(DaemonEvent::ConfigApplied { added: 0, removed: 0, changed: 0 }).await;
            }
            tracing::info!(needs_restart = ?outcome.needs_restart, "the configuration was read again");
        }
        self.rejected |= at_fault;
        self.note_health(&outcome);
        lifecycle::tell(&[NotifyState::Ready, NotifyState::Status(&lifecycle::one_line(&status))]);
        outcome
    }

    /// Tells whoever asks what is in force, and what is not.
    fn note_health(&mut self, outcome: &Outcome) {
        let refused = std::mem::take(&mut self.refused);
        let mut rejected = health::rejected(&refused);
        if let (Some(why), true) = (&outcome.refused, rejected.is_empty()) {
            let file = self.sources.path.display().to_string();
            rejected.push(Rejected { file, line: None, reason: why.clone() });
        }
        rejected.extend(health::rejected(&self.said));
        self.health.read(self.clock.now().wall, rejected);
    }

    async fn take(&mut self, loaded: Loaded, force: bool) -> Outcome {
        let report = loaded.problems.render(false);
        let Some(config) = &loaded.config else {
            let event = self.main_at_fault(&loaded);
            self.say(event).await;
            let why = "the configuration is at fault".to_owned();
            return Outcome { at_fault: true, report, ..refused(why) };
        };
        let needs_restart = differences(&self.running, config);
        self.running.follow = config.follow;
        self.running.watch_dirs.clone_from(&config.watch_dirs);
        self.follower.note(loaded.outline.clone());
        if let Some((file, reason)) = self.unknown_account(&loaded) {
            let why = format!("{file}: {reason}");
            self.say(DaemonEvent::ConfigRejected { file, line: None, reason }).await;
            return Outcome { at_fault: true, needs_restart, report, ..refused(why) };
        }
        let bad_lists = loaded.bad_lists.iter().map(|list| list.name.clone()).collect();
        let events = rejected(&loaded);
        let before = std::mem::replace(&mut self.said, events.clone());
        let new = NewLists {
            farthest: farthest_due(&loaded.lists),
            lists: loaded.lists,
            bad: loaded.bad_lists,
            accounts: Arc::new(self.running.accounts.clone()),
            accept_removal: force,
            rejected: events,
            rejected_before: before,
        };
        let outcome = match self.relist(new).await {
            Some(Relisted::Yes(lists)) => Outcome { lists, ..Outcome::default() },
            Some(Relisted::MassRemoval(why)) => Outcome { at_fault: true, ..refused(why) },
            Some(Relisted::NotNow(why)) => {
                refused(format!("{why}; it is tried again every {} s", AGAIN.as_secs()))
            }
            None => refused(STOPPING.to_owned()),
        };
        if outcome.refused.is_none()
            && let Err(error) = self.revive_sinks().await
        {
            tracing::warn!(%error, "webhooks that are disabled are not tried again");
        }
        Outcome { bad_lists, needs_restart, report, ..outcome }
    }

    /// Has the loop say something, unless it has ended.
    async fn say(&mut self, event: DaemonEvent) {
        if matches!(event, DaemonEvent::ConfigRejected { .. }) {
            self.refused.push(event.clone());
        }
        let _ended = self.wishes.send(Wish::Say(event)).await;
    }

    /// Has the loop take lists. `None`: it has ended.
    async fn relist(&self, new: NewLists) -> Option<Relisted> {
        let (reply, answer) = oneshot::channel();
        self.wishes.send(Wish::Relist { new: Box::new(new), reply }).await.ok()?;
        answer.await.ok()
    }

    fn main_at_fault(&self, loaded: &Loaded) -> DaemonEvent {
        let first = loaded.problems.into_iter().find(|p| p.severity == config::Severity::Error);
        let path = first.map_or(self.sources.path.as_path(), |problem| problem.file.as_path());
        DaemonEvent::ConfigRejected {
            file: path.display().to_string(),
            line: first.and_then(|problem| problem.line),
            reason: first.map(|problem| problem.message.clone()).unwrap_or_default(),
        }
    }

    /// A list may name an account that the daemon does not know yet, or that is another one now: its file, and why not.
    fn unknown_account(&self, loaded: &Loaded) -> Option<(String, String)> {
        let config = loaded.config.as_ref()?;
        loaded.lists.iter().find_map(|list| {
            let name = &list.terms.account;
            let same = |account: &Arc<Account>| {
                config.accounts.get(name).is_some_and(|new| new.region == account.region)
            };
            let known = self.running.accounts.get(name).is_some_and(same);
            (!known).then(|| {
                let why = format!("account {name} is new or of another region: that takes a restart");
                (list.path.display().to_string(), why)
            })
        })
    }

    /// A webhook that said that it is gone is tried again: nothing is put back in its queue for that.
    async fn revive_sinks(&self) -> Result<(), StoreError> {
        for sink in self.store.sinks().await? {
            if sink.chooses && sink.memory.disabled_since.is_some() {
                self.store.requeue(&sink.name, Requeue::One(0), 0).await?;
            }
        }
        self.committed.notify_waiters();
        self.try_now.notify_waiters();
        Ok(())
    }
}

/// What would change if this configuration took effect in what the store knows. Nothing is written.
pub async fn planned<S: Known>(store: &S, loaded: &Loaded, now: Timestamp) -> Result<Outcome, StoreError> {
    let report = loaded.problems.render(false);
    let Some(config) = &loaded.config else {
        return Ok(Outcome { at_fault: true, report, ..refused("the configuration is at fault".to_owned()) });
    };
    let new = (loaded.lists.as_slice(), loaded.bad_lists.as_slice());
    let Plan { lists, refused } = lists::plan(store, &config.accounts, new, now).await?;
    let bad_lists = loaded.bad_lists.iter().map(|list| list.name.clone()).collect();
    let at_fault = refused.is_some();
    Ok(Outcome { refused, at_fault, lists, bad_lists, report, ..Outcome::default() })
}

fn refused(why: String) -> Outcome {
    Outcome { refused: Some(why), ..Outcome::default() }
}

/// Sections that differ and cannot change while the daemon runs. What lists take from the rest, they have already.
fn differences(running: &Config, new: &Config) -> Vec<String> {
    let sections = [
        ("store", running.store != new.store),
        ("account", running.accounts != new.accounts),
        ("events", running.events != new.events),
        ("http", running.http != new.http),
        ("schedules", running.schedules != new.schedules),
        ("control", running.control_socket != new.control_socket),
    ];
    sections.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()).collect()
}
