//! Brings the store to what the watch lists say.
//!
//! # Guarantees
//! A list whose content is the same costs nothing and changes nothing. A list that is at fault stays as it was last good.
//! What drops more than half of the orders is refused unless it is meant. A list counts as applied only once all its
//! orders are, and that is said in the same transaction: a crash half-way is made up at the next start.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::lifecycle;
use crate::config::{Account, BadList, Entry, WatchList};
use crate::core::event::{DaemonEvent, OrderEvent};
use crate::core::order::{OrderKey, Stream, Watch};
use crate::core::record::{self, Context, Record, Style};
use crate::core::state::Order;
use crate::core::step::Step;
use crate::core::time::Timestamp;
use crate::core::watchlist;
use crate::store::{self, Batch, Known, ListRow, Store, StoreError};

/// Orders that are read and written at once.
const PAGE: u32 = 2000;

/// Why the lists were not applied.
#[derive(Debug, thiserror::Error)]
pub enum ListsError {
    /// It looks like an accident. Exit 78.
    #[error("the watch lists would drop {removed} of {tracked} orders")]
    MassRemoval {
        /// Orders that would be dropped.
        removed: u64,
        /// Orders that are tracked.
        tracked: u64,
    },
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is said where all lists together are refused.
pub(super) fn as_a_whole(why: &ListsError) -> DaemonEvent {
    DaemonEvent::ConfigRejected { file: "watch lists".to_owned(), line: None, reason: unless_meant(why) }
}

/// The same for whoever asked.
pub(super) fn unless_meant(why: &ListsError) -> String {
    format!("{why}; if that is meant, `claimwatch reload --force`")
}

/// Orders of one list that are named in what a change of the lists does; the others are counted.
const NAMED_MOST: usize = 100;

/// What a change of the lists does to the orders of one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Orders added.
    pub added: u64,
    /// Orders removed.
    pub removed: u64,
    /// Orders whose terms changed.
    pub changed: u64,
    /// The first of them, a hundred at most.
    #[serde(default)]
    pub orders: Vec<Affected>,
}

/// An order that a change of the lists concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// What it does.
    pub change: Change,
    /// `chime` or `connect`.
    pub provider: String,
    /// The bare id.
    pub order_id: String,
    /// The entry's own label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether a retry window of it is open.
    pub window_open: bool,
}

/// What a change of the lists does to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is watched from then on.
    Added,
    /// It is not watched any more.
    Removed,
    /// It is watched on other terms, or by another list.
    Changed,
}

impl Changes {
    fn note(&mut self, change: Change, order: &Order) {
        match change {
            Change::Added => self.added += 1,
            Change::Removed => self.removed += 1,
            Change::Changed => self.changed += 1,
        }
        if self.orders.len() < NAMED_MOST {
            self.orders.push(Affected {
                change,
                provider: order.watch.key.provider.as_str().to_owned(),
                order_id: order.watch.key.id.clone(),
                label: order.watch.declared.label.clone(),
                window_open: order.open_windows().next().is_some(),
            });
        }
    }
}

/// What lists would change if they were applied.
#[derive(Debug)]
pub(super) struct Plan {
    /// In each list that would change anything.
    pub(super) lists: BTreeMap<String, Changes>,
    /// Why it would be refused unless it is meant.
    pub(super) refused: Option<String>,
}

/// What these lists would change in what is known. Nothing is written.
pub(super) async fn plan<S: Known>(
    store: &S,
    accounts: &BTreeMap<String, Arc<Account>>,
    (lists, bad): (&[WatchList], &[BadList]),
    now: Timestamp,
) -> Result<Plan, StoreError> {
    let applier = Applier { store, accounts, style: Style::default(), now };
    let differences = applier.differences(lists, bad).await?;
    let refused = match applier.guard(differences.removed.len() as u64, false).await {
        Ok(()) => None,
        Err(ListsError::Store(error)) => return Err(error),
        Err(removal @ ListsError::MassRemoval { .. }) => Some(unless_meant(&removal)),
    };
    let mut applied = Applied::default();
    for (list, _) in &differences.changed {
        for page in list.entries.chunks(PAGE as usize) {
            applier.tracked(list, page, &mut applied).await?;
        }
    }
    for page in differences.removed.chunks(PAGE as usize) {
        applier.untracked(page, &mut applied).await?;
    }
    Ok(Plan { lists: applied.lists, refused })
}

/// What applying lists changed, also where it ended half-way.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// In each list that changed anything.
    pub(super) lists: BTreeMap<String, Changes>,
    /// The orders.
    pub(super) touched: Vec<Stream>,
    /// What is to be written last.
    pub(super) last: LastWords,
}

/// What has the lists count as applied; in the same transaction it is said. Nothing if they are in force already.
#[derive(Debug, Clone, Default)]
pub(super) struct LastWords {
    pub(super) lists: Vec<ListRow>,
    pub(super) dropped: Vec<String>,
    pub(super) event: Option<DaemonEvent>,
}

