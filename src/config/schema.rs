//! Every key of the main file and of a watch list. `docs/configuration.md` explains each, and a test compares.

use super::shape::Key;
use super::shape::Shape::{Flag, Integer, Named, Number, Table, Tables, Text, Texts, Time};

const QUOTA: &[Key] = &[("rate", Number), ("burst", Integer)];

const SERVICE: &[Key] = &[
    ("rate", Number),
    ("burst", Integer),
    ("share", Number),
    ("endpoint", Text),
    ("list", Table(QUOTA)),
    ("in_flight", Integer),
];

const ACCOUNT: &[Key] = &[
    ("region", Text),
    ("profile", Text),
    ("role_arn", Text),
    ("external_id", Text),
    ("account_id", Text),
    ("fips", Flag),
    ("dual_stack", Flag),
    ("connect", Table(SERVICE)),
    ("chime", Table(SERVICE)),
];

const POLL: &[Key] = &[
    ("floor", Text),
    ("steady", Text),
    ("ceiling", Text),
    ("timeout", Text),
    ("after_terminal", Text),
    ("missing_grace", Text),
    ("missing_confirm", Text),
];

const RETRY_WINDOW: &[Key] = &[("length", Text), ("warn_before", Texts), ("counts_from", Text)];

const WEBHOOK: &[Key] = &[
    ("name", Text),
    ("url", Text),
    ("secret_files", Texts),
    ("events", Texts),
    ("labels", Named(&Text)),
    ("lists", Texts),
    ("min_level", Text),
];

/// The main file, and each file of `conf.d`.
pub(super) const MAIN: &[Key] = &[
    ("store", Table(&[("url", Text)])),
    ("watch", Table(&[("dirs", Texts), ("follow", Flag)])),
    ("account", Named(&Table(ACCOUNT))),
    ("poll", Table(POLL)),
    ("retry_window", Table(RETRY_WINDOW)),
    (
        "events",
        Table(&[
            ("numbers", Text),
            ("log", Table(&[("format", Text)])),
            ("file", Table(&[("path", Text)])),
            ("webhook", Tables(WEBHOOK)),
        ]),
    ),
    ("http", Table(&[("listen", Text), ("allow_remote", Flag), ("hosts", Texts)])),
    ("schedules", Table(&[("heartbeat", Text), ("prune", Text), ("backup", Text), ("digest", Text)])),
    ("prune", Table(&[("keep", Text)])),
    ("backup", Table(&[("dir", Text), ("keep", Integer)])),
    ("control", Table(&[("socket", Text)])),
];

const ORDER: &[Key] = &[("id", Text), ("label", Text), ("requested_at", Time)];

const NUMBER: &[Key] =
    &[("id", Text), ("number", Text), ("operation", Text), ("requested_at", Time), ("label", Text)];

/// A watch list.
pub(super) const LIST: &[Key] = &[
    ("account", Text),
    ("labels", Named(&Text)),
    ("stalled_after", Text),
    ("poll", Table(POLL)),
    ("retry_window", Table(RETRY_WINDOW)),
    ("order", Tables(ORDER)),
    ("number", Tables(NUMBER)),
];

#[cfg(test)]
mod tests {
    use super::*;

    const DOCS: &str = include_str!("../../docs/configuration.md");
    const MANUAL: &str = include_str!("../../man/claimwatch.toml.5");
    const SHIPPED: [&str; 2] =
        [include_str!("../../config/claimwatch.toml"), include_str!("../../config/watch.d/example.toml")];

    /// Every key with the tables above it, and whether it holds a value of its own.
    fn all(keys: &'static [Key], above: &str, out: &mut Vec<(String, &'static str, bool)>) {
        for (name, shape) in keys {
            let inner = match shape {
                Table(keys) | Tables(keys) | Named(Table(keys)) => Some(*keys),
                Named(_) | Text | Texts | Number | Integer | Flag | Time => None,
            };
            out.push((above.to_owned(), name, inner.is_none()));
            all(inner.unwrap_or_default(), name, out);
        }
    }

    #[test]
    fn every_key_is_documented_and_shipped() {
        let manual = MANUAL.replace("\\-", "-");
        for (keys, shipped) in [(MAIN, SHIPPED[0]), (LIST, SHIPPED[1])] {
            let mut found = Vec::new();
            all(keys, "", &mut found);
            for (above, name, is_value) in found {
                let forms = [
                    format!("`{name}`"),
                    format!("[{name}"),
                    format!("`{above}.{name}`"),
                    format!("`{name}."),
                    format!("[[{above}.{name}]]"),
                ];
                assert!(
                    forms.iter().any(|form| DOCS.contains(form)),
                    "docs/configuration.md lacks {above}.{name}"
                );
                let forms = [
                    format!("\\fB{name}\\fR"),
                    format!("\\fB[{name}"),
                    format!("\\fB{above}.{name}\\fR"),
                    format!("\\fB{name}."),
                    format!("\\fB[[{above}.{name}]]"),
                    // A heading has no font of its own.
                    format!(".SS [{name}"),
                    format!(".SS [[{above}.{name}]]"),
                ];
                assert!(
                    forms.iter().any(|form| manual.contains(form)),
                    "man/claimwatch.toml.5 lacks {above}.{name}"
                );
                let set = |line: &str| line.trim_start_matches('#').starts_with(&format!("{name} = "));
                let within =
                    shipped.contains(&format!("{{ {name} = ")) || shipped.contains(&format!(", {name} = "));
                assert!(
                    !is_value || within || shipped.lines().any(set),
                    "the shipped files lack {above}.{name}"
                );
            }
        }
    }

    /// The defaults are written three times: in code for the core, as the lowest layer, and in the documentation.
    #[test]
    fn the_documentation_has_the_defaults() {
        let defaults: toml::Table = include_str!("defaults.toml").parse().unwrap();
        let mut sections: Vec<(String, &toml::Table)> = Vec::new();
        for (name, value) in &defaults {
            sections.extend(value.as_table().map(|table| (name.clone(), table)));
        }
        for (section, table) in sections {
            for (key, value) in table.iter().filter(|(_, value)| !value.is_table()) {
                let row = DOCS.lines().find(|line| {
                    line.starts_with(&format!("| `{key}`")) && line.contains(&format!("`{value}`"))
                });
                assert!(
                    row.is_some(),
                    "docs/configuration.md has another default for {section}.{key}: {value}"
                );
            }
        }
    }
}
