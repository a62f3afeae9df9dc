//! One courier in virtual time.

use std::sync::Mutex;
use std::sync::PoisonError;

use super::*;
use crate::clock::TestClock;
use crate::core::delivery::Filter;
use crate::core::record::event_id;
use crate::core::time::Timestamp;
use crate::store::memory::MemoryStore;
use crate::store::outbox::{Registration, Stands, Takes};
use crate::store::{Batch, Store as _};

const DOWN_FOR: Duration = Duration::from_mins(40);

/// Answers each event as it is told, after a twentieth of a second; and notes who was taken when.
struct Receiver<F> {
    answers: F,
    began: tokio::time::Instant,
    taken: Mutex<Vec<(Duration, String)>>,
}

impl<F: Fn(&str, Duration) -> Posted + Send + Sync + 'static> Post for Receiver<F> {
    fn name(&self) -> &'static str {
        "pager"
    }

    async fn post(&self, parcel: Parcel) -> Posted {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let passed = self.began.elapsed();
        let answer = (self.answers)(&parcel.id, passed);
        if answer == Posted::Taken {
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).push((passed, parcel.id));
        }
        answer
    }
}

struct Office<F> {
    store: Arc<MemoryStore>,
    receiver: Arc<Receiver<F>>,
    clock: Arc<TestClock>,
    committed: Arc<Notify>,
    try_now: Arc<Notify>,
}

