//! Everything that can be measured, in Prometheus' text format 0.0.4.
//!
//! # Guarantees
//! Ids and numbers are never labels: there are as many series as the configuration makes, whatever happens. What is counted
//! begins at 0 with the daemon, and is there from the beginning: else the first one of a kind would be no increase.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use super::looks::{BUCKETS, Outcome};
use super::status::Configured;
use super::{LaneView, Overview, ScopeView};
use crate::core::event::{self, Level, NumberStatus};
use crate::core::time::Timestamp;
use crate::store::StoreError;
use crate::store::outbox::SinkStatus;
use crate::store::shown::{Count, Shown};

/// The media type ("Exposition formats" in the documentation of Prometheus).
pub const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Events that are counted for one answer; what is more is counted for the next.
const COUNTED_AT_ONCE: u64 = 200_000;

/// Events that have another level than the one that [`level_of`] says, too.
const ALSO: &[(&str, Level)] =
    &[("order.completed", Level::Warn), ("order.untracked", Level::Warn), ("window.closing", Level::Error)];

/// An event's usual level.
fn level_of(event: &str) -> Level {
    match event {
        "number.failed" | "number.released" | "order.attention" | "order.stalled" | "order.unrecognized"
        | "scope.overloaded" | "scope.throttled" | "scope.unavailable" | "sink.failing"
        | "window.closing" | "window.opened" => Level::Warn,
        "config.rejected" | "delivery.dead" | "order.blocked" | "order.not_found" | "scope.denied"
        | "scope.suspect" | "sink.disabled" | "window.closed" => Level::Error,
        _ => Level::Info,
    }
}

/// The events since the daemon's start, counted from the store.
#[derive(Debug)]
pub struct Counters {
    /// Up to this `seq`.
    through: u64,
    events: BTreeMap<(String, String), u64>,
    /// By service, list and status after.
    transitions: BTreeMap<(String, String, String), u64>,
}

impl Counters {
    /// Counts what comes after `through`.
    pub fn after(through: u64) -> Self {
        let usual = event::NAMES.iter().map(|name| (*name, level_of(name)));
        let all = usual.chain(ALSO.iter().copied());
        let events = all.map(|(name, level)| ((name.to_owned(), level.as_str().to_owned()), 0)).collect();
        Self { through, events, transitions: BTreeMap::new() }
    }

    /// Counts on. `counts` are the lists that there are.
    pub async fn count<S: Shown>(&mut self, store: &S, counts: &[Count]) -> Result<(), StoreError> {
        for Count { provider, list, .. } in counts {
            for to in [
                NumberStatus::InProgress,
                NumberStatus::Claimed,
                NumberStatus::Failed,
                NumberStatus::Released,
            ] {
                let kind = (provider.clone(), list.clone(), to.word().to_owned());
                self.transitions.entry(kind).or_default();
            }
        }
        let through = store.last_seq().await?.min(self.through.saturating_add(COUNTED_AT_ONCE));
        if through <= self.through {
            return Ok(());
        }
        for told in store.told(self.through, through).await? {
            if let (Some(provider), Some(list), Some(to)) = (told.provider, told.list, told.to)
                && told.event.starts_with("number.")
            {
                *self.transitions.entry((provider, list, to)).or_default() += told.count;
            }
            *self.events.entry((told.event, told.level)).or_default() += told.count;
        }
        self.through = through;
        Ok(())
    }
}

/// What is measured.
#[derive(Debug)]
pub struct Measured<'a> {
    /// When.
    pub now: Timestamp,
    /// When the daemon started.
    pub started_at: Timestamp,
    /// When the loop last turned.
    pub turned_at: Timestamp,
    /// The scopes; `None`: the loop does not answer.
    pub overview: Option<&'a Overview>,
    /// How the tracked orders stand.
    pub counts: &'a [Count],
    /// The events.
    pub counters: &'a Counters,
    /// The sinks.
    pub sinks: &'a [SinkStatus],
    /// What the configuration is.
    pub config: &'a Configured,
    /// Whether the store takes nothing.
    pub store_failing: bool,
}

