//! A world in virtual time: a quota, orders that complete, somebody else on the same quota, outages, restarts; and the
//! statistics of what a client did in it.
//!
//! # Guarantees
//! No clock and no randomness but the seed's: the same setting and seed have the same outcome on every machine.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// One way of a call takes this long,
const ONE_WAY: Duration = Duration::from_millis(40);
/// give or take this part of it.
const ONE_WAY_SPREAD: f64 = 0.25;
/// What is still to be noticed at the end of a run is waited for at most this much longer; calls in it are not counted.
const OVERTIME: Duration = Duration::from_hours(24);

/// What a client learns from one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answer {
    /// The order is as it was.
    Pending,
    /// The order is complete.
    Done,
    /// A 429.
    Throttled,
    /// A 503.
    Unavailable,
}

/// Whoever decides which order is looked at, and when.
pub(crate) trait Client {
    /// An order is to be watched from now on.
    fn added(&mut self, who: usize, now: Duration);
    /// When its next call starts if nothing happens before; `None`: not before something happens.
    fn ready_at(&self, now: Duration) -> Option<Duration>;
    /// Starts a call, if it wants one now, and says at which order.
    fn start(&mut self, now: Duration) -> Option<usize>;
    /// A call was answered.
    fn answered(&mut self, who: usize, answer: Answer, now: Duration);
    /// The process was killed and is back at once. Calls in flight are lost.
    fn restarted(&mut self, now: Duration);
}

/// An order's life.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    /// When it is there to be watched.
    pub(crate) appears: Duration,
    /// When it completes, if ever.
    pub(crate) completes: Option<Duration>,
}

/// A token bucket's terms: calls a second, calls at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) burst: u32,
}

/// What happens, whoever the client is.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) orders: Vec<Life>,
    /// The service's quota; `None` refuses nobody.
    pub(crate) quota: Option<Rate>,
    /// Calls a second that somebody else makes on the same quota, at random times.
    pub(crate) others: Option<f64>,
    /// The client is killed this often.
    pub(crate) restart_every: Option<Duration>,
    /// From when until when every call is answered with a 503.
    pub(crate) outage: Option<(Duration, Duration)>,
    /// How long it lasts.
    pub(crate) lasts: Duration,
    pub(crate) seed: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sent: u32,
    pub(crate) rejected: u32,
    /// Answers that said how an order stands, by order.
    pub(crate) looks: Vec<u32>,
    /// Calls in the outage, and those of them after its first minute.
    pub(crate) in_outage: u32,
    pub(crate) in_outage_later: u32,
    /// How long after the outage's end the first order was seen.
    pub(crate) back_after: Option<Duration>,
    pub(crate) others_sent: u32,
    pub(crate) others_rejected: u32,
    /// Of each order that completed in time: how long that took, and how much later it was noticed.
    pub(crate) noticed: Vec<(Duration, Duration)>,
    /// Orders that completed in time and were never noticed.
    pub(crate) unnoticed: u32,
}

impl Tally {
    /// Answers that said how an order stands.
    pub(crate) fn answered(&self) -> u32 {
        self.looks.iter().sum()
    }

    /// Orders that were never seen.
    pub(crate) fn never(&self) -> u32 {
        count(self.looks.iter().filter(|looks| **looks == 0).count())
    }

    /// Jain's index of so many looks if they had been dealt out as evenly as whole ones can be.
    pub(crate) fn most_even(&self) -> f64 {
        let (orders, looks) = (count(self.looks.len()), self.looks.iter().sum::<u32>());
        let (each, more) = (looks / orders, looks % orders);
        let squares = f64::from(orders - more) * f64::from(each).powi(2)
            + f64::from(more) * f64::from(each + 1).powi(2);
        f64::from(looks).powi(2) / (f64::from(orders) * squares)
    }

