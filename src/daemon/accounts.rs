//! From the configuration's accounts to AWS's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use aws_credential_types::provider::SharedCredentialsProvider;

use crate::aws::credentials::CredentialCache;
use crate::aws::{Account, AccountSettings, Client};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::http::transport::Transport;
use crate::provider::Aws;

use super::DaemonError;

/// Where credentials come from.
#[derive(Debug)]
pub enum Keys {
    /// The AWS chain; this credentials file takes the place of the one in the home folder.
    Chain(Option<PathBuf>),
    /// Always these.
    Fixed(SharedCredentialsProvider),
}

/// Looks at AWS with the accounts of a configuration.
pub fn aws(config: &Config, clock: Arc<dyn Clock>, keys: &Keys) -> Result<Aws, DaemonError> {
    let transport = Transport::new().map_err(|cause| DaemonError::Unavailable(cause.to_string()))?;
    let mut accounts = BTreeMap::new();
    for (name, account) in &config.accounts {
        let mut settings = settings(account);
        let made = match keys {
            Keys::Chain(file) => {
                settings.credentials_file.clone_from(file);
                Account::new(name, &settings)
            }
            Keys::Fixed(fixed) => {
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
        credentials_file: None,
        role_arn: account.role_arn.clone(),
        external_id: account.external_id.clone(),
        account_id: account.account_id.clone(),
        fips: account.fips,
        dual_stack: account.dual_stack,
        chime_endpoint: account.chime.endpoint.clone(),
        connect_endpoint: account.connect.endpoint.clone(),
    }
}
