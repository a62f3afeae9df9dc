//! What an answer says of itself when it is a refusal: error code and message, of restJson1 and of the query protocol.

use serde_json::Value;

use crate::http::mask;
use crate::http::transport::Headers;

/// The header that carries the error code.
const CODE_HEADER: &str = "x-amzn-errortype";

/// No service's code is longer; what is longer is not a code.
const MAX_CODE: usize = 128;

/// An error code and message, as far as the answer has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fault {
    /// The code without namespace and without what follows a colon.
    pub code: Option<String>,
    /// The message as the service wrote it: mask it before it is shown.
    pub message: Option<String>,
}

impl Fault {
    /// Reads header and body in the order the AWS SDKs do: `x-amzn-errortype`, then the body's `code` or `Code`, then its
    /// `__type`; the message from `message`, `Message` or `errorMessage`. A body that is no JSON object says nothing.
    pub fn read(headers: &Headers, body: &[u8]) -> Self {
        let body: Option<Value> = serde_json::from_slice(body).ok();
        let member = |names: &[&str]| {
            let body = body.as_ref()?.as_object()?;
            names.iter().find_map(|name| body.get(*name)?.as_str())
        };
        let code = headers
            .get(CODE_HEADER)
            .and_then(bare)
            .or_else(|| member(&["code", "Code"]).and_then(bare))
            .or_else(|| member(&["__type"]).and_then(bare));
        let message = member(&["message", "Message", "errorMessage"]).map(ToOwned::to_owned);
        Self { code, message }
    }

    /// Reads the body of a service that speaks the query protocol: `<Code>` and `<Message>`. A header says nothing, since
    /// such a service has none for it: an answer that carries one came from somebody else.
    pub fn read_query(body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        Self {
            code: element(&body, "Code").and_then(bare),
            message: element(&body, "Message").map(ToOwned::to_owned),
        }
    }

    /// Whether the service refused the request for its time, as far as it says: clocks that differ are one cause of each
    /// of these codes.
    pub fn may_be_skew(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        let text = self.message.as_deref().unwrap_or_default();
        match code.strip_suffix("Exception").unwrap_or(code) {
            "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => true,
            "InvalidSignature" | "SignatureDoesNotMatch" => {
                text.contains("Signature expired") || text.contains("not yet current")
            }
            _ => false,
        }
    }
}

/// The text of the first element of that name that has no attributes. Enough for the few flat texts that are wanted.
pub(super) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.trim())
}

/// `namespace#Code:http://…` without what is around the code.
fn bare(code: &str) -> Option<String> {
    let code = code.split(':').next().unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default();
    let code = mask::clean(code);
    if code.is_empty() || code.len() > MAX_CODE { None } else { Some(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_found_wherever_it_is_carried() {
        let none = Headers::default();
        let header = |value: &str| Headers::from_pairs([("X-Amzn-ErrorType", value)]);
        let code = Some("ThrottledClientException".to_owned());
        for (headers, body) in [
            (header("ThrottledClientException"), "{}"),
            (header("ThrottledClientException:http://internal.amazon.com/coral/x/"), r#"{"code":"Other"}"#),
            (header("com.amazonaws.chime#ThrottledClientException"), "<html>"),
            (none.clone(), r#"{"code":"ThrottledClientException"}"#),
            (none.clone(), r#"{"Code":"ThrottledClientException"}"#),
            (none.clone(), r#"{"code":7,"Code":null,"__type":"com.amazonaws#ThrottledClientException:x"}"#),
            (header(" "), r#"{"__type":"ThrottledClientException"}"#),
        ] {
            assert_eq!(Fault::read(&headers, body.as_bytes()).code, code, "{headers:?} {body}");
        }
        for body in ["", "[]", "null", "<html>", "{\"code\":", "{\"code\":\"#:\"}", "\u{fffd}"] {
            assert_eq!(Fault::read(&none, body.as_bytes()), Fault::default(), "{body}");
        }
    }

    #[test]
    fn a_signature_is_blamed_on_the_clock_only_if_the_service_does() {
        let fault =
            |code: &str, message: &str| Fault { code: Some(code.into()), message: Some(message.into()) };
        assert!(fault("RequestTimeTooSkewed", "").may_be_skew());
        assert!(
            fault("InvalidSignatureException", "Signature expired: 2015 is now earlier than 2016")
                .may_be_skew()
        );
        assert!(
            fault("SignatureDoesNotMatch", "Signature not yet current: 2016 is still later").may_be_skew()
        );
        assert!(!fault("SignatureDoesNotMatch", "does not match").may_be_skew());
        assert!(!Fault::default().may_be_skew());
    }
}
