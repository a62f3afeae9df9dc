//! The dispatcher of one scope: whose turn it is, whether a call may start, and whether a list is asked instead.
//!
//! # Expected flow
//! [`Dispatcher::next`] until it gives nothing; [`Dispatcher::ready_in`] says when it may give something again. What a look
//! brought goes to the scope ([`Dispatcher::hear`]), then the order gets its next place ([`Dispatcher::place`]) and
//! [`Dispatcher::finished`] ends the look. A page goes to [`Dispatcher::hear_page`] first and to
//! [`Dispatcher::page_ended`] last.
//!
//! # Guarantees
//! Never two looks of one order, nor two pages, at once. Every call draws on the scope's bucket, and one of a list on the
//! second one too, if there is one.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::cadence::FRESH;
use super::demand::{self, Backlog, Demand};
use super::event::{Condition, ScopeEvent, ScopeKey};
use super::observation::Observation;
use super::order::Stream;
use super::schedule::{By, Lane, Open, Schedule, Wish};
use super::scope::{Call, Grant, Heard, Quota, Scope, ScopeMemory, recovered};
use super::state::{Looked, Order};
use super::sweep::{self, Sweeps};
use super::time::{Now, Tick, Timestamp};

/// Calls that a look ahead of an alert costs: itself, and the question who else holds the number.
const CALLS_AHEAD: f64 = 2.0;

/// Who was not in a list is looked at itself for so long; then the list may answer for it again.
const ABSENT_FOR: Duration = Duration::from_mins(10);

/// What starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dispatch {
    /// A look at an order, or the next question of its inquiry.
    Look {
        /// The order.
        who: Stream,
        /// Whether the credentials are to be fetched anew first.
        fresh_credentials: bool,
    },
    /// A page of the scope's list.
    Page {
        /// The token of the page; none is the first.
        token: Option<String>,
    },
}

/// Why a list does not answer for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Own {
    /// It was not in it at this time; until it is, or for a while: the list may have been behind.
    Absent(Timestamp),
    /// What the list shows has to be confirmed; until its next look.
    Once,
}

/// What a scope's orders and its quota make of each other.
#[derive(Debug)]
pub struct Dispatcher {
    scope: Scope,
    schedule: Schedule,
    sweeps: Sweeps,
    demand: Demand,
    /// All tracked orders, those that are done and not looked at included.
    orders: BTreeSet<Stream>,
    /// Orders that a list does not answer for.
    own: BTreeMap<Stream, Own>,
    /// When the page that is awaited was asked for.
    page_asked: Option<Tick>,
    /// How long the last page took.
    page_took: Duration,
}

impl Dispatcher {
    /// One that starts cold.
    pub fn new(key: ScopeKey, quota: Quota, now: Now) -> Self {
        let provider = key.provider;
        Self {
            scope: Scope::new(key, quota, now),
            schedule: Schedule::default(),
            sweeps: Sweeps::new(provider),
            demand: Demand::default(),
            orders: BTreeSet::new(),
            own: BTreeMap::new(),
            page_asked: None,
            page_took: Duration::ZERO,
        }
    }

    /// Takes up what was remembered.
    pub fn resume(&mut self, memory: &ScopeMemory, now: Now) {
        self.scope.resume(memory, now);
        self.sweeps.resume(memory.length, memory.sweep.as_ref(), now.wall);
        self.demand.resume(memory.overloaded_since);
    }

    /// What is to be remembered.
    pub fn memory(&self, now: Now) -> ScopeMemory {
        ScopeMemory {
            length: self.sweeps.length(),
            sweep: self.sweeps.unfinished(),
            overloaded_since: self.demand.raised(),
            ..self.scope.memory(now)
        }
    }

    /// Who it is.
    pub fn key(&self) -> &ScopeKey {
        self.scope.key()
    }

    /// The scope, to be read.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The generation of its next event.
    pub fn next_generation(&mut self) -> u64 {
        self.scope.next_generation()
    }

