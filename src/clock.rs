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
