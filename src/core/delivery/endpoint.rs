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

use super::super::event::{SinkCondition, SinkEvent};
use super::super::time::{Now, Tick};
use super::{IN_FLIGHT_MOST, Posted, SinkMemory};

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
/// events by it), and for a refusal where everything is refused.
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
                self.rests.remove(stream);
                // What was sent before it was known to fail says nothing of now.
                if self.outage.is_none() || flight.epoch == self.epoch {
                    self.took(now, told);
                }
                Verdict::Delivered
            }
            Posted::Refused { reason } => {
                if self.refused.len() < REFUSED_IN_A_ROW {
                    self.refused.insert(flight.seq);
                }
                if self.refused.len() < REFUSED_IN_A_ROW {
                    return Some(self.strike(stream, flight.strikes + STRIKES_REFUSED, now.tick));
                }
                // A wrong secret, most likely: nothing is to die of that while somebody gets up to mend it.
                self.fail(&flight, reason, None, now, told);
                self.remember(stream, now.tick);
                self.strike(stream, flight.strikes + STRIKES_ALONE, now.tick)
            }
            Posted::Busy { reason, retry_after } => {
                self.fail(&flight, reason, *retry_after, now, told);
                self.remember(stream, now.tick);
                Verdict::Again { strikes: flight.strikes }
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

    fn took(&mut self, now: Now, told: &mut Vec<SinkEvent>) {
        self.taken += 1;
        self.outage = None;
        self.refused.clear();
        self.tried.clear();
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

#[cfg(test)]
mod tests {
    use super::super::super::time::Timestamp;
    use super::*;

    fn now(seconds: u64) -> Now {
        let passed = Duration::from_secs(seconds);
        Now { wall: Timestamp::from_millis(1_795_341_600_000).plus(passed), tick: Tick::ZERO.plus(passed) }
    }

    fn failing() -> Posted {
        Posted::Failing { reason: "HTTP 503".into(), retry_after: None }
    }

    fn refused() -> Posted {
        Posted::Refused { reason: "HTTP 400".into() }
    }

    fn names(told: &[SinkEvent]) -> Vec<&'static str> {
        told.iter().map(SinkEvent::name).collect()
    }

    /// An endpoint, with the verdict on each post.
    struct Sent {
        endpoint: Endpoint,
        strikes: BTreeMap<String, u32>,
        told: Vec<SinkEvent>,
    }

    impl Sent {
        fn new() -> Self {
            let endpoint = Endpoint::new(SinkMemory::default());
            Self { endpoint, strikes: BTreeMap::new(), told: Vec::new() }
        }

        fn send(&mut self, stream: &str, at: u64) {
            let strikes = self.strikes.get(stream).copied().unwrap_or_default();
            let seq = u64::from(stream.bytes().next().unwrap_or_default());
            self.endpoint.sent(&Ready { stream: stream.into(), seq, strikes }, now(at).tick);
        }

        fn hear(&mut self, stream: &str, posted: &Posted, at: u64) -> Verdict {
            let verdict = self.endpoint.heard(stream, posted, now(at), &mut self.told).unwrap();
            if let Verdict::Again { strikes } = verdict {
                self.strikes.insert(stream.into(), strikes);
            }
            verdict
        }

        fn post(&mut self, stream: &str, posted: &Posted, at: u64) -> Verdict {
            self.send(stream, at);
            self.hear(stream, posted, at)
        }

        fn room(&self, at: u64) -> usize {
            self.endpoint.room(now(at).tick)
        }

        fn is_busy(&self, stream: &str, at: u64) -> bool {
            self.endpoint.busy(now(at).tick).iter().any(|busy| busy == stream)
        }
    }

    #[test]
    fn an_outage_is_tried_alone_ever_more_seldom_and_the_first_success_releases_all() {
        let mut sent = Sent::new();
        assert_eq!(sent.room(0), IN_FLIGHT_MOST);
        let mut at = 0;
        for (failures, wait) in [5, 10, 20, 40, 40, 40].into_iter().enumerate() {
            assert_eq!(sent.post("a", &failing(), at), Verdict::Again { strikes: 0 });
            assert_eq!(sent.endpoint.changes_at(now(at).tick), Some(now(at + wait).tick));
            assert_eq!((sent.room(at + wait - 1), sent.room(at + wait)), (0, 1));
            assert_eq!(names(&sent.told).len(), usize::from(failures >= 2));
            at += wait;
        }
        assert_eq!(sent.endpoint.memory().failing_since, Some(now(15).wall));
        sent.send("a", at);
        assert_eq!(sent.room(at), 0, "one trial at a time");
        assert_eq!(sent.hear("a", &Posted::Taken, at + 1), Verdict::Delivered);
        assert_eq!((sent.room(at + 1), sent.is_busy("a", at + 1)), (IN_FLIGHT_MOST, false));
        assert_eq!(names(&sent.told), ["sink.failing", "sink.recovered"]);
    }

    #[test]
    fn it_is_left_alone_as_long_as_it_asks_an_hour_at_most() {
        let busy =
            |seconds| Posted::Busy { reason: "429".into(), retry_after: Some(Duration::from_secs(seconds)) };
        for (asked, waits) in [(3, 5), (70, 70), (90_000, 3600)] {
            let mut sent = Sent::new();
            sent.post("a", &busy(asked), 0);
            assert_eq!((sent.room(waits - 1), sent.room(waits)), (0, 1), "{asked}");
        }
        // What was under way with it does not count again, but may ask for more.
        let mut sent = Sent::new();
        for stream in ["a", "b", "c"] {
            sent.send(stream, 0);
        }
        sent.hear("a", &failing(), 0);
        sent.hear("b", &busy(60), 1);
        sent.hear("c", &Posted::Taken, 2);
        assert_eq!((sent.room(60), sent.room(61)), (0, 1), "an answer to what was sent before lifts nothing");
    }

    #[test]
    fn a_refused_event_is_dead_after_three_tries_and_holds_up_its_stream_only() {
        let mut sent = Sent::new();
        let mut at = 0;
        for wait in [5, 10] {
            assert!(matches!(sent.post("a", &refused(), at), Verdict::Again { .. }));
            assert!(sent.is_busy("a", at + wait - 1) && !sent.is_busy("a", at + wait), "it rests {wait} s");
            assert_eq!(sent.post("b", &Posted::Taken, at + 1), Verdict::Delivered);
            at += wait;
        }
        assert_eq!(sent.post("a", &refused(), at), Verdict::Dead);
        assert_eq!((sent.is_busy("a", at), sent.room(at)), (false, IN_FLIGHT_MOST), "the next one goes");
        assert_eq!(sent.told, [], "it is the event's fault");
    }

    #[test]
    fn three_events_refused_in_a_row_are_the_endpoints_fault() {
        let mut sent = Sent::new();
        for stream in ["a", "b"] {
            sent.post(stream, &refused(), 0);
            assert_eq!(sent.room(0), IN_FLIGHT_MOST);
        }
        sent.post("c", &refused(), 0);
        assert_eq!((sent.room(4), sent.room(5)), (0, 1));
        assert_eq!(sent.strikes, BTreeMap::from([("a".into(), 4), ("b".into(), 4), ("c".into(), 1)]));
    }

    #[test]
    fn an_event_that_it_cannot_digest_is_tried_alone_and_dead_in_the_end() {
        let mut sent = Sent::new();
        assert_eq!(
            sent.post("a", &failing(), 0),
            Verdict::Again { strikes: 0 },
            "an outage, as far as is known"
        );
        assert!(sent.is_busy("a", 5), "another is tried first");
        assert_eq!(sent.post("b", &Posted::Taken, 5), Verdict::Delivered);
        let mut at = 5;
        for strikes in 1..12 {
            assert_eq!(sent.post("a", &failing(), at), Verdict::Again { strikes });
            assert_eq!(sent.room(at), IN_FLIGHT_MOST, "the others go on");
            assert_eq!(sent.post("b", &Posted::Taken, at), Verdict::Delivered);
            at += 40;
        }
        assert_eq!(sent.post("a", &failing(), at), Verdict::Dead);
    }

    #[test]
    fn where_every_stream_was_tried_they_are_tried_again() {
        let mut sent = Sent::new();
        sent.post("a", &failing(), 0);
        sent.post("b", &failing(), 5);
        assert!(sent.is_busy("a", 15) && sent.is_busy("b", 15));
        assert!(sent.endpoint.go_round() && !sent.is_busy("a", 15));
        assert!(!sent.endpoint.go_round());
    }

    #[test]
    fn one_without_an_answer_holds_its_stream_for_its_lease() {
        let mut sent = Sent::new();
        sent.send("a", 0);
        assert!(sent.is_busy("a", 29));
        assert_eq!(sent.endpoint.hanging(now(29).tick), [] as [&str; 0]);
        assert_eq!(sent.endpoint.hanging(now(30).tick), ["a"]);
        sent.hear("a", &failing(), 30);
        assert_eq!(
            sent.endpoint.heard("a", &Posted::Taken, now(31), &mut Vec::new()),
            None,
            "it is given up"
        );
    }

    #[test]
    fn one_that_is_gone_is_not_tried_until_a_person_wants_it() {
        let mut sent = Sent::new();
        sent.post("a", &Posted::Gone { reason: "HTTP 410".into() }, 0);
        assert_eq!((sent.room(100_000), sent.endpoint.memory().disabled_since), (0, Some(now(0).wall)));
        sent.endpoint.enable(now(60), &mut sent.told);
        assert_eq!(
            (sent.room(60), names(&sent.told)),
            (IN_FLIGHT_MOST, vec!["sink.disabled", "sink.recovered"])
        );
    }

    #[test]
    fn what_is_remembered_of_a_trouble_is_not_told_again() {
        let failing_since = Some(now(0).wall);
        let mut endpoint = Endpoint::new(SinkMemory { failing_since, ..SinkMemory::default() });
        let mut told = Vec::new();
        assert_eq!(endpoint.room(now(60).tick), 1, "it is tried at once");
        endpoint.sent(&Ready { stream: "a".into(), seq: 1, strikes: 0 }, now(60).tick);
        endpoint.heard("a", &failing(), now(60), &mut told);
        assert_eq!((told.len(), endpoint.room(now(99).tick), endpoint.room(now(100).tick)), (0, 0, 1));
        endpoint.sent(&Ready { stream: "a".into(), seq: 1, strikes: 0 }, now(100).tick);
        endpoint.heard("a", &Posted::Taken, now(100), &mut told);
        let duration = Duration::from_secs(100);
        assert_eq!(told, [SinkEvent::Recovered { condition: SinkCondition::Failing, duration }]);
    }
}
