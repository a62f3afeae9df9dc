//! One observation in full: the step of the state machine, the bookkeeping of looks, and when to look next.

use super::observation::{Elsewhere, Observation, Progress, Reach, Sighting};
use super::state::Order;
use super::step::{Step, step, steps_back_in_list};
use super::time::Timestamp;
use super::{cadence, inquiry};

/// Applies an observation at `now`. `asked_at` is when the request began; an observation without a request has none.
pub fn apply(order: &Order, observation: &Observation, asked_at: Option<Timestamp>, now: Timestamp) -> Step {
    if let Some(dropped) = dropped(order, observation, asked_at, now) {
        return Step { order: dropped, events: Vec::new() };
    }
    let mut counted = order.clone();
    match observation {
        Observation::Malformed { .. } => counted.looked.faults = counted.looked.faults.saturating_add(1),
        Observation::Seen(_) | Observation::Missing { .. } => counted.looked.faults = 0,
        Observation::Throttled { .. }
        | Observation::Unavailable { .. }
        | Observation::Denied { .. }
        | Observation::Elsewhere(_)
        | Observation::Elapsed
        | Observation::Acknowledged => {}
    }
    let mut made = step(&counted, observation, now);
    let after = &mut made.order;
    match observation {
        Observation::Seen(_) | Observation::Missing { .. } => {
            after.looked.answered_at = Some(now);
            if shows_it_not_failed(observation) {
                after.looked.not_failed_at = Some(now);
            }
            let due = if inquiry::is_wanted(after, now) { Some(now) } else { cadence::next_look(after, now) };
            after.looked.decide(due, now);
        }
        Observation::Elsewhere(Elsewhere::Nobody | Elsewhere::Held { .. } | Elsewhere::Unknown { .. }) => {
            after.looked.elsewhere_at = Some(now);
            after.looked.decide(cadence::next_look(after, now), now);
        }
        Observation::Unavailable { .. } | Observation::Denied { reach: Reach::Order, .. } => {
            after.looked.decide(cadence::next_look(after, now), now);
        }
        Observation::Malformed { .. } => after.looked.decide(cadence::after_fault(after, now), now),
        // Nobody's fault: the order keeps its place.
        Observation::Throttled { .. }
        | Observation::Denied { reach: Reach::Scope, .. }
        | Observation::Elsewhere(Elsewhere::Searching)
        | Observation::Elapsed
        | Observation::Acknowledged => {}
    }
    after.looked.wake_at = cadence::next_wake(after, now);
    after.looked.lane = cadence::lane(after, now);
    let tried = asked_at.is_some() && !matches!(observation, Observation::Throttled { .. });
    after.looked.ahead = cadence::look_ahead(after, tried, now);
    made
}

/// The order after an answer that is not believed: one to a request from before the answer that was applied last, or a
/// step back that only a list tells, which an own look has to confirm.
fn dropped(
    order: &Order,
    observation: &Observation,
    asked_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<Order> {
    let mut after = order.clone();
    match observation {
        Observation::Seen(Sighting::Chime(sighting)) if steps_back_in_list(order, sighting) => {
            after.looked.decide(Some(now), now);
            return Some(after);
        }
        Observation::Seen(_) | Observation::Missing { .. } | Observation::Elsewhere(_) => {}
        Observation::Throttled { .. }
        | Observation::Unavailable { .. }
        | Observation::Denied { .. }
        | Observation::Malformed { .. }
        | Observation::Elapsed
        | Observation::Acknowledged => return None,
    }
    // An answer that was applied after now is one from before the clock stepped back, and says nothing of the order.
    let applied = order.looked.answered_at.filter(|at| *at <= now)?;
    if asked_at? >= applied {
        return None;
    }
    if order.looked.due_at.is_some_and(|due| due <= now) {
        after.looked.decide(cadence::next_look(order, now), now);
    }
    Some(after)
}

/// Whether an answer shows, with a word that is known, that a number was not FAILED.
fn shows_it_not_failed(observation: &Observation) -> bool {
    let not_failed = |known: Option<Progress>| match known {
        Some(Progress::InProgress | Progress::Claimed) => true,
        Some(Progress::Failed) | None => false,
    };
    match observation {
        Observation::Seen(Sighting::Connect(seen)) => {
            not_failed(seen.status.as_ref().and_then(|word| word.known))
        }
        Observation::Seen(Sighting::Chime(seen)) => {
            seen.numbers.iter().any(|number| not_failed(number.status.as_ref().and_then(|word| word.known)))
        }
        Observation::Missing { .. }
        | Observation::Throttled { .. }
        | Observation::Unavailable { .. }
        | Observation::Denied { .. }
        | Observation::Malformed { .. }
        | Observation::Elsewhere(_)
        | Observation::Elapsed
        | Observation::Acknowledged => false,
    }
}
