//! What this version reads and checks, but does not act on yet: each is said, so that nobody relies on it.

use super::problem::{Fault, Notes};
use super::section::Section;

/// The keys by their path. `when` narrows it to one value; where it is `None`, any value but "none" counts.
const UNSERVED: [Unserved; 3] = [
    Unserved { path: &["events", "log", "format"], when: Some("journald"), said: "format = \"journald\"" },
    Unserved { path: &["http"], when: None, said: "[http]" },
    Unserved { path: &["schedules", "digest"], when: None, said: "schedules.digest" },
];

struct Unserved {
    path: &'static [&'static str],
    when: Option<&'static str>,
    said: &'static str,
}

/// Warns of every such key that a layer of the user's sets.
pub(super) fn warn(root: Section<'_>, notes: &mut Notes) {
    for entry in &UNSERVED {
        let Some((last, sections)) = entry.path.split_last() else { continue };
        let section = sections.iter().try_fold(root, |section, key| section.table(key));
        let Some((section, span)) = section.and_then(|section| Some((section, section.span_of(last)?)))
        else {
            continue;
        };
        let text = section.text(last).map(|text| text.value);
        let counts = match entry.when {
            Some(value) => text == Some(value),
            None => text != Some("none"),
        };
        if counts {
            let said = entry.said;
            notes.warning(
                span,
                Fault::new(format!("{said} is read and checked, but this version does not act on it")),
            );
        }
    }
}
