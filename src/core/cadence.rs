//! When an order wants a look: by its state and age, never by what went wrong elsewhere.
//!
//! Young orders are looked at quickly, those that are a while old every `steady`, and beyond an hour at a sixtieth of
//! their age, so that a change is noticed within that part of it.

use std::time::Duration;

use super::observation::ChimeStatus;
use super::order::{Operation, Stream};
use super::policy::AfterTerminal;
use super::state::{Order, Presence, Status, Subject};
use super::time::Timestamp;
use super::window::WindowState;

/// How long before a mark, and before the end of a window, the look is due that the alert rests on. An answer younger
/// than this is fresh.
pub const FRESH: Duration = Duration::from_mins(1);
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
/// A declared update may not have begun when the list is written: CLAIMED means nothing before this.
const UPDATE_PATIENCE: Duration = Duration::from_hours(1);

/// When the next look is wanted after one that was answered, or could not be, at `now`. `None`: it is done.
pub fn next_look(order: &Order, now: Timestamp) -> Option<Timestamp> {
    let poll = &order.watch.terms.policy.poll;
    if let Some(since) = order.state.doubt {
        // Past due only if the look that should confirm had no answer; then it is tried again as soon as is decent.
        let confirm = since.plus(poll.missing_confirm);
        return Some(if confirm > now { confirm } else { now.plus(poll.floor) });
    }
    if done_at(order).is_some_and(|done| done <= now) {
        return match poll.after_terminal {
            AfterTerminal::Stop => None,
            AfterTerminal::Every(interval) => Some(now.plus(jittered(interval, order.stream()))),
        };
    }
    let next = now.plus(interval(order, now));
    Some(window_looks(order).filter(|look| *look > now).chain([next]).min().unwrap_or(next))
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
pub fn next_wake(order: &Order) -> Option<Timestamp> {
    let terms = &order.watch.terms.policy.window;
    let windows = order.open_windows().flat_map(|window| [window.next_mark(terms), Some(window.latest)]);
    windows.chain([order.stall_due()]).flatten().min()
}

/// Looks that open windows add: before each mark and the end, and just after the end.
fn window_looks(order: &Order) -> impl Iterator<Item = Timestamp> {
    let policy = &order.watch.terms.policy;
    order.open_windows().flat_map(move |window| {
        let mark = window.next_mark(&policy.window).map(|mark| mark.minus(FRESH));
        let end = [window.latest.minus(FRESH), window.latest.plus(policy.poll.floor)];
        mark.into_iter().chain(end)
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
    let interval = poll.floor.max((age / 4).min(poll.steady)).max(age / 60);
    jittered(interval, order.stream()).min(poll.ceiling)
}

/// ±10 %, the same for an order each time: so orders that were added together do not stay together.
fn jittered(interval: Duration, stream: Stream) -> Duration {
    let permille = 900 + u32::try_from(stream.spread(0, 201)).unwrap_or(0);
    interval.saturating_mul(permille) / 1000
}

/// From when on the order is done, if it ends as it stands.
fn done_at(order: &Order) -> Option<Timestamp> {
    if order.open_windows().next().is_some() {
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
            let closed = order.state.numbers.values().filter_map(|number| lingers_failed(&number.window));
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
        WindowState::Closed(window) => Some(window.latest.plus(LINGER_FAILED)),
    }
}
