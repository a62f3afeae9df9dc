//! When an order wants a look: by its state and age, never by what went wrong elsewhere.
//!
//! Young orders are looked at quickly, those that are a while old every `steady`, and beyond two hours at a 120th of
//! their age, so that a change is noticed within that part of it. The constants are those that did best in
//! `docs/benchmarks.md`.

#[cfg(test)]
#[expect(
    clippy::unchecked_time_subtraction,
    reason = "a table that went below zero would panic, and be mended"
)]
mod tests;
mod why;

use std::time::Duration;

pub use self::why::why;
use super::observation::ChimeStatus;
use super::order::{Operation, Stream};
use super::policy::AfterTerminal;
use super::schedule::Lane;
use super::state::{Ahead, Looked, Order, Presence, Status, Subject};
use super::time::Timestamp;
use super::window::WindowState;

/// A young order is looked at each time its age has grown by this part,
const YOUNG: u32 = 5;
/// and an old one by this part.
const OLD: u32 = 120;
/// How long before a mark, and before the end of a window, the look is due that the alert rests on. An answer younger
/// than this is fresh.
pub const FRESH: Duration = Duration::from_mins(1);
/// What is told by so much after its time is in time: the loop had other things to do.
const LATE: Duration = Duration::from_secs(5);
/// Porting takes weeks: looks are at least this far apart,
const PORTING_FLOOR: Duration = Duration::from_mins(15);
/// and at most this far.
const PORTING_CEILING: Duration = Duration::from_hours(6);
/// Around the day on which the carriers do it, porting is looked at every [`PORTING_FLOOR`].
const FOC_NEAR: Duration = Duration::from_hours(24);
/// Doubled with each look in a row that was the order's own fault,
const FAULT_BASE: Duration = Duration::from_secs(30);
/// up to this.
const FAULT_CEILING: Duration = Duration::from_hours(1);
/// How often a blocked order is looked at.
const BLOCKED_EVERY: Duration = Duration::from_hours(24);
/// How long an order that ended otherwise than well is looked at on: what comes back, comes back soon.
const LINGER: Duration = Duration::from_hours(24);
/// How long a failed claim is looked at after its window's latest end.
const LINGER_FAILED: Duration = Duration::from_hours(7 * 24);
/// Own looks of a number that is ours may be this many intervals apart, where the scope's list shows in between that it is
/// there: what a list does not tell, as an update that failed, is still noticed.
const PRESENT_FOR: u32 = 4;
/// A declared update may not have begun when the list is written: CLAIMED means nothing before this.
const UPDATE_PATIENCE: Duration = Duration::from_hours(1);

/// When the next look is wanted after one that was answered, or could not be, at `now`. `None`: it is done.
pub fn next_look(order: &Order, now: Timestamp) -> Option<Timestamp> {
    let poll = &order.watch.terms.policy.poll;
    if let Some(since) = order.state.doubted_since() {
        // Past due only if the look that should confirm had no answer; then it is tried again as soon as is decent. A
        // doubt from before the clock stepped back counts from now.
        let confirm = since.min(now).plus(poll.missing_confirm);
        return Some(if confirm > now { confirm } else { now.plus(poll.floor) });
    }
    if done_at(order).is_some_and(|done| done <= now) {
        return match poll.after_terminal {
            AfterTerminal::Stop => None,
            AfterTerminal::Every(interval) => Some(now.plus(jittered(interval, order.stream()))),
        };
    }
    let next = now.plus(interval(order, now));
    Some(window_looks(order, now).filter(|look| *look > now).chain([next]).min().unwrap_or(next))
}

/// How urgent the next look is.
pub fn lane(order: &Order, now: Timestamp) -> Lane {
    if order.open_windows().next().is_some() || order.state.doubted_since().is_some() {
        return Lane::Urgent;
    }
    match done_at(order) {
        // A declared update that has not begun yet is waited for.
        Some(done) if !order.is_pending() && (done <= now || !order.is_claimed()) => Lane::Verify,
        Some(_) | None => Lane::Pending,
    }
}

