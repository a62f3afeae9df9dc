//! Honesty about capacity: how late looks will be, and when that is worth saying.
//!
//! Demand beyond the quota is normal after a bulk claim. It is said when the expected lateness of a lane has exceeded a
//! minute, and what its orders are used to, for a minute; and that it is over when it has been below half of that for a
//! minute.

use std::time::Duration;

use super::schedule::Lane;
use super::time::{Now, Tick, Timestamp};

/// No lateness below this is worth a word.
const LATE_LEAST: Duration = Duration::from_mins(1);
/// It has to last so long, and to be over so long.
const LASTS: Duration = Duration::from_mins(1);
/// What orders are used to is counted anew this often: it takes going through all of them.
const MEDIAN_EVERY: Duration = Duration::from_mins(1);
/// How often it is looked at.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// What waits in a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// The lane.
    pub lane: Lane,
    /// Orders that are due.
    pub due: usize,
    /// How long the first of them has waited.
    pub oldest: Duration,
    /// How long until the last of them has been looked at.
    pub expected: Duration,
}

/// A change that is to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Looks are too late, most of all those of this lane.
    Overloaded(Backlog),
    /// They were, since then, and are not any more.
    CaughtUp(Timestamp),
}

/// Whether a scope's demand exceeds its quota.
#[derive(Debug, Default)]
pub struct Demand {
    raised: Option<Timestamp>,
    /// Since when the other state holds.
    differs_since: Option<Tick>,
    checked_at: Option<Tick>,
    /// What the orders of each lane are used to, and when that was counted.
    medians: [Option<(Tick, Duration)>; 3],
}

impl Demand {
    /// Takes up since when it was said.
    pub fn resume(&mut self, raised: Option<Timestamp>) {
        self.raised = raised;
    }

    /// Since when it is said.
    pub fn raised(&self) -> Option<Timestamp> {
        self.raised
    }

    /// Whether it is time to look at it.
    pub fn is_due(&self, now: Tick) -> bool {
        self.checked_at.is_none_or(|at| now.since(at) >= CHECK_EVERY)
    }

    /// How long until it is to be looked at, if something waits or was said.
    pub fn quiet_for(&self, waits: bool, now: Tick) -> Option<Duration> {
        let Some(checked_at) = self.checked_at else {
            // What was said before a restart has to be looked at, whatever waits.
            return (waits || self.raised.is_some()).then_some(Duration::ZERO);
        };
        (waits || self.raised.is_some() || self.differs_since.is_some())
            .then(|| checked_at.plus(CHECK_EVERY).since(now))
    }

    /// Nothing can be said of it just now: the service is not asked, whatever waits.
    pub fn unknown(&mut self, now: Tick) {
        self.checked_at = Some(now);
        self.differs_since = None;
    }

    fn used_to(&mut self, lane: Lane, median: impl Fn(Lane) -> Duration, now: Tick) -> Duration {
        let known = &mut self.medians[lane.index()];
        match *known {
            Some((at, median)) if now.since(at) < MEDIAN_EVERY => median,
            Some(_) | None => known.insert((now, median(lane))).1,
        }
    }

    /// Judges the lanes; `median` is what the orders of one are used to, asked for only where it matters.
    pub fn judge(
        &mut self,
        lanes: [Backlog; 3],
        median: impl Fn(Lane) -> Duration,
        now: Now,
    ) -> Option<Turn> {
        self.checked_at = Some(now.tick);
        let part = if self.raised.is_some() { 2 } else { 1 };
        let mut late = lanes.to_vec();
        late.retain(|backlog| {
            backlog.expected > LATE_LEAST / part
                && backlog.expected > self.used_to(backlog.lane, &median, now.tick) / part
        });
        let worst = late.into_iter().max_by_key(|backlog| backlog.expected);
        let differs = worst.is_some() == self.raised.is_none();
        if !differs {
            self.differs_since = None;
            return None;
        }
        let since = *self.differs_since.get_or_insert(now.tick);
        if now.tick.since(since) < LASTS {
            return None;
        }
        self.differs_since = None;
        if let Some(since) = self.raised.take() {
            return Some(Turn::CaughtUp(since));
        }
        self.raised = Some(now.wall);
        worst.map(Turn::Overloaded)
    }
}

