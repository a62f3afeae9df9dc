//! Whether an account's credentials are of the account that the configuration names.
//!
//! Credentials of another account make every number a 404, which would be told as "released". So no look counts before
//! STS has said whose credentials it is signed with; where STS says nothing, looks go on as if it had agreed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{classify, denied};
use crate::aws::credentials::Signer;
use crate::aws::{Account, Client, NoCaller};
use crate::core::observation::Observation;
use crate::core::time::Tick;

/// STS that said nothing is asked again after this: as often as refused credentials are tried.
const ASK_AGAIN: Duration = Duration::from_mins(5);

/// What is known of the credentials of one account.
#[derive(Debug, Default)]
pub(super) struct Identity {
    known: Mutex<Known>,
    /// Held by whoever asks.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    last: Option<(Signer, Verdict)>,
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
        self.known().last = Some((signer.clone(), verdict.clone()));
        verdict.objection(expected)
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
            (Ok(id), None) if id == expected => Verdict::Same,
            (Ok(id), None) => Verdict::Other(id),
            (Err(cause), None) => {
                if !was_troubled {
                    tracing::warn!(
                        account = %account.name(),
                        %cause,
                        "STS does not say whose credentials these are: account_id is not checked for the time being"
                    );
                }
                match &known.last {
                    // Once they were another account's, only STS can say that they are no more.
                    Some((_, Verdict::Other(id))) => Verdict::Other(id.clone()),
                    Some((_, Verdict::Same | Verdict::Refused(_) | Verdict::Unknown { .. })) | None => {
                        Verdict::Unknown { ask_at: now.plus(ASK_AGAIN) }
                    }
                }
            }
        }
    }

    fn verdict(&self, signer: &Signer) -> Option<Verdict> {
        let known = self.known();
        let (of, verdict) = known.last.as_ref()?;
        (of == signer).then(|| verdict.clone())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while it is held, and each of its states is a valid one.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
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
