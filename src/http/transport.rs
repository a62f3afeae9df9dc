//! The one HTTP client: bounded in time and size, and it does what it is told and nothing else.
//!
//! # Guarantees
//! No redirect is followed, no request is repeated, loopback is never proxied, no answer is read beyond [`MAX_BODY`] or
//! what is asked for.
//! No error text holds an address, a signature or a token.
//!
//! # Caveats
//! `HTTPS_PROXY`, `NO_PROXY` and `SSL_CERT_FILE` are read by the libraries below, once, when the transport is made.

use std::time::Duration;

use url::{Host, Url};

use super::mask;

/// Connecting takes a round trip or three; what takes longer is down. Shorter than any call's time-out, so that the two
/// can be told apart.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// An answer is no larger. A hundred orders of fifty numbers each are a quarter of it.
pub const MAX_BODY: usize = 1 << 20;

/// How long an unused connection is kept: longer than the steady interval of a look (60 s).
const POOL_IDLE: Duration = Duration::from_secs(90);

/// Unused connections kept per host: as many as a scope may have looks in flight.
const POOL_SIZE: usize = 64;

/// Headers that anybody reads. The others are dropped with the connection's buffers.
const KEPT_HEADERS: [&str; 5] =
    ["date", "retry-after", "x-amz-retry-after", "x-amzn-errortype", "x-amzn-requestid"];

/// How long the text beside a status is waited for, once the status is there: it is for people, and those who answer
/// have sent it by then.
const EXCERPT_PATIENCE: Duration = Duration::from_secs(1);

/// What identifies the program to the service.
const USER_AGENT: &str = concat!("claimwatch/", env!("CARGO_PKG_VERSION"));

/// The headers of an answer that matter here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Headers from names and values, in any case.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect())
    }

    /// The first value under a name, which is given in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An answer, whatever it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers that matter.
    pub headers: Headers,
    /// The body, or its beginning if no more was wanted.
    pub body: Vec<u8>,
}

/// There is no answer. The texts are for people and hold no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoResponse {
    /// The time was up.
    #[error("no answer in time")]
    Timeout,
    /// No connection, or it broke before the answer's headers came.
    #[error("no connection: {0}")]
    Connection(String),
    /// The answer ended early or was too large.
    #[error("the answer could not be read: {0}")]
    Body(String),
}

/// The HTTP client could not be made: no CA certificates on this machine, most likely.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client (are CA certificates installed, or SSL_CERT_FILE set?): {0}")]
pub struct Unequipped(String);

/// Installs ring as the process's TLS provider, unless it has one. To be called before the first client of any kind.
pub fn install_tls() {
    // The only failure is that another thread was first, with the same provider.
    let _lost_race = rustls::crypto::ring::default_provider().install_default();
}

/// The HTTP client. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Transport {
    /// Through a proxy, where the environment names one.
    outside: reqwest::Client,
    /// For loopback: never through a proxy.
    inside: reqwest::Client,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transport")
    }
}

impl Transport {
    /// A client with the limits of this module and the system's CA certificates.
    pub fn new() -> Result<Self, Unequipped> {
        install_tls();
        let unequipped = |error: reqwest::Error| Unequipped(mask::chain(&error));
        Ok(Self {
            outside: builder().build().map_err(unequipped)?,
            inside: builder().no_proxy().build().map_err(unequipped)?,
        })
    }

    /// Asks once: a POST if there is a body, else a GET. `timeout` bounds everything, from looking up the host to the
    /// answer's last byte.
    pub async fn send(
        &self,
        url: Url,
        headers: &[(&'static str, String)],
        body: Option<&str>,
        timeout: Duration,
    ) -> Result<Response, NoResponse> {
        let mut answer = self.ask(url, headers, body, timeout).await?;
        let declared = answer.content_length().unwrap_or(0);
        if declared > MAX_BODY as u64 {
            return Err(too_large());
        }
        let mut body = Vec::with_capacity(usize::try_from(declared).unwrap_or(0));
        while let Some(chunk) = answer.chunk().await.map_err(|error| told(error, NoResponse::Body))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status: answer.status().as_u16(), headers: kept(answer.headers()), body })
    }

    /// Posts once, for the answer's status: of its body the first `most` bytes are given, as far as they come. `timeout`
    /// bounds everything until the status is there.
    pub async fn post(
        &self,
        url: Url,
        headers: &[(&'static str, String)],
        body: &str,
        timeout: Duration,
        most: usize,
    ) -> Result<Response, NoResponse> {
        let mut answer = self.ask(url, headers, Some(body), timeout).await?;
        let mut excerpt = Vec::new();
        let read = async {
            // One that breaks off is as good as one that ends.
            while let Ok(Some(chunk)) = answer.chunk().await {
                let room = most.saturating_sub(excerpt.len());
                excerpt.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
                if chunk.len() > room {
                    break;
                }
            }
        };
        let _as_much_as_came = tokio::time::timeout(EXCERPT_PATIENCE, read).await;
        Ok(Response { status: answer.status().as_u16(), headers: kept(answer.headers()), body: excerpt })
    }

    async fn ask(
        &self,
        url: Url,
        headers: &[(&'static str, String)],
        body: Option<&str>,
        timeout: Duration,
    ) -> Result<reqwest::Response, NoResponse> {
        let client = if is_loopback(&url) { &self.inside } else { &self.outside };
        let request = match body {
            None => client.get(url),
            Some(body) => client.post(url).body(body.to_owned()),
        };
        let mut request = request.timeout(timeout);
        for (name, value) in headers {
            request = request.header(*name, sensitive(value)?);
        }
        request.send().await.map_err(|error| told(error, NoResponse::Connection))
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where time-outs and limits are set")]
fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(POOL_SIZE)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
}

/// A value that no `Debug` shows: each of the headers we add authorises.
fn sensitive(value: &str) -> Result<reqwest::header::HeaderValue, NoResponse> {
    let mut value = reqwest::header::HeaderValue::from_str(value)
        .map_err(|_| NoResponse::Connection("a header cannot be sent".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn kept(headers: &reqwest::header::HeaderMap) -> Headers {
    let pairs = KEPT_HEADERS.iter().filter_map(|name| {
        let value = headers.get(*name)?.to_str().ok()?;
        Some((*name, value))
    });
    Headers::from_pairs(pairs)
}

fn told(error: reqwest::Error, other: fn(String) -> NoResponse) -> NoResponse {
    if error.is_timeout() {
        return NoResponse::Timeout;
    }
    other(mask::chain(&error.without_url()))
}

fn too_large() -> NoResponse {
    NoResponse::Body(format!("more than {MAX_BODY} bytes"))
}

/// Whether an address is of this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_in_all_its_forms() {
        for (url, loopback) in [
            ("http://127.0.0.1:4566/", true),
            ("http://127.8.9.1/", true),
            ("http://[::1]/", true),
            ("http://[::ffff:127.0.0.1]/", true),
            ("http://LOCALHOST./", true),
            ("http://aws.localhost/", true),
            ("http://2130706433/", true),
            ("http://localhost.example.com/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), loopback, "{url}");
        }
    }
}
