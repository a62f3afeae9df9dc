//! The HTTP endpoint: what only reads, the page, and whether the daemon is well. On loopback, unless another address is meant.
//!
//! # Guarantees
//! A name that somebody else made point here is not answered to: a `Host` is an IP address, `localhost`, or a name of the
//! configuration. Nothing is ever changed, and nothing is let to other origins.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{Desk, Refusal, answer, finished, reading};
use crate::config::Http;
use crate::store::outbox::Outbox;
use crate::store::shown::Shown as _;

/// Connections at once; the next one waits.
const CONNECTIONS_MOST: usize = 64;
/// How long one may last; a page that follows events comes again.
const CONNECTION_TIME: Duration = Duration::from_hours(1);
/// The loop turns at least every ten seconds. One that has not for so long hangs.
const TURN_MOST: Duration = Duration::from_secs(30);
/// How long the store may take to answer before it counts as not ready.
const STORE_TIME: Duration = Duration::from_secs(2);

/// Nothing but what comes from here, no frame around it, and no form.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The files of the page, with their types.
const FILES: &[(&str, &str, &str)] = &[
    ("/", "text/html; charset=utf-8", include_str!("../../web/index.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("../../web/page.css")),
    ("/page.js", "text/javascript; charset=utf-8", include_str!("../../web/page.js")),
    ("/dom.js", "text/javascript; charset=utf-8", include_str!("../../web/dom.js")),
    ("/view.js", "text/javascript; charset=utf-8", include_str!("../../web/view.js")),
    ("/icon.svg", "image/svg+xml", include_str!("../../web/icon.svg")),
];

/// An endpoint that is listened at.
pub(in crate::daemon) struct Listening {
    listener: TcpListener,
    names: Arc<[String]>,
}

/// Listens where the configuration says.
pub(in crate::daemon) async fn bind(http: &Http) -> io::Result<Listening> {
    let listener = TcpListener::bind(http.listen).await?;
    tracing::info!(address = %listener.local_addr()?, "the HTTP endpoint listens");
    Ok(Listening { listener, names: http.hosts.clone().into() })
}

/// Answers until it is dropped.
pub(in crate::daemon) async fn serve<S: Outbox>(endpoint: Listening, desk: Desk<S>) {
    let Listening { listener, names } = endpoint;
    let mut router = reading::router(desk.clone()).route("/healthz", get(async || "ok\n"));
    router = router.merge(Router::new().route("/readyz", get(ready::<S>)).with_state(desk));
    for (path, kind, text) in FILES {
        router = router.route(path, get(async move || ([(CONTENT_TYPE, *kind)], *text)));
    }
    let router = finished(router)
        .layer(middleware::map_response(guarded))
        .layer(middleware::from_fn_with_state(names, only_to_known_names));
    let mut open = JoinSet::new();
    loop {
        while open.len() >= CONNECTIONS_MOST {
            open.join_next().await;
        }
        while open.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                open.spawn(answer(stream, router.clone(), CONNECTION_TIME));
            }
            Err(cause) => {
                tracing::warn!(%cause, "the HTTP endpoint does not take a connection");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// What the answers carry, so that a browser lets nothing else happen with them.
async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn only_to_known_names(State(names): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    let target = request.uri().authority().is_none_or(|target| is_name(target, &names));
    if target && is_known(request.headers(), &names) {
        return next.run(request).await;
    }
    let why = "this name is not answered to; http.hosts names those that are";
    guarded(Refusal(StatusCode::FORBIDDEN, why.to_owned()).into_response()).await
}

/// Whether a request is to an address, to `localhost`, or to one of these names.
fn is_known(headers: &HeaderMap, names: &[String]) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    // Of several, who else reads the request may take another one.
    hosts.next().is_none() && host.is_some_and(|host| is_name(&host, names))
}

fn is_name(host: &Authority, names: &[String]) -> bool {
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    let known = |known: &String| known.eq_ignore_ascii_case(name);
    let ours =
        name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost") || names.iter().any(known);
    ours && !host.as_str().contains('@')
}

/// Whether the loop and the store make progress.
async fn ready<S: Outbox>(State(desk): State<Desk<S>>) -> Response {
    let still = desk.now().since(desk.health.turned_at());
    let reason = if still > TURN_MOST {
        Some(format!("the loop has not turned for {} s", still.as_secs()))
    } else if desk.health.store_failing() {
        Some("the store takes nothing".to_owned())
    } else {
        match tokio::time::timeout(STORE_TIME, desk.views.last_seq()).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(format!("the store cannot be read: {error}")),
            Err(_elapsed) => Some("the store does not answer".to_owned()),
        }
    };
    match reason {
        None => axum::Json(json!({ "ready": true })).into_response(),
        Some(reason) => {
            let told = axum::Json(json!({ "ready": false, "reason": reason }));
            (StatusCode::SERVICE_UNAVAILABLE, told).into_response()
        }
    }
}

impl std::fmt::Debug for Listening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listening").field("names", &self.names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/web");
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let path = format!("/{}", name.replace("index.html", ""));
            assert!(FILES.iter().any(|(served, ..)| *served == path), "{name} is not");
        }
    }

    #[test]
    fn addresses_localhost_and_known_names_are_answered_to() {
        let names = ["status.example.com".to_owned()];
        for (host, known) in [
            ("127.0.0.1:9185", true),
            ("[::1]:9185", true),
            ("10.0.0.7", true),
            ("localhost:9185", true),
            ("LocalHost", true),
            ("status.example.com", true),
            ("STATUS.example.com:9185", true),
            ("evil.example.com:9185", false),
            ("status.example.com.evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("evil.example@127.0.0.1", false),
            ("", false),
            ("a b", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(host).unwrap());
            assert_eq!(is_known(&headers, &names), known, "{host}");
        }
        assert!(!is_known(&HeaderMap::new(), &names));
        let mut two = HeaderMap::new();
        two.append(HOST, HeaderValue::from_static("localhost"));
        two.append(HOST, HeaderValue::from_static("evil.example"));
        assert!(!is_known(&two, &names));
    }
}
