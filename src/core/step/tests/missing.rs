//! Not found: grace, doubt, confirmation, and what comes back.

use super::super::super::state::{Absence, Presence};
use super::*;

#[test]
fn nothing_is_missing_before_the_grace_is_over() {
    let order = tell(connect(), &[(0, missing(), &[]), (9, missing(), &[])]);
    assert_eq!((order.state.absence, order.generation), (Absence::Young { until: at(10) }, 1));
    tell(
        order,
        &[(10, missing(), &[]), (11, missing(), &["order.not_found : no such"]), (12, missing(), &[])],
    );
}

#[test]
fn it_takes_two_looks_with_the_time_to_confirm_between() {
    let half = Timestamp::from_millis(START + 20 * 60_000 + 30_000);
    let order = tell(connect(), &[(0, seen("CLAIMED"), &["number.claimed >CLAIMED"]), (20, missing(), &[])]);
    let early = look::apply(&order, &missing(), None, half);
    assert_eq!((early.events.as_slice(), early.order.generation), ([].as_slice(), order.generation));
    tell(early.order, &[(21, missing(), &["number.released CLAIMED>RELEASED"])]);
}

#[test]
fn a_sighting_clears_the_doubt_and_what_is_no_answer_does_nothing_to_it() {
    tell(
        connect(),
        &[
            (0, seen("CLAIMED"), &["number.claimed >CLAIMED"]),
            (20, missing(), &[]),
            (21, seen("CLAIMED"), &[]),
            (22, missing(), &[]),
            (30, throttled(), &[]),
            (31, unavailable(), &[]),
            (32, malformed(), &[]),
            (33, refused(Reach::Scope), &[]),
            (34, Observation::Elapsed, &[]),
            (35, missing(), &["number.released CLAIMED>RELEASED"]),
        ],
    );
    let order = tell(
        connect(),
        &[(0, seen("CLAIMED"), &["number.claimed >CLAIMED"]), (20, missing(), &[]), (21, unavailable(), &[])],
    );
    assert_eq!(order.state.doubted_since(), Some(at(20)), "it is not confirmed by what is no answer");
}

#[test]
fn a_clock_that_steps_back_starts_the_doubt_anew() {
    let order = tell(
        connect(),
        &[
            (0, seen("CLAIMED"), &["number.claimed >CLAIMED"]),
            (30 * DAY, missing(), &[]),
            (DAY, missing(), &[]),
            (DAY, nobody(), &[]),
        ],
    );
    assert_eq!(order.looked.due_at, Some(at(DAY + 1)));
    tell(order, &[(DAY + 1, missing(), &["number.released CLAIMED>RELEASED"])]);
}

