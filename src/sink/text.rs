//! An event as a line for people: time, level, name, sentence, and what else matters, dimmed.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::core::record::Record;

/// The width of the longest level.
const LEVEL_WIDTH: usize = 5;

/// The width of the longest usual name (`order.status_changed`), so that sentences stand below each other.
const EVENT_WIDTH: usize = 20;

/// Characters of an order's id that are shown: enough to tell the orders of a list apart, and to search for.
const ID_SHOWN: usize = 8;

/// The same without time and level, for whoever keeps those beside it.
pub fn untimed(record: &Record) -> String {
    format!("{} {}{}", clean(&record.event), clean(&record.message), details(record))
}

/// The line, without its end.
///
/// What services and people wrote into it cannot break the line or steer the terminal: control characters are escaped.
pub fn render(record: &Record, colour: bool) -> String {
    let (level_style, dim) =
        if colour { (style_of(&record.level), Style::new().dimmed()) } else { (Style::new(), Style::new()) };
    let time = record.time.map(|at| at.to_string()).unwrap_or_default();
    // Whole seconds: `2026-11-22T10:00:00.000Z` without its milliseconds.
    let seconds = time.split('.').next().unwrap_or_default();
    let zone = if seconds.is_empty() { "" } else { "Z" };
    let level = clean(&record.level.to_uppercase());
    let event = clean(&record.event);
    let message = clean(&record.message);
    let mut line = format!(
        "{dim}{seconds}{zone}{dim:#} {level_style}{level:<LEVEL_WIDTH$}{level_style:#} {event:<EVENT_WIDTH$} {message}"
    );
    let details = details(record);
    if !details.is_empty() {
        let _ = write!(line, "{dim}{details}{dim:#}");
    }
    line
}

fn style_of(level: &str) -> Style {
    match level {
        "error" => AnsiColor::Red.on_default().bold(),
        "warn" => AnsiColor::Yellow.on_default(),
        _ => AnsiColor::Green.on_default(),
    }
}

/// What the sentence does not say already, as ` key=value` pairs.
fn details(record: &Record) -> String {
    let id = record.order_id.as_deref().map(|id| id.chars().take(ID_SHOWN).collect::<String>());
    let raw = record.raw.as_deref().filter(|raw| record.to.as_deref() != Some(*raw));
    let earliest = record.window_earliest.map(|at| at.to_string());
    let latest = record.window_latest.map(|at| at.to_string());
    let line = record.line.map(|line| line.to_string());
    let pairs = [
        ("list", record.list.as_deref()),
        ("order", id.as_deref()),
        ("operation", record.operation.as_deref()),
        ("raw", raw),
        ("reason", record.reason.as_deref()),
        ("outcome", record.outcome.as_deref()),
        ("condition", record.condition.as_deref()),
        ("earliest", earliest.as_deref()),
        ("latest", latest.as_deref()),
        ("line", line.as_deref()),
    ];
    let mut out = String::new();
    for (key, value) in pairs {
        let Some(value) = value.filter(|value| !says(&record.message, value)) else { continue };
        let value = clean(value);
        if value.contains([' ', '"', '=']) || value.is_empty() {
            let _ = write!(out, " {key}=\"{}\"", value.replace('"', "\\\""));
        } else {
            let _ = write!(out, " {key}={value}");
        }
    }
    out
}

/// Whether a sentence has these words, as words.
fn says(sentence: &str, words: &str) -> bool {
    let apart = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    sentence.match_indices(words).any(|(at, _)| {
        let (before, rest) = sentence.split_at(at);
        apart(before.chars().next_back()) && apart(rest[words.len()..].chars().next())
    })
}

/// The text with everything escaped that a terminal would act on or not show: control characters, line separators, marks
/// that change the direction of writing, and what has no width.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
        {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::says;

    #[test]
    fn words_are_said_as_words_only() {
        let sentence = "+442079460102 (Sales line) must be claimed again: emea, until 10:00Z";
        for (words, said) in [
            ("us", false),
            ("ea", false),
            ("emea", true),
            ("Sales line", true),
            ("ales line", false),
            ("until 10:00Z", true),
            ("+442079460102", true),
            ("+44207946010", false),
            ("eme", false),
        ] {
            assert_eq!(says(sentence, words), said, "{words}");
        }
        assert!(says("bus us", "us"), "the second time as a word");
    }
}
