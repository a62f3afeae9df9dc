//! What the daemon shows of itself: how everything is, orders, events, and each scope with its quota, its misfortunes, and how late
//! its looks are. Without a daemon the commands show the same of the store.
//!
//! The types are the JSON of the API as they stand. The loop fills those of the scopes and does nothing else for whoever asks.
//!
//! # Guarantees
//! Nothing here is bigger than the configuration or a limit makes it: there are two scopes an account, each at most 2 KB of JSON
//! and 15 KB of metrics with the longest names (a test holds them to that); an account that shares a scope adds its name to the
//! JSON.

pub mod events;
pub mod looks;
pub mod metrics;
pub mod orders;
pub mod status;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::looks::Looks;
use crate::core::demand::Backlog;
use crate::core::order::Provider;
use crate::core::schedule::Lane;
use crate::core::time::Timestamp;

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
    /// What was counted of its calls.
    #[serde(skip)]
    pub looks: Looks,
}

impl ScopeView {
    /// One of which nothing is known.
    pub fn idle(provider: Provider) -> Self {
        let nothing = LaneView { due: 0, oldest_s: 0.0, expected_s: Some(0.0) };
        Self {
            provider,
            account: String::new(),
            accounts: Vec::new(),
            account_id: None,
            region: String::new(),
            tracked: 0,
            looked_at: 0,
            in_flight: 0,
            rate: 0.0,
            quota: 0.0,
            hold_s: 0.0,
            throttled_since: None,
            unavailable_since: None,
            denied_since: None,
            suspect_since: None,
            overloaded_since: None,
            list: ListView { pages: None, whole: false, read_at: None, reading: false },
            lanes: LanesView { urgent: nothing.clone(), pending: nothing.clone(), verify: nothing },
            looks: Looks::default(),
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_795_341_600_000;

    fn lane(due: usize, oldest: u64, expected: u64) -> Backlog {
        let (oldest, expected) = (Duration::from_secs(oldest), Duration::from_secs(expected));
        Backlog { lane: Lane::Pending, due, oldest, expected }
    }

    fn scope(provider: Provider, account: &str) -> ScopeView {
        ScopeView {
            account: account.to_owned(),
            accounts: vec![account.to_owned()],
            region: "eu-west-2".to_owned(),
            tracked: 3,
            looked_at: 2,
            in_flight: 1,
            rate: 1.25,
            quota: 1.6,
            ..ScopeView::idle(provider)
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
}
