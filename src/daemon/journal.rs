//! What is to be written and was not yet: looks that changed nothing wait up to a second for company, everything else
//! goes at once, and nothing is forgotten when the store does not take it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::core::event::{DaemonEvent, ScopeKey};
use crate::core::order::Stream;
use crate::core::record::{self, Record, Style};
use crate::core::scope::ScopeMemory;
use crate::core::state::Looked;
use crate::core::time::{Now, Tick, Timestamp};
use crate::store::{Batch, Change, ListRow, Store, StoreError};

use super::lists::LastWords;

/// How long an unchanged look may wait to be written. A crash costs at most that many repeated looks.
const LINGER: Duration = Duration::from_secs(1);
/// The first pause after the store did not take a batch, doubled each time,
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// up to this.
const PAUSE_MOST: Duration = Duration::from_mins(1);

/// Writes to the store.
#[derive(Debug)]
pub(super) struct Journal<S> {
    store: Arc<S>,
    looked: BTreeMap<Stream, Looked>,
    /// Since when bookkeeping waits for company.
    waiting_since: Option<Tick>,
    scopes: BTreeMap<ScopeKey, ScopeMemory>,
    records: Vec<Record>,
    lists: Vec<ListRow>,
    dropped_lists: Vec<String>,
    runs: Vec<(String, Timestamp)>,
    daemon_generation: u64,
    style: Style,
    committed: Arc<Notify>,
    trouble: Option<Trouble>,
}

#[derive(Debug, Clone, Copy)]
struct Trouble {
    since: Tick,
    failures: u32,
    retry_at: Tick,
}

/// A scope as it is, with what there is to say of it.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) key: ScopeKey,
    pub(super) memory: ScopeMemory,
    pub(super) records: Vec<Record>,
}

/// What became of a write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is on disk, but for these orders, which somebody else had moved on.
    Yes {
        /// They must be looked at again.
        superseded: Vec<Stream>,
    },
    /// The store did not take it. Records and bookkeeping are kept; the changes must be made again.
    NotNow {
        /// When it makes sense to try again.
        retry_at: Tick,
    },
}

impl<S: Store> Journal<S> {
    /// Continues the daemon's own stream after `daemon_generation`; wakes whoever waits at `committed` with each commit.
    pub(super) fn new(store: Arc<S>, daemon_generation: u64, style: Style, committed: Arc<Notify>) -> Self {
        Self {
            store,
            looked: BTreeMap::new(),
            waiting_since: None,
            scopes: BTreeMap::new(),
            records: Vec::new(),
            lists: Vec::new(),
            dropped_lists: Vec::new(),
            runs: Vec::new(),
            daemon_generation,
            style,
            committed,
            trouble: None,
        }
    }

    /// A look changed nothing but the bookkeeping.
    pub(super) fn look(&mut self, who: Stream, looked: Looked, now: Tick) {
        self.looked.insert(who, looked);
        self.waiting_since.get_or_insert(now);
    }

    /// The bookkeeping of an order that is not written yet.
    pub(super) fn unwritten(&self, who: Stream) -> Option<Looked> {
        self.looked.get(&who).copied()
    }

    /// What is remembered of a scope changed, and this is to be said of it. Only what is said goes at once.
    pub(super) fn scope(&mut self, report: Report, now: Tick) {
        self.scopes.insert(report.key, report.memory);
        self.records.extend(report.records);
        self.waiting_since.get_or_insert(now);
    }

    /// The daemon has something to say.
    pub(super) fn daemon(&mut self, event: &DaemonEvent, now: Now) {
        self.daemon_generation += 1;
        self.records.push(record::of_daemon(event, (self.daemon_generation, 0), now.wall, self.style));
    }

    /// A chore is done once what waits is written.
    pub(super) fn ran(&mut self, chore: &str, at: Timestamp) {
        self.runs.push((chore.to_owned(), at));
    }

    /// Watch lists are applied to their orders: they count as applied once this is written.
    pub(super) fn conclude(&mut self, last: LastWords, now: Now) {
        self.lists.extend(last.lists);
        self.dropped_lists.extend(last.dropped);
        if let Some(event) = &last.event {
            self.daemon(event, now);
        }
    }

    /// When something that waits must be written, at the latest.
    pub(super) fn due_at(&self) -> Option<Tick> {
        let linger = self.waiting_since.map(|since| since.plus(LINGER));
        let due = if self.records.is_empty() { linger? } else { Tick::ZERO };
        Some(due.max(self.blocked_until().unwrap_or(Tick::ZERO)))
    }

    /// Until when nothing can be written, after the store did not take something.
    pub(super) fn blocked_until(&self) -> Option<Tick> {
        self.trouble.map(|trouble| trouble.retry_at)
    }

    /// Writes everything that waits, and these changes, in one transaction.
    pub(super) async fn write(&mut self, changes: Vec<Change>, now: Tick) -> Result<Written, StoreError> {
        let batch = Batch {
            lists: self.lists.clone(),
            unapplied_lists: Vec::new(),
            dropped_lists: self.dropped_lists.clone(),
            changes,
            looked: self.looked.iter().map(|(who, looked)| (*who, *looked)).collect(),
            scopes: self.scopes.iter().map(|(key, memory)| (key.clone(), memory.clone())).collect(),
            records: self.records.clone(),
            daemon_generation: Some(self.daemon_generation),
            runs: self.runs.clone(),
        };
        match self.store.commit(batch).await {
            Ok(committed) => {
                self.looked.clear();
                self.waiting_since = None;
                self.scopes.clear();
                self.records.clear();
                self.lists.clear();
                self.dropped_lists.clear();
                self.runs.clear();
                if let Some(trouble) = self.trouble.take() {
                    let lasted_s = now.since(trouble.since).as_secs();
                    tracing::info!(lasted_s, "the store works again");
                }
                self.committed.notify_waiters();
                Ok(Written::Yes { superseded: committed.superseded })
            }
            Err(StoreError::Failing(cause)) => {
                let before = self.trouble;
                let failures = before.map_or(1, |trouble| trouble.failures.saturating_add(1));
                let pause = PAUSE_FIRST.saturating_mul(1 << (failures - 1).min(16)).min(PAUSE_MOST);
                let retry_at = now.plus(pause);
                if before.is_none() {
                    tracing::error!(cause = %cause, "store.failing: nothing is looked at until the store takes writes again");
                }
                self.trouble =
                    Some(Trouble { since: before.map_or(now, |trouble| trouble.since), failures, retry_at });
                Ok(Written::NotNow { retry_at })
            }
            Err(error @ StoreError::Unusable { .. }) => Err(error),
        }
    }
}
