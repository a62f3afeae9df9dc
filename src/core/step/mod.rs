//! The state machine: `step(order, observation, now)` answers what becomes of the order and what there is to say.
//!
//! # Expected flow
//! What was seen is applied first ([`chime`], [`connect`], both through [`number`]), then what the time brings: marks,
//! the end of a window, a stall. Hence every observation is also an [`Observation::Elapsed`].
//!
//! # Guarantees
//! Total: every (state, observation) pair has an answer. The generation rises by one if the state changed or an event
//! was made, and not else; so a replayed observation changes nothing (but two absences of a number in a row are two).

mod chime;
mod connect;
mod number;
#[cfg(test)]
mod tests;

use super::event::{Attention, NumberStatus, OrderEvent, WindowEnd, WindowFacts};
use super::observation::{Observation, Reach, Sighting};
use super::policy::Policy;
use super::record;
use super::state::{Order, Presence, State, Status, Subject};
use super::time::Timestamp;
use super::window::{self, WindowState};

/// Looks in a row that were the order's own fault, after which it is blocked.
pub const FAULTS_UNTIL_BLOCKED: u32 = 8;

/// Unknown words that are remembered for one order. A provider that makes up more than that is not listened to.
const WORDS_MAX: usize = 32;

/// What an observation made of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The order after it.
    pub order: Order,
    /// What there is to say.
    pub events: Vec<OrderEvent>,
}

/// Applies an observation made at `now`.
pub fn step(order: &Order, observation: &Observation, now: Timestamp) -> Step {
    let mut draft = Draft { order: order.clone(), events: Vec::new(), now };
    match observation {
        Observation::Seen(Sighting::Chime(sighting)) => chime::seen(&mut draft, sighting),
        Observation::Seen(Sighting::Connect(sighting)) => connect::seen(&mut draft, sighting),
        Observation::Missing { message } => draft.missing(message.as_deref()),
        Observation::Denied { reach: Reach::Order, code, message, .. } => {
            draft.refused(code, message.as_deref());
        }
        Observation::Malformed { detail } => draft.at_fault(detail),
        Observation::Throttled { .. }
        | Observation::Unavailable { .. }
        | Observation::Denied { reach: Reach::Scope, .. }
        | Observation::Elapsed => {}
    }
    draft.tell_time();
    draft.finish(order)
}

/// An order while a step is made of it.
struct Draft {
    order: Order,
    events: Vec<OrderEvent>,
    now: Timestamp,
}

impl Draft {
    fn state(&mut self) -> &mut State {
        &mut self.order.state
    }

    fn policy(&self) -> &Policy {
        &self.order.watch.terms.policy
    }

    /// The id that the next event gets.
    fn next_event_id(&self) -> String {
        record::event_id(&self.order.stream().to_string(), self.order.generation + 1, self.events.len())
    }

    /// A status changed: age and stall count from here.
    fn status_changed(&mut self) {
        let now = self.now;
        let state = self.state();
        state.changed_at = now;
        state.stalled = false;
    }

    /// The service described the order.
    fn present(&mut self) {
        let state = self.state();
        state.presence = Presence::Seen;
        state.doubt = None;
        state.blocked = false;
        state.refused = false;
    }

