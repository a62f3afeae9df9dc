//! Placeholder.

pub mod relay;
