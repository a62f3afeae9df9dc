//! What the time brings: marks, ends of windows, stalls, and a clock that is set.

use std::time::Duration;

use super::{Acknowledged, BATCH_MOST, CLOCK_STEP, Poller, SLEEP_MOST, answers};
use crate::clock::Clock;
use crate::core::observation::Observation;
use crate::core::order::Stream;
use crate::core::state::Order;
use crate::core::step::Step;
use crate::core::time::{Now, Tick, Timestamp};
use crate::core::{cadence, look};
use crate::provider::Look;
use crate::store::{Change, Store, StoreError};

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
            self.fleet.move_back(back);
        }
        if back >= CLOCK_STEP || now.wall.since(expected) >= CLOCK_STEP {
            self.fleet.stir_all();
        }
        self.before = now;
    }

    /// Marks, ends of windows and stalls that are due; what scopes have to say; bookkeeping that has waited enough.
    pub(super) async fn tell_time(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        for place in self.fleet.awake(now.tick) {
            let Some(member) = self.fleet.member(place) else { continue };
            let events = member.dispatcher.tell_time(now);
            if !events.is_empty() {
                self.journal.scope(member.report(events, now), now.tick);
            }
        }
        if self.journal.blocked_until().is_some_and(|until| until > now.tick) {
            return Ok(());
        }
        self.settle_changed().await?;
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
        let Some(mut orders) = self.read(&grounded).await? else {
            if self.once.is_none() {
                for who in due {
                    self.wakes.set(*who, Some(now.wall.plus(SLEEP_MOST)));
                }
            }
            return Ok(());
        };
        orders.extend(due.iter().filter_map(|who| self.flying.get(who).map(|flight| flight.order.clone())));
        let mut changes = Vec::new();
        for order in orders {
            let first = cadence::look_first(&order, now.wall).filter(|_| self.once.is_none());
            let step = if let Some(looked) = first {
                Step { order: Order { looked, ..order.clone() }, events: Vec::new() }
            } else {
                let order = Order { clock_in_doubt: true, ..order.clone() };
                look::apply(&order, &Observation::Elapsed, None, now.wall)
            };
            changes.extend(self.take_unasked(&order, step, now));
        }
        self.write(changes, now).await
    }

    /// What a step means that no look brought.
    fn take_unasked(&mut self, before: &Order, mut step: Step, now: Now) -> Option<Change> {
        let who = before.stream();
        if self.once.is_none() {
            self.wakes.set(who, step.order.looked.wake_at);
            self.pulse.note(who, Some(&step.order.looked));
            self.place_anew(before, &mut step.order, now.wall);
        }
        if let Some(flying) = self.flying.get_mut(&who) {
            flying.order = step.order.clone();
        }
        self.note(before, step, false, now)
    }

    /// A person says that the open windows of an order are known of.
    pub(super) async fn acknowledge(&mut self, who: Stream, now: Now) -> Result<Acknowledged, StoreError> {
        if self.journal.blocked_until().is_some() {
            return Ok(Acknowledged::NotNow);
        }
        let order = match self.flying.get(&who) {
            Some(flight) => Some(flight.order.clone()),
            None => match self.read(&[who]).await? {
                Some(mut orders) => orders.pop(),
                None => return Ok(Acknowledged::NotNow),
            },
        };
        let Some(order) = order.filter(|order| order.tracked && order.open_windows().next().is_some()) else {
            return Ok(Acknowledged::NoWindow);
        };
        let windows = order.open_windows().count() as u64;
        let order = Order { clock_in_doubt: true, ..order };
        let step = look::apply(&order, &Observation::Acknowledged, None, now.wall);
        let changes: Vec<Change> = self.take_unasked(&order, step, now).into_iter().collect();
        self.write(changes, now).await?;
        let written = self.journal.blocked_until().is_none();
        Ok(if written { Acknowledged::Yes { windows } } else { Acknowledged::NotNow })
    }

    /// The look that the next alert is to rest on is another one than before. One in flight has its place when it ends.
    fn place_anew(&mut self, before: &Order, order: &mut Order, now: Timestamp) {
        let who = order.stream();
        if order.looked.waits_ahead(now) == before.looked.waits_ahead(now)
            && order.looked.due_at == before.looked.due_at
        {
            return;
        }
        let by = answers::by(self.inquiries.get(&who), order, now);
        if let Some(member) = self.fleet.home(who).filter(|member| member.dispatcher.is_waiting(who)) {
            member.dispatcher.place(who, &mut order.looked, by, now);
        }
    }

    /// How long nothing has to be done unless something happens.
    pub(super) fn wait(&mut self, now: Now) -> Duration {
        let until = |at: Tick| at.since(now.tick);
        let until_wall = |at: Timestamp| at.since(now.wall);
        let looks = self.fleet.next(now).map(until).map(|wait| match self.journal.blocked_until() {
            Some(blocked) => wait.max(until(blocked)),
            None => wait,
        });
        let wakes = self.wakes.next().map(until_wall).map(|wait| match self.journal.blocked_until() {
            Some(blocked) => wait.max(until(blocked)),
            None => wait,
        });
        looks
            .into_iter()
            .chain(wakes)
            .chain(self.journal.due_at().map(until))
            .min()
            .unwrap_or(SLEEP_MOST)
            .min(SLEEP_MOST)
    }
}
