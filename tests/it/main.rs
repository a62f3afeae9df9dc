//! The integration tests: one binary, so that it links once and helpers are shared.

mod sinks;
mod store_battery;
