//! What only reads, and changes nothing.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::get;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use super::{Answer, Asked, Desk, InPath, Refusal, follow, limited, understood};
use crate::core::event::Level;
use crate::core::order::Stream;

use crate::core::time::Timestamp;
use crate::daemon::observe::Overview;
use crate::daemon::observe::events::{self, Choice, EVENTS_MOST, EVENTS_USUAL, From};
use crate::daemon::observe::metrics::{METRICS_TYPE, Measured};
use crate::daemon::observe::orders::{self, Found, ORDERS_MOST, ORDERS_USUAL};
use crate::daemon::observe::status::{self, Itself, Running};
use crate::daemon::outbox::{PAGE_MOST, Page, Sinks};
use crate::daemon::poller::Wish;
use crate::store::outbox::{Outbox, Stands};
use crate::store::shown::{Placed, Shown as _};

/// How long the loop may take to say how it is. One that takes longer is hung, and what else is known is told without it.
const LOOP_TIME: Duration = Duration::from_secs(2);

/// The paths.
pub(super) fn router<S: Outbox>(desk: Desk<S>) -> Router {
    Router::new()
        .route("/api/v1/status", get(status::<S>))
        .route("/api/v1/orders", get(orders::<S>))
        .route("/api/v1/orders/{name}", get(order::<S>))
        .route("/api/v1/events", get(events::<S>))
        .route("/api/v1/sinks", get(sinks::<S>))
        .route("/api/v1/sinks/{name}/deliveries", get(deliveries::<S>))
        .route("/api/v1/scopes", get(scopes::<S>))
        .route("/metrics", get(metrics::<S>))
        .with_state(desk)
}

/// What the loop shows. Fails when the loop has ended, or hangs.
async fn overview(wishes: &mpsc::Sender<Wish>) -> Result<Overview, Refusal> {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        wishes.send(Wish::Show { reply }).await.ok()?;
        answer.await.ok()
    };
    match tokio::time::timeout(LOOP_TIME, asked).await {
        Ok(shown) => shown.ok_or_else(Refusal::stopping),
        Err(_elapsed) => Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, "the loop does not answer".to_owned())),
    }
}

async fn scopes<S: Outbox>(State(desk): State<Desk<S>>) -> Answer {
    Ok(desk.told(&overview(&desk.wishes).await?))
}

async fn status<S: Outbox>(State(desk): State<Desk<S>>) -> Answer {
    let daemon = Running {
        running: true,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: Some(desk.health.started_at()),
        last_event_at: None,
    };
    let itself = Itself {
        daemon,
        store_failing: desk.health.store_failing(),
        config: Some(desk.health.configured()),
        scopes: overview(&desk.wishes).await.ok(),
    };
    Ok(desk.told(&status::status(&desk.views, itself, &desk.beside()).await?))
}

async fn metrics<S: Outbox>(State(desk): State<Desk<S>>) -> Answer {
    let overview = overview(&desk.wishes).await.ok();
    let counts = desk.views.counts().await?;
    let mut counters = desk.counters.lock().await;
    counters.count(&desk.views, &counts).await?;
    let sinks = desk.views.shown_sinks().await?;
    let measured = Measured {
        now: desk.now(),
        started_at: desk.health.started_at(),
        turned_at: desk.health.turned_at(),
        overview: overview.as_ref(),
        counts: &counts,
        counters: &counters,
        sinks: &sinks,
        config: &desk.health.configured(),
        store_failing: desk.health.store_failing(),
    };
    Ok(([(CONTENT_TYPE, METRICS_TYPE)], measured.render()).into_response())
}

