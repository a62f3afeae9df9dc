//! Every shape of an order with every observation.

use super::super::super::state::{
    Absence, Cause, CauseBasis, Connect, Number, Other, Place, Presence, Status, Subject,
};
use super::super::super::window::{Closed, Outcome, Window, WindowBasis, WindowState};
use super::super::step;
use super::*;

/// The statuses of a number of that provider: Connect's have a cause, Chime's have none.
fn statuses(provider: Provider) -> Vec<Status> {
    let since = at(10);
    let causes = match provider {
        Provider::Connect => vec![
            Some(Cause { operation: Operation::Claim, basis: CauseBasis::NeverClaimed }),
            Some(Cause { operation: Operation::Update, basis: CauseBasis::Declared }),
        ],
        Provider::Chime => vec![None],
    };
    let mut all = vec![Status::NeverSeen, Status::Claimed { since }, Status::Released { since }];
    for cause in causes {
        all.push(Status::InProgress { since, cause });
        all.push(Status::Failed { since, cause, reason: None });
        all.push(Status::Failed { since, cause, reason: Some("limit".into()) });
    }
    all
}

/// None, one far from its marks, one whose marks are past, one whose end is past, and one that is over. As seen from
/// minute 13, which is among the moments.
fn windows() -> [WindowState; 5] {
    let open = |earliest: i64, latest: i64, warned: Option<u64>| Window {
        id: "w".into(),
        basis: WindowBasis::FirstLook,
        counted_from: Some(at(0)),
        length: Duration::from_hours(24),
        failed_at: at(latest - DAY),
        earliest: at(earliest),
        latest: at(latest),
        warned: warned.map(Duration::from_mins),
        acknowledged_at: None,
    };
    let over = Closed { window: open(DAY, DAY + 10, None), outcome: Outcome::Unconfirmed, at: at(DAY + 10) };
    [
        WindowState::Never,
        WindowState::Open(open(DAY, DAY + 10, None)),
        WindowState::Open(open(20, DAY + 10, Some(720))),
        WindowState::Open(open(11, 12, None)),
        WindowState::Closed(over),
    ]
}

/// What stands beside a number's status and window.
#[derive(Debug, Clone, Copy)]
struct Beside {
    /// Whether, and how, it is there.
    presence: Presence,
    absence: Absence,
    place: Place,
    /// Whether the last that was said is that it was not found.
    not_found_told: bool,
    /// Whether another id holds it, as last asked.
    held: bool,
    /// Whether that was asked just before minute 13.
    asked: bool,
    /// Which of three sorts of terms and declarations.
    terms: usize,
}

/// All that can stand beside: every way of being there with one of the rest each, all of the rest with one that is simply
/// there, and half of it with one that is doubted.
fn beside() -> Vec<Beside> {
    let since = at(12);
    let ways = [
        (Presence::Seen, Absence::None, Place::Listed),
        (Presence::Seen, Absence::Doubted { since }, Place::LackedOnce),
        (Presence::Seen, Absence::Suspect { since }, Place::Vanished),
        (Presence::Seen, Absence::Young { until: at(14) }, Place::Listed),
        (Presence::Unseen, Absence::None, Place::LackedOnce),
        (Presence::Unseen, Absence::Doubted { since }, Place::Listed),
        (Presence::Unseen, Absence::Suspect { since }, Place::Listed),
        (Presence::Gone { since: at(11) }, Absence::None, Place::Vanished),
    ];
    let rests = (0..8usize).map(|n| (n & 1 != 0, n & 2 != 0, n & 4 != 0));
    let of = |(presence, absence, place), (not_found_told, held, asked), terms| Beside {
        presence,
        absence,
        place,
        not_found_told,
        held,
        asked,
        terms,
    };
    let turned = ways.into_iter().enumerate().map(|(n, way)| of(way, (n % 2 != 0, n % 3 != 0, n > 3), n % 3));
    let all = rests.clone().enumerate().map(|(n, rest)| of(ways[0], rest, n % 3));
    let doubted = rests.enumerate().skip(4).map(|(n, rest)| of(ways[1], rest, (n + 1) % 3));
    turned.chain(all).chain(doubted).collect()
}

