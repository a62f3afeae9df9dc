//! What Chime and Connect say, in the words of the core.
//!
//! # Guarantees
//! A look is one request and always has an answer: whatever comes back, or does not, becomes an
//! [`Observation`], or a [`Page`](crate::core::inquiry::Page) where one was asked for. Nothing panics on it, and nothing
//! that could be a credential gets into it. What is asked besides the order itself is signed, checked and judged as the
//! order is, but that a list which is not found says nothing of the order.
//!
//! # First contribution
//! A new status word is added in `chime.rs` or `connect.rs`; the compiler and the fixtures under `tests/data/wire` show
//! the rest.

mod access;
pub mod chime;
pub mod classify;
pub mod connect;
mod holders;
mod identity;
mod lenient;
mod listing;
pub mod retry_after;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use self::access::Access;
use self::classify::Verdict;
use crate::aws::credentials::NoCredentials;
use crate::aws::{Account, Client, Failure, Reply, Service};
use crate::core::inquiry::{Answer, Errand, Holder};
use crate::core::observation::{Observation, Outage, Reach, Sighting};
use crate::core::order::{OrderKey, Provider};
use crate::core::sweep::Listed;
use crate::http::transport::NoResponse;

/// One look to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The order.
    pub key: OrderKey,
    /// What is asked for it. Only Connect's orders have holders to ask for.
    pub errand: Errand,
    /// How long it may take, connecting included; credentials, where they must be fetched and checked, come on top.
    pub timeout: Duration,
}

/// One page of a scope's list to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskPage {
    /// The service.
    pub provider: Provider,
    /// The account that asks, by its name in the configuration.
    pub account: String,
    /// The token that the page before gave; `None` is the first page.
    pub token: Option<String>,
    /// How long it may take, as for [`Ask`].
    pub timeout: Duration,
}

/// Takes looks.
pub trait Look: Send + Sync + 'static {
    /// Asks the order's service once. Infallible: what goes wrong is an observation too. Only [`Errand::Holders`] is
    /// answered with a page.
    fn look(&self, ask: Ask) -> impl Future<Output = Answer> + Send;

    /// Asks a service once for a page of all that the account has there. Infallible as well.
    fn page(&self, ask: AskPage) -> impl Future<Output = Listed> + Send;

    /// Whether the clock of the service that the account is asked at is known to differ from ours by over two minutes:
    /// then ours may be the wrong one. `false` for an account that is not configured.
    fn clock_differs(&self, account: &str, provider: Provider) -> bool;

    /// Forgets what is cached of the credentials of the account named so in the configuration: the next look takes fresh
    /// ones.
    fn refresh(&self, account: &str);
}

/// Takes looks at AWS, for any number of accounts.
#[derive(Debug)]
pub struct Aws {
    client: Arc<Client>,
    accounts: BTreeMap<String, Access>,
}

impl Aws {
    /// Looks through `client`, at accounts by their names in the configuration. Where an account's id is configured, no
    /// look is signed with credentials of another account.
    pub fn new(client: Client, accounts: BTreeMap<String, Account>) -> Self {
        let accounts = accounts.into_iter().map(|(name, account)| (name, Access::new(account))).collect();
        Self { client: Arc::new(client), accounts }
    }
}

impl Look for Aws {
    async fn look(&self, ask: Ask) -> Answer {
        let Ask { key, errand, timeout } = &ask;
        let sent = match request(key.provider, errand) {
            Ok(request) => self.send(&key.account, key.provider, request, *timeout).await,
            Err(senseless) => Err(senseless),
        };
        match sent {
            Ok(reply) => answer(key, errand, &reply),
            Err(observation) => Answer::Observed(observation),
        }
    }

    async fn page(&self, ask: AskPage) -> Listed {
        let request = listing::request(ask.provider, ask.token.as_deref());
        match self.send(&ask.account, ask.provider, request, ask.timeout).await {
            Ok(reply) => page(ask.provider, &reply),
            Err(observation) => Listed::Observed(observation),
        }
    }

    fn clock_differs(&self, account: &str, provider: Provider) -> bool {
        self.accounts.get(account).is_some_and(|access| access.account().clock_differs(service(provider)))
    }

    fn refresh(&self, account: &str) {
        if let Some(access) = self.accounts.get(account) {
            access.forget();
        }
    }
}

