//! The webhook: posts one event, signed, and says what became of it.
//!
//! # Guarantees
//! Each call posts at most once and is over within [`TIMEOUT`] and a second. What an answer means is decided by its status alone;
//! its text is for people. No redirect is followed. Nothing here shows a secret, or more of the address than its host.
//!
//! # Expected flow
//! `envelope` makes the body (CloudEvents 1.0), `secret` signs it (Standard Webhooks 1.0.0) with every secret there is,
//! the one HTTP client sends it, [`judged`] reads the status.

mod envelope;
mod secret;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::Url;

pub use secret::{BadSecret, Secret};

use super::{Parcel, Post};
use crate::core::delivery::Posted;
use crate::core::time::Timestamp;
use crate::http::mask;
use crate::http::retry_after::retry_after;
use crate::http::transport::{Response, Transport};

/// How long a post may take until its status is there: Standard Webhooks 1.0.0 advises 15 to 30 s. The courier gives up
/// at 30 s.
const TIMEOUT: Duration = Duration::from_secs(15);

/// So much of an answer's text is read: enough for its first words, and no receiver can fill the memory.
const EXCERPT_BYTES: usize = 4096;

/// So many characters of it are kept.
const EXCERPT_CHARS: usize = 200;

/// Parts of an address that are at least so long may be what lets in, wherever they stand; shorter ones are words.
const PART_LEAST: usize = 12;

/// A webhook.
pub struct Webhook {
    name: String,
    url: Url,
    secrets: Vec<Secret>,
    transport: Transport,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("name", &self.name)
            .field("host", &self.url.host_str())
            .finish_non_exhaustive()
    }
}

impl Webhook {
    /// A webhook at an address that signs with each of the secrets, so that a receiver may know either while they are
    /// rotated.
    pub fn new(name: String, url: Url, secrets: Vec<Secret>, transport: Transport) -> Self {
        Self { name, url, secrets, transport }
    }

    /// The headers of a message: what it is, which, when it is sent, and the signatures over all of that.
    fn headers(&self, id: &str, at: Timestamp, body: &str) -> Option<Vec<(&'static str, String)>> {
        let at = at.as_millis().div_euclid(1000);
        let signatures: Option<Vec<String>> =
            self.secrets.iter().map(|secret| secret.sign(id, at, body)).collect();
        Some(vec![
            ("content-type", envelope::CONTENT_TYPE.to_owned()),
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", signatures?.join(" ")),
        ])
    }
}

impl Post for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    async fn post(&self, parcel: Parcel) -> Posted {
        let body = match envelope::body(&parcel) {
            Ok(body) => body,
            Err(reason) => return Posted::Refused { reason },
        };
        let Some(headers) = self.headers(&parcel.id, parcel.at, &body) else {
            return Posted::Refused { reason: "it cannot be signed".to_owned() };
        };
        let answer = self.transport.post(self.url.clone(), &headers, &body, TIMEOUT, EXCERPT_BYTES).await;
        match answer {
            Ok(answer) => judged(&answer, &self.url, parcel.at),
            Err(error) => Posted::Failing { reason: error.to_string(), retry_after: None },
        }
    }
}

/// What an answer to a post to `url` means. `sent_at` is the time to count from where the answer has no `Date`.
fn judged(answer: &Response, url: &Url, sent_at: Timestamp) -> Posted {
    let reason = || reason(answer, url);
    match answer.status {
        200..=299 => Posted::Taken,
        410 => Posted::Gone { reason: reason() },
        408 | 429 => Posted::Busy { reason: reason(), retry_after: retry_after(&answer.headers, sent_at) },
        400..=499 => Posted::Refused { reason: reason() },
        _ => Posted::Failing { reason: reason(), retry_after: retry_after(&answer.headers, sent_at) },
    }
}

/// The status with the first words of the text beside it, on one line. Receivers repeat where they were asked; that may be
/// what lets in.
fn reason(answer: &Response, url: &Url) -> String {
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    let said = admitting(url).iter().fold(said, |said, part| said.replace(part.as_str(), mask::HIDDEN));
    let text = mask::mask(&said);
    let status = answer.status;
    let meaning = if (300..400).contains(&status) { ", a redirect, which is not followed" } else { "" };
    match mask::cut(&text, EXCERPT_CHARS) {
        "" => format!("HTTP {status}{meaning}"),
        said => format!("HTTP {status}{meaning}: {said}"),
    }
}

/// What of an address is not to be shown: path and query, and the long parts of both, as they stand there and decoded.
fn admitting(url: &Url) -> Vec<String> {
    let (path, query) = (url.path(), url.query().unwrap_or_default());
    let parts = path.split('/').chain(query.split(['&', '='])).filter(|part| part.len() >= PART_LEAST);
    let whole = [path, query].into_iter().filter(|part| part.len() > 1);
    let mut all: Vec<String> = whole
        .chain(parts)
        .flat_map(|part| [part.to_owned(), percent_decode_str(part).decode_utf8_lossy().into_owned()])
        .collect();
    // A part of another one would break it up.
    all.sort_unstable_by_key(|part| std::cmp::Reverse(part.len()));
    all
}
