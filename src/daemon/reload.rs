//! Reload: reads the configuration again and has the loop take its watch lists, or says why not.
//!
//! # Guarantees
//! One at a time, in the order in which they are asked for. All or nothing: where the main file is at fault, or the lists
//! would drop most of the orders, nothing changes. A list at fault stays as it was; the others take effect. What only a
//! restart can change is said.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc, oneshot};

use super::lifecycle;
use super::lists::Counts;
use super::poller::{NewLists, Relisted, Wish};
use super::{farthest_due, rejected};
use crate::clock::Clock;
use crate::config::{self, Account, Config, Loaded, Sources};
use crate::core::event::DaemonEvent;
use crate::store::StoreError;
use crate::store::outbox::{Outbox, Requeue};

/// When a reload that the store did not take is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// Reloads that wait for their turn.
pub(super) const REQUESTS: usize = 4;

/// Asks for a reload.
#[derive(Debug)]
pub(super) struct Request {
    /// A removal of more than half of the orders is meant.
    pub(super) force: bool,
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
    pub lists: BTreeMap<String, Counts>,
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
    pub(super) store: Arc<S>,
    pub(super) clock: Arc<C>,
    pub(super) wishes: mpsc::Sender<Wish>,
    /// Wakes those who bring events to sinks.
    pub(super) committed: Arc<Notify>,
    /// Has webhooks that fail tried now.
    pub(super) try_now: Arc<Notify>,
}

impl<S: Outbox, C: Clock> Reloader<S, C> {
    /// Reloads when it is asked to, or at SIGHUP, until nobody can ask any more.
    pub(super) async fn run(self, mut requests: mpsc::Receiver<Request>, hang_ups: Arc<Notify>) {
        // What the store did not take is tried again, as it was meant.
        let mut again = None;
        loop {
            tokio::select! {
                request = requests.recv() => {
                    let Some(Request { force, reply }) = request else { return };
                    let outcome = self.reload(force).await;
                    again = outcome.is_worth_another_try().then_some(force);
                    // Who asked may have gone; it is done all the same.
                    let _gone = reply.send(outcome);
                }
                () = hang_ups.notified() => {
                    again = self.reload(false).await.is_worth_another_try().then_some(false);
                }
                () = tokio::time::sleep(AGAIN), if again.is_some() => {
                    let force = again.unwrap_or_default();
                    again = self.reload(force).await.is_worth_another_try().then_some(force);
                }
            }
        }
    }

    async fn reload(&self, force: bool) -> Outcome {
        lifecycle::tell_reloading();
        let sources = Sources { now: self.clock.now().wall, ..self.sources.clone() };
        let outcome = match tokio::task::spawn_blocking(move || config::load(&sources)).await {
            Ok(loaded) => self.take(loaded, force).await,
            Err(join) => refused(join.to_string()),
        };
        let status = match (&outcome.refused, outcome.bad_lists.as_slice()) {
            (Some(why), _) => format!("reload refused: {why}"),
            (None, []) => "reloaded".to_owned(),
            (None, bad) => format!("reloaded, but for lists at fault: {}", bad.join(", ")),
        };
        if outcome.refused.is_some() || !outcome.bad_lists.is_empty() {
            tracing::error!(status, "the configuration was read again");
        } else {
            tracing::info!(needs_restart = ?outcome.needs_restart, "the configuration was read again");
        }
        lifecycle::tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
        outcome
    }

    async fn take(&self, loaded: Loaded, force: bool) -> Outcome {
        let report = loaded.problems.render(false);
        let Some(config) = &loaded.config else {
            let events = self.main_at_fault(&loaded);
            let why = match self.relist(Vec::new(), None, events, force).await {
                Ok(_) => "the configuration is at fault".to_owned(),
                Err(why) => why,
            };
            return Outcome { at_fault: true, report, ..refused(why) };
        };
        let needs_restart = differences(&self.running, config);
        if let Some(why) = self.unknown_account(&loaded) {
            return Outcome { at_fault: true, needs_restart, report, ..refused(why) };
        }
        let bad_lists = loaded.bad_lists.iter().map(|list| list.name.clone()).collect();
        let events = rejected(&loaded);
        let relisted = self.relist(loaded.lists, Some(loaded.bad_lists), events, force).await;
        let outcome = match relisted {
            Ok(Some(Relisted::Yes(lists))) => Outcome { lists, ..Outcome::default() },
            Ok(Some(Relisted::MassRemoval(why))) => Outcome {
                at_fault: true,
                ..refused(format!("{why}; if that is meant, `claimwatch reload --force`"))
            },
            Ok(Some(Relisted::NotNow(why))) => {
                refused(format!("{why}; it is tried again every {} s", AGAIN.as_secs()))
            }
            Ok(None) => Outcome::default(),
            Err(why) => refused(why),
        };
        if outcome.refused.is_none()
            && let Err(error) = self.revive_sinks().await
        {
            tracing::warn!(%error, "webhooks that are disabled are not tried again");
        }
        Outcome { bad_lists, needs_restart, report, ..outcome }
    }

    /// Has the loop take lists, or with none only say something.
    async fn relist(
        &self,
        lists: Vec<config::WatchList>,
        bad: Option<Vec<config::BadList>>,
        rejected: Vec<DaemonEvent>,
        accept_removal: bool,
    ) -> Result<Option<Relisted>, String> {
        let stopping = |_| "the daemon is stopping".to_owned();
        let Some(bad) = bad else {
            let sent = self.wishes.send(Wish::Say(rejected)).await;
            return sent.map(|()| None).map_err(|gone| stopping(gone.to_string()));
        };
        let farthest = farthest_due(&lists);
        let accounts = Arc::new(self.running.accounts.clone());
        let new = Box::new(NewLists { lists, bad, accounts, accept_removal, farthest, rejected });
        let (reply, answer) = oneshot::channel();
        self.wishes.send(Wish::Relist { new, reply }).await.map_err(|gone| stopping(gone.to_string()))?;
        answer.await.map(Some).map_err(|gone| stopping(gone.to_string()))
    }

    fn main_at_fault(&self, loaded: &Loaded) -> Vec<DaemonEvent> {
        let first = loaded.problems.into_iter().find(|p| p.severity == config::Severity::Error);
        let path = first.map_or(self.sources.path.as_path(), |problem| problem.file.as_path());
        vec![DaemonEvent::ConfigRejected {
            file: path.display().to_string(),
            line: first.and_then(|problem| problem.line),
            reason: first.map(|problem| problem.message.clone()).unwrap_or_default(),
        }]
    }

    /// A list may name an account that the daemon does not know yet, or that is another one now.
    fn unknown_account(&self, loaded: &Loaded) -> Option<String> {
        let config = loaded.config.as_ref()?;
        loaded.lists.iter().find_map(|list| {
            let name = &list.terms.account;
            let same = |account: &Arc<Account>| {
                config.accounts.get(name).is_some_and(|new| new.region == account.region)
            };
            let known = self.running.accounts.get(name).is_some_and(same);
            (!known).then(|| {
                let file = list.path.file_name().map_or(Path::new(""), Path::new);
                format!("{} is of account {name}, which is new or of another region: restart", file.display())
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
