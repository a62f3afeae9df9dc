//! What was said, and what changed without being said, in the words of the page.

use claimwatch::core::event::{Attention, Level, NumberChange, NumberStatus, OrderEvent, WindowEnd};
use claimwatch::core::observation::ChimeStatus;
use claimwatch::core::state::{Absence, Number, Order, Other, Place, Presence, State, Status, Subject};
use claimwatch::core::window::WindowState;

use super::seen::OTHER_NUMBER;
use super::table::Kind as _;

kinds! {
    /// Every event that an order can have, with what tells two of one name apart.
    Said {
        Tracked: "order.tracked",
        Untracked: "order.untracked",
        InProgress: "number.in_progress",
        Claimed: "number.claimed",
        Failed: "number.failed",
        Released: "number.released",
        WindowOpened: "window.opened",
        WindowAcknowledged: "window.acknowledged",
        WindowClosing: "window.closing",
        WindowUnconfirmed: "window.closed, unconfirmed",
        WindowReleased: "window.closed, released",
        Resolved: "window.resolved, claimed",
        ResolvedElsewhere: "window.resolved, claimed_elsewhere",
        StatusChanged: "order.status_changed",
        Completed: "order.completed",
        PendingDocuments: "order.attention, pending_documents",
        Exception: "order.attention, exception",
        NumberVanished: "order.attention, number_vanished",
        HoldersDenied: "order.attention, holders_denied",
        AccessDenied: "order.attention, access_denied",
        Unrecognized: "order.unrecognized",
        NotFound: "order.not_found",
        Stalled: "order.stalled",
        Blocked: "order.blocked",
    }
}

impl Said {
    pub(super) fn of(event: &OrderEvent) -> Self {
        let said = match event {
            OrderEvent::Tracked => Self::Tracked,
            OrderEvent::Untracked { .. } => Self::Untracked,
            OrderEvent::Number(change) => match change.to {
                NumberStatus::InProgress => Self::InProgress,
                NumberStatus::Claimed => Self::Claimed,
                NumberStatus::Failed => Self::Failed,
                NumberStatus::Released => Self::Released,
            },
            OrderEvent::WindowOpened { .. } => Self::WindowOpened,
            OrderEvent::WindowAcknowledged { .. } => Self::WindowAcknowledged,
            OrderEvent::WindowClosing { .. } => Self::WindowClosing,
            OrderEvent::WindowClosed { end: WindowEnd::Unconfirmed { .. }, .. } => Self::WindowUnconfirmed,
            OrderEvent::WindowClosed { end: WindowEnd::Released, .. } => Self::WindowReleased,
            OrderEvent::WindowResolved { other_id: None, .. } => Self::Resolved,
            OrderEvent::WindowResolved { other_id: Some(_), .. } => Self::ResolvedElsewhere,
            OrderEvent::StatusChanged { .. } => Self::StatusChanged,
            OrderEvent::Completed { .. } => Self::Completed,
            OrderEvent::Attention(Attention::PendingDocuments) => Self::PendingDocuments,
            OrderEvent::Attention(Attention::Exception) => Self::Exception,
            OrderEvent::Attention(Attention::NumberVanished { .. }) => Self::NumberVanished,
            OrderEvent::Attention(Attention::HoldersDenied { .. }) => Self::HoldersDenied,
            OrderEvent::Attention(Attention::AccessDenied { .. }) => Self::AccessDenied,
            OrderEvent::Unrecognized { .. } => Self::Unrecognized,
            OrderEvent::NotFound { .. } => Self::NotFound,
            OrderEvent::Stalled { .. } => Self::Stalled,
            OrderEvent::Blocked { .. } => Self::Blocked,
        };
        assert!(said.label().starts_with(event.name()), "{event:?} is not {}", said.label());
        said
    }
}

/// An event's name with its telling details.
pub(super) fn tell(event: &OrderEvent, before: &Order, after: &Order) -> String {
    let details: Vec<String> = match event {
        OrderEvent::Tracked
        | OrderEvent::Untracked { .. }
        | OrderEvent::WindowAcknowledged { .. }
        | OrderEvent::Unrecognized { .. }
        | OrderEvent::Stalled { .. }
        | OrderEvent::Blocked { .. } => Vec::new(),
        OrderEvent::Number(change) => tell_number(change, before),
        OrderEvent::WindowOpened { number, window } => {
            let basis = format!("basis `{}`", window.basis.as_str());
            whose(number).into_iter().chain([basis]).collect()
        }
        OrderEvent::WindowClosing { last, .. } => match (last, event.level()) {
            (false, Level::Warn) => Vec::new(),
            (false, level @ (Level::Info | Level::Error)) | (true, level) => vec![level.as_str().to_owned()],
        },
        OrderEvent::WindowClosed { end, .. } => vec![match end {
            WindowEnd::Unconfirmed { .. } => "`unconfirmed`".to_owned(),
            WindowEnd::Released => "`released`".to_owned(),
        }],
        OrderEvent::WindowResolved { other_id, .. } => vec![match other_id {
            None => "`claimed`".to_owned(),
            Some(_) => "`claimed_elsewhere`, `other_id`".to_owned(),
        }],
        OrderEvent::StatusChanged { from, .. } => {
            origin(*from, own_word(before).map(ChimeStatus::as_str)).into_iter().collect()
        }
        OrderEvent::Completed { outcome, .. } => {
            let word = if own_word(after) == Some(*outcome) { "that word" } else { outcome.as_str() };
            vec![format!("outcome {word}"), event.level().as_str().to_owned()]
        }
        OrderEvent::Attention(attention) => vec![format!("`{}`", attention.condition())],
        OrderEvent::NotFound { from, .. } => match (from, own_word(before).map(ChimeStatus::as_str)) {
            (None, _) => vec!["`from` left out".to_owned()],
            (Some(from), Some(word)) if *from == word => vec!["from the order's last word".to_owned()],
            (Some(from), _) => vec![format!("from {from}")],
        },
    };
    let name = event.name();
    if details.is_empty() { format!("`{name}`") } else { format!("`{name}` ({})", details.join(", ")) }
}

