//! The diagram, drawn from the same answers as the table.

use std::collections::{BTreeMap, BTreeSet};

use super::connect::{Sees, State};
use super::table::{Kind as _, Table, together};

/// States that a reader of the picture can do without: the number is there and its word says nothing.
const LEFT_OUT: [State; 3] = [State::There, State::ThereAfterNotFound, State::ThereAfterReleased];
/// Observations that are about two numbers at once.
const ABOUT_TWO: [Sees; 2] = [Sees::Renamed, Sees::RenamedFailed];

/// A Connect number's status with its window. Each edge once, in the order of the states.
pub(super) fn draw(table: &Table<State, Sees>) -> String {
    let mut edges: BTreeMap<(State, State), Vec<Sees>> = BTreeMap::new();
    for cell in &table.cells {
        let Some(answer) = &cell.answer else { continue };
        let (from, to) = (cell.from, answer.becomes);
        if from != to
            && !ABOUT_TWO.contains(&cell.sees)
            && ![from, to].iter().any(|end| LEFT_OUT.contains(end))
        {
            edges.entry((from, to)).or_default().push(cell.sees);
        }
    }
    let mut lines = vec!["stateDiagram-v2".to_owned()];
    for state in State::ALL.iter().filter(|state| !LEFT_OUT.contains(state)) {
        lines.push(format!("    state \"{}\" as {state:?}", state.label()));
    }
    lines.push(format!("    [*] --> {:?}", State::NeverSeen));
    for ((from, to), sees) in edges {
        lines.push(format!("    {from:?} --> {to:?}: {}", together(&sees)));
    }
    lines.join("\n")
}

/// Reads the part of Mermaid's language that is drawn with, strictly: anything else, a state that was not named, one
/// that nothing leads to, or an edge that is there twice is a panic.
pub(super) fn read(text: &str) {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("stateDiagram-v2"));
    let mut states = BTreeSet::new();
    let mut edges = BTreeSet::new();
    for line in lines {
        let line = line.strip_prefix("    ").unwrap_or_else(|| panic!("not indented: {line}"));
        if let Some(rest) = line.strip_prefix("state \"") {
            let (label, id) = rest.split_once("\" as ").unwrap_or_else(|| panic!("no name: {line}"));
            assert!(is_plain(label) && is_id(id) && edges.is_empty() && states.insert(id), "{line}");
            continue;
        }
        let (from, rest) = line.split_once(" --> ").unwrap_or_else(|| panic!("no edge: {line}"));
        let (to, label) = rest.split_once(": ").map_or((rest, None), |(to, label)| (to, Some(label)));
        assert!(states.contains(from) != (from == "[*]") && states.contains(to), "{line}");
        assert!(label.is_none_or(is_plain) && label.is_none() == (from == "[*]"), "{line}");
        assert!(edges.insert((from, to)), "twice: {line}");
    }
    let reached: BTreeSet<&str> = edges.iter().map(|(_, to)| *to).collect();
    assert_eq!(states, reached, "every state is reached");
}

fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Letters and what does not mean anything to Mermaid.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || " _.,()".contains(c))
}
