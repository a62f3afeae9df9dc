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

mod answers;
mod pages;
mod pulse;
mod relist;
#[cfg(test)]
mod tests;
mod time;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use self::pulse::Pulse;
pub(super) use self::relist::{NewLists, Relisted};
use super::fleet::{Fleet, Member};
use super::health::Health;
use super::housekeeping::Chore;
use super::journal::{Journal, Written};
use super::observe::Overview;
use crate::clock::Clock;
use crate::core::agenda::Agenda;
use crate::core::dispatch::Dispatch;
use crate::core::event::{DaemonEvent, Summary};
use crate::core::inquiry::{Answer, Errand, Inquiry};
use crate::core::order::{OrderKey, Stream};
use crate::core::record::Style;
use crate::core::schedule::{By, Lane};
use crate::core::state::{Looked, Order};
use crate::core::sweep::Listed;
use crate::core::time::{Now, Tick, Timestamp};
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

/// What the loop is asked to do.
#[derive(Debug)]
pub(super) enum Wish {
    /// Write a heartbeat.
    Heartbeat,
    /// Sum up what is open.
    Digest(Summary),
    /// A person says that what is missing from a scope is gone.
    Accept {
        /// The service's word.
        provider: String,
        /// The account's name in the configuration.
        account: String,
        /// Who wants to know what became of it.
        reply: oneshot::Sender<Accepted>,
    },
    /// Say something about the daemon.
    Say(DaemonEvent),
    /// A person says that the open windows of an order are known of.
    Acknowledge {
        /// The order.
        who: Stream,
        /// Who wants to know what became of it.
        reply: oneshot::Sender<Acknowledged>,
    },
    /// Have new watch lists take effect.
    Relist {
        /// The lists.
        new: Box<NewLists>,
        /// Who wants to know what became of it.
        reply: oneshot::Sender<Relisted>,
    },
    /// Show what the scopes are up to.
    Show {
        /// Who wants to see it.
        reply: oneshot::Sender<Overview>,
    },
}

/// What became of [`Wish::Accept`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// It is so. As many orders as are known to be missing are looked at at once.
    Yes {
        /// How many.
        orders: u64,
    },
    /// Nothing is held back in that scope.
    NotSuspect,
    /// There is no such scope.
    Unknown {
        /// Those that there are.
        known: Vec<String>,
    },
}

/// What became of [`Wish::Acknowledge`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Acknowledged {
    /// It is so.
    Yes {
        /// How many windows are open.
        windows: u64,
    },
    /// No window of it is open.
    NoWindow,
    /// The store does not take it.
    NotNow,
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

/// A call that has its answer.
#[derive(Debug)]
enum Landed {
    /// For an order.
    Look { who: Stream, asked_at: Timestamp, answer: Answer },
    /// A page of the list of a scope, by its place in the fleet.
    Page { place: usize, asked_at: Timestamp, listed: Listed },
}

