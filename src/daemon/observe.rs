//! What the daemon shows of itself: each scope with its quota, its misfortunes, and how late its looks are.
//!
//! The loop fills these types and does nothing else for whoever asks. They are the JSON of `GET /api/v1/scopes` as they
//! stand, and [`Overview::metrics`] renders them in Prometheus' text format.
//!
//! # Guarantees
//! Nothing here is bigger than the configuration makes it: there are two scopes an account, each at most 2 KB of JSON and
//! 6 KB of metrics with the longest names (a test holds them to that), and three quarters of a kilobyte and 3 KB with usual
//! ones. An account that shares a scope adds its name to the JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::demand::Backlog;
use crate::core::order::Provider;
use crate::core::schedule::Lane;
use crate::core::time::Timestamp;

/// The media type of [`Overview::metrics`] ("Exposition formats" in the documentation of Prometheus).
pub const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All scopes at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// When that was.
    pub at: Timestamp,
    /// The scopes, in the order of the accounts' names.
    pub scopes: Vec<ScopeView>,
}

/// One scope: what shares a quota.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScopeView {
    /// The service.
    pub provider: Provider,
    /// The first of its accounts by name, which stands for it in records and metrics.
    pub account: String,
    /// All of its accounts by name.
    pub accounts: Vec<String>,
    /// The account's twelve digits, where the configuration has them.
    pub account_id: Option<String>,
    /// The region.
    pub region: String,
    /// Orders that are tracked, those that are done included.
    pub tracked: u64,
    /// Those of them that are still looked at.
    pub looked_at: u64,
    /// Calls without an answer yet, a page of the list included.
    pub in_flight: u64,
    /// Calls a second, as learned from the service's refusals.
    pub rate: f64,
    /// Calls a second that our share of the quota allows.
    pub quota: f64,
    /// Seconds for which every call still waits because the service refused one.
    pub hold_s: f64,
    /// Since when the service refuses for quota, until five minutes after its last 429.
    pub throttled_since: Option<Timestamp>,
    /// Since when the service does not work.
    pub unavailable_since: Option<Timestamp>,
    /// Since when the credentials are refused.
    pub denied_since: Option<Timestamp>,
    /// Since when so much is missing that the credentials may be another account's.
    pub suspect_since: Option<Timestamp>,
    /// Since when more is due than the quota allows.
    pub overloaded_since: Option<Timestamp>,
    /// The list that may answer for many orders at once.
    pub list: ListView,
    /// What waits.
    pub lanes: LanesView,
}

impl ScopeView {
    /// What is wrong with it, the worst first.
    pub fn troubles(&self) -> impl Iterator<Item = Trouble> {
        let all = [
            ("denied", self.denied_since, "the credentials are refused"),
            ("unavailable", self.unavailable_since, "the service does not work"),
            ("suspect", self.suspect_since, "too much is missing at once"),
            ("overloaded", self.overloaded_since, "more is due than the quota allows"),
            ("throttled", self.throttled_since, "the service refused for quota"),
        ];
        all.into_iter().enumerate().filter_map(|(rank, (word, since, meaning))| {
            since.map(|since| Trouble { rank, word, since, meaning })
        })
    }
}

/// Something that is wrong with a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// The less, the worse.
    pub rank: usize,
    /// The event `scope.…` that said it.
    pub word: &'static str,
    /// Since when.
    pub since: Timestamp,
    /// What it means, for people.
    pub meaning: &'static str,
}

/// What is known of a scope's list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListView {
    /// Pages that were read the last time.
    pub pages: Option<u32>,
    /// Whether that was all of it.
    pub whole: bool,
    /// When that was.
    pub read_at: Option<Timestamp>,
    /// Whether it is being read.
    pub reading: bool,
}

/// The lanes of a scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LanesView {
    /// A retry window is open, or an absence is to be confirmed.
    pub urgent: LaneView,
    /// An outcome is to come.
    pub pending: LaneView,
    /// Done, but watched on.
    pub verify: LaneView,
}

impl LanesView {
    /// Each with its lane, most urgent first.
    pub fn each(&self) -> [(Lane, &LaneView); 3] {
        [(Lane::Urgent, &self.urgent), (Lane::Pending, &self.pending), (Lane::Verify, &self.verify)]
    }
}

/// What waits in a lane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaneView {
    /// Orders whose look is due.
    pub due: u64,
    /// Seconds that the one that is due first has waited.
    pub oldest_s: f64,
    /// Seconds until the last of those that are due now has been looked at: after the hold, as the rate is now. Not known while the
    /// service is only probed.
    pub expected_s: Option<f64>,
}

impl LaneView {
    /// From a backlog; `asked` is whether the service is asked as usual.
    pub(super) fn new(backlog: &Backlog, asked: bool) -> Self {
        Self {
            due: backlog.due as u64,
            oldest_s: seconds(backlog.oldest),
            expected_s: (asked || backlog.due == 0).then(|| seconds(backlog.expected)),
        }
    }
}

