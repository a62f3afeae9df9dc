//! What is shown of a store: in what order, found by what, and counted how.

use std::collections::BTreeMap;

use claimwatch::core::order::{Provider, Stream};
use claimwatch::core::record::Record;
use claimwatch::core::standing::Urgency;
use claimwatch::core::state::{Number, Order, Status};
use claimwatch::core::time::Timestamp;
use claimwatch::core::window::{Window, WindowBasis, WindowState};
use claimwatch::daemon::observe::events::{self, Choice, From};
use claimwatch::daemon::observe::orders::{self, Beside, Filters, Found};
use claimwatch::store::outbox::{Outbox as _, Stands};
use claimwatch::store::shown::{Placed, Shown as _, Wanted};
use claimwatch::store::sqlite::SqliteStore;
use claimwatch::store::{Batch, Change, Store as _};

use super::made::{at, list, order, record_of, sinks};

/// An order of a Connect number that stands so since then.
fn standing(id: &str, of: &str, status: Status, since: i64, window: Option<i64>) -> Order {
    let mut order = order(Provider::Connect, id, &list(of, of));
    order.watch.declared.number = None;
    order.state.changed_at = at(since);
    let window = window.map(|earliest| Window {
        id: format!("{id}-1-0"),
        basis: WindowBasis::FirstLook,
        counted_from: None,
        length: std::time::Duration::from_hours(24),
        failed_at: at(since),
        earliest: at(earliest),
        latest: at(earliest),
        warned: None,
        acknowledged_at: None,
    });
    let window = window.map_or(WindowState::Never, WindowState::Open);
    order.state.numbers =
        BTreeMap::from([(format!("+44{id}"), Number { status, window, ..Number::default() })]);
    if let claimwatch::core::state::Subject::Connect(connect) = &mut order.state.subject {
        connect.current = format!("+44{id}");
    }
    order
}

fn told(order: &Order, n: usize, event: &str, seconds: i64) -> Record {
    let to = event.starts_with("number.").then(|| "FAILED".to_owned());
    Record {
        time: Some(at(seconds)),
        list: Some(order.watch.terms.name.clone()),
        provider: Some("connect".into()),
        to,
        ..record_of(order, n, event)
    }
}

/// Six orders of two lists, in no order: done, failed, two pending, two with a window.
async fn made() -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("claimwatch.db")).await.unwrap();
    store.register_sinks(&sinks(&["log", "file"])).await.unwrap();
    let failed = || Status::Failed { since: at(0), cause: None, reason: None };
    let pending = || Status::InProgress { since: at(0), cause: None };
    let orders = [
        standing("10", "emea", Status::Claimed { since: at(0) }, 5, None),
        standing("11", "emea", failed(), 6, None),
        standing("12", "emea", pending(), 7, None),
        standing("13", "apac", pending(), 3, None),
        standing("14", "apac", failed(), 8, Some(900)),
        standing("15", "emea", failed(), 9, Some(600)),
    ];
    let changes = orders.into_iter().zip(10..).map(|(mut order, seconds)| {
        order.generation = 1;
        let records = vec![
            told(&order, 0, "order.tracked", seconds),
            told(&order, 1, "number.failed", seconds),
            told(&order, 2, "window.opened", seconds),
        ];
        Change { was: 0, order, records }
    });
    let batch = Batch {
        lists: vec![list("emea", "emea"), list("apac", "apac")],
        changes: changes.collect(),
        ..Batch::default()
    };
    store.commit(batch).await.unwrap();
    (folder, store)
}

async fn ids(
    store: &SqliteStore,
    wanted: &Wanted,
    after: Option<Placed>,
    limit: u32,
) -> (Vec<String>, Option<Placed>) {
    let ids = BTreeMap::new();
    let beside = Beside { account_ids: &ids, now: at(100) };
    let page = orders::orders(store, wanted, (after, limit), &beside).await.unwrap();
    let next = page.next.map(|cursor| Placed::parse(&cursor).unwrap());
    (page.orders.into_iter().map(|order| order.order_id).collect(), next)
}

