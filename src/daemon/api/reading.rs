//! What only reads, and changes nothing.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use super::{Asked, Desk, InPath, STOPPING, follow, limited, refuse, store_fault, understood};
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
pub(super) async fn overview(wishes: &mpsc::Sender<Wish>) -> Result<Overview, Response> {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        wishes.send(Wish::Show { reply }).await.ok()?;
        answer.await.ok()
    };
    match tokio::time::timeout(LOOP_TIME, asked).await {
        Ok(Some(overview)) => Ok(overview),
        Ok(None) => Err(refuse(StatusCode::SERVICE_UNAVAILABLE, STOPPING)),
        Err(_elapsed) => Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "the loop does not answer")),
    }
}

async fn scopes<S: Outbox>(State(desk): State<Desk<S>>) -> Response {
    overview(&desk.wishes).await.map_or_else(|refused| refused, |overview| desk.told(&overview))
}

async fn status<S: Outbox>(State(desk): State<Desk<S>>) -> Response {
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
    match status::status(&desk.views, itself, &desk.beside()).await {
        Ok(status) => desk.told(&status),
        Err(error) => store_fault(&error),
    }
}

async fn metrics<S: Outbox>(State(desk): State<Desk<S>>) -> Response {
    let overview = overview(&desk.wishes).await.ok();
    let read = async {
        let counts = desk.views.counts().await?;
        let mut counters = desk.counters.lock().await;
        counters.count(&desk.views, &counts).await?;
        let sinks = desk.views.shown_sinks().await?;
        let text = Measured {
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
        Ok(text.render())
    };
    match read.await {
        Ok(text) => ([(CONTENT_TYPE, METRICS_TYPE)], text).into_response(),
        Err(error) => store_fault(&error),
    }
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

async fn orders<S: Outbox>(State(desk): State<Desk<S>>, wanted: Asked<WantedOrders>) -> Response {
    let page = async {
        let asked = understood(wanted)?;
        let limit = limited(asked.limit, ORDERS_USUAL, ORDERS_MOST)?;
        let after = asked.after.as_deref().map(|cursor| {
            let why = "after is the next of the page before";
            Placed::parse(cursor).ok_or_else(|| refuse(StatusCode::BAD_REQUEST, why))
        });
        let after = after.transpose()?;
        let filters = orders::Filters {
            list: asked.list,
            status: asked.status,
            scope: asked.scope,
            label: asked.label,
            urgency: asked.urgency,
        };
        let wanted = match orders::wanted(&desk.views, &filters).await {
            Ok(Ok(wanted)) => wanted,
            Ok(Err(why)) => return Err(refuse(StatusCode::BAD_REQUEST, &why)),
            Err(error) => return Err(store_fault(&error)),
        };
        let page = orders::orders(&desk.views, &wanted, (after, limit), &desk.beside()).await;
        page.map_err(|error| store_fault(&error))
    };
    page.await.map_or_else(|refused| refused, |page| desk.told(&page))
}

/// The order that a name means, or the answer that it means none, or several.
pub(super) async fn found<S: Outbox>(desk: &Desk<S>, name: &str) -> Result<Stream, Response> {
    match orders::find(&desk.views, name).await {
        Ok(Found::One(stream)) => Ok(stream),
        Ok(Found::Nothing) => Err(refuse(StatusCode::NOT_FOUND, &orders::no_such(name))),
        Ok(Found::Several(known)) => Err(refuse(StatusCode::CONFLICT, &orders::several(name, &known))),
        Err(error) => Err(store_fault(&error)),
    }
}

async fn order<S: Outbox>(State(desk): State<Desk<S>>, InPath(name): InPath<String>) -> Response {
    let stream = match found(&desk, &name).await {
        Ok(stream) => stream,
        Err(refused) => return refused,
    };
    match orders::detail(&desk.views, stream, &desk.beside()).await {
        Ok(Some(detail)) => desk.told(&detail),
        Ok(None) => refuse(StatusCode::NOT_FOUND, &orders::no_such(&name)),
        Err(error) => store_fault(&error),
    }
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
    fn choice(&self) -> Result<Choice, Response> {
        let level = self.level.as_deref().map(|word| {
            let why = "level is info, warn or error";
            Level::parse(word).ok_or_else(|| refuse(StatusCode::BAD_REQUEST, why))
        });
        let orders = self.order.as_deref().map(orders::bare).into_iter().collect();
        Ok(Choice { event: self.event.clone(), level: level.transpose()?, list: self.list.clone(), orders })
    }

    fn from(&self) -> Result<Option<From>, Response> {
        let why = "since is a time, as in 2026-11-20T10:00:00Z";
        match (self.after, &self.since, self.last) {
            (None, None, None) => Ok(None),
            (Some(after), None, None) => Ok(Some(From::After(after))),
            (None, Some(since), None) => {
                let since = Timestamp::parse(since);
                since.map(From::Since).map(Some).ok_or_else(|| refuse(StatusCode::BAD_REQUEST, why))
            }
            (None, None, Some(last)) => Ok(Some(From::Last(last))),
            _ => Err(refuse(StatusCode::BAD_REQUEST, "only one of after, since and last")),
        }
    }
}

async fn events<S: Outbox>(
    State(desk): State<Desk<S>>,
    headers: HeaderMap,
    wanted: Asked<WantedEvents>,
) -> Response {
    let answer = async {
        let asked = understood(wanted)?;
        let limit = limited(asked.limit, EVENTS_USUAL, EVENTS_MOST)?;
        let (choice, from) = (asked.choice()?, asked.from()?);
        if asked.follow.is_some() {
            return follow::follow(&desk, choice, from, &headers).await;
        }
        let from = from.unwrap_or(From::Last(limit));
        let page = events::page(&desk.views, &choice, from, limit).await;
        page.map(|page| desk.told(&page)).map_err(|error| store_fault(&error))
    };
    answer.await.unwrap_or_else(|refused| refused)
}

async fn sinks<S: Outbox>(State(desk): State<Desk<S>>) -> Response {
    match desk.views.shown_sinks().await {
        Ok(sinks) => desk.told(&Sinks { sinks }),
        Err(error) => store_fault(&error),
    }
}

/// Whether a sink chooses, or the answer that there is none of this name.
pub(super) async fn chooses<S: Outbox>(desk: &Desk<S>, name: &str) -> Result<bool, Response> {
    let sinks = desk.store.sinks().await.map_err(|error| store_fault(&error))?;
    let found = sinks.iter().find(|sink| sink.name == name).map(|sink| sink.chooses);
    found.ok_or_else(|| refuse(StatusCode::NOT_FOUND, &Sinks { sinks }.no_such(name)))
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
) -> Response {
    let wanted = match understood(wanted) {
        Ok(wanted) => wanted,
        Err(refused) => return refused,
    };
    let Some(state) = Stands::parse(wanted.state.as_deref().unwrap_or(Stands::Dead.as_str())) else {
        return refuse(StatusCode::BAD_REQUEST, "state is pending, delivered or dead");
    };
    let limit = match limited(wanted.limit, PAGE_MOST, PAGE_MOST) {
        Ok(limit) => limit,
        Err(refused) => return refused,
    };
    if let Err(refused) = chooses(&desk, &name).await {
        return refused;
    }
    match desk.store.deliveries(&name, state, wanted.after, limit).await {
        Ok(rows) => desk.told(&Page::new(name, state, rows, limit)),
        Err(error) => store_fault(&error),
    }
}
