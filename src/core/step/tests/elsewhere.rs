//! Who else holds the number: when it is asked, and what an answer makes of it.

use super::super::super::inquiry::is_wanted;
use super::super::super::state::{Other, Subject};
use super::super::super::window::{Outcome, WindowState};
use super::windows::failing;
use super::*;

/// FAILED is the first thing seen, so that all marks are past: they wait for the inquiry.
fn at_risk() -> Order {
    let failed = ["number.failed >FAILED (claim, inferred)", "window.opened failure_first_seen 0..1440"];
    let order = tell(connect(), &[(0, seen("FAILED"), &failed)]);
    assert!(is_wanted(&order, at(0)));
    order
}

fn other(order: &Order) -> &Other {
    let Subject::Connect(connect) = &order.state.subject else { panic!("{:?}", order.state.subject) };
    &connect.other
}

fn held_by_other(raw: &str) -> Other {
    Other::Held { by: "other".into(), raw: (!raw.is_empty()).then(|| raw.to_owned()) }
}

#[test]
fn another_id_that_is_claimed_resolves_the_window() {
    let order = tell(
        failing(|_| {}),
        &[
            (719, seen("FAILED"), &[]),
            (719, held("CLAIMED"), &["window.resolved by other"]),
            (720, Observation::Elapsed, &[]),
            (9 * DAY, Observation::Elapsed, &[]),
        ],
    );
    let number = &order.state.numbers[NUMBER];
    assert_eq!(number.status.word(), Some("FAILED"), "its own status stays");
    let WindowState::Closed(closed) = &number.window else { panic!("{number:?}") };
    assert_eq!(closed.outcome, Outcome::ClaimedElsewhere { other_id: "other".into() });
    assert_eq!(other(&order), &held_by_other("CLAIMED"));
    tell(order, &[(9 * DAY, seen("CLAIMED"), &["number.claimed FAILED>CLAIMED"])]);
}

#[test]
fn a_rescue_under_another_id_that_is_found_late_is_told_without_alarm() {
    tell(
        failing(|_| {}),
        &[
            (1500, seen("FAILED"), &[]),
            (1500, held("CLAIMED"), &["window.resolved by other"]),
            (1501, seen("FAILED"), &[]),
        ],
    );
}

#[test]
fn whoever_else_has_it_in_another_status_rescues_nothing() {
    let warned = ["window.closing 30 min due -30 last"].as_slice();
    for raw in ["IN_PROGRESS", "FAILED", "HIBERNATING", ""] {
        let order = tell(at_risk(), &[(0, held(raw), warned), (1, held(raw), &[])]);
        assert_eq!(other(&order), &held_by_other(raw));
        assert_eq!(order.open_windows().count(), 1, "{raw}");
    }
    let order = tell(at_risk(), &[(0, nobody(), warned), (1, nobody(), &[])]);
    assert_eq!(other(&order), &Other::Nobody);
    let order = tell(at_risk(), &[(0, unknown(None), warned), (1, unknown(None), &[])]);
    assert_eq!(other(&order), &Other::Unknown { why: "no".into(), refused: false });
}

#[test]
fn that_it_is_refused_is_told_once_until_it_is_answered() {
    let refused = || unknown(Some("AccessDeniedException"));
    tell(
        at_risk(),
        &[
            (0, unknown(None), &["window.closing 30 min due -30 last"]),
            (0, refused(), &["order.attention holders_denied"]),
            (700, refused(), &[]),
            (701, nobody(), &[]),
            (702, refused(), &["order.attention holders_denied"]),
            (703, refused(), &[]),
        ],
    );
}

#[test]
fn a_number_that_only_its_list_names_is_asked_for() {
    let order = order(Provider::Connect, |_, declared| declared.number = Some(NUMBER.into()));
    let order = tell(
        order,
        &[(
            0,
            named("", "FAILED"),
            &["number.failed ? >FAILED (claim, inferred)", "window.opened ? failure_first_seen 0..1440"],
        )],
    );
    assert!(is_wanted(&order, at(0)));
    tell(order, &[(0, held("CLAIMED"), &["window.resolved ? by other"])]);
}

#[test]
fn a_number_that_nobody_names_cannot_be_asked_for_and_is_warned_of_at_once() {
    let order = tell(
        connect(),
        &[(
            0,
            named("", "FAILED"),
            &[
                "number.failed ? >FAILED (claim, inferred)",
                "window.opened ? failure_first_seen 0..1440",
                "window.closing ? 30 min due -30 last",
            ],
        )],
    );
    assert!(!is_wanted(&order, at(0)) && !is_wanted(&order, at(1439)));
    let order = tell(order, &[(20, missing(), &[])]);
    assert!(!is_wanted(&order, at(20)), "nor before it is called released");
    assert_eq!(order.looked.due_at, Some(at(21)));
}