#[tokio::test]
async fn the_most_urgent_come_first_and_pages_have_each_once() {
    let (_folder, store) = made().await;
    let all = Wanted::default();
    // Windows by their ends, what failed, what is pending by its age, what is done.
    let expected = ["15", "14", "11", "13", "12", "10"];
    assert_eq!(ids(&store, &all, None, 50).await, (expected.map(str::to_owned).to_vec(), None));
    for limit in 1..=6 {
        let (mut seen, mut after) = (Vec::new(), None);
        for _ in 0..=expected.len() {
            let (page, next) = ids(&store, &all, after, limit).await;
            assert!(!page.is_empty(), "no page is empty");
            seen.extend(page);
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected, "{limit} at a time");
    }
}

#[tokio::test]
async fn filters_choose() {
    let (_folder, store) = made().await;
    let filters = |change: &dyn Fn(&mut Filters)| {
        let mut filters = Filters::default();
        change(&mut filters);
        filters
    };
    let cases: Vec<(Filters, &[&str])> = vec![
        (filters(&|f| f.list = Some("apac".into())), &["14", "13"]),
        (filters(&|f| f.status = Some("failed".into())), &["15", "14", "11"]),
        (filters(&|f| f.urgency = Some("failed".into())), &["11"]),
        (filters(&|f| f.scope = Some("chime".into())), &[]),
        (filters(&|f| f.scope = Some("connect/prod-eu".into())), &["15", "14", "11", "13", "12", "10"]),
        (filters(&|f| f.scope = Some("connect/other".into())), &[]),
        (filters(&|f| f.label = Some("team=apac \"voice\" \u{1f4de}".into())), &["14", "13"]),
        (filters(&|f| f.label = Some("team=nobody".into())), &[]),
    ];
    for (filters, expected) in cases {
        let wanted = orders::wanted(&store, &filters).await.unwrap().unwrap();
        assert_eq!(ids(&store, &wanted, None, 50).await.0, expected, "{filters:?}");
    }
    for wrong in [
        filters(&|f| f.scope = Some("nobody".into())),
        filters(&|f| f.label = Some("team".into())),
        filters(&|f| f.urgency = Some("very".into())),
    ] {
        assert!(orders::wanted(&store, &wrong).await.unwrap().is_err(), "{wrong:?}");
    }
}

#[tokio::test]
async fn what_is_counted() {
    let (_folder, store) = made().await;
    let counts = store.counts().await.unwrap();
    let told: Vec<_> =
        counts.iter().map(|c| (c.list.as_str(), c.standing.as_str(), c.urgency.unwrap(), c.orders)).collect();
    assert_eq!(
        told,
        [
            ("apac", "FAILED", Urgency::Window, 1),
            ("apac", "IN_PROGRESS", Urgency::Pending, 1),
            ("emea", "CLAIMED", Urgency::Done, 1),
            ("emea", "FAILED", Urgency::Window, 1),
            ("emea", "FAILED", Urgency::Failed, 1),
            ("emea", "IN_PROGRESS", Urgency::Pending, 1),
        ]
    );
    let windows = open(&store).await;
    assert_eq!(windows, [("apac".into(), 1, 1, Some(at(900))), ("emea".into(), 1, 1, Some(at(600)))]);
    let told = store.told(3, 9).await.unwrap();
    let told: Vec<_> = told.iter().map(|t| (t.event.as_str(), t.to.as_deref(), t.count)).collect();
    assert_eq!(
        told,
        [("number.failed", Some("FAILED"), 2), ("order.tracked", None, 2), ("window.opened", None, 2)]
    );
}

/// Of what has open windows: its list, how many, how many nobody acknowledged, and their soonest end.
async fn open(store: &SqliteStore) -> Vec<(String, u64, u64, Option<Timestamp>)> {
    let counts = store.counts().await.unwrap().into_iter().filter(|count| count.windows > 0);
    counts.map(|count| (count.list, count.windows, count.unacknowledged, count.soonest)).collect()
}

