//! The control socket: what a person may ask of the running daemon, as HTTP on a Unix socket. Whoever may open the socket
//! may ask.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::extract::{Path as InPath, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::observe::{METRICS_TYPE, Overview};
use super::poller::{Accepted, Wish};

/// Connections at once; the next one waits. A person and a script or two.
const CONNECTIONS_MOST: usize = 16;
/// How long one may last.
const CONNECTION_TIME: Duration = Duration::from_secs(2);
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

/// Answers until it is dropped.
pub(super) async fn serve(socket: Socket, wishes: mpsc::Sender<Wish>) {
    let api = Router::new()
        .route("/api/v1/scopes", get(scopes))
        .route("/api/v1/scopes/{provider}/{account}/accept", post(accept))
        .route("/metrics", get(metrics))
        .fallback(async |uri: Uri| refuse(StatusCode::NOT_FOUND, &format!("there is no {}", uri.path())))
        .method_not_allowed_fallback(async || {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "another method is wanted")
        })
        .with_state(wishes);
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
