//! The scopes of a configuration, each with the orders that wait in it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::journal::Report;
use super::observe::looks::Looks;
use super::observe::{self, LaneView, LanesView, ListView, Overview, ScopeView};
use crate::config::{Account, Config};
use crate::core::dispatch::Dispatcher;
use crate::core::event::{ScopeEvent, ScopeKey};
use crate::core::order::{OrderKey, Provider, Stream};
use crate::core::record;
use crate::core::scope::{Quota, ScopeMemory};
use crate::core::sweep::Row;
use crate::core::time::{Now, Tick};
use crate::provider::AskPage;
use crate::store::Scheduled;

/// How long it is believed when a scope has something to do next: a wall clock that is set right little by little does not
/// go as the monotonic one.
const RECKONED_FOR: Duration = Duration::from_mins(10);

/// One scope's dispatcher, with what people call it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) dispatcher: Dispatcher,
    /// The accounts of the configuration that share it; the first one's name stands for it in records, and asks for its
    /// lists.
    pub(super) accounts: Vec<Arc<Account>>,
    /// How long a page of its list may take.
    timeout: Duration,
    /// What was counted of its calls.
    pub(super) looks: Looks,
}

impl Member {
    /// What people call it: the service and an account.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let provider = self.dispatcher.key().provider;
        self.accounts.iter().map(move |account| format!("{provider}/{}", account.name))
    }

    /// The request for a page of its list.
    pub(super) fn ask(&self, token: Option<String>) -> AskPage {
        let account = self.accounts.first().map(|account| account.name.clone()).unwrap_or_default();
        AskPage { provider: self.dispatcher.key().provider, account, token, timeout: self.timeout }
    }

    /// The order that a row of its list is about, if it waits for a look.
    pub(super) fn waiting(&self, row: &Row) -> Option<Stream> {
        let (Row::Order { id, .. } | Row::Number { id }) = row;
        let key = self.dispatcher.key();
        let names = self.accounts.iter().map(|account| OrderKey {
            provider: key.provider,
            account: account.name.clone(),
            region: key.region.clone(),
            id: id.clone(),
        });
        names.map(|key| key.stream()).find(|who| self.dispatcher.is_waiting(*who))
    }

    /// What it is up to.
    fn view(&mut self, now: Now) -> ScopeView {
        let dispatcher = &mut self.dispatcher;
        let hold = dispatcher.scope().hold_until().since(now.tick);
        let asked = !dispatcher.scope().probes();
        let [urgent, pending, verify] = dispatcher.backlog(now).map(|backlog| LaneView::new(&backlog, asked));
        let memory = dispatcher.memory(now);
        let first = self.accounts.first();
        ScopeView {
            provider: dispatcher.key().provider,
            account: first.map(|account| account.name.clone()).unwrap_or_default(),
            accounts: self.accounts.iter().map(|account| account.name.clone()).collect(),
            account_id: first.and_then(|account| account.account_id.clone()),
            region: dispatcher.key().region.clone(),
            tracked: dispatcher.tracked() as u64,
            looked_at: dispatcher.looked_at() as u64,
            in_flight: dispatcher.in_flight() as u64,
            rate: dispatcher.scope().rate(),
            quota: dispatcher.scope().quota(),
            hold_s: observe::seconds(hold),
            throttled_since: memory.throttled.map(|spell| spell.since),
            unavailable_since: memory.unavailable_since,
            denied_since: memory.denied_since,
            suspect_since: memory.suspect_since,
            overloaded_since: memory.overloaded_since,
            list: ListView {
                pages: memory.length.map(|length| length.pages),
                whole: memory.length.is_some_and(|length| length.whole),
                read_at: memory.length.map(|length| length.at),
                reading: dispatcher.is_sweeping(),
            },
            lanes: LanesView { urgent, pending, verify },
            looks: self.looks.clone(),
        }
    }

    /// What is to be remembered of it, and the records of its events; each is a generation of its own.
    pub(super) fn report(&mut self, events: Vec<ScopeEvent>, now: Now) -> Report {
        let account = self.accounts.first();
        let name = account.map_or("", |account| &account.name);
        let id = account.and_then(|account| account.account_id.as_deref());
        let mut records = Vec::with_capacity(events.len());
        for event in events {
            let place = (self.dispatcher.next_generation(), 0);
            records.push(record::of_scope(self.dispatcher.key(), name, id, &event, place, now.wall));
        }
        Report { key: self.dispatcher.key().clone(), memory: self.dispatcher.memory(now), records }
    }
}

/// All scopes. Hundreds of them cost no more than those that have something to do.
#[derive(Debug)]
pub(super) struct Fleet {
    members: Vec<Member>,
    /// Those that were touched since it was found out when they have something to do next.
    stirred: BTreeSet<usize>,
    /// When the others have, each once.
    timers: BTreeSet<(Tick, usize)>,
    times: Vec<Option<Tick>>,
    by_account: HashMap<(Provider, String), usize>,
    homes: HashMap<Stream, usize>,
    account_ids: HashMap<String, String>,
}