#[tokio::test]
async fn a_window_that_was_acknowledged_is_counted_as_such() {
    let (_folder, store) = made().await;
    let stream = store.named("15", 1).await.unwrap()[0];
    let [mut order] = load(&store, stream).await;
    for number in order.state.numbers.values_mut() {
        let WindowState::Open(window) = &mut number.window else { panic!("its window is open") };
        window.acknowledged_at = Some(at(90));
    }
    order.generation += 1;
    let change = Change { was: 1, order, records: Vec::new() };
    store.commit(Batch { changes: vec![change], ..Batch::default() }).await.unwrap();
    assert_eq!(open(&store).await, [("apac".into(), 1, 1, Some(at(900))), ("emea".into(), 1, 0, None)]);
}

#[tokio::test]
async fn an_order_is_found_by_all_that_is_known_of_it() {
    let (_folder, store) = made().await;
    let mut declared = order(Provider::Chime, "20", &list("emea", "emea"));
    declared.generation = 1;
    let mut twin = standing("10", "emea", Status::NeverSeen, 1, None);
    twin.watch.key.account = "prod-us".into();
    twin.watch.key.region = "us-east-1".into();
    twin.state.numbers.clear();
    twin.generation = 1;
    let changes = [declared, twin].map(|order| Change { was: 0, order, records: Vec::new() });
    store.commit(Batch { changes: changes.into(), ..Batch::default() }).await.unwrap();
    for (name, id) in [
        ("12", "12"),
        (" 12 ", "12"),
        ("+4412", "12"),
        ("+442071838750", "20"),
        ("connect/prod-eu/10", "10"),
        ("arn:aws:connect:us-east-1:123456789012:phone-number/10", "10"),
        ("arn:aws:connect:eu-west-2:123456789012:phone-number/12", "12"),
    ] {
        let Found::One(stream) = orders::find(&store, name).await.unwrap() else { panic!("{name}") };
        let ids = BTreeMap::new();
        let beside = Beside { account_ids: &ids, now: at(100) };
        let found = orders::detail(&store, stream, &beside).await.unwrap().unwrap();
        assert_eq!(found.order.order_id, id, "{name}");
        assert_eq!(found.order.region == "us-east-1", name.contains("us-east-1"), "{name}");
    }
    let Found::Several(known) = orders::find(&store, "10").await.unwrap() else { panic!("two have it") };
    assert_eq!(known, ["connect/prod-eu/10", "connect/prod-us/10"]);
    assert!(matches!(orders::find(&store, "1").await.unwrap(), Found::Several(known) if known.len() == 7));
    for name in ["99", "", "%", "1_", "'", "+44", "chime/prod-eu/10", "../../etc/passwd", &"1".repeat(10_000)]
    {
        assert_eq!(orders::find(&store, name).await.unwrap(), Found::Nothing, "{name}");
    }
    let found = orders::find(&store, "connect/prod-us/10").await.unwrap();
    let Found::One(twin) = found else { panic!("it is the only one there") };
    let [mut untracked] = load(&store, twin).await;
    (untracked.tracked, untracked.generation) = (false, 2);
    let change = Change { was: 1, order: untracked, records: Vec::new() };
    store.commit(Batch { changes: vec![change], ..Batch::default() }).await.unwrap();
    let meant = orders::find(&store, "10").await.unwrap();
    assert!(
        matches!(meant, Found::One(stream) if stream != twin),
        "the one that is tracked is meant: {meant:?}"
    );
    assert_eq!(orders::find(&store, "connect/prod-us/10").await.unwrap(), found);
}

