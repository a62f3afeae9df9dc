//! The retry window of a failed claim: an interval in which its end lies, never a point.
//!
//! The service gives no time of failure and does not say when its one day starts. So `earliest` is counted from the
//! start of the claim as far back as it is known, `latest` from the look that first showed the failure, and every
//! warning counts from `earliest`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::policy::{CountsFrom, WindowTerms};
use super::time::Timestamp;

/// A number's retry window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WindowState {
    /// None was ever opened.
    Never,
    /// It is running.
    Open(Window),
    /// It is over.
    Closed(Closed),
}

/// A window that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// As it was last.
    pub window: Window,
    /// How it ended.
    pub outcome: Outcome,
    /// When that was known.
    pub at: Timestamp,
}

/// How a window ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The number was claimed.
    Claimed,
    /// Another id claimed the number.
    ClaimedElsewhere {
        /// That id.
        other_id: String,
    },
    /// Its latest end has passed; nobody has seen the number released.
    Unconfirmed,
    /// The number is gone.
    Released,
}

impl WindowState {
    /// The window, if it is open.
    pub fn open(&self) -> Option<&Window> {
        match self {
            Self::Open(window) => Some(window),
            Self::Never | Self::Closed(_) => None,
        }
    }

    /// Ends the window, if it is open. Returns it.
    pub(super) fn close(&mut self, outcome: Outcome, at: Timestamp) -> Option<Window> {
        let window = self.open()?.clone();
        *self = Self::Closed(Closed { window: window.clone(), outcome, at });
        Some(window)
    }
}

/// An open window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The id of the event that opened it: the pager's dedupe key.
    pub id: String,
    /// Why its earliest end is what it is.
    pub basis: WindowBasis,
    /// What the earliest end is counted from; `None` where nothing is known of the claim's start.
    pub counted_from: Option<Timestamp>,
    /// How long the service gives, as the list said when it was opened.
    pub length: Duration,
    /// The last look that showed another failure: the latest end is counted from it.
    pub failed_at: Timestamp,
    /// The number may be released from here on. Never moves later.
    pub earliest: Timestamp,
    /// The number is released by then, unless the service counts from something unseen. Never before `earliest`.
    pub latest: Timestamp,
    /// The smallest mark that was warned at.
    pub warned: Option<Duration>,
    /// When a person said that it is known of: no mark is warned at since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<Timestamp>,
}

/// Why a window's earliest end is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowBasis {
    /// Counted from the `requested_at` of the watch list.
    RequestedAt,
    /// Counted from the look that first showed the claim in progress.
    FirstLook,
    /// Counted from the last look that did not show it failed.
    LastLookBeforeFailure,
    /// FAILED was the first thing seen: it may end at any time.
    FailureFirstSeen,
    /// What it is counted from is already longer ago than the window is long: it may end at any time.
    AlreadyPast,
    /// It failed again after the window was closed: when the service's day began is not known.
    Reopened,
}

impl WindowBasis {
    /// The word of the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequestedAt => "requested_at",
            Self::FirstLook => "first_look",
            Self::LastLookBeforeFailure => "last_look_before_failure",
            Self::FailureFirstSeen => "failure_first_seen",
            Self::AlreadyPast => "already_past",
            Self::Reopened => "reopened",
        }
    }
}

/// What is known of when the failed claim began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimStart {
    /// The `requested_at` of the watch list, where it is about this claim.
    pub requested_at: Option<Timestamp>,
    /// The look that first showed this claim in progress.
    pub first_look: Option<Timestamp>,
    /// The last look that did not show it failed.
    pub last_not_failed: Option<Timestamp>,
}

impl Window {
    /// A window for a claim that is seen FAILED for the first time at `now`.
    pub fn open(terms: &WindowTerms, start: ClaimStart, now: Timestamp, id: String) -> Self {
        let counted = match terms.counts_from {
            CountsFrom::Claim => start
                .requested_at
                .map(|at| (at, WindowBasis::RequestedAt))
                .or(start.first_look.map(|at| (at, WindowBasis::FirstLook))),
            CountsFrom::Failure => start.last_not_failed.map(|at| (at, WindowBasis::LastLookBeforeFailure)),
        };
        // A start that lies after `now` (a clock that stepped back, a typing error) must not move the end later than a
        // failure right now would.
        let counted = counted.map(|(at, basis)| (at.min(now), basis));
        let (earliest, basis) = match counted.map(|(at, basis)| (at.plus(terms.length), basis)) {
            None => (now, WindowBasis::FailureFirstSeen),
            Some((end, _)) if end <= now => (now, WindowBasis::AlreadyPast),
            Some(counted) => counted,
        };
        Self {
            id,
            basis,
            counted_from: counted.map(|(at, _)| at),
            length: terms.length,
            failed_at: now,
            earliest,
            latest: now.plus(terms.length),
            warned: None,
            acknowledged_at: None,
        }
    }

