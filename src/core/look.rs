//! One observation in full: the step of the state machine, the bookkeeping of looks, and when to look next.

use super::cadence;
use super::observation::{Observation, Reach};
use super::state::Order;
use super::step::{Step, step};
use super::time::Timestamp;

/// Applies an observation at `now`. `asked_at` is when the request began; an observation without a request has none.
pub fn apply(order: &Order, observation: &Observation, asked_at: Option<Timestamp>, now: Timestamp) -> Step {
    let mut counted = order.clone();
    match observation {
        Observation::Malformed { .. } => counted.looked.faults = counted.looked.faults.saturating_add(1),
        Observation::Seen(_) | Observation::Missing { .. } => counted.looked.faults = 0,
        Observation::Throttled { .. }
        | Observation::Unavailable { .. }
        | Observation::Denied { .. }
        | Observation::Elapsed => {}
    }
    let mut made = step(&counted, observation, now);
    let after = &mut made.order;
    match observation {
        Observation::Seen(_) | Observation::Missing { .. } => {
            after.looked.answered_at = Some(now);
            after.looked.asked_at = asked_at;
            after.looked.due_at = cadence::next_look(after, now);
        }
        Observation::Unavailable { .. } | Observation::Denied { reach: Reach::Order, .. } => {
            after.looked.due_at = cadence::next_look(after, now);
        }
        Observation::Malformed { .. } => after.looked.due_at = cadence::after_fault(after, now),
        // Nobody's fault: the order keeps its place.
        Observation::Throttled { .. }
        | Observation::Denied { reach: Reach::Scope, .. }
        | Observation::Elapsed => {}
    }
    after.looked.wake_at = cadence::next_wake(after);
    made
}
