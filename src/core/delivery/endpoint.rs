//! One webhook's endpoint: how many events may be under way, what a refusal and an outage mean, when it is tried again.
//!
//! # Guarantees
//! - Never two events of one stream under way, so that a stream arrives in order. A post that gets no answer holds its
//!   stream for [`LEASE`] and no longer.
//! - Back-off belongs to the endpoint: while it takes nothing there is one trial at a time, after 5 s doubling to 40 s and
//!   not before it asks. The first success releases everything.
//! - Trials go round the streams, so that one event that it cannot digest is not taken for an outage for long; from then on
//!   that event waits by itself, and is dead after a number of tries.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{IN_FLIGHT_MOST, Posted, SinkMemory};
use crate::core::event::{SinkCondition, SinkEvent};
use crate::core::time::{Now, Tick};

/// The wait after a first failure, doubled with each further one
const WAIT_FIRST: Duration = Duration::from_secs(5);
/// up to this: what waits is then out within a minute of the endpoint's return, the sending included.
const WAIT_MOST: Duration = Duration::from_secs(40);
/// What an endpoint may ask for with `Retry-After`.
const RETRY_AFTER_MOST: Duration = Duration::from_hours(1);
/// How long a post without an answer keeps its stream: twice the time that a post may take.
const LEASE: Duration = Duration::from_secs(30);
/// Failures in a row after which the endpoint is told to be failing: a restart of a receiver is not worth a line.
const TOLD_AFTER: u32 = 3;
/// Events refused in a row, with none taken between, after which it is likelier the endpoint than the events.
const REFUSED_IN_A_ROW: usize = 3;
/// An event is dead when it has so many strikes:
const STRIKES_DEAD: u32 = 12;
/// so many for a refusal (three refusals kill),
const STRIKES_REFUSED: u32 = 4;
/// and so many for an outage that only this event meets (an overloaded receiver fails now and then, and is not to lose
/// events by it).
const STRIKES_ALONE: u32 = 1;
/// Streams that wait by themselves; with more of them nothing new is sent until some are done with.
const RESTING_MOST: usize = 1000;

/// What is known of an endpoint.
#[derive(Debug)]
pub struct Endpoint {
    flights: BTreeMap<String, Flight>,
    rests: BTreeMap<String, Rest>,
    /// Streams that were tried since the endpoint last took something.
    tried: BTreeSet<String>,
    /// Events refused in a row.
    refused: BTreeSet<u64>,
    outage: Option<Outage>,
    /// Rises with each failure that counts: what was sent before it is no news of the endpoint.
    epoch: u64,
    /// Events taken.
    taken: u64,
    memory: SinkMemory,
}

/// A post under way.
#[derive(Debug)]
struct Flight {
    seq: u64,
    strikes: u32,
    epoch: u64,
    until: Tick,
}

/// A stream whose first event was not taken.
#[derive(Debug)]
struct Rest {
    until: Tick,
    tries: u32,
    /// Events that had been taken when it last failed.
    taken: u64,
}

#[derive(Debug)]
struct Outage {
    failures: u32,
    until: Tick,
}

/// An event that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Its stream.
    pub stream: String,
    /// Its place.
    pub seq: u64,
    /// What is held against it.
    pub strikes: u32,
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Delivered,
    /// It is tried again.
    Again {
        /// What is held against it now.
        strikes: u32,
    },
    /// It is put aside.
    Dead,
}

impl Endpoint {
    /// An endpoint of which this is remembered. It is tried at once: the outage may be over.
    pub fn new(memory: SinkMemory) -> Self {
        Self {
            flights: BTreeMap::new(),
            rests: BTreeMap::new(),
            tried: BTreeSet::new(),
            refused: BTreeSet::new(),
            outage: memory.failing_since.map(|_| Outage { failures: TOLD_AFTER, until: Tick::ZERO }),
            epoch: 0,
            taken: 0,
            memory,
        }
    }

    /// What is to be remembered.
    pub fn memory(&self) -> SinkMemory {
        self.memory
    }

    /// The generation of its next event.
    pub fn next_generation(&mut self) -> u64 {
        self.memory.generation += 1;
        self.memory.generation
    }

    /// How many more events may be sent now.
    pub fn room(&self, now: Tick) -> usize {
        let resting = self.rests.values().filter(|rest| rest.until > now).count();
        let crowded = resting + self.flights.len() >= RESTING_MOST;
        if self.memory.disabled_since.is_some() || crowded {
            return 0;
        }
        match &self.outage {
            Some(outage) => usize::from(outage.until <= now && self.flights.is_empty()),
            None => IN_FLIGHT_MOST.saturating_sub(self.flights.len()),
        }
    }

    /// Streams of which nothing may be sent now: those under way and those that wait by themselves; in an outage also
    /// those that were tried, until [`Endpoint::go_round`].
    pub fn busy(&self, now: Tick) -> Vec<String> {
        let resting = self.rests.iter().filter(|(_, rest)| rest.until > now).map(|(stream, _)| stream);
        self.flights.keys().chain(resting).chain(&self.tried).cloned().collect()
    }

    /// Every stream was tried: they are tried again. False if none was.
    pub fn go_round(&mut self) -> bool {
        !std::mem::take(&mut self.tried).is_empty()
    }

