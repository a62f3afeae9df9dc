//! Orders that got where they are by a story, as the daemon would have told it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use claimwatch::core::look;
use claimwatch::core::observation::{Elsewhere, Observation};
use claimwatch::core::order::{Declared, ListTerms, Operation, OrderKey, Provider, Watch};
use claimwatch::core::policy::Policy;
use claimwatch::core::state::Order;
use claimwatch::core::time::Timestamp;

const MINUTE: Duration = Duration::from_mins(1);
/// Between two observations of a story: longer than `missing_confirm`, far shorter than anything else.
const BETWEEN: Duration = Duration::from_mins(5);
/// After how long a pending order is called stalled, where that is the question.
pub(super) const STALLED_AFTER: Duration = Duration::from_mins(30);

/// An order and its time.
#[derive(Clone)]
pub(super) struct Tale {
    pub(super) order: Order,
    pub(super) now: Timestamp,
}

impl Tale {
    /// An order that was first watched a while ago (`missing_grace` is over). It is never called stalled.
    pub(super) fn new(provider: Provider) -> Self {
        let start = Timestamp::from_millis(1_795_341_600_000); // 2026-11-22T10:00:00Z
        let policy = Policy { stalled_after: None, ..Policy::default() };
        let terms =
            ListTerms { name: "list".into(), account: "account".into(), labels: BTreeMap::new(), policy };
        let key = OrderKey { provider, account: "account".into(), region: "region".into(), id: "id".into() };
        let declared =
            Declared { ask: "id".into(), number: None, operation: None, requested_at: None, label: None };
        let order = Order::new(Watch { key, declared, terms: Arc::new(terms) }, start);
        Self { order, now: start.plus(20 * MINUTE) }
    }

    /// The list declares the operation.
    pub(super) fn declares(mut self, operation: Operation) -> Self {
        self.order.watch.declared.operation = Some(operation);
        self
    }

    /// The list has another policy from now on.
    pub(super) fn under(mut self, adjust: impl FnOnce(&mut Policy)) -> Self {
        let mut terms = ListTerms::clone(&self.order.watch.terms);
        adjust(&mut terms.policy);
        self.order.watch.terms = Arc::new(terms);
        self
    }

    /// Some minutes later something is observed.
    pub(super) fn sees(self, observation: &Observation) -> Self {
        self.later().meets(observation)
    }

    /// Several observations, each some minutes after the one before.
    pub(super) fn sees_all(self, observations: &[Observation]) -> Self {
        observations.iter().fold(self, Self::sees)
    }

    /// Something is observed now.
    fn meets(mut self, observation: &Observation) -> Self {
        self.order = look::apply(&self.order, observation, Some(self.now), self.now).order;
        self
    }

    pub(super) fn later(mut self) -> Self {
        self.now = self.now.plus(BETWEEN);
        self
    }

    /// At the time of the next mark, the marks told that come before it. Without an open window: at some time.
    pub(super) fn at_mark(self, told: usize) -> Self {
        let mut tale = self.then_mark();
        for _ in 0..told {
            tale = tale.meets(&Observation::Elapsed).then_mark();
        }
        tale
    }

    /// At the time of the next mark, and it was asked a moment before who else holds the number.
    pub(super) fn at_mark_asked(self) -> Self {
        let tale = self.at_mark(0);
        let now = tale.now;
        let before = Self { now: now.minus(Duration::from_secs(30)), ..tale };
        Self { now, ..before.meets(&Observation::Elsewhere(Elsewhere::Nobody)) }
    }

    fn then_mark(mut self) -> Self {
        let terms = Arc::clone(&self.order.watch.terms);
        let mark = self.order.open_windows().find_map(|window| window.next_mark(&terms.policy.window));
        self.now = mark.unwrap_or(self.now.plus(BETWEEN));
        self
    }

    /// At the latest end of the open window, its marks told.
    pub(super) fn at_latest_end(self) -> Self {
        let marks = self.order.watch.terms.policy.window.warn_before.len();
        let mut tale = self.at_mark(marks);
        let end = tale.order.open_windows().map(|window| window.latest).min();
        tale.now = end.unwrap_or(tale.now);
        tale
    }

    /// After the end of the window, told.
    pub(super) fn after_latest_end(self) -> Self {
        self.at_latest_end().meets(&Observation::Elapsed)
    }

    /// When an order that is pending is called stalled.
    pub(super) fn at_stall(self) -> Self {
        let mut tale = self.under(|policy| policy.stalled_after = Some(STALLED_AFTER));
        tale.now = tale.now.max(tale.order.state.changed_at.plus(STALLED_AFTER));
        tale
    }
}
