//! What a change of the watch lists means for an order.

use super::cadence;
use super::event::OrderEvent;
use super::order::Watch;
use super::state::Order;
use super::step::Step;
use super::time::Timestamp;

/// Of this many tracked orders or more
const GUARD_FROM: u64 = 10;

/// A list names the order. `None`: nothing changes.
///
/// One that comes back is where it was, open window included, and is looked at at once.
pub fn track(stored: Option<&Order>, watch: Watch, now: Timestamp) -> Option<Step> {
    let Some(stored) = stored else {
        let mut order = Order::new(watch, now);
        order.generation = 1;
        order.looked.wake_at = cadence::next_wake(&order);
        return Some(Step { order, events: vec![OrderEvent::Tracked] });
    };
    if stored.tracked && stored.watch == watch {
        return None;
    }
    let mut order = Order { watch, tracked: true, generation: stored.generation + 1, ..stored.clone() };
    let events = if stored.tracked { Vec::new() } else { vec![OrderEvent::Tracked] };
    if !stored.tracked {
        order.looked.due_at = Some(now);
    }
    order.looked.wake_at = cadence::next_wake(&order);
    Some(Step { order, events })
}

/// No list names the order any more. It keeps its state.
pub fn untrack(stored: &Order) -> Step {
    let window_open = stored.open_windows().next().is_some();
    let order = Order { tracked: false, generation: stored.generation + 1, ..stored.clone() };
    Step { order, events: vec![OrderEvent::Untracked { window_open }] }
}

/// Whether so many orders would be dropped that an accident is likelier: an empty file, a mount that failed. It is more
/// than half of ten or more.
pub fn is_mass_removal(tracked: u64, removed: u64) -> bool {
    tracked >= GUARD_FROM && removed.saturating_mul(2) > tracked
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::order::{Declared, ListTerms, OrderKey, Provider};
    use super::super::policy::Policy;
    use super::*;

    fn watch(list: &str) -> Watch {
        let terms = ListTerms {
            name: list.into(),
            account: "a".into(),
            labels: std::collections::BTreeMap::new(),
            policy: Policy::default(),
        };
        let declared =
            Declared { ask: "i".into(), number: None, operation: None, requested_at: None, label: None };
        let key =
            OrderKey { provider: Provider::Connect, account: "a".into(), region: "r".into(), id: "i".into() };
        Watch { key, declared, terms: Arc::new(terms) }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn an_order_is_tracked_once_moved_silently_and_comes_back_where_it_was() {
        let new = track(None, watch("one"), at(1)).unwrap();
        assert_eq!((new.order.generation, new.events.as_slice()), (1, [OrderEvent::Tracked].as_slice()));
        assert_eq!(new.order.looked.due_at, Some(at(1)));
        assert_eq!(track(Some(&new.order), watch("one"), at(2)), None);
        let moved = track(Some(&new.order), watch("two"), at(2)).unwrap();
        assert!(moved.events.is_empty());
        assert_eq!(
            (moved.order.generation, moved.order.looked.due_at),
            (2, Some(at(1))),
            "its due time is kept"
        );
        let gone = untrack(&moved.order);
        assert_eq!(gone.events, [OrderEvent::Untracked { window_open: false }]);
        let back = track(Some(&gone.order), watch("two"), at(9)).unwrap();
        assert_eq!((back.events.as_slice(), back.order.generation), ([OrderEvent::Tracked].as_slice(), 4));
        assert_eq!(back.order.state, new.order.state);
        assert_eq!(back.order.looked.due_at, Some(at(9)));
    }

    #[test]
    fn more_than_half_of_ten_or_more_is_an_accident() {
        assert!(is_mass_removal(10, 6) && is_mass_removal(1000, 501));
        assert!(!is_mass_removal(10, 5) && !is_mass_removal(9, 9) && !is_mass_removal(0, 0));
    }
}