    /// When something changes here without any answer.
    pub fn changes_at(&self, now: Tick) -> Option<Tick> {
        let flights = self.flights.values().map(|flight| flight.until);
        let rests = self.rests.values().map(|rest| rest.until).filter(|until| *until > now);
        let outage = self.outage.as_ref().map(|outage| outage.until).filter(|until| *until > now);
        flights.chain(rests).chain(outage).min()
    }

    /// An event was sent.
    pub fn sent(&mut self, ready: &Ready, now: Tick) {
        let Ready { stream, seq, strikes } = ready;
        let flight = Flight { seq: *seq, strikes: *strikes, epoch: self.epoch, until: now.plus(LEASE) };
        self.flights.insert(stream.clone(), flight);
    }

    /// Streams whose posts had no answer in all their time.
    pub fn hanging(&self, now: Tick) -> Vec<String> {
        let hanging = self.flights.iter().filter(|(_, flight)| flight.until <= now);
        hanging.map(|(stream, _)| stream.clone()).collect()
    }

    /// What the endpoint said to the event of a stream that is under way. `None`: nothing of it is.
    pub fn heard(
        &mut self,
        stream: &str,
        posted: &Posted,
        now: Now,
        told: &mut Vec<SinkEvent>,
    ) -> Option<Verdict> {
        let flight = self.flights.remove(stream)?;
        Some(match posted {
            Posted::Taken => {
                self.took(stream, now, told);
                Verdict::Delivered
            }
            Posted::Refused { reason } => {
                if self.refused.len() < REFUSED_IN_A_ROW {
                    self.refused.insert(flight.seq);
                }
                if self.refused.len() >= REFUSED_IN_A_ROW {
                    self.fail(&flight, reason, None, now, told);
                    self.remember(stream, now.tick);
                }
                self.strike(stream, flight.strikes + STRIKES_REFUSED, now.tick)
            }
            Posted::Failing { reason, retry_after } => {
                let alone = self.rests.get(stream).is_some_and(|rest| self.taken > rest.taken);
                if alone {
                    return Some(self.strike(stream, flight.strikes + STRIKES_ALONE, now.tick));
                }
                self.fail(&flight, reason, *retry_after, now, told);
                self.remember(stream, now.tick);
                Verdict::Again { strikes: flight.strikes }
            }
            Posted::Gone { reason } => {
                if self.memory.disabled_since.is_none() {
                    self.memory.disabled_since = Some(now.wall);
                    told.push(SinkEvent::Disabled { reason: reason.clone() });
                }
                Verdict::Again { strikes: flight.strikes }
            }
        })
    }

    /// A person wants it to be tried again.
    pub fn enable(&mut self, now: Now, told: &mut Vec<SinkEvent>) {
        self.outage = None;
        self.memory.revived = false;
        if let Some(since) = self.memory.disabled_since.take() {
            let duration = now.wall.since(since);
            told.push(SinkEvent::Recovered { condition: SinkCondition::Disabled, duration });
        }
    }

    fn took(&mut self, stream: &str, now: Now, told: &mut Vec<SinkEvent>) {
        self.taken += 1;
        self.outage = None;
        self.refused.clear();
        self.tried.clear();
        self.rests.remove(stream);
        if let Some(since) = self.memory.failing_since.take() {
            let duration = now.wall.since(since);
            told.push(SinkEvent::Recovered { condition: SinkCondition::Failing, duration });
        }
    }

    /// It is held against the event itself, which waits by itself, or is dead.
    fn strike(&mut self, stream: &str, strikes: u32, now: Tick) -> Verdict {
        if strikes >= STRIKES_DEAD {
            self.rests.remove(stream);
            return Verdict::Dead;
        }
        let rest = self.rest(stream, now);
        rest.tries += 1;
        rest.until = now.plus(wait(rest.tries));
        Verdict::Again { strikes }
    }

    /// A stream was tried in vain: others are tried before it.
    fn remember(&mut self, stream: &str, now: Tick) {
        if self.tried.len() >= RESTING_MOST {
            self.tried.clear();
        }
        self.tried.insert(stream.to_owned());
        self.rest(stream, now);
    }

    /// What is known of a stream whose event was not taken just now.
    fn rest(&mut self, stream: &str, now: Tick) -> &mut Rest {
        if self.rests.len() >= RESTING_MOST {
            self.rests.retain(|_, rest| rest.until > now);
        }
        let rest = self.rests.entry(stream.to_owned()).or_insert(Rest { until: now, tries: 0, taken: 0 });
        rest.taken = self.taken;
        rest
    }

    /// It is held against the endpoint, unless it was sent before that was known to fail.
    fn fail(
        &mut self,
        flight: &Flight,
        reason: &str,
        retry_after: Option<Duration>,
        now: Now,
        told: &mut Vec<SinkEvent>,
    ) {
        let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MOST);
        let outage = self.outage.get_or_insert(Outage { failures: 0, until: now.tick });
        if flight.epoch < self.epoch && outage.failures > 0 {
            outage.until = outage.until.max(now.tick.plus(asked));
            return;
        }
        self.epoch += 1;
        outage.failures = outage.failures.saturating_add(1);
        let pause = wait(outage.failures).max(asked);
        outage.until = now.tick.plus(pause);
        if outage.failures >= TOLD_AFTER && self.memory.failing_since.is_none() {
            self.memory.failing_since = Some(now.wall);
            told.push(SinkEvent::Failing { reason: reason.to_owned(), retry_after: pause });
        }
    }
}

/// The wait after so many failures.
fn wait(failures: u32) -> Duration {
    WAIT_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(WAIT_MOST)
}
