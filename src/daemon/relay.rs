//! The relay: takes events out of the store to a sink, in order. Each sink has a relay of its own, so that a slow one
//! holds up no other.
//!
//! # Expected flow
//! Look at what is pending, at most [`BATCH_MAX`] events; deliver; note it in the store; look again. Nothing pending: wait
//! for the next commit. No transaction is open while a sink works.
//!
//! # Guarantees
//! Strict `seq`: an event is offered only when all before it were taken. Nothing is dropped. What was delivered is noted
//! before anything else is offered, however often the store has to be asked, so that within one life of the process
//! nothing leaves twice through a sink that takes a batch whole or not at all.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::core::time::Tick;
use crate::sink::{BATCH_MAX, Line, Sink, SinkError};
use crate::store::{Delivery, Store, StoreError};

/// Why a relay ended unasked: what trying again does not mend.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The sink cannot be used.
    #[error("the sink {name} cannot be used")]
    Sink {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: SinkError,
    },
    /// The store cannot be used.
    #[error("the store cannot be used")]
    Store(#[source] StoreError),
}

/// How long to wait before another try.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// After the first failure; doubled with each further one.
    pub first: Duration,
    /// At most.
    pub most: Duration,
}

impl Default for Pace {
    /// A second, since most trouble is over by then; a minute, since a disk that has room again should not wait longer.
    fn default() -> Self {
        Self { first: Duration::from_secs(1), most: Duration::from_mins(1) }
    }
}

/// Runs one sink until `stop`, then flushes what is pending and returns; the caller bounds that with a time-out.
///
/// `wake` changes with each commit that had events. The sink has to be registered with the store.
///
/// # Errors
/// Only for what trying again does not mend; everything else is tried again.
pub async fn run<S: Store, K: Sink, C: Clock>(
    store: Arc<S>,
    sink: K,
    clock: Arc<C>,
    wake: watch::Receiver<u64>,
    stop: CancellationToken,
) -> Result<(), RelayError> {
    run_paced(store, sink, clock, wake, stop, Pace::default()).await
}

/// [`run`] at another pace.
pub async fn run_paced<S: Store, K: Sink, C: Clock>(
    store: Arc<S>,
    sink: K,
    clock: Arc<C>,
    wake: watch::Receiver<u64>,
    stop: CancellationToken,
    pace: Pace,
) -> Result<(), RelayError> {
    let mut relay = Relay { store, sink, clock, stop, pace, started: false, unsettled: None, trouble: None };
    while let Err(trouble) = relay.start().await {
        relay.bear(trouble).await?;
        if relay.stop.is_cancelled() {
            return Ok(());
        }
    }
    relay.started = true;
    relay.carry(wake).await
}

struct Relay<S, K, C> {
    store: Arc<S>,
    sink: K,
    clock: Arc<C>,
    stop: CancellationToken,
    pace: Pace,
    /// Whether the sink is ready; before that, what a person has to mend ends the relay.
    started: bool,
    /// Up to which `seq` the sink has everything without the store knowing.
    unsettled: Option<u64>,
    trouble: Option<Trouble>,
}

/// A failure that lasts.
struct Trouble {
    since: Tick,
    wait: Duration,
}

/// What a step did.
enum Step {
    /// Events left.
    Moved,
    /// There were none.
    Idle,
}

impl<S: Store, K: Sink, C: Clock> Relay<S, K, C> {
    /// Makes the sink ready, and notes what it already has.
    async fn start(&mut self) -> Result<(), RelayError> {
        let has = self.sink.start().await.map_err(|source| self.sink_error(source))?;
        let Some(has) = has else { return Ok(()) };
        let same = self.store.event(has.seq).await.map_err(RelayError::Store)?;
        if same.is_none_or(|event| event.json != has.json) {
            // Noting that would silence events that never left. Some may leave twice instead.
            tracing::warn!(
                sink = self.sink.name(),
                seq = has.seq,
                "the sink's last event is not of this store: the store is new, or was restored; its events follow"
            );
            return Ok(());
        }
        self.unsettled = Some(has.seq);
        self.settle().await
    }

    async fn carry(&mut self, mut wake: watch::Receiver<u64>) -> Result<(), RelayError> {
        loop {
            // Before looking, so that a commit between the look and the wait is not slept through.
            wake.borrow_and_update();
            // The same for the stop: what was said just before it may have come after the look.
            let stopped = self.stop.is_cancelled();
            match self.step().await {
                Ok(Step::Moved) => self.recover(),
                Ok(Step::Idle) if stopped => return Ok(()),
                Ok(Step::Idle) => {
                    self.recover();
                    tokio::select! {
                        changed = wake.changed() => {
                            if changed.is_err() {
                                // Nobody is left who commits.
                                self.stop.cancelled().await;
                            }
                        }
                        () = self.stop.cancelled() => {}
                    }
                }
                Err(trouble) => self.bear(trouble).await?,
            }
        }
    }

    async fn step(&mut self) -> Result<Step, RelayError> {
        self.settle().await?;
        let limit = u32::try_from(BATCH_MAX).unwrap_or(u32::MAX);
        let pending = self.store.pending(self.sink.name(), limit).await.map_err(RelayError::Store)?;
        let (Some(first), Some(last)) = (pending.first(), pending.last()) else { return Ok(Step::Idle) };
        let (first, last) = (first.seq, last.seq);
        let batch: Vec<Line> = pending.into_iter().map(|Delivery { seq, json }| Line { seq, json }).collect();
        if let Err(source) = self.sink.deliver(&batch).await {
            let now = self.clock.now().wall;
            let said = whole_text(&source);
            self.store.failed(self.sink.name(), first, &said, now).await.map_err(RelayError::Store)?;
            return Err(self.sink_error(source));
        }
        self.unsettled = Some(last);
        self.settle().await?;
        Ok(Step::Moved)
    }

