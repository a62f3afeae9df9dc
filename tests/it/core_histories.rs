//! Long random histories of one order through the pure core: what must hold at every step of any of them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on is to stop")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use claimwatch::core::event::{NumberChange, OrderEvent, WindowEnd, WindowFacts};
use claimwatch::core::observation::{
    ChimeNumber, ChimeOrder, ChimeStatus, ConnectNumber, Elsewhere, Observation, Outage, Progress, Reach,
    Sighting, Source, Word,
};
use claimwatch::core::order::{Declared, ListTerms, Operation, OrderKey, Provider, Watch};
use claimwatch::core::policy::{AfterTerminal, CountsFrom, Policy, Poll, WindowTerms};
use claimwatch::core::state::{Looked, Number, Order, Place, Presence, State};
use claimwatch::core::step::{Step, step};
use claimwatch::core::time::Timestamp;
use claimwatch::core::{cadence, look};
use proptest::collection::vec;
use proptest::prelude::*;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
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
        20 => Just(Some("+442079460123")),
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
    (status, 0..10u8, vec(number, 0..4), updated).prop_map(|(status, odd, numbers, updated)| {
        let status = status.map(|status| Word { raw: status.as_str().to_owned(), known: Some(status) });
        Observation::Seen(Sighting::Chime(ChimeOrder {
            source: Source::Own,
            status: if odd > 0 { status } else { Some(Word { raw: "Dreaming".into(), known: None }) },
            porting: false,
            numbers,
            updated_at: updated.map(|n| Timestamp::from_millis(n * 1000)),
            foc_date: None,
        }))
    })
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
        4 => any::<bool>().prop_map(|suspect| Observation::Missing { message: Some("no such".into()), suspect }),
        5 => Just(Observation::Elapsed),
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
    (policies(), operation, requested, 0..1000u32).prop_map(move |(policy, operation, requested, id)| {
        let requested_at =
            requested.map(|seconds| Timestamp::from_millis(start().as_millis() + seconds * 1000));
        let declared = Declared { ask: "i".into(), number: None, operation, requested_at, label: None };
        let terms = ListTerms { name: "l".into(), account: "a".into(), labels: BTreeMap::new(), policy };
        let key = OrderKey { provider, account: "a".into(), region: "r".into(), id: id.to_string() };
        Order::new(Watch { key, declared, terms: Arc::new(terms) }, start())
    })
}

/// What the consumer of the events knows after each of them.
#[derive(Default)]
struct Reader {
    /// The status of each number, as its last event said.
    statuses: BTreeMap<String, &'static str>,
    /// Open windows by number, with the marks that were warned at.
    open: BTreeMap<String, (WindowFacts, BTreeSet<Duration>)>,
    /// Every window that was ever opened.
    ids: BTreeSet<String>,
}

impl Reader {
    fn read(&mut self, before: &Order, made: &Step, now: Timestamp) {
        self.learn_names(made);
        for (n, event) in made.events.iter().enumerate() {
            match event {
                OrderEvent::Number(change) => self.number(before, change),
                OrderEvent::WindowOpened { number, window } => {
                    let id = format!("{}-{}-{n}", made.order.stream(), made.order.generation);
                    assert_eq!(window.id, id, "a window is named by the event that opened it");
                    assert!(self.ids.insert(id), "each window has an id of its own");
                    assert_eq!(self.statuses.get(number), Some(&"FAILED"), "only a failure opens one");
                    let other = self.open.insert(number.clone(), (window.clone(), BTreeSet::new()));
                    assert!(other.is_none(), "one at a time");
                }
                OrderEvent::WindowClosing { number, window, mark, due_at, .. } => {
                    let (known, warned) = self.open.get_mut(number).unwrap();
                    assert_eq!((&window.id, window.earliest), (&known.id, known.earliest));
                    assert!(warned.first().is_none_or(|last| mark < last), "{mark:?} after {warned:?}");
                    warned.insert(*mark);
                    assert!(*due_at <= now, "not before its time");
                    let closes = |event: &OrderEvent| matches!(event, OrderEvent::WindowClosed { number: closed, .. } if closed == number);
                    let slept_through = made.events[n..].iter().any(closes);
                    assert!(now < window.latest || slept_through, "not after the end, but with it");
                }
                OrderEvent::WindowClosed { number, window, .. }
                | OrderEvent::WindowResolved { number, window, .. } => {
                    let (known, _) = self.open.remove(number).unwrap();
                    assert_eq!((&window.id, window.earliest), (&known.id, known.earliest));
                    assert!(window.latest >= known.latest);
                }
                OrderEvent::Tracked
                | OrderEvent::Untracked { .. }
                | OrderEvent::StatusChanged { .. }
                | OrderEvent::Completed { .. }
                | OrderEvent::Attention(_)
                | OrderEvent::Unrecognized { .. }
                | OrderEvent::NotFound { .. }
                | OrderEvent::Stalled { .. }
                | OrderEvent::Blocked { .. } => {}
            }
        }
        self.compare(&made.order);
    }

