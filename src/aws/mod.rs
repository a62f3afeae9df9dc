//! Asking AWS: credentials and signatures, by the one HTTP client. Knows services and requests, nothing of orders.
//!
//! # Expected flow
//! [`Client::signer`] takes credentials, and says when they are to be renewed; [`Client::get`] and [`Client::post_json`]
//! sign with them, send once, and hand back whatever was answered. If the service says that the request's time is wrong
//! and its own `Date` agrees, they sign and send once more. So what is posted must be a question too: it may be put
//! twice.
//! [`Client::caller_account`] asks STS whose credentials they are.

mod caller;
mod chain;
pub mod credentials;
pub mod endpoint;
pub mod fault;
pub mod sign;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use url::Url;

pub use self::caller::NoCaller;
use self::credentials::{CredentialCache, NoCredentials, Renewal, Signer};
use self::endpoint::EndpointError;
use self::fault::Fault;

use crate::clock::Clock;
use crate::core::time::{Now, Timestamp};
use crate::http::date;
use crate::http::transport::{self, Headers, NoResponse, Transport};

/// Clocks that differ by more are worth a second signature: AWS refuses requests that are five minutes off, and `Date`
/// has whole seconds and was written a while ago.
const SKEW: Duration = Duration::from_mins(2);

/// The media type of a form, as botocore writes it.
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// The media type of JSON, as botocore writes it for the protocol restJson1.
const JSON: &str = "application/json";

/// A service that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Amazon Chime SDK Voice.
    ChimeVoice,
    /// Amazon Connect.
    Connect,
    /// The Security Token Service.
    Sts,
}

impl Service {
    /// The name in the signature's scope (`signingName` of the service model, else its endpoint prefix).
    pub fn signing_name(self) -> &'static str {
        match self {
            Self::ChimeVoice => "chime",
            Self::Connect => "connect",
            Self::Sts => "sts",
        }
    }
}

/// One account in one region, as far as asking AWS needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountSettings {
    /// The region that is asked and signed for.
    pub region: String,
    /// A profile of the shared AWS files; else the default credential chain.
    pub profile: Option<String>,
    /// A credentials file that takes the place of the one in the home folder.
    pub credentials_file: Option<PathBuf>,
    /// A role to assume with those credentials.
    pub role_arn: Option<String>,
    /// The external id that the role asks for.
    pub external_id: Option<String>,
    /// The twelve digits of the account that the credentials have to be of, if that matters.
    pub account_id: Option<String>,
    /// Whether FIPS endpoints are used.
    pub fips: bool,
    /// Whether dual-stack endpoints are used.
    pub dual_stack: bool,
    /// Another address of Amazon Chime SDK Voice than AWS's.
    pub chime_endpoint: Option<Url>,
    /// Another address of Amazon Connect than AWS's.
    pub connect_endpoint: Option<Url>,
}

/// An account that can be asked: its addresses, its credentials, and what is known of its services' clocks.
#[derive(Debug)]
pub struct Account {
    name: String,
    region: String,
    /// The account that the credentials have to be of, if that matters.
    owner: Option<String>,
    chime: Url,
    connect: Url,
    sts: Url,
    credentials: CredentialCache,
    clocks: Clocks,
}

/// Milliseconds by which each service's clock is ahead of ours, as far as its refusals told: added when signing for it.
///
/// Each has its own: with one for all, two services that do not agree would have every look signed twice.
#[derive(Debug, Default)]
struct Clocks {
    chime: AtomicI64,
    connect: AtomicI64,
    sts: AtomicI64,
}

impl Clocks {
    fn offset_ms(&self, service: Service) -> &AtomicI64 {
        match service {
            Service::ChimeVoice => &self.chime,
            Service::Connect => &self.connect,
            Service::Sts => &self.sts,
        }
    }
}

impl Account {
    /// An account with credentials from the AWS chain.
    pub fn new(name: &str, settings: &AccountSettings) -> Result<Self, EndpointError> {
        let credentials = CredentialCache::from_chain(settings);
        Self::with_credentials(name, settings, credentials)
    }

