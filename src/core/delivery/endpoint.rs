//! One webhook's endpoint: how many events may be under way, what a refusal and an outage mean, when it is tried again.
//!
//! # Guarantees
//! - Never two events of one stream under way, so that a stream arrives in order. A post that gets no answer holds its
//!   stream for [`LEASE`] and no longer.
//! - Back-off belongs to the endpoint: while it takes nothing there is one trial at a time, after 5 s doubling to 40 s and
//!   not before it asks. The first success releases everything. While it takes a part, posts are further apart ([`Pace`]).
//! - Trials go round the streams, so that one event that it cannot digest is not taken for an outage for long; from then on
//!   that event waits by itself, and is dead after a number of tries.
//! - What fails while others are taken may be an event that cannot be digested, or one of many at an endpoint that takes
//!   only a part: what becomes of the others tells. Of those that it could have taken, it loses one in a million or so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::event::{SinkCondition, SinkEvent};
use super::super::time::{Now, Tick};
use super::pace::Pace;
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
const STRIKES_DEAD: u32 = 1200;
/// so many for a refusal (three refusals kill),
const STRIKES_REFUSED: u32 = 400;
/// so many for a refusal where everything is refused,
const STRIKES_OF_MANY: u32 = 100;
/// and so many at most for a failure while others are taken: where all of them are. Where a part of them is, it is as much
/// less as that failure says less: chance alone makes an event fail so often with a probability of e to the -14.4, 6 in ten
/// million, whatever that part is.
const STRIKES_ALONE: f64 = 100.0;
/// The part of the others that are taken that counts as all of them.
const TAKEN_MOST: f64 = 0.7;
/// Where no more than this part of the others is taken, the endpoint has more than it can take: it is spared as well.
const TAKEN_LEAST: f64 = 0.5;
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
    posts: Posts,
    pace: Pace,
    /// Whether the turn was that of streams whose event was not tried yet.
    others_turn: bool,
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

/// What became of posts.
#[derive(Debug, Clone, Copy, Default)]
struct Posts {
    taken: u64,
    /// Not taken, and not for their own sake.
    failed: u64,
}

/// A stream whose first event was not taken.
#[derive(Debug)]
struct Rest {
    until: Tick,
    /// How often that was held against the event.
    tries: u32,
    /// Its own failures since `first`.
    failures: u64,
    /// All posts until it first failed,
    first: Posts,
    /// and until it last failed.
    last: Posts,
}

