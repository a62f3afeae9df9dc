//! Writing a batch: one statement a table, since a statement costs 70 µs through sqlx whatever it does.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use sqlx::SqliteConnection;

use super::error;
use super::outbox::ChosenRow;
use super::rows::{EventRow, ListRow, LookedRow, NumberRow, OrderRow, ScopeRow, TransitionRow, signed};
use crate::core::order::Stream;
use crate::core::record::{DAEMON_STREAM, Record};
use crate::store::outbox::{Registration, Takes};
use crate::store::{Batch, Change, Committed, StoreError};

/// Rows in one statement: the gain is had by then (a batch of 500 is eight times as fast as single rows), and the JSON stays at a few
/// megabytes however large a batch is.
const ROWS_PER_STATEMENT: usize = 1000;

const UPSERT_LISTS: &str = "
    INSERT INTO lists (name, terms, content_hash, in_force)
    SELECT value ->> '$.terms.name', value -> '$.terms', value ->> '$.content_hash', 1 FROM json_each(?1) WHERE true
    ON CONFLICT (name) DO UPDATE
    SET terms = excluded.terms, content_hash = excluded.content_hash, in_force = 1";

const BEGIN_LISTS: &str = "
    INSERT INTO lists (name, terms, content_hash, in_force)
    SELECT value ->> '$.terms.name', value -> '$.terms', value ->> '$.content_hash', 1 FROM json_each(?1) WHERE true
    ON CONFLICT (name) DO UPDATE SET content_hash = excluded.content_hash, in_force = 1";

const DROP_LISTS: &str = "UPDATE lists SET in_force = 0 WHERE name IN (SELECT value FROM json_each(?1))";

const UPDATE_LOOKED: &str = "
    UPDATE orders
    SET due_at = value ->> '$.due_at', decided_at = value ->> '$.decided_at', wake_at = value ->> '$.wake_at',
        answered_at = value ->> '$.answered_at', not_failed_at = value ->> '$.not_failed_at',
        elsewhere_at = value ->> '$.elsewhere_at', faults = value ->> '$.faults', lane = value ->> '$.lane',
        ahead_at = value ->> '$.ahead_at', ahead_of = value ->> '$.ahead_of'
    FROM json_each(?1) WHERE stream = value ->> '$.stream'";

const INSERT_ORDERS: &str = "
    INSERT INTO orders (stream, provider, account, region, id, list, declared, tracked, generation, state, due_at,
        decided_at, wake_at, answered_at, not_failed_at, elsewhere_at, faults, lane, ahead_at, ahead_of, standing, urgency,
        place, windows, unacknowledged)
    SELECT value ->> '$.stream', value ->> '$.provider', value ->> '$.account', value ->> '$.region', value ->> '$.id',
        value ->> '$.list', value -> '$.declared', value ->> '$.tracked', value ->> '$.generation', value -> '$.state',
        value ->> '$.due_at', value ->> '$.decided_at', value ->> '$.wake_at', value ->> '$.answered_at',
        value ->> '$.not_failed_at', value ->> '$.elsewhere_at', value ->> '$.faults', value ->> '$.lane',
        value ->> '$.ahead_at', value ->> '$.ahead_of', value ->> '$.standing', value ->> '$.urgency',
        value ->> '$.place', value ->> '$.windows', value ->> '$.unacknowledged'
    FROM json_each(?1) WHERE true
    ON CONFLICT (stream) DO NOTHING
    RETURNING stream";

