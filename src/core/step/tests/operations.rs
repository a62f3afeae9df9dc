//! Claim or update: what the list declares, and what is inferred.

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
