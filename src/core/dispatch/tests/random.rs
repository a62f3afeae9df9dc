//! Random scopes and answers: the loop is never asleep while something may start, nor awake for nothing.

use super::super::super::random::Random;
use super::super::super::sweep::Turn;
use super::*;

const SEEDS: u64 = 200;
const STEPS: u32 = 400;
const ORDERS: u32 = 30;

/// A scope, its orders, and what is in flight of them.
struct World {
    random: Random,
    dispatcher: Dispatcher,
    orders: Vec<Order>,
    by: HashMap<Stream, By>,
    flying: Vec<Stream>,
    page: bool,
    /// Bound on what is in flight.
    most: usize,
    now: Now,
    /// Whether the service works badly.
    bad: bool,
    /// How often it was ready in no time and nothing started.
    vain: u32,
    /// Looks, questions, pages and probes that started.
    started: [u32; 4],
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let provider = random.one_of(&[Provider::Chime, Provider::Connect]);
        let quota = Quota {
            rate: random.one_of(&[0.3, 2.0, 7.3]),
            burst: random.one_of(&[1, 4, 9]),
            share: random.one_of(&[1.0, 0.8]),
            in_flight: random.one_of(&[None, Some(1), Some(3)]),
            list: random.one_of(&[None, Some((0.11, 1)), Some((0.7, 5))]),
        };
        let orders = (0..ORDERS).map(|n| order(provider, n)).collect();
        // 7.3 a second for two seconds are more than the four that are always allowed.
        let most = quota.in_flight.unwrap_or(if quota.rate > 7.0 { 14 } else { 4 });
        let dispatcher = dispatcher(provider, quota);
        let (by, flying) = (HashMap::new(), Vec::new());
        let mut world = Self {
            random,
            dispatcher,
            orders,
            by,
            flying,
            page: false,
            most: most as usize,
            now: at(0),
            bad: false,
            vain: 0,
            started: [0; 4],
        };
        let many = world.random.below(ORDERS) as usize;
        (0..many).for_each(|n| world.place(n));
        world
    }

    fn place(&mut self, n: usize) {
        let who = self.orders[n].stream();
        let from = self.random.one_of(&[-60_000, 0, 0, 1000, 30_000]);
        let mut time = || {
            let millis = i64::from(self.random.below(20_000)) + from;
            Timestamp::from_millis(self.now.wall.as_millis() + millis)
        };
        let (due, ahead) = (time(), time());
        let lane = self.random.one_of(&Lane::ALL);
        let of = ahead.plus(FRESH);
        let has_ahead = lane == Lane::Urgent && self.random.below(2) == 0;
        let mut looked = Looked {
            due_at: Some(due),
            lane,
            ahead: has_ahead.then_some(Ahead { at: ahead, of }),
            ..Looked::default()
        };
        let by = self.random.one_of(&[By::Either, By::Either, By::Own, By::Question]);
        self.by.insert(who, by);
        self.dispatcher.track(who);
        self.dispatcher.place(who, &mut looked, by, self.now.wall);
    }

    fn n(&self, who: Stream) -> usize {
        self.orders.iter().position(|order| order.stream() == who).unwrap()
    }

    fn is_question(&self, who: Stream) -> bool {
        self.by.get(&who) == Some(&By::Question)
    }

    /// Asks what may start, and says whether that is what was said to be ready.
    fn start(&mut self) {
        let ready = self.dispatcher.ready_in(self.now);
        let probes = self.dispatcher.scope().probes();
        let lists = self.dispatcher.scope().lists_ready_at(self.now.tick) <= self.now.tick;
        let Some(dispatch) = self.dispatcher.next(self.now) else {
            if ready == Some(Duration::ZERO) {
                self.vain += 1;
                assert_ne!(self.dispatcher.ready_in(self.now), ready, "a busy loop");
            }
            return;
        };
        assert_eq!(ready, Some(Duration::ZERO), "asleep while {dispatch:?} could start");
        self.started[3] += u32::from(probes);
        match dispatch {
            Dispatch::Look { who, .. } => {
                assert!(!self.flying.contains(&who), "two looks of one order");
                assert!(lists || !self.is_question(who), "a question without a token");
                self.started[usize::from(self.is_question(who))] += 1;
                self.flying.push(who);
            }
            Dispatch::Page { .. } => {
                assert!(!probes && !self.page && lists, "no page now");
                self.started[2] += 1;
                self.page = true;
            }
        }
        assert!(self.flying.len() + usize::from(self.page) <= self.most);
    }

    fn observation(&mut self) -> Observation {
        let retry_after = self.random.one_of(&[None, Some(Duration::from_millis(2500))]);
        if self.bad && self.random.below(3) > 0 {
            return Observation::Unavailable { outage: Outage::Timeout, retry_after };
        }
        match self.random.below(40) {
            0 => Observation::Throttled { retry_after },
            1 => Observation::Unavailable { outage: Outage::Timeout, retry_after },
            2 if self.random.below(4) == 0 => denied(Reach::Scope),
            3 => denied(Reach::Order),
            4 => Observation::Malformed { detail: "x".into() },
            5 => Observation::Missing { message: None, suspect: false },
            _ => seen(),
        }
    }

    fn end_look(&mut self) {
        if self.flying.is_empty() {
            return;
        }
        let place = self.random.below(u32::try_from(self.flying.len()).unwrap()) as usize;
        let who = self.flying.swap_remove(place);
        let n = self.n(who);
        if self.random.below(20) == 0 {
            let again = self.random.one_of(&[None, Some(self.now.wall.plus(Duration::from_secs(3)))]);
            if again.is_none() {
                // What was wished meanwhile, if anything, is a look at itself: a witness.
                self.by.insert(who, By::Own);
            }
            return self.dispatcher.abandoned(who, again);
        }
        let call = if self.is_question(who) { Call::List } else { Call::Look };
        let answer = self.observation();
        self.dispatcher.hear(&self.orders[n], call, answer, self.now);
        match self.random.below(8) {
            0 => self.dispatcher.keep_place(who),
            1 => {
                let question = self.random.below(2) == 0;
                self.by.insert(who, if question { By::Question } else { By::Own });
                self.dispatcher.go_on(who, question);
            }
            2 => self.dispatcher.forget(who),
            _ => self.place(n),
        }
        self.dispatcher.finished(who);
    }

    fn end_page(&mut self) {
        if !self.page {
            return;
        }
        self.page = false;
        let answer = self.observation();
        if !matches!(answer, Observation::Seen(_)) {
            self.dispatcher.hear_page(Some(&answer), self.now);
            self.dispatcher.page_ended(Err(&answer), self.now);
            return;
        }
        self.dispatcher.hear_page(None, self.now);
        for n in 0..self.orders.len() {
            let who = self.orders[n].stream();
            if self.dispatcher.is_waiting(who) && self.random.below(4) == 0 {
                self.dispatcher.hear_listed(&self.orders[n], self.now);
                match self.random.below(4) {
                    0 => self.dispatcher.look_itself(who, self.now.wall),
                    _ => self.place(n),
                }
            }
        }
        let next = (self.random.below(3) > 0).then(|| self.random.below(50).to_string());
        let turn = self.dispatcher.page_ended(Ok(next.as_deref()), self.now);
        assert!(next.is_some() || matches!(turn, Turn::Through(_)));
    }

    /// As the loop does: to the time that was said, or until something happens before it.
    fn advance(&mut self) {
        let any = Duration::from_micros(self.random.below(20_000_000).into());
        let ready = self.dispatcher.ready_in(self.now);
        let wait = match ready {
            Some(wait) if self.random.below(3) > 0 => wait,
            Some(wait) => wait.min(any),
            None => any,
        };
        self.now = later(self.now, wait);
        // Time alone makes nothing ready earlier than was said. Whole milliseconds are what the wall clock has.
        let sooner = self.dispatcher.ready_in(self.now).is_some_and(|left| {
            ready.is_none_or(|said| left + Duration::from_millis(2) < said.saturating_sub(wait))
        });
        assert!(!sooner, "it was to be ready in {ready:?}, and is in less after {wait:?}");
    }
}

/// Both clocks run on, and an answer, a wish or nothing happens between two starts.
#[test]
fn what_is_ready_starts_and_nothing_starts_before() {
    let (mut vain, mut started) = (0, [0; 4]);
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            match world.random.below(16) {
                0..=3 => world.end_look(),
                4 | 5 => world.end_page(),
                6 | 7 => {
                    let n = world.random.below(ORDERS) as usize;
                    if !world.flying.contains(&world.orders[n].stream()) {
                        world.place(n);
                    }
                }
                8 => drop(world.dispatcher.tell_time(world.now)),
                9 => world.bad = world.random.below(4) == 0,
                10 | 11 => world.start(),
                _ => world.advance(),
            }
            world.start();
        }
        vain += world.vain;
        started = std::array::from_fn(|kind| started[kind] + world.started[kind]);
    }
    assert!(started.iter().all(|started| *started > 100) && vain < 100, "{started:?}, {vain} in vain");
}
