//! What is known of an order. Stored as it stands here; everything else is derived.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::observation::ChimeStatus;
use super::order::{Operation, Provider, Stream, Watch};
use super::schedule::Lane;
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
    /// Whether nothing says that the wall clock is right: then times that lie ahead of it stay as they are. Not stored:
    /// whoever applies an observation says so with it.
    pub clock_in_doubt: bool,
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
            looked: Looked { due_at: Some(now), decided_at: Some(now), ..Looked::default() },
            clock_in_doubt: false,
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

    /// The other id that holds the number, and the provider's word for its status, as last asked.
    pub fn held_elsewhere(&self) -> Option<(&str, Option<&str>)> {
        match &self.state.subject {
            Subject::Connect(Connect { other: Other::Held { by, raw }, .. }) => Some((by, raw.as_deref())),
            Subject::Connect(_) | Subject::Chime(_) => None,
        }
    }

    /// Whether it is a Connect number that is ours.
    pub fn is_claimed(&self) -> bool {
        match &self.state.subject {
            Subject::Connect(connect) => self
                .state
                .numbers
                .get(&connect.current)
                .is_some_and(|number| matches!(number.status, Status::Claimed { .. })),
            Subject::Chime(_) => false,
        }
    }

    /// Whether it is confirmed missing.
    pub fn is_gone(&self) -> bool {
        matches!(self.state.presence, Presence::Gone { .. })
    }

    /// Whether its story is over: no window is open, no outcome is to come, and nobody looks at it any more.
    pub fn is_over(&self) -> bool {
        let looked_at = self.tracked && self.looked.due_at.is_some();
        !looked_at && !self.is_pending() && self.open_windows().next().is_none()
    }

    /// Whether an outcome is still to come.
    pub fn is_pending(&self) -> bool {
        if self.is_gone() {
            return false;
        }
        let numbers = self.state.numbers.values().any(|n| matches!(n.status, Status::InProgress { .. }));
        match &self.state.subject {
            Subject::Chime(chime) => numbers || !chime.status.is_some_and(ChimeStatus::is_terminal),
            Subject::Connect(connect) => {
                let current = self.state.numbers.get(&connect.current);
                numbers || current.is_none_or(|number| number.status == Status::NeverSeen)
            }
        }
    }
}

/// Bookkeeping of looks: not a change, written in batches, and what a crash loses of it costs one repeated look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// When the next look is wanted; `None` is never.
    pub due_at: Option<Timestamp>,
    /// When that was decided; `None`: by a version that did not say.
    pub decided_at: Option<Timestamp>,
    /// When a time that matters comes though nobody looks: a mark, a window's end, a stall; `None` is never.
    pub wake_at: Option<Timestamp>,
    /// When the service last said something of this order: described it, or did not know it. An answer to a request from
    /// before it is stale.
    pub answered_at: Option<Timestamp>,
    /// The last look that saw it not FAILED. Of several numbers, the last that showed any.
    pub not_failed_at: Option<Timestamp>,
    /// When it was last asked who else holds the number.
    pub elsewhere_at: Option<Timestamp>,
    /// Looks in a row that were this order's own fault.
    pub faults: u32,
    /// How urgent the next look is.
    pub lane: Lane,
    /// The look that the next alert is to rest on, wanted or had.
    pub ahead: Option<Ahead>,
}

impl Looked {
    /// Decides at `now` when the next look is wanted.
    pub fn decide(&mut self, due_at: Option<Timestamp>, now: Timestamp) {
        (self.due_at, self.decided_at) = (due_at, Some(now));
    }

    /// Whether the due time was decided by a clock that was ahead of `now`: then it says nothing.
    pub fn is_from_ahead(&self, now: Timestamp) -> bool {
        self.decided_at.or(self.answered_at).is_none_or(|decided| decided > now)
    }

    /// When the look that an alert is to rest on is due, unless it was had: an answer came since.
    pub fn waits_ahead(&self, now: Timestamp) -> Option<Timestamp> {
        self.ahead.filter(|_| !self.had_ahead(now)).map(|ahead| ahead.at)
    }

    /// Whether an answer came since the look was due that the next alert is to rest on. One that is later than `now` is from
    /// before the clock stepped back, and none.
    pub fn had_ahead(&self, now: Timestamp) -> bool {
        let answered = self.answered_at.filter(|answered| *answered <= now);
        self.ahead.is_some_and(|ahead| answered.is_some_and(|answered| answered >= ahead.at))
    }
}

/// A look that precedes an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    /// When it is due. Where many alerts come at once, each has a place of its own.
    pub at: Timestamp,
    /// When the alert is.
    pub of: Timestamp,
}

