//! The loop: one place where everything that happens is put in order, decided by the core, and written.
//!
//! # Expected flow
//! Each turn: grant looks to the scopes that may have one, wait for what comes first (an answer, a time, a wish, the
//! stop), apply it, write it in one transaction, tell the relays.
//!
//! # Guarantees
//! Never two looks of one order at once. What is said was written first. The loop keeps no state of an order beyond its
//! place in the schedule and a copy while its look is in flight, so a crash costs at most a repeated look, and a
//! repeated look writes nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::fleet::{Fleet, Lane};
use super::journal::{Journal, Written};
use crate::clock::Clock;
use crate::core::event::{DaemonEvent, OrderEvent};
use crate::core::inquiry::{self, Answer, Errand, Inquiry};
use crate::core::observation::{Elsewhere, Observation, Reach};
use crate::core::order::Stream;
use crate::core::record::{self, Context, Record, Style};
use crate::core::schedule::Schedule;
use crate::core::scope::Grant;
use crate::core::state::Order;
use crate::core::step::Step;
use crate::core::time::{Now, Tick, Timestamp};
use crate::core::{cadence, look};
use crate::provider::{Ask, Look};
use crate::store::{Change, Scheduled, Store, StoreError};

/// Answers and due times that are applied in one transaction at most.
const BATCH_MOST: usize = 500;
/// The wall clock went back if it did by this much since the turn before; less is how clocks are set right.
const CLOCK_STEP: Duration = Duration::from_secs(1);
/// The longest sleep: a wall clock that jumps ahead is noticed within it.
const SLEEP_MOST: Duration = Duration::from_secs(10);
/// How long looks in flight get at the stop. They are repeatable, so they are dropped after it.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// What the loop is asked to do. Wishes carry no data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Write a heartbeat.
    Heartbeat,
}

/// How the loop ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Finish {
    /// `run --once`: looks that had no answer.
    pub unanswered: u64,
    /// Whether events wait for the next start, because a sink did not take them in time.
    pub undelivered: bool,
}

/// One look at every order due at start, and no more.
#[derive(Debug)]
struct Once {
    unanswered: u64,
}

/// A look in flight.
#[derive(Debug)]
struct Flight {
    /// The order as it is. What becomes of it meanwhile is put here too.
    order: Order,
    /// The inquiry that the look is part of; else it is at the order itself.
    inquiry: Option<Inquiry>,
    /// Whether the order moved on in the store in a way that is not known here: the answer says nothing of it any more.
    void: bool,
}

impl Once {
    /// Counts a look that had no answer, and those that will not be had.
    fn count(&mut self, observation: &Observation, lane: &mut Lane) {
        self.unanswered += u64::from(is_no_answer(observation));
        let refused = matches!(observation, Observation::Denied { reach: Reach::Scope, .. });
        if refused || lane.scope.is_unavailable() {
            self.unanswered += lane.schedule.clear();
        }
    }
}

/// Whether a look ended without an answer of the service about the order.
fn is_no_answer(observation: &Observation) -> bool {
    match observation {
        Observation::Unavailable { .. } | Observation::Denied { .. } | Observation::Malformed { .. } => true,
        Observation::Seen(_)
        | Observation::Missing { .. }
        | Observation::Elsewhere(_)
        | Observation::Throttled { .. }
        | Observation::Elapsed => false,
    }
}

/// The loop's state.
#[derive(Debug)]
pub(super) struct Poller<S, L, C> {
    store: Arc<S>,
    look: Arc<L>,
    clock: Arc<C>,
    fleet: Fleet,
    journal: Journal<S>,
    wakes: Schedule,
    flying: HashMap<Stream, Flight>,
    /// Questions after who else holds a number, between two of their requests.
    inquiries: HashMap<Stream, Inquiry>,
    looks: JoinSet<(Stream, Timestamp, Answer)>,
    /// The time of the turn before.
    before: Now,
    style: Style,
    once: Option<Once>,
}

impl<S: Store, L: Look, C: Clock> Poller<S, L, C> {
    pub(super) fn new(
        (store, look, clock): (Arc<S>, Arc<L>, Arc<C>),
        fleet: Fleet,
        journal: Journal<S>,
        style: Style,
        once: bool,
    ) -> Self {
        let before = clock.now();
        Self {
            store,
            look,
            clock,
            fleet,
            journal,
            wakes: Schedule::default(),
            flying: HashMap::new(),
            inquiries: HashMap::new(),
            looks: JoinSet::new(),
            before,
            style,
            once: once.then_some(Once { unanswered: 0 }),
        }
    }

