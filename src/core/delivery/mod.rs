//! How events get to webhooks: which ones, in what order, and what becomes of those that are not taken.

mod endpoint;
mod filter;
mod pace;

use serde::{Deserialize, Serialize};
use std::time::Duration;

pub use endpoint::{Endpoint, Ready, Verdict};
pub use filter::{Filter, matches};

use super::time::Timestamp;

/// The sinks that get every event, in order, and are no webhooks.
pub const EVERYTHING: [&str; 2] = ["log", "file"];

/// Posts that one webhook may have in flight: enough to empty a backlog of an hour in seconds, and few for a receiver.
pub const IN_FLIGHT_MOST: usize = 16;

/// What a webhook's endpoint said to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// It has it (2xx).
    Taken,
    /// It does not want this event: 4xx other than 408, 410 and 429, or an event that cannot be sent.
    Refused {
        /// What it said, for people.
        reason: String,
    },
    /// It says that it is gone for good: 410.
    Gone {
        /// What it said, for people.
        reason: String,
    },
    /// It asks to be left alone for a while, whatever the event: 408 and 429.
    Busy {
        /// What it said, for people.
        reason: String,
        /// For how long, if it said so.
        retry_after: Option<Duration>,
    },
    /// It does not work now, or cannot digest this event: 5xx, a redirect, or no answer.
    Failing {
        /// What happened, for people.
        reason: String,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
}

/// What is remembered of a sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkMemory {
    /// Rises by one with each event about the sink.
    pub generation: u64,
    /// Since when it takes nothing; told as `sink.failing`.
    pub failing_since: Option<Timestamp>,
    /// Since when it is not tried any more; told as `sink.disabled`.
    pub disabled_since: Option<Timestamp>,
    /// Whether it is to be tried again all the same: a person asked for it, or it is at another place now.
    pub revived: bool,
}
