//! The AWS credential chain: where credentials come from when they are needed.
//!
//! All of it is `aws-config`'s: environment, shared config and credentials files, profiles, `credential_process`, web
//! identity, container and instance metadata, and the role of the account on top. The chain is built anew each time, so
//! that a corrected file or a rotated key is found without a restart.

use std::path::Path;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use super::AccountSettings;

/// A metadata service is a hop away, STS a few: what takes longer to connect is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The session's name in the account's audit trail.
const SESSION_NAME: &str = "claimwatch";

/// Fetches credentials for an account, from whatever its settings and the machine offer.
pub(super) async fn fetch(
    settings: &AccountSettings,
    http: &SharedHttpClient,
) -> Result<Credentials, CredentialsError> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(settings.region.clone()))
        .http_client(http.clone())
        .timeout_config(timeouts())
        .use_fips(settings.fips)
        .use_dual_stack(settings.dual_stack);
    let files = settings.credentials_file.as_deref().map(files);
    if let Some(files) = &files {
        loader = loader.profile_files(files.clone());
    }
    if let Some(profile) = &settings.profile {
        // A profile that is named is meant: in the default chain, keys of the environment would go before it.
        let config = provider_config(settings, http);
        let mut provider = ProfileFileCredentialsProvider::builder().configure(&config).profile_name(profile);
        if let Some(files) = files {
            provider = provider.profile_files(files);
        }
        loader = loader.profile_name(profile).credentials_provider(provider.build());
    }
    let config = loader.load().await;
    let own = match config.credentials_provider() {
        Some(provider) => provider.provide_credentials().await?,
        None => return Err(CredentialsError::not_loaded_no_source()),
    };
    let Some(role) = &settings.role_arn else { return Ok(own) };
    let mut role = AssumeRoleProvider::builder(role).configure(&config).session_name(SESSION_NAME);
    if let Some(id) = &settings.external_id {
        role = role.external_id(id);
    }
    role.build_from_provider(SharedCredentialsProvider::new(own)).await.provide_credentials().await
}

/// The shared config file where it always is, and this credentials file.
fn files(credentials: &Path) -> EnvConfigFiles {
    EnvConfigFiles::builder()
        .include_default_config_file(true)
        .with_file(EnvConfigFileKind::Credentials, credentials)
        .build()
}

fn provider_config(settings: &AccountSettings, http: &SharedHttpClient) -> ProviderConfig {
    ProviderConfig::without_region()
        .with_region(Some(Region::new(settings.region.clone())))
        .with_behavior_version(Some(BehaviorVersion::latest()))
        .with_http_client(http.clone())
        .with_timeout_config(timeouts())
        .with_use_fips(Some(settings.fips))
        .with_use_dual_stack(Some(settings.dual_stack))
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build()
}

/// The client for the chain: `aws-config` takes no other than its own kind.
pub(super) fn http_client() -> SharedHttpClient {
    let client = |proxy: fn() -> ProxyConfig| {
        Builder::new().build_with_connector_fn(move |settings, components| {
            let mut builder = Connector::builder().proxy_config(proxy());
            builder.set_connector_settings(settings.cloned());
            if let Some(components) = components {
                builder.set_sleep_impl(components.sleep_impl());
            }
            builder.tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build()
        })
    };
    SharedHttpClient::new(Split { plain: client(ProxyConfig::disabled), tls: client(ProxyConfig::from_env) })
}

/// STS is asked through the environment's proxy; metadata services, the only ones on plain HTTP, are link-local or on
/// loopback and never are.
#[derive(Debug)]
struct Split<T> {
    plain: T,
    tls: T,
}

impl HttpClient for Split<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Split {
            plain: self.plain.http_connector(settings, components),
            tls: self.tls.http_connector(settings, components),
        })
    }
}

impl HttpConnector for Split<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if request.uri().starts_with("https:") { self.tls.call(request) } else { self.plain.call(request) }
    }
}
