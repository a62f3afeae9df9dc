//! What becomes of answers: to whom they matter, what they change, and when the order is looked at again.

use super::{Flight, Landed, Once, Poller};
use crate::clock::Clock;
use crate::core::dispatch::Dispatcher;
use crate::core::event::OrderEvent;
use crate::core::inquiry::{self, Answer, Inquiry};
use crate::core::observation::{Elsewhere, Observation, Reach};
use crate::core::order::Stream;
use crate::core::record::{self, Context, Record};
use crate::core::schedule::By;
use crate::core::scope::Call;
use crate::core::state::Order;
use crate::core::step::Step;
use crate::core::time::{Now, Timestamp};
use crate::core::{cadence, look};
use crate::daemon::fleet::Member;
use crate::provider::Look;
use crate::store::{Change, Store, StoreError};

impl<S: Store, L: Look, C: Clock> Poller<S, L, C> {
    pub(super) async fn apply_answers(&mut self, answers: Vec<Landed>) -> Result<(), StoreError> {
        let now = self.clock.now();
        let (mut changes, mut pages) = (Vec::new(), Vec::new());
        for landed in answers {
            match landed {
                Landed::Look { who, asked_at, answer } => {
                    changes.extend(self.apply_answer(who, asked_at, answer, now));
                }
                Landed::Page { place, asked_at, listed } => pages.push((place, asked_at, listed)),
            }
        }
        self.write(changes, now).await?;
        for (place, asked_at, listed) in pages {
            self.apply_page(place, asked_at, listed, now).await?;
        }
        Ok(())
    }

    fn apply_answer(&mut self, who: Stream, asked_at: Timestamp, answer: Answer, now: Now) -> Option<Change> {
        let Flight { order, inquiry, void } = self.flying.remove(&who)?;
        let observation = self.understand(&order, answer, inquiry, now);
        let change = if void {
            if matches!(observation, Observation::Seen(_)) {
                self.refuted.insert(who);
            }
            None
        } else {
            self.apply(order, &observation, (asked_at, now))
        };
        if let Some(member) = self.fleet.home(who) {
            member.dispatcher.finished(who);
        }
        change
    }

    /// An observation of an order, by a request that began at `asked_at`.
    pub(super) fn apply(
        &mut self,
        order: Order,
        observation: &Observation,
        (asked_at, now): (Timestamp, Now),
    ) -> Option<Change> {
        let observed = matches!(observation, Observation::Seen(_) | Observation::Missing { .. });
        // Only the service itself says that our clock is right, by an answer to what was signed with it.
        let key = &order.watch.key;
        let clock_in_doubt = !observed || self.look.clock_differs(&key.account, key.provider);
        let mut order = Order { clock_in_doubt, ..order };
        if matches!(observation, Observation::Missing { .. }) && self.refuted.contains(&order.stream()) {
            order.state.trust();
        }
        let mut step = look::apply(&order, observation, Some(asked_at), now.wall);
        self.reschedule(&mut step.order, observation, now);
        self.note(&order, step, observed, now)
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
            return self.answer_to_scope(order, Call::Look, observation, now);
        };
        let call = if inquiry.is_question() { Call::List } else { Call::Look };
        let trouble = inquiry::trouble_of_the_scope(&answer);
        let found = inquiry.answered(answer);
        let observation = trouble.unwrap_or_else(|| Observation::Elsewhere(found.clone()));
        self.answer_to_scope(order, call, observation, now);
        if found == Elsewhere::Searching {
            self.inquiries.insert(order.stream(), inquiry);
        }
        Observation::Elsewhere(found)
    }

    /// What the answer means for its scope. Returns what it means for its order after that.
    fn answer_to_scope(
        &mut self,
        order: &Order,
        call: Call,
        observation: Observation,
        now: Now,
    ) -> Observation {
        let Some(member) = self.fleet.home(order.stream()) else { return observation };
        member.looks.note(&observation, now.wall);
        let heard = member.dispatcher.hear(order, call, observation, now);
        self.journal.scope(member.report(heard.events, now), now.tick);
        heard.observation
    }

    /// When the order is looked at again.
    pub(super) fn reschedule(&mut self, order: &mut Order, observation: &Observation, now: Now) {
        let who = order.stream();
        let once = self.once.is_some();
        let soon = now.wall.plus(cadence::FRESH);
        self.wakes.set(who, order.looked.wake_at.filter(|wake| !once || *wake <= soon));
        self.pulse.note(who, Some(&order.looked));
        let answered = matches!(observation, Observation::Seen(_) | Observation::Missing { .. });
        if answered && inquiry::is_wanted(order, now.wall) {
            self.inquiries.extend(Inquiry::begin(order).map(|inquiry| (who, inquiry)));
        }
        let inquiry = self.inquiries.get(&who);
        let asks_on = inquiry.is_some() || order.state.doubted_since().is_some();
        let by = by(inquiry, order, now.wall);
        let Some(Member { dispatcher, .. }) = self.fleet.home(who) else { return };
        match observation {
            Observation::Throttled { .. } => dispatcher.keep_place(who),
            Observation::Elsewhere(Elsewhere::Searching) => dispatcher.go_on(who, by == By::Question),
            Observation::Denied { reach: Reach::Scope, .. } if !once => dispatcher.keep_place(who),
            Observation::Seen(_)
            | Observation::Missing { .. }
            | Observation::Elsewhere(_)
            | Observation::Unavailable { .. }
            | Observation::Denied { .. }
            | Observation::Malformed { .. }
            | Observation::Elapsed
            | Observation::Acknowledged => {
                if !once || asks_on && !is_no_answer(observation) {
                    dispatcher.place(who, &mut order.looked, by, now.wall);
                } else {
                    dispatcher.forget(who);
                }
            }
        }
        if let Some(once) = &mut self.once {
            once.count(observation, dispatcher);
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
    fn count(&mut self, observation: &Observation, dispatcher: &mut Dispatcher) {
        if !is_no_answer(observation) {
            return;
        }
        self.unanswered += 1;
        // The others would have none either. Where a probe has one, the next looks are probes, and then no more.
        if dispatcher.scope().probes() {
            self.unanswered += dispatcher.clear();
        }
    }
}

/// What can tell what is wanted of an order.
pub(super) fn by(inquiry: Option<&Inquiry>, order: &Order, now: Timestamp) -> By {
    if inquiry.is_some_and(Inquiry::is_question) {
        By::Question
    } else if cadence::is_listable(order, now) {
        By::Either
    } else {
        By::Own
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
        | Observation::Elapsed
        | Observation::Acknowledged => false,
    }
}
