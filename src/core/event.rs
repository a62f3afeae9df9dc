//! What is worth saying: a closed set of events with stable names.

use std::time::Duration;

use super::observation::ChimeStatus;
use super::order::Provider;
use super::schedule::Lane;
use super::state::Cause;
use super::time::Timestamp;
use super::window::{Window, WindowBasis};

/// The names of all events.
pub const NAMES: &[&str] = &[
    "config.applied",
    "config.rejected",
    "daemon.started",
    "daemon.stopped",
    "delivery.dead",
    "digest",
    "heartbeat",
    "number.claimed",
    "number.failed",
    "number.in_progress",
    "number.released",
    "order.attention",
    "order.blocked",
    "order.completed",
    "order.not_found",
    "order.stalled",
    "order.status_changed",
    "order.tracked",
    "order.unrecognized",
    "order.untracked",
    "scope.caught_up",
    "scope.denied",
    "scope.overloaded",
    "scope.recovered",
    "scope.suspect",
    "scope.throttled",
    "scope.unavailable",
    "sink.disabled",
    "sink.failing",
    "sink.recovered",
    "window.acknowledged",
    "window.closed",
    "window.closing",
    "window.opened",
    "window.resolved",
];

/// How loud an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For the record.
    Info,
    /// Somebody should look.
    Warn,
    /// Somebody should get up.
    Error,
}

impl Level {
    /// The word of the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// The level that a word means.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Info, Self::Warn, Self::Error].into_iter().find(|level| level.as_str() == word)
    }
}

/// Something noteworthy about an order.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderEvent {
    /// A watch list names it.
    Tracked,
    /// No watch list names it any more.
    Untracked {
        /// Whether one of its retry windows is open.
        window_open: bool,
    },
    /// A number's status changed.
    Number(NumberChange),
    /// A retry window opened.
    WindowOpened {
        /// The number.
        number: String,
        /// The window.
        window: WindowFacts,
    },
    /// A retry window nears its earliest end.
    WindowClosing {
        /// The number.
        number: String,
        /// The window.
        window: WindowFacts,
        /// The mark.
        mark: Duration,
        /// Whether it is the last one.
        last: bool,
        /// When the warning was due.
        due_at: Timestamp,
    },
    /// A person said that an open window is known of: its remaining marks are not warned at.
    WindowAcknowledged {
        /// The number.
        number: String,
        /// The window.
        window: WindowFacts,
    },
    /// A retry window is over without a rescue.
    WindowClosed {
        /// The number.
        number: String,
        /// The window.
        window: WindowFacts,
        /// How it ended.
        end: WindowEnd,
    },
    /// A retry window is over because the number was claimed.
    WindowResolved {
        /// The number.
        number: String,
        /// The window.
        window: WindowFacts,
        /// The id that claimed it, where that is another one.
        other_id: Option<String>,
    },
    /// The order's own status changed.
    StatusChanged {
        /// The word before.
        from: Option<&'static str>,
        /// The status now.
        to: ChimeStatus,
    },
    /// The order reached an end.
    Completed {
        /// Which.
        outcome: ChimeStatus,
        /// How long it was watched until then.
        duration: Duration,
    },
    /// A person has to act.
    Attention(Attention),
    /// The provider used a word that nobody knows.
    Unrecognized {
        /// The number, where it was its status.
        number: Option<String>,
        /// The word.
        raw: String,
    },
    /// The service does not know the order.
    NotFound {
        /// The last word that was known.
        from: Option<&'static str>,
        /// The service's message.
        reason: Option<String>,
    },
    /// A pending order has not changed for long.
    Stalled {
        /// For how long.
        unchanged: Duration,
        /// When it was due to be said.
        due_at: Timestamp,
    },
    /// Looks at the order fail through its own fault, and it is looked at daily from now on.
    Blocked {
        /// How many in a row.
        faults: u32,
        /// The last one.
        detail: String,
    },
}

