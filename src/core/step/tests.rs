//! The table, and properties over histories.
