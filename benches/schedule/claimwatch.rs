//! claimwatch in virtual time: the real dispatcher, state machine and cadence, put together as the daemon's loop
//! puts them together. Only this file has to follow when they change.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use claimwatch::core::dispatch::{Dispatch, Dispatcher};
use claimwatch::core::event::ScopeKey;
use claimwatch::core::look;
use claimwatch::core::observation::{ConnectNumber, Observation, Outage, Progress, Sighting, Word};
use claimwatch::core::order::{Declared, ListTerms, OrderKey, Provider, Stream, Watch};
use claimwatch::core::policy::Policy;
use claimwatch::core::schedule::By;
use claimwatch::core::scope::{Call, Quota, ScopeMemory};
use claimwatch::core::state::{Looked, Order};
use claimwatch::core::time::{Now, Tick, Timestamp};

use crate::world::{Answer, Client, Rate};

/// 2026-11-25T00:00:00Z, where virtual time begins.
const BEGIN_MILLIS: i64 = 1_795_564_800_000;
/// Unchanged looks, and what a scope remembers, are written within this time (`daemon::journal`): what is younger is lost
/// when the process is killed.
const LINGER: Duration = Duration::from_secs(1);

/// One scope of claimwatch with its orders.
#[derive(Debug)]
pub(crate) struct Claimwatch {
    quota: Quota,
    dispatcher: Dispatcher,
    places: HashMap<Stream, usize>,
    /// As the store has them, where nothing in `unwritten` is newer.
    orders: Vec<Option<Order>>,
    asked_at: HashMap<usize, Timestamp>,
    memory: Option<ScopeMemory>,
    unwritten: Unwritten,
}

/// What the store does not have yet.
#[derive(Debug, Default)]
struct Unwritten {
    since: Option<Duration>,
    /// By order: its bookkeeping as the store has it.
    before: BTreeMap<usize, Looked>,
    memory: Option<ScopeMemory>,
}

impl Claimwatch {
    /// A scope with the service's quota as configured, and our share of it.
    pub(crate) fn new(configured: Rate, share: f64, orders: usize) -> Self {
        let quota = Quota {
            rate: configured.per_second,
            burst: configured.burst,
            share,
            in_flight: None,
            list: None,
        };
        Self {
            quota,
            dispatcher: Dispatcher::new(key(), quota, moment(Duration::ZERO)),
            places: HashMap::new(),
            orders: vec![None; orders],
            asked_at: HashMap::new(),
            memory: None,
            unwritten: Unwritten::default(),
        }
    }

    /// Writes what has waited long enough.
    fn write(&mut self, now: Duration) {
        if self.unwritten.since.is_some_and(|since| now >= since + LINGER) {
            let written = std::mem::take(&mut self.unwritten);
            self.memory = written.memory.or(self.memory.take());
        }
    }

    /// Gives an order the place that its bookkeeping says.
    fn place(&mut self, order: &mut Order, now: Now) {
        self.dispatcher.place(order.stream(), &mut order.looked, By::Own, now.wall);
    }
}

impl Client for Claimwatch {
    fn added(&mut self, who: usize, now: Duration) {
        let now = moment(now);
        let mut order = Order::new(watch(who), now.wall);
        self.places.insert(order.stream(), who);
        self.dispatcher.track(order.stream());
        self.place(&mut order, now);
        self.orders[who] = Some(order);
    }

    fn ready_at(&self, now: Duration) -> Option<Duration> {
        self.dispatcher.ready_in(moment(now)).map(|wait| now + wait)
    }

    fn start(&mut self, now: Duration) -> Option<usize> {
        self.write(now);
        let now = moment(now);
        // Lists are for Chime, and for numbers that are watched on for ever.
        let Dispatch::Look { who, .. } = self.dispatcher.next(now)? else { return None };
        let who = *self.places.get(&who)?;
        self.asked_at.insert(who, now.wall);
        Some(who)
    }

    fn answered(&mut self, who: usize, answer: Answer, now: Duration) {
        self.write(now);
        let moment = moment(now);
        let Some(order) = self.orders[who].take() else { return };
        let stream = order.stream();
        let heard = self.dispatcher.hear(&order, Call::Look, observation(answer), moment);
        let mut step = look::apply(&order, &heard.observation, self.asked_at.remove(&who), moment.wall);
        match answer {
            Answer::Throttled => self.dispatcher.keep_place(stream),
            Answer::Pending | Answer::Done | Answer::Unavailable => self.place(&mut step.order, moment),
        }
        self.dispatcher.finished(stream);
        self.unwritten.since.get_or_insert(now);
        self.unwritten.before.entry(who).or_insert(order.looked);
        self.unwritten.memory = Some(self.dispatcher.memory(moment));
        let changed = step.order.generation != order.generation;
        self.orders[who] = Some(step.order);
        if changed {
            // A change takes everything that waits with it.
            self.memory = self.unwritten.memory.take();
            self.unwritten = Unwritten::default();
        }
    }

    fn restarted(&mut self, now: Duration) {
        self.write(now);
        let moment = moment(now);
        for (who, looked) in std::mem::take(&mut self.unwritten).before {
            if let Some(order) = &mut self.orders[who] {
                order.looked = looked;
            }
        }
        self.dispatcher = Dispatcher::new(key(), self.quota, moment);
        if let Some(memory) = &self.memory {
            self.dispatcher.resume(memory, moment);
        }
        self.asked_at.clear();
        for order in self.orders.iter_mut().flatten() {
            self.dispatcher.track(order.stream());
            self.dispatcher.place(order.stream(), &mut order.looked, By::Own, moment.wall);
        }
    }
}

fn moment(now: Duration) -> Now {
    Now { wall: Timestamp::from_millis(BEGIN_MILLIS).plus(now), tick: Tick::ZERO.plus(now) }
}

fn key() -> ScopeKey {
    ScopeKey { provider: Provider::Connect, account: "bench".into(), region: "eu-west-2".into() }
}

/// The `who`-th Connect number, with the policy that a list has by default.
fn watch(who: usize) -> Watch {
    let id = format!("0c1f3b6e-7d2a-4b8e-9a41-{who:012}");
    let terms = ListTerms {
        name: "bench".into(),
        account: "bench".into(),
        labels: BTreeMap::new(),
        policy: Policy::default(),
    };
    let declared =
        Declared { ask: id.clone(), number: None, operation: None, requested_at: None, label: None };
    let key =
        OrderKey { provider: Provider::Connect, account: "bench".into(), region: "eu-west-2".into(), id };
    Watch { key, declared, terms: Arc::new(terms) }
}

fn observation(answer: Answer) -> Observation {
    let seen = |raw: &str, known| {
        let status = Some(Word { raw: raw.into(), known: Some(known) });
        let number = Some("+442079460001".into());
        Observation::Seen(Sighting::Connect(ConnectNumber { number, status, message: None, target: None }))
    };
    match answer {
        Answer::Pending => seen("IN_PROGRESS", Progress::InProgress),
        Answer::Done => seen("CLAIMED", Progress::Claimed),
        Answer::Throttled => Observation::Throttled { retry_after: None },
        Answer::Unavailable => Observation::Unavailable { outage: Outage::Status(503), retry_after: None },
    }
}
