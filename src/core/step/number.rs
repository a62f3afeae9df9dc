//! The rows of one number: what its provider's word makes of it, and of its retry window.

use super::super::event::{NumberChange, NumberStatus, OrderEvent, WindowEnd, WindowFacts};
use super::super::message;
use super::super::observation::{Progress, Word};
use super::super::order::{Operation, Provider};
use super::super::policy::WindowTerms;
use super::super::state::{Cause, CauseBasis, Number, Status};
use super::super::time::Timestamp;
use super::super::window::{ClaimStart, Window, WindowState};
use super::{Draft, status_of};

/// The provider described the number.
pub(super) fn seen(draft: &mut Draft, key: &str, word: Option<&Word<Progress>>, message: Option<&str>) {
    let mut number = draft.state().numbers.remove(key).unwrap_or_default();
    if let Some(word) = word {
        number.raw = Some(word.raw.clone());
        match word.known {
            Some(progress) => row(draft, key, &mut number, progress, message),
            None => draft.unrecognized(Some(key), &word.raw),
        }
    }
    draft.state().numbers.insert(key.to_owned(), number);
}

/// One (status, word) pair of the table.
fn row(draft: &mut Draft, key: &str, number: &mut Number, progress: Progress, message: Option<&str>) {
    match (&number.status, progress) {
        (Status::InProgress { .. }, Progress::InProgress) | (Status::Claimed { .. }, Progress::Claimed) => {}
        (Status::NeverSeen | Status::Released { .. }, Progress::InProgress) => {
            let cause = cause(draft, number);
            in_progress(draft, key, number, cause);
        }
        (Status::Claimed { .. } | Status::Failed { .. }, Progress::InProgress) => {
            // The first operation had its outcome, so what the list declares is about the past.
            number.declared_holds = false;
            let cause = cause(draft, number);
            in_progress(draft, key, number, cause);
        }
        (
            Status::NeverSeen | Status::InProgress { .. } | Status::Failed { .. } | Status::Released { .. },
            Progress::Claimed,
        ) => claimed(draft, key, number),
        (Status::NeverSeen | Status::Released { .. }, Progress::Failed) => {
            let cause = cause(draft, number);
            failed(draft, key, number, cause, message);
        }
        (Status::InProgress { cause, .. }, Progress::Failed) => {
            let cause = *cause;
            failed(draft, key, number, cause, message);
        }
        (Status::Claimed { .. }, Progress::Failed) => {
            // The operation between was missed. Whatever it was, it came after a claim that had succeeded.
            let declared =
                number.declared_holds && draft.order.watch.declared.operation == Some(Operation::Update);
            let basis = if declared { CauseBasis::Declared } else { CauseBasis::Inferred };
            let cause = is_connect(draft).then_some(Cause { operation: Operation::Update, basis });
            failed(draft, key, number, cause, message);
        }
        (Status::Failed { .. }, Progress::Failed) => failed_again(draft, key, number, message),
    }
}

fn in_progress(draft: &mut Draft, key: &str, number: &mut Number, cause: Option<Cause>) {
    let now = draft.now;
    note_update(number, cause);
    change(draft, key, number, Status::InProgress { since: now, cause }, Progress::InProgress, None);
}

fn claimed(draft: &mut Draft, key: &str, number: &mut Number) {
    let now = draft.now;
    number.claimed_before = true;
    change(draft, key, number, Status::Claimed { since: now }, Progress::Claimed, None);
    if let Some(window) = close(number) {
        draft.events.push(OrderEvent::WindowResolved { number: key.to_owned(), window });
    }
}

fn failed(draft: &mut Draft, key: &str, number: &mut Number, cause: Option<Cause>, message: Option<&str>) {
    let now = draft.now;
    let start = claim_start(draft, number, cause);
    note_update(number, cause);
    let reason = message.map(str::to_owned);
    change(draft, key, number, Status::Failed { since: now, cause, reason }, Progress::Failed, message);
    put_at_risk(draft, key, number, cause, |terms, id| Window::open(terms, start, now, id));
}

/// FAILED is seen again: only another message says that something happened.
fn failed_again(draft: &mut Draft, key: &str, number: &mut Number, message: Option<&str>) {
    let Status::Failed { since, cause, reason } = &mut number.status else { return };
    let Some(told) = message else { return };
    let Some(known) = reason.as_deref() else {
        *reason = Some(told.to_owned());
        return;
    };
    if message::stable(known) == message::stable(told) {
        return;
    }
    let (since, cause, now) = (*since, *cause, draft.now);
    let status = Status::Failed { since, cause, reason: Some(told.to_owned()) };
    change(draft, key, number, status, Progress::Failed, message);
    put_at_risk(draft, key, number, cause, |terms, id| Window::reopen(terms, now, id));
}

/// A failure that puts the number at risk moves the latest end of an open window, or opens a new one.
fn put_at_risk(
    draft: &mut Draft,
    key: &str,
    number: &mut Number,
    cause: Option<Cause>,
    new: impl FnOnce(&WindowTerms, String) -> Window,
) {
    if !opens_window(draft, cause) {
        return;
    }
    let terms = draft.policy().window.clone();
    if let WindowState::Open(window) = &mut number.window {
        window.failed_again(&terms, draft.now);
    } else {
        let window = new(&terms, draft.next_event_id());
        draft
            .events
            .push(OrderEvent::WindowOpened { number: key.to_owned(), window: WindowFacts::from(&window) });
        number.window = WindowState::Open(window);
    }
}