const UPDATE_ORDERS: &str = "
    UPDATE orders
    SET list = value ->> '$.list', declared = value -> '$.declared', tracked = value ->> '$.tracked',
        generation = value ->> '$.generation', state = value -> '$.state', due_at = value ->> '$.due_at',
        decided_at = value ->> '$.decided_at', wake_at = value ->> '$.wake_at', answered_at = value ->> '$.answered_at',
        not_failed_at = value ->> '$.not_failed_at', elsewhere_at = value ->> '$.elsewhere_at',
        faults = value ->> '$.faults', lane = value ->> '$.lane', ahead_at = value ->> '$.ahead_at',
        ahead_of = value ->> '$.ahead_of', standing = value ->> '$.standing', urgency = value ->> '$.urgency',
        place = value ->> '$.place', windows = value ->> '$.windows', unacknowledged = value ->> '$.unacknowledged'
    FROM json_each(?1)
    WHERE stream = value ->> '$.stream' AND generation = value ->> '$.was'
    RETURNING stream";

const UPSERT_NUMBERS: &str = "
    INSERT INTO numbers (stream, number, state)
    SELECT value ->> '$.stream', value ->> '$.number', value -> '$.state' FROM json_each(?1) WHERE true
    ON CONFLICT (stream, number) DO UPDATE SET state = excluded.state WHERE state IS NOT excluded.state";

const DELETE_NUMBERS: &str = "
    DELETE FROM numbers
    WHERE stream IN (SELECT value FROM json_each(?1, '$.streams'))
      AND (stream, number) NOT IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1, '$.numbers'))";

const TAKE_SEQS: &str = "UPDATE meta SET value = value + ?1 WHERE key = 'last_seq' RETURNING value";

const INSERT_EVENTS: &str = "
    INSERT INTO events (seq, stream, record)
    SELECT value ->> '$.seq', value ->> '$.stream', value -> '$.record' FROM json_each(?1)";

const INSERT_DELIVERIES: &str = "
    INSERT INTO deliveries (sink, seq)
    SELECT sinks.name, events.seq FROM sinks CROSS JOIN events WHERE sinks.chooses = 0 AND events.seq > ?1";

const TAKE_SINK_SEQS: &str =
    "UPDATE sinks SET last_sink_seq = last_sink_seq + ?2 WHERE name = ?1 RETURNING last_sink_seq";

pub(super) const INSERT_CHOSEN: &str = "
    INSERT INTO deliveries (sink, seq, stream, sink_seq)
    SELECT ?1, value ->> '$.seq', value ->> '$.stream', value ->> '$.sink_seq' FROM json_each(?2)";

const SAID: &str = "SELECT value FROM meta WHERE key = 'daemon_generation'";

const SAID_OF_SCOPE: &str = "
    SELECT memory ->> '$.generation' FROM scopes WHERE provider = ?1 AND account = ?2 AND region = ?3";

const INSERT_TRANSITIONS: &str = "
    INSERT INTO transitions (stream, generation, n, seq, event, number, from_word, to_word, raw, reason, at, observed_after)
    SELECT value ->> '$.stream', value ->> '$.generation', value ->> '$.n', value ->> '$.seq', value ->> '$.event',
        value ->> '$.number', value ->> '$.from', value ->> '$.to', value ->> '$.raw', value ->> '$.reason',
        value ->> '$.at', value ->> '$.observed_after'
    FROM json_each(?1)";

const UPSERT_SCOPES: &str = "
    INSERT INTO scopes (provider, account, region, memory)
    SELECT value ->> '$.provider', value ->> '$.account', value ->> '$.region', value -> '$.memory'
    FROM json_each(?1) WHERE true
    ON CONFLICT (provider, account, region) DO UPDATE SET memory = excluded.memory";

const UPSERT_RUN: &str = "
    INSERT INTO runs (chore, at) VALUES (?1, ?2) ON CONFLICT (chore) DO UPDATE SET at = excluded.at";

const SET_DAEMON_GENERATION: &str = "UPDATE meta SET value = max(value, ?1) WHERE key = 'daemon_generation'";

/// The statements over tables that grow, for the test of their plans.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    UPDATE_LOOKED,
    INSERT_ORDERS,
    UPDATE_ORDERS,
    UPSERT_NUMBERS,
    DELETE_NUMBERS,
    TAKE_SEQS,
    INSERT_EVENTS,
    INSERT_DELIVERIES,
    INSERT_CHOSEN,
    INSERT_TRANSITIONS,
    UPSERT_SCOPES,
    SET_DAEMON_GENERATION,
];

