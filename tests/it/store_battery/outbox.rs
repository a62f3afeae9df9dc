//! The outbox: what waits for whom, what becomes of it, and what is put back.

use std::collections::BTreeSet;

use claimwatch::core::delivery::{Filter, SinkMemory};
use claimwatch::core::event::{SinkCondition, SinkEvent};
use claimwatch::core::record::{self, Record};
use claimwatch::store::outbox::{
    Failed, Outbox, REQUEUED_AT_ONCE, Registration, Requeue, Settlement, SinkStatus, Stands, Takes,
};
use claimwatch::store::{Batch, Pruned, Pruning, Store};

use super::made::{at, sinks};
use super::pending_seqs;

/// A sink that chooses.
pub(super) fn webhook(name: &str, events: &[&str], place: &str) -> Registration {
    let events = events.iter().map(|pattern| (*pattern).to_owned()).collect();
    let filter = Filter { events, ..Filter::default() };
    Registration { name: name.to_owned(), takes: Takes::Chosen { filter, place: place.to_owned() } }
}

/// A record of a stream, said at a time.
pub(super) fn said(stream: &str, generation: u64, event: &str, seconds: i64) -> Record {
    Record {
        schema: record::SCHEMA,
        time: Some(at(seconds)),
        level: "info".into(),
        event: event.to_owned(),
        id: record::event_id(stream, generation, 0),
        ..Record::default()
    }
}

/// Commits records and gives the last seq.
pub(super) async fn say<S: Store>(store: &S, records: Vec<Record>) -> u64 {
    store.commit(Batch { records, ..Batch::default() }).await.unwrap().last_seq
}

/// The first of each stream: stream, seq, `sink_seq`, strikes.
async fn waiting<S: Outbox>(store: &S, sink: &str, except: &[&str]) -> Vec<(String, u64, u64, u32)> {
    let except: Vec<String> = except.iter().map(|stream| (*stream).to_owned()).collect();
    let rows = store.waiting(sink, &except, 100).await.unwrap();
    assert!(rows.iter().all(|row| row.json.contains(&format!("\"seq\":{}", row.seq))));
    rows.into_iter().map(|row| (row.stream, row.seq, row.sink_seq, row.strikes)).collect()
}

fn first(stream: &str, seq: u64, sink_seq: u64) -> (String, u64, u64, u32) {
    (stream.to_owned(), seq, sink_seq, 0)
}

async fn standing<S: Outbox>(store: &S, sink: &str, stands: Stands) -> Vec<u64> {
    let rows = store.deliveries(sink, stands, 0, 10_000).await.unwrap();
    assert!(rows.iter().all(|row| row.stands == stands && row.sink == sink));
    rows.into_iter().map(|row| row.seq).collect()
}

async fn status<S: Outbox>(store: &S, name: &str) -> SinkStatus {
    let all = store.sinks().await.unwrap();
    all.into_iter().find(|sink| sink.name == name).unwrap()
}

fn delivered(sink: &str, seqs: &[u64], seconds: i64) -> Settlement {
    Settlement { delivered: seqs.to_vec(), ..Settlement::of(sink, at(seconds)) }
}

fn failed(sink: &str, seq: u64, strikes: u32, dead: bool) -> Settlement {
    let failed = vec![Failed { seq, error: format!("no {seq}"), strikes, dead }];
    Settlement { failed, ..Settlement::of(sink, at(50)) }
}

pub(super) async fn each_stream_waits_for_itself<S: Store + Outbox>(store: S) {
    store.register_sinks(&[webhook("pager", &[], "p")]).await.unwrap();
    let beat = said("daemon", 1, "heartbeat", 1);
    say(&store, vec![said("a", 1, "x", 1), beat, said("b", 1, "x", 2), said("a", 2, "x", 3)]).await;
    // Nobody named the heartbeat, and `sink_seq` has no gap where it was.
    assert_eq!(waiting(&store, "pager", &[]).await, [first("a", 1, 1), first("b", 3, 2)]);
    assert_eq!(waiting(&store, "pager", &["a"]).await, [first("b", 3, 2)]);
    assert_eq!(store.waiting("pager", &[], 1).await.unwrap().len(), 1);
    assert!(waiting(&store, "nobody", &[]).await.is_empty());
    store.settle(delivered("pager", &[1], 9)).await.unwrap();
    assert_eq!(waiting(&store, "pager", &[]).await, [first("b", 3, 2), first("a", 4, 3)]);
    store.settle(failed("pager", 3, 4, false)).await.unwrap();
    assert_eq!(waiting(&store, "pager", &["a"]).await, [("b".to_owned(), 3, 2, 4)]);
    store.settle(failed("pager", 3, 0, true)).await.unwrap();
    assert_eq!(waiting(&store, "pager", &[]).await, [first("a", 4, 3)]);
}

