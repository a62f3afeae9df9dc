//! What every store has to do, for the one on disk and the one in memory alike; and what only the one on disk can.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on is a failed test")]

mod backup;
mod disk;
mod history;
mod log;
pub(crate) mod made;
mod outbox;
mod same;
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use claimwatch::core::event::ScopeKey;
use claimwatch::core::limiter::Learned;
use claimwatch::core::observation::ChimeStatus;
use claimwatch::core::order::{Declared, OrderKey, Provider, Stream};
use claimwatch::core::record::Record;
use claimwatch::core::schedule::Lane;
use claimwatch::core::scope::{Bucket, ScopeMemory, Spell};
use claimwatch::core::state::{
    Absence, Ahead, Chime, Connect, Looked, Number, Order, Other, Presence, Subject,
};
use claimwatch::core::sweep::{Length, Unfinished};
use claimwatch::core::time::Timestamp;
use claimwatch::store::memory::MemoryStore;
use claimwatch::store::outbox::Outbox;
use claimwatch::store::sqlite::SqliteStore;
use claimwatch::store::{Batch, Change, ListRow, Store, StoreError};
use made::{at, change, daemon_record, list, numbers, order, refusal, sinks};
use outbox::{
    a_sink_that_comes_back_counts_on, at_another_place_it_is_tried_again, each_stream_waits_for_itself,
    one_name_of_two_kinds_is_two_sinks, one_that_was_added_later_can_have_what_was_before,
    sinks_get_what_they_want_and_count_it, to_settle_twice_changes_nothing, what_is_dead_can_be_had_again,
    what_is_old_and_settled_goes, without_sinks_all_but_the_last_goes,
};

/// Stores orders for the first time; they come back as they are stored.
async fn put<S: Store + Outbox>(store: &S, list: &ListRow, orders: Vec<Order>, records: usize) -> Vec<Order> {
    let changes: Vec<Change> = orders.iter().map(|order| change(order, records)).collect();
    let stored = changes.iter().map(|change| change.order.clone()).collect();
    let batch = Batch { lists: vec![list.clone()], changes, ..Batch::default() };
    assert_eq!(store.commit(batch).await.unwrap().superseded, []);
    stored
}

