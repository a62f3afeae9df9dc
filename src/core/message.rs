//! Sentences for people, and what is cut out of other people's sentences.

use std::fmt::Write as _;
use std::time::Duration;

use super::event::{
    Attention, Condition, DaemonEvent, NumberChange, NumberStatus, OpenWindow, OrderEvent, ScopeEvent,
    ScopeKey, SinkCondition, SinkEvent, Summary, WindowEnd, WindowFacts,
};
use super::order::{Operation, Provider};
use super::record::Record;
use super::state::{CauseBasis, Order};
use super::window::WindowBasis;

/// The sentence of an order's event.
pub fn of_order(order: &Order, event: &OrderEvent, record: &Record) -> String {
    let who = subject(order, record);
    match event {
        OrderEvent::Tracked => format!("{who} is watched"),
        OrderEvent::Untracked { window_open: false } => format!("{who} is not watched any more"),
        OrderEvent::Untracked { window_open: true } => {
            format!("{who} is not watched any more, although its retry window is open")
        }
        OrderEvent::Number(change) => of_number(&who, change),
        OrderEvent::WindowOpened { window, .. } => {
            format!("{who} must be claimed again: {}", of_window(window))
        }
        OrderEvent::WindowAcknowledged { window, .. } => {
            format!("the retry window of {who} is known of: no more warnings before {}", window.latest)
        }
        OrderEvent::WindowClosing { window, .. } => of_closing(order, &who, window, record),
        OrderEvent::WindowClosed { end: WindowEnd::Unconfirmed { due_at }, .. } => {
            format!(
                "{who} was not seen claimed again by {due_at}: its retry window is over, whether it was released is not known"
            )
        }
        OrderEvent::WindowClosed { end: WindowEnd::Released, .. } => {
            format!("{who} was not claimed again: its retry window is over")
        }
        OrderEvent::WindowResolved { other_id: None, .. } => {
            format!("{who} was claimed inside its retry window")
        }
        OrderEvent::WindowResolved { other_id: Some(other), .. } => {
            format!(
                "{who} was claimed inside its retry window, under the id {other}: watch that one from now on"
            )
        }
        OrderEvent::StatusChanged { from, to } => match from {
            Some(from) => format!("{who} went from {from} to {}", to.as_str()),
            None => format!("{who} is {}", to.as_str()),
        },
        OrderEvent::Completed { outcome, .. } => format!("{who} ended {}", outcome.as_str()),
        OrderEvent::Attention(attention) => of_attention(&who, attention),
        OrderEvent::Unrecognized { raw, .. } => {
            format!("{who} has a status that claimwatch does not know: {raw:?}; its last known status stays")
        }
        OrderEvent::NotFound { .. } => of_not_found(order, &who),
        OrderEvent::Stalled { unchanged, .. } => format!("{who} has not changed for {}", span(*unchanged)),
        OrderEvent::Blocked { faults, detail } => {
            let pace = if order.open_windows().next().is_some() {
                "as often as its open window needs"
            } else {
                "once a day"
            };
            format!(
                "{who} could not be looked at {faults} times in a row and is tried {pace} from now on: {detail}"
            )
        }
    }
}

/// When a window may end, and why that is thought.
fn of_window(window: &WindowFacts) -> String {
    let any_time = |why: &str| format!("it may go back to the inventory at any time ({why})");
    let from = |why: &str| format!("it may go back to the inventory from {} on ({why})", window.earliest);
    match window.basis {
        WindowBasis::RequestedAt => from("counted from requested_at"),
        WindowBasis::FirstLook => from("counted from the look that first showed the claim"),
        WindowBasis::LastLookBeforeFailure => from("counted from the last look before the failure"),
        WindowBasis::FailureFirstSeen => any_time("nothing shows when the claim began"),
        WindowBasis::AlreadyPast => any_time("the claim began longer ago than the window lasts"),
        WindowBasis::Reopened => any_time("it failed again after its window was over"),
    }
}

/// The number where there is one, else the order; with the label people gave it.
fn subject(order: &Order, record: &Record) -> String {
    let declared = &order.watch.declared;
    let mut who = match (&record.number, order.watch.key.provider) {
        (Some(number), _) => number.clone(),
        (None, Provider::Chime) => format!("order {}", order.watch.key.id),
        (None, Provider::Connect) => format!("number {}", order.watch.key.id),
    };
    if let Some(label) = &declared.label {
        let _ = write!(who, " ({label})");
    }
    who
}