/// Writes a batch inside the transaction that `conn` is in.
pub(super) async fn write(
    conn: &mut SqliteConnection,
    mut batch: Batch,
    sinks: &[Registration],
) -> Result<Committed, StoreError> {
    write_lists(conn, &batch).await?;
    drop_what_was_said(conn, &mut batch).await?;
    // The last look of an order is the one that counts; and sorted, neighbours in the tree come one after the other.
    let looked: BTreeMap<_, _> = batch.looked.iter().map(|(stream, looked)| (*stream, looked)).collect();
    let looked: Vec<_> = looked.into_iter().map(|(stream, looked)| LookedRow::new(stream, looked)).collect();
    each_chunk(conn, UPDATE_LOOKED, &looked).await?;

    let streams: Vec<Stream> = batch.changes.iter().map(|change| change.order.stream()).collect();
    let applied = apply_changes(conn, &streams, &batch.changes).await?;
    let mut kept = applied.iter();
    batch.changes.retain(|_| kept.next() == Some(&true));
    let (won, superseded) = split(&streams, &applied);

    let told: Vec<(Stream, u64, usize)> = won
        .iter()
        .zip(&batch.changes)
        .map(|(stream, change)| (*stream, change.order.generation, change.records.len()))
        .collect();
    let mut records: Vec<Record> =
        batch.changes.into_iter().flat_map(|change| change.records).chain(batch.records).collect();
    let last_seq = write_records(conn, &mut records, sinks).await?;
    let mut rest = records.as_slice();
    let mut transitions = Vec::new();
    for (stream, generation, count) in told {
        let (own, others) = rest.split_at(count);
        transitions.extend(TransitionRow::of(stream, generation, own));
        rest = others;
    }
    each_chunk(conn, INSERT_TRANSITIONS, &transitions).await?;

    let scopes: Vec<_> = batch
        .scopes
        .iter()
        .map(|(key, memory)| ScopeRow {
            provider: key.provider,
            account: &key.account,
            region: &key.region,
            memory,
        })
        .collect();
    each_chunk(conn, UPSERT_SCOPES, &scopes).await?;
    for (chore, at) in &batch.runs {
        let query = sqlx::query(UPSERT_RUN).bind(chore).bind(at.as_millis());
        query.execute(&mut *conn).await.map_err(error::in_use)?;
    }
    if let Some(generation) = batch.daemon_generation {
        let query = sqlx::query(SET_DAEMON_GENERATION).bind(signed(generation));
        query.execute(&mut *conn).await.map_err(error::in_use)?;
    }
    Ok(Committed { superseded, last_seq })
}

async fn write_lists(conn: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
    let unapplied: Vec<_> =
        batch.unapplied_lists.iter().map(|terms| ListRow { terms, content_hash: "" }).collect();
    each_chunk(conn, BEGIN_LISTS, &unapplied).await?;
    let lists: Vec<_> = batch
        .lists
        .iter()
        .map(|list| ListRow { terms: &list.terms, content_hash: &list.content_hash })
        .collect();
    each_chunk(conn, UPSERT_LISTS, &lists).await?;
    each_chunk(conn, DROP_LISTS, &batch.dropped_lists).await
}

fn split(streams: &[Stream], applied: &[bool]) -> (Vec<Stream>, Vec<Stream>) {
    let (won, lost): (Vec<_>, Vec<_>) = streams.iter().zip(applied).partition(|(_, applied)| **applied);
    (
        won.into_iter().map(|(stream, _)| *stream).collect(),
        lost.into_iter().map(|(stream, _)| *stream).collect(),
    )
}

