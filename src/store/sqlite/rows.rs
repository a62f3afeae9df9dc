//! Rows: what goes in as JSON, a statement a table, and what comes out.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::error;
use crate::core::event::OpenWindow;
use crate::core::order::{Declared, ListTerms, OrderKey, Provider, Stream, Watch};
use crate::core::record::Record;
use crate::core::schedule::Lane;
use crate::core::scope::ScopeMemory;
use crate::core::standing::Standing;
use crate::core::state::{Ahead, Looked, Number, Order, State};
use crate::core::time::Timestamp;
use crate::store::{Change, Scheduled, StoreError};

/// The part of a row that a look alone changes.
#[derive(Debug, Serialize)]
pub(super) struct LookedRow {
    stream: String,
    due_at: Option<i64>,
    decided_at: Option<i64>,
    wake_at: Option<i64>,
    answered_at: Option<i64>,
    not_failed_at: Option<i64>,
    elsewhere_at: Option<i64>,
    faults: u32,
    lane: &'static str,
    ahead_at: Option<i64>,
    ahead_of: Option<i64>,
}

impl LookedRow {
    pub(super) fn new(stream: Stream, looked: &Looked) -> Self {
        Self {
            stream: stream.to_string(),
            due_at: looked.due_at.map(Timestamp::as_millis),
            decided_at: looked.decided_at.map(Timestamp::as_millis),
            wake_at: looked.wake_at.map(Timestamp::as_millis),
            answered_at: looked.answered_at.map(Timestamp::as_millis),
            not_failed_at: looked.not_failed_at.map(Timestamp::as_millis),
            elsewhere_at: looked.elsewhere_at.map(Timestamp::as_millis),
            faults: looked.faults,
            lane: looked.lane.as_str(),
            ahead_at: looked.ahead.map(|ahead| ahead.at.as_millis()),
            ahead_of: looked.ahead.map(|ahead| ahead.of.as_millis()),
        }
    }
}

/// An order's row, and the generation that it is guarded by.
#[derive(Debug, Serialize)]
pub(super) struct OrderRow<'a> {
    was: u64,
    provider: Provider,
    account: &'a str,
    region: &'a str,
    id: &'a str,
    list: &'a str,
    declared: &'a Declared,
    tracked: bool,
    generation: u64,
    state: &'a State,
    #[serde(flatten)]
    looked: LookedRow,
    #[serde(flatten)]
    standing: StandingRow,
}

/// Where an order stands.
#[derive(Debug, Serialize)]
pub(super) struct StandingRow {
    pub(super) standing: &'static str,
    pub(super) urgency: u8,
    pub(super) place: i64,
    pub(super) windows: u32,
    pub(super) unacknowledged: u32,
}

impl StandingRow {
    pub(super) fn of(order: &Order) -> Self {
        let Standing { word, urgency, place, windows, unacknowledged } = order.standing();
        Self { standing: word, urgency: urgency.rank(), place, windows, unacknowledged }
    }
}

impl<'a> OrderRow<'a> {
    pub(super) fn new(stream: Stream, change: &'a Change) -> Self {
        let order = &change.order;
        let key = &order.watch.key;
        Self {
            was: change.was,
            provider: key.provider,
            account: &key.account,
            region: &key.region,
            id: &key.id,
            list: &order.watch.terms.name,
            declared: &order.watch.declared,
            tracked: order.tracked,
            generation: order.generation,
            state: &order.state,
            looked: LookedRow::new(stream, &order.looked),
            standing: StandingRow::of(order),
        }
    }
}

/// A number's row.
#[derive(Debug, Serialize)]
pub(super) struct NumberRow<'a> {
    pub(super) stream: String,
    pub(super) number: &'a str,
    pub(super) state: &'a Number,
}

/// An event's row.
#[derive(Debug, Serialize)]
pub(super) struct EventRow<'a> {
    pub(super) seq: u64,
    pub(super) stream: &'a str,
    pub(super) record: &'a Record,
}

/// A row of the history.
#[derive(Debug, Serialize)]
pub(super) struct TransitionRow<'a> {
    stream: String,
    generation: u64,
    n: usize,
    seq: u64,
    event: &'a str,
    number: Option<&'a str>,
    from: Option<&'a str>,
    to: Option<&'a str>,
    raw: Option<&'a str>,
    reason: Option<&'a str>,
    at: Option<i64>,
    observed_after: Option<i64>,
}

impl<'a> TransitionRow<'a> {
    /// The rows that the records of a change leave in the history.
    pub(super) fn of(
        stream: Stream,
        generation: u64,
        records: &'a [Record],
    ) -> impl Iterator<Item = Self> + 'a {
        records.iter().enumerate().filter(|(_, record)| is_history(record)).map(move |(n, record)| Self {
            stream: stream.to_string(),
            generation,
            n,
            seq: record.seq,
            event: &record.event,
            number: record.number.as_deref(),
            from: record.from.as_deref(),
            to: record.to.as_deref(),
            raw: record.raw.as_deref(),
            reason: record.reason.as_deref(),
            at: record.time.map(Timestamp::as_millis),
            observed_after: record.observed_after.map(Timestamp::as_millis),
        })
    }
}

