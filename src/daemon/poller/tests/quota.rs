//! Whose turn it is, measured: the loop against a service with a quota that knows nothing of it.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;

use super::*;

/// The service's token buckets, one an account; refused calls cost nothing.
pub(super) struct Server {
    buckets: Mutex<HashMap<String, Bucket>>,
    rate: f64,
    burst: f64,
    /// Calls a second of somebody else on the same quota, evenly spaced.
    foreign: f64,
    began: Instant,
}

struct Bucket {
    tokens: f64,
    at: f64,
    foreign_at: f64,
    /// Seconds at which a call was refused, and at which one was admitted.
    refused: Vec<f64>,
    admitted: Vec<f64>,
    calls: u64,
}

/// A call and its answer take this long; a hash of the call's number makes it 40 to 120 ms.
const ROUND_TRIP: Duration = Duration::from_millis(80);

impl Server {
    #[expect(clippy::disallowed_methods, reason = "tokio's paused clock")]
    pub(super) fn new(rate: f64, burst: u32, foreign: f64) -> Self {
        Self { buckets: Mutex::default(), rate, burst: burst.into(), foreign, began: Instant::now() }
    }

    fn admit(&self, account: &str) -> bool {
        let now = self.began.elapsed().as_secs_f64();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(account.to_owned()).or_insert_with(|| Bucket {
            tokens: self.burst,
            at: 0.0,
            foreign_at: 0.0,
            refused: Vec::new(),
            admitted: Vec::new(),
            calls: 0,
        });
        while self.foreign > 0.0 && bucket.foreign_at + 1.0 / self.foreign <= now {
            bucket.foreign_at += 1.0 / self.foreign;
            bucket.refill(bucket.foreign_at, self);
            if bucket.tokens >= 1.0 {
                bucket.tokens -= 1.0;
            }
        }
        bucket.refill(now, self);
        let admitted = bucket.tokens >= 1.0;
        if admitted {
            bucket.tokens -= 1.0;
            bucket.admitted.push(now);
        } else {
            bucket.refused.push(now);
        }
        admitted
    }

    fn delay(&self, account: &str) -> Duration {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bucket) = buckets.get_mut(account) else { return ROUND_TRIP / 2 };
        bucket.calls += 1;
        let spread = crate::core::order::Stream::of(&[account]).spread(bucket.calls, 80);
        Duration::from_millis(40 + spread) / 2
    }

    /// Calls that were admitted and refused from one second to another.
    fn counted(&self, account: &str, from: u64, to: u64) -> (usize, usize) {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let within = |times: &[f64]| {
            #[expect(clippy::cast_precision_loss, reason = "seconds of a few days")]
            let (from, to) = (from as f64, to as f64);
            times.iter().filter(|at| (from..to).contains(*at)).count()
        };
        buckets.get(account).map_or((0, 0), |bucket| (within(&bucket.admitted), within(&bucket.refused)))
    }
}

impl Bucket {
    fn refill(&mut self, now: f64, server: &Server) {
        self.tokens = (self.tokens + (now - self.at) * server.rate).min(server.burst);
        self.at = now;
    }
}

impl World {
    /// Whether the account's quota admits a call. Takes as long as the call.
    pub(super) async fn admitted(&self, account: &str) -> bool {
        let Some(server) = &self.quota else { return true };
        tokio::time::sleep(server.delay(account)).await;
        let admitted = server.admit(account);
        tokio::time::sleep(server.delay(account)).await;
        admitted
    }
}

fn main_file(connect: &str) -> String {
    format!("{MAIN}connect = {{ {connect} }}\n")
}

impl House {
    /// A service with this quota, part of which somebody else uses.
    fn on(mut self, rate: f64, burst: u32, foreign: f64) -> Self {
        let world = Arc::get_mut(&mut self.world).unwrap();
        world.quota = Some(Server::new(rate, burst, foreign));
        self
    }

    fn counted(&self, from: u64, to: u64) -> (usize, usize) {
        self.world.quota.as_ref().unwrap().counted("a", from, to)
    }

    /// How often each order was looked at, and when first.
    fn looks(&self) -> BTreeMap<String, (u64, u64)> {
        let mut looks = BTreeMap::new();
        for (second, errand) in self.asked(0) {
            if let Errand::Itself(id) = errand {
                looks.entry(id).or_insert((0, second)).0 += 1;
            }
        }
        looks
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a few hundred thousand")]
fn part(of: usize, whole: f64) -> f64 {
    of as f64 / whole
}

/// Jain's index of fairness: 1 if all have as many, 1/n if one has all.
#[expect(clippy::cast_precision_loss, reason = "counts of a few hundred thousand")]
fn jain(counts: &[u64]) -> f64 {
    let sum: f64 = counts.iter().map(|n| *n as f64).sum();
    let squares: f64 = counts.iter().map(|n| (*n as f64).powi(2)).sum();
    sum * sum / (counts.len() as f64 * squares)
}

fn pending(_: &str, _: &Errand, _: u64) -> Answer {
    seen("IN_PROGRESS")
}

#[tokio::test(start_paused = true)]
async fn alone_on_a_quota_it_uses_all_of_its_share_and_everybody_has_a_turn() {
    const ORDERS: usize = 20_000;
    let house = House::of(ORDERS, pending).await.on(2.0, 5, 0.0);
    let mut poller = house.start().await;
    house.run(&mut poller, 4 * HOUR).await;
    let (admitted, refused) = house.counted(0, 4 * HOUR);
    let ideal = 1.6 * 4.0 * 3600.0;
    assert!(part(admitted, ideal) >= 0.98, "{admitted} looks, {ideal} could be had");
    assert!(part(refused, ideal) <= 0.001, "{refused} refused");
    let looks = house.looks();
    assert_eq!(looks.len(), ORDERS, "every order had a look");
    let last = looks.values().map(|(_, first)| *first).max().unwrap();
    assert!(last <= 12_500 + 10, "the last first look came after {last} s, a round takes 12,500");
    let counts: Vec<u64> = looks.values().map(|(count, _)| *count).collect();
    assert!(jain(&counts) >= 0.9, "Jain's index {}", jain(&counts));
}