impl Measured<'_> {
    /// As text.
    pub fn render(&self) -> String {
        let mut text = Text(String::new());
        self.daemon(&mut text);
        self.orders(&mut text);
        self.events(&mut text);
        if let Some(overview) = self.overview {
            scopes(&mut text, &overview.scopes);
            looks(&mut text, &overview.scopes);
        }
        self.sinks(&mut text);
        text.0
    }

    fn daemon(&self, text: &mut Text) {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        text.one("claimwatch_build_info", "1, with the version of the daemon.", &version, 1);
        text.one(
            "process_start_time_seconds",
            "When the daemon started, seconds since the Unix epoch.",
            &[],
            seconds(self.started_at),
        );
        text.one(
            "claimwatch_loop_last_turn_timestamp_seconds",
            "When the loop last turned; it does at least every ten seconds.",
            &[],
            seconds(self.turned_at),
        );
        text.one(
            "claimwatch_store_failing",
            "1 while the store takes nothing.",
            &[],
            u8::from(self.store_failing),
        );
        text.one(
            "claimwatch_config_last_reload_successful",
            "1 if the configuration was good when it was last read, at a start or a reload.",
            &[],
            u8::from(self.config.successful),
        );
        text.family(
            "claimwatch_config_last_reload_success_timestamp_seconds",
            "gauge",
            "When the configuration was last read and good.",
        );
        if let Some(at) = self.config.successful_at {
            text.sample("claimwatch_config_last_reload_success_timestamp_seconds", &[], seconds(at));
        }
    }

    fn orders(&self, text: &mut Text) {
        let mut by_list: BTreeMap<(&str, &str), Windows> = BTreeMap::new();
        let mut by_status: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
        for count in self.counts {
            let (provider, list) = (count.provider.as_str(), count.list.as_str());
            by_list.entry((provider, list)).or_default().add(count);
            *by_status.entry((provider, list, &count.standing)).or_default() += count.orders;
        }
        let name = "claimwatch_orders";
        text.family(name, "gauge", "Orders and numbers that are tracked, by where they stand.");
        for ((provider, list, status), orders) in by_status {
            text.sample(name, &[("provider", provider), ("list", list), ("status", status)], orders);
        }
        for (name, help, of) in OF_WINDOWS {
            text.family(name, "gauge", help);
            for ((provider, list), windows) in &by_list {
                if let Some(value) = of(windows) {
                    text.sample(name, &[("provider", provider), ("list", list)], value);
                }
            }
        }
    }

    fn events(&self, text: &mut Text) {
        let name = "claimwatch_events_total";
        text.family(name, "counter", "Events since the daemon's start.");
        for ((event, level), count) in &self.counters.events {
            text.sample(name, &[("event", event), ("level", level)], count);
        }
        let name = "claimwatch_transitions_total";
        text.family(name, "counter", "Changes of numbers to a status since the daemon's start.");
        for ((provider, list, to), count) in &self.counters.transitions {
            text.sample(name, &[("provider", provider), ("list", list), ("to", to)], count);
        }
    }

    fn sinks(&self, text: &mut Text) {
        let age = |sink: &SinkStatus| {
            sink.oldest.map_or(0.0, |oldest| super::seconds(self.now.since(oldest))).to_string()
        };
        let families: [Gauge<OfSink<'_>>; 5] = [
            ("claimwatch_sink_pending_events", "Events that wait for the sink.", &|sink| {
                sink.pending.to_string()
            }),
            ("claimwatch_sink_dead_events", "Events that the sink refused for good.", &|sink| {
                sink.dead.to_string()
            }),
            (
                "claimwatch_sink_oldest_pending_age_seconds",
                "How old the oldest event is that waits for the sink; 0 if none does.",
                &age,
            ),
            ("claimwatch_sink_failing", "1 while the sink takes nothing.", &|sink| {
                state(sink.memory.failing_since)
            }),
            ("claimwatch_sink_disabled", "1 while the sink is not tried any more.", &|sink| {
                state(sink.memory.disabled_since)
            }),
        ];
        for (name, help, value) in families {
            text.family(name, "gauge", help);
            for sink in self.sinks {
                text.sample(name, &[("sink", &sink.name)], value(sink));
            }
        }
    }
}

