//! What can be observed: the exemplars, and the kinds that every observation falls into.

use claimwatch::core::observation::{
    ChimeNumber, ChimeOrder, ChimeStatus, ConnectNumber, Elsewhere, Observation, Outage, Progress, Reach,
    Sighting, Word,
};

/// The number of the exemplars, and another one.
pub(super) const NUMBER: &str = "+442079460123";
pub(super) const OTHER_NUMBER: &str = "+442079460999";
/// The messages of failures.
pub(super) const MESSAGE: &str = "limit of claimed numbers";
pub(super) const OTHER_MESSAGE: &str = "the country needs an address";
/// Words that nobody knows.
pub(super) const ODD: &str = "PONDERING";
pub(super) const OTHER_ODD: &str = "DREAMING";

kinds! {
    /// Every kind of observation that the core can be given, as its types tell them apart.
    Shape {
        ConnectInProgress: "Connect: IN_PROGRESS",
        ConnectClaimed: "Connect: CLAIMED",
        ConnectFailed: "Connect: FAILED",
        ConnectUnknown: "Connect: an unknown word",
        ConnectBare: "Connect: no status",
        ChimeKnown: "Chime: a word",
        ChimeUnknown: "Chime: an unknown word",
        ChimeBare: "Chime: no status",
        Missing: "missing",
        MissingSuspect: "missing in a suspect scope",
        Searching: "elsewhere: searching",
        Nobody: "elsewhere: nobody",
        HeldInProgress: "elsewhere: IN_PROGRESS",
        HeldClaimed: "elsewhere: CLAIMED",
        HeldFailed: "elsewhere: FAILED",
        HeldUnknown: "elsewhere: an unknown word",
        HeldBare: "elsewhere: no status",
        NotAsked: "elsewhere: could not be asked",
        NotAllowed: "elsewhere: refused",
        Throttled: "throttled",
        Unavailable: "unavailable",
        DeniedOrder: "denied, this order",
        DeniedScope: "denied, the scope",
        Malformed: "malformed",
        Elapsed: "elapsed",
        Acknowledged: "acknowledged",
    }
}

impl Shape {
    pub(super) fn of(observation: &Observation) -> Self {
        match observation {
            Observation::Seen(Sighting::Connect(seen)) => match &seen.status {
                None => Self::ConnectBare,
                Some(word) => match word.known {
                    None => Self::ConnectUnknown,
                    Some(Progress::InProgress) => Self::ConnectInProgress,
                    Some(Progress::Claimed) => Self::ConnectClaimed,
                    Some(Progress::Failed) => Self::ConnectFailed,
                },
            },
            Observation::Seen(Sighting::Chime(seen)) => match &seen.status {
                None => Self::ChimeBare,
                Some(Word { known: None, .. }) => Self::ChimeUnknown,
                Some(Word { known: Some(_), .. }) => Self::ChimeKnown,
            },
            Observation::Missing { suspect: false, .. } => Self::Missing,
            Observation::Missing { suspect: true, .. } => Self::MissingSuspect,
            Observation::Elsewhere(Elsewhere::Searching) => Self::Searching,
            Observation::Elsewhere(Elsewhere::Nobody) => Self::Nobody,
            Observation::Elsewhere(Elsewhere::Held { status: None, .. }) => Self::HeldBare,
            Observation::Elsewhere(Elsewhere::Held { status: Some(word), .. }) => match word.known {
                None => Self::HeldUnknown,
                Some(Progress::InProgress) => Self::HeldInProgress,
                Some(Progress::Claimed) => Self::HeldClaimed,
                Some(Progress::Failed) => Self::HeldFailed,
            },
            Observation::Elsewhere(Elsewhere::Unknown { refused: None, .. }) => Self::NotAsked,
            Observation::Elsewhere(Elsewhere::Unknown { refused: Some(_), .. }) => Self::NotAllowed,
            Observation::Throttled { .. } => Self::Throttled,
            Observation::Unavailable { .. } => Self::Unavailable,
            Observation::Denied { reach: Reach::Order, .. } => Self::DeniedOrder,
            Observation::Denied { reach: Reach::Scope, .. } => Self::DeniedScope,
            Observation::Malformed { .. } => Self::Malformed,
            Observation::Elapsed => Self::Elapsed,
            Observation::Acknowledged => Self::Acknowledged,
        }
    }
}

/// The provider's words; any other is one that nobody knows.
pub(super) fn word(raw: &str) -> Word<Progress> {
    let known = match raw {
        "IN_PROGRESS" | "Processing" => Some(Progress::InProgress),
        "CLAIMED" | "Acquired" => Some(Progress::Claimed),
        "FAILED" | "Failed" => Some(Progress::Failed),
        _ => None,
    };
    Word { raw: raw.into(), known }
}

/// The Connect number is seen, with a status or without.
pub(super) fn connect(status: Option<&str>) -> Observation {
    named(NUMBER, status)
}

/// Another number is seen under the id.
pub(super) fn named(number: &str, status: Option<&str>) -> Observation {
    let number = Some(number.to_owned());
    let status = status.map(word);
    Observation::Seen(Sighting::Connect(ConnectNumber { number, status, message: None, target: None }))
}

/// The Connect number is seen FAILED.
pub(super) fn failed(message: &str) -> Observation {
    Observation::Seen(Sighting::Connect(ConnectNumber {
        number: Some(NUMBER.into()),
        status: Some(word("FAILED")),
        message: Some(message.into()),
        target: None,
    }))
}

/// A Chime order is seen: its own word, and its numbers with their words.
pub(super) fn chime(status: Option<&str>, numbers: &[(&str, Option<&str>)]) -> ChimeOrder {
    let status = status.map(|raw| Word { raw: raw.to_owned(), known: ChimeStatus::parse(raw) });
    let numbers = numbers
        .iter()
        .map(|(number, raw)| ChimeNumber { number: (*number).to_owned(), status: raw.map(word) })
        .collect();
    ChimeOrder { status, numbers, ..ChimeOrder::default() }
}

pub(super) fn missing(suspect: bool) -> Observation {
    Observation::Missing { message: Some("no such number".into()), suspect }
}

pub(super) fn nobody() -> Observation {
    Observation::Elsewhere(Elsewhere::Nobody)
}

/// Another id holds the number, in that status.
pub(super) fn held(status: Option<&str>) -> Observation {
    Observation::Elsewhere(Elsewhere::Held { by: "another-id".into(), status: status.map(word) })
}

/// Who else holds the number could not be asked; with a code, it is refused.
pub(super) fn not_asked(refused: Option<&str>) -> Observation {
    Observation::Elsewhere(Elsewhere::Unknown { why: "why".into(), refused: refused.map(str::to_owned) })
}

pub(super) fn throttled() -> Observation {
    Observation::Throttled { retry_after: None }
}

pub(super) fn unavailable() -> Observation {
    Observation::Unavailable { outage: Outage::Timeout, retry_after: None }
}

pub(super) fn denied(reach: Reach) -> Observation {
    Observation::Denied { reach, code: "AccessDenied".into(), message: None, clock_offset_s: None }
}

pub(super) fn malformed() -> Observation {
    Observation::Malformed { detail: "no JSON".into() }
}