#[tokio::test]
async fn a_history_knows_its_events_and_what_became_of_them() {
    let (_folder, store) = made().await;
    store.delivered("file", 6, at(200)).await.unwrap();
    let Found::One(stream) = orders::find(&store, "11").await.unwrap() else { panic!("it is there") };
    let history = store.history(stream, 10).await.unwrap();
    let seqs: Vec<_> = history.iter().map(|step| (step.event.as_str(), step.seq)).collect();
    assert_eq!(seqs, [("window.opened", Some(6)), ("number.failed", Some(5))]);
    let sent = store.sent(&[5, 6, 99]).await.unwrap();
    let sent: Vec<_> = sent.iter().map(|s| (s.seq, s.sink.as_str(), s.stands)).collect();
    assert_eq!(
        sent,
        [
            (5, "file", Stands::Delivered),
            (5, "log", Stands::Pending),
            (6, "file", Stands::Delivered),
            (6, "log", Stands::Pending),
        ]
    );
    let latest: Vec<u64> = store.latest_changes(3).await.unwrap().iter().map(|event| event.seq).collect();
    assert_eq!(latest, [18, 17, 15], "what was merely tracked is no change");
}

#[tokio::test]
async fn events_from_a_place_a_time_or_the_end() {
    let (_folder, store) = made().await;
    let seqs = async |choice: &Choice, from: From, limit: u32| {
        let page = events::page(&store, choice, from, limit).await.unwrap();
        let seq = |event: &serde_json::value::RawValue| {
            serde_json::from_str::<serde_json::Value>(event.get()).unwrap()["seq"].as_u64().unwrap()
        };
        (page.events.iter().map(|event| seq(event)).collect::<Vec<_>>(), page.next, page.more)
    };
    let all = Choice::default();
    assert_eq!(seqs(&all, From::After(15), 10).await, (vec![16, 17, 18], 18, false));
    assert_eq!(seqs(&all, From::After(3), 2).await, (vec![4, 5], 5, true));
    assert_eq!(seqs(&all, From::After(18), 2).await, (vec![], 18, false));
    assert_eq!(seqs(&all, From::Last(2), 10).await, (vec![17, 18], 18, false));
    // The third order's are of 12 s.
    for (time, first) in [(at(12), 7), (at(11), 4), (at(0), 1), (at(99), 19), (Timestamp::from_millis(0), 1)]
    {
        let (found, ..) = seqs(&all, From::Since(time), 100).await;
        assert_eq!(found, (first..=18).collect::<Vec<u64>>(), "since {time}");
    }
    let windows = Choice { event: Some("window.*".into()), list: Some("apac".into()), ..Choice::default() };
    assert_eq!(seqs(&windows, From::After(0), 1).await, (vec![12], 12, true));
    assert_eq!(seqs(&windows, From::Last(9), 100).await.0, [12, 15]);
    let one = Choice { orders: vec!["15".into()], ..Choice::default() };
    assert_eq!(seqs(&one, From::After(0), 100).await.0, [16, 17, 18]);
    assert_eq!(store.last_seq().await.unwrap(), 18);
}

#[tokio::test]
async fn a_standing_moves_with_its_order_and_goes_with_it() {
    let (_folder, store) = made().await;
    let Found::One(stream) = orders::find(&store, "15").await.unwrap() else { panic!("it is there") };
    let [mut order] = load(&store, stream).await;
    let number = order.state.numbers.values_mut().next().unwrap();
    (number.status, number.window) = (Status::Claimed { since: at(20) }, WindowState::Never);
    order.generation = 2;
    let change = Change { was: 1, order: order.clone(), records: Vec::new() };
    store.commit(Batch { changes: vec![change], ..Batch::default() }).await.unwrap();
    let (all, _) = ids(&store, &Wanted::default(), None, 50).await;
    assert_eq!(all, ["14", "11", "13", "12", "15", "10"], "of what is done the latest first");
    order.tracked = false;
    order.generation = 3;
    store
        .commit(Batch { changes: vec![Change { was: 2, order, records: Vec::new() }], ..Batch::default() })
        .await
        .unwrap();
    assert_eq!(ids(&store, &Wanted::default(), None, 50).await.0.len(), 5);
    assert!(matches!(orders::find(&store, "15").await.unwrap(), Found::One(_)), "it is known all the same");
}

async fn load(store: &SqliteStore, stream: Stream) -> [Order; 1] {
    use claimwatch::store::Known as _;
    store.load(&[stream]).await.unwrap().try_into().unwrap()
}
