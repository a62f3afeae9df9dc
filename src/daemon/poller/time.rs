//! What the time brings: marks, ends of windows, stalls, and a clock that is set.

use std::time::Duration;

use super::{BATCH_MOST, CLOCK_STEP, Poller, SLEEP_MOST};
use crate::clock::Clock;
use crate::core::observation::Observation;
use crate::core::order::Stream;
use crate::core::scope::Grant;
use crate::core::state::Order;
use crate::core::step::Step;
use crate::core::time::{Now, Tick, Timestamp};
use crate::core::{cadence, look};
use crate::provider::Look;
use crate::store::{Store, StoreError};

impl<S: Store, L: Look, C: Clock> Poller<S, L, C> {
    /// A wall clock that went back must not put off what was to come after a while. One that went ahead needs nothing: what
    /// is due by it is due, as after a sleep of the machine.
    pub(super) fn notice_clock(&mut self, now: Now) {
        let expected = self.before.wall.plus(now.tick.since(self.before.tick));
        let back = expected.since(now.wall);
        if back >= CLOCK_STEP {
            tracing::warn!(
                back_s = back.as_secs(),
                "the clock went back; looks come when they would have come"
            );
            self.fleet.lanes.iter_mut().for_each(|lane| lane.schedule.move_back(back));
        }
        self.before = now;
    }

    /// Marks, ends of windows and stalls that are due; what scopes have to say; bookkeeping that has waited enough.
    pub(super) async fn tell_time(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        for lane in &mut self.fleet.lanes {
            if let Some(event) = lane.scope.tell_time(now) {
                let records = lane.records(vec![event], now);
                self.journal.scope(lane.scope.key().clone(), lane.scope.memory(now), records, now.tick);
            }
        }
        if self.journal.blocked_until().is_some_and(|until| until > now.tick) {
            return Ok(());
        }
        if self.once.is_none() {
            let due: Vec<Stream> =
                std::iter::from_fn(|| self.wakes.take_due(now.wall)).take(BATCH_MOST).collect();
            if !due.is_empty() {
                return self.wake(&due, now).await;
            }
        }
        if self.journal.due_at().is_some_and(|due| due <= now.tick) {
            return self.write(Vec::new(), now).await;
        }
        Ok(())
    }

    /// What is due at the end of one round, whose looks had their chance to tell it.
    pub(super) async fn tell_what_is_left(&mut self) -> Result<(), StoreError> {
        loop {
            let due: Vec<Stream> = std::iter::from_fn(|| self.wakes.take_first()).take(BATCH_MOST).collect();
            if due.is_empty() {
                return Ok(());
            }
            self.wake(&due, self.clock.now()).await?;
        }
    }

    async fn wake(&mut self, due: &[Stream], now: Now) -> Result<(), StoreError> {
        let grounded: Vec<Stream> =
            due.iter().copied().filter(|who| !self.flying.contains_key(who)).collect();
        let mut orders = match self.load(&grounded).await {
            Ok(orders) => orders,
            Err(StoreError::Failing(cause)) => {
                tracing::error!(cause = %cause, "orders cannot be read; what is due of them is put off");
                for who in due {
                    self.wakes.finished(*who);
                    if self.once.is_none() {
                        self.wakes.request(*who, now.wall.plus(SLEEP_MOST));
                    }
                }
                return Ok(());
            }
            Err(error @ StoreError::Unusable { .. }) => return Err(error),
        };
        orders.extend(due.iter().filter_map(|who| self.flying.get(who).map(|flight| flight.order.clone())));
        let mut changes = Vec::new();
        for order in orders {
            let who = order.stream();
            let first = cadence::look_first(&order, now.wall).filter(|_| self.once.is_none());
            let step = if let Some(looked) = first {
                self.hasten(who, now.wall);
                Step { order: Order { looked, ..order.clone() }, events: Vec::new() }
            } else {
                let order = Order { clock_in_doubt: true, ..order.clone() };
                look::apply(&order, &Observation::Elapsed, None, now.wall)
            };
            self.wakes.finished(who);
            if let Some(wake) = step.order.looked.wake_at.filter(|_| self.once.is_none()) {
                self.wakes.request(who, wake);
            }
            if let Some(flying) = self.flying.get_mut(&who) {
                flying.order = step.order.clone();
            }
            changes.extend(self.note(&order, step, false, now));
        }
        for who in due {
            self.wakes.finished(*who);
        }
        self.write(changes, now).await
    }

    fn hasten(&mut self, who: Stream, at: Timestamp) {
        if let Some(lane) = self.fleet.home(who) {
            lane.schedule.hasten(who, at);
        }
    }

    /// How long nothing has to be done unless something happens.
    pub(super) fn wait(&self, now: Now) -> Duration {
        let until = |at: Tick| at.since(now.tick);
        let until_wall = |at: Timestamp| at.since(now.wall);
        let lanes = self.fleet.lanes.iter().flat_map(|lane| {
            let due = lane.schedule.next_due();
            let look = match lane.scope.grant(lane.schedule.in_flight(), now.tick) {
                Grant::Look => due.map(until_wall),
                Grant::Probe | Grant::ProbeCredentials => due.map(|_| Duration::ZERO),
                Grant::From(at) => due
                    .map(|due| if lane.scope.probes() { until(at) } else { until(at).max(until_wall(due)) }),
                Grant::AfterAnswer => None,
            };
            [look, lane.scope.quiet_for(now)]
        });
        let looks = lanes.flatten().map(|wait| match self.journal.blocked_until() {
            Some(blocked) => wait.max(until(blocked)),
            None => wait,
        });
        let wakes = self.wakes.next_due().map(until_wall).map(|wait| match self.journal.blocked_until() {
            Some(blocked) => wait.max(until(blocked)),
            None => wait,
        });
        looks.chain(wakes).chain(self.journal.due_at().map(until)).min().unwrap_or(SLEEP_MOST).min(SLEEP_MOST)
    }
}