#[test]
fn a_connect_number_that_was_seen_is_released_whatever_it_was() {
    let gone = |order: Order, said: &[&str]| tell(order, &[(60, missing(), &[]), (61, missing(), said)]);
    let in_progress =
        tell(connect(), &[(0, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, inferred)"])]);
    gone(in_progress, &["number.released IN_PROGRESS>RELEASED"]);
    let of_an_update = tell(
        declared(Operation::Update),
        &[(0, told("FAILED", "no"), &["number.failed >FAILED (update, declared): no"])],
    );
    gone(of_an_update, &["number.released FAILED>RELEASED"]);
    let of_a_claim = || {
        tell(
            connect(),
            &[
                (
                    0,
                    told("FAILED", "limit"),
                    &[
                        "number.failed >FAILED (claim, inferred): limit",
                        "window.opened failure_first_seen 0..1440",
                    ],
                ),
                (0, nobody(), &["window.closing 30 min due -30 last"]),
            ],
        )
    };
    gone(of_a_claim(), &["window.closed released", "number.released FAILED>RELEASED"]);
    let closed = tell(of_a_claim(), &[(DAY, Observation::Elapsed, &["window.closed unconfirmed due 1440"])]);
    tell(closed, &[(DAY + 1, missing(), &[]), (DAY + 2, missing(), &["number.released FAILED>RELEASED"])]);
}

#[test]
fn a_released_number_that_comes_back_says_what_it_was() {
    let released = || {
        let order = tell(
            connect(),
            &[
                (0, seen("CLAIMED"), &["number.claimed >CLAIMED"]),
                (20, missing(), &[]),
                (21, missing(), &["number.released CLAIMED>RELEASED"]),
                (22, missing(), &[]),
                (60, Observation::Elapsed, &[]),
            ],
        );
        assert_eq!(order.state.presence, Presence::Gone { since: at(21) });
        order
    };
    let back = tell(released(), &[(30, seen("CLAIMED"), &["number.claimed RELEASED>CLAIMED"])]);
    assert_eq!(back.state.presence, Presence::Seen);
    tell(
        released(),
        &[(30, seen("IN_PROGRESS"), &["number.in_progress RELEASED>IN_PROGRESS (claim, inferred)"])],
    );
    tell(
        released(),
        &[
            (
                30,
                seen("FAILED"),
                &[
                    "number.failed RELEASED>FAILED (claim, inferred)",
                    "window.opened failure_first_seen 30..1470",
                ],
            ),
            (30, nobody(), &["window.closing 30 min due 0 last"]),
        ],
    );
}

#[test]
fn a_number_that_was_never_found_and_comes_says_so() {
    let not_found =
        || tell(connect(), &[(20, missing(), &[]), (21, missing(), &["order.not_found : no such"])]);
    tell(not_found(), &[(30, seen("CLAIMED"), &["number.claimed NOT_FOUND>CLAIMED"])]);
    tell(
        not_found(),
        &[(30, seen("IN_PROGRESS"), &["number.in_progress NOT_FOUND>IN_PROGRESS (claim, inferred)"])],
    );
    tell(
        not_found(),
        &[
            (
                30,
                seen("FAILED"),
                &[
                    "number.failed NOT_FOUND>FAILED (claim, inferred)",
                    "window.opened failure_first_seen 30..1470",
                ],
            ),
            (30, nobody(), &["window.closing 30 min due 0 last"]),
        ],
    );
    tell(
        not_found(),
        &[
            (30, seen("CLAIMED"), &["number.claimed NOT_FOUND>CLAIMED"]),
            (31, missing(), &[]),
            (32, missing(), &["number.released CLAIMED>RELEASED"]),
        ],
    );
}

#[test]
fn a_released_number_that_is_there_without_a_word_and_goes_again_says_nothing() {
    tell(
        connect(),
        &[
            (0, seen("CLAIMED"), &["number.claimed >CLAIMED"]),
            (20, missing(), &[]),
            (21, missing(), &["number.released CLAIMED>RELEASED"]),
            (22, seen(""), &[]),
            (23, missing(), &[]),
            (24, missing(), &[]),
            (25, seen("CLAIMED"), &["number.claimed RELEASED>CLAIMED"]),
        ],
    );
}

#[test]
fn the_numbers_of_a_chime_order_keep_their_status() {
    tell(
        chime(),
        &[
            (
                0,
                seen_order("Processing", "+1:Processing +2:Acquired"),
                &[
                    "number.in_progress +1 >IN_PROGRESS",
                    "number.claimed +2 >CLAIMED",
                    "order.status_changed >Processing",
                ],
            ),
            (20, missing(), &[]),
            (21, missing(), &["order.not_found Processing: no such"]),
            (22, missing(), &[]),
            (
                30,
                seen_order("Processing", "+1:Processing +2:Acquired +3:Acquired"),
                &["number.claimed +3 >CLAIMED", "order.status_changed NOT_FOUND>Processing"],
            ),
            (
                31,
                seen_order("Processing", "+1:Acquired +2:Acquired"),
                &["number.claimed +1 IN_PROGRESS>CLAIMED took 31"],
            ),
        ],
    );
}

#[test]
fn a_chime_order_that_was_never_found_and_comes_says_so() {
    tell(
        chime(),
        &[
            (20, missing(), &[]),
            (21, missing(), &["order.not_found : no such"]),
            (
                30,
                seen_order("Successful", "+1:Acquired"),
                &[
                    "number.claimed +1 >CLAIMED",
                    "order.status_changed NOT_FOUND>Successful",
                    "order.completed Successful took 30",
                ],
            ),
        ],
    );
}

#[test]
fn the_window_of_a_chime_number_outlives_its_order() {
    tell(
        order(Provider::Chime, |policy, _| policy.window_for_chime = true),
        &[
            (
                0,
                seen_order("Processing", "+1:Processing"),
                &["number.in_progress +1 >IN_PROGRESS", "order.status_changed >Processing"],
            ),
            (
                1,
                seen_order("Failed", "+1:Failed"),
                &[
                    "number.failed +1 IN_PROGRESS>FAILED",
                    "window.opened +1 first_look 1440..1441",
                    "order.status_changed Processing>Failed",
                    "order.completed Failed took 1",
                ],
            ),
            (20, missing(), &[]),
            (21, missing(), &["order.not_found Failed: no such"]),
            (720, Observation::Elapsed, &["window.closing +1 720 min due 720"]),
            (
                1441,
                Observation::Elapsed,
                &["window.closing +1 30 min due 1410 last", "window.closed +1 unconfirmed due 1441"],
            ),
        ],
    );
}

#[test]
fn what_comes_back_silently_and_goes_again_says_nothing_but_the_word() {
    let word = ["order.unrecognized HIBERNATING"].as_slice();
    let released = [
        (0, seen("CLAIMED"), ["number.claimed >CLAIMED"].as_slice()),
        (20, missing(), &[]),
        (21, missing(), &["number.released CLAIMED>RELEASED"]),
    ];
    let never = [(20, missing(), [].as_slice()), (21, missing(), &["order.not_found : no such"])];
    for (before, from) in [(released.as_slice(), "RELEASED"), (&never, "NOT_FOUND")] {
        let said = format!("number.claimed {from}>CLAIMED");
        let order = tell(
            tell(connect(), before),
            &[
                (30, seen("HIBERNATING"), word),
                (31, seen("HIBERNATING"), &[]),
                (40, missing(), &[]),
                (41, missing(), &[]),
                // What is told of it was forgotten with it.
                (50, seen("HIBERNATING"), word),
                (60, missing(), &[]),
                (61, missing(), &[]),
                (70, seen("CLAIMED"), &[&said]),
                (80, missing(), &[]),
                (81, missing(), &["number.released CLAIMED>RELEASED"]),
            ],
        );
        assert_eq!(order.state.presence, Presence::Gone { since: at(81) });
    }
}

#[test]
fn what_was_reported_of_a_number_is_told_again_when_it_is_back() {
    tell(
        connect(),
        &[
            (0, seen("HIBERNATING"), &["order.unrecognized HIBERNATING"]),
            (1, seen("CLAIMED"), &["number.claimed >CLAIMED"]),
            (2, seen("HIBERNATING"), &[]),
            (20, missing(), &[]),
            (21, missing(), &["number.released CLAIMED>RELEASED"]),
            (30, seen("HIBERNATING"), &["order.unrecognized HIBERNATING"]),
            (31, seen("IN_PROGRESS"), &["number.in_progress RELEASED>IN_PROGRESS (claim, inferred)"]),
        ],
    );
}

#[test]
fn a_chime_order_that_goes_and_comes_without_a_word_says_so_once() {
    tell(
        chime(),
        &[
            (
                0,
                seen_order("Processing", "+1:Processing"),
                &["number.in_progress +1 >IN_PROGRESS", "order.status_changed >Processing"],
            ),
            (20, missing(), &[]),
            (21, missing(), &["order.not_found Processing: no such"]),
            // Its numbers go on from where they were; its own word is still that it was not found.
            (30, seen_order("", "+1:Acquired"), &["number.claimed +1 IN_PROGRESS>CLAIMED took 30"]),
            (31, seen_order("Dreaming", "+1:Acquired"), &["order.unrecognized Dreaming"]),
            (40, missing(), &[]),
            (41, missing(), &[]),
            (50, seen_order("Dreaming", "+1:Acquired"), &["order.unrecognized Dreaming"]),
            (51, seen_order("Processing", "+1:Acquired"), &["order.status_changed NOT_FOUND>Processing"]),
            (52, seen_order("Processing", "+1:Acquired"), &[]),
            (60, missing(), &[]),
            (61, missing(), &["order.not_found Processing: no such"]),
            (
                70,
                seen_order("Successful", "+1:Acquired"),
                &["order.status_changed NOT_FOUND>Successful", "order.completed Successful took 70"],
            ),
            (80, missing(), &[]),
            (81, missing(), &["order.not_found Successful: no such"]),
            // The same end again is an end again.
            (
                90,
                seen_order("Successful", "+1:Acquired"),
                &["order.status_changed NOT_FOUND>Successful", "order.completed Successful took 90"],
            ),
        ],
    );
}

#[test]
fn what_is_gone_and_not_found_again_is_not_told_again() {
    for provider in [Provider::Connect, Provider::Chime] {
        let order = tell(
            order(provider, |_, _| {}),
            &[(20, missing(), &[]), (21, missing(), &["order.not_found : no such"])],
        );
        let after = tell(order.clone(), &[(22, missing(), &[]), (99, missing(), &[]), (100, suspect(), &[])]);
        assert_eq!(after.generation, order.generation, "{provider}");
    }
}
