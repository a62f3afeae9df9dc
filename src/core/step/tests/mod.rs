//! The table of the state machine, row by row, and its totality.
//!
//! A story is told as `(minute, what was observed, what is said)`; minute zero is when the order was first watched.

mod chime;
mod clock;
mod connect;
mod doubt;
mod elsewhere;
mod looks;
mod missing;
mod operations;
mod slept;
mod stale;
mod totality;
mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::event::{NumberChange, OrderEvent, WindowEnd, WindowFacts};
use super::super::look;
use super::super::observation::{
    ChimeNumber, ChimeOrder, ChimeStatus, ConnectNumber, Elsewhere, Observation, Outage, Progress, Reach,
    Sighting, Word,
};
use super::super::order::{Declared, ListTerms, Operation, OrderKey, Provider, Watch};
use super::super::policy::Policy;
use super::super::state::Order;
use super::super::time::Timestamp;

/// Minutes in an hour and a day: the stories count in minutes.
const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;
/// 2026-11-22T10:00:00Z.
const START: i64 = 1_795_341_600_000;
/// The Connect number of the stories. Its name is left out where they are told.
const NUMBER: &str = "+442079460123";

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(START + minute * 60_000)
}

fn minute(at: Timestamp) -> i64 {
    (at.as_millis() - START) / 60_000
}

/// An order first watched at minute zero, under default terms that leave out stalls.
fn order(provider: Provider, adjust: impl FnOnce(&mut Policy, &mut Declared)) -> Order {
    let mut policy = Policy { stalled_after: None, ..Policy::default() };
    let mut declared =
        Declared { ask: "i".into(), number: None, operation: None, requested_at: None, label: None };
    adjust(&mut policy, &mut declared);
    let terms = ListTerms { name: "l".into(), account: "a".into(), labels: BTreeMap::new(), policy };
    let key = OrderKey { provider, account: "a".into(), region: "r".into(), id: "i".into() };
    Order::new(Watch { key, declared, terms: Arc::new(terms) }, at(0))
}

fn connect() -> Order {
    order(Provider::Connect, |_, _| {})
}

fn declared(operation: Operation) -> Order {
    order(Provider::Connect, |_, declared| declared.operation = Some(operation))
}

fn chime() -> Order {
    order(Provider::Chime, |_, _| {})
}

/// The words of both providers; anything else is one that nobody knows.
fn word(raw: &str) -> Word<Progress> {
    let known = match raw {
        "IN_PROGRESS" | "Processing" => Some(Progress::InProgress),
        "CLAIMED" | "Acquired" => Some(Progress::Claimed),
        "FAILED" | "Failed" => Some(Progress::Failed),
        _ => None,
    };
    Word { raw: raw.into(), known }
}

/// The Connect number is seen.
fn seen(raw: &str) -> Observation {
    Observation::Seen(Sighting::Connect(number(raw)))
}

/// It is seen with a status message.
fn told(raw: &str, message: &str) -> Observation {
    Observation::Seen(Sighting::Connect(ConnectNumber { message: Some(message.into()), ..number(raw) }))
}

/// It is seen under an E.164 of its own; the empty one is none.
fn named(e164: &str, raw: &str) -> Observation {
    let e164 = Some(e164.to_owned()).filter(|e164| !e164.is_empty());
    Observation::Seen(Sighting::Connect(ConnectNumber { number: e164, ..number(raw) }))
}

fn number(raw: &str) -> ConnectNumber {
    ConnectNumber {
        number: Some(NUMBER.into()),
        status: (!raw.is_empty()).then(|| word(raw)),
        message: None,
        target: None,
    }
}

/// A Chime order is seen: its own word (none if empty), and `number:word` pairs between blanks.
fn seen_order(status: &str, numbers: &str) -> Observation {
    Observation::Seen(Sighting::Chime(sighting(status, numbers)))
}

fn sighting(status: &str, numbers: &str) -> ChimeOrder {
    let status = (!status.is_empty()).then(|| Word { raw: status.into(), known: ChimeStatus::parse(status) });
    let numbers = numbers
        .split_whitespace()
        .map(|pair| {
            let (number, raw) = pair.split_once(':').unwrap_or((pair, ""));
            ChimeNumber { number: number.into(), status: (!raw.is_empty()).then(|| word(raw)) }
        })
        .collect();
    ChimeOrder { status, numbers, ..ChimeOrder::default() }
}

fn missing() -> Observation {
    Observation::Missing { message: Some("no such".into()), suspect: false }
}

/// It is missing while so much of its scope is that nobody believes it.
fn suspect() -> Observation {
    Observation::Missing { message: Some("no such".into()), suspect: true }
}

/// Another id holds the number, in that status.
fn held(raw: &str) -> Observation {
    let status = (!raw.is_empty()).then(|| word(raw));
    Observation::Elsewhere(Elsewhere::Held { by: "other".into(), status })
}

fn nobody() -> Observation {
    Observation::Elsewhere(Elsewhere::Nobody)
}

