//! Whose turn it is within a scope: three lanes with their parts of the quota, earliest due first inside each, and never
//! two looks of one order.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::order::Stream;
use super::time::Timestamp;

/// A look that precedes an alert is due at most so much ahead of its usual time, however many alerts come at once: what
/// was seen longer ago is hardly worth telling.
const LEAD_MOST: Duration = Duration::from_mins(30);
/// Neighbours that are asked when a place ahead of an alert is looked for.
const NEIGHBOURS_MOST: usize = 1000;
/// Orders that are remembered as probed, so that the next probe goes to another one.
const PROBED_MOST: usize = 64;

/// How urgent a look is. A lane has its part of the quota, and what it leaves is the others'.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// A retry window is open, or an absence is to be confirmed.
    Urgent,
    /// An outcome is to come.
    #[default]
    Pending,
    /// Done, but watched on.
    Verify,
}

impl Lane {
    /// All of them, most urgent first.
    pub const ALL: [Self; 3] = [Self::Urgent, Self::Pending, Self::Verify];

    /// Tokens that it gets of thirteen while all lanes have work.
    pub fn weight(self) -> u32 {
        match self {
            Self::Urgent => 8,
            Self::Pending => 4,
            Self::Verify => 1,
        }
    }

    /// The word of the store and of what people see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Pending => "pending",
            Self::Verify => "verify",
        }
    }

    /// The lane of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == word)
    }

    pub(super) fn index(self) -> usize {
        match self {
            Self::Urgent => 0,
            Self::Pending => 1,
            Self::Verify => 2,
        }
    }
}

/// What brings what an order wants to know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum By {
    /// A look at the order itself, or a list of the scope that has it.
    #[default]
    Either,
    /// Only a look at the order itself.
    Own,
    /// A question to a list, part of an inquiry after who else holds its number.
    Question,
}

/// A look that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// When.
    pub at: Timestamp,
    /// How long after the look before that is: what the order is used to.
    pub interval: Duration,
    /// How urgent it is.
    pub lane: Lane,
    /// What can grant it.
    pub by: By,
    /// When it is wanted because of an alert that comes soon after; it goes before all others of its lane.
    pub ahead: Option<Timestamp>,
}

impl Wish {
    /// A wish for `at` and nothing special.
    pub fn at(at: Timestamp) -> Self {
        Self { at, interval: Duration::ZERO, lane: Lane::Pending, by: By::Either, ahead: None }
    }

    /// Where it waits, and until when. A question waits in one place: it goes before the alerts anyway, and must not start
    /// as one of them while the list's bucket is empty.
    fn places(&self) -> impl Iterator<Item = (Queue, Timestamp)> {
        let lane = if self.ahead.is_some() { Lane::Urgent } else { self.lane };
        // Who is due ahead of an alert is due, so that counting those who merely wait counts everybody once.
        let first = self.ahead.map_or(self.at, |ahead| ahead.min(self.at));
        let alert = self.ahead.filter(|_| self.by != By::Question).map(|ahead| (Queue::Alerts, ahead));
        [(Queue::of(lane, self.by), first)].into_iter().chain(alert)
    }
}

/// Where orders of a kind wait. Their order is that in which a lane serves them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queue {
    /// Inquiries that are going on: what was begun for an alert is brought to its end.
    Questions,
    /// Looks ahead of alerts.
    Alerts,
    Urgent,
    PendingOwn,
    Pending,
    VerifyOwn,
    Verify,
}

const QUEUES: usize = 7;

impl Queue {
    fn of(lane: Lane, by: By) -> Self {
        match (lane, by) {
            (_, By::Question) => Self::Questions,
            (Lane::Urgent, By::Either | By::Own) => Self::Urgent,
            (Lane::Pending, By::Own) => Self::PendingOwn,
            (Lane::Pending, By::Either) => Self::Pending,
            (Lane::Verify, By::Own) => Self::VerifyOwn,
            (Lane::Verify, By::Either) => Self::Verify,
        }
    }