pub(super) async fn sinks_get_what_they_want_and_count_it<S: Store + Outbox>(store: S) {
    let all = [
        sinks(&["log"]).remove(0),
        webhook("fails", &["*.failed"], "p"),
        webhook("beats", &["heartbeat"], "p"),
    ];
    store.register_sinks(&all).await.unwrap();
    let mut records = Vec::new();
    for n in 1..=30 {
        let event = match n % 3 {
            0 => "number.failed",
            1 => "number.claimed",
            _ => "heartbeat",
        };
        records.push(said(&format!("s{}", n % 4), n, event, 1));
    }
    let about =
        SinkEvent::Recovered { condition: SinkCondition::Failing, duration: std::time::Duration::ZERO };
    records.push(record::of_sink("fails", &about, (1, 0), at(1)));
    for chunk in records.chunks(7) {
        say(&store, chunk.to_vec()).await;
    }
    assert_eq!(pending_seqs(&store, "log").await, (1..=31).collect::<Vec<_>>());
    let wanted: Vec<u64> = (1..=30).filter(|n| n % 3 == 0).collect();
    assert_eq!(standing(&store, "fails", Stands::Pending).await, wanted);
    // One after the other, whatever becomes of them.
    let mut places = Vec::new();
    loop {
        let rows = store.waiting("fails", &[], 1).await.unwrap();
        let Some(row) = rows.first() else { break };
        places.push(row.sink_seq);
        let dead = row.sink_seq % 2 == 0;
        let settled =
            if dead { failed("fails", row.seq, 0, true) } else { delivered("fails", &[row.seq], 1) };
        store.settle(settled).await.unwrap();
    }
    assert_eq!(places, (1..=10).collect::<Vec<_>>());
    let (fails, log) = (status(&store, "fails").await, status(&store, "log").await);
    assert_eq!((fails.chooses, fails.pending, fails.dead, fails.oldest), (true, 0, 5, None));
    assert_eq!((log.chooses, log.pending, log.dead, log.oldest), (false, 31, 0, Some(at(1))));
    let names: Vec<String> = store.sinks().await.unwrap().into_iter().map(|sink| sink.name).collect();
    assert_eq!(names, ["beats", "fails", "log"]);
}

pub(super) async fn to_settle_twice_changes_nothing<S: Store + Outbox>(store: S) {
    store.register_sinks(&[webhook("pager", &[], "p")]).await.unwrap();
    say(&store, vec![said("a", 1, "x", 1), said("b", 1, "x", 2), said("c", 1, "x", 3)]).await;
    for _ in 0..2 {
        store.settle(delivered("pager", &[1, 1, 77], 5)).await.unwrap();
        store.settle(failed("pager", 2, 0, true)).await.unwrap();
    }
    // What is done stays so, whatever comes late.
    store.settle(delivered("pager", &[2], 6)).await.unwrap();
    store.settle(failed("pager", 1, 3, true)).await.unwrap();
    let rows = store.deliveries("pager", Stands::Delivered, 0, 10).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].seq, rows[0].attempts, rows[0].updated_at), (1, 0, Some(at(5))));
    let rows = store.deliveries("pager", Stands::Dead, 0, 10).await.unwrap();
    assert_eq!(rows.len(), 1);
    let dead = &rows[0];
    assert_eq!((dead.seq, dead.attempts, dead.last_error.as_deref()), (2, 1, Some("no 2")));
    assert_eq!((dead.id.as_str(), dead.event.as_str(), dead.time), ("b-1-0", "x", Some(at(2))));
    assert_eq!(standing(&store, "pager", Stands::Pending).await, [3]);
    // What is said of a sink is said once too, and its memory does not go back.
    let memory =
        SinkMemory { generation: 2, failing_since: Some(at(7)), disabled_since: None, revived: false };
    let event = SinkEvent::Disabled { reason: "410".into() };
    for (generation, last) in [(2, 4), (2, 4), (1, 4), (3, 5)] {
        let records = vec![record::of_sink("pager", &event, (generation, 0), at(7))];
        let memory = Some(SinkMemory { generation, ..memory });
        let settled = Settlement { records, memory, ..Settlement::of("pager", at(7)) };
        assert_eq!(store.settle(settled).await.unwrap(), last, "generation {generation}");
    }
    assert_eq!(store.sink("pager").await.unwrap(), SinkMemory { generation: 3, ..memory });
    assert_eq!(store.sink("nobody").await.unwrap(), SinkMemory::default());
    let oldest = status(&store, "pager").await;
    assert_eq!((oldest.pending, oldest.dead, oldest.memory.generation), (1, 1, 3));
}

