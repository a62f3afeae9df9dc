//! The event file: JSON lines, each event once.
//!
//! # Guarantees
//! Exactly once, in the order of `seq`: a batch is in the file and on the disk before it is answered for, or not in it at
//! all; and at the start the file itself says up to where it has everything, so that a crash between the write and the
//! store's note of it repeats nothing. Only a rotation in just that moment does, since the file that could say so is
//! under another name then.
//!
//! A file that does not end like ours is refused rather than cut: the path may be a mistake.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Line, Sink, SinkError};

/// Phone numbers are nobody else's business.
const FILE_MODE: u32 = 0o600;

/// Bytes that are read at once when the end of the file is searched for: the longest line to be expected.
const BLOCK: u64 = 64 * 1024;

/// The longest line that is searched for. A file whose last line is longer is not ours, and is not read whole to find
/// that out.
const LINE_MAX: u64 = 16 * BLOCK;

/// What every line begins with; a torn line is cut only if it does.
const BEGINNING: &[u8] = b"{\"schema\":";

/// The event file.
#[derive(Debug)]
pub struct FileSink {
    path: PathBuf,
    /// The open file; `None` before the start, and where opening it again failed.
    open: Option<Appender>,
}

impl FileSink {
    /// A sink that appends to the file at `path`, which is made at the start if it is not there.
    pub fn new(path: PathBuf) -> Self {
        Self { path, open: None }
    }
}

impl Sink for FileSink {
    fn name(&self) -> &'static str {
        "file"
    }

    async fn start(&mut self) -> Result<Option<Line>, SinkError> {
        let path = self.path.clone();
        let (appender, last) = blocking(move || Appender::open(&path)).await?;
        self.open = Some(appender);
        Ok(last)
    }

    async fn deliver(&mut self, batch: &[Line]) -> Result<(), SinkError> {
        let mut lines = String::with_capacity(batch.iter().map(|line| line.json.len() + 1).sum());
        for line in batch {
            lines.push_str(&line.json);
            lines.push('\n');
        }
        let path = self.path.clone();
        let open = self.open.take();
        let (appender, outcome) = blocking(move || {
            let mut appender = match open {
                Some(appender) if appender.is_at(&path) => appender,
                Some(_) | None => Appender::open(&path)?.0,
            };
            let outcome = appender.append(lines.as_bytes());
            Ok((appender, outcome))
        })
        .await?;
        self.open = Some(appender);
        outcome.map_err(SinkError::Failing)
    }
}

/// Runs what blocks on a thread of its own. Dropped half-way it still ends, and what it tore is cut at the next start.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SinkError> + Send + 'static,
) -> Result<T, SinkError> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|join| Err(SinkError::Failing(io::Error::other(join))))
}

/// An open event file that ends with a whole line.
#[derive(Debug)]
struct Appender {
    file: File,
    /// Its length to the end of the last batch, if what came after it could not be cut off.
    cut_to: Option<u64>,
}

impl Appender {
    /// Opens or makes the file, cuts a torn last line, and reads the last whole one.
    fn open(path: &Path) -> Result<(Self, Option<Line>), SinkError> {
        let file = open_file(path).map_err(|error| at_open(path, error))?;
        let metadata = file.metadata().map_err(|error| at_open(path, error))?;
        if !metadata.is_file() {
            return Err(not_ours(path, "it is not a file"));
        }
        let last = last_event(&file, metadata.len(), path)?;
        Ok((Self { file, cut_to: None }, last))
    }

    /// Whether the file is still the one at `path`: rotation moves it away.
    fn is_at(&self, path: &Path) -> bool {
        match (self.file.metadata(), fs::metadata(path)) {
            (Ok(open), Ok(there)) => open.ino() == there.ino() && open.dev() == there.dev(),
            _ => false,
        }
    }

    /// Appends whole lines and waits for the disk; after an error the file is as it was.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if let Some(length) = self.cut_to {
            self.file.set_len(length)?;
            self.cut_to = None;
        }
        // Asked each time: `copytruncate` of logrotate makes it shorter under our hands.
        let length = self.file.metadata()?.len();
        if !ends_a_line(&self.file, length)? {
            // Cut inside a line, by somebody else: what is left of it must not take the next event with it.
            self.file.write_all(b"\n")?;
            tracing::warn!("the event file was cut inside a line while it was in use");
        }
        let written = self.file.write_all(lines).and_then(|()| self.file.sync_data());
        if written.is_err() && self.file.set_len(length).is_err() {
            self.cut_to = Some(length);
        }
        written
    }
}