/// Applies the changes whose generation still holds, and says of each whether it was.
///
/// Several changes of one order are applied one after the other, in rounds: a statement sees each row as it was before.
async fn apply_changes(
    conn: &mut SqliteConnection,
    streams: &[Stream],
    changes: &[Change],
) -> Result<Vec<bool>, StoreError> {
    let mut applied = vec![false; changes.len()];
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    let mut seen: HashMap<Stream, usize> = HashMap::new();
    for (index, stream) in streams.iter().enumerate() {
        let round = seen.entry(*stream).or_insert(0);
        if rounds.len() == *round {
            rounds.push(Vec::new());
        }
        if let Some(members) = rounds.get_mut(*round) {
            members.push(index);
        }
        *round += 1;
    }
    for mut round in rounds {
        round.sort_unstable_by_key(|index| streams[*index]);
        for chunk in round.chunks(ROWS_PER_STATEMENT) {
            apply_chunk(conn, chunk, (streams, changes), &mut applied).await?;
        }
    }
    Ok(applied)
}

/// Applies changes of different orders.
async fn apply_chunk(
    conn: &mut SqliteConnection,
    chunk: &[usize],
    (streams, changes): (&[Stream], &[Change]),
    applied: &mut [bool],
) -> Result<(), StoreError> {
    let (new, known): (Vec<usize>, Vec<usize>) = chunk.iter().partition(|index| changes[**index].was == 0);
    let mut won = BTreeSet::new();
    for (sql, members) in [(INSERT_ORDERS, &new), (UPDATE_ORDERS, &known)] {
        if !members.is_empty() {
            let rows: Vec<_> = members.iter().map(|i| OrderRow::new(streams[*i], &changes[*i])).collect();
            let query = sqlx::query_scalar::<_, String>(sql).bind(as_json(&rows)?);
            won.extend(query.fetch_all(&mut *conn).await.map_err(error::in_use)?);
        }
    }
    let mut numbers = Vec::new();
    let mut kept = KeptNumbers::default();
    for index in chunk {
        let stream = streams[*index].to_string();
        if !won.contains(&stream) {
            continue;
        }
        applied[*index] = true;
        let change = &changes[*index];
        for (number, state) in &change.order.state.numbers {
            numbers.push(NumberRow { stream: stream.clone(), number, state });
        }
        if change.was > 0 {
            kept.numbers.extend(change.order.state.numbers.keys().map(|number| (stream.clone(), number)));
            kept.streams.push(stream);
        }
    }
    if !kept.streams.is_empty() {
        run(conn, DELETE_NUMBERS, &kept).await?;
    }
    each_chunk(conn, UPSERT_NUMBERS, &numbers).await
}

/// The numbers that orders have; others of theirs are gone. Flat, since SQLite reads a nested list anew for each number.
#[derive(Default, Serialize)]
struct KeptNumbers<'a> {
    streams: Vec<String>,
    numbers: Vec<(String, &'a String)>,
}

/// Gives the records their places and writes them with a delivery for each sink; answers the store's last `seq`.
pub(super) async fn write_records(
    conn: &mut SqliteConnection,
    records: &mut [Record],
    sinks: &[Registration],
) -> Result<u64, StoreError> {
    let count = records.len() as u64;
    let last: i64 = sqlx::query_scalar(TAKE_SEQS)
        .bind(signed(count))
        .fetch_one(&mut *conn)
        .await
        .map_err(error::in_use)?;
    let last = u64::try_from(last).map_err(|bad| error::unreadable("the last seq", &bad))?;
    if records.is_empty() {
        return Ok(last);
    }
    let before = last.saturating_sub(count);
    for (record, seq) in records.iter_mut().zip(before + 1..) {
        record.seq = seq;
    }
    let rows: Vec<_> =
        records.iter().map(|record| EventRow { seq: record.seq, stream: record.stream(), record }).collect();
    each_chunk(conn, INSERT_EVENTS, &rows).await?;
    let deliveries = sqlx::query(INSERT_DELIVERIES).bind(signed(before));
    deliveries.execute(&mut *conn).await.map_err(error::in_use)?;
    for sink in sinks {
        let Takes::Chosen { filter, .. } = &sink.takes else { continue };
        let wanted: Vec<(u64, &Record)> =
            records.iter().filter(|record| filter.wants(&sink.name, record)).map(|r| (r.seq, r)).collect();
        for rows in chosen(conn, &sink.name, &wanted).await?.chunks(ROWS_PER_STATEMENT) {
            let query = sqlx::query(INSERT_CHOSEN).bind(&sink.name).bind(as_json(rows)?);
            query.execute(&mut *conn).await.map_err(error::in_use)?;
        }
    }
    Ok(last)
}

