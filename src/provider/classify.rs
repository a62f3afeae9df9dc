//! From an HTTP answer to its meaning, before anybody reads what it says of the order.
//!
//! The order of the rules is the design: what concerns the credentials goes first, whatever the status; then the quota;
//! then outages, so that a code which contradicts a 5xx does not count; then what the service says of this order.

use super::retry_after::retry_after;
use crate::aws::Reply;
use crate::aws::fault::Fault;
use crate::core::observation::{Observation, Outage, Reach};
use crate::core::order::Provider;
use crate::http::mask;

/// Codes that mean "too many requests" at an HTTP 400: `THROTTLING_ERRORS` of the AWS SDK for Rust (aws-runtime,
/// `retries/classifiers.rs`), and Chime's own, which no SDK knows.
const THROTTLED_AT_400: [&str; 15] = [
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledClientException",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

/// Codes that mean it at any 4xx: the ones these services document.
const THROTTLED: [&str; 3] = ["ThrottledClientException", "ThrottlingException", "TooManyRequestsException"];

/// Codes that refuse the credentials themselves, with or without `Exception` at the end.
const CREDENTIALS: [&str; 11] = [
    "ExpiredToken",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignature",
    "MissingAuthenticationToken",
    "OptInRequired",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "UnauthorizedClient",
    "UnrecognizedClient",
];

/// Codes that refuse what was asked for: perhaps only for this order.
const FORBIDDEN: [&str; 2] = ["AccessDenied", "Forbidden"];

/// What an answer means.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The body says what was asked for.
    Described,
    /// It is no description, and this is what it is.
    Ruled(Observation),
}

/// Judges an answer by its status, its error code and its headers.
pub fn classify(provider: Provider, reply: &Reply) -> Verdict {
    if reply.status == 200 { Verdict::Described } else { Verdict::Ruled(refusal(provider, reply)) }
}

fn refusal(provider: Provider, reply: &Reply) -> Observation {
    let fault = Fault::read(&reply.headers, &reply.body);
    if let Some(refused) = refused_credentials(reply, &fault) {
        return refused;
    }
    let code = fault.code.as_deref().unwrap_or_default();
    let plain = code.strip_suffix("Exception").unwrap_or(code);
    let wait = || retry_after(&reply.headers, reply.received_at);
    let client_error = (400..500).contains(&reply.status);
    if reply.status == 401 {
        return denied(Reach::Scope, reply, &fault);
    }
    if reply.status == 429
        || (reply.status == 400 && THROTTLED_AT_400.contains(&code))
        || (client_error && THROTTLED.contains(&code))
    {
        return Observation::Throttled { retry_after: wait() };
    }
    let known_to_nobody = reply.status == 404 && code == not_found(provider);
    if known_to_nobody {
        return Observation::Missing { message: message(&fault), suspect: false };
    }
    if reply.status == 403 || (client_error && FORBIDDEN.contains(&plain)) {
        return denied(Reach::Order, reply, &fault);
    }
    if reply.status >= 500 || reply.status == 404 {
        return Observation::Unavailable { outage: Outage::Status(reply.status), retry_after: wait() };
    }
    let said = [fault.code.as_deref().and_then(shown), message(&fault)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(": ");
    let status = reply.status;
    let detail = if said.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {said}") };
    Observation::Malformed { detail }
}

/// The refusal of the credentials themselves, if the code is one of those that mean it.
pub fn refused_credentials(reply: &Reply, fault: &Fault) -> Option<Observation> {
    let code = fault.code.as_deref().unwrap_or_default();
    let plain = code.strip_suffix("Exception").unwrap_or(code);
    CREDENTIALS.contains(&plain).then(|| denied(Reach::Scope, reply, fault))
}

/// The service's own word for "there is no such order": a bare 404 is none of it.
fn not_found(provider: Provider) -> &'static str {
    match provider {
        Provider::Chime => "NotFoundException",
        Provider::Connect => "ResourceNotFoundException",
    }
}

fn denied(reach: Reach, reply: &Reply, fault: &Fault) -> Observation {
    let message = match reach {
        // These quote what was signed, from the second sentence on.
        Reach::Scope => fault.message.as_deref().map(first_sentence).and_then(shown),
        Reach::Order => message(fault),
    };
    let code = fault.code.as_deref().and_then(shown).unwrap_or_else(|| format!("HTTP {}", reply.status));
    Observation::Denied { reach, code, message, clock_offset_s: reply.clock_offset_s }
}

fn message(fault: &Fault) -> Option<String> {
    fault.message.as_deref().and_then(shown)
}

fn shown(text: &str) -> Option<String> {
    let text = mask::mask(text);
    if text.is_empty() { None } else { Some(text) }
}

fn first_sentence(text: &str) -> &str {
    let line = text.trim_start().lines().next().unwrap_or_default();
    line.find(". ").map_or(line, |end| &line[..=end])
}