fn ends_a_line(file: &File, length: u64) -> io::Result<bool> {
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    Ok(last == [b'\n'])
}

fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(FILE_MODE);
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            // Else a power cut could take away the file, and what the store counts as delivered with it.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all())?;
            Ok(file)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}

/// What people have to mend is told from what may pass.
fn at_open(path: &Path, error: io::Error) -> SinkError {
    let for_people = matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::ReadOnlyFilesystem
    );
    if for_people {
        let detail = format!("the event file {} cannot be opened: {error}", path.display());
        SinkError::Unusable { detail }
    } else {
        SinkError::Failing(error)
    }
}

fn not_ours(path: &Path, why: &str) -> SinkError {
    SinkError::Unusable {
        detail: format!(
            "{} is not an event file of claimwatch: {why}; move it away or name another in [events.file]",
            path.display()
        ),
    }
}

/// The last whole line; cuts what is after it.
fn last_event(file: &File, length: u64, path: &Path) -> Result<Option<Line>, SinkError> {
    let tail = Tail::read(file, length).map_err(SinkError::Failing)?;
    let Some(tail) = tail else { return Err(not_ours(path, "its last line is too long")) };
    if !tail.torn.is_empty() {
        let ours = tail.torn.starts_with(BEGINNING)
            || BEGINNING.starts_with(&tail.torn)
            // Blocks that a power cut left unwritten.
            || tail.torn.iter().all(|byte| *byte == 0);
        if !ours {
            return Err(not_ours(path, "it does not end with an event"));
        }
    }
    let last = match &tail.last {
        None => None,
        Some(line) => match serde_json::from_slice::<Place>(line) {
            Ok(Place { seq }) => Some(Line { seq, json: String::from_utf8_lossy(line).into_owned() }),
            Err(_) => return Err(not_ours(path, "its last line is not an event")),
        },
    };
    if !tail.torn.is_empty() {
        let whole = length - tail.torn.len() as u64;
        file.set_len(whole).and_then(|()| file.sync_data()).map_err(SinkError::Failing)?;
        tracing::warn!(path = %path.display(), bytes = tail.torn.len(), "a torn line was cut off the event file");
    }
    Ok(last)
}

/// The part of a record that the file is asked for.
#[derive(Deserialize)]
struct Place {
    seq: u64,
}

/// The end of the file.
struct Tail {
    /// The last whole line, without its end.
    last: Option<Vec<u8>>,
    /// What is after it.
    torn: Vec<u8>,
}

impl Tail {
    /// Reads backwards until a whole line is found; `None` if that is longer than any of ours.
    fn read(file: &File, length: u64) -> io::Result<Option<Self>> {
        let mut read: Vec<u8> = Vec::new();
        let mut from = length;
        loop {
            let ends: Vec<usize> = read
                .iter()
                .enumerate()
                .rev()
                .filter(|(_, b)| **b == b'\n')
                .map(|(at, _)| at)
                .take(2)
                .collect();
            let begin = match (ends.get(1), from) {
                (Some(before), _) => Some(before + 1),
                (None, 0) => Some(0),
                (None, _) => None,
            };
            match (ends.first(), begin) {
                (Some(end), Some(begin)) => {
                    let last = Some(read[begin..*end].to_vec());
                    return Ok(Some(Self { last, torn: read[end + 1..].to_vec() }));
                }
                (None, Some(_)) => return Ok(Some(Self { last: None, torn: read })),
                // A whole line and a torn one may both have to be read.
                (_, None) if length - from >= 2 * LINE_MAX => return Ok(None),
                (_, None) => {}
            }
            let size = from.min(BLOCK);
            from -= size;
            let mut block = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
            file.read_exact_at(&mut block, from)?;
            block.append(&mut read);
            read = block;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_cut_off_at_once_is_cut_off_before_the_next_batch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        fs::write(&path, "whole\n").unwrap();
        // A handle that can neither write nor cut.
        let mut appender = Appender { file: File::open(&path).unwrap(), cut_to: None };
        assert!(appender.append(b"next\n").is_err());
        assert_eq!(appender.cut_to, Some(6));
        fs::write(&path, "whole\nne").unwrap();
        appender.file = open_file(&path).unwrap();
        appender.append(b"next\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole\nnext\n");
    }
}
