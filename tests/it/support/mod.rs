//! What the tests of the whole program share: a simulated AWS whose time the test moves, a folder with a configuration
//! for it, the program as a process, and what its records have to be.
//!
//! Nothing here sleeps for a result: a test moves the world's time and waits for a level, with a bound.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop")]

pub(crate) mod expect;
pub(crate) mod house;
pub(crate) mod process;
pub(crate) mod receiver;
pub(crate) mod records;
pub(crate) mod sim;

use std::time::Duration;

use claimwatch::clock::{Clock as _, SystemClock};
use claimwatch::core::time::Tick;

/// How long anything may take to come. Far more than it takes, since the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often a level is looked at.
const POLL: Duration = Duration::from_millis(10);

/// A watch that starts with the call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(SystemClock);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(SystemClock::start())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.now().tick.since(Tick::ZERO)
    }
}

/// Waits until `level` gives something, at most [`PATIENCE`]; else stops the test with `what` and with what `told` says.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut level: impl FnMut() -> Option<T>, told: impl Fn() -> String) -> T {
    let watch = Stopwatch::start();
    loop {
        if let Some(reached) = level() {
            return reached;
        }
        assert!(watch.elapsed() < PATIENCE, "{what} did not come\n{}", told());
        std::thread::sleep(POLL);
    }
}
