//! What is remembered of a scope across restarts, so that a restart loop costs the account nothing.

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// What is remembered of a scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScopeMemory {
    /// Rises by one with each event of the scope.
    pub generation: u64,
    /// The learned rate, looks a second.
    pub rate: f64,
    /// The limiter's theoretical arrival time.
    pub arrival_at: Timestamp,
    /// Until when all looks wait for the quota's sake.
    pub hold_until: Option<Timestamp>,
    /// Since when the scope is throttled, and when that was last seen.
    pub throttled: Option<Spell>,
    /// Since when the service is unavailable.
    pub unavailable_since: Option<Timestamp>,
    /// Since when the credentials are refused.
    pub denied_since: Option<Timestamp>,
}

/// A condition that lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spell {
    /// When it began.
    pub since: Timestamp,
    /// When it was last seen.
    pub last: Timestamp,
}
