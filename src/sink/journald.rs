//! The journal: an entry an event, in journald's own protocol, so that each key of the record is a field to search by.
//!
//! # Guarantees
//! At least once and in order, as on the log's other ways out. What the journal does not take goes to standard error as a
//! line of JSON, and counts as delivered once it is there. A journal that takes its time is waited for.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::io::AsyncWrite;
use tokio::net::UnixDatagram;

use super::log::{Format, LogSink};
use super::{Line, Sink, SinkError, text};
use crate::core::event::Level;
use crate::core::order::Stream;
use crate::core::record::Record;

/// Where journald takes entries. Source: systemd's "Native Journal Protocol".
pub const SOCKET: &str = "/run/systemd/journal/socket";
/// How long the journal may take for one entry: one that is started anew is back within a second or two.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the entries are found by with `journalctl --identifier`.
const IDENTIFIER: &str = "claimwatch";
/// Before the key of a record, in capitals, where it is a field.
const PREFIX: &str = "CLAIMWATCH_";

/// The `MESSAGE_ID` of an event by its name: the same in every version, and the key of its entry in the message catalog.
pub fn message_id(event: &str) -> String {
    Stream::of(&["event", event]).to_string()
}

/// Whether what is open at `path` is the stream that the service manager connected to the journal; `stream` is the value of
/// `JOURNAL_STREAM`, device and inode. Source: systemd.exec(5).
pub fn is_journal(stream: &str, path: &str) -> bool {
    let is = |about: std::fs::Metadata| format!("{}:{}", about.dev(), about.ino()) == stream;
    std::fs::metadata(path).is_ok_and(is)
}

/// The log, where it is the journal.
#[derive(Debug)]
pub struct JournalSink<W> {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    /// Where goes what the journal does not take.
    instead: LogSink<W>,
    /// Whether the last event went there.
    astray: bool,
    /// The last event that is out: a batch that failed half-way comes again as a whole.
    through: u64,
}

impl<W: AsyncWrite + Unpin + Send> JournalSink<W> {
    /// The journal that listens at `path`; what it does not take is written to `instead`.
    pub fn new(path: &Path, instead: W) -> Self {
        Self {
            path: path.to_owned(),
            socket: None,
            instead: LogSink::new(instead, Format::Json),
            astray: false,
            through: 0,
        }
    }

    /// Sends an entry. A connection that fails may be to a journal that is gone, and a new one to the next.
    async fn send(&mut self, entry: &[u8]) -> io::Result<()> {
        if let Some(socket) = self.socket.take()
            && socket.send(entry).await.is_ok()
        {
            self.socket = Some(socket);
            return Ok(());
        }
        let socket = UnixDatagram::unbound()?;
        socket.connect(&self.path)?;
        socket.send(entry).await?;
        self.socket = Some(socket);
        Ok(())
    }
}

impl<W: AsyncWrite + Unpin + Send> Sink for JournalSink<W> {
    fn name(&self) -> &'static str {
        "log"
    }

    async fn start(&mut self) -> Result<Option<Line>, SinkError> {
        Ok(None)
    }

    async fn deliver(&mut self, batch: &[Line]) -> Result<(), SinkError> {
        let through = self.through;
        for line in batch.iter().filter(|line| line.seq > through) {
            let Ok(sent) = tokio::time::timeout(PATIENCE, self.send(&entry(line))).await else {
                // Standard error leads to the same journal.
                let why = format!("the journal has taken nothing for {} s", PATIENCE.as_secs());
                return Err(SinkError::Failing(io::Error::new(io::ErrorKind::TimedOut, why)));
            };
            match sent {
                Ok(()) => {
                    if std::mem::take(&mut self.astray) {
                        tracing::info!("events go to the journal again");
                    }
                }
                Err(cause) => {
                    if !std::mem::replace(&mut self.astray, true) {
                        tracing::warn!(%cause, "the journal does not take events: they go to standard error");
                    }
                    self.instead.deliver(std::slice::from_ref(line)).await?;
                }
            }
            self.through = line.seq;
        }
        Ok(())
    }
}

