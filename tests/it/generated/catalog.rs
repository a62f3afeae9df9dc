//! The message catalog, from the table of docs/events.md: what `journalctl -x` says of each event.

use std::fmt::Write as _;

use claimwatch::core::event::NAMES;
use claimwatch::sink::journald::message_id;

use super::read;
use crate::support::expect;

/// The widest line.
const WIDTH: usize = 78;

/// An event as the table has it.
pub(super) struct Row {
    pub(super) event: String,
    pub(super) level: String,
    means: String,
    to_do: String,
}

pub(super) fn rows(events: &str) -> Vec<Row> {
    let section = events.split_once("\n## The events\n").unwrap().1;
    let table = section.lines().skip_while(|line| !line.starts_with('|'));
    let rows = table.take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [event, level, means, to_do] = cells.as_slice() else { panic!("{line}") };
        Row { event: plain(event), level: plain(level), means: plain(means), to_do: plain(to_do) }
    })
    .collect()
}

/// Without the marks of Markdown.
fn plain(text: &str) -> String {
    assert!(!text.contains("]("), "a link has no place in a catalog: {text}");
    text.replace('`', "")
}

fn filled(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > WIDTH {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out
}

fn catalog(rows: &[Row]) -> String {
    let mut catalog = "# Made from docs/events.md: change that, not this file.\n".to_owned();
    for Row { event, means, to_do, .. } in rows {
        let id = message_id(event);
        let text = filled(&format!("It means: {means}."));
        let to_do = filled(&format!("What to do: {to_do}."));
        write!(
            catalog,
            "\n-- {id}\nSubject: claimwatch: {event}\nDefined-By: claimwatch\nDocumentation: man:claimwatch(1)\n\n@CLAIMWATCH_MESSAGE@\n\n{text}\n\n{to_do}\n"
        )
        .unwrap();
    }
    catalog
}

#[test]
fn every_event_is_explained_by_the_journal() {
    let events = read("docs/events.md");
    let rows = rows(&events);
    let mut explained: Vec<&str> = rows.iter().map(|row| row.event.as_str()).collect();
    explained.sort_unstable();
    assert_eq!(explained, NAMES);
    expect::same("systemd/claimwatch.catalog", &catalog(&rows));
}

#[test]
fn every_message_id_is_documented() {
    let events = read("docs/events.md");
    let missing: Vec<String> = NAMES
        .iter()
        .map(|name| format!("| `{name}` | `{}` |", message_id(name)))
        .filter(|row| !events.contains(row))
        .collect();
    assert!(missing.is_empty(), "docs/events.md lacks\n{}", missing.join("\n"));
}
