//! Asking the running daemon over its control socket, and its store where none runs.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::config::Config;
use crate::exit;
use crate::store::StoreError;
use crate::store::sqlite::Peek;

/// Where the shipped unit has it.
const OF_THE_SERVICE: &str = "/run/claimwatch/control.sock";
/// The configuration that the shipped unit runs with.
const CONFIG_OF_THE_SERVICE: &str = "/etc/claimwatch/claimwatch.toml";
/// How long an answer may take,
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// and one to what may take long: to reload lists of many orders.
pub(super) const PATIENCE_LONG: Duration = Duration::from_mins(1);
/// An answer is no longer: ten thousand scopes with the longest names make twenty megabytes.
const ANSWER_MAX: usize = 32 << 20;

/// Where the daemon listens: where the configuration says, else in the folder that systemd made for it, else beside the
/// store.
pub(super) fn socket(config: &Config, environment: &BTreeMap<String, String>) -> PathBuf {
    if let Some(path) = &config.control_socket {
        return path.clone();
    }
    let made = environment.get("RUNTIME_DIRECTORY").and_then(|folders| folders.split(':').next());
    match made.filter(|folder| !folder.is_empty()) {
        Some(folder) => Path::new(folder).join("control.sock"),
        None => beside_the_store(config),
    }
}

fn beside_the_store(config: &Config) -> PathBuf {
    let mut path = config.store.clone().into_os_string();
    path.push(".sock");
    path.into()
}

/// Why the daemon gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// Nobody answers.
    #[error(
        "no daemon answers at {}: {cause}; the daemon has to run for this: `systemctl start claimwatch`, or `claimwatch run`",
        tried.join(" or ")
    )]
    Nobody { tried: Vec<String>, cause: String },
    /// Something listens there, and does not answer.
    #[error("a daemon listens at {place}, and has not answered for {} s: it hangs, or is asked too much", patience.as_secs())]
    Silent { place: String, patience: Duration },
    /// There is a daemon, and this user may not ask it.
    #[error(
        "this user may not ask the daemon at {place}: that takes root, the daemon's user, or a member of its group (adduser USER claimwatch)"
    )]
    NotAllowed { place: String },
}

/// Asks for something to be done. Gives the answer's status and body.
pub(super) async fn post(config: &Config, path: &str) -> Result<(StatusCode, Value), NoAnswer> {
    posted(config, path, PATIENCE).await
}

/// The same for what may take long.
pub(super) async fn post_and_wait(config: &Config, path: &str) -> Result<(StatusCode, Value), NoAnswer> {
    posted(config, path, PATIENCE_LONG).await
}

async fn posted(config: &Config, path: &str, patience: Duration) -> Result<(StatusCode, Value), NoAnswer> {
    let (status, body) = exchange(config, Method::POST, path, patience).await?;
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}

/// Why there is nothing to show: the exit code, and a sentence.
pub(super) type Refused = (u8, String);

/// What the daemon says; `None`: there is none.
pub(super) async fn asked<T: DeserializeOwned>(
    config: &Config,
    path: &str,
    patience: Duration,
) -> Result<Option<T>, Refused> {
    let (status, body) = match exchange(config, Method::GET, path, patience).await {
        Ok(answered) => answered,
        Err(NoAnswer::Nobody { .. }) => return Ok(None),
        Err(refused @ (NoAnswer::Silent { .. } | NoAnswer::NotAllowed { .. })) => {
            return Err((exit::UNAVAILABLE, refused.to_string()));
        }
    };
    if !status.is_success() {
        let told = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        let why =
            told["error"].as_str().map_or_else(|| format!("the daemon answered {status}"), str::to_owned);
        let code = if status == StatusCode::BAD_REQUEST { exit::USAGE } else { exit::FAILURE };
        return Err((code, why));
    }
    let answer = serde_json::from_slice(&body);
    answer
        .map(Some)
        .map_err(|cause| (exit::FAILURE, format!("the daemon's answer is not understood: {cause}")))
}

/// Opens the store where no daemon answers.
pub(super) async fn peek(config: &Config) -> Result<Peek, Refused> {
    if !config.store.exists() {
        let why = format!(
            "nothing is known yet: no daemon answers, and there is no store at {}; start it with `claimwatch run`, or \
             `systemctl start claimwatch`",
            config.store.display()
        );
        return Err((exit::STORE, why));
    }
    let opened = Peek::open(&config.store).await;
    opened.map_err(|error| {
        let why = format!(
            "no daemon answers, and {error}; while none runs, root and the daemon's user may read it"
        );
        (exit::STORE, why)
    })
}

/// What is said of a store that cannot be read.
pub(super) fn of_store(error: &StoreError) -> Refused {
    (exit::STORE, error.to_string())
}

async fn exchange(
    config: &Config,
    method: Method,
    path: &str,
    patience: Duration,
) -> Result<(StatusCode, Bytes), NoAnswer> {
    let places = match &config.control_socket {
        Some(path) => vec![path.clone()],
        // With another configuration than the service's, it is another daemon that is meant.
        None if config.path == Path::new(CONFIG_OF_THE_SERVICE) => {
            vec![PathBuf::from(OF_THE_SERVICE), beside_the_store(config)]
        }
        None => vec![beside_the_store(config)],
    };
    let tried = || places.iter().map(|place| place.display().to_string()).collect();
    let mut cause = String::new();
    for place in &places {
        match UnixStream::connect(place).await {
            Ok(stream) => {
                let place = place.display().to_string();
                return match tokio::time::timeout(patience, ask(stream, method, path)).await {
                    Ok(asked) => asked.map_err(|cause| NoAnswer::Nobody { tried: vec![place], cause }),
                    Err(_elapsed) => Err(NoAnswer::Silent { place, patience }),
                };
            }
            Err(refused) if refused.kind() == ErrorKind::PermissionDenied => {
                return Err(NoAnswer::NotAllowed { place: place.display().to_string() });
            }
            Err(refused) => cause = refused.to_string(),
        }
    }
    Err(NoAnswer::Nobody { tried: tried(), cause })
}

async fn ask(stream: UnixStream, method: Method, path: &str) -> Result<(StatusCode, Bytes), String> {
    let told = |error: hyper::Error| error.to_string();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "claimwatch")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answered = async {
        let answer = sender.send_request(request).await.map_err(told)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await.map_err(|e| e.to_string())?;
        Ok((status, body.to_bytes()))
    };
    tokio::select! {
        answered = answered => answered,
        ended = connection => Err(ended.err().map_or_else(|| "it hung up".to_owned(), told)),
    }
}