/// Who else holds the number could not be asked; with a code, it is refused.
fn unknown(refused: Option<&str>) -> Observation {
    Observation::Elsewhere(Elsewhere::Unknown { why: "no".into(), refused: refused.map(str::to_owned) })
}

fn throttled() -> Observation {
    Observation::Throttled { retry_after: None }
}

fn unavailable() -> Observation {
    Observation::Unavailable { outage: Outage::Timeout, retry_after: None }
}

fn refused(reach: Reach) -> Observation {
    Observation::Denied { reach, code: "AccessDenied".into(), message: None, clock_offset_s: None }
}

fn malformed() -> Observation {
    Observation::Malformed { detail: "no JSON".into() }
}

/// A time between two minutes.
fn second(second: i64) -> Timestamp {
    Timestamp::from_millis(START + second * 1000)
}

/// One observation, asked for and answered at times of its own. Gives the order after it and what is said.
fn hear(
    order: &Order,
    observation: &Observation,
    asked_at: Timestamp,
    now: Timestamp,
) -> (Order, Vec<String>) {
    let made = look::apply(order, observation, Some(asked_at), now);
    (made.order, made.events.iter().map(say).collect())
}

/// One line of a story.
type Line<'a> = (i64, Observation, &'a [&'a str]);

/// Tells a story, each line through `look::apply` as the daemon does, and gives the order at its end.
fn tell(mut order: Order, lines: &[Line<'_>]) -> Order {
    for (n, (minute, observation, said)) in lines.iter().enumerate() {
        let made = look::apply(&order, observation, Some(at(*minute)), at(*minute));
        let heard: Vec<String> = made.events.iter().map(say).collect();
        assert_eq!(heard, *said, "line {n}, minute {minute}: {observation:?}");
        order = made.order;
    }
    order
}

fn say(event: &OrderEvent) -> String {
    let name = event.name();
    match event {
        OrderEvent::Tracked | OrderEvent::Untracked { .. } => name.to_owned(),
        OrderEvent::Number(change) => say_number(name, change),
        OrderEvent::WindowOpened { number, window } => {
            format!("{name}{} {}", whom(number), say_window(window))
        }
        OrderEvent::WindowAcknowledged { number, .. } => format!("{name}{}", whom(number)),
        OrderEvent::WindowClosing { number, mark, last, due_at, .. } => {
            let last = if *last { " last" } else { "" };
            format!("{name}{} {} min due {}{last}", whom(number), minutes(*mark), minute(*due_at))
        }
        OrderEvent::WindowClosed { number, end: WindowEnd::Unconfirmed { due_at }, .. } => {
            format!("{name}{} unconfirmed due {}", whom(number), minute(*due_at))
        }
        OrderEvent::WindowClosed { number, end: WindowEnd::Released, .. } => {
            format!("{name}{} released", whom(number))
        }
        OrderEvent::WindowResolved { number, other_id, .. } => {
            let by = other_id.as_ref().map(|other| format!(" by {other}")).unwrap_or_default();
            format!("{name}{}{by}", whom(number))
        }
        OrderEvent::StatusChanged { from, to } => format!("{name} {}>{}", from.unwrap_or(""), to.as_str()),
        OrderEvent::Completed { outcome, duration } => {
            format!("{name} {} took {}", outcome.as_str(), minutes(*duration))
        }
        OrderEvent::Attention(attention) => format!("{name} {}", attention.condition()),
        OrderEvent::Unrecognized { number, raw } => {
            format!("{name}{} {raw}", number.as_deref().map(whom).unwrap_or_default())
        }
        OrderEvent::NotFound { from, reason } => {
            format!("{name} {}: {}", from.unwrap_or(""), reason.as_deref().unwrap_or(""))
        }
        OrderEvent::Stalled { unchanged, due_at } => {
            format!("{name} {} min due {}", minutes(*unchanged), minute(*due_at))
        }
        OrderEvent::Blocked { faults, detail } => format!("{name} {faults}: {detail}"),
    }
}

/// `number.failed +1 IN_PROGRESS>FAILED (claim, inferred) took 3 retrying: why`
fn say_number(name: &str, change: &NumberChange) -> String {
    let from = change.from.unwrap_or("");
    let cause =
        change.cause.map(|cause| format!(" ({}, {})", cause.operation.as_str(), cause.basis.as_str()));
    let took = change.duration.map(|took| format!(" took {}", minutes(took)));
    let retrying = change.retrying.then(|| " retrying".to_owned());
    let reason = change.reason.as_ref().map(|reason| format!(": {reason}"));
    let under = change.other_id.as_ref().map(|other| format!(" under {other}"));
    let rest: String = [cause, took, retrying, under, reason].into_iter().flatten().collect();
    format!("{name}{} {from}>{}{rest}", whom(&change.number), change.to.word())
}

fn say_window(window: &WindowFacts) -> String {
    format!("{} {}..{}", window.basis.as_str(), minute(window.earliest), minute(window.latest))
}

fn whom(number: &str) -> String {
    match number {
        NUMBER => String::new(),
        "" => " ?".to_owned(),
        other => format!(" {other}"),
    }
}

fn minutes(duration: Duration) -> u64 {
    duration.as_secs() / 60
}
