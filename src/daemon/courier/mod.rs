//! The courier: takes events out of the store to one webhook, in order per stream, several streams at a time. What an answer
//! means is decided by [`Endpoint`]; this sends, waits and writes down.
//!
//! # Expected flow
//! Ask the endpoint how many may go, read the first waiting event of so many streams, send them; wait for what comes first
//! (an answer, a time, a commit, the stop); write what became of them in one transaction; again.
//!
//! # Guarantees
//! At least once, in order per stream. A post whose answer was not written is sent again after a crash, with the same id.
//! What is read at once is bounded, however long the backlog.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::core::delivery::{Endpoint, Posted, Ready, Verdict};
use crate::core::event::SinkEvent;
use crate::core::record::{self, Record};
use crate::core::time::{Now, Tick};
use crate::sink::{Parcel, Post};
use crate::store::StoreError;
use crate::store::outbox::{Failed, Outbox, Settlement, Waiting};

/// The pause after the store did not work: it is the loop's own trouble then, and it is told there.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// Brings events to one webhook.
#[derive(Debug)]
pub(super) struct Courier<S, P, C> {
    pub(super) store: Arc<S>,
    pub(super) post: Arc<P>,
    pub(super) clock: Arc<C>,
    /// Which store it is.
    pub(super) store_id: u64,
    /// Wakes it with each commit that had events, and when deliveries were put back in the queue.
    pub(super) committed: Arc<Notify>,
    /// Somebody wants what fails to be tried now.
    pub(super) try_now: Arc<Notify>,
    /// From here on only what can go at once goes.
    pub(super) stop: CancellationToken,
}

/// A post that was sent.
#[derive(Debug)]
struct Sent {
    seq: u64,
    id: String,
    event: String,
    task: AbortHandle,
}

/// A post that has its answer: the stream, and what was said.
type Landed = (String, Posted);

/// What the courier knows while it runs.
struct Round {
    endpoint: Endpoint,
    sent: HashMap<String, Sent>,
    posts: JoinSet<Landed>,
}

impl<S: Outbox, P: Post, C: Clock> Courier<S, P, C> {
    /// Runs until `stop`, then sends what can go at once and returns; the caller bounds that with a time-out.
    ///
    /// # Errors
    /// `Unusable`: what trying again does not mend. Everything else is tried again.
    pub(super) async fn run(self) -> Result<(), StoreError> {
        let memory = loop {
            match self.store.sink(self.post.name()).await {
                Ok(memory) => break memory,
                Err(error) => self.bear(error).await?,
            }
            if self.stop.is_cancelled() {
                return Ok(());
            }
        };
        let mut round =
            Round { endpoint: Endpoint::new(memory), sent: HashMap::new(), posts: JoinSet::new() };
        loop {
            // Before looking, so that a commit between the look and the wait is not slept through.
            let mut wake = pin!(self.committed.notified());
            wake.as_mut().enable();
            let try_now = pin!(self.try_now.notified());
            let stopped = self.stop.is_cancelled();
            if let Err(error) = self.send(&mut round).await {
                self.bear(error).await?;
                if stopped {
                    return Ok(());
                }
                continue;
            }
            if stopped && round.posts.is_empty() {
                return Ok(());
            }
            let mut landed = Vec::new();
            let changes_at = round.endpoint.changes_at(self.clock.now().tick);
            tokio::select! {
                biased;
                // First, since it comes with a wake, and is forgotten with the turn; what else is ready is so in the next one.
                () = try_now => round.endpoint.try_now(),
                Some(joined) = round.posts.join_next() => landed = gather(joined, &mut round.posts),
                () = wake => {}
                () = self.stop.cancelled(), if !stopped => {}
                () = self.until(changes_at) => {}
            }
            let now = self.clock.now();
            for stream in round.endpoint.hanging(now.tick) {
                if let Some(sent) = round.sent.get(&stream) {
                    sent.task.abort();
                }
                let reason = "no answer in all its time".to_owned();
                landed.push((stream, Posted::Failing { reason, retry_after: None }));
            }
            self.hear(&mut round, landed, now).await?;
        }
    }

