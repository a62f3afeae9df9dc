//! claimwatch watches Amazon Chime SDK Voice phone-number orders and Amazon Connect claims.
//!
//! Start with `ARCHITECTURE.md`, then [`core::step`]: everything else is plumbing around it.

pub mod aws;
pub mod cli;
pub mod clock;
pub mod config;
pub mod core;
pub mod daemon;
pub mod exit;
pub mod http;
pub mod provider;
pub mod sim;
pub mod sink;
pub mod store;
