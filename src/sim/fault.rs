//! What goes wrong, and when.

use std::time::Duration;

use serde::Deserialize;

use super::call::Call;
pub use super::call::Service;
pub use super::error::Carried;
use super::offset::Offset;
use super::served::Operation;
use super::wire::Delivery;
use crate::core::time::Timestamp;

/// A window of time in which something goes wrong, and for whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Its first moment.
    pub from: Offset,
    /// The first moment after it.
    pub until: Offset,
    /// The service it befalls; all without one.
    pub service: Option<Service>,
    /// The operation it befalls; all without one.
    pub operation: Option<Operation>,
    /// The id of the order or number it befalls, lower case; all, and lists too, without one.
    pub id: Option<String>,
    /// Each n-th of the requests that it could befall; at least 1.
    pub every: u64,
    /// The part of those that it befalls, from 0 to 1, drawn from the scenario's seed.
    pub chance: f64,
    /// What happens.
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultKind {
    /// An error is answered, and nothing is looked up.
    Status(Failure),
    /// The answer comes late.
    Slow(Duration),
    /// No answer comes.
    Hang,
    /// The connection is reset before any byte.
    Reset,
    /// The connection is closed after so many bytes of the body.
    Truncate(usize),
    /// A 200 with a body that means nothing.
    Garbage(Garbage),
    /// The service's clock is off by so much: its `Date`, and what it thinks of a signature's age.
    Skew(Offset),
    /// The answer is so much out of date.
    Stale(Duration),
    /// The credentials are another account's: nothing is found, lists are empty, STS names [`STRANGER`].
    Stranger,
    /// A list's token leads to the same page again.
    Loop,
    /// A list's token is said to have expired.
    ExpiredToken,
}

/// The account that a [`FaultKind::Stranger`] belongs to.
pub const STRANGER: &str = "999999999999";

/// An error that a fault answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The HTTP status.
    pub status: u16,
    /// The form of the body.
    pub body: FailureBody,
    /// The error's code; only JSON carries one.
    pub code: String,
    /// Its message.
    pub message: String,
    /// Where the code stands; else as everywhere in the scenario.
    pub carried: Option<Carried>,
    /// When to come again, if it says so.
    pub retry_after: Option<RetryAfter>,
}

/// The form of an error's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureBody {
    /// The service's own form.
    #[default]
    Json,
    /// A page for people, as a proxy or a load balancer sends it.
    Html,
    /// Nothing.
    Empty,
}

/// A body that means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Garbage {
    /// A sign-in page.
    Html,
    /// Nothing.
    Empty,
    /// `{}`
    Object,
    /// `[]`
    Array,
    /// `null`
    Null,
    /// A hundred thousand arrays inside each other.
    Deep,
    /// More than a mebibyte of valid JSON.
    Huge,
    /// The right names with values of the wrong types.
    Types,
    /// JSON that stops in the middle, though all bytes arrived.
    Half,
    /// Bytes that are not UTF-8.
    Bytes,
}

/// When to come again. In a scenario: `"1"` or any other text is sent as it is; `"date:3s"`, `"rfc850:3s"` and
/// `"asctime:3s"` are dates that far from now in HTTP's three forms; `"ms:1500"` is AWS's header in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum RetryAfter {
    /// `Retry-After` with this text.
    Text(String),
    /// `Retry-After` with a date.
    Date(DateForm, Offset),
    /// `x-amz-retry-after` in milliseconds.
    Millis(u64),
}

/// The three forms of a date in HTTP (RFC 9110, section 5.6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateForm {
    /// `Sun, 06 Nov 1994 08:49:37 GMT`
    Imf,
    /// `Sunday, 06-Nov-94 08:49:37 GMT`
    Rfc850,
    /// `Sun Nov  6 08:49:37 1994`
    Asctime,
}

impl DateForm {
    /// Writes `at` in this form.
    pub fn write(self, at: Timestamp) -> String {
        let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let format = match self {
            Self::Imf => "%a, %d %b %Y %H:%M:%S GMT",
            Self::Rfc850 => "%A, %d-%b-%y %H:%M:%S GMT",
            Self::Asctime => "%a %b %e %H:%M:%S %Y",
        };
        at.strftime(format).to_string()
    }
}

impl RetryAfter {
    pub(super) fn header(&self, now: Timestamp) -> (&'static str, String) {
        match self {
            Self::Text(text) => ("retry-after", text.clone()),
            Self::Date(form, after) => ("retry-after", form.write(after.from(now))),
            Self::Millis(millis) => ("x-amz-retry-after", millis.to_string()),
        }
    }
}

impl TryFrom<String> for RetryAfter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let form = match text.split_once(':') {
            Some(("ms", millis)) => {
                let millis =
                    millis.parse().map_err(|_| format!("not a number of milliseconds: {millis:?}"))?;
                return Ok(Self::Millis(millis));
            }
            Some(("date", after)) => Some((DateForm::Imf, after)),
            Some(("rfc850", after)) => Some((DateForm::Rfc850, after)),
            Some(("asctime", after)) => Some((DateForm::Asctime, after)),
            Some(_) | None => None,
        };
        match form {
            Some((form, after)) => Ok(Self::Date(form, Offset::try_from(after.to_owned())?)),
            None if text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) => Ok(Self::Text(text)),
            None => Err("a header holds printable ASCII only".to_owned()),
        }
    }
}