    /// An account with credentials from elsewhere.
    pub fn with_credentials(
        name: &str,
        settings: &AccountSettings,
        credentials: CredentialCache,
    ) -> Result<Self, EndpointError> {
        let at = |service, custom: &Option<Url>| {
            endpoint::endpoint(service, &settings.region, settings.fips, settings.dual_stack, custom.as_ref())
        };
        // Who stands in for a service on this machine stands in for STS too, and its account is its own. Another address
        // elsewhere, of a VPC endpoint as a rule, answers for its own service only.
        let stands_in = [&settings.chime_endpoint, &settings.connect_endpoint]
            .into_iter()
            .find(|custom| custom.as_ref().is_some_and(transport::is_loopback));
        Ok(Self {
            name: name.to_owned(),
            region: settings.region.clone(),
            owner: settings.account_id.clone(),
            chime: at(Service::ChimeVoice, &settings.chime_endpoint)?,
            connect: at(Service::Connect, &settings.connect_endpoint)?,
            sts: at(Service::Sts, stands_in.unwrap_or(&None))?,
            credentials,
            clocks: Clocks::default(),
        })
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The account that the credentials have to be of, if that matters.
    pub fn account_id(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// Whether the service's clock is known to differ from ours by more than clocks do.
    pub fn clock_differs(&self, service: Service) -> bool {
        Duration::from_millis(self.offset_ms(service).unsigned_abs()) > SKEW
    }

    /// Its credentials.
    pub fn credentials(&self) -> &CredentialCache {
        &self.credentials
    }

    fn endpoint(&self, service: Service) -> &Url {
        match service {
            Service::ChimeVoice => &self.chime,
            Service::Connect => &self.connect,
            Service::Sts => &self.sts,
        }
    }

    fn offset_ms(&self, service: Service) -> i64 {
        self.clocks.offset_ms(service).load(Ordering::Relaxed)
    }

    /// The time by the service's clock.
    fn corrected(&self, service: Service, now: Timestamp) -> Timestamp {
        Timestamp::from_millis(now.as_millis().saturating_add(self.offset_ms(service)))
    }
}

/// An answer, whatever it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers that matter.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// When it came, by our clock.
    pub received_at: Timestamp,
    /// How far the service's clock is ahead of ours in seconds, where that is over two minutes.
    pub clock_offset_s: Option<i64>,
}

/// There is no answer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Failure {
    /// No credentials could be had.
    #[error(transparent)]
    Credentials(#[from] NoCredentials),
    /// Nobody answered, or not in full.
    #[error(transparent)]
    NoResponse(#[from] NoResponse),
    /// The request could not be put together: its address is not one.
    #[error("the request has no valid address")]
    Request,
}

/// Asks AWS. One for all accounts: connections are shared.
pub struct Client {
    transport: Transport,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// A client that sends by `transport` and signs by `clock`.
    pub fn new(transport: Transport, clock: Arc<dyn Clock>) -> Self {
        Self { transport, clock }
    }

    /// The time by the clock that it signs by.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// The account's credentials to ask a service with: kept ones, or new ones, which may take 15 s. Whoever gets the
    /// duty to renew them does that beside what it asks.
    pub async fn signer(
        &self,
        account: &Account,
        service: Service,
    ) -> Result<(Signer, Option<Renewal>), Failure> {
        // Whether they have expired is judged by the clock of the service that is asked: it is the one to refuse them,
        // and where ours is wrong, the first refusal of a signature sets both right. If only that service's clock is
        // wrong, its looks take fresh ones, and the other services use those as well.
        let now = self.clock.now();
        let now = Now { wall: account.corrected(service, now.wall), ..now };
        Ok(account.credentials.signer(now).await?)
    }

    /// A signed GET. `path_and_query` begins with a slash and is encoded already: see [`segment`]. `timeout` bounds each
    /// sending.
    pub async fn get(
        &self,
        account: &Account,
        signer: &Signer,
        service: Service,
        path_and_query: &str,
        timeout: Duration,
    ) -> Result<Reply, Failure> {
        self.ask(account, signer, &Request { service, path_and_query, content: None, timeout }).await
    }

    /// A signed POST of a JSON text. Else as [`get`](Self::get).
    pub async fn post_json(
        &self,
        account: &Account,
        signer: &Signer,
        service: Service,
        path_and_query: &str,
        json: String,
        timeout: Duration,
    ) -> Result<Reply, Failure> {
        let content = Some(Content { media_type: JSON, text: json });
        self.ask(account, signer, &Request { service, path_and_query, content, timeout }).await
    }

    async fn ask(&self, account: &Account, signer: &Signer, request: &Request<'_>) -> Result<Reply, Failure> {
        let signed_at = account.corrected(request.service, self.clock.now().wall);
        let reply = self.send(account, signer, request, signed_at).await?;
        match skew(request.service, &reply, signed_at) {
            None => Ok(reply),
            Some(service_time) => {
                let offset_ms = service_time.as_millis().saturating_sub(reply.received_at.as_millis());
                account.clocks.offset_ms(request.service).store(offset_ms, Ordering::Relaxed);
                tracing::warn!(
                    account = %account.name,
                    service = request.service.signing_name(),
                    offset_s = offset_ms / 1000,
                    "the service's clock differs from ours; signing with its time"
                );
                let signed_at = account.corrected(request.service, self.clock.now().wall);
                self.send(account, signer, request, signed_at).await
            }
        }
    }

    async fn send(
        &self,
        account: &Account,
        signer: &Signer,
        request: &Request<'_>,
        at: Timestamp,
    ) -> Result<Reply, Failure> {
        let base = account.endpoint(request.service).as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{base}{}", request.path_and_query)).map_err(|_| Failure::Request)?;
        let text = request.content.as_ref().map(|content| content.text.as_str());
        let method = if text.is_some() { "POST" } else { "GET" };
        let content: Vec<(&'static str, &str)> =
            request.content.iter().map(|content| ("content-type", content.media_type)).collect();
        let body = text.unwrap_or_default().as_bytes();
        let unsigned = sign::Unsigned { method, url: url.as_str(), headers: &content, body };
        let scope = sign::Scope { region: &account.region, service: request.service.signing_name() };
        let mut headers =
            sign::sign(unsigned, signer.credentials(), scope, at).map_err(|_| Failure::Request)?;
        headers.extend(content.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let response = self.transport.send(url, &headers, text, request.timeout).await?;
        let received_at = self.clock.now().wall;
        let offset_s = date_of(&response.headers, received_at)
            .map(|date| date.as_millis().saturating_sub(received_at.as_millis()) / 1000);
        Ok(Reply {
            status: response.status,
            headers: response.headers,
            body: response.body,
            received_at,
            clock_offset_s: offset_s.filter(|offset_s| offset_s.unsigned_abs() > SKEW.as_secs()),
        })
    }
}

/// What is asked of a service.
struct Request<'a> {
    service: Service,
    path_and_query: &'a str,
    /// What is posted; without it it is a GET.
    content: Option<Content>,
    timeout: Duration,
}

/// The body of a POST.
struct Content {
    media_type: &'static str,
    text: String,
}

/// The service's time, if it refused the request for the time it was signed with and its own differs.
fn skew(service: Service, reply: &Reply, signed_at: Timestamp) -> Option<Timestamp> {
    if !(400..500).contains(&reply.status) {
        return None;
    }
    let date = date_of(&reply.headers, reply.received_at)?;
    let apart = date.since(signed_at).max(signed_at.since(date));
    let fault = match service {
        Service::ChimeVoice | Service::Connect => Fault::read(&reply.headers, &reply.body),
        Service::Sts => Fault::read_query(&reply.body),
    };
    (apart > SKEW && fault.may_be_skew()).then_some(date)
}

fn date_of(headers: &Headers, now: Timestamp) -> Option<Timestamp> {
    date::parse(headers.get("date")?, now)
}

/// A path segment as these services want it: everything but unreserved characters is percent-encoded, the slashes and
/// colons of an ARN and the plus sign of a number included (botocore and the AWS SDK for Rust do the same).
pub fn segment(text: &str) -> String {
    const RESERVED: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    percent_encoding::utf8_percent_encode(text, RESERVED).to_string()
}