impl<F: Fn(&str, Duration) -> Posted + Send + Sync + 'static> Office<F> {
    #[expect(clippy::disallowed_methods, reason = "virtual time")]
    async fn new(answers: F) -> Self {
        let store = Arc::new(MemoryStore::new());
        let takes = Takes::Chosen { filter: Filter::default(), place: String::new() };
        store.register_sinks(&[Registration { name: "pager".to_owned(), takes }]).await.unwrap();
        let began = tokio::time::Instant::now();
        Self {
            store,
            receiver: Arc::new(Receiver { answers, began, taken: Mutex::default() }),
            clock: Arc::new(TestClock::at(Timestamp::from_millis(0))),
            committed: Arc::default(),
            try_now: Arc::default(),
        }
    }

    /// So many events, each of as many streams.
    async fn say(&self, streams: u64, generation: u64) {
        let record = |n| Record { id: event_id(&format!("s{n}"), generation, 0), ..Record::default() };
        let records = (0..streams).map(record).collect();
        self.store.commit(Batch { records, ..Batch::default() }).await.unwrap();
        self.committed.notify_waiters();
    }

    /// The courier works for so long, while `meanwhile` goes on.
    async fn work(&self, time: Duration, meanwhile: impl Future<Output = ()>) {
        let courier = Courier {
            store: Arc::clone(&self.store),
            post: Arc::clone(&self.receiver),
            clock: Arc::clone(&self.clock),
            store_id: 1,
            committed: Arc::clone(&self.committed),
            try_now: Arc::clone(&self.try_now),
            stop: CancellationToken::new(),
        };
        let both = async {
            let (ended, ()) = tokio::join!(courier.run(), meanwhile);
            ended.unwrap();
        };
        drop(tokio::time::timeout(time, both).await);
    }

    fn taken(&self) -> Vec<(Duration, String)> {
        self.receiver.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn down() -> Posted {
    Posted::Failing { reason: "no connection".to_owned(), retry_after: None }
}

#[tokio::test(start_paused = true)]
async fn what_waited_for_forty_minutes_is_out_within_a_minute_of_the_return() {
    // The return comes at each point between two trials.
    for second in 0..45 {
        let back = DOWN_FOR + Duration::from_secs(second);
        let office = Office::new(move |_, passed| if passed < back { down() } else { Posted::Taken }).await;
        let talk = async {
            for generation in 1..=5 {
                office.say(300, generation).await;
                tokio::time::sleep(Duration::from_mins(8)).await;
            }
        };
        office.work(back + Duration::from_mins(1), talk).await;
        let taken = office.taken();
        let events = taken.iter().filter(|(_, id)| id.starts_with('s')).count();
        assert_eq!(events, 1500, "back at second {second}: {:?}", taken.last());
        for stream in 0..300 {
            let of_it: Vec<&str> = taken
                .iter()
                .map(|(_, id)| id.as_str())
                .filter(|id| id.starts_with(&format!("s{stream}-")))
                .collect();
            let expected: Vec<String> =
                (1..=5).map(|generation| format!("s{stream}-{generation}-0")).collect();
            assert_eq!(of_it, expected);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_refused_for_ever_holds_up_none_behind_it_for_long() {
    let refused = |id: &str, _| {
        if id == "s0-1-0" { Posted::Refused { reason: "HTTP 400".to_owned() } } else { Posted::Taken }
    };
    let office = Office::new(refused).await;
    office.say(100, 1).await;
    office.say(100, 2).await;
    office.work(Duration::from_secs(20), async {}).await;
    let taken = office.taken();
    let at = |wanted: &str| taken.iter().find(|(_, id)| id == wanted).map(|(at, _)| *at);
    for stream in 1..100 {
        assert!(at(&format!("s{stream}-2-0")).is_some_and(|at| at < Duration::from_secs(2)), "{stream}");
    }
    assert!(at("s0-2-0").is_some_and(|at| at < Duration::from_secs(16)), "behind it: {:?}", at("s0-2-0"));
    let dead = office.store.deliveries("pager", Stands::Dead, 0, 10).await.unwrap();
    assert_eq!((dead.len(), dead[0].id.as_str(), dead[0].attempts), (1, "s0-1-0", 3));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_digested_holds_up_the_others_for_seconds() {
    let office = Office::new(|id, _| if id == "s0-1-0" { down() } else { Posted::Taken }).await;
    office.say(100, 1).await;
    let talk = async {
        for generation in 2..=60 {
            tokio::time::sleep(Duration::from_secs(10)).await;
            office.say(100, generation).await;
        }
    };
    office.work(Duration::from_mins(15), talk).await;
    let taken = office.taken();
    for generation in 1..=60_u32 {
        let said = Duration::from_secs(10) * (generation - 1);
        let of_it = taken
            .iter()
            .filter(|(_, id)| id.ends_with(&format!("-{generation}-0")) && !id.starts_with("s0-"));
        let latest = of_it.map(|(at, _)| at.saturating_sub(said)).max().unwrap();
        assert!(latest < Duration::from_secs(7), "generation {generation} was {latest:?} late");
    }
    let dead = office.store.deliveries("pager", Stands::Dead, 0, 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert!(taken.iter().any(|(_, id)| id == "s0-60-0"), "what is behind it follows");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_limits_its_rate_gets_everything_at_half_that_rate_at_least() {
    for (rate, ideal) in [(1.0, 300), (5.0, 60), (20.0, 15)] {
        let bucket = Mutex::new((1.0, Duration::ZERO));
        let limited = move |_: &str, passed: Duration| {
            let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            let tokens: f64 = bucket.0 + passed.saturating_sub(bucket.1).as_secs_f64() * rate;
            *bucket = (tokens.min(1.0), passed);
            if bucket.0 < 1.0 {
                return down();
            }
            bucket.0 -= 1.0;
            Posted::Taken
        };
        let office = Office::new(limited).await;
        office.say(300, 1).await;
        // What had bad luck waits by itself, at last for 40 s each time.
        office.work(Duration::from_secs(ideal * 2 + 120), async {}).await;
        let taken = office.taken().iter().filter(|(_, id)| id.starts_with('s')).count();
        let dead = office.store.deliveries("pager", Stands::Dead, 0, 10).await.unwrap();
        assert_eq!((taken, dead.len()), (300, 0), "{rate} a second: {:?}", office.taken().last());
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_that_it_works_again_need_not_wait_for_the_next_trial() {
    let back = Duration::from_secs(100);
    let office = Office::new(move |_, passed| if passed < back { down() } else { Posted::Taken }).await;
    office.say(20, 1).await;
    let asks = async {
        // Trials are at 35 s, 75 s and 115 s.
        tokio::time::sleep(Duration::from_secs(101)).await;
        // As to requeue does.
        office.committed.notify_waiters();
        office.try_now.notify_waiters();
    };
    office.work(Duration::from_secs(103), asks).await;
    let taken = office.taken().iter().filter(|(_, id)| id.starts_with('s')).count();
    assert_eq!(taken, 20);
}
