//! What the service manager hears of the loop: that it goes on, and how it is.
//!
//! # Guarantees
//! A sign of life is given by the loop itself, between two turns, after the store has given its writer away and taken it
//! back: where either hangs, there is none, and the service manager starts the daemon anew. A store that fails is no hang.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::Poller;
use crate::clock::Clock;
use crate::core::message::span;
use crate::core::order::Stream;
use crate::core::schedule::Lane;
use crate::core::state::Looked;
use crate::core::time::{Now, Tick};
use crate::daemon::lifecycle;
use crate::daemon::observe::{ScopeView, Trouble};
use crate::provider::Look;
use crate::store::{Store, StoreError};

/// The longest time between two signs: what `systemctl status` shows is not older.
const EVERY: Duration = Duration::from_secs(20);

/// When the next sign is due, and what it says that nobody else knows.
#[derive(Debug)]
pub(super) struct Pulse {
    every: Duration,
    due: Tick,
    /// Orders with an open window.
    windows: BTreeSet<Stream>,
    /// Orders whose outcome is to come, and for which nothing runs out.
    pending: BTreeSet<Stream>,
}

impl Pulse {
    /// As often as the service manager wants to hear, with a sign to spare.
    pub(super) fn new() -> Self {
        let every = lifecycle::watchdog().map_or(EVERY, |within| (within / 2).min(EVERY));
        Self { every, due: Tick::ZERO, windows: BTreeSet::new(), pending: BTreeSet::new() }
    }

    /// How an order is looked at; `None`: it is not watched any more.
    pub(super) fn note(&mut self, who: Stream, looked: Option<&Looked>) {
        let windows = looked.is_some_and(|looked| looked.ahead.is_some());
        let pending = looked.is_some_and(|looked| looked.due_at.is_some() && looked.lane == Lane::Pending);
        for (orders, is_one) in [(&mut self.windows, windows), (&mut self.pending, pending)] {
            if is_one {
                orders.insert(who);
            } else {
                orders.remove(&who);
            }
        }
    }

    /// How long until the next sign.
    pub(super) fn in_time(&self, now: Tick) -> Duration {
        self.due.since(now)
    }
}

impl<S: Store, L: Look, C: Clock> Poller<S, L, C> {
    /// Gives a sign of life if it is time for one.
    pub(super) async fn give_sign(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        if !self.pulse.in_time(now.tick).is_zero() {
            return Ok(());
        }
        self.pulse.due = now.tick.plus(self.pulse.every);
        if self.once.is_some() {
            return Ok(());
        }
        match self.store.touch().await {
            // Its trouble is told where something was to be written.
            Ok(()) | Err(StoreError::Failing(_)) => {}
            Err(error @ StoreError::Unusable { .. }) => return Err(error),
        }
        let status = self.status(now);
        lifecycle::tell_alive(&status);
        Ok(())
    }

    /// How it is, in one line.
    fn status(&mut self, now: Now) -> String {
        let orders = self.fleet.orders();
        let mut text = format!("{orders} order{}", if orders == 1 { "" } else { "s" });
        if !self.pulse.pending.is_empty() {
            let _infallible = write!(text, ", {} pending", self.pulse.pending.len());
        }
        match self.pulse.windows.len() {
            0 => {}
            1 => text.push_str(", 1 retry window open"),
            many => {
                let _infallible = write!(text, ", {many} retry windows open");
            }
        }
        let due = self.fleet.overdue(now);
        if due > 0 {
            let oldest =
                self.fleet.latest(now).map_or_else(String::new, |late| format!(" by {}", span(late)));
            let _infallible = write!(text, ", {due} late{oldest}");
        }
        match self.fleet.next(now).map(|next| next.since(now.tick)) {
            Some(wait) if !wait.is_zero() => {
                let _infallible = write!(text, "; next look in {}", span(wait));
            }
            Some(_) | None => {}
        }
        let scopes = self.fleet.overview(now).scopes;
        let troubled: Vec<(&ScopeView, Trouble)> =
            scopes.iter().filter_map(|scope| Some((scope, scope.troubles().next()?))).collect();
        if let Some((scope, trouble)) = troubled.iter().min_by_key(|(_, trouble)| trouble.rank) {
            let _infallible = write!(text, "; {}/{} {}", scope.provider, scope.account, trouble.word);
            if troubled.len() > 1 {
                let _infallible = write!(text, ", and {} more in trouble", troubled.len() - 1);
            }
        }
        if self.journal.blocked_until().is_some() {
            text.push_str("; the store takes nothing");
        }
        text
    }
}
