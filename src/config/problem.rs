//! What is wrong, and where: collected while reading, told at the end.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::render;
use super::text::{Lines, Span, Text, TextId, Texts};

/// So many problems of one file are told in full; the rest is counted. A generated list of a million entries with one
/// mistake in its template must not make a report of a gigabyte.
const SHOWN_PER_FILE: usize = 100;
/// A line longer than this is not shown: the report is for a terminal, and a list on one line may have megabytes.
const LONGEST_SHOWN_LINE: usize = 2_000;

/// A message or a help longer than this, in bytes, repeats a value that nobody would read to its end.
const LONGEST_MESSAGE: usize = 400;

/// How much a problem weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file cannot be used as it is.
    Error,
    /// Something to know; the file is used.
    Warning,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone)]
pub struct Problem {
    /// How much it weighs.
    pub severity: Severity,
    /// The file; for a variable, `environment variable` and its name.
    pub file: PathBuf,
    /// The line, from 1; `None` for a problem of the file as a whole.
    pub line: Option<u32>,
    /// The column, from 1, in characters.
    pub column: Option<u32>,
    /// What is wrong: a lower-case sentence without its full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    pub(super) shown: Vec<Shown>,
}

impl Problem {
    /// All of it on one line.
    pub fn line(&self) -> String {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let place = [self.line, self.column].into_iter().flatten();
        let place = place.fold(self.file.display().to_string(), |place, at| format!("{place}:{at}"));
        let help = self.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        let line = format!("{severity}: {place}: {}{help}", self.message);
        // A file's name may hold the end of a line.
        render::printable(&line).replace('\n', "\u{240a}")
    }
}

/// A piece of a file under a problem.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) file: PathBuf,
    pub(super) line: u32,
    pub(super) column: u32,
    /// The whole lines that are shown, and the bytes of them that are meant; `None` where they are too long.
    pub(super) excerpt: Option<(String, std::ops::Range<usize>)>,
    pub(super) label: Option<String>,
}

/// All problems of a configuration, in the order of the files.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    list: Vec<Problem>,
    errors: usize,
    warnings: usize,
    untold: BTreeMap<PathBuf, usize>,
}

impl Problems {
    /// How many errors there are, told or not.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// How many warnings there are, told or not.
    pub fn warnings(&self) -> usize {
        self.warnings
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.errors + self.warnings == 0
    }

    /// The problems that are told: at most a hundred of each file.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// The first error of a file: what `config.rejected` says of it.
    pub fn first_error_of(&self, file: &Path) -> Option<&Problem> {
        self.list.iter().find(|problem| problem.severity == Severity::Error && problem.file == file)
    }

