//! The `[[fault]]` sections of a scenario file.

use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::error::Carried;
use super::fault::{Failure, FailureBody, Fault, FaultKind, Garbage, RetryAfter, Service};
use super::offset::Offset;
use super::scenario_file::{Problem, check_status};
use super::served::Operation;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultSection {
    kind: Spanned<Kind>,
    #[serde(default)]
    service: ServiceWord,
    operation: Option<Spanned<String>>,
    id: Option<String>,
    from: Option<Offset>,
    until: Option<Offset>,
    every: Option<Spanned<u64>>,
    chance: Option<Spanned<f64>>,
    status: Option<Spanned<u16>>,
    body: Option<Spanned<String>>,
    code: Option<Spanned<String>>,
    message: Option<Spanned<String>>,
    carried: Option<Spanned<Carried>>,
    retry_after: Option<Spanned<RetryAfter>>,
    delay: Option<Spanned<Offset>>,
    after_bytes: Option<Spanned<usize>>,
    clock: Option<Spanned<Offset>>,
    by: Option<Spanned<Offset>>,
}

/// A key, where it stands if it is given, and the kinds to which it means something.
type Meaning<'a> = (&'a str, Option<Range<usize>>, &'a [Kind]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Status,
    Deny,
    Slow,
    Hang,
    Reset,
    Truncate,
    Garbage,
    Skew,
    Stale,
    Stranger,
    Loop,
    ExpiredToken,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ServiceWord {
    Chime,
    Connect,
    Sts,
    #[default]
    All,
}

impl FaultSection {
    pub(super) fn check(self) -> Result<Fault, Problem> {
        self.check_keys()?;
        let operation = self.operation.as_ref().map(check_operation).transpose()?;
        if let Some(every) = self.every.as_ref().filter(|every| *every.get_ref() == 0) {
            return Err((every.span(), "`every` is 1 or more".to_owned()));
        }
        if let Some(chance) = self.chance.as_ref().filter(|chance| !(0.0..=1.0).contains(chance.get_ref())) {
            return Err((chance.span(), "`chance` is a number from 0 to 1".to_owned()));
        }
        Ok(Fault {
            from: self.from.unwrap_or(Offset::ALWAYS),
            until: self.until.unwrap_or(Offset::NEVER),
            service: match self.service {
                ServiceWord::Chime => Some(Service::Chime),
                ServiceWord::Connect => Some(Service::Connect),
                ServiceWord::Sts => Some(Service::Sts),
                ServiceWord::All => None,
            },
            operation,
            id: self.id.as_ref().map(|id| id.to_ascii_lowercase()),
            every: self.every.as_ref().map_or(1, |every| *every.get_ref()),
            chance: self.chance.as_ref().map_or(1.0, |chance| *chance.get_ref()),
            kind: self.kind()?,
        })
    }

    /// A key that means nothing to the kind is a misunderstanding worth an error.
    fn check_keys(&self) -> Result<(), Problem> {
        use Kind::{Deny, Garbage, Skew, Slow, Stale, Status, Truncate};
        let kind = *self.kind.get_ref();
        let given: [Meaning<'_>; 10] = [
            ("status", self.status.as_ref().map(Spanned::span), &[Status, Deny]),
            ("body", self.body.as_ref().map(Spanned::span), &[Status, Garbage]),
            ("code", self.code.as_ref().map(Spanned::span), &[Status, Deny]),
            ("message", self.message.as_ref().map(Spanned::span), &[Status, Deny]),
            ("carried", self.carried.as_ref().map(Spanned::span), &[Status, Deny]),
            ("retry_after", self.retry_after.as_ref().map(Spanned::span), &[Status]),
            ("delay", self.delay.as_ref().map(Spanned::span), &[Slow]),
            ("after_bytes", self.after_bytes.as_ref().map(Spanned::span), &[Truncate]),
            ("clock", self.clock.as_ref().map(Spanned::span), &[Skew]),
            ("by", self.by.as_ref().map(Spanned::span), &[Stale]),
        ];
        for (key, span, kinds) in given {
            if let Some(span) = span.filter(|_| !kinds.contains(&kind)) {
                return Err((span, format!("`{key}` means nothing to a fault of this kind")));
            }
        }
        Ok(())
    }

