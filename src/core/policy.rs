//! What a watch list may decide: how often to look, how long a retry window is, when to warn.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often an order is looked at, and when an answer is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// The shortest time between two looks of one order.
    pub floor: Duration,
    /// The longest one while the order is young (up to an hour).
    pub steady: Duration,
    /// The longest one at all.
    pub ceiling: Duration,
    /// How long one call may take, connecting included.
    pub timeout: Duration,
    /// What happens to an order that is done.
    pub after_terminal: AfterTerminal,
    /// How long after it was first watched an order may be missing before that means anything (creation is eventually
    /// consistent).
    pub missing_grace: Duration,
    /// How long after a first "missing" the second look is due.
    pub missing_confirm: Duration,
}

impl Default for Poll {
    fn default() -> Self {
        Self {
            floor: Duration::from_secs(8),
            steady: Duration::from_mins(1),
            ceiling: Duration::from_hours(6),
            timeout: Duration::from_secs(10),
            after_terminal: AfterTerminal::Stop,
            missing_grace: Duration::from_mins(10),
            missing_confirm: Duration::from_mins(1),
        }
    }
}

/// What happens to an order that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AfterTerminal {
    /// It is looked at no more.
    Stop,
    /// It is looked at this often, for ever.
    Every(Duration),
}

/// The retry window of a failed claim.
///
/// Amazon Connect gives one day to retry before the number goes back to the inventory (`PhoneNumberStatus` in its API
/// reference); when that day starts is not documented, hence `counts_from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowTerms {
    /// How long it is.
    pub length: Duration,
    /// The marks: how long before the earliest end a warning is due. Longest first, none longer than `length`.
    pub warn_before: Vec<Duration>,
    /// From when its earliest end is counted.
    pub counts_from: CountsFrom,
}

impl Default for WindowTerms {
    fn default() -> Self {
        Self {
            length: Duration::from_hours(24),
            warn_before: vec![Duration::from_hours(12), Duration::from_hours(2), Duration::from_mins(30)],
            counts_from: CountsFrom::Claim,
        }
    }
}

/// From when a window's earliest end is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CountsFrom {
    /// From the start of the claim: the safe reading of the documentation.
    Claim,
    /// From the failure: the last look that did not see it failed.
    Failure,
}

/// All that a watch list decides about its orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How often to look.
    pub poll: Poll,
    /// The retry window of failed claims.
    pub window: WindowTerms,
    /// Whether the list itself set `retry_window`: only then does a failed Chime number open one, since it holds
    /// nothing back for its buyer.
    pub window_for_chime: bool,
    /// After how long without a change a pending order is called stalled; `None` is never.
    pub stalled_after: Option<Duration>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            poll: Poll::default(),
            window: WindowTerms::default(),
            window_for_chime: false,
            stalled_after: Some(Duration::from_mins(30)),
        }
    }
}
