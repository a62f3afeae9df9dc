//! Pruning what became of orders.

use std::collections::BTreeMap;

use claimwatch::core::observation::ChimeStatus;
use claimwatch::core::order::{Provider, Stream};
use claimwatch::core::record::Record;
use claimwatch::core::state::{Chime, Number, Order, Status, Subject};
use claimwatch::core::time::Timestamp;
use claimwatch::core::window::{Window, WindowBasis, WindowState};
use claimwatch::store::shown::Shown as _;
use claimwatch::store::sqlite::SqliteStore;
use claimwatch::store::{Batch, Change, Pruned, Pruning, Store as _};

use super::load_one;
use super::made::{at, list, order, record_of};

fn step(order: &Order, number: Option<&str>, n: usize, seconds: i64) -> Record {
    Record {
        number: number.map(str::to_owned),
        to: Some("CLAIMED".into()),
        time: Some(at(seconds)),
        ..record_of(order, n, "number.claimed")
    }
}

/// An order with six steps: two each of two numbers and of itself, at 1 s to 6 s.
fn told(mut order: Order) -> Change {
    order.generation = 1;
    let numbers = [Some("+441"), None, Some("+442"), Some("+441"), None, Some("+442")];
    let records =
        numbers.iter().zip(0..).zip(1..).map(|((number, n), at)| step(&order, *number, n, at)).collect();
    Change { was: 0, order, records }
}

fn claimed(order: Order) -> Order {
    let number = Number { status: Status::Claimed { since: at(0) }, ..Number::default() };
    with(order, number)
}

fn with(mut order: Order, number: Number) -> Order {
    order.state.numbers = BTreeMap::from([("+441".to_owned(), number)]);
    order.state.subject = Subject::Chime(Chime { status: Some(ChimeStatus::Successful), ..Chime::default() });
    order.looked.due_at = None;
    order
}

async fn prune(store: &SqliteStore, before: Timestamp, limit: u32) -> u64 {
    let (mut gone, mut from) = (0, Some(Pruning::History { after: None }));
    while let Some(place) = from {
        let Pruned { transitions, next, .. } = store.prune(before, place, limit).await.unwrap();
        assert!(transitions <= u64::from(limit));
        (gone, from) = (gone + transitions, next);
    }
    gone
}

async fn steps(store: &SqliteStore, stream: Stream) -> Vec<Timestamp> {
    store.history(stream, 100).await.unwrap().into_iter().filter_map(|step| step.time).collect()
}

#[tokio::test]
async fn of_what_is_over_the_last_steps_stay_and_of_the_rest_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("claimwatch.db")).await.unwrap();
    let list = list("emea", "h1");
    let made = |id: &str| order(Provider::Chime, id, &list);
    let window = Window {
        id: "w".into(),
        basis: WindowBasis::FirstLook,
        counted_from: None,
        length: std::time::Duration::from_secs(1),
        failed_at: at(0),
        earliest: at(1),
        latest: at(2),
        warned: None,
        acknowledged_at: None,
    };
    let failed = Status::Failed { since: at(0), cause: None, reason: None };
    let open = Number { status: failed, window: WindowState::Open(window), ..Number::default() };
    let busy = Number { status: Status::InProgress { since: at(0), cause: None }, ..Number::default() };
    let mut looked_at = claimed(made("looked at"));
    looked_at.looked.due_at = Some(at(9));
    let mut untracked = claimed(made("untracked"));
    (untracked.tracked, untracked.looked.due_at) = (false, Some(at(9)));
    let mut left = with(made("left in its window"), open.clone());
    left.tracked = false;
    let all = [
        (claimed(made("over")), true),
        (untracked, true),
        (looked_at, false),
        (with(made("window"), open), false),
        (left, false),
        (with(made("pending"), busy), false),
        (made("new"), false),
    ];
    let streams: Vec<(Stream, bool)> = all.iter().map(|(order, over)| (order.stream(), *over)).collect();
    let orders: Vec<Order> = all.iter().map(|(order, _)| Order { generation: 1, ..order.clone() }).collect();
    let changes = all.into_iter().map(|(order, _)| told(order)).collect();
    store.commit(Batch { lists: vec![list], changes, ..Batch::default() }).await.unwrap();

    assert_eq!(prune(&store, at(1), 2).await, 0, "nothing is old");
    assert_eq!(prune(&store, at(3), 1).await, 4, "the first two of two orders");
    // The second step of a number is the last one, however old it is.
    assert_eq!(prune(&store, at(99), 3).await, 2);
    assert_eq!(prune(&store, at(99), 3).await, 0);
    for ((stream, over), order) in streams.into_iter().zip(orders) {
        let expected: Vec<Timestamp> = if over { 4..7 } else { 1..7 }.rev().map(at).collect();
        assert_eq!(steps(&store, stream).await, expected, "{}", order.watch.key.id);
        assert_eq!(load_one(&store, stream).await, order);
    }
}

#[tokio::test]
async fn many_orders_are_pruned_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("claimwatch.db")).await.unwrap();
    let list = list("emea", "h1");
    let changes =
        (0..1100).map(|n| told(claimed(order(Provider::Chime, &format!("id{n}"), &list)))).collect();
    store.commit(Batch { lists: vec![list], changes, ..Batch::default() }).await.unwrap();
    assert_eq!(prune(&store, at(99), 1000).await, 3300);
}
