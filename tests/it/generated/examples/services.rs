//! Two hundred numbers of another account, and all that can be the matter with what looks at them: a quota that is too
//! small, refusals, an outage, credentials that do not work, and those of somebody else.

use std::collections::BTreeMap;
use std::time::Duration;

use claimwatch::core::dispatch::{Dispatch, Dispatcher};
use claimwatch::core::event::{ScopeEvent, ScopeKey};
use claimwatch::core::observation::{Observation, Outage, Reach};
use claimwatch::core::order::{Declared, OrderKey, Provider, Stream, Watch};
use claimwatch::core::policy::{AfterTerminal, Poll};
use claimwatch::core::record::{self, Record};
use claimwatch::core::schedule::By;
use claimwatch::core::scope::{Call, Quota};
use claimwatch::core::time::{Now, Tick, Timestamp};

use super::story::{ANSWER, Account, Story, at, terms};

const ACCOUNT: Account = Account { name: "prod-us", id: "210987654321", region: "us-east-1" };
/// When they were added.
pub(super) const ADDED: &str = "2026-11-23T10:00:00.005Z";
/// How many there are.
pub(super) const NUMBERS: u32 = 200;
/// How they are looked at: each for itself, not by the account's list.
const BY: By = By::Own;
/// The daemon looks about so often, if there is nothing to do.
const PAUSE: Duration = Duration::from_secs(5);
/// By then every number was looked at.
const PATIENCE: Duration = Duration::from_hours(2);

/// A scope with its orders.
#[derive(Debug)]
pub(super) struct Service {
    dispatcher: Dispatcher,
    orders: BTreeMap<Stream, Story>,
    now: Now,
    /// What every look brings, instead of what there is to say of the order.
    trouble: Option<Observation>,
    records: Vec<Record>,
}

/// All that is said of it and of them.
pub(super) fn amer() -> Vec<Record> {
    let mut service = Service::new();
    service.until(at("2026-11-23T10:06:00Z"));
    service.orders.values_mut().for_each(|story| *story = story.clone().is("CLAIMED", ""));
    service.until(at("2026-11-23T12:00:00Z"));
    service.has(&Observation::Throttled { retry_after: Some(Duration::from_secs(3)) }, Duration::ZERO);
    service.until(at("2026-11-23T13:00:00Z"));
    let outage = Observation::Unavailable { outage: Outage::Status(503), retry_after: None };
    service.has(&outage, Duration::from_mins(3));
    service.until(at("2026-11-23T14:00:00Z"));
    let expired = "The security token included in the request is expired";
    service.has(&denied("ExpiredTokenException", expired, None), Duration::from_mins(17));
    service.until(at("2026-11-23T15:00:00Z"));
    // At the time at which it comes.
    let skewed = "Signature expired: 20261123T151811Z is now earlier than 20261123T154311Z (20261123T154811Z - 5 min.)";
    service.has(&denied("InvalidSignatureException", skewed, Some(1800)), Duration::from_mins(12));
    service.until(at("2026-11-23T16:00:00Z"));
    let message = Some("Resource not found".to_owned());
    service.has(&Observation::Missing { message, suspect: false }, Duration::from_mins(6));
    service.until(at("2026-11-23T17:30:00Z"));
    service.orders.into_values().flat_map(|story| story.records).chain(service.records).collect()
}

fn denied(code: &str, message: &str, clock_offset_s: Option<i64>) -> Observation {
    let message = Some(message.to_owned());
    Observation::Denied { reach: Reach::Scope, code: code.to_owned(), message, clock_offset_s }
}

impl Service {
    fn new() -> Self {
        let now = Now { wall: at(ADDED), tick: Tick::ZERO };
        // As AWS documents it for Connect, and our part of it.
        let quota = Quota { rate: 2.0, burst: 5, share: 0.8, in_flight: None, list: None };
        let key = ScopeKey {
            provider: Provider::Connect,
            account: ACCOUNT.id.to_owned(),
            region: ACCOUNT.region.to_owned(),
        };
        let mut dispatcher = Dispatcher::new(key, quota, now);
        let mut orders = BTreeMap::new();
        for n in 0..NUMBERS {
            let mut story = number(n, now.wall);
            let who = story.order.stream();
            dispatcher.track(who);
            dispatcher.place(who, &mut story.order.looked, BY, now.wall);
            orders.insert(who, story);
        }
        Self { dispatcher, orders, now, trouble: None, records: Vec::new() }
    }