    /// A window for a claim that failed again, seen at `now`, after its window was closed.
    pub fn reopen(terms: &WindowTerms, now: Timestamp, id: String) -> Self {
        Self {
            id,
            basis: WindowBasis::Reopened,
            counted_from: None,
            length: terms.length,
            failed_at: now,
            earliest: now,
            latest: now.plus(terms.length),
            warned: None,
            acknowledged_at: None,
        }
    }

    /// Another failure was seen at `now`: the service may count from it, so only `latest` moves.
    pub fn failed_again(&mut self, now: Timestamp) {
        self.failed_at = self.failed_at.max(now);
        self.latest = self.failed_at.plus(self.length);
    }

    /// Its marks are not warned at any more. False: that was said before.
    pub(super) fn acknowledge(&mut self, now: Timestamp) -> bool {
        let new = self.acknowledged_at.is_none();
        self.acknowledged_at.get_or_insert(now);
        new
    }

    /// No end lies further ahead than a failure right now would put it: else the clock that it was counted by was ahead.
    pub(super) fn bound(&mut self, now: Timestamp) {
        self.failed_at = self.failed_at.min(now);
        self.latest = self.failed_at.plus(self.length);
        self.earliest = self.earliest.min(self.latest);
    }

    /// The mark to warn at, if one is due. Several at once are one warning, at the smallest.
    pub fn due_mark(&self, terms: &WindowTerms, now: Timestamp) -> Option<Duration> {
        self.marks_ahead(terms).filter(|mark| self.earliest.minus(*mark) <= now).min()
    }

    /// When the next mark is, past ones included.
    pub fn next_mark(&self, terms: &WindowTerms) -> Option<Timestamp> {
        self.marks_ahead(terms).max().map(|mark| self.earliest.minus(mark))
    }

    /// The marks that were not warned at, past ones included.
    pub(super) fn marks_ahead(&self, terms: &WindowTerms) -> impl Iterator<Item = Duration> {
        let warned = self.warned.unwrap_or(Duration::MAX);
        let silent = self.acknowledged_at.is_some();
        terms.warn_before.iter().copied().filter(move |mark| !silent && *mark < warned)
    }
}