#[test]
fn an_answer_of_the_last_minute_is_fresh() {
    let mark = 720 * 60;
    let told = ["window.closing 720 min due 720"].as_slice();
    let cases = [
        // asked so many seconds before the look, whether it is asked again
        (Some(0), false),
        (Some(30), false),
        (Some(60), false),
        (Some(61), true),
        (Some(3600), true),
        (None, true),
        // By a clock that stepped back since: that says nothing.
        (Some(-1), true),
    ];
    for (ago, wanted) in cases {
        let mut order = failing(|_| {});
        order.looked.elsewhere_at = ago.map(|ago| second(mark - ago));
        if let Subject::Connect(connect) = &mut order.state.subject {
            connect.other = Other::Nobody;
        }
        let (after, said) = hear(&order, &seen("FAILED"), second(mark), second(mark));
        assert_eq!(said, if wanted { &[] } else { told }, "asked {ago:?} s ago");
        assert_eq!(after.looked.due_at == Some(second(mark)), wanted, "asked {ago:?} s ago");
    }
}

#[test]
fn it_is_asked_a_minute_before_a_mark_and_before_the_end() {
    let order = failing(|_| {});
    for (mark, warned) in [(720, None), (1410, Some(120)), (1450, Some(30))] {
        let mut order = order.clone();
        if let WindowState::Open(window) = &mut order.state.numbers.get_mut(NUMBER).unwrap().window {
            window.warned = warned.map(Duration::from_mins);
        }
        assert!(!is_wanted(&order, second(mark * 60 - 61)), "{mark}");
        assert!(is_wanted(&order, second(mark * 60 - 60)), "{mark}");
        assert!(is_wanted(&order, at(mark + 99)), "{mark}");
    }
}

#[test]
fn an_answer_has_to_be_fresh_when_it_is_needed() {
    let mark = 720 * 60;
    // The look before the mark comes soon after an inquiry for another reason: fresh then, but not at the mark.
    for (ago, wanted) in [(0, false), (1, true), (50, true)] {
        let mut order = failing(|_| {});
        if let Subject::Connect(connect) = &mut order.state.subject {
            connect.other = Other::Nobody;
        }
        order.looked.elsewhere_at = Some(second(mark - 60 - ago));
        let (after, _) = hear(&order, &seen("FAILED"), second(mark - 60), second(mark - 60));
        assert_eq!(after.looked.due_at == Some(second(mark - 60)), wanted, "asked {ago} s before");
    }
}

#[test]
fn a_wanted_inquiry_is_due_at_once_and_its_answer_brings_the_usual_pace() {
    let (order, said) = hear(&failing(|_| {}), &seen("FAILED"), at(719), second(719 * 60 + 2));
    assert_eq!((said, order.looked.due_at), (Vec::new(), Some(second(719 * 60 + 2))));
    let searching = Observation::Elsewhere(Elsewhere::Searching);
    let (on, said) = hear(&order, &searching, second(719 * 60 + 3), second(719 * 60 + 4));
    assert_eq!((said, on.looked, on.generation), (Vec::new(), order.looked, order.generation));
    let (over, said) = hear(&on, &nobody(), second(719 * 60 + 5), second(719 * 60 + 6));
    assert_eq!((said, over.looked.elsewhere_at), (Vec::new(), Some(second(719 * 60 + 6))));
    assert!(over.looked.due_at > Some(at(720)), "{:?}", over.looked);
    tell(over, &[(720, Observation::Elapsed, &["window.closing 720 min due 720"])]);
}

#[test]
fn while_it_is_searched_nothing_is_told() {
    tell(
        failing(|_| {}),
        &[
            (720, seen("FAILED"), &[]),
            (721, Observation::Elsewhere(Elsewhere::Searching), &[]),
            (722, nobody(), &["window.closing 720 min due 720"]),
        ],
    );
}

#[test]
fn the_clock_does_not_wait_for_the_inquiry() {
    tell(
        failing(|_| {}),
        &[
            (720, seen("FAILED"), &[]),
            (720, Observation::Elapsed, &["window.closing 720 min due 720"]),
            (720, nobody(), &[]),
        ],
    );
}

#[test]
fn what_waits_for_the_inquiry_waits_a_minute_at_most() {
    let mut order = at_risk();
    assert_eq!(order.looked.wake_at, Some(at(1)));
    let nothing = [unavailable(), throttled(), malformed(), seen("FAILED"), refused(Reach::Order)];
    for (n, observation) in (1..).zip(nothing) {
        let (after, said) = hear(&order, &observation, second(n * 10), second(n * 10));
        assert!(!said.iter().any(|said| said.starts_with("window")), "{observation:?}: {said:?}");
        assert_eq!(after.looked.wake_at, Some(at(1)), "{observation:?} puts it off");
        order = after;
    }
    tell(order, &[(1, Observation::Elapsed, &["window.closing 30 min due -30 last"])]);
}

