//! What becomes of a page of a scope's list: each of its rows is applied as an answer to a look would be.

use std::collections::BTreeMap;

use super::Poller;
use crate::clock::Clock;
use crate::core::cadence;
use crate::core::observation::{Observation, Sighting};
use crate::core::order::Stream;
use crate::core::schedule::By;
use crate::core::state::Order;
use crate::core::step::{self, Step};
use crate::core::sweep::{Listed, Page, Row, Turn};
use crate::core::time::{Now, Timestamp};
use crate::provider::Look;
use crate::store::{Change, Store, StoreError};

impl<S: Store, L: Look, C: Clock> Poller<S, L, C> {
    pub(super) async fn apply_page(
        &mut self,
        place: usize,
        asked_at: Timestamp,
        listed: Listed,
        now: Now,
    ) -> Result<(), StoreError> {
        let Some(member) = self.fleet.member(place) else { return Ok(()) };
        let (page, failed) = match listed {
            Listed::Page(page) => (page, None),
            Listed::Observed(why) => (Page::default(), Some(why)),
        };
        member.looks.note_page(failed.as_ref());
        let events = member.dispatcher.hear_page(failed.as_ref(), now);
        self.journal.scope(member.report(events, now), now.tick);
        let mut rows: BTreeMap<Stream, Row> = BTreeMap::new();
        for row in page.rows {
            if let Some(who) = member.waiting(&row) {
                rows.insert(who, row);
            }
        }
        let who: Vec<Stream> = rows.keys().copied().collect();
        let Some(orders) = self.read(&who).await? else {
            if let Some(member) = self.fleet.member(place) {
                member.dispatcher.page_abandoned();
            }
            return Ok(());
        };
        let mut changes = Vec::new();
        for order in orders {
            if let Some(row) = rows.remove(&order.stream()) {
                changes.extend(self.apply_row(order, row, (asked_at, now)));
            }
        }
        self.end_page(place, failed.as_ref().map_or(Ok(page.next.as_deref()), Err), now);
        if let Some(member) = self.fleet.member(place) {
            self.journal.scope(member.report(Vec::new(), now), now.tick);
        }
        self.write(changes, now).await
    }

    fn apply_row(&mut self, order: Order, row: Row, (asked_at, now): (Timestamp, Now)) -> Option<Change> {
        let who = order.stream();
        let member = self.fleet.home(who)?;
        let heard = member.dispatcher.hear_listed(&order, now);
        if !heard.events.is_empty() {
            self.journal.scope(member.report(heard.events, now), now.tick);
        }
        match row {
            Row::Order { seen, .. } if !step::steps_back_in_list(&order, &seen) => {
                let seen = Observation::Seen(Sighting::Chime(seen));
                member.looks.note(&seen, now.wall);
                if let Some(due) = order.looked.due_at.filter(|due| *due <= asked_at) {
                    member.looks.late(order.looked.lane, asked_at.since(due));
                }
                self.apply(order, &seen, (asked_at, now))
            }
            Row::Number { .. } if let Some(looked) = cadence::present(&order, now.wall) => {
                let mut after = Order { looked, ..order.clone() };
                if self.once.is_some() {
                    member.dispatcher.forget(who);
                } else {
                    member.dispatcher.place(who, &mut after.looked, By::Either, now.wall);
                }
                self.note(&order, Step { order: after, events: Vec::new() }, true, now)
            }
            // Nothing that is wanted of it: it has its own looks.
            Row::Number { .. } if !cadence::is_listable(&order, now.wall) => None,
            Row::Order { .. } | Row::Number { .. } => {
                member.dispatcher.look_itself(who, now.wall);
                None
            }
        }
    }

    fn end_page(&mut self, place: usize, page: Result<Option<&str>, &Observation>, now: Now) {
        let Some(member) = self.fleet.member(place) else { return };
        let turn = member.dispatcher.page_ended(page, now);
        let scope = member.names().next().unwrap_or_default();
        match turn {
            Turn::On => {}
            Turn::Through(_) => tracing::debug!(scope, "the list has been read"),
            Turn::Enough => tracing::debug!(scope, "the rest of the list is not worth its calls"),
            Turn::Failed { why } => {
                tracing::warn!(
                    scope,
                    why,
                    "the list cannot be used: orders are looked at one by one for a while"
                );
            }
        }
    }
}