/// To the millisecond.
pub(super) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// A gauge: its name, its help, and its value.
type Gauge<V, T> = (&'static str, &'static str, fn(&V) -> T);

/// One sample a scope.
const OF_SCOPES: [Gauge<ScopeView, String>; 11] = [
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
const OF_LANES: [Gauge<LaneView, Option<String>>; 3] = [
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
    if since.is_some() { "1" } else { "0" }.to_owned()
}

impl Overview {
    /// Prometheus' text format 0.0.4.
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        let labelled: Vec<(&ScopeView, String)> =
            self.scopes.iter().map(|scope| (scope, labels(scope))).collect();
        for (name, help, value) in OF_SCOPES {
            head(&mut text, name, help);
            for (scope, labels) in &labelled {
                let _ = writeln!(text, "{name}{{{labels}}} {}", value(scope));
            }
        }
        for (name, help, value) in OF_LANES {
            head(&mut text, name, help);
            for (scope, labels) in &labelled {
                for (lane, view) in scope.lanes.each() {
                    if let Some(value) = value(view) {
                        let _ = writeln!(text, "{name}{{{labels},lane=\"{}\"}} {value}", lane.as_str());
                    }
                }
            }
        }
        text
    }
}

fn head(text: &mut String, name: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
}

fn labels(scope: &ScopeView) -> String {
    let (account, region) = (escaped(&scope.account), escaped(&scope.region));
    format!("provider=\"{}\",account=\"{account}\",region=\"{region}\"", scope.provider)
}

