//! The limiter against a toy service that knows nothing of it, in virtual time: a token bucket whose refusals cost
//! nothing, answers after 40 to 300 ms, up to four looks in flight, work always waiting.
//!
//! A longer sweep, of 20 to 60 seeds and 2,400 phases of the learner, found these bounds kept with room to spare; the
//! nearest to them was a quota of 0.2 looks a second configured as 0.5: 4.73 % refused, and a raise found out in 160 s.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::super::super::random::Random;
use super::*;

/// Looks in flight at most.
const IN_FLIGHT: u32 = 4;
/// The service's burst.
const BURST: u32 = 5;

/// The service's bucket.
#[derive(Clone)]
struct Bucket {
    rate: f64,
    level: f64,
    at: Tick,
    /// It refuses everything.
    shut: bool,
}

impl Bucket {
    fn admits(&mut self, now: Tick) -> bool {
        self.refill(now);
        let admitted = self.level >= 1.0 && !self.shut;
        self.level -= if admitted { 1.0 } else { 0.0 };
        admitted
    }

    fn refill(&mut self, now: Tick) {
        self.level = (self.level + now.since(self.at).as_secs_f64() * self.rate).min(BURST.into());
        self.at = now;
    }
}

/// Who else draws on the bucket: calls a second.
#[derive(Clone, Copy)]
enum Others {
    Nobody,
    Even(f64),
    Poisson(f64),
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A look of a process reaches the service, and is answered so much later.
    Arrives(u32, Duration),
    Answered(u32, bool),
    Other,
}

#[derive(Clone)]
struct Toy {
    limiter: Limiter,
    /// What was remembered with the last answer: as the scope does, no arrival time before now.
    memory: (f64, Tick, Tick, Learned),
    /// The quota as configured: rate and share.
    configured: (f64, f64),
    service: Bucket,
    retry_after: Option<Duration>,
    others: Others,
    random: Random,
    /// By time, then in the order of their making.
    coming: BinaryHeap<Reverse<(Tick, u64, Event)>>,
    made: u64,
    now: Tick,
    process: u32,
    in_flight: u32,
    ok: u32,
    refused: u32,
    started: u32,
}

impl Toy {
    fn new(configured: (f64, f64), truth: f64, others: Others, seed: u64) -> Self {
        let limiter = Limiter::cold(configured.0, BURST, configured.1, Tick::ZERO);
        let mut toy = Self {
            memory: (limiter.rate(), limiter.arrival(), limiter.hold_until(), limiter.learned()),
            limiter,
            configured,
            service: Bucket { rate: truth, level: BURST.into(), at: Tick::ZERO, shut: false },
            retry_after: None,
            others,
            random: Random(seed),
            coming: BinaryHeap::new(),
            made: 0,
            now: Tick::ZERO,
            process: 0,
            in_flight: 0,
            ok: 0,
            refused: 0,
            started: 0,
        };
        toy.other();
        toy
    }

    fn run(&mut self, seconds: u64) -> &mut Self {
        self.run_until(self.now.plus(Duration::from_secs(seconds)))
    }

    fn run_until(&mut self, until: Tick) -> &mut Self {
        loop {
            let coming = self.coming.peek().map_or(until, |Reverse((at, ..))| *at);
            let look = self.limiter.ready_at(self.now).max(self.now);
            if self.in_flight < IN_FLIGHT && look < coming.min(until) {
                self.now = look;
                self.look();
            } else if coming < until {
                self.happen();
            } else {
                self.now = until;
                return self;
            }
        }
    }

    fn look(&mut self) {
        self.limiter.take(self.now);
        self.in_flight += 1;
        self.started += 1;
        let half = Duration::from_micros(20_000 + self.random.next() % 130_000);
        self.after(half, Event::Arrives(self.process, half));
    }

    fn happen(&mut self) {
        let Some(Reverse((at, _, event))) = self.coming.pop() else { return };
        self.now = at;
        match event {
            Event::Arrives(process, back) => {
                let admitted = self.service.admits(at);
                *(if admitted { &mut self.ok } else { &mut self.refused }) += 1;
                self.after(back, Event::Answered(process, admitted));
            }
            Event::Answered(process, admitted) if process == self.process => {
                self.in_flight -= 1;
                if admitted {
                    self.limiter.answered(at);
                } else {
                    self.limiter.refused(self.retry_after, at);
                }
                let limiter = &self.limiter;
                self.memory =
                    (limiter.rate(), limiter.arrival().max(at), limiter.hold_until(), limiter.learned());
            }
            Event::Answered(..) => {}
            Event::Other => {
                self.service.admits(at);
                self.other();
            }
        }
    }

    /// The next call of the others.
    fn other(&mut self) {
        let gap = match self.others {
            Others::Nobody => return,
            Others::Even(rate) => 1.0 / rate,
            Others::Poisson(rate) => -(1.0 - self.random.part()).ln() / rate,
        };
        self.after(Duration::try_from_secs_f64(gap).unwrap(), Event::Other);
    }

    fn after(&mut self, wait: Duration, event: Event) {
        self.made += 1;
        self.coming.push(Reverse((self.now.plus(wait), self.made, event)));
    }

    /// Killed, and started again at once. Answers under way are lost.
    fn restart(&mut self) {
        let (rate, arrival, hold_until, learned) = self.memory;
        self.limiter = Limiter::cold(self.configured.0, BURST, self.configured.1, self.now);
        self.limiter.resume(rate, arrival.max(self.now), hold_until, self.now);
        self.limiter.recall(learned);
        self.process += 1;
        self.in_flight = 0;
    }