/// How long until each lane has had so many calls, at a rate in calls a second that the lanes with work share by weight.
pub fn drained(calls: [usize; 3], rate: f64) -> [Duration; 3] {
    let count = |calls: usize| f64::from(u32::try_from(calls).unwrap_or(u32::MAX));
    let mut left = calls.map(count);
    let mut drained = [Duration::ZERO; 3];
    let mut passed = 0.0;
    loop {
        let busy: Vec<Lane> = Lane::ALL.into_iter().filter(|lane| left[lane.index()] > 0.0).collect();
        let weight: f64 = busy.iter().map(|lane| f64::from(lane.weight())).sum();
        let speed = |lane: Lane| rate * f64::from(lane.weight()) / weight;
        let Some(first) = busy.iter().map(|lane| left[lane.index()] / speed(*lane)).reduce(f64::min) else {
            return drained;
        };
        passed += first;
        for lane in busy {
            let rest = &mut left[lane.index()];
            *rest -= first * speed(lane);
            if *rest <= 1e-6 {
                *rest = 0.0;
                drained[lane.index()] = Duration::try_from_secs_f64(passed).unwrap_or(Duration::MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        let by = Duration::from_secs(seconds);
        Now { wall: Timestamp::from_millis(0).plus(by), tick: Tick::ZERO.plus(by) }
    }

    fn lanes(expected: [u64; 3]) -> [Backlog; 3] {
        Lane::ALL.map(|lane| Backlog {
            lane,
            due: 1,
            oldest: Duration::ZERO,
            expected: Duration::from_secs(expected[lane.index()]),
        })
    }

    /// What is said when it is looked at every five seconds from one second to another.
    fn judged(demand: &mut Demand, span: (u64, u64), expected: [u64; 3], median: u64) -> Vec<(u64, Turn)> {
        (span.0..=span.1)
            .step_by(5)
            .filter_map(|second| {
                let turn = demand.judge(lanes(expected), |_| Duration::from_secs(median), at(second));
                turn.map(|turn| (second, turn))
            })
            .collect()
    }

    #[test]
    fn it_has_to_last_a_minute_and_is_said_once() {
        let mut demand = Demand::default();
        assert_eq!(judged(&mut demand, (0, 55), [0, 61, 0], 10), []);
        let said = judged(&mut demand, (60, 300), [0, 61, 0], 10);
        assert!(
            matches!(said[..], [(60, Turn::Overloaded(Backlog { lane: Lane::Pending, .. }))]),
            "{said:?}"
        );
        assert_eq!(judged(&mut demand, (305, 600), [0, 31, 0], 10), [], "half of it is not below half");
        assert_eq!(judged(&mut demand, (605, 655), [0, 30, 0], 10), []);
        assert_eq!(judged(&mut demand, (660, 660), [0, 31, 0], 10), [], "late again");
        let said = judged(&mut demand, (665, 900), [0, 30, 0], 10);
        assert_eq!(said, [(725, Turn::CaughtUp(at(60).wall))]);
    }

    #[test]
    fn patient_orders_may_wait_as_long_as_they_are_used_to() {
        let mut demand = Demand::default();
        assert_eq!(judged(&mut demand, (0, 600), [0, 3600, 0], 3600), []);
        assert_eq!(judged(&mut demand, (605, 665), [0, 3601, 0], 3600).len(), 1);
        assert_eq!(judged(&mut demand, (670, 900), [0, 1801, 0], 3600), []);
        assert_eq!(judged(&mut demand, (905, 965), [0, 1800, 0], 3600).len(), 1);
    }

    #[test]
    fn the_worst_lane_is_named_and_a_pause_counts_for_nothing() {
        let mut demand = Demand::default();
        assert_eq!(judged(&mut demand, (0, 55), [70, 80, 61], 0), []);
        demand.unknown(at(58).tick);
        assert_eq!(judged(&mut demand, (60, 115), [70, 80, 61], 0), []);
        let said = judged(&mut demand, (120, 120), [70, 80, 61], 0);
        assert!(
            matches!(said[..], [(120, Turn::Overloaded(Backlog { lane: Lane::Pending, .. }))]),
            "{said:?}"
        );
    }

    #[test]
    fn it_is_looked_at_every_five_seconds_while_something_waits() {
        let mut demand = Demand::default();
        assert!(demand.is_due(at(0).tick));
        assert_eq!(demand.quiet_for(false, at(0).tick), None);
        assert_eq!(demand.quiet_for(true, at(0).tick), Some(Duration::ZERO));
        demand.judge(lanes([0; 3]), |_| Duration::ZERO, at(0));
        assert!(!demand.is_due(at(4).tick) && demand.is_due(at(5).tick));
        assert_eq!(demand.quiet_for(true, at(2).tick), Some(Duration::from_secs(3)));
        assert_eq!(demand.quiet_for(false, at(2).tick), None);
    }

    #[test]
    fn what_was_said_before_a_restart_ends_though_nothing_waits() {
        let mut demand = Demand::default();
        demand.resume(Some(at(0).wall));
        assert_eq!(demand.quiet_for(false, at(5).tick), Some(Duration::ZERO));
        let said = judged(&mut demand, (5, 65), [0; 3], 0);
        assert_eq!(said, [(65, Turn::CaughtUp(at(0).wall))]);
    }

    #[test]
    fn lanes_with_work_share_the_rate_by_weight() {
        let seconds = |calls, rate| drained(calls, rate).map(|time| time.as_millis());
        assert_eq!(seconds([0, 120, 0], 2.0), [0, 60_000, 0]);
        assert_eq!(seconds([8, 4, 1], 1.3), [10_000; 3]);
        // The urgent ones take two thirds of it for 15 s, and leave all of it then.
        assert_eq!(seconds([10, 100, 0], 1.0), [15_000, 110_000, 0]);
        assert_eq!(seconds([0, 0, 0], 1.0), [0; 3]);
    }
}
