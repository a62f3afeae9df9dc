//! The pure core: it is told the time and what was seen, and answers what changes, what to say and when to look next.
//!
//! # Guarantees
//! No clock, no randomness, no async, no input or output, no logging, no environment; the walls test keeps it so.
//! Total about the world: whatever upstream says has an answer here, and none of it can fail.

pub mod agenda;
pub mod breaker;
pub mod cadence;
pub mod delivery;
pub mod demand;
pub mod dispatch;
pub mod event;
pub mod inquiry;
pub mod limiter;
pub mod look;
pub mod message;
pub mod observation;
pub mod order;
pub mod policy;
#[cfg(test)]
pub(crate) mod random;
pub mod record;
pub mod schedule;
pub mod scope;
pub mod standing;
pub mod state;
pub mod step;
pub mod suspicion;
pub mod sweep;
pub mod time;
pub mod watchlist;
pub mod window;
