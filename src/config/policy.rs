//! Reads `[poll]`, `[retry_window]` and `stalled_after`, which the main file and every list have in common: a list
//! overrides them key by key.

use std::time::Duration;

use super::problem::{Fault, Notes};
use super::section::{Placed, Section};
use super::text::Span;
use super::value::{duration, duration_in, spoken, word};
use crate::core::policy::{AfterTerminal, CountsFrom, Poll, WindowTerms};

/// More often than this nobody may look: no quota of AWS allows it, and a typing error (`5ms`) must not be obeyed.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);
/// An interval beyond a month is a mistake: the order would not be looked at while it matters.
const MOST_INTERVAL: Duration = Duration::from_hours(24 * 30);
/// A call that takes longer is lost; the services answer within seconds.
const MOST_TIMEOUT: Duration = Duration::from_mins(1);
/// Longer than creation can take to become visible.
const MOST_GRACE: Duration = Duration::from_hours(24);
/// The window is one day by Amazon's word; a month leaves room for another word.
const MOST_WINDOW: Duration = Duration::from_hours(24 * 30);
/// The longest `stalled_after`; "none" is there for more.
const MOST_STALL: Duration = Duration::from_hours(24 * 365);
/// The shortest one: it is counted against looks that are seconds apart.
const LEAST_STALL: Duration = Duration::from_secs(1);
/// More marks than this in one window are no warning but noise.
const MOST_MARKS: usize = 20;

/// Reads `[poll]` over `base`. `whole` says that all layers are in it, so that its values can be compared.
pub(super) fn poll(section: Option<Section<'_>>, base: &Poll, whole: bool, notes: &mut Notes) -> Poll {
    let Some(section) = section else { return base.clone() };
    let mut between = |key: &str, least: Duration, most: Duration| {
        section.read(key, notes, |text| duration_in(text, least, most))
    };
    let floor = between("floor", LEAST_INTERVAL, MOST_INTERVAL);
    let steady = between("steady", LEAST_INTERVAL, MOST_INTERVAL);
    let ceiling = between("ceiling", LEAST_INTERVAL, MOST_INTERVAL);
    let timeout = between("timeout", LEAST_INTERVAL, MOST_TIMEOUT);
    let grace = between("missing_grace", Duration::ZERO, MOST_GRACE);
    let confirm = between("missing_confirm", LEAST_INTERVAL, MOST_GRACE);
    let terminal = section.read("after_terminal", notes, after_terminal);
    if whole && !section_is_bad(&section, &[("floor", &floor), ("steady", &steady), ("ceiling", &ceiling)]) {
        in_order(("floor", &floor, base.floor), ("steady", &steady, base.steady), notes);
        in_order(("steady", &steady, base.steady), ("ceiling", &ceiling, base.ceiling), notes);
    }
    Poll {
        floor: or(floor, base.floor),
        steady: or(steady, base.steady),
        ceiling: or(ceiling, base.ceiling),
        timeout: or(timeout, base.timeout),
        after_terminal: or(terminal, base.after_terminal),
        missing_grace: or(grace, base.missing_grace),
        missing_confirm: or(confirm, base.missing_confirm),
    }
}

fn or<T>(read: Option<Placed<T>>, base: T) -> T {
    read.map_or(base, |read| read.value)
}

/// Whether a value is there and could not be read: it must not be compared as if it were the default.
fn section_is_bad(section: &Section<'_>, read: &[(&str, &Option<Placed<Duration>>)]) -> bool {
    read.iter().any(|(key, read)| read.is_none() && section.has(key))
}

type Bound<'a> = (&'a str, &'a Option<Placed<Duration>>, Duration);

fn in_order(low: Bound<'_>, high: Bound<'_>, notes: &mut Notes) {
    let value = |bound: Bound<'_>| bound.1.as_ref().map_or(bound.2, |read| read.value);
    let written = |bound: Bound<'_>| bound.1.as_ref().map(|read| read.span).filter(|span| span.is_written());
    let (less, more) = (value(low), value(high));
    let Some(span) = written(high).or_else(|| written(low)) else { return };
    if less > more {
        let message = format!("{} ({}) is longer than {} ({})", low.0, spoken(less), high.0, spoken(more));
        notes.error(span, Fault::new(message).help("they must rise: floor, steady, ceiling"));
    }
}