/// Which orders are wanted.
#[derive(Debug, Deserialize)]
struct WantedOrders {
    list: Option<String>,
    status: Option<String>,
    scope: Option<String>,
    label: Option<String>,
    urgency: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

async fn orders<S: Outbox>(State(desk): State<Desk<S>>, wanted: Asked<WantedOrders>) -> Answer {
    let asked = understood(wanted)?;
    let limit = limited(asked.limit, ORDERS_USUAL, ORDERS_MOST)?;
    let after = match asked.after.as_deref().map(Placed::parse) {
        Some(None) => return Err(Refusal::senseless("after is the next of the page before")),
        Some(after) => after,
        None => None,
    };
    let filters = orders::Filters {
        list: asked.list,
        status: asked.status,
        scope: asked.scope,
        label: asked.label,
        urgency: asked.urgency,
    };
    let wanted = orders::wanted(&desk.views, &filters).await?.map_err(Refusal::senseless)?;
    Ok(desk.told(&orders::orders(&desk.views, &wanted, (after, limit), &desk.beside()).await?))
}

/// The order that a name means, or the answer that it means none, or several.
pub(super) async fn found<S>(desk: &Desk<S>, name: &str) -> Result<Stream, Refusal> {
    match orders::find(&desk.views, name).await? {
        Found::One(stream) => Ok(stream),
        Found::Nothing => Err(Refusal(StatusCode::NOT_FOUND, orders::no_such(name))),
        Found::Several(known) => Err(Refusal(StatusCode::CONFLICT, orders::several(name, &known))),
    }
}

async fn order<S: Outbox>(State(desk): State<Desk<S>>, InPath(name): InPath<String>) -> Answer {
    let stream = found(&desk, &name).await?;
    let detail = orders::detail(&desk.views, stream, &desk.beside()).await?;
    let detail = detail.ok_or_else(|| Refusal(StatusCode::NOT_FOUND, orders::no_such(&name)))?;
    Ok(desk.told(&detail))
}

/// Which events are wanted, from where on.
#[derive(Debug, Deserialize)]
struct WantedEvents {
    after: Option<u64>,
    since: Option<String>,
    last: Option<u32>,
    limit: Option<u32>,
    event: Option<String>,
    level: Option<String>,
    list: Option<String>,
    order: Option<String>,
    follow: Option<String>,
}

impl WantedEvents {
    fn choice(&self) -> Result<Choice, Refusal> {
        let level = match self.level.as_deref().map(Level::parse) {
            Some(None) => return Err(Refusal::senseless("level is info, warn or error")),
            Some(level) => level,
            None => None,
        };
        let orders = self.order.as_deref().map(orders::bare).into_iter().collect();
        Ok(Choice { event: self.event.clone(), level, list: self.list.clone(), orders })
    }

    fn from(&self) -> Result<Option<From>, Refusal> {
        match (self.after, &self.since, self.last) {
            (None, None, None) => Ok(None),
            (Some(after), None, None) => Ok(Some(From::After(after))),
            (None, Some(since), None) => {
                let since = Timestamp::parse(since).map(From::Since);
                let why = "since is a time, as in 2026-11-20T10:00:00Z";
                since.map(Some).ok_or_else(|| Refusal::senseless(why))
            }
            (None, None, Some(last)) => Ok(Some(From::Last(last))),
            _ => Err(Refusal::senseless("only one of after, since and last")),
        }
    }
}

async fn events<S: Outbox>(
    State(desk): State<Desk<S>>,
    headers: HeaderMap,
    wanted: Asked<WantedEvents>,
) -> Answer {
    let asked = understood(wanted)?;
    let limit = limited(asked.limit, EVENTS_USUAL, EVENTS_MOST)?;
    let (choice, from) = (asked.choice()?, asked.from()?);
    if asked.follow.is_some() {
        return follow::follow(&desk, choice, from, &headers).await;
    }
    let from = from.unwrap_or(From::Last(limit));
    Ok(desk.told(&events::page(&desk.views, &choice, from, limit).await?))
}

async fn sinks<S: Outbox>(State(desk): State<Desk<S>>) -> Answer {
    let sinks = desk.views.shown_sinks().await?;
    Ok(desk.told(&Sinks { sinks }))
}

/// Whether a sink chooses, or the answer that there is none of this name.
pub(super) async fn chooses<S>(desk: &Desk<S>, name: &str) -> Result<bool, Refusal> {
    let sinks = desk.views.shown_sinks().await?;
    let found = sinks.iter().find(|sink| sink.name == name).map(|sink| sink.chooses);
    found.ok_or_else(|| Refusal(StatusCode::NOT_FOUND, Sinks { sinks }.no_such(name)))
}

/// Which deliveries are wanted.
#[derive(Debug, Deserialize)]
struct WantedDeliveries {
    state: Option<String>,
    #[serde(default)]
    after: u64,
    limit: Option<u32>,
}

async fn deliveries<S: Outbox>(
    State(desk): State<Desk<S>>,
    InPath(name): InPath<String>,
    wanted: Asked<WantedDeliveries>,
) -> Answer {
    let wanted = understood(wanted)?;
    let state = Stands::parse(wanted.state.as_deref().unwrap_or(Stands::Dead.as_str()));
    let state = state.ok_or_else(|| Refusal::senseless("state is pending, delivered or dead"))?;
    let limit = limited(wanted.limit, PAGE_MOST, PAGE_MOST)?;
    chooses(&desk, &name).await?;
    let rows = desk.store.deliveries(&name, state, wanted.after, limit).await?;
    Ok(desk.told(&Page::new(name, state, rows, limit)))
}
