//! Stalls, and looks that fail through the order's own fault.

use super::*;

fn stalling(provider: Provider) -> Order {
    order(provider, |policy, _| policy.stalled_after = Some(Duration::from_mins(30)))
}

#[test]
fn a_stall_is_told_once_until_something_changes() {
    tell(
        stalling(Provider::Connect),
        &[
            (29, unavailable(), &[]),
            (30, Observation::Elapsed, &["order.stalled 30 min due 30"]),
            (99, Observation::Elapsed, &[]),
            // To be seen for the first time is no change while nothing is decided.
            (100, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, inferred)"]),
            (110, seen("IN_PROGRESS"), &[]),
            (135, seen("IN_PROGRESS"), &[]),
            (200, seen("IN_PROGRESS"), &[]),
            (
                201,
                seen("FAILED"),
                &[
                    "number.failed IN_PROGRESS>FAILED (claim, inferred)",
                    "window.opened first_look 1540..1641",
                ],
            ),
            (301, seen("IN_PROGRESS"), &["number.in_progress FAILED>IN_PROGRESS (claim, inferred) retrying"]),
            (331, seen("IN_PROGRESS"), &["order.stalled 30 min due 331"]),
            (
                332,
                seen("CLAIMED"),
                &["number.claimed IN_PROGRESS>CLAIMED (claim, inferred) took 31", "window.resolved"],
            ),
            (9 * DAY, Observation::Elapsed, &[]),
        ],
    );
}

#[test]
fn a_number_whose_status_nobody_knows_stalls_like_one_that_was_never_seen() {
    for answer in [seen("HIBERNATING"), seen("")] {
        let order = look::apply(&stalling(Provider::Connect), &answer, None, at(1)).order;
        tell(order, &[(30, Observation::Elapsed, &["order.stalled 30 min due 30"])]);
    }
}

#[test]
fn what_has_its_outcome_or_is_gone_does_not_stall() {
    tell(
        stalling(Provider::Connect),
        &[(0, seen("CLAIMED"), &["number.claimed >CLAIMED"]), (DAY, Observation::Elapsed, &[])],
    );
    tell(
        stalling(Provider::Connect),
        &[
            (20, missing(), &[]),
            (21, missing(), &["order.not_found : no such"]),
            (DAY, Observation::Elapsed, &[]),
        ],
    );
    tell(
        stalling(Provider::Chime),
        &[
            (
                0,
                seen_order("Successful", "+1:Acquired"),
                &[
                    "number.claimed +1 >CLAIMED",
                    "order.status_changed >Successful",
                    "order.completed Successful took 0",
                ],
            ),
            (DAY, Observation::Elapsed, &[]),
        ],
    );
    tell(order(Provider::Connect, |_, _| {}), &[(9 * DAY, Observation::Elapsed, &[])]);
}

#[test]
fn a_chime_order_stalls_by_its_word_or_by_a_number() {
    tell(
        stalling(Provider::Chime),
        &[
            (
                0,
                seen_order("Processing", "+1:Acquired"),
                &["number.claimed +1 >CLAIMED", "order.status_changed >Processing"],
            ),
            (30, Observation::Elapsed, &["order.stalled 30 min due 30"]),
            (
                31,
                seen_order("Partial", "+1:Acquired +2:Processing"),
                &[
                    "number.in_progress +2 >IN_PROGRESS",
                    "order.status_changed Processing>Partial",
                    "order.completed Partial took 31",
                ],
            ),
            (61, Observation::Elapsed, &["order.stalled 30 min due 61"]),
        ],
    );
}

#[test]
fn access_denied_is_told_once_until_a_good_answer() {
    let said = ["order.attention access_denied"].as_slice();
    tell(
        connect(),
        &[
            (0, refused(Reach::Order), said),
            (1, refused(Reach::Order), &[]),
            (2, unavailable(), &[]),
            (3, refused(Reach::Order), &[]),
            (4, seen("CLAIMED"), &["number.claimed >CLAIMED"]),
            (5, refused(Reach::Order), said),
            // That the service does not know it is a good answer too.
            (6, missing(), &[]),
            (7, refused(Reach::Order), said),
            // What concerns the scope is not this order's to tell.
            (8, refused(Reach::Scope), &[]),
        ],
    );
}

