//! Whose turn it is, measured: the loop against a service with a quota that knows nothing of it.

use std::collections::{BTreeMap, HashMap};

use super::*;
use crate::core::time::Tick;

/// The service's token buckets, one an account; refused calls cost nothing.
pub(super) struct Server {
    buckets: Mutex<HashMap<String, Bucket>>,
    /// May change while it goes on.
    rate: Mutex<f64>,
    burst: f64,
    /// Calls a second of somebody else on the same quota, evenly spaced.
    foreign: f64,
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
    pub(super) fn new(rate: f64, burst: u32, foreign: f64) -> Self {
        Self { buckets: Mutex::default(), rate: Mutex::new(rate), burst: burst.into(), foreign }
    }

    fn admit(&self, account: &str, now: Tick) -> bool {
        let now = now.since(Tick::ZERO).as_secs_f64();
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
            // They insist until they have it.
            bucket.tokens -= 1.0;
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
        let rate = *server.rate.lock().unwrap_or_else(PoisonError::into_inner);
        self.tokens = (self.tokens + (now - self.at) * rate).min(server.burst);
        self.at = now;
    }
}

impl World {
    /// Whether the account's quota admits a call. Takes as long as the call.
    pub(super) async fn admitted(&self, account: &str) -> bool {
        let Some(server) = &self.quota else { return true };
        tokio::time::sleep(server.delay(account)).await;
        let admitted = server.admit(account, self.clock.now().tick);
        tokio::time::sleep(server.delay(account)).await;
        admitted
    }
}

fn main_file(connect: &str) -> String {
    format!("{MAIN}connect = {{ {connect} }}\n")
}

impl House {
    /// A service with this quota, part of which somebody else uses.
    pub(super) fn on(mut self, rate: f64, burst: u32, foreign: f64) -> Self {
        let world = Arc::get_mut(&mut self.world).unwrap();
        world.quota = Some(Server::new(rate, burst, foreign));
        self
    }

