//! A Chime order's own status.

use std::time::Duration;

use claimwatch::core::observation::{ChimeStatus, Observation, Reach, Sighting};
use claimwatch::core::order::Provider;
use claimwatch::core::state::{Presence, Subject};

use super::connect::at_fault;
use super::seen::{ODD, OTHER_ODD, chime, denied, held, malformed, missing, throttled, unavailable};
use super::table::{Kind as _, Place, Sight, joined};
use super::tale::Tale;

kinds! {
    /// Where the order stands.
    State {
        NeverSeen: "never seen",
        NoWord: "no word yet",
        Processing: "Processing",
        Successful: "Successful",
        Failed: "Failed",
        Partial: "Partial",
        PendingDocuments: "PendingDocuments",
        Submitted: "Submitted",
        Foc: "FOC",
        ChangeRequested: "ChangeRequested",
        Exception: "Exception",
        CancelRequested: "CancelRequested",
        Cancelled: "Cancelled",
        NotFound: "not found",
        ThereAfterNotFound: "no word since not found",
    }
}

kinds! {
    /// What can be seen of it.
    Sees {
        Processing: "Processing",
        Submitted: "Submitted",
        Foc: "FOC",
        ChangeRequested: "ChangeRequested",
        CancelRequested: "CancelRequested",
        PendingDocuments: "PendingDocuments",
        Exception: "Exception",
        Successful: "Successful",
        Failed: "Failed",
        Partial: "Partial",
        Cancelled: "Cancelled",
        UnknownWord: "an unknown word",
        NoStatus: "no status",
        MissingYoung: "missing (young)",
        MissingFirst: "missing (first)",
        MissingConfirmed: "missing (confirmed)",
        MissingSuspect: "missing (suspect scope)",
        Elsewhere: "elsewhere (whatever)",
        Throttled: "throttled",
        Unavailable: "unavailable",
        DeniedOrder: "denied (this order)",
        DeniedScope: "denied (the scope)",
        Malformed: "malformed",
        MalformedEighth: "malformed (the 8th)",
        Elapsed: "elapsed (nothing due)",
        ElapsedStall: "elapsed (no change for long)",
    }
}

impl State {
    fn word(status: ChimeStatus) -> Self {
        match status {
            ChimeStatus::Processing => Self::Processing,
            ChimeStatus::Successful => Self::Successful,
            ChimeStatus::Failed => Self::Failed,
            ChimeStatus::Partial => Self::Partial,
            ChimeStatus::PendingDocuments => Self::PendingDocuments,
            ChimeStatus::Submitted => Self::Submitted,
            ChimeStatus::Foc => Self::Foc,
            ChimeStatus::ChangeRequested => Self::ChangeRequested,
            ChimeStatus::Exception => Self::Exception,
            ChimeStatus::CancelRequested => Self::CancelRequested,
            ChimeStatus::Cancelled => Self::Cancelled,
        }
    }
}

fn told(word: Option<&str>) -> Observation {
    Observation::Seen(Sighting::Chime(chime(word, &[])))
}

impl Place for State {
    fn exemplars(self) -> Vec<Tale> {
        let new = || Tale::new(Provider::Chime);
        let gone = [missing(false), missing(false)];
        match self {
            Self::NeverSeen => vec![new(), new().sees(&unavailable())],
            Self::NoWord => vec![new().sees(&told(None)), new().sees(&told(Some(OTHER_ODD)))],
            Self::NotFound => vec![
                new().sees_all(&gone),
                new().sees(&told(Some("Processing"))).sees_all(&gone),
                new().sees(&told(Some("Successful"))).sees_all(&gone),
            ],
            // Of one whose last word was an end, nothing more is expected: that one is not called stalled.
            Self::ThereAfterNotFound => vec![
                new().sees_all(&gone).sees(&told(Some(OTHER_ODD))),
                new().sees(&told(Some("Processing"))).sees_all(&gone).sees(&told(Some(OTHER_ODD))),
            ],
            Self::Processing
            | Self::Successful
            | Self::Failed
            | Self::Partial
            | Self::PendingDocuments
            | Self::Submitted
            | Self::Foc
            | Self::ChangeRequested
            | Self::Exception
            | Self::CancelRequested
            | Self::Cancelled => vec![new().sees(&told(Some(self.label())))],
        }
    }