/// A number's status changed.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberChange {
    /// The number, if it is known.
    pub number: String,
    /// The word before; `None` if it was never seen.
    pub from: Option<&'static str>,
    /// The status now.
    pub to: NumberStatus,
    /// The provider's word.
    pub raw: Option<String>,
    /// The provider's message.
    pub reason: Option<String>,
    /// Which operation it belongs to.
    pub cause: Option<Cause>,
    /// For CLAIMED: how long it took.
    pub duration: Option<Duration>,
    /// For `IN_PROGRESS`: whether a retry window is open meanwhile.
    pub retrying: bool,
    /// For RELEASED: the id that holds the number now, where one was found.
    pub other_id: Option<String>,
}

/// The four statuses of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NumberStatus {
    /// Not decided.
    InProgress,
    /// Ours.
    Claimed,
    /// Refused.
    Failed,
    /// Back in the inventory.
    Released,
}

impl NumberStatus {
    /// The word of the record.
    pub fn word(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Claimed => "CLAIMED",
            Self::Failed => "FAILED",
            Self::Released => "RELEASED",
        }
    }
}

/// A retry window as events tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowFacts {
    /// The opening event's id.
    pub id: String,
    /// Why `earliest` is what it is.
    pub basis: WindowBasis,
    /// It may end from here on.
    pub earliest: Timestamp,
    /// It has ended by then.
    pub latest: Timestamp,
}

impl From<&Window> for WindowFacts {
    fn from(window: &Window) -> Self {
        Self { id: window.id.clone(), basis: window.basis, earliest: window.earliest, latest: window.latest }
    }
}

/// How a window ended without a rescue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowEnd {
    /// Its latest end has passed; nobody has seen the number released.
    Unconfirmed {
        /// That end.
        due_at: Timestamp,
    },
    /// The number is gone.
    Released,
}

/// Why a person has to act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attention {
    /// Porting waits for documents.
    PendingDocuments,
    /// Porting waits for details.
    Exception,
    /// A number that was in the order is not in it any more.
    NumberVanished {
        /// The number.
        number: String,
    },
    /// The service does not say to these credentials who else holds the number.
    HoldersDenied {
        /// The error code.
        code: String,
    },
    /// The service refuses this order to these credentials.
    AccessDenied {
        /// The error code.
        code: String,
        /// The service's message.
        reason: Option<String>,
    },
}

impl Attention {
    /// The `condition` of the record.
    pub fn condition(&self) -> &'static str {
        match self {
            Self::PendingDocuments => "pending_documents",
            Self::Exception => "exception",
            Self::NumberVanished { .. } => "number_vanished",
            Self::HoldersDenied { .. } => "holders_denied",
            Self::AccessDenied { .. } => "access_denied",
        }
    }
}

impl OrderEvent {
    /// The stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tracked => "order.tracked",
            Self::Untracked { .. } => "order.untracked",
            Self::Number(change) => match change.to {
                NumberStatus::InProgress => "number.in_progress",
                NumberStatus::Claimed => "number.claimed",
                NumberStatus::Failed => "number.failed",
                NumberStatus::Released => "number.released",
            },
            Self::WindowOpened { .. } => "window.opened",
            Self::WindowAcknowledged { .. } => "window.acknowledged",
            Self::WindowClosing { .. } => "window.closing",
            Self::WindowClosed { .. } => "window.closed",
            Self::WindowResolved { .. } => "window.resolved",
            Self::StatusChanged { .. } => "order.status_changed",
            Self::Completed { .. } => "order.completed",
            Self::Attention(_) => "order.attention",
            Self::Unrecognized { .. } => "order.unrecognized",
            Self::NotFound { .. } => "order.not_found",
            Self::Stalled { .. } => "order.stalled",
            Self::Blocked { .. } => "order.blocked",
        }
    }

    /// How loud it is.
    pub fn level(&self) -> Level {
        match self {
            Self::Tracked
            | Self::WindowAcknowledged { .. }
            | Self::WindowResolved { .. }
            | Self::StatusChanged { .. } => Level::Info,
            Self::Untracked { window_open } => warn_if(*window_open),
            Self::Number(change) => match change.to {
                NumberStatus::InProgress | NumberStatus::Claimed => Level::Info,
                NumberStatus::Failed | NumberStatus::Released => Level::Warn,
            },
            Self::WindowOpened { .. }
            | Self::Attention(_)
            | Self::Unrecognized { .. }
            | Self::Stalled { .. } => Level::Warn,
            Self::WindowClosing { last, .. } => {
                if *last {
                    Level::Error
                } else {
                    Level::Warn
                }
            }
            Self::WindowClosed { .. } | Self::NotFound { .. } | Self::Blocked { .. } => Level::Error,
            Self::Completed { outcome, .. } => warn_if(*outcome != ChimeStatus::Successful),
        }
    }
}

