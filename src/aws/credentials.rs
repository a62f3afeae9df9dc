//! Credentials of one account: fetched when needed, kept until shortly before they expire.
//!
//! # Guarantees
//! One fetch at a time. Old credentials are in use while they are valid, whatever becomes of their renewal, and nobody
//! waits for it. Nothing here shows a secret, in `Debug` or in an error.
//!
//! # Expected flow
//! [`CredentialCache::signer`] gives credentials to each request. In the last minutes of the old ones it also gives one
//! of the requests a [`Renewal`], to be done beside it: [`renew`](CredentialCache::renew), check what came,
//! [`adopt`](CredentialCache::adopt) it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::sync::OwnedMutexGuard;

use super::{AccountSettings, chain};
use crate::core::time::{Now, Tick, Timestamp};
use crate::http::{mask, transport};

/// All of a fetch: the chain may try several sources, and STS on top.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);

/// Credentials are renewed this long before they expire: the least that instance metadata promises to have new ones
/// ahead ("Instance metadata and user data" in the EC2 user guide).
const REFRESH_BEFORE: Duration = Duration::from_mins(5);

/// While the old credentials are valid, the next renewal begins this long after the last one at the earliest, whatever
/// became of that: a source may also give ones that end soon. Longer than a fetch takes.
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

    fn is_valid(&self, at: Timestamp) -> bool {
        expiry(&self.0).is_none_or(|expiry| at < expiry)
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
    fetching: Arc<tokio::sync::Mutex<()>>,
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
    credentials: Option<Signer>,
    /// Bumped by [`CredentialCache::forget`]: a fetch that began before it is not kept.
    generation: u64,
    /// No renewal ahead before this.
    renew_at: Option<Tick>,
    /// Bumped by each fetch that ends: whoever waited for one shares what came of it.
    fetches: u64,
    /// How the last fetch failed, if it did.
    failure: Option<NoCredentials>,
    /// Whether there ever were credentials that expire, thus a service that gave them.
    were_temporary: bool,
}

impl Kept {
    /// Whether what is kept has to be renewed.
    fn is_due(&self, now: Now) -> bool {
        let ends =
            self.credentials.as_ref().is_some_and(|kept| !kept.is_valid(now.wall.plus(REFRESH_BEFORE)));
        ends && self.renew_at.is_none_or(|at| at <= now.tick)
    }

    /// Notes that a fetch begins. Returns the generation that it is of.
    fn begin(&mut self, now: Tick) -> u64 {
        self.renew_at = Some(now.plus(REFRESH_PAUSE));
        self.generation
    }
}

