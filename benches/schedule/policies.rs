//! What others do: back off by order, or share one limiter, or neither.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use claimwatch::core::limiter::Limiter;
use claimwatch::core::time::Tick;

use crate::world::{Answer, Client, Random, Rate, seconds};

/// How long after a look that succeeded an order is looked at again.
const AGAIN: Duration = Duration::from_mins(1);

/// Orders that wait for a time, earliest first and in the order in which they came.
#[derive(Debug, Default)]
struct Waiting {
    heap: BinaryHeap<Reverse<(Duration, u32, usize)>>,
    sequence: u32,
}

impl Waiting {
    fn put(&mut self, at: Duration, who: usize) {
        self.sequence += 1;
        self.heap.push(Reverse((at, self.sequence, who)));
    }

    fn next_at(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    fn take(&mut self, now: Duration) -> Option<usize> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, _, who))| who)
    }
}

/// What a failure, of whatever kind, means for its order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Backoff {
    /// The first wait, doubled with each failure in a row, up to the second.
    Doubling(Duration, Duration),
    /// Anything from nothing to that.
    FullJitter(Duration, Duration),
    /// As after a success.
    None,
}

impl Backoff {
    fn after(self, failures: u32, random: &mut Random) -> Duration {
        let doubled = |first: Duration, most: Duration| {
            first.saturating_mul(1 << failures.saturating_sub(1).min(30)).min(most)
        };
        match self {
            Self::Doubling(first, most) => doubled(first, most),
            Self::FullJitter(first, most) => doubled(first, most).mul_f64(random.unit()),
            Self::None => AGAIN,
        }
    }
}

/// client-go's bucket for retries: a token is taken in advance, and its lack is the wait.
#[derive(Debug)]
struct Reservations {
    rate: Rate,
    tokens: f64,
    filled: Duration,
}

impl Reservations {
    fn wait(&mut self, now: Duration) -> Duration {
        let gained = now.saturating_sub(self.filled).as_secs_f64() * self.rate.per_second;
        self.tokens = (self.tokens + gained).min(f64::from(self.rate.burst)) - 1.0;
        self.filled = now;
        seconds(-self.tokens.min(0.0) / self.rate.per_second)
    }
}

/// A queue with so many workers, and a back-off by order. Nothing of it outlives the process.
#[derive(Debug)]
pub(crate) struct Workers {
    backoff: Backoff,
    retries: Option<Rate>,
    reservations: Option<Reservations>,
    most: u32,
    busy: u32,
    queue: VecDeque<usize>,
    waiting: Waiting,
    failures: Vec<u32>,
    random: Random,
}

impl Workers {
    pub(crate) fn new(backoff: Backoff, retries: Option<Rate>, workers: u32, seed: u64) -> Self {
        let mut made = Self {
            backoff,
            retries,
            reservations: None,
            most: workers,
            busy: 0,
            queue: VecDeque::new(),
            waiting: Waiting::default(),
            failures: Vec::new(),
            random: Random::new(seed ^ 0xbac0),
        };
        made.forget(Duration::ZERO);
        made
    }

    fn forget(&mut self, now: Duration) {
        self.busy = 0;
        self.waiting = Waiting::default();
        self.failures.fill(0);
        self.reservations =
            self.retries.map(|rate| Reservations { rate, tokens: f64::from(rate.burst), filled: now });
    }
}

impl Client for Workers {
    fn added(&mut self, who: usize, _now: Duration) {
        self.queue.push_back(who);
        self.failures.resize(self.failures.len().max(who + 1), 0);
    }

    fn ready_at(&self, now: Duration) -> Option<Duration> {
        if self.busy >= self.most {
            return None;
        }
        if self.queue.is_empty() { self.waiting.next_at() } else { Some(now) }
    }

    fn start(&mut self, now: Duration) -> Option<usize> {
        while let Some(who) = self.waiting.take(now) {
            self.queue.push_back(who);
        }
        let who = self.queue.pop_front()?;
        self.busy += 1;
        Some(who)
    }

    fn answered(&mut self, who: usize, answer: Answer, now: Duration) {
        self.busy -= 1;
        match answer {
            Answer::Pending => {
                self.failures[who] = 0;
                self.waiting.put(now + AGAIN, who);
            }
            Answer::Done => {}
            Answer::Throttled | Answer::Unavailable => {
                self.failures[who] += 1;
                let own = self.backoff.after(self.failures[who], &mut self.random);
                let all = self.reservations.as_mut().map_or(Duration::ZERO, |bucket| bucket.wait(now));
                self.waiting.put(now + own.max(all), who);
            }
        }
    }

