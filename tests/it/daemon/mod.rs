//! The daemon as a process, against the simulated AWS.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop")]

mod restart;
mod stop;
mod story;
