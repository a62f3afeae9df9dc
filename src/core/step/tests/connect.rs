//! The rows of a Connect number.

use super::super::super::state::{Number, Presence, Subject};
use super::*;

#[test]
fn the_first_look_says_what_it_shows_and_has_no_status_before() {
    tell(
        connect(),
        &[
            (5, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, inferred)"]),
            (6, seen("IN_PROGRESS"), &[]),
        ],
    );
    tell(connect(), &[(5, seen("CLAIMED"), &["number.claimed >CLAIMED"]), (6, seen("CLAIMED"), &[])]);
    tell(
        connect(),
        &[
            (
                5,
                told("FAILED", "limit"),
                &[
                    "number.failed >FAILED (claim, inferred): limit",
                    "window.opened failure_first_seen 5..1445",
                ],
            ),
            (5, nobody(), &["window.closing 30 min due -25 last"]),
        ],
    );
}

#[test]
fn a_claim_succeeds_and_says_how_long_it_took() {
    let story: &[Line<'_>] = &[
        (1, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, inferred)"]),
        (4, seen("CLAIMED"), &["number.claimed IN_PROGRESS>CLAIMED (claim, inferred) took 3"]),
    ];
    tell(connect(), story);
    let requested = order(Provider::Connect, |_, declared| declared.requested_at = Some(at(-10)));
    tell(
        requested,
        &[
            (1, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, inferred)"]),
            (4, seen("CLAIMED"), &["number.claimed IN_PROGRESS>CLAIMED (claim, inferred) took 14"]),
            (9, seen("IN_PROGRESS"), &["number.in_progress CLAIMED>IN_PROGRESS (update, inferred)"]),
            // What was requested then is not how long this one took.
            (11, seen("CLAIMED"), &["number.claimed IN_PROGRESS>CLAIMED (update, inferred) took 2"]),
        ],
    );
    let in_the_future = order(Provider::Connect, |_, declared| declared.requested_at = Some(at(99)));
    tell(in_the_future, story);
}

#[test]
fn a_failed_claim_opens_a_window_with_the_providers_message() {
    let order = tell(
        connect(),
        &[
            (1, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, inferred)"]),
            (
                9,
                told("FAILED", "limit"),
                &[
                    "number.failed IN_PROGRESS>FAILED (claim, inferred): limit",
                    "window.opened first_look 1441..1449",
                ],
            ),
            (10, told("FAILED", "limit"), &[]),
        ],
    );
    let window = order.open_windows().next().unwrap();
    assert_eq!(window.id, format!("{}-2-1", order.stream()), "the id of the event that opened it");
}

#[test]
fn an_update_that_fails_opens_none() {
    tell(
        connect(),
        &[
            (1, seen("CLAIMED"), &["number.claimed >CLAIMED"]),
            (2, seen("IN_PROGRESS"), &["number.in_progress CLAIMED>IN_PROGRESS (update, inferred)"]),
            (3, told("FAILED", "no"), &["number.failed IN_PROGRESS>FAILED (update, inferred): no"]),
            (4, told("FAILED", "why"), &["number.failed FAILED>FAILED (update, inferred): why"]),
            (5, seen("IN_PROGRESS"), &["number.in_progress FAILED>IN_PROGRESS (update, inferred)"]),
            (6, seen("CLAIMED"), &["number.claimed IN_PROGRESS>CLAIMED (update, inferred) took 1"]),
            // Its beginning was missed: whatever it was came after a claim that had succeeded.
            (7, told("FAILED", "no"), &["number.failed CLAIMED>FAILED (update, inferred): no"]),
            (8, seen("CLAIMED"), &["number.claimed FAILED>CLAIMED"]),
            (9 + DAY, Observation::Elapsed, &[]),
        ],
    );
}

