//! Events on their way out: the log, the file, and the relay that feeds them.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on is a failed test")]

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use claimwatch::clock::SystemClock;
use claimwatch::core::delivery::SinkMemory;

use claimwatch::core::record::{self, Record};
use claimwatch::core::time::Timestamp;
use claimwatch::daemon::relay::{self, Pace};
use claimwatch::sink::file::FileSink;
use claimwatch::sink::log::{Format, LogSink};
use claimwatch::sink::text::render;
use claimwatch::sink::{BATCH_MAX, Line, Sink, SinkError};
use claimwatch::store::memory::MemoryStore;
use claimwatch::store::outbox::{
    Delivery, DeliveryStatus, Outbox, Registration, Requeue, Settlement, SinkStatus, Stands, Waiting,
};
use claimwatch::store::{Batch, Store, StoreError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::store_battery::made::{daemon_record, sinks};

fn line(seq: u64) -> Line {
    let record = Record { seq, ..daemon_record(seq) };
    Line { seq, json: serde_json::to_string(&record).unwrap() }
}

fn lines(seqs: std::ops::RangeInclusive<u64>) -> Vec<Line> {
    seqs.map(line).collect()
}

fn text_of(lines: &[Line]) -> String {
    lines.iter().flat_map(|line| [line.json.as_str(), "\n"]).collect()
}

/// The `seq`s in a file, every line of which must be a record.
fn seqs_in(path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str::<Record>(line).unwrap().seq).collect()
}

mod text {
    use super::*;

    fn opened() -> Record {
        Record {
            time: Some(Timestamp::from_millis(1_763_632_800_123)),
            level: "warn".into(),
            event: "window.opened".into(),
            id: "s-2-1".into(),
            list: Some("emea".into()),
            order_id: Some("0c1f3b6e-11aa-4bcd-9e10-0a0b0c0d0e0f".into()),
            number: Some("+442071838750".into()),
            raw: Some("FAILED".into()),
            reason: Some("Carrier said \"no\"".into()),
            window_earliest: Some(Timestamp::from_millis(1_763_719_200_123)),
            window_latest: Some(Timestamp::from_millis(1_763_720_000_000)),
            message: "+442071838750 must be claimed again".into(),
            ..Record::default()
        }
    }

    #[test]
    fn a_line_for_people() {
        let expected = "2025-11-20T10:00:00Z WARN  window.opened        +442071838750 must be claimed again \
            list=emea order=0c1f3b6e raw=FAILED reason=\"Carrier said \\\"no\\\"\" \
            earliest=2025-11-21T10:00:00.123Z latest=2025-11-21T10:13:20.000Z";
        assert_eq!(render(&opened(), false), expected);
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let plain = render(&opened(), false);
        let coloured = render(&opened(), true);
        assert!(
            coloured
                .starts_with("\u{1b}[2m2025-11-20T10:00:00Z\u{1b}[0m \u{1b}[33mWARN \u{1b}[0m window.opened")
        );
        assert!(coloured.ends_with("latest=2025-11-21T10:13:20.000Z\u{1b}[0m"));
        let mut stripped = coloured;
        for code in ["\u{1b}[2m", "\u{1b}[33m", "\u{1b}[0m"] {
            stripped = stripped.replace(code, "");
        }
        assert_eq!(stripped, plain);
    }

    #[test]
    fn what_the_sentence_says_is_not_repeated() {
        let mut record = opened();
        record.message = "the claim failed: Carrier said \"no\"".into();
        record.to = Some("FAILED".into());
        let said = render(&record, false);
        assert_eq!(said.matches("Carrier").count(), 1);
        assert!(!said.contains("raw="), "{said}");
    }

    #[test]
    fn nothing_from_outside_breaks_the_line_or_steers_the_terminal() {
        let mut record = opened();
        record.message = "a\nb\u{1b}[2Jc\u{202e}".into();
        record.reason = Some("x\ry".into());
        let said = render(&record, false);
        assert!(!said.contains(|c: char| c.is_control() || c == '\u{202e}'), "{said:?}");
        assert!(said.contains("a\\nb\\u{1b}[2Jc\\u{202e}"), "{said}");
    }
}