impl Aws {
    /// The service's answer, or why there is none.
    async fn send(
        &self,
        account: &str,
        provider: Provider,
        request: Request,
        timeout: Duration,
    ) -> Result<Reply, Observation> {
        let Some(access) = self.accounts.get(account) else {
            let message = Some(format!("the account {account:?} is not configured"));
            return Err(denied("UnknownAccount", message));
        };
        let service = service(provider);
        let signer = access.signer(&self.client, service, timeout).await?;
        let account = access.account();
        let sent = match request {
            Request::Get(path) => self.client.get(account, &signer, service, &path, timeout).await,
            Request::Post(path, json) => {
                self.client.post_json(account, &signer, service, path, json, timeout).await
            }
        };
        sent.map_err(unanswered)
    }
}

/// Who answers for a provider.
fn service(provider: Provider) -> Service {
    match provider {
        Provider::Chime => Service::ChimeVoice,
        Provider::Connect => Service::Connect,
    }
}

/// What is sent.
enum Request {
    /// To this path.
    Get(String),
    /// To this path, with this JSON text.
    Post(&'static str, String),
}

/// The request that an errand is, or why it is none.
fn request(provider: Provider, errand: &Errand) -> Result<Request, Observation> {
    match (provider, errand) {
        (Provider::Chime, Errand::Itself(ask)) => Ok(Request::Get(chime::path(ask))),
        (Provider::Connect, Errand::Itself(ask) | Errand::Holder(Holder { ask, .. })) => {
            Ok(Request::Get(connect::path(ask)))
        }
        (Provider::Connect, Errand::Holders { number, token }) => {
            let body = holders::request(number, token.as_deref());
            let body =
                body.ok_or_else(|| malformed("only for a number in E.164 can its holders be asked for"))?;
            Ok(Request::Post(holders::PATH, body))
        }
        (Provider::Chime, Errand::Holders { .. } | Errand::Holder(_)) => {
            Err(malformed("an order of Amazon Chime has no holders to ask for"))
        }
    }
}

/// What an answer says of what was asked.
pub fn answer(key: &OrderKey, errand: &Errand, reply: &Reply) -> Answer {
    match errand {
        Errand::Itself(_) => Answer::Observed(observe(key.provider, &key.id, reply)),
        Errand::Holder(holder) => Answer::Observed(observe(key.provider, &holder.id, reply)),
        Errand::Holders { number, .. } => match classify::classify(key.provider, reply) {
            Verdict::Ruled(observation) => Answer::Observed(holders::refused(observation)),
            Verdict::Described => match holders::read(&reply.body, number) {
                Ok(page) => Answer::Page(page),
                Err(unreadable) => Answer::Observed(malformed(unreadable.to_string())),
            },
        },
    }
}

/// What an answer says of the scope's list.
pub fn page(provider: Provider, reply: &Reply) -> Listed {
    match classify::classify(provider, reply) {
        Verdict::Ruled(observation) => Listed::Observed(observation),
        Verdict::Described => match listing::read(provider, &reply.body) {
            Ok(page) => Listed::Page(page),
            Err(unreadable) => Listed::Observed(listing::unreadable(&unreadable)),
        },
    }
}

/// What an answer says of the id that was asked for.
fn observe(provider: Provider, id: &str, reply: &Reply) -> Observation {
    match classify::classify(provider, reply) {
        Verdict::Ruled(observation) => observation,
        Verdict::Described => {
            let read = match provider {
                Provider::Chime => chime::read(&reply.body, id).map(Sighting::Chime),
                Provider::Connect => connect::read(&reply.body, id).map(Sighting::Connect),
            };
            match read {
                Ok(sighting) => Observation::Seen(sighting),
                Err(unreadable) => malformed(unreadable.to_string()),
            }
        }
    }
}

/// What it says that there is no answer.
fn unanswered(failure: Failure) -> Observation {
    let outage = match failure {
        Failure::Credentials(NoCredentials::Denied(message)) => {
            return denied("NoCredentials", Some(message));
        }
        Failure::Request => return malformed(failure.to_string()),
        Failure::Credentials(NoCredentials::Unavailable(text)) => Outage::Credentials(text),
        Failure::NoResponse(NoResponse::Timeout) => Outage::Timeout,
        Failure::NoResponse(NoResponse::Connection(text)) => Outage::Connection(text),
        Failure::NoResponse(NoResponse::Body(text)) => Outage::Body(text),
    };
    Observation::Unavailable { outage, retry_after: None }
}

/// The scope cannot be asked, and not because AWS said so.
fn denied(code: &str, message: Option<String>) -> Observation {
    Observation::Denied { reach: Reach::Scope, code: code.to_owned(), message, clock_offset_s: None }
}

/// The request or its answer makes no sense.
fn malformed(detail: impl Into<String>) -> Observation {
    Observation::Malformed { detail: detail.into() }
}