/// Whether a mark is the last one of its window.
pub fn is_last_mark(terms: &WindowTerms, mark: Duration) -> bool {
    terms.warn_before.iter().all(|other| *other >= mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_millis(hours * 3_600_000)
    }

    fn start(requested: Option<i64>, first: Option<i64>, not_failed: Option<i64>) -> ClaimStart {
        ClaimStart {
            requested_at: requested.map(at),
            first_look: first.map(at),
            last_not_failed: not_failed.map(at),
        }
    }

    #[test]
    fn the_earliest_end_and_its_basis() {
        let claim = WindowTerms::default();
        let failure = WindowTerms { counts_from: CountsFrom::Failure, ..WindowTerms::default() };
        let cases = [
            // terms, start, failure seen at, earliest, basis
            (&claim, start(Some(1), Some(2), Some(3)), 4, 25, WindowBasis::RequestedAt),
            (&claim, start(None, Some(2), Some(3)), 4, 26, WindowBasis::FirstLook),
            (&claim, start(None, None, None), 4, 4, WindowBasis::FailureFirstSeen),
            (&claim, start(Some(1), None, None), 4, 25, WindowBasis::RequestedAt),
            (&claim, start(Some(1), Some(2), Some(3)), 25, 25, WindowBasis::AlreadyPast),
            (&claim, start(Some(9), None, None), 4, 28, WindowBasis::RequestedAt),
            (&failure, start(Some(1), Some(2), Some(3)), 4, 27, WindowBasis::LastLookBeforeFailure),
            (&failure, start(Some(1), None, None), 4, 4, WindowBasis::FailureFirstSeen),
            (&failure, start(None, Some(1), Some(1)), 30, 30, WindowBasis::AlreadyPast),
        ];
        for (terms, start, now, earliest, basis) in cases {
            let window = Window::open(terms, start, at(now), "w".into());
            assert_eq!((window.earliest, window.basis), (at(earliest), basis), "{start:?} seen at {now} h");
            assert_eq!(window.latest, at(now + 24), "{start:?} seen at {now} h");
        }
    }

    #[test]
    fn a_new_failure_moves_the_latest_end_only() {
        let terms = WindowTerms::default();
        let mut window = Window::open(&terms, start(None, Some(0), Some(1)), at(2), "w".into());
        let earliest = window.earliest;
        window.failed_again(at(10));
        assert_eq!((window.earliest, window.latest), (earliest, at(34)));
        window.failed_again(at(5));
        assert_eq!(window.latest, at(34), "a clock that stepped back moves it no earlier");
    }

    #[test]
    fn each_mark_is_due_once_and_several_at_once_are_one() {
        let terms = WindowTerms::default();
        let mut window = Window::open(&terms, start(None, Some(0), Some(1)), at(2), "w".into());
        assert_eq!(window.due_mark(&terms, at(11)), None);
        assert_eq!(window.next_mark(&terms), Some(at(12)));
        assert_eq!(window.due_mark(&terms, at(12)), Some(12 * HOUR));
        window.warned = Some(12 * HOUR);
        assert_eq!(window.due_mark(&terms, at(13)), None);
        assert_eq!(window.next_mark(&terms), Some(at(22)));
        let both = window.due_mark(&terms, at(24));
        assert_eq!(both, Some(HOUR / 2));
        assert!(is_last_mark(&terms, HOUR / 2) && !is_last_mark(&terms, 2 * HOUR));
        window.warned = both;
        assert_eq!((window.due_mark(&terms, at(99)), window.next_mark(&terms)), (None, None));
    }

    #[test]
    fn no_mark_is_due_once_it_is_acknowledged_which_is_said_once() {
        let terms = WindowTerms::default();
        let mut window = Window::open(&terms, start(None, Some(0), Some(1)), at(2), "w".into());
        assert!(window.acknowledge(at(3)));
        assert_eq!((window.due_mark(&terms, at(24)), window.next_mark(&terms)), (None, None));
        assert!(!window.acknowledge(at(4)));
        assert_eq!(window.acknowledged_at, Some(at(3)), "when it was first said");
        assert_eq!((window.earliest, window.latest), (at(24), at(26)), "its ends are what they were");
    }

    #[test]
    fn a_clock_that_stepped_back_puts_the_ends_where_a_failure_right_now_would() {
        let terms = WindowTerms::default();
        let opened = Window::open(&terms, start(None, Some(9), None), at(10), "w".into());
        assert_eq!((opened.earliest, opened.latest), (at(33), at(34)));
        for (now, failed_at, earliest, latest) in
            [(99, 10, 33, 34), (10, 10, 33, 34), (9, 9, 33, 33), (8, 8, 32, 32), (-90, -90, -66, -66)]
        {
            let mut window = opened.clone();
            window.bound(at(now));
            let ends = (window.failed_at, window.earliest, window.latest);
            assert_eq!(ends, (at(failed_at), at(earliest), at(latest)), "at {now} h");
            let once = window.clone();
            window.bound(at(now));
            assert_eq!(window, once, "once is enough");
        }
    }

    #[test]
    fn a_closed_window_keeps_how_it_ended_and_is_not_closed_again() {
        let terms = WindowTerms::default();
        let open = Window::open(&terms, start(None, Some(0), None), at(1), "w".into());
        let mut state = WindowState::Open(open.clone());
        assert_eq!(state.close(Outcome::Released, at(2)), Some(open.clone()));
        assert_eq!(state.close(Outcome::Claimed, at(3)), None);
        assert_eq!(state.open(), None);
        let closed = Closed { window: open, outcome: Outcome::Released, at: at(2) };
        assert_eq!(state, WindowState::Closed(closed));
        assert_eq!(WindowState::Never.close(Outcome::Claimed, at(3)), None);
    }
}