mod log {
    use super::*;

    /// Takes so many bytes, then fails once, then goes on.
    #[derive(Clone)]
    struct Shaky {
        taken: Arc<Mutex<Vec<u8>>>,
        fails_after: Arc<Mutex<Option<usize>>>,
    }

    impl tokio::io::AsyncWrite for Shaky {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let mut taken = self.taken.lock().unwrap();
            let mut fails = self.fails_after.lock().unwrap();
            let room = fails.map_or(usize::MAX, |limit| limit.saturating_sub(taken.len()));
            if room == 0 {
                *fails = None;
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let take = buf.len().min(room);
            taken.extend_from_slice(&buf[..take]);
            Poll::Ready(Ok(take))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn json_lines_are_the_records_as_they_are_stored() {
        let mut out = Vec::new();
        let mut sink = LogSink::new(&mut out, Format::Json);
        assert_eq!(sink.start().await.unwrap(), None);
        sink.deliver(&lines(1..=3)).await.unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), text_of(&lines(1..=3)));
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_shown_as_it_is() {
        let mut out = Vec::new();
        let odd = Line { seq: 1, json: "{\"odd\":1}".into() };
        LogSink::new(&mut out, Format::Text { colour: false }).deliver(&[odd, line(2)]).await.unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.starts_with("{\"odd\":1}\n"), "{out}");
        assert!(out.contains("INFO  heartbeat"), "{out}");
        assert_eq!(out.lines().count(), 2);
    }

    #[tokio::test]
    async fn after_a_torn_write_every_event_is_on_a_line_of_its_own() {
        let batch = lines(1..=3);
        let tear = text_of(&batch).len() / 2;
        let shaky = Shaky { taken: Arc::default(), fails_after: Arc::new(Mutex::new(Some(tear))) };
        let mut sink = LogSink::new(shaky.clone(), Format::Json);
        assert!(matches!(sink.deliver(&batch).await, Err(SinkError::Failing(_))));
        sink.deliver(&batch).await.unwrap();
        sink.deliver(&lines(4..=4)).await.unwrap();
        let out = String::from_utf8(shaky.taken.lock().unwrap().clone()).unwrap();
        let read = out.lines().filter_map(|line| serde_json::from_str::<Record>(line).ok());
        let seqs: Vec<u64> = read.map(|record| record.seq).collect();
        assert_eq!(seqs, [1, 1, 2, 3, 4]);
        assert_eq!(out.lines().count(), 6);
    }
}

