//! The layer of the environment: `CLAIMWATCH__SECTION__KEY=value`.
//!
//! A variable has no types and no dashes, so the schema says how it is read, and an account's name is one that a file
//! already has, with `_` for its dashes. A problem names the variable.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::layers::Held;
use super::problem::{Fault, Notes};
use super::schema;
use super::shape::Shape;
use super::text::Span;
use super::value::nearest;

/// What the variables begin with. `CLAIMWATCH_CONFIG` does not, on purpose.
const PREFIX: &str = "CLAIMWATCH__";

/// How a variable is called where it stands for a file.
pub(super) const CALLED: &str = "environment variable ";

/// A variable, as a text of its own: `NAME=value`.
#[derive(Debug)]
pub(super) struct Variable {
    held: Held,
    name: String,
}

/// Takes the variables that are meant for claimwatch. The value of one that is not known is not kept: it may be
/// anything.
pub(super) fn variables(
    environment: &BTreeMap<String, String>,
    accounts: &[String],
    notes: &mut Notes,
) -> Vec<Variable> {
    let mut found = Vec::new();
    for (name, value) in environment {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let file = PathBuf::from(format!("{CALLED}{name}"));
        match resolve(rest, accounts) {
            Ok(_) => {
                let id = notes.texts.add(file, &format!("{name}={value}"));
                found.push(Variable { held: Held::of(id, notes), name: name.clone() });
            }
            Err(fault) => {
                let id = notes.texts.add(file, name);
                let base = notes.texts.get(id).base();
                notes.error(Span::at(base, &(0..name.len())), fault);
            }
        }
    }
    found
}

/// Reads the variables into one table, with places in the one coordinate.
pub(super) fn layer<'t>(variables: &'t [Variable], accounts: &[String], notes: &mut Notes) -> DeTable<'t> {
    let mut root = DeTable::new();
    for variable in variables {
        let Some((path, shape)) =
            variable.name.strip_prefix(PREFIX).and_then(|rest| resolve(rest, accounts).ok())
        else {
            continue;
        };
        let start = variable.name.len() + 1;
        let text = &variable.held.text[start.min(variable.held.text.len())..];
        let span = Span::at(variable.held.base, &(start..start + text.len()));
        match typed(text, span, shape) {
            Ok(value) => insert(&mut root, &path, Spanned::new(span.start..span.end, value)),
            Err(fault) => notes.error(span, fault.about(path.last().map_or("", String::as_str))),
        }
    }
    root
}

/// Follows `SECTION__KEY` through the schema.
fn resolve(rest: &str, accounts: &[String]) -> Result<(Vec<String>, &'static Shape), Fault> {
    let mut path = Vec::new();
    let mut keys: Option<&'static [super::shape::Key]> = Some(schema::MAIN);
    let mut shape: Option<&'static Shape> = None;
    for part in rest.split("__") {
        let part = part.to_ascii_lowercase();
        if let Some(known) = keys.take() {
            let Some((name, next)) = known.iter().find(|(name, _)| *name == part) else {
                return Err(unknown(&part, known.iter().map(|(name, _)| *name)));
            };
            path.push((*name).to_owned());
            shape = Some(next);
        } else if let Some(Shape::Named(next)) = shape {
            let Some(name) = accounts.iter().find(|name| name.replace('-', "_") == part) else {
                return Err(Fault::new(format!("no file has an account {part:?}"))
                    .help("an account is made in a file; a variable can only change one, with _ for each dash of its name"));
            };
            path.push(name.clone());
            shape = Some(next);
        } else {
            return Err(unknown(&part, std::iter::empty()));
        }
        if let Some(Shape::Table(next)) = shape {
            keys = Some(next);
        }
    }
    match shape {
        Some(shape @ (Shape::Text | Shape::Texts | Shape::Number | Shape::Integer | Shape::Flag)) => {
            Ok((path, shape))
        }
        Some(Shape::Table(_) | Shape::Named(_)) => {
            Err(Fault::new(format!("{} is a table: a variable sets one key of it", path.join("."))))
        }
        Some(Shape::Tables(_) | Shape::Time) | None => {
            Err(Fault::new(format!("{} cannot be set by a variable", path.join(".")))
                .help("write it in a file"))
        }
    }
}

fn unknown<'n>(part: &str, known: impl Iterator<Item = &'n str>) -> Fault {
    let fault =
        Fault::new(format!("no configuration key has the name of this variable: unknown part {part:?}"));
    match nearest(part, known) {
        Some(name) => fault.help(format!("did you mean {}?", name.to_ascii_uppercase())),
        None => fault,
    }
}

fn typed<'t>(text: &'t str, span: Span, shape: &Shape) -> Result<DeValue<'t>, Fault> {
    match shape {
        Shape::Flag => match text {
            "true" => Ok(DeValue::Boolean(true)),
            "false" => Ok(DeValue::Boolean(false)),
            _ => Err(Fault::new("must be true or false")),
        },
        Shape::Number | Shape::Integer => {
            let parsed = DeValue::parse(text).ok().map(Spanned::into_inner);
            let wanted = |value: &DeValue<'_>| {
                value.is_integer() || (matches!(shape, Shape::Number) && value.is_float())
            };
            parsed.filter(wanted).ok_or_else(|| Fault::new("must be a number"))
        }
        Shape::Texts => Ok(DeValue::Array(split(text, span))),
        Shape::Text | Shape::Time | Shape::Table(_) | Shape::Named(_) | Shape::Tables(_) => {
            Ok(DeValue::String(Cow::Borrowed(text)))
        }
    }
}

/// A list in a variable: its parts between commas. An empty variable is an empty list.
fn split(text: &str, span: Span) -> DeArray<'_> {
    let mut array = DeArray::new();
    let mut at = span.start;
    for part in text.split(',').filter(|_| !text.is_empty()) {
        array.push(Spanned::new(at..at + part.len(), DeValue::String(Cow::Borrowed(part))));
        at += part.len() + 1;
    }
    array
}

fn insert<'t>(table: &mut DeTable<'t>, path: &[String], value: Spanned<DeValue<'t>>) {
    let Some((first, rest)) = path.split_first() else { return };
    let at = value.span();
    let key = Spanned::new(at.clone(), Cow::Owned(first.clone()));
    if rest.is_empty() {
        table.insert(key, value);
        return;
    }
    let below = table.entry(key).or_insert_with(|| Spanned::new(at, DeValue::Table(DeTable::new())));
    if let DeValue::Table(below) = below.get_mut() {
        insert(below, rest, value);
    }
}
