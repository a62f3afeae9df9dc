//! `status`: how everything is, on one screen; what may be lost first.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Deserialize;

use super::known::{Known, as_json, told};
use super::text::{Tone, both, cell, clean, cut, line, paint, relative, short};
use super::{ConfigArg, scopes};
use crate::clock::SystemClock;
use crate::core::delivery::SinkMemory;
use crate::core::message::span;
use crate::core::record::Record;
use crate::core::time::Timestamp;
use crate::daemon::observe::orders::WindowView;
use crate::daemon::observe::status::{Status, Tally};
use crate::daemon::observe::{ScopeView, Trouble};
use crate::store::outbox::SinkStatus;

/// Characters of an id that are shown, as in the log.
const ID_SHOWN: usize = 8;
/// Columns of a label.
const LABEL_SHOWN: usize = 30;

/// How to show it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Print what GET /api/v1/status answers
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, environment: BTreeMap<String, String>, clock: SystemClock) -> u8 {
    let known = match Known::open(&args.config, environment, clock) {
        Ok(known) => known,
        Err(code) => return code,
    };
    let status = known.status().await;
    told(status.and_then(
        |status| {
            if args.json { as_json(&status) } else { Ok(render(status, known.colour)) }
        },
    ))
}

/// For people: plain text of at most 80 columns.
fn render(status: Status, colour: bool) -> String {
    let mut text = String::new();
    daemon(&mut text, &status, colour);
    configuration(&mut text, &status, colour);
    let _infallible = writeln!(text, "  {}", counts(&status.orders));
    if status.orders.attention > 0 {
        text.push_str("  `claimwatch orders --urgency attention` names those that need somebody\n");
    }
    windows(&mut text, &status, colour);
    if status.daemon.running && !status.scopes.is_empty() {
        let _infallible = write!(text, "\n{}", scopes::render(status.scopes));
    } else {
        remembered(&mut text, &status.scopes, colour);
    }
    sinks(&mut text, &status.sinks, colour);
    changes(&mut text, &status.events, status.at, colour);
    text
}

fn daemon(text: &mut String, status: &Status, colour: bool) {
    let (daemon, now) = (&status.daemon, status.at);
    let version = &daemon.version;
    let told = match (daemon.running, daemon.started_at, daemon.last_event_at) {
        (true, Some(at), _) => {
            paint(&format!("* claimwatch {version} runs since {}", both(at, now)), Tone::Good, colour)
        }
        (true, None, _) => paint(&format!("* claimwatch {version} runs"), Tone::Good, colour),
        (false, _, Some(at)) => {
            let told = paint("! NO DAEMON RUNS: nothing is watched", Tone::Bad, colour);
            format!("{told}\n  the last event is of {}", both(at, now))
        }
        (false, _, None) => {
            paint("! NO DAEMON RUNS, and none ever did: nothing is watched", Tone::Bad, colour)
        }
    };
    let _infallible = writeln!(text, "{told}");
    if status.store_failing {
        let told = "! the store takes nothing: nothing is looked at (is the disk full?)";
        let _infallible = writeln!(text, "{}", paint(told, Tone::Bad, colour));
    }
}

/// What was wrong with scopes when the daemon ended: more is not known of them now.
fn remembered(text: &mut String, scopes: &[ScopeView], colour: bool) {
    let mut any = false;
    for scope in scopes {
        for Trouble { word, since, meaning, rank: _ } in scope.troubles() {
            if !std::mem::replace(&mut any, true) {
                text.push('\n');
            }
            let name = format!("{}/{}", scope.provider, scope.account);
            let told = line(&format!("! {name} was {word} since {}: {meaning}", short(since)));
            let _infallible = writeln!(text, "{}", paint(&told, Tone::Warn, colour));
        }
    }
}

fn configuration(text: &mut String, status: &Status, colour: bool) {
    let Some(config) = &status.config else { return };
    let Some(at) = config.reloaded_at else { return };
    let read = both(at, status.at);
    if config.successful {
        let _infallible = writeln!(text, "  configuration read {read}, in force");
        return;
    }
    let told = format!("! configuration read {read}, not all in force:");
    let _infallible = writeln!(text, "{}", paint(&told, Tone::Bad, colour));
    for rejected in &config.rejected {
        let place = rejected.line.map(|line| format!(":{line}")).unwrap_or_default();
        let _infallible =
            writeln!(text, "{}", line(&format!("    {}{place}: {}", rejected.file, rejected.reason)));
    }
}

