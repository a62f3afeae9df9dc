//! What changes something: only at the control socket.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::reading::{chooses, found};
use super::{Asked, Desk, InPath, STOPPING, refuse, store_fault, understood};
use crate::core::time::Timestamp;
use crate::daemon::outbox::Requeued;
use crate::daemon::poller::{Accepted, Acknowledged, Wish};
use crate::daemon::reload::{Kind, Request};
use crate::store::outbox::{Outbox, Requeue};

/// Transactions of one request to requeue, after which it says where to go on: a hundred thousand events or so.
const REQUEUE_STEPS: usize = 50;

/// The paths.
pub(super) fn router<S: Outbox>(desk: Desk<S>) -> Router {
    let reloading = Router::new()
        .route("/api/v1/reload", post(reload))
        .route("/api/v1/plan", get(plan))
        .with_state(desk.reloads.clone());
    let of_scopes = Router::new()
        .route("/api/v1/scopes/{provider}/{account}/accept", post(accept))
        .with_state(desk.wishes.clone());
    Router::new()
        .route("/api/v1/orders/{name}/ack", post(acknowledge::<S>))
        .route("/api/v1/sinks/{name}/requeue", post(requeue::<S>))
        .with_state(desk)
        .merge(reloading)
        .merge(of_scopes)
}

/// How a reload is meant.
#[derive(Debug, Deserialize)]
struct Meant {
    #[serde(default)]
    force: bool,
}

async fn reload(State(reloads): State<mpsc::Sender<Request>>, meant: Asked<Meant>) -> Response {
    let force = match understood(meant) {
        Ok(Meant { force }) => force,
        Err(refused) => return refused,
    };
    ask_reloader(&reloads, Kind::Reload { force }).await
}

async fn plan(State(reloads): State<mpsc::Sender<Request>>) -> Response {
    ask_reloader(&reloads, Kind::Plan).await
}

async fn ask_reloader(reloads: &mpsc::Sender<Request>, kind: Kind) -> Response {
    let (reply, answer) = oneshot::channel();
    let sent = reloads.send(Request { kind, reply }).await.is_ok();
    let outcome = if sent { answer.await.ok() } else { None };
    match outcome {
        None => refuse(StatusCode::SERVICE_UNAVAILABLE, STOPPING),
        Some(outcome) => {
            // To be told that a reload would be refused is what was asked for.
            let done = outcome.refused.is_none() || kind == Kind::Plan;
            let status = if done { StatusCode::OK } else { StatusCode::CONFLICT };
            (status, Json(outcome)).into_response()
        }
    }
}

async fn accept(
    State(wishes): State<mpsc::Sender<Wish>>,
    InPath((provider, account)): InPath<(String, String)>,
) -> (StatusCode, Json<Value>) {
    let (reply, answer) = oneshot::channel();
    let scope = format!("{provider}/{account}");
    // Either fails only when the loop has ended.
    let sent = wishes.send(Wish::Accept { provider, account, reply }).await.is_ok();
    let accepted = if sent { answer.await.ok() } else { None };
    let (status, told) = match accepted {
        Some(Accepted::Yes { orders }) => (StatusCode::OK, json!({ "scope": scope, "accepted": orders })),
        Some(Accepted::NotSuspect) => (
            StatusCode::CONFLICT,
            json!({ "error": format!("{scope} is not suspect: there is nothing to accept") }),
        ),
        Some(Accepted::Unknown { known }) => {
            let known = known.join(", ");
            (
                StatusCode::NOT_FOUND,
                json!({ "error": format!("there is no scope {scope}; there are: {known}") }),
            )
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, json!({ "error": STOPPING })),
    };
    (status, Json(told))
}

