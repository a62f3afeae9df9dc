//! A whole scope that goes missing: the credentials of another account are likelier than so many released numbers.
//!
//! # Guarantees
//! While it is raised, no absence is confirmed in the scope. It ends when one of those that went missing is seen, or when
//! a person accepts that they are gone.

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

    /// When somebody accepted last.
    pub fn accepted(&self) -> Option<Timestamp> {
        self.accepted
    }

    /// An order of a scope of `orders` was not found; `first` if the look before found it. Gives how many are missing if
    /// that raises the suspicion.
    pub fn missing(&mut self, who: Stream, first: bool, orders: usize, now: Now) -> Option<usize> {
        if first || self.raised.is_some() {
            self.missing.insert(who, now.tick);
        }
        if self.raised.is_some() {
            return None;
        }
        self.missing.retain(|_, at| now.tick.since(*at) <= WITHIN);
        let accepted = self.accepted.is_some_and(|at| at <= now.wall && now.wall.since(at) <= ACCEPTED_FOR);
        let many = self.missing.len();
        if accepted || many < LEAST || many * ONE_IN <= orders {
            return None;
        }
        self.raised = Some(now.wall);
        Some(many)
    }

    /// An order was seen; `doubted` if the look before did not find it. Gives since when the suspicion stood if that ends
    /// it, and who may be looked at again.
    pub fn seen(&mut self, who: Stream, doubted: bool) -> Option<(Timestamp, Vec<Stream>)> {
        let member = self.missing.remove(&who).is_some() || doubted;
        if member { self.end() } else { None }
    }

    /// A person says that they are gone. As for [`Suspicion::seen`].
    pub fn accept(&mut self, now: Timestamp) -> Option<(Timestamp, Vec<Stream>)> {
        self.accepted = Some(now);
        self.end()
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

    /// Orders 1, 2, … go missing at these minutes, in a scope of `orders`. Gives which of them raised it.
    fn raised_by(minutes: &[u64], orders: usize) -> Option<usize> {
        let mut suspicion = Suspicion::default();
        let mut each = minutes.iter().enumerate();
        each.find_map(|(n, minute)| suspicion.missing(who(n as u32), true, orders, at(*minute)))
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
        for minute in 0..5 {
            assert_eq!(suspicion.missing(who(1), minute == 0, 1, at(minute)), None);
        }
    }

    #[test]
    fn it_stands_until_one_of_them_is_seen() {
        let mut suspicion = Suspicion::default();
        for n in 0..4 {
            suspicion.missing(who(n), true, 9, at(0));
        }
        assert_eq!(suspicion.raised(), Some(at(0).wall));
        assert_eq!(suspicion.seen(who(9), false), None, "it was never missing");
        assert!(suspicion.raised().is_some());
        let (since, others) = suspicion.seen(who(1), true).unwrap();
        assert_eq!((since, others.len()), (at(0).wall, 3), "the others may be looked at again");
        assert_eq!((suspicion.raised(), suspicion.seen(who(2), true)), (None, None));
    }

    #[test]
    fn after_a_restart_a_sighting_of_a_doubted_order_ends_it() {
        let mut suspicion = Suspicion::default();
        suspicion.resume(Some(at(0).wall), None);
        assert_eq!(suspicion.missing(who(1), false, 9, at(1)), None);
        assert_eq!(suspicion.seen(who(2), false), None);
        assert_eq!(suspicion.seen(who(2), true), Some((at(0).wall, vec![who(1)])));
    }

    #[test]
    fn what_was_accepted_is_not_asked_again() {
        let mut suspicion = Suspicion::default();
        for n in 0..3 {
            suspicion.missing(who(n), true, 9, at(0));
        }
        assert_eq!(suspicion.accept(at(1).wall).map(|(since, _)| since), Some(at(0).wall));
        for n in 3..9 {
            assert_eq!(suspicion.missing(who(n), true, 9, at(2)), None);
        }
        let later = 6 * 60 + 2;
        let again: Vec<_> = (10..13).map(|n| suspicion.missing(who(n), true, 9, at(later))).collect();
        assert_eq!(again, [None, None, Some(3)]);
    }
}
