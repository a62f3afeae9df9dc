//! How everything is, on one screen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::orders::{Beside, OrderView, WindowView, views};
use super::{Overview, ScopeView};
use crate::core::event::ScopeKey;
use crate::core::record::SCHEMA;
use crate::core::scope::ScopeMemory;
use crate::core::standing::Urgency;
use crate::core::time::Timestamp;
use crate::store::StoreError;
use crate::store::outbox::SinkStatus;
use crate::store::shown::{Shown, Wanted};

/// Orders whose open windows are shown, those that end first.
const WINDOWS_MOST: u32 = 20;
/// Changes that are shown, the latest.
const CHANGES_MOST: u32 = 12;

/// How everything is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// The version of what is shown.
    pub schema: u32,
    /// When it was so.
    pub at: Timestamp,
    /// The daemon.
    pub daemon: Running,
    /// Whether the store takes nothing.
    pub store_failing: bool,
    /// What the configuration is; without a daemon that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Configured>,
    /// How the tracked orders stand.
    pub orders: Tally,
    /// Open retry windows, those that end first.
    pub windows: Vec<WindowView>,
    /// The records of the latest changes, the latest first.
    pub events: Vec<Box<RawValue>>,
    /// The scopes.
    pub scopes: Vec<ScopeView>,
    /// The sinks.
    pub sinks: Vec<SinkStatus>,
}

/// Whether the daemon runs, and since when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Whether one answers.
    pub running: bool,
    /// Its version, or that of the command.
    pub version: String,
    /// Since when it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Where none answers: when the last event was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_event_at: Option<Timestamp>,
}

/// What the configuration is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configured {
    /// When it was last read, at a start or a reload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reloaded_at: Option<Timestamp>,
    /// When that last went as asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successful_at: Option<Timestamp>,
    /// Whether it did the last time.
    pub successful: bool,
    /// What is not in force, and why.
    pub rejected: Vec<Rejected>,
}

/// A file that is not in force as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// The file, or where it lies.
    pub file: String,
    /// The line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// What is wrong with it.
    pub reason: String,
}

/// How many tracked orders want how much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// All of them.
    pub tracked: u64,
    /// With an open retry window.
    pub window: u64,
    /// For which a person has to act.
    pub attention: u64,
    /// That ended otherwise than well.
    pub failed: u64,
    /// Whose outcome is to come.
    pub pending: u64,
    /// That ended well.
    pub done: u64,
    /// Open retry windows; an order may have several.
    pub windows: u64,
}

impl Tally {
    /// From how many orders the store says to want how much, with their open windows.
    pub fn of(urgencies: &[(Option<Urgency>, u64, u64)]) -> Self {
        let mut tally = Self::default();
        for (urgency, orders, windows) in urgencies {
            tally.tracked += orders;
            tally.windows += windows;
            let kind = match urgency {
                Some(Urgency::Window) => &mut tally.window,
                Some(Urgency::Attention) => &mut tally.attention,
                Some(Urgency::Failed) => &mut tally.failed,
                Some(Urgency::Pending) | None => &mut tally.pending,
                Some(Urgency::Done) => &mut tally.done,
            };
            *kind += orders;
        }
        tally
    }
}

/// What the daemon knows of itself.
#[derive(Debug)]
pub struct Itself {
    /// Whether it runs.
    pub daemon: Running,
    /// Whether the store takes nothing.
    pub store_failing: bool,
    /// What the configuration is; `None`: that is not known.
    pub config: Option<Configured>,
    /// Its scopes; `None`: the store's memory of them is shown.
    pub scopes: Option<Overview>,
}

/// How everything is.
pub async fn status<S: Shown>(store: &S, itself: Itself, beside: &Beside<'_>) -> Result<Status, StoreError> {
    let orders = Tally::of(&store.urgencies().await?);
    let wanted = Wanted { urgency: Some(Urgency::Window), ..Wanted::default() };
    let placed = store.placed(&wanted, None, WINDOWS_MOST).await?;
    let streams: Vec<_> = placed.iter().map(|placed| placed.stream).collect();
    let mut windows: Vec<WindowView> = views(store, &streams, beside)
        .await?
        .into_iter()
        .flat_map(|order: OrderView| order.windows)
        .collect();
    windows.sort_by_key(|window| window.window_earliest);
    windows.truncate(WINDOWS_MOST as usize);
    let events = store.latest_changes(CHANGES_MOST).await?;
    let events = events.into_iter().filter_map(|event| RawValue::from_string(event.json).ok()).collect();
    let Itself { mut daemon, store_failing, config, scopes } = itself;
    let scopes = if let Some(overview) = scopes {
        overview.scopes
    } else {
        let all = store.remembered().await?;
        all.iter().map(|(key, memory)| remembered(key, memory, beside)).collect()
    };
    if !daemon.running {
        let last = store.events_before(u64::MAX, 1).await?.pop();
        daemon.last_event_at = last.and_then(|event| time_of(&event.json));
    }
    let sinks = store.shown_sinks().await?;
    let at = beside.now;
    Ok(Status { schema: SCHEMA, at, daemon, store_failing, config, orders, windows, events, scopes, sinks })
}

fn time_of(json: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Timed {
        time: Timestamp,
    }
    serde_json::from_str::<Timed>(json).ok().map(|timed| timed.time)
}

/// What the store remembers of a scope, while no daemon runs: nothing waits, and nothing is looked at.
fn remembered(key: &ScopeKey, memory: &ScopeMemory, beside: &Beside<'_>) -> ScopeView {
    // A scope is known by the account's digits, where the configuration has them; people know it by name.
    let named = beside.account_ids.iter().filter(|(_, id)| **id == key.account).map(|(name, _)| name.clone());
    let accounts: Vec<String> = named.collect();
    ScopeView {
        account: accounts.first().unwrap_or(&key.account).clone(),
        account_id: beside.account_ids.values().find(|id| **id == key.account).cloned(),
        accounts,
        region: key.region.clone(),
        rate: memory.rate,
        throttled_since: memory.throttled.map(|spell| spell.since),
        unavailable_since: memory.unavailable_since,
        denied_since: memory.denied_since,
        suspect_since: memory.suspect_since,
        overloaded_since: memory.overloaded_since,
        ..ScopeView::idle(key.provider)
    }
}

/// The twelve digits of accounts by their names.
pub fn account_ids(config: &crate::config::Config) -> BTreeMap<String, String> {
    let known = config.accounts.iter();
    known.filter_map(|(name, account)| Some((name.clone(), account.account_id.clone()?))).collect()
}
