//! Credentials of one account: fetched when needed, kept until shortly before they expire.
//!
//! # Guarantees
//! One fetch at a time. A fetch that fails leaves the old credentials in use while they are valid. Nothing here shows a
//! secret, in `Debug` or in an error.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::{AccountSettings, chain, mask, transport};
use crate::core::time::Timestamp;

/// All of a fetch: the chain may try several sources, and STS on top.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);

/// Credentials are renewed this long before they expire: the least that instance metadata promises to have new ones
/// ahead ("Instance metadata and user data" in the EC2 user guide).
const REFRESH_BEFORE: Duration = Duration::from_mins(5);

/// After a failed renewal, while the old credentials are valid, the next trial waits this long.
const REFRESH_PAUSE: Duration = Duration::from_secs(30);

/// Codes by which STS or a metadata service refuses, in the text of `aws-config`'s errors: its types do not say.
const REFUSALS: [&str; 11] = [
    "AccessDenied",
    "ExpiredToken",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidIdentityToken",
    "MalformedPolicyDocument",
    "OptInRequired",
    "RegionDisabled",
    "SignatureDoesNotMatch",
    "UnrecognizedClient",
    "ValidationError",
];

/// There are no credentials. The texts are for people and masked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoCredentials {
    /// Nobody offers any, the profile is wrong, or the role is refused: a person has to act.
    #[error("no credentials: {0}")]
    Denied(String),
    /// A metadata service, STS or a helper process does not answer: it passes.
    #[error("no credentials for the time being: {0}")]
    Unavailable(String),
}

/// The credentials of one account.
pub struct CredentialCache {
    source: Source,
    kept: Mutex<Kept>,
    /// Held by whoever fetches.
    fetching: tokio::sync::Mutex<()>,
}

enum Source {
    Chain { settings: Box<AccountSettings>, http: SharedHttpClient },
    Fixed(SharedCredentialsProvider),
}

#[derive(Default)]
struct Kept {
    credentials: Option<Arc<Credentials>>,
    /// Bumped by [`CredentialCache::forget`]: a fetch that began before it is not kept.
    generation: u64,
    /// No renewal before this while the credentials are valid.
    retry_at: Option<Timestamp>,
    /// Whether there ever were credentials that expire, thus a service that gave them.
    were_temporary: bool,
}

impl fmt::Debug for CredentialCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialCache").finish_non_exhaustive()
    }
}

impl CredentialCache {
    /// Credentials from the AWS chain, as the settings and the environment say. Nothing is fetched yet.
    pub fn from_chain(settings: AccountSettings) -> Self {
        transport::install_tls();
        Self::new(Source::Chain { settings: Box::new(settings), http: chain::http_client() })
    }

    /// Credentials from one provider, whatever the environment says.
    pub fn from_provider(provider: SharedCredentialsProvider) -> Self {
        Self::new(Source::Fixed(provider))
    }

    fn new(source: Source) -> Self {
        Self { source, kept: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// Drops what is kept, so that the next request fetches: after a refusal, the old ones prove nothing.
    pub fn forget(&self) {
        let mut kept = self.kept();
        kept.credentials = None;
        kept.retry_at = None;
        kept.generation += 1;
    }

    /// Credentials that are valid at `now`: kept ones, or new ones.
    ///
    /// Waits for a fetch only if there are none, for at most 15 s a fetch; whoever renews early waits for it too, the
    /// others go on with the old ones.
    pub async fn get(&self, now: Timestamp) -> Result<Arc<Credentials>, NoCredentials> {
        if let Some(kept) = self.usable(now, REFRESH_BEFORE) {
            return Ok(kept);
        }
        let _turn = match self.usable(now, Duration::ZERO) {
            Some(old) => match self.fetching.try_lock() {
                Ok(turn) => turn,
                Err(_busy) => return Ok(old),
            },
            None => self.fetching.lock().await,
        };
        // Whoever held the lock before may have fetched.
        if let Some(kept) = self.usable(now, REFRESH_BEFORE) {
            return Ok(kept);
        }
        let generation = self.kept().generation;
        match self.fetch().await {
            Ok(fresh) => Ok(self.keep(fresh, generation)),
            Err(error) => {
                let old = self.usable(now, Duration::ZERO);
                self.kept().retry_at = old.is_some().then(|| now.plus(REFRESH_PAUSE));
                old.ok_or(error)
            }
        }
    }

    fn keep(&self, fresh: Credentials, generation: u64) -> Arc<Credentials> {
        let fresh = Arc::new(fresh);
        let mut kept = self.kept();
        kept.were_temporary |= fresh.expiry().is_some();
        if kept.generation == generation {
            kept.credentials = Some(Arc::clone(&fresh));
            kept.retry_at = None;
        }
        fresh
    }

    /// What is kept, if it is valid for longer than `margin`, or if renewing it has to wait.
    fn usable(&self, now: Timestamp, margin: Duration) -> Option<Arc<Credentials>> {
        let kept = self.kept();
        let credentials = kept.credentials.as_ref()?;
        let margin = if kept.retry_at.is_some_and(|at| now < at) { Duration::ZERO } else { margin };
        let valid = expiry(credentials).is_none_or(|expiry| now.plus(margin) < expiry);
        valid.then(|| Arc::clone(credentials))
    }

    async fn fetch(&self) -> Result<Credentials, NoCredentials> {
        let fetched = match &self.source {
            // Boxed: the chain's future is tens of kilobytes.
            Source::Chain { settings, http } => {
                tokio::time::timeout(FETCH_TIMEOUT, Box::pin(chain::fetch(settings, http))).await
            }
            Source::Fixed(provider) => {
                tokio::time::timeout(FETCH_TIMEOUT, provider.provide_credentials()).await
            }
        };
        match fetched {
            Ok(Ok(credentials)) => Ok(credentials),
            Ok(Err(error)) => Err(judge(&error, self.kept().were_temporary)),
            Err(_elapsed) => {
                Err(NoCredentials::Unavailable(format!("not had within {} s", FETCH_TIMEOUT.as_secs())))
            }
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Nothing panics while it is held, and each of its states is a valid one.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a failure passes by itself.
///
/// "Not loaded" means that no source of the chain is configured, and also that instance metadata could not be reached;
/// where it was reached before, it is the latter.
fn judge(error: &CredentialsError, were_temporary: bool) -> NoCredentials {
    let text = mask::chain(error);
    let passes = match error {
        CredentialsError::CredentialsNotLoaded(_) => were_temporary,
        CredentialsError::InvalidConfiguration(_) => false,
        CredentialsError::ProviderError(_) => !REFUSALS.iter().any(|code| text.contains(code)),
        CredentialsError::ProviderTimedOut(_) | CredentialsError::Unhandled(_) | _ => true,
    };
    if passes { NoCredentials::Unavailable(text) } else { NoCredentials::Denied(text) }
}

fn expiry(credentials: &Credentials) -> Option<Timestamp> {
    let since_epoch = credentials.expiry()?.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Some(Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)))
}