/// The entry of an event: what journald knows itself, then the record's keys as they are.
fn entry(line: &Line) -> Vec<u8> {
    let mut entry = Vec::with_capacity(2 * line.json.len() + 512);
    put(&mut entry, "SYSLOG_IDENTIFIER", IDENTIFIER);
    match serde_json::from_str::<Record>(&line.json) {
        Ok(record) => {
            put(&mut entry, "MESSAGE", &text::untimed(&record));
            put(&mut entry, "MESSAGE_ID", &message_id(&record.event));
            put(&mut entry, "PRIORITY", priority(&record.level));
        }
        Err(_) => put(&mut entry, "MESSAGE", &line.json),
    }
    for (key, value) in serde_json::from_str::<Map<String, Value>>(&line.json).unwrap_or_default() {
        let name = format!("{PREFIX}{}", key.to_ascii_uppercase());
        match value {
            Value::String(text) => put(&mut entry, &name, &text),
            Value::Null => {}
            other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                put(&mut entry, &name, &other.to_string());
            }
        }
    }
    entry
}

/// Adds a field. A value of several lines is sent with its length before it.
fn put(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

/// The priority of syslog(3) for a record's level.
fn priority(level: &str) -> &'static str {
    match Level::parse(level) {
        Some(Level::Error) => "3",
        Some(Level::Warn) => "4",
        Some(Level::Info) | None => "6",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::core::record::KEYS;

    /// An entry as journald reads it.
    fn read(entry: &[u8]) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        let mut rest = entry;
        while !rest.is_empty() {
            let end = rest.iter().position(|b| *b == b'\n').unwrap();
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            let (name, value) = if let Some(at) = line.iter().position(|b| *b == b'=') {
                rest = after;
                (&line[..at], &line[at + 1..])
            } else {
                let (length, after) = after.split_at(8);
                let length = usize::try_from(u64::from_le_bytes(length.try_into().unwrap())).unwrap();
                assert_eq!(after[length], b'\n');
                rest = &after[length + 1..];
                (line, &after[..length])
            };
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            assert!(fields.insert(text(name), text(value)).is_none(), "each field once");
        }
        fields
    }

    fn line(seq: u64, json: &str) -> Line {
        Line { seq, json: json.to_owned() }
    }

    fn event(seq: u64, level: &str) -> Line {
        let json = format!(
            r#"{{"schema":1,"level":"{level}","event":"number.failed","id":"a-1-0","seq":{seq},"order_id":"0c1f3b6e-7d2a","reason":"no\nroom = none","rate":1.5,"label_team":"voice","message":"the claim failed"}}"#
        );
        line(seq, &json)
    }

    /// Five hundred entries come, each once and in order.
    async fn read_all(journal: &UnixDatagram) {
        let mut buffer = vec![0; 65_536];
        for seq in 1..=500 {
            let length = journal.recv(&mut buffer).await.unwrap();
            assert_eq!(read(&buffer[..length])["CLAIMWATCH_SEQ"], seq.to_string());
        }
    }

    #[test]
    fn every_key_is_a_field() {
        let fields = read(&entry(&event(7, "error")));
        let expected = [
            ("CLAIMWATCH_EVENT", "number.failed"),
            ("CLAIMWATCH_ID", "a-1-0"),
            ("CLAIMWATCH_LABEL_TEAM", "voice"),
            ("CLAIMWATCH_LEVEL", "error"),
            ("CLAIMWATCH_MESSAGE", "the claim failed"),
            ("CLAIMWATCH_ORDER_ID", "0c1f3b6e-7d2a"),
            ("CLAIMWATCH_RATE", "1.5"),
            ("CLAIMWATCH_REASON", "no\nroom = none"),
            ("CLAIMWATCH_SCHEMA", "1"),
            ("CLAIMWATCH_SEQ", "7"),
            ("MESSAGE", "number.failed the claim failed order=0c1f3b6e reason=\"no\\nroom = none\""),
            ("MESSAGE_ID", &message_id("number.failed")),
            ("PRIORITY", "3"),
            ("SYSLOG_IDENTIFIER", "claimwatch"),
        ];
        let expected: BTreeMap<String, String> =
            expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(fields, expected);
    }

    #[test]
    fn priorities_follow_levels() {
        for (level, priority) in [("error", "3"), ("warn", "4"), ("info", "6")] {
            assert_eq!(read(&entry(&event(1, level)))["PRIORITY"], priority);
        }
    }

    /// journald drops a field with another name without a word.
    #[test]
    fn every_key_makes_a_name_that_journald_takes() {
        let longest_label = format!("label_{}", "a".repeat(40));
        for key in KEYS.iter().copied().chain([longest_label.as_str()]) {
            let name = format!("{PREFIX}{}", key.to_ascii_uppercase());
            let allowed = |b: u8| b == b'_' || b.is_ascii_uppercase() || b.is_ascii_digit();
            assert!(name.len() <= 64 && name.bytes().all(allowed), "{name}");
        }
    }

    #[test]
    fn ids_are_what_systemd_calls_ids_and_never_change() {
        assert_eq!(message_id("number.failed"), "6aa9d66d86a09a41c08cc628f24dc920");
    }

    #[tokio::test]
    async fn a_slow_journal_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let batch: Vec<Line> = (1..=500).map(|seq| event(seq, "info")).collect();
        let mut sink = JournalSink::new(&path, Vec::new());
        let (sent, ()) = tokio::join!(sink.deliver(&batch), read_all(&journal));
        sent.unwrap();
        assert!(sink.instead.into_inner().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_journal_that_hangs_is_told_and_gets_each_event_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let mut sink = JournalSink::new(&path, Vec::new());
        let batch: Vec<Line> = (1..=500).map(|seq| event(seq, "info")).collect();
        let hangs = sink.deliver(&batch).await.unwrap_err();
        assert!(
            matches!(&hangs, SinkError::Failing(why) if why.kind() == io::ErrorKind::TimedOut),
            "{hangs:?}"
        );
        let (sent, ()) = tokio::join!(sink.deliver(&batch), read_all(&journal));
        sent.unwrap();
    }

    #[tokio::test]
    async fn what_the_journal_does_not_take_is_written_instead() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let mut sink = JournalSink::new(&path, Vec::new());
        sink.deliver(&[event(1, "info")]).await.unwrap();
        let journal = UnixDatagram::bind(&path).unwrap();
        sink.deliver(&[event(2, "info")]).await.unwrap();
        drop(journal);
        sink.deliver(&[event(3, "info")]).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let journal = UnixDatagram::bind(&path).unwrap();
        sink.deliver(&[event(4, "info"), event(5, "info")]).await.unwrap();
        // A datagram that is larger than any socket takes.
        let huge = event(6, "info").json.replace("voice", &"v".repeat(8 << 20));
        sink.deliver(&[line(6, &huge), event(7, "info")]).await.unwrap();
        let mut taken = Vec::new();
        let mut buffer = vec![0; 65_536];
        while let Ok(length) = journal.try_recv(&mut buffer) {
            taken.push(read(&buffer[..length])["CLAIMWATCH_SEQ"].clone());
        }
        assert_eq!(taken, ["4", "5", "7"]);
        let instead = String::from_utf8(sink.instead.into_inner()).unwrap();
        let lines: Vec<&str> = instead.lines().collect();
        assert_eq!(lines, [event(1, "info").json, event(3, "info").json, huge]);
    }

    #[test]
    fn the_journal_is_known_by_device_and_inode() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "x").unwrap();
        symlink(&file, &link).unwrap();
        let about = std::fs::metadata(&file).unwrap();
        let stream = format!("{}:{}", about.dev(), about.ino());
        assert!(is_journal(&stream, link.to_str().unwrap()), "what is opened counts");
        assert!(!is_journal(&stream, folder.path().to_str().unwrap()) && !is_journal("", "/none"));
    }
}
