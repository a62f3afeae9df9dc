//! What one look said, or that a time which matters has come.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The outcome of one look, as far as it concerns the order, its scope, or the service.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Observation {
    /// The service described the order.
    Seen(Sighting),
    /// The service's own not-found code: it knows of no such order.
    Missing {
        /// The service's message.
        message: Option<String>,
        /// Whether the whole scope may be missing, so that this confirms nothing
        /// (see [`suspicion`](super::suspicion)).
        suspect: bool,
    },
    /// Who else holds the number of this id was asked.
    Elsewhere(Elsewhere),
    /// The account's quota is used up. Nobody's fault.
    Throttled {
        /// How long the service asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The service, or something on the way to it, does not work.
    Unavailable {
        /// What happened.
        outage: Outage,
        /// How long the service asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The service refuses the caller.
    Denied {
        /// Whom it concerns.
        reach: Reach,
        /// The error code, or what stands for it.
        code: String,
        /// The service's message.
        message: Option<String>,
        /// How far the service's clock is ahead of ours in seconds, where that is over two minutes.
        clock_offset_s: Option<i64>,
    },
    /// The request or the answer makes no sense: this order's own fault until three orders in a row say the same.
    Malformed {
        /// What is wrong, for people.
        detail: String,
    },
    /// Nothing was looked at, but a time that matters has come.
    #[default]
    Elapsed,
    /// Nothing was looked at: a person says that the open windows are known of, and need no more warnings.
    Acknowledged,
}

impl Observation {
    /// Whether it says something of what shares a quota, whatever was asked for: that calls are refused to it, or have no
    /// answer.
    pub fn is_of_the_scope(&self) -> bool {
        match self {
            Self::Throttled { .. } | Self::Unavailable { .. } | Self::Denied { reach: Reach::Scope, .. } => {
                true
            }
            Self::Seen(_)
            | Self::Missing { .. }
            | Self::Elsewhere(_)
            | Self::Denied { reach: Reach::Order, .. }
            | Self::Malformed { .. }
            | Self::Elapsed
            | Self::Acknowledged => false,
        }
    }
}

/// Who else holds the number of an id: a retry may have made a new id for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elsewhere {
    /// The inquiry goes on; nothing is known yet.
    Searching,
    /// No other id holds it.
    Nobody,
    /// Another id holds it.
    Held {
        /// That id.
        by: String,
        /// Its status, if it had one.
        status: Option<Word<Progress>>,
    },
    /// It could not be asked.
    Unknown {
        /// Why, for people.
        why: String,
        /// The error code, where it is refused: then a person has to act.
        refused: Option<String>,
    },
}

/// What did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outage {
    /// An HTTP status that means trouble at the other end, or a bare 404 of something in between.
    Status(u16),
    /// No answer in time.
    Timeout,
    /// No connection: refused, reset, unresolved, TLS.
    Connection(String),
    /// The answer ended early or was larger than the limit.
    Body(String),
    /// No credentials could be had, for a reason that passes (a metadata service that does not answer).
    Credentials(String),
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "HTTP {status}"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Connection(detail) => write!(f, "no connection: {detail}"),
            Self::Body(detail) => write!(f, "unusable answer: {detail}"),
            Self::Credentials(detail) => write!(f, "no credentials: {detail}"),
        }
    }
}

/// Whom a refusal concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The credentials: no order of the scope can be looked at.
    Scope,
    /// Perhaps this order only: access denied.
    Order,
}

/// What the service said of an order it knows.
#[derive(Debug, Clone, PartialEq)]
pub enum Sighting {
    /// A Chime phone-number order.
    Chime(ChimeOrder),
    /// A Connect phone number.
    Connect(ConnectNumber),
}

/// Which kind of call an answer came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Source {
    /// A call about this order alone.
    #[default]
    Own,
    /// A list of many, which may be behind.
    List,
}

/// A Chime phone-number order as the service describes it. Nothing in it is required.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChimeOrder {
    /// Where it was described.
    pub source: Source,
    /// The order's status, if it had one.
    pub status: Option<Word<ChimeStatus>>,
    /// Whether it is a porting order.
    pub porting: bool,
    /// The ordered numbers with their statuses. A number without E.164 is left out.
    pub numbers: Vec<ChimeNumber>,
    /// When the service last changed it.
    pub updated_at: Option<Timestamp>,
    /// The firm order commitment date of a porting order, where it could be read.
    pub foc_date: Option<Timestamp>,
}

