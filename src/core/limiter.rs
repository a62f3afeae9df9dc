//! The limiter of one scope: GCRA over our share of the quota, with a rate that learns from refusals.
//!
//! It starts cold, so that a restart loop costs the account nothing, and it keeps below the burst that the service
//! documents, because other callers of the account live on the same bucket.

use std::time::Duration;

use super::time::Tick;

/// A 429 lowers the rate to this part of it,
const FALL: f64 = 0.85;
/// at most once in this time: one burst of refusals is one statement.
const FALL_EVERY: Duration = Duration::from_secs(2);
/// The rate rises after this long without a 429
const RISE_AFTER: Duration = Duration::from_secs(5);
/// and this many answered looks,
const RISE_LOOKS: u32 = 8;
/// by this part of the quota,
const RISE: f64 = 0.02;
/// from this rise in a row on by twice as much each time,
const RISE_DOUBLES_FROM: u32 = 9;
/// up to this part of the quota at once.
const RISE_MOST: f64 = 0.10;
/// The rate never falls below this part of the quota.
const LEAST: f64 = 0.10;
/// The shortest hold after a 429.
const HOLD_LEAST: Duration = Duration::from_secs(1);
/// After an outage the rate starts at this part of the quota and doubles
const SLOW_START: f64 = 0.25;
/// each time this has passed.
const SLOW_START_DOUBLES: Duration = Duration::from_secs(5);

/// Decides when the scope's next look may start.
#[derive(Debug, Clone)]
pub struct Limiter {
    /// Our share of the quota, looks a second.
    quota: f64,
    /// Looks at once.
    burst: u32,
    /// The learned rate, looks a second.
    rate: f64,
    /// GCRA's theoretical arrival time.
    arrival: Tick,
    hold_until: Tick,
    fell_at: Option<Tick>,
    risen_at: Tick,
    answered_since: u32,
    rises: u32,
    slow_since: Option<Tick>,
}

impl Limiter {
    /// A cold limiter: the first look may start at once, the next ones at the rate.
    ///
    /// `rate` and `burst` are the service's documented ones, `share` is our part of the rate. The burst is kept two below
    /// the service's, and at most three.
    pub fn cold(rate: f64, burst: u32, share: f64, now: Tick) -> Self {
        let quota = rate * share;
        let mut limiter = Self {
            quota,
            burst: burst.saturating_sub(2).clamp(1, 3),
            rate: quota,
            arrival: now,
            hold_until: Tick::ZERO,
            fell_at: None,
            risen_at: now,
            answered_since: 0,
            rises: 0,
            slow_since: None,
        };
        limiter.drain(now);
        limiter
    }

    /// Takes up what was remembered, bounded: a rate within the quota, an arrival time at most one full bucket away.
    pub fn resume(&mut self, rate: f64, arrival: Tick, hold_until: Tick, now: Tick) {
        if rate.is_finite() {
            self.rate = rate.clamp(self.quota * LEAST, self.quota);
        }
        let farthest = now.plus(self.spacing(now).saturating_mul(self.burst + 1));
        self.arrival = self.arrival.max(arrival.min(farthest));
        self.hold_until = hold_until;
    }

    /// The earliest time at which a look may start.
    pub fn ready_at(&self, now: Tick) -> Tick {
        self.arrival.minus(self.tolerance(now)).max(self.hold_until)
    }

    /// A look starts at `now`.
    pub fn take(&mut self, now: Tick) {
        self.arrival = self.arrival.max(now).plus(self.spacing(now));
    }

    /// The service refused for quota. Returns how long every look of the scope waits.
    pub fn refused(&mut self, retry_after: Option<Duration>, now: Tick) -> Duration {
        let lowered = self.fell_at.is_some_and(|at| now.since(at) < FALL_EVERY);
        if !lowered {
            self.rate = (self.rate * FALL).max(self.quota * LEAST);
            self.fell_at = Some(now);
        }
        self.risen_at = now;
        self.answered_since = 0;
        self.rises = 0;
        self.drain(now);
        let hold = retry_after.unwrap_or_default().max(HOLD_LEAST);
        self.hold_until = self.hold_until.max(now.plus(hold));
        hold
    }

    /// No look starts before `until`: another bucket of the same scope is empty.
    pub fn hold(&mut self, until: Tick) {
        self.hold_until = self.hold_until.max(until);
    }

    /// The service answered a look.
    pub fn answered(&mut self, now: Tick) {
        self.answered_since = self.answered_since.saturating_add(1);
        if self.rate >= self.quota
            || self.answered_since < RISE_LOOKS
            || now.since(self.risen_at) < RISE_AFTER
        {
            return;
        }
        self.rises = self.rises.saturating_add(1);
        let doublings = (self.rises + 1).saturating_sub(RISE_DOUBLES_FROM).min(8);
        let rise = (RISE * f64::from(1u32 << doublings)).min(RISE_MOST);
        self.rate = (self.rate + self.quota * rise).min(self.quota);
        self.risen_at = now;
        self.answered_since = 0;
    }

