//! The contract: names, levels, keys and whole lines.

use std::sync::Arc;
use std::time::Duration;

use super::super::event::{Condition, NumberStatus, OpenWindow, Summary};
use super::super::look;
use super::super::observation::{
    ChimeStatus, ConnectNumber, Elsewhere, Observation, Progress, Sighting, Word,
};
use super::super::order::{Declared, ListTerms, OrderKey, Provider, Watch};
use super::super::policy::Policy;
use super::super::state::{Connect, Other};
use super::super::step::Step;
use super::super::window::WindowBasis;
use super::*;

const NUMBER: &str = "+442079460123";

/// 2026-11-22T10:00:00Z and so many minutes.
fn at(minutes: u64) -> Timestamp {
    Timestamp::from_millis(1_795_341_600_000).plus(Duration::from_mins(minutes))
}

fn order(provider: Provider) -> Order {
    let labels = [("site", "london"), ("team", "voice")].map(|(key, value)| (key.into(), value.into()));
    let terms = ListTerms {
        name: "emea".into(),
        account: "prod-eu".into(),
        labels: labels.into(),
        policy: Policy::default(),
    };
    let declared = Declared {
        ask: "0c1f3b6e".into(),
        number: None,
        operation: None,
        requested_at: None,
        label: Some("Support line".into()),
    };
    let key =
        OrderKey { provider, account: "prod-eu".into(), region: "eu-west-2".into(), id: "0c1f3b6e".into() };
    Order::new(Watch { key, declared, terms: Arc::new(terms) }, at(0))
}

fn failed() -> Observation {
    Observation::Seen(Sighting::Connect(ConnectNumber {
        number: Some(NUMBER.into()),
        status: Some(Word { raw: "FAILED".into(), known: Some(Progress::Failed) }),
        message: Some("+442079460123 is not offered".into()),
        target: Some("arn:aws:connect:eu-west-2:123456789012:instance/1".into()),
    }))
}

fn context(now: Timestamp, before: Option<Timestamp>, observed: bool) -> Context<'static> {
    Context { account_id: Some("123456789012"), now, before, observed, style: Style::default() }
}

/// Seen failed at minute 3, after a look at minute 2.
fn failure() -> Step {
    look::apply(&order(Provider::Connect), &failed(), Some(at(3)), at(3))
}

fn lines(made: &Step, context: &Context<'_>) -> Vec<String> {
    let records = of_order(&made.order, &made.events, context);
    records.iter().map(|record| serde_json::to_string(record).unwrap()).collect()
}

#[test]
fn the_lines_of_a_failed_number_and_its_window() {
    let told = lines(&failure(), &context(at(3), Some(at(2)), true));
    let failed = concat!(
        r#"{"schema":1,"time":"2026-11-22T10:03:00.000Z","level":"warn","event":"number.failed","#,
        r#""id":"f2df099b0dfe833dc210263a5ae6a2da-1-0","seq":0,"provider":"connect","account":"prod-eu","#,
        r#""account_id":"123456789012","region":"eu-west-2","list":"emea","order_id":"0c1f3b6e","#,
        r#""number":"+442079460123","label":"Support line","#,
        r#""target":"arn:aws:connect:eu-west-2:123456789012:instance/1","to":"FAILED","raw":"FAILED","#,
        r#""reason":"+442079460123 is not offered","operation":"claim","operation_basis":"inferred","#,
        r#""observed_after":"2026-11-22T10:02:00.000Z","observed_at":"2026-11-22T10:03:00.000Z","#,
        r#""window_id":"f2df099b0dfe833dc210263a5ae6a2da-1-1","window_basis":"failure_first_seen","#,
        r#""window_earliest":"2026-11-22T10:03:00.000Z","window_latest":"2026-11-23T10:03:00.000Z","#,
        r#""remaining_s":0,"generation":1,"label_site":"london","label_team":"voice","#,
        r#""message":"the claim of +442079460123 (Support line) failed (taken for a claim: it was never seen CLAIMED): +442079460123 is not offered"}"#,
    );
    assert_eq!(told[0], failed);
    let opened = concat!(
        r#"{"schema":1,"time":"2026-11-22T10:03:00.000Z","level":"warn","event":"window.opened","#,
        r#""id":"f2df099b0dfe833dc210263a5ae6a2da-1-1","seq":0,"provider":"connect","account":"prod-eu","#,
        r#""account_id":"123456789012","region":"eu-west-2","list":"emea","order_id":"0c1f3b6e","#,
        r#""number":"+442079460123","label":"Support line","#,
        r#""target":"arn:aws:connect:eu-west-2:123456789012:instance/1","#,
        r#""observed_after":"2026-11-22T10:02:00.000Z","observed_at":"2026-11-22T10:03:00.000Z","#,
        r#""window_id":"f2df099b0dfe833dc210263a5ae6a2da-1-1","window_basis":"failure_first_seen","#,
        r#""window_earliest":"2026-11-22T10:03:00.000Z","window_latest":"2026-11-23T10:03:00.000Z","#,
        r#""remaining_s":0,"generation":1,"label_site":"london","label_team":"voice","#,
        r#""message":"+442079460123 (Support line) must be claimed again: it may go back to the inventory "#,
        r#"at any time (nothing shows when the claim began)"}"#,
    );
    assert_eq!(told[1], opened);
}

