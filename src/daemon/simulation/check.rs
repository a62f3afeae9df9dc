//! What must hold of what came out, told from the lines alone: nothing here is shared with what it checks but the plan.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::START;
use super::plan::{self, LATE, MIN, Plan, Receiver, Truth};
use super::sinks::{Got, disliked};
use super::world::Given;
use crate::core::time::Timestamp;

/// Everything that came out of a run.
pub(super) struct Outcome<'a> {
    pub(super) plan: &'a Plan,
    pub(super) file: &'a str,
    pub(super) log: &'a str,
    pub(super) got: [&'a [Got]; 2],
    pub(super) given: &'a [Given],
    /// What the service complains of, and whoever changed an order.
    pub(super) complaints: &'a [String],
    /// When the run ended, milliseconds.
    pub(super) ended: u64,
}

/// The names of the webhooks, and the beginnings of the events that they want; none: all.
pub(super) const HOOKS: [(&str, &[&str]); 2] =
    [("pager", &["number.", "window.", "sink.", "delivery."]), ("all", &[])];

/// The longest interval of a young pending order, and for what an order's age is divided where that is more; a tenth comes on
/// top.
const STEADY_MS: i64 = 60_000;
const OLD: i64 = 120;
/// A call takes its time.
const CALL_MS: i64 = 4000;

type Events = Vec<(String, Value)>;

fn text<'a>(event: &'a Value, key: &str) -> &'a str {
    event[key].as_str().unwrap_or_default()
}

fn millis(event: &Value, key: &str) -> Option<i64> {
    Timestamp::parse(event[key].as_str()?).map(Timestamp::as_millis)
}

/// The stream, the generation and the place of an id.
fn id_parts(id: &str) -> Option<(&str, u64, u64)> {
    let (rest, n) = id.rsplit_once('-')?;
    let (stream, generation) = rest.rsplit_once('-')?;
    Some((stream, generation.parse().ok()?, n.parse().ok()?))
}

/// The events of the file, or what is wrong with it.
pub(super) fn events(file: &str) -> Result<Events, String> {
    if !file.is_empty() && !file.ends_with('\n') {
        return Err("the file ends inside a line".to_owned());
    }
    let mut ids = BTreeSet::new();
    let mut events = Vec::new();
    for (line, seq) in file.lines().zip(1_u64..) {
        let event: Value = serde_json::from_str(line).map_err(|bad| format!("line {seq}: {bad}: {line}"))?;
        if event["seq"].as_u64() != Some(seq) {
            return Err(format!("line {seq} of the file has another seq: {line}"));
        }
        if !ids.insert(text(&event, "id").to_owned()) {
            return Err(format!("an id came twice: {line}"));
        }
        events.push((line.to_owned(), event));
    }
    Ok(events)
}

/// What is not as it must be.
pub(super) fn check(outcome: &Outcome<'_>) -> Result<(), String> {
    let events = events(outcome.file)?;
    log(outcome.log, &events)?;
    generations(&events)?;
    chains(&events)?;
    nothing_invented(&events, outcome.given)?;
    windows(&events)?;
    pairs(&events, outcome.plan)?;
    on_time(&events, outcome)?;
    for (place, got) in outcome.got.iter().enumerate() {
        webhook(&events, place, got, outcome.plan)?;
    }
    if let Some(complaint) = outcome.complaints.first() {
        return Err(complaint.clone());
    }
    faults(&events, outcome.plan)?;
    truth(&events, outcome.plan, outcome.ended)
}

/// The log has every event, the first time in order, and what it repeats is the same.
fn log(log: &str, events: &Events) -> Result<(), String> {
    let mut next = 0;
    for line in log.lines() {
        // What a crash tore says nothing.
        let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
        let seq = event["seq"].as_u64().unwrap_or_default();
        let place = usize::try_from(seq).unwrap_or_default();
        if place > next + 1 || place == 0 {
            return Err(format!("the log has {seq} after {next}"));
        }
        next = next.max(place);
        if events.get(place - 1).is_none_or(|(known, _)| known != line) {
            return Err(format!("the log differs from the file: {line}"));
        }
    }
    if next == events.len() { Ok(()) } else { Err(format!("the log has {next} of {} events", events.len())) }
}