fn tell_number(change: &NumberChange, before: &Order) -> Vec<String> {
    let known = before.state.numbers.get(&change.number);
    let details = [
        whose(&change.number),
        change.cause.map(|cause| cause.operation.as_str().to_owned()),
        origin(change.from, known.and_then(|number| number.status.word())),
        change.retrying.then(|| "`retrying`".to_owned()),
        change.duration.map(|_| "`duration_s`".to_owned()),
        change.reason.as_ref().map(|_| "`reason`".to_owned()),
        change.other_id.as_ref().map(|_| "`other_id`".to_owned()),
    ];
    details.into_iter().flatten().collect()
}

/// Of several numbers only the new one is named.
fn whose(number: &str) -> Option<String> {
    (number == OTHER_NUMBER).then(|| "the new number".to_owned())
}

/// A `from` that goes without saying is not told.
fn origin(from: Option<&str>, known: Option<&str>) -> Option<String> {
    match (from, known) {
        (None, _) => Some("`from` left out".to_owned()),
        (Some(from), Some(known)) if from == known => None,
        (Some(from), _) => Some(format!("from `{from}`")),
    }
}

fn own_word(order: &Order) -> Option<ChimeStatus> {
    match &order.state.subject {
        Subject::Chime(chime) => chime.status,
        Subject::Connect(_) => None,
    }
}

/// What changed besides the state's name, as far as events do not tell it. `same`: that name did not.
pub(super) fn asides(before: &State, after: &State, same: bool) -> Vec<&'static str> {
    // Named one by one, so that a new field has to be thought of here. What goes with an event needs no word.
    let State {
        first_watched: _,
        changed_at: _,
        presence,
        absence,
        not_found_told: _,
        subject,
        reported_words: _,
        stalled: _,
        blocked: _,
        refused: _,
        numbers,
    } = after;
    let mut asides = Vec::new();
    if *absence != before.absence {
        asides.extend(match absence {
            Absence::None => match presence {
                Presence::Seen => Some("the doubt is over"),
                Presence::Unseen | Presence::Gone { .. } => None,
            },
            Absence::Young { .. } => Some("too young to be missing"),
            Absence::Doubted { .. } => Some("a second look is awaited"),
            Absence::Suspect { .. } => Some("nothing is confirmed"),
        });
    }
    if let (Subject::Connect(before), Subject::Connect(after)) = (&before.subject, subject)
        && before.other != after.other
    {
        asides.extend(match after.other {
            Other::NotAsked => None,
            Other::Nobody | Other::Held { .. } | Other::Unknown { .. } => Some("the answer is kept"),
        });
    }
    for (key, number) in numbers {
        match before.numbers.get(key) {
            Some(known) => asides.extend(changes(known, number)),
            None if same => asides.push("the number is remembered"),
            None => {}
        }
    }
    asides
}

fn changes(before: &Number, after: &Number) -> Vec<&'static str> {
    let Number { status, raw: _, claimed_before: _, declared_holds: _, window, place } = after;
    let mut asides = Vec::new();
    match (&before.status, status) {
        (
            Status::Failed { reason: None, since: known, .. },
            Status::Failed { reason: Some(_), since, .. },
        ) if known == since => {
            asides.push("the message is kept");
        }
        (
            _,
            Status::NeverSeen
            | Status::InProgress { .. }
            | Status::Claimed { .. }
            | Status::Failed { .. }
            | Status::Released { .. },
        ) => {}
    }
    match (&before.window, window) {
        (WindowState::Open(before), WindowState::Open(after)) => {
            asides.extend((before.earliest != after.earliest).then_some("`earliest` moves"));
            asides.extend((before.latest != after.latest).then_some("`latest` moves"));
        }
        (WindowState::Never | WindowState::Open(_) | WindowState::Closed(_), _) => {}
    }
    if before.place != *place {
        asides.push(match place {
            Place::Listed => "listed again",
            Place::LackedOnce => "a second such answer is awaited",
            Place::Vanished => "not listed any more",
        });
    }
    asides
}
