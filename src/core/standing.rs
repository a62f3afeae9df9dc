//! Where an order stands, in a word, and how much it wants somebody: what lists are sorted and counted by.

use serde::{Deserialize, Serialize};

use super::observation::ChimeStatus;
use super::state::{Absence, Chime, Connect, Order, Other, Place, Status, Subject};
use super::time::Timestamp;

/// The word for what no look has shown.
pub const NEVER_SEEN: &str = "NEVER_SEEN";
/// The word for what the service does not know.
pub const NOT_FOUND: &str = "NOT_FOUND";

/// How much an order wants somebody, the most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// A retry window is open: a number may be lost.
    Window,
    /// A person has to act, or nothing goes on.
    Attention,
    /// It ended otherwise than well.
    Failed,
    /// An outcome is to come.
    Pending,
    /// It ended well.
    Done,
}

impl Urgency {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 5] = [Self::Window, Self::Attention, Self::Failed, Self::Pending, Self::Done];

    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Attention => "attention",
            Self::Failed => "failed",
            Self::Pending => "pending",
            Self::Done => "done",
        }
    }

    /// The urgency that a word means.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|urgency| urgency.as_str() == word)
    }

    /// Its place among all, from 1.
    pub fn rank(self) -> u8 {
        match self {
            Self::Window => 1,
            Self::Attention => 2,
            Self::Failed => 3,
            Self::Pending => 4,
            Self::Done => 5,
        }
    }
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// In a word: the status of a Connect number, a Chime order's own, [`NEVER_SEEN`] or [`NOT_FOUND`].
    pub word: &'static str,
    /// How much it wants somebody.
    pub urgency: Urgency,
    /// Its place among those of the same urgency, ascending: the soonest end of a window first, which is that of one that nobody
    /// acknowledged where there is one; what waits longest first; of what is over, the latest first.
    pub place: i64,
    /// How many of its retry windows are open.
    pub windows: u32,
    /// How many of those nobody has acknowledged.
    pub unacknowledged: u32,
}

impl Order {
    /// Where it stands.
    pub fn standing(&self) -> Standing {
        let soonest = self
            .open_windows()
            .map(|window| (window.acknowledged_at.is_some(), window.earliest))
            .min()
            .map(|(_, earliest)| earliest);
        let urgency = if soonest.is_some() {
            Urgency::Window
        } else if self.wants_attention() {
            Urgency::Attention
        } else if self.is_pending() {
            Urgency::Pending
        } else if self.ended_badly() {
            Urgency::Failed
        } else {
            Urgency::Done
        };
        let changed = self.state.changed_at.as_millis();
        let place = match urgency {
            Urgency::Window => soonest.map_or(changed, Timestamp::as_millis),
            Urgency::Attention | Urgency::Pending => changed,
            Urgency::Failed | Urgency::Done => changed.saturating_neg(),
        };
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let windows = count(self.open_windows().count());
        let unacknowledged = count(self.open_windows().filter(|w| w.acknowledged_at.is_none()).count());
        Standing { word: self.word(), urgency, place, windows, unacknowledged }
    }