    fn of(tale: &Tale) -> Self {
        let state = &tale.order.state;
        let status = match &state.subject {
            Subject::Chime(chime) => chime.status,
            Subject::Connect(_) => panic!("a Connect number"),
        };
        match (state.presence, state.not_found_told, status) {
            (Presence::Gone { .. }, ..) => Self::NotFound,
            (Presence::Seen, true, _) => Self::ThereAfterNotFound,
            (Presence::Unseen, _, None) => Self::NeverSeen,
            (Presence::Seen, false, None) => Self::NoWord,
            (Presence::Seen | Presence::Unseen, _, Some(status)) => Self::word(status),
        }
    }

    fn reached_by(self, sees: &str) -> &'static str {
        if self.label() == sees { "that word" } else { self.label() }
    }

    /// All eleven words, and all but the one that is seen, are not told one by one.
    fn join(some: &[Self], all: &[Self], sees: &str) -> String {
        if let [one] = some
            && one.label() == sees
        {
            return "that word".to_owned();
        }
        let plain = joined(some, all);
        let eleven = ChimeStatus::ALL.map(Self::word);
        let (words, rest): (Vec<Self>, Vec<Self>) = some.iter().partition(|state| eleven.contains(state));
        let lacks: Vec<&str> =
            eleven.iter().filter(|word| !words.contains(word)).map(|word| word.label()).collect();
        let words = match lacks.as_slice() {
            [] => "any word",
            [lacks] if *lacks == sees => "any other word",
            _ => return plain,
        };
        let named: Vec<&str> = [words].into_iter().chain(rest.into_iter().map(Self::label)).collect();
        let named = named.join(", ");
        if plain.len() < named.len() { plain } else { named }
    }
}

impl Sight for Sees {
    const FAMILIES: &'static [(&'static [Self], &'static str)] = &[(
        &[
            Self::Processing,
            Self::Submitted,
            Self::Foc,
            Self::ChangeRequested,
            Self::CancelRequested,
            Self::PendingDocuments,
            Self::Exception,
            Self::Successful,
            Self::Failed,
            Self::Partial,
            Self::Cancelled,
        ],
        "any word",
    )];

    fn exemplar(self, tale: Tale) -> (Tale, Observation) {
        let observation = match self {
            Self::Processing
            | Self::Submitted
            | Self::Foc
            | Self::ChangeRequested
            | Self::CancelRequested
            | Self::PendingDocuments
            | Self::Exception
            | Self::Successful
            | Self::Failed
            | Self::Partial
            | Self::Cancelled => told(Some(self.label())),
            Self::UnknownWord => told(Some(ODD)),
            Self::NoStatus => told(None),
            Self::MissingYoung => {
                let young = tale.under(|policy| policy.poll.missing_grace = Duration::from_hours(1000));
                return (young.later(), missing(false));
            }
            Self::MissingFirst => missing(false),
            Self::MissingConfirmed => return (tale.sees(&missing(false)).later(), missing(false)),
            Self::MissingSuspect => missing(true),
            Self::Elsewhere => held(Some("CLAIMED")),
            Self::Throttled => throttled(),
            Self::Unavailable => unavailable(),
            Self::DeniedOrder => denied(Reach::Order),
            Self::DeniedScope => denied(Reach::Scope),
            Self::Malformed => malformed(),
            Self::MalformedEighth => return (at_fault(tale), malformed()),
            Self::Elapsed => Observation::Elapsed,
            Self::ElapsedStall => return (tale.at_stall(), Observation::Elapsed),
        };
        (tale.later(), observation)
    }
}