impl Applied {
    fn of(&mut self, list: &str) -> &mut Changes {
        self.lists.entry(list.to_owned()).or_default()
    }

    /// All lists together.
    fn event(&self) -> DaemonEvent {
        let sum = |count: fn(&Changes) -> u64| self.lists.values().map(count).sum();
        DaemonEvent::ConfigApplied {
            added: sum(|list| list.added),
            removed: sum(|list| list.removed),
            changed: sum(|list| list.changed),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("orders moved on while the lists were applied")]
struct MovedOn;

/// What the lists are applied with.
pub(super) struct Applier<'a, S> {
    pub(super) store: &'a S,
    pub(super) accounts: &'a BTreeMap<String, Arc<Account>>,
    pub(super) style: Style,
    pub(super) now: Timestamp,
}

/// Where the lists differ from what is in force.
struct Differences<'a> {
    /// Lists that are new or say something else.
    changed: Vec<(&'a WatchList, ListRow)>,
    /// Lists that are gone.
    dropped: Vec<String>,
    /// Tracked orders that no list names any more.
    removed: Vec<OrderKey>,
}

impl<S: Store> Applier<'_, S> {
    /// Applies the good lists; orders of bad ones stay as they are.
    pub(super) async fn apply(
        &self,
        lists: &[WatchList],
        bad: &[BadList],
        accept_removal: bool,
    ) -> Result<(), ListsError> {
        let mut applied = Applied::default();
        self.apply_to_orders(lists, bad, accept_removal, &mut applied).await?;
        let LastWords { lists, dropped, event } = applied.last;
        let Some(event) = event else { return Ok(()) };
        let generation = self.store.daemon_generation().await? + 1;
        let said = Batch {
            lists,
            dropped_lists: dropped,
            records: vec![record::of_daemon(&event, (generation, 0), self.now, self.style)],
            daemon_generation: Some(generation),
            ..Batch::default()
        };
        self.store.commit(said).await?;
        Ok(())
    }

    /// Applies them to the orders. They count as applied once the last words are written.
    pub(super) async fn apply_to_orders(
        &self,
        lists: &[WatchList],
        bad: &[BadList],
        accept_removal: bool,
        applied: &mut Applied,
    ) -> Result<(), ListsError> {
        let differences = self.differences(lists, bad).await?;
        if differences.changed.is_empty() && differences.dropped.is_empty() {
            return Ok(());
        }
        self.guard(differences.removed.len() as u64, accept_removal).await?;
        self.write(differences, applied).await
    }

    async fn write(&self, differences: Differences<'_>, applied: &mut Applied) -> Result<(), ListsError> {
        let Differences { changed, dropped, removed } = differences;
        // With the terms that its orders have: by those it is seen what changes for them.
        let unapplied_lists = changed.iter().map(|(_, row)| Arc::clone(&row.terms)).collect();
        self.store.commit(Batch { unapplied_lists, ..Batch::default() }).await?;
        for (list, _) in &changed {
            for page in list.entries.chunks(PAGE as usize) {
                let changes = self.tracked(list, page, applied).await?;
                self.commit(changes, applied).await?;
            }
        }
        for page in removed.chunks(PAGE as usize) {
            let changes = self.untracked(page, applied).await?;
            self.commit(changes, applied).await?;
        }
        let lists = changed.into_iter().map(|(_, row)| row).collect();
        let event = Some(applied.event());
        applied.last = LastWords { lists, dropped, event };
        Ok(())
    }

    async fn commit(&self, changes: Vec<store::Change>, applied: &mut Applied) -> Result<(), StoreError> {
        applied.touched.extend(changes.iter().map(|change| change.order.stream()));
        let committed = self.store.commit(Batch { changes, ..Batch::default() }).await?;
        lifecycle::tell_progress();
        if committed.superseded.is_empty() {
            Ok(())
        } else {
            // The lists do not count as applied then: the next time makes it up.
            Err(StoreError::Failing(Box::new(MovedOn)))
        }
    }
}

