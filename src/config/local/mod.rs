//! Puts entries into a watch list that people write too, and takes them out again.
//!
//! A list is never written anew. It is read to learn where everything stands, then lines are put in or cut out: what
//! nobody asked to change keeps every byte, whatever it looks like.
//!
//! # What belongs to an entry
//! Its header and its keys, the comments between them, and the comments directly above the header and directly below
//! the last key, without a blank line between. Comments with no blank line to either neighbour are those of the lower
//! one. The comment that a file begins with is the file's own.
//!
//! # Guarantees
//! - Of a list with an account, [`without`] what [`with`] has put in is the list as it was, byte by byte. (An order and a
//!   number with one and the same id can only be taken out by the number's ARN.)
//! - What comes out can be parsed, and holds exactly the entries that it should.
//! - The ends of lines are those of the text's last one, a byte order mark stays, and a text whose last line has no
//!   end is one afterwards.

mod replace;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::ops::Range;

use thiserror::Error;
use toml_edit::{Datetime, Document, Item, Key, RawString, Table, Value};

pub use replace::replace;

use super::text::Lines;
use super::value::{number_arn, uuid};

/// What a new list begins with.
const HEADER: &str =
    "# Written by `claimwatch track` and `claimwatch untrack`. What you add or change yourself is kept.";
const MARK: char = '\u{feff}';

const NO_ACCOUNT: &str = "the list names no account: add account = \"…\" above everything else";
const NO_NAME: &str = "the account's name is a string: account = \"…\"";
const NO_ARRAY: &str = "orders stand under [[order]], numbers under [[number]], in double brackets";
const INLINE: &str =
    "entries in one array cannot be edited: write each under a header of its own, [[order]] or [[number]]";
const NESTED: &str = "the entry has tables of its own, which no entry has: take them out first";

/// What is to be watched. It is written as it stands here: whether the id is one, the number is in E.164 and the label
/// is short enough is for the caller to check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// What it is.
    pub kind: Kind,
    /// The id; of a number, its ARN too.
    pub id: String,
    /// When it was asked for, in RFC 3339. Written as a date and time of TOML.
    pub requested_at: Option<String>,
    /// A name for people.
    pub label: Option<String>,
}

/// The two kinds of entries, with what only one of them has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// An Amazon Chime SDK Voice phone-number order: `[[order]]`.
    Order,
    /// An Amazon Connect phone number: `[[number]]`.
    Number {
        /// The number in E.164.
        number: Option<String>,
        /// What was asked for: `claim` or `update`.
        operation: Option<String>,
    },
}

/// A list from which an entry was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// The text of the list.
    pub text: String,
    /// How many entries are left in it.
    pub left: usize,
}

/// Why a list stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EditError {
    /// It cannot be parsed.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// The line, from 1.
        line: u32,
        /// The column, from 1, in characters.
        column: u32,
        /// What is wrong.
        message: String,
    },
    /// It can be parsed, but is no list, or not written in a way that can be edited. A person has to.
    #[error("line {line}: {why}")]
    NotAList {
        /// The line, from 1.
        line: u32,
        /// What is wrong, and what to do.
        why: &'static str,
    },
    /// It is a list of another account's orders.
    #[error("it is a list of the account {found:?}")]
    OtherAccount {
        /// The account that it names.
        found: String,
    },
    /// What is to be put in is in it.
    #[error("it is listed already, in line {line}")]
    AlreadyListed {
        /// The line of the entry, from 1.
        line: u32,
    },
    /// What is to be taken out is not in it.
    #[error("it is not listed")]
    NotListed,
    /// What is to be taken out is in it more than once: as one kind, which is a fault of the list, or as an order and
    /// as a number. A person has to say which is meant.
    #[error("it is listed more than once, in lines {first} and {second}")]
    ListedTwice {
        /// The line of the first entry, from 1.
        first: u32,
        /// The line of the second one.
        second: u32,
    },
    /// The time of what is to be put in is not one moment: no date and time of RFC 3339, or one without an offset.
    #[error("{text:?} is not a date and time with an offset, as in 2026-11-20T10:00:00Z")]
    NotAMoment {
        /// The time as it was given.
        text: String,
    },
}

