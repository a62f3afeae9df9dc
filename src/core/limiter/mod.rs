//! The limiter of one scope: GCRA over our share of the quota, with a rate that learns from refusals.
//!
//! It starts cold, so that a restart loop costs the account nothing, and it keeps below the burst that the service
//! documents, because other callers of the account live on the same bucket.
//!
//! # How it learns
//! A refusal lowers the rate by an eighth; every answered look raises it a little, so that about twenty looks or more
//! lie between two refusals when the quota is smaller than configured. Where two minutes pass without one, the quota has
//! grown, and the rises double from there on. What it promises is in the tests, measured against a bucket that knows
//! nothing of it.

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::Tick;

/// A 429 lowers the rate to this part of it,
const FALL: f64 = 0.88;
/// at most once in this time: one burst of refusals is one statement, but one of a look after the hold is another.
const FALL_EVERY: Duration = HOLD_LEAST;
/// An answered look raises the rate by this part of it,
const RISE_A_LOOK: f64 = 0.003;
/// but by no more than this for each second that it vouches for, or a fast scope would be refused every few seconds,
const RISE_A_LOOK_SECOND: f64 = 0.006;
/// and by this for each of these seconds besides, or a slow scope would take an hour to rise.
const RISE_A_SECOND: f64 = 0.0007;
/// A look vouches for the time since the answer before it, but for no more than this: rest proves nothing.
const VOUCHED_MOST: Duration = Duration::from_secs(8);
/// So long without a 429 says that the quota has grown: a quota that has not has been passed by then, at 0.2 looks a
/// second still. From here on the rise doubles
const TRUSTED_AFTER: Duration = Duration::from_mins(2);
/// each time that so much more was vouched for,
const TRUST_DOUBLES: Duration = Duration::from_secs(6);
/// at most five times: up to a fifth of the rate a look at 0.2 looks a second, or 20 % a second in a fast scope.
const CLEAN_MOST: Duration = Duration::from_secs(150);
/// The rate never falls below this part of the quota.
const LEAST: f64 = 0.10;
/// The shortest hold after a 429.
const HOLD_LEAST: Duration = Duration::from_secs(1);
/// After an outage the rate starts at this part of the quota and doubles
const SLOW_START: f64 = 0.25;
/// each time this has passed.
const SLOW_START_DOUBLES: Duration = Duration::from_secs(5);

/// What the limiter has learned besides its rate, to be remembered.
///
/// Without it a process that is restarted every half minute never learns that the quota has grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Learned {
    /// The time without a 429 that answered looks vouch for, in milliseconds.
    pub clean_ms: u64,
}

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
    /// When the last answer came that said something of the quota. The first one of a process vouches for nothing,
    /// since a refusal may have been lost before it.
    heard_at: Option<Tick>,
    /// The time without a 429 that answered looks vouch for.
    clean: Duration,
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
            heard_at: None,
            clean: Duration::ZERO,
            slow_since: None,
        };
        limiter.drain(now);
        limiter
    }

    /// Takes up what was remembered, bounded: a rate within the quota, an arrival time at most one full bucket away.
    ///
    /// What was ready between then and now was started, for all that is known, and its answer lost. So the looks go on
    /// where they would have gone on without the restart, and a restart starts none besides.
    pub fn resume(&mut self, rate: f64, arrival: Tick, hold_until: Tick, now: Tick) {
        if rate.is_finite() {
            self.rate = rate.clamp(self.quota * LEAST, self.quota);
        }
        let spacing = self.spacing(now);
        let overdue = self.tolerance(now).saturating_sub(arrival.since(now));
        let missed = overdue.as_nanos().div_ceil(spacing.as_nanos().max(1));
        let missed = u32::try_from(missed).unwrap_or(u32::MAX);
        let arrival = arrival.max(now).plus(spacing.saturating_mul(missed));
        let farthest = now.plus(spacing.saturating_mul(self.burst + 1));
        self.arrival = self.arrival.max(arrival.min(farthest));
        self.hold_until = hold_until;
    }

    /// Takes up what was learned, bounded.
    pub fn recall(&mut self, learned: Learned) {
        self.clean = Duration::from_millis(learned.clean_ms).min(CLEAN_MOST);
    }

    /// What was learned besides the rate, to be remembered.
    pub fn learned(&self) -> Learned {
        Learned { clean_ms: u64::try_from(self.clean.as_millis()).unwrap_or(u64::MAX) }
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
        self.heard_at = Some(now);
        self.clean = Duration::ZERO;
        self.drain(now);
        let hold = retry_after.unwrap_or_default().max(HOLD_LEAST);
        self.hold_until = self.hold_until.max(now.plus(hold));
        hold
    }

    /// No call starts before `until`: another bucket of the same scope is empty.
    pub fn hold(&mut self, until: Tick) {
        self.hold_until = self.hold_until.max(until);
    }

    /// The service answered a look.
    pub fn answered(&mut self, now: Tick) {
        let vouched = self.heard_at.map_or(Duration::ZERO, |at| now.since(at).min(VOUCHED_MOST));
        self.heard_at = Some(now);
        self.clean = (self.clean + vouched).min(CLEAN_MOST);
        self.rate = (self.rate * (1.0 + self.rise(vouched))).min(self.quota);
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

    /// Our share of the quota, looks a second.
    pub fn quota(&self) -> f64 {
        self.quota
    }

    /// GCRA's arrival time, to be remembered.
    pub fn arrival(&self) -> Tick {
        self.arrival
    }

    /// Until when every look of the scope waits.
    pub fn hold_until(&self) -> Tick {
        self.hold_until
    }

    /// By what part of it the rate rises with a look that vouches for so much time.
    fn rise(&self, vouched: Duration) -> f64 {
        let seconds = vouched.as_secs_f64();
        let slow = RISE_A_LOOK.min(RISE_A_LOOK_SECOND * seconds) + RISE_A_SECOND * seconds;
        slow * self.clean.saturating_sub(TRUSTED_AFTER).div_duration_f64(TRUST_DOUBLES).exp2()
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
