//! A store in which calls fail before they did anything or after they did it all, take their time, and are cut off.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Trouble;
use super::life::Life;
use super::plan::Chance as _;
use super::sinks::lock;
use crate::core::delivery::SinkMemory;
use crate::core::event::{ScopeKey, Summary};
use crate::core::order::{OrderKey, Stream};
use crate::core::random::Random;
use crate::core::scope::ScopeMemory;
use crate::core::state::Order;
use crate::core::time::Timestamp;
use crate::core::watchlist;
use crate::store::outbox::{
    Delivery, DeliveryStatus, Outbox, Registration, Requeue, Settlement, SinkStatus, Stands, Waiting,
};
use crate::store::{Batch, Change, Committed, Known, Pruned, Pruning, Scheduled, Store, StoreError};

/// A store that one life of the daemon sees.
pub(super) struct Faulty<S> {
    pub(super) inner: Arc<S>,
    pub(super) life: Arc<Life>,
    pub(super) trouble: Arc<Trouble>,
    pub(super) random: Mutex<Random>,
    /// Whether the store works on threads of its own, for which virtual time has to wait.
    pub(super) on_disk: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Odd(&'static str);

fn failing(why: &'static str) -> StoreError {
    StoreError::Failing(Box::new(Odd(why)))
}

impl<S> Faulty<S> {
    fn chance(&self, part: f64) -> bool {
        part > 0.0 && lock(&self.random).chance(part)
    }

    async fn call<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.life.step().await;
        let rates = self.trouble.rates();
        if self.chance(rates.store_slow) {
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        if self.chance(rates.store_before) {
            return Err(failing("the disk is full"));
        }
        let done = self.held(work).await;
        self.life.step().await;
        if done.is_ok() && self.chance(rates.store_after) {
            return Err(failing("it was done, and nobody heard of it"));
        }
        done
    }

    async fn held<T>(&self, work: impl Future<Output = T>) -> T {
        if self.on_disk { hold_time(work).await } else { work.await }
    }
}

impl<S: Store> Faulty<S> {
    /// Somebody else changes an order that the daemon has just read: what it makes of that is outdated.
    async fn edit(&self, order: &Order) -> Result<(), StoreError> {
        let number = {
            let mut edits = lock(&self.trouble.edits);
            edits.count += 1;
            edits.count
        };
        let mut watch = order.watch.clone();
        watch.declared.label = Some(format!("edit {number}"));
        if let Some(step) =
            watchlist::track(Some(order), watch, self.trouble.wall()).filter(|_| order.tracked)
        {
            let change = Change { was: order.generation, order: step.order, records: Vec::new() };
            let batch = Batch { changes: vec![change], ..Batch::default() };
            if self.held(self.inner.commit(batch)).await?.superseded.is_empty() {
                lock(&self.trouble.edits).last.insert(order.stream(), number);
            }
        }
        Ok(())
    }

    /// What somebody else changed is still there.
    fn check_edits(&self, orders: &[Order]) {
        let mut edits = lock(&self.trouble.edits);
        for order in orders {
            let label = order.watch.declared.label.as_deref().and_then(|label| label.strip_prefix("edit "));
            let has = label.and_then(|number| number.parse().ok()).unwrap_or(0);
            if edits.last.get(&order.stream()).is_some_and(|last| has < *last) {
                let lost = format!("a change of {} was overwritten: it has edit {has}", order.watch.key.id);
                edits.lost.push(lost);
            }
        }
    }
}

/// Does work that goes on outside of virtual time: while a blocking task runs, that stands still.
pub(super) async fn hold_time<T>(work: impl Future<Output = T>) -> T {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let hold = tokio::task::spawn_blocking(move || held.recv().is_ok());
    let done = work.await;
    drop(release);
    let _ended = hold.await;
    done
}

impl<S: Store> Known for Faulty<S> {
    async fn load(&self, streams: &[Stream]) -> Result<Vec<Order>, StoreError> {
        let orders = self.call(self.inner.load(streams)).await?;
        self.check_edits(&orders);
        for order in &orders {
            if self.chance(self.trouble.rates().edited) {
                self.edit(order).await?;
            }
        }
        Ok(orders)
    }

    async fn schedule(&self, after: Option<Stream>, limit: u32) -> Result<Vec<Scheduled>, StoreError> {
        self.held(self.inner.schedule(after, limit)).await
    }

    async fn keys_of_list(
        &self,
        list: &str,
        after: Option<Stream>,
        limit: u32,
    ) -> Result<Vec<OrderKey>, StoreError> {
        self.held(self.inner.keys_of_list(list, after, limit)).await
    }

    async fn lists(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.held(self.inner.lists()).await
    }
}

impl<S: Store> Store for Faulty<S> {
    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        // Lists that are applied have the last word.
        if !batch.lists.is_empty() || !batch.unapplied_lists.is_empty() {
            lock(&self.trouble.edits).last.clear();
        }
        self.call(self.inner.commit(batch)).await
    }
    async fn scopes(&self) -> Result<Vec<(ScopeKey, ScopeMemory)>, StoreError> {
        self.held(self.inner.scopes()).await
    }
    async fn daemon_generation(&self) -> Result<u64, StoreError> {
        self.held(self.inner.daemon_generation()).await
    }
    async fn runs(&self) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        self.held(self.inner.runs()).await
    }
    async fn summary(&self, soonest: u32) -> Result<Summary, StoreError> {
        self.held(self.inner.summary(soonest)).await
    }
    async fn prune(&self, before: Timestamp, from: Pruning, limit: u32) -> Result<Pruned, StoreError> {
        self.call(self.inner.prune(before, from, limit)).await
    }
    async fn touch(&self) -> Result<(), StoreError> {
        self.held(self.inner.touch()).await
    }
    async fn close(&self) {}
}