#[test]
fn a_record_is_flat_has_known_keys_only_and_is_read_back() {
    let made = failure();
    for record in of_order(&made.order, &made.events, &context(at(3), None, true)) {
        let json = serde_json::to_value(&record).unwrap();
        for (key, value) in json.as_object().unwrap() {
            assert!(KEYS.contains(&key.as_str()) || key.starts_with("label_"), "{key}");
            assert!(value.is_string() || value.is_number(), "{key}: {value}");
        }
        assert_eq!(serde_json::from_value::<Record>(json).unwrap(), record);
        assert_eq!(record.stream(), made.order.stream().to_string());
    }
}

#[test]
fn masked_hides_the_number_wherever_it_is_told() {
    let made = failure();
    let masked = Context { style: Style { masked: true }, ..context(at(3), None, true) };
    let records = of_order(&made.order, &made.events, &masked);
    let number = "+4420******23";
    assert_eq!(records[0].number.as_deref(), Some(number));
    assert_eq!(records[0].reason.as_deref(), Some("+4420******23 is not offered"));
    assert!(records[0].message.contains(number), "{}", records[0].message);
    for line in lines(&made, &masked) {
        assert!(!line.contains("460123"), "{line}");
    }
}

#[test]
fn what_is_seen_lies_between_two_looks_and_what_the_clock_brings_rests_on_the_last() {
    let times = |record: &Record| (record.observed_after, record.observed_at, record.evidence_at);
    let made = failure();
    let records = of_order(&made.order, &made.events, &context(at(3), Some(at(2)), true));
    let names: Vec<&str> = records.iter().map(|record| record.event.as_str()).collect();
    assert_eq!(names, ["number.failed", "window.opened"]);
    assert_eq!(times(&records[0]), (Some(at(2)), Some(at(3)), None));
    assert_eq!(times(&records[1]), (Some(at(2)), Some(at(3)), None));
    let asked = look::apply(&made.order, &Observation::Elsewhere(Elsewhere::Nobody), Some(at(3)), at(4));
    let records = of_order(&asked.order, &asked.events, &context(at(4), Some(at(3)), false));
    assert_eq!(records[0].event, "window.closing");
    assert_eq!(times(&records[0]), (None, None, Some(at(3))), "an inquiry says nothing of the number itself");
    assert!(records[0].message.ends_with("last answer 2026-11-22T10:03:00.000Z"), "{}", records[0].message);
    // Where an answer tells a mark, it is what the mark rests on; but it did not happen between two looks.
    let mut fresh = order(Provider::Connect);
    fresh.looked.elsewhere_at = Some(at(3));
    let named = Connect { current: NUMBER.into(), other: Other::Nobody, ..Connect::default() };
    fresh.state.subject = Subject::Connect(named);
    let made = look::apply(&fresh, &failed(), Some(at(3)), at(3));
    let records = of_order(&made.order, &made.events, &context(at(3), Some(at(2)), true));
    assert_eq!(records[2].event, "window.closing");
    assert_eq!(times(&records[2]), (None, None, Some(at(3))));
    let end = look::apply(&asked.order, &Observation::Elapsed, None, at(9999));
    let records = of_order(&end.order, &end.events, &context(at(9999), Some(at(3)), false));
    assert_eq!(records[0].event, "window.closed");
    assert_eq!(times(&records[0]), (None, None, Some(at(3))));
    assert_eq!(records[0].due_at, Some(at(3 + 1440)));
}

