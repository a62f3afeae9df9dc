//! The shape of the files: which keys there are and what type each has. One table for both, which also tells how a
//! variable of the environment is read.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Fault, Notes};
use super::text::Span;
use super::value::nearest;

/// What may stand under a key.
#[derive(Debug)]
pub(super) enum Shape {
    /// A string.
    Text,
    /// An array of strings.
    Texts,
    /// An integer or a float.
    Number,
    /// An integer.
    Integer,
    /// A boolean.
    Flag,
    /// A date and time with an offset.
    Time,
    /// A table with these keys.
    Table(&'static [Key]),
    /// A table whose keys are names of the user's.
    Named(&'static Shape),
    /// An array of tables with these keys.
    Tables(&'static [Key]),
}

/// A key and what may stand under it.
pub(super) type Key = (&'static str, Shape);

impl Shape {
    fn fits(&self, value: &DeValue<'_>) -> bool {
        match self {
            Self::Text => value.is_str(),
            Self::Texts | Self::Tables(_) => value.is_array(),
            Self::Number => value.is_integer() || value.is_float(),
            Self::Integer => value.is_integer(),
            Self::Flag => value.is_bool(),
            Self::Time => value.is_datetime(),
            Self::Table(_) | Self::Named(_) => value.is_table(),
        }
    }

    fn spoken(&self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Texts => "an array of strings",
            Self::Number => "a number",
            Self::Integer => "a whole number",
            Self::Flag => "true or false",
            Self::Time => "a date and time",
            Self::Table(_) | Self::Named(_) => "a table",
            Self::Tables(_) => "an array of tables",
        }
    }

    fn help(&self, found: &DeValue<'_>) -> Option<&'static str> {
        match self {
            Self::Text if found.is_integer() || found.is_float() || found.is_bool() => {
                Some("put it in quotes; a duration has its unit inside them: \"90s\"")
            }
            Self::Texts if found.is_str() => Some("put it in brackets: [\"…\"]"),
            Self::Number | Self::Integer | Self::Flag if found.is_str() => Some("write it without quotes"),
            Self::Time if found.is_str() => Some("write it without quotes: 2026-11-20T10:00:00Z"),
            Self::Tables(_) if found.is_table() => Some("write its header in double brackets: [[…]]"),
            Self::Text
            | Self::Texts
            | Self::Number
            | Self::Integer
            | Self::Flag
            | Self::Time
            | Self::Table(_)
            | Self::Named(_)
            | Self::Tables(_) => None,
        }
    }
}

/// Reports every key of a table that is not known, and every value of a wrong type, however deep.
pub(super) fn check(table: &DeTable<'_>, base: usize, keys: &'static [Key], notes: &mut Notes) {
    for (key, value) in table {
        let name: &str = key.get_ref();
        match keys.iter().find(|(known, _)| *known == name) {
            Some((_, shape)) => check_value(value, base, name, shape, notes),
            None => notes.error(Span::at(base, &key.span()), unknown(name, keys)),
        }
    }
}

fn unknown(name: &str, keys: &'static [Key]) -> Fault {
    let fault = Fault::new(format!("unknown key {name:?}"));
    match nearest(name, keys.iter().map(|(known, _)| *known)) {
        Some(known) => fault.help(format!("did you mean {known:?}?")),
        None => fault.help(format!(
            "known here: {}",
            keys.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ")
        )),
    }
}

fn check_value(
    value: &Spanned<DeValue<'_>>,
    base: usize,
    name: &str,
    shape: &'static Shape,
    notes: &mut Notes,
) {
    let (span, found) = (Span::at(base, &value.span()), value.get_ref());
    if !shape.fits(found) {
        notes.error(span, mismatch(name, shape, found));
        return;
    }
    match shape {
        Shape::Table(keys) => {
            if let Some(table) = found.as_table() {
                check(table, base, keys, notes);
            }
        }
        Shape::Named(inner) => {
            for (key, value) in found.as_table().into_iter().flatten() {
                check_value(value, base, key.get_ref(), inner, notes);
            }
        }
        Shape::Texts => {
            for item in found.as_array().into_iter().flatten() {
                check_value(item, base, name, &Shape::Text, notes);
            }
        }
        Shape::Tables(keys) => {
            for item in found.as_array().into_iter().flatten() {
                if let Some(table) = item.get_ref().as_table() {
                    check(table, base, keys, notes);
                } else {
                    let fault = mismatch(name, &Shape::Table(&[]), item.get_ref());
                    notes.error(Span::at(base, &item.span()), fault);
                }
            }
        }
        Shape::Text | Shape::Number | Shape::Integer | Shape::Flag | Shape::Time => {}
    }
}

fn mismatch(name: &str, shape: &Shape, found: &DeValue<'_>) -> Fault {
    let article = if found.is_integer() || found.is_array() { "an" } else { "a" };
    let fault = Fault::new(format!("{name:?} takes {}, not {article} {}", shape.spoken(), found.type_str()));
    match shape.help(found) {
        Some(help) => fault.help(help),
        None => fault,
    }
}