impl<S: Known> Applier<'_, S> {
    async fn differences<'a>(
        &self,
        lists: &'a [WatchList],
        bad: &[BadList],
    ) -> Result<Differences<'a>, StoreError> {
        let in_force: BTreeMap<String, String> = self.store.lists().await?.into_iter().collect();
        let rows: Vec<ListRow> = lists.iter().map(|list| self.row(list)).collect();
        let changed: Vec<(&WatchList, ListRow)> = lists
            .iter()
            .zip(rows)
            .filter(|(_, row)| in_force.get(&row.terms.name) != Some(&row.content_hash))
            .collect();
        let kept: BTreeSet<&str> = lists
            .iter()
            .map(|list| list.terms.name.as_str())
            .chain(bad.iter().map(|list| list.name.as_str()))
            .collect();
        let dropped: Vec<String> =
            in_force.keys().filter(|name| !kept.contains(name.as_str())).cloned().collect();
        let removed = self.removed(&changed, &dropped, &in_force).await?;
        Ok(Differences { changed, dropped, removed })
    }

    /// Tracked orders of changed and dropped lists that no changed list names any more.
    async fn removed(
        &self,
        changed: &[(&WatchList, ListRow)],
        dropped: &[String],
        in_force: &BTreeMap<String, String>,
    ) -> Result<Vec<OrderKey>, StoreError> {
        let named: BTreeSet<OrderKey> = changed
            .iter()
            .flat_map(|(list, _)| list.entries.iter().map(|entry| self.key(list, entry)))
            .collect();
        let touched =
            changed.iter().map(|(list, _)| &list.terms.name).filter(|name| in_force.contains_key(*name));
        let mut removed = Vec::new();
        for name in touched.chain(dropped) {
            let mut after: Option<Stream> = None;
            loop {
                let page = self.store.keys_of_list(name, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.stream());
                removed.extend(page.into_iter().filter(|key| !named.contains(key)));
            }
        }
        Ok(removed)
    }

    async fn guard(&self, removed: u64, accept_removal: bool) -> Result<(), ListsError> {
        if removed == 0 || accept_removal {
            return Ok(());
        }
        let (mut tracked, mut after) = (0, None);
        loop {
            let page = self.store.schedule(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.stream);
            tracked += page.len() as u64;
        }
        if watchlist::is_mass_removal(tracked, removed) {
            Err(ListsError::MassRemoval { removed, tracked })
        } else {
            Ok(())
        }
    }

    /// What becomes of the orders of a list.
    async fn tracked(
        &self,
        list: &WatchList,
        entries: &[Entry],
        applied: &mut Applied,
    ) -> Result<Vec<store::Change>, StoreError> {
        let watches: Vec<Watch> = entries.iter().map(|entry| self.watch(list, entry)).collect();
        let streams: Vec<Stream> = watches.iter().map(|watch| watch.key.stream()).collect();
        let stored: BTreeMap<Stream, Order> =
            self.store.load(&streams).await?.into_iter().map(|order| (order.stream(), order)).collect();
        let mut changes = Vec::new();
        for (stream, watch) in streams.into_iter().zip(watches) {
            let before = stored.get(&stream);
            let Some(step) = watchlist::track(before, watch, self.now) else { continue };
            let change = if step.events.is_empty() { Change::Changed } else { Change::Added };
            applied.of(&list.terms.name).note(change, &step.order);
            changes.push(self.change(before.map_or(0, |order| order.generation), step));
        }
        Ok(changes)
    }

    /// What becomes of orders that no list names any more.
    async fn untracked(
        &self,
        keys: &[OrderKey],
        applied: &mut Applied,
    ) -> Result<Vec<store::Change>, StoreError> {
        let streams: Vec<Stream> = keys.iter().map(OrderKey::stream).collect();
        let stored = self.store.load(&streams).await?;
        for order in &stored {
            applied.of(&order.watch.terms.name).note(Change::Removed, order);
        }
        Ok(stored.iter().map(|order| self.change(order.generation, watchlist::untrack(order))).collect())
    }

    fn change(&self, was: u64, step: Step) -> store::Change {
        let Step { order, events } = step;
        let records = self.records(&order, &events);
        store::Change { was, order, records }
    }

    fn records(&self, order: &Order, events: &[OrderEvent]) -> Vec<Record> {
        let account = self.accounts.get(&order.watch.key.account);
        let context = Context {
            account_id: account.and_then(|account| account.account_id.as_deref()),
            now: self.now,
            before: None,
            observed: false,
            style: self.style,
        };
        record::of_order(order, events, &context)
    }

    fn watch(&self, list: &WatchList, entry: &Entry) -> Watch {
        Watch { key: self.key(list, entry), declared: entry.declared.clone(), terms: Arc::clone(&list.terms) }
    }

    fn key(&self, list: &WatchList, entry: &Entry) -> OrderKey {
        OrderKey {
            provider: entry.provider,
            account: list.terms.account.clone(),
            region: self.region(list).to_owned(),
            id: entry.id.clone(),
        }
    }

    /// The region of a list's account. A checked list names an account that exists.
    fn region(&self, list: &WatchList) -> &str {
        self.accounts.get(&list.terms.account).map_or("", |account| &account.region)
    }

    fn row(&self, list: &WatchList) -> ListRow {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        part(self.region(list));
        part(&serde_json::to_string(&*list.terms).unwrap_or_default());
        for entry in &list.entries {
            part(entry.provider.as_str());
            part(&entry.id);
            part(&serde_json::to_string(&entry.declared).unwrap_or_default());
        }
        let content_hash = hash.finalize().iter().fold(String::new(), |mut hex, byte| {
            let _infallible = write!(hex, "{byte:02x}");
            hex
        });
        ListRow { terms: Arc::clone(&list.terms), content_hash }
    }
}
