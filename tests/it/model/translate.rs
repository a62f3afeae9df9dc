//! What the real state machine knows and says, in the model's words.

use std::time::Duration;

use claimwatch::core::event::{Attention, NumberChange, OrderEvent, WindowEnd, WindowFacts};
use claimwatch::core::observation::ChimeStatus;
use claimwatch::core::order::Operation;
use claimwatch::core::policy::CountsFrom;
use claimwatch::core::state::{self, Absence, Cause, Order, Other, Place, Presence, Status, Subject};
use claimwatch::core::time::Timestamp;
use claimwatch::core::window::{self, Outcome, WindowBasis, WindowState};

use super::plain::{Looks, Number, Said, State, Terms, Window};

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Claim => "claim",
        Operation::Update => "update",
    }
}

fn cause(cause: Option<Cause>) -> (&'static str, &'static str) {
    cause.map_or(("", ""), |cause| (operation(cause.operation), cause.basis.as_str()))
}

/// An id without its stream: the generation and the place of its event.
fn id(id: &str) -> String {
    id.split_once('-').map_or(id, |(_, rest)| rest).to_owned()
}

fn basis(basis: WindowBasis) -> &'static str {
    match basis {
        WindowBasis::RequestedAt => "requested_at",
        WindowBasis::FirstLook => "first_look",
        WindowBasis::LastLookBeforeFailure => "last_look_before_failure",
        WindowBasis::FailureFirstSeen => "failure_first_seen",
        WindowBasis::AlreadyPast => "already_past",
        WindowBasis::Reopened => "reopened",
    }
}

pub(super) fn terms(order: &Order) -> Terms {
    let (declared, policy) = (&order.watch.declared, &order.watch.terms.policy);
    Terms {
        connect: matches!(order.state.subject, Subject::Connect(_)),
        operation: declared.operation.map(operation),
        requested_at: declared.requested_at.map(Timestamp::as_millis),
        declared_number: declared.number.clone(),
        length: millis(policy.window.length),
        marks: policy.window.warn_before.iter().copied().map(millis).collect(),
        counts_from_failure: policy.window.counts_from == CountsFrom::Failure,
        window_for_chime: policy.window_for_chime,
        stalled_after: policy.stalled_after.map(millis),
        missing_grace: millis(policy.poll.missing_grace),
        missing_confirm: millis(policy.poll.missing_confirm),
    }
}

pub(super) fn looks(order: &Order) -> Looks {
    Looks {
        not_failed_at: order.looked.not_failed_at.map(Timestamp::as_millis),
        elsewhere_at: order.looked.elsewhere_at.map(Timestamp::as_millis),
        faults: order.looked.faults,
    }
}

pub(super) fn state(order: &Order) -> State {
    let real = &order.state;
    let (presence, gone_since) = match real.presence {
        Presence::Unseen => ("unseen", None),
        Presence::Seen => ("seen", None),
        Presence::Gone { since } => ("gone", Some(since.as_millis())),
    };
    let (absence, absence_at) = match real.absence {
        Absence::None => ("none", None),
        Absence::Young { until } => ("young", Some(until.as_millis())),
        Absence::Doubted { since } => ("doubted", Some(since.as_millis())),
        Absence::Suspect { since } => ("suspect", Some(since.as_millis())),
    };
    let common = State {
        generation: order.generation,
        first_watched: real.first_watched.as_millis(),
        changed_at: real.changed_at.as_millis(),
        presence,
        gone_since,
        absence,
        absence_at,
        not_found_told: real.not_found_told,
        words: real.reported_words.clone(),
        stalled: real.stalled,
        blocked: real.blocked,
        refused: real.refused,
        numbers: real.numbers.iter().map(|(key, of)| (key.clone(), number(of))).collect(),
        ..State::default()
    };
    match &real.subject {
        Subject::Chime(chime) => State {
            own: chime.status.map(ChimeStatus::as_str),
            porting: chime.porting,
            updated_at: chime.updated_at.map(Timestamp::as_millis),
            foc_date: chime.foc_date.map(Timestamp::as_millis),
            ..common
        },
        Subject::Connect(connect) => {
            let (other, other_what, other_raw) = match &connect.other {
                Other::NotAsked => ("not_asked", "", None),
                Other::Nobody => ("nobody", "", None),
                Other::Held { by, raw } => ("held", by.as_str(), raw.clone()),
                Other::Unknown { why, refused: false } => ("unknown", why.as_str(), None),
                Other::Unknown { why, refused: true } => ("refused", why.as_str(), None),
            };
            let (current, target) = (connect.current.clone(), connect.target.clone());
            State { current, target, other, other_what: other_what.to_owned(), other_raw, ..common }
        }
    }
}

