//! Marks, and the end of a window.

use super::super::super::policy::CountsFrom;
use super::super::super::window::{Window, WindowState};
use super::*;

/// In progress at zero, failed at minute ten: a window that ends from 1440 to 1450.
pub(super) fn failing(adjust: impl FnOnce(&mut Policy)) -> Order {
    tell(
        order(Provider::Connect, |policy, _| adjust(policy)),
        &[
            (0, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, inferred)"]),
            (
                10,
                seen("FAILED"),
                &[
                    "number.failed IN_PROGRESS>FAILED (claim, inferred)",
                    "window.opened first_look 1440..1450",
                ],
            ),
        ],
    )
}

#[test]
fn each_mark_is_told_once_and_the_end_at_its_latest() {
    let order = tell(
        failing(|_| {}),
        &[
            (719, Observation::Elapsed, &[]),
            (720, Observation::Elapsed, &["window.closing 720 min due 720"]),
            (721, Observation::Elapsed, &[]),
            // An answer tells it too, once it was asked who else holds the number; what is none does not.
            (1320, seen("FAILED"), &[]),
            (1320, nobody(), &["window.closing 120 min due 1320"]),
            (1411, throttled(), &[]),
            (1412, unavailable(), &[]),
            (1413, malformed(), &[]),
            (1414, refused(Reach::Scope), &[]),
            (1415, Observation::Elapsed, &["window.closing 30 min due 1410 last"]),
            (1440, Observation::Elapsed, &[]),
            (1449, Observation::Elapsed, &[]),
            (1450, Observation::Elapsed, &["window.closed unconfirmed due 1450"]),
            (1451, seen("FAILED"), &[]),
            (9 * DAY, Observation::Elapsed, &[]),
        ],
    );
    assert!(matches!(order.state.numbers[NUMBER].window, WindowState::Closed(_)));
}

#[test]
fn only_the_last_mark_is_an_error() {
    let mut order = failing(|_| {});
    let mut levels = Vec::new();
    for minute in [720, 1320, 1410, 1450] {
        let made = look::apply(&order, &Observation::Elapsed, None, at(minute));
        levels.extend(made.events.iter().map(|event| (event.name(), event.level().as_str())));
        order = made.order;
    }
    let expected = [
        ("window.closing", "warn"),
        ("window.closing", "warn"),
        ("window.closing", "error"),
        ("window.closed", "error"),
    ];
    assert_eq!(levels, expected);
}

#[test]
fn marks_that_were_slept_through_are_one_warning() {
    tell(
        failing(|_| {}),
        &[
            (1325, Observation::Elapsed, &["window.closing 120 min due 1320"]),
            (1410, Observation::Elapsed, &["window.closing 30 min due 1410 last"]),
        ],
    );
    tell(
        failing(|_| {}),
        &[(
            2 * DAY,
            Observation::Elapsed,
            &["window.closing 30 min due 1410 last", "window.closed unconfirmed due 1450"],
        )],
    );
}

#[test]
fn a_rescue_seen_late_is_told_without_alarm() {
    tell(
        failing(|_| {}),
        &[
            (1500, seen("CLAIMED"), &["number.claimed FAILED>CLAIMED", "window.resolved"]),
            (1501, Observation::Elapsed, &[]),
        ],
    );
}

#[test]
fn the_marks_go_on_while_a_retry_is_undecided() {
    tell(
        failing(|_| {}),
        &[
            (700, seen("IN_PROGRESS"), &["number.in_progress FAILED>IN_PROGRESS (claim, inferred) retrying"]),
            (720, Observation::Elapsed, &["window.closing 720 min due 720"]),
            (
                1450,
                Observation::Elapsed,
                &["window.closing 30 min due 1410 last", "window.closed unconfirmed due 1450"],
            ),
            (1451, seen("CLAIMED"), &["number.claimed IN_PROGRESS>CLAIMED (claim, inferred) took 751"]),
        ],
    );
}

#[test]
fn a_new_failure_does_not_repeat_marks() {
    tell(
        failing(|_| {}),
        &[
            (720, Observation::Elapsed, &["window.closing 720 min due 720"]),
            (800, told("FAILED", "limit"), &[]),
            (
                900,
                told("FAILED", "not offered"),
                &["number.failed FAILED>FAILED (claim, inferred): not offered"],
            ),
            (1319, Observation::Elapsed, &[]),
            (1320, Observation::Elapsed, &["window.closing 120 min due 1320"]),
            (1410, Observation::Elapsed, &["window.closing 30 min due 1410 last"]),
            (2339, Observation::Elapsed, &[]),
            (2340, Observation::Elapsed, &["window.closed unconfirmed due 2340"]),
        ],
    );
}