/// The look that the next alert is to rest on. One that was `tried` at `now` and had no answer is tried again.
pub fn look_ahead(order: &Order, tried: bool, now: Timestamp) -> Option<Ahead> {
    let of = next_alert(order)?;
    let usual = of.minus(FRESH);
    let looked = &order.looked;
    match looked.ahead.filter(|ahead| ahead.of == of) {
        Some(ahead) if looked.had_ahead(now) => Some(ahead),
        Some(ahead) if ahead.at <= now && tried => {
            Some(Ahead { at: now.plus(order.watch.terms.policy.poll.floor), of })
        }
        Some(ahead) if ahead.at <= now => Some(ahead),
        Some(_) => Some(Ahead { at: usual, of }),
        None => {
            let fresh = looked.answered_at.filter(|at| *at >= usual && *at <= now);
            Some(Ahead { at: fresh.unwrap_or(usual.max(now)), of })
        }
    }
}

/// The bookkeeping after a list showed at `now` that a number is there, without its status: enough for one that is ours
/// and merely watched on. `None`: it says nothing of this one, which is to be looked at itself.
pub fn present(order: &Order, now: Timestamp) -> Option<Looked> {
    let AfterTerminal::Every(interval) = order.watch.terms.policy.poll.after_terminal else { return None };
    let looked = order.looked;
    let lately = looked.answered_at.filter(|at| now.since(*at) < interval.saturating_mul(PRESENT_FOR));
    let enough = is_listable(order, now) && lately.is_some();
    enough.then(|| {
        let due_at = Some(now.plus(jittered(interval, order.stream())));
        Looked { due_at, decided_at: Some(now), ..looked }
    })
}

/// Whether a list of the scope can tell what is wanted of an order: Chime's has the orders in full, Connect's only says
/// which numbers are there, which is something for those that are ours.
pub fn is_listable(order: &Order, now: Timestamp) -> bool {
    match (&order.state.subject, order.watch.terms.policy.poll.after_terminal) {
        (Subject::Chime(_), _) => true,
        (Subject::Connect(_), AfterTerminal::Every(_)) => {
            order.is_claimed() && lane(order, now) == Lane::Verify
        }
        (Subject::Connect(_), AfterTerminal::Stop) => false,
    }
}

/// When the next look is wanted after one that failed through the order's own fault.
pub fn after_fault(order: &Order, now: Timestamp) -> Option<Timestamp> {
    let usual = next_look(order, now)?;
    if order.open_windows().next().is_some() {
        return Some(usual);
    }
    let faults = order.looked.faults;
    if faults >= super::step::FAULTS_UNTIL_BLOCKED {
        return Some(now.plus(jittered(BLOCKED_EVERY, order.stream())));
    }
    let most = FAULT_BASE.saturating_mul(1 << faults.saturating_sub(1).min(16)).min(FAULT_CEILING);
    let half = u64::try_from(most.as_millis() / 2).unwrap_or(u64::MAX);
    Some(now.plus(Duration::from_millis(half + order.stream().spread(faults.into(), half + 1))))
}

/// When a time that matters comes though nobody looks: a mark, a window's end, a stall.
///
/// What is due and was not said by an answer at `now` waits for an inquiry, a minute at most.
pub fn next_wake(order: &Order, now: Timestamp) -> Option<Timestamp> {
    let due = next_alert(order).into_iter().chain(order.stall_due()).min()?;
    if due > now {
        return Some(due);
    }
    let patient = now.plus(FRESH);
    Some(order.looked.wake_at.map_or(patient, |before| before.min(patient)))
}

/// When a window has something to say: the next mark, or its end.
pub fn next_alert(order: &Order) -> Option<Timestamp> {
    let terms = &order.watch.terms.policy.window;
    order.open_windows().flat_map(|window| [window.next_mark(terms), Some(window.latest)]).flatten().min()
}

/// What to do first when a time that matters comes late, since the daemon was down or the machine asleep: look, and say
/// it a minute later at the latest. `None`: it is not late, or the last answer is fresh.
pub fn look_first(order: &Order, now: Timestamp) -> Option<Looked> {
    let looked = order.looked;
    let due = next_alert(order).into_iter().chain(order.stall_due()).min()?;
    // A wake that is later than what is due was put off already: restarts must not do it again.
    let late = looked.wake_at.is_some_and(|wake| wake <= due && wake.plus(LATE) < now);
    let fresh = looked.answered_at.is_some_and(|at| at <= now && now.since(at) <= FRESH);
    let due_at = looked.due_at.filter(|_| late && !fresh)?;
    let ahead = next_alert(order).map(|of| Ahead { at: now, of });
    let (due_at, decided_at) = (Some(due_at.min(now)), Some(now));
    Some(Looked { due_at, decided_at, wake_at: Some(now.plus(FRESH)), ahead, ..looked })
}