    /// An order is tracked here.
    pub fn track(&mut self, who: Stream) {
        self.orders.insert(who);
    }

    /// An order is not watched any more. What is in flight for it ends as it does.
    pub fn untrack(&mut self, who: Stream) {
        self.schedule.forget(who);
        self.orders.remove(&who);
        self.own.remove(&who);
        self.scope.forget(who);
    }

    /// There may be other credentials now. False if none are refused.
    pub fn try_credentials(&mut self, now: Tick) -> bool {
        self.scope.try_credentials(now)
    }

    /// Orders that are looked at, those in flight included.
    pub fn looked_at(&self) -> usize {
        self.schedule.len()
    }

    /// Orders that are tracked, those that are done included.
    pub fn tracked(&self) -> usize {
        self.orders.len()
    }

    /// Calls in flight, a page of the list included.
    pub fn in_flight(&self) -> usize {
        self.schedule.in_flight() + usize::from(self.page_asked.is_some())
    }

    /// Whether the list is being read.
    pub fn is_sweeping(&self) -> bool {
        self.sweeps.is_running()
    }

    /// Whether an order waits for a look.
    pub fn is_waiting(&self, who: Stream) -> bool {
        self.schedule.is_waiting(who)
    }

    /// Gives an order the place that its bookkeeping says; `by` is what can tell what is wanted of it. Where many alerts come
    /// at once, the look ahead of this one's is put where there is room for it.
    pub fn place(&mut self, who: Stream, looked: &mut Looked, by: By, now: Timestamp) {
        let Some(due) = looked.due_at else { return self.schedule.forget(who) };
        if let Some(ahead) = looked.ahead.as_mut().filter(|ahead| ahead.at > now) {
            let usual = ahead.of.minus(FRESH);
            if ahead.at <= usual {
                ahead.at = self.schedule.place_ahead(who, usual, self.spacing_ahead()).max(now);
            }
        }
        let by = if by == By::Either { self.by(who, now) } else { by };
        let interval = looked.answered_at.map_or(Duration::ZERO, |answered| due.since(answered));
        let wish = Wish { at: due, interval, lane: looked.lane, by, ahead: looked.waits_ahead(now) };
        self.schedule.request(who, wish);
    }

    fn by(&mut self, who: Stream, now: Timestamp) -> By {
        match self.own.get(&who) {
            Some(Own::Absent(since)) if *since > now || now.since(*since) >= ABSENT_FOR => {
                self.own.remove(&who);
                By::Either
            }
            Some(Own::Absent(_) | Own::Once) => By::Own,
            None => By::Either,
        }
    }

    /// How far apart looks ahead of alerts are, so that the urgent lane's part of the quota is enough for them.
    fn spacing_ahead(&self) -> Duration {
        let whole: u32 = Lane::ALL.into_iter().map(Lane::weight).sum();
        let part = f64::from(Lane::Urgent.weight()) / f64::from(whole);
        Duration::try_from_secs_f64(CALLS_AHEAD / (self.scope.rate() * part)).unwrap_or(Duration::MAX)
    }

    /// What is known of the order is not what is stored: it wants a look at `at`, whatever it wanted before. It stays in its
    /// lane, or one whose window is open would wait behind all that is pending.
    pub fn look_at(&mut self, who: Stream, lane: Lane, at: Timestamp) {
        let by = self.by(who, at);
        self.schedule.request(who, Wish { lane, by, ..Wish::at(at) });
    }

    /// The order wants no look any more.
    pub fn forget(&mut self, who: Stream) {
        self.schedule.forget(who);
    }

    /// Nobody who waits wants a look any more. Returns how many did.
    pub fn clear(&mut self) -> u64 {
        self.schedule.clear()
    }

    /// The order's look was nobody's fault: it keeps its place.
    pub fn keep_place(&mut self, who: Stream) {
        self.schedule.keep_place(who);
    }

    /// The order's inquiry goes on: by a `question` to a list, or by a look at another id.
    pub fn go_on(&mut self, who: Stream, question: bool) {
        self.schedule.go_on(who, if question { By::Question } else { By::Own });
    }

