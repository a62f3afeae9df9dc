//! The only place that reads a clock. Everything else is told the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::core::time::{Now, Tick, Timestamp};

/// Tells the time, both kinds at once.
pub trait Clock: Send + Sync + 'static {
    /// Wall-clock time for what is stored and said, monotonic time for waiting.
    fn now(&self) -> Now;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose ticks count from this call.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Now {
        let wall = SystemTime::now();
        let millis = match wall.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        };
        Now { wall: Timestamp::from_millis(millis), tick: Tick::ZERO.plus(elapsed(self.started)) }
    }
}

fn elapsed(started: Instant) -> Duration {
    started.elapsed()
}

/// A clock for tests in tokio's paused time: it stands still while the machine sleeps, and its wall time can be set.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct TestClock {
    started: tokio::time::Instant,
    wall_ms: std::sync::atomic::AtomicI64,
}

#[cfg(test)]
impl TestClock {
    /// A clock that shows `wall`.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads a clock")]
    pub(crate) fn at(wall: Timestamp) -> Self {
        Self { started: tokio::time::Instant::now(), wall_ms: wall.as_millis().into() }
    }

    /// The machine sleeps, or the wall time is set ahead: the monotonic one does not move.
    pub(crate) fn sleep(&self, seconds: u64) {
        self.wall_ms.fetch_add(millis(seconds), std::sync::atomic::Ordering::Relaxed);
    }

    /// The wall time is set back.
    pub(crate) fn go_back(&self, seconds: u64) {
        self.wall_ms.fetch_sub(millis(seconds), std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(test)]
fn millis(seconds: u64) -> i64 {
    i64::try_from(seconds * 1000).unwrap()
}

#[cfg(test)]
impl Clock for std::sync::Arc<TestClock> {
    fn now(&self) -> Now {
        (**self).now()
    }
}

#[cfg(test)]
impl Clock for TestClock {
    fn now(&self) -> Now {
        let passed = self.started.elapsed();
        let shown = self.wall_ms.load(std::sync::atomic::Ordering::Relaxed);
        Now { wall: Timestamp::from_millis(shown).plus(passed), tick: Tick::ZERO.plus(passed) }
    }
}