    fn all_of(lane: Lane) -> &'static [Self] {
        match lane {
            Lane::Urgent => &[Self::Questions, Self::Alerts, Self::Urgent],
            Lane::Pending => &[Self::PendingOwn, Self::Pending],
            Lane::Verify => &[Self::VerifyOwn, Self::Verify],
        }
    }
}

/// What may be served just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Questions to lists.
    pub questions: bool,
    /// Those that a list answers too, in the lane; they wait while it is read.
    pub listed: [bool; 3],
}

impl Default for Open {
    fn default() -> Self {
        Self { questions: true, listed: [true; 3] }
    }
}

impl Open {
    fn admits(self, queue: Queue) -> bool {
        match queue {
            Queue::Questions => self.questions,
            Queue::Pending => self.listed[Lane::Pending.index()],
            Queue::Verify => self.listed[Lane::Verify.index()],
            Queue::Alerts | Queue::Urgent | Queue::PendingOwn | Queue::VerifyOwn => true,
        }
    }
}

/// Those who wait in a queue, earliest due first, and how many of them were due at some time: counting on from there is
/// cheap, where counting all of them each time is not.
#[derive(Debug, Default)]
struct Line {
    waiting: BTreeSet<(Timestamp, Stream)>,
    counted_at: Option<Timestamp>,
    due: usize,
}

impl Line {
    fn insert(&mut self, at: Timestamp, who: Stream) {
        let new = self.waiting.insert((at, who));
        self.due += usize::from(new && self.counted_at.is_some_and(|counted| at <= counted));
    }

    fn remove(&mut self, at: Timestamp, who: Stream) {
        let gone = self.waiting.remove(&(at, who));
        self.due -= usize::from(gone && self.counted_at.is_some_and(|counted| at <= counted));
    }

    fn first(&self) -> Option<(Timestamp, Stream)> {
        self.waiting.first().copied()
    }

    fn due(&mut self, now: Timestamp) -> usize {
        let after = (now.plus(Duration::from_millis(1)), Stream::LEAST);
        self.due = match self.counted_at {
            Some(counted) if counted <= now => {
                let from = (counted.plus(Duration::from_millis(1)), Stream::LEAST);
                self.due + self.waiting.range(from..after).count()
            }
            // The clock stepped back, or it is the first time.
            Some(_) | None => self.waiting.range(..after).count(),
        };
        self.counted_at = Some(now);
        self.due
    }
}

/// The orders of one scope that want a look.
#[derive(Debug, Default)]
pub struct Schedule {
    queues: [Line; QUEUES],
    places: HashMap<Stream, Place>,
    in_flight: usize,
    /// What each lane has saved up: smooth weighted round robin.
    credit: [i64; 3],
    /// Who was probed in this outage.
    probed: BTreeSet<Stream>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Waiting(Wish),
    InFlight { taken: Wish, then: Option<Wish> },
}

impl Schedule {
    /// The order wants a look, whatever it wanted before. While one is in flight the wish waits for its end.
    pub fn request(&mut self, who: Stream, wish: Wish) {
        match self.places.get_mut(&who) {
            Some(Place::InFlight { then, .. }) => *then = Some(wish),
            Some(Place::Waiting(before)) => {
                let before = std::mem::replace(before, wish);
                self.leave(who, &before);
                self.enter(who, &wish);
            }
            None => {
                self.places.insert(who, Place::Waiting(wish));
                self.enter(who, &wish);
            }
        }
    }

    fn enter(&mut self, who: Stream, wish: &Wish) {
        wish.places().for_each(|(queue, at)| self.queues[queue as usize].insert(at, who));
    }

    fn leave(&mut self, who: Stream, wish: &Wish) {
        wish.places().for_each(|(queue, at)| self.queues[queue as usize].remove(at, who));
    }

