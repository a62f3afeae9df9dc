//! Whose turn it is within a scope: earliest due first, and never two looks of one order.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::order::Stream;
use super::time::Timestamp;

/// The orders of one scope that want a look.
#[derive(Debug, Default)]
pub struct Schedule {
    queue: BTreeSet<(Timestamp, Stream)>,
    places: HashMap<Stream, Place>,
    in_flight: usize,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Waiting(Timestamp),
    InFlight { taken: Timestamp, then: Option<Timestamp> },
}

impl Schedule {
    /// The order wants a look at `at`, whatever it wanted before. While one is in flight the wish waits for its end.
    pub fn request(&mut self, who: Stream, at: Timestamp) {
        match self.places.get_mut(&who) {
            Some(Place::InFlight { then, .. }) => *then = Some(at),
            Some(Place::Waiting(before)) => {
                self.queue.remove(&(*before, who));
                *before = at;
                self.queue.insert((at, who));
            }
            None => {
                self.places.insert(who, Place::Waiting(at));
                self.queue.insert((at, who));
            }
        }
    }

    /// The order wants no look any more. One in flight ends as it ends.
    pub fn forget(&mut self, who: Stream) {
        match self.places.get_mut(&who) {
            Some(Place::InFlight { then, .. }) => *then = None,
            Some(Place::Waiting(before)) => {
                self.queue.remove(&(*before, who));
                self.places.remove(&who);
            }
            None => {}
        }
    }

    /// Nobody who waits wants a look any more. Returns how many did.
    pub fn clear(&mut self) -> u64 {
        let waiting = std::mem::take(&mut self.queue);
        for (_, who) in &waiting {
            self.places.remove(who);
        }
        waiting.len() as u64
    }

    /// The order whose turn it is, if one is due. Its look is in flight from here on.
    pub fn take_due(&mut self, now: Timestamp) -> Option<Stream> {
        let (at, _) = *self.queue.first()?;
        if at > now { None } else { self.take_first() }
    }

    /// The order that is due first, due or not: the probe of an outage.
    pub fn take_first(&mut self) -> Option<Stream> {
        let (taken, who) = self.queue.pop_first()?;
        self.places.insert(who, Place::InFlight { taken, then: None });
        self.in_flight += 1;
        Some(who)
    }

    /// The look of an order brought nothing: it wants another one at the place it had.
    pub fn keep_place(&mut self, who: Stream) {
        if let Some(Place::InFlight { taken, then }) = self.places.get_mut(&who) {
            *then = Some(*taken);
        }
    }

    /// The order wants a look by `at`, if it wants one at all.
    pub fn hasten(&mut self, who: Stream, at: Timestamp) {
        let wanted = match self.places.get(&who) {
            Some(Place::Waiting(wanted)) => Some(*wanted),
            Some(Place::InFlight { then, .. }) => *then,
            None => None,
        };
        if wanted.is_some_and(|wanted| wanted > at) {
            self.request(who, at);
        }
    }

    /// The order wants a look by `at`, even if it wanted none.
    pub fn bring_forward(&mut self, who: Stream, at: Timestamp) {
        if self.places.contains_key(&who) { self.hasten(who, at) } else { self.request(who, at) }
    }

    /// Those who wait, earliest due first.
    pub fn waiting(&self) -> impl Iterator<Item = Stream> {
        self.queue.iter().map(|(_, who)| *who)
    }

    /// The clock by which the wishes were made went back by so much: they are as far away as they were.
    pub fn move_back(&mut self, by: Duration) {
        for place in self.places.values_mut() {
            match place {
                Place::Waiting(at) => *at = at.minus(by),
                Place::InFlight { taken, then } => {
                    *taken = taken.minus(by);
                    *then = then.map(|at| at.minus(by));
                }
            }
        }
        self.queue =
            std::mem::take(&mut self.queue).into_iter().map(|(at, who)| (at.minus(by), who)).collect();
    }

