//! A Connect number.

use std::time::Duration;

use claimwatch::core::observation::{Elsewhere, Observation, Reach};
use claimwatch::core::order::{Operation, Provider};
use claimwatch::core::state::{Cause, Number, Presence, Status, Subject};
use claimwatch::core::step::FAULTS_UNTIL_BLOCKED;
use claimwatch::core::window::WindowState;

use super::seen::{
    MESSAGE, NUMBER, ODD, OTHER_MESSAGE, OTHER_NUMBER, OTHER_ODD, connect, denied, failed, held, malformed,
    missing, named, nobody, not_asked, throttled, unavailable,
};
use super::table::{Place, Sight};
use super::tale::Tale;

kinds! {
    /// Where a Connect number stands.
    State {
        NeverSeen: "never seen",
        NotFound: "not found",
        InProgressClaim: "IN_PROGRESS (claim)",
        InProgressOpen: "IN_PROGRESS (window open)",
        InProgressUpdate: "IN_PROGRESS (update)",
        Claimed: "CLAIMED",
        FailedOpen: "FAILED (window open)",
        FailedClosed: "FAILED (window closed)",
        FailedUpdate: "FAILED (update)",
        Released: "RELEASED",
        There: "no word yet",
        ThereAfterNotFound: "no word since not found",
        ThereAfterReleased: "no word since RELEASED",
    }
}

kinds! {
    /// What can be seen of it.
    Sees {
        InProgress: "IN_PROGRESS",
        Claimed: "CLAIMED",
        Failed: "FAILED (the same message)",
        FailedOtherwise: "FAILED (another message)",
        FailedFirstMessage: "FAILED (the first message)",
        UnknownWord: "an unknown word",
        NoStatus: "no status",
        AtMark: "no status (at a mark)",
        AtMarkAsked: "no status (at a mark, asked before)",
        Renamed: "another E.164",
        RenamedFailed: "another E.164 (FAILED)",
        MissingYoung: "missing (young)",
        MissingFirst: "missing (first)",
        MissingConfirmed: "missing (confirmed, nobody holds it)",
        MissingHeld: "missing (confirmed, another id holds it)",
        MissingSuspect: "missing (suspect scope)",
        Searching: "elsewhere (searching)",
        Nobody: "elsewhere (nobody)",
        HeldClaimed: "elsewhere (CLAIMED)",
        HeldInProgress: "elsewhere (IN_PROGRESS)",
        HeldFailed: "elsewhere (FAILED)",
        HeldUnknown: "elsewhere (an unknown word)",
        HeldBare: "elsewhere (no status)",
        NotAsked: "elsewhere (could not be asked)",
        NotAllowed: "elsewhere (refused)",
        NobodyAtMark: "elsewhere (nobody, at a mark)",
        Throttled: "throttled",
        Unavailable: "unavailable",
        DeniedOrder: "denied (this order)",
        DeniedScope: "denied (the scope)",
        Malformed: "malformed",
        MalformedEighth: "malformed (the 8th)",
        Elapsed: "elapsed (nothing due)",
        ElapsedMark: "elapsed (a mark)",
        ElapsedLastMark: "elapsed (the last mark)",
        ElapsedEnd: "elapsed (the latest end)",
        ElapsedStall: "elapsed (no change for long)",
        Acknowledged: "acknowledged",
    }
}

