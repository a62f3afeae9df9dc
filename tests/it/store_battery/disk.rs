//! What only the store on disk can do: survive, and refuse what it should not touch.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use claimwatch::core::order::Provider;
use claimwatch::core::record::Record;
use claimwatch::store::outbox::Outbox as _;
use claimwatch::store::shown::Shown as _;
use claimwatch::store::sqlite::SqliteStore;
use claimwatch::store::{Batch, Known as _, Store, StoreError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::made::{at, change, daemon_record, list, numbers, order, record_of, sinks};
use super::{load_one, pending_seqs, put};

/// All files of a folder with their bytes.
fn listing(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

/// What is said of a store that is refused; it and its folder must be as they were.
async fn refusal(path: &Path) -> String {
    let folder = path.parent().unwrap();
    let before = listing(folder);
    let refused = SqliteStore::open(path).await;
    assert!(listing(folder) == before, "a refused store was changed");
    match refused {
        Err(StoreError::Unusable { detail }) => detail,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was opened"),
    }
}

/// A store with a hundred orders, closed.
async fn closed_store(path: &Path) {
    let store = SqliteStore::open(path).await.unwrap();
    let list = list("emea", "h1");
    let orders = (0..100).map(|n| order(Provider::Chime, &format!("id{n}"), &list)).collect();
    put(&store, &list, orders, 1).await;
    store.close().await;
}

#[tokio::test]
async fn survives_an_end_without_a_close() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claimwatch.db");
    let list = list("emea", "h1");
    let mut wanted = order(Provider::Chime, "a", &list);
    wanted.state.numbers = numbers();
    let store = SqliteStore::open(&path).await.unwrap();
    store.register_sinks(&sinks(&["log"])).await.unwrap();
    let stored = put(&store, &list, vec![wanted], 2).await;
    drop(store);

    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(load_one(&store, stored[0].stream()).await, stored[0]);
    assert_eq!(pending_seqs(&store, "log").await, [1, 2]);
    let more = Batch { records: vec![daemon_record(1)], ..Batch::default() };
    assert_eq!(store.commit(more).await.unwrap().last_seq, 3);
    store.close().await;
    assert!(matches!(store.commit(Batch::default()).await, Err(StoreError::Failing(_))));
    drop(store);

    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(pending_seqs(&store, "log").await, [1, 2, 3]);
}

#[tokio::test]
async fn a_copy_taken_while_it_runs_opens_with_all_that_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claimwatch.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let list = list("emea", "h1");
    let stored = put(&store, &list, vec![order(Provider::Chime, "a", &list)], 1).await;
    let copy = tempfile::tempdir().unwrap();
    for (from, bytes) in listing(folder.path()) {
        if !from.to_string_lossy().ends_with("-shm") {
            fs::write(copy.path().join(from.file_name().unwrap()), bytes).unwrap();
        }
    }
    let copied = SqliteStore::open(&copy.path().join("claimwatch.db")).await.unwrap();
    assert_eq!(load_one(&copied, stored[0].stream()).await, stored[0]);
}

#[tokio::test]
async fn its_files_are_for_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("claimwatch.db")).await.unwrap();
    store.commit(Batch { records: vec![daemon_record(1)], ..Batch::default() }).await.unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", entry.path().display());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["claimwatch.db", "claimwatch.db-shm", "claimwatch.db-wal", "claimwatch.db.lock"]);
}

#[tokio::test]
async fn one_store_has_one_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claimwatch.db");
    let first = SqliteStore::open(&path).await.unwrap();
    assert!(refusal(&path).await.contains("in use by another claimwatch"));
    first.commit(Batch { records: vec![daemon_record(1)], ..Batch::default() }).await.unwrap();
    drop(first);
    SqliteStore::open(&path).await.unwrap();
}

#[tokio::test]
async fn what_is_not_a_store_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claimwatch.db");
    for other in [b"not a database".to_vec(), vec![0; 8192], b"SQLite format 3\0".to_vec()] {
        fs::write(&path, other).unwrap();
        refusal(&path).await;
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let Err(StoreError::Unusable { detail }) = SqliteStore::open(&path).await else { panic!() };
    assert!(detail.contains("not a file"), "{detail}");
    let nowhere = folder.path().join("missing").join("claimwatch.db");
    let Err(StoreError::Unusable { detail }) = SqliteStore::open(&nowhere).await else { panic!() };
    assert!(detail.contains("does not exist"), "{detail}");
}

#[tokio::test]
async fn a_store_of_another_program_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claimwatch.db");
    closed_store(&path).await;
    let mut bytes = fs::read(&path).unwrap();
    // The application id is at byte 68 of the header.
    bytes[68..72].copy_from_slice(&[0, 0, 0, 1]);
    fs::write(&path, bytes).unwrap();
    assert!(refusal(&path).await.contains("another program"));
}

#[tokio::test]
async fn a_damaged_store_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claimwatch.db");
    closed_store(&path).await;
    let whole = fs::read(&path).unwrap();
    for keep in [whole.len() / 2 / 4096 * 4096, whole.len() - 4096, 4096, 5000, 99] {
        fs::write(&path, &whole[..keep]).unwrap();
        refusal(&path).await;
    }
    let mut scribbled = whole.clone();
    scribbled[100..4096].fill(0x55);
    fs::write(&path, scribbled).unwrap();
    refusal(&path).await;
    fs::write(&path, whole).unwrap();
    SqliteStore::open(&path).await.unwrap();
}

