//! Long random histories of one order through the pure core: what must hold at every step of any of them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on is to stop")]

mod daemon;
mod reader;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use claimwatch::core::observation::{
    ChimeNumber, ChimeOrder, ChimeStatus, ConnectNumber, Elsewhere, Observation, Outage, Progress, Reach,
    Sighting, Source, Word,
};
use claimwatch::core::order::{Declared, ListTerms, Operation, OrderKey, Provider, Watch};
use claimwatch::core::policy::{AfterTerminal, CountsFrom, Policy, Poll, WindowTerms};
use claimwatch::core::schedule::Lane;
use claimwatch::core::state::{Looked, Number, Order, Place, Presence, State, Status, Subject};
use claimwatch::core::step::{Step, step};
use claimwatch::core::time::Timestamp;
use claimwatch::core::{cadence, inquiry, look};
use proptest::collection::vec;
use proptest::prelude::*;

use self::daemon::Daemon;
use self::reader::Reader;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// The number that is seen under the Connect id, but for a few looks.
const NUMBER: &str = "+442079460123";
/// A blocked order is looked at daily, ±10 %; nothing is due later after a look that failed.
const FAULT_MAX: Duration = Duration::from_mins(24 * 66);

/// 2026-11-22T10:00:00Z: when the order is first watched.
fn start() -> Timestamp {
    Timestamp::from_millis(1_795_341_600_000)
}

fn word(raw: &str) -> Word<Progress> {
    let known = match raw {
        "IN_PROGRESS" => Some(Progress::InProgress),
        "CLAIMED" => Some(Progress::Claimed),
        "FAILED" => Some(Progress::Failed),
        _ => None,
    };
    Word { raw: raw.to_owned(), known }
}

fn words() -> impl Strategy<Value = Option<Word<Progress>>> {
    prop_oneof![
        4 => Just(Some(word("IN_PROGRESS"))),
        3 => Just(Some(word("CLAIMED"))),
        5 => Just(Some(word("FAILED"))),
        1 => Just(Some(word("HIBERNATING"))),
        1 => Just(None),
    ]
}

fn connect_seen() -> impl Strategy<Value = Observation> {
    let numbers = prop_oneof![
        2 => Just(None),
        20 => Just(Some(NUMBER)),
        1 => Just(Some("+15551230001")),
    ];
    let messages = prop_oneof![
        Just(None),
        Just(Some("limit of 5 reached")),
        Just(Some("limit of 7 reached")),
        Just(Some("not offered")),
    ];
    (numbers, words(), messages).prop_map(|(number, status, message)| {
        Observation::Seen(Sighting::Connect(ConnectNumber {
            number: number.map(str::to_owned),
            status,
            message: message.map(str::to_owned),
            target: None,
        }))
    })
}

fn chime_seen() -> impl Strategy<Value = Observation> {
    let status = prop_oneof![
        1 => Just(None),
        9 => proptest::sample::select(ChimeStatus::ALL.to_vec()).prop_map(Some),
    ];
    let number = (0..4u8, words()).prop_map(|(n, status)| ChimeNumber { number: format!("+{n}"), status });
    let updated = prop_oneof![3 => Just(None), 2 => (0..40i64).prop_map(Some)];
    let source = prop_oneof![2 => Just(Source::Own), 1 => Just(Source::List)];
    (source, status, 0..10u8, vec(number, 0..4), updated).prop_map(
        |(source, status, odd, numbers, updated)| {
            let status = status.map(|status| Word { raw: status.as_str().to_owned(), known: Some(status) });
            Observation::Seen(Sighting::Chime(ChimeOrder {
                source,
                status: if odd > 0 { status } else { Some(Word { raw: "Dreaming".into(), known: None }) },
                porting: false,
                numbers,
                updated_at: updated.map(|n| Timestamp::from_millis(n * 1000)),
                foc_date: None,
            }))
        },
    )
}

fn elsewhere() -> impl Strategy<Value = Observation> {
    prop_oneof![
        1 => Just(Elsewhere::Searching),
        4 => Just(Elsewhere::Nobody),
        3 => words().prop_map(|status| Elsewhere::Held { by: "other".into(), status }),
        1 => Just(Elsewhere::Unknown { why: "no".into(), refused: None }),
        1 => Just(Elsewhere::Unknown { why: "no".into(), refused: Some("AccessDenied".into()) }),
    ]
    .prop_map(Observation::Elsewhere)
}

