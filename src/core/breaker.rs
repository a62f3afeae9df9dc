//! The breaker of one scope: an outage is the service's, not the orders' and not the quota's, so everything waits for
//! one probe at a time.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::order::Stream;
use super::time::Tick;

/// Outages in a row that open it,
const ROW: usize = 5;
/// if they are of at least this many orders (or all, where the scope has fewer): one order may be at fault itself.
const ROW_ORDERS: usize = 3;
/// Of this many last looks,
const SAMPLE: usize = 20;
/// all within this time, half being outages opens it too.
const SAMPLE_SPAN: Duration = Duration::from_mins(10);
/// The first wait, doubled each time a probe fails,
const WAIT_FIRST: Duration = Duration::from_secs(1);
/// up to this.
const WAIT_MOST: Duration = Duration::from_mins(1);
/// Answers that close it again.
const CLOSES: u32 = 3;

/// Decides whether looks make sense.
#[derive(Debug, Clone)]
pub struct Breaker {
    /// Names the scope; spreads the waits of scopes that fail together.
    stream: Stream,
    recent: VecDeque<Look>,
    state: State,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Tick,
    who: Stream,
    outage: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open { probe_at: Tick, failures: u32, answers: u32, probe: Option<Stream> },
}

/// Whether a look may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// As far as the breaker is concerned.
    Free,
    /// One, to see whether it works again.
    Probe,
    /// Not before this.
    From(Tick),
    /// Not before the probe in flight has its answer.
    AfterProbe,
}

/// What an answer did to the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing that has to be said.
    None,
    /// It opened; the first probe is due after this long.
    Opened(Duration),
    /// It closed.
    Closed,
}

impl Breaker {
    /// A closed one.
    pub fn new(stream: Stream) -> Self {
        Self { stream, recent: VecDeque::with_capacity(SAMPLE), state: State::Closed }
    }

    /// One that was open when it was remembered: a probe is due at once.
    pub fn resume_open(&mut self, now: Tick) {
        self.state = State::Open { probe_at: now, failures: 1, answers: 0, probe: None };
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.state != State::Closed
    }

    /// Whether a look may start.
    pub fn admits(&self, now: Tick) -> Admission {
        match self.state {
            State::Closed => Admission::Free,
            State::Open { probe: Some(_), .. } => Admission::AfterProbe,
            State::Open { probe_at, .. } if probe_at <= now => Admission::Probe,
            State::Open { probe_at, .. } => Admission::From(probe_at),
        }
    }

    /// A look that was admitted as a probe starts.
    pub fn probe_started(&mut self, who: Stream) {
        if let State::Open { probe, .. } = &mut self.state {
            *probe = Some(who);
        }
    }

    /// A look that was to start did not: if it was the probe, another may go.
    pub fn abandoned(&mut self, who: Stream) {
        if let State::Open { probe, .. } = &mut self.state
            && *probe == Some(who)
        {
            *probe = None;
        }
    }

    /// An answer that is no outage, whatever else it says. `orders` is how many the scope looks at: where there are fewer
    /// than it takes answers to close it, each of them once is enough, since none may be looked at again.
    pub fn answered(&mut self, who: Stream, orders: usize, now: Tick) -> Turn {
        self.note(who, false, now);
        let State::Open { probe_at, answers, probe, .. } = &mut self.state else { return Turn::None };
        *answers += 1;
        *probe_at = now;
        if *probe == Some(who) {
            *probe = None;
        }
        if *answers < CLOSES.min(u32::try_from(orders.max(1)).unwrap_or(CLOSES)) {
            return Turn::None;
        }
        self.state = State::Closed;
        self.recent.clear();
        Turn::Closed
    }

    /// An outage. `orders` is how many the scope looks at; `retry_after` is what the service asked for.
    pub fn outage(&mut self, who: Stream, orders: usize, retry_after: Option<Duration>, now: Tick) -> Turn {
        self.note(who, true, now);
        let stream = self.stream;
        let opens = self.should_open(orders, now);
        match &mut self.state {
            State::Open { probe_at, failures, answers, probe } if *probe == Some(who) => {
                *failures = failures.saturating_add(1);
                *answers = 0;
                *probe = None;
                *probe_at = (*probe_at).max(now.plus(wait(stream, *failures, retry_after)));
                Turn::None
            }
            State::Closed if opens => {
                let wait = wait(stream, 1, retry_after);
                self.state = State::Open { probe_at: now.plus(wait), failures: 1, answers: 0, probe: None };
                Turn::Opened(wait)
            }
            // The answer to a look from before it opened tells nothing new.
            State::Open { .. } | State::Closed => Turn::None,
        }
    }

    fn note(&mut self, who: Stream, outage: bool, at: Tick) {
        if self.recent.len() == SAMPLE {
            self.recent.pop_front();
        }
        self.recent.push_back(Look { at, who, outage });
    }

    fn should_open(&self, orders: usize, now: Tick) -> bool {
        let row: Vec<&Look> = self.recent.iter().rev().take_while(|look| look.outage).collect();
        let of: BTreeSet<Stream> = row.iter().map(|look| look.who).collect();
        if row.len() >= ROW && of.len() >= ROW_ORDERS.min(orders.max(1)) {
            return true;
        }
        let within = self.recent.iter().filter(|look| now.since(look.at) <= SAMPLE_SPAN);
        let (looks, outages) = within.fold((0, 0), |(n, bad), look| (n + 1, bad + usize::from(look.outage)));
        looks == SAMPLE && outages * 2 >= SAMPLE
    }
}