fn number(real: &state::Number) -> Number {
    let (status, since, of, message) = match &real.status {
        Status::NeverSeen => ("", 0, None, None),
        Status::InProgress { since, cause } => ("IN_PROGRESS", since.as_millis(), *cause, None),
        Status::Claimed { since } => ("CLAIMED", since.as_millis(), None, None),
        Status::Failed { since, cause, reason } => ("FAILED", since.as_millis(), *cause, reason.clone()),
        Status::Released { since } => ("RELEASED", since.as_millis(), None, None),
    };
    let (operation, basis) = cause(of);
    Number {
        status,
        since,
        operation,
        basis,
        message,
        raw: real.raw.clone(),
        claimed_before: real.claimed_before.is_some(),
        declared_holds: real.declared_holds,
        window: match &real.window {
            WindowState::Never => None,
            WindowState::Open(open) => Some(window(open)),
            WindowState::Closed(closed) => {
                let (outcome, other_id) = match &closed.outcome {
                    Outcome::Claimed => ("claimed", None),
                    Outcome::ClaimedElsewhere { other_id } => ("claimed_elsewhere", Some(other_id.clone())),
                    Outcome::Unconfirmed => ("unconfirmed", None),
                    Outcome::Released => ("released", None),
                };
                let closed_at = Some(closed.at.as_millis());
                Some(Window { outcome, other_id, closed_at, ..window(&closed.window) })
            }
        },
        place: match real.place {
            Place::Listed => "listed",
            Place::LackedOnce => "lacked_once",
            Place::Vanished => "vanished",
        },
    }
}

fn window(real: &window::Window) -> Window {
    Window {
        id: id(&real.id),
        outcome: "",
        other_id: None,
        closed_at: None,
        basis: basis(real.basis),
        length: millis(real.length),
        failed_at: real.failed_at.as_millis(),
        earliest: real.earliest.as_millis(),
        latest: real.latest.as_millis(),
        warned: real.warned.map(millis),
        acknowledged_at: real.acknowledged_at.map(Timestamp::as_millis),
    }
}

pub(super) fn event(real: &OrderEvent) -> Said {
    let said = Said { name: real.name(), ..Said::default() };
    match real {
        OrderEvent::Tracked | OrderEvent::Untracked { .. } => said,
        OrderEvent::Number(change) => number_event(said, change),
        OrderEvent::WindowOpened { number, window } | OrderEvent::WindowAcknowledged { number, window } => {
            of_window(said, number, window)
        }
        OrderEvent::WindowClosing { number, window, mark, last, due_at } => {
            let said = of_window(said, number, window);
            Said { mark: millis(*mark), last: *last, due_at: due_at.as_millis(), ..said }
        }
        OrderEvent::WindowClosed { number, window, end } => {
            let (outcome, due_at) = match end {
                WindowEnd::Unconfirmed { due_at } => ("unconfirmed", due_at.as_millis()),
                WindowEnd::Released => ("released", 0),
            };
            Said { due_at, outcome, ..of_window(said, number, window) }
        }
        OrderEvent::WindowResolved { number, window, other_id } => {
            let outcome = if other_id.is_some() { "claimed_elsewhere" } else { "claimed" };
            Said { outcome, other_id: other_id.clone(), ..of_window(said, number, window) }
        }
        OrderEvent::StatusChanged { from, to } => {
            Said { from: from.unwrap_or_default(), to: to.as_str(), ..said }
        }
        OrderEvent::Completed { outcome, duration } => {
            Said { outcome: outcome.as_str(), duration: Some(millis(*duration)), ..said }
        }
        OrderEvent::Attention(attention) => attention_event(said, attention),
        OrderEvent::Unrecognized { number, raw } => {
            Said { number: number.clone().unwrap_or_default(), raw: Some(raw.clone()), ..said }
        }
        OrderEvent::NotFound { from, reason } => {
            Said { from: from.unwrap_or_default(), reason: reason.clone(), ..said }
        }
        OrderEvent::Stalled { unchanged, due_at } => {
            Said { duration: Some(millis(*unchanged)), due_at: due_at.as_millis(), ..said }
        }
        OrderEvent::Blocked { faults, detail } => {
            Said { faults: *faults, reason: Some(detail.clone()), ..said }
        }
    }
}

fn number_event(said: Said, change: &NumberChange) -> Said {
    let (operation, basis) = cause(change.cause);
    Said {
        number: change.number.clone(),
        from: change.from.unwrap_or_default(),
        to: change.to.word(),
        raw: change.raw.clone(),
        reason: change.reason.clone(),
        operation,
        basis,
        duration: change.duration.map(millis),
        retrying: change.retrying,
        other_id: change.other_id.clone(),
        ..said
    }
}

fn of_window(said: Said, number: &str, window: &WindowFacts) -> Said {
    Said {
        number: number.to_owned(),
        window_id: id(&window.id),
        window_basis: basis(window.basis),
        earliest: window.earliest.as_millis(),
        latest: window.latest.as_millis(),
        ..said
    }
}

fn attention_event(said: Said, attention: &Attention) -> Said {
    let said = Said { condition: attention.condition(), ..said };
    match attention {
        Attention::PendingDocuments | Attention::Exception => said,
        Attention::NumberVanished { number } => Said { number: number.clone(), ..said },
        Attention::HoldersDenied { code } => Said { raw: Some(code.clone()), ..said },
        Attention::AccessDenied { code, reason } => {
            Said { raw: Some(code.clone()), reason: reason.clone(), ..said }
        }
    }
}
