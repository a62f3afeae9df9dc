//! What is shown of events on their way out: the JSON of `GET /api/v1/sinks` and of what lies under it, as it stands.
//!
//! # Guarantees
//! One answer has at most [`PAGE_MOST`] deliveries, however many there are.

use serde::{Deserialize, Serialize};

use crate::store::outbox::{DeliveryStatus, SinkStatus, Stands};

/// Deliveries in one answer: a screen or two for people, half a megabyte for scripts.
pub const PAGE_MOST: u32 = 1000;

/// All sinks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sinks {
    /// By name.
    pub sinks: Vec<SinkStatus>,
}

impl Sinks {
    /// What whoever asked for another one is told.
    pub fn no_such(&self, name: &str) -> String {
        let known: Vec<&str> = self.sinks.iter().map(|sink| sink.name.as_str()).collect();
        format!("there is no sink {name:?}; there are: {}", known.join(", "))
    }
}

/// Some of a sink's deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The sink.
    pub sink: String,
    /// Where all of these stand.
    pub state: Stands,
    /// By `seq`.
    pub deliveries: Vec<DeliveryStatus>,
    /// The last one's `seq` if there may be more: `after` of the next page.
    pub next: Option<u64>,
}

impl Page {
    /// A page that was read with this limit.
    pub fn new(sink: String, state: Stands, deliveries: Vec<DeliveryStatus>, limit: u32) -> Self {
        let full = deliveries.len() as u64 >= u64::from(limit);
        let next = deliveries.last().filter(|_| full).map(|last| last.seq);
        Self { sink, state, deliveries, next }
    }
}

/// What was put back in a sink's queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requeued {
    /// The sink.
    pub sink: String,
    /// How many events.
    pub requeued: u64,
    /// The last one's `seq` if there may be more: `after` of the next request.
    pub next: Option<u64>,
}
