//! What it takes to ask one account: credentials that are of the right account, renewed beside the looks.
//!
//! # Guarantees
//! While there are credentials that serve, no look waits for a renewal or for STS's word on what it brought. What is
//! renewed ahead is used only if nothing speaks against it; else the old ones serve until they end, and only then what
//! is wrong is told by looks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use super::identity::Identity;
use super::unanswered;
use crate::aws::credentials::{Renewal, Signer};
use crate::aws::{Account, Client, Service};
use crate::core::observation::Observation;

/// An account, and the renewal of its credentials that may be under way. That ends with this.
#[derive(Debug)]
pub(super) struct Access {
    party: Arc<Party>,
    /// At most one runs: there is one duty to renew.
    renewing: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Party {
    account: Account,
    identity: Identity,
}

impl Access {
    pub(super) fn new(account: Account) -> Self {
        let party = Arc::new(Party { account, identity: Identity::default() });
        Self { party, renewing: Mutex::default() }
    }

    pub(super) fn account(&self) -> &Account {
        &self.party.account
    }

    /// What to look with, or why nothing is looked at. `timeout` bounds each question to STS.
    pub(super) async fn signer(
        &self,
        client: &Arc<Client>,
        service: Service,
        timeout: Duration,
    ) -> Result<Signer, Observation> {
        let Party { account, identity } = &*self.party;
        let (signer, renewal) = client.signer(account, service).await.map_err(unanswered)?;
        if let Some(renewal) = renewal {
            let (party, client) = (Arc::clone(&self.party), Arc::clone(client));
            let mut renewing = self.renewing();
            while renewing.try_join_next().is_some() {}
            renewing.spawn(async move { party.renew(&client, renewal, timeout).await });
        }
        match identity.objection(client, account, &signer, timeout).await {
            None => Ok(signer),
            Some(objection) => Err(objection),
        }
    }

    /// Forgets the credentials. A renewal that began before ends, so that the next look does not wait for it in vain.
    pub(super) fn forget(&self) {
        self.party.account.credentials().forget();
        self.renewing().abort_all();
    }

    fn renewing(&self) -> MutexGuard<'_, JoinSet<()>> {
        // Nothing panics while it is held, and each of its states is a valid one.
        self.renewing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Party {
    async fn renew(&self, client: &Client, renewal: Renewal, timeout: Duration) {
        const KEPT: &str = "the credentials are not renewed: the old ones serve while they are valid";
        let account = self.account.name();
        match self.account.credentials().renew(&renewal).await {
            Err(cause) => tracing::warn!(%account, %cause, "{KEPT}"),
            Ok(fresh) => match self.identity.objection_ahead(client, &self.account, &fresh, timeout).await {
                None => self.account.credentials().adopt(renewal, &fresh),
                Some(objection) => tracing::warn!(%account, ?objection, "{KEPT}"),
            },
        }
    }
}