    /// The order wants no look any more. One in flight ends as it ends.
    pub fn forget(&mut self, who: Stream) {
        match self.places.get_mut(&who) {
            Some(Place::InFlight { then, .. }) => *then = None,
            Some(Place::Waiting(before)) => {
                let before = *before;
                self.leave(who, &before);
                self.places.remove(&who);
            }
            None => {}
        }
    }

    /// Nobody who waits wants a look any more. Returns how many did.
    pub fn clear(&mut self) -> u64 {
        let before = self.places.len();
        self.places.retain(|_, place| matches!(place, Place::InFlight { .. }));
        self.queues.iter_mut().for_each(|line| *line = Line::default());
        (before - self.places.len()) as u64
    }

    /// The lane whose turn it is, among those with somebody who is due and may be served; `page` is the lane in which a
    /// page of a list waits to be read.
    pub fn turn(&mut self, now: Timestamp, open: Open, page: Option<Lane>) -> Option<Lane> {
        let ready = Lane::ALL.map(|lane| page == Some(lane) || self.first_due(lane, now, open).is_some());
        let mut total = 0;
        for lane in Lane::ALL {
            let credit = &mut self.credit[lane.index()];
            if ready[lane.index()] {
                *credit += i64::from(lane.weight());
                total += i64::from(lane.weight());
            } else {
                // Who has nothing to do saves nothing up.
                *credit = 0;
            }
        }
        let most = Lane::ALL.into_iter().filter(|lane| ready[lane.index()]);
        let chosen = most.rev().max_by_key(|lane| self.credit[lane.index()])?;
        self.credit[chosen.index()] -= total;
        Some(chosen)
    }

    /// Whether somebody in a lane is due and may be served.
    pub fn is_due(&self, lane: Lane, now: Timestamp, open: Open) -> bool {
        self.first_due(lane, now, open).is_some()
    }

    /// Whether anybody is due.
    pub fn is_any_due(&self, now: Timestamp) -> bool {
        Lane::ALL.into_iter().any(|lane| self.is_due(lane, now, Open::default()))
    }

    /// The order whose turn it is in a lane, if one is due, and what its look is. It is in flight from here on.
    pub fn take_due(&mut self, lane: Lane, now: Timestamp, open: Open) -> Option<(Stream, By)> {
        let (_, who) = self.first_due(lane, now, open)?;
        self.take(who)
    }

    fn first_due(&self, lane: Lane, now: Timestamp, open: Open) -> Option<(Timestamp, Stream)> {
        let due = Queue::all_of(lane)
            .iter()
            .filter(|queue| open.admits(**queue))
            .filter_map(|queue| self.queues[*queue as usize].first())
            .filter(|(at, _)| *at <= now);
        match lane {
            // In the order of its queues: what precedes an alert goes before what is merely late.
            Lane::Urgent => { due }.next(),
            Lane::Pending | Lane::Verify => due.min(),
        }
    }

    /// The order that comes first, due or not: the probe of an outage. The lanes' order counts, and who was not probed
    /// yet goes before who was: one whose looks fail by themselves must not keep an outage up. A question is none unless
    /// `questions` may be asked.
    pub fn take_probe(&mut self, questions: bool) -> Option<(Stream, By)> {
        if self.probed.len() >= PROBED_MOST {
            self.probed.clear();
        }
        let first = if questions { Queue::Questions } else { Queue::Alerts };
        let may = || self.queues[first as usize..].iter().flat_map(|line| &line.waiting).map(|(_, who)| *who);
        let fresh = may().find(|who| !self.probed.contains(who));
        let who = fresh.or_else(|| may().next())?;
        if fresh.is_none() {
            self.probed.clear();
        }
        self.probed.insert(who);
        self.take(who)
    }

    /// The outage is over: the next one's probes begin anew.
    pub fn end_probes(&mut self) {
        self.probed.clear();
    }

