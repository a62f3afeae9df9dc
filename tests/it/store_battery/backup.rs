//! Copies of a store that is in use.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use claimwatch::core::order::Provider;
use claimwatch::store::memory::MemoryStore;
use claimwatch::store::outbox::Outbox as _;
use claimwatch::store::sqlite::SqliteStore;
use claimwatch::store::{Batch, Store as _, StoreError};
use tempfile::TempDir;

use super::made::{daemon_record, list, order, sinks};
use super::{load_one, pending_seqs, put};

async fn in_use() -> (TempDir, PathBuf, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("claimwatch.db")).await.unwrap();
    let copy = folder.path().join("it's a copy.db");
    (folder, copy, store)
}

#[tokio::test]
async fn a_copy_has_what_was_committed_and_opens() {
    let (folder, copy, store) = in_use().await;
    store.register_sinks(&sinks(&["log"])).await.unwrap();
    let list = list("emea", "h1");
    let stored = put(&store, &list, vec![order(Provider::Chime, "a", &list)], 2).await;
    assert_eq!(store.copy_to(&copy).await.unwrap(), 2);
    store.commit(Batch { records: vec![daemon_record(1)], ..Batch::default() }).await.unwrap();
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names.len(), 5, "nothing lies beside the copy: {names:?}");
    let again = store.copy_to(&copy).await;
    assert!(matches!(again, Err(StoreError::Failing(_))), "one that is there is not written over: {again:?}");

    let restored = SqliteStore::open(&copy).await.unwrap();
    assert_eq!(load_one(&restored, stored[0].stream()).await, stored[0]);
    assert_eq!(pending_seqs(&restored, "log").await, [1, 2]);
    let next = restored.commit(Batch { records: vec![daemon_record(1)], ..Batch::default() }).await;
    assert_eq!(next.unwrap().last_seq, 3);
}

#[tokio::test]
async fn a_new_store_can_be_copied_and_one_elsewhere_cannot() {
    let (folder, copy, store) = in_use().await;
    assert_eq!(store.copy_to(&copy).await.unwrap(), 0);
    let nowhere = folder.path().join("missing").join("copy.db");
    assert!(matches!(store.copy_to(&nowhere).await, Err(StoreError::Failing(_))));
    assert!(matches!(MemoryStore::new().copy_to(&copy).await, Err(StoreError::Unusable { .. })));
}

#[tokio::test]
async fn writers_go_on_while_it_is_copied() {
    let (_folder, copy, store) = in_use().await;
    let list = list("emea", "h1");
    for chunk in 0..8 {
        let ids = (0..250).map(|n| order(Provider::Chime, &format!("id{chunk}-{n}"), &list)).collect();
        put(&store, &list, ids, 4).await;
    }
    let mut made = std::pin::pin!(store.copy_to(&copy));
    let mut committed = 0;
    let copied = loop {
        let batch = Batch {
            records: vec![daemon_record(committed + 1)],
            daemon_generation: Some(committed + 1),
            ..Batch::default()
        };
        tokio::select! {
            biased;
            written = store.commit(batch) => {
                written.unwrap();
                committed += 1;
            }
            copied = &mut made => break copied.unwrap(),
        }
        if committed > 2 {
            // Enough was written meanwhile, or before it began.
            break made.await.unwrap();
        }
    };
    assert!((8000..=8000 + committed).contains(&copied), "{copied}");
}

#[tokio::test]
async fn one_that_is_not_wanted_any_more_is_given_up() {
    let (_folder, copy, store) = in_use().await;
    let list = list("emea", "h1");
    let many = (0..3000).map(|n| order(Provider::Chime, &format!("id{n}"), &list)).collect();
    put(&store, &list, many, 4).await;
    let first = tokio::time::timeout(std::time::Duration::from_millis(1), store.copy_to(&copy)).await;
    assert!(first.is_err());
    // Under another name: the thread that made the first one may not have heard of it yet.
    assert_eq!(store.copy_to(&copy.with_extension("2")).await.unwrap(), 12_000);
    store.close().await;
}