/// The number is not the account's any more. False if there was nothing to release.
pub(super) fn release(draft: &mut Draft, key: &str) -> bool {
    let Some(mut number) = draft.state().numbers.remove(key) else { return false };
    let releasable = match number.status {
        Status::NeverSeen | Status::Released { .. } => false,
        Status::InProgress { .. } | Status::Claimed { .. } | Status::Failed { .. } => true,
    };
    if releasable {
        let now = draft.now;
        if let Some(window) = close(&mut number) {
            draft.events.push(OrderEvent::WindowClosed {
                number: key.to_owned(),
                window,
                end: WindowEnd::Released,
            });
        }
        let from = number.status.word();
        number.status = Status::Released { since: now };
        number.claimed_before = false;
        number.declared_holds = false;
        draft.events.push(OrderEvent::Number(NumberChange {
            number: key.to_owned(),
            from,
            to: NumberStatus::Released,
            raw: None,
            reason: None,
            cause: None,
            duration: None,
            retrying: false,
        }));
        draft.status_changed();
    }
    draft.state().numbers.insert(key.to_owned(), number);
    releasable
}

/// Puts the status in place and says so.
fn change(
    draft: &mut Draft,
    key: &str,
    number: &mut Number,
    status: Status,
    progress: Progress,
    message: Option<&str>,
) {
    let cause = match &status {
        Status::InProgress { cause, .. } | Status::Failed { cause, .. } => *cause,
        Status::NeverSeen | Status::Claimed { .. } | Status::Released { .. } => match &number.status {
            Status::InProgress { cause, .. } => *cause,
            Status::NeverSeen | Status::Claimed { .. } | Status::Failed { .. } | Status::Released { .. } => {
                None
            }
        },
    };
    let duration = (progress == Progress::Claimed).then(|| began(draft, number)).flatten();
    let event = NumberChange {
        number: key.to_owned(),
        from: draft.word_before(&number.status),
        to: status_of(progress),
        raw: number.raw.clone(),
        reason: message.map(str::to_owned),
        cause,
        duration: duration.map(|began| draft.now.since(began)),
        retrying: progress == Progress::InProgress && number.window.open().is_some(),
    };
    number.status = status;
    draft.status_changed();
    draft.events.push(OrderEvent::Number(event));
}

/// When the operation began whose success is seen, as far as that is known.
fn began(draft: &Draft, number: &Number) -> Option<Timestamp> {
    let first_look = match &number.status {
        Status::InProgress { since, .. } => Some(*since),
        Status::NeverSeen | Status::Claimed { .. } | Status::Failed { .. } | Status::Released { .. } => None,
    };
    let requested = draft.order.watch.declared.requested_at.filter(|_| number.declared_holds);
    requested.filter(|at| *at <= draft.now).or(first_look)
}

fn claim_start(draft: &Draft, number: &Number, cause: Option<Cause>) -> ClaimStart {
    // While it is in doubt, the last answer did not find it: what is certain is the look that first showed it so.
    let answered_at = draft.order.looked.answered_at.filter(|_| draft.order.state.doubt.is_none());
    let (first_look, last_not_failed) = match &number.status {
        Status::InProgress { since, .. } => (Some(*since), answered_at.or(Some(*since))),
        Status::Claimed { since } => (None, answered_at.or(Some(*since))),
        Status::NeverSeen | Status::Failed { .. } | Status::Released { .. } => (None, None),
    };
    let first_operation =
        number.declared_holds && cause.is_none_or(|cause| cause.operation == Operation::Claim);
    ClaimStart {
        requested_at: draft.order.watch.declared.requested_at.filter(|_| first_operation),
        first_look,
        last_not_failed,
    }
}

/// A declared update is of a number that was claimed before, even if that was not seen.
fn note_update(number: &mut Number, cause: Option<Cause>) {
    if cause == Some(Cause { operation: Operation::Update, basis: CauseBasis::Declared }) {
        number.claimed_before = true;
    }
}

/// Which operation a status belongs to: what the list declares while that holds, else what was seen before.
fn cause(draft: &Draft, number: &Number) -> Option<Cause> {
    if !is_connect(draft) {
        return None;
    }
    let declared = draft.order.watch.declared.operation.filter(|_| number.declared_holds);
    let inferred = if number.claimed_before { Operation::Update } else { Operation::Claim };
    Some(match declared {
        Some(operation) => Cause { operation, basis: CauseBasis::Declared },
        None => Cause { operation: inferred, basis: CauseBasis::Inferred },
    })
}

fn is_connect(draft: &Draft) -> bool {
    draft.order.watch.key.provider == Provider::Connect
}

/// Only a failed claim puts the number at risk; a failed Chime number holds nothing back unless its list says so.
fn opens_window(draft: &Draft, cause: Option<Cause>) -> bool {
    match cause {
        Some(cause) => cause.operation == Operation::Claim,
        None => draft.policy().window_for_chime,
    }
}

fn close(number: &mut Number) -> Option<WindowFacts> {
    let WindowState::Open(window) = &number.window else { return None };
    let facts = WindowFacts::from(window);
    number.window = WindowState::Closed(window.clone());
    Some(facts)
}