impl Place for State {
    fn exemplars(self) -> Vec<Tale> {
        let new = || Tale::new(Provider::Connect);
        let told = |status: &str| connect(Some(status));
        let in_progress = || told("IN_PROGRESS");
        let at_risk = || new().sees_all(&[in_progress(), failed(MESSAGE)]);
        let gone = [missing(false), missing(false)];
        match self {
            Self::NeverSeen => vec![new(), new().sees(&throttled())],
            Self::NotFound => vec![new().sees_all(&gone)],
            Self::InProgressClaim => vec![
                new().sees(&in_progress()),
                new().declares(Operation::Claim).sees(&in_progress()),
                at_risk().after_latest_end().sees(&in_progress()),
            ],
            Self::InProgressOpen => vec![at_risk().sees(&in_progress())],
            Self::InProgressUpdate => vec![
                new().sees_all(&[told("CLAIMED"), in_progress()]),
                new().declares(Operation::Update).sees(&in_progress()),
            ],
            Self::Claimed => vec![
                new().sees(&told("CLAIMED")),
                new().sees_all(&[in_progress(), told("CLAIMED")]),
                new().declares(Operation::Update).sees_all(&[in_progress(), told("CLAIMED")]),
                at_risk().sees(&told("CLAIMED")),
            ],
            Self::FailedOpen => vec![at_risk(), at_risk().sees_all(&[in_progress(), failed(MESSAGE)])],
            Self::FailedClosed => {
                vec![at_risk().after_latest_end(), at_risk().sees_all(&[held(Some("CLAIMED")), nobody()])]
            }
            Self::FailedUpdate => vec![
                new().sees_all(&[told("CLAIMED"), failed(MESSAGE)]),
                new().sees_all(&[told("CLAIMED"), in_progress(), failed(MESSAGE)]),
                new().declares(Operation::Update).sees_all(&[in_progress(), failed(MESSAGE)]),
            ],
            Self::Released => {
                vec![new().sees(&told("CLAIMED")).sees_all(&gone), at_risk().sees_all(&gone)]
            }
            Self::There => vec![new().sees(&connect(None)), new().sees(&told(OTHER_ODD))],
            Self::ThereAfterNotFound => vec![new().sees_all(&gone).sees(&told(OTHER_ODD))],
            Self::ThereAfterReleased => {
                vec![new().sees(&told("CLAIMED")).sees_all(&gone).sees(&told(OTHER_ODD))]
            }
        }
    }

    fn of(tale: &Tale) -> Self {
        let state = &tale.order.state;
        let current = match &state.subject {
            Subject::Connect(connect) => &connect.current,
            Subject::Chime(_) => panic!("a Chime order"),
        };
        let unseen = Number::default();
        let Number { status, window, .. } = state.numbers.get(current).unwrap_or(&unseen);
        match (status, window) {
            (Status::NeverSeen, _) => match (state.presence, state.not_found_told) {
                (Presence::Unseen, _) => Self::NeverSeen,
                (Presence::Gone { .. }, _) => Self::NotFound,
                (Presence::Seen, false) => Self::There,
                (Presence::Seen, true) => Self::ThereAfterNotFound,
            },
            (Status::Released { .. }, _) => match state.presence {
                Presence::Gone { .. } => Self::Released,
                Presence::Seen | Presence::Unseen => Self::ThereAfterReleased,
            },
            (Status::Claimed { .. }, _) => Self::Claimed,
            (Status::InProgress { .. }, WindowState::Open(_)) => Self::InProgressOpen,
            (Status::Failed { .. }, WindowState::Open(_)) => Self::FailedOpen,
            (Status::InProgress { cause, .. }, WindowState::Never | WindowState::Closed(_)) => {
                match operation(*cause) {
                    Operation::Claim => Self::InProgressClaim,
                    Operation::Update => Self::InProgressUpdate,
                }
            }
            (Status::Failed { cause, .. }, WindowState::Never | WindowState::Closed(_)) => {
                match operation(*cause) {
                    Operation::Claim => Self::FailedClosed,
                    Operation::Update => Self::FailedUpdate,
                }
            }
        }
    }
}

fn operation(cause: Option<Cause>) -> Operation {
    cause.map_or_else(|| panic!("a Connect status has a cause"), |cause| cause.operation)
}

