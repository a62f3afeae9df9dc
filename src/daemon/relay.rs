//! The relay: takes events out of the store to a sink, in order. Each sink has a relay of its own, so that a slow one
//! holds up no other.
//!
//! # Expected flow
//! Look at what is pending, at most [`BATCH_MAX`] events; deliver; note it in the store; look again. Nothing pending: wait
//! for the next commit. No transaction is open while a sink works. A sink that takes nothing for a while, or that a person has
//! to mend, is told of through the others, and through itself once it takes events again; it is tried again and again, from
//! the start on.
//!
//! # Guarantees
//! Strict `seq`: an event is offered only when all before it were taken. Nothing is dropped. What was delivered is noted
//! before anything else is offered, however often the store has to be asked, so that within one life of the process
//! nothing leaves twice through a sink that takes a batch whole or not at all.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::core::delivery::SinkMemory;
use crate::core::event::{SinkCondition, SinkEvent};
use crate::core::record;
use crate::core::time::Tick;
use crate::sink::{BATCH_MAX, Line, Sink, SinkError};
use crate::store::StoreError;
use crate::store::outbox::{Delivery, Failed, Outbox, Settlement};

/// What keeps events from leaving.
#[derive(Debug, thiserror::Error)]
enum Obstacle {
    #[error("the sink {name} cannot be used")]
    Sink {
        name: String,
        #[source]
        source: SinkError,
    },
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
}

/// Failures in a row after which the sink is told to be failing: seven seconds of trouble.
const TOLD_AFTER: u32 = 4;

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
/// `committed` wakes it with each commit that had events. The sink has to be registered with the store.
///
/// # Errors
/// Only for what trying again does not mend; everything else is tried again.
pub async fn run<S: Outbox, K: Sink, C: Clock>(
    store: Arc<S>,
    sink: K,
    clock: Arc<C>,
    committed: Arc<Notify>,
    stop: CancellationToken,
) -> Result<(), StoreError> {
    run_paced(store, sink, clock, committed, stop, Pace::default()).await
}

/// [`run`] at another pace.
pub async fn run_paced<S: Outbox, K: Sink, C: Clock>(
    store: Arc<S>,
    sink: K,
    clock: Arc<C>,
    committed: Arc<Notify>,
    stop: CancellationToken,
    pace: Pace,
) -> Result<(), StoreError> {
    let memory = SinkMemory::default();
    let (started, unsettled, untold, trouble) = (false, None, None, None);
    let relay =
        Relay { store, sink, clock, committed, stop, pace, started, unsettled, untold, trouble, memory };
    relay.carry().await
}

struct Relay<S, K, C> {
    store: Arc<S>,
    sink: K,
    clock: Arc<C>,
    committed: Arc<Notify>,
    stop: CancellationToken,
    pace: Pace,
    /// Whether the sink is ready.
    started: bool,
    /// Up to which `seq` the sink has everything without the store knowing.
    unsettled: Option<u64>,
    /// What is to be written of the sink and was not, as far as is known here.
    untold: Option<Settlement>,
    trouble: Option<Trouble>,
    /// What is remembered of the sink.
    memory: SinkMemory,
}

/// A failure that lasts.
struct Trouble {
    since: Tick,
    failures: u32,
}

/// What a step did.
enum Step {
    /// Events left.
    Moved,
    /// There were none.
    Idle,
}