    /// Notes in the store what the sink has.
    async fn settle(&mut self) -> Result<(), RelayError> {
        if let Some(through) = self.unsettled {
            let now = self.clock.now().wall;
            self.store.delivered(self.sink.name(), through, now).await.map_err(RelayError::Store)?;
            self.unsettled = None;
        }
        Ok(())
    }

    fn sink_error(&self, source: SinkError) -> RelayError {
        RelayError::Sink { name: self.sink.name().to_owned(), source }
    }

    /// Waits before another try, or gives the failure back if no try can help.
    async fn bear(&mut self, error: RelayError) -> Result<(), RelayError> {
        let hopeless = match &error {
            RelayError::Store(StoreError::Unusable { .. }) => true,
            // Only at the start: whoever moves the file away at run time gets the events that waited.
            RelayError::Sink { source: SinkError::Unusable { .. }, .. } => !self.started,
            RelayError::Store(StoreError::Failing(_))
            | RelayError::Sink { source: SinkError::Failing(_), .. } => false,
        };
        if hopeless {
            return Err(error);
        }
        let wait = if let Some(trouble) = &mut self.trouble {
            trouble.wait = trouble.wait.saturating_mul(2).min(self.pace.most);
            trouble.wait
        } else {
            let reason = whole_text(&error);
            tracing::warn!(sink = self.sink.name(), reason, "events wait for their sink");
            self.trouble = Some(Trouble { since: self.clock.now().tick, wait: self.pace.first });
            self.pace.first
        };
        let was_stopped = self.stop.is_cancelled();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // One more try at once, then again at the pace, until the caller's patience ends.
            () = self.stop.cancelled(), if !was_stopped => {}
        }
        Ok(())
    }

    fn recover(&mut self) {
        if let Some(trouble) = self.trouble.take() {
            let seconds = self.clock.now().tick.since(trouble.since).as_secs();
            tracing::info!(sink = self.sink.name(), seconds, "events leave through their sink again");
        }
    }
}

/// An error with what caused it, on one line.
fn whole_text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::clock::SystemClock;
    use crate::core::event::ScopeKey;
    use crate::core::order::{OrderKey, Stream};
    use crate::core::record::Record;
    use crate::core::scope::ScopeMemory;
    use crate::core::state::Order;
    use crate::core::time::Timestamp;
    use crate::store::memory::MemoryStore;
    use crate::store::{Batch, Committed, Scheduled};

    /// A store in which something is said, and the stop comes, just after the first look at what is pending.
    struct LastWord {
        inner: MemoryStore,
        said: Mutex<bool>,
        stop: CancellationToken,
    }

    impl Store for LastWord {
        async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
            self.inner.commit(batch).await
        }
        async fn load(&self, streams: &[Stream]) -> Result<Vec<Order>, StoreError> {
            self.inner.load(streams).await
        }
        async fn schedule(&self, after: Option<Stream>, limit: u32) -> Result<Vec<Scheduled>, StoreError> {
            self.inner.schedule(after, limit).await
        }
        async fn keys_of_list(
            &self,
            list: &str,
            after: Option<Stream>,
            limit: u32,
        ) -> Result<Vec<OrderKey>, StoreError> {
            self.inner.keys_of_list(list, after, limit).await
        }
        async fn lists(&self) -> Result<Vec<(String, String)>, StoreError> {
            self.inner.lists().await
        }
        async fn scopes(&self) -> Result<Vec<(ScopeKey, ScopeMemory)>, StoreError> {
            self.inner.scopes().await
        }
        async fn daemon_generation(&self) -> Result<u64, StoreError> {
            self.inner.daemon_generation().await
        }
        async fn register_sinks(&self, sinks: &[String]) -> Result<(), StoreError> {
            self.inner.register_sinks(sinks).await
        }
        async fn pending(&self, sink: &str, limit: u32) -> Result<Vec<Delivery>, StoreError> {
            let pending = self.inner.pending(sink, limit).await?;
            if !std::mem::replace(&mut *self.said.lock().unwrap(), true) {
                let records = vec![Record::default()];
                self.inner.commit(Batch { records, ..Batch::default() }).await?;
                self.stop.cancel();
            }
            Ok(pending)
        }
        async fn event(&self, seq: u64) -> Result<Option<Delivery>, StoreError> {
            self.inner.event(seq).await
        }
        async fn delivered(&self, sink: &str, through: u64, at: Timestamp) -> Result<(), StoreError> {
            self.inner.delivered(sink, through, at).await
        }
        async fn failed(&self, sink: &str, seq: u64, error: &str, at: Timestamp) -> Result<(), StoreError> {
            self.inner.failed(sink, seq, error, at).await
        }
        async fn close(&self) {}
    }

    struct Silent;

    impl Sink for Silent {
        fn name(&self) -> &'static str {
            "silent"
        }
        async fn start(&mut self) -> Result<Option<Line>, SinkError> {
            Ok(None)
        }
        async fn deliver(&mut self, _: &[Line]) -> Result<(), SinkError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_is_said_between_the_last_look_and_the_stop_leaves() {
        let stop = CancellationToken::new();
        let store =
            Arc::new(LastWord { inner: MemoryStore::new(), said: Mutex::new(false), stop: stop.clone() });
        store.register_sinks(&["silent".to_owned()]).await.unwrap();
        let (told, wake) = watch::channel(0);
        let clock = Arc::new(SystemClock::start());
        run(Arc::clone(&store), Silent, clock, wake, stop).await.unwrap();
        drop(told);
        assert!(store.inner.pending("silent", 9).await.unwrap().is_empty());
    }
}