fn warn_if(condition: bool) -> Level {
    if condition { Level::Warn } else { Level::Info }
}

/// Something noteworthy about a scope: what shares a quota.
#[derive(Debug, Clone, PartialEq)]
pub enum ScopeEvent {
    /// The quota is used up.
    Throttled {
        /// How long all looks of the scope wait.
        hold: Duration,
        /// The rate from now on, looks a second.
        rate: f64,
    },
    /// The service does not work.
    Unavailable {
        /// What happened last.
        reason: String,
        /// When the next probe is due.
        retry_after: Duration,
    },
    /// The service refuses the credentials.
    Denied {
        /// The error code.
        code: String,
        /// The service's message.
        reason: Option<String>,
        /// How far the service's clock is ahead of ours, seconds, where that matters.
        clock_offset_s: Option<i64>,
    },
    /// So many orders went missing at once that the credentials are likelier another account's.
    Suspect {
        /// How many.
        missing: u64,
    },
    /// There is more to do than the quota allows: looks come late.
    Overloaded {
        /// The lane that waits longest.
        lane: Lane,
        /// Orders that are due in it.
        due: u64,
        /// How long until the last of them has been looked at.
        lateness: Duration,
        /// Calls a second, as learned.
        rate: f64,
    },
    /// One of the above is over.
    Recovered {
        /// Which.
        condition: Condition,
        /// How long it lasted.
        duration: Duration,
    },
}

/// A state of a scope that begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// From the first 429 until five minutes without one.
    Throttled,
    /// While the breaker is open.
    Unavailable,
    /// While the credentials are refused.
    Denied,
    /// While so much is missing that the credentials may be another account's.
    Suspect,
    /// While looks come later than is normal.
    Overloaded,
}

impl Condition {
    /// The word of the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Denied => "denied",
            Self::Suspect => "suspect",
            Self::Overloaded => "overloaded",
        }
    }
}

impl ScopeEvent {
    /// The stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Throttled { .. } => "scope.throttled",
            Self::Unavailable { .. } => "scope.unavailable",
            Self::Denied { .. } => "scope.denied",
            Self::Suspect { .. } => "scope.suspect",
            Self::Overloaded { .. } => "scope.overloaded",
            Self::Recovered { condition: Condition::Overloaded, .. } => "scope.caught_up",
            Self::Recovered { .. } => "scope.recovered",
        }
    }

    /// How loud it is.
    pub fn level(&self) -> Level {
        match self {
            Self::Throttled { .. } | Self::Unavailable { .. } | Self::Overloaded { .. } => Level::Warn,
            Self::Denied { .. } | Self::Suspect { .. } => Level::Error,
            Self::Recovered { .. } => Level::Info,
        }
    }

    /// The condition that begins or ends.
    pub fn condition(&self) -> Condition {
        match self {
            Self::Throttled { .. } => Condition::Throttled,
            Self::Unavailable { .. } => Condition::Unavailable,
            Self::Denied { .. } => Condition::Denied,
            Self::Suspect { .. } => Condition::Suspect,
            Self::Overloaded { .. } => Condition::Overloaded,
            Self::Recovered { condition, .. } => *condition,
        }
    }
}

