//! The store of simulations: the same semantics as on disk, and nothing survives the process.

mod outbox;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::outbox::Registration;
use super::{Batch, Change, Committed, Known, Pruned, Pruning, Scheduled, Store, StoreError};
use crate::core::event::{OpenWindow, ScopeKey, Summary};
use crate::core::order::{ListTerms, OrderKey, Stream};
use crate::core::record::{DAEMON_STREAM, Record};
use crate::core::scope::ScopeMemory;
use crate::core::state::{Order, Status};
use crate::core::time::Timestamp;

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    lists: BTreeMap<String, List>,
    orders: BTreeMap<Stream, Order>,
    last_seq: u64,
    daemon_generation: u64,
    events: BTreeMap<u64, String>,
    registered: Vec<Registration>,
    sinks: BTreeMap<String, outbox::Queue>,
    /// The queues' counters of sinks that are gone.
    gone: BTreeMap<String, (u64, u64)>,
    scopes: BTreeMap<ScopeKey, ScopeMemory>,
    runs: BTreeMap<String, Timestamp>,
}

#[derive(Debug)]
struct List {
    terms: Arc<ListTerms>,
    content_hash: String,
    in_force: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("an order names the watch list {0:?}, which was never stored")]
struct UnknownList(String);

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held, and what a batch cannot do is found out before it is applied.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn commit(&mut self, batch: Batch) -> Result<Committed, StoreError> {
        let (applied, superseded) = self.judge(&batch)?;
        let said_before: Vec<bool> = batch.records.iter().map(|record| self.was_said(record)).collect();
        for terms in batch.unapplied_lists {
            let new = || List { terms: Arc::clone(&terms), content_hash: String::new(), in_force: true };
            let list = self.lists.entry(terms.name.clone()).or_insert_with(new);
            (list.content_hash, list.in_force) = (String::new(), true);
        }
        for list in batch.lists {
            let stored =
                List { terms: Arc::clone(&list.terms), content_hash: list.content_hash, in_force: true };
            self.lists.insert(list.terms.name.clone(), stored);
        }
        for name in batch.dropped_lists {
            if let Some(list) = self.lists.get_mut(&name) {
                list.in_force = false;
            }
        }
        for (stream, looked) in batch.looked {
            if let Some(order) = self.orders.get_mut(&stream) {
                order.looked = looked;
            }
        }
        let mut records = Vec::new();
        for (change, applied) in batch.changes.into_iter().zip(applied) {
            if applied {
                records.extend(change.records);
                self.orders.insert(change.order.stream(), change.order);
            }
        }
        let new = batch.records.into_iter().zip(said_before).filter(|(_, before)| !before);
        records.extend(new.map(|(record, _)| record));
        for record in records {
            self.say(record)?;
        }
        self.scopes.extend(batch.scopes);
        self.runs.extend(batch.runs);
        self.daemon_generation = self.daemon_generation.max(batch.daemon_generation.unwrap_or_default());
        Ok(Committed { superseded, last_seq: self.last_seq })
    }

    /// Which changes are applied, and whose are not; an error before anything was.
    fn judge(&self, batch: &Batch) -> Result<(Vec<bool>, Vec<Stream>), StoreError> {
        let mut generations: BTreeMap<Stream, u64> = BTreeMap::new();
        let mut superseded = Vec::new();
        let mut applied = Vec::with_capacity(batch.changes.len());
        for Change { was, order, .. } in &batch.changes {
            let stream = order.stream();
            let stored = generations.get(&stream).copied().or(self.orders.get(&stream).map(|o| o.generation));
            // Nothing is stored as generation 0, so that is also what is not stored.
            let wins = if *was == 0 { stored.is_none() } else { stored == Some(*was) };
            applied.push(wins);
            if !wins {
                superseded.push(stream);
                continue;
            }
            generations.insert(stream, order.generation);
            let list = &order.watch.terms.name;
            let mut named = batch.lists.iter().map(|row| &row.terms).chain(&batch.unapplied_lists);
            if !self.lists.contains_key(list) && !named.any(|terms| terms.name == *list) {
                return Err(StoreError::Failing(Box::new(UnknownList(list.clone()))));
            }
        }
        Ok((applied, superseded))
    }

    fn say(&mut self, mut record: Record) -> Result<(), StoreError> {
        record.seq = self.last_seq + 1;
        let json = serde_json::to_string(&record).map_err(|error| StoreError::Failing(Box::new(error)))?;
        self.last_seq = record.seq;
        self.events.insert(record.seq, json);
        self.queue(&record);
        Ok(())
    }

    /// Whether a record of the daemon or of a scope came before.
    fn was_said(&self, record: &Record) -> bool {
        let stream = record.stream();
        let said = if stream == DAEMON_STREAM {
            Some(self.daemon_generation)
        } else {
            let mut scopes = self.scopes.iter();
            scopes.find(|(key, _)| key.stream().to_string() == stream).map(|(_, memory)| memory.generation)
        };
        said.zip(record.generation).is_some_and(|(said, generation)| generation <= said)
    }

    /// An order with the terms that its list has.
    fn order(&self, stream: Stream) -> Option<Order> {
        let mut order = self.orders.get(&stream)?.clone();
        if let Some(list) = self.lists.get(&order.watch.terms.name) {
            order.watch.terms = Arc::clone(&list.terms);
        }
        Some(order)
    }

    fn tracked(&self, after: Option<Stream>) -> impl Iterator<Item = (Stream, &Order)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.orders.range((from, Bound::Unbounded));
        rest.filter(|(_, order)| order.tracked).map(|(stream, order)| (*stream, order))
    }
}