#[test]
fn eight_faults_in_a_row_block_until_a_good_answer() {
    let said = ["order.blocked 8: no JSON"].as_slice();
    let faults = |from: i64, order: Order| {
        let lines: Vec<Line<'_>> =
            (0..9).map(|n| (from + n, malformed(), if n == 7 { said } else { &[] })).collect();
        tell(order, &lines)
    };
    let order = faults(0, connect());
    // What is nobody's fault does not count, and does not end it either.
    let order = tell(order, &[(20, throttled(), &[]), (21, unavailable(), &[]), (22, malformed(), &[])]);
    assert_eq!(order.looked.faults, 10);
    let order = tell(order, &[(30, seen("CLAIMED"), &["number.claimed >CLAIMED"])]);
    assert_eq!((order.looked.faults, order.state.blocked), (0, false));
    let order = faults(40, order);
    let order = tell(order, &[(60, missing(), &[]), (61, seen("CLAIMED"), &[])]);
    faults(70, order);
}

#[test]
fn seven_faults_and_an_answer_are_none() {
    let seven: Vec<Line<'_>> = (0..7).map(|n| (n, malformed(), [].as_slice())).collect();
    let order = tell(connect(), &seven);
    let order = tell(order, &[(8, missing(), &[])]);
    tell(order, &seven);
}

#[test]
fn what_a_look_leaves_behind() {
    let order =
        tell(connect(), &[(0, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, inferred)"])]);
    let now = at(3);
    let (answered, before) = (Some(now), Some(at(0)));
    let cases = [
        // observation, the last answer, whether the next look moves, faults
        (seen("IN_PROGRESS"), answered, true, 0),
        (missing(), answered, true, 0),
        (unavailable(), before, true, 3),
        (refused(Reach::Order), before, true, 3),
        (malformed(), before, true, 4),
        (nobody(), before, true, 3),
        (held(""), before, true, 3),
        (unknown(None), before, true, 3),
        (Observation::Elsewhere(Elsewhere::Searching), before, false, 3),
        (throttled(), before, false, 3),
        (refused(Reach::Scope), before, false, 3),
        (Observation::Elapsed, before, false, 3),
    ];
    for (observation, last, moves, faults) in cases {
        let mut stored = order.clone();
        stored.looked.faults = 3;
        let after = look::apply(&stored, &observation, Some(at(2)), now).order.looked;
        assert_eq!(after.answered_at, last, "{observation:?}");
        assert_eq!(after.due_at.unwrap() > now, moves, "{observation:?}");
        assert_eq!(after.due_at != stored.looked.due_at, moves, "{observation:?}");
        assert_eq!(after.faults, faults, "{observation:?}");
        let asked = matches!(observation, Observation::Elsewhere(_)) && moves;
        assert_eq!(after.elsewhere_at, asked.then_some(now), "{observation:?}");
    }
}

#[test]
fn which_looks_show_it_not_failed() {
    let shows = |provider: Provider, observation: &Observation| {
        let made = look::apply(&order(provider, |_, _| {}), observation, None, at(3));
        made.order.looked.not_failed_at == Some(at(3))
    };
    for (observation, expected) in [
        (seen("IN_PROGRESS"), true),
        (seen("CLAIMED"), true),
        (seen("FAILED"), false),
        (seen("HIBERNATING"), false),
        (seen(""), false),
        (missing(), false),
        (nobody(), false),
        (unavailable(), false),
        (Observation::Elapsed, false),
    ] {
        assert_eq!(shows(Provider::Connect, &observation), expected, "{observation:?}");
    }
    for (numbers, expected) in [
        ("+1:Failed +2:Acquired", true),
        ("+1:Processing", true),
        ("+1:Failed +2:Floating", false),
        ("", false),
    ] {
        assert_eq!(shows(Provider::Chime, &seen_order("Processing", numbers)), expected, "{numbers}");
    }
}

#[test]
fn the_time_that_matters_is_kept_with_every_look() {
    let order = stalling(Provider::Connect);
    let order = look::apply(&order, &throttled(), None, at(1)).order;
    assert_eq!(order.looked.wake_at, Some(at(30)));
    let order = look::apply(&order, &Observation::Elapsed, None, at(30)).order;
    assert_eq!(order.looked.wake_at, None);
    let order = look::apply(&order, &seen("FAILED"), None, at(31)).order;
    assert_eq!(
        order.looked.wake_at,
        Some(at(32)),
        "its marks are past: they wait for an inquiry, a minute at most"
    );
    let order = look::apply(&order, &nobody(), None, at(31)).order;
    assert_eq!(order.looked.wake_at, Some(at(31 + DAY)), "then its end");
}