/// Within a stream generations rise, and places count from 0; those of scopes, sinks and the daemon have no gap.
fn generations(events: &Events) -> Result<(), String> {
    let mut last: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (line, event) in events {
        let Some((stream, generation, n)) = id_parts(text(event, "id")) else {
            return Err(format!("no id: {line}"));
        };
        let before = last.insert(stream, (generation, n));
        let follows = match before {
            Some((same, place)) if same == generation => n == place + 1,
            Some((earlier, _)) if event["order_id"].is_null() => generation == earlier + 1 && n == 0,
            Some((earlier, _)) => generation > earlier && n == 0,
            None if event["order_id"].is_null() => generation == 1 && n == 0,
            None => n == 0,
        };
        if !follows {
            return Err(format!("after {before:?} of its stream: {line}"));
        }
    }
    Ok(())
}

/// Each change of a number begins where the one before ended: none is lost, none comes twice.
fn chains(events: &Events) -> Result<(), String> {
    let mut last: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let mut not_found: BTreeSet<&str> = BTreeSet::new();
    for (line, event) in events {
        if text(event, "event") == "order.not_found" {
            not_found.insert(text(event, "order_id"));
        }
        if text(event, "event").starts_with("number.") {
            let key = (text(event, "order_id"), text(event, "number"));
            let never = if not_found.remove(key.0) { "NOT_FOUND" } else { "" };
            let before = last.insert(key, text(event, "to")).unwrap_or(never);
            if text(event, "from") != before || text(event, "to") == before && before != "FAILED" {
                return Err(format!("it was {before:?}: {line}"));
            }
        }
    }
    Ok(())
}

fn status(truth: Truth) -> &'static str {
    match truth {
        Truth::Absent => "RELEASED",
        Truth::InProgress | Truth::Claimed | Truth::Failed => truth.connect(),
    }
}

/// Each change was told by an answer, in the same order.
fn nothing_invented(events: &Events, given: &[Given]) -> Result<(), String> {
    let mut from: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (line, event) in events {
        if !text(event, "event").starts_with("number.") {
            continue;
        }
        let key = (text(event, "order_id"), text(event, "number"));
        let start = from.entry(key).or_default();
        let mut before = None;
        let told = given.iter().enumerate().filter(|(_, given)| given.id == key.0).find(|(at, given)| {
            let about = given.number == key.1 || given.truth == Truth::Absent;
            // That it is gone takes two answers, one after the other.
            let certain = given.truth != Truth::Absent || before == Some(Truth::Absent);
            before = Some(given.truth);
            *at >= *start && about && certain && status(given.truth) == text(event, "to")
        });
        match told {
            Some((at, _)) => *start = at + 1,
            None => return Err(format!("nobody said so: {line}")),
        }
    }
    Ok(())
}

/// A failed claim opens a window; each window ends once; its marks are told at most once, in order, before its end.
fn windows(events: &Events) -> Result<(), String> {
    let mut open: BTreeMap<&str, Option<u64>> = BTreeMap::new();
    let mut ended: BTreeSet<&str> = BTreeSet::new();
    for (at, (line, event)) in events.iter().enumerate() {
        let window = text(event, "window_id");
        let wrong = |why: &str| Err(format!("{why}: {line}"));
        match text(event, "event") {
            "window.opened" if window != text(event, "id") || open.insert(window, None).is_some() => {
                return wrong("a window opened twice, or is not called as its event");
            }
            "window.closing" => {
                let Some(mark) = open.get_mut(window).filter(|_| !ended.contains(window)) else {
                    return wrong("a warning without a window");
                };
                let told = event["mark"].as_u64();
                if mark.is_some_and(|before| told.is_none_or(|told| told >= before)) {
                    return wrong("a mark came twice, or late");
                }
                *mark = told;
            }
            "window.closed" | "window.resolved" if !open.contains_key(window) || !ended.insert(window) => {
                return wrong("a window that is not open ended");
            }
            "number.failed"
                if text(event, "provider") == "connect" && text(event, "operation") == "claim" =>
            {
                let opened = events[at + 1..].iter().take_while(|(_, next)| {
                    id_parts(text(next, "id")).map(|id| (id.0, id.1))
                        == id_parts(text(event, "id")).map(|id| (id.0, id.1))
                });
                let mut opened = opened.filter(|(_, next)| text(next, "event") == "window.opened");
                if window.is_empty() && opened.next().is_none() {
                    return wrong("a failed claim without a window");
                }
            }
            _ => {}
        }
    }
    match open.keys().find(|window| !ended.contains(*window)) {
        None => Ok(()),
        Some(window) => Err(format!("the window {window} never ended")),
    }
}

