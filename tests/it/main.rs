//! The integration tests: one binary, so that it links once and helpers are shared.

mod cli;
mod config;
mod core_histories;
mod corpus;
mod crash;
mod daemon;
mod generated;
mod model;
mod properties;
mod replace;
mod signing;
mod sim;
mod sinks;
mod states;
mod store_battery;
mod support;
mod tidy;
mod track;
mod transcripts;
mod upgrade;
mod wire;
