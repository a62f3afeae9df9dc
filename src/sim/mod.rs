//! The simulated AWS: enough of Chime SDK Voice, Connect and STS to watch, with every fault that a watcher can meet.
//!
//! A [`World`](world::World) is built from a [`Scenario`](scenario::Scenario) and is told the time with each request;
//! [`http::serve`] puts it behind a socket.
//!
//! # Guarantees
//! No clock, no socket and no randomness of its own in the world: the same requests at the same times have the same
//! answers. Every body is written by hand from AWS's published names, never through the provider's types, so that a
//! wrong name in the provider cannot agree with itself.
//!
//! # Assumptions
//! What AWS does not document (which status refuses an old signature, the order of lists) is as clients have reported
//! it, and a scenario can choose otherwise. `docs/simulator.md` says which is which.

mod answer;
mod call;
mod error;
pub mod fault;
mod fault_file;
pub mod http;
mod json;
mod line;
pub mod offset;
mod page;
pub mod quota;
pub mod scenario;
mod scenario_file;
pub mod served;
pub mod verify;
pub mod wire;
pub mod world;

/// The world of `claimwatch simulate` without `--scenario`.
pub const DEFAULT_SCENARIO: &str = include_str!("../../config/scenarios/default.toml");

/// The world of `claimwatch demo`: a whole story in 22 seconds.
pub const DEMO_SCENARIO: &str = include_str!("../../config/scenarios/demo.toml");
