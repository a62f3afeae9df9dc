//! Stores that older versions left, under today's program.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on is a failed test")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use claimwatch::core::delivery::Filter;
use claimwatch::core::order::Stream;
use claimwatch::core::state::Order;
use claimwatch::exit;
use claimwatch::store::outbox::{Outbox as _, Registration, Takes};
use claimwatch::store::shown::{Count, Placed, Shown as _, Wanted};
use claimwatch::store::sqlite::SqliteStore;
use claimwatch::store::{Batch, Known as _, Store as _};
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use crate::store_battery::made::{daemon_record, sinks};
use crate::support::house::{House, list};
use crate::support::receiver::{Receiver, SECRET};
use crate::support::records::{check, of};
use crate::support::sim::{Sim, WIDE, number, number_id, order};

const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
const STORES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/stores");

/// A schema before the newest, and what its fixture holds.
struct Released {
    /// The migration that made it.
    migration: &'static str,
    /// Its SHA-256. Stores keep a checksum too: whoever edits one of these locks people out of their stores.
    sha256: &'static str,
    /// Events in the fixture, and those that its file and its log have.
    events: u64,
    in_file: u64,
    in_log: u64,
    /// The first events of streams that wait for its webhook.
    for_webhook: usize,
    daemon_generation: u64,
}

const RELEASED: [Released; 4] = [
    Released {
        migration: "0001_initial.sql",
        sha256: "cc0b67e413ab923274ea15760b36946a6b15c79b5c6427d3b5ebe5415413c07e",
        events: 28,
        in_file: 23,
        in_log: 22,
        for_webhook: 0,
        daemon_generation: 4,
    },
    Released {
        migration: "0002_webhooks.sql",
        sha256: "ac566ddd5f446572fc70ec3dd5eda9cd858586bde19057da824f68541083afef",
        events: 32,
        in_file: 23,
        in_log: 21,
        for_webhook: 4,
        daemon_generation: 2,
    },
    Released {
        migration: "0003_decided_at.sql",
        sha256: "c3620c5954b966752aae79ce827f8fa0dd11fb4bb18b45c7d8f9c32ac19adc90",
        events: 35,
        in_file: 31,
        in_log: 29,
        for_webhook: 6,
        daemon_generation: 2,
    },
    Released {
        migration: "0004_runs.sql",
        sha256: "d7eec74d7d8f991b88ab6b2cec6d692738eb7bd2a865f91f019b9fe8237dc43d",
        events: 26,
        in_file: 22,
        in_log: 20,
        for_webhook: 3,
        daemon_generation: 2,
    },
];

/// The tables of schema 1 that say what is known and what was said.
const TABLES: [&str; 7] = ["lists", "orders", "numbers", "transitions", "events", "deliveries", "scopes"];

/// The migrations' file names, oldest first.
fn migrations() -> Vec<String> {
    let files = fs::read_dir(MIGRATIONS).unwrap();
    let mut names: Vec<String> =
        files.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn fixture(schema: usize) -> PathBuf {
    Path::new(STORES).join(format!("schema-{schema}.sqlite"))
}

/// What a query gives as one text a row, of a store that is not changed by it.
async fn rows(path: &Path, sql: String) -> Vec<String> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
    let mut store = options.connect().await.unwrap();
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut store).await.unwrap();
    store.close().await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0)).collect()
}

/// The columns of a table, as the arguments of a function of SQL.
async fn columns(path: &Path, table: &str) -> String {
    let sql = format!("SELECT group_concat(name) FROM pragma_table_xinfo('{table}')");
    rows(path, sql).await.remove(0)
}

#[test]
fn released_migrations_are_as_they_were_released() {
    let all = migrations();
    let (_newest, older) = all.split_last().unwrap();
    let mut hashes = Vec::new();
    for name in older {
        let bytes = fs::read(Path::new(MIGRATIONS).join(name)).unwrap();
        let hash = Sha256::digest(&bytes).iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        hashes.push((name.clone(), hash));
    }
    let released = RELEASED.map(|released| (released.migration.to_owned(), released.sha256.to_owned()));
    assert_eq!(hashes, released, "migrations/README.md: a change is another file");
}

#[tokio::test]
async fn every_schema_before_the_newest_has_its_store() {
    let count = migrations().len();
    for schema in 1..count {
        let path = fixture(schema);
        assert!(path.is_file(), "{STORES}/README.md: {} is missing", path.display());
        let newest = "SELECT CAST(max(version) AS TEXT) FROM _sqlx_migrations".to_owned();
        assert_eq!(rows(&path, newest).await, [schema.to_string()]);
    }
    assert!(!fixture(count).exists(), "the newest schema is no older one");
}

