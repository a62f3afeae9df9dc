//! The record: what leaves claimwatch, one flat object with the same keys everywhere. It is the contract with other
//! people's alerts; a change to it bumps [`SCHEMA`].

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::{
    Attention, DaemonEvent, Level, NumberChange, OrderEvent, ScopeEvent, ScopeKey, SinkCondition, SinkEvent,
    WindowEnd, WindowFacts,
};
use super::message;
use super::order::Stream;
use super::state::{Order, Status, Subject};
use super::time::Timestamp;

/// The version of the record.
pub const SCHEMA: u32 = 1;

/// The stream of the daemon's own events.
pub const DAEMON_STREAM: &str = "daemon";

macro_rules! record {
    ($($(#[$doc:meta])* $key:ident: $kind:ty,)*) => {
        /// One event as it leaves. A key without a value is left out.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Record {
            /// [`SCHEMA`].
            pub schema: u32,
            /// When it was recorded.
            pub time: Option<Timestamp>,
            /// `info`, `warn` or `error`.
            pub level: String,
            /// The stable name.
            pub event: String,
            /// `<stream>-<generation>-<n>`: the same for a replay.
            pub id: String,
            /// Its place among all events of the store; the store gives it.
            pub seq: u64,
            $($(#[$doc])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $key: Option<$kind>,)*
            /// The list's labels, as `label_<key>`.
            #[serde(flatten)]
            pub labels: BTreeMap<String, String>,
            /// A sentence for a person.
            pub message: String,
        }

        /// The keys of the record, in its order. Labels (`label_<key>`) come before `message`.
        pub const KEYS: &[&str] =
            &["schema", "time", "level", "event", "id", "seq", $(stringify!($key),)* "message"];
    };
}

record! {
    /// `chime` or `connect`.
    provider: String,
    /// The account's name in the configuration.
    account: String,
    /// The account's twelve digits.
    account_id: String,
    /// The region.
    region: String,
    /// The watch list.
    list: String,
    /// The bare id.
    order_id: String,
    /// E.164, last seen, else declared.
    number: String,
    /// The entry's own label.
    label: String,
    /// The instance or traffic distribution group.
    target: String,
    /// The status before.
    from: String,
    /// The status now.
    to: String,
    /// The provider's word.
    raw: String,
    /// The provider's message.
    reason: String,
    /// How it ended.
    outcome: String,
    /// What begins, ends, or wants attention.
    condition: String,
    /// `claim` or `update`.
    operation: String,
    /// `declared` or `inferred`.
    operation_basis: String,
    /// The look before: what happened, happened after it.
    observed_after: Timestamp,
    /// The look that showed it.
    observed_at: Timestamp,
    /// The last answer that an event of the clock rests on.
    evidence_at: Timestamp,
    /// When it was due to be said.
    due_at: Timestamp,
    /// The id of the event that opened the window.
    window_id: String,
    /// Why `window_earliest` is what it is.
    window_basis: String,
    /// The window may end from here on.
    window_earliest: Timestamp,
    /// The window has ended by then.
    window_latest: Timestamp,
    /// The mark, in seconds before `window_earliest`.
    mark: u64,
    /// Seconds until `window_earliest`.
    remaining_s: u64,
    /// Seconds that it took or lasted.
    duration_s: u64,
    /// Seconds after `due_at` that it was said, where that is one or more; of an overloaded scope, after which all that is
    /// due will have been looked at; of a digest, how late the order is that has waited longest.
    lateness_s: u64,
    /// Looks a second.
    rate: f64,
    /// Seconds until the next look.
    retry_after_s: u64,
    /// The service's clock minus ours, seconds.
    clock_offset_s: i64,
    /// Another id that holds the number.
    other_id: String,
    /// A configuration file.
    file: String,
    /// A line in it.
    line: u32,
    /// Orders that are tracked; of a suspect scope, those that went missing.
    orders: u64,
    /// Orders that are due and wait; of an overloaded scope, those of its `lane`.
    overdue: u64,
    /// Numbers whose outcome is to come, and orders whose numbers are not known yet.
    pending: u64,
    /// Numbers that are FAILED.
    failed: u64,
    /// Retry windows that are open.
    windows: u64,
    /// Whose turn is late: `urgent`, `pending` or `verify`.
    lane: String,
    /// Orders added.
    added: u64,
    /// Orders removed.
    removed: u64,
    /// Orders changed.
    changed: u64,
    /// The sink that it is about.
    sink: String,
    /// The id of the event that it is about.
    about: String,
    /// That event's name.
    about_event: String,
    /// The order's, scope's or daemon's generation.
    generation: u64,
}

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Whether phone numbers are masked.
    pub masked: bool,
}

/// What an order's records need besides the order.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The account's twelve digits, if the configuration has them.
    pub account_id: Option<&'a str>,
    /// When the step was made.
    pub now: Timestamp,
    /// The last answer before that.
    pub before: Option<Timestamp>,
    /// Whether the step applied an answer: its events were observed (marks, ends and stalls excepted), else the clock
    /// made them.
    pub observed: bool,
    /// How to write.
    pub style: Style,
}

/// The records of one step of an order, which stands at its new generation.
pub fn of_order(order: &Order, events: &[OrderEvent], context: &Context<'_>) -> Vec<Record> {
    events.iter().enumerate().map(|(n, event)| order_record(order, event, n, context)).collect()
}

fn order_record(order: &Order, event: &OrderEvent, n: usize, context: &Context<'_>) -> Record {
    let key = &order.watch.key;
    let declared = &order.watch.declared;
    let terms = &order.watch.terms;
    let mut record = Record {
        provider: Some(key.provider.as_str().to_owned()),
        account: Some(key.account.clone()),
        account_id: context.account_id.map(str::to_owned),
        region: Some(key.region.clone()),
        list: Some(terms.name.clone()),
        order_id: Some(key.id.clone()),
        label: declared.label.clone(),
        labels: terms.labels.iter().map(|(key, value)| (format!("label_{key}"), value.clone())).collect(),
        ..new(event.name(), event.level(), &order.stream().to_string(), order.generation, n, context.now)
    };
    if let Subject::Connect(connect) = &order.state.subject {
        record.target.clone_from(&connect.target);
        record.number =
            Some(connect.current.clone()).filter(|number| !number.is_empty()).or(declared.number.clone());
    }
    if is_of_an_inquiry(event) {
        record.observed_at = Some(context.now);
    } else if !context.observed {
        record.evidence_at = context.before;
    } else if is_of_the_clock(event) {
        record.evidence_at = Some(context.now);
    } else {
        record.observed_after = context.before;
        record.observed_at = Some(context.now);
    }
    fill_order(&mut record, event, context.now);
    if let OrderEvent::WindowClosing { number, .. } = event
        && order.state.numbers.get(number).is_some_and(|n| matches!(n.status, Status::InProgress { .. }))
    {
        record.condition = Some(message::RETRYING.to_owned());
    }
    if let OrderEvent::Number(NumberChange { number, .. }) = event
        && let Some(window) = order.state.numbers.get(number).and_then(|number| number.window.open())
    {
        fill_window(&mut record, number, &WindowFacts::from(window), context.now);
    }
    if is_of_the_clock(event) {
        record.other_id = order.held_elsewhere().map(|(by, _)| by.to_owned());
    }
    record.lateness_s = record.due_at.map(|due| context.now.since(due).as_secs()).filter(|late| *late > 0);
    record.message = message::of_order(order, event, &record);
    if context.style.masked {
        mask_numbers(&mut record);
    }
    record
}

/// Whether it was found out by asking who else holds the number.
fn is_of_an_inquiry(event: &OrderEvent) -> bool {
    matches!(
        event,
        OrderEvent::WindowResolved { other_id: Some(_), .. }
            | OrderEvent::Attention(Attention::HoldersDenied { .. })
    )
}

/// Whether the time brought the event, even if a look happened to tell it: then it did not happen between two looks.
fn is_of_the_clock(event: &OrderEvent) -> bool {
    match event {
        OrderEvent::WindowClosing { .. }
        | OrderEvent::WindowClosed { end: WindowEnd::Unconfirmed { .. }, .. }
        | OrderEvent::Stalled { .. } => true,
        OrderEvent::Tracked
        | OrderEvent::Untracked { .. }
        | OrderEvent::Number(_)
        | OrderEvent::WindowOpened { .. }
        | OrderEvent::WindowAcknowledged { .. }
        | OrderEvent::WindowClosed { end: WindowEnd::Released, .. }
        | OrderEvent::WindowResolved { .. }
        | OrderEvent::StatusChanged { .. }
        | OrderEvent::Completed { .. }
        | OrderEvent::Attention(_)
        | OrderEvent::Unrecognized { .. }
        | OrderEvent::NotFound { .. }
        | OrderEvent::Blocked { .. } => false,
    }
}

fn fill_order(record: &mut Record, event: &OrderEvent, now: Timestamp) {
    match event {
        OrderEvent::Tracked | OrderEvent::Untracked { .. } => {
            record.observed_after = None;
            record.observed_at = None;
        }
        OrderEvent::Number(change) => fill_number(record, change),
        OrderEvent::WindowOpened { number, window } | OrderEvent::WindowAcknowledged { number, window } => {
            fill_window(record, number, window, now);
        }
        OrderEvent::WindowClosing { number, window, mark, due_at, .. } => {
            fill_window(record, number, window, now);
            record.mark = Some(mark.as_secs());
            record.due_at = Some(*due_at);
        }
        OrderEvent::WindowClosed { number, window, end } => {
            fill_window(record, number, window, now);
            let (outcome, due_at) = match end {
                WindowEnd::Unconfirmed { due_at } => ("unconfirmed", Some(*due_at)),
                WindowEnd::Released => ("released", None),
            };
            record.outcome = Some(outcome.to_owned());
            record.due_at = due_at;
        }
        OrderEvent::WindowResolved { number, window, other_id } => {
            fill_window(record, number, window, now);
            let outcome = if other_id.is_some() { "claimed_elsewhere" } else { "claimed" };
            record.outcome = Some(outcome.to_owned());
            record.other_id.clone_from(other_id);
        }
        OrderEvent::StatusChanged { from, to } => {
            record.from = from.map(str::to_owned);
            record.to = Some(to.as_str().to_owned());
            record.raw = Some(to.as_str().to_owned());
        }
        OrderEvent::Completed { outcome, duration } => {
            record.outcome = Some(outcome.as_str().to_owned());
            record.duration_s = Some(duration.as_secs());
        }
        OrderEvent::Attention(attention) => fill_attention(record, attention),
        OrderEvent::Unrecognized { number, raw } => {
            if let Some(number) = number {
                name_number(record, number);
            }
            record.raw = Some(raw.clone());
        }
        OrderEvent::NotFound { from, reason } => {
            record.from = from.map(str::to_owned);
            record.reason.clone_from(reason);
        }
        OrderEvent::Stalled { unchanged, due_at } => {
            record.duration_s = Some(unchanged.as_secs());
            record.due_at = Some(*due_at);
        }
        OrderEvent::Blocked { detail, .. } => record.reason = Some(detail.clone()),
    }
}

fn fill_number(record: &mut Record, change: &NumberChange) {
    name_number(record, &change.number);
    record.from = change.from.map(str::to_owned);
    record.to = Some(change.to.word().to_owned());
    record.raw.clone_from(&change.raw);
    record.reason.clone_from(&change.reason);
    record.operation = change.cause.map(|cause| cause.operation.as_str().to_owned());
    record.operation_basis = change.cause.map(|cause| cause.basis.as_str().to_owned());
    record.duration_s = change.duration.map(|duration| duration.as_secs());
    record.condition = change.retrying.then(|| message::RETRYING.to_owned());
    record.other_id.clone_from(&change.other_id);
}

fn fill_window(record: &mut Record, number: &str, window: &WindowFacts, now: Timestamp) {
    name_number(record, number);
    record.window_id = Some(window.id.clone());
    record.window_basis = Some(window.basis.as_str().to_owned());
    record.window_earliest = Some(window.earliest);
    record.window_latest = Some(window.latest);
    let remaining = window.earliest.since(now);
    record.remaining_s = Some(remaining.as_secs() + u64::from(remaining.subsec_millis() >= 500));
}

fn fill_attention(record: &mut Record, attention: &Attention) {
    record.condition = Some(attention.condition().to_owned());
    match attention {
        Attention::PendingDocuments | Attention::Exception => {}
        Attention::NumberVanished { number } => name_number(record, number),
        Attention::HoldersDenied { code } => record.raw = Some(code.clone()),
        Attention::AccessDenied { code, reason } => {
            record.raw = Some(code.clone());
            record.reason.clone_from(reason);
        }
    }
}

fn name_number(record: &mut Record, number: &str) {
    if !number.is_empty() {
        record.number = Some(number.to_owned());
    }
}

/// The record of a scope's event. `account` is a configured account of the scope, by whose name people know it.
pub fn of_scope(
    scope: &ScopeKey,
    account: &str,
    account_id: Option<&str>,
    event: &ScopeEvent,
    place: (u64, usize),
    now: Timestamp,
) -> Record {
    let (generation, n) = place;
    let mut record = Record {
        provider: Some(scope.provider.as_str().to_owned()),
        account: Some(account.to_owned()),
        account_id: account_id.map(str::to_owned),
        region: Some(scope.region.clone()),
        condition: Some(event.condition().as_str().to_owned()),
        ..new(event.name(), event.level(), &scope.stream().to_string(), generation, n, now)
    };
    match event {
        ScopeEvent::Throttled { hold, rate } => {
            record.retry_after_s = Some(hold.as_secs());
            record.rate = Some(rounded(*rate));
        }
        ScopeEvent::Unavailable { reason, retry_after } => {
            record.reason = Some(reason.clone());
            record.retry_after_s = Some(retry_after.as_secs());
        }
        ScopeEvent::Denied { code, reason, clock_offset_s } => {
            record.raw = Some(code.clone());
            record.reason.clone_from(reason);
            record.clock_offset_s = *clock_offset_s;
        }
        ScopeEvent::Suspect { missing } => record.orders = Some(*missing),
        ScopeEvent::Overloaded { lane, due, lateness, rate } => {
            record.lane = Some(lane.as_str().to_owned());
            record.overdue = Some(*due);
            record.lateness_s = Some(lateness.as_secs());
            record.rate = Some(rounded(*rate));
        }
        ScopeEvent::Recovered { duration, .. } => record.duration_s = Some(duration.as_secs()),
    }
    record.message = message::of_scope(scope, account, event);
    record
}

/// To three digits after the point: more would look as if it were known.
fn rounded(rate: f64) -> f64 {
    (rate * 1000.0).round() / 1000.0
}

/// The record of an event of the daemon itself.
pub fn of_daemon(event: &DaemonEvent, place: (u64, usize), now: Timestamp, style: Style) -> Record {
    let (generation, n) = place;
    let mut record = new(event.name(), event.level(), DAEMON_STREAM, generation, n, now);
    match event {
        DaemonEvent::Started { orders } => record.orders = Some(*orders),
        DaemonEvent::Stopped { reason } => record.reason = Some(reason.clone()),
        DaemonEvent::Heartbeat { orders, overdue } => {
            record.orders = Some(*orders);
            record.overdue = Some(*overdue);
        }
        DaemonEvent::Digest { summary, orders, overdue, lateness } => {
            record.orders = Some(*orders);
            record.overdue = Some(*overdue);
            record.lateness_s = Some(lateness.as_secs()).filter(|late| *late > 0);
            record.pending = Some(summary.pending);
            record.failed = Some(summary.failed);
            record.windows = Some(summary.windows);
            record.window_earliest = summary.soonest.first().map(|window| window.earliest);
        }
        DaemonEvent::ConfigApplied { added, removed, changed } => {
            record.added = Some(*added);
            record.removed = Some(*removed);
            record.changed = Some(*changed);
        }
        DaemonEvent::ConfigRejected { file, line, reason } => {
            record.file = Some(file.clone());
            record.line = *line;
            record.reason = Some(reason.clone());
        }
    }
    record.message = message::of_daemon(event);
    let quotes = matches!(event, DaemonEvent::Digest { .. } | DaemonEvent::ConfigRejected { .. });
    if style.masked && quotes {
        mask_numbers(&mut record);
    }
    record
}

/// The record of a sink's event.
pub fn of_sink(sink: &str, event: &SinkEvent, place: (u64, usize), now: Timestamp) -> Record {
    let (generation, n) = place;
    let stream = sink_stream(sink).to_string();
    let mut record = new(event.name(), event.level(), &stream, generation, n, now);
    record.sink = Some(sink.to_owned());
    match event {
        SinkEvent::Failing { reason, retry_after } => {
            record.condition = Some(SinkCondition::Failing.as_str().to_owned());
            record.reason = Some(reason.clone());
            record.retry_after_s = Some(retry_after.as_secs());
        }
        SinkEvent::Disabled { reason } => {
            record.condition = Some(SinkCondition::Disabled.as_str().to_owned());
            record.reason = Some(reason.clone());
        }
        SinkEvent::Recovered { condition, duration } => {
            record.condition = Some(condition.as_str().to_owned());
            record.duration_s = Some(duration.as_secs());
        }
        SinkEvent::Dead { about, event, reason } => {
            record.about = Some(about.clone());
            record.about_event = Some(event.clone());
            record.reason = Some(reason.clone());
        }
    }
    record.message = message::of_sink(sink, event);
    record
}

/// The stream of a sink's own events.
pub fn sink_stream(sink: &str) -> Stream {
    Stream::of(&["sink", sink])
}

fn new(event: &str, level: Level, stream: &str, generation: u64, n: usize, now: Timestamp) -> Record {
    Record {
        schema: SCHEMA,
        time: Some(now),
        level: level.as_str().to_owned(),
        event: event.to_owned(),
        id: event_id(stream, generation, n),
        generation: Some(generation),
        ..Record::default()
    }
}

/// The id of the `n`-th event of a generation.
pub fn event_id(stream: &str, generation: u64, n: usize) -> String {
    format!("{stream}-{generation}-{n}")
}

impl ScopeKey {
    /// The stream of the scope's events.
    pub fn stream(&self) -> Stream {
        Stream::of(&["scope", self.provider.as_str(), &self.account, &self.region])
    }
}

impl Record {
    /// The stream that the event belongs to: its id without generation and place.
    pub fn stream(&self) -> &str {
        self.id.rsplitn(3, '-').nth(2).unwrap_or(&self.id)
    }
}

fn mask_numbers(record: &mut Record) {
    record.number = record.number.as_deref().map(message::masked);
    record.reason = record.reason.as_deref().map(message::masked);
    record.message = message::masked(&record.message);
}
