//! Signature Version 4, the receiving side, written from AWS's description and apart from the signer that the
//! daemon uses, so that one cannot excuse the other.
//!
//! Source: AWS General Reference, "Signature Version 4 signing process"; the wording of the refusals is what clients
//! have reported of API Gateway and the query services.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::wire::{Request, decoded};
use crate::core::time::Timestamp;

/// The access key and the secret that the simulated AWS knows.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    /// The access key id.
    pub access: &'a str,
    /// The secret access key.
    pub secret: &'a str,
}

/// The simulated AWS's only credentials. They open nothing else.
pub const SIMULATED: Keys<'static> = Keys { access: "simulated", secret: "simulated" };

/// AWS's tolerance: a request is accepted five minutes either side of its date.
const TOLERANCE_MS: i64 = 5 * 60 * 1_000;
const TOLERANCE_TEXT: &str = "5 min.";

/// Why a request is not let in. Each has its own code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No `Authorization` header.
    #[error("Missing Authentication Token")]
    Missing,
    /// The header, or what it needs beside it, is not all there.
    #[error("{0}")]
    Incomplete(String),
    /// Another access key.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The scope names another service, another date or another terminator.
    #[error("{0}")]
    Scope(String),
    /// Signed too long ago or too far in the future.
    #[error("{0}")]
    Time(String),
    /// Everything is there, and the signature is another one.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
    )]
    Mismatch,
}

impl Refusal {
    /// The HTTP status and the code of the REST services.
    pub(super) fn rest(&self) -> (u16, &'static str) {
        match self {
            Self::Missing => (403, "MissingAuthenticationTokenException"),
            Self::Incomplete(_) => (400, "IncompleteSignature"),
            Self::UnknownKey => (403, "UnrecognizedClientException"),
            Self::Scope(_) | Self::Time(_) | Self::Mismatch => (403, "InvalidSignatureException"),
        }
    }

    /// The HTTP status and the code of the query services (STS).
    pub(super) fn query(&self) -> (u16, &'static str) {
        match self {
            Self::Missing => (403, "MissingAuthenticationToken"),
            Self::Incomplete(_) => (400, "IncompleteSignature"),
            Self::UnknownKey => (403, "InvalidClientTokenId"),
            Self::Scope(_) | Self::Time(_) | Self::Mismatch => (403, "SignatureDoesNotMatch"),
        }
    }
}

/// Checks a request's signature for `service` at `now`. Any region is as good as another.
pub fn verify(request: &Request<'_>, keys: Keys<'_>, service: &str, now: Timestamp) -> Result<(), Refusal> {
    let header = request.header("authorization").ok_or(Refusal::Missing)?;
    let given = Authorization::parse(header)?;
    let date = request.header("x-amz-date").ok_or_else(|| {
        Refusal::Incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.".to_owned(),
        )
    })?;
    if given.access != keys.access {
        return Err(Refusal::UnknownKey);
    }
    given.check_scope(service, date)?;
    check_time(date, now)?;
    check_signed_headers(request, &given)?;
    let canonical = canonical_request(request, &given.signed)?;
    let scope = format!("{}/{}/{}/aws4_request", given.date, given.region, given.service);
    let to_sign =
        format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let key = signing_key(keys.secret, &given);
    if hex(&hmac(&key, to_sign.as_bytes())) == given.signature { Ok(()) } else { Err(Refusal::Mismatch) }
}

/// The service that a request says it is signed for.
pub(super) fn signed_service<'a>(request: &Request<'a>) -> Option<&'a str> {
    Authorization::parse(request.header("authorization")?).ok().map(|given| given.service)
}

