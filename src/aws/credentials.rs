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

/// Credentials as they were fetched once, to sign with. Two are equal if they are of one fetch.
#[derive(Clone)]
pub struct Signer(Arc<Credentials>);

impl Signer {
    pub(super) fn credentials(&self) -> &Credentials {
        &self.0
    }
}

impl PartialEq for Signer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Signer {}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
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

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // aws-config's own text for a profile that nobody defined does not name it.
            Self::Chain { settings, .. } => match &settings.profile {
                Some(profile) => write!(f, "profile {profile:?}"),
                None => f.write_str("the default chain"),
            },
            Self::Fixed(_) => f.write_str("the given provider"),
        }
    }
}

#[derive(Default)]
struct Kept {
    credentials: Option<Arc<Credentials>>,
    /// Bumped by [`CredentialCache::forget`]: a fetch that began before it is not kept.
    generation: u64,
    /// No renewal before this while the credentials are valid.
    retry_at: Option<Timestamp>,
    /// Bumped by each fetch that ends: whoever waited for one shares what came of it.
    fetches: u64,
    /// How the last fetch failed, if it did.
    failure: Option<NoCredentials>,
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
    pub fn from_chain(settings: &AccountSettings) -> Self {
        transport::install_tls();
        Self::new(Source::Chain { settings: Box::new(settings.clone()), http: chain::http_client() })
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

    /// [`get`](Self::get), to sign with.
    pub(super) async fn signer(&self, now: Timestamp) -> Result<Signer, NoCredentials> {
        self.get(now).await.map(Signer)
    }

    /// Credentials that are valid at `now`: kept ones, or new ones.
    ///
    /// Waits for one fetch, at most 15 s, if there are none, and shares its failure with all who waited; whoever renews
    /// early waits for it too, the others go on with the old ones.
    pub async fn get(&self, now: Timestamp) -> Result<Arc<Credentials>, NoCredentials> {
        if let Some(kept) = self.usable(now, REFRESH_BEFORE) {
            return Ok(kept);
        }
        let fetches = self.kept().fetches;
        let _turn = match self.usable(now, Duration::ZERO) {
            Some(old) => match self.fetching.try_lock() {
                Ok(turn) => turn,
                Err(_busy) => return Ok(old),
            },
            None => self.fetching.lock().await,
        };
        if let Some(kept) = self.usable(now, REFRESH_BEFORE) {
            return Ok(kept);
        }
        if let Some(failure) = self.failure_since(fetches) {
            return Err(failure);
        }
        let generation = self.kept().generation;
        let fetched = self.fetch().await;
        match fetched {
            Ok(fresh) => Ok(self.keep(fresh, generation)),
            Err(failure) => {
                let old = self.usable(now, Duration::ZERO);
                let mut kept = self.kept();
                kept.fetches += 1;
                kept.failure = Some(failure.clone());
                kept.retry_at = old.is_some().then(|| now.plus(REFRESH_PAUSE));
                old.ok_or(failure)
            }
        }
    }

    fn failure_since(&self, fetches: u64) -> Option<NoCredentials> {
        let kept = self.kept();
        if kept.fetches == fetches { None } else { kept.failure.clone() }
    }

    fn keep(&self, fresh: Credentials, generation: u64) -> Arc<Credentials> {
        let fresh = Arc::new(fresh);
        let mut kept = self.kept();
        kept.fetches += 1;
        kept.failure = None;
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
            Ok(Err(error)) => Err(judge(&error, self.kept().were_temporary, &self.source.to_string())),
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
fn judge(error: &CredentialsError, were_temporary: bool, source: &str) -> NoCredentials {
    let text = format!("{source}: {}", mask::chain(error));
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use aws_credential_types::credential_fn::provide_credentials_fn;
    use tokio::sync::Semaphore;

    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn at(minutes: u64) -> Timestamp {
        Timestamp::from_millis(0).plus(Duration::from_mins(minutes))
    }

    fn temporary(id: &str, expires_min: u64) -> Credentials {
        let expiry = UNIX_EPOCH + Duration::from_mins(expires_min);
        Credentials::new(id, SECRET, Some("TOKEN".into()), Some(expiry), "test")
    }

    /// Gives what the function says of the number of the fetch, from 1.
    fn cache<F>(give: F) -> (CredentialCache, Arc<AtomicU64>)
    where
        F: Fn(u64) -> Result<Credentials, CredentialsError> + Send + Sync + 'static,
    {
        let fetches = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&fetches);
        let provider = provide_credentials_fn(move || {
            let given = give(counted.fetch_add(1, Ordering::SeqCst) + 1);
            async move { given }
        });
        (CredentialCache::from_provider(SharedCredentialsProvider::new(provider)), fetches)
    }

    async fn id(cache: &CredentialCache, now: Timestamp) -> Result<String, NoCredentials> {
        cache.get(now).await.map(|credentials| credentials.access_key_id().to_owned())
    }

    #[tokio::test]
    async fn kept_until_five_minutes_before_they_expire() {
        let (cache, _) = cache(|n| Ok(temporary(&n.to_string(), n * 60)));
        for (minutes, wanted) in [(0, "1"), (54, "1"), (55, "2"), (114, "2"), (300, "3")] {
            assert_eq!(id(&cache, at(minutes)).await.as_deref(), Ok(wanted), "after {minutes} min");
        }
        // What is expired when it comes, by our clock, is used all the same: the clock may be the liar.
        assert_eq!(id(&cache, at(400)).await.as_deref(), Ok("4"));
    }

    #[tokio::test]
    async fn a_failed_renewal_leaves_the_old_ones_in_use_while_they_are_valid() {
        let (cache, fetches) = cache(|n| match n {
            1 => Ok(temporary("1", 60)),
            _ => Err(CredentialsError::provider_error("503 from the metadata service")),
        });
        assert_eq!(id(&cache, at(0)).await.as_deref(), Ok("1"));
        assert_eq!(id(&cache, at(56)).await.as_deref(), Ok("1"));
        assert_eq!(id(&cache, at(56)).await.as_deref(), Ok("1"));
        assert_eq!(fetches.load(Ordering::SeqCst), 2, "no second trial within the pause");
        assert_eq!(id(&cache, at(57)).await.as_deref(), Ok("1"));
        assert_eq!(fetches.load(Ordering::SeqCst), 3);
        let error = id(&cache, at(60)).await.unwrap_err();
        assert!(matches!(&error, NoCredentials::Unavailable(text) if text.contains("503")), "{error}");
    }

    #[tokio::test]
    async fn forgotten_ones_are_fetched_again() {
        let (cache, _) = cache(|n| Ok(Credentials::new(n.to_string(), SECRET, None, None, "test")));
        assert_eq!(id(&cache, at(0)).await.as_deref(), Ok("1"));
        assert_eq!(id(&cache, at(1_000_000)).await.as_deref(), Ok("1"));
        cache.forget();
        assert_eq!(id(&cache, at(0)).await.as_deref(), Ok("2"));
    }

    #[tokio::test]
    async fn all_who_wait_share_one_fetch_and_its_failure() {
        for works in [true, false] {
            let gate = Arc::new(Semaphore::new(0));
            let fetches = Arc::new(AtomicU64::new(0));
            let (inner, counted) = (Arc::clone(&gate), Arc::clone(&fetches));
            let provider = provide_credentials_fn(move || {
                let (gate, counted) = (Arc::clone(&inner), Arc::clone(&counted));
                async move {
                    counted.fetch_add(1, Ordering::SeqCst);
                    let _open = gate.acquire().await;
                    if works { Ok(temporary("1", 60)) } else { Err(CredentialsError::not_loaded("nowhere")) }
                }
            });
            let cache = CredentialCache::from_provider(SharedCredentialsProvider::new(provider));
            let looks = async { tokio::join!(cache.get(at(0)), cache.get(at(0)), cache.get(at(0))) };
            // The gate is opened by the last future to be polled, when all three wait.
            let (answers, ()) = tokio::join!(looks, async { gate.add_permits(1) });
            for answer in [answers.0, answers.1, answers.2] {
                assert_eq!(answer.is_ok(), works);
            }
            assert_eq!(fetches.load(Ordering::SeqCst), 1);
        }
    }

    #[tokio::test]
    async fn credentials_forgotten_while_they_are_fetched_are_not_kept() {
        let gate = Arc::new(Semaphore::new(0));
        let inner = Arc::clone(&gate);
        let fetches = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&fetches);
        let provider = provide_credentials_fn(move || {
            let (gate, n) = (Arc::clone(&inner), counted.fetch_add(1, Ordering::SeqCst) + 1);
            async move {
                let _open = gate.acquire().await;
                Ok(temporary(&n.to_string(), 60))
            }
        });
        let cache = CredentialCache::from_provider(SharedCredentialsProvider::new(provider));
        let (first, ()) = tokio::join!(id(&cache, at(0)), async {
            cache.forget();
            gate.add_permits(1);
        });
        assert_eq!(first.as_deref(), Ok("1"));
        assert_eq!(id(&cache, at(0)).await.as_deref(), Ok("2"));
    }

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        let denied = |error: CredentialsError, before| {
            matches!(judge(&error, before, "test"), NoCredentials::Denied(_))
        };
        assert!(denied(CredentialsError::not_loaded("no provider"), false));
        assert!(!denied(CredentialsError::not_loaded("could not communicate with IMDS"), true));
        assert!(denied(CredentialsError::invalid_configuration("profile loop"), true));
        assert!(denied(
            CredentialsError::provider_error("service error: AccessDenied: sts:AssumeRole"),
            true
        ));
        assert!(!denied(CredentialsError::provider_error("dispatch failure: timeout"), false));
        assert!(!denied(CredentialsError::provider_timed_out(Duration::from_secs(5)), false));
        assert!(!denied(CredentialsError::unhandled("not UTF-8"), false));
    }

    #[tokio::test]
    async fn a_profile_that_is_not_there_is_denied_without_asking_anybody_else() {
        let settings = AccountSettings {
            region: "eu-west-2".into(),
            profile: Some("claimwatch-no-such-profile".into()),
            ..AccountSettings::default()
        };
        let error = CredentialCache::from_chain(&settings).get(at(0)).await.unwrap_err();
        assert!(
            matches!(&error, NoCredentials::Denied(text) if text.contains("claimwatch-no-such-profile")),
            "{error}"
        );
    }

    #[tokio::test]
    async fn debug_and_errors_hold_no_secret() {
        let (cache, _) = cache(|n| match n {
            1 => Ok(temporary("AKIAIOSFODNN7EXAMPLE", 60)),
            _ => {
                Err(CredentialsError::provider_error(format!("key {SECRET} of AKIAIOSFODNN7EXAMPLE is bad")))
            }
        });
        let credentials = cache.get(at(0)).await.unwrap();
        let error = cache.get(at(60)).await.unwrap_err();
        let shown = format!("{cache:?} {credentials:?} {error:?} {error}");
        for secret in [SECRET, "TOKEN"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(!format!("{cache:?} {error:?} {error}").contains("AKIAIOSFODNN7EXAMPLE"));
    }
}
