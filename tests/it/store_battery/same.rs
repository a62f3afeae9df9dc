//! Whatever happens, the store on disk and the one in memory show the same.

use std::collections::BTreeMap;

use claimwatch::core::delivery::SinkMemory;
use claimwatch::core::event::{SinkEvent, Summary};
use claimwatch::core::order::{Provider, Stream};
use claimwatch::core::record;
use claimwatch::core::state::{Looked, Number, Order};
use claimwatch::core::time::Timestamp;
use claimwatch::store::memory::MemoryStore;
use claimwatch::store::outbox::{
    Delivery, DeliveryStatus, Failed, Outbox, Requeue, Settlement, SinkStatus, Stands, Waiting,
};
use claimwatch::store::sqlite::SqliteStore;
use claimwatch::store::{Batch, Change, Committed, ListRow, Pruned, Pruning, Scheduled, Store};
use proptest::prelude::*;

use super::made::{at, change, daemon_record, list, numbers, order, refusal, sinks};
use super::outbox::webhook;

/// Orders that the steps play with: few, so that they meet.
const ORDERS: usize = 4;

/// Watch lists, likewise.
const LISTS: [&str; 2] = ["emea", "apac"];

#[derive(Debug, Clone)]
struct Move {
    order: usize,
    /// How far behind the generation it was read at is.
    behind: u64,
    list: usize,
    tracked: bool,
    numbers: Vec<usize>,
    records: usize,
    due: Option<i64>,
}

/// The hash of one that is about to be applied.
const UNAPPLIED: u8 = 4;

