//! Whether an account's credentials are of the account that the configuration names.
//!
//! Credentials of another account make every number a 404, which would be told as "released". So no look counts before
//! STS has said whose credentials it is signed with; where STS says nothing, looks go on as if it had agreed.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{classify, denied};
use crate::aws::credentials::Signer;
use crate::aws::{Account, Client, NoCaller};
use crate::core::observation::Observation;
use crate::core::time::Tick;

/// STS that said nothing is asked again after this: as often as refused credentials are tried.
const ASK_AGAIN: Duration = Duration::from_mins(5);

/// Verdicts that are remembered: there are never more credentials to look with than old ones and new ones.
const REMEMBERED: usize = 2;

/// What is known of the credentials of one account.
#[derive(Debug, Default)]
pub(super) struct Identity {
    known: Mutex<Known>,
    /// Held by whoever asks.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// On the credentials in use, and on those that take their place: a look with the former may still come late.
    last: VecDeque<(Signer, Verdict)>,
    /// The account that STS named last, if it is another one.
    other: Option<String>,
    /// Whether STS said nothing when it was last asked: that is worth one warning.
    troubled: bool,
}

#[derive(Debug, Clone)]
enum Verdict {
    Same,
    /// They are of this account.
    Other(String),
    /// STS takes them for nobody's.
    Refused(Observation),
    /// STS said nothing.
    Unknown {
        ask_at: Tick,
    },
}

impl Identity {
    /// Why these credentials must not be looked with, if anything speaks against them.
    ///
    /// Asks STS once for each fetch of credentials, and whoever has such credentials waits for the answer. Never asks
    /// for an account whose id is not configured.
    pub(super) async fn objection(
        &self,
        client: &Client,
        account: &Account,
        signer: &Signer,
        timeout: Duration,
    ) -> Option<Observation> {
        let expected = account.account_id()?;
        let _turn = match self.verdict(signer) {
            Some(verdict) if verdict.stands(client.now().tick) => return verdict.objection(expected),
            // One asks again, the others go on.
            Some(_) => self.asking.try_lock().ok()?,
            None => self.asking.lock().await,
        };
        if let Some(verdict) = self.verdict(signer).filter(|verdict| verdict.stands(client.now().tick)) {
            return verdict.objection(expected);
        }
        let answer = client.caller_account(account, signer, timeout).await;
        let verdict = self.judge(answer, account, expected, client.now().tick);
        self.known().remember(signer, &verdict);
        verdict.objection(expected)
    }

    /// Why credentials that nobody looks with yet must not take the place of the old ones, if anything speaks against
    /// them. What is found is remembered for the looks only if nothing does: else no look ever has these.
    pub(super) async fn objection_ahead(
        &self,
        client: &Client,
        account: &Account,
        signer: &Signer,
        timeout: Duration,
    ) -> Option<Observation> {
        let expected = account.account_id()?;
        let _turn = self.asking.lock().await;
        let answer = client.caller_account(account, signer, timeout).await;
        let verdict = self.judge(answer, account, expected, client.now().tick);
        let objection = verdict.clone().objection(expected);
        if objection.is_none() {
            self.known().remember(signer, &verdict);
        }
        objection
    }

    fn judge(
        &self,
        answer: Result<String, NoCaller>,
        account: &Account,
        expected: &str,
        now: Tick,
    ) -> Verdict {
        let refused = match &answer {
            Err(NoCaller::Refused { reply, fault }) => classify::refused_credentials(reply, fault),
            Ok(_) | Err(NoCaller::Failure(_) | NoCaller::Unreadable) => None,
        };
        let mut known = self.known();
        let was_troubled = std::mem::replace(&mut known.troubled, answer.is_err() && refused.is_none());
        match (answer, refused) {
            (_, Some(refused)) => Verdict::Refused(refused),
            (Ok(id), None) if id == expected => {
                known.other = None;
                Verdict::Same
            }
            (Ok(id), None) => {
                known.other = Some(id.clone());
                Verdict::Other(id)
            }
            (Err(cause), None) => {
                if !was_troubled {
                    tracing::warn!(
                        account = %account.name(),
                        %cause,
                        "STS does not say whose credentials these are: account_id is not checked for the time being"
                    );
                }
                // Once they were another account's, only STS can say that they are no more.
                let unknown = Verdict::Unknown { ask_at: now.plus(ASK_AGAIN) };
                known.other.clone().map_or(unknown, Verdict::Other)
            }
        }
    }

    fn verdict(&self, signer: &Signer) -> Option<Verdict> {
        let known = self.known();
        known.last.iter().find(|(of, _)| of == signer).map(|(_, verdict)| verdict.clone())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while it is held, and each of its states is a valid one.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn remember(&mut self, signer: &Signer, verdict: &Verdict) {
        self.last.retain(|(of, _)| of != signer);
        self.last.push_front((signer.clone(), verdict.clone()));
        self.last.truncate(REMEMBERED);
    }
}

impl Verdict {
    fn stands(&self, now: Tick) -> bool {
        match self {
            Self::Same | Self::Other(_) | Self::Refused(_) => true,
            Self::Unknown { ask_at } => now < *ask_at,
        }
    }

    fn objection(self, expected: &str) -> Option<Observation> {
        match self {
            Self::Same | Self::Unknown { .. } => None,
            Self::Other(id) => {
                let message =
                    format!("the credentials are of account {id}, the configuration says {expected}");
                Some(denied("AccountMismatch", Some(message)))
            }
            Self::Refused(refused) => Some(refused),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;

    use super::*;
    use crate::aws::credentials::CredentialCache;
    use crate::core::time::{Now, Timestamp};

    #[tokio::test]
    async fn a_late_look_with_the_old_ones_finds_their_verdict_beside_that_of_the_new_ones() {
        let keys = Credentials::new("a", "b", None, None, "test");
        let cache = CredentialCache::from_provider(SharedCredentialsProvider::new(keys));
        let mut fetched = Vec::new();
        for _ in 0..3 {
            let now = Now { wall: Timestamp::from_millis(0), tick: Tick::ZERO };
            fetched.push(cache.signer(now).await.unwrap().0);
            cache.forget();
        }
        let identity = Identity::default();
        let known = || fetched.iter().map(|signer| identity.verdict(signer).is_some()).collect::<Vec<_>>();
        for (at, wanted) in [(0, [true, false, false]), (1, [true, true, false]), (2, [false, true, true])] {
            identity.known().remember(&fetched[at], &Verdict::Same);
            assert_eq!(known(), wanted);
        }
        identity.known().remember(&fetched[1], &Verdict::Other("x".to_owned()));
        assert!(matches!(identity.verdict(&fetched[1]), Some(Verdict::Other(_))));
        assert_eq!(known(), [false, true, true]);
    }
}
