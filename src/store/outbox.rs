//! The outbox: what leaves the store, and what became of it.

use std::future::Future;

use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::core::delivery::{Filter, SinkMemory};
use crate::core::record::Record;
use crate::core::time::Timestamp;

/// Characters that are kept of what a sink said when it refused: enough to know it again, and a row stays small.
pub(super) const LAST_ERROR_MAX: usize = 500;

/// Deliveries that are put back in the queue in one transaction. A million at once would hold up what is new.
pub const REQUEUED_AT_ONCE: u32 = 2000;

/// A sink that events go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Its name.
    pub name: String,
    /// What it gets.
    pub takes: Takes,
}

/// What a sink gets, and in what order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Takes {
    /// Every event, in strict `seq`.
    Everything,
    /// What the filter wants, in order per stream.
    Chosen {
        /// What it wants.
        filter: Filter,
        /// A hash of where it is: at another place a sink that was disabled is tried again.
        place: String,
    },
}

impl Takes {
    /// Whether the sink chooses.
    pub fn is_chosen(&self) -> bool {
        match self {
            Self::Everything => false,
            Self::Chosen { .. } => true,
        }
    }
}

/// An event on its way to a sink that gets everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its place.
    pub seq: u64,
    /// The record as JSON, without a line break.
    pub json: String,
}

/// The first event of a stream that waits for a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its stream.
    pub stream: String,
    /// Its place among all events.
    pub seq: u64,
    /// Its place among those of the sink, from 1, without a gap.
    pub sink_seq: u64,
    /// What is held against it.
    pub strikes: u32,
    /// The record as JSON, without a line break.
    pub json: String,
}

/// What became of deliveries to one sink. Written in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// The sink.
    pub sink: String,
    /// Events that it has.
    pub delivered: Vec<u64>,
    /// Events that it did not take.
    pub failed: Vec<Failed>,
    /// What is remembered of it, if that changed.
    pub memory: Option<SinkMemory>,
    /// What there is to say of it.
    pub records: Vec<Record>,
    /// When.
    pub at: Timestamp,
}

impl Settlement {
    /// Nothing became of anything yet.
    pub fn of(sink: &str, at: Timestamp) -> Self {
        Self {
            sink: sink.to_owned(),
            delivered: Vec::new(),
            failed: Vec::new(),
            memory: None,
            records: Vec::new(),
            at,
        }
    }
}

/// An event that a sink did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The event.
    pub seq: u64,
    /// What the sink said.
    pub error: String,
    /// What is held against the event now.
    pub strikes: u32,
    /// Whether it is put aside.
    pub dead: bool,
}

/// What is put back in a webhook's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requeue {
    /// What is dead.
    Dead,
    /// One event, by its place.
    One(u64),
    /// Everything that the sink wants since then, delivered or not, and from before it was added too.
    From(Timestamp),
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stands {
    /// It waits.
    Pending,
    /// The sink has it.
    Delivered,
    /// It was refused for good.
    Dead,
}

impl Stands {
    /// The word of the store and of commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// The state that a word means.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Dead].into_iter().find(|state| state.as_str() == word)
    }
}

/// A sink with what waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkStatus {
    /// Its name.
    pub name: String,
    /// Whether it chooses what it gets. One that does not gets everything once, and nothing of it can be requeued.
    pub chooses: bool,
    /// Events that wait for it.
    pub pending: u64,
    /// Events that it refused for good.
    pub dead: u64,
    /// When the oldest event that waits was recorded.
    pub oldest: Option<Timestamp>,
    /// What it said last of the oldest event that waits, if it did not take it.
    pub last_error: Option<String>,
    /// What is remembered of it.
    #[serde(flatten)]
    pub memory: SinkMemory,
}

/// A delivery as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryStatus {
    /// The sink.
    pub sink: String,
    /// The event's place.
    pub seq: u64,
    /// The event's id.
    pub id: String,
    /// The event's name.
    pub event: String,
    /// The number that it is about, else the order, else the account.
    pub about: Option<String>,
    /// When the event was recorded.
    pub time: Option<Timestamp>,
    /// Where it stands.
    pub stands: Stands,
    /// How often the sink did not take it.
    pub attempts: u32,
    /// What it said the last time.
    pub last_error: Option<String>,
    /// When that was, or when it was delivered.
    pub updated_at: Option<Timestamp>,
}

/// What those need of a store who bring events to sinks.
///
/// # Guarantees
/// Every event has a delivery for each sink that was registered when it was committed and wants it, until it is
/// delivered or dead; `sink_seq` counts them without a gap. Deliveries of sinks that are not registered any more are gone.
pub trait Outbox: Send + Sync + 'static {
    /// Which store it is: a random number that it got when it was made. With it, ids of events are unique over all
    /// stores.
    fn store_id(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// The sinks that events go to from here on. One that is new starts with the next event; deliveries of one that is
    /// gone are dropped, and told: the sink, and how many waited. One that kept its name and changed what it wants keeps what it has not got; but one that gets
    /// everything and one that chooses are two sinks, whatever they are called.
    fn register_sinks(
        &self,
        sinks: &[Registration],
    ) -> impl Future<Output = Result<Vec<(String, u64)>, StoreError>> + Send;

    /// The oldest events that a sink has not got, by `seq`.
    fn pending(
        &self,
        sink: &str,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Delivery>, StoreError>> + Send;

    /// The place of the event with this id, if the store has it.
    fn place_of(&self, id: &str) -> impl Future<Output = Result<Option<u64>, StoreError>> + Send;

    /// The event in this place, if the store has it.
    fn event(&self, seq: u64) -> impl Future<Output = Result<Option<Delivery>, StoreError>> + Send;

    /// A sink that gets everything has everything up to this `seq`.
    fn delivered(
        &self,
        sink: &str,
        through: u64,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The first event that a sink has not got of each stream, but for those in `except`; the oldest, at most `limit`.
    fn waiting(
        &self,
        sink: &str,
        except: &[String],
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Waiting>, StoreError>> + Send;

    /// Writes what became of deliveries, with what there is to say of it, and gives the `seq` of the last event of the
    /// store. Settling a delivery a second time changes nothing.
    fn settle(&self, settlement: Settlement) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// What is remembered of a sink.
    fn sink(&self, name: &str) -> impl Future<Output = Result<SinkMemory, StoreError>> + Send;

    /// The sinks by name.
    fn sinks(&self) -> impl Future<Output = Result<Vec<SinkStatus>, StoreError>> + Send;

    /// A sink's deliveries that stand so, by `seq`, at most `limit` after `after`.
    fn deliveries(
        &self,
        sink: &str,
        stands: Stands,
        after: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<DeliveryStatus>, StoreError>> + Send;

    /// Puts deliveries of a sink that chooses back in the queue, at most [`REQUEUED_AT_ONCE`] after `after`, and lets a
    /// disabled one be tried again. Gives how many, and the last one's `seq` if there may be more. Nothing becomes of it
    /// for a sink that gets everything, nor for an event about the sink itself.
    fn requeue(
        &self,
        sink: &str,
        what: Requeue,
        after: u64,
    ) -> impl Future<Output = Result<(u64, Option<u64>), StoreError>> + Send;
}
