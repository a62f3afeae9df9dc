//! Every shape of an order with every observation.

use super::super::super::state::{
    Absence, Cause, CauseBasis, Connect, Number, Place, Presence, Status, Subject,
};
use super::super::super::window::{Closed, Outcome, Window, WindowBasis, WindowState};
use super::super::step;
use super::*;

fn statuses() -> Vec<Status> {
    let since = at(10);
    let causes = [
        None,
        Some(Cause { operation: Operation::Claim, basis: CauseBasis::NeverClaimed }),
        Some(Cause { operation: Operation::Update, basis: CauseBasis::Declared }),
    ];
    let mut all = vec![Status::NeverSeen, Status::Claimed { since }, Status::Released { since }];
    for cause in causes {
        all.push(Status::InProgress { since, cause });
        all.push(Status::Failed { since, cause, reason: None });
        all.push(Status::Failed { since, cause, reason: Some("limit".into()) });
    }
    all
}

fn windows() -> [WindowState; 3] {
    let window = Window {
        id: "w".into(),
        basis: WindowBasis::FirstLook,
        counted_from: Some(at(0)),
        length: Duration::from_hours(24),
        failed_at: at(10),
        earliest: at(DAY),
        latest: at(DAY + 10),
        warned: None,
    };
    let over = Closed { window: window.clone(), outcome: Outcome::Unconfirmed, at: at(DAY + 10) };
    [WindowState::Never, WindowState::Open(window), WindowState::Closed(over)]
}

/// Every status with every window, presence, doubt, provider and count of faults; with and without an E.164.
fn shapes() -> Vec<Order> {
    let mut shapes = Vec::new();
    for status in statuses() {
        for window in windows() {
            for presence in [Presence::Unseen, Presence::Seen, Presence::Gone { since: at(11) }] {
                for (n, (absence, place)) in [
                    (Absence::None, Place::Listed),
                    (Absence::Doubted { since: at(12) }, Place::LackedOnce),
                    (Absence::Suspect { since: at(12) }, Place::Vanished),
                ]
                .into_iter()
                .enumerate()
                {
                    for (provider, key) in
                        [(Provider::Connect, NUMBER), (Provider::Connect, ""), (Provider::Chime, "+1")]
                    {
                        let mut shape = order(provider, |policy, declared| {
                            policy.window_for_chime = n == 1;
                            policy.stalled_after = (n == 2).then_some(Duration::from_mins(30));
                            declared.operation = [None, Some(Operation::Claim), Some(Operation::Update)][n];
                        });
                        shape.state.presence = presence;
                        shape.state.absence = absence;
                        shape.looked.faults = if n == 1 { 8 } else { 0 };
                        shape.looked.answered_at = Some(at(12));
                        let number = Number {
                            status: status.clone(),
                            window: window.clone(),
                            place,
                            ..Number::default()
                        };
                        shape.state.numbers.insert(key.into(), number);
                        if let Subject::Connect(Connect { current, .. }) = &mut shape.state.subject {
                            *current = key.into();
                        }
                        shapes.push(shape);
                    }
                }
            }
        }
    }
    shapes
}

fn observations() -> Vec<Observation> {
    let mut all = vec![
        seen("IN_PROGRESS"),
        seen("CLAIMED"),
        seen("FAILED"),
        told("FAILED", "limit"),
        told("FAILED", "not offered"),
        seen("HIBERNATING"),
        seen(""),
        named("", "CLAIMED"),
        named("+15551230001", "FAILED"),
        Observation::Seen(Sighting::Connect(ConnectNumber::default())),
        missing(),
        Observation::Missing { message: None, suspect: false },
        Observation::Missing { message: None, suspect: true },
        Observation::Elsewhere(Elsewhere::Searching),
        Observation::Elsewhere(Elsewhere::Nobody),
        held("CLAIMED"),
        held("IN_PROGRESS"),
        held(""),
        unknown(None),
        unknown(Some("AccessDeniedException")),
        throttled(),
        unavailable(),
        refused(Reach::Scope),
        refused(Reach::Order),
        malformed(),
        Observation::Elapsed,
        seen_order("", ""),
        seen_order("", "+1"),
        seen_order("Dreaming", "+1:Floating"),
        seen_order("Failed", "+1:Failed +2:Failed"),
        seen_order("Processing", "+1:Processing +1:Acquired"),
        seen_order("Successful", "+1:Acquired"),
    ];
    all.extend(ChimeStatus::ALL.map(|status| seen_order(status.as_str(), "+1:Processing")));
    all
}

#[test]
fn every_pair_has_an_answer_and_its_repetition_changes_nothing() {
    let moments = [i64::MIN, START, START + 13 * 60_000, START + 2 * DAY * 60_000, i64::MAX];
    let mut pairs = 0;
    for shape in shapes() {
        for observation in observations() {
            for now in moments.map(Timestamp::from_millis) {
                pairs += 1;
                let made = step(&shape, &observation, now);
                let changed = made.order.state != shape.state || !made.events.is_empty();
                let told = || format!("{shape:#?}\n{observation:?} at {now}\n{:#?}", made.events);
                assert_eq!(made.order.generation, shape.generation + u64::from(changed), "{}", told());
                assert_eq!(made.order.watch, shape.watch, "{}", told());
                assert_eq!(made.order.looked, shape.looked, "{}", told());
                let again = step(&made.order, &observation, now);
                assert_eq!(again.events, [], "{}", told());
                assert_eq!(again.order, made.order, "{}", told());
                // With its bookkeeping it must have an answer as well.
                let looked = look::apply(&shape, &observation, Some(now), now);
                assert_eq!(looked.order.state.numbers.len(), made.order.state.numbers.len(), "{}", told());
            }
        }
    }
    assert!(pairs > 100_000, "{pairs}");
}
