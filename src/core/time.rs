//! Time as values: wall-clock instants for what is stored and said, ticks for waiting.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A wall-clock instant: whole milliseconds since the Unix epoch, UTC.
///
/// Whole milliseconds, because that is what the record shows and the store keeps: an instant is the same before and
/// after a round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// 0001-01-01: from here on RFC 3339 has a four-digit year without a sign.
const MIN_MILLIS: i64 = -62_135_596_800_000;
/// 9999-12-30T22:00:00Z: up to here `jiff` can write it in every zone.
const MAX_MILLIS: i64 = 253_402_207_200_000;

impl Timestamp {
    /// The instant that many milliseconds after the epoch, clamped to what can be written as RFC 3339.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(MIN_MILLIS, MAX_MILLIS))
    }

    /// Milliseconds since the epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 (`2026-11-20T10:00:00Z`, any offset). Below a millisecond is cut off.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|at| Self::from_millis(at.as_millisecond()))
    }

    /// Later by `by`, saturating.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(millis(by)))
    }

    /// Earlier by `by`, saturating.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(millis(by)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{at:.3}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format_args!("not an RFC 3339 time: {text:?}")))
    }
}

/// Monotonic time: nanoseconds since the process started. Waiting is counted in it, and it is never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(u64);

impl Tick {
    /// The start of the process.
    pub const ZERO: Self = Self(0);

    /// Later by `by`, saturating at 584 years.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Earlier by `by`; not before the start.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Both times of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For what is stored and said.
    pub wall: Timestamp,
    /// For waiting.
    pub tick: Tick,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_in_utc_with_milliseconds_and_read_back() {
        let at = Timestamp::from_millis(1_763_632_800_000);
        assert_eq!(at.to_string(), "2025-11-20T10:00:00.000Z");
        assert_eq!(Timestamp::parse("2025-11-20T11:00:00+01:00"), Some(at));
        let json = serde_json::to_string(&at).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), at);
    }

    #[test]
    fn extremes_saturate_and_stay_readable() {
        let last = Timestamp::from_millis(i64::MAX);
        assert_eq!(last.to_string(), "9999-12-30T22:00:00.000Z");
        assert_eq!(last.plus(Duration::MAX), last);
        let first = Timestamp::from_millis(i64::MIN);
        assert_eq!(Timestamp::parse(&first.to_string()), Some(first));
        assert_eq!(first.since(last), Duration::ZERO);
    }
}