fn observations(provider: Provider) -> BoxedStrategy<Observation> {
    let seen = match provider {
        Provider::Connect => connect_seen().boxed(),
        Provider::Chime => chime_seen().boxed(),
    };
    let denied = |reach| Observation::Denied {
        reach,
        code: "AccessDenied".into(),
        message: None,
        clock_offset_s: None,
    };
    prop_oneof![
        12 => seen,
        3 => Just(Observation::Missing { message: Some("no such".into()), suspect: false }),
        1 => Just(Observation::Missing { message: None, suspect: true }),
        4 => elsewhere(),
        5 => Just(Observation::Elapsed),
        1 => Just(Observation::Acknowledged),
        1 => Just(Observation::Throttled { retry_after: Some(MINUTE) }),
        1 => Just(Observation::Unavailable { outage: Outage::Status(503), retry_after: None }),
        1 => Just(denied(Reach::Scope)),
        1 => Just(denied(Reach::Order)),
        3 => Just(Observation::Malformed { detail: "no JSON".into() }),
    ]
    .boxed()
}

/// Seconds from one observation to the next: a look's pace, hours, days, and a clock that steps back.
fn gaps() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => 0..150i64,
        3 => 0..10_000i64,
        2 => 0..90_000i64,
        1 => -7_200..0i64,
        1 => 86_400..3_000_000i64,
    ]
}

/// One thing that happens to an order.
#[derive(Debug, Clone)]
struct Moment {
    /// Seconds since the one before.
    gap: i64,
    /// How many seconds before its answer it was asked for; less than none: a clock that stepped back meanwhile.
    took: Option<i64>,
    observation: Observation,
}

fn histories(provider: Provider) -> impl Strategy<Value = Vec<Moment>> {
    let took = prop_oneof![
        8 => (0..3i64).prop_map(Some),
        2 => (0..900i64).prop_map(Some),
        1 => (-30..0i64).prop_map(Some),
        1 => Just(None),
    ];
    let moment = (gaps(), took, observations(provider)).prop_map(|(gap, took, observation)| Moment {
        gap,
        took,
        observation,
    });
    // Chance alone seldom looks twice, the time to confirm apart, with nothing seen between.
    let gone = (60..150i64).prop_map(|apart| {
        let missing = Observation::Missing { message: None, suspect: false };
        [700, apart].map(|gap| Moment { gap, took: Some(1), observation: missing.clone() }).to_vec()
    });
    let pieces = prop_oneof![9 => moment.prop_map(|moment| vec![moment]), 1 => gone];
    vec(pieces, 1..=50).prop_map(|pieces| pieces.concat())
}

fn policies() -> impl Strategy<Value = Policy> {
    let marks = prop_oneof![
        Just(vec![12 * HOUR, 2 * HOUR, 30 * MINUTE]),
        Just(vec![5 * MINUTE, HOUR, 6 * MINUTE]),
        Just(vec![]),
    ];
    let ends = prop_oneof![2 => Just(AfterTerminal::Stop), 1 => Just(AfterTerminal::Every(12 * HOUR))];
    let length = prop_oneof![3 => Just(DAY), 1 => Just(2 * HOUR), 1 => Just(30 * DAY)];
    let counts = prop_oneof![Just(CountsFrom::Claim), Just(CountsFrom::Failure)];
    let stalled = prop_oneof![Just(None), Just(Some(30 * MINUTE))];
    (marks, ends, length, counts, stalled, any::<bool>()).prop_map(
        |(warn_before, after_terminal, length, counts_from, stalled_after, window_for_chime)| Policy {
            poll: Poll { after_terminal, ..Poll::default() },
            window: WindowTerms { length, warn_before, counts_from },
            window_for_chime,
            stalled_after,
        },
    )
}