#[tokio::test]
async fn every_older_store_opens_with_all_that_it_had() {
    for (schema, released) in (1..).zip(&RELEASED) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claimwatch.db");
        fs::copy(fixture(schema), &path).unwrap();
        let mut before = Vec::new();
        for table in TABLES {
            let columns = columns(&path, table).await;
            let sql = format!("SELECT json_array({columns}) FROM {table} ORDER BY 1");
            let had = rows(&path, sql.clone()).await;
            assert!(!had.is_empty(), "{table}");
            before.push((table, sql, had));
        }
        let streams = rows(&path, "SELECT stream FROM orders".to_owned()).await;
        let streams: Vec<Stream> = streams.iter().map(|stream| Stream::parse(stream).unwrap()).collect();

        let store = SqliteStore::open(&path).await.unwrap();
        store.close().await;
        drop(store);
        for (table, sql, had) in before {
            assert_eq!(rows(&path, sql).await, had, "{table}");
        }

        let store = SqliteStore::open(&path).await.unwrap();
        let gone = store.register_sinks(&[sinks(&["log", "file"]), vec![pager()]].concat()).await.unwrap();
        assert!(gone.is_empty(), "{gone:?}");
        assert_eq!(store.load(&streams).await.unwrap().len(), 7);
        standings_are_filled_in(&store, &streams).await;
        assert_eq!(store.schedule(None, 100).await.unwrap().len(), 7);
        assert_eq!(store.daemon_generation().await.unwrap(), released.daemon_generation);
        assert!(!store.scopes().await.unwrap().is_empty());
        assert_eq!(store.waiting("pager", &[], 100).await.unwrap().len(), released.for_webhook);
        for (sink, has) in [("file", released.in_file), ("log", released.in_log)] {
            let pending = store.pending(sink, 100).await.unwrap();
            let seqs: Vec<u64> = pending.iter().map(|delivery| delivery.seq).collect();
            assert_eq!(seqs, (has + 1..=released.events).collect::<Vec<_>>(), "{sink}");
        }
        let next = released.daemon_generation + 1;
        let said =
            Batch { records: vec![daemon_record(next)], daemon_generation: Some(next), ..Batch::default() };
        assert_eq!(store.commit(said).await.unwrap().last_seq, released.events + 1);
    }
}

/// What an older version did not write is as today's would have written it.
async fn standings_are_filled_in(store: &SqliteStore, streams: &[Stream]) {
    let placed = store.placed(&Wanted::default(), None, 100).await.unwrap();
    let orders = store.load(streams).await.unwrap();
    let mut expected: Vec<Placed> = orders
        .iter()
        .map(|order| {
            let standing = order.standing();
            let rank = i64::from(standing.urgency.rank());
            Placed { rank, place: standing.place, stream: order.stream() }
        })
        .collect();
    expected.sort();
    assert_eq!(placed, expected);
    let open: Vec<_> = orders.iter().flat_map(Order::open_windows).collect();
    let unacknowledged = open.iter().filter(|window| window.acknowledged_at.is_none());
    let expected = (open.len(), unacknowledged.clone().count(), unacknowledged.map(|w| w.earliest).min());
    let counts = store.counts().await.unwrap();
    let sum = |of: fn(&Count) -> u64| usize::try_from(counts.iter().map(of).sum::<u64>()).unwrap();
    let soonest = counts.iter().filter_map(|count| count.soonest).min();
    assert_eq!((sum(|count| count.windows), sum(|count| count.unacknowledged), soonest), expected);
}

/// The webhook of the fixtures that have one.
fn pager() -> Registration {
    let takes = Takes::Chosen { filter: Filter::default(), place: "there".to_owned() };
    Registration { name: "pager".to_owned(), takes }
}

#[test]
fn the_daemon_goes_on_where_an_older_one_was_killed() {
    for (schema, released) in (1..).zip(&RELEASED) {
        goes_on(schema, released);
    }
}

fn goes_on(schema: usize, released: &Released) {
    let words = [(1, "CLAIMED"), (2, "FAILED"), (3, "CLAIMED"), (4, "CLAIMED"), (5, "GONE")];
    let numbers: String = words.iter().map(|(n, word)| number(*n, &[(0, *word)])).collect();
    let orders = [order(1, &[(0, "Successful", "Acquired")]), order(2, &[(0, "Partial", "Failed")])].concat();
    let (sim, receiver) = (Sim::start(&[WIDE, &numbers, &orders].concat()), Receiver::start());
    let house = House::with(sim.address, &receiver.section("pager", ""));
    house.write("pager.secret", SECRET);
    house.list("emea", &list(&[1, 2, 3, 4, 5], &[1, 2]));
    fs::copy(fixture(schema), house.path("claimwatch.db")).unwrap();
    let file = Path::new(STORES).join(format!("schema-{schema}.events.jsonl"));
    fs::copy(file, house.path("events.jsonl")).unwrap();
    assert_eq!(house.events().len() as u64, released.in_file);
    let mut log = Vec::new();
    for life in 0..2 {
        let mut daemon = house.up();
        daemon.until("what is new", |records| {
            let news = |record: &&serde_json::Value| {
                record["event"] == "number.claimed" && record["order_id"] == number_id(3)
            };
            life > 0 || records.iter().any(|record| news(&record))
        });
        let ended = daemon.stop();
        assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
        assert!(!ended.stderr.contains("not of this store"), "{}", ended.stderr);
        log.extend(ended.records());
    }
    let events = house.events();
    check(&events);
    let in_log = usize::try_from(released.in_log).unwrap();
    assert_eq!(events[in_log..], log, "what waited and what is new, each once");
    let tracked = of(&events, "order.tracked");
    assert_eq!(tracked.len(), 7, "nothing is told as new");
    // The stop has flushed: what waited for the webhook and what is new, the first of a stream first.
    let taken = receiver.taken();
    let first = taken.iter().map(|got| got.envelope["data"]["seq"].as_u64().unwrap()).min().unwrap();
    let since = if released.for_webhook > 0 { released.in_log } else { released.events };
    assert!(first <= since + 1, "{first}");
    let last = events.last().unwrap()["seq"].as_u64().unwrap();
    let newer = taken.iter().filter(|got| got.envelope["data"]["seq"].as_u64().unwrap() > released.events);
    assert_eq!(newer.count() as u64, last - released.events, "each once");
}
