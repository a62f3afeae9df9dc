//! Events as people and scripts are shown them: pages of records, chosen by name, level, list and order.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::core::delivery::matches;
use crate::core::event::Level;
use crate::core::record::SCHEMA;
use crate::core::time::Timestamp;
use crate::store::StoreError;
use crate::store::outbox::Delivery;
use crate::store::shown::Shown;

/// Events of a page, at most,
pub const EVENTS_MOST: u32 = 1000;
/// and where nothing else is asked for.
pub const EVENTS_USUAL: u32 = 100;
/// Events that are looked at for one page: where few of them are wanted, the page ends there, and says where to go on.
const EXAMINED_MOST: usize = 5000;
/// Events that are read at once.
const READ_AT_ONCE: u32 = 500;

/// Which events are wanted; what is left out chooses nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// A pattern of event names, in which `*` stands for any characters.
    pub event: Option<String>,
    /// The lowest level.
    pub level: Option<Level>,
    /// The watch list.
    pub list: Option<String>,
    /// Orders, by the beginning of the id, or by the number; empty is all.
    pub orders: Vec<String>,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// After this `seq`.
    After(u64),
    /// With the first that was recorded at this time or later.
    Since(Timestamp),
    /// With the last so many that are wanted.
    Last(u32),
}

/// A page of events.
#[derive(Debug, Serialize, Deserialize)]
pub struct Page {
    /// The version of what is shown.
    pub schema: u32,
    /// The records, by `seq`.
    pub events: Vec<Box<RawValue>>,
    /// The `after` of the next page.
    pub next: u64,
    /// Whether there is more by now.
    pub more: bool,
}

/// What of a record is chosen by.
#[derive(Debug, Deserialize)]
struct Chosen<'a> {
    event: &'a str,
    level: &'a str,
    #[serde(default, borrow)]
    list: Option<std::borrow::Cow<'a, str>>,
    #[serde(default, borrow)]
    order_id: Option<std::borrow::Cow<'a, str>>,
    #[serde(default, borrow)]
    number: Option<std::borrow::Cow<'a, str>>,
}

impl Choice {
    /// Whether nothing is left out.
    fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a record is wanted. One that cannot be read is: better shown than lost.
    pub fn wants(&self, json: &str) -> bool {
        if self.is_all() {
            return true;
        }
        let Ok(record) = serde_json::from_str::<Chosen<'_>>(json) else { return true };
        let named = self.event.as_ref().is_none_or(|pattern| matches(pattern, record.event));
        let loud =
            self.level.is_none_or(|least| Level::parse(record.level).is_none_or(|level| level >= least));
        let listed = self.list.as_ref().is_none_or(|list| record.list.as_ref().is_some_and(|of| of == list));
        let is_of = |wanted: &String| {
            record.order_id.as_ref().is_some_and(|id| id.starts_with(wanted.as_str()))
                || record.number.as_ref().is_some_and(|number| number == wanted)
        };
        named && loud && listed && (self.orders.is_empty() || self.orders.iter().any(is_of))
    }
}

fn raw(delivery: Delivery) -> Option<Box<RawValue>> {
    RawValue::from_string(delivery.json).ok()
}

/// A page of events.
pub async fn page<S: Shown>(store: &S, choice: &Choice, from: From, limit: u32) -> Result<Page, StoreError> {
    match from {
        From::After(after) => forward(store, choice, after, limit).await,
        From::Since(time) => forward(store, choice, store.before(time).await?, limit).await,
        From::Last(count) => last(store, choice, count.min(limit)).await,
    }
}

async fn forward<S: Shown>(store: &S, choice: &Choice, after: u64, limit: u32) -> Result<Page, StoreError> {
    let (mut events, mut next, mut examined) = (Vec::new(), after, 0);
    let mut more = true;
    while more && events.len() < limit as usize && examined < EXAMINED_MOST {
        let wanted = if choice.is_all() { limit.min(READ_AT_ONCE) } else { READ_AT_ONCE };
        let read = store.events(next, wanted).await?;
        more = read.len() >= wanted as usize;
        examined += read.len();
        let count = read.len();
        for (n, delivery) in read.into_iter().enumerate() {
            next = delivery.seq;
            if choice.wants(&delivery.json) {
                events.extend(raw(delivery));
            }
            if events.len() >= limit as usize {
                more |= n + 1 < count;
                break;
            }
        }
    }
    Ok(Page { schema: SCHEMA, events, next, more })
}

async fn last<S: Shown>(store: &S, choice: &Choice, count: u32) -> Result<Page, StoreError> {
    let newest = store.last_seq().await?;
    let (mut events, mut before, mut examined) = (Vec::new(), newest + 1, 0);
    while events.len() < count as usize && examined < EXAMINED_MOST {
        let read = store.events_before(before, READ_AT_ONCE).await?;
        let Some(oldest) = read.last() else { break };
        before = oldest.seq;
        examined += read.len();
        let wanted = read.into_iter().filter(|delivery| choice.wants(&delivery.json));
        events.extend(wanted.take(count as usize - events.len()).filter_map(raw));
    }
    events.reverse();
    Ok(Page { schema: SCHEMA, events, next: newest, more: false })
}
