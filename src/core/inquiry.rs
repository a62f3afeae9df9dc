//! Who else holds a number: a retry of a failed claim may have made a new id, and then nothing is lost.

use super::observation::Observation;

/// What one request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// The order itself, by the id as it is put in the request:
    /// [`Declared::ask`](crate::core::order::Declared::ask).
    Itself(String),
    /// Which ids hold a number: one page of the account's numbers.
    Holders {
        /// The number, E.164.
        number: String,
        /// The page: the token that the page before gave; `None` is the first.
        token: Option<String>,
    },
    /// Another id that holds a number.
    Holder(Holder),
}

/// An id that holds a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The bare id, lower case.
    pub id: String,
    /// The id as it is put in the request: the ARN where the list gave one.
    pub ask: String,
}

/// A page of the ids that hold a number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The ids that hold exactly this number, the asking order's own among them.
    pub holders: Vec<Holder>,
    /// The token of the next page, if there is one.
    pub next: Option<String>,
}

/// What one request brought.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// What was observed of the id that was asked for, or what went wrong.
    Observed(Observation),
    /// A page of holders.
    Page(Page),
}
