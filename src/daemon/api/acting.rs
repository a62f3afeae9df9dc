//! What changes something: only at the control socket.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::reading::{chooses, found};
use super::{Answer, Asked, Desk, InPath, Refusal, understood};
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

async fn reload(State(reloads): State<mpsc::Sender<Request>>, meant: Asked<Meant>) -> Answer {
    let Meant { force } = understood(meant)?;
    ask_reloader(&reloads, Kind::Reload { force }).await
}

async fn plan(State(reloads): State<mpsc::Sender<Request>>) -> Answer {
    ask_reloader(&reloads, Kind::Plan).await
}

async fn ask_reloader(reloads: &mpsc::Sender<Request>, kind: Kind) -> Answer {
    let (reply, answer) = oneshot::channel();
    let sent = reloads.send(Request { kind, reply }).await.is_ok();
    let outcome = if sent { answer.await.ok() } else { None };
    let outcome = outcome.ok_or_else(Refusal::stopping)?;
    // To be told that a reload would be refused is what was asked for.
    let done = outcome.refused.is_none() || kind == Kind::Plan;
    let status = if done { StatusCode::OK } else { StatusCode::CONFLICT };
    Ok((status, Json(outcome)).into_response())
}

async fn accept(
    State(wishes): State<mpsc::Sender<Wish>>,
    InPath((provider, account)): InPath<(String, String)>,
) -> Answer {
    let (reply, answer) = oneshot::channel();
    let scope = format!("{provider}/{account}");
    // Either fails only when the loop has ended.
    let sent = wishes.send(Wish::Accept { provider, account, reply }).await.is_ok();
    let accepted = if sent { answer.await.ok() } else { None };
    match accepted.ok_or_else(Refusal::stopping)? {
        Accepted::Yes { orders } => Ok(Json(json!({ "scope": scope, "accepted": orders })).into_response()),
        Accepted::NotSuspect => {
            let why = format!("{scope} is not suspect: there is nothing to accept");
            Err(Refusal(StatusCode::CONFLICT, why))
        }
        Accepted::Unknown { known } => {
            let why = format!("there is no scope {scope}; there are: {}", known.join(", "));
            Err(Refusal(StatusCode::NOT_FOUND, why))
        }
    }
}

async fn acknowledge<S: Outbox>(State(desk): State<Desk<S>>, InPath(name): InPath<String>) -> Answer {
    let who = found(&desk, &name).await?;
    let (reply, answer) = oneshot::channel();
    // Either fails only when the loop has ended.
    let sent = desk.wishes.send(Wish::Acknowledge { who, reply }).await.is_ok();
    let acknowledged = if sent { answer.await.ok() } else { None };
    match acknowledged.ok_or_else(Refusal::stopping)? {
        Acknowledged::Yes { windows } => Ok(Json(json!({ "acknowledged": windows })).into_response()),
        Acknowledged::NoWindow => {
            let why = "no retry window of it is open: there is nothing to acknowledge";
            Err(Refusal(StatusCode::CONFLICT, why.to_owned()))
        }
        Acknowledged::NotNow => {
            let why = "the store does not answer: try again";
            Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, why.to_owned()))
        }
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
) -> Answer {
    let again = understood(again)?;
    if !chooses(&desk, &sink).await? {
        let why = format!("{sink} gets every event once and in order: nothing of it can be requeued");
        return Err(Refusal::senseless(why));
    }
    let what = meant(&desk, &again).await?;
    let (mut requeued, mut after) = (0, Some(again.after));
    for _ in 0..REQUEUE_STEPS {
        let Some(from) = after else { break };
        let (count, more) = desk.store.requeue(&sink, what, from).await?;
        (requeued, after) = (requeued + count, more);
    }
    desk.committed.notify_waiters();
    desk.try_now.notify_waiters();
    tracing::info!(sink, requeued, "deliveries were put back in the queue, as asked");
    Ok(Json(Requeued { sink, requeued, next: after }).into_response())
}

async fn meant<S: Outbox>(desk: &Desk<S>, again: &Again) -> Result<Requeue, Refusal> {
    let seq = match (&again.event, again.seq, &again.from) {
        (None, None, None) => return Ok(Requeue::Dead),
        (None, None, Some(from)) => {
            let why = "from is a time, as in 2026-11-20T10:00:00Z";
            let from = Timestamp::parse(from).ok_or_else(|| Refusal::senseless(why))?;
            return Ok(Requeue::From(from));
        }
        (None, Some(seq), None) => desk.store.event(seq).await?.map(|event| event.seq),
        (Some(id), None, None) => desk.store.place_of(id).await?,
        _ => return Err(Refusal::senseless("only one of event, seq and from")),
    };
    let why = "the store has no such event (any more)";
    seq.map(Requeue::One).ok_or_else(|| Refusal(StatusCode::NOT_FOUND, why.to_owned()))
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
        assert_eq!(refused.unwrap_err().0, StatusCode::NOT_FOUND);
        assert!(timeout(Duration::ZERO, woken.as_mut()).await.is_err());
        let done = requeue(State(desk), InPath("pager".into()), again()).await;
        assert_eq!(done.unwrap().status(), StatusCode::OK);
        assert!(timeout(Duration::ZERO, woken.as_mut()).await.is_ok());
    }
}
