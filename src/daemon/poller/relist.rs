//! Watch lists that take effect while the loop runs.
//!
//! # Guarantees
//! Between two turns, so that no answer is applied meanwhile. Orders that did not change keep their places. An answer to
//! what was asked before an order changed is not applied. What could not be read back is not forgotten: it is tried again
//! each turn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{BATCH_MOST, Poller};
use crate::clock::Clock;
use crate::config::{Account, BadList, WatchList};
use crate::core::event::DaemonEvent;
use crate::core::time::Now;
use crate::daemon::fleet::Member;
use crate::daemon::journal::Written;
use crate::daemon::lifecycle;
use crate::daemon::lists::{self, Applied, Applier, Changes, ListsError};
use crate::provider::Look;
use crate::store::{Scheduled, Store, StoreError};

/// Watch lists that are to take effect.
#[derive(Debug)]
pub(in crate::daemon) struct NewLists {
    pub(in crate::daemon) lists: Vec<WatchList>,
    /// Those at fault stay as they were.
    pub(in crate::daemon) bad: Vec<BadList>,
    /// The accounts that the daemon runs with.
    pub(in crate::daemon) accounts: Arc<BTreeMap<String, Arc<Account>>>,
    pub(in crate::daemon) accept_removal: bool,
    /// A stored due time is believed up to this far ahead.
    pub(in crate::daemon) farthest: Duration,
    /// What there is to say of lists at fault,
    pub(in crate::daemon) rejected: Vec<DaemonEvent>,
    /// and what was said of them last.
    pub(in crate::daemon) rejected_before: Vec<DaemonEvent>,
}

/// What became of [`NewLists`].
#[derive(Debug)]
pub(in crate::daemon) enum Relisted {
    /// They are in force.
    Yes(BTreeMap<String, Changes>),
    /// They look like an accident; nothing changed.
    MassRemoval(String),
    /// The store did not take them, or not all of them: the next time makes it up.
    NotNow(String),
}

impl<S: Store, L: Look, C: Clock> Poller<S, L, C> {
    /// Has new lists take effect.
    pub(super) async fn relist(&mut self, new: NewLists) -> Result<Relisted, StoreError> {
        let now = self.clock.now();
        // What is read of the store has to be all that there is.
        match self.journal.write(Vec::new(), now.tick).await? {
            Written::Yes { .. } => {}
            Written::NotNow { .. } => {
                self.tell_faults(&new, false, now);
                return Ok(Relisted::NotNow("the store does not take writes now".to_owned()));
            }
        }
        let applier =
            Applier { store: &*self.store, accounts: &new.accounts, style: self.style, now: now.wall };
        let mut applied = Applied::default();
        let ended = applier.apply_to_orders(&new.lists, &new.bad, new.accept_removal, &mut applied).await;
        let changes = applied.last.event.is_some();
        self.journal.conclude(applied.last, now);
        self.farthest = self.farthest.max(new.farthest);
        self.changed.extend(applied.touched);
        self.settle_changed().await?;
        let told = match ended {
            Ok(()) => Relisted::Yes(applied.lists),
            Err(removal @ ListsError::MassRemoval { .. }) => {
                self.journal.daemon(&lists::as_a_whole(&removal), now);
                Relisted::MassRemoval(lists::unless_meant(&removal))
            }
            Err(ListsError::Store(StoreError::Failing(cause))) => Relisted::NotNow(cause.to_string()),
            Err(ListsError::Store(error @ StoreError::Unusable { .. })) => return Err(error),
        };
        self.tell_faults(&new, changes, now);
        self.try_credentials(now);
        self.write(Vec::new(), now).await?;
        Ok(told)
    }

    /// Says what is at fault, unless it was said last and nothing was since: the last word tells how it stands.
    fn tell_faults(&mut self, new: &NewLists, changes: bool, now: Now) {
        if changes || new.rejected != new.rejected_before {
            for event in &new.rejected {
                self.journal.daemon(event, now);
            }
        }
    }

    /// Gives orders that the lists changed the places that they have now.
    pub(super) async fn settle_changed(&mut self) -> Result<(), StoreError> {
        while !self.changed.is_empty() {
            let page: Vec<_> = self.changed.iter().copied().take(BATCH_MOST).collect();
            let Some(orders) = self.read(&page).await? else { return Ok(()) };
            let now = self.clock.now();
            for order in orders {
                let who = order.stream();
                self.inquiries.remove(&who);
                if let Some(flight) = self.flying.get_mut(&who) {
                    flight.void = true;
                }
                let looked = order.looked;
                let key = order.watch.key;
                if order.tracked {
                    let order = Scheduled {
                        stream: who,
                        provider: key.provider,
                        account: key.account,
                        region: key.region,
                        looked,
                    };
                    self.settle(&order, self.farthest, now.wall);
                } else {
                    self.wakes.set(who, None);
                    self.pulse.note(who, None);
                    self.fleet.leave(who);
                }
            }
            lifecycle::tell_progress();
            for who in &page {
                self.changed.remove(who);
            }
        }
        Ok(())
    }

    /// There may be other credentials than those that were refused.
    fn try_credentials(&mut self, now: Now) {
        let look = &self.look;
        self.fleet.visit(|member: &mut Member| {
            if member.dispatcher.try_credentials(now.tick) {
                member.accounts.iter().for_each(|account| look.refresh(&account.name));
            }
        });
    }
}
