//! Asking once for many: a scope's list is read page by page instead of looking at each order, when more orders are due
//! than the list has pages.
//!
//! # Expected flow
//! [`Sweeps::consider`] begins one; [`Sweeps::errand`] is the page to ask for next, [`Sweeps::asked`] says that it is under
//! way, [`Sweeps::answered`] and [`Sweeps::failed`] take what came. Each page draws a token of its own, so that urgent looks
//! go between two of them.
//!
//! # Guarantees
//! A sweep ends: at the last page, when it has read more pages than orders were due, at a token that came before, at 2,000
//! pages, when its token expires a second time, when nobody waits for the rest, or when the list is refused or does not
//! work. Who was due when it began and was not in the list is looked at by itself. The token is the service's own affair:
//! kept as it came, never read.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::observation::{ChimeOrder, Observation};
use super::order::Provider;
use super::schedule::Lane;
use super::time::{Now, Tick, Timestamp};

/// A list is not read any further: no account has two hundred thousand orders.
const PAGES_MOST: u32 = 2000;
/// How long the length of a list is believed.
const KNOWN_FOR: Duration = Duration::from_hours(24);
/// With fewer orders due a list of unknown length is not tried.
const FIRST_LEAST: usize = 3;
/// A list that was not read to its end is tried again when more than so many times as many orders are due as pages were
/// read.
const UNKNOWN_FACTOR: usize = 2;
/// Outages in a row that end a sweep: the list may not work while the looks do.
const OUTAGES_MOST: u32 = 3;
/// Refusals for quota that end a sweep if no page comes between them: the list may have a quota of its own, and those who
/// wait for it one that is not used up.
const THROTTLED_MOST: u32 = 3;
/// A refusal for quota that asks for a longer wait than this ends a sweep at once.
const HOLD_MOST: Duration = Duration::from_secs(10);
/// A sweep that was cut short is gone on with for so long; a token may not be good for longer, and what was due then is old.
const RESUMED_WITHIN: Duration = Duration::from_mins(10);
/// After a sweep that failed there is none for so long, doubled with each one in a row,
const PAUSE_FIRST: Duration = Duration::from_mins(1);
/// up to this.
const PAUSE_MOST: Duration = Duration::from_hours(1);

/// One row of a list.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// An order of Amazon Chime with its status, as a look would show it.
    Order {
        /// The bare id, lower case.
        id: String,
        /// What it says.
        seen: ChimeOrder,
    },
    /// A number of Amazon Connect is there; the list does not say in which status.
    Number {
        /// The bare id, lower case.
        id: String,
    },
}

/// One page of a list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// What could be read of its rows.
    pub rows: Vec<Row>,
    /// The token of the next page, if there is one.
    pub next: Option<String>,
}

/// What asking for a page brought.
#[derive(Debug, Clone, PartialEq)]
pub enum Listed {
    /// The page.
    Page(Page),
    /// What went wrong.
    Observed(Observation),
}

/// What is known of the length of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Length {
    /// Pages that were read.
    pub pages: u32,
    /// Whether that was all.
    pub whole: bool,
    /// When.
    pub at: Timestamp,
}

/// A sweep that is going on, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// The token of the page that comes next.
    pub token: String,
    /// Pages that were read.
    pub pages: u32,
    /// Pages that may be read.
    pub most: u32,
    /// When it began.
    pub began: Timestamp,
}

/// The sweeps of one scope.
#[derive(Debug)]
pub struct Sweeps {
    provider: Provider,
    length: Option<Length>,
    running: Option<Sweep>,
    paused_until: Tick,
    failures: u32,
    /// The calls that could be made while a page is waited for, itself among them.
    page_costs: f64,
}

#[derive(Debug)]
struct Sweep {
    began: Timestamp,
    /// The page to ask for; none is the first.
    token: Option<String>,
    /// Whether its answer is awaited.
    asked: bool,
    pages: u32,
    /// As many pages as orders were due: with more it does not pay.
    most: u32,
    /// Hashes of the tokens that came, since a token may be long.
    tokens: BTreeSet<u64>,
    expired: bool,
    outages: u32,
    throttled: u32,
    /// Whose turn it is in the lane: a page's, or a look's that no list helps.
    page_next: bool,
}

/// What became of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It goes on, or there is none.
    On,
    /// It has read the whole list. Who was due by this time and was not in it is looked at by itself.
    Through(Timestamp),
    /// It is over before the list's end: that is too far away to pay, or nobody is left who waits for the rest.
    Enough,
    /// It is over because something is wrong with the list, which is not asked for a while.
    Failed {
        /// What.
        why: String,
    },
}