fn of_number(who: &str, change: &NumberChange) -> String {
    let because = change.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match (change.to, change.cause.map(|cause| cause.operation)) {
        (NumberStatus::InProgress, _) if change.retrying => {
            format!("{who} is in progress again; its retry window stays open until it is claimed")
        }
        (NumberStatus::InProgress, Some(Operation::Update)) => format!("{who} is being updated"),
        (NumberStatus::InProgress, _) => format!("{who} is in progress"),
        (NumberStatus::Claimed, _) => match change.duration {
            Some(took) => format!("{who} was claimed after {}", span(took)),
            None => format!("{who} is claimed"),
        },
        (NumberStatus::Failed, Some(Operation::Update)) => {
            let guess = match change.cause.map(|cause| cause.basis) {
                Some(CauseBasis::ClaimedBefore) => " (taken for an update: it was CLAIMED before)",
                Some(CauseBasis::Declared | CauseBasis::NeverClaimed) | None => "",
            };
            format!("the update of {who} failed{guess}, the number stays where it was{because}")
        }
        (NumberStatus::Failed, Some(Operation::Claim)) => {
            let guess = match change.cause.map(|cause| cause.basis) {
                Some(CauseBasis::NeverClaimed) => " (taken for a claim: it was never seen CLAIMED)",
                Some(CauseBasis::Declared | CauseBasis::ClaimedBefore) | None => "",
            };
            format!("the claim of {who} failed{guess}{because}")
        }
        (NumberStatus::Failed, None) => format!("{who} failed{because}"),
        (NumberStatus::Released, _) => match &change.other_id {
            Some(other) => format!("{who} is not known under this id any more, but under the id {other}"),
            None => format!("{who} was released: it is not the account's any more"),
        },
    }
}

/// The `condition` of what is said while a window is open and an operation in progress.
pub(super) const RETRYING: &str = "retrying";

fn of_closing(order: &Order, who: &str, window: &WindowFacts, record: &Record) -> String {
    let retrying = record.condition.as_deref() == Some(RETRYING);
    let unless = if retrying { "the retry in progress succeeds" } else { "it is claimed again" };
    let mut text = match record.remaining_s {
        Some(left) if left > 0 => {
            let left = span(Duration::from_secs(left));
            format!("{who} may be lost in {left} unless {unless} (earliest end {})", window.earliest)
        }
        _ => format!("{who} may be lost at any time unless {unless}"),
    };
    if let Some(since) = order.state.absence.since() {
        let _ = write!(text, "; since {since} the service does not find it, which is not believed yet");
    }
    if let Some((by, word)) = order.held_elsewhere() {
        let _ = write!(text, "; the id {by} has it too, {}", word.unwrap_or("without a status"));
    }
    if let Some(evidence) = record.evidence_at {
        let _ = write!(text, "; last answer {evidence}");
    }
    text
}

fn of_attention(who: &str, attention: &Attention) -> String {
    match attention {
        Attention::PendingDocuments => {
            format!("{who} waits for documents: see the support case of the port request")
        }
        Attention::Exception => format!("{who} waits for details: see the support case of the port request"),
        Attention::NumberVanished { number } => {
            format!("{number} is not in its order any more; its last status stays")
        }
        Attention::HoldersDenied { code } => format!(
            "whether another id holds {who} cannot be asked ({code}): the credentials lack connect:ListPhoneNumbersV2"
        ),
        Attention::AccessDenied { code, .. } => format!("{who} is refused to these credentials ({code})"),
    }
}

fn of_not_found(order: &Order, who: &str) -> String {
    let bare = order.watch.key.provider == Provider::Connect && !order.watch.declared.ask.starts_with("arn:");
    let hint = if bare {
        "; if it belongs to a traffic distribution group of another region, its ARN finds it where its bare id does not"
    } else {
        ""
    };
    format!("{who} is not known to the service in {}{hint}", order.watch.key.region)
}