    /// A restart every 25 to 35 seconds.
    fn run_with_restarts(&mut self, seconds: u64) -> &mut Self {
        let end = self.now.plus(Duration::from_secs(seconds));
        loop {
            let next = self.now.plus(Duration::from_millis(25_000 + self.random.next() % 10_000));
            if next >= end {
                return self.run_until(end);
            }
            self.run_until(next).restart();
        }
    }

    fn raise(&mut self, rate: f64) -> &mut Self {
        self.service.refill(self.now);
        self.service.rate = rate;
        self
    }

    /// Counts from here on.
    fn count(&mut self) -> &mut Self {
        (self.ok, self.refused, self.started) = (0, 0, 0);
        self
    }

    fn refused_part(&self) -> f64 {
        f64::from(self.refused) / f64::from(self.ok + self.refused)
    }

    fn assert(&self, ideal: f64, at_least: f64, refused_at_most: f64) {
        let (good, refused) = (f64::from(self.ok) / ideal, self.refused_part());
        assert!(good >= at_least && refused <= refused_at_most, "{good:.4} of {ideal}, {refused:.4} refused");
    }
}

const FOUR_HOURS: u64 = 14_400;
const DAY: u64 = 86_400;

#[test]
fn alone_it_uses_its_share_and_is_hardly_ever_refused() {
    for share in [1.0, 0.8] {
        let mut toy = Toy::new((2.0, share), 2.0, Others::Nobody, 1);
        toy.run(FOUR_HOURS).assert(2.0 * share * 14_400.0, 0.98, 0.001);
        assert!(f64::from(toy.started) <= 2.0 * share * 14_400.0 + 1.0, "{} looks", toy.started);
    }
}

#[test]
fn beside_others_it_uses_what_they_leave() {
    for seed in 0..3 {
        for share in [1.0, 0.8] {
            for others in [Others::Poisson(0.5), Others::Even(0.5)] {
                let mut toy = Toy::new((2.0, share), 2.0, others, seed);
                toy.run(FOUR_HOURS).assert(1.5 * 14_400.0, 0.90, 0.03);
            }
        }
    }
}

/// A quota that is configured two and a half times too high, and how much may be refused with it.
const TOO_HIGH: [(f64, f64, f64); 2] = [(2.0, 0.8, 0.04), (0.5, 0.2, 0.05)];

#[test]
fn a_quota_configured_too_high_is_found_out() {
    for (configured, truth, refused) in TOO_HIGH {
        for seed in 0..3 {
            for retry_after in [None, Some(Duration::from_secs(3))] {
                let mut toy = Toy::new((configured, 1.0), truth, Others::Nobody, seed);
                toy.retry_after = retry_after;
                toy.run(300).count().run(FOUR_HOURS).assert(truth * 14_400.0, 0.90, refused);
            }
        }
    }
}

#[test]
fn a_raised_quota_is_found_out_within_three_minutes() {
    for (configured, truth, _) in TOO_HIGH {
        for seed in 0..2 {
            let mut toy = Toy::new((configured, 1.0), truth, Others::Nobody, seed);
            toy.run(1800);
            // Every three seconds of more than two cycles of the learner.
            for phase in 0..90 {
                let mut raised = toy.run(3).clone();
                raised.raise(configured).run(180);
                let rate = raised.limiter.rate();
                assert!(rate >= 0.95 * configured, "{rate} of {configured}, phase {phase}");
                raised.count().run(60).assert(60.0 * configured, 0.95, 0.04);
            }
        }
    }
}

#[test]
fn restarts_every_half_minute_cost_nothing() {
    let mut alone = Toy::new((2.0, 1.0), 2.0, Others::Nobody, 1);
    alone.run_with_restarts(DAY).assert(2.0 * 86_400.0, 0.96, 0.0);
    for (configured, truth, refused) in TOO_HIGH {
        let mut without = Toy::new((configured, 1.0), truth, Others::Nobody, 1);
        without.run(300).count().run(DAY);
        let mut with = Toy::new((configured, 1.0), truth, Others::Nobody, 1);
        with.run_with_restarts(300).count().run_with_restarts(DAY).assert(truth * 86_400.0, 0.88, refused);
        assert!(with.refused <= without.refused, "{} {}", with.refused, without.refused);
    }
}

#[test]
fn a_raised_quota_is_found_out_in_a_restart_loop() {
    for (configured, truth, _) in TOO_HIGH {
        let mut toy = Toy::new((configured, 1.0), truth, Others::Nobody, 1);
        toy.run_with_restarts(1800);
        for _ in 0..10 {
            let mut raised = toy.run(13).clone();
            raised.raise(configured).run_with_restarts(210);
            assert!(raised.limiter.rate() >= 0.95 * configured, "{}", raised.limiter.rate());
        }
    }
}

#[test]
fn ten_minutes_of_nothing_but_refusals_cost_few_looks_and_end() {
    for (configured, calls, back_after) in [(2.0, 160, 240), (0.5, 60, 540)] {
        for (retry_after, hold) in [(None, 1), (Some(Duration::from_secs(3)), 3)] {
            let mut toy = Toy::new((configured, 1.0), configured, Others::Nobody, 1);
            toy.retry_after = retry_after;
            toy.run(600).count().service.shut = true;
            toy.run(600);
            assert!(toy.ok == 0 && toy.started <= calls.min(600 / hold), "{}", toy.started);
            toy.service.shut = false;
            toy.run(back_after).count().run(60).assert(60.0 * configured, 0.95, 0.0);
        }
    }
}
