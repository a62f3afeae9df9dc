//! The world behind a socket.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request as HttpRequest, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::line::{Gate, Line};
use super::wire::{Delivery, Reply, Request};
use super::world::World;
use crate::clock::Clock;

/// The largest request body that is read: a hundred times the largest that the served operations have use for.
const MAX_REQUEST_BODY: usize = 64 * 1024;

/// How long requests in flight may take to end once `stop` is cancelled. Those that hang or wait end at once.
const STOP_GRACE: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Served {
    world: Arc<Mutex<World>>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
}

/// Serves the world until `stop` is cancelled. The error is the listener's.
pub async fn serve(
    listener: TcpListener,
    world: World,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> io::Result<()> {
    let served = Served { world: Arc::new(Mutex::new(world)), clock, stop: stop.clone() };
    let app = axum::Router::new().fallback(handle).with_state(served);
    let server = axum::serve(Gate(listener), app.into_make_service_with_connect_info::<Line>())
        .with_graceful_shutdown(stop.clone().cancelled_owned());
    let too_late = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP_GRACE).await;
    };
    tokio::select! {
        ended = server.into_future() => ended,
        () = too_late => Ok(()),
    }
}

async fn handle(
    State(served): State<Served>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: HttpRequest,
) -> Response {
    tokio::select! {
        response = answer(&served, &line, request) => response,
        () = served.stop.cancelled() => {
            line.reset();
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn answer(served: &Served, line: &Line, request: HttpRequest) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_REQUEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let reply = {
        let request = Request {
            method: head.method.as_str(),
            path: head.uri.path(),
            query: head.uri.query().unwrap_or(""),
            headers: head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect(),
            body: &body,
        };
        let now = served.clock.now().wall;
        served.world.lock().unwrap_or_else(PoisonError::into_inner).handle(&request, now)
    };
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    match reply.delivery {
        Delivery::Whole => {}
        Delivery::Hang => std::future::pending().await,
        Delivery::Reset => line.reset(),
        Delivery::Truncate(bytes) => line.cut_after(bytes),
    }
    into_response(reply)
}

fn into_response(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        // A scenario's texts are checked when it is read; one that cannot be a header is left out.
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    response
}