    /// A look ended.
    pub fn finished(&mut self, who: Stream) {
        self.schedule.finished(who);
    }

    /// A look that was to start did not; the order wants one at `again`, if at all.
    pub fn abandoned(&mut self, who: Stream, again: Option<Timestamp>) {
        self.scope.abandoned(who);
        match again {
            Some(again) => self.schedule.put_off(who, again),
            None => self.schedule.finished(who),
        }
    }

    /// A witness that the scope is not missing as a whole is wanted: the order that is due first and may be one, else one
    /// that is done, is looked at next.
    pub fn look_at_witness(&mut self, now: Timestamp) {
        let may = |who: &Stream| self.scope.may_witness(*who);
        let witness = self.schedule.waiting().find(may).or_else(|| self.orders.iter().copied().find(may));
        if let Some(witness) = witness {
            self.schedule.bring_forward(witness, Lane::Urgent, now);
        }
    }

    /// The clock by which the wishes were made went back by so much.
    pub fn move_back(&mut self, by: Duration) {
        self.schedule.move_back(by);
    }

    /// What may start now. It counts as started.
    pub fn next(&mut self, now: Now) -> Option<Dispatch> {
        let grant = self.grant(now.tick);
        match grant {
            Grant::Look => self.serve(now),
            Grant::Probe | Grant::ProbeCredentials => {
                let questions = self.open(now.tick).questions;
                let (who, by) = self.schedule.take_probe(questions)?;
                Some(self.start(who, by, grant, now.tick))
            }
            Grant::From(_) | Grant::AfterAnswer => None,
        }
    }

    fn grant(&self, now: Tick) -> Grant {
        self.scope.grant(self.in_flight(), now)
    }

    fn serve(&mut self, now: Now) -> Option<Dispatch> {
        self.consider_sweep(now);
        let open = self.open(now.tick);
        let page = (open.questions && self.sweeps.errand().is_some()).then(|| self.sweeps.lane());
        let lane = self.schedule.turn(now.wall, open, page)?;
        let is_page =
            page == Some(lane) && (!self.schedule.is_due(lane, now.wall, open) || self.sweeps.goes_first());
        if !is_page {
            let (who, by) = self.schedule.take_due(lane, now.wall, open)?;
            return Some(self.start(who, by, Grant::Look, now.tick));
        }
        let token = self.sweeps.errand()?.map(str::to_owned);
        self.sweeps.asked();
        self.page_asked = Some(now.tick);
        self.scope.started(self.key().stream(), Call::List, Grant::Look, now.tick);
        Some(Dispatch::Page { token })
    }

    fn start(&mut self, who: Stream, by: By, grant: Grant, now: Tick) -> Dispatch {
        let call = if by == By::Question { Call::List } else { Call::Look };
        self.scope.started(who, call, grant, now);
        Dispatch::Look { who, fresh_credentials: grant == Grant::ProbeCredentials }
    }

    fn consider_sweep(&mut self, now: Now) {
        let lanes = Lane::ALL.into_iter().filter(|lane| self.sweeps.covers(*lane));
        let due = lanes.map(|lane| self.schedule.due(lane, now.wall).1).sum();
        self.sweeps.page_costs(self.page_costs());
        self.sweeps.consider(due, now);
    }

    /// Those that were due by `at` and that the list may answer for.
    fn listed_due(&self, at: Timestamp) -> impl Iterator<Item = Stream> {
        let lanes = Lane::ALL.into_iter().filter(|lane| self.sweeps.covers(*lane));
        lanes.flat_map(move |lane| self.schedule.listed_due(lane, at))
    }

    /// The calls that could be made while a page is waited for: pages come one after the other.
    fn page_costs(&self) -> f64 {
        let by_bucket = self.scope.lists_rate().map_or(0.0, |rate| 1.0 / rate);
        self.scope.rate() * by_bucket.max(self.page_took.as_secs_f64())
    }