/// What the state machine works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "what was said once, and each of them ends by itself")]
pub struct State {
    /// When a list first named it.
    pub first_watched: Timestamp,
    /// When a status last changed. Age counts from here.
    pub changed_at: Timestamp,
    /// Whether the service knows it.
    pub presence: Presence,
    /// Why it is not called missing, although the last look did not find it.
    pub absence: Absence,
    /// Whether the last that was said of it is that it was not found.
    pub not_found_told: bool,
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
            absence: Absence::None,
            not_found_told: false,
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

impl State {
    /// The look that first did not find it, while a second one is awaited to say so too.
    pub fn doubted_since(&self) -> Option<Timestamp> {
        match self.absence {
            Absence::Doubted { since } => Some(since),
            Absence::None | Absence::Young { .. } | Absence::Suspect { .. } => None,
        }
    }

    /// It was seen since it was doubted, though what became of that look is not in this state.
    pub fn trust(&mut self) {
        self.absence = match self.absence {
            Absence::Doubted { .. } | Absence::Suspect { .. } => Absence::None,
            kept @ (Absence::None | Absence::Young { .. }) => kept,
        };
    }

    /// Brings times that lie ahead of `now` back to it: the clock that they were read from was ahead, and a grace, a stall
    /// or a window that is counted from them would last as much too long.
    pub(super) fn bound(&mut self, now: Timestamp) {
        self.first_watched = self.first_watched.min(now);
        self.changed_at = self.changed_at.min(now);
        if let Presence::Gone { since } = &mut self.presence {
            *since = now.min(*since);
        }
        match &mut self.absence {
            Absence::None | Absence::Young { .. } => {}
            Absence::Doubted { since } | Absence::Suspect { since } => *since = now.min(*since),
        }
        for number in self.numbers.values_mut() {
            match &mut number.status {
                Status::NeverSeen => {}
                Status::InProgress { since, .. }
                | Status::Claimed { since }
                | Status::Failed { since, .. }
                | Status::Released { since } => *since = now.min(*since),
            }
            if let WindowState::Open(window) = &mut number.window {
                window.bound(now);
            }
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

/// Why an order that a look did not find is not called missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Absence {
    /// The last answer found it, or its absence is confirmed ([`Presence::Gone`]).
    #[default]
    None,
    /// It is young, and creation is eventually consistent: this says nothing before `until`.
    Young {
        /// `missing_grace` after it was first watched.
        until: Timestamp,
    },
    /// One look said so; a second one `missing_confirm` later has to say it again.
    Doubted {
        /// The first one.
        since: Timestamp,
    },
    /// So much of its scope went missing at once that the credentials of another account are likelier.
    Suspect {
        /// The first look that said so.
        since: Timestamp,
    },
}

impl Absence {
    /// The look that first did not find it, where that counts.
    pub fn since(self) -> Option<Timestamp> {
        match self {
            Self::None | Self::Young { .. } => None,
            Self::Doubted { since } | Self::Suspect { since } => Some(since),
        }
    }
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
    /// Who else holds the number, as last asked.
    pub other: Other,
}

/// Who else holds the number of a Connect id: a retry may have made a new id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Other {
    /// There was no need to ask.
    #[default]
    NotAsked,
    /// Nobody.
    Nobody,
    /// Another id.
    Held {
        /// That id.
        by: String,
        /// The provider's word for its status.
        raw: Option<String>,
    },
    /// It could not be asked.
    Unknown {
        /// Why, for people.
        why: String,
        /// Whether it was refused, and that was said.
        refused: bool,
    },
}

/// One number of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// Where it stands.
    pub status: Status,
    /// The provider's word, as last seen.
    pub raw: Option<String>,
    /// How it is known that it was CLAIMED since it was last RELEASED: what fails after that is an update.
    pub claimed_before: Option<ClaimedBefore>,
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
            claimed_before: None,
            declared_holds: true,
            window: WindowState::Never,
            place: Place::Listed,
        }
    }
}

/// How it is known that a number was CLAIMED before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClaimedBefore {
    /// A look saw it.
    Seen {
        /// The first one.
        at: Timestamp,
    },
    /// The list declares an update, and only what was claimed can be updated.
    Declared,
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

/// How we know which operation a status belongs to. The service's answer does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CauseBasis {
    /// The watch list says so.
    Declared,
    /// Inferred: it was never seen CLAIMED, so it is a claim.
    NeverClaimed,
    /// Inferred: it was CLAIMED before, so it is an update.
    ClaimedBefore,
}

impl CauseBasis {
    /// The word of the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::NeverClaimed | Self::ClaimedBefore => "inferred",
        }
    }
}