async fn load_one<S: Store + Outbox>(store: &S, stream: Stream) -> Order {
    let mut found = store.load(&[stream]).await.unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

async fn pending_seqs<S: Store + Outbox>(store: &S, sink: &str) -> Vec<u64> {
    store.pending(sink, 1000).await.unwrap().into_iter().map(|delivery| delivery.seq).collect()
}

async fn keeps_every_shape_of_an_order<S: Store + Outbox>(store: S) {
    let list = list("emea", "h1");
    let mut chime = order(Provider::Chime, "c", &list);
    chime.state.numbers = numbers();
    chime.state.presence = Presence::Gone { since: at(9) };
    chime.state.absence = Absence::Doubted { since: at(8) };
    chime.state.reported_words = BTreeSet::from(["\u{0}odd".to_owned(), "Word".to_owned()]);
    (chime.state.stalled, chime.state.blocked) = (true, true);
    chime.state.subject = Subject::Chime(Chime {
        status: Some(ChimeStatus::Partial),
        porting: true,
        updated_at: Some(at(2)),
        foc_date: Some(Timestamp::from_millis(i64::MIN)),
    });
    chime.looked = Looked {
        due_at: Some(at(10)),
        decided_at: Some(at(9)),
        wake_at: Some(Timestamp::from_millis(-1)),
        not_failed_at: Some(at(11)),
        elsewhere_at: Some(at(13)),
        answered_at: Some(at(12)),
        faults: u32::MAX,
        lane: Lane::Urgent,
        ahead: Some(Ahead { at: at(14), of: at(15) }),
    };
    let mut connect = order(Provider::Connect, "n", &list);
    connect.state.subject = Subject::Connect(Connect {
        current: "+441".into(),
        target: Some("arn:x".into()),
        other: Other::Held { by: "x".into(), raw: None },
    });
    connect.watch.declared =
        Declared { number: None, operation: None, requested_at: None, label: None, ..connect.watch.declared };
    connect.looked = Looked::default();
    let bare = order(Provider::Connect, "bare", &list);
    for stored in put(&store, &list, vec![chime, connect, bare], 0).await {
        assert_eq!(load_one(&store, stored.stream()).await, stored);
    }
    assert_eq!(store.load(&[order(Provider::Chime, "other", &list).stream()]).await.unwrap(), []);
}

async fn an_order_that_moved_on_is_left_alone<S: Store + Outbox>(store: S) {
    let list = list("emea", "h1");
    store.register_sinks(&sinks(&["log"])).await.unwrap();
    let stored =
        put(&store, &list, vec![order(Provider::Chime, "a", &list), order(Provider::Chime, "b", &list)], 1)
            .await;
    let (mut late, mut good) = (change(&stored[0], 2), change(&stored[1], 2));
    late.was = 7;
    late.order.state.numbers = numbers();
    late.order.looked.due_at = Some(at(99));
    good.order.state.stalled = true;
    let again = Change { was: 0, ..change(&stored[0], 3) };
    let lost = stored[0].stream();
    let expected = good.order.clone();
    let batch = Batch { changes: vec![late, good, again], ..Batch::default() };
    let committed = store.commit(batch).await.unwrap();
    assert_eq!((committed.superseded, committed.last_seq), (vec![lost, lost], 4));
    assert_eq!(load_one(&store, lost).await, stored[0]);
    assert_eq!(load_one(&store, expected.stream()).await, expected);
    let said = store.pending("log", 10).await.unwrap();
    let id = format!("{}-2-0", expected.stream());
    assert_eq!(said.iter().map(|d| d.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(said[2].json.contains(&id), "{}", said[2].json);
}

async fn several_steps_of_one_order_fit_in_a_batch<S: Store + Outbox>(store: S) {
    let list = list("emea", "h1");
    let first = change(&order(Provider::Chime, "a", &list), 1);
    let mut second = change(&first.order, 1);
    second.order.state.blocked = true;
    let outdated = change(&first.order, 1);
    let expected = second.order.clone();
    let changes = vec![first, second, outdated];
    let committed = store.commit(Batch { lists: vec![list], changes, ..Batch::default() }).await.unwrap();
    assert_eq!((committed.superseded, committed.last_seq), (vec![expected.stream()], 2));
    assert_eq!(load_one(&store, expected.stream()).await, expected);
}

async fn numbers_that_are_gone_are_removed<S: Store + Outbox>(store: S) {
    let list = list("emea", "h1");
    let mut first = order(Provider::Connect, "a", &list);
    first.state.numbers = BTreeMap::from([(String::new(), Number::default())]);
    let mut other = order(Provider::Connect, "b", &list);
    other.state.numbers = first.state.numbers.clone();
    let stored = put(&store, &list, vec![first, other], 0).await;
    let mut known = change(&stored[0], 0);
    known.order.state.numbers = BTreeMap::from([("+441".to_owned(), Number::default())]);
    let expected = known.order.clone();
    store.commit(Batch { changes: vec![known], ..Batch::default() }).await.unwrap();
    assert_eq!(load_one(&store, expected.stream()).await, expected);
    assert_eq!(load_one(&store, stored[1].stream()).await, stored[1]);
}

async fn seq_has_no_gap_and_is_in_the_record<S: Store + Outbox>(store: S) {
    let list = list("emea", "h1");
    store.register_sinks(&sinks(&["log"])).await.unwrap();
    assert_eq!(store.commit(Batch::default()).await.unwrap().last_seq, 0);
    let stored = put(&store, &list, vec![order(Provider::Chime, "a", &list)], 2).await;
    let batch = Batch {
        changes: vec![change(&stored[0], 1)],
        records: vec![daemon_record(1)],
        daemon_generation: Some(1),
        ..Batch::default()
    };
    assert_eq!(store.commit(batch).await.unwrap().last_seq, 4);
    assert_eq!(store.commit(Batch::default()).await.unwrap().last_seq, 4);
    assert_eq!(store.daemon_generation().await.unwrap(), 1);
    let said = store.pending("log", 10).await.unwrap();
    for (delivery, seq) in said.iter().zip(1..) {
        let record: Record = serde_json::from_str(&delivery.json).unwrap();
        assert_eq!((delivery.seq, record.seq), (seq, seq));
        assert!(!delivery.json.contains('\n'));
    }
    let last: Record = serde_json::from_str(&said[3].json).unwrap();
    assert_eq!(last, Record { seq: 4, ..daemon_record(1) });
}

async fn each_sink_gets_what_came_after_it<S: Store + Outbox>(store: S) {
    let list = list("emea", "h1");
    store.register_sinks(&sinks(&["log"])).await.unwrap();
    let a = put(&store, &list, vec![order(Provider::Chime, "a", &list)], 3).await;
    store.register_sinks(&sinks(&["log", "file"])).await.unwrap();
    store.commit(Batch { changes: vec![change(&a[0], 2)], ..Batch::default() }).await.unwrap();
    assert_eq!(pending_seqs(&store, "log").await, [1, 2, 3, 4, 5]);
    assert_eq!(pending_seqs(&store, "file").await, [4, 5]);
    store.delivered("log", 3, at(1)).await.unwrap();
    store.settle(refusal("log", 4, &"x".repeat(10_000), 2)).await.unwrap();
    assert_eq!(pending_seqs(&store, "log").await, [4, 5]);
    assert_eq!(pending_seqs(&store, "file").await, [4, 5]);
    assert_eq!(store.pending("log", 1).await.unwrap().len(), 1);
    store.register_sinks(&sinks(&["file"])).await.unwrap();
    assert!(pending_seqs(&store, "log").await.is_empty());
    store.register_sinks(&sinks(&["file", "log"])).await.unwrap();
    assert!(pending_seqs(&store, "log").await.is_empty());
    assert_eq!(pending_seqs(&store, "file").await, [4, 5]);
    assert!(pending_seqs(&store, "nobody").await.is_empty());
}

async fn tracked_orders_come_in_pages<S: Store + Outbox>(store: S) {
    let (emea, apac) = (list("emea", "h1"), list("apac", "h2"));
    let ids: Vec<String> = (0..7).map(|n| format!("id{n}")).collect();
    let in_emea = ids.iter().map(|id| order(Provider::Chime, id, &emea)).collect();
    let stored = put(&store, &emea, in_emea, 0).await;
    put(&store, &apac, vec![order(Provider::Connect, "id0", &apac)], 0).await;
    let mut untracked = change(&stored[0], 0);
    untracked.order.tracked = false;
    untracked.order.state.stalled = true;
    let kept = untracked.order.clone();
    store.commit(Batch { changes: vec![untracked], ..Batch::default() }).await.unwrap();

    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.schedule(after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.stream);
        seen.extend(page);
    }
    assert_eq!(seen.len(), 7);
    assert!(seen.windows(2).all(|pair| pair[0].stream < pair[1].stream));
    assert!(seen.iter().all(|place| place.stream != kept.stream() && place.looked.due_at == Some(at(0))));
    assert_eq!(seen.iter().filter(|place| place.provider == Provider::Connect).count(), 1);

    let first = store.keys_of_list("emea", None, 4).await.unwrap();
    let rest = store.keys_of_list("emea", Some(first[3].stream()), 4).await.unwrap();
    let keys: BTreeSet<OrderKey> = first.into_iter().chain(rest).collect();
    assert_eq!(keys, stored[1..].iter().map(|order| order.watch.key.clone()).collect());
    assert_eq!(load_one(&store, kept.stream()).await, kept);
}

async fn terms_are_the_lists_and_outlive_it<S: Store + Outbox>(store: S) {
    let (old, new) = (list("emea", "h1"), list("emea", "h2"));
    let stored = put(&store, &old, vec![order(Provider::Chime, "a", &old)], 0).await;
    assert_eq!(store.lists().await.unwrap(), [("emea".to_owned(), "h1".to_owned())]);
    store.commit(Batch { lists: vec![new.clone()], ..Batch::default() }).await.unwrap();
    assert_eq!(load_one(&store, stored[0].stream()).await.watch.terms, new.terms);
    let gone = Batch { dropped_lists: vec!["emea".into(), "never".into()], ..Batch::default() };
    store.commit(gone).await.unwrap();
    assert_eq!(store.lists().await.unwrap(), []);
    assert_eq!(load_one(&store, stored[0].stream()).await.watch.terms, new.terms);
    store.commit(Batch { lists: vec![old], ..Batch::default() }).await.unwrap();
    assert_eq!(store.lists().await.unwrap(), [("emea".to_owned(), "h1".to_owned())]);
}

async fn a_list_that_is_about_to_be_applied_keeps_its_terms_until_it_is<S: Store + Outbox>(store: S) {
    let (old, new, other) = (list("emea", "h1"), list("emea", "h2"), list("apac", "h1"));
    let stored = put(&store, &old, vec![order(Provider::Chime, "a", &old)], 0).await;
    let unapplied_lists = vec![Arc::clone(&new.terms), Arc::clone(&other.terms)];
    let added = change(&order(Provider::Chime, "b", &other), 0);
    let batch = Batch { unapplied_lists, changes: vec![added], ..Batch::default() };
    store.commit(batch).await.unwrap();
    let hashes = [("apac".to_owned(), String::new()), ("emea".to_owned(), String::new())];
    assert_eq!(store.lists().await.unwrap(), hashes, "nobody has applied them");
    assert_eq!(load_one(&store, stored[0].stream()).await.watch.terms, old.terms);
    let dropped_lists = vec!["apac".into(), "emea".into()];
    store.commit(Batch { dropped_lists, ..Batch::default() }).await.unwrap();
    let unapplied_lists = vec![Arc::clone(&new.terms)];
    store.commit(Batch { unapplied_lists, ..Batch::default() }).await.unwrap();
    assert_eq!(store.lists().await.unwrap(), [("emea".to_owned(), String::new())]);
    assert_eq!(load_one(&store, stored[0].stream()).await.watch.terms, old.terms);
    store.commit(Batch { lists: vec![new.clone()], ..Batch::default() }).await.unwrap();
    assert_eq!(load_one(&store, stored[0].stream()).await.watch.terms, new.terms);
}

async fn a_batch_that_fails_leaves_nothing<S: Store + Outbox>(store: S) {
    let known = list("emea", "h1");
    store.register_sinks(&sinks(&["log"])).await.unwrap();
    let stored = put(&store, &known, vec![order(Provider::Chime, "a", &known)], 1).await;
    let unknown = list("never stored", "h");
    let mut moved = change(&stored[0], 1);
    moved.order.state.stalled = true;
    let batch = Batch {
        lists: vec![list("apac", "h9")],
        changes: vec![moved, change(&order(Provider::Chime, "b", &unknown), 1)],
        daemon_generation: Some(5),
        records: vec![daemon_record(5)],
        ..Batch::default()
    };
    assert!(matches!(store.commit(batch).await, Err(StoreError::Failing(_))));
    assert_eq!(load_one(&store, stored[0].stream()).await, stored[0]);
    assert_eq!(store.lists().await.unwrap().len(), 1);
    assert_eq!(store.daemon_generation().await.unwrap(), 0);
    assert_eq!(pending_seqs(&store, "log").await, [1]);
    // And it goes on working.
    let committed = store.commit(Batch { changes: vec![change(&stored[0], 1)], ..Batch::default() }).await;
    assert_eq!(committed.unwrap().last_seq, 2);
}

async fn looks_are_kept_without_a_generation<S: Store + Outbox>(store: S) {
    let list = list("emea", "h1");
    let orders = vec![order(Provider::Chime, "a", &list), order(Provider::Chime, "b", &list)];
    let stored = put(&store, &list, orders, 0).await;
    let (a, b) = (stored[0].stream(), stored[1].stream());
    let looked = |n| Looked { due_at: Some(at(n)), faults: 3, ..Looked::default() };
    let mut moved = change(&stored[1], 0);
    moved.order.looked = looked(30);
    let nobody = order(Provider::Chime, "nobody", &list).stream();
    let batch = Batch {
        looked: vec![(a, looked(10)), (b, looked(20)), (a, looked(11)), (nobody, looked(1))],
        changes: vec![moved],
        ..Batch::default()
    };
    store.commit(batch).await.unwrap();
    assert_eq!(load_one(&store, a).await, Order { looked: looked(11), ..stored[0].clone() });
    assert_eq!(load_one(&store, b).await.looked, looked(30));
    assert_eq!(store.load(&[nobody]).await.unwrap(), []);
}

async fn scopes_are_remembered<S: Store + Outbox>(store: S) {
    let key = |account: &str| ScopeKey {
        provider: Provider::Connect,
        account: account.to_owned(),
        region: "eu-west-2".into(),
    };
    let memory = |generation| ScopeMemory {
        written_at: Some(at(1)),
        generation,
        rate: 1.7,
        learned: Learned { clean_ms: 11_000 },
        arrival_at: at(1),
        hold_until: Some(at(2)),
        throttled: Some(Spell { since: at(3), last: at(4) }),
        unavailable_since: None,
        denied_since: Some(at(5)),
        suspect_since: Some(at(6)),
        accepted_at: Some(at(7)),
        lists: Some(Bucket { rate: 0.9, learned: Learned { clean_ms: 12_000 }, arrival_at: at(8) }),
        length: Some(Length { pages: 9, whole: true, at: at(9) }),
        sweep: Some(Unfinished { token: "t\"0".into(), pages: 3, most: 4, began: at(11) }),
        overloaded_since: Some(at(10)),
    };
    let first = vec![(key("b"), memory(1)), (key("a"), memory(2))];
    store.commit(Batch { scopes: first, ..Batch::default() }).await.unwrap();
    store.commit(Batch { scopes: vec![(key("b"), memory(3))], ..Batch::default() }).await.unwrap();
    assert_eq!(store.scopes().await.unwrap(), [(key("a"), memory(2)), (key("b"), memory(3))]);
}

macro_rules! battery {
    ($($case:ident)*) => {
        mod memory {
            use super::*;
            $(#[tokio::test] async fn $case() { super::$case(MemoryStore::new()).await; })*
        }
        mod sqlite {
            use super::*;
            $(#[tokio::test] async fn $case() {
                let folder = tempfile::tempdir().unwrap();
                super::$case(SqliteStore::open(&folder.path().join("claimwatch.db")).await.unwrap()).await;
            })*
        }
    };
}

battery! {
    keeps_every_shape_of_an_order
    an_order_that_moved_on_is_left_alone
    several_steps_of_one_order_fit_in_a_batch
    numbers_that_are_gone_are_removed
    seq_has_no_gap_and_is_in_the_record
    each_sink_gets_what_came_after_it
    tracked_orders_come_in_pages
    terms_are_the_lists_and_outlive_it
    a_list_that_is_about_to_be_applied_keeps_its_terms_until_it_is
    a_batch_that_fails_leaves_nothing
    looks_are_kept_without_a_generation
    scopes_are_remembered
    each_stream_waits_for_itself
    sinks_get_what_they_want_and_count_it
    to_settle_twice_changes_nothing
    a_sink_that_comes_back_counts_on
    at_another_place_it_is_tried_again
    one_name_of_two_kinds_is_two_sinks
    what_is_dead_can_be_had_again
    one_that_was_added_later_can_have_what_was_before
    what_is_old_and_settled_goes
    without_sinks_all_but_the_last_goes
}