#[derive(Debug, Clone)]
enum Step {
    Commit {
        moves: Vec<Move>,
        looked: Vec<(usize, u32)>,
        lists: Vec<(usize, u8)>,
        dropped: Vec<usize>,
        said: bool,
    },
    /// Sinks that get everything, and webhooks with what they want and where they are.
    Register(Vec<&'static str>, Vec<(&'static str, usize, &'static str)>),
    Delivered(&'static str, u64),
    Failed(&'static str, u64),
    Settle {
        sink: &'static str,
        delivered: Vec<u64>,
        failed: Vec<(u64, u32, bool)>,
        memory: Option<(u64, bool, bool)>,
        said: bool,
    },
    Requeue(&'static str, Requeue, u64),
    /// What is older than so many seconds, from this event on, so many at once.
    Prune(i64, u64, u32),
}

fn moves() -> impl Strategy<Value = Move> {
    (
        0..ORDERS,
        prop_oneof![4 => Just(0u64), 1 => 1..3u64],
        0..LISTS.len(),
        any::<bool>(),
        prop::collection::vec(0..40usize, 0..4),
        0..3usize,
        prop::option::of(0..100i64),
    )
        .prop_map(|(order, behind, list, tracked, numbers, records, due)| Move {
            order,
            behind,
            list,
            tracked,
            numbers,
            records,
            due,
        })
}

fn steps() -> impl Strategy<Value = Step> {
    let sink = prop::sample::select(vec!["log", "file", "pager"]);
    prop_oneof![
        6 => (
            prop::collection::vec(moves(), 0..4),
            prop::collection::vec((0..ORDERS, 0..5u32), 0..3),
            prop::collection::vec((0..LISTS.len(), 0..=UNAPPLIED), 0..2),
            prop::collection::vec(0..LISTS.len(), 0..2),
            any::<bool>(),
        ).prop_map(|(moves, looked, lists, dropped, said)| Step::Commit { moves, looked, lists, dropped, said }),
        1 => (
            prop::sample::subsequence(vec!["log", "file", "pager"], 0..=3),
            prop::sample::subsequence(vec!["hook", "chat", "pager"], 0..=3),
            prop::collection::vec((0..WANTED.len(), prop::sample::select(vec!["p", "q"])), 3),
        ).prop_map(|(everything, hooks, terms)| {
            let free = hooks.into_iter().filter(|hook| !everything.contains(hook));
            let hooks = free.zip(terms).map(|(hook, (wanted, place))| (hook, wanted, place)).collect();
            Step::Register(everything, hooks)
        }),
        2 => (prop::sample::select(vec!["log", "file"]), 0..12u64)
            .prop_map(|(sink, through)| Step::Delivered(sink, through)),
        1 => (sink.clone(), 0..12u64).prop_map(|(sink, seq)| Step::Failed(sink, seq)),
        3 => (
            prop::sample::select(vec!["hook", "chat", "pager"]),
            prop::collection::vec(0..20u64, 0..4),
            prop::collection::btree_map(0..20u64, (0..9u32, any::<bool>()), 0..4),
            prop::option::of((0..5u64, any::<bool>(), any::<bool>())),
            any::<bool>(),
        ).prop_map(|(sink, delivered, failed, memory, said)| {
            let failed = failed.into_iter().map(|(seq, (strikes, dead))| (seq, strikes, dead)).collect();
            Step::Settle { sink, delivered, failed, memory, said }
        }),
        2 => (
            prop::sample::select(vec!["hook", "chat", "pager", "log", "nobody"]),
            prop_oneof![
                Just(Requeue::Dead),
                (0..20u64).prop_map(Requeue::One),
                (0..3i64).prop_map(|seconds| Requeue::From(at(seconds))),
            ],
            prop_oneof![3 => Just(0u64), 1 => 0..12u64],
        ).prop_map(|(sink, what, after)| Step::Requeue(sink, what, after)),
        1 => (0..4i64, 0..9u64, 1..9u32).prop_map(|(before, after, limit)| Step::Prune(before, after, limit)),
    ]
}

/// The webhooks' patterns.
const WANTED: [&[&str]; 3] = [&[], &["order.*"], &["heartbeat", "sink.*"]];
const SINKS: [&str; 5] = ["log", "file", "pager", "hook", "chat"];
const STANDS: [Stands; 3] = [Stands::Pending, Stands::Delivered, Stands::Dead];

/// All that a store shows.
#[derive(Debug, PartialEq)]
struct Shown {
    orders: Vec<Order>,
    schedule: Vec<Scheduled>,
    lists: Vec<(String, String)>,
    keys: Vec<usize>,
    pending: Vec<Vec<Delivery>>,
    waiting: Vec<Vec<Waiting>>,
    deliveries: Vec<Vec<DeliveryStatus>>,
    sinks: Vec<SinkStatus>,
    memories: Vec<SinkMemory>,
    generation: u64,
    summary: Summary,
    runs: BTreeMap<String, Timestamp>,
}

async fn shown<S: Store + Outbox>(store: &S, streams: &[Stream]) -> Shown {
    let mut orders = store.load(streams).await.unwrap();
    orders.sort_by_key(Order::stream);
    let (mut pending, mut waiting, mut deliveries, mut memories) = (vec![], vec![], vec![], vec![]);
    let sinks = store.sinks().await.unwrap();
    for sink in SINKS {
        let chooses = sinks.iter().any(|known| known.name == sink && known.chooses);
        if chooses {
            waiting.push(store.waiting(sink, &[], 3).await.unwrap());
            waiting.push(store.waiting(sink, &["daemon".to_owned()], 1000).await.unwrap());
        } else {
            pending.push(store.pending(sink, 1000).await.unwrap());
        }
        for stands in STANDS {
            deliveries.push(store.deliveries(sink, stands, 2, 1000).await.unwrap());
        }
        memories.push(store.sink(sink).await.unwrap());
    }
    let mut keys = Vec::new();
    for list in LISTS {
        keys.push(store.keys_of_list(list, None, 100).await.unwrap().len());
    }
    Shown {
        orders,
        schedule: store.schedule(None, 100).await.unwrap(),
        lists: store.lists().await.unwrap(),
        keys,
        pending,
        waiting,
        deliveries,
        sinks,
        memories,
        generation: store.daemon_generation().await.unwrap(),
        summary: store.summary(3).await.unwrap(),
        runs: store.runs().await.unwrap(),
    }
}

/// Makes the batch; twice the same, since a batch cannot be cloned.
fn batch(step: &Step, known: &BTreeMap<usize, u64>, daemon: u64) -> Batch {
    let Step::Commit { moves, looked, lists, dropped, said } = step else { return Batch::default() };
    let all: Vec<Number> = numbers().into_values().collect();
    let changes = moves
        .iter()
        .map(|step| {
            let base = list(LISTS[step.list], "h0");
            let mut order = order(Provider::Connect, &format!("id{}", step.order), &base);
            order.generation = known.get(&step.order).copied().unwrap_or(0).saturating_sub(step.behind);
            order.tracked = step.tracked;
            order.looked.due_at = step.due.map(at);
            let pick = |n: &usize| (format!("+44{n}"), all[*n % all.len()].clone());
            order.state.numbers = step.numbers.iter().map(pick).collect();
            let Change { was, order, records } = change(&order, step.records);
            Change { was, order, records }
        })
        .collect();
    let stream = |n: &usize| order(Provider::Connect, &format!("id{n}"), &list("emea", "h0")).stream();
    let rows = |lists: Vec<&(usize, u8)>| -> Vec<ListRow> {
        lists.into_iter().map(|(n, hash)| list(LISTS[*n], &format!("h{hash}"))).collect()
    };
    let (unapplied, lists) = lists.iter().partition(|(_, hash)| *hash == UNAPPLIED);
    Batch {
        unapplied_lists: rows(unapplied).into_iter().map(|row| row.terms).collect(),
        lists: rows(lists),
        dropped_lists: dropped.iter().map(|n| LISTS[*n].to_owned()).collect(),
        changes,
        looked: looked
            .iter()
            .map(|(n, faults)| (stream(n), Looked { faults: *faults, ..Looked::default() }))
            .collect(),
        records: if *said { vec![daemon_record(daemon)] } else { Vec::new() },
        daemon_generation: said.then_some(daemon),
        runs: said.then(|| ("digest".to_owned(), at(-i64::try_from(daemon).unwrap()))).into_iter().collect(),
        ..Batch::default()
    }
}

async fn apply<S: Store + Outbox>(store: &S, step: &Step, known: &BTreeMap<usize, u64>, daemon: u64) -> Told {
    match step {
        // A list that was never stored is refused by both.
        Step::Commit { .. } => return Told::Committed(store.commit(batch(step, known, daemon)).await.ok()),
        Step::Register(names, hooks) => {
            let hooks = hooks.iter().map(|(name, wanted, place)| webhook(name, WANTED[*wanted], place));
            let all: Vec<_> = sinks(names).into_iter().chain(hooks).collect();
            store.register_sinks(&all).await.unwrap();
        }
        Step::Settle { sink, delivered, failed, memory, said } => {
            let made = |(generation, failing, disabled): &(u64, bool, bool)| SinkMemory {
                generation: *generation,
                failing_since: failing.then(|| at(1)),
                disabled_since: disabled.then(|| at(2)),
                revived: *disabled && *failing,
            };
            let memory = memory.as_ref().map(made);
            let event = SinkEvent::Disabled { reason: "no".into() };
            let spoken = memory.filter(|_| *said);
            let settlement = Settlement {
                delivered: delivered.clone(),
                failed: failed
                    .iter()
                    .map(|(seq, strikes, dead)| Failed {
                        seq: *seq,
                        error: "no".into(),
                        strikes: *strikes,
                        dead: *dead,
                    })
                    .collect(),
                records: spoken
                    .iter()
                    .map(|memory| record::of_sink(sink, &event, (memory.generation + 1, 0), at(2)))
                    .collect(),
                memory: memory
                    .map(|memory| SinkMemory { generation: memory.generation + u64::from(*said), ..memory }),
                ..Settlement::of(sink, at(3))
            };
            return Told::Settled(store.settle(settlement).await.unwrap());
        }
        Step::Prune(before, after, limit) => {
            let from = Pruning::Events { after: *after };
            return Told::Pruned(store.prune(at(*before), from, *limit).await.unwrap());
        }
        Step::Requeue(sink, what, after) => {
            return Told::Requeued(store.requeue(sink, *what, *after).await.unwrap());
        }
        Step::Delivered(sink, through) => store.delivered(sink, *through, at(1)).await.unwrap(),
        Step::Failed(sink, seq) => drop(store.settle(refusal(sink, *seq, "no", 1)).await.unwrap()),
    }
    Told::Nothing
}

/// What a store answered.
#[derive(Debug, PartialEq)]
enum Told {
    Nothing,
    Committed(Option<Committed>),
    Settled(u64),
    Requeued((u64, Option<u64>)),
    Pruned(Pruned),
}

async fn play(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claimwatch.db");
    let mut disk = SqliteStore::open(&path).await.unwrap();
    let memory = MemoryStore::new();
    let by_index: Vec<Stream> = (0..ORDERS)
        .map(|n| order(Provider::Connect, &format!("id{n}"), &list("emea", "h0")).stream())
        .collect();
    let mut known = BTreeMap::new();
    let half = steps.len() / 2;
    let mut registered = Step::Register(Vec::new(), Vec::new());
    for (n, step) in steps.iter().enumerate() {
        if n == half {
            drop(disk);
            disk = SqliteStore::open(&path).await.unwrap();
            // As every start does; else the store on disk would not know what its webhooks want.
            apply(&disk, &registered, &known, 0).await;
            apply(&memory, &registered, &known, 0).await;
        }
        if let Step::Register(..) = step {
            registered = step.clone();
        }
        let daemon = n as u64;
        let left = apply(&disk, step, &known, daemon).await;
        let right = apply(&memory, step, &known, daemon).await;
        prop_assert_eq!(left, right);
        let (left, right) = (shown(&disk, &by_index).await, shown(&memory, &by_index).await);
        prop_assert_eq!(&left, &right);
        for order in left.orders {
            let index = by_index.iter().position(|stream| *stream == order.stream()).unwrap();
            known.insert(index, order.generation);
        }
    }
    Ok(())
}

/// What the steps below found once.
#[tokio::test]
async fn whoever_is_to_be_revived_stays_so_in_both() {
    let settle = |failing| Step::Settle {
        sink: "hook",
        delivered: Vec::new(),
        failed: Vec::new(),
        memory: Some((0, failing, true)),
        said: false,
    };
    let register = Step::Register(Vec::new(), vec![("hook", 0, "p")]);
    play(vec![register, settle(true), settle(false)]).await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn disk_and_memory_show_the_same(steps in prop::collection::vec(steps(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(steps))?;
    }
}
