//! What was counted of a scope's calls since the daemon's start.

use std::time::Duration;

use crate::core::observation::Observation;
use crate::core::schedule::Lane;
use crate::core::time::Timestamp;

/// The upper bounds of the buckets of lateness, seconds.
pub const BUCKETS: [u64; 7] = [1, 5, 15, 60, 300, 900, 3600];

/// What an answer to a look was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The service described what was asked for.
    Seen,
    /// The service does not know it.
    Missing,
    /// Refused for quota.
    Throttled,
    /// The service, or something on the way to it, does not work.
    Unavailable,
    /// The credentials were refused.
    Denied,
    /// The request's or the order's own fault.
    Faulty,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Seen, Self::Missing, Self::Throttled, Self::Unavailable, Self::Denied, Self::Faulty];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Missing => "missing",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Denied => "denied",
            Self::Faulty => "faulty",
        }
    }

    /// What an observation was. `None`: nothing was asked.
    fn of(observation: &Observation) -> Option<Self> {
        match observation {
            Observation::Seen(_) | Observation::Elsewhere(_) => Some(Self::Seen),
            Observation::Missing { .. } => Some(Self::Missing),
            Observation::Throttled { .. } => Some(Self::Throttled),
            Observation::Unavailable { .. } => Some(Self::Unavailable),
            Observation::Denied { .. } => Some(Self::Denied),
            Observation::Malformed { .. } => Some(Self::Faulty),
            Observation::Elapsed | Observation::Acknowledged => None,
        }
    }
}

/// How late looks came.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Lateness {
    /// How many came within each of [`BUCKETS`], and not within the one before.
    pub within: [u64; BUCKETS.len()],
    /// All of them.
    pub count: u64,
    /// All their lateness, seconds.
    pub sum_s: f64,
}

/// What was counted of a scope's calls.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Looks {
    outcomes: [u64; Outcome::ALL.len()],
    /// Calls that were refused for quota, those for lists included.
    pub throttled_calls: u64,
    late: [Lateness; 3],
    /// When the service last described something, or said that it does not know it.
    pub answered_at: Option<Timestamp>,
}

impl Looks {
    /// A look had this answer.
    pub fn note(&mut self, observation: &Observation, now: Timestamp) {
        let Some(outcome) = Outcome::of(observation) else { return };
        self.outcomes[outcome as usize] += 1;
        match outcome {
            Outcome::Seen | Outcome::Missing => self.answered_at = Some(now),
            Outcome::Throttled => self.throttled_calls += 1,
            Outcome::Unavailable | Outcome::Denied | Outcome::Faulty => {}
        }
    }

    /// A page of the list was not had, for this reason.
    pub fn note_page(&mut self, failed: Option<&Observation>) {
        if failed.and_then(Outcome::of) == Some(Outcome::Throttled) {
            self.throttled_calls += 1;
        }
    }

    /// A look that was due came so late.
    pub fn late(&mut self, lane: Lane, by: Duration) {
        let lateness = &mut self.late[place(lane)];
        lateness.count += 1;
        lateness.sum_s += by.as_secs_f64();
        if let Some(bucket) = BUCKETS.iter().position(|bound| by <= Duration::from_secs(*bound)) {
            lateness.within[bucket] += 1;
        }
    }

    /// How many looks had this outcome.
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// How late the looks of a lane came.
    pub fn lateness(&self, lane: Lane) -> &Lateness {
        &self.late[place(lane)]
    }
}

fn place(lane: Lane) -> usize {
    match lane {
        Lane::Urgent => 0,
        Lane::Pending => 1,
        Lane::Verify => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::observation::Outage;

    #[test]
    fn every_answer_is_counted_once_where_it_belongs() {
        let now = Timestamp::from_millis(5);
        let mut looks = Looks::default();
        let throttled = Observation::Throttled { retry_after: None };
        let down = Observation::Unavailable { outage: Outage::Status(503), retry_after: None };
        for observation in [
            &throttled,
            &throttled,
            &down,
            &Observation::Malformed { detail: String::new() },
            &Observation::Elapsed,
        ] {
            looks.note(observation, now);
        }
        assert_eq!(looks.answered_at, None);
        looks.note(&Observation::Missing { message: None, suspect: false }, now);
        assert_eq!(Outcome::ALL.map(|outcome| looks.outcome(outcome)), [0, 1, 2, 1, 0, 1]);
        assert_eq!(looks.answered_at, Some(now));
        looks.note_page(Some(&throttled));
        looks.note_page(Some(&down));
        looks.note_page(None);
        assert_eq!(looks.throttled_calls, 3);
    }

    #[test]
    fn lateness_falls_into_the_first_bucket_that_holds_it() {
        let mut looks = Looks::default();
        for millis in [0, 1000, 1001, 3_600_000, 3_600_001] {
            looks.late(Lane::Pending, Duration::from_millis(millis));
        }
        let lateness = looks.lateness(Lane::Pending);
        assert_eq!(lateness.within, [2, 1, 0, 0, 0, 0, 1]);
        assert_eq!(lateness.count, 5);
        assert!((lateness.sum_s - 7202.002).abs() < 1e-9);
        assert_eq!(looks.lateness(Lane::Urgent), &Lateness::default());
    }
}