    /// Takes in a tracked order, with its stored times bounded: a clock that stepped back must not mean silence.
    pub(super) fn settle(&mut self, order: &Scheduled, ceiling: Duration, now: Timestamp) {
        if !self.fleet.settle(order) {
            tracing::error!(account = %order.account, "an order's account is not configured: it is not looked at");
            return;
        }
        let farthest = now.plus(ceiling);
        if let (Some(lane), Some(due)) = (self.fleet.home(order.stream), order.due_at)
            && (self.once.is_none() || due <= now)
        {
            lane.schedule.request(order.stream, due.min(farthest));
        }
        if let (Some(wake), None) = (order.wake_at, &self.once) {
            self.wakes.request(order.stream, wake);
        }
    }

    /// Tracked orders.
    pub(super) fn orders(&self) -> u64 {
        self.fleet.orders()
    }

    /// Writes an event of the daemon.
    pub(super) async fn say(&mut self, event: &DaemonEvent) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.journal.daemon(event, now);
        self.write(Vec::new(), now).await
    }

    /// Runs until `stop`, or with `once` until nothing is left to look at.
    pub(super) async fn run(
        &mut self,
        mut wishes: mpsc::Receiver<Wish>,
        stop: &CancellationToken,
    ) -> Result<Finish, StoreError> {
        loop {
            self.dispatch().await?;
            if self.once.is_some() && self.is_idle() {
                break;
            }
            let wait = self.wait(self.clock.now());
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(answer) = self.looks.join_next() => {
                    let answers = self.gather(answer);
                    self.apply_answers(answers).await?;
                }
                Some(Wish::Heartbeat) = wishes.recv() => {
                    let (orders, overdue) = (self.fleet.orders(), self.fleet.overdue(self.clock.now()));
                    self.say(&DaemonEvent::Heartbeat { orders, overdue }).await?;
                }
                () = tokio::time::sleep(wait) => {}
            }
            self.tell_time().await?;
        }
        self.land().await?;
        if let Some(once) = &mut self.once {
            let left: usize = self.fleet.lanes.iter().map(|lane| lane.schedule.len()).sum();
            once.unanswered += left as u64;
        }
        Ok(Finish { unanswered: self.once.as_ref().map_or(0, |once| once.unanswered), undelivered: false })
    }

    /// Starts every look that may start.
    async fn dispatch(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.notice_clock(now);
        if self.journal.blocked_until().is_some_and(|until| until > now.tick) {
            return Ok(());
        }
        let mut granted = Vec::new();
        for lane in &mut self.fleet.lanes {
            while let Some((who, grant)) =
                next(&lane.scope.grant(lane.schedule.in_flight(), now.tick), &mut lane.schedule, now)
            {
                lane.scope.started(who, grant, now.tick);
                granted.push(who);
                if grant == Grant::ProbeCredentials {
                    lane.accounts.iter().for_each(|account| self.look.refresh(&account.name));
                }
            }
        }
        for chunk in granted.chunks(BATCH_MOST) {
            match self.load(chunk).await {
                Ok(orders) => self.start(chunk, orders, now),
                Err(StoreError::Failing(cause)) => {
                    tracing::error!(cause = %cause, "orders cannot be read; their looks are put off");
                    self.put_off(chunk, now.wall.plus(SLEEP_MOST));
                }
                Err(error @ StoreError::Unusable { .. }) => return Err(error),
            }
        }
        Ok(())
    }

    /// A wall clock that went back must not put off what was to come after a while. One that went ahead needs nothing: what
    /// is due by it is due, as after a sleep of the machine.
    fn notice_clock(&mut self, now: Now) {
        let expected = self.before.wall.plus(now.tick.since(self.before.tick));
        let back = expected.since(now.wall);
        if back >= CLOCK_STEP {
            tracing::warn!(
                back_s = back.as_secs(),
                "the clock went back; looks come when they would have come"
            );
            self.fleet.lanes.iter_mut().for_each(|lane| lane.schedule.move_back(back));
        }
        self.before = now;
    }

    fn start(&mut self, granted: &[Stream], orders: Vec<Order>, now: Now) {
        for order in orders {
            let who = order.stream();
            let inquiry = self.inquiries.remove(&who);
            let itself = || Errand::Itself(order.watch.declared.ask.clone());
            let ask = Ask {
                key: order.watch.key.clone(),
                errand: inquiry.as_ref().map_or_else(itself, Inquiry::errand),
                timeout: order.watch.terms.policy.poll.timeout,
            };
            let (look, asked_at) = (Arc::clone(&self.look), now.wall);
            self.looks.spawn(async move { (who, asked_at, look.look(ask).await) });
            self.flying.insert(who, Flight { order, inquiry, void: false });
        }
        for who in granted.iter().filter(|who| !self.flying.contains_key(who)) {
            tracing::error!(order = %who, "a scheduled order is not in the store");
            if let Some(lane) = self.fleet.home(*who) {
                lane.scope.abandoned(*who);
                lane.schedule.finished(*who);
            }
        }
    }

    fn put_off(&mut self, who: &[Stream], until: Timestamp) {
        for who in who {
            if let Some(lane) = self.fleet.home(*who) {
                lane.scope.abandoned(*who);
                lane.schedule.finished(*who);
                lane.schedule.request(*who, until);
            }
        }
    }

    /// The orders as they are, bookkeeping that is not written yet included.
    async fn load(&self, who: &[Stream]) -> Result<Vec<Order>, StoreError> {
        let mut orders = self.store.load(who).await?;
        for order in &mut orders {
            if let Some(looked) = self.journal.unwritten(order.stream()) {
                order.looked = looked;
            }
        }
        Ok(orders)
    }

    /// An answer and those that came with it.
    fn gather(&mut self, first: Joined) -> Vec<(Stream, Timestamp, Answer)> {
        let mut answers = Vec::new();
        let mut next = Some(first);
        while let Some(joined) = next {
            match joined {
                Ok(answer) => answers.push(answer),
                Err(broken) if broken.is_panic() => std::panic::resume_unwind(broken.into_panic()),
                Err(_cancelled) => {}
            }
            next = if answers.len() < BATCH_MOST { self.looks.try_join_next() } else { None };
        }
        answers
    }

    async fn apply_answers(&mut self, answers: Vec<(Stream, Timestamp, Answer)>) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut changes = Vec::new();
        for (who, asked_at, answer) in answers {
            let Some(Flight { order, inquiry, void }) = self.flying.remove(&who) else { continue };
            let observation = self.understand(who, answer, inquiry);
            let observation = self.answer_to_scope(&order, observation, now);
            if !void {
                let step = look::apply(&order, &observation, Some(asked_at), now.wall);
                let observed = matches!(observation, Observation::Seen(_) | Observation::Missing { .. });
                self.reschedule(who, &step.order, &observation, now);
                changes.extend(self.note(&order, step, observed, now));
            }
            if let Some(lane) = self.fleet.home(who) {
                lane.schedule.finished(who);
            }
        }
        self.write(changes, now).await
    }

    /// What an answer says, of the order itself or of who else holds its number.
    fn understand(&mut self, who: Stream, answer: Answer, inquiry: Option<Inquiry>) -> Observation {
        let Some(mut inquiry) = inquiry else {
            return match answer {
                Answer::Observed(observation) => observation,
                Answer::Page(_) => {
                    Observation::Malformed { detail: "a list that nobody asked for".to_owned() }
                }
            };
        };
        let observation = inquiry.answered(answer);
        if inquiry.goes_on_after(&observation) {
            self.inquiries.insert(who, inquiry);
        }
        observation
    }

    /// What the answer means for its scope. Returns what it means for its order after that.
    fn answer_to_scope(&mut self, order: &Order, observation: Observation, now: Now) -> Observation {
        let Some(lane) = self.fleet.home(order.stream()) else { return observation };
        let heard = lane.scope.hear(order, observation, lane.schedule.len(), now);
        let records = lane.records(heard.events, now);
        let memory = lane.scope.memory(now);
        heard.again.iter().for_each(|again| lane.schedule.hasten(*again, now.wall));
        self.journal.scope(lane.scope.key().clone(), memory, records, now.tick);
        heard.observation
    }

    /// When the order is looked at again.
    fn reschedule(&mut self, who: Stream, order: &Order, observation: &Observation, now: Now) {
        let once = self.once.is_some();
        if let Some(wake) = order.looked.wake_at.filter(|_| !once) {
            self.wakes.request(who, wake);
        } else {
            self.wakes.forget(who);
        }
        let answered = matches!(observation, Observation::Seen(_) | Observation::Missing { .. });
        if answered && inquiry::is_wanted(order, now.wall) {
            self.inquiries.extend(Inquiry::begin(order).map(|inquiry| (who, inquiry)));
        }
        let asks_on = self.inquiries.contains_key(&who) || order.state.doubted_since().is_some();
        let Some(lane) = self.fleet.home(who) else { return };
        match observation {
            Observation::Throttled { .. } | Observation::Elsewhere(Elsewhere::Searching) => {
                lane.schedule.keep_place(who);
            }
            Observation::Denied { reach: Reach::Scope, .. } if !once => lane.schedule.keep_place(who),
            Observation::Seen(_)
            | Observation::Missing { .. }
            | Observation::Elsewhere(_)
            | Observation::Unavailable { .. }
            | Observation::Denied { .. }
            | Observation::Malformed { .. }
            | Observation::Elapsed => {
                match order.looked.due_at.filter(|_| !once || asks_on && !is_no_answer(observation)) {
                    Some(due) => lane.schedule.request(who, due),
                    None => lane.schedule.forget(who),
                }
            }
        }
        if let Some(once) = &mut self.once {
            once.count(observation, lane);
        }
    }

    /// Puts a step where it belongs: a change to be written, or bookkeeping that may wait.
    fn note(&mut self, before: &Order, step: Step, observed: bool, now: Now) -> Option<Change> {
        let Step { order, events } = step;
        if order.generation == before.generation {
            if order.looked != before.looked {
                self.journal.look(order.stream(), order.looked, now.tick);
            }
            return None;
        }
        let records = self.records(&order, &events, before.looked.answered_at, observed, now);
        Some(Change { was: before.generation, order, records })
    }

    fn records(
        &self,
        order: &Order,
        events: &[OrderEvent],
        before: Option<Timestamp>,
        observed: bool,
        now: Now,
    ) -> Vec<Record> {
        let account_id = self.fleet.account_id(&order.watch.key.account);
        record::of_order(
            order,
            events,
            &Context { account_id, now: now.wall, before, observed, style: self.style },
        )
    }

    /// Marks, ends of windows and stalls that are due; what scopes have to say; bookkeeping that has waited enough.
    async fn tell_time(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        for lane in &mut self.fleet.lanes {
            if let Some(event) = lane.scope.tell_time(now) {
                let records = lane.records(vec![event], now);
                self.journal.scope(lane.scope.key().clone(), lane.scope.memory(now), records, now.tick);
            }
        }
        if self.journal.blocked_until().is_some_and(|until| until > now.tick) {
            return Ok(());
        }
        let due: Vec<Stream> =
            std::iter::from_fn(|| self.wakes.take_due(now.wall)).take(BATCH_MOST).collect();
        if !due.is_empty() {
            return self.wake(&due, now).await;
        }
        if self.journal.due_at().is_some_and(|due| due <= now.tick) {
            return self.write(Vec::new(), now).await;
        }
        Ok(())
    }

    async fn wake(&mut self, due: &[Stream], now: Now) -> Result<(), StoreError> {
        let grounded: Vec<Stream> =
            due.iter().copied().filter(|who| !self.flying.contains_key(who)).collect();
        let mut orders = match self.load(&grounded).await {
            Ok(orders) => orders,
            Err(StoreError::Failing(cause)) => {
                tracing::error!(cause = %cause, "orders cannot be read; what is due of them is put off");
                for who in due {
                    self.wakes.finished(*who);
                    self.wakes.request(*who, now.wall.plus(SLEEP_MOST));
                }
                return Ok(());
            }
            Err(error @ StoreError::Unusable { .. }) => return Err(error),
        };
        orders.extend(due.iter().filter_map(|who| self.flying.get(who).map(|flight| flight.order.clone())));
        let mut changes = Vec::new();
        for order in orders {
            let who = order.stream();
            let step = match cadence::look_first(&order, now.wall) {
                Some(looked) => {
                    self.hasten(who, now.wall);
                    Step { order: Order { looked, ..order.clone() }, events: Vec::new() }
                }
                None => look::apply(&order, &Observation::Elapsed, None, now.wall),
            };
            self.wakes.finished(who);
            if let Some(wake) = step.order.looked.wake_at {
                self.wakes.request(who, wake);
            }
            if let Some(flying) = self.flying.get_mut(&who) {
                flying.order = step.order.clone();
            }
            changes.extend(self.note(&order, step, false, now));
        }
        for who in due {
            self.wakes.finished(*who);
        }
        self.write(changes, now).await
    }

    fn hasten(&mut self, who: Stream, at: Timestamp) {
        if let Some(lane) = self.fleet.home(who) {
            lane.schedule.hasten(who, at);
        }
    }

    /// Writes; what was not written is done again.
    async fn write(&mut self, changes: Vec<Change>, now: Now) -> Result<(), StoreError> {
        let waits = self.journal.due_at().is_some_and(|due| due <= now.tick);
        if changes.is_empty() && !waits {
            return Ok(());
        }
        let who: Vec<Stream> = changes.iter().map(|change| change.order.stream()).collect();
        let again = match self.journal.write(changes, now.tick).await? {
            Written::Yes { superseded } => superseded,
            Written::NotNow { .. } => who,
        };
        for who in again {
            if let Some(flight) = self.flying.get_mut(&who) {
                flight.void = true;
            }
            self.wakes.request(who, now.wall);
            if let Some(lane) = self.fleet.home(who) {
                lane.schedule.request(who, now.wall);
            }
        }
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.looks.is_empty() && self.fleet.lanes.iter().all(|lane| lane.schedule.is_empty())
    }

    /// How long nothing has to be done unless something happens.
    fn wait(&self, now: Now) -> Duration {
        let until = |at: Tick| at.since(now.tick);
        let until_wall = |at: Timestamp| at.since(now.wall);
        let lanes = self.fleet.lanes.iter().flat_map(|lane| {
            let due = lane.schedule.next_due();
            let look = match lane.scope.grant(lane.schedule.in_flight(), now.tick) {
                Grant::Look => due.map(until_wall),
                Grant::Probe | Grant::ProbeCredentials => due.map(|_| Duration::ZERO),
                Grant::From(at) => due
                    .map(|due| if lane.scope.probes() { until(at) } else { until(at).max(until_wall(due)) }),
                Grant::AfterAnswer => None,
            };
            [look, lane.scope.quiet_for(now)]
        });
        let looks = lanes.flatten().map(|wait| match self.journal.blocked_until() {
            Some(blocked) => wait.max(until(blocked)),
            None => wait,
        });
        let wakes = self.wakes.next_due().map(until_wall).map(|wait| match self.journal.blocked_until() {
            Some(blocked) => wait.max(until(blocked)),
            None => wait,
        });
        looks.chain(wakes).chain(self.journal.due_at().map(until)).min().unwrap_or(SLEEP_MOST).min(SLEEP_MOST)
    }

    /// Looks in flight get a moment to end, then are dropped; what they brought is written. One round ends early only
    /// at its deadline or by a signal, and neither leaves a moment.
    async fn land(&mut self) -> Result<(), StoreError> {
        let grace = if self.once.is_some() { Duration::ZERO } else { STOP_GRACE };
        let deadline = tokio::time::sleep(grace);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                biased;
                joined = self.looks.join_next() => match joined {
                    Some(answer) => {
                        let answers = self.gather(answer);
                        self.apply_answers(answers).await?;
                    }
                    None => break,
                },
                () = &mut deadline => {
                    tracing::info!(looks = self.looks.len(), "looks in flight are dropped");
                    self.looks.shutdown().await;
                    break;
                }
            }
        }
        let now = self.clock.now();
        self.journal.write(Vec::new(), now.tick).await.map(|_| ())
    }
}

type Joined = Result<(Stream, Timestamp, Answer), tokio::task::JoinError>;

/// The order that a grant is for.
fn next(grant: &Grant, schedule: &mut Schedule, now: Now) -> Option<(Stream, Grant)> {
    let who = match grant {
        Grant::Look => schedule.take_due(now.wall),
        Grant::Probe | Grant::ProbeCredentials => schedule.take_first(),
        Grant::From(_) | Grant::AfterAnswer => None,
    };
    who.map(|who| (who, *grant))
}