impl<S: Outbox, K: Sink, C: Clock> Relay<S, K, C> {
    /// Makes the sink ready, and notes what it already has.
    async fn start(&mut self) -> Result<(), Obstacle> {
        self.memory = self.store.sink(self.sink.name()).await?;
        let has = match self.sink.start().await {
            Ok(has) => has,
            Err(source) => return Err(self.refused(source).await?),
        };
        let Some(has) = has else { return Ok(()) };
        let same = self.store.event(has.seq).await?;
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

    async fn carry(mut self) -> Result<(), StoreError> {
        let committed = Arc::clone(&self.committed);
        loop {
            // Before looking, so that a commit between the look and the wait is not slept through.
            let mut wake = pin!(committed.notified());
            wake.as_mut().enable();
            // The same for the stop: what was said just before it may have come after the look.
            let stopped = self.stop.is_cancelled();
            match self.step().await {
                Ok(Step::Moved) => self.recover(),
                Ok(Step::Idle) if stopped => return Ok(()),
                Ok(Step::Idle) => {
                    self.recover();
                    tokio::select! {
                        biased;
                        () = wake => {}
                        () = self.stop.cancelled() => {}
                    }
                }
                Err(trouble) => self.bear(trouble).await?,
            }
        }
    }

    async fn step(&mut self) -> Result<Step, Obstacle> {
        if !self.started {
            self.start().await?;
            self.started = true;
        }
        self.settle().await?;
        let limit = u32::try_from(BATCH_MAX).unwrap_or(u32::MAX);
        let pending = self.store.pending(self.sink.name(), limit).await?;
        let Some(Delivery { seq: last, .. }) = pending.last() else { return Ok(Step::Idle) };
        let last = *last;
        let batch: Vec<Line> = pending.into_iter().map(|Delivery { seq, json }| Line { seq, json }).collect();
        if let Err(source) = self.sink.deliver(&batch).await {
            return Err(self.refused(source).await?);
        }
        self.unsettled = Some(last);
        self.settle().await?;
        if let Some(since) = self.memory.failing_since.take() {
            let now = self.clock.now().wall;
            let event =
                SinkEvent::Recovered { condition: SinkCondition::Failing, duration: now.since(since) };
            self.tell(Settlement::of(self.sink.name(), now), Some(event)).await?;
        }
        Ok(Step::Moved)
    }

    /// Notes what the sink said to the oldest event; tells of it once the sink has taken nothing for a while, or at once
    /// if a person has to act. Gives the obstacle that it is.
    async fn refused(&mut self, source: SinkError) -> Result<Obstacle, StoreError> {
        // Before anything is remembered of it: what then cannot be read must not pass for told.
        let first = self.store.pending(self.sink.name(), 1).await?;
        let now = self.clock.now().wall;
        let failures = self.trouble.as_ref().map_or(1, |trouble| trouble.failures + 1);
        let lasts = match source {
            SinkError::Unusable { .. } => true,
            SinkError::Failing(_) => failures >= TOLD_AFTER,
        };
        let said = whole_text(&source);
        let event = (lasts && self.memory.failing_since.is_none()).then(|| {
            self.memory.failing_since = Some(now);
            SinkEvent::Failing { reason: said.clone(), retry_after: self.wait_after(failures) }
        });
        let failed = first.into_iter().map(|Delivery { seq, .. }| {
            let error = said.clone();
            Failed { seq, error, strikes: 0, dead: false }
        });
        let settlement = Settlement { failed: failed.collect(), ..Settlement::of(self.sink.name(), now) };
        self.tell(settlement, event).await?;
        Ok(Obstacle::Sink { name: self.sink.name().to_owned(), source })
    }

    /// Writes a settlement, with what there is to say of the sink. If the store does not take it, or nobody hears that it
    /// did, the same is written again before anything else.
    async fn tell(&mut self, settlement: Settlement, event: Option<SinkEvent>) -> Result<(), StoreError> {
        let settlement = match event {
            None => settlement,
            Some(event) => {
                self.memory.generation += 1;
                let place = (self.memory.generation, 0);
                let records = vec![record::of_sink(self.sink.name(), &event, place, settlement.at)];
                Settlement { records, memory: Some(self.memory), ..settlement }
            }
        };
        self.untold = Some(settlement);
        self.settle_untold().await
    }

    async fn settle_untold(&mut self) -> Result<(), StoreError> {
        if let Some(settlement) = &self.untold {
            self.store.settle(settlement.clone()).await?;
            self.untold = None;
            self.committed.notify_waiters();
        }
        Ok(())
    }

    /// How long to wait after so many failures.
    fn wait_after(&self, failures: u32) -> Duration {
        self.pace.first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(self.pace.most)
    }

    /// Notes in the store what the sink has.
    async fn settle(&mut self) -> Result<(), Obstacle> {
        if let Some(through) = self.unsettled {
            let now = self.clock.now().wall;
            self.store.delivered(self.sink.name(), through, now).await?;
            self.unsettled = None;
        }
        Ok(self.settle_untold().await?)
    }

    /// Waits before another try, or gives the failure back if no try can help.
    async fn bear(&mut self, error: Obstacle) -> Result<(), StoreError> {
        let error = match error {
            Obstacle::Store(error @ StoreError::Unusable { .. }) => return Err(error),
            // What has to be mended is mended while the others go on: an event file is no reason not to watch.
            Obstacle::Store(StoreError::Failing(_)) | Obstacle::Sink { .. } => error,
        };
        let failures = if let Some(trouble) = &mut self.trouble {
            trouble.failures = trouble.failures.saturating_add(1);
            trouble.failures
        } else {
            let reason = whole_text(&error);
            tracing::warn!(sink = self.sink.name(), reason, "events wait for their sink");
            self.trouble = Some(Trouble { since: self.clock.now().tick, failures: 1 });
            1
        };
        let wait = self.wait_after(failures);
        let was_stopped = self.stop.is_cancelled();
        tokio::select! {
            biased;
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