/// As a label's value has to be written: three characters have a meaning of their own in it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_795_341_600_000;

    fn lane(due: usize, oldest: u64, expected: u64) -> Backlog {
        let (oldest, expected) = (Duration::from_secs(oldest), Duration::from_secs(expected));
        Backlog { lane: Lane::Pending, due, oldest, expected }
    }

    fn scope(provider: Provider, account: &str) -> ScopeView {
        let nothing = LaneView::new(&lane(0, 0, 0), true);
        ScopeView {
            provider,
            account: account.to_owned(),
            accounts: vec![account.to_owned()],
            account_id: None,
            region: "eu-west-2".to_owned(),
            tracked: 3,
            looked_at: 2,
            in_flight: 1,
            rate: 1.25,
            quota: 1.6,
            hold_s: 0.0,
            throttled_since: None,
            unavailable_since: None,
            denied_since: None,
            suspect_since: None,
            overloaded_since: None,
            list: ListView { pages: None, whole: false, read_at: None, reading: false },
            lanes: LanesView { urgent: nothing.clone(), pending: nothing.clone(), verify: nothing },
        }
    }

    fn overview(scopes: Vec<ScopeView>) -> Overview {
        Overview { at: Timestamp::from_millis(AT), scopes }
    }

    /// A throttled scope with something to do.
    fn busy() -> ScopeView {
        let held = Duration::from_millis(2500);
        let mut busy = scope(Provider::Connect, "prod-eu");
        busy.account_id = Some("123456789012".to_owned());
        busy.throttled_since = Some(Timestamp::from_millis(AT - 60_000));
        busy.hold_s = held.as_secs_f64();
        busy.list = ListView {
            pages: Some(4),
            whole: true,
            read_at: Some(Timestamp::from_millis(AT - 1000)),
            reading: true,
        };
        busy.lanes.pending = LaneView::new(&lane(7, 12, 40), true);
        busy
    }

    #[test]
    fn the_json_is_what_the_documentation_says() {
        let json = serde_json::to_string_pretty(&overview(vec![busy()])).unwrap();
        assert_eq!(
            json,
            r#"{
  "at": "2026-11-22T10:00:00.000Z",
  "scopes": [
    {
      "provider": "connect",
      "account": "prod-eu",
      "accounts": [
        "prod-eu"
      ],
      "account_id": "123456789012",
      "region": "eu-west-2",
      "tracked": 3,
      "looked_at": 2,
      "in_flight": 1,
      "rate": 1.25,
      "quota": 1.6,
      "hold_s": 2.5,
      "throttled_since": "2026-11-22T09:59:00.000Z",
      "unavailable_since": null,
      "denied_since": null,
      "suspect_since": null,
      "overloaded_since": null,
      "list": {
        "pages": 4,
        "whole": true,
        "read_at": "2026-11-22T09:59:59.000Z",
        "reading": true
      },
      "lanes": {
        "urgent": {
          "due": 0,
          "oldest_s": 0.0,
          "expected_s": 0.0
        },
        "pending": {
          "due": 7,
          "oldest_s": 12.0,
          "expected_s": 40.0
        },
        "verify": {
          "due": 0,
          "oldest_s": 0.0,
          "expected_s": 0.0
        }
      }
    }
  ]
}"#
        );
        assert_eq!(serde_json::from_str::<Overview>(&json).unwrap(), overview(vec![busy()]));
        assert_eq!(
            serde_json::to_string(&overview(Vec::new())).unwrap(),
            r#"{"at":"2026-11-22T10:00:00.000Z","scopes":[]}"#
        );
    }

    #[test]
    fn what_is_only_probed_is_late_nobody_knows_how_much() {
        let expected = |due, late, asked| LaneView::new(&lane(due, 0, late), asked).expected_s;
        assert_eq!(expected(7, 40, true), Some(40.0));
        assert_eq!(expected(7, 40, false), None);
        assert_eq!(
            (expected(0, 0, true), expected(0, 0, false)),
            (Some(0.0), Some(0.0)),
            "nothing is not late"
        );
    }

    #[test]
    fn the_metrics_of_two_scopes() {
        let mut down = scope(Provider::Chime, "a\\b\"c\nd\u{e9}");
        down.unavailable_since = Some(Timestamp::from_millis(AT));
        down.lanes.urgent = LaneView::new(&lane(1, 3, 1), false);
        let text = overview(vec![busy(), down]).metrics();
        let about = |name: &str| -> Vec<&str> {
            text.lines().filter(|line| line.split(['{', ' ']).any(|word| word == name)).collect()
        };
        assert_eq!(
            about("claimwatch_scope_throttled"),
            [
                "# HELP claimwatch_scope_throttled 1 if the service refused a call for quota in the last five minutes.",
                "# TYPE claimwatch_scope_throttled gauge",
                r#"claimwatch_scope_throttled{provider="connect",account="prod-eu",region="eu-west-2"} 1"#,
                r#"claimwatch_scope_throttled{provider="chime",account="a\\b\"c\ndé",region="eu-west-2"} 0"#,
            ]
        );
        assert_eq!(
            about("claimwatch_lane_expected_lateness_seconds")[2..],
            [
                r#"claimwatch_lane_expected_lateness_seconds{provider="connect",account="prod-eu",region="eu-west-2",lane="urgent"} 0"#,
                r#"claimwatch_lane_expected_lateness_seconds{provider="connect",account="prod-eu",region="eu-west-2",lane="pending"} 40"#,
                r#"claimwatch_lane_expected_lateness_seconds{provider="connect",account="prod-eu",region="eu-west-2",lane="verify"} 0"#,
                r#"claimwatch_lane_expected_lateness_seconds{provider="chime",account="a\\b\"c\ndé",region="eu-west-2",lane="pending"} 0"#,
                r#"claimwatch_lane_expected_lateness_seconds{provider="chime",account="a\\b\"c\ndé",region="eu-west-2",lane="verify"} 0"#,
            ]
        );
        // Each value is in its own family.
        let value = |name: &str| about(name)[2].rsplit(' ').next().unwrap().to_owned();
        let values: Vec<String> = OF_SCOPES.iter().map(|(name, ..)| value(name)).collect();
        assert_eq!(values, ["3", "2", "1", "1.25", "1.6", "2.5", "1", "0", "0", "0", "0"]);
        assert_eq!(about("claimwatch_scope_unavailable")[3].rsplit(' ').next(), Some("1"));
        assert_eq!(about("claimwatch_lane_orders_due")[3].rsplit(' ').next(), Some("7"));
        assert_eq!(about("claimwatch_lane_oldest_due_seconds")[3].rsplit(' ').next(), Some("12"));
    }

    #[test]
    fn without_scopes_there_are_families_and_no_samples() {
        let text = overview(Vec::new()).metrics();
        assert_eq!(text.lines().count(), 2 * (OF_SCOPES.len() + OF_LANES.len()));
        assert!(text.lines().all(|line| line.starts_with("# ")), "{text}");
    }

    #[test]
    fn three_hundred_scopes_stay_small() {
        let named = |name: fn(usize) -> String| {
            let scopes = (0..300).map(|n| ScopeView { tracked: 1_000_000, ..busy_named(&name(n)) }).collect();
            let all = overview(scopes);
            (serde_json::to_string(&all).unwrap().len() / 300, all.metrics().len() / 300)
        };
        let (json, metrics) = named(|n| format!("prod-eu-{n:03}"));
        assert!(json < 768 && metrics < 3000, "{json}, {metrics}");
        let (json, metrics) = named(|n| format!("{n:064}"));
        assert!(json < 2000 && metrics < 6000, "{json}, {metrics}");
    }

    fn busy_named(name: &str) -> ScopeView {
        ScopeView { account: name.to_owned(), accounts: vec![name.to_owned()], ..busy() }
    }

    #[test]
    fn every_metric_is_documented() {
        let docs = include_str!("../../docs/configuration.md");
        let names = OF_SCOPES.iter().map(|(name, ..)| name).chain(OF_LANES.iter().map(|(name, ..)| name));
        let missing: Vec<_> = names.filter(|name| !docs.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "docs/configuration.md lacks {missing:?}");
    }
}
