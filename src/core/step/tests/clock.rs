//! A wall clock that steps: what was counted from a time ahead is brought back.

use super::super::super::state::{Absence, Number, Presence, Status};
use super::super::super::window::{Window, WindowBasis, WindowState};
use super::super::step;
use super::*;

fn window(failed_at: Timestamp, earliest: Timestamp) -> Window {
    Window {
        id: "w".into(),
        basis: WindowBasis::FirstLook,
        counted_from: Some(at(0)),
        length: Duration::from_hours(24),
        failed_at,
        earliest,
        latest: failed_at.plus(Duration::from_hours(24)),
        warned: None,
        acknowledged_at: None,
    }
}

fn statuses(since: Timestamp) -> [Status; 5] {
    [
        Status::NeverSeen,
        Status::InProgress { since, cause: None },
        Status::Claimed { since },
        Status::Failed { since, cause: None, reason: None },
        Status::Released { since },
    ]
}

/// A Chime order all of whose times are the given one.
fn all_at(time: Timestamp) -> Order {
    let mut order = chime();
    order.state.first_watched = time;
    order.state.changed_at = time;
    for (n, status) in statuses(time).into_iter().enumerate() {
        let window = WindowState::Open(window(time, time.plus(Duration::from_hours(24))));
        order.state.numbers.insert(format!("+{n}"), Number { status, window, ..Number::default() });
    }
    order
}

#[test]
fn every_time_ahead_is_brought_back_and_none_before() {
    let absences =
        [|since| Absence::Doubted { since }, |since| Absence::Suspect { since }, |_| Absence::None];
    for absence in absences {
        for presence in [|_| Presence::Seen, |since| Presence::Gone { since }] {
            let all = |time| {
                let mut order = all_at(time);
                (order.state.absence, order.state.presence) = (absence(time), presence(time));
                order
            };
            let after = step(&all(at(100)), &Observation::Elapsed, at(50)).order;
            assert_eq!(after.state, all(at(50)).state);
            assert_eq!(after.generation, 1, "the state changed");
            let before = all(at(50));
            let after = step(&before, &Observation::Elapsed, at(60)).order;
            assert_eq!(after, before);
        }
    }
}

#[test]
fn the_ends_of_a_window_lie_no_further_than_a_failure_right_now_would_put_them() {
    let cases = [
        // failed at, earliest, now, failed at after that, earliest after that
        (70, DAY + 60, 11, 11, DAY + 11),
        // The earliest end is near enough.
        (70, DAY - 60, 11, 11, DAY - 60),
        // Nothing lies ahead.
        (70, DAY + 60, 70, 70, DAY + 60),
        (70, 70, 71, 70, 70),
    ];
    for (failed_at, earliest, now, failed_after, earliest_after) in cases {
        let mut order = chime();
        let open = WindowState::Open(window(at(failed_at), at(earliest)));
        let status = Status::Failed { since: at(0), cause: None, reason: None };
        order.state.numbers.insert("+1".into(), Number { status, window: open, ..Number::default() });
        order.state.absence = Absence::Young { until: at(99) };
        // No time is told with this, so that no end is reached.
        let after = step(&order, &throttled(), at(now)).order;
        let open = after.open_windows().next().unwrap();
        let ends = (open.failed_at, open.earliest, open.latest);
        assert_eq!(ends, (at(failed_after), at(earliest_after), at(failed_after + DAY)), "at {now}");
        assert_eq!(after.state.absence, Absence::Young { until: at(99) });
    }
}

#[test]
fn a_window_that_a_clock_an_hour_ahead_opened_is_brought_back() {
    let order = tell(
        connect(),
        &[
            (60, seen("IN_PROGRESS"), &["number.in_progress >IN_PROGRESS (claim, inferred)"]),
            (
                70,
                seen("FAILED"),
                &[
                    "number.failed IN_PROGRESS>FAILED (claim, inferred)",
                    "window.opened first_look 1500..1510",
                ],
            ),
            (11, seen("FAILED"), &[]),
        ],
    );
    assert_eq!(order.looked.wake_at, Some(at(1451 - 720)));
    tell(
        order,
        &[
            (730, Observation::Elapsed, &[]),
            (731, Observation::Elapsed, &["window.closing 720 min due 731"]),
            (1421, Observation::Elapsed, &["window.closing 30 min due 1421 last"]),
            (1450, Observation::Elapsed, &[]),
            (1451, Observation::Elapsed, &["window.closed unconfirmed due 1451"]),
        ],
    );
}

#[test]
fn a_grace_and_a_stall_that_a_clock_ahead_began_do_not_last_longer() {
    let stalling =
        |policy: &mut Policy, _: &mut Declared| policy.stalled_after = Some(Duration::from_mins(30));
    let mut early = order(Provider::Connect, stalling);
    (early.state.first_watched, early.state.changed_at) = (at(DAY), at(DAY));
    let early = tell(early, &[(0, missing(), &[])]);
    assert_eq!(early.state.absence, Absence::Young { until: at(10) });
    tell(
        early,
        &[
            (10, missing(), &[]),
            (30, Observation::Elapsed, &["order.stalled 30 min due 30"]),
            (31, missing(), &["order.not_found : no such"]),
        ],
    );
}
