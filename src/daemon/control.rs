//! The control socket: what a person may ask of the running daemon, as HTTP on a Unix socket. Whoever may open the socket
//! may ask.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path as InPath, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;

use super::observe::{METRICS_TYPE, Overview};
use super::outbox::{PAGE_MOST, Page, Requeued, Sinks};
use super::poller::{Accepted, Wish};
use super::reload::{Kind, Request};
use crate::core::time::Timestamp;
use crate::store::StoreError;
use crate::store::outbox::{Outbox, Requeue, Stands};

/// Connections at once; the next one waits. A person and a script or two.
const CONNECTIONS_MOST: usize = 16;
/// How long one may last: as long as the most patient command waits, one that reloads large lists,
const CONNECTION_TIME: Duration = Duration::from_mins(1);
/// and how long until it has asked.
const QUESTION_TIME: Duration = Duration::from_secs(10);
/// Transactions of one request to requeue, after which it says where to go on: a hundred thousand events or so.
const REQUEUE_STEPS: usize = 50;
/// The socket is for its owner and group: a person on call needs no root.
const MODE: u32 = 0o660;
const STOPPING: &str = "the daemon is stopping";

/// A socket that is listened at. Its file goes with it.
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // One that stays is replaced at the next start.
        let _stays = std::fs::remove_file(&self.path);
    }
}

/// Listens at `path`. A socket that a killed daemon left there is replaced, one that somebody answers at is not.
pub(super) async fn listen(path: &Path) -> io::Result<Socket> {
    if path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket()) {
        if UnixStream::connect(path).await.is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon listens there"));
        }
        std::fs::remove_file(path)?;
    }
    let socket = Socket { listener: UnixListener::bind(path)?, path: path.to_owned() };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))?;
    Ok(socket)
}

/// What the answers are made of.
#[derive(Debug)]
pub(super) struct Desk<S> {
    /// Asks the loop.
    pub(super) wishes: mpsc::Sender<Wish>,
    /// What leaves.
    pub(super) store: Arc<S>,
    /// Wakes those who bring events to sinks.
    pub(super) committed: Arc<Notify>,
    /// Has webhooks that fail tried now.
    pub(super) try_now: Arc<Notify>,
    /// Asks for a reload.
    pub(super) reloads: mpsc::Sender<Request>,
}

impl<S> Clone for Desk<S> {
    fn clone(&self) -> Self {
        Self {
            wishes: self.wishes.clone(),
            store: Arc::clone(&self.store),
            committed: Arc::clone(&self.committed),
            try_now: Arc::clone(&self.try_now),
            reloads: self.reloads.clone(),
        }
    }
}