/// What begins ends before it begins again.
fn pairs(events: &Events, plan: &Plan) -> Result<(), String> {
    let mut on: BTreeSet<(String, String)> = BTreeSet::new();
    for (line, event) in events {
        let name = text(event, "event");
        let begins = [
            "scope.throttled",
            "scope.unavailable",
            "scope.denied",
            "scope.suspect",
            "scope.overloaded",
            "sink.failing",
            "sink.disabled",
        ];
        let ends = ["scope.recovered", "scope.caught_up", "sink.recovered"];
        let Some((stream, _, _)) = id_parts(text(event, "id")) else { continue };
        let key = (stream.to_owned(), text(event, "condition").to_owned());
        if (begins.contains(&name) && !on.insert(key.clone())) || (ends.contains(&name) && !on.remove(&key)) {
            return Err(format!("it began or ended twice: {line}"));
        }
    }
    for (place, (name, _)) in HOOKS.iter().enumerate() {
        let of_it = |event: &Value| text(event, "sink") == *name;
        let stream =
            events.iter().find(|(_, event)| of_it(event) && text(event, "event").starts_with("sink."));
        let stream = stream.and_then(|(_, event)| id_parts(text(event, "id"))).map(|(stream, _, _)| stream);
        // One that refused what it got last has taken nothing since.
        let may_last = plan.receivers[place] == Receiver::Picky;
        if !may_last && on.iter().any(|(on, _)| Some(on.as_str()) == stream) {
            return Err(format!("the trouble of {name} never ended"));
        }
    }
    Ok(())
}

/// Once all is quiet, what the clock brings comes when it is due.
fn on_time(events: &Events, outcome: &Outcome<'_>) -> Result<(), String> {
    // By a clock that was set ahead by all that it was ever set ahead.
    let ahead: i64 = outcome.plan.clock.iter().map(|(_, seconds)| (seconds * 1000).max(0)).sum();
    let quiet = START + i64::try_from(outcome.plan.quiet_at + 15 * MIN).unwrap_or(i64::MAX) + ahead;
    noticed(events, outcome.plan)?;
    for (line, event) in events {
        let (Some(due), Some(time)) = (millis(event, "due_at"), millis(event, "time")) else { continue };
        if due > quiet && time - due > 5000 {
            return Err(format!("{} s late: {line}", (time - due) / 1000));
        }
    }
    Ok(())
}

/// What changes when all is quiet is noticed as soon as the order's interval promises.
fn noticed(events: &Events, plan: &Plan) -> Result<(), String> {
    let steps: i64 = plan.clock.iter().map(|(_, seconds)| seconds * 1000).sum();
    // Looks that failed by the order's own fault are far apart for an hour.
    if plan.rates.truncated > 0.0 || plan.rates.forbidden > 0.0 || !plan.has_quota_enough() {
        return Ok(());
    }
    for number in &plan.numbers {
        let Some((at, Truth::Claimed)) = number.life.last() else { continue };
        let mut told = events.iter().filter(|(_, event)| text(event, "order_id") == number.id);
        let told = told.rfind(|(_, event)| text(event, "event") == "number.claimed");
        let Some((line, event)) = told.filter(|_| *at == plan.quiet_at + LATE) else { continue };
        let after = millis(event, "time").unwrap_or_default()
            - START
            - steps
            - i64::try_from(*at).unwrap_or_default();
        // The age is by the wall clock.
        let ahead: i64 = plan.clock.iter().map(|(_, seconds)| (seconds * 1000).max(0)).sum();
        let age = i64::try_from(*at).unwrap_or_default() + ahead;
        let within = STEADY_MS.max(age / OLD) * 11 / 10 + CALL_MS;
        if !(0..within).contains(&after) {
            return Err(format!("noticed after {after} ms: {line}"));
        }
    }
    Ok(())
}

/// Neither the quota nor an outage is ever an order's own fault.
fn faults(events: &Events, plan: &Plan) -> Result<(), String> {
    if plan.rates.truncated > 0.0 || plan.rates.forbidden > 0.0 {
        return Ok(());
    }
    match events.iter().find(|(_, event)| text(event, "event") == "order.blocked") {
        None => Ok(()),
        Some((line, _)) => Err(format!("it was not the order's fault: {line}")),
    }
}

