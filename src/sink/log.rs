//! The log: a line an event on standard output, for the journal, a container's log driver, or a person.
//!
//! # Guarantees
//! At least once: a batch counts as delivered when it was flushed, so that a crash between the flush and the store's
//! note of it repeats that batch, and so does a write that failed half-way. `seq` and `id` tell a repetition. A line that an
//! earlier process tore is ended first.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use tokio::io::{AsyncWrite, AsyncWriteExt as _, Stdout};

use super::text;
use super::{Line, Sink, SinkError};
use crate::core::record::Record;

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The record as JSON.
    Json,
    /// A line for people.
    Text {
        /// Whether it is coloured.
        colour: bool,
    },
}

/// The log.
#[derive(Debug)]
pub struct LogSink<W> {
    out: W,
    format: Format,
    /// Whether the last write may have ended inside a line.
    torn: bool,
}

impl LogSink<Stdout> {
    /// The log on standard output.
    pub fn stdout(format: Format) -> Self {
        Self { torn: ends_torn(Path::new(STDOUT)), ..Self::new(tokio::io::stdout(), format) }
    }
}

/// Standard output, as what is open there.
pub const STDOUT: &str = "/proc/self/fd/1";
/// Standard error, as what is open there.
pub const STDERR: &str = "/proc/self/fd/2";

/// Whether a file ends inside a line: a process that was killed wrote to it before. Of what is not a file, each process has
/// a stream of its own.
fn ends_torn(path: &Path) -> bool {
    let last = || -> io::Result<Option<u8>> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if !about.is_file() || about.len() == 0 {
            return Ok(None);
        }
        let mut last = [0];
        file.read_exact_at(&mut last, about.len() - 1)?;
        Ok(Some(last[0]))
    };
    // One that cannot be read is taken for whole: a line is then lost, where otherwise there would be an empty one.
    last().is_ok_and(|last| last.is_some_and(|byte| byte != b'\n'))
}

impl<W: AsyncWrite + Unpin + Send> LogSink<W> {
    /// A log on `out`.
    pub fn new(out: W, format: Format) -> Self {
        Self { out, format, torn: false }
    }

    /// What it writes to.
    #[cfg(test)]
    pub(super) fn into_inner(self) -> W {
        self.out
    }

    fn render(&self, batch: &[Line]) -> String {
        let mut lines = String::with_capacity(batch.iter().map(|line| line.json.len() + 1).sum());
        if self.torn {
            // What is left of a line stays on a line of its own, so that the whole one after it can be read.
            lines.push('\n');
        }
        for line in batch {
            match self.format {
                Format::Json => lines.push_str(&line.json),
                Format::Text { colour } => match serde_json::from_str::<Record>(&line.json) {
                    Ok(record) => lines.push_str(&text::render(&record, colour)),
                    Err(_) => lines.push_str(&line.json),
                },
            }
            lines.push('\n');
        }
        lines
    }

    async fn write(&mut self, lines: &str) -> io::Result<()> {
        self.out.write_all(lines.as_bytes()).await?;
        self.out.flush().await
    }
}

impl<W: AsyncWrite + Unpin + Send> Sink for LogSink<W> {
    fn name(&self) -> &'static str {
        "log"
    }

    async fn start(&mut self) -> Result<Option<Line>, SinkError> {
        Ok(None)
    }

    async fn deliver(&mut self, batch: &[Line]) -> Result<(), SinkError> {
        let lines = self.render(batch);
        self.torn = true;
        self.write(&lines).await.map_err(SinkError::Failing)?;
        self.torn = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_another_process_tore_is_ended_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for (text, torn) in [("", false), ("whole\n", false), ("whole\nto", true)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(ends_torn(&path), torn, "{text:?}");
        }
        assert!(!ends_torn(folder.path()) && !ends_torn(&folder.path().join("none")));
        assert!(!ends_torn(Path::new("/dev/null")), "not a file");
    }
}