    fn take(&mut self, who: Stream) -> Option<(Stream, By)> {
        let Some(Place::Waiting(taken)) = self.places.get(&who).copied() else { return None };
        self.leave(who, &taken);
        self.places.insert(who, Place::InFlight { taken, then: None });
        self.in_flight += 1;
        Some((who, taken.by))
    }

    /// The look of an order brought nothing: it wants another one at the place it had.
    pub fn keep_place(&mut self, who: Stream) {
        if let Some(Place::InFlight { taken, then }) = self.places.get_mut(&who) {
            *then = Some(*taken);
        }
    }

    /// The look of an order was part of something that goes on by `by`, as urgent as can be: what came so far ages.
    pub fn go_on(&mut self, who: Stream, by: By) {
        if let Some(Place::InFlight { taken, then }) = self.places.get_mut(&who) {
            let at = taken.ahead.map_or(taken.at, |ahead| ahead.min(taken.at));
            *then = Some(Wish { at, by, lane: Lane::Urgent, ahead: Some(at), ..*taken });
        }
    }

    /// The look of an order did not start; it wants it at `at`.
    pub fn put_off(&mut self, who: Stream, at: Timestamp) {
        if let Some(Place::InFlight { taken, then }) = self.places.get_mut(&who) {
            *then = Some(Wish { at, ahead: None, ..*taken });
        }
        self.finished(who);
    }

    /// The order wants a look by `at`, if it wants one at all.
    pub fn hasten(&mut self, who: Stream, at: Timestamp) {
        let wanted = match self.places.get(&who) {
            Some(Place::Waiting(wanted)) => Some(*wanted),
            Some(Place::InFlight { then, .. }) => *then,
            None => None,
        };
        if let Some(wanted) = wanted.filter(|wanted| wanted.at > at) {
            self.request(who, Wish { at, ..wanted });
        }
    }

    /// The order wants a look at itself by `at`, in this lane, even if it wanted none.
    pub fn bring_forward(&mut self, who: Stream, lane: Lane, at: Timestamp) {
        let wanted = match self.places.get(&who) {
            Some(Place::Waiting(wanted)) => *wanted,
            Some(Place::InFlight { then, .. }) => then.unwrap_or(Wish { lane, ..Wish::at(at) }),
            None => Wish { lane, ..Wish::at(at) },
        };
        let by = if wanted.by == By::Question { By::Question } else { By::Own };
        self.request(who, Wish { at: wanted.at.min(at), lane: wanted.lane.min(lane), by, ..wanted });
    }

    /// Whether an order waits for a look.
    pub fn is_waiting(&self, who: Stream) -> bool {
        matches!(self.places.get(&who), Some(Place::Waiting(_)))
    }

    /// Those who wait, the most urgent queue first, and in it who is due first. Who waits for two things comes twice.
    pub fn waiting(&self) -> impl Iterator<Item = Stream> {
        self.queues.iter().flat_map(|line| &line.waiting).map(|(_, who)| *who)
    }

    /// Those that a list may answer for and that were due by `at` already, in a lane.
    pub fn listed_due(&self, lane: Lane, at: Timestamp) -> impl Iterator<Item = Stream> {
        let waiting = &self.queues[Queue::of(lane, By::Either) as usize].waiting;
        waiting.iter().take_while(move |(due, _)| *due <= at).map(|(_, who)| *who)
    }

    /// How many are due in a lane at `now` and wait: those that only a look at themselves helps, and those that a list
    /// may answer for.
    pub fn due(&mut self, lane: Lane, now: Timestamp) -> (usize, usize) {
        let mut count = |queue: Queue| self.queues[queue as usize].due(now);
        match lane {
            // Who waits ahead of an alert waits among the urgent ones too.
            Lane::Urgent => (count(Queue::Questions) + count(Queue::Urgent), 0),
            Lane::Pending => (count(Queue::PendingOwn), count(Queue::Pending)),
            Lane::Verify => (count(Queue::VerifyOwn), count(Queue::Verify)),
        }
    }