/// Doubling, ±20 % by a hash; a longer wish of the service wins.
fn wait(stream: Stream, failures: u32, retry_after: Option<Duration>) -> Duration {
    let doubled = WAIT_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(WAIT_MOST);
    let permille = 800 + u32::try_from(stream.spread(failures.into(), 401)).unwrap_or(0);
    (doubled.saturating_mul(permille) / 1000).max(retry_after.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick::ZERO.plus(Duration::from_secs(seconds))
    }

    fn who(n: u32) -> Stream {
        Stream::of(&[&n.to_string()])
    }

    fn opened(turns: impl IntoIterator<Item = Turn>) -> bool {
        turns.into_iter().any(|turn| matches!(turn, Turn::Opened(_)))
    }

    #[test]
    fn five_in_a_row_open_it_if_they_are_of_three_orders() {
        let mut one = Breaker::new(who(0));
        assert!(
            !opened((0..15).map(|n| one.outage(who(1), 9, None, at(n)))),
            "one order among nine is at fault itself"
        );
        let mut many = Breaker::new(who(0));
        assert!(!opened((0..4).map(|n| many.outage(who(n), 9, None, at(1)))));
        assert!(opened([many.outage(who(2), 9, None, at(1))]));
        let mut lonely = Breaker::new(who(0));
        assert!(opened((0..5).map(|n| lonely.outage(who(1), 1, None, at(n)))));
    }

    #[test]
    fn half_of_the_last_twenty_open_it_within_ten_minutes() {
        let mut breaker = Breaker::new(who(0));
        for n in 0..19u32 {
            let turn = match n % 2 {
                0 => breaker.answered(who(n), 99, at(n.into())),
                _ => breaker.outage(who(n), 99, None, at(n.into())),
            };
            assert_eq!(turn, Turn::None);
        }
        assert!(opened([breaker.outage(who(1), 99, None, at(19))]));
        let mut slow = Breaker::new(who(0));
        for n in 0..40u32 {
            let turn = match n % 2 {
                0 => slow.answered(who(n), 99, at(u64::from(n) * 60)),
                _ => slow.outage(who(n), 99, None, at(u64::from(n) * 60)),
            };
            assert_eq!(turn, Turn::None, "twenty looks take longer than ten minutes");
        }
    }

    #[test]
    fn one_probe_at_a_time_doubling_waits_and_three_answers_close_it() {
        let mut breaker = Breaker::new(who(0));
        for n in 0..5 {
            breaker.outage(who(n), 9, None, at(0));
        }
        let mut now = at(0);
        for doubled in [1u64, 2, 4, 8, 16, 32, 60, 60] {
            let Admission::From(probe_at) = breaker.admits(now) else { panic!("{:?}", breaker.admits(now)) };
            let waited = probe_at.since(now).as_millis();
            assert!(
                (u128::from(doubled) * 800..=u128::from(doubled) * 1200).contains(&waited),
                "{doubled}: {waited}"
            );
            now = probe_at;
            assert_eq!(breaker.admits(now), Admission::Probe);
            breaker.probe_started(who(1));
            assert_eq!(breaker.admits(now), Admission::AfterProbe);
            breaker.outage(who(2), 9, None, now);
            assert_eq!(breaker.admits(now), Admission::AfterProbe, "a look from before tells nothing");
            breaker.outage(who(1), 9, None, now);
        }
        let Admission::From(probe_at) = breaker.admits(now) else { panic!("open") };
        let turns: Vec<Turn> = (0..3).map(|n| breaker.answered(who(n), 99, probe_at)).collect();
        assert_eq!(turns, [Turn::None, Turn::None, Turn::Closed]);
        assert_eq!(breaker.admits(now), Admission::Free);
    }

    #[test]
    fn a_probe_that_did_not_start_makes_room_for_another() {
        let mut breaker = Breaker::new(who(0));
        breaker.resume_open(at(0));
        breaker.probe_started(who(1));
        breaker.abandoned(who(2));
        assert_eq!(breaker.admits(at(0)), Admission::AfterProbe);
        breaker.abandoned(who(1));
        assert_eq!(breaker.admits(at(0)), Admission::Probe);
    }

    #[test]
    fn with_fewer_orders_fewer_answers_close_it() {
        for (orders, answers) in [(0, 1), (1, 1), (2, 2), (3, 3), (9, 3)] {
            let mut breaker = Breaker::new(who(0));
            breaker.resume_open(at(0));
            let turns: Vec<Turn> = (0..answers).map(|n| breaker.answered(who(n), orders, at(1))).collect();
            assert_eq!(
                turns.iter().position(|turn| *turn == Turn::Closed),
                Some(answers as usize - 1),
                "{orders}"
            );
        }
    }

    #[test]
    fn a_longer_wish_of_the_service_wins() {
        let mut breaker = Breaker::new(who(0));
        for n in 0..5 {
            breaker.outage(who(n), 9, Some(Duration::from_secs(100)), at(0));
        }
        assert_eq!(breaker.admits(at(0)), Admission::From(at(100)));
    }
}
