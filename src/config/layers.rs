//! The layers of the main configuration, merged by the `config` crate: built-in defaults, the main file, the files of
//! `conf.d`, the environment.
//!
//! That crate knows of no lines. So every value takes its place along as its origin, and is found by it again after
//! the merge: a problem of the whole still points at a line. Arrays of tables would replace each other there; those of
//! all files are put together here instead.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::{ConfigError, Map, Source, Value, ValueKind};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::problem::{Fault, Notes};
use super::text::{Span, TextId};

/// One layer: a table whose places are in the one coordinate.
#[derive(Debug)]
pub(super) struct Layer<'t> {
    pub(super) table: DeTable<'t>,
    /// Whether it is the user's: built-in defaults have no place to point at.
    pub(super) written: bool,
}

/// Of a longer text only the first syntax error is told. Each takes hundreds of bytes, and a large file that is no TOML at
/// all has one in every second byte.
const ALL_ERRORS_UP_TO: usize = 1 << 20;

/// A text that outlives the notes' own hold on it, so that a table can borrow from it.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) id: TextId,
    pub(super) text: Arc<str>,
    pub(super) base: usize,
}

impl Held {
    pub(super) fn of(id: TextId, notes: &Notes) -> Self {
        let text = notes.texts.get(id);
        Self { id, text: text.content.clone(), base: text.base() }
    }

    /// Parses it and notes its syntax errors; whether there was none. The table is what could be read.
    pub(super) fn parse(&self, notes: &mut Notes) -> (DeTable<'_>, bool) {
        let (table, errors) = if self.text.len() <= ALL_ERRORS_UP_TO {
            DeTable::parse_recoverable(&self.text)
        } else {
            match DeTable::parse(&self.text) {
                Ok(table) => (table, Vec::new()),
                Err(first) => (Spanned::new(0..0, DeTable::new()), vec![first]),
            }
        };
        for error in &errors {
            let span = error
                .span()
                .map_or_else(|| notes.texts.get(self.id).whole(), |range| Span::at(self.base, &range));
            notes.error(span, Fault::new(error.message()));
        }
        (table.into_inner(), errors.is_empty())
    }
}

/// The same table with its places in the one coordinate.
pub(super) fn placed<'t>(table: &DeTable<'t>, base: usize) -> DeTable<'t> {
    let mut out = DeTable::new();
    for (key, value) in table {
        let at = key.span();
        out.insert(
            Spanned::new(at.start + base..at.end + base, key.get_ref().clone()),
            placed_value(value, base),
        );
    }
    out
}

fn placed_value<'t>(value: &Spanned<DeValue<'t>>, base: usize) -> Spanned<DeValue<'t>> {
    let moved = match value.get_ref() {
        DeValue::Table(table) => DeValue::Table(placed(table, base)),
        DeValue::Array(array) => DeValue::Array(array.iter().map(|item| placed_value(item, base)).collect()),
        scalar @ (DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)) => scalar.clone(),
    };
    let at = value.span();
    Spanned::new(at.start + base..at.end + base, moved)
}

/// The one key under which everything lies while the `config` crate merges: it reads a key at the top as a path (`a.b`,
/// `a[9]`), and below it as it stands.
const ROOT: &str = "root";

/// A layer as the `config` crate takes it.
#[derive(Debug, Clone)]
struct Tree(Value);

impl Source for Tree {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(Map::from([(ROOT.to_owned(), self.0.clone())]))
    }
}

/// What a merge carries: the values by the number that is their origin, and the place of every table and key.
#[derive(Debug, Default)]
struct Carried<'t> {
    leaves: Vec<Spanned<DeValue<'t>>>,
    /// By path. A table is where it is first written, a key where it is last.
    tables: BTreeMap<Vec<String>, Span>,
}

