//! Where events leave: one kind of sink a file.
//!
//! # Guarantees
//! A sink takes events in the order of their `seq` and answers only when they are out of its hands. What it has not
//! answered for is offered again.

pub mod file;
pub mod journald;
pub mod log;
pub mod text;
pub mod webhook;

use std::future::Future;

use tokio::io::{Stderr, Stdout};

use self::journald::JournalSink;
use self::log::LogSink;
use crate::core::delivery::Posted;
use crate::core::time::Timestamp;

/// Events in one call of [`Sink::deliver`]: what bounds the memory of a sink that was away for long.
pub const BATCH_MAX: usize = 500;

/// An event on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its place among all events of the store.
    pub seq: u64,
    /// The record as JSON, without a line break.
    pub json: String,
}

/// Why a sink did not take it. Each variant is a different reaction.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// It will not take anything before a person has mended it: worth a word at once.
    #[error("{detail}")]
    Unusable {
        /// What is wrong and what to do, for people.
        detail: String,
    },
    /// It did not work this time: a full disk, a closed pipe. Try again.
    #[error("the sink did not take it")]
    Failing(#[source] std::io::Error),
}

/// An event on its way to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// The store that the event is of. With it, its id is unique over all stores.
    pub store: u64,
    /// The event's id: the same each time that it is sent.
    pub id: String,
    /// Its place among the webhook's own events, from 1.
    pub sink_seq: u64,
    /// The record as JSON, without a line break.
    pub json: String,
    /// When it is sent.
    pub at: Timestamp,
}

/// A webhook.
pub trait Post: Send + Sync + 'static {
    /// Its name among the sinks.
    fn name(&self) -> &str;

    /// Sends an event once and says what became of it.
    fn post(&self, parcel: Parcel) -> impl Future<Output = Posted> + Send;
}

/// Somewhere that events go to.
pub trait Sink: Send {
    /// Its name among the sinks, by which the store keeps what it has not got.
    fn name(&self) -> &str;

    /// Makes it ready, and gives the last event that it has, if it can know: it has all before that, if that one is of
    /// this store.
    ///
    /// # Errors
    /// `Unusable` if a person has to act before it can be. It is asked again.
    fn start(&mut self) -> impl Future<Output = Result<Option<Line>, SinkError>> + Send;

    /// Takes up to [`BATCH_MAX`] events in the order of their `seq`.
    ///
    /// # Errors
    /// All of them are offered again: a sink that can do so has taken none.
    fn deliver(&mut self, batch: &[Line]) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// The log, wherever it goes.
#[derive(Debug)]
pub enum Log {
    /// A line an event.
    Lines(LogSink<Stdout>),
    /// An entry an event.
    Journal(JournalSink<Stderr>),
}

impl Sink for Log {
    fn name(&self) -> &str {
        match self {
            Self::Lines(log) => log.name(),
            Self::Journal(log) => log.name(),
        }
    }

    async fn start(&mut self) -> Result<Option<Line>, SinkError> {
        match self {
            Self::Lines(log) => log.start().await,
            Self::Journal(log) => log.start().await,
        }
    }

    async fn deliver(&mut self, batch: &[Line]) -> Result<(), SinkError> {
        match self {
            Self::Lines(log) => log.deliver(batch).await,
            Self::Journal(log) => log.deliver(batch).await,
        }
    }
}