mod file {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_cut_inside_a_line_takes_no_other_event_with_it() {
        let (_folder, path) = at_path();
        let (mut sink, _) = started(&path).await;
        sink.deliver(&lines(1..=2)).await.unwrap();
        let length = fs::metadata(&path).unwrap().len();
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 9).unwrap();
        sink.deliver(&lines(3..=3)).await.unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let last = text.lines().last().unwrap();
        assert_eq!(last, line(3).json, "{text}");
        assert_eq!(text.lines().count(), 3);
    }

    fn at_path() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        (folder, path)
    }

    async fn started(path: &Path) -> (FileSink, Option<u64>) {
        let mut sink = FileSink::new(path.to_owned());
        let has = sink.start().await.unwrap();
        (sink, has.map(|line| line.seq))
    }

    #[tokio::test]
    async fn it_is_made_for_nobody_else_and_says_what_it_has() {
        let (_folder, path) = at_path();
        let (mut sink, has) = started(&path).await;
        assert_eq!(has, None);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        sink.deliver(&lines(1..=3)).await.unwrap();
        sink.deliver(&lines(4..=5)).await.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text_of(&lines(1..=5)));
        assert_eq!(started(&path).await.1, Some(5));
    }

    #[tokio::test]
    async fn a_torn_line_is_cut_wherever_it_was_torn() {
        let (_folder, path) = at_path();
        let whole = text_of(&lines(1..=2));
        let torn = line(3).json;
        for cut in 0..=torn.len() {
            fs::write(&path, format!("{whole}{}", &torn[..cut])).unwrap();
            assert_eq!(started(&path).await.1, Some(2));
            assert_eq!(fs::read_to_string(&path).unwrap(), whole);
            fs::write(&path, &torn[..cut]).unwrap();
            assert_eq!(started(&path).await.1, None);
            assert_eq!(fs::read_to_string(&path).unwrap(), "");
        }
        fs::write(&path, format!("{whole}\0\0\0")).unwrap();
        assert_eq!(started(&path).await.1, Some(2));
    }

    #[tokio::test]
    async fn lines_longer_than_a_block_are_read_back() {
        let (_folder, path) = at_path();
        for size in [65_000, 65_536, 70_000, 200_000] {
            let long = Record { seq: 8, message: "x".repeat(size), ..daemon_record(8) };
            let long = serde_json::to_string(&long).unwrap();
            fs::write(&path, format!("{}{long}\n{}", text_of(&lines(7..=7)), &long[..size])).unwrap();
            assert_eq!(started(&path).await.1, Some(8));
            assert_eq!(seqs_in(&path), [7, 8]);
        }
    }

    #[tokio::test]
    async fn a_file_of_somebody_else_is_refused_and_left_alone() {
        let (folder, path) = at_path();
        let endless = "x".repeat(3 << 20);
        for other in ["a text\n", "a text", "{\"no\":1}\n", "{\"schema\":1,\"seq\":4}\ntext", "\n", &endless]
        {
            fs::write(&path, other).unwrap();
            let refused = FileSink::new(path.clone()).start().await;
            assert!(matches!(refused, Err(SinkError::Unusable { .. })), "{refused:?} {other:.20}");
            assert!(fs::read_to_string(&path).unwrap() == other);
        }
        for nowhere in [folder.path().to_owned(), folder.path().join("missing/events.jsonl")] {
            let refused = FileSink::new(nowhere).start().await;
            assert!(matches!(refused, Err(SinkError::Unusable { .. })), "{refused:?}");
        }
    }

    #[tokio::test]
    async fn rotation_begins_a_new_file() {
        let (folder, path) = at_path();
        let (mut sink, _) = started(&path).await;
        sink.deliver(&lines(1..=2)).await.unwrap();
        let rotated = folder.path().join("events.jsonl.1");
        fs::rename(&path, &rotated).unwrap();
        sink.deliver(&lines(3..=4)).await.unwrap();
        assert_eq!((seqs_in(&rotated), seqs_in(&path)), (vec![1, 2], vec![3, 4]));
        // `copytruncate` empties the file under our hands.
        fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        sink.deliver(&lines(5..=5)).await.unwrap();
        assert_eq!(seqs_in(&path), [5]);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(sink.deliver(&lines(6..=6)).await.is_err());
        fs::remove_dir(&path).unwrap();
        sink.deliver(&lines(6..=6)).await.unwrap();
        assert_eq!(seqs_in(&path), [6]);
    }
}

mod relaying {
    use super::*;

    /// A pace at which a test does not wait.
    const FAST: Pace = Pace { first: Duration::from_millis(1), most: Duration::from_millis(2) };

    /// How long a test waits for what has to happen.
    const PATIENCE: Duration = Duration::from_secs(20);

    struct World {
        store: Arc<MemoryStore>,
        wake: Arc<Notify>,
        stop: CancellationToken,
    }

    impl World {
        async fn new(names: &[&str]) -> Self {
            let store = Arc::new(MemoryStore::new());
            store.register_sinks(&sinks(names)).await.unwrap();
            Self { store, wake: Arc::default(), stop: CancellationToken::new() }
        }

        async fn say(&self, count: u64) -> u64 {
            let records = (0..count).map(daemon_record).collect();
            let last = self.store.commit(Batch { records, ..Batch::default() }).await.unwrap().last_seq;
            self.wake.notify_waiters();
            last
        }

