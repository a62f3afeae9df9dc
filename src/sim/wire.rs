//! A request and its reply as plain data.

use std::time::Duration;

/// One HTTP request, as it stood on the wire.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// `GET`, `POST`, ….
    pub method: &'a str,
    /// The path, still percent-encoded.
    pub path: &'a str,
    /// What follows the question mark, still percent-encoded; empty without one.
    pub query: &'a str,
    /// Names in any case, in the order in which they came.
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// The whole body.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// The first value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.headers.iter().find(|(held, _)| held.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The last value of a query parameter, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        form_value(self.query, name)
    }
}

/// The last value of a name in `a=b&c=d`, percent-decoded.
pub(super) fn form_value(form: &str, name: &str) -> Option<String> {
    let pair = form.split('&').rev().find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key) == name).then_some(value)
    })?;
    Some(decoded(pair))
}

/// Percent-decoded, with what is not UTF-8 replaced.
pub(super) fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// What the world answers, and how it is to be put on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers in order; `Date` is always among them.
    pub headers: Vec<(&'static str, String)>,
    /// The whole body.
    pub body: Vec<u8>,
    /// How long to wait before the first byte.
    pub delay: Duration,
    /// How much of it arrives.
    pub delivery: Delivery,
}

impl Reply {
    /// A reply that arrives whole and at once.
    pub(super) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body: body.into(),
            delay: Duration::ZERO,
            delivery: Delivery::Whole,
        }
    }

    /// A 200 with JSON.
    pub(super) fn json(body: String) -> Self {
        Self::new(200, JSON, body)
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(held, _)| held.eq_ignore_ascii_case(name))?;
        Some(value)
    }
}

/// The media type of the REST services' answers.
pub(super) const JSON: &str = "application/json";

/// How much of a reply arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// All of it.
    Whole,
    /// Nothing, and the connection stays open.
    Hang,
    /// Nothing: the connection is reset before any byte.
    Reset,
    /// The head and that many bytes of the body; then the connection is closed.
    Truncate(usize),
}