/// Something noteworthy about the daemon itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DaemonEvent {
    /// It is up.
    Started {
        /// Orders that are tracked.
        orders: u64,
    },
    /// It ends.
    Stopped {
        /// Why, for people.
        reason: String,
    },
    /// It lives: its absence is what to alert on.
    Heartbeat {
        /// Orders that are tracked.
        orders: u64,
        /// Orders that are due and wait for their turn.
        overdue: u64,
    },
    /// What is open, in one record.
    Digest {
        /// What the store says.
        summary: Summary,
        /// Orders that are tracked.
        orders: u64,
        /// Orders that are due and wait for their turn.
        overdue: u64,
        /// How late the order is that has waited longest for its turn.
        lateness: Duration,
    },
    /// A configuration took effect.
    ConfigApplied {
        /// Orders added.
        added: u64,
        /// Orders removed.
        removed: u64,
        /// Orders whose terms changed.
        changed: u64,
    },
    /// A watch list was refused; its last good version stays in force.
    ConfigRejected {
        /// The file.
        file: String,
        /// The line, from 1, where there is one.
        line: Option<u32>,
        /// What is wrong.
        reason: String,
    },
}

/// What is open among the orders that are tracked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Numbers whose outcome is to come, and orders whose numbers are not known yet.
    pub pending: u64,
    /// Numbers that are FAILED.
    pub failed: u64,
    /// Retry windows that are open.
    pub windows: u64,
    /// Those that may end soonest, the first of them first.
    pub soonest: Vec<OpenWindow>,
}

/// A retry window that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenWindow {
    /// The number; empty if it is not known.
    pub number: String,
    /// The bare id of its order.
    pub order_id: String,
    /// The watch list.
    pub list: String,
    /// It may end from here on.
    pub earliest: Timestamp,
}

impl DaemonEvent {
    /// The stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "daemon.started",
            Self::Stopped { .. } => "daemon.stopped",
            Self::Heartbeat { .. } => "heartbeat",
            Self::Digest { .. } => "digest",
            Self::ConfigApplied { .. } => "config.applied",
            Self::ConfigRejected { .. } => "config.rejected",
        }
    }

    /// How loud it is.
    pub fn level(&self) -> Level {
        match self {
            Self::Started { .. }
            | Self::Stopped { .. }
            | Self::Heartbeat { .. }
            | Self::Digest { .. }
            | Self::ConfigApplied { .. } => Level::Info,
            Self::ConfigRejected { .. } => Level::Error,
        }
    }
}

/// Something noteworthy about a sink. It is never queued to a webhook that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkEvent {
    /// It takes nothing, and events wait for it.
    Failing {
        /// What it said last.
        reason: String,
        /// When it is tried next.
        retry_after: Duration,
    },
    /// It said that it is gone for good (HTTP 410), and is not tried any more.
    Disabled {
        /// What it said.
        reason: String,
    },
    /// It takes events again.
    Recovered {
        /// Which of the two is over.
        condition: SinkCondition,
        /// How long it lasted.
        duration: Duration,
    },
    /// It refused an event again and again while it took others: the event is put aside until a person asks for it.
    Dead {
        /// The event's id.
        about: String,
        /// The event's name.
        event: String,
        /// What the sink said last.
        reason: String,
    },
}

/// A state of a sink that begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SinkCondition {
    /// It takes nothing.
    Failing,
    /// It is not tried any more.
    Disabled,
}

impl SinkCondition {
    /// The word of the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Disabled => "disabled",
        }
    }
}

impl SinkEvent {
    /// Whether an event of this name is about a sink.
    pub fn is_named(event: &str) -> bool {
        event.starts_with("sink.") || event.starts_with("delivery.")
    }

    /// The stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Failing { .. } => "sink.failing",
            Self::Disabled { .. } => "sink.disabled",
            Self::Recovered { .. } => "sink.recovered",
            Self::Dead { .. } => "delivery.dead",
        }
    }

    /// How loud it is.
    pub fn level(&self) -> Level {
        match self {
            Self::Failing { .. } => Level::Warn,
            Self::Disabled { .. } | Self::Dead { .. } => Level::Error,
            Self::Recovered { .. } => Level::Info,
        }
    }
}

/// What shares a quota.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeKey {
    /// The service.
    pub provider: Provider,
    /// The account's twelve digits where the configuration gives them, else its name there: accounts of one
    /// `account_id` and region share a quota.
    pub account: String,
    /// The region.
    pub region: String,
}
