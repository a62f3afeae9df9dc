//! From the configuration's accounts to AWS's.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_credential_types::provider::SharedCredentialsProvider;

use crate::aws::credentials::CredentialCache;
use crate::aws::{Account, AccountSettings, Client};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::http::transport::Transport;
use crate::provider::Aws;

use super::DaemonError;

/// Looks at AWS with the accounts of a configuration. Credentials come from the AWS chain unless `fixed` are given.
pub fn aws(
    config: &Config,
    clock: Arc<dyn Clock>,
    fixed: Option<&SharedCredentialsProvider>,
) -> Result<Aws, DaemonError> {
    let transport = Transport::new().map_err(|cause| DaemonError::Unavailable(cause.to_string()))?;
    let mut accounts = BTreeMap::new();
    for (name, account) in &config.accounts {
        let settings = settings(account);
        let made = match fixed {
            None => Account::new(name, &settings),
            Some(fixed) => {
                Account::with_credentials(name, &settings, CredentialCache::from_provider(fixed.clone()))
            }
        };
        let made = made.map_err(|cause| DaemonError::Config(format!("account.{name}: {cause}")))?;
        accounts.insert(name.clone(), made);
    }
    Ok(Aws::new(Client::new(transport, clock), accounts))
}

fn settings(account: &config::Account) -> AccountSettings {
    AccountSettings {
        region: account.region.clone(),
        profile: account.profile.clone(),
        role_arn: account.role_arn.clone(),
        external_id: account.external_id.clone(),
        account_id: account.account_id.clone(),
        fips: account.fips,
        dual_stack: account.dual_stack,
        chime_endpoint: account.chime.endpoint.clone(),
        connect_endpoint: account.connect.endpoint.clone(),
    }
}
