//! What is known of an order. Stored as it stands here; everything else is derived.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::observation::ChimeStatus;
use super::order::{Operation, Provider, Stream, Watch};
use super::time::Timestamp;
use super::window::WindowState;

/// One order with everything that is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Who it is and what its watch list says. After untracking: what the list said last.
    pub watch: Watch,
    /// Whether a watch list names it. An order that is not tracked keeps its state, so that one which comes back is
    /// where it was.
    pub tracked: bool,
    /// Rises by one with each change of `tracked` or `state`, and with each event. Zero: never stored.
    pub generation: u64,
    /// What the state machine works on.
    pub state: State,
    /// What a look leaves behind even when it changes nothing.
    pub looked: Looked,
}

impl Order {
    /// An order that a list names for the first time.
    pub fn new(watch: Watch, now: Timestamp) -> Self {
        let state = State::new(watch.key.provider, now);
        Self {
            watch,
            tracked: true,
            generation: 0,
            state,
            looked: Looked { due_at: Some(now), ..Looked::default() },
        }
    }

    /// Its identity.
    pub fn stream(&self) -> Stream {
        self.watch.key.stream()
    }

    /// The numbers whose retry window is open.
    pub fn open_windows(&self) -> impl Iterator<Item = &super::window::Window> {
        self.state.numbers.values().filter_map(|number| number.window.open())
    }

    /// Whether an outcome is still to come.
    pub fn is_pending(&self) -> bool {
        if matches!(self.state.presence, Presence::Gone { .. }) {
            return false;
        }
        let numbers = self.state.numbers.values().any(|n| matches!(n.status, Status::InProgress { .. }));
        match &self.state.subject {
            Subject::Chime(chime) => numbers || !chime.status.is_some_and(ChimeStatus::is_terminal),
            Subject::Connect(_) => numbers || self.state.presence == Presence::Unseen,
        }
    }
}

/// Bookkeeping of looks: not a change, written in batches, and what a crash loses of it costs one repeated look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// When the next look is wanted; `None` is never.
    pub due_at: Option<Timestamp>,
    /// When a time that matters comes though nobody looks: a mark, a window's end, a stall; `None` is never.
    pub wake_at: Option<Timestamp>,
    /// When the request began whose answer was applied last. An answer to an earlier request is stale.
    pub asked_at: Option<Timestamp>,
    /// When the service last said something of this order: described it, or did not know it.
    pub answered_at: Option<Timestamp>,
    /// Looks in a row that were this order's own fault.
    pub faults: u32,
}

/// What the state machine works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// When a list first named it.
    pub first_watched: Timestamp,
    /// When a status last changed. Age counts from here.
    pub changed_at: Timestamp,
    /// Whether the service knows it.
    pub presence: Presence,
    /// Since when it is missing without a second look having said so.
    pub doubt: Option<Timestamp>,
    /// What only its provider has.
    pub subject: Subject,
    /// Unknown words that were reported.
    pub reported_words: BTreeSet<String>,
    /// Whether it was reported as stalled since its last change.
    pub stalled: bool,
    /// Whether it was reported as blocked since its last good answer.
    pub blocked: bool,
    /// Whether it was reported as refused to these credentials since its last good answer.
    pub refused: bool,
    /// Its numbers by E.164. A Connect number whose E.164 is not known yet has the empty key. Stored in a table of
    /// their own.
    #[serde(skip)]
    pub numbers: BTreeMap<String, Number>,
}

impl State {
    fn new(provider: Provider, now: Timestamp) -> Self {
        Self {
            first_watched: now,
            changed_at: now,
            presence: Presence::Unseen,
            doubt: None,
            subject: match provider {
                Provider::Chime => Subject::Chime(Chime::default()),
                Provider::Connect => Subject::Connect(Connect::default()),
            },
            reported_words: BTreeSet::new(),
            stalled: false,
            blocked: false,
            refused: false,
            numbers: BTreeMap::new(),
        }
    }
}

/// Whether the service knows the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Presence {
    /// It has not been seen.
    Unseen,
    /// It was there when it was last looked at, or its absence is not confirmed.
    Seen,
    /// It is confirmed missing: not found, or its number released.
    Gone {
        /// Since when.
        since: Timestamp,
    },
}

/// What only one provider's orders have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// A Chime phone-number order.
    Chime(Chime),
    /// A Connect phone number.
    Connect(Connect),
}

/// A Chime order besides its numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chime {
    /// The order's own status.
    pub status: Option<ChimeStatus>,
    /// Whether it moves numbers from another carrier: takes weeks.
    pub porting: bool,
    /// When the service last changed it.
    pub updated_at: Option<Timestamp>,
    /// When the carriers will do it.
    pub foc_date: Option<Timestamp>,
}

/// A Connect number besides its status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// The key of the number that the id stands for; others in the map were its numbers before.
    pub current: String,
    /// The instance or traffic distribution group.
    pub target: Option<String>,
}

/// One number of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// Where it stands.
    pub status: Status,
    /// The provider's word, as last seen.
    pub raw: Option<String>,
    /// Whether it was seen CLAIMED since it was last RELEASED: what fails after that is an update.
    pub claimed_before: bool,
    /// Whether the operation that the list declares still holds: until a first outcome is followed by `IN_PROGRESS`.
    pub declared_holds: bool,
    /// Its retry window.
    pub window: WindowState,
    /// Chime: whether the order still has it.
    pub place: Place,
}

impl Default for Number {
    fn default() -> Self {
        Self {
            status: Status::NeverSeen,
            raw: None,
            claimed_before: false,
            declared_holds: true,
            window: WindowState::Never,
            place: Place::Listed,
        }
    }
}

/// Whether a Chime order still has a number that it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// The last look showed it.
    Listed,
    /// The last look lacked it. One may be a hiccup.
    LackedOnce,
    /// Two looks in a row lacked it, and that was said.
    Vanished,
}

/// Where a number stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// No look has shown it.
    NeverSeen,
    /// An operation is not decided.
    InProgress {
        /// The look that first showed it.
        since: Timestamp,
        /// Which operation; Chime's orders have none.
        cause: Option<Cause>,
    },
    /// It is ours.
    Claimed {
        /// The look that first showed it.
        since: Timestamp,
    },
    /// The operation failed.
    Failed {
        /// The look that first showed it.
        since: Timestamp,
        /// Which operation; Chime's orders have none.
        cause: Option<Cause>,
        /// The provider's message.
        reason: Option<String>,
    },
    /// It went back to the inventory.
    Released {
        /// The look that confirmed it.
        since: Timestamp,
    },
}

impl Status {
    /// The word of the record; `None` before the first look.
    pub fn word(&self) -> Option<&'static str> {
        match self {
            Self::NeverSeen => None,
            Self::InProgress { .. } => Some("IN_PROGRESS"),
            Self::Claimed { .. } => Some("CLAIMED"),
            Self::Failed { .. } => Some("FAILED"),
            Self::Released { .. } => Some("RELEASED"),
        }
    }
}

/// Which operation a Connect status belongs to, and how we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The operation.
    pub operation: Operation,
    /// How we know.
    pub basis: CauseBasis,
}

/// How we know which operation a status belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CauseBasis {
    /// The watch list says so.
    Declared,
    /// From whether the number was ever seen CLAIMED.
    Inferred,
}

impl CauseBasis {
    /// The word of the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Inferred => "inferred",
        }
    }
}