/// The sentence of a scope's event.
pub fn of_scope(scope: &ScopeKey, account: &str, event: &ScopeEvent) -> String {
    let who = format!("{} of {account} in {}", scope.provider, scope.region);
    match event {
        ScopeEvent::Throttled { hold, rate } => {
            format!("{who} refuses for quota: all looks wait {}, then {rate:.2} a second", span(*hold))
        }
        ScopeEvent::Unavailable { reason, retry_after } => {
            format!("{who} is unavailable ({reason}); next probe in {}", span(*retry_after))
        }
        ScopeEvent::Denied { code, clock_offset_s: Some(offset), .. } => {
            format!(
                "the credentials for {who} do not work ({code}): its clock differs from ours by {offset} s"
            )
        }
        ScopeEvent::Denied { code, reason, clock_offset_s: None } => {
            let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!(
                "the credentials for {who} do not work ({code}{why}): nothing of it is looked at until that is mended"
            )
        }
        ScopeEvent::Suspect { missing } => format!(
            "{} of {who} went missing at once: are these the credentials of another account? None is called missing until one of them is seen again, or somebody says `claimwatch accept {}/{account}`",
            counted(*missing),
            scope.provider
        ),
        ScopeEvent::Overloaded { lane, due, lateness, rate } => format!(
            "{who} has more to do than the quota allows: {} of the {} lane are due, and at {rate:.2} calls a second the last of them is looked at in {}",
            counted(*due),
            lane.as_str(),
            span(*lateness)
        ),
        ScopeEvent::Recovered { condition: Condition::Overloaded, duration } => {
            format!("{who} has caught up after {}", span(*duration))
        }
        ScopeEvent::Recovered { condition, duration } => {
            format!("{who} is no longer {} after {}", condition.as_str(), span(*duration))
        }
    }
}

/// The sentence of an event of the daemon itself.
pub fn of_daemon(event: &DaemonEvent) -> String {
    match event {
        DaemonEvent::Started { orders } => format!("claimwatch is up and tracks {}", counted(*orders)),
        DaemonEvent::Stopped { reason } => format!("claimwatch stops: {reason}"),
        DaemonEvent::Heartbeat { orders, overdue } => {
            format!("{} tracked, {overdue} waiting for a turn", counted(*orders))
        }
        DaemonEvent::Digest { summary, orders, overdue, lateness } => {
            of_digest(summary, *orders, *overdue, *lateness)
        }
        DaemonEvent::ConfigApplied { added, removed, changed } => {
            format!(
                "the watch lists took effect: {} added, {removed} removed, {changed} changed",
                counted(*added)
            )
        }
        DaemonEvent::ConfigRejected { file, line, reason } => {
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            format!("{file}{line}: refused, and what was in force stays so: {reason}")
        }
    }
}

fn of_digest(summary: &Summary, orders: u64, overdue: u64, lateness: Duration) -> String {
    let mut text = match summary.windows {
        0 => "no retry window is open".to_owned(),
        1 => "1 retry window is open".to_owned(),
        windows => format!("{windows} retry windows are open"),
    };
    for (n, window) in summary.soonest.iter().enumerate() {
        let OpenWindow { number, order_id, list, earliest } = window;
        let who = if number.is_empty() { order_id } else { number };
        let _ = write!(text, "{} {who} of {list} from {earliest} on", if n == 0 { ":" } else { "," });
    }
    let shown = summary.soonest.len() as u64;
    if shown > 0 && shown < summary.windows {
        let _ = write!(text, ", and {} later", summary.windows - shown);
    }
    let Summary { pending, failed, .. } = summary;
    let _ = write!(text, "; {pending} pending, {failed} failed, {} tracked", counted(orders));
    if overdue > 0 {
        let _ = write!(text, ", {overdue} waiting for a turn, the oldest for {}", span(lateness));
    }
    text
}

/// The sentence of a sink's event.
pub fn of_sink(sink: &str, event: &SinkEvent) -> String {
    match event {
        SinkEvent::Failing { reason, retry_after } => {
            format!(
                "{sink} takes no events ({reason}): they wait, and it is tried again in {}",
                span(*retry_after)
            )
        }
        SinkEvent::Disabled { reason } => format!(
            "{sink} says that it is gone for good ({reason}): events wait for it, and it is not tried again until `claimwatch requeue {sink}`"
        ),
        SinkEvent::Recovered { condition: SinkCondition::Failing, duration } => {
            format!("{sink} takes events again after {}", span(*duration))
        }
        SinkEvent::Recovered { condition: SinkCondition::Disabled, duration } => {
            format!("{sink} is tried again after {}", span(*duration))
        }
        SinkEvent::Dead { about, event, reason } => format!(
            "{sink} refused {event} ({about}) for good: {reason}. `claimwatch requeue {sink}` offers it again"
        ),
    }
}

fn counted(orders: u64) -> String {
    if orders == 1 { "1 order".to_owned() } else { format!("{orders} orders") }
}