/// The loop's state.
#[derive(Debug)]
pub(super) struct Poller<S, L, C> {
    store: Arc<S>,
    look: Arc<L>,
    clock: Arc<C>,
    fleet: Fleet,
    journal: Journal<S>,
    wakes: Agenda,
    flying: HashMap<Stream, Flight>,
    /// Orders that were seen by a look of which the store has nothing: a doubt that is stored was refuted since.
    refuted: BTreeSet<Stream>,
    /// Orders that the lists changed and that were not read back yet.
    changed: BTreeSet<Stream>,
    /// A stored due time is believed up to this far ahead.
    farthest: Duration,
    /// Since when the store cannot be read.
    unread_since: Option<Tick>,
    /// Questions after who else holds a number, between two of their requests.
    inquiries: HashMap<Stream, Inquiry>,
    looks: JoinSet<Landed>,
    /// The time of the turn before.
    before: Now,
    pulse: Pulse,
    health: Arc<Health>,
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
            wakes: Agenda::default(),
            flying: HashMap::new(),
            refuted: BTreeSet::new(),
            changed: BTreeSet::new(),
            farthest: Duration::ZERO,
            unread_since: None,
            inquiries: HashMap::new(),
            looks: JoinSet::new(),
            before,
            pulse: Pulse::new(),
            health: Arc::new(Health::new(before.wall)),
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
        let looked = order.looked;
        let farthest = if looked.is_from_ahead(now) { now } else { now.plus(ceiling) };
        let bound = |due: Timestamp| due.min(farthest);
        let once = self.once.is_some();
        let mut looked = Looked { due_at: looked.due_at.map(bound), ..looked };
        if let Some(member) = self.fleet.home(order.stream)
            && (!once || looked.due_at.is_some_and(|due| due <= now))
        {
            member.dispatcher.place(order.stream, &mut looked, By::Either, now);
        }
        self.wakes.set(order.stream, looked.wake_at.filter(|wake| !once || *wake <= now));
        self.pulse.note(order.stream, Some(&looked));
    }

    /// The clock that it goes by.
    pub(super) fn clock(&self) -> Arc<C> {
        Arc::clone(&self.clock)
    }

    /// What it tells of itself while it goes on.
    pub(super) fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
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
                self.tell_what_is_left().await?;
                break;
            }
            let now = self.clock.now();
            self.health.turned(now.wall, self.journal.blocked_until().is_some());
            let wait = self.wait(now).min(self.pulse.in_time(now.tick));
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(answer) = self.looks.join_next() => {
                    let answers = self.gather(answer);
                    self.apply_answers(answers).await?;
                }
                Some(wish) = wishes.recv() => self.grant_wish(wish).await?,
                () = tokio::time::sleep(wait) => {}
            }
            self.tell_time().await?;
            self.give_sign().await?;
        }
        self.land().await?;
        if let Some(once) = &mut self.once {
            let left: usize = self.fleet.members().iter().map(|member| member.dispatcher.looked_at()).sum();
            once.unanswered += left as u64;
        }
        Ok(Finish { unanswered: self.once.as_ref().map_or(0, |once| once.unanswered), undelivered: false })
    }

    async fn grant_wish(&mut self, wish: Wish) -> Result<(), StoreError> {
        let now = self.clock.now();
        match wish {
            Wish::Heartbeat => {
                let (orders, overdue) = (self.fleet.orders(), self.fleet.overdue(now));
                self.say(&DaemonEvent::Heartbeat { orders, overdue }).await
            }
            Wish::Digest(summary) => {
                let lateness = self.fleet.latest(now).unwrap_or_default();
                let (orders, overdue) = (self.fleet.orders(), self.fleet.overdue(now));
                self.journal.ran(Chore::Digest.word(), now.wall);
                self.say(&DaemonEvent::Digest { summary, orders, overdue, lateness }).await
            }
            Wish::Accept { provider, account, reply } => {
                let accepted = self.accept(&provider, &account, now);
                self.write(Vec::new(), now).await?;
                // Who asked may have gone.
                let _gone = reply.send(accepted);
                Ok(())
            }
            Wish::Say(event) => self.say(&event).await,
            Wish::Acknowledge { who, reply } => {
                let acknowledged = self.acknowledge(who, now).await?;
                let _gone = reply.send(acknowledged);
                Ok(())
            }
            Wish::Relist { new, reply } => {
                let relisted = self.relist(*new).await?;
                let _gone = reply.send(relisted);
                Ok(())
            }
            Wish::Show { reply } => {
                let _gone = reply.send(self.fleet.overview(now));
                Ok(())
            }
        }
    }

    /// A person says that what is missing from a scope is gone.
    fn accept(&mut self, provider: &str, account: &str, now: Now) -> Accepted {
        let known = self.fleet.members().iter().flat_map(Member::names).collect();
        let Some(member) = self.fleet.by_name(provider, account) else { return Accepted::Unknown { known } };
        let Some(heard) = member.dispatcher.accept(now) else { return Accepted::NotSuspect };
        self.journal.scope(member.report(heard.events, now), now.tick);
        Accepted::Yes { orders: heard.again.len() as u64 }
    }

    /// Starts every look that may start.
    async fn dispatch(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.notice_clock(now);
        if self.journal.blocked_until().is_some_and(|until| until > now.tick) {
            return Ok(());
        }
        let mut granted = Vec::new();
        for place in self.fleet.awake(now.tick) {
            let Some(member) = self.fleet.member(place) else { continue };
            while let Some(dispatch) = member.dispatcher.next(now) {
                match dispatch {
                    Dispatch::Look { who, fresh_credentials } => {
                        granted.push(who);
                        if fresh_credentials {
                            member.accounts.iter().for_each(|account| self.look.refresh(&account.name));
                        }
                    }
                    Dispatch::Page { token } => {
                        let (look, ask, asked_at) = (Arc::clone(&self.look), member.ask(token), now.wall);
                        let span = tracing::info_span!("list", scope = member.names().next());
                        let asking =
                            async move { Landed::Page { place, asked_at, listed: look.page(ask).await } };
                        self.looks.spawn(asking.instrument(span));
                    }
                }
            }
        }
        for chunk in granted.chunks(BATCH_MOST) {
            match self.read(chunk).await? {
                Some(orders) => self.start(chunk, orders, now),
                None => self.put_off(chunk, now.wall.plus(SLEEP_MOST)),
            }
        }
        Ok(())
    }

    fn start(&mut self, granted: &[Stream], orders: Vec<Order>, now: Now) {
        for order in orders {
            let who = order.stream();
            let inquiry = self.inquiries.remove(&who);
            if let Some(due) = order.looked.due_at.filter(|due| inquiry.is_none() && *due <= now.wall)
                && let Some(member) = self.fleet.home(who)
            {
                member.looks.late(order.looked.lane, now.wall.since(due));
            }
            let itself = || Errand::Itself(order.watch.declared.ask.clone());
            let ask = Ask {
                key: order.watch.key.clone(),
                errand: inquiry.as_ref().map_or_else(itself, Inquiry::errand),
                timeout: order.watch.terms.policy.poll.timeout,
            };
            let (look, asked_at) = (Arc::clone(&self.look), now.wall);
            let span = tracing::info_span!("look", scope = %scope(&ask.key), order = %ask.key.id);
            let asking = async move { Landed::Look { who, asked_at, answer: look.look(ask).await } };
            self.looks.spawn(asking.instrument(span));
            self.flying.insert(who, Flight { order, inquiry, void: false });
        }
        for who in granted.iter().filter(|who| !self.flying.contains_key(who)) {
            tracing::error!(order = %who, "a scheduled order is not in the store");
            if let Some(member) = self.fleet.home(*who) {
                member.dispatcher.abandoned(*who, None);
            }
        }
    }

    fn put_off(&mut self, who: &[Stream], until: Timestamp) {
        for who in who {
            if let Some(member) = self.fleet.home(*who) {
                member.dispatcher.abandoned(*who, Some(until));
            }
        }
    }

    /// The orders as they are. `None`: the store cannot be read now, which is told when it begins and when it ends.
    async fn read(&mut self, who: &[Stream]) -> Result<Option<Vec<Order>>, StoreError> {
        match self.load(who).await {
            Ok(orders) => {
                if let Some(since) = self.unread_since.take() {
                    let lasted_s = self.clock.now().tick.since(since).as_secs();
                    tracing::info!(lasted_s, "the store can be read again");
                }
                Ok(Some(orders))
            }
            Err(StoreError::Failing(cause)) => {
                if self.unread_since.is_none() {
                    tracing::error!(%cause, "the store cannot be read: what is due of orders is put off");
                    self.unread_since = Some(self.clock.now().tick);
                }
                Ok(None)
            }
            Err(error @ StoreError::Unusable { .. }) => Err(error),
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
    fn gather(&mut self, first: Joined) -> Vec<Landed> {
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

    /// Writes; what was not written is done again.
    async fn write(&mut self, changes: Vec<Change>, now: Now) -> Result<(), StoreError> {
        let waits = self.journal.due_at().is_some_and(|due| due <= now.tick);
        if changes.is_empty() && !waits {
            return Ok(());
        }
        let mut again: Vec<(Stream, Lane, bool)> = changes
            .iter()
            .map(|Change { order, .. }| {
                (order.stream(), order.looked.lane, order.state.doubted_since().is_some())
            })
            .collect();
        if let Written::Yes { superseded } = self.journal.write(changes, now.tick).await? {
            let (lost, written): (Vec<_>, Vec<_>) =
                again.into_iter().partition(|(who, ..)| superseded.contains(who));
            for (who, ..) in written {
                self.refuted.remove(&who);
            }
            again = lost;
        }
        for (who, lane, doubted) in again {
            if !doubted {
                self.refuted.insert(who);
            }
            if let Some(flight) = self.flying.get_mut(&who) {
                flight.void = true;
            }
            self.wakes.set(who, Some(now.wall));
            if let Some(member) = self.fleet.home(who) {
                member.dispatcher.look_at(who, lane, now.wall);
            }
        }
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.looks.is_empty() && self.fleet.members().iter().all(|member| member.dispatcher.looked_at() == 0)
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

/// The scope of an order, as commands name it.
fn scope(key: &OrderKey) -> String {
    format!("{}/{}", key.provider, key.account)
}

type Joined = Result<Landed, tokio::task::JoinError>;