/// What all faults together do to one request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Effects {
    pub(super) delay: Duration,
    pub(super) delivery: Delivery,
    pub(super) instead: Option<Instead>,
    pub(super) clock: Offset,
    pub(super) stale: Duration,
    pub(super) stranger: bool,
    pub(super) looping: bool,
    pub(super) expired: bool,
}

/// What is answered in place of the truth.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Instead {
    Failure(Failure),
    Garbage(Garbage),
}

/// The faults of a world, which count what they could have befallen.
#[derive(Debug)]
pub(super) struct Faults {
    faults: Vec<(Fault, u64)>,
    seed: u64,
}

impl Faults {
    pub(super) fn new(faults: Vec<Fault>, seed: u64) -> Self {
        Self { faults: faults.into_iter().map(|fault| (fault, 0)).collect(), seed }
    }

    /// What befalls this call. Delays add up; of two errors, or two ends of the connection, the first counts.
    pub(super) fn befall(&mut self, call: &Call, at: Offset) -> Effects {
        let mut effects = Effects {
            delay: Duration::ZERO,
            delivery: Delivery::Whole,
            instead: None,
            clock: Offset::START,
            stale: Duration::ZERO,
            stranger: false,
            looping: false,
            expired: false,
        };
        for (index, (fault, met)) in self.faults.iter_mut().enumerate() {
            if !fault.could_befall(call, at) {
                continue;
            }
            *met += 1;
            let drawn = unit(self.seed ^ (index as u64).rotate_right(16) ^ *met);
            if met.is_multiple_of(fault.every) && drawn < fault.chance {
                effects.add(&fault.kind);
            }
        }
        effects
    }
}

impl Fault {
    fn could_befall(&self, call: &Call, at: Offset) -> bool {
        self.from <= at
            && at < self.until
            && self.service.is_none_or(|service| service == call.service)
            && self.operation.is_none_or(|operation| operation == call.operation)
            && self.id.as_deref().is_none_or(|id| names(&call.id, id))
    }
}

/// Whether the id of a request, bare or in an ARN, is this bare one.
fn names(asked: &str, id: &str) -> bool {
    asked.rsplit('/').next().is_some_and(|bare| bare.eq_ignore_ascii_case(id))
}

impl Effects {
    fn add(&mut self, kind: &FaultKind) {
        let mut deliver = |delivery| {
            if self.delivery == Delivery::Whole {
                self.delivery = delivery;
            }
        };
        match kind {
            FaultKind::Hang => deliver(Delivery::Hang),
            FaultKind::Reset => deliver(Delivery::Reset),
            FaultKind::Truncate(bytes) => deliver(Delivery::Truncate(*bytes)),
            FaultKind::Slow(delay) => self.delay = self.delay.saturating_add(*delay),
            FaultKind::Status(failure) => {
                self.instead.get_or_insert_with(|| Instead::Failure(failure.clone()));
            }
            FaultKind::Garbage(garbage) => {
                self.instead.get_or_insert(Instead::Garbage(*garbage));
            }
            FaultKind::Skew(clock) => self.clock = self.clock.plus(*clock),
            FaultKind::Stale(by) => self.stale = self.stale.saturating_add(*by),
            FaultKind::Stranger => self.stranger = true,
            FaultKind::Loop => self.looping = true,
            FaultKind::ExpiredToken => self.expired = true,
        }
    }
}

/// Scrambles a number (the finaliser of `SplitMix64`): the only randomness there is.
pub(super) fn scrambled(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number from 0 up to but not including 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits are what a double holds exactly")]
fn unit(seed: u64) -> f64 {
    (scrambled(seed) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_http_s_three_forms() {
        let at = Timestamp::parse("1994-11-06T08:49:37Z").unwrap();
        assert_eq!(DateForm::Imf.write(at), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(DateForm::Rfc850.write(at), "Sunday, 06-Nov-94 08:49:37 GMT");
        assert_eq!(DateForm::Asctime.write(at), "Sun Nov  6 08:49:37 1994");
        let read = |text: &str| RetryAfter::try_from(text.to_owned());
        let three = RetryAfter::Date(DateForm::Rfc850, Offset::from_millis(3_000));
        assert_eq!(read("rfc850:3s"), Ok(three));
        assert_eq!(read("ms:1500").unwrap().header(at), ("x-amz-retry-after", "1500".to_owned()));
        assert_eq!(read("soon").unwrap().header(at), ("retry-after", "soon".to_owned()));
        assert!(read("1\r\nx: y").is_err());
        assert!(read("date:soon").is_err());
    }

    #[test]
    fn a_chance_befalls_its_part_and_the_same_ones_for_the_same_seed() {
        let fault = Fault {
            from: Offset::ALWAYS,
            until: Offset::NEVER,
            service: None,
            operation: None,
            id: None,
            every: 1,
            chance: 0.3,
            kind: FaultKind::Hang,
        };
        let call = Call { service: Service::Chime, operation: Operation::Other, id: String::new() };
        let run = |seed| {
            let mut faults = Faults::new(vec![fault.clone()], seed);
            let mut hit = || faults.befall(&call, Offset::START).delivery == Delivery::Hang;
            (0..10_000).map(|_| hit()).collect::<Vec<bool>>()
        };
        let hits = run(1).iter().filter(|hit| **hit).count();
        assert!((2_850..3_150).contains(&hits), "{hits}");
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}
