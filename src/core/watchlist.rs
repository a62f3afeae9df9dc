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
/// One that comes back is where it was, open window included, and is looked at at once; so is one that is asked for in
/// another way (an ARN may be found where its bare id was not). Other terms may bring the next look forward, also of one
/// that was done, and never put it off.
pub fn track(stored: Option<&Order>, watch: Watch, now: Timestamp) -> Option<Step> {
    let Some(stored) = stored else {
        let mut order = Order::new(watch, now);
        order.generation = 1;
        order.looked.wake_at = cadence::next_wake(&order, now);
        return Some(Step { order, events: vec![OrderEvent::Tracked] });
    };
    if stored.tracked && stored.watch == watch {
        return None;
    }
    let asks_anew = !stored.tracked || stored.watch.declared.ask != watch.declared.ask;
    let mut order = Order { watch, tracked: true, generation: stored.generation + 1, ..stored.clone() };
    let events = if stored.tracked { Vec::new() } else { vec![OrderEvent::Tracked] };
    let due = if asks_anew {
        Some(now)
    } else {
        stored.looked.due_at.into_iter().chain(cadence::next_look(&order, now)).min()
    };
    order.looked.decide(due, now);
    order.looked.wake_at = cadence::next_wake(&order, now);
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
    use std::time::Duration;

    use super::super::policy::{AfterTerminal, Policy};
    use super::super::state::Presence;
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
    fn other_terms_may_bring_the_next_look_forward_and_never_put_it_off() {
        let with = |after_terminal, ceiling| {
            let mut watch = watch("one");
            let poll = &mut Arc::make_mut(&mut watch.terms).policy.poll;
            (poll.after_terminal, poll.ceiling) = (after_terminal, ceiling);
            watch
        };
        let (minute, hour) = (Duration::from_mins(1), Duration::from_hours(1));
        let mut done = track(None, with(AfterTerminal::Stop, hour), at(0)).unwrap().order;
        done.state.presence = Presence::Gone { since: at(0) };
        done.looked.due_at = None;
        let now = at(2 * 86_400);
        let still = track(Some(&done), with(AfterTerminal::Stop, minute), now).unwrap();
        assert_eq!(still.order.looked.due_at, None, "done is done");
        let again = track(Some(&done), with(AfterTerminal::Every(hour), hour), now).unwrap();
        assert!(again.order.looked.due_at.is_some(), "the list wants it looked at for ever");

        let mut stuck = track(None, with(AfterTerminal::Stop, hour), at(0)).unwrap().order;
        stuck.looked.due_at = Some(now.plus(hour));
        let mut arn = with(AfterTerminal::Stop, minute);
        arn.declared.ask = "arn:i".into();
        assert_eq!(
            track(Some(&done), arn, now).unwrap().order.looked.due_at,
            Some(now),
            "asked in another way"
        );
        let sooner = track(Some(&stuck), with(AfterTerminal::Stop, minute), now).unwrap();
        assert_eq!(sooner.order.looked.due_at, Some(now.plus(minute)));
        stuck.looked.due_at = Some(now.plus(Duration::from_secs(1)));
        let kept = track(Some(&stuck), with(AfterTerminal::Stop, minute), now).unwrap();
        assert_eq!(kept.order.looked.due_at, stuck.looked.due_at);
    }

    #[test]
    fn more_than_half_of_ten_or_more_is_an_accident() {
        assert!(is_mass_removal(10, 6) && is_mass_removal(1000, 501));
        assert!(!is_mass_removal(10, 5) && !is_mass_removal(9, 9) && !is_mass_removal(0, 0));
    }
}