    /// The report for people: every problem with its line and a caret, and a last line that counts them. Empty where
    /// there is no problem. `color` adds ANSI escapes.
    pub fn render(&self, color: bool) -> String {
        render::report(self, &self.untold, color)
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// What a reader finds wrong with a value: the words, the place comes from where the value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// The same with the key in front: a message must make sense without its line.
    pub(super) fn about(mut self, key: &str) -> Self {
        self.message = format!("{key}: {}", self.message);
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A fault at its place.
#[derive(Debug)]
struct Note {
    severity: Severity,
    span: Span,
    fault: Fault,
    label: Option<String>,
    also: Vec<(Span, String)>,
}

/// Collects faults while reading.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) texts: Texts,
    collected: Vec<Note>,
    /// The same value is read once as part of its file and once as part of the merged whole.
    seen: HashSet<(Span, String)>,
    errors_by_text: BTreeMap<TextId, usize>,
    told_by_text: BTreeMap<TextId, usize>,
    errors: usize,
    warnings: usize,
    untold: BTreeMap<PathBuf, usize>,
}

impl Notes {
    pub(super) fn error(&mut self, span: Span, fault: Fault) {
        self.push(Severity::Error, span, fault, None, Vec::new());
    }

    pub(super) fn warning(&mut self, span: Span, fault: Fault) {
        self.push(Severity::Warning, span, fault, None, Vec::new());
    }

    /// An error that concerns two places: the label is for the place itself, `also` for the other one.
    pub(super) fn error_with(&mut self, span: Span, fault: Fault, label: Option<&str>, also: (Span, String)) {
        self.push(Severity::Error, span, fault, label.map(str::to_owned), vec![also]);
    }

    fn push(
        &mut self,
        severity: Severity,
        span: Span,
        mut fault: Fault,
        label: Option<String>,
        also: Vec<(Span, String)>,
    ) {
        shorten(&mut fault.message);
        fault.help.as_mut().map(shorten);
        if !self.seen.insert((span, fault.message.clone())) {
            return;
        }
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
        if let Some(id) = self.texts.id_of(span) {
            if severity == Severity::Error {
                *self.errors_by_text.entry(id).or_default() += 1;
            }
            let told = self.told_by_text.entry(id).or_default();
            if *told == SHOWN_PER_FILE {
                *self.untold.entry(self.texts.get(id).name.clone()).or_default() += 1;
                return;
            }
            *told += 1;
        }
        self.collected.push(Note { severity, span, fault, label, also });
    }

    /// How many errors there are so far.
    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    /// Whether an error was found in a text.
    pub(super) fn has_errors(&self, id: TextId) -> bool {
        self.errors_by_text.contains_key(&id)
    }

    /// Ends the collection: every problem keeps the lines it needs, the texts go.
    pub(super) fn finish(mut self) -> Problems {
        self.collected.sort_by_key(|note| note.span.start);
        let mut told = Vec::with_capacity(self.collected.len());
        let mut lines: BTreeMap<TextId, Lines<'_>> = BTreeMap::new();
        for note in self.collected {
            let places = std::iter::once((note.span, note.label))
                .chain(note.also.into_iter().map(|(s, l)| (s, Some(l))));
            let shown: Vec<Shown> =
                places.filter_map(|(span, label)| show(&self.texts, &mut lines, span, label)).collect();
            let place = self.texts.of(note.span);
            let own = place.is_some_and(|text| text.whole() != note.span).then(|| shown.first()).flatten();
            told.push(Problem {
                severity: note.severity,
                file: place.map(|text| text.name.clone()).unwrap_or_default(),
                line: own.map(|shown| shown.line),
                column: own.map(|shown| shown.column),
                message: note.fault.message,
                help: note.fault.help,
                shown,
            });
        }
        Problems { list: told, errors: self.errors, warnings: self.warnings, untold: self.untold }
    }
}

fn show<'t>(
    texts: &'t Texts,
    lines: &mut BTreeMap<TextId, Lines<'t>>,
    span: Span,
    label: Option<String>,
) -> Option<Shown> {
    let id = texts.id_of(span)?;
    let text: &Text = texts.get(id);
    if span == text.whole() {
        return None;
    }
    let lines = lines.entry(id).or_insert_with(|| Lines::of(&text.content));
    let start = floor(&text.content, span.start - text.base());
    let line = lines.line(start);
    let (from, to) = (lines.start_of(line), lines.end_of(line));
    let end = floor(&text.content, span.end.saturating_sub(text.base())).clamp(start.min(to), to);
    let excerpt = (to - from <= LONGEST_SHOWN_LINE)
        .then(|| (render::masked(&text.content[from..to]), (start.min(to) - from)..(end - from)));
    Some(Shown { file: text.name.clone(), line, column: lines.column(start), excerpt, label })
}

/// Cuts a message that repeats an endless value.
fn shorten(message: &mut String) {
    if message.len() > LONGEST_MESSAGE {
        message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
        message.push('…');
    }
}

/// The nearest place at or before `offset` that is between two characters.
fn floor(text: &str, offset: usize) -> usize {
    text.floor_char_boundary(offset.min(text.len()))
}