pub(super) async fn a_sink_that_comes_back_counts_on<S: Store + Outbox>(store: S) {
    let pager = webhook("pager", &[], "p");
    let others = sinks(&["log"]);
    let both = [others[0].clone(), pager.clone()];
    store.register_sinks(&both).await.unwrap();
    say(&store, vec![said("a", 1, "x", 1), said("b", 1, "x", 2)]).await;
    let memory =
        SinkMemory { generation: 9, failing_since: Some(at(3)), disabled_since: Some(at(4)), revived: false };
    store.settle(Settlement { memory: Some(memory), ..Settlement::of("pager", at(4)) }).await.unwrap();
    store.register_sinks(&others).await.unwrap();
    assert!(waiting(&store, "pager", &[]).await.is_empty());
    say(&store, vec![said("c", 1, "x", 5)]).await;
    for _ in 0..2 {
        store.register_sinks(&both).await.unwrap();
        let back = SinkMemory { generation: 9, ..SinkMemory::default() };
        assert_eq!(store.sink("pager").await.unwrap(), back);
        store.register_sinks(&others).await.unwrap();
    }
    store.register_sinks(&both).await.unwrap();
    say(&store, vec![said("d", 1, "x", 6)]).await;
    assert_eq!(waiting(&store, "pager", &[]).await, [first("d", 4, 3)]);
    assert_eq!(pending_seqs(&store, "log").await, [1, 2, 3, 4]);
}

pub(super) async fn at_another_place_it_is_tried_again<S: Store + Outbox>(store: S) {
    let disabled =
        SinkMemory { generation: 1, failing_since: None, disabled_since: Some(at(4)), revived: false };
    let at_place = |place: &'static str| [webhook("pager", &[], place)];
    store.register_sinks(&at_place("p")).await.unwrap();
    say(&store, vec![said("a", 1, "x", 1)]).await;
    store.settle(Settlement { memory: Some(disabled), ..Settlement::of("pager", at(4)) }).await.unwrap();
    // The same place, though it wants something else now.
    store.register_sinks(&[webhook("pager", &["y"], "p")]).await.unwrap();
    assert_eq!(store.sink("pager").await.unwrap(), disabled);
    say(&store, vec![said("a", 2, "x", 2), said("a", 3, "y", 2)]).await;
    assert_eq!(standing(&store, "pager", Stands::Pending).await, [1, 3]);
    store.register_sinks(&at_place("q")).await.unwrap();
    let tried = SinkMemory { revived: true, ..disabled };
    assert_eq!(store.sink("pager").await.unwrap(), tried);
    assert_eq!(waiting(&store, "pager", &[]).await, [first("a", 1, 1)]);
}

pub(super) async fn one_name_of_two_kinds_is_two_sinks<S: Store + Outbox>(store: S) {
    store.register_sinks(&sinks(&["pager"])).await.unwrap();
    say(&store, vec![said("a", 1, "x", 1)]).await;
    store.register_sinks(&[webhook("pager", &[], "p")]).await.unwrap();
    say(&store, vec![said("a", 2, "x", 2)]).await;
    assert_eq!(standing(&store, "pager", Stands::Pending).await, [2]);
    assert_eq!(waiting(&store, "pager", &[]).await, [first("a", 2, 1)], "the other one's are not counted");
    assert!(status(&store, "pager").await.chooses);
    store.register_sinks(&sinks(&["pager"])).await.unwrap();
    say(&store, vec![said("a", 3, "x", 3)]).await;
    assert_eq!(pending_seqs(&store, "pager").await, [3]);
    assert!(!status(&store, "pager").await.chooses);
}