    /// What may be served: while the list is read, those that it may answer for wait.
    fn open(&self, now: Tick) -> Open {
        let listed = Lane::ALL.map(|lane| !(self.sweeps.is_running() && self.sweeps.covers(lane)));
        Open { questions: self.scope.lists_ready_at(now) <= now, listed }
    }

    /// How long until something may start, if nothing happens before. None: not before something does.
    pub fn ready_in(&self, now: Now) -> Option<Duration> {
        let until = |at: Tick| at.since(now.tick);
        let until_wall = |at: Timestamp| at.since(now.wall);
        let from = match self.grant(now.tick) {
            Grant::Look => Duration::ZERO,
            Grant::Probe | Grant::ProbeCredentials => {
                return self.probe_in(now.tick, now.tick);
            }
            Grant::From(at) if self.scope.probes() => return self.probe_in(at, now.tick),
            Grant::From(at) => until(at),
            Grant::AfterAnswer => return None,
        };
        let lists = from.max(until(self.scope.lists_ready_at(now.tick)));
        let looks = Open { questions: false, ..self.open(now.tick) };
        let look = self.schedule.next_due(looks).map(|due| from.max(until_wall(due)));
        let question = self.schedule.next_question().map(|due| lists.max(until_wall(due)));
        let page = self.sweeps.errand().map(|_| lists);
        [look, question, page].into_iter().flatten().min()
    }

    /// How long until a probe may start, of which the scope allows one from `from` on.
    fn probe_in(&self, from: Tick, now: Tick) -> Option<Duration> {
        let looks = Open { questions: false, ..Open::default() };
        let look = self.schedule.next_due(looks).map(|_| from);
        let question = self.schedule.next_question().map(|_| from.max(self.scope.lists_ready_at(now)));
        Some(look.into_iter().chain(question).min()?.since(now))
    }

    /// A look ended; what its answer means for the order is in what is given back.
    pub fn hear(&mut self, order: &Order, call: Call, observation: Observation, now: Now) -> Heard {
        let of = (self.orders.len(), self.schedule.len());
        let unavailable = self.scope.is_unavailable();
        let heard = self.scope.hear(order, call, observation, of, now);
        if unavailable && !self.scope.is_unavailable() {
            self.schedule.end_probes();
        }
        match &heard.observation {
            Observation::Seen(_) | Observation::Missing { .. } => {
                if self.own.get(&order.stream()) == Some(&Own::Once) {
                    self.own.remove(&order.stream());
                }
            }
            Observation::Throttled { .. }
            | Observation::Unavailable { .. }
            | Observation::Denied { .. }
            | Observation::Malformed { .. }
            | Observation::Elsewhere(_)
            | Observation::Elapsed
            | Observation::Acknowledged => {}
        }
        self.see_to(&heard, now.wall);
        heard
    }

    /// A person says that what is missing is gone. `None`: nothing is held back.
    pub fn accept(&mut self, now: Now) -> Option<Heard> {
        let heard = self.scope.accept(now)?;
        self.see_to(&heard, now.wall);
        Some(heard)
    }

    fn see_to(&mut self, heard: &Heard, now: Timestamp) {
        heard.again.iter().for_each(|again| self.schedule.hasten(*again, now));
        if heard.wants_witness {
            self.look_at_witness(now);
        }
    }

    /// A page of the list came, or this instead.
    pub fn hear_page(&mut self, failed: Option<&Observation>, now: Now) -> Vec<ScopeEvent> {
        let asked = self.page_asked.take();
        if failed.is_none() {
            self.page_took = asked.map_or(Duration::ZERO, |asked| now.tick.since(asked));
            self.sweeps.page_costs(self.page_costs());
        }
        self.scope.hear_page(failed, self.schedule.len(), now)
    }

    /// An order was in a page.
    pub fn hear_listed(&mut self, order: &Order, now: Now) -> Heard {
        self.own.remove(&order.stream());
        let heard = self.scope.hear_listed(order, now);
        self.see_to(&heard, now.wall);
        heard
    }

