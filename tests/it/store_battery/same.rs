//! Whatever happens, the store on disk and the one in memory show the same.

use std::collections::BTreeMap;

use claimwatch::core::order::{Provider, Stream};
use claimwatch::core::state::{Looked, Number, Order};
use claimwatch::store::memory::MemoryStore;
use claimwatch::store::outbox::{Delivery, Outbox};
use claimwatch::store::sqlite::SqliteStore;
use claimwatch::store::{Batch, Change, Committed, Scheduled, Store};
use proptest::prelude::*;

use super::made::{at, change, daemon_record, list, numbers, order, refusal, sinks};

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

#[derive(Debug, Clone)]
enum Step {
    Commit {
        moves: Vec<Move>,
        looked: Vec<(usize, u32)>,
        lists: Vec<(usize, u8)>,
        dropped: Vec<usize>,
        said: bool,
    },
    Register(Vec<&'static str>),
    Delivered(&'static str, u64),
    Failed(&'static str, u64),
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
            prop::collection::vec((0..LISTS.len(), 0..4u8), 0..2),
            prop::collection::vec(0..LISTS.len(), 0..2),
            any::<bool>(),
        ).prop_map(|(moves, looked, lists, dropped, said)| Step::Commit { moves, looked, lists, dropped, said }),
        1 => prop::sample::subsequence(vec!["log", "file", "pager"], 0..=3).prop_map(Step::Register),
        2 => (sink.clone(), 0..12u64).prop_map(|(sink, through)| Step::Delivered(sink, through)),
        1 => (sink, 0..12u64).prop_map(|(sink, seq)| Step::Failed(sink, seq)),
    ]
}

/// All that a store shows.
#[derive(Debug, PartialEq)]
struct Shown {
    orders: Vec<Order>,
    schedule: Vec<Scheduled>,
    lists: Vec<(String, String)>,
    keys: Vec<usize>,
    pending: Vec<Vec<Delivery>>,
    generation: u64,
}

async fn shown<S: Store + Outbox>(store: &S, streams: &[Stream]) -> Shown {
    let mut orders = store.load(streams).await.unwrap();
    orders.sort_by_key(Order::stream);
    let mut pending = Vec::new();
    for sink in ["log", "file", "pager"] {
        pending.push(store.pending(sink, 1000).await.unwrap());
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
        generation: store.daemon_generation().await.unwrap(),
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
    Batch {
        lists: lists.iter().map(|(n, hash)| list(LISTS[*n], &format!("h{hash}"))).collect(),
        dropped_lists: dropped.iter().map(|n| LISTS[*n].to_owned()).collect(),
        changes,
        looked: looked
            .iter()
            .map(|(n, faults)| (stream(n), Looked { faults: *faults, ..Looked::default() }))
            .collect(),
        records: if *said { vec![daemon_record(daemon)] } else { Vec::new() },
        daemon_generation: said.then_some(daemon),
        ..Batch::default()
    }
}

async fn apply<S: Store + Outbox>(
    store: &S,
    step: &Step,
    known: &BTreeMap<usize, u64>,
    daemon: u64,
) -> Option<Committed> {
    match step {
        // A list that was never stored is refused by both.
        Step::Commit { .. } => return store.commit(batch(step, known, daemon)).await.ok(),
        Step::Register(names) => store.register_sinks(&sinks(names)).await.unwrap(),
        Step::Delivered(sink, through) => store.delivered(sink, *through, at(1)).await.unwrap(),
        Step::Failed(sink, seq) => drop(store.settle(refusal(sink, *seq, "no", 1)).await.unwrap()),
    }
    None
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
    for (n, step) in steps.iter().enumerate() {
        if n == half {
            drop(disk);
            disk = SqliteStore::open(&path).await.unwrap();
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn disk_and_memory_show_the_same(steps in prop::collection::vec(steps(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(steps))?;
    }
}