/// A gauge: its name, its help, and its value.
type Gauge<V> = (&'static str, &'static str, V);
type OfSink<'a> = &'a dyn Fn(&SinkStatus) -> String;
type OfWindows = fn(&Windows) -> Option<String>;
type OfScope = fn(&ScopeView) -> String;
type OfLane = fn(&LaneView) -> Option<String>;

/// The open windows of a list.
#[derive(Default)]
struct Windows {
    open: u64,
    unacknowledged: u64,
    soonest: Option<Timestamp>,
}

impl Windows {
    fn add(&mut self, count: &Count) {
        self.open += count.windows;
        self.unacknowledged += count.unacknowledged;
        self.soonest = [self.soonest, count.soonest].into_iter().flatten().min();
    }
}

/// One sample a list.
const OF_WINDOWS: [Gauge<OfWindows>; 3] = [
    ("claimwatch_windows_open", "Retry windows that are open.", |windows| Some(windows.open.to_string())),
    (
        "claimwatch_windows_unacknowledged",
        "Retry windows that are open, and that nobody has acknowledged.",
        |windows| Some(windows.unacknowledged.to_string()),
    ),
    (
        "claimwatch_window_soonest_end_timestamp_seconds",
        "When the first of those that nobody has acknowledged may end; absent without one.",
        |windows| windows.soonest.map(seconds),
    ),
];

/// One sample a scope.
const OF_SCOPES: [Gauge<OfScope>; 11] = [
    (
        "claimwatch_scope_orders_tracked",
        "Orders and numbers that are tracked, those that are done included.",
        |scope| scope.tracked.to_string(),
    ),
    ("claimwatch_scope_orders_looked_at", "Orders and numbers that are still looked at.", |scope| {
        scope.looked_at.to_string()
    }),
    ("claimwatch_scope_calls_in_flight", "Calls without an answer yet.", |scope| scope.in_flight.to_string()),
    (
        "claimwatch_scope_rate_calls_per_second",
        "Calls a second, as learned from the service's refusals.",
        |scope| scope.rate.to_string(),
    ),
    (
        "claimwatch_scope_quota_calls_per_second",
        "Calls a second that the configured share of the quota allows.",
        |scope| scope.quota.to_string(),
    ),
    (
        "claimwatch_scope_hold_seconds",
        "How long every call still waits because the service refused one for quota.",
        |scope| scope.hold_s.to_string(),
    ),
    (
        "claimwatch_scope_throttled",
        "1 if the service refused a call for quota in the last five minutes.",
        |scope| state(scope.throttled_since),
    ),
    ("claimwatch_scope_unavailable", "1 while the service does not work and is only probed.", |scope| {
        state(scope.unavailable_since)
    }),
    ("claimwatch_scope_denied", "1 while the credentials are refused.", |scope| state(scope.denied_since)),
    (
        "claimwatch_scope_suspect",
        "1 while so much is missing that the credentials may be another account's.",
        |scope| state(scope.suspect_since),
    ),
    ("claimwatch_scope_overloaded", "1 while more is due than the quota allows.", |scope| {
        state(scope.overloaded_since)
    }),
];

/// One sample a lane of a scope, where there is a value.
const OF_LANES: [Gauge<OfLane>; 3] = [
    ("claimwatch_lane_orders_due", "Orders and numbers whose look is due.", |lane| {
        Some(lane.due.to_string())
    }),
    ("claimwatch_lane_oldest_due_seconds", "How long the one that is due first has waited.", |lane| {
        Some(lane.oldest_s.to_string())
    }),
    (
        "claimwatch_lane_expected_lateness_seconds",
        "How long until the last of those that are due now has been looked at; absent while the service is only probed.",
        |lane| lane.expected_s.map(|expected| expected.to_string()),
    ),
];