#[test]
fn how_late_is_told_from_a_second_on() {
    let made = failure();
    let warned = look::apply(&made.order, &Observation::Elsewhere(Elsewhere::Nobody), Some(at(3)), at(3));
    let end = at(3 + 1440);
    let late = |by: u64| {
        let now = end.plus(Duration::from_millis(by));
        let told = look::apply(&warned.order, &Observation::Elapsed, None, now);
        let records = of_order(&told.order, &told.events, &context(now, Some(at(3)), false));
        assert_eq!((records[0].event.as_str(), records[0].due_at), ("window.closed", Some(end)));
        records[0].lateness_s
    };
    assert_eq!([0, 999, 1000, 1999, 7_200_000].map(late), [None, None, Some(1), Some(1), Some(7200)]);
    let records = of_order(&made.order, &made.events, &context(at(9), None, true));
    assert!(records.iter().all(|record| record.lateness_s.is_none()), "what has no due time is not late");
}

#[test]
fn what_an_inquiry_found_out_has_its_own_time_and_the_other_id() {
    let claimed = Word { raw: "CLAIMED".into(), known: Some(Progress::Claimed) };
    let held = Elsewhere::Held { by: "1b2c".into(), status: Some(claimed) };
    let refused = Elsewhere::Unknown { why: "no".into(), refused: Some("AccessDeniedException".into()) };
    let cases = [
        (held, "window.resolved", None, Some("1b2c")),
        (refused, "order.attention", Some("AccessDeniedException"), None),
    ];
    for (found, event, raw, other) in cases {
        let made = look::apply(&failure().order, &Observation::Elsewhere(found), Some(at(4)), at(5));
        // The step applied no answer of the number itself.
        let records = of_order(&made.order, &made.events, &context(at(5), Some(at(3)), false));
        let record = &records[0];
        assert_eq!((record.event.as_str(), record.raw.as_deref()), (event, raw));
        assert_eq!(record.other_id.as_deref(), other, "{event}");
        assert_eq!(record.number.as_deref(), Some(NUMBER), "{event}");
        let times = (record.observed_after, record.observed_at, record.evidence_at);
        assert_eq!(times, (None, Some(at(5)), None), "{event}");
    }
}

#[test]
fn a_number_that_is_released_to_another_id_says_which() {
    let held = Elsewhere::Held { by: "1b2c".into(), status: None };
    let mut order = failure().order;
    let look = |order: &mut Order, observation: Observation, minute| {
        let made = look::apply(order, &observation, Some(at(minute)), at(minute));
        *order = made.order.clone();
        made
    };
    let missing = || Observation::Missing { message: None, suspect: false };
    look(&mut order, missing(), 20);
    look(&mut order, Observation::Elsewhere(held), 20);
    let made = look(&mut order, missing(), 21);
    let records = of_order(&made.order, &made.events, &context(at(21), Some(at(20)), true));
    let told: Vec<_> =
        records.iter().map(|record| (record.event.as_str(), record.other_id.as_deref())).collect();
    assert_eq!(told, [("window.closed", None), ("number.released", Some("1b2c"))]);
    assert_eq!(
        (records[1].observed_after, records[1].observed_at),
        (Some(at(20)), Some(at(21))),
        "that it is gone was seen by two looks"
    );
    assert!(records[1].message.contains("under the id 1b2c"), "{}", records[1].message);
}