fn orders(provider: Provider) -> impl Strategy<Value = Order> {
    let operation =
        prop_oneof![2 => Just(None), 1 => Just(Some(Operation::Claim)), 1 => Just(Some(Operation::Update))];
    let requested = prop_oneof![2 => Just(None), 1 => (-200_000..200_000i64).prop_map(Some)];
    let number = prop_oneof![Just(None), Just(Some(NUMBER.to_owned()))];
    (policies(), operation, requested, number, 0..1000u32).prop_map(
        move |(policy, operation, requested, number, id)| {
            let requested_at =
                requested.map(|seconds| Timestamp::from_millis(start().as_millis() + seconds * 1000));
            let declared = Declared { ask: "i".into(), number, operation, requested_at, label: None };
            let terms = ListTerms { name: "l".into(), account: "a".into(), labels: BTreeMap::new(), policy };
            let key = OrderKey { provider, account: "a".into(), region: "r".into(), id: id.to_string() };
            Order::new(Watch { key, declared, terms: Arc::new(terms) }, start())
        },
    )
}

fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

/// The order as the store gives it back: its state and each number as JSON in rows of their own, what a look leaves
/// behind in columns, the terms from their list's row.
fn stored(order: &Order) -> Order {
    let time = |at: Option<Timestamp>| at.map(|at| Timestamp::from_millis(at.as_millis()));
    let Looked { due_at, decided_at, wake_at, answered_at, not_failed_at, elsewhere_at, faults, lane, ahead } =
        order.looked;
    let mut state: State = through_json(&order.state);
    assert!(state.numbers.is_empty());
    state.numbers = order
        .state
        .numbers
        .iter()
        .map(|(key, number)| (key.clone(), through_json::<Number>(number)))
        .collect();
    let watch = Watch {
        key: order.watch.key.clone(),
        declared: through_json(&order.watch.declared),
        terms: Arc::new(through_json(&*order.watch.terms)),
    };
    Order {
        watch,
        tracked: order.tracked,
        generation: order.generation,
        state,
        looked: Looked {
            due_at: time(due_at),
            decided_at: time(decided_at),
            wake_at: time(wake_at),
            answered_at: time(answered_at),
            not_failed_at: time(not_failed_at),
            elsewhere_at: time(elsewhere_at),
            faults,
            lane: Lane::parse(lane.as_str()).unwrap(),
            ahead,
        },
        clock_in_doubt: false,
    }
}

/// When the next look is wanted: never lost, never before now, never later than promised.
fn looks_in_time(before: &Order, observation: &Observation, after: &Order, now: Timestamp) {
    let poll = &after.watch.terms.policy.poll;
    let due_at = after.looked.due_at;
    // Without that, nobody could tell that the clock went back since.
    assert!(
        due_at == before.looked.due_at || after.looked.decided_at == Some(now),
        "decided, and not said when"
    );
    if matches!(observation, Observation::Seen(_) | Observation::Missing { .. })
        && inquiry::is_wanted(after, now)
    {
        assert_eq!(due_at, Some(now), "who else holds it is asked at once");
        return;
    }
    let most = match observation {
        Observation::Throttled { .. }
        | Observation::Denied { reach: Reach::Scope, .. }
        | Observation::Elsewhere(Elsewhere::Searching)
        | Observation::Elapsed
        | Observation::Acknowledged => {
            assert_eq!(due_at, before.looked.due_at, "nobody's fault: the order keeps its place");
            assert_eq!(after.looked.answered_at, before.looked.answered_at);
            return;
        }
        Observation::Malformed { .. } => FAULT_MAX.max(poll.ceiling),
        Observation::Seen(_)
        | Observation::Missing { .. }
        | Observation::Elsewhere(Elsewhere::Nobody | Elsewhere::Held { .. } | Elsewhere::Unknown { .. })
        | Observation::Unavailable { .. }
        | Observation::Denied { reach: Reach::Order, .. } => match poll.after_terminal {
            AfterTerminal::Stop => poll.ceiling,
            // What is done is looked at this often, ±10 %.
            AfterTerminal::Every(interval) => poll.ceiling.max(interval * 11 / 10),
        },
    };
    let Some(due_at) = due_at else {
        assert_eq!(poll.after_terminal, AfterTerminal::Stop);
        assert_eq!(after.open_windows().count(), 0, "an open window is always looked at");
        assert!(after.state.doubted_since().is_none(), "a doubt is always confirmed");
        return;
    };
    assert!(due_at > now, "a look that is due at once again: {due_at} at {now}");
    assert!(due_at <= now.plus(most), "{due_at} at {now}");
    if after.state.doubted_since().is_some() && !matches!(observation, Observation::Malformed { .. }) {
        assert!(due_at <= now.plus(poll.missing_confirm));
    }
    if matches!(observation, Observation::Malformed { .. }) {
        return;
    }
    let terms = &after.watch.terms.policy.window;
    for window in after.open_windows().filter(|_| after.state.doubted_since().is_none()) {
        let marks = terms.warn_before.iter().filter(|mark| {
            window.acknowledged_at.is_none() && window.warned.is_none_or(|warned| **mark < warned)
        });
        for end in marks.map(|mark| window.earliest.minus(*mark)).chain([window.latest]) {
            let fresh = end.minus(MINUTE);
            assert!(fresh <= now || due_at <= fresh, "no look before {end}: {due_at} at {now}");
        }
    }
}