#[test]
fn a_list_may_want_no_marks_or_its_own() {
    let end = (1450, Observation::Elapsed, ["window.closed unconfirmed due 1450"].as_slice());
    tell(failing(|policy| policy.window.warn_before.clear()), std::slice::from_ref(&end));
    let hour = Duration::from_hours(1);
    // Not longest first: the order in the list does not matter.
    tell(
        failing(|policy| policy.window.warn_before = vec![hour, 2 * hour]),
        &[
            (1320, Observation::Elapsed, &["window.closing 120 min due 1320"]),
            (1380, Observation::Elapsed, &["window.closing 60 min due 1380 last"]),
            end,
        ],
    );
}

#[test]
fn the_end_may_be_counted_from_the_failure() {
    let failure = |policy: &mut Policy| policy.window.counts_from = CountsFrom::Failure;
    tell(
        order(Provider::Connect, |policy, _| failure(policy)),
        &[
            (0, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, inferred)"]),
            (7, seen("IN_PROGRESS"), &[]),
            (8, throttled(), &[]),
            (
                10,
                seen("FAILED"),
                &[
                    "number.failed IN_PROGRESS>FAILED (claim, inferred)",
                    "window.opened last_look_before_failure 1447..1450",
                ],
            ),
        ],
    );
    // Neither a miss, nor a word that nobody knows, nor none, shows it unfailed.
    tell(
        order(Provider::Connect, |policy, _| failure(policy)),
        &[
            (0, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, inferred)"]),
            (5, seen("IN_PROGRESS"), &[]),
            (6, missing(), &[]),
            (7, seen("HIBERNATING"), &["order.unrecognized HIBERNATING"]),
            (8, seen(""), &[]),
            (9, unavailable(), &[]),
            (
                10,
                seen("FAILED"),
                &[
                    "number.failed IN_PROGRESS>FAILED (claim, inferred)",
                    "window.opened last_look_before_failure 1445..1450",
                ],
            ),
        ],
    );
    tell(
        order(Provider::Connect, |policy, _| failure(policy)),
        &[
            (0, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, inferred)"]),
            (60, missing(), &[]),
            (
                61,
                seen("FAILED"),
                &[
                    "number.failed IN_PROGRESS>FAILED (claim, inferred)",
                    "window.opened last_look_before_failure 1440..1501",
                ],
            ),
        ],
    );
}

#[test]
fn a_look_that_lacks_a_number_does_not_show_it_unfailed() {
    tell(
        order(Provider::Chime, |policy, _| {
            policy.window_for_chime = true;
            policy.window.counts_from = CountsFrom::Failure;
        }),
        &[
            (
                0,
                seen_order("", "+1:Processing +2:Processing"),
                &["number.in_progress +1 >IN_PROGRESS", "number.in_progress +2 >IN_PROGRESS"],
            ),
            (5, seen_order("", "+2:Processing"), &[]),
            (
                6,
                seen_order("", "+1:Failed +2:Failed"),
                &[
                    "number.failed +1 IN_PROGRESS>FAILED",
                    "window.opened +1 last_look_before_failure 1440..1446",
                    "number.failed +2 IN_PROGRESS>FAILED",
                    "window.opened +2 last_look_before_failure 1445..1446",
                ],
            ),
        ],
    );
}

#[test]
fn a_claim_older_than_the_window_may_be_lost_at_any_time() {
    tell(
        order(Provider::Connect, |_, declared| declared.requested_at = Some(at(-2 * DAY))),
        &[
            (
                0,
                seen("FAILED"),
                &["number.failed >FAILED (claim, inferred)", "window.opened already_past 0..1440"],
            ),
            (0, nobody(), &["window.closing 30 min due -30 last"]),
        ],
    );
}

#[test]
fn the_window_of_a_stored_order_goes_on_where_it_was() {
    let mut order = failing(|_| {});
    let number = order.state.numbers.get_mut(NUMBER).unwrap();
    let WindowState::Open(Window { warned, .. }) = &mut number.window else { panic!("{number:?}") };
    *warned = Some(Duration::from_hours(2));
    tell(
        order,
        &[
            (1330, Observation::Elapsed, &[]),
            (1410, Observation::Elapsed, &["window.closing 30 min due 1410 last"]),
        ],
    );
}