    fn restarted(&mut self, now: Duration) {
        self.forget(now);
        // All that is watched comes at once, in whatever order: a fixed one would look at the same few for ever.
        let mut all: Vec<usize> = (0..self.failures.len()).collect();
        self.random.shuffle(&mut all);
        self.queue = all.into();
    }
}

/// One GCRA for all orders, first come first served, that learns nothing: what fails goes to the end of the queue.
#[derive(Debug)]
pub(crate) struct SharedGcra {
    rate: Rate,
    arrival: Duration,
    queue: VecDeque<usize>,
    waiting: Waiting,
    orders: usize,
    random: Random,
}

impl SharedGcra {
    pub(crate) fn new(rate: Rate, seed: u64) -> Self {
        Self {
            rate,
            arrival: Duration::ZERO,
            queue: VecDeque::new(),
            waiting: Waiting::default(),
            orders: 0,
            random: Random::new(seed ^ 0x6c4a),
        }
    }

    fn spacing(&self) -> Duration {
        seconds(1.0 / self.rate.per_second)
    }
}

impl Client for SharedGcra {
    fn added(&mut self, who: usize, _now: Duration) {
        self.queue.push_back(who);
        self.orders += 1;
    }

    fn ready_at(&self, now: Duration) -> Option<Duration> {
        let wanted = if self.queue.is_empty() { self.waiting.next_at()? } else { now };
        let tolerance = self.spacing().saturating_mul(self.rate.burst.saturating_sub(1));
        Some(wanted.max(self.arrival.saturating_sub(tolerance)))
    }

    fn start(&mut self, now: Duration) -> Option<usize> {
        while let Some(who) = self.waiting.take(now) {
            self.queue.push_back(who);
        }
        let who = self.queue.pop_front()?;
        self.arrival = self.arrival.max(now) + self.spacing();
        Some(who)
    }

    fn answered(&mut self, who: usize, answer: Answer, now: Duration) {
        match answer {
            Answer::Pending => self.waiting.put(now + AGAIN, who),
            Answer::Done => {}
            Answer::Throttled | Answer::Unavailable => self.queue.push_back(who),
        }
    }

    fn restarted(&mut self, now: Duration) {
        self.arrival = now;
        self.waiting = Waiting::default();
        let mut all: Vec<usize> = (0..self.orders).collect();
        self.random.shuffle(&mut all);
        self.queue = all.into();
    }
}

/// How long after a look at an order the next one is wanted, by its age and the number of looks so far.
pub(crate) type Pace = Box<dyn Fn(Duration, u32) -> Duration>;

/// Looks by a rule of age, earliest due first, behind the same limiter as claimwatch.
pub(crate) struct Paced {
    pace: Pace,
    limiter: Limiter,
    waiting: Waiting,
    /// Since when an order is watched, and how often it was looked at.
    orders: Vec<(Duration, u32)>,
}

impl Paced {
    pub(crate) fn new(pace: Pace, rate: Rate, share: f64, orders: usize) -> Self {
        Self {
            pace,
            limiter: Limiter::cold(rate.per_second, rate.burst, share, Tick::ZERO),
            waiting: Waiting::default(),
            orders: vec![(Duration::ZERO, 0); orders],
        }
    }
}

impl Client for Paced {
    fn added(&mut self, who: usize, now: Duration) {
        self.orders[who].0 = now;
        self.waiting.put(now, who);
    }

    fn ready_at(&self, now: Duration) -> Option<Duration> {
        let token = self.limiter.ready_at(Tick::ZERO.plus(now)).since(Tick::ZERO);
        Some(self.waiting.next_at()?.max(token))
    }

    fn start(&mut self, now: Duration) -> Option<usize> {
        let who = self.waiting.take(now)?;
        self.limiter.take(Tick::ZERO.plus(now));
        Some(who)
    }

    fn answered(&mut self, who: usize, answer: Answer, now: Duration) {
        if answer == Answer::Done {
            return;
        }
        let (since, looks) = &mut self.orders[who];
        *looks += 1;
        self.waiting.put(now + (self.pace)(now.saturating_sub(*since), *looks), who);
    }

    /// Its due times are stored.
    fn restarted(&mut self, _now: Duration) {}
}