    /// Sends what may go.
    async fn send(&self, round: &mut Round) -> Result<(), StoreError> {
        let now = self.clock.now();
        if round.endpoint.memory().disabled_since.is_some() {
            return self.look_whether_revived(round, now).await;
        }
        let room = round.endpoint.room(now.tick);
        if room == 0 {
            return Ok(());
        }
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        let name = self.post.name();
        let back = round.endpoint.stand_back();
        let mut waiting = Vec::new();
        if !back.is_empty() {
            let except = [round.endpoint.busy(now.tick), back].concat();
            waiting = self.store.waiting(name, &except, limit).await?;
        }
        if waiting.is_empty() {
            waiting = self.store.waiting(name, &round.endpoint.busy(now.tick), limit).await?;
        }
        if waiting.is_empty() && round.endpoint.go_round() {
            waiting = self.store.waiting(name, &round.endpoint.busy(now.tick), limit).await?;
        }
        for waiting in waiting {
            let Waiting { stream, seq, sink_seq, strikes, json } = waiting;
            let Record { id, event, .. } = serde_json::from_str(&json).unwrap_or_default();
            round.endpoint.sent(&Ready { stream: stream.clone(), seq, strikes }, now.tick);
            let parcel = Parcel { store: self.store_id, id: id.clone(), sink_seq, json, at: now.wall };
            let (post, name) = (Arc::clone(&self.post), stream.clone());
            let task = round.posts.spawn(async move { (name, post.post(parcel).await) });
            round.sent.insert(stream, Sent { seq, id, event, task });
        }
        Ok(())
    }

    /// Somebody may have put deliveries back in the queue: then it is tried again.
    async fn look_whether_revived(&self, round: &mut Round, now: Now) -> Result<(), StoreError> {
        if !self.store.sink(self.post.name()).await?.revived {
            return Ok(());
        }
        let mut told = Vec::new();
        round.endpoint.enable(now, &mut told);
        let settlement = Settlement::of(self.post.name(), now.wall);
        self.settle(round, settlement, told).await
    }

    /// What became of posts, in one transaction.
    async fn hear(&self, round: &mut Round, landed: Vec<Landed>, now: Now) -> Result<(), StoreError> {
        if landed.is_empty() {
            return Ok(());
        }
        let mut settlement = Settlement::of(self.post.name(), now.wall);
        let mut told = Vec::new();
        for (stream, posted) in landed {
            let Some(sent) = round.sent.remove(&stream) else { continue };
            let Some(verdict) = round.endpoint.heard(&stream, &posted, now, &mut told) else { continue };
            let error = match posted {
                Posted::Taken => String::new(),
                Posted::Refused { reason }
                | Posted::Gone { reason }
                | Posted::Busy { reason, .. }
                | Posted::Failing { reason, .. } => reason,
            };
            let Sent { seq, id, event, .. } = sent;
            match verdict {
                Verdict::Delivered => settlement.delivered.push(seq),
                Verdict::Again { strikes } => {
                    settlement.failed.push(Failed { seq, error, strikes, dead: false });
                }
                Verdict::Dead => {
                    told.push(SinkEvent::Dead { about: id, event, reason: error.clone() });
                    settlement.failed.push(Failed { seq, error, strikes: 0, dead: true });
                }
            }
        }
        self.settle(round, settlement, told).await
    }

    /// Writes a settlement with what there is to say, however often the store has to be asked: what was taken must not be
    /// sent again within one life of the process.
    async fn settle(
        &self,
        round: &mut Round,
        mut settlement: Settlement,
        told: Vec<SinkEvent>,
    ) -> Result<(), StoreError> {
        let name = self.post.name();
        for event in &told {
            let place = (round.endpoint.next_generation(), 0);
            settlement.records.push(record::of_sink(name, event, place, settlement.at));
            settlement.memory = Some(round.endpoint.memory());
        }
        loop {
            match self.store.settle(settlement.clone()).await {
                Ok(_last_seq) => {
                    if !told.is_empty() {
                        self.committed.notify_waiters();
                    }
                    return Ok(());
                }
                Err(error) => self.bear(error).await?,
            }
        }
    }

    /// Waits until something changes by time alone.
    async fn until(&self, at: Option<Tick>) {
        match at {
            Some(at) => tokio::time::sleep(at.since(self.clock.now().tick)).await,
            None => std::future::pending().await,
        }
    }

    /// Waits a while, or gives the failure back if no try can help.
    async fn bear(&self, error: StoreError) -> Result<(), StoreError> {
        match error {
            StoreError::Unusable { .. } => Err(error),
            StoreError::Failing(cause) => {
                tracing::warn!(sink = self.post.name(), cause = %cause, "deliveries wait for the store");
                tokio::time::sleep(STORE_PAUSE).await;
                Ok(())
            }
        }
    }
}

/// An answer and those that came with it.
fn gather(first: Result<Landed, tokio::task::JoinError>, posts: &mut JoinSet<Landed>) -> Vec<Landed> {
    let mut landed = Vec::new();
    let mut next = Some(first);
    while let Some(joined) = next {
        match joined {
            Ok(answer) => landed.push(answer),
            Err(broken) if broken.is_panic() => std::panic::resume_unwind(broken.into_panic()),
            // Given up; that was told already.
            Err(_cancelled) => {}
        }
        next = posts.try_join_next();
    }
    landed
}