    /// The service's quota is changed.
    fn raise(&self, rate: f64) {
        *self.world.quota.as_ref().unwrap().rate.lock().unwrap() = rate;
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

/// A house of so many orders on one whole quota, and what of it the service really gives.
async fn on_whole(orders: usize, configured: f64, rate: f64, foreign: f64) -> House {
    let main = main_file(&format!("rate = {configured:.1}, burst = 5, share = 1.0"));
    // However old they get, there is always more to do than the quota allows.
    let main = format!("{main}[poll]\nceiling = \"60s\"\n");
    House::with(&main, &[("l", &list(orders))], pending).await.on(rate, 5, foreign)
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_uses_is_left_to_them() {
    for share in ["1.0", "0.8"] {
        let main = main_file(&format!("rate = 2.0, burst = 5, share = {share}"));
        let house = House::with(&main, &[("l", &list(1000))], pending).await.on(2.0, 5, 0.5);
        let mut poller = house.start().await;
        house.run(&mut poller, 2 * HOUR).await;
        let (admitted, refused) = house.counted(0, 2 * HOUR);
        let rest = 1.5 * 7200.0;
        assert!(part(admitted, rest) >= 0.9, "{admitted} of {rest} with a share of {share}");
        assert!(
            part(refused, part(admitted + refused, 1.0)) <= 0.03,
            "{refused} refused with a share of {share}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_smaller_than_configured_is_learned_and_a_raise_as_well() {
    for (configured, rate, most) in [(2.0, 0.8, 0.04), (0.5, 0.2, 0.05)] {
        let house = on_whole(500, configured, rate, 0.0).await;
        let mut poller = house.start().await;
        house.run(&mut poller, 3 * HOUR).await;
        let (admitted, refused) = house.counted(300, 3 * HOUR);
        let ideal = rate * (3.0 * 3600.0 - 300.0);
        assert!(part(admitted, ideal) >= 0.9, "{admitted} of {ideal} at {rate}");
        let refused = part(refused, part(admitted + refused, 1.0));
        assert!(refused <= most, "{refused} refused at {rate}");
        house.raise(configured);
        house.run(&mut poller, 4 * MINUTE).await;
        let (admitted, refused) = house.counted(3 * HOUR + 180, 3 * HOUR + 240);
        assert!(
            part(admitted, configured * 60.0) >= 0.95,
            "{admitted} looks after the raise to {configured}"
        );
        assert!(refused <= 1, "{refused} refused");
    }
}

/// Runs for so many half minutes, killed after each, or not; calls that were admitted and refused.
async fn half_minutes(many: u64, killed: bool, (configured, rate): (f64, f64)) -> (usize, usize) {
    let house = on_whole(100, configured, rate, 0.0).await;
    let mut poller = house.start().await;
    for _ in 0..many {
        house.run(&mut poller, 30).await;
        if killed {
            poller = house.start().await;
        }
    }
    house.counted(0, many * 30)
}

#[tokio::test(start_paused = true)]
async fn a_kill_every_half_minute_for_a_day_costs_no_refusal() {
    let (admitted, refused) = half_minutes(2880, true, (0.5, 0.5)).await;
    assert_eq!(refused, 0);
    assert!(part(admitted, 0.5 * 86_400.0) >= 0.96, "{admitted} looks");
}

#[tokio::test(start_paused = true)]
async fn a_kill_every_half_minute_forgets_nothing_that_was_learned() {
    let wrong = (2.0, 0.8);
    let (without, with) = (half_minutes(480, false, wrong).await, half_minutes(480, true, wrong).await);
    assert!(with.1 <= without.1, "{with:?} with kills, {without:?} without");
    assert!(part(with.0, 0.8 * 14_400.0) >= 0.9, "{with:?}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_few_calls_and_is_caught_up_in_order_and_without_a_herd() {
    const FROM: u64 = 10 * MINUTE;
    const TO: u64 = 20 * MINUTE;
    let urgent = 20;
    let house = House::of(20_000, move |id, errand, second| match errand {
        _ if (FROM..TO).contains(&second) => down(),
        Errand::Itself(_) if *id < *self::id(urgent) => seen("FAILED"),
        Errand::Itself(_) => seen("IN_PROGRESS"),
        Errand::Holders { .. } | Errand::Holder(_) => holders(false),
    })
    .await
    .on(2.0, 5, 0.0);
    // The urgent ones were there before the others.
    let urgent_only = first_of(&house.lists, urgent);
    let mut poller = house.start_with(&urgent_only, false).await;
    house.run(&mut poller, 5 * MINUTE).await;
    let mut poller = house.start().await;
    house.run(&mut poller, HOUR).await;
    let asked = house.asked(0);
    let during = asked.iter().filter(|(second, _)| (FROM..TO).contains(second)).count();
    assert!(during <= 30, "{during} calls in the outage");
    let after: Vec<&(u64, Errand)> = asked.iter().filter(|(second, _)| *second >= TO).collect();
    let first: Vec<&str> = after.iter().take(30).filter_map(|(_, errand)| asks(errand)).collect();
    let of_urgent = first.iter().filter(|asked| ***asked < *id(urgent)).count();
    assert!(of_urgent * 13 >= first.len() * 8, "{of_urgent} of the first {} are urgent", first.len());
    for (n, (second, _)) in after.iter().enumerate() {
        let within = after[n..].iter().take_while(|(other, _)| *other < second + 5).count();
        assert!(within <= 5 * 2 + 3, "{within} calls in the five seconds from {second}");
    }
}

fn asks(errand: &Errand) -> Option<&str> {
    match errand {
        Errand::Itself(ask) => Some(ask),
        Errand::Holders { .. } | Errand::Holder(_) => None,
    }
}

/// The lists as they would be with the first entries only.
fn first_of(lists: &[WatchList], entries: usize) -> Vec<WatchList> {
    let mut lists = lists.to_vec();
    for list in &mut lists {
        list.entries.truncate(entries);
    }
    lists
}

#[tokio::test(start_paused = true)]
async fn every_mark_has_its_look_before_it_however_many_come_at_once() {
    const WINDOWS: usize = 200;
    let terms = "[retry_window]\nlength = \"6h\"\nwarn_before = [\"3h\", \"1h\", \"10m\"]\n";
    let entries: Vec<String> = (0..20_000 + WINDOWS)
        .map(|n| {
            let requested = if n < WINDOWS { "requested_at = 2026-11-22T10:00:00Z\n" } else { "" };
            format!("[[number]]\nid = \"{}\"\noperation = \"claim\"\n{requested}", id(n))
        })
        .collect();
    let text = format!("account = \"a\"\nstalled_after = \"none\"\n{terms}{}", entries.concat());
    let house = House::with(MAIN, &[("l", &text)], move |id, errand, _| match errand {
        Errand::Itself(_) if *id < *self::id(WINDOWS) => seen("FAILED"),
        Errand::Itself(_) => seen("IN_PROGRESS"),
        Errand::Holders { .. } | Errand::Holder(_) => {
            let own = Holder { id: id.to_owned(), ask: id.to_owned() };
            Answer::Page(Page { holders: vec![own], next: None })
        }
    })
    .await
    .on(2.0, 5, 0.0);
    let mut poller = house.start_with(&first_of(&house.lists, WINDOWS), false).await;
    house.run(&mut poller, 10 * MINUTE).await;
    let mut poller = house.start().await;
    house.run(&mut poller, 6 * HOUR + 20 * MINUTE).await;
    let records = house.records().await;
    let closing: Vec<&Record> = records.iter().filter(|record| record.event == "window.closing").collect();
    assert_eq!(closing.len(), 3 * WINDOWS);
    for record in closing {
        let (due, time) = (record.due_at.unwrap(), record.time.unwrap());
        let evidence = due.since(record.evidence_at.unwrap());
        assert!(time.since(due) < Duration::from_secs(2), "due {due}, told {time}");
        // Each of them costs two calls of the urgent lane's eight of thirteen parts of 1.6 a second.
        assert!(
            evidence <= Duration::from_secs(60 + 2 * 200 * 13 / 8 * 10 / 16 + 60),
            "{evidence:?}: {record:?}"
        );
        assert!(!evidence.is_zero(), "before it");
    }
    // Each was asked about before each of its marks as well: who else holds the number.
    for mark in [3 * HOUR, 5 * HOUR, 6 * HOUR - 10 * MINUTE] {
        let asked = house.asked(mark - 15 * MINUTE);
        let questions = asked
            .iter()
            .filter(|(second, errand)| *second < mark && matches!(errand, Errand::Holders { .. }));
        assert!(questions.count() >= WINDOWS, "before the mark at {mark} s");
    }
    let (_, refused) = house.counted(0, 7 * HOUR);
    assert_eq!(refused, 0);
    // The pending ones had their third of what there was, but for what is lost at the start.
    let of_pending = house.looks().keys().filter(|asked| ***asked >= *id(WINDOWS)).count();
    assert!(part(of_pending, 1.6 / 3.0 * 6.3 * 3600.0) >= 0.95, "{of_pending} looks at pending orders");
}