/// The rows of events that a sink wants, each with the next place among the sink's own.
pub(super) async fn chosen(
    conn: &mut SqliteConnection,
    sink: &str,
    wanted: &[(u64, &Record)],
) -> Result<Vec<ChosenRow>, StoreError> {
    let count = wanted.len() as u64;
    if count == 0 {
        return Ok(Vec::new());
    }
    let query = sqlx::query_scalar::<_, i64>(TAKE_SINK_SEQS).bind(sink).bind(signed(count));
    let last = query.fetch_one(&mut *conn).await.map_err(error::in_use)?;
    let last = u64::try_from(last).map_err(|bad| error::unreadable("the last sink_seq", &bad))?;
    let places = last.saturating_sub(count) + 1..;
    let row = |((seq, record), sink_seq): (&(u64, &Record), u64)| ChosenRow {
        seq: *seq,
        stream: record.stream().to_owned(),
        sink_seq,
    };
    Ok(wanted.iter().zip(places).map(row).collect())
}

/// Takes out of a batch what the daemon and scopes have said already: a batch whose commit was not heard of comes twice.
async fn drop_what_was_said(conn: &mut SqliteConnection, batch: &mut Batch) -> Result<(), StoreError> {
    if batch.records.is_empty() {
        return Ok(());
    }
    let mut said: HashMap<String, u64> = HashMap::new();
    let generation: i64 = sqlx::query_scalar(SAID).fetch_one(&mut *conn).await.map_err(error::in_use)?;
    said.insert(DAEMON_STREAM.to_owned(), u64::try_from(generation).unwrap_or_default());
    for (key, _) in &batch.scopes {
        let query = sqlx::query_scalar::<_, i64>(SAID_OF_SCOPE)
            .bind(key.provider.as_str())
            .bind(&key.account)
            .bind(&key.region);
        if let Some(generation) = query.fetch_optional(&mut *conn).await.map_err(error::in_use)? {
            said.insert(key.stream().to_string(), u64::try_from(generation).unwrap_or_default());
        }
    }
    let is_new = |record: &Record| match (said.get(record.stream()), record.generation) {
        (Some(said), Some(generation)) => generation > *said,
        (None, _) | (_, None) => true,
    };
    batch.records.retain(is_new);
    Ok(())
}

/// Runs a statement over rows, a bounded number at a time.
async fn each_chunk<T: Serialize + Sync>(
    conn: &mut SqliteConnection,
    sql: &'static str,
    rows: &[T],
) -> Result<(), StoreError> {
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        run(conn, sql, chunk).await?;
    }
    Ok(())
}

async fn run<T: Serialize + Sync + ?Sized>(
    conn: &mut SqliteConnection,
    sql: &'static str,
    rows: &T,
) -> Result<(), StoreError> {
    sqlx::query(sql).bind(as_json(rows)?).execute(conn).await.map(drop).map_err(error::in_use)
}

/// The rows as the one parameter of a statement.
pub(super) fn as_json<T: Serialize + ?Sized>(rows: &T) -> Result<String, StoreError> {
    serde_json::to_string(rows).map_err(|error| StoreError::Failing(Box::new(error)))
}
