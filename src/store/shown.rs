//! What people and scripts are shown of a store: orders by urgency, an order's history, the events.

use std::future::Future;

use serde::{Deserialize, Serialize};

use super::outbox::{Delivery, SinkStatus, Stands};
use super::{Known, StoreError};
use crate::core::event::ScopeKey;
use crate::core::order::Stream;
use crate::core::scope::ScopeMemory;
use crate::core::standing::Urgency;
use crate::core::time::Timestamp;

/// How many orders stand alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The service's word.
    pub provider: String,
    /// The watch list.
    pub list: String,
    /// Where they stand, in a word.
    pub standing: String,
    /// How much they want somebody; `None`: not known yet.
    pub urgency: Option<Urgency>,
    /// How many.
    pub orders: u64,
    /// How many of their retry windows are open.
    pub windows: u64,
    /// How many of those nobody has acknowledged.
    pub unacknowledged: u64,
    /// The soonest end of those that nobody has acknowledged.
    pub soonest: Option<Timestamp>,
}

/// Which orders are wanted; what is left out chooses nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of these watch lists.
    pub lists: Option<Vec<String>>,
    /// That stand so, whatever the case of the letters.
    pub standing: Option<String>,
    /// Of this service.
    pub provider: Option<String>,
    /// Of this account.
    pub account: Option<String>,
    /// Of this urgency.
    pub urgency: Option<Urgency>,
}

/// An order's place among all that are tracked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placed {
    /// [`Urgency::rank`].
    pub rank: i64,
    /// [`crate::core::standing::Standing::place`].
    pub place: i64,
    /// Who.
    pub stream: Stream,
}

impl Placed {
    /// As a page's cursor.
    pub fn cursor(&self) -> String {
        format!("{}.{}.{}", self.rank, self.place, self.stream)
    }

    /// Reads a cursor.
    pub fn parse(cursor: &str) -> Option<Self> {
        let (rank, rest) = cursor.split_once('.')?;
        let (place, stream) = rest.split_once('.')?;
        Some(Self { rank: rank.parse().ok()?, place: place.parse().ok()?, stream: Stream::parse(stream)? })
    }
}

/// A step of an order's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The event that told it, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The generation that it made.
    pub generation: u64,
    /// The event's name.
    pub event: String,
    /// E.164, where it is about a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The status before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The status after; `None` where it is not a change of status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The provider's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// The provider's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The look before: it happened after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_after: Option<Timestamp>,
}

/// What became of an event at one sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The sink.
    pub sink: String,
    /// The event.
    pub seq: u64,
    /// Where it stands.
    pub stands: Stands,
    /// How often the sink did not take it.
    pub attempts: u32,
    /// What it said the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When that was, or when it was delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// How many events of a kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    /// The event's name.
    pub event: String,
    /// Its level.
    pub level: String,
    /// The service, for an event of an order or a scope.
    pub provider: Option<String>,
    /// The watch list, for an event of an order.
    pub list: Option<String>,
    /// The status after, for a change of one.
    pub to: Option<String>,
    /// How many.
    pub count: u64,
}

/// What is shown of a store. Every answer is bounded, by its `limit` or by what the configuration names, and takes as long
/// for a hundred thousand orders as for a hundred, but for counts and filters, which read one narrow index.
pub trait Shown: Known {
    /// How the tracked orders stand.
    fn counts(&self) -> impl Future<Output = Result<Vec<Count>, StoreError>> + Send;

    /// How many tracked orders want how much, with their open windows. Less work than [`Shown::counts`].
    fn urgencies(&self) -> impl Future<Output = Result<Vec<(Option<Urgency>, u64, u64)>, StoreError>> + Send;

    /// Tracked orders, the most urgent first, at most `limit` after `after`.
    fn placed(
        &self,
        wanted: &Wanted,
        after: Option<Placed>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Placed>, StoreError>> + Send;

    /// Names of the lists in force with this label.
    fn lists_with(
        &self,
        label: &str,
        value: &str,
    ) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send;

    /// Orders with this id or this number, or whose id begins so; at most `limit`. Those that are not tracked come last.
    fn named(&self, name: &str, limit: u32) -> impl Future<Output = Result<Vec<Stream>, StoreError>> + Send;

    /// What became of an order, at most `limit` steps, the latest first.
    fn history(
        &self,
        stream: Stream,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Transition>, StoreError>> + Send;

    /// What became of these events, by event and sink.
    fn sent(&self, seqs: &[u64]) -> impl Future<Output = Result<Vec<Sent>, StoreError>> + Send;

    /// The events of the latest changes of all orders, at most `limit`, the latest first.
    fn latest_changes(&self, limit: u32) -> impl Future<Output = Result<Vec<Delivery>, StoreError>> + Send;

    /// The events after `after`, by `seq`, at most `limit`.
    fn events(
        &self,
        after: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Delivery>, StoreError>> + Send;

    /// The events before `before`, the latest first, at most `limit`.
    fn events_before(
        &self,
        before: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Delivery>, StoreError>> + Send;

    /// The `seq` of the last event that was recorded before `time`; 0: none was.
    fn before(&self, time: Timestamp) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// The `seq` of the last event; 0: there was none.
    fn last_seq(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// How many events of each kind there are after `after`, up to and with `through`.
    fn told(&self, after: u64, through: u64) -> impl Future<Output = Result<Vec<Told>, StoreError>> + Send;

    /// What is remembered of the scopes.
    fn remembered(&self) -> impl Future<Output = Result<Vec<(ScopeKey, ScopeMemory)>, StoreError>> + Send;

    /// The sinks by name.
    fn shown_sinks(&self) -> impl Future<Output = Result<Vec<SinkStatus>, StoreError>> + Send;
}
