//! How fast posts go to an endpoint that takes only a part of them: as fast as it takes most.
//!
//! # Guarantees
//! An endpoint that took something lately is not left alone for it, but gets one post after the other, further apart with
//! each failure and closer with each success. One that takes all gets all.

use std::time::Duration;

use super::super::time::Tick;

/// What lies between two posts after a first failure, doubled with each further one
const GAP_FIRST: Duration = Duration::from_millis(250);
/// up to this; it falls by an eighth with each success,
const GAP_MOST: Duration = Duration::from_secs(5);
/// and is none below this.
const GAP_LEAST: Duration = Duration::from_millis(50);
/// An endpoint that took nothing for so long takes nothing: that is an outage.
const LATELY: Duration = Duration::from_secs(5);

/// The pace of one endpoint.
#[derive(Debug)]
pub(super) struct Pace {
    gap: Duration,
    next_at: Tick,
    taken_at: Option<Tick>,
}

impl Pace {
    /// As fast as can be.
    pub(super) fn new() -> Self {
        Self { gap: Duration::ZERO, next_at: Tick::ZERO, taken_at: None }
    }

    /// How many of so many posts may go now.
    pub(super) fn room(&self, most: usize, now: Tick) -> usize {
        if self.next_at > now {
            0
        } else if self.gap.is_zero() {
            most
        } else {
            most.min(1)
        }
    }

    /// When the next one may go, if that is not now.
    pub(super) fn changes_at(&self, now: Tick) -> Option<Tick> {
        Some(self.next_at).filter(|next| *next > now)
    }

    /// One went.
    pub(super) fn sent(&mut self, now: Tick) {
        self.wait(self.gap, now);
    }

    /// One was taken.
    pub(super) fn took(&mut self, now: Tick) {
        self.taken_at = Some(now);
        self.gap = self.gap * 7 / 8;
        if self.gap < GAP_LEAST {
            self.gap = Duration::ZERO;
        }
    }

    /// One was not taken by an endpoint that asks to be left alone for so long. False: it takes none at all.
    pub(super) fn slow_down(&mut self, asked: Duration, now: Tick) -> bool {
        let lately = self.taken_at.is_some_and(|taken| now.since(taken) < LATELY);
        if lately {
            self.gap = (self.gap * 2).clamp(GAP_FIRST, GAP_MOST);
            self.wait(self.gap.max(asked), now);
        }
        lately
    }

    /// Nothing goes for so long.
    pub(super) fn wait(&mut self, time: Duration, now: Tick) {
        self.next_at = self.next_at.max(now.plus(time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Tick {
        Tick::ZERO.plus(Duration::from_millis(millis))
    }

    #[test]
    fn failures_part_posts_and_successes_bring_them_together() {
        let mut pace = Pace::new();
        assert!(!pace.slow_down(Duration::ZERO, at(0)), "nothing was ever taken");
        assert_eq!(pace.room(16, at(0)), 16);
        pace.took(at(0));
        for (now, gap) in [(0, 250), (250, 500), (750, 1000), (1750, 2000), (3750, 4000)] {
            assert!(pace.slow_down(Duration::ZERO, at(now)));
            assert_eq!(pace.changes_at(at(now)), Some(at(now + gap)));
            assert_eq!((pace.room(16, at(now + gap - 1)), pace.room(16, at(now + gap))), (0, 1));
        }
        assert!(!pace.slow_down(Duration::ZERO, at(5000)), "it is an outage now");
        pace.sent(at(7750));
        assert_eq!(pace.room(16, at(11_749)), 0, "a gap lies between two posts, whatever becomes of them");
        let successes = (1..100).find(|_| {
            pace.took(at(8000));
            pace.room(16, at(60_000)) == 16
        });
        assert_eq!(successes, Some(33));
    }

    #[test]
    fn what_it_asks_for_is_kept() {
        let mut pace = Pace::new();
        pace.took(at(0));
        pace.slow_down(Duration::from_secs(70), at(0));
        pace.sent(at(1000));
        assert_eq!(pace.changes_at(at(1000)), Some(at(70_000)));
    }
}
