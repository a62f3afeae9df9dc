//! What has to be true of the files after a crash, before anybody mends them; and of a whole life in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::support::house::House;
use crate::support::receiver::{Got, Receiver};
use crate::support::records::{check, lines};

/// The tables that are looked at, and nothing else of the store.
const TABLES: [&str; 3] = ["deliveries", "events", "orders"];

/// What the store of a wreck holds.
#[derive(Debug, Default)]
pub(super) struct Wreck {
    /// Records, by `seq`.
    pub(super) events: Vec<Value>,
    /// Events that count as delivered to the event file.
    pub(super) in_file: u64,
}

/// Checks what a process left that was ended without warning: the store is whole, its outbox has no gap, and the event
/// file has nothing that the store has not, and everything that counts as delivered to it.
pub(super) fn check_wreck(house: &House) -> Wreck {
    let store = house.path("claimwatch.db");
    if !store.exists() {
        return Wreck::default();
    }
    // A copy: whoever opens the store mends it, and that is for the next life to do.
    let copy = tempfile::tempdir().unwrap();
    for name in ["claimwatch.db", "claimwatch.db-wal"] {
        if house.path(name).exists() {
            fs::copy(house.path(name), copy.path().join(name)).unwrap();
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let wreck = runtime.block_on(read(&copy.path().join("claimwatch.db")));
    check(&wreck.events);
    // What is after the last line break is torn.
    let text = fs::read_to_string(house.path("events.jsonl")).unwrap_or_default();
    let file = lines(&text);
    assert!(file.len() <= wreck.events.len(), "the event file is ahead of the store");
    assert_eq!(file, wreck.events[..file.len()], "the event file is not the beginning of the outbox");
    assert!(
        wreck.in_file <= file.len() as u64,
        "{} events count as delivered, the file has {}",
        wreck.in_file,
        file.len()
    );
    wreck
}

async fn read(path: &Path) -> Wreck {
    let mut store = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let sound: Vec<String> =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut store).await.unwrap();
    assert_eq!(sound, ["ok"]);
    let strays = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut store).await.unwrap();
    assert_eq!(strays.len(), 0, "rows that belong to nothing");
    let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .fetch_all(&mut store)
        .await
        .unwrap();
    let known = TABLES.iter().filter(|table| tables.iter().any(|name| name == *table)).count();
    assert!(known == 0 || known == TABLES.len(), "half a schema: {tables:?}");
    let wreck = if known == 0 { Wreck::default() } else { tell(&mut store).await };
    store.close().await.unwrap();
    wreck
}

async fn tell(store: &mut SqliteConnection) -> Wreck {
    let records: Vec<String> =
        sqlx::query_scalar("SELECT record FROM events ORDER BY seq").fetch_all(&mut *store).await.unwrap();
    let events = records.iter().map(|record| serde_json::from_str(record).unwrap()).collect();
    let delivered = "SELECT seq FROM deliveries WHERE sink = 'file' AND state = 'delivered' ORDER BY seq";
    let delivered: Vec<i64> = sqlx::query_scalar(delivered).fetch_all(&mut *store).await.unwrap();
    let in_file = delivered.last().map_or(0, |last| last.unsigned_abs());
    assert_eq!(delivered.len() as u64, in_file, "delivered, but not all before it");
    let orphans =
        "SELECT count(*) FROM events LEFT JOIN deliveries USING (seq) WHERE deliveries.sink IS NULL";
    let orphans: i64 = sqlx::query_scalar(orphans).fetch_one(&mut *store).await.unwrap();
    assert_eq!(orphans, 0, "events for nobody");
    Wreck { events, in_file }
}

/// Waits until a webhook that is called `pager` has what the event file has, and takes it.
pub(super) fn wait_for_posts(house: &House, receiver: &Receiver) {
    let wanted = wanted_by_pager(&house.events()).count();
    receiver.until("all posts", |taken| {
        let ids: BTreeSet<&str> = taken.iter().map(|got| got.id.as_str()).collect();
        ids.len() >= wanted
    });
}

/// Checks what that webhook took in a whole life: everything but what is about itself, as it is in the file and at least
/// once; its own sequence counts without a gap; of each stream what was said first came first.
pub(super) fn check_posts(file: &[Value], taken: &[Got]) {
    let wanted: Vec<&str> = wanted_by_pager(file).map(|record| record["id"].as_str().unwrap()).collect();
    let mut sequences: BTreeMap<&str, &str> = BTreeMap::new();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for got in taken {
        let record = &got.envelope["data"];
        let seq = record["seq"].as_u64().unwrap();
        assert_eq!(record, &file[usize::try_from(seq).unwrap() - 1]);
        let sequence = got.envelope["sequence"].as_str().unwrap();
        if let Some(before) = sequences.insert(&got.id, sequence) {
            assert_eq!(before, sequence, "another place the second time: {record}");
        } else {
            let before = last.insert(got.stream(), seq);
            assert!(before.is_none_or(|before| before < seq), "after a later one of its stream: {record}");
        }
    }
    assert_eq!(sequences.len(), wanted.len(), "events of the file, and those that were posted");
    for (id, place) in wanted.iter().zip(1_u64..) {
        assert_eq!(sequences[id].parse::<u64>().unwrap(), place, "{id}");
    }
}

fn wanted_by_pager(file: &[Value]) -> impl Iterator<Item = &Value> {
    file.iter().filter(|record| record["sink"] != "pager")
}

/// Checks a whole life: the file has every event once and in order, the log the same, at least once.
pub(super) fn check_life(house: &House, logs: &[Value]) -> Vec<Value> {
    let text = fs::read_to_string(house.path("events.jsonl")).unwrap();
    assert!(text.ends_with('\n'), "a torn line is left");
    let file = lines(&text);
    check(&file);
    let mut first = Vec::new();
    let mut known: BTreeMap<&str, &Value> = BTreeMap::new();
    for logged in logs {
        let id = logged["id"].as_str().unwrap();
        let before = known.insert(id, logged);
        assert!(before.is_none_or(|before| before == logged), "the log has two versions of {id}");
        if before.is_none() {
            first.push(logged.clone());
        }
    }
    assert!(first == file, "the log has {first:?}\nthe file {file:?}");
    file
}
