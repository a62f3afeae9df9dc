//! The real program ended at every moment that matters, on disks that fail, and with a store that was damaged.
//!
//! `docs/testing.md` says what is proved, `tests/faults/README.md` how to see these tests fail.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop")]

mod backlog;
mod backup;
mod damage;
mod disk;
mod kills;
mod points;
mod shim;
mod tale;
mod wreck;

/// A number from the environment, by which a small run becomes a big one.
fn asked_for(variable: &str, ordinary: u64) -> u64 {
    match std::env::var_os(variable) {
        Some(value) => value.to_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| {
            panic!("{variable} is not a number: {}", value.display());
        }),
        None => ordinary,
    }
}

/// Says how far a run came, for whoever watches a big one.
#[expect(clippy::print_stderr, reason = "shown with --nocapture, and where a test fails")]
fn tell(what: &dyn std::fmt::Display) {
    eprintln!("{what}");
}
