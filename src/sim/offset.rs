//! Times of a scenario: counted from the world's start, written `5s`, `1m30s`, `-2h`, `250ms`.

use std::time::Duration;

use serde::Deserialize;

use crate::core::time::Timestamp;

/// A time before or after the world's start, in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Offset(i64);

/// The largest number of milliseconds either way, a hundred years: sums of a few stay far from overflow.
const MAX_MILLIS: i64 = 100 * 366 * 86_400_000;

impl Offset {
    /// The start.
    pub const START: Self = Self(0);
    /// Before anything else.
    pub const ALWAYS: Self = Self(-MAX_MILLIS);
    /// After anything else.
    pub const NEVER: Self = Self(MAX_MILLIS);

    /// That many milliseconds after the start, within a hundred years.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(-MAX_MILLIS, MAX_MILLIS))
    }

    /// Milliseconds after the start; negative before it.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// How far `now` is from `start`.
    pub fn between(start: Timestamp, now: Timestamp) -> Self {
        Self::from_millis(now.as_millis().saturating_sub(start.as_millis()))
    }

    /// The sum of two.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self::from_millis(self.0.saturating_add(other.0))
    }

    /// The instant that far from `start`.
    pub fn from(self, start: Timestamp) -> Timestamp {
        Timestamp::from_millis(start.as_millis().saturating_add(self.0))
    }

    /// The same as a length; zero if it is negative.
    pub fn length(self) -> Duration {
        Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }

    /// Reads an optional sign and one or more pairs of digits and a unit (`ms`, `s`, `m`, `h`, `d`).
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest.is_empty() {
            return None;
        }
        let mut millis: i64 = 0;
        while !rest.is_empty() {
            let unit_at = rest.find(|c: char| !c.is_ascii_digit())?;
            let (digits, tail) = rest.split_at(unit_at);
            let next = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(next);
            let unit: i64 = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return None,
            };
            millis = millis.checked_add(digits.parse::<i64>().ok()?.checked_mul(unit)?)?;
            rest = tail;
        }
        (millis <= MAX_MILLIS).then_some(Self(sign * millis))
    }
}

impl TryFrom<String> for Offset {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("not a time: {text:?} (like \"5s\", \"1m30s\", \"-2h\")"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_units_add_up_and_the_rest_is_refused() {
        for (text, millis) in
            [("5s", 5_000), ("1m30s", 90_000), ("-2h", -7_200_000), ("+250ms", 250), ("0s", 0)]
        {
            assert_eq!(Offset::parse(text).map(Offset::as_millis), Some(millis), "{text}");
        }
        for text in ["", "5", "-", "s", "5x", "5 s", "1.5s", "99999999999999999999s", "9999999999d", "٣s"] {
            assert_eq!(Offset::parse(text), None, "{text}");
        }
    }
}
