//! Who is to be woken when: one time each, the earliest first.

use std::collections::{BTreeSet, HashMap};

use super::order::Stream;
use super::time::Timestamp;

/// Times that matter, one an order.
#[derive(Debug, Default)]
pub struct Agenda {
    queue: BTreeSet<(Timestamp, Stream)>,
    times: HashMap<Stream, Timestamp>,
}

impl Agenda {
    /// The order is to be woken at this time and no other; `None` is not at all.
    pub fn set(&mut self, who: Stream, at: Option<Timestamp>) {
        let before = match at {
            Some(at) => self.times.insert(who, at),
            None => self.times.remove(&who),
        };
        if let Some(before) = before {
            self.queue.remove(&(before, who));
        }
        self.queue.extend(at.map(|at| (at, who)));
    }

    /// The order whose time has come, if there is one. It is not woken again unless it is set again.
    pub fn take_due(&mut self, now: Timestamp) -> Option<Stream> {
        if self.next()? > now { None } else { self.take_first() }
    }

    /// The order that is to be woken first, whenever that is.
    pub fn take_first(&mut self) -> Option<Stream> {
        let (_, who) = self.queue.pop_first()?;
        self.times.remove(&who);
        Some(who)
    }

    /// When the first one is to be woken.
    pub fn next(&self) -> Option<Timestamp> {
        self.queue.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_time_and_the_earliest_comes_first() {
        let at = Timestamp::from_millis;
        let who = |n: u32| Stream::of(&[&n.to_string()]);
        let mut agenda = Agenda::default();
        for (n, time) in [(1, 9), (2, 5), (1, 3), (3, 4), (2, 7)] {
            agenda.set(who(n), Some(at(time)));
        }
        agenda.set(who(3), None);
        assert_eq!(agenda.next(), Some(at(3)));
        assert_eq!(agenda.take_due(at(2)), None);
        assert_eq!(agenda.take_due(at(3)), Some(who(1)));
        assert_eq!(agenda.take_due(at(6)), None);
        assert_eq!(agenda.take_first(), Some(who(2)));
        assert_eq!((agenda.take_first(), agenda.next()), (None, None));
    }
}
