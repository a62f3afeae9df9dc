//! Errors as the services answer them.

use serde::Deserialize;

use super::call::Service;
use super::fault::RetryAfter;
use super::json::Object;
use super::verify::Refusal;
use super::wire::{JSON, Reply};
use crate::core::time::Timestamp;

/// Where an error's code stands. AWS's REST services send the header; the others have been seen elsewhere, and a
/// client has to cope with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Carried {
    /// `x-amzn-errortype: Code`, and `message` in the body.
    #[default]
    #[serde(rename = "header")]
    Header,
    /// The same header with the address that older front ends append after a colon.
    #[serde(rename = "header-uri")]
    HeaderUri,
    /// `code` and `message` in the body.
    #[serde(rename = "code")]
    LowerCode,
    /// `Code` and `Message` in the body.
    #[serde(rename = "Code")]
    UpperCode,
    /// `__type` with a namespace, and `message`, in the body.
    #[serde(rename = "__type")]
    Type,
    /// Nowhere: the status has to do.
    #[serde(rename = "none")]
    Nowhere,
}

/// An error to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Error {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
    /// Where the code stands, if not where the scenario says.
    pub(super) carried: Option<Carried>,
    pub(super) retry_after: Option<RetryAfter>,
}

impl Error {
    pub(super) fn new(status: u16, code: &str, message: &str) -> Self {
        Self { status, code: code.to_owned(), message: message.to_owned(), carried: None, retry_after: None }
    }

    /// A refused signature.
    pub(super) fn refused(service: Service, refusal: &Refusal) -> Self {
        let (status, code) = match service {
            Service::Chime | Service::Connect => refusal.rest(),
            Service::Sts => refusal.query(),
        };
        Self::new(status, code, &refusal.to_string())
    }

    /// The service's own way of saying that there is no such thing.
    pub(super) fn not_found(service: Service, message: &str) -> Self {
        let code = match service {
            Service::Chime => "NotFoundException",
            Service::Connect | Service::Sts => "ResourceNotFoundException",
        };
        Self::new(404, code, message)
    }

    /// The service's own way of saying that the request makes no sense.
    pub(super) fn bad_request(service: Service, message: &str) -> Self {
        let code = match service {
            Service::Chime => "BadRequestException",
            Service::Connect => "InvalidParameterException",
            Service::Sts => "ValidationError",
        };
        Self::new(400, code, message)
    }

    /// The reply in the service's protocol.
    pub(super) fn reply(&self, service: Service, usual: Carried, now: Timestamp, request_id: &str) -> Reply {
        let mut reply = match service {
            Service::Chime | Service::Connect => self.rest(service, self.carried.unwrap_or(usual)),
            Service::Sts => Reply::new(self.status, "text/xml", self.xml(request_id)),
        };
        if let Some(retry_after) = &self.retry_after {
            reply.headers.push(retry_after.header(now));
        }
        reply
    }

    fn rest(&self, service: Service, carried: Carried) -> Reply {
        let mut body = String::new();
        let mut object = Object::open(&mut body);
        let mut header = None;
        match carried {
            Carried::Header => header = Some(self.code.clone()),
            Carried::HeaderUri => {
                header =
                    Some(format!("{}:http://internal.amazon.com/coral/com.amazon.coral.service/", self.code));
            }
            Carried::LowerCode => object.text("code", &self.code),
            Carried::UpperCode => object.text("Code", &self.code),
            Carried::Type => {
                let namespace = service.signing_name();
                object.text("__type", &format!("com.amazonaws.{namespace}#{}", self.code));
            }
            Carried::Nowhere => {}
        }
        let name = if carried == Carried::UpperCode { "Message" } else { "message" };
        object.text(name, &self.message);
        object.close();
        let mut reply = Reply::new(self.status, JSON, body);
        if let Some(header) = header {
            reply.headers.push(("x-amzn-errortype", header));
        }
        reply
    }

    fn xml(&self, request_id: &str) -> String {
        let kind = if self.status < 500 { "Sender" } else { "Receiver" };
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    <Type>{kind}</Type>\n    \
             <Code>{}</Code>\n    <Message>{}</Message>\n  </Error>\n  <RequestId>{request_id}</RequestId>\n</ErrorResponse>\n",
            escaped(&self.code),
            escaped(&self.message)
        )
    }
}

/// Text for between XML tags.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