impl Rest {
    /// The part of the others that were taken since it first failed, its own last failure counted; nothing if none was
    /// since it last failed.
    fn others_taken(&self, posts: Posts) -> Option<f64> {
        let taken = posts.taken - self.first.taken;
        let failed = (posts.failed - self.first.failed).saturating_sub(self.failures);
        #[expect(clippy::cast_precision_loss, reason = "posts of one endpoint while one event waits")]
        let part = taken as f64 / (taken + failed + 1) as f64;
        (posts.taken > self.last.taken).then_some(part)
    }
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
            posts: Posts::default(),
            pace: Pace::new(),
            others_turn: false,
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
            None => self.pace.room(IN_FLIGHT_MOST.saturating_sub(self.flights.len()), now),
        }
    }

    /// Streams of which nothing may be sent now: those under way and those that wait by themselves; in an outage also
    /// those that were tried, until [`Endpoint::go_round`].
    pub fn busy(&self, now: Tick) -> Vec<String> {
        let resting = self.rests.iter().filter(|(_, rest)| rest.until > now).map(|(stream, _)| stream);
        self.flights.keys().chain(resting).chain(&self.tried).cloned().collect()
    }

    /// Streams that have to stand back this time: every other time those whose event was not taken. The others have half of
    /// the turns, so that what cannot be digested does not come before them again and again.
    pub fn stand_back(&mut self) -> Vec<String> {
        self.others_turn = !self.others_turn;
        if self.others_turn { self.rests.keys().cloned().collect() } else { Vec::new() }
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
        flights.chain(rests).chain(outage).chain(self.pace.changes_at(now)).min()
    }

    /// An event was sent.
    pub fn sent(&mut self, ready: &Ready, now: Tick) {
        let Ready { stream, seq, strikes } = ready;
        let flight = Flight { seq: *seq, strikes: *strikes, epoch: self.epoch, until: now.plus(LEASE) };
        self.flights.insert(stream.clone(), flight);
        self.pace.sent(now);
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
                self.strike(stream, flight.strikes + STRIKES_OF_MANY, now.tick)
            }
            Posted::Busy { reason, retry_after } => {
                self.note_failure(stream, now.tick);
                self.fail(&flight, reason, *retry_after, now, told);
                self.remember(stream, now.tick);
                Verdict::Again { strikes: flight.strikes }
            }
            Posted::Failing { reason, retry_after } => {
                let others = self.rests.get(stream).and_then(|rest| rest.others_taken(self.posts));
                self.note_failure(stream, now.tick);
                if let Some(part) = others.filter(|part| *part > TAKEN_LEAST) {
                    return Some(self.strike(stream, flight.strikes + strikes(part), now.tick));
                }
                self.fail(&flight, reason, *retry_after, now, told);
                self.remember(stream, now.tick);
                match others {
                    Some(part) => self.strike(stream, flight.strikes + strikes(part), now.tick),
                    None => Verdict::Again { strikes: flight.strikes },
                }
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

    /// A person thinks that it works again: what waits for an outage to be over does not.
    pub fn try_now(&mut self) {
        if let Some(outage) = &mut self.outage {
            outage.until = Tick::ZERO;
        }
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
        self.posts.taken += 1;
        self.pace.took(now.tick);
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

    /// A post failed, and not for the event's own sake, as far as is known.
    fn note_failure(&mut self, stream: &str, now: Tick) {
        self.posts.failed += 1;
        let again = self.rests.contains_key(stream);
        self.rest(stream, now).failures += u64::from(again);
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
        let posts = self.posts;
        let new = || Rest { until: now, tries: 0, failures: 0, first: posts, last: posts };
        let rest = self.rests.entry(stream.to_owned()).or_insert_with(new);
        rest.last = posts;
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
        if flight.epoch < self.epoch {
            self.pace.wait(asked, now.tick);
            if let Some(outage) = &mut self.outage {
                outage.until = outage.until.max(now.tick.plus(asked));
            }
            return;
        }
        self.epoch += 1;
        if self.outage.is_none() && self.pace.slow_down(asked, now.tick) {
            return;
        }
        let outage = self.outage.get_or_insert(Outage { failures: 0, until: now.tick });
        outage.failures = outage.failures.saturating_add(1);
        let pause = wait(outage.failures).max(asked);
        outage.until = now.tick.plus(pause);
        if outage.failures >= TOLD_AFTER && self.memory.failing_since.is_none() {
            self.memory.failing_since = Some(now.wall);
            told.push(SinkEvent::Failing { reason: reason.to_owned(), retry_after: pause });
        }
    }
}

/// The strikes for a failure while this part of the others is taken.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most a hundred, and not below 0"
)]
fn strikes(part: f64) -> u32 {
    let says = |part: f64| (1.0 - part).ln();
    (STRIKES_ALONE * says(part.min(TAKEN_MOST)) / says(TAKEN_MOST)) as u32
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
    fn an_outage_that_a_person_thinks_is_over_is_tried_at_once_and_once() {
        let mut sent = Sent::new();
        sent.post("a", &failing(), 0);
        sent.post("a", &failing(), 5);
        assert_eq!(sent.room(6), 0);
        sent.endpoint.try_now();
        assert_eq!(sent.room(6), 1);
        sent.post("a", &failing(), 6);
        assert_eq!((sent.room(25), sent.room(26)), (0, 1), "it was not: the wait goes on growing");
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
        let strikes = BTreeMap::from([("a".into(), 400), ("b".into(), 400), ("c".into(), 100)]);
        assert_eq!(sent.strikes, strikes);
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
        // With one taken and none failed besides this, chance says it once in two times.
        assert_eq!(sent.post("b", &Posted::Taken, 5), Verdict::Delivered);
        let mut at = 5;
        for tries in 1..=13 {
            let verdict = sent.post("a", &failing(), at);
            assert_eq!(verdict == Verdict::Dead, tries == 13, "{verdict:?}");
            assert_eq!(sent.room(at), IN_FLIGHT_MOST, "the others go on");
            for _ in 0..2 {
                assert_eq!(sent.post("b", &Posted::Taken, at), Verdict::Delivered);
            }
            at += 40;
        }
    }

    /// Sends what waits, each its own stream, to an endpoint that answers by the second, the event and how many of that
    /// second came before it; new ones come as they are made. Gives those that are dead once nothing waits.
    fn deliver(
        mut waiting: Vec<String>,
        mut made: impl FnMut(u64) -> Vec<String>,
        answers: impl Fn(&str, usize) -> Posted,
    ) -> (Vec<String>, u64) {
        let (mut sent, mut dead) = (Sent::new(), Vec::new());
        for second in 0..20_000 {
            waiting.extend(made(second));
            let room = sent.room(second);
            let free = |sent: &Sent, but: &[String]| -> Vec<String> {
                let free = |stream: &&String| !sent.is_busy(stream, second) && !but.contains(stream);
                waiting.iter().filter(free).take(room).cloned().collect()
            };
            let back = sent.endpoint.stand_back();
            let mut batch = free(&sent, &back);
            if batch.is_empty() && (!back.is_empty() || room > 0 && sent.endpoint.go_round()) {
                batch = free(&sent, &[]);
            }
            for stream in &batch {
                sent.send(stream, second);
            }
            for (before, stream) in batch.iter().enumerate() {
                let verdict = sent.hear(stream, &answers(stream, before), second);
                if !matches!(verdict, Verdict::Again { .. }) {
                    waiting.retain(|left| left != stream);
                }
                dead.extend((verdict == Verdict::Dead).then(|| stream.clone()));
            }
            if waiting.is_empty() {
                return (dead, second);
            }
        }
        panic!("{} wait for ever", waiting.len());
    }

    #[test]
    fn an_endpoint_that_takes_one_event_a_second_gets_all_of_them() {
        for takes in [1, 3, 8, 15] {
            let all = (0..400).map(|n| format!("{n}")).collect();
            let answers = |_: &str, before| if before < takes { Posted::Taken } else { failing() };
            let (dead, seconds) = deliver(all, |_| Vec::new(), answers);
            assert_eq!(dead, [] as [&str; 0], "{takes} of 16");
            assert!(seconds < 450, "{takes} of 16: {seconds} s for 400 events");
        }
    }

    #[test]
    fn where_most_events_cannot_be_digested_those_are_dead_and_the_others_are_not() {
        let bad: Vec<String> = (0..12).map(|n| format!("bad {n}")).collect();
        let good =
            |second| if second < 9000 && second % 20 == 0 { vec![format!("{second}")] } else { Vec::new() };
        let answers = |stream: &str, _| if stream.starts_with("bad") { failing() } else { Posted::Taken };
        let (mut dead, _seconds) = deliver(bad.clone(), good, answers);
        dead.sort_by_key(|name| bad.iter().position(|known| known == name));
        assert_eq!(dead, bad);
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
