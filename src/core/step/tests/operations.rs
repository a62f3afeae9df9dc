//! Claim or update: what the list declares, and what is inferred.

use super::super::super::state::{Cause, CauseBasis, ClaimedBefore, Status};
use super::*;

#[test]
fn what_is_declared_holds_for_the_first_operation() {
    tell(
        declared(Operation::Update),
        &[
            (0, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (update, declared)"]),
            (1, seen("FAILED"), &["number.failed IN_PROGRESS>FAILED (update, declared)"]),
            // A declared update is of a number that was claimed before, even if nobody saw that.
            (2, seen("IN_PROGRESS"), &["number.in_progress FAILED>IN_PROGRESS (update, inferred)"]),
            (3, seen("FAILED"), &["number.failed IN_PROGRESS>FAILED (update, inferred)"]),
        ],
    );
    tell(
        declared(Operation::Update),
        &[
            (0, seen("FAILED"), &["number.failed >FAILED (update, declared)"]),
            (1, seen("IN_PROGRESS"), &["number.in_progress FAILED>IN_PROGRESS (update, inferred)"]),
        ],
    );
    tell(
        declared(Operation::Claim),
        &[
            (0, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, declared)"]),
            (1, seen("CLAIMED"), &["number.claimed IN_PROGRESS>CLAIMED (claim, declared) took 1"]),
            (2, seen("IN_PROGRESS"), &["number.in_progress CLAIMED>IN_PROGRESS (update, inferred)"]),
        ],
    );
}

#[test]
fn a_failure_after_claimed_is_an_update_whatever_was_declared() {
    tell(
        declared(Operation::Update),
        &[
            (0, seen("CLAIMED"), &["number.claimed >CLAIMED"]),
            (1, seen("FAILED"), &["number.failed CLAIMED>FAILED (update, declared)"]),
        ],
    );
    tell(
        declared(Operation::Claim),
        &[
            (0, seen("CLAIMED"), &["number.claimed >CLAIMED"]),
            (1, seen("FAILED"), &["number.failed CLAIMED>FAILED (update, inferred)"]),
        ],
    );
    tell(
        declared(Operation::Update),
        &[
            (0, seen("CLAIMED"), &["number.claimed >CLAIMED"]),
            (1, seen("IN_PROGRESS"), &["number.in_progress CLAIMED>IN_PROGRESS (update, inferred)"]),
            (2, seen("CLAIMED"), &["number.claimed IN_PROGRESS>CLAIMED (update, inferred) took 1"]),
            // The first operation had its outcome long ago.
            (3, seen("FAILED"), &["number.failed CLAIMED>FAILED (update, inferred)"]),
        ],
    );
}

#[test]
fn once_released_a_number_is_claimed_anew() {
    tell(
        declared(Operation::Update),
        &[
            (0, seen("CLAIMED"), &["number.claimed >CLAIMED"]),
            (20, missing(), &[]),
            (21, missing(), &["number.released CLAIMED>RELEASED"]),
            (30, seen("IN_PROGRESS"), &["number.in_progress RELEASED>IN_PROGRESS (claim, inferred)"]),
            (
                31,
                seen("FAILED"),
                &[
                    "number.failed IN_PROGRESS>FAILED (claim, inferred)",
                    "window.opened first_look 1470..1471",
                ],
            ),
        ],
    );
}

#[test]
fn a_declared_request_counts_for_the_first_claim_only() {
    let requested = || order(Provider::Connect, |_, declared| declared.requested_at = Some(at(-HOUR)));
    tell(
        requested(),
        &[(
            0,
            seen("FAILED"),
            &["number.failed >FAILED (claim, inferred)", "window.opened requested_at 1380..1440"],
        )],
    );
    tell(
        requested(),
        &[
            (0, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, inferred)"]),
            (
                5,
                seen("FAILED"),
                &[
                    "number.failed IN_PROGRESS>FAILED (claim, inferred)",
                    "window.opened requested_at 1380..1445",
                ],
            ),
            (
                2 * DAY,
                Observation::Elapsed,
                &["window.closing 30 min due 1350 last", "window.closed unconfirmed due 1445"],
            ),
            (2 * DAY, seen("IN_PROGRESS"), &["number.in_progress FAILED>IN_PROGRESS (claim, inferred)"]),
            (
                2 * DAY + 1,
                seen("FAILED"),
                &[
                    "number.failed IN_PROGRESS>FAILED (claim, inferred)",
                    "window.opened first_look 4320..4321",
                ],
            ),
        ],
    );
}

fn cause_of(order: &Order) -> Option<Cause> {
    match &order.state.numbers[NUMBER].status {
        Status::InProgress { cause, .. } | Status::Failed { cause, .. } => *cause,
        Status::NeverSeen | Status::Claimed { .. } | Status::Released { .. } => None,
    }
}

/// The order is seen with these words, a minute apart. Gives how each is understood, and why.
fn understood(mut order: Order, words: &[&str]) -> Vec<(Option<Cause>, Option<ClaimedBefore>)> {
    let mut all = Vec::new();
    for (minute, raw) in (0..).zip(words) {
        (order, _) = hear(&order, &seen(raw), at(minute), at(minute));
        all.push((cause_of(&order), order.state.numbers[NUMBER].claimed_before));
    }
    all
}

#[test]
fn how_the_operation_is_known_is_kept() {
    let by = |operation, basis| Some(Cause { operation, basis });
    let (claim, update) = (Operation::Claim, Operation::Update);
    let first_seen = |minute| Some(ClaimedBefore::Seen { at: at(minute) });
    assert_eq!(
        understood(connect(), &["IN_PROGRESS", "FAILED", "CLAIMED", "IN_PROGRESS", "FAILED"]),
        [
            (by(claim, CauseBasis::NeverClaimed), None),
            (by(claim, CauseBasis::NeverClaimed), None),
            (None, first_seen(2)),
            (by(update, CauseBasis::ClaimedBefore), first_seen(2)),
            (by(update, CauseBasis::ClaimedBefore), first_seen(2)),
        ]
    );
    assert_eq!(
        understood(declared(update), &["IN_PROGRESS", "FAILED", "IN_PROGRESS", "CLAIMED", "FAILED"]),
        [
            (by(update, CauseBasis::Declared), Some(ClaimedBefore::Declared)),
            (by(update, CauseBasis::Declared), Some(ClaimedBefore::Declared)),
            (by(update, CauseBasis::ClaimedBefore), Some(ClaimedBefore::Declared)),
            (None, first_seen(3)),
            (by(update, CauseBasis::ClaimedBefore), first_seen(3)),
        ]
    );
    assert_eq!(
        understood(declared(claim), &["FAILED", "IN_PROGRESS", "CLAIMED", "FAILED"]),
        [
            (by(claim, CauseBasis::Declared), None),
            (by(claim, CauseBasis::NeverClaimed), None),
            (None, first_seen(2)),
            (by(update, CauseBasis::ClaimedBefore), first_seen(2)),
        ]
    );
}

#[test]
fn a_release_forgets_how_it_was_known() {
    let order = tell(
        declared(Operation::Update),
        &[
            (0, seen("CLAIMED"), &["number.claimed >CLAIMED"]),
            (20, missing(), &[]),
            (21, missing(), &["number.released CLAIMED>RELEASED"]),
        ],
    );
    let number = &order.state.numbers[NUMBER];
    assert_eq!((number.claimed_before, number.declared_holds), (None, false));
}

#[test]
fn the_first_look_that_saw_it_claimed_is_kept() {
    let all = understood(connect(), &["CLAIMED", "FAILED", "CLAIMED"]);
    assert_eq!(all[2].1, Some(ClaimedBefore::Seen { at: at(0) }));
}

#[test]
fn the_number_of_an_order_has_no_operation() {
    let order = tell(
        order(Provider::Chime, |_, declared| declared.operation = Some(Operation::Update)),
        &[
            (0, seen_order("", "+1:Acquired"), &["number.claimed +1 >CLAIMED"]),
            (1, seen_order("", "+1:Failed"), &["number.failed +1 CLAIMED>FAILED"]),
        ],
    );
    assert!(matches!(order.state.numbers["+1"].status, Status::Failed { cause: None, .. }));
}