    /// The word for what was before the first look that shows something: an order that was not found says so.
    fn word_before(&self, status: &Status) -> Option<&'static str> {
        match (status.word(), self.order.state.presence) {
            (None, Presence::Gone { .. }) => Some("NOT_FOUND"),
            (word, Presence::Unseen | Presence::Seen | Presence::Gone { .. }) => word,
        }
    }

    /// A word that nobody knows: kept, said once, and the status stays.
    fn unrecognized(&mut self, number: Option<&str>, raw: &str) {
        let words = &mut self.state().reported_words;
        if words.len() < WORDS_MAX && words.insert(raw.to_owned()) {
            let number = number.map(str::to_owned);
            self.events.push(OrderEvent::Unrecognized { number, raw: raw.to_owned() });
        }
    }

    fn missing(&mut self, message: Option<&str>) {
        let now = self.now;
        let grace_ends = self.order.state.first_watched.plus(self.policy().poll.missing_grace);
        let confirm = self.policy().poll.missing_confirm;
        let state = self.state();
        state.blocked = false;
        state.refused = false;
        if matches!(state.presence, Presence::Gone { .. }) || now < grace_ends {
            return;
        }
        // A doubt from after now is one from before the clock stepped back.
        match state.doubt.filter(|since| *since <= now) {
            None => state.doubt = Some(now),
            Some(since) if now.since(since) >= confirm => self.gone(message),
            Some(_) => {}
        }
    }

    /// The order is confirmed missing.
    fn gone(&mut self, message: Option<&str>) {
        let released = match &self.order.state.subject {
            Subject::Connect(connect) => {
                let current = connect.current.clone();
                number::release(self, &current)
            }
            Subject::Chime(_) => false,
        };
        if !released {
            let from = match &self.order.state.subject {
                Subject::Chime(chime) => chime.status.map(super::observation::ChimeStatus::as_str),
                Subject::Connect(connect) => {
                    self.order.state.numbers.get(&connect.current).and_then(|number| number.status.word())
                }
            };
            self.events.push(OrderEvent::NotFound { from, reason: message.map(str::to_owned) });
        }
        self.status_changed();
        let now = self.now;
        let state = self.state();
        state.presence = Presence::Gone { since: now };
        state.doubt = None;
    }

    fn refused(&mut self, code: &str, message: Option<&str>) {
        if !self.order.state.refused {
            self.state().refused = true;
            let reason = message.map(str::to_owned);
            self.events
                .push(OrderEvent::Attention(Attention::AccessDenied { code: code.to_owned(), reason }));
        }
    }

    fn at_fault(&mut self, detail: &str) {
        let faults = self.order.looked.faults;
        if faults >= FAULTS_UNTIL_BLOCKED && !self.order.state.blocked {
            self.state().blocked = true;
            self.events.push(OrderEvent::Blocked { faults, detail: detail.to_owned() });
        }
    }

    /// What the time brings: marks, the end of a window, a stall.
    fn tell_time(&mut self) {
        let numbers: Vec<String> = self.order.state.numbers.keys().cloned().collect();
        for number in numbers {
            self.tell_window_time(&number);
        }
        let now = self.now;
        if let Some(due_at) = self.order.stall_due().filter(|due_at| *due_at <= now) {
            let unchanged = now.since(self.order.state.changed_at);
            self.state().stalled = true;
            self.events.push(OrderEvent::Stalled { unchanged, due_at });
        }
    }

    fn tell_window_time(&mut self, key: &str) {
        let now = self.now;
        let terms = self.policy().window.clone();
        let Some(number) = self.order.state.numbers.get_mut(key) else { return };
        let WindowState::Open(open) = &mut number.window else { return };
        if let Some(mark) = open.due_mark(&terms, now) {
            open.warned = Some(mark);
            self.events.push(OrderEvent::WindowClosing {
                number: key.to_owned(),
                window: WindowFacts::from(&*open),
                mark,
                last: window::is_last_mark(&terms, mark),
                due_at: open.earliest.minus(mark),
            });
        }
        if open.latest <= now {
            let end = WindowEnd::Unconfirmed { due_at: open.latest };
            let window = WindowFacts::from(&*open);
            number.window = WindowState::Closed(open.clone());
            self.events.push(OrderEvent::WindowClosed { number: key.to_owned(), window, end });
        }
    }

    fn finish(mut self, before: &Order) -> Step {
        if !self.events.is_empty() || self.order.state != before.state {
            self.order.generation += 1;
        }
        Step { order: self.order, events: self.events }
    }
}

impl Order {
    /// When it is to be called stalled, if it is pending and was not.
    pub(super) fn stall_due(&self) -> Option<Timestamp> {
        let after = self.watch.terms.policy.stalled_after?;
        (!self.state.stalled && self.is_pending()).then(|| self.state.changed_at.plus(after))
    }
}

/// The record's word for what a provider's word means.
fn status_of(progress: super::observation::Progress) -> NumberStatus {
    use super::observation::Progress;
    match progress {
        Progress::InProgress => NumberStatus::InProgress,
        Progress::Claimed => NumberStatus::Claimed,
        Progress::Failed => NumberStatus::Failed,
    }
}
