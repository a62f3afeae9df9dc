//! What this version reads and checks, but does not act on yet: it is said, so that nobody relies on it.

use super::problem::{Fault, Notes};
use super::section::Section;

/// The sections.
const UNSERVED: [&str; 1] = ["http"];

/// Warns of every such section that a layer of the user's sets.
pub(super) fn warn(root: Section<'_>, notes: &mut Notes) {
    for name in UNSERVED {
        if let Some(span) = root.span_of(name) {
            let fault =
                Fault::new(format!("[{name}] is read and checked, but this version does not act on it"));
            notes.warning(span, fault);
        }
    }
}
