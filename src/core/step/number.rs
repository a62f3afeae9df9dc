//! The rows of one number: what its provider's word makes of it, and of its retry window.

use super::super::event::{NumberChange, NumberStatus, OrderEvent, WindowEnd, WindowFacts};
use super::super::message;
use super::super::observation::{Progress, Word};
use super::super::order::{Operation, Provider};
use super::super::policy::WindowTerms;
use super::super::state::{Cause, CauseBasis, ClaimedBefore, Connect, Number, Other, Place, Status, Subject};
use super::super::time::Timestamp;
use super::super::window::{self, ClaimStart, Outcome, Window, WindowState};
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
            let basis = if declared { CauseBasis::Declared } else { CauseBasis::ClaimedBefore };
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
    number.claimed_before = match number.claimed_before {
        None | Some(ClaimedBefore::Declared) => Some(ClaimedBefore::Seen { at: now }),
        seen @ Some(ClaimedBefore::Seen { .. }) => seen,
    };
    if let Subject::Connect(connect) = &mut draft.state().subject {
        connect.other = Other::NotAsked;
    }
    change(draft, key, number, Status::Claimed { since: now }, Progress::Claimed, None);
    if let Some(window) = number.window.close(Outcome::Claimed, now) {
        draft.events.push(OrderEvent::WindowResolved {
            number: key.to_owned(),
            window: WindowFacts::from(&window),
            other_id: None,
        });
    }
}

/// Another id claimed the number: nothing is lost, and the status here is as it was.
pub(super) fn claimed_elsewhere(draft: &mut Draft, key: &str, other_id: &str) {
    let now = draft.now;
    let Some(number) = draft.state().numbers.get_mut(key) else { return };
    let outcome = Outcome::ClaimedElsewhere { other_id: other_id.to_owned() };
    if let Some(window) = number.window.close(outcome, now) {
        draft.events.push(OrderEvent::WindowResolved {
            number: key.to_owned(),
            window: WindowFacts::from(&window),
            other_id: Some(other_id.to_owned()),
        });
    }
}

/// What the time brings to the number's window: a mark, its end.
pub(super) fn tell_window(draft: &mut Draft, key: &str, number: &mut Number) {
    let now = draft.now;
    let terms = draft.policy().window.clone();
    let WindowState::Open(open) = &mut number.window else { return };
    if let Some(mark) = open.due_mark(&terms, now) {
        open.warned = Some(mark);
        draft.events.push(OrderEvent::WindowClosing {
            number: key.to_owned(),
            window: WindowFacts::from(&*open),
            mark,
            last: window::is_last_mark(&terms, mark),
            due_at: open.earliest.minus(mark),
        });
    }
    if open.latest <= now {
        end_unconfirmed(draft, key, number);
    }
}

fn end_unconfirmed(draft: &mut Draft, key: &str, number: &mut Number) {
    if let Some(window) = number.window.close(Outcome::Unconfirmed, draft.now) {
        draft.events.push(OrderEvent::WindowClosed {
            number: key.to_owned(),
            window: WindowFacts::from(&window),
            end: WindowEnd::Unconfirmed { due_at: window.latest },
        });
    }
}

fn failed(draft: &mut Draft, key: &str, number: &mut Number, cause: Option<Cause>, message: Option<&str>) {
    let now = draft.now;
    end_if_over(draft, key, number);
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
    end_if_over(draft, key, number);
    let status = Status::Failed { since, cause, reason: Some(told.to_owned()) };
    change(draft, key, number, status, Progress::Failed, message);
    put_at_risk(draft, key, number, cause, |terms, id| Window::reopen(terms, now, id));
}

/// A window whose latest end has passed ends before a new failure is told, even if nobody told the time meanwhile: the
/// failure would move that end, and it would never have been said.
fn end_if_over(draft: &mut Draft, key: &str, number: &mut Number) {
    if number.window.open().is_some_and(|window| window.latest <= draft.now) {
        tell_window(draft, key, number);
    }
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
    if let WindowState::Open(window) = &mut number.window {
        window.failed_again(draft.now);
    } else {
        let terms = draft.policy().window.clone();
        let window = new(&terms, draft.next_event_id());
        draft
            .events
            .push(OrderEvent::WindowOpened { number: key.to_owned(), window: WindowFacts::from(&window) });
        number.window = WindowState::Open(window);
    }
}

/// The id does not stand for the number any more. That is told once. False: it was never seen to, so there is nothing to
/// tell.
pub(super) fn release(draft: &mut Draft, key: &str) -> bool {
    let other_id = match &draft.order.state.subject {
        Subject::Connect(Connect { other: Other::Held { by, .. }, .. }) => Some(by.clone()),
        Subject::Connect(_) | Subject::Chime(_) => None,
    };
    let Some(mut number) = draft.state().numbers.remove(key) else { return false };
    let releasable = match number.status {
        Status::NeverSeen | Status::Released { .. } => false,
        Status::InProgress { .. } | Status::Claimed { .. } | Status::Failed { .. } => true,
    };
    if releasable {
        let now = draft.now;
        if let Some(window) = number.window.close(Outcome::Released, now) {
            draft.events.push(OrderEvent::WindowClosed {
                number: key.to_owned(),
                window: WindowFacts::from(&window),
                end: WindowEnd::Released,
            });
        }
        let from = number.status.word();
        number.status = Status::Released { since: now };
        number.claimed_before = None;
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
            other_id,
        }));
        draft.state().not_found_told = false;
        draft.status_changed(false);
    }
    let seen = number.status != Status::NeverSeen;
    draft.state().numbers.insert(key.to_owned(), number);
    seen
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
        other_id: None,
    };
    number.status = status;
    if is_connect(draft) {
        draft.state().not_found_told = false;
    }
    draft.status_changed(progress == Progress::InProgress);
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
    // A look that did not show this number says nothing of it.
    let shown = draft.order.looked.not_failed_at.filter(|_| number.place == Place::Listed);
    let shown = shown.filter(|at| *at <= draft.now);
    let (first_look, last_not_failed) = match &number.status {
        Status::InProgress { since, .. } => (Some(*since), Some(shown.unwrap_or(*since).max(*since))),
        Status::Claimed { since } => (None, Some(shown.unwrap_or(*since).max(*since))),
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
        number.claimed_before.get_or_insert(ClaimedBefore::Declared);
    }
}

/// Which operation a status belongs to: what the list declares while that holds, else what was seen before.
fn cause(draft: &Draft, number: &Number) -> Option<Cause> {
    if !is_connect(draft) {
        return None;
    }
    let declared = draft.order.watch.declared.operation.filter(|_| number.declared_holds);
    Some(match (declared, number.claimed_before) {
        (Some(operation), _) => Cause { operation, basis: CauseBasis::Declared },
        (None, Some(_)) => Cause { operation: Operation::Update, basis: CauseBasis::ClaimedBefore },
        (None, None) => Cause { operation: Operation::Claim, basis: CauseBasis::NeverClaimed },
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