    /// Jain's index of looks per order: 1 if all had as many, 1/n if one had all.
    pub(crate) fn jain(&self) -> f64 {
        let sum: f64 = self.looks.iter().map(|looks| f64::from(*looks)).sum();
        let squares: f64 = self.looks.iter().map(|looks| f64::from(*looks).powi(2)).sum();
        if squares > 0.0 { sum * sum / (f64::from(count(self.looks.len())) * squares) } else { 0.0 }
    }
}

/// A number of things, all far below what it can hold.
pub(crate) fn count(things: usize) -> u32 {
    u32::try_from(things).unwrap_or(u32::MAX)
}

/// That many seconds; what is no time is none.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// The value at a part (`50` is the median) of sorted values.
pub(crate) fn percentile(sorted: &[f64], part: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * part / 100).copied().unwrap_or(f64::NAN)
}

/// The median of values in any order.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    percentile(&values, 50)
}

/// `SplitMix64`: small, seeded, and the same everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap_or(0)) / 4_294_967_296.0
    }

    /// Normal, with mean 0 and deviation 1 (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// The time to the next of events that come so often a second, at random.
    pub(crate) fn until_next(&mut self, per_second: f64) -> Duration {
        seconds(-(1.0 - self.unit()).ln() / per_second)
    }

    /// Puts things in a random order.
    pub(crate) fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            let below = u64::try_from(last + 1).unwrap_or(1);
            things.swap(last, usize::try_from(self.next() % below).unwrap_or(0));
        }
    }
}

/// The service's token bucket: full at the start; what it refuses costs nothing.
#[derive(Debug)]
struct Bucket {
    rate: Rate,
    tokens: f64,
    filled: Duration,
}

impl Bucket {
    fn new(rate: Rate) -> Self {
        Self { rate, tokens: f64::from(rate.burst), filled: Duration::ZERO }
    }

    fn admits(&mut self, now: Duration) -> bool {
        let gained = now.saturating_sub(self.filled).as_secs_f64() * self.rate.per_second;
        self.tokens = (self.tokens + gained).min(f64::from(self.rate.burst));
        self.filled = self.filled.max(now);
        let admits = self.tokens >= 1.0;
        if admits {
            self.tokens -= 1.0;
        }
        admits
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Appears(usize),
    /// A call reaches the service. The number counts restarts: an answer to a process that is gone is not heard.
    Arrives(usize, u32),
    Answered(usize, u32, Answer),
    OthersCall,
    Restart,
}

#[derive(Debug)]
struct Run<'a> {
    setting: &'a Setting,
    random: Random,
    events: BinaryHeap<Reverse<(Duration, u32, Event)>>,
    sequence: u32,
    bucket: Option<Bucket>,
    life: u32,
    /// Orders that completed in time and are not noticed yet.
    open: u32,
    noticed: Vec<bool>,
    tally: Tally,
}

/// Lets a client loose in a setting.
pub(crate) fn run(setting: &Setting, client: &mut dyn Client) -> Tally {
    let in_time = |life: &Life| life.completes.is_some_and(|at| at < setting.lasts);
    let mut run = Run {
        setting,
        random: Random::new(setting.seed),
        events: BinaryHeap::new(),
        sequence: 0,
        bucket: setting.quota.map(Bucket::new),
        life: 0,
        open: count(setting.orders.iter().filter(|life| in_time(life)).count()),
        noticed: vec![false; setting.orders.len()],
        tally: Tally { looks: vec![0; setting.orders.len()], ..Tally::default() },
    };
    for (who, life) in setting.orders.iter().enumerate() {
        run.put(life.appears, Event::Appears(who));
    }
    if let Some(every) = setting.restart_every {
        run.put(every, Event::Restart);
    }
    if let Some(others) = setting.others {
        let first = run.random.until_next(others);
        run.put(first, Event::OthersCall);
    }
    run.play(client);
    run.tally.unnoticed = run.open;
    run.tally
}