    fn kind(&self) -> Result<FaultKind, Problem> {
        let missing = |key: &str| (self.kind.span(), format!("a fault of this kind needs `{key}`"));
        let length = |key: &str, held: Option<&Spanned<Offset>>| -> Result<Duration, Problem> {
            Ok(held.ok_or_else(|| missing(key))?.get_ref().length())
        };
        Ok(match self.kind.get_ref() {
            Kind::Status => {
                let status = self.status.as_ref().ok_or_else(|| missing("status"))?;
                let status = check_status(Some(status), 500)?;
                let body = self.body.as_ref().map(word::<FailureBody>).transpose()?.unwrap_or_default();
                FaultKind::Status(self.failure(status, body, usual_code(status)))
            }
            Kind::Deny => {
                let status = check_status(self.status.as_ref(), 403)?;
                FaultKind::Status(self.failure(status, FailureBody::Json, "AccessDeniedException"))
            }
            Kind::Slow => FaultKind::Slow(length("delay", self.delay.as_ref())?),
            Kind::Hang => FaultKind::Hang,
            Kind::Reset => FaultKind::Reset,
            Kind::Truncate => {
                let bytes = self.after_bytes.as_ref().ok_or_else(|| missing("after_bytes"))?;
                FaultKind::Truncate(*bytes.get_ref())
            }
            Kind::Garbage => {
                FaultKind::Garbage(word::<Garbage>(self.body.as_ref().ok_or_else(|| missing("body"))?)?)
            }
            Kind::Skew => FaultKind::Skew(*self.clock.as_ref().ok_or_else(|| missing("clock"))?.get_ref()),
            Kind::Stale => FaultKind::Stale(length("by", self.by.as_ref())?),
            Kind::Stranger => FaultKind::Stranger,
            Kind::Loop => FaultKind::Loop,
            Kind::ExpiredToken => FaultKind::ExpiredToken,
        })
    }

    fn failure(&self, status: u16, body: FailureBody, code: &str) -> Failure {
        let text = |held: Option<&Spanned<String>>| held.map(|held| held.get_ref().clone());
        Failure {
            status,
            body,
            code: text(self.code.as_ref()).unwrap_or_else(|| code.to_owned()),
            message: text(self.message.as_ref()).unwrap_or_else(|| "simulated".to_owned()),
            carried: self.carried.as_ref().map(|carried| *carried.get_ref()),
            retry_after: self.retry_after.as_ref().map(|after| after.get_ref().clone()),
        }
    }
}

/// What the services call an error with that status, where the scenario does not say.
fn usual_code(status: u16) -> &'static str {
    match status {
        429 => "ThrottlingException",
        503 => "ServiceUnavailableException",
        500.. => "InternalServiceException",
        _ => "InvalidRequestException",
    }
}

/// Reads a word whose meaning depends on the fault's kind.
fn word<'de, T: Deserialize<'de>>(held: &'de Spanned<String>) -> Result<T, Problem> {
    let deserializer = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(held.get_ref());
    T::deserialize(deserializer).map_err(|error| (held.span(), error.to_string()))
}

fn check_operation(held: &Spanned<String>) -> Result<Operation, Problem> {
    use Operation::{
        DescribePhoneNumber, GetCallerIdentity, GetPhoneNumberOrder, ListPhoneNumberOrders,
        ListPhoneNumbersV2,
    };
    [GetPhoneNumberOrder, ListPhoneNumberOrders, DescribePhoneNumber, ListPhoneNumbersV2, GetCallerIdentity]
        .into_iter()
        .find(|operation| operation.name() == held.get_ref())
        .ok_or_else(|| (held.span(), format!("not an operation: {:?}", held.get_ref())))
}
