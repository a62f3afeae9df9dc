//! `show`: one order with everything that is known of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::ConfigArg;
use super::known::{Known, as_json, told};
use super::text::{Tone, WIDTH, both, clean, coming, cut, line, paint, relative, short, wrapped};
use crate::clock::SystemClock;
use crate::core::message::span;
use crate::core::standing::NOT_FOUND;
use crate::core::time::Timestamp;
use crate::daemon::observe::orders::{Detail, NumberView, WindowEvidence};
use crate::store::shown::Transition;

/// Columns of what a line is about.
const KEY: usize = 12;
/// Numbers of a Chime order that are shown; `--json` has all.
const NUMBERS_MOST: usize = 20;

/// Which order to show.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Its id, the beginning of it, its ARN, or its number as in +442079460103
    id: String,
    /// Print what GET /api/v1/orders/ID answers
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, environment: BTreeMap<String, String>, clock: SystemClock) -> u8 {
    let known = match Known::open(&args.config, environment, clock) {
        Ok(known) => known,
        Err(code) => return code,
    };
    let detail = known.detail(&args.id).await;
    if !args.json {
        known.warn_of_no_daemon();
    }
    told(detail.and_then(
        |detail| {
            if args.json { as_json(&detail) } else { Ok(render(&detail, known.colour)) }
        },
    ))
}

/// For people: plain text of at most 80 columns.
fn render(detail: &Detail, colour: bool) -> String {
    let (order, now) = (&detail.order, detail.at);
    let name = order.number.as_ref().unwrap_or(&order.order_id);
    let label = order.label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
    let title = line(&format!("{name}{label}: {}", order.status));
    let mut text = format!("{}\n", paint(&title, Tone::of(order.urgency), colour));
    let scope = format!("{}/{} {}", order.provider, order.account, order.region);
    put(&mut text, "id", &order.order_id);
    put(&mut text, "list", &format!("{} ({scope})", order.list));
    if !order.labels.is_empty() {
        let labels: Vec<String> = order
            .labels
            .iter()
            .map(|(key, value)| format!("{}={value}", key.trim_start_matches("label_")))
            .collect();
        put(&mut text, "labels", &labels.join(", "));
    }
    if let Some(target) = &order.target {
        put(&mut text, "target", target);
    }
    put(&mut text, "since", &both(order.since, now));
    if let Some(raw) = order.raw.as_ref().filter(|raw| **raw != order.status) {
        // Of what is gone it says nothing any more.
        let gone = [NOT_FOUND, "RELEASED"].contains(&order.status.as_str());
        put(&mut text, if gone { "AWS said" } else { "AWS says" }, raw);
    }
    if let Some(condition) = &order.condition {
        put(&mut text, "condition", &condition.replace('_', " "));
    }
    if let Some(seen) = order.observed_at {
        put(&mut text, "last answer", &both(seen, now));
    }
    let next = detail
        .next_look
        .due_at
        .map_or_else(|| "never".to_owned(), |due| format!("{} ({})", short(due), coming(due, now)));
    put(&mut text, "next look", &format!("{next}, {}", order.lane));
    put(&mut text, "why then", &detail.next_look.why);
    if let Some(wake) = detail.next_look.wake_at {
        put(&mut text, "next event", &format!("{} without a look", both(wake, now)));
    }
    numbers(&mut text, detail, colour);
    history(&mut text, detail, colour);
    deliveries(&mut text, detail, colour);
    text
}

/// A line about one thing, broken where it is too long.
fn put(text: &mut String, key: &str, value: &str) {
    for (n, part) in wrapped(value, WIDTH - KEY - 2).iter().enumerate() {
        let key = if n == 0 { key } else { "" };
        let _infallible = writeln!(text, "  {key:KEY$}{part}");
    }
}

fn head(text: &mut String, title: &str, colour: bool) {
    let _infallible = writeln!(text, "\n{}", paint(title, Tone::Head, colour));
}

fn numbers(text: &mut String, detail: &Detail, colour: bool) {
    let several = detail.numbers.len() > 1 || detail.order.number.is_none();
    if !detail.numbers.is_empty() && several {
        head(text, "NUMBERS", colour);
    }
    for number in detail.numbers.iter().take(NUMBERS_MOST) {
        if several {
            let since = number.since.map(|at| format!(", {}", relative(at, detail.at))).unwrap_or_default();
            let named = number.number.as_deref().unwrap_or("not known yet");
            let _infallible = writeln!(text, "{}", line(&format!("  {named} is {}{since}", number.status)));
        }
        of_number(text, number);
        if let Some(window) = &number.window {
            of_window(text, window, detail, colour);
        }
    }
    if detail.numbers.len() > NUMBERS_MOST {
        let _infallible = writeln!(text, "  and {} more: --json", detail.numbers.len() - NUMBERS_MOST);
    }
}