/// A page's size.
fn size(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

impl Known for MemoryStore {
    async fn load(&self, streams: &[Stream]) -> Result<Vec<Order>, StoreError> {
        let inner = self.inner();
        Ok(streams.iter().filter_map(|stream| inner.order(*stream)).collect())
    }

    async fn schedule(&self, after: Option<Stream>, limit: u32) -> Result<Vec<Scheduled>, StoreError> {
        let place = |(stream, order): (Stream, &Order)| Scheduled {
            stream,
            provider: order.watch.key.provider,
            account: order.watch.key.account.clone(),
            region: order.watch.key.region.clone(),
            looked: order.looked,
        };
        Ok(self.inner().tracked(after).map(place).take(size(limit)).collect())
    }

    async fn keys_of_list(
        &self,
        list: &str,
        after: Option<Stream>,
        limit: u32,
    ) -> Result<Vec<OrderKey>, StoreError> {
        let inner = self.inner();
        let of_list = inner.tracked(after).filter(|(_, order)| order.watch.terms.name == list);
        Ok(of_list.map(|(_, order)| order.watch.key.clone()).take(size(limit)).collect())
    }

    async fn lists(&self) -> Result<Vec<(String, String)>, StoreError> {
        let inner = self.inner();
        let in_force = inner.lists.iter().filter(|(_, list)| list.in_force);
        Ok(in_force.map(|(name, list)| (name.clone(), list.content_hash.clone())).collect())
    }
}

impl Store for MemoryStore {
    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        self.inner().commit(batch)
    }

    async fn scopes(&self) -> Result<Vec<(ScopeKey, ScopeMemory)>, StoreError> {
        Ok(self.inner().scopes.iter().map(|(key, memory)| (key.clone(), memory.clone())).collect())
    }

    async fn daemon_generation(&self) -> Result<u64, StoreError> {
        Ok(self.inner().daemon_generation)
    }

    async fn runs(&self) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        Ok(self.inner().runs.clone())
    }

    async fn summary(&self, soonest: u32) -> Result<Summary, StoreError> {
        let inner = self.inner();
        let mut summary = Summary::default();
        for (_, order) in inner.tracked(None) {
            let looked_at = order.looked.due_at.is_some();
            let numbers = &order.state.numbers;
            summary.pending += u64::from(numbers.is_empty() && looked_at);
            for (number, about) in numbers {
                let pending = match &about.status {
                    Status::NeverSeen => looked_at,
                    Status::InProgress { .. } => true,
                    Status::Claimed { .. } | Status::Failed { .. } | Status::Released { .. } => false,
                };
                summary.pending += u64::from(pending);
                summary.failed += u64::from(matches!(about.status, Status::Failed { .. }));
                summary.soonest.extend(about.window.open().map(|window| OpenWindow {
                    number: number.clone(),
                    order_id: order.watch.key.id.clone(),
                    list: order.watch.terms.name.clone(),
                    earliest: window.earliest,
                }));
            }
        }
        summary.windows = summary.soonest.len() as u64;
        summary.soonest.sort_by(|a, b| (a.earliest, &a.number).cmp(&(b.earliest, &b.number)));
        summary.soonest.truncate(size(soonest));
        Ok(summary)
    }

    async fn prune(&self, before: Timestamp, from: Pruning, limit: u32) -> Result<Pruned, StoreError> {
        Ok(match from {
            Pruning::Events { after } => self.inner().prune(before, after, limit),
            Pruning::History { .. } => Pruned { events: 0, transitions: 0, next: None },
        })
    }

    async fn touch(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn close(&self) {}
}