    /// For how long the one that is due first in a lane has waited.
    pub fn oldest(&self, lane: Lane, now: Timestamp) -> Duration {
        let first = Queue::all_of(lane).iter().filter_map(|queue| self.queues[*queue as usize].first());
        first.map(|(at, _)| now.since(at)).max().unwrap_or_default()
    }

    /// The median of what the waiting orders of a lane are used to. Goes through all of them.
    pub fn median_interval(&self, lane: Lane) -> Duration {
        // Who waits ahead of an alert waits among the urgent ones too.
        let queues = Queue::all_of(lane).iter().filter(|queue| **queue != Queue::Alerts);
        let waiting = queues.flat_map(|queue| &self.queues[*queue as usize].waiting);
        let intervals = waiting.filter_map(|(_, who)| match self.places.get(who) {
            Some(Place::Waiting(wish)) => Some(wish.interval),
            Some(Place::InFlight { .. }) | None => None,
        });
        let mut intervals: Vec<Duration> = intervals.collect();
        let middle = intervals.len() / 2;
        if intervals.is_empty() {
            return Duration::ZERO;
        }
        *intervals.select_nth_unstable(middle).1
    }

    /// The latest place for a look ahead of an alert that is due at `usual`, so that one every `spacing` is enough for all.
    pub fn place_ahead(&self, who: Stream, usual: Timestamp, spacing: Duration) -> Timestamp {
        let mut place = usual;
        let until = (usual.plus(spacing), Stream::LEAST);
        let neighbours = self.queues[Queue::Alerts as usize].waiting.range(..until).rev();
        for (at, _) in neighbours.filter(|(_, other)| *other != who).take(NEIGHBOURS_MOST) {
            if at.plus(spacing) <= place {
                break;
            }
            place = at.minus(spacing);
        }
        place.max(usual.minus(LEAD_MOST))
    }

    /// The clock by which the wishes were made went back by so much: they are as far away as they were.
    pub fn move_back(&mut self, by: Duration) {
        let back =
            |wish: Wish| Wish { at: wish.at.minus(by), ahead: wish.ahead.map(|at| at.minus(by)), ..wish };
        for place in self.places.values_mut() {
            match place {
                Place::Waiting(wish) => *wish = back(*wish),
                Place::InFlight { taken, then } => {
                    *taken = back(*taken);
                    *then = then.map(back);
                }
            }
        }
        for line in &mut self.queues {
            let before = std::mem::take(line);
            line.waiting = before.waiting.into_iter().map(|(at, who)| (at.minus(by), who)).collect();
        }
    }

    /// A look ended; what was wished meanwhile takes its place.
    pub fn finished(&mut self, who: Stream) {
        if let Some(Place::InFlight { then, .. }) = self.places.get(&who).copied() {
            self.in_flight -= 1;
            self.places.remove(&who);
            if let Some(wish) = then {
                self.request(who, wish);
            }
        }
    }

    /// When the next one that may be served is due.
    pub fn next_due(&self, open: Open) -> Option<Timestamp> {
        let all = Lane::ALL.into_iter().flat_map(|lane| Queue::all_of(lane).iter());
        let served = all.filter(|queue| open.admits(**queue));
        served.filter_map(|queue| self.queues[*queue as usize].first()).map(|(at, _)| at).min()
    }

    /// When the next question to a list is due.
    pub fn next_question(&self) -> Option<Timestamp> {
        self.queues[Queue::Questions as usize].first().map(|(at, _)| at)
    }

    /// How many are due at `now` and wait.
    pub fn overdue(&mut self, now: Timestamp) -> usize {
        Lane::ALL.into_iter().map(|lane| self.due(lane, now)).map(|(own, listed)| own + listed).sum()
    }

    /// Orders that are looked at, those in flight included.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Looks in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }
}
