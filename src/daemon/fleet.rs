//! The scopes of a configuration, each with the orders that wait in it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::config::{Account, Config};
use crate::core::event::{ScopeEvent, ScopeKey};
use crate::core::order::{Provider, Stream};
use crate::core::record::{self, Record};
use crate::core::schedule::Schedule;
use crate::core::scope::{Quota, Scope, ScopeMemory};
use crate::core::time::Now;
use crate::store::Scheduled;

/// One scope with what people call it and who waits in it.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) scope: Scope,
    pub(super) schedule: Schedule,
    /// All its tracked orders, those that are done and not looked at included.
    pub(super) orders: BTreeSet<Stream>,
    /// The accounts of the configuration that share it; the first one's name stands for it in records.
    pub(super) accounts: Vec<Arc<Account>>,
}

impl Lane {
    /// An order that may witness that the scope is not missing as a whole: the one that is due first, else one that is
    /// done.
    pub(super) fn witness(&self) -> Option<Stream> {
        let may = |who: &Stream| self.scope.may_witness(*who);
        self.schedule.waiting().find(may).or_else(|| self.orders.iter().copied().find(may))
    }

    /// What people call it: provider and account, one name for each account that shares it.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let provider = self.scope.key().provider;
        self.accounts.iter().map(move |account| format!("{provider}/{}", account.name))
    }

    /// The records of events of the scope; each is a generation of its own.
    pub(super) fn records(&mut self, events: Vec<ScopeEvent>, now: Now) -> Vec<Record> {
        let account = self.accounts.first();
        let name = account.map_or("", |account| &account.name);
        let id = account.and_then(|account| account.account_id.as_deref());
        let scope = &mut self.scope;
        events
            .into_iter()
            .map(|event| {
                let place = (scope.next_generation(), 0);
                record::of_scope(scope.key(), name, id, &event, place, now.wall)
            })
            .collect()
    }
}

/// All scopes.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) lanes: Vec<Lane>,
    by_account: HashMap<(Provider, String), usize>,
    homes: HashMap<Stream, usize>,
    account_ids: HashMap<String, String>,
}

impl Fleet {
    /// The scopes that a configuration makes, with what is remembered of them.
    pub(super) fn new(config: &Config, remembered: &[(ScopeKey, ScopeMemory)], now: Now) -> Self {
        let mut places: BTreeMap<ScopeKey, usize> = BTreeMap::new();
        let mut fleet = Self {
            lanes: Vec::new(),
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
                    let mut scope = Scope::new(key.clone(), quota(account, provider), now);
                    if let Some((_, memory)) = remembered.iter().find(|(known, _)| *known == key) {
                        scope.resume(memory, now);
                    }
                    fleet.lanes.push(Lane {
                        scope,
                        schedule: Schedule::default(),
                        orders: BTreeSet::new(),
                        accounts: Vec::new(),
                    });
                    fleet.lanes.len() - 1
                });
                fleet.lanes[place].accounts.push(Arc::clone(account));
                fleet.by_account.insert((provider, account.name.clone()), place);
            }
        }
        fleet
    }

    /// Gives an order its place. False: its account is not configured, so it cannot be looked at.
    pub(super) fn settle(&mut self, order: &Scheduled) -> bool {
        let Some(place) = self.by_account.get(&(order.provider, order.account.clone())) else { return false };
        self.homes.insert(order.stream, *place);
        if let Some(lane) = self.lanes.get_mut(*place) {
            lane.orders.insert(order.stream);
        }
        true
    }

    /// The scope of an order that was settled.
    pub(super) fn home(&mut self, who: Stream) -> Option<&mut Lane> {
        self.homes.get(&who).and_then(|place| self.lanes.get_mut(*place))
    }

    /// The scope of a provider's word and an account's name.
    pub(super) fn by_name(&mut self, provider: &str, account: &str) -> Option<&mut Lane> {
        let name = format!("{provider}/{account}");
        self.lanes.iter_mut().find(|lane| lane.names().any(|known| known == name))
    }

    /// An account's twelve digits, where the configuration has them.
    pub(super) fn account_id(&self, account: &str) -> Option<&str> {
        self.account_ids.get(account).map(String::as_str)
    }

    /// Orders that are settled.
    pub(super) fn orders(&self) -> u64 {
        self.homes.len() as u64
    }

    /// Orders that are due and wait for their turn.
    pub(super) fn overdue(&self, now: Now) -> u64 {
        self.lanes.iter().map(|lane| lane.schedule.overdue(now.wall) as u64).sum()
    }
}

fn quota(account: &Account, provider: Provider) -> Quota {
    let service = account.service(provider);
    Quota {
        rate: service.quota.rate,
        burst: service.quota.burst,
        share: service.share,
        in_flight: service.in_flight,
    }
}
