//! The write-ahead log stays small, whoever reads.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use claimwatch::core::order::Provider;
use claimwatch::store::sqlite::SqliteStore;
use claimwatch::store::{Batch, Store};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};

use super::made::{change, list, order};
use super::put;

/// Commits, and the changes in each: some hundred megabytes of log.
const COMMITS: usize = 2000;
const CHANGES: usize = 20;

/// What the log may have: 24 MiB, at which the writer waits for a gap between readers, and the transaction that got there.
const LOG_MOST: u64 = 28 * 1024 * 1024;

async fn reader(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).read_only(true).connect().await.unwrap()
}

/// Begins to read, and holds on to what the store is now.
async fn begin(reader: &mut SqliteConnection) {
    sqlx::query("BEGIN").execute(&mut *reader).await.unwrap();
    let _now: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(reader).await.unwrap();
}

#[tokio::test]
async fn the_log_is_bounded_while_there_is_never_a_moment_without_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claimwatch.db");
    let log = folder.path().join("claimwatch.db-wal");
    let store = SqliteStore::open(&path).await.unwrap();
    let list = list("emea", "h1");
    let orders = (0..CHANGES).map(|n| order(Provider::Chime, &format!("id{n}"), &list)).collect();
    let mut stored = put(&store, &list, orders, 1).await;

    let (done, turns) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut two = (reader(&path).await, reader(&path).await);
    let read = async {
        begin(&mut two.0).await;
        while !done.load(Ordering::SeqCst) {
            // The next one begins before the one before it ends.
            begin(&mut two.1).await;
            sqlx::query("COMMIT").execute(&mut two.0).await.unwrap();
            std::mem::swap(&mut two.0, &mut two.1);
            turns.fetch_add(1, Ordering::SeqCst);
        }
    };
    let write = async {
        let mut longest = 0;
        for _ in 0..COMMITS {
            let changes: Vec<_> = stored.iter().map(|order| change(order, 1)).collect();
            stored = changes.iter().map(|change| change.order.clone()).collect();
            let committed = store.commit(Batch { changes, ..Batch::default() }).await.unwrap();
            assert!(committed.superseded.is_empty());
            let length = fs::metadata(&log).unwrap().len();
            longest = longest.max(length);
        }
        done.store(true, Ordering::SeqCst);
        longest
    };
    let (longest, ()) = tokio::join!(write, read);
    let turns = turns.load(Ordering::SeqCst);
    assert!(turns > 100, "readers took {turns} turns only");
    assert!(longest < LOG_MOST, "a log of {longest} bytes in {COMMITS} commits");
}
