//! A whole scope that goes missing: the credentials of another account are likelier than so many released numbers.
//!
//! # Guarantees
//! An absence is believed only if another order of the scope was seen since it began: whoever goes missing has a witness
//! looked at. While the suspicion is raised, none is believed; it ends when one of those that went missing is seen, or
//! when a person accepts that they are gone.

use std::collections::BTreeMap;
use std::time::Duration;

use super::order::Stream;
use super::time::{Now, Tick, Timestamp};

/// It is raised by at least this many orders,
const LEAST: usize = 3;
/// which are more than one in this many of the scope's,
const ONE_IN: usize = 5;
/// and went missing within this time.
const WITHIN: Duration = Duration::from_mins(10);
/// What a person accepted is not asked again for so long: by then every order was looked at (the default `ceiling`).
const ACCEPTED_FOR: Duration = Duration::from_hours(6);

/// Whether a scope's absences are believed.
#[derive(Debug, Clone, Default)]
pub struct Suspicion {
    /// Who went missing, and when; while it is raised all of them, else the last ten minutes'.
    missing: BTreeMap<Stream, Tick>,
    raised: Option<Timestamp>,
    accepted: Option<Timestamp>,
    /// When any order was last seen.
    seen_at: Option<Tick>,
    /// Those whose absence says nothing, and whether they are known to be gone, so that they do not count at all: others
    /// are young. None of them is a witness.
    silent: BTreeMap<Stream, bool>,
}

/// What to make of an order that was not found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdict {
    /// How many are missing, if this one raised the suspicion.
    pub raised_by: Option<usize>,
    /// Whether the absence may be confirmed.
    pub believed: bool,
    /// Whether another order is to be looked at, to see whether that one is there.
    pub wants_witness: bool,
}

impl Suspicion {
    /// Goes on with what is remembered: since when it is raised, and when somebody accepted last.
    pub fn resume(&mut self, raised: Option<Timestamp>, accepted: Option<Timestamp>) {
        self.raised = raised;
        self.accepted = accepted;
    }

    /// Since when it is raised.
    pub fn raised(&self) -> Option<Timestamp> {
        self.raised
    }

    /// An order is not watched any more: it counts for nothing.
    pub fn forget(&mut self, who: Stream) {
        self.missing.remove(&who);
        self.silent.remove(&who);
    }

    /// When somebody accepted last.
    pub fn accepted(&self) -> Option<Timestamp> {
        self.accepted
    }

    /// An order of a scope of `orders` was not found; `first` if the look before found it.
    pub fn missing(&mut self, who: Stream, first: bool, orders: usize, now: Now) -> Verdict {
        if self.raised.is_none() {
            self.missing.retain(|other, at| *other == who || now.tick.since(*at) <= WITHIN);
        }
        // One that is not here and was missing before went missing before this process or the last suspicion.
        let since = if first { now.tick } else { self.missing.get(&who).copied().unwrap_or(Tick::ZERO) };
        self.missing.insert(who, since);
        self.silent.remove(&who);
        if self.raised.is_some() {
            return Verdict::default();
        }
        if self.accepted.is_some_and(|at| at <= now.wall && now.wall.since(at) <= ACCEPTED_FOR) {
            return Verdict { believed: true, ..Verdict::default() };
        }
        let many = self.missing.len();
        let orders = orders.saturating_sub(self.silent.values().filter(|gone| **gone).count());
        if many >= LEAST && many * ONE_IN > orders {
            self.raised = Some(now.wall);
            return Verdict { raised_by: Some(many), ..Verdict::default() };
        }
        let believed = orders < LEAST || self.seen_at.is_some_and(|at| at >= since);
        Verdict { raised_by: None, believed, wants_witness: !believed }
    }

    /// An order that is known to be gone, or too young to be there, was not found. It says nothing; whether another
    /// witness is wanted in its place.
    pub fn says_nothing(&mut self, who: Stream, gone: bool) -> bool {
        self.silent.insert(who, gone);
        if gone {
            // A witness has confirmed it, so it is no sign of wrong credentials.
            self.missing.remove(&who);
        }
        let unwitnessed = |since: &Tick| self.seen_at.is_none_or(|at| at < *since);
        self.raised.is_none() && self.missing.iter().any(|(other, since)| *other != who && unwitnessed(since))
    }

