//! claimwatch in virtual time: the real scope, schedule, state machine and cadence, put together as the daemon's loop
//! puts them together. Only this file has to follow when they change.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use claimwatch::core::event::ScopeKey;
use claimwatch::core::look;
use claimwatch::core::observation::{ConnectNumber, Observation, Outage, Progress, Sighting, Word};
use claimwatch::core::order::{Declared, ListTerms, OrderKey, Provider, Stream, Watch};
use claimwatch::core::policy::Policy;
use claimwatch::core::schedule::Schedule;
use claimwatch::core::scope::{Grant, Quota, Scope, ScopeMemory};
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
    scope: Scope,
    schedule: Schedule,
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
        let quota = Quota { rate: configured.per_second, burst: configured.burst, share, in_flight: None };
        Self {
            quota,
            scope: Scope::new(key(), quota, moment(Duration::ZERO)),
            schedule: Schedule::default(),
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

    fn granted(&mut self, now: Now) -> Option<(Stream, Grant)> {
        let grant = self.scope.grant(self.schedule.in_flight(), now.tick);
        let who = match grant {
            Grant::Look => self.schedule.take_due(now.wall),
            Grant::Probe | Grant::ProbeCredentials => self.schedule.take_first(),
            Grant::From(_) | Grant::AfterAnswer => None,
        };
        who.map(|who| (who, grant))
    }
}

impl Client for Claimwatch {
    fn added(&mut self, who: usize, now: Duration) {
        let order = Order::new(watch(who), moment(now).wall);
        let stream = order.stream();
        self.places.insert(stream, who);
        self.schedule.request(stream, order.looked.due_at.unwrap_or(moment(now).wall));
        self.orders[who] = Some(order);
    }

    fn ready_at(&self, now: Duration) -> Option<Duration> {
        let due = self.schedule.next_due().map(since_begin);
        match self.scope.grant(self.schedule.in_flight(), moment(now).tick) {
            Grant::Look => due,
            Grant::Probe | Grant::ProbeCredentials => due.map(|_| now),
            Grant::From(at) => {
                let at = at.since(Tick::ZERO);
                due.map(|due| if self.scope.probes() { at } else { at.max(due) })
            }
            Grant::AfterAnswer => None,
        }
    }

    fn start(&mut self, now: Duration) -> Option<usize> {
        self.write(now);
        let moment = moment(now);
        let (stream, grant) = self.granted(moment)?;
        self.scope.started(stream, grant, moment.tick);
        let who = *self.places.get(&stream)?;
        self.asked_at.insert(who, moment.wall);
        Some(who)
    }

    fn answered(&mut self, who: usize, answer: Answer, now: Duration) {
        self.write(now);
        let moment = moment(now);
        let Some(order) = self.orders[who].take() else { return };
        let stream = order.stream();
        let of = (self.places.len(), self.schedule.len());
        let heard = self.scope.hear(&order, observation(answer), of, moment);
        let step = look::apply(&order, &heard.observation, self.asked_at.remove(&who), moment.wall);
        match (answer, step.order.looked.due_at) {
            (Answer::Throttled, _) => self.schedule.keep_place(stream),
            (Answer::Pending | Answer::Done | Answer::Unavailable, Some(due)) => {
                self.schedule.request(stream, due);
            }
            (Answer::Pending | Answer::Done | Answer::Unavailable, None) => self.schedule.forget(stream),
        }
        self.schedule.finished(stream);
        self.unwritten.since.get_or_insert(now);
        self.unwritten.before.entry(who).or_insert(order.looked);
        self.unwritten.memory = Some(self.scope.memory(moment));
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
        self.scope = Scope::new(key(), self.quota, moment);
        if let Some(memory) = &self.memory {
            self.scope.resume(memory, moment);
        }
        self.schedule = Schedule::default();
        self.asked_at.clear();
        for order in self.orders.iter().flatten() {
            if let Some(due) = order.looked.due_at {
                self.schedule.request(order.stream(), due);
            }
        }
    }
}

fn moment(now: Duration) -> Now {
    Now { wall: Timestamp::from_millis(BEGIN_MILLIS).plus(now), tick: Tick::ZERO.plus(now) }
}

fn since_begin(at: Timestamp) -> Duration {
    at.since(Timestamp::from_millis(BEGIN_MILLIS))
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