fn of_number(text: &mut String, number: &NumberView) {
    if let Some(operation) = &number.operation {
        let basis = number.operation_basis.as_deref().unwrap_or_default();
        put(text, "operation", &format!("{operation} ({basis})"));
    }
    if let Some(reason) = &number.reason {
        put(text, "reason", reason);
    }
}

fn of_window(text: &mut String, window: &WindowEvidence, detail: &Detail, colour: bool) {
    let now = detail.at;
    let told = if let (Some(outcome), Some(at)) = (&window.outcome, window.closed_at) {
        let other = window.other_id.as_ref().map(|other| format!(" by {other}")).unwrap_or_default();
        format!("closed {}: {}{other}", both(at, now), outcome.replace('_', " "))
    } else if window.window_earliest <= now {
        format!("OPEN, may end at any time until {}", both(window.window_latest, now))
    } else {
        format!("OPEN, may end from {} on", both(window.window_earliest, now))
    };
    let open = window.outcome.is_none();
    let mut own = String::new();
    put(&mut own, "window", &told);
    text.push_str(&paint(own.trim_end_matches('\n'), Tone::Bad, colour && open));
    text.push('\n');
    if !open {
        let (earliest, latest) = (short(window.window_earliest), short(window.window_latest));
        put(text, "", &format!("it could end from {earliest} on, until {latest}"));
    } else if window.window_earliest > now {
        put(text, "", &format!("has ended by {}", both(window.window_latest, now)));
    }
    put(text, "", &evidence(window, now));
    if open {
        let warned = window.warned_s.map(|mark| format!("warned at {}; ", span(Duration::from_secs(mark))));
        let next = match (window.acknowledged, window.next_mark_at) {
            (true, _) => "acknowledged: no more warnings".to_owned(),
            (false, Some(at)) => {
                format!(
                    "next warning {}; `claimwatch ack {}` ends them",
                    both(at, now),
                    detail.order.order_id
                )
            }
            (false, None) => "no more warnings before the end".to_owned(),
        };
        put(text, "", &format!("{}{next}", warned.unwrap_or_default()));
    }
}

/// What a window rests on.
fn evidence(window: &WindowEvidence, now: Timestamp) -> String {
    let length = span(Duration::from_secs(window.window_length_s));
    let failed = short(window.failed_at);
    let from = match (window.window_basis.as_str(), window.window_counted_from) {
        ("requested_at", Some(at)) => format!("requested_at of the list, {}", both(at, now)),
        ("first_look", Some(at)) => format!("the look that first showed the claim, {}", both(at, now)),
        ("last_look_before_failure", Some(at)) => {
            format!("the last look that did not show it failed, {}", both(at, now))
        }
        (basis, counted) => {
            let counted = counted.map(|at| format!(" ({})", short(at))).unwrap_or_default();
            format!("the failure: {}{counted}", basis.replace('_', " "))
        }
    };
    format!("counted {length} from {from}; seen failed {failed}")
}

fn history(text: &mut String, detail: &Detail, colour: bool) {
    head(text, "HISTORY", colour);
    if detail.history.is_empty() {
        text.push_str("  nothing happened yet\n");
    }
    for step in &detail.history {
        let at = step.time.map(short).unwrap_or_default();
        let told = format!("  {at:20}  {:20} {}", step.event, became(step, detail));
        let _infallible = writeln!(text, "{}", line(told.trim_end()));
        if let Some(reason) = &step.reason {
            let _infallible = writeln!(text, "{}", line(&format!("{:24}{reason}", "")));
        }
    }
}

fn became(step: &Transition, detail: &Detail) -> String {
    let of = step.number.as_ref().filter(|number| detail.order.number.as_ref() != Some(number));
    let of = of.map(|number| format!("{number} ")).unwrap_or_default();
    match (&step.from, &step.to) {
        (Some(from), Some(to)) => format!("{of}{from} → {to}"),
        (None, Some(to)) => format!("{of}{to}"),
        (Some(from), None) => format!("{of}was {from}"),
        (None, None) => of,
    }
}

fn deliveries(text: &mut String, detail: &Detail, colour: bool) {
    head(text, "DELIVERIES of its last events", colour);
    let mut by_sink: BTreeMap<&str, (u64, Vec<String>)> = BTreeMap::new();
    for delivered in &detail.deliveries {
        let (count, others) = by_sink.entry(&delivered.sent.sink).or_default();
        if delivered.sent.stands.as_str() == "delivered" {
            *count += 1;
        } else {
            let error = delivered.sent.last_error.as_ref().map(|error| format!(": {}", clean(error)));
            let stands = delivered.sent.stands.as_str();
            others.push(format!(
                "seq {} {} is {stands}{}",
                delivered.sent.seq,
                delivered.event,
                error.unwrap_or_default()
            ));
        }
    }
    if by_sink.is_empty() {
        text.push_str("  none is known any more\n");
    }
    for (sink, (count, others)) in by_sink {
        let _infallible = writeln!(text, "  {:20} {count} delivered", cut(sink, 20));
        for other in others {
            let _infallible = writeln!(text, "{}", line(&format!("    ! {other}")));
        }
    }
}