/// The duty to renew credentials ahead of their end: to [fetch](CredentialCache::renew) and
/// [adopt](CredentialCache::adopt) them. Nobody else fetches while it is held; dropping it gives it up.
#[must_use]
pub struct Renewal {
    generation: u64,
    _turn: OwnedMutexGuard<()>,
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renewal")
    }
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
        Self { source, kept: Mutex::default(), fetching: Arc::default() }
    }

    /// Drops what is kept, so that the next request fetches: after a refusal, the old ones prove nothing.
    pub fn forget(&self) {
        let mut kept = self.kept();
        kept.credentials = None;
        kept.renew_at = None;
        kept.generation += 1;
    }

    /// Credentials that are valid at `now`, and the duty to renew them if they will not be for long.
    ///
    /// Waits for one fetch, at most 15 s, if there are none, and shares its failure with all who waited. Nobody waits
    /// while there are valid ones: one of those who come in their last five minutes gets the duty, a next one half a
    /// minute later if nothing came of it.
    pub async fn signer(&self, now: Now) -> Result<(Signer, Option<Renewal>), NoCredentials> {
        if let Some(kept) = self.valid(now.wall) {
            return Ok((kept, self.renewal(now)));
        }
        let fetches = self.kept().fetches;
        let _turn = self.fetching.lock().await;
        if let Some(kept) = self.valid(now.wall) {
            return Ok((kept, None));
        }
        if let Some(failure) = self.failure_since(fetches) {
            return Err(failure);
        }
        let generation = self.kept().begin(now.tick);
        let fresh = self.fetch(generation).await?;
        self.keep(&fresh, generation);
        Ok((fresh, None))
    }

    /// Fetches credentials ahead of the old ones' end, in at most 15 s. They are not used before they are
    /// [adopted](Self::adopt); a failure leaves the old ones in use.
    pub async fn renew(&self, renewal: &Renewal) -> Result<Signer, NoCredentials> {
        self.fetch(renewal.generation).await
    }

    /// Uses renewed credentials from now on, unless all were forgotten meanwhile.
    pub fn adopt(&self, renewal: Renewal, fresh: &Signer) {
        self.keep(fresh, renewal.generation);
        // Only now may somebody else fetch.
        drop(renewal);
    }

    /// What is kept, if it is valid.
    fn valid(&self, at: Timestamp) -> Option<Signer> {
        let kept = self.kept();
        kept.credentials.clone().filter(|kept| kept.is_valid(at))
    }

    fn renewal(&self, now: Now) -> Option<Renewal> {
        let mut kept = self.kept();
        if !kept.is_due(now) {
            return None;
        }
        // Whoever fetches keeps what came before it gives up its turn: where the turn is free, nothing newer is coming.
        let turn = Arc::clone(&self.fetching).try_lock_owned().ok()?;
        Some(Renewal { generation: kept.begin(now.tick), _turn: turn })
    }

    fn failure_since(&self, fetches: u64) -> Option<NoCredentials> {
        let kept = self.kept();
        if kept.fetches == fetches { None } else { kept.failure.clone() }
    }

    fn keep(&self, fresh: &Signer, generation: u64) {
        let mut kept = self.kept();
        kept.fetches += 1;
        kept.failure = None;
        if kept.generation == generation {
            kept.credentials = Some(fresh.clone());
        }
    }

    async fn fetch(&self, generation: u64) -> Result<Signer, NoCredentials> {
        let fetched = self.ask_source().await;
        let mut kept = self.kept();
        match fetched {
            Ok(fresh) => {
                kept.were_temporary |= fresh.expiry().is_some();
                Ok(Signer(Arc::new(fresh)))
            }
            Err(failure) => {
                kept.fetches += 1;
                // What was asked for before all was forgotten says nothing to whoever came after.
                kept.failure = (kept.generation == generation).then(|| failure.clone());
                Err(failure)
            }
        }
    }

    async fn ask_source(&self) -> Result<Credentials, NoCredentials> {
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
    let has_none = matches!(error, CredentialsError::CredentialsNotLoaded(_)) && !were_temporary;
    // What follows is what each source said that was asked in vain.
    let none = if has_none { " has no credentials" } else { "" };
    let text = format!("{source}{none}: {}", mask::chain(error));
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
    use tokio::sync::{Semaphore, SemaphorePermit};

    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn at(minutes: u64) -> Now {
        let passed = Duration::from_mins(minutes);
        Now { wall: Timestamp::from_millis(0).plus(passed), tick: Tick::ZERO.plus(passed) }
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
        let (cache, gate, fetches) = gated(give);
        gate.close();
        (cache, fetches)
    }

    /// [`cache`], where each fetch takes a permit, as long as there is a gate.
    fn gated<F>(give: F) -> (CredentialCache, Arc<Semaphore>, Arc<AtomicU64>)
    where
        F: Fn(u64) -> Result<Credentials, CredentialsError> + Send + Sync + 'static,
    {
        let (gate, fetches) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU64::new(0)));
        let (inner, counted) = (Arc::clone(&gate), Arc::clone(&fetches));
        let provider = provide_credentials_fn(move || {
            let given = give(counted.fetch_add(1, Ordering::SeqCst) + 1);
            let gate = Arc::clone(&inner);
            async move {
                gate.acquire().await.into_iter().for_each(SemaphorePermit::forget);
                given
            }
        });
        (CredentialCache::from_provider(SharedCredentialsProvider::new(provider)), gate, fetches)
    }

    /// The key id of what was given, and whether it is to be renewed.
    fn shown(held: &Result<(Signer, Option<Renewal>), NoCredentials>) -> String {
        match held {
            Ok((signer, None)) => signer.credentials().access_key_id().to_owned(),
            Ok((signer, Some(_))) => format!("{} is due", signer.credentials().access_key_id()),
            Err(failure) => failure.to_string(),
        }
    }

    /// The key id of what is given to somebody who has nothing to renew.
    async fn id(cache: &CredentialCache, now: Now) -> String {
        shown(&cache.signer(now).await)
    }

    #[tokio::test]
    async fn kept_until_five_minutes_before_they_expire() {
        let (cache, _) = cache(|n| Ok(temporary(&n.to_string(), n * 60)));
        for (minutes, wanted) in
            [(0, "1"), (54, "1"), (55, "1 is due"), (57, "2"), (115, "2 is due"), (117, "3")]
        {
            let held = cache.signer(at(minutes)).await;
            assert_eq!(shown(&held), wanted, "after {minutes} min");
            if let Ok((_, Some(renewal))) = held {
                let fresh = cache.renew(&renewal).await.unwrap();
                cache.adopt(renewal, &fresh);
            }
        }
        // Nobody came while they could be renewed ahead: whoever comes waits.
        assert_eq!(id(&cache, at(300)).await, "4");
        // What is expired when it comes, by our clock, is used all the same: the clock may be the liar.
        assert_eq!(id(&cache, at(400)).await, "5");
    }

    #[tokio::test]
    async fn nobody_waits_for_a_renewal_while_the_old_ones_are_valid() {
        let (cache, gate, fetches) = gated(|n| Ok(temporary(&n.to_string(), n * 60)));
        gate.add_permits(1);
        assert_eq!(id(&cache, at(0)).await, "1");
        let (_, renewal) = cache.signer(at(55)).await.unwrap();
        let renewal = renewal.unwrap();
        let renewing = async {
            let fresh = cache.renew(&renewal).await.unwrap();
            assert_eq!(id(&cache, at(59)).await, "1", "before they are adopted nobody has them");
            cache.adopt(renewal, &fresh);
        };
        let looks = async {
            for minutes in 55..60 {
                assert_eq!(id(&cache, at(minutes)).await, "1", "and only one renews them");
            }
            assert_eq!(fetches.load(Ordering::SeqCst), 2);
            // This one waits for the renewal, since the old ones are no more.
            let (late, ()) = tokio::join!(id(&cache, at(60)), async { gate.add_permits(1) });
            assert_eq!(late, "2");
        };
        tokio::join!(renewing, looks);
        assert_eq!(fetches.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_failed_renewal_leaves_the_old_ones_in_use_while_they_are_valid() {
        let (cache, fetches) = cache(|n| match n {
            1 => Ok(temporary("1", 60)),
            _ => Err(CredentialsError::provider_error("503 from the metadata service")),
        });
        assert_eq!(id(&cache, at(0)).await, "1");
        for (trials, minutes) in [(2, 56), (3, 57)] {
            let (_, renewal) = cache.signer(at(minutes)).await.unwrap();
            cache.renew(&renewal.unwrap()).await.unwrap_err();
            assert_eq!(fetches.load(Ordering::SeqCst), trials);
            let soon = Now { tick: at(minutes).tick.plus(Duration::from_secs(29)), ..at(minutes) };
            assert_eq!(shown(&cache.signer(soon).await), "1", "no second trial within the pause");
            let later = Now { tick: at(minutes).tick.plus(REFRESH_PAUSE), ..at(minutes) };
            // Dropped at once: a trial that somebody gave up is one, too.
            assert_eq!(shown(&cache.signer(later).await), "1 is due");
            assert_eq!(shown(&cache.signer(later).await), "1");
        }
        let error = cache.signer(at(60)).await.unwrap_err();
        assert!(matches!(&error, NoCredentials::Unavailable(text) if text.contains("503")), "{error}");
    }

    #[tokio::test]
    async fn whoever_waits_for_a_renewal_shares_its_failure() {
        let (cache, gate, fetches) = gated(|n| match n {
            1 => Ok(temporary("1", 60)),
            _ => Err(CredentialsError::invalid_configuration("gone")),
        });
        gate.add_permits(1);
        assert_eq!(id(&cache, at(0)).await, "1");
        let (_, renewal) = cache.signer(at(59)).await.unwrap();
        let renewing = async {
            let renewal = renewal.unwrap();
            cache.renew(&renewal).await
        };
        let (renewed, late, ()) = tokio::join!(renewing, cache.signer(at(60)), async { gate.add_permits(1) });
        let failure = renewed.unwrap_err();
        assert!(matches!(failure, NoCredentials::Denied(_)), "{failure}");
        assert_eq!(late.unwrap_err(), failure);
        assert_eq!(fetches.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn renewed_ones_that_nobody_adopts_are_never_used() {
        let (cache, _) = cache(|n| Ok(temporary(&n.to_string(), 60)));
        assert_eq!(id(&cache, at(0)).await, "1");
        let (_, renewal) = cache.signer(at(58)).await.unwrap();
        cache.renew(&renewal.unwrap()).await.unwrap();
        assert_eq!(id(&cache, at(58)).await, "1");
        assert_eq!(id(&cache, at(59)).await, "1 is due");
        assert_eq!(id(&cache, at(60)).await, "3");
    }

    #[tokio::test]
    async fn a_source_of_short_lived_ones_is_asked_once_a_pause() {
        let (cache, fetches) = cache(|n| Ok(temporary(&n.to_string(), 3)));
        assert_eq!(id(&cache, at(0)).await, "1");
        for (second, trials) in [(0, 1), (29, 1), (30, 2), (31, 2), (59, 2), (60, 3)] {
            let now = Now { tick: Tick::ZERO.plus(Duration::from_secs(second)), ..at(1) };
            if let (_, Some(renewal)) = cache.signer(now).await.unwrap() {
                let fresh = cache.renew(&renewal).await.unwrap();
                cache.adopt(renewal, &fresh);
            }
            assert_eq!(fetches.load(Ordering::SeqCst), trials, "after {second} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_that_hangs_ends_after_fifteen_seconds() {
        let (cache, gate, _) = gated(|n| Ok(temporary(&n.to_string(), n * 60)));
        gate.add_permits(1);
        assert_eq!(id(&cache, at(0)).await, "1");
        let (_, renewal) = cache.signer(at(59)).await.unwrap();
        let renewal = renewal.unwrap();
        let ended = tokio::time::timeout(FETCH_TIMEOUT, cache.renew(&renewal)).await;
        let failure = ended.unwrap().unwrap_err();
        assert_eq!(failure, NoCredentials::Unavailable("not had within 15 s".to_owned()));
    }

    #[tokio::test]
    async fn forgotten_ones_are_fetched_again() {
        let (cache, _) = cache(|n| Ok(Credentials::new(n.to_string(), SECRET, None, None, "test")));
        assert_eq!(id(&cache, at(0)).await, "1");
        assert_eq!(shown(&cache.signer(at(1_000_000)).await), "1");
        cache.forget();
        assert_eq!(id(&cache, at(0)).await, "2");
    }

    #[tokio::test]
    async fn all_who_wait_share_one_fetch_and_its_failure() {
        for works in [true, false] {
            let (cache, gate, fetches) = gated(move |_| {
                if works { Ok(temporary("1", 60)) } else { Err(CredentialsError::not_loaded("nowhere")) }
            });
            let looks = async { tokio::join!(cache.signer(at(0)), cache.signer(at(0)), cache.signer(at(0))) };
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
        let (cache, gate, _) = gated(|n| Ok(temporary(&n.to_string(), 60)));
        let (first, ()) = tokio::join!(id(&cache, at(0)), async {
            cache.forget();
            gate.add_permits(1);
        });
        assert_eq!(first, "1");
        gate.add_permits(1);
        assert_eq!(id(&cache, at(0)).await, "2");

        let (_, renewal) = cache.signer(at(58)).await.unwrap();
        let renewal = renewal.unwrap();
        gate.add_permits(1);
        let fresh = cache.renew(&renewal).await.unwrap();
        cache.forget();
        cache.adopt(renewal, &fresh);
        gate.add_permits(1);
        assert_eq!(id(&cache, at(58)).await, "4");
    }

    #[tokio::test]
    async fn a_fetch_that_began_before_all_was_forgotten_fails_for_nobody_else() {
        let (cache, gate, _) = gated(|n| match n {
            1 => Err(CredentialsError::invalid_configuration("the file as it was")),
            _ => Ok(temporary(&n.to_string(), 60)),
        });
        let later = async {
            cache.forget();
            cache.signer(at(0)).await
        };
        let (first, later, ()) = tokio::join!(cache.signer(at(0)), later, async { gate.add_permits(2) });
        assert!(first.is_err());
        assert_eq!(shown(&later), "2");
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
        let error = CredentialCache::from_chain(&settings).signer(at(0)).await.unwrap_err();
        assert!(
            matches!(&error, NoCredentials::Denied(text) if text.contains("claimwatch-no-such-profile")),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_credentials_file_that_was_handed_over_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claimwatch.aws");
        let file = "[desk]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = hush\n";
        std::fs::write(&path, file).unwrap();
        let settings = AccountSettings {
            region: "eu-west-2".into(),
            profile: Some("desk".into()),
            credentials_file: Some(path),
            ..AccountSettings::default()
        };
        let (signer, _) = CredentialCache::from_chain(&settings).signer(at(0)).await.unwrap();
        assert_eq!(signer.credentials().access_key_id(), "AKIAIOSFODNN7EXAMPLE");
    }

    #[tokio::test]
    async fn debug_and_errors_hold_no_secret() {
        let (cache, _) = cache(|n| match n {
            1 => Ok(temporary("AKIAIOSFODNN7EXAMPLE", 60)),
            _ => {
                Err(CredentialsError::provider_error(format!("key {SECRET} of AKIAIOSFODNN7EXAMPLE is bad")))
            }
        });
        let (signer, _) = cache.signer(at(0)).await.unwrap();
        let (_, renewal) = cache.signer(at(59)).await.unwrap();
        let held = format!("{signer:?} {renewal:?} {:?}", signer.credentials());
        drop(renewal);
        let error = cache.signer(at(60)).await.unwrap_err();
        let shown = format!("{cache:?} {held} {error:?} {error}");
        for secret in [SECRET, "TOKEN"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(!format!("{cache:?} {error:?} {error}").contains("AKIAIOSFODNN7EXAMPLE"));
    }
}