#[test]
fn before_a_number_is_called_released_it_is_asked_once_a_doubt() {
    for (found, released) in [
        (nobody(), "number.released CLAIMED>RELEASED"),
        (unknown(None), "number.released CLAIMED>RELEASED"),
        (held("CLAIMED"), "number.released CLAIMED>RELEASED under other"),
        (held("FAILED"), "number.released CLAIMED>RELEASED under other"),
    ] {
        let order = tell(connect(), &[(0, seen("CLAIMED"), &["number.claimed >CLAIMED"])]);
        let order = tell(order, &[(20, missing(), &[])]);
        assert!(is_wanted(&order, at(20)));
        assert_eq!(order.looked.due_at, Some(at(20)));
        let order = tell(order, &[(20, found, &[])]);
        assert!(!is_wanted(&order, at(20)) && !is_wanted(&order, at(40)));
        assert_eq!(order.looked.due_at, Some(at(21)), "then the look that confirms");
        tell(order, &[(21, missing(), &[released])]);
    }
}

#[test]
fn a_new_doubt_asks_anew() {
    let order = tell(
        connect(),
        &[
            (0, seen("CLAIMED"), &["number.claimed >CLAIMED"]),
            (20, missing(), &[]),
            (20, held("IN_PROGRESS"), &[]),
            (21, seen("CLAIMED"), &[]),
        ],
    );
    assert!(!is_wanted(&order, at(21)), "there is no doubt");
    let (order, _) = hear(&order, &missing(), second(21 * 60 + 5), second(21 * 60 + 5));
    assert!(is_wanted(&order, second(21 * 60 + 5)), "it was asked before this doubt, however fresh that is");
    tell(order, &[(22, nobody(), &[]), (23, missing(), &["number.released CLAIMED>RELEASED"])]);
}

#[test]
fn what_was_never_seen_or_is_released_or_is_an_order_is_not_asked_for() {
    let unseen = order(Provider::Connect, |_, declared| declared.number = Some(NUMBER.into()));
    let unseen = tell(unseen, &[(20, missing(), &[])]);
    assert!(unseen.state.doubted_since().is_some() && !is_wanted(&unseen, at(20)));
    let released = tell(
        connect(),
        &[
            (0, seen("CLAIMED"), &["number.claimed >CLAIMED"]),
            (20, missing(), &[]),
            (21, missing(), &["number.released CLAIMED>RELEASED"]),
            (22, seen(""), &[]),
            (23, missing(), &[]),
        ],
    );
    assert!(released.state.doubted_since().is_some() && !is_wanted(&released, at(23)));
    let chime = order(Provider::Chime, |policy, _| policy.window_for_chime = true);
    let said = [
        "number.failed +1 >FAILED",
        "window.opened +1 failure_first_seen 0..1440",
        "window.closing +1 30 min due -30 last",
    ];
    let chime = tell(chime, &[(0, seen_order("", "+1:Failed"), &said), (1439, missing(), &[])]);
    assert!(!is_wanted(&chime, at(1439)));
    let before = chime.generation;
    let chime = tell(chime, &[(1439, held("CLAIMED"), &[])]);
    assert_eq!((chime.generation, chime.open_windows().count()), (before, 1), "it has no ids to ask for");
}

#[test]
fn an_answer_is_about_the_number_that_it_was_asked_for() {
    let order = tell(at_risk(), &[(0, held(""), &["window.closing 30 min due -30 last"])]);
    let claimed =
        tell(order.clone(), &[(1, seen("CLAIMED"), &["number.claimed FAILED>CLAIMED", "window.resolved"])]);
    assert_eq!(other(&claimed), &Other::NotAsked, "there is no need any more");
    let said = [
        "window.closed released",
        "number.released FAILED>RELEASED under other",
        "number.claimed +15551230001 >CLAIMED",
    ];
    let another = tell(order, &[(1, named("+15551230001", "CLAIMED"), &said)]);
    assert_eq!(other(&another), &Other::NotAsked);
}

#[test]
fn an_answer_tells_a_stall_as_well() {
    let stalling = order(Provider::Connect, |policy, _| policy.stalled_after = Some(Duration::from_mins(30)));
    tell(
        stalling,
        &[
            (0, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, inferred)"]),
            (40, Observation::Elsewhere(Elsewhere::Searching), &[]),
            (40, nobody(), &["order.stalled 40 min due 30"]),
        ],
    );
}