/// Merges layers, the later over the earlier. `whole` is the place of a table that no layer writes.
pub(super) fn merge<'t>(layers: &[Layer<'t>], whole: Span) -> Result<DeTable<'t>, ConfigError> {
    let mut carried = Carried::default();
    let mut builder = config::Config::builder();
    for layer in layers {
        let value = to_value(&layer.table, layer.written, &mut Vec::new(), &mut carried);
        builder = builder.add_source(Tree(value));
    }
    let merged = builder.build()?.get_table(ROOT)?;
    Ok(from_value(merged, &mut Vec::new(), &carried, whole))
}

/// Tables nest; everything else, arrays included, is replaced as one.
fn to_value<'t>(
    table: &DeTable<'t>,
    written: bool,
    path: &mut Vec<String>,
    carried: &mut Carried<'t>,
) -> Value {
    let mut out = Map::new();
    for (key, value) in table {
        path.push(key.get_ref().clone().into_owned());
        let converted = if let Some(inner) = value.get_ref().as_table() {
            if written {
                let span = Span::at(0, &value.span());
                carried.tables.entry(path.clone()).or_insert(span);
            }
            to_value(inner, written, path, carried)
        } else {
            let origin = carried.leaves.len().to_string();
            carried.leaves.push(value.clone());
            Value::new(Some(&origin), kind(value.get_ref()))
        };
        path.pop();
        out.insert(key.get_ref().clone().into_owned(), converted);
    }
    Value::new(None, ValueKind::Table(out))
}

fn kind(value: &DeValue<'_>) -> ValueKind {
    match value {
        DeValue::String(text) => ValueKind::String(text.clone().into_owned()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| ValueKind::String(integer.to_string()), ValueKind::I64),
        DeValue::Float(float) => float.as_str().parse().map_or(ValueKind::Nil, ValueKind::Float),
        DeValue::Boolean(flag) => ValueKind::Boolean(*flag),
        DeValue::Datetime(time) => ValueKind::String(time.to_string()),
        DeValue::Array(items) => {
            ValueKind::Array(items.iter().map(|item| Value::new(None, kind(item.get_ref()))).collect())
        }
        DeValue::Table(_) => ValueKind::Nil,
    }
}

fn from_value<'t>(
    table: Map<String, Value>,
    path: &mut Vec<String>,
    carried: &Carried<'t>,
    whole: Span,
) -> DeTable<'t> {
    let sorted: BTreeMap<String, Value> = table.into_iter().collect();
    let mut out = DeTable::new();
    for (key, value) in sorted {
        path.push(key);
        let origin = value.origin().and_then(|origin| origin.parse::<usize>().ok());
        let leaf = origin.and_then(|origin| carried.leaves.get(origin)).cloned();
        let entry = match (value.kind, leaf) {
            (ValueKind::Table(inner), _) => {
                let at = carried.tables.get(path).copied().unwrap_or(whole);
                Some(Spanned::new(at.start..at.end, DeValue::Table(from_value(inner, path, carried, whole))))
            }
            (_, leaf) => leaf,
        };
        let key = path.pop().unwrap_or_default();
        if let Some(entry) = entry {
            let at = entry.span();
            out.insert(Spanned::new(at, key.into()), entry);
        }
    }
    out
}

/// Adds the arrays of tables at `events.webhook` of all layers to a merged table: one array after the other.
pub(super) fn join_webhooks<'t>(layers: &[Layer<'t>], merged: &mut DeTable<'t>) {
    let mut all = Vec::new();
    for layer in layers {
        let events = layer.table.get("events").and_then(|events| events.get_ref().as_table());
        let array =
            events.and_then(|events| events.get("webhook")).and_then(|hooks| hooks.get_ref().as_array());
        all.extend(array.into_iter().flatten().cloned());
    }
    let events = merged.get_mut("events").map(Spanned::get_mut);
    if let (Some(DeValue::Table(events)), Some(first)) = (events, all.first()) {
        let at = first.span();
        let key = Spanned::new(at.clone(), "webhook".into());
        // The map keeps an old key's place and takes the new value.
        events.insert(key, Spanned::new(at, DeValue::Array(all.into_iter().collect::<DeArray<'_>>())));
    }
}