    /// A Connect number that was told without its E.164 goes on under it.
    fn learn_names(&mut self, made: &Step) {
        let named = made.order.state.numbers.keys().next();
        if let Some(named) = named.filter(|_| !made.order.state.numbers.contains_key("")) {
            if let Some(status) = self.statuses.remove("") {
                self.statuses.insert(named.clone(), status);
            }
            if let Some(open) = self.open.remove("") {
                self.open.insert(named.clone(), open);
            }
        }
    }

    fn number(&mut self, before: &Order, change: &NumberChange) {
        match (self.statuses.get(&change.number).copied(), change.from) {
            (None, None) => {}
            (None, Some(from)) => {
                assert_eq!(from, "NOT_FOUND", "the first event of a number");
                assert!(matches!(before.state.presence, Presence::Gone { .. }));
            }
            (last, from) => assert_eq!(from, last, "the chain of {} breaks", change.number),
        }
        let to = change.to.word();
        if change.from == Some(to) {
            assert_eq!(to, "FAILED", "only another failure is told as a change to the same status");
        }
        self.statuses.insert(change.number.clone(), to);
        if change.retrying {
            assert!(self.open.contains_key(&change.number));
        }
    }

    /// What the events said is what is stored.
    fn compare(&self, order: &Order) {
        let told: BTreeMap<&str, Option<&str>> =
            self.statuses.iter().map(|(number, status)| (number.as_str(), Some(*status))).collect();
        let stored: BTreeMap<&str, Option<&str>> = order
            .state
            .numbers
            .iter()
            .filter(|(_, number)| number.status.word().is_some())
            .map(|(key, number)| (key.as_str(), number.status.word()))
            .collect();
        assert_eq!(told, stored);
        let windows: BTreeMap<&str, &str> = order
            .state
            .numbers
            .iter()
            .filter_map(|(key, number)| Some((key.as_str(), number.window.open()?.id.as_str())))
            .collect();
        let open: BTreeMap<&str, &str> =
            self.open.iter().map(|(number, (window, _))| (number.as_str(), window.id.as_str())).collect();
        assert_eq!(open, windows);
        for (number, (told, _)) in &self.open {
            let window = order.state.numbers[number].window.open().unwrap();
            assert_eq!(window.earliest, told.earliest, "the earliest end never moves");
            assert!(window.earliest <= window.latest);
            assert!(told.latest <= window.latest);
        }
    }
}

/// The state comes back as it was from how the store keeps it: itself, and each number in a row of its own.
fn survives_storage(state: &State) {
    let json = serde_json::to_string(state).unwrap();
    let mut back: State = serde_json::from_str(&json).unwrap();
    assert!(back.numbers.is_empty());
    for (key, number) in &state.numbers {
        let json = serde_json::to_string(number).unwrap();
        back.numbers.insert(key.clone(), serde_json::from_str::<Number>(&json).unwrap());
    }
    assert_eq!(&back, state);
}

/// When the next look is wanted: never lost, never before now, never later than promised.
fn looks_in_time(before: &Order, observation: &Observation, after: &Order, now: Timestamp) {
    let poll = &after.watch.terms.policy.poll;
    let due_at = after.looked.due_at;
    let most = match observation {
        Observation::Throttled { .. }
        | Observation::Denied { reach: Reach::Scope, .. }
        | Observation::Elapsed => {
            assert_eq!(due_at, before.looked.due_at, "nobody's fault: the order keeps its place");
            assert_eq!(after.looked.answered_at, before.looked.answered_at);
            return;
        }
        Observation::Malformed { .. } => FAULT_MAX.max(poll.ceiling),
        Observation::Seen(_)
        | Observation::Missing { .. }
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
        let marks =
            terms.warn_before.iter().filter(|mark| window.warned.is_none_or(|warned| **mark < warned));
        for end in marks.map(|mark| window.earliest.minus(*mark)).chain([window.latest]) {
            let fresh = end.minus(MINUTE);
            assert!(fresh <= now || due_at <= fresh, "no look before {end}: {due_at} at {now}");
        }
    }
}