#[test]
fn a_retry_keeps_the_window_open_and_its_failure_moves_the_latest_end_only() {
    let order = tell(
        connect(),
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
            (20, seen("IN_PROGRESS"), &["number.in_progress FAILED>IN_PROGRESS (claim, inferred) retrying"]),
            (30, seen("FAILED"), &["number.failed IN_PROGRESS>FAILED (claim, inferred)"]),
        ],
    );
    let window = order.open_windows().next().unwrap();
    assert_eq!((minute(window.earliest), minute(window.latest)), (DAY, DAY + 30));
    tell(
        order,
        &[
            (40, seen("IN_PROGRESS"), &["number.in_progress FAILED>IN_PROGRESS (claim, inferred) retrying"]),
            (
                50,
                seen("CLAIMED"),
                &["number.claimed IN_PROGRESS>CLAIMED (claim, inferred) took 10", "window.resolved"],
            ),
            (2 * DAY, Observation::Elapsed, &[]),
        ],
    );
}

#[test]
fn another_message_is_another_failure_and_a_masked_difference_is_none() {
    let order = tell(
        connect(),
        &[
            (0, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, inferred)"]),
            (
                1,
                seen("FAILED"),
                &[
                    "number.failed IN_PROGRESS>FAILED (claim, inferred)",
                    "window.opened first_look 1440..1441",
                ],
            ),
            // The message comes late, then differs in what is masked, then is gone: all of this is one failure.
            (2, told("FAILED", "limit of 5 at 10:00:01Z"), &[]),
            (3, told("FAILED", "limit of 7 at 10:02:09Z"), &[]),
            (4, seen("FAILED"), &[]),
            (
                5,
                told("FAILED", "not offered"),
                &["number.failed FAILED>FAILED (claim, inferred): not offered"],
            ),
        ],
    );
    let window = order.open_windows().next().unwrap();
    assert_eq!((minute(window.earliest), minute(window.latest)), (DAY, DAY + 5));
}

/// FAILED at minute zero as the first thing seen, its window closed a day later.
fn closed() -> Order {
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
            (DAY, Observation::Elapsed, &["window.closed unconfirmed due 1440"]),
            (DAY + 1, told("FAILED", "limit"), &[]),
        ],
    )
}

#[test]
fn after_the_window_another_message_reopens_it_with_an_end_that_may_be_now() {
    tell(
        closed(),
        &[
            (
                DAY + 5,
                told("FAILED", "not offered"),
                &[
                    "number.failed FAILED>FAILED (claim, inferred): not offered",
                    "window.opened reopened 1445..2885",
                ],
            ),
            (DAY + 5, nobody(), &["window.closing 30 min due 1415 last"]),
        ],
    );
}

#[test]
fn after_the_window_a_retry_is_an_ordinary_claim() {
    tell(closed(), &[(DAY + 5, seen("CLAIMED"), &["number.claimed FAILED>CLAIMED"])]);
    tell(
        closed(),
        &[
            (DAY + 5, seen("IN_PROGRESS"), &["number.in_progress FAILED>IN_PROGRESS (claim, inferred)"]),
            (
                DAY + 9,
                seen("FAILED"),
                &[
                    "number.failed IN_PROGRESS>FAILED (claim, inferred)",
                    "window.opened first_look 2885..2889",
                ],
            ),
        ],
    );
}

#[test]
fn a_number_that_is_learned_later_takes_over_what_was_known() {
    let order = tell(
        connect(),
        &[
            (0, named("", "IN_PROGRESS"), &["number.in_progress ? >IN_PROGRESS (claim, inferred)"]),
            (1, seen("IN_PROGRESS"), &[]),
            (2, seen("CLAIMED"), &["number.claimed IN_PROGRESS>CLAIMED (claim, inferred) took 2"]),
            // An answer without it is about the one that is known.
            (3, named("", "CLAIMED"), &[]),
        ],
    );
    assert_eq!(order.state.numbers.keys().collect::<Vec<_>>(), [NUMBER]);
}

#[test]
fn an_empty_number_is_none() {
    let blank = ConnectNumber { number: Some(String::new()), ..number("CLAIMED") };
    let order = tell(
        connect(),
        &[
            (0, seen("CLAIMED"), &["number.claimed >CLAIMED"]),
            (1, Observation::Seen(Sighting::Connect(blank)), &[]),
        ],
    );
    assert_eq!(order.state.numbers.keys().collect::<Vec<_>>(), [NUMBER]);
}

