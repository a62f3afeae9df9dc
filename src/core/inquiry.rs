//! Who else holds a number: a retry of a failed claim may have made a new id, and then nothing is lost.
//!
//! # Expected flow
//! It is asked before a window's warnings and its end, and before a number is called released, after the look at the id
//! itself. An inquiry is several requests, each with a token of its own: pages of the account's numbers, then the other
//! ids that were found there. [`Inquiry::errand`] is what to ask next; [`Inquiry::answered`] takes what came and says what
//! is known by then, [`Elsewhere::Searching`] until it is over.

use super::cadence::{self, FRESH};
use super::observation::{Elsewhere, Observation, Progress, Reach, Sighting, Word};
use super::state::{Order, Other, Status, Subject};
use super::time::Timestamp;

/// Pages of the list that are read. One holds up to a thousand numbers and the list is asked for a prefix, so that a
/// second one is rare; a list that never ends is not listened to.
const PAGES_MAX: u32 = 20;

/// Other ids that are looked at. A number is held once; a few more may be left over from failed claims.
const HOLDERS_MAX: usize = 5;

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

/// Whether it is time to ask who else holds the number of an order: something is about to be said of it, and the last
/// answer is not fresh.
pub fn is_wanted(order: &Order, now: Timestamp) -> bool {
    let Subject::Connect(connect) = &order.state.subject else { return false };
    if number(order).is_none() {
        return false;
    }
    // Where nothing is known of this number, it was another one that was asked about.
    let asked = order.looked.elsewhere_at.filter(|at| *at <= now && connect.other != Other::NotAsked);
    let releasable = order.state.numbers.get(&connect.current).is_some_and(|number| match number.status {
        Status::InProgress { .. } | Status::Claimed { .. } | Status::Failed { .. } => true,
        Status::NeverSeen | Status::Released { .. } => false,
    });
    if let Some(since) = order.state.doubted_since().filter(|_| releasable)
        && asked.is_none_or(|at| at < since)
    {
        return true;
    }
    cadence::next_alert(order).is_some_and(|at| at <= now.plus(FRESH))
        && asked.is_none_or(|at| now.since(at) > FRESH)
}

/// The number to ask for: the one the id stands for, else the declared one.
fn number(order: &Order) -> Option<&str> {
    let Subject::Connect(connect) = &order.state.subject else { return None };
    Some(connect.current.as_str()).filter(|number| !number.is_empty()).or(order
        .watch
        .declared
        .number
        .as_deref())
}

/// An inquiry that is going on. Not stored: one that a restart cuts short is begun anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inquiry {
    number: String,
    /// The asking order's own id.
    own: String,
    stage: Stage,
    /// Other ids that are still to be looked at.
    holders: Vec<Holder>,
    /// The best that was found.
    found: Option<(String, Option<Word<Progress>>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    List { token: Option<String>, pages: u32 },
    Holder(Holder),
}

impl Inquiry {
    /// An inquiry about an order's number, if that is known.
    pub fn begin(order: &Order) -> Option<Self> {
        Some(Self {
            number: number(order)?.to_owned(),
            own: order.watch.key.id.clone(),
            stage: Stage::List { token: None, pages: 0 },
            holders: Vec::new(),
            found: None,
        })
    }

    /// What to ask next.
    pub fn errand(&self) -> Errand {
        match &self.stage {
            Stage::List { token, .. } => {
                Errand::Holders { number: self.number.clone(), token: token.clone() }
            }
            Stage::Holder(holder) => Errand::Holder(holder.clone()),
        }
    }

    /// Takes an answer and says what is known by then.
    ///
    /// Throttled and refused credentials leave the inquiry where it is; what else goes wrong ends it, since an alert does
    /// not wait for more than it needs.
    pub fn answered(&mut self, answer: Answer) -> Observation {
        let found = match answer {
            Answer::Page(page) => self.page(page),
            Answer::Observed(Observation::Seen(Sighting::Connect(seen))) => {
                self.holder(seen.number.as_deref(), seen.status)
            }
            // Gone meanwhile, or nothing that a Connect id could be: it does not hold the number.
            Answer::Observed(Observation::Missing { .. } | Observation::Seen(Sighting::Chime(_))) => {
                self.next()
            }
            Answer::Observed(Observation::Malformed { detail }) => {
                Elsewhere::Unknown { why: detail, refused: None }
            }
            Answer::Observed(Observation::Denied { reach: Reach::Order, code, message, .. }) => {
                let why = message.map_or_else(|| code.clone(), |message| format!("{code}: {message}"));
                Elsewhere::Unknown { why, refused: Some(code) }
            }
            Answer::Observed(
                other @ (Observation::Throttled { .. }
                | Observation::Unavailable { .. }
                | Observation::Denied { reach: Reach::Scope, .. }
                | Observation::Elsewhere(_)
                | Observation::Elapsed),
            ) => return other,
        };
        Observation::Elsewhere(found)
    }

    /// Whether it goes on after what an answer said: with its next request, or with the same one again.
    pub fn goes_on_after(&self, observation: &Observation) -> bool {
        matches!(
            observation,
            Observation::Elsewhere(Elsewhere::Searching)
                | Observation::Throttled { .. }
                | Observation::Denied { reach: Reach::Scope, .. }
        )
    }

    fn page(&mut self, page: Page) -> Elsewhere {
        let Stage::List { token, pages } = &mut self.stage else { return self.next() };
        for holder in page.holders {
            let known = self.holders.iter().any(|known| known.id == holder.id);
            if holder.id != self.own && !known && self.holders.len() < HOLDERS_MAX {
                self.holders.push(holder);
            }
        }
        *pages += 1;
        if page.next.is_some() && page.next != *token && *pages < PAGES_MAX {
            *token = page.next;
            return Elsewhere::Searching;
        }
        self.next()
    }

    fn holder(&mut self, number: Option<&str>, status: Option<Word<Progress>>) -> Elsewhere {
        if let Stage::Holder(holder) = &self.stage
            && number.is_none_or(|number| number == self.number)
        {
            let rank = |status: &Option<Word<Progress>>| match status.as_ref().and_then(|word| word.known) {
                Some(Progress::Claimed) => 2,
                Some(Progress::InProgress) => 1,
                Some(Progress::Failed) | None => 0,
            };
            if self.found.as_ref().is_none_or(|(_, best)| rank(&status) > rank(best)) {
                self.found = Some((holder.id.clone(), status));
            }
        }
        self.next()
    }

    /// Goes on to the next id, or ends with the best of them.
    fn next(&mut self) -> Elsewhere {
        if let Some(holder) = self.holders.pop() {
            self.stage = Stage::Holder(holder);
            return Elsewhere::Searching;
        }
        match self.found.take() {
            Some((by, status)) => Elsewhere::Held { by, status },
            None => Elsewhere::Nobody,
        }
    }
}
