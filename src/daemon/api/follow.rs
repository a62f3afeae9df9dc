//! Events as they come, as server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! Whoever follows reads the store from where it is, a page at a time, so that one that is slow costs nothing, and one that
//! comes back goes on after the last `id` that it had. There is no queue in between.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::response::sse::{Event, KeepAlive, Sse};
use serde::Deserialize;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::{Answer, Desk, Refusal};
use crate::core::message::masked;
use crate::daemon::observe::events::{Choice, From};
use crate::store::outbox::Delivery;
use crate::store::shown::Shown as _;
use crate::store::sqlite::Views;

/// Events that are read at once.
const READ_AT_ONCE: u32 = 100;
/// How often whoever follows hears something, so that a connection that has gone is noticed.
const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// The store is looked at so often though nobody said that there is something: what is written beside the loop.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Somebody who follows.
struct Follower {
    views: Views,
    committed: Arc<Notify>,
    choice: Choice,
    /// After this event.
    after: u64,
    read: VecDeque<Delivery>,
    masked: bool,
    _place: OwnedSemaphorePermit,
}

/// Follows events from where it is asked for, or from now on.
pub(super) async fn follow<S>(
    desk: &Desk<S>,
    choice: Choice,
    from: Option<From>,
    headers: &HeaderMap,
) -> Answer {
    let Ok(place) = Arc::clone(&desk.followers).try_acquire_owned() else {
        let why = "too many follow already: try again later";
        return Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, why.to_owned()));
    };
    let had = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse::<u64>().ok());
    let after = match (had, from) {
        (Some(had), _) => had,
        (None, Some(From::After(after))) => after,
        (None, Some(From::Since(time))) => desk.views.before(time).await?,
        (None, Some(From::Last(count))) => desk.views.last_seq().await?.saturating_sub(count.into()),
        (None, None) => desk.views.last_seq().await?,
    };
    let follower = Follower {
        views: desk.views.clone(),
        committed: Arc::clone(&desk.committed),
        choice,
        after,
        read: VecDeque::new(),
        masked: desk.style.masked,
        _place: place,
    };
    let stream = futures_util::stream::unfold(follower, async |mut follower| {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)).into_response())
}

impl Follower {
    /// The next event that is wanted. `None`: the store cannot be read, and whoever follows has to come again.
    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(delivery) = self.read.pop_front() {
                self.after = delivery.seq;
                if self.choice.wants(&delivery.json) {
                    return Some(as_event(&delivery, self.masked));
                }
            }
            let committed = Arc::clone(&self.committed);
            let told = committed.notified();
            tokio::pin!(told);
            // From here on nothing is missed, though it is written before it is waited for.
            told.as_mut().enable();
            match self.views.events(self.after, READ_AT_ONCE).await {
                Ok(read) if !read.is_empty() => self.read = read.into(),
                Ok(_) => {
                    let _in_time = tokio::time::timeout(LOOK_EVERY, told).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "somebody who follows events is sent away");
                    return None;
                }
            }
        }
    }
}

fn as_event(delivery: &Delivery, is_masked: bool) -> Event {
    #[derive(Deserialize)]
    struct Named {
        event: String,
    }
    let event = Event::default().id(delivery.seq.to_string());
    let event = if is_masked { event.data(masked(&delivery.json)) } else { event.data(&delivery.json) };
    match serde_json::from_str::<Named>(&delivery.json) {
        Ok(Named { event: name }) => event.event(name),
        Err(_) => event,
    }
}