impl<S: Outbox> Outbox for Faulty<S> {
    async fn register_sinks(&self, sinks: &[Registration]) -> Result<Vec<(String, u64)>, StoreError> {
        self.held(self.inner.register_sinks(sinks)).await
    }
    async fn store_id(&self) -> Result<u64, StoreError> {
        self.held(self.inner.store_id()).await
    }
    async fn pending(&self, sink: &str, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        self.call(self.inner.pending(sink, limit)).await
    }
    async fn place_of(&self, id: &str) -> Result<Option<u64>, StoreError> {
        self.held(self.inner.place_of(id)).await
    }
    async fn event(&self, seq: u64) -> Result<Option<Delivery>, StoreError> {
        self.call(self.inner.event(seq)).await
    }
    async fn delivered(&self, sink: &str, through: u64, at: Timestamp) -> Result<(), StoreError> {
        self.call(self.inner.delivered(sink, through, at)).await
    }
    async fn waiting(&self, sink: &str, except: &[String], limit: u32) -> Result<Vec<Waiting>, StoreError> {
        self.call(self.inner.waiting(sink, except, limit)).await
    }
    async fn settle(&self, settlement: Settlement) -> Result<u64, StoreError> {
        self.call(self.inner.settle(settlement)).await
    }
    async fn sink(&self, name: &str) -> Result<SinkMemory, StoreError> {
        self.call(self.inner.sink(name)).await
    }
    async fn sinks(&self) -> Result<Vec<SinkStatus>, StoreError> {
        self.held(self.inner.sinks()).await
    }
    async fn deliveries(
        &self,
        sink: &str,
        stands: Stands,
        after: u64,
        limit: u32,
    ) -> Result<Vec<DeliveryStatus>, StoreError> {
        self.held(self.inner.deliveries(sink, stands, after, limit)).await
    }
    async fn requeue(&self, sink: &str, what: Requeue, after: u64) -> Result<(u64, Option<u64>), StoreError> {
        self.held(self.inner.requeue(sink, what, after)).await
    }
}
