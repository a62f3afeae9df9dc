//! What needs SQL to be set up or seen.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};

use super::{SqliteStore, commit, open};
use crate::core::order::{Declared, ListTerms, OrderKey, Provider, Watch};
use crate::core::policy::Policy;
use crate::core::record::{self, Record};
use crate::core::state::{Number, Order, Status};
use crate::core::time::Timestamp;
use crate::core::window::{Closed, Outcome, Window, WindowBasis, WindowState};
use crate::store::{Batch, Change, Known as _, ListRow, Store as _, StoreError};

const NOW: i64 = 1_763_632_800_123;

fn first_change(id: &str) -> (ListRow, Change) {
    let terms = ListTerms {
        name: "emea".into(),
        account: "prod-eu".into(),
        labels: std::collections::BTreeMap::new(),
        policy: Policy::default(),
    };
    let list = ListRow { terms: Arc::new(terms), content_hash: "h".into() };
    let key = OrderKey {
        provider: Provider::Connect,
        account: "prod-eu".into(),
        region: "eu-west-2".into(),
        id: id.into(),
    };
    let declared =
        Declared { ask: id.into(), number: None, operation: None, requested_at: None, label: None };
    let watch = Watch { key, declared, terms: Arc::clone(&list.terms) };
    let mut order = Order::new(watch, Timestamp::from_millis(NOW));
    order.generation = 1;
    let said = Record {
        event: "order.tracked".into(),
        level: "info".into(),
        time: Some(Timestamp::from_millis(NOW)),
        id: record::event_id(&order.stream().to_string(), 1, 0),
        ..Record::default()
    };
    (list, Change { was: 0, order, records: vec![said] })
}

async fn raw(path: &Path) -> SqliteConnection {
    open::writer_options(path).connect().await.unwrap()
}

/// Makes a store and changes it with SQL, which is all in the file afterwards.
async fn store_with(path: &Path, sql: &'static str) {
    SqliteStore::open(path).await.unwrap().close().await;
    let mut conn = raw(path).await;
    sqlx::query("PRAGMA foreign_keys = OFF").execute(&mut conn).await.unwrap();
    sqlx::query(sql).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

const NEWER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'x', 1, x'00', 0)";

#[tokio::test]
async fn stores_of_other_versions_are_refused_and_left_alone() {
    for (sql, said) in [
        (NEWER, "newer claimwatch"),
        ("UPDATE _sqlx_migrations SET checksum = x'00'", "differs"),
        ("DROP TABLE _sqlx_migrations", "damaged"),
        ("DROP TABLE transitions", "transitions"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claimwatch.db");
        store_with(&path, sql).await;
        fs::remove_file(folder.path().join("claimwatch.db.lock")).unwrap();
        let before = fs::read(&path).unwrap();
        let Err(StoreError::Unusable { detail }) = SqliteStore::open(&path).await else {
            panic!("opened after {sql}")
        };
        assert!(detail.contains(said), "{detail}");
        assert!(fs::read(&path).unwrap() == before, "changed after {sql}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "files beside it after {sql}");
    }
}

#[tokio::test]
async fn a_newer_store_that_was_not_closed_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claimwatch.db");
    SqliteStore::open(&path).await.unwrap().close().await;
    let mut conn = raw(&path).await;
    sqlx::query(NEWER).execute(&mut conn).await.unwrap();
    // As a kill leaves it: what makes it newer is in the log only.
    let copy = tempfile::tempdir().unwrap();
    let copied = copy.path().join("claimwatch.db");
    let copied_log = copy.path().join("claimwatch.db-wal");
    fs::copy(&path, &copied).unwrap();
    fs::copy(folder.path().join("claimwatch.db-wal"), &copied_log).unwrap();
    let before = (fs::read(&copied).unwrap(), fs::read(&copied_log).unwrap());
    let Err(StoreError::Unusable { detail }) = SqliteStore::open(&copied).await else { panic!("opened") };
    assert!(detail.contains("newer claimwatch"), "{detail}");
    assert!((fs::read(&copied).unwrap(), fs::read(&copied_log).unwrap()) == before);
}

#[tokio::test]
async fn a_full_disk_costs_a_batch_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("claimwatch.db")).await.unwrap();
    let (list, change) = first_change("a");
    store
        .commit(Batch { lists: vec![list.clone()], changes: vec![change], ..Batch::default() })
        .await
        .unwrap();
    // No page more than there is.
    let mut writing = store.writer.begin().await.unwrap();
    sqlx::query("PRAGMA max_page_count = 1").fetch_all(writing.conn()).await.unwrap();
    writing.commit().await.unwrap();
    let many = || (0..2000).map(|n| first_change(&format!("id{n}")).1).collect::<Vec<_>>();
    let refused = store.commit(Batch { changes: many(), ..Batch::default() }).await;
    assert!(matches!(refused, Err(StoreError::Failing(_))), "{refused:?}");
    let committed = store.commit(Batch { changes: many(), ..Batch::default() }).await.unwrap();
    assert_eq!((committed.superseded.len(), committed.last_seq), (0, 2001));
}