/// Whether a record tells what became of an order, rather than of our watching it.
fn is_history(record: &Record) -> bool {
    !matches!(record.event.as_str(), "order.tracked" | "order.untracked")
}

/// A scope's row.
#[derive(Debug, Serialize)]
pub(super) struct ScopeRow<'a> {
    pub(super) provider: Provider,
    pub(super) account: &'a str,
    pub(super) region: &'a str,
    pub(super) memory: &'a ScopeMemory,
}

/// A watch list's row.
#[derive(Debug, Serialize)]
pub(super) struct ListRow<'a> {
    pub(super) terms: &'a ListTerms,
    pub(super) content_hash: &'a str,
}

/// Terms that were read, so that orders of one list share theirs.
#[derive(Debug, Default)]
pub(super) struct SharedTerms(HashMap<String, Arc<ListTerms>>);

/// Reads an order with its numbers and its list's terms.
pub(super) fn order(row: &SqliteRow, shared: &mut SharedTerms) -> Result<Order, StoreError> {
    let key = key(row)?;
    let list: String = get(row, "list")?;
    let terms = if let Some(terms) = shared.0.get(&list) {
        Arc::clone(terms)
    } else {
        let terms: Arc<ListTerms> = Arc::new(json(row, "terms")?);
        shared.0.insert(list, Arc::clone(&terms));
        terms
    };
    let mut state: State = json(row, "state")?;
    state.numbers = json::<BTreeMap<String, Number>>(row, "numbers")?;
    Ok(Order {
        watch: Watch { key, declared: json(row, "declared")?, terms },
        tracked: get(row, "tracked")?,
        generation: unsigned(row, "generation")?,
        state,
        looked: looked(row)?,
        clock_in_doubt: false,
    })
}

/// Reads the bookkeeping of looks.
fn looked(row: &SqliteRow) -> Result<Looked, StoreError> {
    let lane: String = get(row, "lane")?;
    let ahead = time(row, "ahead_at")?.zip(time(row, "ahead_of")?);
    Ok(Looked {
        due_at: time(row, "due_at")?,
        decided_at: time(row, "decided_at")?,
        wake_at: time(row, "wake_at")?,
        answered_at: time(row, "answered_at")?,
        not_failed_at: time(row, "not_failed_at")?,
        elsewhere_at: time(row, "elsewhere_at")?,
        faults: get(row, "faults")?,
        lane: Lane::parse(&lane).ok_or_else(|| error::unreadable("a lane", &lane))?,
        ahead: ahead.map(|(at, of)| Ahead { at, of }),
    })
}

/// Reads an order's key.
pub(super) fn key(row: &SqliteRow) -> Result<OrderKey, StoreError> {
    Ok(OrderKey {
        provider: provider(row)?,
        account: get(row, "account")?,
        region: get(row, "region")?,
        id: get(row, "id")?,
    })
}

/// Reads an order's place in the schedule.
pub(super) fn scheduled(row: &SqliteRow) -> Result<Scheduled, StoreError> {
    let stream: String = get(row, "stream")?;
    Ok(Scheduled {
        stream: Stream::parse(&stream).ok_or_else(|| error::unreadable("an order's stream", &stream))?,
        provider: provider(row)?,
        account: get(row, "account")?,
        region: get(row, "region")?,
        looked: looked(row)?,
    })
}

/// A retry window that is open.
pub(super) fn open_window(row: &SqliteRow) -> Result<OpenWindow, StoreError> {
    let earliest: String = get(row, "window_earliest")?;
    let earliest =
        Timestamp::parse(&earliest).ok_or_else(|| error::unreadable("window_earliest", &earliest))?;
    let (number, order_id, list) = (get(row, "number")?, get(row, "id")?, get(row, "list")?);
    Ok(OpenWindow { number, order_id, list, earliest })
}

/// Reads the service.
pub(super) fn provider(row: &SqliteRow) -> Result<Provider, StoreError> {
    let word: String = get(row, "provider")?;
    [Provider::Chime, Provider::Connect]
        .into_iter()
        .find(|provider| provider.as_str() == word)
        .ok_or_else(|| error::unreadable("a provider", &word))
}

/// Reads a JSON column.
pub(super) fn json<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<T, StoreError> {
    let text: &str = row.try_get(column).map_err(error::in_use)?;
    serde_json::from_str(text).map_err(|bad| error::unreadable(column, &bad))
}

/// Reads a column.
pub(super) fn get<'r, T>(row: &'r SqliteRow, column: &str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(column).map_err(error::in_use)
}

/// Reads a count.
pub(super) fn unsigned(row: &SqliteRow, column: &str) -> Result<u64, StoreError> {
    let value: i64 = get(row, column)?;
    u64::try_from(value).map_err(|bad| error::unreadable(column, &bad))
}

/// Reads a time in milliseconds.
pub(super) fn time(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>, StoreError> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_millis))
}

/// A count as SQLite takes it.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
