//! Reads values out of a table, each with its place.
//!
//! A value of a wrong type reads as absent: `shape` has reported it already.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Fault, Notes};
use super::text::Span;

/// A table and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section<'a> {
    table: &'a DeTable<'a>,
    base: usize,
    at: Span,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

impl<'a> Section<'a> {
    /// A whole text's table. `at` is the place to name when something is missing in it.
    pub(super) fn root(table: &'a DeTable<'a>, base: usize, at: Span) -> Self {
        Self { table, base, at }
    }

    /// The place of its header.
    pub(super) fn at(&self) -> Span {
        self.at
    }

    /// Whether it has the key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The keys of a table whose keys are names, with their places.
    pub(super) fn names(&self) -> Vec<Placed<&'a str>> {
        let placed = |key: &'a Spanned<_>| Placed {
            value: AsRef::<str>::as_ref(key.get_ref()),
            span: self.place(key),
        };
        self.table.keys().map(placed).collect()
    }

    /// The place of something in the table.
    fn place<T>(&self, spanned: &Spanned<T>) -> Span {
        Span::at(self.base, &spanned.span())
    }

    fn value(&self, key: &str) -> Option<(&'a DeValue<'a>, Span)> {
        self.table.get(key).map(|value| (value.get_ref(), self.place(value)))
    }

    /// The place of a key's value.
    pub(super) fn span_of(&self, key: &str) -> Option<Span> {
        self.value(key).map(|(_, span)| span)
    }

    /// The table under a key.
    pub(super) fn table(&self, key: &str) -> Option<Section<'a>> {
        let (value, at) = self.value(key)?;
        value.as_table().map(|table| Section { table, base: self.base, at })
    }

    /// The tables under a key.
    pub(super) fn tables(&self, key: &str) -> impl Iterator<Item = Section<'a>> + use<'a> {
        let base = self.base;
        let items = self.value(key).and_then(|(value, _)| value.as_array()).into_iter().flatten();
        items.filter_map(move |item| {
            let at = Span::at(base, &item.span());
            item.get_ref().as_table().map(|table| Section { table, base, at })
        })
    }

    /// The string under a key.
    pub(super) fn text(&self, key: &str) -> Option<Placed<&'a str>> {
        let (value, span) = self.value(key)?;
        value.as_str().map(|value| Placed { value, span })
    }

    /// The date and time under a key, as it is written.
    pub(super) fn time(&self, key: &str) -> Option<Placed<toml::value::Datetime>> {
        let (value, span) = self.value(key)?;
        value.as_datetime().map(|value| Placed { value: *value, span })
    }

    /// The string under a key, read; a fault is noted at its place.
    pub(super) fn read<T>(
        &self,
        key: &str,
        notes: &mut Notes,
        read: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<Placed<T>> {
        let Placed { value, span } = self.text(key)?;
        match read(value) {
            Ok(value) => Some(Placed { value, span }),
            Err(fault) => {
                notes.error(span, fault.about(key));
                None
            }
        }
    }

    /// The strings of an array, each read; those at fault are noted and left out.
    pub(super) fn read_all<T>(
        &self,
        key: &str,
        notes: &mut Notes,
        mut read: impl FnMut(&str) -> Result<T, Fault>,
    ) -> Option<Vec<Placed<T>>> {
        let (value, _) = self.value(key)?;
        let mut all = Vec::new();
        for item in value.as_array()? {
            let span = self.place(item);
            let Some(text) = item.get_ref().as_str() else { continue };
            match read(text) {
                Ok(value) => all.push(Placed { value, span }),
                Err(fault) => notes.error(span, fault.about(key)),
            }
        }
        Some(all)
    }

    /// The number under a key, above `above` and at most `most`.
    pub(super) fn number(&self, key: &str, notes: &mut Notes, above: f64, most: f64) -> Option<f64> {
        let (value, span) = self.value(key)?;
        let written = match (value.as_float(), value.as_integer()) {
            (Some(float), _) => float.as_str().parse::<f64>().ok(),
            (None, Some(integer)) => {
                i128::from_str_radix(integer.as_str(), integer.radix()).ok().and_then(as_f64)
            }
            (None, None) => return None,
        };
        let read = written.filter(|number| number.is_finite() && *number > above && *number <= most);
        if read.is_none() {
            notes.error(span, Fault::new(format!("must be more than {above} and at most {most}")).about(key));
        }
        read
    }

    /// The integer under a key, from `least` to `most`.
    pub(super) fn integer(&self, key: &str, notes: &mut Notes, least: u32, most: u32) -> Option<u32> {
        let (value, span) = self.value(key)?;
        let integer = value.as_integer()?;
        let read = u32::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .filter(|number| (least..=most).contains(number));
        if read.is_none() {
            notes.error(span, Fault::new(format!("must be between {least} and {most}")).about(key));
        }
        read
    }

    /// The boolean under a key.
    pub(super) fn flag(&self, key: &str) -> Option<Placed<bool>> {
        let (value, span) = self.value(key)?;
        value.as_bool().map(|value| Placed { value, span })
    }
}

/// A number that is small enough to be one of ours; greater ones are out of range anyway.
fn as_f64(integer: i128) -> Option<f64> {
    i32::try_from(integer).ok().map(f64::from)
}
