//! What is known, for commands that show it: the running daemon says it; where none answers, the store does, with the same queries.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::control::{PATIENCE, Refused, asked, of_store, peek};
use super::requeue::encoded;
use super::{ConfigArg, colours, complain, load_main};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::core::event::Level;
use crate::core::time::Timestamp;
use crate::daemon::observe::events::{self, Choice, From, Page};
use crate::daemon::observe::orders::{self, Beside, Detail, Filters, Found, Orders};
use crate::daemon::observe::status::{self, Itself, Running, Status};
use crate::exit;
use crate::store::shown::Placed;
use crate::store::sqlite::Peek;

/// Where a command finds what it shows.
pub(super) struct Known {
    pub(super) config: Config,
    /// Whether standard output takes colours.
    pub(super) colour: bool,
    account_ids: BTreeMap<String, String>,
    clock: SystemClock,
    /// Whether the store was asked, since no daemon answered.
    no_daemon: AtomicBool,
}

/// Which events are wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct Events {
    pub(super) event: Option<String>,
    pub(super) level: Option<Level>,
    pub(super) list: Option<String>,
    pub(super) order: Option<String>,
}

impl Known {
    /// From the configuration; else the exit code, and what is wrong was said.
    pub(super) fn open(
        arg: &ConfigArg,
        environment: BTreeMap<String, String>,
        clock: SystemClock,
    ) -> Result<Self, u8> {
        let colour = colours(&environment);
        let loaded = load_main(arg, environment, clock);
        let Some(config) = loaded.config else {
            complain(&loaded.problems.render(false));
            return Err(exit::CONFIG);
        };
        let account_ids = status::account_ids(&config);
        Ok(Self { config, colour, account_ids, clock, no_daemon: AtomicBool::new(false) })
    }

    /// The store itself, since no daemon answers.
    async fn store(&self) -> Result<Peek, Refused> {
        self.no_daemon.store(true, Ordering::Relaxed);
        peek(&self.config).await
    }

    /// Warns whoever waits for a change where nobody brings one.
    pub(super) fn warn_of_no_daemon(&self) {
        if self.no_daemon.swap(false, Ordering::Relaxed) {
            complain("warning: no daemon runs: nothing changes before one does");
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now().wall
    }

    fn beside(&self) -> Beside<'_> {
        Beside { account_ids: &self.account_ids, now: self.now() }
    }

    /// How everything is.
    pub(super) async fn status(&self) -> Result<Status, Refused> {
        if let Some(status) = asked(&self.config, "/api/v1/status", PATIENCE).await? {
            return Ok(status);
        }
        let store = self.store().await?;
        let daemon = Running { version: env!("CARGO_PKG_VERSION").to_owned(), ..Running::default() };
        let itself = Itself { daemon, store_failing: false, config: None, scopes: None };
        status::status(&store, itself, &self.beside()).await.map_err(|error| of_store(&error))
    }

    /// A page of orders.
    pub(super) async fn orders(
        &self,
        filters: &Filters,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Orders, Refused> {
        let mut path = format!("/api/v1/orders?limit={limit}");
        let pairs = [
            ("list", filters.list.as_deref()),
            ("status", filters.status.as_deref()),
            ("scope", filters.scope.as_deref()),
            ("label", filters.label.as_deref()),
            ("urgency", filters.urgency.as_deref()),
            ("after", after),
        ];
        add(&mut path, &pairs);
        if let Some(orders) = asked(&self.config, &path, PATIENCE).await? {
            return Ok(orders);
        }
        let store = self.store().await?;
        let wanted = orders::wanted(&store, filters).await.map_err(|error| of_store(&error))?;
        let wanted = wanted.map_err(|why| (exit::USAGE, why))?;
        let after = after.map(|cursor| {
            Placed::parse(cursor).ok_or((exit::USAGE, "--after is what the page before said".to_owned()))
        });
        let page = orders::orders(&store, &wanted, (after.transpose()?, limit), &self.beside()).await;
        page.map_err(|error| of_store(&error))
    }

    /// One order with everything that is known of it.
    pub(super) async fn detail(&self, name: &str) -> Result<Detail, Refused> {
        let path = format!("/api/v1/orders/{}", encoded(name));
        if let Some(detail) = asked(&self.config, &path, PATIENCE).await? {
            return Ok(detail);
        }
        let store = self.store().await?;
        let stream = match orders::find(&store, name).await.map_err(|error| of_store(&error))? {
            Found::One(stream) => stream,
            Found::Nothing => return Err((exit::FAILURE, orders::no_such(name))),
            Found::Several(known) => return Err((exit::FAILURE, orders::several(name, &known))),
        };
        let detail = orders::detail(&store, stream, &self.beside()).await;
        detail.map_err(|error| of_store(&error))?.ok_or_else(|| (exit::FAILURE, orders::no_such(name)))
    }

    /// A page of events.
    pub(super) async fn events(&self, wanted: &Events, from: From, limit: u32) -> Result<Page, Refused> {
        let mut path = match from {
            From::After(after) => format!("/api/v1/events?after={after}&limit={limit}"),
            From::Since(time) => {
                format!("/api/v1/events?since={}&limit={limit}", encoded(&time.to_string()))
            }
            From::Last(count) => format!("/api/v1/events?last={count}&limit={limit}"),
        };
        let level = wanted.level.map(Level::as_str);
        let pairs = [
            ("event", wanted.event.as_deref()),
            ("level", level),
            ("list", wanted.list.as_deref()),
            ("order", wanted.order.as_deref()),
        ];
        add(&mut path, &pairs);
        if let Some(page) = asked(&self.config, &path, PATIENCE).await? {
            return Ok(page);
        }
        let store = self.store().await?;
        let choice = Choice {
            event: wanted.event.clone(),
            level: wanted.level,
            list: wanted.list.clone(),
            orders: wanted.order.as_deref().map(orders::bare).into_iter().collect(),
        };
        events::page(&store, &choice, from, limit).await.map_err(|error| of_store(&error))
    }
}

/// Adds what is there to a query.
fn add(path: &mut String, pairs: &[(&str, Option<&str>)]) {
    for (name, value) in pairs {
        if let Some(value) = value {
            path.push('&');
            path.push_str(name);
            path.push('=');
            path.push_str(&encoded(value));
        }
    }
}

/// Says what there is to show, or why there is nothing, and gives the exit code.
pub(super) fn told(shown: Result<String, Refused>) -> u8 {
    match shown {
        Ok(text) => {
            super::say(text.trim_end());
            exit::OK
        }
        Err(refused) => complained(&refused),
    }
}

/// Says why there is nothing, and gives the exit code.
pub(super) fn complained((code, why): &Refused) -> u8 {
    complain(&format!("claimwatch: {why}"));
    *code
}

/// As JSON on one line.
pub(super) fn as_json<T: serde::Serialize>(value: &T) -> Result<String, Refused> {
    serde_json::to_string(value).map_err(|cause| (exit::FAILURE, cause.to_string()))
}
