//! The texts that were read, and places in them.
//!
//! All texts lie end to end in one coordinate, so that a place is two numbers wherever it is carried: through the
//! merge of the layers, and from one file to another for "first listed here".

use std::path::PathBuf;
use std::sync::Arc;

/// A range of bytes in the one coordinate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Where the places of built-in defaults begin: behind every text that was read.
pub(super) const BUILT_IN: usize = usize::MAX / 2;

impl Span {
    /// Whether a person wrote what is there, so that a problem can point at it.
    pub(super) fn is_written(self) -> bool {
        self.start < BUILT_IN
    }

    /// The place of something that `toml` read in a text that begins at `base`.
    pub(super) fn at(base: usize, range: &std::ops::Range<usize>) -> Self {
        Self { start: base + range.start, end: base + range.end }
    }
}

/// Which text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TextId(usize);

/// A text, and where it came from.
#[derive(Debug)]
pub(super) struct Text {
    /// The file; for a variable of the environment, or a built-in default, a name that says so.
    pub(super) name: PathBuf,
    /// What it says, without a byte order mark.
    pub(super) content: Arc<str>,
    base: usize,
}

impl Text {
    /// The place of the whole text: of a problem that concerns no line of it.
    pub(super) fn whole(&self) -> Span {
        Span { start: self.base, end: self.base + self.content.len() + 1 }
    }

    /// Where its first byte is in the one coordinate.
    pub(super) fn base(&self) -> usize {
        self.base
    }
}

/// All texts.
#[derive(Debug, Default)]
pub(super) struct Texts {
    all: Vec<Text>,
    end: usize,
}

impl Texts {
    /// Adds a text behind the others.
    pub(super) fn add(&mut self, name: PathBuf, text: &str) -> TextId {
        let content: Arc<str> = Arc::from(text.strip_prefix('\u{feff}').unwrap_or(text));
        let base = self.end;
        // The place after the last byte belongs to its text too, and the one after that to none but the whole.
        self.end = base + content.len() + 2;
        self.all.push(Text { name, content, base });
        TextId(self.all.len() - 1)
    }

    /// A text by its id.
    pub(super) fn get(&self, id: TextId) -> &Text {
        &self.all[id.0]
    }

    /// The text that a place lies in.
    pub(super) fn of(&self, span: Span) -> Option<&Text> {
        self.id_of(span).map(|id| self.get(id))
    }

    /// The id of the text that a place lies in.
    pub(super) fn id_of(&self, span: Span) -> Option<TextId> {
        if !span.is_written() {
            return None;
        }
        let after = self.all.partition_point(|text| text.base <= span.start);
        after.checked_sub(1).map(TextId)
    }
}

/// Counts lines and columns in one text.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// Finds where the lines of a text begin.
    pub(super) fn of(text: &'t str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(newlines).collect() }
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, offset: usize) -> u32 {
        let line = self.starts.partition_point(|start| *start <= offset);
        u32::try_from(line).unwrap_or(u32::MAX)
    }

    /// The column of a byte in its line, from 1, in characters.
    pub(super) fn column(&self, offset: usize) -> u32 {
        let start = self.start_of(self.line(offset));
        let before = self.text.get(start..offset).map_or(offset - start, |text| text.chars().count());
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }

    /// Where a line begins.
    pub(super) fn start_of(&self, line: u32) -> usize {
        let index = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
        self.starts.get(index).copied().unwrap_or(self.text.len())
    }

    /// Where a line ends, its line break left out.
    pub(super) fn end_of(&self, line: u32) -> usize {
        let next = usize::try_from(line).ok().and_then(|index| self.starts.get(index));
        let end = next.map_or(self.text.len(), |next| next - 1);
        if self.text.as_bytes()[self.start_of(line)..end].last() == Some(&b'\r') { end - 1 } else { end }
    }
}
