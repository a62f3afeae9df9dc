//! AWS's side of throttling: token buckets, which a scenario may shrink for a while.

use super::error::Carried;
use super::fault::RetryAfter;
use super::offset::Offset;

/// A rate and a burst.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Requests a second: finite, not negative.
    pub rate: f64,
    /// Requests at once.
    pub burst: u32,
}

/// Another rate for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Phase {
    /// Its first moment.
    pub from: Offset,
    /// The first moment after it.
    pub until: Offset,
    /// What holds between.
    pub rate: Rate,
}

/// What a service allows an account in a region, and how it refuses more.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaTerms {
    /// Every call draws on it.
    pub rate: Rate,
    /// Where it differs; the first that holds wins.
    pub phases: Vec<Phase>,
    /// A second bucket that list calls draw on too.
    pub list: Option<Rate>,
    /// The refusal.
    pub throttle: Throttle,
}

/// How a request too many is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Throttle {
    /// The HTTP status.
    pub status: u16,
    /// The error's code.
    pub code: String,
    /// Its message.
    pub message: String,
    /// Where the code stands; else as everywhere in the scenario.
    pub carried: Option<Carried>,
    /// When to come again, if it says so.
    pub retry_after: Option<RetryAfter>,
}

/// A token bucket, full at the start.
#[derive(Debug, Clone)]
pub struct Bucket {
    normal: Rate,
    phases: Vec<Phase>,
    tokens: f64,
    filled: Offset,
}

impl Bucket {
    /// A full bucket of that rate, with the phases in which it differs.
    pub fn new(normal: Rate, phases: Vec<Phase>) -> Self {
        let mut bucket = Self { normal, phases, tokens: 0.0, filled: Offset::START };
        bucket.tokens = f64::from(bucket.rate_at(Offset::START).burst);
        bucket
    }

    /// Whether a token is there at `at`; it is not taken. A time before the last one asked about counts as that one.
    pub fn ready(&mut self, at: Offset) -> bool {
        self.fill(at);
        self.tokens >= 1.0
    }

    /// Takes a token that is there.
    pub fn take(&mut self) {
        self.tokens = (self.tokens - 1.0).max(0.0);
    }

    /// Fills piece by piece, since the rate changes where a phase begins or ends.
    fn fill(&mut self, at: Offset) {
        while self.filled < at {
            let edges = self.phases.iter().flat_map(|phase| [phase.from, phase.until]);
            let next = edges.filter(|edge| *edge > self.filled).fold(at, Offset::min);
            let rate = self.rate_at(self.filled);
            #[expect(clippy::cast_precision_loss, reason = "spans of a scenario are far below 2^52 ms")]
            let seconds = (next.as_millis() - self.filled.as_millis()) as f64 / 1_000.0;
            self.tokens = (self.tokens + seconds * rate.rate).min(f64::from(rate.burst));
            self.filled = next;
        }
        self.tokens = self.tokens.min(f64::from(self.rate_at(self.filled).burst));
    }

    fn rate_at(&self, at: Offset) -> Rate {
        let phase = self.phases.iter().find(|phase| phase.from <= at && at < phase.until);
        phase.map_or(self.normal, |phase| phase.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut Bucket, at: i64) -> u32 {
        let mut taken = 0;
        while bucket.ready(Offset::from_millis(at)) {
            bucket.take();
            taken += 1;
        }
        taken
    }

    #[test]
    fn gives_its_burst_then_its_rate_and_holds_no_more_than_the_burst() {
        let mut bucket = Bucket::new(Rate { rate: 2.0, burst: 5 }, Vec::new());
        assert_eq!(taken(&mut bucket, 0), 5);
        assert_eq!(taken(&mut bucket, 499), 0);
        assert_eq!(taken(&mut bucket, 500), 1);
        assert_eq!(taken(&mut bucket, 100), 0, "a clock that steps back gives nothing");
        assert_eq!(taken(&mut bucket, 60_000), 5);
    }

    #[test]
    fn a_phase_counts_for_its_own_time_only() {
        let phase = Phase {
            from: Offset::from_millis(1_000),
            until: Offset::from_millis(3_000),
            rate: Rate { rate: 0.5, burst: 1 },
        };
        let mut bucket = Bucket::new(Rate { rate: 10.0, burst: 5 }, vec![phase]);
        assert_eq!(taken(&mut bucket, 1_000), 1, "what was saved up is cut to the phase's burst");
        assert_eq!(taken(&mut bucket, 2_999), 0);
        // Two seconds at 0.5 and 200 ms at 10: one token and two.
        assert_eq!(taken(&mut bucket, 3_200), 3);
    }

    #[test]
    fn nothing_is_given_at_rate_zero_and_burst_zero() {
        let mut bucket = Bucket::new(Rate { rate: 0.0, burst: 0 }, Vec::new());
        assert_eq!(taken(&mut bucket, 3_600_000), 0);
    }
}