/// The text of a list with an entry at its end.
///
/// A text that is empty or blank becomes a new list of the account, with a comment above; one that has comments only
/// keeps them, and gets the account and the entry below them. A blank line stands above the entry, in addition to those
/// that the text ends with.
pub fn with(text: &str, account: &str, entry: &NewEntry) -> Result<String, EditError> {
    let (mark, text) = split_mark(text);
    let document = parse(text)?;
    let list = List::of(text, &document)?;
    let named = list.account()?;
    if let Some(found) = named.filter(|found| *found != account) {
        return Err(EditError::OtherAccount { found: found.to_owned() });
    }
    let sort = entry.kind.sort();
    let id = bare(sort, &entry.id);
    if let Some(there) = list.entries.iter().find(|there| there.is(sort, &id)) {
        return Err(EditError::AlreadyListed { line: list.line(there.at()) });
    }
    if let Some(key) = list.inline(sort) {
        return Err(list.no_list(Some(key), INLINE));
    }
    let line_end = line_end(text);
    let entry = written(entry, line_end)?;
    let is_new = text.trim().is_empty();
    let mut out = if is_new { [mark, HEADER, line_end].concat() } else { [mark, text].concat() };
    let is_ended = out.ends_with('\n');
    let mut add = |lines: &str| {
        if !out.ends_with('\n') {
            out.push_str(line_end);
        }
        out.push_str(line_end);
        out.push_str(lines);
    };
    if named.is_none() {
        add(&pair("account", account));
    }
    add(&entry);
    if is_ended {
        out.push_str(line_end);
    }
    Ok(out)
}

/// The text of a list without the entry that has this id, and how many are left.
///
/// The ARN of a number is its id, and capital letters are small ones, as where lists are read. An id that cannot be one
/// names the entry in which it stands exactly so. Of the blank lines around the entry one goes with it, if there are some
/// on both sides or nothing but blank lines follows.
pub fn without(text: &str, id: &str) -> Result<Rest, EditError> {
    let (mark, text) = split_mark(text);
    let document = parse(text)?;
    let list = List::of(text, &document)?;
    let ids = [Sort::Order, Sort::Number].map(|sort| (sort, bare(sort, id)));
    let mut found = list.entries.iter().filter(|entry| ids.iter().any(|(sort, id)| entry.is(*sort, id)));
    let entry = found.next().ok_or(EditError::NotListed)?;
    if let Some(other) = found.next() {
        let (one, two) = (list.line(entry.at()), list.line(other.at()));
        return Err(EditError::ListedTwice { first: one.min(two), second: one.max(two) });
    }
    let table = match entry.place {
        Place::Headed(table) => table,
        Place::Inline(at) => return Err(list.no_list(Some(at..at), INLINE)),
    };
    let lines = list.lines_of(table).ok_or_else(|| list.no_list(table.span(), NESTED))?;
    let (before, after) = cut(text, lines);
    Ok(Rest { text: [mark, before, after].concat(), left: list.entries.len() - 1 })
}

impl Kind {
    fn sort(&self) -> Sort {
        match self {
            Self::Order => Sort::Order,
            Self::Number { .. } => Sort::Number,
        }
    }
}

/// A kind alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Order,
    Number,
}

impl Sort {
    /// The key that its entries stand under.
    fn key(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Number => "number",
        }
    }
}

/// The id that two ways to write it have in common. What is none is itself.
fn bare(sort: Sort, id: &str) -> String {
    let of_arn = match sort {
        Sort::Order => None,
        Sort::Number => number_arn(id).ok().map(|arn| arn.id),
    };
    of_arn.or_else(|| uuid(id)).unwrap_or_else(|| id.to_owned())
}