#[tokio::test]
async fn a_store_with_any_page_scribbled_over_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claimwatch.db");
    closed_store(&path).await;
    let whole = fs::read(&path).unwrap();
    assert!(whole.len() > 20 * 4096);
    for page in (0..whole.len()).step_by(4096) {
        let mut scribbled = whole.clone();
        scribbled[page..page + 4096].fill(0x55);
        fs::write(&path, scribbled).unwrap();
        refusal(&path).await;
    }
}

#[tokio::test]
async fn an_empty_file_becomes_a_store_unless_a_log_says_that_it_was_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claimwatch.db");
    let log = folder.path().join("claimwatch.db-wal");
    fs::write(&path, "").unwrap();
    fs::write(&log, [1; 5000]).unwrap();
    refusal(&path).await;
    fs::remove_file(&log).unwrap();
    SqliteStore::open(&path).await.unwrap();
}

#[tokio::test]
async fn history_is_what_became_of_the_order_latest_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("claimwatch.db")).await.unwrap();
    let list = list("emea", "h1");
    let mut first = change(&order(Provider::Connect, "a", &list), 0);
    let failed = Record {
        number: Some("+441".into()),
        from: Some("IN_PROGRESS".into()),
        to: Some("FAILED".into()),
        raw: Some("FAILED".into()),
        reason: Some("no\u{0}\nroom".into()),
        observed_after: Some(at(-60)),
        ..record_of(&first.order, 1, "number.failed")
    };
    first.records = vec![
        record_of(&first.order, 0, "order.tracked"),
        failed.clone(),
        record_of(&first.order, 2, "window.opened"),
    ];
    let mut second = change(&first.order, 0);
    second.records = vec![record_of(&second.order, 0, "order.not_found")];
    let mut lost = change(&first.order, 0);
    lost.records = vec![record_of(&lost.order, 0, "window.closed")];
    let stream = first.order.stream();
    let batch = Batch { lists: vec![list], changes: vec![first, second, lost], ..Batch::default() };
    store.commit(batch).await.unwrap();

    let history = store.history(stream, 10).await.unwrap();
    let events: Vec<_> = history.iter().map(|step| (step.generation, step.event.as_str())).collect();
    assert_eq!(events, [(2, "order.not_found"), (1, "window.opened"), (1, "number.failed")]);
    let step = &history[2];
    assert_eq!((&step.number, &step.from, &step.to), (&failed.number, &failed.from, &failed.to));
    assert_eq!((&step.raw, &step.reason), (&failed.raw, &failed.reason));
    assert_eq!((step.time, step.observed_after), (failed.time, failed.observed_after));
    assert_eq!(store.history(stream, 1).await.unwrap().len(), 1);
}

/// Damage that SQLite's own check cannot see.
async fn alter(path: &Path, statement: &'static str) {
    let mut raw = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let altered = sqlx::query(statement).execute(&mut raw).await.unwrap();
    assert_eq!(altered.rows_affected(), 1);
    raw.close().await.unwrap();
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_damage_and_not_a_failure_that_passes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claimwatch.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let list = list("emea", "h1");
    let stored = put(&store, &list, vec![order(Provider::Chime, "a", &list)], 1).await;
    store.close().await;
    drop(store);
    alter(&path, "UPDATE orders SET declared = replace(declared, 'support', CAST(x'ff' AS TEXT))").await;
    let store = SqliteStore::open(&path).await.unwrap();
    let Err(StoreError::Unusable { detail }) = store.load(&[stored[0].stream()]).await else {
        panic!("it was read")
    };
    assert!(detail.contains("damaged"), "{detail}");
}

#[tokio::test]
async fn a_store_that_contradicts_itself_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claimwatch.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let list = list("emea", "h1");
    let stored = put(&store, &list, vec![order(Provider::Chime, "a", &list)], 3).await;
    store.close().await;
    drop(store);
    alter(&path, "UPDATE meta SET value = 1 WHERE key = 'last_seq'").await;
    let store = SqliteStore::open(&path).await.unwrap();
    let batch = Batch { changes: vec![change(&stored[0], 1)], ..Batch::default() };
    let Err(StoreError::Unusable { detail }) = store.commit(batch).await else { panic!("it was written") };
    assert!(detail.contains("damaged"), "{detail}");
}

#[tokio::test]
async fn each_store_has_an_id_of_its_own_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    for name in ["one.db", "two.db", "one.db"] {
        let store = SqliteStore::open(&folder.path().join(name)).await.unwrap();
        store.register_sinks(&sinks(&["log"])).await.unwrap();
        let records = vec![daemon_record(ids.len() as u64 + 1)];
        store.commit(Batch { records, ..Batch::default() }).await.unwrap();
        ids.push(store.store_id().await.unwrap());
        store.close().await;
    }
    assert!(ids[0] == ids[2] && ids[0] != ids[1], "{ids:?}");
}
