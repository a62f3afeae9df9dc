//! Why an order is looked at when it is, for people.

use super::super::message::span;
use super::super::observation::ChimeStatus;
use super::super::policy::AfterTerminal;
use super::super::state::{Chime, Order, Presence, Subject};
use super::super::step::FAULTS_UNTIL_BLOCKED;
use super::super::time::Timestamp;
use super::{done_at, next_alert};

/// In a sentence, why the order is next looked at when `looked.due_at` says.
pub fn why(order: &Order, now: Timestamp) -> String {
    let poll = &order.watch.terms.policy.poll;
    let looked = &order.looked;
    let Some(due) = looked.due_at else {
        let left = if order.tracked { "it is done" } else { "no watch list names it" };
        return format!("{left}: it is not looked at any more");
    };
    if !order.tracked {
        return "no watch list names it: it is not looked at any more".to_owned();
    }
    if order.state.doubted_since().is_some() {
        return format!(
            "the last look did not find it; a second one after {} has to say so too",
            span(poll.missing_confirm)
        );
    }
    if looked.faults >= FAULTS_UNTIL_BLOCKED {
        return format!("{} looks in a row failed through its own fault: about once a day", looked.faults);
    }
    if looked.faults > 0 {
        return format!(
            "{} looks in a row failed through its own fault: more seldom each time",
            looked.faults
        );
    }
    if let Some(alert) = next_alert(order)
        && looked.waits_ahead(now) == Some(due)
    {
        return format!("the alert at {alert} is to rest on it");
    }
    if looked.answered_at.is_none() {
        return "it was not looked at yet: it waits for its turn".to_owned();
    }
    if done_at(order).is_some_and(|done| done <= now)
        && let AfterTerminal::Every(interval) = poll.after_terminal
    {
        return format!("it is done, and looked at on every {} (poll.after_terminal)", span(interval));
    }
    of_its_age(order, now)
}

fn of_its_age(order: &Order, now: Timestamp) -> String {
    if let Presence::Gone { .. } = order.state.presence {
        return "it is gone; what comes back comes back soon, so it is looked at for a day".to_owned();
    }
    let porting = |chime: &Chime| chime.porting || chime.status.is_some_and(ChimeStatus::is_porting);
    if let Subject::Chime(chime) = &order.state.subject
        && porting(chime)
    {
        return "porting takes weeks: every 15 min around its date, else at a 60th of its age".to_owned();
    }
    let age = now.since(order.state.changed_at.max(order.state.first_watched));
    format!("nothing changed for {}: the older, the more seldom", span(age))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::super::order::{Declared, ListTerms, OrderKey, Provider, Watch};
    use super::super::super::policy::Policy;
    use super::super::super::state::{Absence, Number, Status};
    use super::*;

    #[test]
    fn every_reason_is_told() {
        let at = |minutes: i64| Timestamp::from_millis(1_795_341_600_000 + minutes * 60_000);
        let terms = |after_terminal| {
            let mut policy = Policy::default();
            policy.poll.after_terminal = after_terminal;
            ListTerms { name: "emea".into(), account: "a".into(), labels: BTreeMap::new(), policy }
        };
        let order = |provider, after| {
            let key = OrderKey { provider, account: "a".into(), region: "r".into(), id: "i".into() };
            let declared =
                Declared { ask: "i".into(), number: None, operation: None, requested_at: None, label: None };
            Order::new(Watch { key, declared, terms: Arc::new(terms(after)) }, at(0))
        };
        let fresh = || order(Provider::Connect, AfterTerminal::Stop);
        assert_eq!(why(&fresh(), at(1)), "it was not looked at yet: it waits for its turn");
        let mut seen = fresh();
        seen.looked.answered_at = Some(at(0));
        assert_eq!(why(&seen, at(7)), "nothing changed for 7 min: the older, the more seldom");
        let mut faulty = seen.clone();
        faulty.looked.faults = 2;
        assert!(
            why(&faulty, at(7)).starts_with("2 looks in a row failed through its own fault: more seldom")
        );
        faulty.looked.faults = 8;
        assert!(why(&faulty, at(7)).ends_with("about once a day"));
        let mut doubted = seen.clone();
        doubted.state.absence = Absence::Doubted { since: at(0) };
        assert!(why(&doubted, at(1)).starts_with("the last look did not find it; a second one after 1 min"));
        let mut done = seen.clone();
        done.looked.due_at = None;
        assert_eq!(why(&done, at(1)), "it is done: it is not looked at any more");
        done.tracked = false;
        assert_eq!(why(&done, at(1)), "no watch list names it: it is not looked at any more");
        let mut verified = order(Provider::Connect, AfterTerminal::Every(Duration::from_hours(6)));
        verified.looked.answered_at = Some(at(0));
        let number = Number { status: Status::Claimed { since: at(0) }, ..Number::default() };
        verified.state.numbers.insert(String::new(), number);
        assert_eq!(why(&verified, at(1)), "it is done, and looked at on every 6 h (poll.after_terminal)");
        let mut porting = order(Provider::Chime, AfterTerminal::Stop);
        porting.looked.answered_at = Some(at(0));
        let chime = Chime { porting: true, ..Chime::default() };
        porting.state.subject = Subject::Chime(chime);
        assert!(why(&porting, at(1)).starts_with("porting takes weeks"));
    }
}