fn counts(tally: &Tally) -> String {
    let Tally { tracked, window, attention, failed, pending, done, windows: _ } = *tally;
    if tracked == 0 {
        return "nothing is watched yet: write a list into watch.d, or `claimwatch track ID`".to_owned();
    }
    let kinds = [
        (window, "with an open window"),
        (attention, "need somebody"),
        (failed, "failed"),
        (pending, "pending"),
        (done, "done"),
    ];
    let kinds: Vec<String> = kinds
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| format!("{count} {kind}"))
        .collect();
    format!("{tracked} {}: {}", if tracked == 1 { "order" } else { "orders" }, kinds.join(", "))
}

fn windows(text: &mut String, status: &Status, colour: bool) {
    if status.windows.is_empty() {
        let _infallible = writeln!(text, "\nNo retry window is open.");
        return;
    }
    let head = format!("{:13} {:21} {:16} {:15} ORDER", "TIME LEFT", "MAY END FROM", "NUMBER", "LIST");
    let title = "OPEN RETRY WINDOWS: claim these numbers again";
    let _infallible = writeln!(text, "\n{}\n{head}", paint(title, Tone::Head, colour));
    for window in &status.windows {
        of_window(text, window, colour);
    }
    let more = status.orders.windows.saturating_sub(status.windows.len() as u64);
    if more > 0 {
        let _infallible = writeln!(text, "… and {more} more: claimwatch orders --urgency window");
    }
}

fn of_window(text: &mut String, window: &WindowView, colour: bool) {
    let left = match window.remaining_s {
        0 => "ANY TIME NOW".to_owned(),
        left => span(Duration::from_secs(left)),
    };
    let number = window.number.as_deref().unwrap_or("not known yet");
    let shown = format!(
        "{} {} {} {} {}",
        paint(&cell(&left, 13), Tone::Bad, colour),
        cell(&short(window.window_earliest), 21),
        cell(number, 16),
        cell(&window.list, 15),
        clean(&window.order_id).chars().take(ID_SHOWN).collect::<String>()
    );
    let _infallible = writeln!(text, "{}", shown.trim_end());
    let mut notes: Vec<&str> = Vec::new();
    // What has a bounded length comes first: the line is cut.
    notes.extend(window.condition.as_deref());
    notes.extend(window.acknowledged.then_some("acknowledged"));
    let label = window.label.as_deref().map(|label| cut(label, LABEL_SHOWN));
    notes.extend(label.as_deref());
    notes.extend(window.reason.as_deref());
    if !notes.is_empty() {
        let _infallible = writeln!(text, "{}", line(&format!("  {}", notes.join("; "))));
    }
}

/// A line for each sink that does not take events, or refused some for good.
fn sinks(text: &mut String, sinks: &[SinkStatus], colour: bool) {
    let mut any = false;
    for sink in sinks {
        let SinkMemory { failing_since, disabled_since, .. } = sink.memory;
        let trouble = match (disabled_since, failing_since) {
            (Some(since), _) => format!("is not tried any more since {since}"),
            (None, Some(since)) => format!("takes nothing since {since}"),
            (None, None) if sink.dead > 0 => "refused events".to_owned(),
            (None, None) => continue,
        };
        if !any {
            text.push('\n');
        }
        any = true;
        let what = format!("! {} {trouble}: {} wait, {} dead", sink.name, sink.pending, sink.dead);
        let _infallible = writeln!(text, "{}", paint(&line(&what), Tone::Warn, colour));
    }
    if any {
        text.push_str("  `claimwatch deliveries` shows more\n");
    }
}

fn changes(text: &mut String, events: &[Box<serde_json::value::RawValue>], now: Timestamp, colour: bool) {
    if events.is_empty() {
        return;
    }
    let _infallible = writeln!(text, "\n{}", paint("LAST CHANGES", Tone::Head, colour));
    for event in events {
        let Ok(record) = Record::deserialize(&**event) else { continue };
        let at = record.time.map(|at| relative(at, now)).unwrap_or_default();
        let tone = match record.level.as_str() {
            "error" => Some(Tone::Bad),
            "warn" => Some(Tone::Warn),
            _ => None,
        };
        let shown = line(&format!("{} {:20} {}", cell(&at, 12), record.event, record.message));
        let _infallible = writeln!(text, "{}", paint(&shown, tone, colour));
    }
}