    /// What the list shows of an order is not enough: it is looked at itself.
    pub fn look_itself(&mut self, who: Stream, now: Timestamp) {
        self.own.insert(who, Own::Once);
        self.schedule.bring_forward(who, Lane::Verify, now);
    }

    /// A page was applied, with the token of the next one; or it did not come, for this reason.
    pub fn page_ended(&mut self, page: Result<Option<&str>, &Observation>, now: Now) -> sweep::Turn {
        let turn = match page {
            Ok(next) => self.sweeps.answered(next, now),
            Err(failed) => self.sweeps.failed(failed, now.tick),
        };
        if turn == sweep::Turn::On
            && let Some(left) = self.sweeps.pages_left(now.wall)
            && !self.is_awaited(left, now.wall)
        {
            return self.sweeps.end();
        }
        if let sweep::Turn::Through(began) = turn {
            let absent: Vec<Stream> = self.listed_due(began).collect();
            for who in absent {
                self.own.insert(who, Own::Absent(now.wall));
                self.schedule.bring_forward(who, Lane::Verify, began);
            }
        }
        turn
    }

    /// Whether somebody will be due by the time at which so many more pages have been read.
    fn is_awaited(&self, pages: u32, now: Timestamp) -> bool {
        let seconds = f64::from(pages) * self.page_costs().max(1.0) / self.scope.rate();
        let reading = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        self.listed_due(now.plus(reading)).next().is_some()
    }

    /// A page that came could not be applied: it is asked for again.
    pub fn page_abandoned(&mut self) {
        self.sweeps.abandoned();
    }

    /// Orders that are due and wait.
    pub fn overdue(&mut self, now: Timestamp) -> usize {
        self.schedule.overdue(now)
    }

    /// What waits in each lane, and for how long it will.
    pub fn backlog(&mut self, now: Now) -> [Backlog; 3] {
        let due = Lane::ALL.map(|lane| self.schedule.due(lane, now.wall));
        let calls = Lane::ALL.map(|lane| {
            let (own, listed) = due[lane.index()];
            own + if self.sweeps.covers(lane) { self.sweeps.calls_for(listed, now) } else { listed }
        });
        let held = self.scope.hold_until().since(now.tick);
        let expected = demand::drained(calls, self.scope.rate()).map(|wait| {
            // Who has nothing due waits for nothing.
            if wait.is_zero() { wait } else { wait.saturating_add(held) }
        });
        Lane::ALL.map(|lane| Backlog {
            lane,
            due: due[lane.index()].0 + due[lane.index()].1,
            oldest: self.schedule.oldest(lane, now.wall),
            expected: expected[lane.index()],
        })
    }

    /// What the time brings.
    pub fn tell_time(&mut self, now: Now) -> Vec<ScopeEvent> {
        let mut events: Vec<ScopeEvent> = self.scope.tell_time(now).into_iter().collect();
        if !self.demand.is_due(now.tick) {
            return events;
        }
        if self.scope.probes() {
            self.demand.unknown(now.tick);
            return events;
        }
        let backlog = self.backlog(now);
        let schedule = &self.schedule;
        let turn = self.demand.judge(backlog, |lane| schedule.median_interval(lane), now);
        events.extend(turn.map(|turn| match turn {
            demand::Turn::Overloaded(Backlog { lane, due, expected, .. }) => {
                ScopeEvent::Overloaded { lane, due: due as u64, lateness: expected, rate: self.scope.rate() }
            }
            demand::Turn::CaughtUp(since) => recovered(Condition::Overloaded, since, now),
        }));
        events
    }

    /// How long until [`Dispatcher::tell_time`] may have something to say, if nothing happens.
    pub fn quiet_for(&self, now: Now) -> Option<Duration> {
        let waits = !self.scope.probes() && self.schedule.is_any_due(now.wall);
        self.scope.quiet_for(now).into_iter().chain(self.demand.quiet_for(waits, now.tick)).min()
    }
}