/// Nothing is gone but what was trusted to be missing twice, the time to confirm apart and after its grace.
fn believes_in_time(before: &Order, observation: &Observation, after: &Order, now: Timestamp) {
    let gone = |order: &Order| matches!(order.state.presence, Presence::Gone { .. });
    if gone(before) || !gone(after) {
        return;
    }
    assert!(matches!(observation, Observation::Missing { suspect: false, .. }), "gone by {observation:?}");
    let poll = &after.watch.terms.policy.poll;
    let since = before.state.absence.since().unwrap();
    assert!(now.since(since) >= poll.missing_confirm, "gone at {now}, missing since {since}");
    assert!(now.since(before.state.first_watched) >= poll.missing_grace, "too young at {now}");
}

/// When the time next has something to say of the order.
fn next_time(order: &Order) -> Option<Timestamp> {
    let stall = order.watch.terms.policy.stalled_after.filter(|_| !order.state.stalled && order.is_pending());
    let stall = stall.map(|after| order.state.changed_at.plus(after));
    cadence::next_alert(order).into_iter().chain(stall).min()
}

/// What is due is told when the clock says so, and waits for an inquiry a minute at most. `waiting` is since when.
fn wakes_in_time(waiting: &mut Option<Timestamp>, observation: &Observation, after: &Order, now: Timestamp) {
    let wake_at = after.looked.wake_at;
    match next_time(after) {
        Some(due) if due <= now => {
            assert_ne!(observation, &Observation::Elapsed, "what the time brings was told");
            let since = waiting.map_or(now, |since| since.min(now));
            *waiting = Some(since);
            assert!(wake_at.is_some_and(|wake| wake <= since.plus(MINUTE)), "{wake_at:?}, due since {since}");
        }
        next => {
            *waiting = None;
            assert_eq!(wake_at, next);
        }
    }
}

/// Why an answer is not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dropped {
    /// A list that tells a step back.
    Behind,
    /// It was asked for before the last answer came.
    Late,
}

fn dropped(before: &Order, moment: &Moment, asked_at: Option<Timestamp>, now: Timestamp) -> Option<Dropped> {
    if let (Observation::Seen(Sighting::Chime(told)), Subject::Chime(chime)) =
        (&moment.observation, &before.state.subject)
    {
        let word = told.status.as_ref().and_then(|word| word.known);
        let ended = chime.status.is_some_and(ChimeStatus::is_terminal);
        let order = ended && word.is_some_and(|word| !word.is_terminal());
        let number = told.numbers.iter().any(|told| {
            let outcome =
                before.state.numbers.get(&told.number).is_some_and(|known| {
                    matches!(known.status, Status::Claimed { .. } | Status::Failed { .. })
                });
            outcome && told.status == Some(word_of(Progress::InProgress))
        });
        if told.source == Source::List && (order || number) {
            return Some(Dropped::Behind);
        }
    }
    let tells = matches!(
        moment.observation,
        Observation::Seen(_) | Observation::Missing { .. } | Observation::Elsewhere(_)
    );
    let answered = before.looked.answered_at.filter(|at| *at <= now);
    let late = asked_at.zip(answered).is_some_and(|(asked, answered)| asked < answered);
    (tells && late).then_some(Dropped::Late)
}

fn word_of(progress: Progress) -> Word<Progress> {
    word(match progress {
        Progress::InProgress => "IN_PROGRESS",
        Progress::Claimed => "CLAIMED",
        Progress::Failed => "FAILED",
    })
}