/// Answers until it is dropped.
pub(super) async fn serve<S: Outbox>(socket: Socket, desk: Desk<S>) {
    let outbox = Router::new()
        .route("/api/v1/sinks", get(sinks::<S>))
        .route("/api/v1/sinks/{name}/deliveries", get(deliveries::<S>))
        .route("/api/v1/sinks/{name}/requeue", post(requeue::<S>))
        .with_state(desk.clone());
    let reloading = Router::new()
        .route("/api/v1/reload", post(reload))
        .route("/api/v1/plan", get(plan))
        .with_state(desk.reloads.clone());
    let api = Router::new()
        .merge(reloading)
        .route("/api/v1/scopes", get(scopes))
        .route("/api/v1/scopes/{provider}/{account}/accept", post(accept))
        .route("/metrics", get(metrics))
        .with_state(desk.wishes)
        .merge(outbox)
        .fallback(async |uri: Uri| refuse(StatusCode::NOT_FOUND, &format!("there is no {}", uri.path())))
        .method_not_allowed_fallback(async || {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "another method is wanted")
        });
    let mut open = JoinSet::new();
    loop {
        while open.len() >= CONNECTIONS_MOST {
            open.join_next().await;
        }
        while open.try_join_next().is_some() {}
        match socket.listener.accept().await {
            Ok((stream, _)) => {
                let service = TowerToHyperService::new(api.clone());
                let answering = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(QUESTION_TIME)
                    .serve_connection(TokioIo::new(stream), service);
                // Who goes away early, or stays too long, has had what there is to have.
                open.spawn(async { drop(tokio::time::timeout(CONNECTION_TIME, answering).await) });
            }
            Err(cause) => {
                tracing::warn!(%cause, "the control socket does not take a connection");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
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
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
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

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}

/// What the loop shows. Either step fails only when the loop has ended.
async fn overview(wishes: &mpsc::Sender<Wish>) -> Result<Overview, Response> {
    let (reply, answer) = oneshot::channel();
    let stopping = || refuse(StatusCode::SERVICE_UNAVAILABLE, STOPPING);
    wishes.send(Wish::Show { reply }).await.map_err(|_| stopping())?;
    answer.await.map_err(|_| stopping())
}

async fn scopes(State(wishes): State<mpsc::Sender<Wish>>) -> Response {
    overview(&wishes).await.map_or_else(|refused| refused, |overview| Json(overview).into_response())
}

async fn metrics(State(wishes): State<mpsc::Sender<Wish>>) -> Response {
    match overview(&wishes).await {
        Ok(overview) => ([(CONTENT_TYPE, METRICS_TYPE)], overview.metrics()).into_response(),
        Err(refused) => refused,
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

/// A store that did not answer is no fault of whoever asked.
fn store_fault(error: &StoreError) -> Response {
    tracing::warn!(%error, "a question at the control socket had no answer from the store");
    refuse(StatusCode::SERVICE_UNAVAILABLE, &format!("the store did not answer: {error}"))
}

async fn sinks<S: Outbox>(State(desk): State<Desk<S>>) -> Response {
    match desk.store.sinks().await {
        Ok(sinks) => Json(Sinks { sinks }).into_response(),
        Err(error) => store_fault(&error),
    }
}

/// Whether a sink chooses, or the answer that there is none of this name.
async fn chooses<S: Outbox>(desk: &Desk<S>, name: &str) -> Result<bool, Response> {
    let sinks = desk.store.sinks().await.map_err(|error| store_fault(&error))?;
    let found = sinks.iter().find(|sink| sink.name == name).map(|sink| sink.chooses);
    found.ok_or_else(|| refuse(StatusCode::NOT_FOUND, &Sinks { sinks }.no_such(name)))
}

/// The query of a request, if it can be read.
type Asked<T> = Result<Query<T>, QueryRejection>;

fn understood<T>(asked: Asked<T>) -> Result<T, String> {
    asked.map(|Query(asked)| asked).map_err(|bad| bad.body_text())
}

/// Which deliveries are wanted.
#[derive(Debug, Deserialize)]
struct Wanted {
    state: Option<String>,
    #[serde(default)]
    after: u64,
    limit: Option<u32>,
}

async fn deliveries<S: Outbox>(
    State(desk): State<Desk<S>>,
    InPath(name): InPath<String>,
    wanted: Asked<Wanted>,
) -> Response {
    let wanted = match understood(wanted) {
        Ok(wanted) => wanted,
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
    };
    let Some(state) = Stands::parse(wanted.state.as_deref().unwrap_or(Stands::Dead.as_str())) else {
        return refuse(StatusCode::BAD_REQUEST, "state is pending, delivered or dead");
    };
    let limit = wanted.limit.unwrap_or(PAGE_MOST);
    if !(1..=PAGE_MOST).contains(&limit) {
        return refuse(StatusCode::BAD_REQUEST, &format!("limit is 1 to {PAGE_MOST}"));
    }
    if let Err(refused) = chooses(&desk, &name).await {
        return refused;
    }
    match desk.store.deliveries(&name, state, wanted.after, limit).await {
        Ok(rows) => Json(Page::new(name, state, rows, limit)).into_response(),
        Err(error) => store_fault(&error),
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
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
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

    use tokio::time::timeout;

    use super::*;
    use crate::core::delivery::Filter;
    use crate::store::memory::MemoryStore;
    use crate::store::outbox::{Registration, Takes};

    #[tokio::test]
    async fn to_requeue_wakes_who_waits_though_nothing_was_committed() {
        let store = Arc::new(MemoryStore::new());
        let takes = Takes::Chosen { filter: Filter::default(), place: "p".into() };
        store.register_sinks(&[Registration { name: "pager".into(), takes }]).await.unwrap();
        let (wishes, _loop) = mpsc::channel(1);
        let committed = Arc::new(Notify::new());
        let mut woken = pin!(committed.notified());
        woken.as_mut().enable();
        let (reloads, _nobody) = mpsc::channel(1);
        let desk =
            Desk { wishes, store, committed: Arc::clone(&committed), try_now: Arc::default(), reloads };
        let again = || Ok(Query(Again { event: None, seq: None, from: None, after: 0 }));
        let refused = requeue(State(desk.clone()), InPath("nobody".into()), again()).await;
        assert_eq!(refused.status(), StatusCode::NOT_FOUND);
        assert!(timeout(Duration::ZERO, woken.as_mut()).await.is_err());
        let done = requeue(State(desk), InPath("pager".into()), again()).await;
        assert_eq!(done.status(), StatusCode::OK);
        assert!(timeout(Duration::ZERO, woken.as_mut()).await.is_ok());
    }
}
