//! What Chime and Connect say, in the words of the core.
//!
//! # Guarantees
//! A look is one request and always has an answer: whatever comes back, or does not, becomes an
//! [`Observation`]. Nothing panics on it, and nothing that could be a credential gets into it.
//!
//! # First contribution
//! A new status word is added in `chime.rs` or `connect.rs`; the compiler and the fixtures under `tests/data/wire` show
//! the rest.

pub mod chime;
pub mod classify;
pub mod connect;
mod identity;
mod lenient;
pub mod retry_after;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use self::classify::Verdict;
use self::identity::Identity;
use crate::aws::credentials::NoCredentials;
use crate::aws::transport::NoResponse;
use crate::aws::{Account, Client, Failure, Reply, Service};
use crate::core::observation::{Observation, Outage, Reach, Sighting};
use crate::core::order::{OrderKey, Provider};

/// One look to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The order.
    pub key: OrderKey,
    /// The id as it is put in the request: [`Declared::ask`](crate::core::order::Declared::ask).
    pub ask: String,
    /// How long it may take, connecting included; credentials, where they must be fetched and checked, come on top.
    pub timeout: Duration,
}

/// Takes looks.
pub trait Look: Send + Sync + 'static {
    /// Asks the order's service once. Infallible: what goes wrong is an observation too.
    fn look(&self, ask: Ask) -> impl Future<Output = Observation> + Send;

    /// Forgets what is cached of the credentials of the account named so in the configuration: the next look takes fresh
    /// ones.
    fn refresh(&self, account: &str);
}

/// Takes looks at AWS, for any number of accounts.
#[derive(Debug)]
pub struct Aws {
    client: Client,
    accounts: BTreeMap<String, (Account, Identity)>,
}

impl Aws {
    /// Looks through `client`, at accounts by their names in the configuration. Where an account's id is configured, no
    /// look is signed with credentials of another account.
    pub fn new(client: Client, accounts: BTreeMap<String, Account>) -> Self {
        let accounts =
            accounts.into_iter().map(|(name, account)| (name, (account, Identity::default()))).collect();
        Self { client, accounts }
    }
}

impl Look for Aws {
    async fn look(&self, ask: Ask) -> Observation {
        let Some((account, identity)) = self.accounts.get(&ask.key.account) else {
            let message = Some(format!("the account {:?} is not configured", ask.key.account));
            return denied("UnknownAccount", message);
        };
        let service = match ask.key.provider {
            Provider::Chime => Service::ChimeVoice,
            Provider::Connect => Service::Connect,
        };
        let path = match ask.key.provider {
            Provider::Chime => chime::path(&ask.ask),
            Provider::Connect => connect::path(&ask.ask),
        };
        let signer = match self.client.signer(account).await {
            Ok(signer) => signer,
            Err(failure) => return unanswered(failure),
        };
        if let Some(objection) = identity.objection(&self.client, account, &signer, ask.timeout).await {
            return objection;
        }
        match self.client.get(account, &signer, service, &path, ask.timeout).await {
            Ok(reply) => observe(&ask.key, &reply),
            Err(failure) => unanswered(failure),
        }
    }

    fn refresh(&self, account: &str) {
        if let Some((account, _)) = self.accounts.get(account) {
            account.forget_credentials();
        }
    }
}

/// What an answer says of the order that was asked for.
pub fn observe(key: &OrderKey, reply: &Reply) -> Observation {
    match classify::classify(key.provider, reply) {
        Verdict::Ruled(observation) => observation,
        Verdict::Described => {
            let read = match key.provider {
                Provider::Chime => chime::read(&reply.body, &key.id).map(Sighting::Chime),
                Provider::Connect => connect::read(&reply.body, &key.id).map(Sighting::Connect),
            };
            match read {
                Ok(sighting) => Observation::Seen(sighting),
                Err(unreadable) => Observation::Malformed { detail: unreadable.to_string() },
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
        Failure::Request => return Observation::Malformed { detail: failure.to_string() },
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
