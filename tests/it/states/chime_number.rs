//! One number of a Chime order.

use std::time::Duration;

use claimwatch::core::observation::{ChimeOrder, Observation, Sighting};
use claimwatch::core::order::Provider;
use claimwatch::core::state::{Number, Status};
use claimwatch::core::window::WindowState;

use super::seen::{NUMBER, ODD, OTHER_NUMBER, chime, held, missing};
use super::table::{Place, Sight};
use super::tale::Tale;

kinds! {
    /// Where it stands.
    State {
        NeverSeen: "never seen",
        InProgress: "IN_PROGRESS",
        InProgressOpen: "IN_PROGRESS (window open)",
        Claimed: "CLAIMED",
        FailedNever: "FAILED",
        FailedOpen: "FAILED (window open)",
        FailedClosed: "FAILED (window closed)",
    }
}

impl State {
    /// The states of a number whose list leaves `retry_window` out.
    pub(super) const WITHOUT_WINDOW: [Self; 4] =
        [Self::NeverSeen, Self::InProgress, Self::Claimed, Self::FailedNever];
    /// The states of a number whose list sets it.
    pub(super) const WITH_WINDOW: [Self; 6] = [
        Self::NeverSeen,
        Self::InProgress,
        Self::InProgressOpen,
        Self::Claimed,
        Self::FailedOpen,
        Self::FailedClosed,
    ];
}

kinds! {
    /// What can be seen of it.
    Sees {
        Processing: "IN_PROGRESS (Processing)",
        Acquired: "CLAIMED (Acquired)",
        Failed: "FAILED (Failed)",
        UnknownWord: "an unknown word",
        NoStatus: "no status",
        LackedFirst: "not in the answer (first)",
        LackedAgain: "not in the answer (again)",
        LackedStill: "not in the answer (still)",
        NoNumbers: "an answer without numbers",
        Older: "an older answer",
        OrderMissing: "the order is missing (confirmed)",
        Held: "elsewhere (CLAIMED)",
        Elapsed: "elapsed (nothing due)",
        ElapsedMark: "elapsed (a mark)",
        ElapsedLastMark: "elapsed (the last mark)",
        ElapsedEnd: "elapsed (the latest end)",
        Acknowledged: "acknowledged",
    }
}

/// The order's own word, which stays as it is.
const OWN: Option<&str> = Some("Processing");

fn seen(order: ChimeOrder) -> Observation {
    Observation::Seen(Sighting::Chime(order))
}

/// An answer with the number and another one, which stays as it is.
fn sighting(word: Option<&str>) -> ChimeOrder {
    chime(OWN, &[(NUMBER, word), (OTHER_NUMBER, Some("Acquired"))])
}

/// An answer with the other one alone.
fn lacking() -> Observation {
    seen(chime(OWN, &[(OTHER_NUMBER, Some("Acquired"))]))
}

impl Place for State {
    fn exemplars(self) -> Vec<Tale> {
        let new = || Tale::new(Provider::Chime).sees(&lacking());
        let told = |word: &str| seen(sighting(Some(word)));
        let at_risk = || {
            new()
                .under(|policy| policy.window_for_chime = true)
                .sees_all(&[told("Processing"), told("Failed")])
        };
        match self {
            Self::NeverSeen => vec![new()],
            Self::InProgress => vec![new().sees(&told("Processing"))],
            Self::InProgressOpen => vec![at_risk().sees(&told("Processing"))],
            Self::Claimed => {
                vec![new().sees(&told("Acquired")), new().sees_all(&[told("Failed"), told("Acquired")])]
            }
            Self::FailedNever => vec![new().sees_all(&[told("Processing"), told("Failed")])],
            Self::FailedOpen => vec![at_risk()],
            Self::FailedClosed => vec![at_risk().after_latest_end()],
        }
    }

    fn of(tale: &Tale) -> Self {
        let unseen = Number::default();
        let Number { status, window, .. } = tale.order.state.numbers.get(NUMBER).unwrap_or(&unseen);
        match (status, window) {
            (Status::NeverSeen, _) => Self::NeverSeen,
            (Status::InProgress { .. }, WindowState::Never | WindowState::Closed(_)) => Self::InProgress,
            (Status::InProgress { .. }, WindowState::Open(_)) => Self::InProgressOpen,
            (Status::Claimed { .. }, _) => Self::Claimed,
            (Status::Failed { .. }, WindowState::Never) => Self::FailedNever,
            (Status::Failed { .. }, WindowState::Open(_)) => Self::FailedOpen,
            (Status::Failed { .. }, WindowState::Closed(_)) => Self::FailedClosed,
            (Status::Released { .. }, _) => panic!("a number of a Chime order is never released"),
        }
    }
}

impl Sight for Sees {
    const FAMILIES: &'static [(&'static [Self], &'static str)] = &[(
        &[Self::ElapsedMark, Self::ElapsedLastMark, Self::ElapsedEnd],
        "elapsed (a mark, the latest end)",
    )];

    fn exemplar(self, tale: Tale) -> (Tale, Observation) {
        let (tale, observation) = match self {
            Self::Processing => (tale, seen(sighting(Some("Processing")))),
            Self::Acquired => (tale, seen(sighting(Some("Acquired")))),
            Self::Failed => (tale, seen(sighting(Some("Failed")))),
            Self::UnknownWord => (tale, seen(sighting(Some(ODD)))),
            Self::NoStatus => (tale, seen(sighting(None))),
            Self::LackedFirst => (tale, lacking()),
            Self::LackedAgain => (tale.sees(&lacking()), lacking()),
            Self::LackedStill => (tale.sees_all(&[lacking(), lacking()]), lacking()),
            Self::NoNumbers => (tale, seen(chime(OWN, &[]))),
            Self::Older => {
                let now = tale.now;
                let known = ChimeOrder { updated_at: Some(now), ..chime(OWN, &[]) };
                let before = now.minus(Duration::from_secs(1));
                let older = ChimeOrder { updated_at: Some(before), ..sighting(Some(ODD)) };
                (tale.sees(&seen(known)), seen(older))
            }
            Self::OrderMissing => (tale.sees(&missing(false)), missing(false)),
            Self::Held => (tale, held(Some("CLAIMED"))),
            Self::Elapsed => (tale, Observation::Elapsed),
            Self::Acknowledged => (tale, Observation::Acknowledged),
            Self::ElapsedMark => return (tale.at_mark(0), Observation::Elapsed),
            Self::ElapsedLastMark => return (tale.at_mark(2), Observation::Elapsed),
            Self::ElapsedEnd => return (tale.at_latest_end(), Observation::Elapsed),
        };
        (tale.later(), observation)
    }
}