#[test]
fn another_number_under_the_id_releases_the_one_before() {
    tell(
        connect(),
        &[
            (
                0,
                seen("FAILED"),
                &["number.failed >FAILED (claim, inferred)", "window.opened failure_first_seen 0..1440"],
            ),
            (0, nobody(), &["window.closing 30 min due -30 last"]),
            (
                1,
                named("+15551230001", "CLAIMED"),
                &[
                    "window.closed released",
                    "number.released FAILED>RELEASED",
                    "number.claimed +15551230001 >CLAIMED",
                ],
            ),
            (
                2,
                seen("IN_PROGRESS"),
                &[
                    "number.released +15551230001 CLAIMED>RELEASED",
                    "number.in_progress RELEASED>IN_PROGRESS (claim, inferred)",
                ],
            ),
            (2 * DAY, Observation::Elapsed, &[]),
        ],
    );
}

#[test]
fn what_is_declared_is_about_the_first_number_under_the_id() {
    let order = order(Provider::Connect, |_, declared| {
        declared.operation = Some(Operation::Update);
        declared.requested_at = Some(at(-30 * DAY));
    });
    tell(
        order,
        &[
            // No look has shown the first one, so the declaration is still to be used.
            (0, named("+1", ""), &[]),
            (1, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (update, declared)"]),
            (
                2,
                named("+2", "IN_PROGRESS"),
                &[
                    "number.released IN_PROGRESS>RELEASED",
                    "number.in_progress +2 >IN_PROGRESS (claim, inferred)",
                ],
            ),
            (
                3,
                named("+2", "FAILED"),
                &[
                    "number.failed +2 IN_PROGRESS>FAILED (claim, inferred)",
                    "window.opened +2 first_look 1442..1443",
                ],
            ),
        ],
    );
}

#[test]
fn unknown_words_are_said_once_kept_and_change_nothing() {
    let order = tell(
        connect(),
        &[
            (0, seen("HIBERNATING"), &["order.unrecognized HIBERNATING"]),
            (1, seen("HIBERNATING"), &[]),
            (2, seen("CLAIMED"), &["number.claimed >CLAIMED"]),
            (3, seen("HIBERNATING"), &[]),
            (4, seen("MOULTING"), &["order.unrecognized MOULTING"]),
            (5, seen("CLAIMED"), &[]),
            (6, seen(""), &[]),
        ],
    );
    assert_eq!(order.state.presence, Presence::Seen);
    assert!(order.looked.due_at.is_none(), "CLAIMED is still the end");
    let word = tell(order, &[(7, seen("MOULTING"), &[])]).state.numbers[NUMBER].raw.clone();
    assert_eq!(word.as_deref(), Some("MOULTING"));
}

#[test]
fn a_provider_that_makes_up_words_is_not_listened_to_for_ever() {
    let mut order = connect();
    let mut said = 0;
    for n in 0..100 {
        let made = look::apply(&order, &seen(&format!("WORD_{n}")), None, at(n));
        said += made.events.len();
        order = made.order;
    }
    assert_eq!((said, order.state.reported_words.len()), (32, 32));
}

#[test]
fn the_target_is_kept_as_last_told() {
    let target =
        |target: Option<&str>| ConnectNumber { target: target.map(str::to_owned), ..number("CLAIMED") };
    let order = tell(
        connect(),
        &[
            (0, Observation::Seen(Sighting::Connect(target(Some("arn:one")))), &["number.claimed >CLAIMED"]),
            (1, Observation::Seen(Sighting::Connect(target(None))), &[]),
        ],
    );
    let Subject::Connect(connect) = &order.state.subject else { panic!("{:?}", order.state.subject) };
    assert_eq!(connect.target.as_deref(), Some("arn:one"));
    assert_eq!(order.generation, 1, "nothing changed at the second look");
}

#[test]
fn a_sighting_of_the_other_service_says_nothing() {
    let order = tell(connect(), &[(0, seen_order("Successful", "+1:Acquired"), &[])]);
    assert_eq!((order.generation, order.state.numbers.len()), (0, 0));
    let order = tell(chime(), &[(0, seen("CLAIMED"), &[])]);
    assert_eq!(order.state.numbers.values().collect::<Vec<_>>(), Vec::<&Number>::new());
}