        fn relay<K: Sink + 'static>(
            &self,
            sink: K,
        ) -> impl Future<Output = Result<(), StoreError>> + Send + use<K> {
            let clock = Arc::new(SystemClock::start());
            relay::run_paced(
                Arc::clone(&self.store),
                sink,
                clock,
                Arc::clone(&self.wake),
                self.stop.clone(),
                FAST,
            )
        }
    }

    /// Keeps what it takes, and fails as it is told.
    #[derive(Clone)]
    struct Told {
        name: &'static str,
        taken: Arc<Mutex<Vec<u64>>>,
        /// Answers still to give, the last one first; then it works.
        fails: Arc<Mutex<Vec<SinkError>>>,
        largest: Arc<Mutex<usize>>,
        done: watch::Sender<u64>,
    }

    impl Told {
        fn new(name: &'static str, fails: Vec<SinkError>) -> Self {
            Self {
                name,
                taken: Arc::default(),
                fails: Arc::new(Mutex::new(fails)),
                largest: Arc::default(),
                done: watch::channel(0).0,
            }
        }

        async fn has(&self, seq: u64) {
            let mut done = self.done.subscribe();
            tokio::time::timeout(PATIENCE, done.wait_for(|last| *last >= seq)).await.unwrap().unwrap();
        }

        fn taken(&self) -> Vec<u64> {
            self.taken.lock().unwrap().clone()
        }
    }

    impl Sink for Told {
        fn name(&self) -> &str {
            self.name
        }
        async fn start(&mut self) -> Result<Option<Line>, SinkError> {
            Ok(None)
        }
        async fn deliver(&mut self, batch: &[Line]) -> Result<(), SinkError> {
            if let Some(error) = self.fails.lock().unwrap().pop() {
                return Err(error);
            }
            let mut largest = self.largest.lock().unwrap();
            *largest = batch.len().max(*largest);
            self.taken.lock().unwrap().extend(batch.iter().map(|line| line.seq));
            self.done.send_replace(batch.last().unwrap().seq);
            Ok(())
        }
    }

    fn failing() -> SinkError {
        SinkError::Failing(io::ErrorKind::StorageFull.into())
    }

    #[tokio::test]
    async fn a_sink_that_fails_twice_gets_everything_once_and_in_order() {
        let world = World::new(&["told"]).await;
        let told = Told::new("told", vec![failing(), failing()]);
        world.say(700).await;
        let talk = async {
            told.has(700).await;
            world.say(3).await;
            told.has(703).await;
            world.say(2).await;
            world.stop.cancel();
        };
        let (ended, ()) = tokio::join!(world.relay(told.clone()), talk);
        ended.unwrap();
        assert_eq!(told.taken(), (1..=705).collect::<Vec<_>>());
        assert_eq!(*told.largest.lock().unwrap(), BATCH_MAX);
        assert!(world.store.pending("told", 10).await.unwrap().is_empty());
    }

    /// An outbox that does not take every note of a delivery, and in which something may be said, and the stop come, just
    /// after the first look at what is pending.
    struct Odd {
        inner: MemoryStore,
        forgets: Mutex<u32>,
        last_word: Mutex<Option<CancellationToken>>,
    }

    impl Outbox for Odd {
        async fn store_id(&self) -> Result<u64, StoreError> {
            self.inner.store_id().await
        }
        async fn register_sinks(&self, sinks: &[Registration]) -> Result<Vec<(String, u64)>, StoreError> {
            self.inner.register_sinks(sinks).await
        }
        async fn pending(&self, sink: &str, limit: u32) -> Result<Vec<Delivery>, StoreError> {
            let pending = self.inner.pending(sink, limit).await?;
            let last_word = self.last_word.lock().unwrap().take();
            if let Some(stop) = last_word {
                let records = vec![Record::default()];
                self.inner.commit(Batch { records, ..Batch::default() }).await?;
                stop.cancel();
            }
            Ok(pending)
        }
        async fn place_of(&self, id: &str) -> Result<Option<u64>, StoreError> {
            self.inner.place_of(id).await
        }
        async fn event(&self, seq: u64) -> Result<Option<Delivery>, StoreError> {
            self.inner.event(seq).await
        }
        async fn delivered(&self, sink: &str, through: u64, at: Timestamp) -> Result<(), StoreError> {
            let forgotten = {
                let mut forgets = self.forgets.lock().unwrap();
                let now = *forgets > 0;
                *forgets = forgets.saturating_sub(1);
                now
            };
            if forgotten {
                return Err(StoreError::Failing(Box::new(io::Error::other("full"))));
            }
            self.inner.delivered(sink, through, at).await
        }
        async fn waiting(
            &self,
            sink: &str,
            except: &[String],
            limit: u32,
        ) -> Result<Vec<Waiting>, StoreError> {
            self.inner.waiting(sink, except, limit).await
        }
        async fn settle(&self, settlement: Settlement) -> Result<u64, StoreError> {
            self.inner.settle(settlement).await
        }
        async fn sink(&self, name: &str) -> Result<SinkMemory, StoreError> {
            self.inner.sink(name).await
        }
        async fn sinks(&self) -> Result<Vec<SinkStatus>, StoreError> {
            self.inner.sinks().await
        }
        async fn deliveries(
            &self,
            sink: &str,
            stands: Stands,
            after: u64,
            limit: u32,
        ) -> Result<Vec<DeliveryStatus>, StoreError> {
            self.inner.deliveries(sink, stands, after, limit).await
        }
        async fn requeue(
            &self,
            sink: &str,
            what: Requeue,
            after: u64,
        ) -> Result<(u64, Option<u64>), StoreError> {
            self.inner.requeue(sink, what, after).await
        }
    }

    #[tokio::test]
    async fn what_the_store_could_not_note_is_not_delivered_again() {
        let (forgets, last_word) = (Mutex::new(3), Mutex::default());
        let store = Arc::new(Odd { inner: MemoryStore::new(), forgets, last_word });
        store.register_sinks(&sinks(&["told"])).await.unwrap();
        let records = (0..600).map(daemon_record).collect();
        store.inner.commit(Batch { records, ..Batch::default() }).await.unwrap();
        let (told, stop) = (Told::new("told", Vec::new()), CancellationToken::new());
        stop.cancel();
        let (clock, committed) = (Arc::new(SystemClock::start()), Arc::default());
        relay::run_paced(Arc::clone(&store), told.clone(), clock, committed, stop, FAST).await.unwrap();
        assert_eq!(told.taken(), (1..=600).collect::<Vec<_>>());
        assert!(store.pending("told", 10).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_is_said_between_the_last_look_and_the_stop_leaves() {
        let stop = CancellationToken::new();
        let (forgets, last_word) = (Mutex::default(), Mutex::new(Some(stop.clone())));
        let store = Arc::new(Odd { inner: MemoryStore::new(), forgets, last_word });
        store.register_sinks(&sinks(&["told"])).await.unwrap();
        let (told, committed) = (Told::new("told", Vec::new()), Arc::default());
        let clock = Arc::new(SystemClock::start());
        relay::run_paced(Arc::clone(&store), told.clone(), clock, committed, stop, FAST).await.unwrap();
        assert_eq!(told.taken(), [1]);
    }

    #[tokio::test]
    async fn a_sink_that_is_stuck_holds_up_no_other() {
        let world = World::new(&["stuck", "told"]).await;
        let stuck = Told::new("stuck", (0..100_000).map(|_| failing()).collect());
        let told = Told::new("told", Vec::new());
        world.say(5).await;
        let talk = async {
            told.has(5).await;
            world.say(1).await;
            // And what there is to say of the stuck one.
            told.has(7).await;
            world.stop.cancel();
        };
        let stuck_relay = tokio::time::timeout(Duration::from_millis(300), world.relay(stuck.clone()));
        let (ended, late, ()) = tokio::join!(world.relay(told.clone()), stuck_relay, talk);
        ended.unwrap();
        assert!(late.is_err(), "a relay ends only when everything has left");
        assert_eq!(told.taken(), [1, 2, 3, 4, 5, 6, 7]);
        let waiting = world.store.pending("stuck", 10).await.unwrap();
        assert_eq!(waiting.len(), 7);
        let failing: Record = serde_json::from_str(&waiting[6].json).unwrap();
        assert_eq!((failing.event.as_str(), failing.sink.as_deref()), ("sink.failing", Some("stuck")));
    }

    #[tokio::test]
    async fn a_crash_between_the_write_and_the_note_of_it_repeats_nothing_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let world = World::new(&["file"]).await;
        world.say(4).await;
        // What the relay does, and then the process is gone before it could tell the store.
        let mut sink = FileSink::new(path.clone());
        sink.start().await.unwrap();
        let first = world.store.pending("file", 3).await.unwrap();
        let first: Vec<Line> =
            first.into_iter().map(|told| Line { seq: told.seq, json: told.json }).collect();
        sink.deliver(&first).await.unwrap();
        drop(sink);
        assert_eq!(world.store.pending("file", 10).await.unwrap().len(), 4);

        world.stop.cancel();
        world.relay(FileSink::new(path.clone())).await.unwrap();
        assert_eq!(seqs_in(&path), [1, 2, 3, 4]);
        assert!(world.store.pending("file", 10).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_file_that_is_ahead_of_the_store_silences_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        fs::write(&path, text_of(&lines(90..=90))).unwrap();
        let world = World::new(&["file"]).await;
        world.say(2).await;
        world.stop.cancel();
        world.relay(FileSink::new(path.clone())).await.unwrap();
        assert_eq!(seqs_in(&path), [90, 1, 2]);
    }

    #[tokio::test]
    async fn a_file_of_another_store_silences_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        fs::write(&path, text_of(&lines(1..=2))).unwrap();
        let world = World::new(&["file"]).await;
        world.say(3).await;
        world.stop.cancel();
        world.relay(FileSink::new(path.clone())).await.unwrap();
        assert_eq!(seqs_in(&path), [1, 2, 1, 2, 3]);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_at_the_start_is_told_of_at_once_and_used_once_it_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        fs::write(&path, "a letter to somebody\n").unwrap();
        let world = World::new(&["file", "told"]).await;
        world.say(2).await;
        let told = Told::new("told", Vec::new());
        let file = path.clone();
        let mend = async {
            told.has(3).await;
            let said = world.store.event(3).await.unwrap().unwrap().json;
            assert!(
                said.contains("\"event\":\"sink.failing\"") && said.contains("not an event file"),
                "{said}"
            );
            assert_eq!(fs::read_to_string(&file).unwrap(), "a letter to somebody\n");
            fs::remove_file(&file).unwrap();
            told.has(4).await;
            world.stop.cancel();
        };
        let (ended, other, ()) =
            tokio::join!(world.relay(FileSink::new(path.clone())), world.relay(told.clone()), mend);
        ended.and(other).unwrap();
        assert_eq!(seqs_in(&path), [1, 2, 3, 4], "what waited, that it failed, and that it recovered");
    }

    #[tokio::test]
    async fn all_that_was_said_before_the_stop_leaves_before_the_end() {
        let world = World::new(&["told"]).await;
        let told = Told::new("told", vec![failing()]);
        world.say(1200).await;
        world.stop.cancel();
        world.relay(told.clone()).await.unwrap();
        assert_eq!(told.taken().len(), 1200);
    }

    #[test]
    fn the_record_that_is_read_back_has_its_place() {
        // The file sink finds its place by this key, and knows a torn line by the first one.
        assert!(line(7).json.starts_with("{\"schema\":"));
        assert!(record::KEYS.contains(&"seq"));
    }
}
