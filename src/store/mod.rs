//! The store: what is known survives in it, and what is to be said leaves through it.
//!
//! # Guarantees
//! A [`Batch`] is one transaction. A change is applied only if the order still has the generation it was read at.
//! Every record of a batch gets the next `seq`, without a gap, and a delivery for each registered sink: those of the
//! changes first, in their order, then the batch's own. A batch that comes twice is written once.

mod lock;
pub mod memory;
pub mod outbox;
pub mod shown;
pub mod sqlite;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;

use crate::core::event::{ScopeKey, Summary};
use crate::core::order::{ListTerms, OrderKey, Provider, Stream};
use crate::core::record::Record;
use crate::core::scope::ScopeMemory;
use crate::core::state::{Looked, Order};
use crate::core::time::Timestamp;

/// The mode of the files that the store makes: phone numbers are nobody else's business.
const FILE_MODE: u32 = 0o600;

/// Rows that pruning looks at or removes in one transaction: tens of milliseconds, so that what is new does not wait.
pub const PRUNED_AT_ONCE: u32 = 2000;

/// Why the store could not do it. Each variant is a different reaction.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be used at all: unreadable, newer, locked by another daemon, damaged. Exit 74.
    #[error("{detail}")]
    Unusable {
        /// What is wrong and what to do, for people.
        detail: String,
    },
    /// It did not work this time: a full disk, an error of the device. Try again.
    #[error("the store did not take it")]
    Failing(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Everything that is written at once.
#[derive(Debug, Default)]
pub struct Batch {
    /// Watch lists that are new or changed; written before the orders that name them.
    pub lists: Vec<ListRow>,
    /// Watch lists that are about to be applied, written before the orders that name them: as what nobody has applied, and one
    /// that is known keeps its terms until it is among `lists`.
    pub unapplied_lists: Vec<std::sync::Arc<ListTerms>>,
    /// Names of watch lists that are gone; their orders are among `changes`.
    pub dropped_lists: Vec<String>,
    /// Orders that changed.
    pub changes: Vec<Change>,
    /// Looks that changed nothing. Written before `changes`: where an order is in both, the change has the last word.
    pub looked: Vec<(Stream, Looked)>,
    /// What is remembered of scopes.
    pub scopes: Vec<(ScopeKey, ScopeMemory)>,
    /// Events of scopes and of the daemon. Those whose generation was stored before are left out.
    pub records: Vec<Record>,
    /// The daemon's own generation, if one of `records` is its.
    pub daemon_generation: Option<u64>,
    /// Chores that were done, and when.
    pub runs: Vec<(String, Timestamp)>,
}

/// A watch list as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    /// What it says of all its orders.
    pub terms: std::sync::Arc<ListTerms>,
    /// A hash of all that it says: where that is the same, nothing of the list has to be read.
    pub content_hash: String,
}

/// An order that changed.
#[derive(Debug)]
pub struct Change {
    /// The generation it was read at; 0 if it was not stored.
    pub was: u64,
    /// As it is.
    pub order: Order,
    /// What there is to say of it.
    pub records: Vec<Record>,
}

/// What became of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Changes that were not applied, records included, because somebody else had moved the order on.
    pub superseded: Vec<Stream>,
    /// The `seq` of the last event of the store.
    pub last_seq: u64,
}

/// Where pruning goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruning {
    /// With events.
    Events {
        /// Those after this `seq`.
        after: u64,
    },
    /// With what became of orders.
    History {
        /// Those of orders after this one; `None`: of all.
        after: Option<Stream>,
    },
}

impl Pruning {
    /// From the beginning.
    pub const START: Self = Self::Events { after: 0 };
}

/// What one step of pruning did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// Events that are gone, with their deliveries.
    pub events: u64,
    /// Steps of orders' histories that are gone.
    pub transitions: u64,
    /// Where to go on; `None`: that was all.
    pub next: Option<Pruning>,
}

/// A tracked order's place in the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// Who.
    pub stream: Stream,
    /// The service.
    pub provider: Provider,
    /// The account's name.
    pub account: String,
    /// The region.
    pub region: String,
    /// When it wants a look, and how urgently.
    pub looked: Looked,
}

/// What is known of orders and watch lists: enough to tell what a change of the lists would mean.
pub trait Known: Send + Sync + 'static {
    /// The orders with these identities that are stored, tracked or not, in no promised order.
    fn load(&self, streams: &[Stream]) -> impl Future<Output = Result<Vec<Order>, StoreError>> + Send;

    /// Tracked orders by identity, at most `limit` after `after`.
    fn schedule(
        &self,
        after: Option<Stream>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Scheduled>, StoreError>> + Send;

    /// The tracked orders' keys, by list name; at most `limit` after `after`.
    fn keys_of_list(
        &self,
        list: &str,
        after: Option<Stream>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<OrderKey>, StoreError>> + Send;

    /// The watch lists in force: name and content hash.
    fn lists(&self) -> impl Future<Output = Result<Vec<(String, String)>, StoreError>> + Send;
}

/// What the daemon needs of a store. Times that are read are as they were written; who uses them bounds them.
pub trait Store: Known {
    /// Writes a batch in one transaction.
    fn commit(&self, batch: Batch) -> impl Future<Output = Result<Committed, StoreError>> + Send;

    /// What is remembered of the scopes.
    fn scopes(&self) -> impl Future<Output = Result<Vec<(ScopeKey, ScopeMemory)>, StoreError>> + Send;

    /// The daemon's own generation; 0 in a new store.
    fn daemon_generation(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// When each chore was last done, by its name.
    fn runs(&self) -> impl Future<Output = Result<BTreeMap<String, Timestamp>, StoreError>> + Send;

    /// What is open among the tracked orders, with at most `soonest` of the open windows. Reads all of them.
    fn summary(&self, soonest: u32) -> impl Future<Output = Result<Summary, StoreError>> + Send;

    /// Removes a bounded part of what is older than `before`, in one transaction: looks at `limit` events, or removes that
    /// many steps of histories.
    ///
    /// An event stays while a delivery of it waits, and so do the last one of the store and the last one that a sink which
    /// gets everything has: a sink may compare it with what it has. Of an order's history, all stays while it is not over
    /// ([`Order::is_over`]), and after that the last step of each number and of itself. Orders and counters stay for ever,
    /// so that no id and no `seq` is used twice.
    fn prune(
        &self,
        before: Timestamp,
        from: Pruning,
        limit: u32,
    ) -> impl Future<Output = Result<Pruned, StoreError>> + Send;

    /// Copies what was committed to `to`, which must not be there, while others write on; the copy is read back and is on
    /// the disk. Gives the `seq` of its last event. Dropped half-way, it leaves part of a file, which may grow for
    /// a moment more.
    fn copy_to(&self, to: &Path) -> impl Future<Output = Result<u64, StoreError>> + Send {
        let detail = format!("this store cannot be copied to {}", to.display());
        async { Err(StoreError::Unusable { detail }) }
    }

    /// Takes the writer's turn and gives it back: whether the store answers. Nothing is written.
    fn touch(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Leaves the store tidy on disk.
    fn close(&self) -> impl Future<Output = ()> + Send;
}