async fn acknowledge<S: Outbox>(State(desk): State<Desk<S>>, InPath(name): InPath<String>) -> Response {
    let stream = match found(&desk, &name).await {
        Ok(stream) => stream,
        Err(refused) => return refused,
    };
    let (reply, answer) = oneshot::channel();
    // Either fails only when the loop has ended.
    let sent = desk.wishes.send(Wish::Acknowledge { who: stream, reply }).await.is_ok();
    let acknowledged = if sent { answer.await.ok() } else { None };
    match acknowledged {
        Some(Acknowledged::Yes { windows }) => Json(json!({ "acknowledged": windows })).into_response(),
        Some(Acknowledged::NoWindow) => {
            refuse(StatusCode::CONFLICT, "no retry window of it is open: there is nothing to acknowledge")
        }
        Some(Acknowledged::NotNow) => {
            refuse(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer: try again")
        }
        None => refuse(StatusCode::SERVICE_UNAVAILABLE, STOPPING),
    }
}

/// What is to be put back in the queue; without any of the three, what is dead.
#[derive(Debug, Deserialize)]
struct Again {
    event: Option<String>,
    seq: Option<u64>,
    from: Option<String>,
    #[serde(default)]
    after: u64,
}

async fn requeue<S: Outbox>(
    State(desk): State<Desk<S>>,
    InPath(sink): InPath<String>,
    again: Asked<Again>,
) -> Response {
    let again = match understood(again) {
        Ok(again) => again,
        Err(refused) => return refused,
    };
    match chooses(&desk, &sink).await {
        Ok(true) => {}
        Ok(false) => {
            let why = format!("{sink} gets every event once and in order: nothing of it can be requeued");
            return refuse(StatusCode::BAD_REQUEST, &why);
        }
        Err(refused) => return refused,
    }
    let what = match meant(&desk, &again).await {
        Ok(what) => what,
        Err(refused) => return refused,
    };
    let (mut requeued, mut after) = (0, Some(again.after));
    for _ in 0..REQUEUE_STEPS {
        let Some(from) = after else { break };
        match desk.store.requeue(&sink, what, from).await {
            Ok((count, more)) => (requeued, after) = (requeued + count, more),
            Err(error) => return store_fault(&error),
        }
    }
    desk.committed.notify_waiters();
    desk.try_now.notify_waiters();
    tracing::info!(sink, requeued, "deliveries were put back in the queue, as asked");
    Json(Requeued { sink, requeued, next: after }).into_response()
}

async fn meant<S: Outbox>(desk: &Desk<S>, again: &Again) -> Result<Requeue, Response> {
    let seq = match (&again.event, again.seq, &again.from) {
        (None, None, None) => return Ok(Requeue::Dead),
        (None, None, Some(from)) => {
            let why = "from is a time, as in 2026-11-20T10:00:00Z";
            let from = Timestamp::parse(from).ok_or_else(|| refuse(StatusCode::BAD_REQUEST, why))?;
            return Ok(Requeue::From(from));
        }
        (None, Some(seq), None) => desk.store.event(seq).await.map(|event| event.map(|event| event.seq)),
        (Some(id), None, None) => desk.store.place_of(id).await,
        _ => return Err(refuse(StatusCode::BAD_REQUEST, "only one of event, seq and from")),
    };
    let seq = seq.map_err(|error| store_fault(&error))?;
    let why = "the store has no such event (any more)";
    seq.map(Requeue::One).ok_or_else(|| refuse(StatusCode::NOT_FOUND, why))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::time::Duration;

    use axum::extract::Query;
    use tokio::sync::Notify;
    use tokio::time::timeout;

    use super::*;
    use crate::clock::SystemClock;
    use crate::core::delivery::Filter;
    use crate::daemon::api::followers;
    use crate::daemon::health::Health;
    use crate::daemon::observe::metrics::Counters;
    use crate::store::outbox::{Registration, Takes};
    use crate::store::sqlite::SqliteStore;

    #[tokio::test]
    async fn to_requeue_wakes_who_waits_though_nothing_was_committed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("claimwatch.db")).await.unwrap());
        let takes = Takes::Chosen { filter: Filter::default(), place: "p".into() };
        store.register_sinks(&[Registration { name: "pager".into(), takes }]).await.unwrap();
        let (wishes, _loop) = mpsc::channel(1);
        let committed = Arc::new(Notify::new());
        let mut woken = pin!(committed.notified());
        woken.as_mut().enable();
        let (reloads, _nobody) = mpsc::channel(1);
        let desk = Desk {
            wishes,
            views: store.views(),
            store,
            committed: Arc::clone(&committed),
            try_now: Arc::default(),
            reloads,
            health: Arc::new(Health::new(Timestamp::from_millis(0))),
            counters: Arc::new(tokio::sync::Mutex::new(Counters::after(0))),
            followers: followers(),
            account_ids: Arc::default(),
            style: crate::core::record::Style::default(),
            clock: Arc::new(SystemClock::start()),
        };
        let again = || Ok(Query(Again { event: None, seq: None, from: None, after: 0 }));
        let refused = requeue(State(desk.clone()), InPath("nobody".into()), again()).await;
        assert_eq!(refused.status(), StatusCode::NOT_FOUND);
        assert!(timeout(Duration::ZERO, woken.as_mut()).await.is_err());
        let done = requeue(State(desk), InPath("pager".into()), again()).await;
        assert_eq!(done.status(), StatusCode::OK);
        assert!(timeout(Duration::ZERO, woken.as_mut()).await.is_ok());
    }
}
