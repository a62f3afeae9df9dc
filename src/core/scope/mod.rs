//! One scope: what shares a quota, and therefore a limiter, a breaker and its misfortunes.
//!
//! # Guarantees
//! A look starts only if the credentials are not refused, the breaker admits it and the limiter has a token. Quota,
//! outage and refused credentials are three things with three reactions, and none of them is an order's fault.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::breaker::{Admission, Breaker, Turn};
use super::event::{Condition, ScopeEvent, ScopeKey};
use super::limiter::{Learned, Limiter};
use super::observation::{Observation, Outage, Reach};
use super::order::Stream;
use super::state::Order;
use super::suspicion::Suspicion;
use super::sweep::{Length, Unfinished};
use super::time::{Now, Tick, Timestamp};

/// A scope is called throttled until this long after its last 429.
const THROTTLED_FOR: Duration = Duration::from_mins(5);
/// While the credentials are refused, one look in this time tries fresh ones.
const DENIED_PROBE: Duration = Duration::from_mins(5);
/// Orders in a row that fail alike, after which it is not the orders' fault.
const ALIKE: usize = 3;
/// A remembered hold is at most this far away, whatever was written.
const HOLD_MOST: Duration = Duration::from_hours(1);
/// Looks in flight are bounded by what the rate allows in this time,
const IN_FLIGHT_SPAN_S: f64 = 2.0;
/// but at least by this,
const IN_FLIGHT_LEAST: f64 = 4.0;
/// and at most by this.
const IN_FLIGHT_MOST: f64 = 64.0;

/// A scope's quota as the configuration gives it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quota {
    /// The service's rate, calls a second.
    pub rate: f64,
    /// The service's burst.
    pub burst: u32,
    /// Our part of the rate.
    pub share: f64,
    /// The bound on looks in flight, if it is set.
    pub in_flight: Option<u32>,
    /// A second bucket that calls of lists draw on too, if there is one: calls a second, and burst.
    pub list: Option<(f64, u32)>,
}

/// What a call asks for: which buckets have to admit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// One order or number.
    Look,
    /// A page of a list.
    List,
}

/// One scope.
#[derive(Debug)]
pub struct Scope {
    key: ScopeKey,
    /// The bucket that every call draws on.
    limiter: Limiter,
    /// The one that calls of lists draw on too.
    lists: Option<Limiter>,
    breaker: Breaker,
    in_flight_most: usize,
    generation: u64,
    throttled: Option<Spell>,
    unavailable_since: Option<Timestamp>,
    denied: Option<Denial>,
    /// Orders whose last looks, in a row, were refused to them alone.
    refused: BTreeSet<Stream>,
    /// Orders whose last looks, in a row, made no sense.
    senseless: BTreeSet<Stream>,
    suspicion: Suspicion,
}

#[derive(Debug, Clone, Copy)]
struct Denial {
    since: Timestamp,
    probe_at: Tick,
    probing: bool,
}

/// What became of an answer in its scope.
#[derive(Debug, Default)]
pub struct Heard {
    /// What it means for its order.
    pub observation: Observation,
    /// What there is to say of the scope.
    pub events: Vec<ScopeEvent>,
    /// Orders that are worth a look at once.
    pub again: Vec<Stream>,
    /// Whether an order that is not known to be missing is worth a look at once: a witness.
    pub wants_witness: bool,
}

/// Whether the next look may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// The order that is due first.
    Look,
    /// The order that comes first, due or not: to see whether the service works again.
    Probe,
    /// The same, with fresh credentials.
    ProbeCredentials,
    /// Not before this, and then ask again.
    From(Tick),
    /// Not before a look in flight has its answer.
    AfterAnswer,
}

