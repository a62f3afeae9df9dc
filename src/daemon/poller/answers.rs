//! What becomes of answers: to whom they matter, what they change, and when the order is looked at again.

use super::{Flight, Once, Poller};
use crate::clock::Clock;
use crate::core::event::OrderEvent;
use crate::core::inquiry::{self, Answer, Inquiry};
use crate::core::observation::{Elsewhere, Observation, Reach};
use crate::core::order::Stream;
use crate::core::record::{self, Context, Record};
use crate::core::state::Order;
use crate::core::step::Step;
use crate::core::time::{Now, Timestamp};
use crate::core::{cadence, look};
use crate::daemon::fleet::Lane;
use crate::provider::Look;
use crate::store::{Change, Store, StoreError};

impl<S: Store, L: Look, C: Clock> Poller<S, L, C> {
    pub(super) async fn apply_answers(
        &mut self,
        answers: Vec<(Stream, Timestamp, Answer)>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut changes = Vec::new();
        for (who, asked_at, answer) in answers {
            let Some(Flight { order, inquiry, void }) = self.flying.remove(&who) else { continue };
            let observation = self.understand(&order, answer, inquiry, now);
            if !void {
                let observed = matches!(observation, Observation::Seen(_) | Observation::Missing { .. });
                // Only the service itself says that our clock is right, by an answer to what was signed with it.
                let clock_in_doubt = !observed || self.look.clock_differs(&order.watch.key.account);
                let order = Order { clock_in_doubt, ..order };
                let step = look::apply(&order, &observation, Some(asked_at), now.wall);
                self.reschedule(who, &step.order, &observation, now);
                changes.extend(self.note(&order, step, observed, now));
            }
            if let Some(lane) = self.fleet.home(who) {
                lane.schedule.finished(who);
            }
        }
        self.write(changes, now).await
    }

    /// What an answer says of the order: of itself, or of who else holds its number. Its scope hears it first.
    fn understand(
        &mut self,
        order: &Order,
        answer: Answer,
        inquiry: Option<Inquiry>,
        now: Now,
    ) -> Observation {
        let Some(mut inquiry) = inquiry else {
            let observation = match answer {
                Answer::Observed(observation) => observation,
                Answer::Page(_) => {
                    Observation::Malformed { detail: "a list that nobody asked for".to_owned() }
                }
            };
            return self.answer_to_scope(order, observation, now);
        };
        let trouble = inquiry::trouble_of_the_scope(&answer);
        let found = inquiry.answered(answer);
        let observation = trouble.unwrap_or_else(|| Observation::Elsewhere(found.clone()));
        self.answer_to_scope(order, observation, now);
        if found == Elsewhere::Searching {
            self.inquiries.insert(order.stream(), inquiry);
        }
        Observation::Elsewhere(found)
    }

    /// What the answer means for its scope. Returns what it means for its order after that.
    fn answer_to_scope(&mut self, order: &Order, observation: Observation, now: Now) -> Observation {
        let Some(lane) = self.fleet.home(order.stream()) else { return observation };
        let of = (lane.orders.len(), lane.schedule.len());
        let heard = lane.scope.hear(order, observation, of, now);
        let records = lane.records(heard.events, now);
        let memory = lane.scope.memory(now);
        heard.again.iter().for_each(|again| lane.schedule.hasten(*again, now.wall));
        if heard.wants_witness
            && let Some(witness) = lane.witness()
        {
            lane.schedule.bring_forward(witness, now.wall);
        }
        self.journal.scope(lane.scope.key().clone(), memory, records, now.tick);
        heard.observation
    }

    /// When the order is looked at again.
    fn reschedule(&mut self, who: Stream, order: &Order, observation: &Observation, now: Now) {
        let once = self.once.is_some();
        let soon = now.wall.plus(cadence::FRESH);
        if let Some(wake) = order.looked.wake_at.filter(|wake| !once || *wake <= soon) {
            self.wakes.request(who, wake);
        } else {
            self.wakes.forget(who);
        }
        let answered = matches!(observation, Observation::Seen(_) | Observation::Missing { .. });
        if answered && inquiry::is_wanted(order, now.wall) {
            self.inquiries.extend(Inquiry::begin(order).map(|inquiry| (who, inquiry)));
        }
        let asks_on = self.inquiries.contains_key(&who) || order.state.doubted_since().is_some();
        let Some(lane) = self.fleet.home(who) else { return };
        match observation {
            Observation::Throttled { .. } | Observation::Elsewhere(Elsewhere::Searching) => {
                lane.schedule.keep_place(who);
            }
            Observation::Denied { reach: Reach::Scope, .. } if !once => lane.schedule.keep_place(who),
            Observation::Seen(_)
            | Observation::Missing { .. }
            | Observation::Elsewhere(_)
            | Observation::Unavailable { .. }
            | Observation::Denied { .. }
            | Observation::Malformed { .. }
            | Observation::Elapsed => {
                match order.looked.due_at.filter(|_| !once || asks_on && !is_no_answer(observation)) {
                    Some(due) => lane.schedule.request(who, due),
                    None => lane.schedule.forget(who),
                }
            }
        }
        if let Some(once) = &mut self.once {
            once.count(observation, lane);
        }
    }

    /// Puts a step where it belongs: a change to be written, or bookkeeping that may wait.
    pub(super) fn note(&mut self, before: &Order, step: Step, observed: bool, now: Now) -> Option<Change> {
        let Step { order, events } = step;
        if order.generation == before.generation {
            if order.looked != before.looked {
                self.journal.look(order.stream(), order.looked, now.tick);
            }
            return None;
        }
        let records = self.records(&order, &events, before.looked.answered_at, observed, now);
        Some(Change { was: before.generation, order, records })
    }

    fn records(
        &self,
        order: &Order,
        events: &[OrderEvent],
        before: Option<Timestamp>,
        observed: bool,
        now: Now,
    ) -> Vec<Record> {
        let account_id = self.fleet.account_id(&order.watch.key.account);
        record::of_order(
            order,
            events,
            &Context { account_id, now: now.wall, before, observed, style: self.style },
        )
    }
}

impl Once {
    /// Counts a look that had no answer, and those that will not be had.
    fn count(&mut self, observation: &Observation, lane: &mut Lane) {
        self.unanswered += u64::from(is_no_answer(observation));
        if lane.scope.probes() {
            self.unanswered += lane.schedule.clear();
        }
    }
}

/// Whether a look ended without an answer of the service about the order.
fn is_no_answer(observation: &Observation) -> bool {
    match observation {
        Observation::Unavailable { .. } | Observation::Denied { .. } | Observation::Malformed { .. } => true,
        Observation::Seen(_)
        | Observation::Missing { .. }
        | Observation::Elsewhere(_)
        | Observation::Throttled { .. }
        | Observation::Elapsed => false,
    }
}
