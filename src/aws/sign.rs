//! Signing: AWS Signature Version 4 as a pure function of the request, the credentials and the time.
//!
//! A thin cover over `aws-sigv4`. Paths are encoded twice in the canonical request and normalised, as every service but
//! S3 wants it; the session token is signed; there is no `x-amz-content-sha256`, which only S3 needs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{self, SignableBody, SignableRequest, SigningSettings};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;

use crate::core::time::Timestamp;

/// A request as far as the signature covers it.
#[derive(Debug, Clone, Copy)]
pub struct Unsigned<'a> {
    /// The method, upper case.
    pub method: &'a str,
    /// The whole address, encoded exactly as it is sent.
    pub url: &'a str,
    /// Headers that are signed besides `host` and `x-amz-date`.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body, as it is sent.
    pub body: &'a [u8],
}

/// For whom a signature holds.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The region.
    pub region: &'a str,
    /// The service's signing name: [`Service::signing_name`](super::Service::signing_name).
    pub service: &'a str,
}

/// The request cannot be signed: its address or a header is no valid HTTP. A mistake on our side; no text of it is kept.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the request cannot be signed: its address or a header is not valid HTTP")]
pub struct Unsignable;

/// The headers to add to a request: `x-amz-date`, `authorization`, and `x-amz-security-token` for temporary credentials.
///
/// `at` is the time the service is meant to see, in whole seconds. A service refuses what is over five minutes off.
pub fn sign(
    request: Unsigned<'_>,
    credentials: &Credentials,
    scope: Scope<'_>,
    at: Timestamp,
) -> Result<Vec<(&'static str, String)>, Unsignable> {
    let identity = Identity::from(credentials.clone());
    let params = SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(system_time(at))
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| Unsignable)?
        .into();
    let body = SignableBody::Bytes(request.body);
    let signable = SignableRequest::new(request.method, request.url, request.headers.iter().copied(), body)
        .map_err(|_| Unsignable)?;
    let (instructions, _signature) =
        http_request::sign(signable, &params).map_err(|_| Unsignable)?.into_parts();
    let (headers, _no_query) = instructions.into_parts();
    Ok(headers.iter().map(|header| (header.name(), header.value().to_owned())).collect())
}

/// Times before the epoch are the epoch: no service would take either.
fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0))
}