    /// Its status in a word.
    fn word(&self) -> &'static str {
        let word = match &self.state.subject {
            Subject::Connect(connect) => {
                self.state.numbers.get(&connect.current).and_then(|number| number.status.word())
            }
            Subject::Chime(_) if self.is_gone() => None,
            Subject::Chime(chime) => chime.status.map(ChimeStatus::as_str),
        };
        word.unwrap_or(if self.is_gone() { NOT_FOUND } else { NEVER_SEEN })
    }

    /// What is the matter with it, as the `condition` of records has it; the worst of several.
    pub fn condition(&self) -> Option<&'static str> {
        let retrying = |status: &Status| matches!(status, Status::InProgress { .. });
        if self.state.numbers.values().any(|n| n.window.open().is_some() && retrying(&n.status)) {
            return Some("retrying");
        }
        if let Some(condition) = self.wants() {
            return Some(condition);
        }
        match self.state.absence {
            Absence::Doubted { .. } => Some("doubted"),
            Absence::None | Absence::Young { .. } | Absence::Suspect { .. } => None,
        }
    }

    fn wants_attention(&self) -> bool {
        self.wants().is_some() || self.word() == NOT_FOUND
    }

    /// What wants somebody.
    fn wants(&self) -> Option<&'static str> {
        let state = &self.state;
        let vanished = state.numbers.values().any(|number| number.place == Place::Vanished);
        let of_the_subject = match &state.subject {
            Subject::Chime(Chime { status: Some(ChimeStatus::PendingDocuments), .. }) => {
                Some("pending_documents")
            }
            Subject::Chime(Chime { status: Some(ChimeStatus::Exception), .. }) => Some("exception"),
            Subject::Connect(Connect { other: Other::Unknown { refused: true, .. }, .. }) => {
                Some("holders_denied")
            }
            Subject::Chime(_) | Subject::Connect(_) => None,
        };
        let all = [
            ("blocked", state.blocked),
            ("access_denied", state.refused),
            ("suspect", matches!(state.absence, Absence::Suspect { .. })),
        ];
        let found = all.into_iter().find(|(_, holds)| *holds).map(|(word, _)| word);
        let later = [("number_vanished", vanished), ("stalled", state.stalled)];
        found
            .or(of_the_subject.filter(|_| !self.is_gone()))
            .or(later.into_iter().find(|(_, holds)| *holds).map(|(word, _)| word))
    }

    fn ended_badly(&self) -> bool {
        let failed = |status: &Status| matches!(status, Status::Failed { .. } | Status::Released { .. });
        match &self.state.subject {
            Subject::Connect(connect) => {
                self.state.numbers.get(&connect.current).is_some_and(|number| failed(&number.status))
            }
            Subject::Chime(chime) => {
                chime.status != Some(ChimeStatus::Successful)
                    || self.state.numbers.values().any(|number| failed(&number.status))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::order::{Declared, ListTerms, OrderKey, Provider, Watch};
    use super::super::policy::Policy;
    use super::super::state::{Number, Presence};
    use super::super::window::{Window, WindowBasis, WindowState};
    use super::*;

    const AT: i64 = 1_795_341_600_000;

    fn order(provider: Provider) -> Order {
        let terms = ListTerms {
            name: "emea".into(),
            account: "prod-eu".into(),
            labels: BTreeMap::new(),
            policy: Policy::default(),
        };
        let key =
            OrderKey { provider, account: "prod-eu".into(), region: "eu-west-2".into(), id: "a".into() };
        let declared =
            Declared { ask: "a".into(), number: None, operation: None, requested_at: None, label: None };
        Order::new(Watch { key, declared, terms: Arc::new(terms) }, Timestamp::from_millis(AT))
    }

    fn number(status: Status) -> Order {
        let mut order = order(Provider::Connect);
        order.state.presence = Presence::Seen;
        order.state.numbers.insert(String::new(), Number { status, ..Number::default() });
        order
    }

    fn chime(status: ChimeStatus) -> Order {
        let mut order = order(Provider::Chime);
        order.state.presence = Presence::Seen;
        order.state.subject = Subject::Chime(Chime { status: Some(status), ..Chime::default() });
        order
    }

    fn with(mut order: Order, change: impl FnOnce(&mut Order)) -> Order {
        change(&mut order);
        order
    }

    fn window(order: Order, earliest: i64) -> Order {
        windowed(order, "", earliest, None)
    }

    fn windowed(order: Order, number: &str, earliest: i64, acknowledged_at: Option<Timestamp>) -> Order {
        with(order, |order| {
            let opened = Window {
                id: "w".into(),
                basis: WindowBasis::FirstLook,
                counted_from: None,
                length: Duration::from_hours(24),
                failed_at: Timestamp::from_millis(AT),
                earliest: Timestamp::from_millis(earliest),
                latest: Timestamp::from_millis(earliest),
                warned: None,
                acknowledged_at,
            };
            let number = order.state.numbers.entry(number.into()).or_default();
            number.window = WindowState::Open(opened);
        })
    }

    #[test]
    fn every_standing_and_its_place() {
        let since = Timestamp::from_millis(AT - 5);
        let failed = || number(Status::Failed { since, cause: None, reason: None });
        let in_progress = || number(Status::InProgress { since, cause: None });
        let gone = |order| with(order, |order: &mut Order| order.state.presence = Presence::Gone { since });
        let cases = [
            (order(Provider::Connect), NEVER_SEEN, Urgency::Pending, AT, None),
            (order(Provider::Chime), NEVER_SEEN, Urgency::Pending, AT, None),
            (gone(order(Provider::Connect)), NOT_FOUND, Urgency::Attention, AT, None),
            (gone(chime(ChimeStatus::Processing)), NOT_FOUND, Urgency::Attention, AT, None),
            (in_progress(), "IN_PROGRESS", Urgency::Pending, AT, None),
            (window(failed(), AT + 9), "FAILED", Urgency::Window, AT + 9, None),
            (window(in_progress(), AT + 9), "IN_PROGRESS", Urgency::Window, AT + 9, Some("retrying")),
            (failed(), "FAILED", Urgency::Failed, -AT, None),
            (number(Status::Claimed { since }), "CLAIMED", Urgency::Done, -AT, None),
            (gone(number(Status::Released { since })), "RELEASED", Urgency::Failed, -AT, None),
            (chime(ChimeStatus::Processing), "Processing", Urgency::Pending, AT, None),
            (chime(ChimeStatus::Successful), "Successful", Urgency::Done, -AT, None),
            (chime(ChimeStatus::Partial), "Partial", Urgency::Failed, -AT, None),
            (
                chime(ChimeStatus::PendingDocuments),
                "PendingDocuments",
                Urgency::Attention,
                AT,
                Some("pending_documents"),
            ),
            (chime(ChimeStatus::Exception), "Exception", Urgency::Attention, AT, Some("exception")),
            (
                with(in_progress(), |order| order.state.stalled = true),
                "IN_PROGRESS",
                Urgency::Attention,
                AT,
                Some("stalled"),
            ),
            (
                with(in_progress(), |order| (order.state.stalled, order.state.blocked) = (true, true)),
                "IN_PROGRESS",
                Urgency::Attention,
                AT,
                Some("blocked"),
            ),
            (
                with(in_progress(), |order| order.state.absence = Absence::Doubted { since }),
                "IN_PROGRESS",
                Urgency::Pending,
                AT,
                Some("doubted"),
            ),
            (
                with(failed(), |order| order.state.absence = Absence::Suspect { since }),
                "FAILED",
                Urgency::Attention,
                AT,
                Some("suspect"),
            ),
        ];
        for (n, (order, word, urgency, place, condition)) in cases.into_iter().enumerate() {
            let windows = u32::from(urgency == Urgency::Window);
            let standing = Standing { word, urgency, place, windows, unacknowledged: windows };
            assert_eq!(order.standing(), standing, "case {n}");
            assert_eq!(order.condition(), condition, "case {n}");
        }
    }

    #[test]
    fn a_window_that_was_acknowledged_comes_after_the_others() {
        let known = Some(Timestamp::from_millis(AT));
        let stands = |order: &Order| {
            let Standing { urgency, place, windows, unacknowledged, .. } = order.standing();
            (urgency, place, windows, unacknowledged)
        };
        let order = windowed(chime(ChimeStatus::Partial), "+442079460001", AT + 1, known);
        assert_eq!(stands(&order), (Urgency::Window, AT + 1, 1, 0), "it is open all the same");
        let order = windowed(order, "+442079460002", AT + 9, None);
        assert_eq!(stands(&order), (Urgency::Window, AT + 9, 2, 1));
        let order = windowed(order, "+442079460003", AT + 5, None);
        assert_eq!(stands(&order), (Urgency::Window, AT + 5, 3, 2));
    }

    #[test]
    fn urgencies_are_in_order_and_read_back() {
        let ranks: Vec<u8> = Urgency::ALL.iter().map(|urgency| urgency.rank()).collect();
        assert_eq!(ranks, [1, 2, 3, 4, 5]);
        assert!(Urgency::ALL.is_sorted());
        for urgency in Urgency::ALL {
            assert_eq!(Urgency::parse(urgency.as_str()), Some(urgency));
        }
        assert_eq!(Urgency::parse("Window"), None);
    }
}