impl Scope {
    /// A scope that starts cold.
    pub fn new(key: ScopeKey, quota: Quota, now: Now) -> Self {
        let limiter = Limiter::cold(quota.rate, quota.burst, quota.share, now.tick);
        let by_rate = (quota.rate * quota.share * IN_FLIGHT_SPAN_S).clamp(IN_FLIGHT_LEAST, IN_FLIGHT_MOST);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 4..=64 above"
        )]
        let by_rate = by_rate as usize;
        Self {
            breaker: Breaker::new(key.stream()),
            key,
            limiter,
            lists: quota.list.map(|(rate, burst)| Limiter::cold(rate, burst, quota.share, now.tick)),
            in_flight_most: quota.in_flight.map_or(by_rate, |most| usize::try_from(most).unwrap_or(by_rate)),
            generation: 0,
            throttled: None,
            unavailable_since: None,
            denied: None,
            refused: BTreeSet::new(),
            senseless: BTreeSet::new(),
            suspicion: Suspicion::default(),
        }
    }

    /// Takes up what was remembered. Remembered times are bounded, since the clock may have stepped.
    pub fn resume(&mut self, memory: &ScopeMemory, now: Now) {
        self.generation = memory.generation;
        self.throttled =
            memory.throttled.map(|spell| Spell { since: spell.since, last: spell.last.min(now.wall) });
        // A clock that is behind what was written has stepped back: what was left then is left now.
        let then = memory.written_at.map_or(now.wall, |written| written.max(now.wall));
        let hold = memory.hold_until.map_or(Duration::ZERO, |until| until.since(then).min(HOLD_MOST));
        let hold_until = if hold.is_zero() { Tick::ZERO } else { now.tick.plus(hold) };
        let arrival = |at: Timestamp| now.tick.plus(at.since(then));
        self.limiter.resume(memory.rate, arrival(memory.arrival_at), hold_until, now.tick);
        self.limiter.recall(memory.learned);
        if let (Some(lists), Some(bucket)) = (&mut self.lists, memory.lists) {
            lists.resume(bucket.rate, arrival(bucket.arrival_at), hold_until, now.tick);
            lists.recall(bucket.learned);
        }
        if memory.unavailable_since.is_some() {
            self.unavailable_since = memory.unavailable_since;
            self.breaker.resume_open(now.tick);
        }
        self.denied = memory.denied_since.map(|since| Denial { since, probe_at: now.tick, probing: false });
        self.suspicion.resume(memory.suspect_since, memory.accepted_at);
    }

    /// What is to be remembered.
    pub fn memory(&self, now: Now) -> ScopeMemory {
        let wall = |tick: Tick| now.wall.plus(tick.since(now.tick));
        ScopeMemory {
            written_at: Some(now.wall),
            generation: self.generation,
            rate: self.limiter.rate(),
            learned: self.limiter.learned(),
            arrival_at: wall(self.limiter.arrival()),
            hold_until: Some(self.limiter.hold_until()).filter(|until| *until > now.tick).map(wall),
            throttled: self.throttled,
            unavailable_since: self.unavailable_since,
            denied_since: self.denied.map(|denial| denial.since),
            suspect_since: self.suspicion.raised(),
            accepted_at: self.suspicion.accepted(),
            lists: self.lists.as_ref().map(|lists| Bucket {
                rate: lists.rate(),
                learned: lists.learned(),
                arrival_at: wall(lists.arrival()),
            }),
            length: None,
            sweep: None,
            overloaded_since: None,
        }
    }

    /// Who it is.
    pub fn key(&self) -> &ScopeKey {
        &self.key
    }

    /// The generation of its next event.
    pub fn next_generation(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }

    /// Whether the service is unavailable: the breaker is open.
    pub fn is_unavailable(&self) -> bool {
        self.breaker.is_open()
    }

    /// Whether looks are probes: they go to the order that comes first, due or not.
    pub fn probes(&self) -> bool {
        self.is_unavailable() || self.denied.is_some()
    }

    /// Whether the next look may start, with so many in flight.
    pub fn grant(&self, in_flight: usize, now: Tick) -> Grant {
        if in_flight >= self.in_flight_most {
            return Grant::AfterAnswer;
        }
        let (grant, from) = match (&self.denied, self.breaker.admits(now)) {
            (Some(denial), _) if denial.probing => return Grant::AfterAnswer,
            (Some(denial), _) => (Grant::ProbeCredentials, denial.probe_at),
            (None, Admission::AfterProbe) => return Grant::AfterAnswer,
            (None, Admission::Free) => (Grant::Look, now),
            (None, Admission::Probe) => (Grant::Probe, now),
            (None, Admission::From(at)) => (Grant::Probe, at),
        };
        let from = from.max(self.limiter.ready_at(now));
        if from > now { Grant::From(from) } else { grant }
    }

    /// The earliest time at which a call of a list may start, as far as its own bucket is concerned.
    pub fn lists_ready_at(&self, now: Tick) -> Tick {
        self.lists.as_ref().map_or(Tick::ZERO, |lists| lists.ready_at(now))
    }

    /// Calls of lists a second, as learned, where they have a bucket of their own.
    pub fn lists_rate(&self) -> Option<f64> {
        self.lists.as_ref().map(Limiter::rate)
    }

    /// Calls a second, as learned.
    pub fn rate(&self) -> f64 {
        self.limiter.rate()
    }

    /// Calls a second that our share of the quota allows.
    pub fn quota(&self) -> f64 {
        self.limiter.quota()
    }

    /// Until when every call waits for the quota's sake.
    pub fn hold_until(&self) -> Tick {
        self.limiter.hold_until()
    }

    /// A call that was granted starts. Pages are asked for in the name of the scope itself.
    pub fn started(&mut self, who: Stream, call: Call, grant: Grant, now: Tick) {
        self.limiter.take(now);
        if let (Call::List, Some(lists)) = (call, &mut self.lists) {
            lists.take(now);
        }
        match grant {
            Grant::Probe => self.breaker.probe_started(who),
            Grant::ProbeCredentials => {
                if let Some(denial) = &mut self.denied {
                    denial.probing = true;
                }
            }
            Grant::Look | Grant::From(_) | Grant::AfterAnswer => {}
        }
    }

    /// A look that was granted did not start, and has no answer.
    pub fn abandoned(&mut self, who: Stream) {
        self.breaker.abandoned(who);
        if let Some(denial) = &mut self.denied {
            denial.probing = false;
        }
    }

    /// A look at an order ended, in a scope that tracks so many and looks at so many of them.
    pub fn hear(
        &mut self,
        order: &Order,
        call: Call,
        observation: Observation,
        (tracked, looked_at): (usize, usize),
        now: Now,
    ) -> Heard {
        let who = order.stream();
        let mut heard = Heard { observation: self.judge(who, observation), ..Heard::default() };
        self.weigh_absence(order, &mut heard, tracked, now);
        heard.events.extend(self.answered(who, call, Some(&heard.observation), looked_at, now));
        heard
    }

    /// A page of the scope's list came, or did not. What is the matter with the list alone is not the scope's affair.
    pub fn hear_page(&mut self, failed: Option<&Observation>, looked_at: usize, now: Now) -> Vec<ScopeEvent> {
        let trouble = failed.filter(|failed| failed.is_of_the_scope());
        self.answered(self.key.stream(), Call::List, trouble, looked_at, now)
    }

    /// An order was in a page of the scope's list: it is there.
    pub fn hear_listed(&mut self, order: &Order, now: Now) -> Heard {
        let mut heard = Heard::default();
        self.end_suspicion(order, &mut heard, now);
        heard
    }

    /// A person says that what is missing is gone. `None`: nothing is held back.
    pub fn accept(&mut self, now: Now) -> Option<Heard> {
        let (since, again) = self.suspicion.accept(now.wall)?;
        let events = vec![recovered(Condition::Suspect, since, now)];
        Some(Heard { events, again, ..Heard::default() })
    }

    /// An order is not watched any more.
    pub fn forget(&mut self, who: Stream) {
        self.refused.remove(&who);
        self.senseless.remove(&who);
        self.suspicion.forget(who);
    }

    /// There may be other credentials now: refused ones are tried at once. False if none are refused.
    pub fn try_credentials(&mut self, now: Tick) -> bool {
        match &mut self.denied {
            Some(denial) => {
                denial.probe_at = denial.probe_at.min(now);
                true
            }
            None => false,
        }
    }

    /// Whether an order may witness that the scope is not missing as a whole.
    pub fn may_witness(&self, who: Stream) -> bool {
        self.suspicion.may_witness(who)
    }

    /// Whether an absence is believed.
    fn weigh_absence(&mut self, order: &Order, heard: &mut Heard, orders: usize, now: Now) {
        let doubted = order.state.absence.since().is_some();
        match &mut heard.observation {
            Observation::Missing { suspect, .. } if order.may_be_missing(now.wall) => {
                let verdict = self.suspicion.missing(order.stream(), !doubted, orders, now);
                // The first "missing" confirms nothing anyway, and by the second one there is a witness.
                *suspect = !verdict.believed && (doubted || self.suspicion.raised().is_some());
                heard.wants_witness = verdict.wants_witness;
                let raised = verdict.raised_by.map(|missing| ScopeEvent::Suspect { missing: missing as u64 });
                heard.events.extend(raised);
            }
            Observation::Seen(_) => self.end_suspicion(order, heard, now),
            Observation::Missing { .. } => {
                heard.wants_witness = self.suspicion.says_nothing(order.stream(), order.is_gone());
            }
            Observation::Elsewhere(_)
            | Observation::Throttled { .. }
            | Observation::Unavailable { .. }
            | Observation::Denied { .. }
            | Observation::Malformed { .. }
            | Observation::Elapsed
            | Observation::Acknowledged => {}
        }
    }

    /// An order was seen: if it went missing with the others, they are not another account's.
    fn end_suspicion(&mut self, order: &Order, heard: &mut Heard, now: Now) {
        let doubted = order.state.absence.since().is_some();
        if let Some((since, again)) = self.suspicion.seen(order.stream(), doubted, now) {
            heard.events.push(recovered(Condition::Suspect, since, now));
            heard.again = again;
        }
    }

    /// Whose an observation is: what three orders in a row say is not the orders' fault.
    fn judge(&mut self, who: Stream, observation: Observation) -> Observation {
        match observation {
            Observation::Denied { reach: Reach::Order, code, message, clock_offset_s } => {
                self.refused.insert(who);
                let reach = if self.refused.len() >= ALIKE { Reach::Scope } else { Reach::Order };
                Observation::Denied { reach, code, message, clock_offset_s }
            }
            Observation::Malformed { detail } => {
                self.senseless.insert(who);
                if self.senseless.len() >= ALIKE {
                    Observation::Unavailable { outage: Outage::Body(detail), retry_after: None }
                } else {
                    Observation::Malformed { detail }
                }
            }
            Observation::Seen(_) | Observation::Missing { .. } => {
                self.refused.clear();
                self.senseless.clear();
                observation
            }
            Observation::Throttled { .. }
            | Observation::Unavailable { .. }
            | Observation::Denied { reach: Reach::Scope, .. }
            | Observation::Elsewhere(_)
            | Observation::Elapsed
            | Observation::Acknowledged => observation,
        }
    }

    /// A call ended; without an observation it was a page. `orders` is how many the scope looks at.
    fn answered(
        &mut self,
        who: Stream,
        call: Call,
        observation: Option<&Observation>,
        orders: usize,
        now: Now,
    ) -> Vec<ScopeEvent> {
        let mut events = Vec::new();
        match observation {
            Some(Observation::Unavailable { outage, retry_after }) => {
                self.end_credential_probe(now.tick);
                if let Turn::Opened(wait) = self.breaker.outage(who, orders, *retry_after, now.tick) {
                    self.unavailable_since = Some(now.wall);
                    events.push(ScopeEvent::Unavailable { reason: outage.to_string(), retry_after: wait });
                }
                return events;
            }
            Some(Observation::Throttled { retry_after, .. }) => {
                self.end_credential_probe(now.tick);
                let hold = self.refused(call, *retry_after, now.tick);
                if let Some(spell) = &mut self.throttled {
                    spell.last = now.wall;
                } else {
                    self.throttled = Some(Spell { since: now.wall, last: now.wall });
                    events.push(ScopeEvent::Throttled { hold, rate: self.limiter.rate() });
                }
            }
            // Perhaps it is the list that is refused: the next look shows whether it is the credentials.
            Some(Observation::Denied { reach: Reach::Scope, .. }) if call == Call::List => {
                self.not_refused(call, now.tick);
                self.end_credential_probe(now.tick);
            }
            Some(Observation::Denied { reach: Reach::Scope, code, message, clock_offset_s }) => {
                let probe_at = now.tick.plus(DENIED_PROBE);
                if let Some(denial) = &mut self.denied {
                    *denial = Denial { since: denial.since, probe_at, probing: false };
                } else {
                    self.denied = Some(Denial { since: now.wall, probe_at, probing: false });
                    let (code, reason) = (code.clone(), message.clone());
                    events.push(ScopeEvent::Denied { code, reason, clock_offset_s: *clock_offset_s });
                }
            }
            None | Some(Observation::Seen(_) | Observation::Missing { .. } | Observation::Elsewhere(_)) => {
                self.not_refused(call, now.tick);
                events.extend(self.end_denial(now));
            }
            Some(Observation::Malformed { .. } | Observation::Denied { reach: Reach::Order, .. }) => {
                self.not_refused(call, now.tick);
                self.end_credential_probe(now.tick);
            }
            Some(Observation::Elapsed | Observation::Acknowledged) => return events,
        }
        if self.breaker.answered(who, orders, now.tick) == Turn::Closed {
            self.limiter.slow_start(now.tick);
            events.extend(
                self.unavailable_since.take().map(|since| recovered(Condition::Unavailable, since, now)),
            );
        }
        events
    }

    /// A 429: which bucket is empty the service does not say, and it is the narrower one as a rule. Everything waits.
    fn refused(&mut self, call: Call, retry_after: Option<Duration>, now: Tick) -> Duration {
        match (call, &mut self.lists) {
            (Call::List, Some(lists)) => {
                let hold = lists.refused(retry_after, now);
                self.limiter.hold(now.plus(hold));
                hold
            }
            (Call::Look, _) | (Call::List, None) => self.limiter.refused(retry_after, now),
        }
    }

    fn not_refused(&mut self, call: Call, now: Tick) {
        self.limiter.answered(now);
        if let (Call::List, Some(lists)) = (call, &mut self.lists) {
            lists.answered(now);
        }
    }

    /// What the time brings: five minutes without a 429.
    pub fn tell_time(&mut self, now: Now) -> Option<ScopeEvent> {
        let spell = self.throttled.as_mut()?;
        // A 429 from after now is one from before the clock stepped back.
        spell.last = spell.last.min(now.wall);
        let spell = *spell;
        if now.wall.since(spell.last) < THROTTLED_FOR {
            return None;
        }
        self.throttled = None;
        Some(recovered(Condition::Throttled, spell.since, now))
    }

    /// How long until [`Scope::tell_time`] has something to say, if nothing happens.
    pub fn quiet_for(&self, now: Now) -> Option<Duration> {
        self.throttled.map(|spell| spell.last.plus(THROTTLED_FOR).since(now.wall))
    }

    fn end_denial(&mut self, now: Now) -> Option<ScopeEvent> {
        self.denied.take().map(|denial| recovered(Condition::Denied, denial.since, now))
    }

    /// The probe with fresh credentials had an answer that says nothing about them.
    fn end_credential_probe(&mut self, now: Tick) {
        if let Some(denial) = self.denied.as_mut().filter(|denial| denial.probing) {
            denial.probing = false;
            denial.probe_at = now.plus(DENIED_PROBE);
        }
    }
}