fn after_terminal(text: &str) -> Result<AfterTerminal, Fault> {
    if text == "stop" {
        return Ok(AfterTerminal::Stop);
    }
    duration_in(text, LEAST_INTERVAL, MOST_INTERVAL)
        .map(AfterTerminal::Every)
        .map_err(|fault| fault.help("\"stop\", or how often to look at what is done: \"6h\""))
}

/// Reads `[retry_window]` over `base`.
pub(super) fn retry_window(
    section: Option<Section<'_>>,
    base: &WindowTerms,
    whole: bool,
    notes: &mut Notes,
) -> WindowTerms {
    let Some(section) = section else { return base.clone() };
    let length =
        section.read("length", notes, |text| duration_in(text, Duration::from_millis(1), MOST_WINDOW));
    let marks = section.read_all("warn_before", notes, |text| {
        duration(text).and_then(|mark| {
            if mark.is_zero() { Err(Fault::new("a mark must be longer than 0")) } else { Ok(mark) }
        })
    });
    let words = [("claim", CountsFrom::Claim), ("failure", CountsFrom::Failure)];
    let counts_from = section.read("counts_from", notes, |text| word(text, &words));
    let length_is_bad = section.has("length") && length.is_none();
    let length_span = length.as_ref().map(|read| read.span).filter(|span| span.is_written());
    let length = or(length, base.length);
    let inherited = marks.is_none();
    let marks = marks.unwrap_or_else(|| {
        let placed = |mark: &Duration| Placed { value: *mark, span: length_span.unwrap_or(section.at()) };
        base.warn_before.iter().map(placed).collect()
    });
    if whole && !length_is_bad {
        marks_fit(&marks, inherited, length, length_span, notes);
    }
    let warn_before = sorted(&marks, inherited, notes);
    WindowTerms { length, warn_before, counts_from: or(counts_from, base.counts_from) }
}

fn marks_fit(
    marks: &[Placed<Duration>],
    inherited: bool,
    length: Duration,
    length_span: Option<Span>,
    notes: &mut Notes,
) {
    let said = spoken(length);
    let longest = marks.iter().filter(|mark| mark.value > length).max_by_key(|mark| mark.value);
    let own = |mark: &Placed<Duration>| !inherited && mark.span.is_written();
    for mark in marks.iter().filter(|mark| own(mark) && mark.value > length) {
        let message = format!("the mark {} is longer than the window ({said})", spoken(mark.value));
        notes.error(mark.span, Fault::new(message));
    }
    if let (Some(mark), Some(span)) = (longest.filter(|mark| !own(mark)), length_span) {
        let message = format!(
            "the window ({said}) is shorter than the mark {}, which is not set here",
            spoken(mark.value)
        );
        notes.error(span, Fault::new(message).help("set warn_before beside it"));
    }
    if let Some(beyond) = marks.get(MOST_MARKS).filter(|mark| mark.span.is_written()) {
        notes.error(beyond.span, Fault::new(format!("more than {MOST_MARKS} marks")));
    }
}

/// The marks, longest first, each once.
fn sorted(marks: &[Placed<Duration>], inherited: bool, notes: &mut Notes) -> Vec<Duration> {
    let mut out = Vec::new();
    for mark in marks {
        if !out.contains(&mark.value) {
            out.push(mark.value);
        } else if !inherited && mark.span.is_written() {
            notes.warning(mark.span, Fault::new(format!("the mark {} is there twice", spoken(mark.value))));
        }
        // The comparison above is with few marks only because a longer array is an error that was noted.
        if out.len() > MOST_MARKS {
            break;
        }
    }
    out.sort_by(|a, b| b.cmp(a));
    out
}

/// Reads `stalled_after`: a duration, or "none" for never.
pub(super) fn stalled_after(text: &str) -> Result<Option<Duration>, Fault> {
    if text == "none" {
        return Ok(None);
    }
    duration_in(text, LEAST_STALL, MOST_STALL)
        .map(Some)
        .map_err(|fault| fault.help("how long an order may stay as it is: \"30m\"; or \"none\" for ever"))
}
