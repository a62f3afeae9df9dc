//! Windows whose marks and ends were slept through: what the first look after it says.

use super::*;

/// In progress at zero, failed with a message at minute ten: a window that ends from 1440 to 1450. Nothing is told of it
/// until minute 1500.
fn slept() -> Order {
    tell(
        connect(),
        &[
            (0, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, inferred)"]),
            (
                10,
                told("FAILED", "limit"),
                &[
                    "number.failed IN_PROGRESS>FAILED (claim, inferred): limit",
                    "window.opened first_look 1440..1450",
                ],
            ),
        ],
    )
}

const LAST_MARK: &str = "window.closing 30 min due 1410 last";
const END: &str = "window.closed unconfirmed due 1450";

#[test]
fn claimed_resolves_it() {
    tell(
        slept(),
        &[
            (1500, seen("CLAIMED"), &["number.claimed FAILED>CLAIMED", "window.resolved"]),
            (1501, Observation::Elapsed, &[]),
        ],
    );
}

#[test]
fn another_failure_ends_it_first_and_opens_a_new_one() {
    tell(
        slept(),
        &[
            (
                1500,
                told("FAILED", "not offered"),
                &[
                    LAST_MARK,
                    END,
                    "number.failed FAILED>FAILED (claim, inferred): not offered",
                    "window.opened reopened 1500..2940",
                ],
            ),
            (1500, nobody(), &["window.closing 30 min due 1470 last"]),
            (2940, Observation::Elapsed, &["window.closed unconfirmed due 2940"]),
        ],
    );
}

#[test]
fn a_retry_that_fails_ends_it_first_and_opens_a_new_one() {
    tell(
        slept(),
        &[
            (
                1500,
                seen("IN_PROGRESS"),
                &["number.in_progress FAILED>IN_PROGRESS (claim, inferred) retrying"],
            ),
            (
                1501,
                told("FAILED", "limit"),
                &[
                    LAST_MARK,
                    END,
                    "number.failed IN_PROGRESS>FAILED (claim, inferred): limit",
                    "window.opened first_look 2940..2941",
                ],
            ),
        ],
    );
    // The retry began before anybody slept.
    let retrying = tell(
        slept(),
        &[(700, seen("IN_PROGRESS"), &["number.in_progress FAILED>IN_PROGRESS (claim, inferred) retrying"])],
    );
    tell(
        retrying,
        &[
            (
                1500,
                seen("FAILED"),
                &[
                    LAST_MARK,
                    END,
                    "number.failed IN_PROGRESS>FAILED (claim, inferred)",
                    "window.opened first_look 2140..2940",
                ],
            ),
            (1500, nobody(), &["window.closing 720 min due 1420"]),
        ],
    );
}

#[test]
fn the_same_failure_is_the_end_with_both_due_times() {
    tell(
        slept(),
        &[
            (1500, told("FAILED", "limit"), &[]),
            (1500, nobody(), &[LAST_MARK, END]),
            (1501, told("FAILED", "limit"), &[]),
        ],
    );
    tell(
        slept(),
        &[
            (720, Observation::Elapsed, &["window.closing 720 min due 720"]),
            (1500, nobody(), &[LAST_MARK, END]),
        ],
    );
}

#[test]
fn a_miss_ends_it_as_the_clock_does_unless_it_is_released_first() {
    tell(
        slept(),
        &[
            (1500, missing(), &[]),
            (1500, nobody(), &[LAST_MARK, END]),
            (1501, missing(), &["number.released FAILED>RELEASED"]),
        ],
    );
    tell(
        slept(),
        &[
            (1500, missing(), &[]),
            (1501, missing(), &["window.closed released", "number.released FAILED>RELEASED"]),
            (1502, Observation::Elapsed, &[]),
        ],
    );
}

#[test]
fn two_days_later_the_clock_alone_tells_one_warning_and_the_end() {
    let (order, said) = hear(&slept(), &Observation::Elapsed, at(2 * DAY), at(2 * DAY));
    assert_eq!(said, [LAST_MARK, END]);
    tell(order, &[(2 * DAY, told("FAILED", "limit"), &[]), (3 * DAY, Observation::Elapsed, &[])]);
}

#[test]
fn the_window_of_a_chime_number_does_not_wait_for_an_inquiry() {
    let failed = || {
        tell(
            order(Provider::Chime, |policy, _| policy.window_for_chime = true),
            &[
                (0, seen_order("", "+1:Processing"), &["number.in_progress +1 >IN_PROGRESS"]),
                (
                    10,
                    seen_order("", "+1:Failed"),
                    &["number.failed +1 IN_PROGRESS>FAILED", "window.opened +1 first_look 1440..1450"],
                ),
            ],
        )
    };
    let both = ["window.closing +1 30 min due 1410 last", "window.closed +1 unconfirmed due 1450"];
    tell(failed(), &[(1500, seen_order("", "+1:Failed"), &both)]);
    tell(failed(), &[(1500, missing(), &both)]);
    tell(failed(), &[(720, seen_order("", "+1:Failed"), &["window.closing +1 720 min due 720"])]);
}