impl Sweep {
    fn new(began: Timestamp, most: u32) -> Self {
        Self {
            began,
            token: None,
            asked: false,
            pages: 0,
            most,
            tokens: BTreeSet::new(),
            expired: false,
            outages: 0,
            throttled: 0,
            page_next: true,
        }
    }
}

impl Sweeps {
    /// None running.
    pub fn new(provider: Provider) -> Self {
        Self { provider, length: None, running: None, paused_until: Tick::ZERO, failures: 0, page_costs: 1.0 }
    }

    /// Takes up what was remembered of the list's length, and of a sweep that was cut short: it goes on at its page, or
    /// whoever is in the last ones would never be reached by a process that is killed again and again.
    pub fn resume(&mut self, length: Option<Length>, unfinished: Option<&Unfinished>, now: Timestamp) {
        self.length = length.filter(|length| length.at <= now);
        let recent = |sweep: &&Unfinished| sweep.began <= now && now.since(sweep.began) <= RESUMED_WITHIN;
        self.running = unfinished.filter(recent).map(|sweep| Sweep {
            token: Some(sweep.token.clone()),
            pages: sweep.pages,
            ..Sweep::new(sweep.began, sweep.most)
        });
    }

    /// What is to be remembered of a sweep that is going on.
    pub fn unfinished(&self) -> Option<Unfinished> {
        let sweep = self.running.as_ref()?;
        let token = sweep.token.clone()?;
        Some(Unfinished { token, pages: sweep.pages, most: sweep.most, began: sweep.began })
    }

    /// What is known of the list's length.
    pub fn length(&self) -> Option<Length> {
        self.length
    }

    /// The lane whose tokens the pages take. A list of Connect tells only that numbers are there, which is enough for
    /// those that are done.
    pub fn lane(&self) -> Lane {
        match self.provider {
            Provider::Chime => Lane::Pending,
            Provider::Connect => Lane::Verify,
        }
    }

    /// Whether a list answers for a lane's orders.
    pub fn covers(&self, lane: Lane) -> bool {
        match (self.provider, lane) {
            (Provider::Chime, Lane::Pending | Lane::Verify) | (Provider::Connect, Lane::Verify) => true,
            (Provider::Chime, Lane::Urgent) | (Provider::Connect, Lane::Urgent | Lane::Pending) => false,
        }
    }

    /// A page takes the time of so many calls: one, unless the list answers slowly or has a narrow bucket of its own.
    pub fn page_costs(&mut self, calls: f64) {
        self.page_costs = calls.clamp(1.0, f64::from(PAGES_MOST));
    }

    /// The pages that take as long as looks at so many orders would.
    fn pages_worth(&self, due: usize) -> u32 {
        let pages = f64::from(u32::try_from(due).unwrap_or(u32::MAX)) / self.page_costs;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from zero to u32::MAX")]
        let pages = pages as u32;
        pages
    }