pub(super) async fn what_is_dead_can_be_had_again<S: Store + Outbox>(store: S) {
    let all = [sinks(&["log"]).remove(0), webhook("pager", &["x", "sink.*"], "p")];
    store.register_sinks(&all).await.unwrap();
    let event = SinkEvent::Disabled { reason: "410".into() };
    let about = record::of_sink("pager", &event, (1, 0), at(3));
    say(&store, vec![said("a", 1, "x", 1), said("a", 2, "x", 2), about, said("b", 1, "y", 4)]).await;
    store.settle(failed("pager", 1, 3, true)).await.unwrap();
    store.settle(delivered("pager", &[2], 5)).await.unwrap();
    let disabled =
        SinkMemory { generation: 1, failing_since: Some(at(3)), disabled_since: Some(at(4)), revived: false };
    store.settle(Settlement { memory: Some(disabled), ..Settlement::of("pager", at(4)) }).await.unwrap();

    // Its own place among the sink's, nothing held against it, and the sink is tried again.
    assert_eq!(store.requeue("pager", Requeue::Dead, 0).await.unwrap(), (1, None));
    assert!(store.sink("pager").await.unwrap().revived);
    assert_eq!(waiting(&store, "pager", &[]).await, [first("a", 1, 1)]);
    let row = store.deliveries("pager", Stands::Pending, 0, 1).await.unwrap().remove(0);
    assert_eq!((row.attempts, row.last_error.as_deref(), row.updated_at), (1, Some("no 1"), None));
    assert_eq!(store.requeue("pager", Requeue::Dead, 0).await.unwrap(), (0, None));

    // One that was delivered, and one that it did not want; never what is about itself, nor what there is not.
    assert_eq!(store.requeue("pager", Requeue::One(2), 0).await.unwrap(), (1, None));
    assert_eq!(store.requeue("pager", Requeue::One(4), 0).await.unwrap(), (1, None));
    for nothing in [3, 99] {
        assert_eq!(store.requeue("pager", Requeue::One(nothing), 0).await.unwrap(), (0, None));
    }
    assert_eq!(waiting(&store, "pager", &[]).await, [first("a", 1, 1), first("b", 4, 3)]);
    assert_eq!(standing(&store, "pager", Stands::Pending).await, [1, 2, 4]);

    // Sinks that get everything, and those that there are not.
    store.delivered("log", 4, at(9)).await.unwrap();
    for what in [Requeue::Dead, Requeue::One(1), Requeue::From(at(0))] {
        for name in ["log", "nobody"] {
            assert_eq!(store.requeue(name, what, 0).await.unwrap(), (0, None), "{name} {what:?}");
        }
    }
    assert!(pending_seqs(&store, "log").await.is_empty());
    assert_eq!(store.place_of("b-1-0").await.unwrap(), Some(4));
    assert_eq!(store.place_of("b-2-0").await.unwrap(), None);
    assert_eq!(store.place_of("").await.unwrap(), None);
}

pub(super) async fn one_that_was_added_later_can_have_what_was_before<S: Store + Outbox>(store: S) {
    let count = u64::from(REQUEUED_AT_ONCE) + 500;
    store.register_sinks(&sinks(&["log"])).await.unwrap();
    let old: Vec<Record> = (1..=100).map(|n| said("old", n, "x", 1)).collect();
    say(&store, old).await;
    let records = (101..=count)
        .map(|n| said(&format!("s{}", n % 3), n, if n % 2 == 0 { "x" } else { "y" }, 60))
        .collect();
    say(&store, records).await;
    store.register_sinks(&[webhook("late", &["x"], "p")]).await.unwrap();
    assert_eq!(say(&store, vec![said("s0", count + 1, "x", 61)]).await, count + 1);
    let (mut put, mut after, mut pages) = (0, Some(0), 0);
    while let Some(from) = after {
        let (some, more) = store.requeue("late", Requeue::From(at(60)), from).await.unwrap();
        (put, after, pages) = (put + some, more, pages + 1);
    }
    // The one that came after it was there already, with the first place.
    let before: Vec<u64> = (101..=count).filter(|n| n % 2 == 0).collect();
    assert_eq!((put, pages), (before.len() as u64 + 1, 2));
    let pending = standing(&store, "late", Stands::Pending).await;
    assert_eq!(pending, [before.clone(), vec![count + 1]].concat());
    let mut places = BTreeSet::new();
    while let [row, ..] = &store.waiting("late", &[], 1).await.unwrap()[..] {
        assert_eq!(row.sink_seq == 1, row.seq == count + 1);
        places.insert(row.sink_seq);
        store.settle(delivered("late", &[row.seq], 70)).await.unwrap();
    }
    assert_eq!(places, (1..=before.len() as u64 + 1).collect());
    assert_eq!(store.requeue("late", Requeue::From(at(62)), 0).await.unwrap(), (0, None));
    // Pages of deliveries end where they are said to.
    let page = store.deliveries("late", Stands::Delivered, 0, 7).await.unwrap();
    assert_eq!(page.iter().map(|row| row.seq).collect::<Vec<_>>(), before[..7]);
    let next = store.deliveries("late", Stands::Delivered, page[6].seq, 7).await.unwrap();
    assert_eq!(next[0].seq, before[7]);
}