/// A webhook got what it wants, all of it, in order per stream, and nothing else.
fn webhook(events: &Events, place: usize, got: &[Got], plan: &Plan) -> Result<(), String> {
    let (name, wants) = HOOKS[place];
    let about_sinks: BTreeSet<&str> = events
        .iter()
        .filter(|(_, event)| !event["sink"].is_null())
        .map(|(_, event)| text(event, "id"))
        .collect();
    let wanted = |event: &&(String, Value)| {
        let (_, event) = event;
        let named = wants.is_empty() || wants.iter().any(|begin| text(event, "event").starts_with(begin));
        // That an event about a sink is dead is told to no webhook.
        let echo = about_sinks.contains(text(event, "about"));
        named && text(event, "sink") != name && !echo
    };
    let expected: Vec<&(String, Value)> = events.iter().filter(wanted).collect();
    let places: BTreeMap<&str, usize> =
        expected.iter().enumerate().map(|(at, (_, event))| (text(event, "id"), at)).collect();
    let dead: BTreeSet<&str> = events
        .iter()
        .filter(|(_, event)| text(event, "event") == "delivery.dead" && text(event, "sink") == name)
        .map(|(_, event)| text(event, "about"))
        .collect();
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    let mut last_of_stream: BTreeMap<&str, usize> = BTreeMap::new();
    for got in got {
        let Some(place) = places.get(got.id.as_str()) else {
            return Err(format!("{name} got what it does not want: {}", got.json));
        };
        if got.sink_seq != *place as u64 + 1 || got.json != expected[*place].0 {
            return Err(format!(
                "{name}: {} is not number {} of its events: {}",
                got.sink_seq,
                place + 1,
                got.json
            ));
        }
        // What was dead comes when it was put back in the queue.
        if first.insert(&expected[*place].0, *place).is_none() && !dead.contains(got.id.as_str()) {
            let stream = id_parts(&got.id).map_or("", |(stream, _, _)| stream);
            let before = last_of_stream.insert(stream, *place);
            if before.is_some_and(|before| before > *place) {
                return Err(format!("{name} got it after a later one of its stream: {}", got.json));
            }
        }
    }
    for (line, event) in &expected {
        let id = text(event, "id");
        let may_die = matches!(plan.receivers[place], Receiver::Picky | Receiver::Poisoned) && disliked(id);
        let done_with = dead.contains(id) && may_die;
        if !(done_with || first.contains_key(line.as_str())) {
            return Err(format!("{name} never got {line}"));
        }
        if dead.contains(id) && !may_die {
            return Err(format!("{name} gave up what it could have had: {line}"));
        }
    }
    Ok(())
}

/// In the end every order is what it truly is.
fn truth(events: &Events, plan: &Plan, now: u64) -> Result<(), String> {
    let mut last: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let mut not_found: BTreeSet<&str> = BTreeSet::new();
    let mut tracked: BTreeMap<&str, bool> = BTreeMap::new();
    for (_, event) in events {
        let id = text(event, "order_id");
        match text(event, "event") {
            "order.not_found" => drop(not_found.insert(id)),
            "order.tracked" => drop(tracked.insert(id, true)),
            "order.untracked" => drop(tracked.insert(id, false)),
            name if name.starts_with("number.") => {
                not_found.remove(id);
                last.insert((id, text(event, "number")), text(event, "to"));
            }
            _ => {}
        }
    }
    let numbers = plan.numbers.iter().map(|number| (&number.id, &number.e164, &number.life));
    let ordered = plan
        .orders
        .iter()
        .flat_map(|order| order.numbers.iter().map(|(number, life)| (&order.id, number, life)));
    for (id, number, life) in numbers.chain(ordered) {
        let truth = plan::at(life, now);
        let told = last.get(&(id.as_str(), number.as_str())).copied();
        let right = match truth {
            Truth::Absent => told == Some("RELEASED") || not_found.contains(id.as_str()),
            Truth::InProgress | Truth::Claimed | Truth::Failed => told == Some(status(truth)),
        };
        if !right {
            return Err(format!(
                "{id} {number} is {truth:?} and was told as {told:?} after {} min",
                now / MIN
            ));
        }
        if tracked.get(id.as_str()) != Some(&true) {
            return Err(format!("{id} is not tracked"));
        }
    }
    Ok(())
}