    /// Whether an order may be a witness: it is not known to be missing.
    pub fn may_witness(&self, who: Stream) -> bool {
        !self.missing.contains_key(&who) && !self.silent.contains_key(&who)
    }

    /// An order was seen; `doubted` if the look before did not find it. Gives since when the suspicion stood if that ends
    /// it, and who may be looked at again.
    pub fn seen(&mut self, who: Stream, doubted: bool, now: Now) -> Option<(Timestamp, Vec<Stream>)> {
        self.seen_at = Some(now.tick);
        self.silent.remove(&who);
        let member = self.missing.remove(&who).is_some() || doubted;
        if member { self.end() } else { None }
    }

    /// A person says that they are gone, if it is raised. As for [`Suspicion::seen`].
    pub fn accept(&mut self, now: Timestamp) -> Option<(Timestamp, Vec<Stream>)> {
        let ended = self.end()?;
        self.accepted = Some(now);
        Some(ended)
    }

    fn end(&mut self) -> Option<(Timestamp, Vec<Stream>)> {
        let since = self.raised.take()?;
        Some((since, std::mem::take(&mut self.missing).into_keys().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> Now {
        let by = Duration::from_mins(minutes);
        Now { wall: Timestamp::from_millis(0).plus(by), tick: Tick::ZERO.plus(by) }
    }

    fn who(n: u32) -> Stream {
        Stream::of(&[&n.to_string()])
    }

    /// Orders 0, 1, … go missing at these minutes, in a scope of `orders`. Gives how many raised it.
    fn raised_by(minutes: &[u64], orders: usize) -> Option<usize> {
        let mut suspicion = Suspicion::default();
        let each = (0..).zip(minutes);
        each.map(|(n, minute)| suspicion.missing(who(n), true, orders, at(*minute)))
            .find_map(|verdict| verdict.raised_by)
    }

    /// Raised by four orders of nine.
    fn raised() -> Suspicion {
        let mut suspicion = Suspicion::default();
        for n in 0..4 {
            suspicion.missing(who(n), true, 9, at(0));
        }
        assert_eq!(suspicion.raised(), Some(at(0).wall));
        suspicion
    }

    #[test]
    fn three_that_are_over_a_fifth_within_ten_minutes() {
        assert_eq!(raised_by(&[0, 1, 2], 14), Some(3));
        assert_eq!(raised_by(&[0, 1, 2], 15), None, "a fifth is not over a fifth");
        assert_eq!(raised_by(&[0, 1, 2, 3], 15), Some(4));
        assert_eq!(raised_by(&[0, 1], 2), None, "two are too few, even if they are all");
        assert_eq!(raised_by(&[0, 5, 10], 3), Some(3));
        assert_eq!(raised_by(&[0, 5, 11], 3), None, "one of them is long ago");
    }

    #[test]
    fn one_order_that_stays_missing_is_one() {
        let mut suspicion = Suspicion::default();
        for minute in 0..60 {
            assert_eq!(suspicion.missing(who(1), minute == 0, 2, at(minute)).raised_by, None);
        }
    }

    #[test]
    fn an_absence_is_believed_once_another_order_was_seen_since() {
        let mut suspicion = Suspicion::default();
        suspicion.seen(who(2), false, at(0));
        let alone = Verdict { wants_witness: true, ..Verdict::default() };
        assert_eq!(suspicion.missing(who(1), true, 9, at(1)), alone);
        assert_eq!(suspicion.missing(who(1), false, 9, at(2)), alone, "nobody was seen since");
        suspicion.seen(who(2), false, at(3));
        assert!(suspicion.missing(who(1), false, 9, at(4)).believed);
        suspicion.seen(who(1), true, at(5));
        assert_eq!(suspicion.missing(who(1), true, 9, at(6)), alone, "another time");
        assert!(suspicion.missing(who(3), true, 2, at(7)).believed, "there is hardly anybody to ask");
        assert!(!suspicion.missing(who(4), true, 16, at(8)).believed);
        assert!(!suspicion.may_witness(who(3)) && suspicion.may_witness(who(2)));
    }

    #[test]
    fn a_scope_of_three_has_witnesses_and_one_of_two_has_none() {
        for (orders, believed) in [(1, true), (2, true), (3, false), (4, false)] {
            let verdict = Suspicion::default().missing(who(1), true, orders, at(1));
            assert_eq!((verdict.believed, verdict.wants_witness), (believed, !believed), "{orders}");
        }
    }

    #[test]
    fn what_is_gone_is_no_witness_and_does_not_count() {
        let mut suspicion = Suspicion::default();
        assert!(!suspicion.says_nothing(who(1), true), "nobody waits for a witness");
        assert!(suspicion.missing(who(2), true, 4, at(1)).wants_witness);
        assert!(
            suspicion.says_nothing(who(3), true) && !suspicion.may_witness(who(3)),
            "another one is wanted"
        );
        assert!(suspicion.missing(who(2), false, 4, at(2)).believed, "of four, two are left");
        suspicion.seen(who(3), false, at(3));
        assert!(suspicion.may_witness(who(3)), "it is back");
        assert!(
            !suspicion.says_nothing(who(3), false) && !suspicion.may_witness(who(3)),
            "young, it is none"
        );
        assert!(suspicion.missing(who(3), true, 4, at(4)).wants_witness, "but it counts, as one of three");
    }

    #[test]
    fn what_was_confirmed_gone_raises_nothing_any_more() {
        let mut suspicion = Suspicion::default();
        for n in 0..2 {
            suspicion.missing(who(n), true, 10, at(1));
            suspicion.seen(who(9), false, at(2));
            assert!(suspicion.missing(who(n), false, 10, at(2)).believed);
            suspicion.says_nothing(who(n), true);
        }
        assert_eq!(suspicion.missing(who(2), true, 10, at(5)).raised_by, None, "it is one, not three");
    }

    #[test]
    fn another_witness_is_wanted_only_while_somebody_has_none() {
        let mut suspicion = Suspicion::default();
        suspicion.seen(who(9), false, at(0));
        suspicion.missing(who(1), true, 9, at(1));
        assert!(suspicion.says_nothing(who(8), true), "it was seen before that");
        for seen in [1, 2] {
            suspicion.seen(who(9), false, at(seen));
            assert!(!suspicion.says_nothing(who(8), true), "seen at {seen}");
        }
    }

    #[test]
    fn it_stands_until_one_of_them_is_seen() {
        let mut suspicion = raised();
        assert_eq!(suspicion.seen(who(9), false, at(1)), None, "it was never missing");
        assert_eq!(suspicion.missing(who(0), false, 9, at(60)), Verdict::default());
        let (since, others) = suspicion.seen(who(1), true, at(61)).unwrap();
        assert_eq!((since, others.len()), (at(0).wall, 3), "the others may be looked at again");
        assert_eq!((suspicion.raised(), suspicion.seen(who(2), true, at(62))), (None, None));
    }

    #[test]
    fn after_a_restart_a_sighting_of_a_doubted_order_ends_it() {
        let mut suspicion = Suspicion::default();
        suspicion.resume(Some(at(0).wall), None);
        assert_eq!(suspicion.missing(who(1), false, 9, at(1)), Verdict::default());
        assert_eq!(suspicion.seen(who(2), false, at(1)), None);
        assert_eq!(suspicion.seen(who(2), true, at(1)), Some((at(0).wall, vec![who(1)])));
    }

    #[test]
    fn what_was_accepted_is_not_asked_again() {
        let mut suspicion = raised();
        assert_eq!(suspicion.accept(at(1).wall).map(|(since, _)| since), Some(at(0).wall));
        for n in 4..9 {
            assert!(suspicion.missing(who(n), true, 9, at(2)).believed);
        }
        let later = 6 * 60 + 2;
        let again: Vec<_> =
            (10..13).map(|n| suspicion.missing(who(n), true, 9, at(later)).raised_by).collect();
        assert_eq!(again, [None, None, Some(3)]);
    }
}