#[tokio::test]
async fn a_transaction_that_is_dropped_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("claimwatch.db")).await.unwrap();
    let (list, change) = first_change("a");
    let stream = change.order.stream();
    let mut writing = store.writer.begin().await.unwrap();
    let batch = Batch { lists: vec![list.clone()], changes: vec![change], ..Batch::default() };
    commit::write(writing.conn(), batch, &[]).await.unwrap();
    drop(writing);
    assert!(store.load(&[stream]).await.unwrap().is_empty());
    let (_, change) = first_change("a");
    let batch = Batch { lists: vec![list], changes: vec![change], ..Batch::default() };
    assert_eq!(store.commit(batch).await.unwrap().last_seq, 1);
}

#[tokio::test]
async fn virtual_columns_say_what_the_json_says() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("claimwatch.db")).await.unwrap();
    let (list, mut change) = first_change("a");
    let since = Timestamp::from_millis(NOW);
    let end = Timestamp::from_millis(NOW + 1000);
    let window = Window {
        id: "w".into(),
        basis: WindowBasis::FirstLook,
        counted_from: None,
        length: std::time::Duration::from_secs(1),
        failed_at: since,
        earliest: since,
        latest: end,
        warned: None,
        acknowledged_at: None,
    };
    let over = Closed { window: window.clone(), outcome: Outcome::Claimed, at: end };
    let open = WindowState::Open(window);
    for (key, status, window) in [
        ("1", Status::NeverSeen, WindowState::Never),
        ("2", Status::InProgress { since, cause: None }, open.clone()),
        ("3", Status::Claimed { since }, WindowState::Closed(over)),
        ("4", Status::Failed { since, cause: None, reason: None }, open),
        ("5", Status::Released { since }, WindowState::Never),
    ] {
        change.order.state.numbers.insert(key.into(), Number { status, window, ..Number::default() });
    }
    let id = change.records[0].id.clone();
    let expected = change.order.state.numbers.clone();
    store.commit(Batch { lists: vec![list], changes: vec![change], ..Batch::default() }).await.unwrap();

    let sql = "SELECT number, status, since, window_earliest, window_latest FROM numbers ORDER BY number";
    let rows = sqlx::query(sql).fetch_all(&store.readers).await.unwrap();
    assert_eq!(rows.len(), 5);
    for (row, number) in rows.iter().zip(expected.values()) {
        let text = |column| row.get::<Option<String>, _>(column);
        assert_eq!(text("status").as_deref(), number.status.word());
        assert_eq!(text("since"), number.status.word().map(|_| since.to_string()));
        assert_eq!(text("window_earliest"), number.window.open().map(|_| since.to_string()));
        assert_eq!(text("window_latest"), number.window.open().map(|_| end.to_string()));
    }
    let row =
        sqlx::query("SELECT id, event, level, time, stream FROM events").fetch_one(&store.readers).await;
    let row = row.unwrap();
    assert_eq!(row.get::<String, _>("id"), id);
    assert_eq!(row.get::<String, _>("event"), "order.tracked");
    assert_eq!(row.get::<String, _>("level"), "info");
    assert_eq!(row.get::<String, _>("time"), since.to_string());
    assert!(id.starts_with(&row.get::<String, _>("stream")));
}

#[tokio::test]
async fn no_statement_reads_a_table_through() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("claimwatch.db")).await.unwrap();
    let ours = [
        commit::STATEMENTS,
        super::shown::STATEMENTS,
        super::read::STATEMENTS,
        super::outbox::STATEMENTS,
        super::peek::STATEMENTS,
        super::prune::STATEMENTS,
    ];
    let statements = ours.into_iter().flatten();
    for sql in statements {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let plan = sqlx::query(explain).fetch_all(&store.readers).await.unwrap();
        for row in plan {
            let step: String = row.get("detail");
            let through = ["orders", "numbers", "transitions", "events", "deliveries"]
                .iter()
                .any(|table| step.starts_with(&format!("SCAN {table}")));
            assert!(!through, "{step} in {sql}");
            let sorts = step == "USE TEMP B-TREE FOR ORDER BY" && sql.contains("orders_shown");
            assert!(!sorts, "{step} in {sql}");
        }
    }
}
