//! The state machine: `step(order, observation, now)` answers what becomes of the order and what there is to say.
//!
//! # Expected flow
//! What was seen is applied first ([`chime`], [`connect`], both through [`number`]), then what the time brings: marks,
//! the end of a window, a stall. The time is told with whatever says something of the order, and with
//! [`Observation::Elapsed`]; what is due for a window waits with an answer that an inquiry
//! ([`inquiry`]) is still to follow, and goes out at `wake_at` at the latest.
//!
//! # Guarantees
//! Total: every (state, observation) pair has an answer. The generation rises by one if the state changed or an event
//! was made, and not else; so a replayed observation changes nothing (but two absences of a number in a row are two).

mod chime;
mod connect;
mod number;
#[cfg(test)]
mod tests;

pub use self::chime::steps_back_in_list;
use super::event::{Attention, NumberStatus, OrderEvent, WindowFacts};
use super::inquiry;
use super::observation::{ChimeStatus, Elsewhere, Observation, Reach, Sighting};
use super::policy::Policy;
use super::record;
use super::state::{Absence, Order, Presence, State, Status, Subject};
use super::time::Timestamp;
use super::window::WindowState;

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
    let first = order.state.presence == Presence::Unseen;
    let mut draft = Draft { order: order.clone(), events: Vec::new(), now, first };
    if !order.clock_in_doubt {
        draft.state().bound(now);
    }
    match observation {
        Observation::Seen(Sighting::Chime(sighting)) => chime::seen(&mut draft, sighting),
        Observation::Seen(Sighting::Connect(sighting)) => connect::seen(&mut draft, sighting),
        Observation::Missing { message, suspect } => draft.missing(message.as_deref(), *suspect),
        Observation::Elsewhere(found) => connect::elsewhere(&mut draft, found),
        Observation::Denied { reach: Reach::Order, code, message, .. } => {
            draft.refused(code, message.as_deref());
        }
        Observation::Malformed { detail } => draft.at_fault(detail),
        Observation::Throttled { .. }
        | Observation::Unavailable { .. }
        | Observation::Denied { reach: Reach::Scope, .. }
        | Observation::Elapsed => {}
        Observation::Acknowledged => draft.acknowledge(),
    }
    match observation {
        Observation::Seen(_) | Observation::Missing { .. } => {
            if !inquiry::is_wanted(&draft.order, now) {
                draft.tell_windows();
            }
            draft.tell_stall();
        }
        Observation::Elapsed
        | Observation::Elsewhere(Elsewhere::Nobody | Elsewhere::Held { .. } | Elsewhere::Unknown { .. }) => {
            draft.tell_windows();
            draft.tell_stall();
        }
        Observation::Elsewhere(Elsewhere::Searching)
        | Observation::Acknowledged
        | Observation::Throttled { .. }
        | Observation::Unavailable { .. }
        | Observation::Denied { .. }
        | Observation::Malformed { .. } => {}
    }
    draft.finish(order)
}

/// An order while a step is made of it.
struct Draft {
    order: Order,
    events: Vec<OrderEvent>,
    now: Timestamp,
    /// Whether the order was never seen before.
    first: bool,
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

    /// A status changed, to one that decides nothing if it is `pending`: age and stall count from here. To be seen for the
    /// first time and pending is no change: the order was so before, however late the first look came.
    fn status_changed(&mut self, pending: bool) {
        if self.first && pending {
            return;
        }
        let now = self.now;
        let state = self.state();
        state.changed_at = now;
        state.stalled = false;
    }

    /// The service described the order.
    fn present(&mut self) {
        let state = self.state();
        state.presence = Presence::Seen;
        state.absence = Absence::None;
        state.blocked = false;
        state.refused = false;
    }