    /// A look ended; what was wished meanwhile takes its place.
    pub fn finished(&mut self, who: Stream) {
        if let Some(Place::InFlight { then, .. }) = self.places.get(&who).copied() {
            self.in_flight -= 1;
            self.places.remove(&who);
            if let Some(at) = then {
                self.request(who, at);
            }
        }
    }

    /// When the next one is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// How many are due at `now` and wait.
    pub fn overdue(&self, now: Timestamp) -> usize {
        self.queue.iter().take_while(|(at, _)| *at <= now).count()
    }

    /// Orders that are looked at, those in flight included.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Looks in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn who(n: u32) -> Stream {
        Stream::of(&[&n.to_string()])
    }

    #[test]
    fn earliest_due_first() {
        let mut schedule = Schedule::default();
        for n in [3, 1, 2] {
            schedule.request(who(n), at(n.into()));
        }
        let order: Vec<_> = std::iter::from_fn(|| schedule.take_due(at(2))).collect();
        assert_eq!(order, [who(1), who(2)]);
        assert_eq!(schedule.next_due(), Some(at(3)));
    }

    #[test]
    fn never_two_looks_of_one_order() {
        let mut schedule = Schedule::default();
        schedule.request(who(1), at(1));
        assert_eq!(schedule.take_due(at(1)), Some(who(1)));
        schedule.request(who(1), at(1));
        assert_eq!(schedule.take_due(at(9)), None);
        schedule.finished(who(1));
        assert_eq!(schedule.take_due(at(9)), Some(who(1)), "the wish was kept");
        assert_eq!((schedule.in_flight(), schedule.len()), (1, 1));
    }

    #[test]
    fn who_was_turned_away_keeps_the_place() {
        let mut schedule = Schedule::default();
        schedule.request(who(1), at(1));
        schedule.request(who(2), at(2));
        assert_eq!(schedule.take_due(at(9)), Some(who(1)));
        schedule.keep_place(who(1));
        schedule.finished(who(1));
        assert_eq!(schedule.take_due(at(9)), Some(who(1)));
    }

    #[test]
    fn a_clock_that_goes_back_delays_nobody() {
        let mut schedule = Schedule::default();
        for n in 1..=3 {
            schedule.request(who(n), at(3600 + i64::from(n)));
        }
        assert_eq!(schedule.take_first(), Some(who(1)));
        schedule.request(who(1), at(3609));
        schedule.move_back(Duration::from_hours(1));
        assert_eq!((schedule.next_due(), schedule.overdue(at(3))), (Some(at(2)), 2));
        schedule.finished(who(1));
        let order: Vec<_> = std::iter::from_fn(|| schedule.take_due(at(9))).collect();
        assert_eq!(order, [who(2), who(3), who(1)]);
    }

    #[test]
    fn a_wish_can_be_hastened_and_none_is_made() {
        let mut schedule = Schedule::default();
        schedule.request(who(1), at(9));
        schedule.request(who(2), at(3));
        for n in 1..=3 {
            schedule.hasten(who(n), at(5));
        }
        assert_eq!((schedule.overdue(at(5)), schedule.len()), (2, 2));
        assert_eq!(schedule.next_due(), Some(at(3)), "never put off");
    }

    #[test]
    fn the_latest_wish_stands_and_forgetting_ends_it() {
        let mut schedule = Schedule::default();
        schedule.request(who(1), at(9));
        schedule.request(who(1), at(5));
        assert_eq!((schedule.next_due(), schedule.overdue(at(5))), (Some(at(5)), 1));
        schedule.forget(who(1));
        assert!(schedule.is_empty());
        schedule.request(who(2), at(1));
        assert_eq!(schedule.take_first(), Some(who(2)));
        schedule.request(who(2), at(2));
        schedule.forget(who(2));
        schedule.finished(who(2));
        assert!(schedule.is_empty());
        schedule.request(who(3), at(1));
        schedule.request(who(4), at(1));
        assert_eq!(schedule.take_first(), Some(who(3).min(who(4))));
        assert_eq!((schedule.clear(), schedule.len()), (1, 1));
    }
}
