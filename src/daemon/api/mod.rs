//! What may be asked of the running daemon, over HTTP: at its control socket everything, at its HTTP endpoint what only reads.
//!
//! # Guarantees
//! Nobody who asks holds up the loop: it is asked for what it knows in memory, everything else comes from the store's readers.
//! Every answer is bounded.

mod acting;
mod endpoint;
mod follow;
mod reading;
mod socket;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, Notify, Semaphore, mpsc};
use tokio_io_timeout::TimeoutStream;

pub(super) use self::endpoint::{bind, serve as serve_http};
pub(super) use self::socket::{listen, serve};
use super::health::Health;
use super::observe::metrics::Counters;
use super::observe::orders::Beside;
use super::poller::Wish;
use super::reload::Request;
use crate::clock::Clock;
use crate::core::message::masked;
use crate::core::record::Style;
use crate::core::time::Timestamp;
use crate::store::StoreError;
use crate::store::sqlite::Views;

/// How long it may take until somebody who connected has asked.
const QUESTION_TIME: Duration = Duration::from_secs(10);
/// How long an answer may wait to be read on.
const READ_TIME: Duration = Duration::from_secs(10);
/// Those who follow events, at once, over all ways in.
const FOLLOWERS_MOST: usize = 32;

/// What the answers are made of.
pub(super) struct Desk<S> {
    /// Asks the loop.
    pub(super) wishes: mpsc::Sender<Wish>,
    /// What leaves.
    pub(super) store: Arc<S>,
    /// What is known.
    pub(super) views: Views,
    /// Wakes those who bring events to sinks, and those who follow them.
    pub(super) committed: Arc<Notify>,
    /// Has webhooks that fail tried now.
    pub(super) try_now: Arc<Notify>,
    /// Asks for a reload.
    pub(super) reloads: mpsc::Sender<Request>,
    /// What is known of the loop without asking it.
    pub(super) health: Arc<Health>,
    /// Counts events.
    pub(super) counters: Arc<Mutex<Counters>>,
    /// Those who follow events.
    pub(super) followers: Arc<Semaphore>,
    /// The twelve digits of accounts by their names.
    pub(super) account_ids: Arc<BTreeMap<String, String>>,
    /// How numbers are written.
    pub(super) style: Style,
    /// Tells the time.
    pub(super) clock: Arc<dyn Clock>,
}

impl<S> Clone for Desk<S> {
    fn clone(&self) -> Self {
        Self {
            wishes: self.wishes.clone(),
            store: Arc::clone(&self.store),
            views: self.views.clone(),
            committed: Arc::clone(&self.committed),
            try_now: Arc::clone(&self.try_now),
            reloads: self.reloads.clone(),
            health: Arc::clone(&self.health),
            counters: Arc::clone(&self.counters),
            followers: Arc::clone(&self.followers),
            account_ids: Arc::clone(&self.account_ids),
            style: self.style,
            clock: Arc::clone(&self.clock),
        }
    }
}

impl<S> fmt::Debug for Desk<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("health", &self.health)
            .field("style", &self.style)
            .finish_non_exhaustive()
    }
}

impl<S> Desk<S> {
    /// The time.
    fn now(&self) -> Timestamp {
        self.clock.now().wall
    }

    /// An answer. Where numbers are to be masked, those in records that are older than that are, too.
    fn told<T: Serialize>(&self, value: &T) -> Response {
        match serde_json::to_string(value) {
            Ok(text) => ([(CONTENT_TYPE, "application/json")], self.text(text)).into_response(),
            Err(cause) => Refusal(StatusCode::INTERNAL_SERVER_ERROR, cause.to_string()).into_response(),
        }
    }

    /// A text with numbers as they are to be written.
    fn text(&self, text: String) -> String {
        if self.style.masked { masked(&text) } else { text }
    }

    /// What views are made with.
    fn beside(&self) -> Beside<'_> {
        Beside { account_ids: &self.account_ids, now: self.now() }
    }
}

/// Places for those who follow events.
pub(super) fn followers() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(FOLLOWERS_MOST))
}

/// The answers to what is not there.
fn finished(router: Router) -> Router {
    router
        .fallback(async |uri: Uri| Refusal(StatusCode::NOT_FOUND, format!("there is no {}", uri.path())))
        .method_not_allowed_fallback(async || {
            Refusal(StatusCode::METHOD_NOT_ALLOWED, "another method is wanted".to_owned())
        })
}

/// Answers on one connection, for so long. Who goes away early, or stays too long, has had what there is to have.
async fn answer<I>(stream: I, api: Router, at_most: Duration)
where
    I: AsyncRead + AsyncWrite + Send + 'static,
{
    let service = TowerToHyperService::new(api);
    // Whoever asks and does not read gives the place to others.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(READ_TIME));
    let answering = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(QUESTION_TIME)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    drop(tokio::time::timeout(at_most, answering).await);
}

/// An answer that says why there is none.
#[derive(Debug)]
struct Refusal(StatusCode, String);

impl Refusal {
    /// What is asked for makes no sense.
    fn senseless(why: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, why.into())
    }

    fn stopping() -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping".to_owned())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// A store that did not answer is no fault of whoever asked.
impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "a question had no answer from the store");
        Self(StatusCode::SERVICE_UNAVAILABLE, format!("the store did not answer: {error}"))
    }
}

/// What a handler gives.
type Answer = Result<Response, Refusal>;

/// A part of the path, or the answer that it cannot be read.
struct InPath<T>(T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InPath<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let read = axum::extract::Path::from_request_parts(parts, state).await;
        read.map(|axum::extract::Path(read)| Self(read)).map_err(|bad| Refusal::senseless(bad.body_text()))
    }
}

/// The query of a request, if it can be read.
type Asked<T> = Result<Query<T>, QueryRejection>;

fn understood<T>(asked: Asked<T>) -> Result<T, Refusal> {
    asked.map(|Query(asked)| asked).map_err(|bad| Refusal::senseless(bad.body_text()))
}

/// A number of things between one and the most that there may be.
fn limited(limit: Option<u32>, usual: u32, most: u32) -> Result<u32, Refusal> {
    let limit = limit.unwrap_or(usual);
    if (1..=most).contains(&limit) {
        Ok(limit)
    } else {
        Err(Refusal::senseless(format!("limit is 1 to {most}")))
    }
}