pub(super) fn recovered(condition: Condition, since: Timestamp, now: Now) -> ScopeEvent {
    ScopeEvent::Recovered { condition, duration: now.wall.since(since) }
}

/// What is remembered of a scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScopeMemory {
    /// When this was written; `None`: by a version that did not say.
    pub written_at: Option<Timestamp>,
    /// Rises by one with each event of the scope.
    pub generation: u64,
    /// The learned rate, looks a second.
    pub rate: f64,
    /// What else the limiter has learned.
    pub learned: Learned,
    /// The limiter's theoretical arrival time.
    pub arrival_at: Timestamp,
    /// Until when all looks wait for the quota's sake.
    pub hold_until: Option<Timestamp>,
    /// Since when the scope is throttled, and when that was last seen.
    pub throttled: Option<Spell>,
    /// Since when the service is unavailable.
    pub unavailable_since: Option<Timestamp>,
    /// Since when the credentials are refused.
    pub denied_since: Option<Timestamp>,
    /// Since when so much is missing that the credentials may be another account's.
    pub suspect_since: Option<Timestamp>,
    /// When a person last said that what is missing is gone.
    pub accepted_at: Option<Timestamp>,
    /// The second bucket of list calls.
    pub lists: Option<Bucket>,
    /// How long the scope's list was when it was last read.
    pub length: Option<Length>,
    /// The reading of that list that is going on.
    pub sweep: Option<Unfinished>,
    /// Since when there is more to do than the quota allows.
    pub overloaded_since: Option<Timestamp>,
}

/// What is remembered of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// The learned rate, calls a second.
    pub rate: f64,
    /// What else its limiter has learned.
    pub learned: Learned,
    /// The limiter's theoretical arrival time.
    pub arrival_at: Timestamp,
}

/// A condition that lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spell {
    /// When it began.
    pub since: Timestamp,
    /// When it was last seen.
    pub last: Timestamp,
}