/// Where everything stands in a text.
struct List<'t> {
    text: &'t str,
    root: &'t Table,
    entries: Vec<Listed<'t>>,
}

/// An entry of a list.
struct Listed<'t> {
    sort: Sort,
    /// `None` where it has none, or one that is not a string: that is a fault, but an entry.
    id: Option<String>,
    place: Place<'t>,
}

/// Where an entry stands.
#[derive(Clone, Copy)]
enum Place<'t> {
    /// Under a header of its own.
    Headed(&'t Table),
    /// In an array on the right of a key, from this byte on.
    Inline(usize),
}

impl Listed<'_> {
    fn is(&self, sort: Sort, id: &str) -> bool {
        self.sort == sort && self.id.as_deref() == Some(id)
    }

    /// Its first byte.
    fn at(&self) -> usize {
        match self.place {
            Place::Headed(table) => table.span().map_or(0, |span| span.start),
            Place::Inline(at) => at,
        }
    }
}

impl<'t> List<'t> {
    fn of(text: &'t str, root: &'t Table) -> Result<Self, EditError> {
        let mut list = Self { text, root, entries: Vec::new() };
        for sort in [Sort::Order, Sort::Number] {
            list.add(sort)?;
        }
        Ok(list)
    }

    /// Adds the entries of a kind.
    fn add(&mut self, sort: Sort) -> Result<(), EditError> {
        let id_of = |id: Option<&str>| id.map(|id| bare(sort, id));
        match self.root.get(sort.key()) {
            None | Some(Item::None) => Ok(()),
            Some(Item::ArrayOfTables(tables)) => {
                self.entries.extend(tables.iter().map(|table| Listed {
                    sort,
                    id: id_of(table.get("id").and_then(Item::as_str)),
                    place: Place::Headed(table),
                }));
                Ok(())
            }
            Some(Item::Value(Value::Array(array))) => {
                for item in array {
                    let (Some(table), Some(span)) = (item.as_inline_table(), item.span()) else {
                        return Err(self.no_list(item.span(), NO_ARRAY));
                    };
                    let id = id_of(table.get("id").and_then(Value::as_str));
                    self.entries.push(Listed { sort, id, place: Place::Inline(span.start) });
                }
                Ok(())
            }
            Some(Item::Table(_) | Item::Value(_)) => Err(self.no_list(self.key(sort.key()), NO_ARRAY)),
        }
    }

    /// Where a key at the top first stands.
    fn key(&self, key: &str) -> Option<Range<usize>> {
        self.root.key(key).and_then(Key::span)
    }

    /// The account that it names; `None` where there is no key in it at all.
    fn account(&self) -> Result<Option<&'t str>, EditError> {
        match self.root.get("account") {
            Some(item) => item.as_str().map(Some).ok_or_else(|| self.no_list(self.key("account"), NO_NAME)),
            None if self.root.is_empty() => Ok(None),
            None => Err(self.no_list(None, NO_ACCOUNT)),
        }
    }

    /// Where the key of an array on one line, or several, stands: no header may repeat that key.
    fn inline(&self, sort: Sort) -> Option<Range<usize>> {
        self.root.get(sort.key())?.as_array().and(self.key(sort.key()))
    }

    fn line(&self, at: usize) -> u32 {
        Lines::of(self.text).line(at)
    }

    fn no_list(&self, at: Option<Range<usize>>, why: &'static str) -> EditError {
        EditError::NotAList { line: self.line(at.map_or(0, |at| at.start)), why }
    }

    /// The lines that belong to an entry; `None` if some may be anywhere, since it has tables of its own.
    fn lines_of(&self, table: &Table) -> Option<Range<usize>> {
        let header = table.span()?;
        // From behind the last line of what stands above to the header: comments and blank lines.
        let above =
            table.decor().prefix().and_then(RawString::span).map_or(header.start, |above| above.start);
        // A second byte order mark, which the parser takes too, can stand before the first line.
        let own = self.text[..header.start].rfind('\n').map_or(0, |end| end + 1).max(above);
        let comments: usize = split(&self.text[above..own]).rev().take_while(is_comment).map(str::len).sum();
        let start = if comments == own { own } else { own - comments };
        let last = end(table, header.end)?;
        let last = self.text[last..].find('\n').map_or(self.text.len(), |end| last + end + 1);
        let below: usize = split(&self.text[last..]).take_while(is_comment).map(str::len).sum();
        let next = split(&self.text[last + below..]).next();
        let end = if next.is_none_or(is_blank) { last + below } else { last };
        Some(start..end)
    }
}

