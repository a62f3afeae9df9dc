//! Answers that are not believed: late ones, and lists that are behind.

use super::super::super::observation::Source;
use super::*;

/// CLAIMED, as an answer of minute ten said; then an update began.
fn looked_at_ten() -> Order {
    tell(connect(), &[(10, seen("CLAIMED"), &["number.claimed >CLAIMED"])])
}

#[test]
fn an_answer_to_a_request_from_before_the_last_answer_is_dropped() {
    let order = looked_at_ten();
    let found = [seen("FAILED"), seen("HIBERNATING"), missing(), suspect(), held("CLAIMED"), nobody()];
    for observation in found {
        let (after, said) = hear(&order, &observation, second(599), at(40));
        assert_eq!((said, &after), (Vec::new(), &order), "{observation:?}");
        let (after, _) = hear(&order, &observation, at(10), at(40));
        assert_ne!(after.state, order.state, "{observation:?} began when that came");
    }
    // What says nothing of the order is not measured by it.
    let (after, _) = hear(&order, &refused(Reach::Order), second(599), at(40));
    assert!(after.state.refused);
    let (after, _) = hear(&order, &malformed(), second(599), at(40));
    assert_eq!(after.looked.faults, 1);
}

#[test]
fn an_observation_without_a_request_is_never_late() {
    let order = looked_at_ten();
    let made = look::apply(&order, &missing(), None, at(40));
    assert_ne!(made.order.state, order.state);
}

#[test]
fn after_a_dropped_answer_the_next_look_stands_unless_it_was_due() {
    let mut order =
        tell(connect(), &[(10, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, inferred)"])]);
    order.looked.due_at = Some(at(50));
    let (after, _) = hear(&order, &seen("CLAIMED"), at(9), at(40));
    assert_eq!(after.looked.due_at, Some(at(50)));
    let (after, _) = hear(&order, &seen("CLAIMED"), at(9), at(50));
    assert!(after.looked.due_at > Some(at(50)), "not again at once: {:?}", after.looked);
    assert_eq!(after.looked.answered_at, Some(at(10)), "nothing was learned");
}

#[test]
fn an_answer_from_before_the_clock_stepped_back_makes_none_stale() {
    let mut order = looked_at_ten();
    order.looked.answered_at = Some(at(100));
    let (after, said) = hear(&order, &seen("IN_PROGRESS"), at(49), at(50));
    assert_eq!(said, ["number.in_progress CLAIMED>IN_PROGRESS (update, inferred)"]);
    assert_eq!(after.looked.answered_at, Some(at(50)));
}

fn listed(status: &str, numbers: &str) -> Observation {
    Observation::Seen(Sighting::Chime(ChimeOrder { source: Source::List, ..sighting(status, numbers) }))
}

#[test]
fn a_list_that_steps_back_from_an_end_asks_for_an_own_look() {
    let ended = tell(
        chime(),
        &[(
            0,
            seen_order("Partial", "+1:Acquired +2:Failed +3:Processing"),
            &[
                "number.claimed +1 >CLAIMED",
                "number.failed +2 >FAILED",
                "number.in_progress +3 >IN_PROGRESS",
                "order.status_changed >Partial",
                "order.completed Partial took 0",
            ],
        )],
    );
    let back = [
        listed("Processing", "+1:Acquired +2:Failed +3:Processing"),
        listed("Exception", ""),
        listed("Partial", "+1:Processing +2:Failed +3:Processing"),
        listed("", "+2:Processing"),
    ];
    for observation in back {
        let (after, said) = hear(&ended, &observation, at(5), at(5));
        assert_eq!((said, &after.state), (Vec::new(), &ended.state), "{observation:?}");
        assert_eq!((after.generation, after.looked.due_at), (ended.generation, Some(at(5))));
        assert_eq!(after.looked.answered_at, ended.looked.answered_at);
    }
    tell(
        ended.clone(),
        &[(
            5,
            seen_order("Processing", "+1:Acquired +2:Failed +3:Processing"),
            &["order.status_changed Partial>Processing"],
        )],
    );
    tell(
        ended,
        &[(
            5,
            seen_order("Partial", "+1:Processing +2:Failed +3:Processing"),
            &["number.in_progress +1 CLAIMED>IN_PROGRESS"],
        )],
    );
}

#[test]
fn a_list_is_believed_where_it_does_not_step_back() {
    tell(
        chime(),
        &[
            (
                0,
                listed("Processing", "+1:Processing +2:Processing"),
                &[
                    "number.in_progress +1 >IN_PROGRESS",
                    "number.in_progress +2 >IN_PROGRESS",
                    "order.status_changed >Processing",
                ],
            ),
            (
                1,
                listed("Partial", "+1:Acquired +2:Failed"),
                &[
                    "number.claimed +1 IN_PROGRESS>CLAIMED took 1",
                    "number.failed +2 IN_PROGRESS>FAILED",
                    "order.status_changed Processing>Partial",
                    "order.completed Partial took 1",
                ],
            ),
            // From one end to another, a word that nobody knows, and a number that it did not have.
            (
                2,
                listed("Successful", "+1:Acquired +2:Acquired +3:Processing"),
                &[
                    "number.claimed +2 FAILED>CLAIMED",
                    "number.in_progress +3 >IN_PROGRESS",
                    "order.status_changed Partial>Successful",
                    "order.completed Successful took 2",
                ],
            ),
            (
                3,
                listed("Dreaming", "+1:Acquired +2:Acquired +3:Processing"),
                &["order.unrecognized Dreaming"],
            ),
        ],
    );
}