impl Run<'_> {
    fn put(&mut self, at: Duration, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((at, self.sequence, event)));
    }

    fn play(&mut self, client: &mut dyn Client) {
        let mut now = Duration::ZERO;
        loop {
            let event_at = self.events.peek().map(|Reverse((at, ..))| *at);
            let ready = client.ready_at(now).map(|at| at.max(now));
            let starts = ready.filter(|ready| event_at.is_none_or(|at| *ready < at));
            let Some(next) = starts.or(event_at) else { return };
            now = next;
            let overtime = now >= self.setting.lasts;
            if overtime && (self.open == 0 || now >= self.setting.lasts + OVERTIME) {
                return;
            }
            if starts.is_some() {
                if let Some(who) = client.start(now) {
                    let arrives = now + self.one_way();
                    self.put(arrives, Event::Arrives(who, self.life));
                    self.tally.sent += u32::from(!overtime);
                    continue;
                }
                // It was ready as seen from before, and now is not: it says when it will be.
                if client.ready_at(now).is_some_and(|at| at > now) {
                    continue;
                }
                // Else it waits for what happens next.
                if event_at.is_none() {
                    return;
                }
            }
            if let Some(Reverse((at, _, event))) = self.events.pop() {
                now = at;
                self.happens(event, now, client);
            }
        }
    }

    fn happens(&mut self, event: Event, now: Duration, client: &mut dyn Client) {
        match event {
            Event::Appears(who) => client.added(who, now),
            Event::Arrives(who, life) => {
                let answer = self.serve(who, now);
                let back = now + self.one_way();
                self.put(back, Event::Answered(who, life, answer));
            }
            Event::Answered(who, life, answer) if life == self.life => self.answer(who, answer, now, client),
            Event::Answered(..) => {}
            Event::OthersCall => {
                self.tally.others_sent += 1;
                let admitted = self.bucket.as_mut().is_none_or(|bucket| bucket.admits(now));
                self.tally.others_rejected += u32::from(!admitted);
                if let Some(others) = self.setting.others {
                    let next = now + self.random.until_next(others);
                    self.put(next, Event::OthersCall);
                }
            }
            Event::Restart => {
                self.life += 1;
                client.restarted(now);
                if let Some(every) = self.setting.restart_every {
                    self.put(now + every, Event::Restart);
                }
            }
        }
    }

    fn serve(&mut self, who: usize, now: Duration) -> Answer {
        if let Some((from, until)) = self.setting.outage
            && (from..until).contains(&now)
        {
            self.tally.in_outage += 1;
            self.tally.in_outage_later += u32::from(now >= from + Duration::from_mins(1));
            return Answer::Unavailable;
        }
        if let Some(bucket) = &mut self.bucket
            && !bucket.admits(now)
        {
            self.tally.rejected += 1;
            return Answer::Throttled;
        }
        let completes = self.setting.orders.get(who).and_then(|life| life.completes);
        if completes.is_some_and(|at| at <= now) { Answer::Done } else { Answer::Pending }
    }

    fn answer(&mut self, who: usize, answer: Answer, now: Duration, client: &mut dyn Client) {
        match answer {
            Answer::Pending | Answer::Done => {
                if now < self.setting.lasts
                    && let Some(looks) = self.tally.looks.get_mut(who)
                {
                    *looks += 1;
                }
                let since_outage = self.setting.outage.and_then(|(_, until)| now.checked_sub(until));
                self.tally.back_after = self.tally.back_after.or(since_outage);
            }
            Answer::Throttled | Answer::Unavailable => {}
        }
        if answer == Answer::Done {
            self.notice(who, now);
        }
        client.answered(who, answer, now);
    }

    fn notice(&mut self, who: usize, now: Duration) {
        let Some(life) = self.setting.orders.get(who) else { return };
        let Some(noticed) = self.noticed.get_mut(who) else { return };
        if std::mem::replace(noticed, true) {
            return;
        }
        if let Some(completed) = life.completes.filter(|at| *at < self.setting.lasts) {
            self.open -= 1;
            self.tally.noticed.push((completed.saturating_sub(life.appears), now.saturating_sub(completed)));
        }
    }

    fn one_way(&mut self) -> Duration {
        ONE_WAY.mul_f64(1.0 + ONE_WAY_SPREAD * (2.0 * self.random.unit() - 1.0))
    }
}