/// One number of a Chime order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChimeNumber {
    /// E.164.
    pub number: String,
    /// Its status, if it had one.
    pub status: Option<Word<Progress>>,
}

/// A Connect phone number as the service describes it. Nothing in it is required.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectNumber {
    /// E.164, if it was there.
    pub number: Option<String>,
    /// The status, if it was there.
    pub status: Option<Word<Progress>>,
    /// The status message.
    pub message: Option<String>,
    /// The instance or traffic distribution group it is claimed to.
    pub target: Option<String>,
}

/// A provider's word: ours where we know it, and always their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word<T> {
    /// As the provider wrote it.
    pub raw: String,
    /// What it means, if anybody knows.
    pub known: Option<T>,
}

/// Where a number stands, in the words both providers share: Connect's `IN_PROGRESS/CLAIMED/FAILED`, Chime's
/// `Processing/Acquired/Failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Progress {
    /// Not decided.
    InProgress,
    /// Ours.
    Claimed,
    /// Refused.
    Failed,
}

/// The eleven statuses of a Chime phone-number order (`PhoneNumberOrderStatus` of chime-sdk-voice).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ChimeStatus {
    /// The beginning of an order of new numbers.
    Processing,
    /// All numbers were acquired.
    Successful,
    /// None was.
    Failed,
    /// Some were.
    Partial,
    /// Porting: documents are missing. A person has to act.
    PendingDocuments,
    /// Porting: sent to the carrier.
    Submitted,
    /// Porting: the firm order commitment date is set.
    Foc,
    /// Porting: a change is being worked on.
    ChangeRequested,
    /// Porting: details are missing. A person has to act. Not an end, despite the word.
    Exception,
    /// Porting: a cancellation is being worked on.
    CancelRequested,
    /// Porting: cancelled.
    Cancelled,
}

impl ChimeStatus {
    /// All of them, in the order of the service's documentation.
    pub const ALL: [Self; 11] = [
        Self::Processing,
        Self::Successful,
        Self::Failed,
        Self::Partial,
        Self::PendingDocuments,
        Self::Submitted,
        Self::Foc,
        Self::ChangeRequested,
        Self::Exception,
        Self::CancelRequested,
        Self::Cancelled,
    ];

    /// The service's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "Processing",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Partial => "Partial",
            Self::PendingDocuments => "PendingDocuments",
            Self::Submitted => "Submitted",
            Self::Foc => "FOC",
            Self::ChangeRequested => "ChangeRequested",
            Self::Exception => "Exception",
            Self::CancelRequested => "CancelRequested",
            Self::Cancelled => "Cancelled",
        }
    }

    /// Whether it is an end. One that changes again is an ordinary transition; whether that happens is not documented.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Successful | Self::Failed | Self::Partial | Self::Cancelled => true,
            Self::Processing
            | Self::PendingDocuments
            | Self::Submitted
            | Self::Foc
            | Self::ChangeRequested
            | Self::Exception
            | Self::CancelRequested => false,
        }
    }

    /// Whether it is a word of porting orders only: these take weeks.
    pub fn is_porting(self) -> bool {
        match self {
            Self::PendingDocuments
            | Self::Submitted
            | Self::Foc
            | Self::ChangeRequested
            | Self::Exception
            | Self::CancelRequested
            | Self::Cancelled => true,
            Self::Processing | Self::Successful | Self::Failed | Self::Partial => false,
        }
    }

    /// Reads the service's word, exactly as it writes it.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_says_what_did_not_work() {
        let cases = [
            (Outage::Status(503), "HTTP 503"),
            (Outage::Timeout, "no answer in time"),
            (Outage::Connection("refused".into()), "no connection: refused"),
            (Outage::Body("too large".into()), "unusable answer: too large"),
            (Outage::Credentials("no metadata".into()), "no credentials: no metadata"),
        ];
        for (outage, said) in cases {
            assert_eq!(outage.to_string(), said);
        }
    }
}