    /// The calls that take as long as so many pages.
    fn calls_of(&self, pages: u32) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 2,000 times u32::MAX"
        )]
        let calls = (f64::from(pages) * self.page_costs).ceil() as usize;
        calls
    }

    /// Orders that have to be due so that the list is read instead: more than it has pages.
    fn enough(&self, now: Timestamp) -> usize {
        match self.known(now) {
            None => FIRST_LEAST,
            Some(Length { pages, whole: true, .. }) => pages as usize + 1,
            Some(Length { pages, whole: false, .. }) => UNKNOWN_FACTOR * pages as usize + 1,
        }
    }

    fn known(&self, now: Timestamp) -> Option<Length> {
        self.length.filter(|length| length.at <= now && now.since(length.at) <= KNOWN_FOR)
    }

    /// How many calls it takes at most to know of so many orders that a list may answer for.
    pub fn calls_for(&self, due: usize, now: Now) -> usize {
        let read = self.running.as_ref().map_or(0, |sweep| sweep.pages);
        match self.known(now.wall).filter(|length| length.whole && self.paused_until <= now.tick) {
            Some(length) => due.min(self.calls_of(length.pages.saturating_sub(read).max(1))),
            None => due,
        }
    }

    /// So many orders are due that a list may answer for: begins a sweep if that is cheaper.
    pub fn consider(&mut self, due: usize, now: Now) {
        let worth = self.pages_worth(due);
        let enough = worth as usize >= self.enough(now.wall);
        if self.running.is_none() && self.paused_until <= now.tick && enough {
            self.running = Some(Sweep::new(now.wall, u32::try_from(due).unwrap_or(PAGES_MOST)));
        }
    }

    /// Whether one is running: who may be in the list waits for it.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The token of the page to ask for, if there is one to be asked for: none within is the first page.
    pub fn errand(&self) -> Option<Option<&str>> {
        self.running.as_ref().filter(|sweep| !sweep.asked).map(|sweep| sweep.token.as_deref())
    }

    /// Whether it is the turn of a page in its lane, rather than of a look that no list helps.
    pub fn goes_first(&mut self) -> bool {
        self.running.as_mut().is_some_and(|sweep| {
            sweep.page_next = !sweep.page_next;
            !sweep.page_next
        })
    }

    /// The page is asked for.
    pub fn asked(&mut self) {
        if let Some(sweep) = &mut self.running {
            sweep.asked = true;
        }
    }

    /// A page came, with the token of the next one.
    pub fn answered(&mut self, next: Option<&str>, now: Now) -> Turn {
        let Some(sweep) = &mut self.running else { return Turn::On };
        sweep.asked = false;
        sweep.outages = 0;
        sweep.throttled = 0;
        sweep.pages += 1;
        let Some(token) = next else {
            let (pages, began) = (sweep.pages, sweep.began);
            self.length = Some(Length { pages, whole: true, at: now.wall });
            self.end();
            return Turn::Through(began);
        };
        if f64::from(sweep.pages) * self.page_costs > f64::from(sweep.most) || sweep.pages >= PAGES_MOST {
            self.length = Some(Length { pages: sweep.pages, whole: false, at: now.wall });
            return self.end();
        }
        let mut hasher = DefaultHasher::new();
        token.hash(&mut hasher);
        if !sweep.tokens.insert(hasher.finish()) {
            return self.fail("its pages go round in a circle".to_owned(), now.tick);
        }
        sweep.token = Some(token.to_owned());
        Turn::On
    }

    /// The pages that are still to be read, where the length of the list is known.
    pub fn pages_left(&self, now: Timestamp) -> Option<u32> {
        let sweep = self.running.as_ref()?;
        self.known(now).filter(|length| length.whole).map(|length| length.pages.saturating_sub(sweep.pages))
    }

    /// Nobody waits for the rest.
    pub fn end(&mut self) -> Turn {
        self.running = None;
        self.failures = 0;
        Turn::Enough
    }

    /// No page came, for this reason.
    pub fn failed(&mut self, why: &Observation, now: Tick) -> Turn {
        let Some(sweep) = &mut self.running else { return Turn::On };
        sweep.asked = false;
        let outages = std::mem::take(&mut sweep.outages);
        match why {
            // The quota's affair: the page is asked for again, unless those who may be in the list would wait too long.
            Observation::Throttled { retry_after } => {
                sweep.throttled += 1;
                let hold = retry_after.unwrap_or_default();
                if sweep.throttled < THROTTLED_MOST && hold <= HOLD_MOST {
                    return Turn::On;
                }
                // The rest counts from when anything may be asked again.
                self.fail("there is no quota left for it".to_owned(), now.plus(hold))
            }
            Observation::Unavailable { outage, .. } => {
                sweep.outages = outages + 1;
                if sweep.outages < OUTAGES_MOST { Turn::On } else { self.fail(outage.to_string(), now) }
            }
            Observation::Malformed { .. } if sweep.token.is_some() && !sweep.expired => {
                // The token expired, as likely as not: from the beginning once more.
                sweep.token = None;
                sweep.expired = true;
                sweep.pages = 0;
                sweep.tokens.clear();
                Turn::On
            }
            Observation::Malformed { detail } => {
                let detail = detail.clone();
                self.fail(detail, now)
            }
            Observation::Denied { code, message, .. } => {
                let why =
                    message.as_ref().map_or_else(|| code.clone(), |message| format!("{code}: {message}"));
                self.fail(why, now)
            }
            Observation::Missing { .. } => self.fail("there is no such list".to_owned(), now),
            Observation::Seen(_)
            | Observation::Elsewhere(_)
            | Observation::Elapsed
            | Observation::Acknowledged => self.fail("it is no list".to_owned(), now),
        }
    }

    /// A page that was to be asked for was not.
    pub fn abandoned(&mut self) {
        if let Some(sweep) = &mut self.running {
            sweep.asked = false;
        }
    }

    fn fail(&mut self, why: String, now: Tick) -> Turn {
        self.running = None;
        self.failures = self.failures.saturating_add(1);
        let pause = PAUSE_FIRST.saturating_mul(1 << (self.failures - 1).min(16)).min(PAUSE_MOST);
        self.paused_until = now.plus(pause);
        Turn::Failed { why }
    }
}