/// Every status with every window, and what may stand beside; with and without an E.164.
fn shapes() -> Vec<Order> {
    let mut shapes = Vec::new();
    for (provider, key) in [(Provider::Connect, NUMBER), (Provider::Connect, ""), (Provider::Chime, "+1")] {
        for status in statuses(provider) {
            for window in windows() {
                for beside in beside() {
                    let number = Number {
                        status: status.clone(),
                        window: window.clone(),
                        place: beside.place,
                        ..Number::default()
                    };
                    shapes.push(shape(provider, key, number, beside));
                }
            }
        }
    }
    shapes
}

fn shape(provider: Provider, key: &str, number: Number, beside: Beside) -> Order {
    let n = beside.terms;
    let mut shape = order(provider, |policy, declared| {
        policy.window_for_chime = n == 1;
        policy.stalled_after = (n == 2).then_some(Duration::from_mins(30));
        declared.operation = [None, Some(Operation::Claim), Some(Operation::Update)][n];
        declared.number = (n == 1).then(|| NUMBER.to_owned());
    });
    shape.state.presence = beside.presence;
    shape.state.absence = beside.absence;
    shape.state.not_found_told = beside.not_found_told;
    shape.looked.faults = if n == 1 { 8 } else { 0 };
    shape.looked.answered_at = Some(at(12));
    shape.looked.elsewhere_at = beside.asked.then(|| second(13 * 60 - 5));
    shape.state.numbers.insert(key.into(), number);
    if let Subject::Connect(Connect { current, other, .. }) = &mut shape.state.subject {
        *current = key.into();
        if beside.held {
            *other = Other::Held { by: "other".into(), raw: Some("FAILED".into()) };
        }
    }
    shape
}

/// What can be observed of an order of that provider, and one sighting of the other's.
fn observations(provider: Provider) -> Vec<Observation> {
    let mut all = vec![
        missing(),
        suspect(),
        Observation::Missing { message: None, suspect: false },
        Observation::Elsewhere(Elsewhere::Searching),
        nobody(),
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
        seen("CLAIMED"),
        seen_order("Successful", "+1:Acquired"),
    ];
    match provider {
        Provider::Connect => all.extend([
            seen("IN_PROGRESS"),
            seen("FAILED"),
            told("FAILED", "limit"),
            told("FAILED", "not offered"),
            seen("HIBERNATING"),
            seen(""),
            named("", "CLAIMED"),
            named("+15551230001", "FAILED"),
            Observation::Seen(Sighting::Connect(ConnectNumber::default())),
        ]),
        Provider::Chime => {
            all.extend([
                seen_order("", ""),
                seen_order("", "+1"),
                seen_order("Dreaming", "+1:Floating"),
                seen_order("Failed", "+1:Failed +2:Failed"),
                seen_order("Processing", "+1:Processing +1:Acquired"),
            ]);
            all.extend(ChimeStatus::ALL.map(|status| seen_order(status.as_str(), "+1:Processing")));
        }
    }
    all
}

#[test]
fn every_pair_has_an_answer_and_its_repetition_changes_nothing() {
    let moments = [START, START + 13 * 60_000, START + 2 * DAY * 60_000];
    let ends_of_time = [i64::MIN, i64::MAX];
    let mut pairs = 0;
    for (n, shape) in shapes().iter().enumerate() {
        // The ends of time are few: a third of the shapes, in turn, is enough for them.
        let ends = ends_of_time.iter().filter(|_| n % 3 == 0);
        for observation in observations(shape.watch.key.provider) {
            for now in moments.iter().chain(ends.clone()).copied().map(Timestamp::from_millis) {
                pairs += 1;
                let made = step(shape, &observation, now);
                let changed = made.order.state != shape.state;
                let told = || format!("{shape:#?}\n{observation:?} at {now}\n{:#?}", made.events);
                assert!(changed || made.events.is_empty(), "an event without a change: {}", told());
                assert_eq!(made.order.generation, shape.generation + u64::from(changed), "{}", told());
                assert_eq!(made.order.watch, shape.watch, "{}", told());
                assert_eq!(made.order.looked, shape.looked, "{}", told());
                let again = step(&made.order, &observation, now);
                assert_eq!(again.events, [], "{}", told());
                assert_eq!(again.order, made.order, "{}", told());
                // With its bookkeeping it must have an answer as well.
                let looked = look::apply(shape, &observation, Some(now), now);
                assert_eq!(looked.order.state.numbers.len(), made.order.state.numbers.len(), "{}", told());
            }
        }
    }
    assert!(pairs > 200_000, "{pairs}");
}