/// A duration for people: its two largest units.
pub fn span(duration: Duration) -> String {
    let total = duration.as_secs();
    let parts =
        [(total / 86_400, "d"), (total / 3600 % 24, "h"), (total / 60 % 60, "min"), (total % 60, "s")];
    let shown: Vec<String> = parts
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    match (shown.is_empty(), duration.is_zero()) {
        (false, _) => shown.join(" "),
        (true, true) => "0 s".to_owned(),
        (true, false) => "under 1 s".to_owned(),
    }
}

/// The fewest digits after a `+` that are taken for a phone number.
const E164_MIN_DIGITS: usize = 7;

/// The text with the middle digits of every phone number in it replaced: four are kept in front and two at the end.
pub fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(plus) = rest.find('+') {
        let (before, number) = rest.split_at(plus + 1);
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        out.push_str(before);
        let (number, after) = number.split_at(digits);
        if digits < E164_MIN_DIGITS {
            out.push_str(number);
        } else {
            out.push_str(&number[..4]);
            out.extend(std::iter::repeat_n('*', digits - 6));
            out.push_str(&number[digits - 2..]);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A provider's message without what differs from look to look: ARNs, ids, times, runs of digits. Two messages that are
/// the same after this are the same.
pub fn stable(message: &str) -> String {
    message.split_whitespace().map(stable_word).collect::<Vec<_>>().join(" ")
}

fn stable_word(word: &str) -> String {
    if word.contains("arn:aws") {
        return "<arn>".to_owned();
    }
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        // An id need not stand alone: `RequestId:0c1f3b6e-…`.
        let end = rest.find(|c| !is_of_an_id(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(if end == 0 { first.len_utf8() } else { end });
        if is_id(run) {
            push_mask(&mut out);
        } else {
            for c in run.chars() {
                if c.is_ascii_digit() { push_mask(&mut out) } else { out.push(c) }
            }
        }
        rest = after;
    }
    out
}

/// The fewest characters of an id; what is shorter loses its digits only.
const ID_MIN: usize = 8;

fn is_of_an_id(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

fn is_id(run: &str) -> bool {
    run.len() >= ID_MIN
        && run.bytes().any(|b| b.is_ascii_digit())
        && run.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// One sign for ids and digits alike, so that neither their length nor a chance lack of letters can be seen.
fn push_mask(out: &mut String) {
    if !out.ends_with('#') {
        out.push('#');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_show_their_two_largest_units() {
        let cases = [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_661, "1 h 1 min"),
            (86_400, "1 d"),
            (90_061, "1 d 1 h"),
        ];
        for (seconds, shown) in cases {
            assert_eq!(span(Duration::from_secs(seconds)), shown);
        }
    }

    #[test]
    fn phone_numbers_are_masked_and_nothing_else_is() {
        assert_eq!(masked("+442079460123 failed"), "+4420******23 failed");
        assert_eq!(masked("a + b, +1, 12345678901, +15551230001."), "a + b, +1, 12345678901, +1555*****01.");
        assert_eq!(masked("é+é"), "é+é");
    }

    #[test]
    fn what_differs_from_look_to_look_is_cut_out() {
        let one = "Limit of 5 reached at 2026-11-22T10:00:00Z for arn:aws:connect:eu-west-2:1:instance/a (request 0c1f3b6e-11aa-4bcd-9e10-0a0b0c0d0e0f)";
        let two = "Limit of 7 reached at 2026-11-23T11:12:13Z for arn:aws:connect:eu-west-2:2:instance/b (request 9c1f3b6e-11aa-4bcd-9e10-0a0b0c0d0e0f)";
        assert_eq!(stable(one), stable(two));
        assert_ne!(stable("limit reached"), stable("not available"));
        assert_eq!(
            stable(
                "Denied (RequestId:0c1f3b6e-11aa-4bcd-9e10-0a0b0c0d0e0f;trace=1-5759e988-bd862e3fe1be46a9)"
            ),
            stable(
                "Denied (RequestId:ab12cd34-beef-4ace-8bad-feedfacecafe;trace=1-6759e988-ad862e3fe1be46ab)"
            ),
            "an id need not stand alone"
        );
        assert_eq!(stable("é0c1f3b6eé, +442079460123, code 99, (face)"), "é#é, +#, code #, (face)");
        assert_eq!(stable("id 12345678"), stable("id 1234567a"));
    }
}