impl Fleet {
    /// The scopes that a configuration makes, with what is remembered of them.
    pub(super) fn new(config: &Config, remembered: &[(ScopeKey, ScopeMemory)], now: Now) -> Self {
        let mut places: BTreeMap<ScopeKey, usize> = BTreeMap::new();
        let mut fleet = Self {
            members: Vec::new(),
            stirred: BTreeSet::new(),
            timers: BTreeSet::new(),
            times: Vec::new(),
            by_account: HashMap::new(),
            homes: HashMap::new(),
            account_ids: HashMap::new(),
        };
        for account in config.accounts.values() {
            if let Some(id) = &account.account_id {
                fleet.account_ids.insert(account.name.clone(), id.clone());
            }
            for provider in [Provider::Chime, Provider::Connect] {
                let key = ScopeKey {
                    provider,
                    account: account.account_id.clone().unwrap_or_else(|| account.name.clone()),
                    region: account.region.clone(),
                };
                let place = *places.entry(key.clone()).or_insert_with(|| {
                    let mut dispatcher = Dispatcher::new(key.clone(), quota(account, provider), now);
                    if let Some((_, memory)) = remembered.iter().find(|(known, _)| *known == key) {
                        dispatcher.resume(memory, now);
                    }
                    let timeout = config.poll.timeout;
                    let looks = Looks::default();
                    fleet.members.push(Member { dispatcher, accounts: Vec::new(), timeout, looks });
                    fleet.members.len() - 1
                });
                fleet.members[place].accounts.push(Arc::clone(account));
                fleet.by_account.insert((provider, account.name.clone()), place);
            }
        }
        fleet.times.resize(fleet.members.len(), None);
        fleet.stir_all();
        fleet
    }

    /// Gives an order its place. False: its account is not configured, so it cannot be looked at.
    pub(super) fn settle(&mut self, order: &Scheduled) -> bool {
        let Some(place) = self.by_account.get(&(order.provider, order.account.clone())) else { return false };
        self.homes.insert(order.stream, *place);
        if let Some(member) = self.members.get_mut(*place) {
            member.dispatcher.track(order.stream);
        }
        true
    }

    /// An order is not watched any more. Its home stays known to a look that is in flight.
    pub(super) fn leave(&mut self, who: Stream) {
        if let Some(member) = self.home(who) {
            member.dispatcher.untrack(who);
        }
    }

    /// Does something with each of them, after which it may have something to do.
    pub(super) fn visit(&mut self, visit: impl FnMut(&mut Member)) {
        self.members.iter_mut().for_each(visit);
        self.stir_all();
    }

    /// All of them.
    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The scope in a place.
    pub(super) fn member(&mut self, place: usize) -> Option<&mut Member> {
        let member = self.members.get_mut(place)?;
        self.stirred.insert(place);
        Some(member)
    }

    /// The scope of an order that was settled.
    pub(super) fn home(&mut self, who: Stream) -> Option<&mut Member> {
        let place = *self.homes.get(&who)?;
        self.member(place)
    }

    /// The scope of a provider's word and an account's name.
    pub(super) fn by_name(&mut self, provider: &str, account: &str) -> Option<&mut Member> {
        let name = format!("{provider}/{account}");
        let place = self.members.iter().position(|member| member.names().any(|known| known == name))?;
        self.member(place)
    }

    /// The places of those that may have something to do.
    pub(super) fn awake(&mut self, now: Tick) -> Vec<usize> {
        while let Some((_, place)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.pop_first();
            self.stirred.insert(place);
        }
        self.stirred.iter().copied().collect()
    }

    /// The wall clock went back by so much: looks come when they would have come.
    pub(super) fn move_back(&mut self, by: Duration) {
        self.visit(|member| member.dispatcher.move_back(by));
    }

    /// The wall clock was set: whatever was found out before does not hold.
    pub(super) fn stir_all(&mut self) {
        self.stirred.extend(0..self.members.len());
    }

    /// When one of them has something to do next, if nothing happens before.
    pub(super) fn next(&mut self, now: Now) -> Option<Tick> {
        let stirred = std::mem::take(&mut self.stirred);
        for place in stirred {
            let dispatcher = &self.members[place].dispatcher;
            let next = [dispatcher.ready_in(now), dispatcher.quiet_for(now)].into_iter().flatten().min();
            let next = next.map(|next| now.tick.plus(next.min(RECKONED_FOR)));
            if let Some(before) = std::mem::replace(&mut self.times[place], next) {
                self.timers.remove(&(before, place));
            }
            self.timers.extend(next.map(|next| (next, place)));
        }
        self.timers.first().map(|(at, _)| *at)
    }

    /// What all of them are up to. Takes microseconds for each, and stirs none.
    pub(super) fn overview(&mut self, now: Now) -> Overview {
        Overview { at: now.wall, scopes: self.members.iter_mut().map(|member| member.view(now)).collect() }
    }

    /// An account's twelve digits, where the configuration has them.
    pub(super) fn account_id(&self, account: &str) -> Option<&str> {
        self.account_ids.get(account).map(String::as_str)
    }

    /// Orders that are tracked.
    pub(super) fn orders(&self) -> u64 {
        self.members.iter().map(|member| member.dispatcher.tracked() as u64).sum()
    }

    /// How late the order is that has waited longest for its turn.
    pub(super) fn latest(&mut self, now: Now) -> Option<Duration> {
        let lanes = self.members.iter_mut().flat_map(|member| member.dispatcher.backlog(now));
        lanes.map(|backlog| backlog.oldest).max().filter(|late| !late.is_zero())
    }

    /// Orders that are due and wait for their turn.
    pub(super) fn overdue(&mut self, now: Now) -> u64 {
        self.members.iter_mut().map(|member| member.dispatcher.overdue(now.wall) as u64).sum()
    }
}

fn quota(account: &Account, provider: Provider) -> Quota {
    let service = account.service(provider);
    Quota {
        rate: service.quota.rate,
        burst: service.quota.burst,
        share: service.share,
        in_flight: service.in_flight,
        list: service.list.map(|list| (list.rate, list.burst)),
    }
}
