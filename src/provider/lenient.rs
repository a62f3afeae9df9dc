//! Reading JSON of which nothing is sure: a member of the wrong type is as if it were absent.

use serde_json::{Map, Value};

use crate::core::observation::Word;
use crate::core::time::Timestamp;
use crate::http::mask;

/// A JSON object.
pub(super) type Object = Map<String, Value>;

/// A status word is no longer, in characters; the longest known one has fifteen.
const MAX_WORD: usize = 100;

/// Numbers above this are milliseconds since the epoch, below it seconds: as seconds it is the year 5138, as
/// milliseconds 1973.
const SECONDS_BELOW: f64 = 1e11;

/// Why a body says nothing of the order that was asked for. The texts hold nothing of the body but an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not JSON; the reason names a line and column.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// The member that should hold the description is not there, or is no object.
    #[error("the body has no object {0:?}")]
    Without(&'static str),
    /// The member that should hold the list is not there, or is no list.
    #[error("the body has no list {0:?}")]
    WithoutList(&'static str),
    /// The token of the next page is none that could be asked with.
    #[error("the token of the next page is unusable")]
    Token,
    /// It describes another order.
    #[error("the answer is about another id: {0:?}")]
    Another(String),
}

/// The object in the body's outer member.
pub(super) fn outer(body: &[u8], member: &'static str) -> Result<Object, Unreadable> {
    match members(body)?.remove(member) {
        Some(Value::Object(inner)) => Ok(inner),
        _ => Err(Unreadable::Without(member)),
    }
}

/// The list in one of the body's members, and the other members.
pub(super) fn list(body: &[u8], member: &'static str) -> Result<(Vec<Value>, Object), Unreadable> {
    let mut members = members(body)?;
    match members.remove(member) {
        Some(Value::Array(list)) => Ok((list, members)),
        _ => Err(Unreadable::WithoutList(member)),
    }
}

/// The body's members. A body that is JSON but no object has none.
fn members(body: &[u8]) -> Result<Object, Unreadable> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Ok(Object::new()),
        Err(error) => Err(Unreadable::NotJson(mask::mask(&error.to_string()))),
    }
}

/// The last part of an ARN; an id that is none is its own.
pub(super) fn bare(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// Whether the described id, where there is one, is the one asked for. An ARN stands for its last part.
pub(super) fn same_id(described: Option<&str>, asked: &str) -> Result<(), Unreadable> {
    let Some(described) = described else { return Ok(()) };
    if bare(described).eq_ignore_ascii_case(asked) {
        Ok(())
    } else {
        Err(Unreadable::Another(mask::cut(&mask::mask(described), MAX_WORD).to_owned()))
    }
}

/// A member that is a string with something in it.
pub(super) fn text<'a>(object: &'a Object, member: &str) -> Option<&'a str> {
    object.get(member)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// A member that is a text for people: on one line, and something is in it.
pub(super) fn line(object: &Object, member: &str) -> Option<String> {
    Some(mask::clean(text(object, member)?)).filter(|line| !line.is_empty())
}

/// A provider's word, and what it means if anybody knows.
pub(super) fn word<T>(
    object: &Object,
    member: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<Word<T>> {
    let raw = line(object, member)?;
    Some(Word { known: parse(&raw), raw: mask::cut(&raw, MAX_WORD).to_owned() })
}

/// A member that is a phone number: see [`number`].
pub(super) fn e164(object: &Object, member: &str) -> Option<String> {
    number(text(object, member)?)
}

/// A phone number in E.164, as both services define it (`\+?[1-9]\d{1,14}`). With its plus, so that one number is one.
pub(super) fn number(number: &str) -> Option<String> {
    let digits = number.strip_prefix('+').unwrap_or(number);
    let valid = (2..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit());
    valid.then(|| format!("+{digits}"))
}

/// A time, written in any way that was ever seen or documented: RFC 3339, a date alone (midnight UTC), no offset (UTC),
/// seconds or milliseconds since the epoch as a number or in a string.
pub(super) fn time(object: &Object, member: &str) -> Option<Timestamp> {
    match object.get(member)? {
        Value::Number(number) => epoch(number.as_f64()?),
        Value::String(text) => {
            let text = text.trim();
            let number = || epoch(text.parse().ok()?);
            Timestamp::parse(text)
                .or_else(|| Timestamp::parse(&format!("{text}Z")))
                .or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")))
                .or_else(number)
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn epoch(number: f64) -> Option<Timestamp> {
    let millis = if number.abs() < SECONDS_BELOW { number * 1000.0 } else { number };
    // Beyond this no time can be meant, and a float is no longer exact.
    if !millis.is_finite() || millis.abs() > 9.0e15 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "finite and within ±9e15")]
    Some(Timestamp::from_millis(millis.round() as i64))
}