impl Sight for Sees {
    const FAMILIES: &'static [(&'static [Self], &'static str)] = &[
        (&[Self::Failed, Self::FailedOtherwise, Self::FailedFirstMessage], "FAILED"),
        (&[Self::NoStatus, Self::AtMark, Self::AtMarkAsked], "no status"),
        (&[Self::MissingConfirmed, Self::MissingHeld], "missing (confirmed)"),
        (
            &[Self::HeldInProgress, Self::HeldFailed, Self::HeldUnknown, Self::HeldBare],
            "elsewhere (not CLAIMED)",
        ),
        (&[Self::ElapsedMark, Self::ElapsedLastMark, Self::ElapsedEnd], "elapsed (a mark, the latest end)"),
    ];

    fn exemplar(self, tale: Tale) -> (Tale, Observation) {
        let confirmed = |tale: Tale, other: Observation| {
            (tale.sees_all(&[missing(false), other]).later(), missing(false))
        };
        // The answer before was another one, whatever the story of the exemplar.
        let asked = |found: Observation| (tale.clone().sees(&nobody()).later(), found);
        let sighting = match self {
            Self::InProgress => connect(Some("IN_PROGRESS")),
            Self::Claimed => connect(Some("CLAIMED")),
            Self::Failed => failed(MESSAGE),
            Self::FailedOtherwise => failed(OTHER_MESSAGE),
            Self::FailedFirstMessage => return (without_message(tale).later(), failed(MESSAGE)),
            Self::UnknownWord => connect(Some(ODD)),
            Self::NoStatus => connect(None),
            Self::AtMark => return (tale.at_mark(0), connect(None)),
            Self::AtMarkAsked => return (tale.at_mark_asked(), connect(None)),
            Self::Renamed => named(OTHER_NUMBER, None),
            Self::RenamedFailed => named(OTHER_NUMBER, Some("FAILED")),
            Self::MissingYoung => {
                let young = tale.under(|policy| policy.poll.missing_grace = Duration::from_hours(1000));
                return (young.later(), missing(false));
            }
            Self::MissingFirst => missing(false),
            Self::MissingConfirmed => return confirmed(tale, nobody()),
            Self::MissingHeld => return confirmed(tale, held(Some("IN_PROGRESS"))),
            Self::MissingSuspect => missing(true),
            Self::Searching => Observation::Elsewhere(Elsewhere::Searching),
            Self::Nobody => return (tale.sees(&held(None)).later(), nobody()),
            Self::HeldClaimed => return asked(held(Some("CLAIMED"))),
            Self::HeldInProgress => return asked(held(Some("IN_PROGRESS"))),
            Self::HeldFailed => return asked(held(Some("FAILED"))),
            Self::HeldUnknown => return asked(held(Some(ODD))),
            Self::HeldBare => return asked(held(None)),
            Self::NotAsked => return asked(not_asked(None)),
            Self::NotAllowed => return asked(not_asked(Some("AccessDenied"))),
            Self::NobodyAtMark => return (tale.at_mark_asked(), nobody()),
            Self::Throttled => throttled(),
            Self::Unavailable => unavailable(),
            Self::DeniedOrder => denied(Reach::Order),
            Self::DeniedScope => denied(Reach::Scope),
            Self::Malformed => malformed(),
            Self::MalformedEighth => return (at_fault(tale), malformed()),
            Self::Elapsed => Observation::Elapsed,
            Self::ElapsedMark => return (tale.at_mark(0), Observation::Elapsed),
            Self::ElapsedLastMark => return (tale.at_mark(2), Observation::Elapsed),
            Self::ElapsedEnd => return (tale.at_latest_end(), Observation::Elapsed),
            Self::ElapsedStall => return (tale.at_stall(), Observation::Elapsed),
            Self::Acknowledged => Observation::Acknowledged,
        };
        (tale.later(), sighting)
    }
}

impl Sees {
    /// Whether a look does not find the order.
    pub(super) fn is_missing(self) -> bool {
        use Sees::{MissingConfirmed, MissingFirst, MissingHeld, MissingSuspect, MissingYoung};
        [MissingYoung, MissingFirst, MissingConfirmed, MissingHeld, MissingSuspect].contains(&self)
    }
}

/// The step is told of the faults; they are counted where looks are.
pub(super) fn at_fault(mut tale: Tale) -> Tale {
    tale.order.looked.faults = FAULTS_UNTIL_BLOCKED;
    tale.later()
}

/// The failure that was seen had no message.
fn without_message(mut tale: Tale) -> Tale {
    match tale.order.state.numbers.get_mut(NUMBER).map(|number| &mut number.status) {
        Some(Status::Failed { reason, .. }) => *reason = None,
        Some(
            Status::NeverSeen | Status::InProgress { .. } | Status::Claimed { .. } | Status::Released { .. },
        )
        | None => {}
    }
    tale
}