struct Authorization<'a> {
    access: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    terminator: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    fn parse(header: &'a str) -> Result<Self, Refusal> {
        let incomplete = |what: &str| Refusal::Incomplete(format!("Authorization header requires {what}."));
        let rest = header
            .strip_prefix("AWS4-HMAC-SHA256 ")
            .ok_or_else(|| incomplete("the algorithm 'AWS4-HMAC-SHA256'"))?;
        let part = |name: &str| {
            rest.split(',')
                .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
                .ok_or_else(|| incomplete(&format!("'{name}' parameter")))
        };
        let credential: Vec<&str> = part("Credential")?.split('/').collect();
        let [access, date, region, service, terminator] = credential[..] else {
            return Err(incomplete("a 'Credential' of five parts"));
        };
        let signed = part("SignedHeaders")?.split(';').collect();
        Ok(Self { access, date, region, service, terminator, signed, signature: part("Signature")? })
    }

    fn check_scope(&self, service: &str, amz_date: &str) -> Result<(), Refusal> {
        if self.service != service {
            return Err(Refusal::Scope(format!(
                "Credential should be scoped to correct service: '{service}'. "
            )));
        }
        if self.terminator != "aws4_request" {
            return Err(Refusal::Scope(
                "Credential should be scoped with a valid terminator: 'aws4_request'.".to_owned(),
            ));
        }
        if amz_date.get(..8) != Some(self.date) {
            return Err(Refusal::Scope(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP."
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

fn check_time(date: &str, now: Timestamp) -> Result<(), Refusal> {
    let at = read_amz_date(date)
        .ok_or_else(|| Refusal::Incomplete("Date must be in ISO-8601 'basic format'.".to_owned()))?;
    let (at, now) = (at.as_millis(), now.as_millis());
    let write = |millis: i64| amz_date(Timestamp::from_millis(millis));
    if at < now - TOLERANCE_MS {
        let limit = write(now - TOLERANCE_MS);
        return Err(Refusal::Time(format!(
            "Signature expired: {date} is now earlier than {limit} ({} - {TOLERANCE_TEXT})",
            write(now)
        )));
    }
    if at > now + TOLERANCE_MS {
        let limit = write(now + TOLERANCE_MS);
        return Err(Refusal::Time(format!(
            "Signature not yet current: {date} is still later than {limit} ({} + {TOLERANCE_TEXT})",
            write(now)
        )));
    }
    Ok(())
}

/// Reads `20150830T123600Z`.
fn read_amz_date(text: &str) -> Option<Timestamp> {
    if text.len() != 16 || !text.is_ascii() {
        return None;
    }
    let (day, time) = text.split_once('T')?;
    let time = time.strip_suffix('Z')?;
    let part = |text: &str, from: usize, to: usize| text.get(from..to).map(str::to_owned);
    let day = format!("{}-{}-{}", part(day, 0, 4)?, part(day, 4, 6)?, part(day, 6, 8)?);
    let time = format!("{}:{}:{}", part(time, 0, 2)?, part(time, 2, 4)?, part(time, 4, 6)?);
    Timestamp::parse(&format!("{day}T{time}Z"))
}

fn amz_date(at: Timestamp) -> String {
    let text = at.to_string();
    let seconds = text.split('.').next().unwrap_or(&text);
    let mut basic: String = seconds.chars().filter(|c| *c != '-' && *c != ':').collect();
    basic.push('Z');
    basic
}

/// Whoever could change a header that matters could change the request: those headers have to be signed.
fn check_signed_headers(request: &Request<'_>, given: &Authorization<'_>) -> Result<(), Refusal> {
    let signed = |name: &str| given.signed.iter().any(|held| held.eq_ignore_ascii_case(name));
    if !signed("host") {
        return Err(Refusal::Incomplete(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned(),
        ));
    }
    let bare =
        |name: &str| name.len() >= 6 && name.get(..6).is_some_and(|p| p.eq_ignore_ascii_case("x-amz-"));
    if request.headers.iter().any(|(name, _)| bare(name) && !signed(name)) {
        return Err(Refusal::Mismatch);
    }
    Ok(())
}

fn canonical_request(request: &Request<'_>, signed: &[&str]) -> Result<String, Refusal> {
    let mut out = String::with_capacity(512);
    let _ = writeln!(out, "{}", request.method);
    encode_into(&mut out, request.path.as_bytes(), true);
    out.push('\n');
    out.push_str(&canonical_query(request.query));
    out.push('\n');
    for name in signed {
        let mut values =
            request.headers.iter().filter(|(held, _)| held.eq_ignore_ascii_case(name)).peekable();
        if values.peek().is_none() {
            return Err(Refusal::Mismatch);
        }
        out.push_str(&name.to_ascii_lowercase());
        for (index, (_, value)) in values.enumerate() {
            out.push(if index == 0 { ':' } else { ',' });
            let value = String::from_utf8_lossy(value);
            for (index, word) in value.split_ascii_whitespace().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                out.push_str(word);
            }
        }
        out.push('\n');
    }
    let payload = hex(&Sha256::digest(request.body));
    if request.header("x-amz-content-sha256").is_some_and(|claimed| claimed != payload) {
        return Err(Refusal::Mismatch);
    }
    let _ = write!(out, "\n{}\n{payload}", signed.join(";"));
    Ok(out)
}

/// Names and values decoded, encoded in the one canonical way, and sorted by their encoded forms.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encoded(&decoded(name)), encoded(&decoded(value)))
        })
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    encode_into(&mut out, text.as_bytes(), false);
    out
}

/// Percent-encodes all but the unreserved characters of RFC 3986; of a path, which has been encoded once already,
/// slashes stay.
fn encode_into(out: &mut String, bytes: &[u8], path: bool) {
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(*byte));
            }
            b'/' if path => out.push('/'),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

fn signing_key(secret: &str, given: &Authorization<'_>) -> [u8; 32] {
    let day = hmac(format!("AWS4{secret}").as_bytes(), given.date.as_bytes());
    let region = hmac(&day, given.region.as_bytes());
    let service = hmac(&region, given.service.as_bytes());
    hmac(&service, b"aws4_request")
}

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut block = [0_u8; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_agrees_with_rfc_4231() {
        // Test cases 2 and 6: a short key, and one longer than a block.
        let short = hmac(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex(&short), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let long = hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(hex(&long), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }

    #[test]
    fn dates_are_read_as_they_are_written() {
        let at = Timestamp::parse("2015-08-30T12:36:00Z").unwrap();
        assert_eq!(amz_date(at), "20150830T123600Z");
        assert_eq!(read_amz_date("20150830T123600Z"), Some(at));
        for odd in ["", "20150830T1236Z", "2015-08-30T12:36", "20151330T123600Z", "2015083éT12360Z"] {
            assert_eq!(read_amz_date(odd), None, "{odd}");
        }
    }
}
