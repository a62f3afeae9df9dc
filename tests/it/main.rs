//! The integration tests: one binary, so that it links once and helpers are shared.

mod config;
mod sinks;
mod store_battery;
