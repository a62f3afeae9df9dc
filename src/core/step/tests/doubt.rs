//! Why an order that a look did not find is not called missing yet.

use super::super::super::inquiry::is_wanted;
use super::super::super::state::Absence;
use super::*;

fn in_progress() -> Order {
    tell(connect(), &[(0, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, inferred)"])])
}

/// ±10 % of the minute at which an order of this age is looked at.
fn at_the_usual_pace(order: &Order, now: Timestamp) -> bool {
    let wait = order.looked.due_at.map_or(Duration::ZERO, |due| due.since(now));
    (Duration::from_secs(54)..=Duration::from_secs(66)).contains(&wait)
}

#[test]
fn a_suspect_miss_confirms_nothing_and_keeps_the_first_one() {
    let mut order = in_progress();
    for minute in [20, 21, 30, 50] {
        order = tell(order, &[(minute, suspect(), &[])]);
        assert_eq!(order.state.absence, Absence::Suspect { since: at(20) });
        assert!(at_the_usual_pace(&order, at(minute)), "{:?} at minute {minute}", order.looked);
    }
    let order = tell(order, &[(51, missing(), &[])]);
    assert_eq!(order.state.absence, Absence::Doubted { since: at(51) });
    assert!(is_wanted(&order, at(51)), "before it is released it is asked who else holds it");
    tell(order, &[(51, nobody(), &[]), (52, missing(), &["number.released IN_PROGRESS>RELEASED"])]);
}

#[test]
fn a_doubt_that_becomes_suspect_and_is_trusted_again_begins_anew() {
    let order = tell(in_progress(), &[(20, missing(), &[])]);
    assert_eq!(order.state.absence, Absence::Doubted { since: at(20) });
    let order = tell(order, &[(21, suspect(), &[]), (22, suspect(), &[])]);
    assert_eq!(order.state.absence, Absence::Suspect { since: at(20) });
    let order = tell(order, &[(23, missing(), &[])]);
    assert_eq!(order.state.absence, Absence::Doubted { since: at(23) });
    let early = second(24 * 60 - 1);
    let (order, said) = hear(&order, &missing(), early, early);
    assert_eq!((said, order.state.absence), (Vec::new(), Absence::Doubted { since: at(23) }));
    tell(order, &[(24, missing(), &["number.released IN_PROGRESS>RELEASED"])]);
}

#[test]
fn a_sighting_clears_a_suspicion_and_what_is_no_answer_leaves_it() {
    let order = tell(
        in_progress(),
        &[(20, suspect(), &[]), (21, unavailable(), &[]), (22, Observation::Elapsed, &[])],
    );
    assert_eq!(order.state.absence, Absence::Suspect { since: at(20) });
    let order = tell(order, &[(23, seen("IN_PROGRESS"), &[])]);
    assert_eq!(order.state.absence, Absence::None);
    let order = tell(order, &[(24, missing(), &[])]);
    assert_eq!(order.state.absence, Absence::Doubted { since: at(24) });
}

#[test]
fn a_suspect_order_that_was_never_seen_and_a_chime_order_wait_alike() {
    let waits = [(20, suspect(), [].as_slice()), (30, suspect(), &[])];
    let trusted = [(31, missing(), [].as_slice()), (32, missing(), &["order.not_found : no such"])];
    let order = tell(tell(connect(), &waits), &trusted);
    tell(order, &[(33, suspect(), &[]), (34, missing(), &[])]);
    tell(tell(chime(), &waits), &trusted);
}

#[test]
fn a_young_order_is_not_doubted_and_the_time_to_confirm_begins_after() {
    let order = tell(connect(), &[(9, missing(), &[])]);
    assert_eq!(order.state.absence, Absence::Young { until: at(10) });
    assert!(at_the_usual_pace(&order, at(9)), "{:?}", order.looked);
    let order = tell(order, &[(10, missing(), &[])]);
    assert_eq!(order.state.absence, Absence::Doubted { since: at(10) });
    let early = second(11 * 60 - 1);
    let (order, said) = hear(&order, &missing(), early, early);
    assert_eq!(said, Vec::<String>::new());
    tell(order, &[(11, missing(), &["order.not_found : no such"])]);
}

#[test]
fn a_young_order_is_not_suspect_either() {
    let order = tell(connect(), &[(5, suspect(), &[])]);
    assert_eq!(order.state.absence, Absence::Young { until: at(10) });
    let order = tell(order, &[(10, suspect(), &[])]);
    assert_eq!(order.state.absence, Absence::Suspect { since: at(10) });
}

#[test]
fn a_sighting_ends_youth() {
    let order = tell(connect(), &[(5, missing(), &[]), (6, seen(""), &[])]);
    assert_eq!(order.state.absence, Absence::None);
    let order = tell(order, &[(7, missing(), &[])]);
    assert_eq!(order.state.absence, Absence::Young { until: at(10) }, "it may be behind again");
}