    /// Every look brings this until there is something to say of it, and for so long after that.
    fn has(&mut self, trouble: &Observation, lasts: Duration) {
        self.trouble = Some(trouble.clone());
        let (said, patience) = (self.records.len(), self.now.wall.plus(PATIENCE));
        while self.records.len() == said {
            assert!(self.now.wall < patience, "nothing is said of {trouble:?}");
            self.turn(patience);
        }
        self.until(self.now.wall.plus(lasts));
        self.trouble = None;
    }

    fn until(&mut self, end: Timestamp) {
        while self.now.wall < end {
            self.turn(end);
        }
    }

    /// A turn of the daemon's loop, and the time until the next one. Looks end one after the other, with the question
    /// that belongs to one.
    fn turn(&mut self, end: Timestamp) {
        while let Some(dispatch) = self.dispatcher.next(self.now) {
            let Dispatch::Look { who, .. } = dispatch else { panic!("there is no list: {dispatch:?}") };
            self.look(who);
        }
        let events = self.dispatcher.tell_time(self.now);
        self.say(events);
        let wait = self.dispatcher.ready_in(self.now).unwrap_or(PAUSE).clamp(ANSWER, PAUSE);
        self.pass(wait.min(end.since(self.now.wall)));
    }

    fn pass(&mut self, time: Duration) {
        self.now = Now { wall: self.now.wall.plus(time), tick: self.now.tick.plus(time) };
    }

    fn look(&mut self, who: Stream) {
        let asked = self.now.wall;
        self.pass(ANSWER);
        let story = self.orders.get_mut(&who).unwrap();
        let answer = self.trouble.clone().unwrap_or_else(|| story.answer());
        let heard = self.dispatcher.hear(&story.order, Call::Look, answer, self.now);
        story.hear(&heard.observation, asked, self.now.wall);
        story.ask(self.now.wall);
        match &heard.observation {
            Observation::Throttled { .. } | Observation::Denied { reach: Reach::Scope, .. } => {
                self.dispatcher.keep_place(who);
            }
            Observation::Seen(_)
            | Observation::Missing { .. }
            | Observation::Elsewhere(_)
            | Observation::Unavailable { .. }
            | Observation::Denied { reach: Reach::Order, .. }
            | Observation::Malformed { .. }
            | Observation::Elapsed
            | Observation::Acknowledged => {
                self.dispatcher.place(who, &mut story.order.looked, BY, self.now.wall);
            }
        }
        self.dispatcher.finished(who);
        self.say(heard.events);
    }

    fn say(&mut self, events: Vec<ScopeEvent>) {
        for event in events {
            let place = (self.dispatcher.next_generation(), 0);
            let (key, Account { name, id, .. }) = (self.dispatcher.key(), ACCOUNT);
            self.records.push(record::of_scope(key, name, Some(id), &event, place, self.now.wall));
        }
    }
}

/// The `n`-th number. Once it is claimed it is looked at every hour.
fn number(n: u32, now: Timestamp) -> Story {
    let poll = Poll { after_terminal: AfterTerminal::Every(Duration::from_hours(1)), ..Poll::default() };
    // Numbers that nobody has: 0100 to 0199 of an area code.
    let (area, line) = (if n < 100 { 202 } else { 312 }, 100 + n % 100);
    let id = format!("{:08x}-5c1e-4f7a-8d20-7b3e9a4c6f1d", 0x9a60_0000 + n);
    let declared = Declared {
        ask: id.clone(),
        number: Some(format!("+1{area}5550{line}")),
        operation: None,
        requested_at: None,
        label: None,
    };
    let (account, region) = (ACCOUNT.name.to_owned(), ACCOUNT.region.to_owned());
    let key = OrderKey { provider: Provider::Connect, account, region, id };
    let watch = Watch { key, declared, terms: terms("amer", ACCOUNT, poll) };
    Story::begin(ACCOUNT, watch, now, now).is("IN_PROGRESS", "")
}