    /// An outage is over: the rate comes back gradually.
    pub fn slow_start(&mut self, now: Tick) {
        self.slow_since = Some(now);
        self.drain(now);
    }

    /// Looks a second, as learned.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// GCRA's arrival time, to be remembered.
    pub fn arrival(&self) -> Tick {
        self.arrival
    }

    /// Until when every look of the scope waits.
    pub fn hold_until(&self) -> Tick {
        self.hold_until
    }

    fn drain(&mut self, now: Tick) {
        self.arrival = self.arrival.max(now.plus(self.tolerance(now)));
    }

    fn spacing(&self, now: Tick) -> Duration {
        let mut rate = self.rate;
        if let Some(since) = self.slow_since {
            let doublings = now.since(since).as_secs() / SLOW_START_DOUBLES.as_secs();
            let part = SLOW_START * f64::from(1u32 << doublings.min(8));
            rate = rate.min(self.quota * part);
        }
        Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX)
    }

    fn tolerance(&self, now: Tick) -> Duration {
        self.spacing(now).saturating_mul(self.burst - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Tick {
        Tick::ZERO.plus(Duration::from_millis(ms))
    }

    /// Looks that start within `ms` if one is always waiting.
    fn taken(limiter: &mut Limiter, from: u64, ms: u64) -> u32 {
        let mut count = 0;
        let mut now = at(from);
        while limiter.ready_at(now).max(now) < at(from + ms) {
            now = limiter.ready_at(now).max(now);
            limiter.take(now);
            count += 1;
        }
        count
    }

    #[test]
    fn keeps_the_share_of_the_rate_and_starts_cold() {
        let mut limiter = Limiter::cold(2.0, 5, 0.8, at(0));
        assert_eq!(limiter.ready_at(at(0)), at(0));
        assert_eq!(taken(&mut limiter, 0, 10_000), 16);
    }

    #[test]
    fn a_rest_allows_a_burst_of_at_most_three() {
        let mut limiter = Limiter::cold(2.0, 5, 1.0, at(0));
        let now = at(60_000);
        for _ in 0..3 {
            assert!(limiter.ready_at(now) <= now);
            limiter.take(now);
        }
        assert!(limiter.ready_at(now) > now);
    }

    #[test]
    fn a_refusal_holds_everything_and_lowers_the_rate_once_in_two_seconds() {
        let mut limiter = Limiter::cold(2.0, 5, 1.0, at(0));
        assert_eq!(limiter.refused(Some(Duration::from_secs(3)), at(1000)), Duration::from_secs(3));
        assert_eq!(limiter.refused(None, at(1500)), Duration::from_secs(1));
        assert!((limiter.rate() - 1.7).abs() < 1e-9);
        assert_eq!(limiter.ready_at(at(1500)), at(4000), "the longer hold stands");
        limiter.refused(None, at(3100));
        assert!((limiter.rate() - 1.445).abs() < 1e-9);
    }

    #[test]
    fn the_rate_never_falls_below_a_tenth_and_comes_back_to_the_quota() {
        let mut limiter = Limiter::cold(2.0, 5, 1.0, at(0));
        for n in 0..100 {
            limiter.refused(None, at(n * 3000));
        }
        assert!((limiter.rate() - 0.2).abs() < 1e-9);
        let mut rates = Vec::new();
        for n in 0..2000u64 {
            limiter.answered(at(400_000 + n * 700));
            rates.push(limiter.rate());
        }
        assert!((limiter.rate() - 2.0).abs() < 1e-9);
        let rises: Vec<f64> =
            rates.windows(2).map(|pair| pair[1] - pair[0]).filter(|rise| *rise > 0.0).collect();
        assert!((rises[6] - 0.04).abs() < 1e-9 && (rises[9] - 0.16).abs() < 1e-9, "{rises:?}");
        assert!(rises.iter().all(|rise| *rise < 0.2 + 1e-9));
    }

    #[test]
    fn after_an_outage_it_starts_at_a_quarter_and_doubles() {
        let mut limiter = Limiter::cold(4.0, 3, 1.0, at(0));
        limiter.slow_start(at(100_000));
        assert_eq!(taken(&mut limiter, 100_000, 5_000), 5);
        let second = taken(&mut limiter, 105_000, 5_000);
        assert!((9..=11).contains(&second), "{second}");
        let later = taken(&mut limiter, 115_000, 5_000);
        assert!((19..=21).contains(&later), "{later}");
    }

    #[test]
    fn what_is_resumed_is_bounded() {
        let mut limiter = Limiter::cold(2.0, 5, 1.0, at(0));
        limiter.resume(f64::NAN, at(9_999_999), Tick::ZERO, at(0));
        assert!(limiter.ready_at(at(0)) <= at(1000));
        limiter.resume(50.0, at(0), Tick::ZERO, at(0));
        assert!((limiter.rate() - 2.0).abs() < 1e-9);
    }
}