fn change(to: NumberStatus) -> OrderEvent {
    OrderEvent::Number(NumberChange {
        number: NUMBER.into(),
        from: None,
        to,
        raw: None,
        reason: None,
        cause: None,
        duration: None,
        retrying: false,
        other_id: None,
    })
}

/// An event with its name, its level, and what its record must tell.
type Told = (OrderEvent, &'static str, &'static str, &'static str);

fn number_events() -> Vec<Told> {
    let number = || NUMBER.to_owned();
    let window =
        || WindowFacts { id: "w".into(), basis: WindowBasis::Reopened, earliest: at(60), latest: at(90) };
    let closing = |last| OrderEvent::WindowClosing {
        number: number(),
        window: window(),
        mark: Duration::from_mins(30),
        last,
        due_at: at(30),
    };
    let closed = |end| OrderEvent::WindowClosed { number: number(), window: window(), end };
    vec![
        (change(NumberStatus::InProgress), "number.in_progress", "info", r#""to":"IN_PROGRESS""#),
        (change(NumberStatus::Claimed), "number.claimed", "info", r#""to":"CLAIMED""#),
        (change(NumberStatus::Failed), "number.failed", "warn", r#""to":"FAILED""#),
        (change(NumberStatus::Released), "number.released", "warn", r#""to":"RELEASED""#),
        (
            OrderEvent::Attention(Attention::HoldersDenied { code: "AccessDeniedException".into() }),
            "order.attention",
            "warn",
            r#""raw":"AccessDeniedException","condition":"holders_denied""#,
        ),
        (
            OrderEvent::WindowOpened { number: number(), window: window() },
            "window.opened",
            "warn",
            r#""window_basis":"reopened""#,
        ),
        (closing(false), "window.closing", "warn", r#""mark":1800,"remaining_s":3600"#),
        (closing(true), "window.closing", "error", r#""window_id":"w""#),
        (
            closed(WindowEnd::Unconfirmed { due_at: at(90) }),
            "window.closed",
            "error",
            r#""outcome":"unconfirmed""#,
        ),
        (closed(WindowEnd::Released), "window.closed", "error", r#""outcome":"released""#),
        (
            OrderEvent::WindowResolved { number: number(), window: window(), other_id: None },
            "window.resolved",
            "info",
            r#""outcome":"claimed""#,
        ),
        (
            OrderEvent::WindowResolved { number: number(), window: window(), other_id: Some("x".into()) },
            "window.resolved",
            "info",
            r#""remaining_s":3600,"other_id":"x""#,
        ),
    ]
}

fn order_events() -> Vec<Told> {
    let done = |outcome| OrderEvent::Completed { outcome, duration: Duration::from_mins(2) };
    let told = OrderEvent::Attention;
    vec![
        (OrderEvent::Tracked, "order.tracked", "info", ""),
        (OrderEvent::Untracked { window_open: false }, "order.untracked", "info", ""),
        (OrderEvent::Untracked { window_open: true }, "order.untracked", "warn", ""),
        (
            OrderEvent::StatusChanged { from: Some("FOC"), to: ChimeStatus::Partial },
            "order.status_changed",
            "info",
            r#""from":"FOC","to":"Partial","raw":"Partial""#,
        ),
        (done(ChimeStatus::Successful), "order.completed", "info", r#""outcome":"Successful""#),
        (done(ChimeStatus::Partial), "order.completed", "warn", r#""duration_s":120"#),
        (done(ChimeStatus::Failed), "order.completed", "warn", r#""outcome":"Failed""#),
        (done(ChimeStatus::Cancelled), "order.completed", "warn", r#""outcome":"Cancelled""#),
        (told(Attention::PendingDocuments), "order.attention", "warn", r#""condition":"pending_documents""#),
        (told(Attention::Exception), "order.attention", "warn", r#""condition":"exception""#),
        (
            told(Attention::NumberVanished { number: NUMBER.into() }),
            "order.attention",
            "warn",
            r#""number":"+442079460123""#,
        ),
        (
            told(Attention::AccessDenied { code: "AccessDenied".into(), reason: Some("no".into()) }),
            "order.attention",
            "warn",
            r#""raw":"AccessDenied","reason":"no""#,
        ),
        (
            OrderEvent::Unrecognized { number: None, raw: "Dreaming".into() },
            "order.unrecognized",
            "warn",
            r#""raw":"Dreaming""#,
        ),
        (
            OrderEvent::NotFound { from: Some("FOC"), reason: Some("no".into()) },
            "order.not_found",
            "error",
            r#""from":"FOC","reason":"no""#,
        ),
        (
            OrderEvent::Stalled { unchanged: Duration::from_mins(30), due_at: at(30) },
            "order.stalled",
            "warn",
            r#""duration_s":1800"#,
        ),
        (
            OrderEvent::Blocked { faults: 8, detail: "no JSON".into() },
            "order.blocked",
            "error",
            r#""reason":"no JSON""#,
        ),
    ]
}

#[test]
fn every_event_of_an_order_has_its_name_its_level_and_its_facts() {
    let chime = order(Provider::Chime);
    for (event, name, level, facts) in number_events().into_iter().chain(order_events()) {
        let record = order_record(&chime, &event, 0, &context(at(0), None, false));
        assert_eq!((event.name(), record.event.as_str()), (name, name));
        assert_eq!((event.level().as_str(), record.level.as_str()), (level, level), "{name}");
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.contains(facts), "{facts} is not in {json}");
        assert!(!record.message.is_empty(), "{name}");
    }
}

#[test]
fn every_event_of_a_scope_has_its_name_its_level_and_its_facts() {
    let key =
        ScopeKey { provider: Provider::Chime, account: "123456789012".into(), region: "eu-west-2".into() };
    let second = Duration::from_secs(1);
    let over = |condition| ScopeEvent::Recovered { condition, duration: 9 * second };
    let denied = ScopeEvent::Denied { code: "ExpiredToken".into(), reason: None, clock_offset_s: Some(-300) };
    let down = ScopeEvent::Unavailable { reason: "HTTP 503".into(), retry_after: 2 * second };
    let overloaded = ScopeEvent::Overloaded {
        lane: super::super::schedule::Lane::Pending,
        due: 120,
        lateness: Duration::from_secs(90),
        rate: 4.0 / 3.0,
    };
    let cases = [
        (
            ScopeEvent::Throttled { hold: second, rate: 1.5 },
            "scope.throttled",
            "warn",
            "throttled",
            r#""rate":1.5,"retry_after_s":1"#,
        ),
        (down, "scope.unavailable", "warn", "unavailable", r#""reason":"HTTP 503""#),
        (denied, "scope.denied", "error", "denied", r#""clock_offset_s":-300"#),
        (over(Condition::Throttled), "scope.recovered", "info", "throttled", r#""duration_s":9"#),
        (over(Condition::Unavailable), "scope.recovered", "info", "unavailable", r#""duration_s":9"#),
        (over(Condition::Denied), "scope.recovered", "info", "denied", r#""duration_s":9"#),
        (ScopeEvent::Suspect { missing: 4 }, "scope.suspect", "error", "suspect", r#""orders":4"#),
        (over(Condition::Suspect), "scope.recovered", "info", "suspect", r#""duration_s":9"#),
        (
            overloaded,
            "scope.overloaded",
            "warn",
            "overloaded",
            r#""lateness_s":90,"rate":1.333,"overdue":120,"lane":"pending""#,
        ),
        (over(Condition::Overloaded), "scope.caught_up", "info", "overloaded", r#""duration_s":9"#),
    ];
    for (event, name, level, condition, facts) in cases {
        let record = of_scope(&key, "prod-eu", Some("123456789012"), &event, (7, 1), at(0));
        assert_eq!((event.name(), record.event.as_str()), (name, name));
        assert_eq!((event.level().as_str(), record.level.as_str()), (level, level), "{name}");
        assert_eq!(record.condition.as_deref(), Some(condition), "{name}");
        assert_eq!(record.id, format!("{}-7-1", key.stream()));
        assert_eq!(record.stream(), key.stream().to_string());
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.contains(facts), "{facts} is not in {json}");
        assert!(record.message.contains("chime of prod-eu in eu-west-2"), "{}", record.message);
    }
}

/// A digest with so many open windows, the first two of which it names.
fn digest(windows: u64, overdue: u64) -> DaemonEvent {
    let window = |n: u64, number: &str| OpenWindow {
        number: number.to_owned(),
        order_id: format!("0c1f3b6e-{n}"),
        list: "emea".to_owned(),
        earliest: at(n),
    };
    let all = [window(0, "+442079460101"), window(1, "")];
    let soonest = all.into_iter().take(usize::try_from(windows).unwrap()).collect();
    let summary = Summary { pending: 3, failed: 2, windows, soonest };
    DaemonEvent::Digest { summary, orders: 7, overdue, lateness: Duration::from_secs(45 * overdue) }
}

#[test]
fn a_digest_names_the_windows_that_end_soonest() {
    let message = |event: &DaemonEvent, masked| of_daemon(event, (1, 0), at(0), Style { masked }).message;
    assert_eq!(
        message(&digest(0, 0), false),
        "no retry window is open; 3 pending, 2 failed, 7 orders tracked"
    );
    assert_eq!(
        message(&digest(1, 0), false),
        "1 retry window is open: +442079460101 of emea from 2026-11-22T10:00:00.000Z on; 3 pending, 2 failed, 7 orders tracked"
    );
    assert_eq!(
        message(&digest(5, 2), true),
        "5 retry windows are open: +4420******01 of emea from 2026-11-22T10:00:00.000Z on, 0c1f3b6e-1 of emea from 2026-11-22T10:01:00.000Z on, and 3 later; 3 pending, 2 failed, 7 orders tracked, 2 waiting for a turn, the oldest for 1 min 30 s"
    );
}

#[test]
fn every_event_of_the_daemon_has_its_name_its_level_and_its_facts() {
    let rejected =
        DaemonEvent::ConfigRejected { file: "emea.toml".into(), line: Some(3), reason: "no id".into() };
    let cases = [
        (DaemonEvent::Started { orders: 5 }, "daemon.started", "info", r#""orders":5"#),
        (
            DaemonEvent::Stopped { reason: "SIGTERM".into() },
            "daemon.stopped",
            "info",
            r#""reason":"SIGTERM""#,
        ),
        (DaemonEvent::Heartbeat { orders: 5, overdue: 2 }, "heartbeat", "info", r#""orders":5,"overdue":2"#),
        (digest(0, 0), "digest", "info", r#""orders":7,"overdue":0,"pending":3,"failed":2,"windows":0"#),
        (
            digest(3, 2),
            "digest",
            "info",
            r#""window_earliest":"2026-11-22T10:00:00.000Z","lateness_s":90,"orders":7,"overdue":2,"pending":3,"failed":2,"windows":3"#,
        ),
        (
            DaemonEvent::ConfigApplied { added: 1, removed: 2, changed: 3 },
            "config.applied",
            "info",
            r#""added":1,"removed":2,"changed":3"#,
        ),
        (rejected, "config.rejected", "error", r#""reason":"no id","file":"emea.toml","line":3"#),
    ];
    for (event, name, level, facts) in cases {
        let record = of_daemon(&event, (7, 0), at(0), Style::default());
        assert_eq!((event.name(), record.event.as_str()), (name, name));
        assert_eq!((event.level().as_str(), record.level.as_str()), (level, level), "{name}");
        assert_eq!((record.id.as_str(), record.stream()), ("daemon-7-0", DAEMON_STREAM));
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.contains(facts), "{facts} is not in {json}");
    }
}