/// Where the last key of a table ends, at least `least`; `None` if a table with a header is in it.
fn end(table: &Table, least: usize) -> Option<usize> {
    table.iter().try_fold(least, |least, (_, item)| match item {
        Item::None => Some(least),
        Item::Value(value) => value.span().map(|span| span.end.max(least)),
        Item::Table(table) if table.is_dotted() => end(table, least),
        Item::Table(_) | Item::ArrayOfTables(_) => None,
    })
}

/// What stays of a text when lines are cut out: what is before them and what is behind.
fn cut(text: &str, lines: Range<usize>) -> (&str, &str) {
    let (mut before, after) = (&text[..lines.start], &text[lines.end..]);
    let is_last = after.trim().is_empty();
    if let Some(blank) = split(before).next_back().filter(|line| is_blank(line))
        && (is_last || split(after).next().is_some_and(is_blank))
    {
        before = &before[..before.len() - blank.len()];
    }
    if lines.end == text.len() && !text.ends_with('\n') {
        before = before.strip_suffix('\n').map_or(before, |line| line.strip_suffix('\r').unwrap_or(line));
    }
    (before, after)
}

/// The lines of a text with their ends.
fn split(text: &str) -> std::str::SplitInclusive<'_, char> {
    text.split_inclusive('\n')
}

fn is_comment(line: &&str) -> bool {
    line.trim_start().starts_with('#')
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

/// How the last line of a text that has an end ends.
fn line_end(text: &str) -> &'static str {
    match text.rsplit_once('\n') {
        Some((line, _)) if line.ends_with('\r') => "\r\n",
        Some(_) | None => "\n",
    }
}

/// A text's byte order mark, if it has one, and what is behind it.
fn split_mark(text: &str) -> (&str, &str) {
    text.split_at(if text.starts_with(MARK) { MARK.len_utf8() } else { 0 })
}

fn parse(text: &str) -> Result<Document<&str>, EditError> {
    Document::parse(text).map_err(|error| {
        let (lines, at) = (Lines::of(text), error.span().map_or(0, |span| span.start));
        EditError::Syntax {
            line: lines.line(at),
            column: lines.column(at),
            message: error.message().to_owned(),
        }
    })
}

/// An entry as it is written, without the end of its last line.
fn written(entry: &NewEntry, line_end: &str) -> Result<String, EditError> {
    let mut lines = vec![format!("[[{}]]", entry.kind.sort().key()), pair("id", &entry.id)];
    if let Kind::Number { number, operation } = &entry.kind {
        lines.extend(number.as_ref().map(|number| pair("number", number)));
        lines.extend(operation.as_ref().map(|operation| pair("operation", operation)));
    }
    if let Some(text) = &entry.requested_at {
        let has_seconds = |at: &Datetime| at.time.is_some_and(|time| time.second.is_some());
        let is_moment = |at: &Datetime| at.date.is_some() && has_seconds(at) && at.offset.is_some();
        let moment = text.parse().ok().filter(is_moment);
        lines.push(pair("requested_at", moment.ok_or_else(|| EditError::NotAMoment { text: text.clone() })?));
    }
    lines.extend(entry.label.as_ref().map(|label| pair("label", label)));
    Ok(lines.join(line_end))
}

/// A key and its value on one line; on several, if the value is a string of several.
fn pair(key: &str, value: impl Into<Value>) -> String {
    format!("{key} = {}", value.into())
}