/// What is not believed leaves everything but the next look.
fn leaves_alone(dropped: Dropped, before: &Order, made: &Step, now: Timestamp) {
    let due_at = made.order.looked.due_at;
    let due = before.looked.due_at;
    match dropped {
        Dropped::Behind => assert_eq!(due_at, Some(now), "an own look has to confirm it"),
        Dropped::Late if due.is_some_and(|due| due <= now) => assert!(due_at.is_none_or(|due| due > now)),
        Dropped::Late => assert_eq!(due_at, due),
    }
    // That it was decided anew is checked of every step.
    let looked = Looked { due_at, decided_at: made.order.looked.decided_at, ..before.looked };
    assert_eq!(made, &Step { order: Order { looked, ..before.clone() }, events: Vec::new() });
}

/// Runs a history. The same one must go on alike from what was stored and loaded: at `cut`, and at every step.
fn run(mut order: Order, history: &[Moment], cut: usize) {
    let mut reader = Reader::default();
    let mut waiting = None;
    let mut now = start();
    let (mut cut_once, mut cut_always) = (order.clone(), order.clone());
    for (n, moment) in history.iter().enumerate() {
        now = Timestamp::from_millis(now.as_millis() + moment.gap * 1000);
        let asked_at = moment.took.map(|took| Timestamp::from_millis(now.as_millis() - took * 1000));
        let observation = &moment.observation;
        let made = look::apply(&order, observation, asked_at, now);
        let after = &made.order;
        if n == cut % history.len() {
            cut_once = stored(&cut_once);
        }
        cut_always = stored(&cut_always);
        for other in [&mut cut_once, &mut cut_always] {
            let alike = look::apply(other, observation, asked_at, now);
            assert_eq!(alike, made, "it goes on from what was stored");
            *other = alike.order;
        }
        if let Some(why) = dropped(&order, moment, asked_at, now) {
            leaves_alone(why, &order, &made, now);
            order = made.order;
            continue;
        }
        let changed = after.state != order.state;
        assert!(changed || made.events.is_empty(), "an event without a change: {:?}", made.events);
        assert_eq!(after.generation, order.generation + u64::from(changed));
        reader.read(&order, &made, now);
        looks_in_time(&order, observation, after, now);
        believes_in_time(&order, observation, after, now);
        wakes_in_time(&mut waiting, observation, after, now);
        // A number that is absent twice is a thing of its own: the repetition says more.
        if after.state.numbers.values().all(|number| number.place != Place::LackedOnce) {
            let again = step(after, observation, now);
            assert_eq!((again.events.as_slice(), &again.order), ([].as_slice(), after));
        }
        order = made.order;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_of_a_connect_number(
        order in orders(Provider::Connect),
        history in histories(Provider::Connect),
        cut in any::<usize>(),
    ) {
        run(order, &history, cut);
    }

    #[test]
    fn any_history_of_a_chime_order(
        order in orders(Provider::Chime),
        history in histories(Provider::Chime),
        cut in any::<usize>(),
    ) {
        run(order, &history, cut);
    }
}

proptest! {
    // Each case is a thousand looks or so.
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_daemon_in_time_warns_in_time_on_fresh_evidence(
        mut order in orders(Provider::Connect),
        // A few over the day, or so many that a window opens close before one.
        marks in prop_oneof![2 => vec(1..1440u64, 0..6), 1 => vec(1..300u64, 30..60)],
        failed_after in 0..180_000u64,
        inquiry_takes in 0..20u64,
    ) {
        let terms = Arc::make_mut(&mut order.watch.terms);
        terms.policy.window.warn_before = marks.iter().copied().map(Duration::from_mins).collect();
        terms.policy.poll.after_terminal = AfterTerminal::Stop;
        order.watch.declared.operation = Some(Operation::Claim);
        let mut daemon = Daemon::new(order, Duration::from_secs(failed_after), Duration::from_secs(inquiry_takes));
        daemon.obey();
        assert!(!daemon.told.is_empty(), "the end at least is told");
        let alerts = marks.len() + 2;
        assert!(daemon.inquiries <= alerts, "{} inquiries for {alerts} alerts at most", daemon.inquiries);
    }
}