/// Prunes to the end, a few at a time; gives how many events went.
async fn prune<S: Store>(store: &S, seconds: i64, limit: u32) -> u64 {
    let (mut gone, mut from) = (0, Some(Pruning::START));
    while let Some(place) = from {
        let Pruned { events, next, .. } = store.prune(at(seconds), place, limit).await.unwrap();
        assert!(events <= u64::from(limit));
        (gone, from) = (gone + events, next);
    }
    gone
}

/// The events that a store still has, of the first `count`.
async fn kept<S: Outbox>(store: &S, count: u64) -> Vec<u64> {
    let mut kept = Vec::new();
    for seq in 1..=count {
        kept.extend(store.event(seq).await.unwrap().map(|event| event.seq));
    }
    kept
}

pub(super) async fn what_is_old_and_settled_goes<S: Store + Outbox>(store: S) {
    let all = [sinks(&["log"]).remove(0), webhook("pager", &["x"], "p")];
    store.register_sinks(&all).await.unwrap();
    // Ten old ones, every other of them for the pager; two that are young.
    let old = (1..=10).map(|n| said("a", n, if n % 2 == 0 { "y" } else { "x" }, 10)).collect();
    say(&store, old).await;
    say(&store, vec![said("a", 11, "y", 20), said("a", 12, "y", 30)]).await;
    assert_eq!(prune(&store, 15, 3).await, 0, "everything waits");
    store.delivered("log", 8, at(40)).await.unwrap();
    store.settle(delivered("pager", &[1, 5], 40)).await.unwrap();
    store.settle(failed("pager", 3, 0, true)).await.unwrap();
    // 7 waits for the pager, 9 and later for the log; 8 is the last that the log has.
    for _ in 0..2 {
        prune(&store, 15, 3).await;
        assert_eq!(kept(&store, 12).await, [7, 8, 9, 10, 11, 12]);
    }
    assert_eq!(status(&store, "pager").await.dead, 0, "deliveries go with their event");
    assert!(standing(&store, "pager", Stands::Delivered).await.is_empty());
    assert_eq!(standing(&store, "log", Stands::Delivered).await, [7, 8]);
    assert_eq!(store.requeue("pager", Requeue::From(at(0)), 0).await.unwrap(), (2, None));
    assert_eq!(store.requeue("pager", Requeue::One(1), 0).await.unwrap(), (0, None));
    store.delivered("log", 12, at(41)).await.unwrap();
    store.settle(delivered("pager", &[7, 9], 41)).await.unwrap();
    assert_eq!(prune(&store, 20, 1).await, 4);
    assert_eq!(kept(&store, 12).await, [11, 12]);
    // However old, the last one stays, and counting goes on after it.
    assert_eq!(prune(&store, 99, 100).await, 1);
    assert_eq!(prune(&store, 99, 100).await, 0);
    assert_eq!(kept(&store, 12).await, [12]);
    assert_eq!(say(&store, vec![said("a", 13, "x", 50)]).await, 13);
    let last = waiting(&store, "pager", &[]).await;
    assert_eq!(last, [first("a", 13, 6)]);
}

pub(super) async fn without_sinks_all_but_the_last_goes<S: Store + Outbox>(store: S) {
    assert_eq!(prune(&store, 99, 5).await, 0);
    let mut untimed = said("a", 1, "x", 1);
    untimed.time = None;
    say(&store, vec![untimed, said("a", 2, "x", 1), said("a", 3, "x", 1), said("a", 4, "x", 1)]).await;
    assert_eq!(prune(&store, 99, 2).await, 2);
    assert_eq!(kept(&store, 4).await, [1, 4], "nobody knows how old one without a time is");
}