fn run(mut order: Order, history: &[(i64, Observation)]) {
    let mut reader = Reader::default();
    let mut now = start();
    for (gap, observation) in history {
        now = Timestamp::from_millis(now.as_millis() + gap * 1000);
        let made = look::apply(&order, observation, Some(now), now);
        let after = &made.order;
        let changed = after.state != order.state || !made.events.is_empty();
        assert_eq!(after.generation, order.generation + u64::from(changed));
        reader.read(&order, &made, now);
        survives_storage(&after.state);
        looks_in_time(&order, observation, after, now);
        assert!(after.looked.wake_at.is_none_or(|wake| wake > now), "what the time brings was told");
        // A number that is absent twice is a thing of its own: the repetition says more.
        if after.state.numbers.values().all(|number| number.place != Place::LackedOnce) {
            let again = step(after, observation, now);
            assert_eq!((again.events.as_slice(), &again.order), ([].as_slice(), after));
        }
        order = made.order;
    }
}

/// A daemon that is never late: it looks when a look is due and tells the time when a time matters. The claim fails after
/// `failed_after` and stays failed. Gives how often it looked until it was done.
fn obey(mut order: Order, failed_after: Duration) -> usize {
    let failed = Some(word("FAILED"));
    let fails_at = start().plus(failed_after);
    let mut looks = 0;
    loop {
        let Looked { due_at, wake_at, .. } = order.looked;
        let Some(now) = [due_at, wake_at].into_iter().flatten().min() else { return looks };
        let looking = due_at == Some(now);
        let status = if now < fails_at { Some(word("IN_PROGRESS")) } else { failed.clone() };
        let seen = ConnectNumber { number: Some("+442079460123".into()), status, ..ConnectNumber::default() };
        let observation =
            if looking { Observation::Seen(Sighting::Connect(seen)) } else { Observation::Elapsed };
        let made = look::apply(&order, &observation, looking.then_some(now), now);
        let opens = made.events.iter().any(|event| matches!(event, OrderEvent::WindowOpened { .. }));
        for event in &made.events {
            let (OrderEvent::WindowClosing { due_at, .. }
            | OrderEvent::WindowClosed { end: WindowEnd::Unconfirmed { due_at }, .. }) = event
            else {
                continue;
            };
            assert!(opens || *due_at == now, "told at {now}, due at {due_at}");
            let evidence = made.order.looked.answered_at.unwrap();
            assert!(now.since(evidence) <= cadence::FRESH, "told at {now} on the evidence of {evidence}");
        }
        looks += usize::from(looking);
        assert!(looks < 20_000, "it is looked at too often");
        assert!(made.order.looked.wake_at.is_none_or(|wake| wake > now), "what the time brings was told");
        order = made.order;
    }
}

fn histories(provider: Provider) -> impl Strategy<Value = Vec<(i64, Observation)>> {
    vec((gaps(), observations(provider)), 1..=60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_of_a_connect_number(order in orders(Provider::Connect), history in histories(Provider::Connect)) {
        run(order, &history);
    }


    #[test]
    fn any_history_of_a_chime_order(order in orders(Provider::Chime), history in histories(Provider::Chime)) {
        run(order, &history);
    }
}

proptest! {
    // Each case is a thousand looks or so.
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_daemon_in_time_warns_in_time_on_fresh_evidence(
        mut order in orders(Provider::Connect),
        marks in vec(1..1440u64, 0..6),
        failed_after in 0..180_000u64,
    ) {
        let terms = Arc::make_mut(&mut order.watch.terms);
        terms.policy.window.warn_before = marks.into_iter().map(Duration::from_mins).collect();
        terms.policy.poll.after_terminal = AfterTerminal::Stop;
        order.watch.declared.operation = Some(Operation::Claim);
        assert!(obey(order, Duration::from_secs(failed_after)) > 0);
    }
}