    /// The word for what was before the first look that shows something: a number that was not found says so.
    fn word_before(&self, status: &Status) -> Option<&'static str> {
        match (status.word(), &self.order.state.subject) {
            (None, Subject::Connect(_)) if self.order.state.not_found_told => Some("NOT_FOUND"),
            (word, Subject::Connect(_) | Subject::Chime(_)) => word,
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

    fn missing(&mut self, message: Option<&str>, suspect: bool) {
        let now = self.now;
        let young_until = self.order.young_until(now);
        let confirm = self.policy().poll.missing_confirm;
        let state = self.state();
        state.blocked = false;
        state.refused = false;
        if matches!(state.presence, Presence::Gone { .. }) {
            return;
        }
        state.absence = match (young_until, state.absence, suspect) {
            (Some(until), ..) => Absence::Young { until },
            (None, absence, true) => Absence::Suspect { since: absence.since().unwrap_or(now).min(now) },
            (None, Absence::Doubted { since }, false) if now.since(since) >= confirm => {
                return self.gone(message);
            }
            (None, Absence::Doubted { since }, false) => Absence::Doubted { since: since.min(now) },
            // What was suspect is doubted anew: it is asked who else holds the number before it is called released.
            (None, Absence::None | Absence::Young { .. } | Absence::Suspect { .. }, false) => {
                Absence::Doubted { since: now }
            }
        };
    }

    /// The order is confirmed missing.
    fn gone(&mut self, message: Option<&str>) {
        let (from, told) = match &self.order.state.subject {
            Subject::Chime(chime) => (chime.status.map(ChimeStatus::as_str), self.order.state.not_found_told),
            Subject::Connect(connect) => {
                let current = connect.current.clone();
                let seen = number::release(self, &current);
                (None, seen || self.order.state.not_found_told)
            }
        };
        if !told {
            self.events.push(OrderEvent::NotFound { from, reason: message.map(str::to_owned) });
            self.state().not_found_told = true;
        }
        self.status_changed(false);
        let now = self.now;
        let state = self.state();
        state.presence = Presence::Gone { since: now };
        state.absence = Absence::None;
        // What comes back is told as if for the first time.
        state.reported_words.clear();
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

    /// What the time brings to windows: marks and ends.
    fn tell_windows(&mut self) {
        let numbers: Vec<String> = self.order.state.numbers.keys().cloned().collect();
        for key in numbers {
            if let Some(mut number) = self.order.state.numbers.remove(&key) {
                number::tell_window(self, &key, &mut number);
                self.order.state.numbers.insert(key, number);
            }
        }
    }

    /// The marks that are left of open windows are not warned at. Their ends are told all the same.
    fn acknowledge(&mut self) {
        let now = self.now;
        let mut known = Vec::new();
        for (key, number) in &mut self.state().numbers {
            if let WindowState::Open(window) = &mut number.window
                && window.acknowledge(now)
            {
                known.push((key.clone(), WindowFacts::from(&*window)));
            }
        }
        let events =
            known.into_iter().map(|(number, window)| OrderEvent::WindowAcknowledged { number, window });
        self.events.extend(events);
    }

    fn tell_stall(&mut self) {
        let now = self.now;
        if let Some(due_at) = self.order.stall_due().filter(|due_at| *due_at <= now) {
            let unchanged = now.since(self.order.state.changed_at);
            self.state().stalled = true;
            self.events.push(OrderEvent::Stalled { unchanged, due_at });
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
    /// Until when it is too young to be missing: creation is eventually consistent. `None`: it is old enough.
    pub(super) fn young_until(&self, now: Timestamp) -> Option<Timestamp> {
        let grace = self.watch.terms.policy.poll.missing_grace;
        let until = self.state.first_watched.plus(grace);
        // Watched first by a clock that was further ahead than that: then this says nothing.
        (now < until && self.state.first_watched <= now.plus(grace)).then_some(until)
    }

    /// Whether a look that does not find it says anything.
    pub(super) fn may_be_missing(&self, now: Timestamp) -> bool {
        !self.is_gone() && self.young_until(now).is_none()
    }

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