/// Looks that open windows add: before each mark and the end, unless that look was had already, and just after the end.
/// All marks, since two may be closer together than two looks.
fn window_looks(order: &Order, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    let policy = &order.watch.terms.policy;
    let had = order.looked.ahead.filter(|_| order.looked.had_ahead(now)).map(|ahead| ahead.of);
    order.open_windows().flat_map(move |window| {
        let marks = window.marks_ahead(&policy.window).map(|mark| window.earliest.minus(mark));
        let alerts = marks.chain([window.latest]).filter(move |alert| Some(*alert) != had);
        alerts.map(|alert| alert.minus(FRESH)).chain([window.latest.plus(policy.poll.floor)])
    })
}

fn interval(order: &Order, now: Timestamp) -> Duration {
    let poll = &order.watch.terms.policy.poll;
    let age = now.since(order.state.changed_at.max(order.state.first_watched));
    if let Subject::Chime(chime) = &order.state.subject
        && (chime.porting || chime.status.is_some_and(ChimeStatus::is_porting))
    {
        let near = chime.foc_date.is_some_and(|foc| now.since(foc).max(foc.since(now)) <= FOC_NEAR);
        let interval = if near { PORTING_FLOOR } else { (age / 60).clamp(PORTING_FLOOR, PORTING_CEILING) };
        return jittered(interval, order.stream()).min(poll.ceiling);
    }
    let interval = poll.floor.max((age / YOUNG).min(poll.steady)).max(age / OLD);
    jittered(interval, order.stream()).min(poll.ceiling)
}

/// ±10 %, the same for an order each time: so orders that were added together do not stay together.
fn jittered(interval: Duration, stream: Stream) -> Duration {
    let permille = 900 + u32::try_from(stream.spread(0, 201)).unwrap_or(0);
    interval.saturating_mul(permille) / 1000
}

/// From when on the order is done, if it ends as it stands.
fn done_at(order: &Order) -> Option<Timestamp> {
    if order.open_windows().next().is_some() || order.state.absence.since().is_some() {
        return None;
    }
    if let Presence::Gone { since } = order.state.presence {
        return Some(since.plus(LINGER));
    }
    let policy = &order.watch.terms.policy;
    match &order.state.subject {
        Subject::Chime(chime) => {
            if !chime.status.is_some_and(ChimeStatus::is_terminal) {
                return None;
            }
            let pending = order.state.numbers.values().any(|n| matches!(n.status, Status::InProgress { .. }));
            let settled = if pending { order.state.changed_at.plus(LINGER) } else { order.state.changed_at };
            let closed = order
                .state
                .numbers
                .values()
                .filter(|number| matches!(number.status, Status::Failed { .. }))
                .filter_map(|number| lingers_failed(&number.window));
            Some(closed.chain([settled]).max().unwrap_or(settled))
        }
        Subject::Connect(connect) => {
            let number = order.state.numbers.get(&connect.current)?;
            match &number.status {
                Status::NeverSeen | Status::InProgress { .. } => None,
                Status::Claimed { since } => {
                    let update =
                        order.watch.declared.operation == Some(Operation::Update) && number.declared_holds;
                    Some(if update { order.state.first_watched.plus(UPDATE_PATIENCE) } else { *since })
                }
                Status::Released { since } => Some(since.plus(LINGER)),
                Status::Failed { since, cause, .. } => match cause.map(|cause| cause.operation) {
                    Some(Operation::Update) => Some(since.plus(policy.window.length)),
                    Some(Operation::Claim) | None => {
                        Some(lingers_failed(&number.window).unwrap_or(since.plus(LINGER_FAILED)))
                    }
                },
            }
        }
    }
}

fn lingers_failed(window: &WindowState) -> Option<Timestamp> {
    match window {
        WindowState::Never | WindowState::Open(_) => None,
        WindowState::Closed(closed) => Some(closed.window.latest.plus(LINGER_FAILED)),
    }
}
