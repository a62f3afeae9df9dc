//! What the daemon says of itself, and of a webhook.

use std::sync::Arc;
use std::time::Duration;

use claimwatch::core::delivery::{Endpoint, Posted, Ready, SinkMemory, Verdict};
use claimwatch::core::event::{DaemonEvent, SinkEvent, Summary};
use claimwatch::core::record::{self, Record, Style};
use claimwatch::core::state::Order;
use claimwatch::core::time::{Now, Tick, Timestamp};
use claimwatch::store::memory::MemoryStore;
use claimwatch::store::{Batch, Change, ListRow, Store as _};

use super::story::{Story, at};
use super::{orders, services};

/// A webhook.
const PAGER: &str = "pager";
/// The windows that a digest names at most.
const SOONEST: u32 = 10;

/// What the daemon says that watches these orders, and later those of [`services`].
pub(super) fn itself(stories: &[Story]) -> Vec<Record> {
    let few = stories.len() as u64;
    let many = u64::from(services::NUMBERS);
    let digest_at = "2026-11-23T08:00:00.003Z";
    let summary = summary(stories, at(digest_at));
    let applied = |added, removed| DaemonEvent::ConfigApplied { added, removed, changed: 0 };
    let rejected = DaemonEvent::ConfigRejected {
        file: "/etc/claimwatch/watch.d/amer.toml".to_owned(),
        line: Some(6),
        reason: "id: \"+12025550100\" is not the id of a phone number".to_owned(),
    };
    let said = [
        (applied(few, 0), orders::START),
        (DaemonEvent::Started { orders: few }, "2026-11-22T23:12:07.661Z"),
        (DaemonEvent::Heartbeat { orders: few, overdue: 0 }, "2026-11-22T23:15:00.002Z"),
        (applied(0, 2), orders::RELOADED),
        (DaemonEvent::Digest { summary, orders: few - 2, overdue: 0, lateness: Duration::ZERO }, digest_at),
        (rejected, "2026-11-23T09:58:31.220Z"),
        (applied(many, 0), services::ADDED),
        (DaemonEvent::Stopped { reason: "it was asked to".to_owned() }, "2026-11-24T10:00:00.417Z"),
    ];
    let record = |(n, (event, time))| record::of_daemon(&event, (n, 0), at(time), Style::default());
    (1..).zip(said).map(record).collect()
}

/// What a store says that has the orders as they were at a time.
fn summary(stories: &[Story], time: Timestamp) -> Summary {
    let orders: Vec<&Order> = stories.iter().filter_map(|story| story.order_at(time)).collect();
    let terms = Arc::clone(&orders[0].watch.terms);
    let change = |order: &&Order| Change { was: 0, order: (*order).clone(), records: Vec::new() };
    let batch = Batch {
        lists: vec![ListRow { terms, content_hash: String::new() }],
        changes: orders.iter().map(change).collect(),
        ..Batch::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = MemoryStore::new();
        store.commit(batch).await.unwrap();
        store.summary(SOONEST).await.unwrap()
    })
}

/// A webhook that is away for a while, does not want an event, and says at last that it is gone.
pub(super) fn pager(unwanted: &Record) -> Vec<Record> {
    let mut pager = Pager::new("2026-11-23T18:00:00.208Z");
    let down = Posted::Failing { reason: "HTTP 503: upstream is restarting".to_owned(), retry_after: None };
    for _ in 0..7 {
        pager.post("a", &down);
        pager.pass(Duration::from_secs(41));
    }
    pager.post("a", &Posted::Taken);
    pager.pass(unwanted.time.unwrap().since(pager.now.wall) + Duration::from_millis(95));
    let reason = "HTTP 422: unknown service \"voice\"".to_owned();
    let refused = Posted::Refused { reason: reason.clone() };
    while pager.post(unwanted.stream(), &refused) != Some(Verdict::Dead) {
        pager.pass(Duration::from_mins(1));
    }
    let (about, event) = (unwanted.id.clone(), unwanted.event.clone());
    pager.say(&[SinkEvent::Dead { about, event, reason }]);
    pager.pass(Duration::from_hours(2));
    pager.post("b", &Posted::Gone { reason: "HTTP 410: this integration was removed".to_owned() });
    pager.records
}

/// A webhook's endpoint, and what is said of it.
#[derive(Debug)]
struct Pager {
    endpoint: Endpoint,
    now: Now,
    strikes: u32,
    records: Vec<Record>,
}

impl Pager {
    fn new(now: &str) -> Self {
        let now = Now { wall: at(now), tick: Tick::ZERO };
        Self { endpoint: Endpoint::new(SinkMemory::default()), now, strikes: 0, records: Vec::new() }
    }

    fn pass(&mut self, time: Duration) {
        self.now = Now { wall: self.now.wall.plus(time), tick: self.now.tick.plus(time) };
    }

    /// An event of a stream is sent, and this is the answer.
    fn post(&mut self, stream: &str, posted: &Posted) -> Option<Verdict> {
        let ready = Ready { stream: stream.to_owned(), seq: 1, strikes: self.strikes };
        self.endpoint.sent(&ready, self.now.tick);
        let mut told = Vec::new();
        let verdict = self.endpoint.heard(stream, posted, self.now, &mut told);
        self.strikes = match verdict {
            Some(Verdict::Again { strikes }) => strikes,
            Some(Verdict::Delivered | Verdict::Dead) | None => 0,
        };
        self.say(&told);
        verdict
    }

    fn say(&mut self, events: &[SinkEvent]) {
        for event in events {
            let place = (self.endpoint.next_generation(), 0);
            self.records.push(record::of_sink(PAGER, event, place, self.now.wall));
        }
    }
}