fn state(since: Option<Timestamp>) -> String {
    u8::from(since.is_some()).to_string()
}

/// A time as Prometheus wants it.
fn seconds(at: Timestamp) -> String {
    let millis = at.as_millis();
    format!("{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000))
}

/// The labels of a scope.
fn of(scope: &ScopeView) -> [(&'static str, &str); 3] {
    [("provider", scope.provider.as_str()), ("account", &scope.account), ("region", &scope.region)]
}

fn scopes(text: &mut Text, scopes: &[ScopeView]) {
    for (name, help, value) in OF_SCOPES {
        text.family(name, "gauge", help);
        for scope in scopes {
            text.sample(name, &of(scope), value(scope));
        }
    }
    for (name, help, value) in OF_LANES {
        text.family(name, "gauge", help);
        for scope in scopes {
            let [provider, account, region] = of(scope);
            for (lane, view) in scope.lanes.each() {
                if let Some(value) = value(view) {
                    text.sample(name, &[provider, account, region, ("lane", lane.as_str())], value);
                }
            }
        }
    }
}

/// What was counted of calls.
fn looks(text: &mut Text, scopes: &[ScopeView]) {
    let name = "claimwatch_looks_total";
    text.family(name, "counter", "Looks since the daemon's start, by what the answer was.");
    for scope in scopes {
        let [provider, account, region] = of(scope);
        for outcome in Outcome::ALL {
            let count = scope.looks.outcome(outcome);
            text.sample(name, &[provider, account, region, ("outcome", outcome.as_str())], count);
        }
    }
    let name = "claimwatch_throttled_calls_total";
    text.family(
        name,
        "counter",
        "Calls that were refused for quota since the daemon's start, those for lists included.",
    );
    for scope in scopes {
        text.sample(name, &of(scope), scope.looks.throttled_calls);
    }
    let name = "claimwatch_scope_last_answer_timestamp_seconds";
    text.family(name, "gauge", "When the service last said something of an order; absent before it did.");
    for scope in scopes {
        if let Some(at) = scope.looks.answered_at {
            text.sample(name, &of(scope), seconds(at));
        }
    }
    lateness(text, scopes);
}

fn lateness(text: &mut Text, scopes: &[ScopeView]) {
    let name = "claimwatch_look_lateness_seconds";
    text.family(name, "histogram", "How long after it was due a look began.");
    for scope in scopes {
        let [provider, account, region] = of(scope);
        for (lane, _) in scope.lanes.each() {
            let late = scope.looks.lateness(lane);
            let lane = ("lane", lane.as_str());
            let mut within = 0;
            for (bound, count) in BUCKETS.iter().zip(late.within) {
                within += count;
                let bound = bound.to_string();
                let labels = [provider, account, region, lane, ("le", &bound)];
                text.sample("claimwatch_look_lateness_seconds_bucket", &labels, within);
            }
            let labels = [provider, account, region, lane, ("le", "+Inf")];
            text.sample("claimwatch_look_lateness_seconds_bucket", &labels, late.count);
            let labels = [provider, account, region, lane];
            text.sample("claimwatch_look_lateness_seconds_sum", &labels, late.sum_s);
            text.sample("claimwatch_look_lateness_seconds_count", &labels, late.count);
        }
    }
}

/// The text.
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _infallible = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (n, (label, text)) in labels.iter().enumerate() {
            let _infallible =
                write!(self.0, "{}{label}=\"{}\"", if n == 0 { '{' } else { ',' }, escaped(text));
        }
        let _infallible = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// A gauge with one sample.
    fn one(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, labels, value);
    }
}

/// As a label's value has to be written: three characters have a meaning of their own in it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
