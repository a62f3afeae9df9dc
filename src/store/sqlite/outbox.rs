//! The outbox in SQLite.

use std::collections::BTreeSet;

use serde::Serialize;
use sqlx::SqliteConnection;

use super::commit::{self, INSERT_CHOSEN, as_json};
use super::peek::{self, sink_memory};
use super::rows::{get, signed, unsigned};
use super::{SqliteStore, error};
use crate::core::delivery::SinkMemory;
use crate::core::record::Record;
use crate::core::time::Timestamp;
use crate::store::StoreError;
use crate::store::outbox::{
    Delivery, DeliveryStatus, LAST_ERROR_MAX, Outbox, REQUEUED_AT_ONCE, Registration, Requeue, Settlement,
    SinkStatus, Stands, Takes, Waiting,
};

const STORE_ID: &str = "SELECT value FROM meta WHERE key = 'store_id'";

const EVENT: &str = "SELECT record FROM events WHERE seq = ?1";

const PENDING: &str = "
    SELECT events.seq, events.record FROM deliveries CROSS JOIN events ON events.seq = deliveries.seq
    WHERE deliveries.sink = ?1 AND deliveries.state = 'pending' ORDER BY deliveries.seq LIMIT ?2";

const DELIVERED: &str = "
    UPDATE deliveries SET state = 'delivered', updated_at = ?3
    WHERE sink = ?1 AND state = 'pending' AND seq <= ?2";

/// Rows that are looked at to find the first ones of streams: a stream with a long backlog costs this much and no more.
const WAITING: &str = "
    SELECT first.seq, first.stream, deliveries.sink_seq, deliveries.strikes, events.record
    FROM (SELECT min(seq) AS seq, stream
          FROM (SELECT seq, stream FROM deliveries
                WHERE sink = ?1 AND state = 'pending' AND stream NOT IN (SELECT value FROM json_each(?2))
                ORDER BY seq LIMIT 1000)
          GROUP BY stream ORDER BY 1 LIMIT ?3) AS first
    CROSS JOIN deliveries ON deliveries.sink = ?1 AND deliveries.seq = first.seq
    CROSS JOIN events ON events.seq = first.seq
    ORDER BY first.seq";

const SETTLE_DELIVERED: &str = "
    UPDATE deliveries SET state = 'delivered', last_error = NULL, updated_at = ?3
    WHERE sink = ?1 AND state = 'pending' AND seq IN (SELECT value FROM json_each(?2))";

const SETTLE_FAILED: &str = "
    UPDATE deliveries
    SET attempts = attempts + 1, last_error = value ->> '$.error', strikes = value ->> '$.strikes',
        state = CASE WHEN value ->> '$.dead' THEN 'dead' ELSE state END, updated_at = ?3
    FROM json_each(?2) WHERE sink = ?1 AND state = 'pending' AND seq = value ->> '$.seq'";

const SINK: &str = "SELECT generation, failing_since, disabled_since, revived FROM sinks WHERE name = ?1";

/// Whoever is to be revived stays so until it is: what is written may be from before it was asked for.
const REMEMBER: &str = "
    UPDATE sinks
    SET generation = ?2, failing_since = ?3, disabled_since = ?4, revived = (revived OR ?5) AND ?4 IS NOT NULL
    WHERE name = ?1";

/// Events that are searched for an id at once, the youngest first: ids have no index (migrations/sqlite/0001).
const SEARCHED_AT_ONCE: u64 = 10_000;

const LAST: &str = "SELECT max(seq) FROM events";

const PLACE_OF: &str = "SELECT seq FROM events WHERE seq > ?1 AND seq <= ?2 AND stream = ?3 AND id = ?4";

const CHOOSES: &str = "SELECT chooses FROM sinks WHERE name = ?1";

const DEAD: &str = "
    SELECT events.seq, events.record FROM deliveries CROSS JOIN events ON events.seq = deliveries.seq
    WHERE deliveries.sink = ?1 AND deliveries.state = 'dead' AND deliveries.seq > ?2 ORDER BY deliveries.seq LIMIT ?3";

const ONE: &str = "SELECT seq, record FROM events WHERE seq = ?1";

const SINCE: &str = "SELECT seq FROM events WHERE seq > ?1 AND time >= ?2 ORDER BY seq LIMIT 1";

const RECORDS: &str = "SELECT seq, record FROM events WHERE seq >= ?1 ORDER BY seq LIMIT ?2";

const AGAIN: &str = "
    UPDATE deliveries SET state = 'pending', strikes = 0, updated_at = NULL
    WHERE sink = ?1 AND seq IN (SELECT value FROM json_each(?2)) RETURNING seq";

const ENABLE: &str = "UPDATE sinks SET revived = disabled_since IS NOT NULL WHERE name = ?1";

/// The statements over tables that grow, for the test of their plans.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    EVENT,
    PENDING,
    DELIVERED,
    WAITING,
    SETTLE_DELIVERED,
    SETTLE_FAILED,
    LAST,
    PLACE_OF,
    DEAD,
    ONE,
    RECORDS,
    AGAIN,
];

/// Sinks that go while something waits for them.
const GONE: &str = "
    SELECT name, (SELECT count(*) FROM deliveries WHERE sink = name AND state = 'pending') AS waiting FROM sinks
    WHERE waiting > 0
      AND (name, chooses) NOT IN (SELECT value ->> '$.name', value ->> '$.chooses' FROM json_each(?1))";

/// A sink that goes leaves its counters behind; its deliveries go with it.
const UNREGISTER: &str = "
    INSERT INTO sink_generations (name, generation, last_sink_seq)
    SELECT name, generation, last_sink_seq FROM sinks
    WHERE (name, chooses) NOT IN (SELECT value ->> '$.name', value ->> '$.chooses' FROM json_each(?1))
    ON CONFLICT (name) DO UPDATE SET generation = excluded.generation, last_sink_seq = excluded.last_sink_seq";

const DROP: &str = "
    DELETE FROM sinks
    WHERE (name, chooses) NOT IN (SELECT value ->> '$.name', value ->> '$.chooses' FROM json_each(?1))";

/// At another place a sink that was disabled is tried again.
const REGISTER: &str = "
    INSERT INTO sinks (name, chooses, place, generation, last_sink_seq)
    SELECT value ->> '$.name', value ->> '$.chooses', value ->> '$.place', coalesce(gone.generation, 0),
        coalesce(gone.last_sink_seq, 0)
    FROM json_each(?1) LEFT JOIN sink_generations AS gone ON gone.name = value ->> '$.name' WHERE true
    ON CONFLICT (name) DO UPDATE
    SET revived = (revived OR place IS NOT excluded.place) AND disabled_since IS NOT NULL, place = excluded.place";

#[derive(Serialize)]
struct SinkRow<'a> {
    name: &'a str,
    chooses: u8,
    place: Option<&'a str>,
}

impl<'a> SinkRow<'a> {
    fn new(registration: &'a Registration) -> Self {
        let (chooses, place) = match &registration.takes {
            Takes::Everything => (0, None),
            Takes::Chosen { place, .. } => (1, Some(place.as_str())),
        };
        Self { name: &registration.name, chooses, place }
    }
}

/// A delivery for a sink that chooses.
#[derive(Debug, Serialize)]
pub(super) struct ChosenRow {
    pub(super) seq: u64,
    pub(super) stream: String,
    pub(super) sink_seq: u64,
}

#[derive(Serialize)]
struct FailedRow<'a> {
    seq: u64,
    error: String,
    strikes: u32,
    dead: &'a bool,
}

impl SqliteStore {
    /// Events that a sink that chooses is to get once more, with the place of the last that was read if there may be more.
    async fn wanted(
        &self,
        conn: &mut SqliteConnection,
        sink: &str,
        what: Requeue,
        after: u64,
    ) -> Result<(Vec<(u64, Record)>, Option<u64>), StoreError> {
        let (after, limit) = (signed(after), REQUEUED_AT_ONCE);
        let read = match what {
            Requeue::Dead => records(conn, sqlx::query(DEAD).bind(sink).bind(after).bind(limit)).await?,
            Requeue::One(seq) => records(conn, sqlx::query(ONE).bind(signed(seq))).await?,
            Requeue::From(since) => {
                let query = sqlx::query_scalar::<_, i64>(SINCE).bind(after).bind(since.to_string());
                let first = query.fetch_optional(&mut *conn).await.map_err(error::in_use)?;
                let Some(first) = first else { return Ok((Vec::new(), None)) };
                records(conn, sqlx::query(RECORDS).bind(first).bind(limit)).await?
            }
        };
        let more = (read.len() == limit as usize).then(|| read.last().map(|(seq, _)| *seq)).flatten();
        let registered = self.registered();
        let wants = |record: &Record| match what {
            Requeue::Dead => true,
            Requeue::One(_) => record.sink.as_deref() != Some(sink),
            Requeue::From(_) => registered.iter().any(|known| {
                known.name == sink
                    && matches!(&known.takes, Takes::Chosen { filter, .. } if filter.wants(sink, record))
            }),
        };
        Ok((read.into_iter().filter(|(_, record)| wants(record)).collect(), more))
    }
}

impl Outbox for SqliteStore {
    async fn store_id(&self) -> Result<u64, StoreError> {
        let row = sqlx::query(STORE_ID).fetch_one(&self.readers).await.map_err(error::in_use)?;
        unsigned(&row, "value")
    }

    async fn register_sinks(&self, sinks: &[Registration]) -> Result<Vec<(String, u64)>, StoreError> {
        let rows: Vec<SinkRow<'_>> = sinks.iter().map(SinkRow::new).collect();
        let rows = as_json(&rows)?;
        let mut writing = self.writer.begin().await?;
        let gone = sqlx::query(GONE).bind(&rows).fetch_all(writing.conn()).await.map_err(error::in_use)?;
        for sql in [UNREGISTER, DROP, REGISTER] {
            sqlx::query(sql).bind(&rows).execute(writing.conn()).await.map_err(error::in_use)?;
        }
        writing.commit().await?;
        self.set_registered(sinks.to_vec());
        gone.iter().map(|row| Ok((get(row, "name")?, unsigned(row, "waiting")?))).collect()
    }

    async fn pending(&self, sink: &str, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let query = sqlx::query(PENDING).bind(sink).bind(limit);
        let rows = query.fetch_all(&self.readers).await.map_err(error::in_use)?;
        rows.iter()
            .map(|row| Ok(Delivery { seq: unsigned(row, "seq")?, json: get(row, "record")? }))
            .collect()
    }

    async fn place_of(&self, id: &str) -> Result<Option<u64>, StoreError> {
        let record = Record { id: id.to_owned(), ..Record::default() };
        let query = sqlx::query_scalar::<_, Option<i64>>(LAST);
        let last = query.fetch_one(&self.readers).await.map_err(error::in_use)?.unwrap_or_default();
        let mut until = u64::try_from(last).unwrap_or_default();
        while until > 0 {
            let from = until.saturating_sub(SEARCHED_AT_ONCE);
            let query = sqlx::query(PLACE_OF).bind(signed(from)).bind(signed(until));
            let query = query.bind(record.stream()).bind(id);
            if let Some(row) = query.fetch_optional(&self.readers).await.map_err(error::in_use)? {
                return unsigned(&row, "seq").map(Some);
            }
            until = from;
        }
        Ok(None)
    }

    async fn event(&self, seq: u64) -> Result<Option<Delivery>, StoreError> {
        let query = sqlx::query(EVENT).bind(signed(seq));
        let row = query.fetch_optional(&self.readers).await.map_err(error::in_use)?;
        row.map(|row| Ok(Delivery { seq, json: get(&row, "record")? })).transpose()
    }

    async fn delivered(&self, sink: &str, through: u64, at: Timestamp) -> Result<(), StoreError> {
        let mut writing = self.writer.begin().await?;
        let query = sqlx::query(DELIVERED).bind(sink).bind(signed(through)).bind(at.as_millis());
        query.execute(writing.conn()).await.map_err(error::in_use)?;
        writing.commit().await
    }

    async fn waiting(&self, sink: &str, except: &[String], limit: u32) -> Result<Vec<Waiting>, StoreError> {
        let query = sqlx::query(WAITING).bind(sink).bind(as_json(except)?).bind(limit);
        let rows = query.fetch_all(&self.readers).await.map_err(error::in_use)?;
        rows.iter()
            .map(|row| {
                Ok(Waiting {
                    stream: get(row, "stream")?,
                    seq: unsigned(row, "seq")?,
                    sink_seq: unsigned(row, "sink_seq")?,
                    strikes: get(row, "strikes")?,
                    json: get(row, "record")?,
                })
            })
            .collect()
    }

    async fn settle(&self, settlement: Settlement) -> Result<u64, StoreError> {
        let Settlement { sink, delivered, failed, memory, mut records, at } = settlement;
        self.file.check()?;
        let registered = self.registered();
        let mut writing = self.writer.begin().await?;
        let conn = writing.conn();
        let at = at.as_millis();
        if !delivered.is_empty() {
            let query = sqlx::query(SETTLE_DELIVERED).bind(&sink).bind(as_json(&delivered)?).bind(at);
            query.execute(&mut *conn).await.map_err(error::in_use)?;
        }
        if !failed.is_empty() {
            let rows: Vec<FailedRow<'_>> = failed
                .iter()
                .map(|failed| FailedRow {
                    seq: failed.seq,
                    error: failed.error.chars().take(LAST_ERROR_MAX).collect(),
                    strikes: failed.strikes,
                    dead: &failed.dead,
                })
                .collect();
            let query = sqlx::query(SETTLE_FAILED).bind(&sink).bind(as_json(&rows)?).bind(at);
            query.execute(&mut *conn).await.map_err(error::in_use)?;
        }
        if let Some(memory) = memory {
            let stored = read_sink(&mut *conn, &sink).await?;
            records
                .retain(|record| record.generation.is_none_or(|generation| generation > stored.generation));
            let query = sqlx::query(REMEMBER)
                .bind(&sink)
                .bind(signed(memory.generation.max(stored.generation)))
                .bind(memory.failing_since.map(Timestamp::as_millis))
                .bind(memory.disabled_since.map(Timestamp::as_millis))
                .bind(memory.revived);
            query.execute(&mut *conn).await.map_err(error::in_use)?;
        }
        let last_seq = commit::write_records(conn, &mut records, &registered).await?;
        writing.commit().await?;
        Ok(last_seq)
    }

    async fn sink(&self, name: &str) -> Result<SinkMemory, StoreError> {
        let row = sqlx::query(SINK).bind(name).fetch_optional(&self.readers).await.map_err(error::in_use)?;
        row.as_ref().map_or_else(|| Ok(SinkMemory::default()), sink_memory)
    }

    async fn sinks(&self) -> Result<Vec<SinkStatus>, StoreError> {
        peek::sinks(&self.readers).await
    }

    async fn deliveries(
        &self,
        sink: &str,
        stands: Stands,
        after: u64,
        limit: u32,
    ) -> Result<Vec<DeliveryStatus>, StoreError> {
        peek::deliveries(&self.readers, sink, stands, (after, limit)).await
    }

    async fn requeue(&self, sink: &str, what: Requeue, after: u64) -> Result<(u64, Option<u64>), StoreError> {
        self.file.check()?;
        let mut writing = self.writer.begin().await?;
        let conn = writing.conn();
        let query = sqlx::query_scalar::<_, bool>(CHOOSES).bind(sink);
        if query.fetch_optional(&mut *conn).await.map_err(error::in_use)? != Some(true) {
            writing.commit().await?;
            return Ok((0, None));
        }
        // Read here: between another read and this transaction, pruning could take the events away.
        let (records, more) = self.wanted(conn, sink, what, after).await?;
        let seqs: Vec<u64> = records.iter().map(|(seq, _)| *seq).collect();
        let query = sqlx::query_scalar::<_, i64>(AGAIN).bind(sink).bind(as_json(&seqs)?);
        let again = query.fetch_all(&mut *conn).await.map_err(error::in_use)?;
        let again: BTreeSet<i64> = again.into_iter().collect();
        let new: Vec<(u64, &Record)> = records
            .iter()
            .filter(|(seq, _)| !again.contains(&signed(*seq)))
            .map(|(seq, record)| (*seq, record))
            .collect();
        let rows = commit::chosen(&mut *conn, sink, &new).await?;
        let query = sqlx::query(INSERT_CHOSEN).bind(sink).bind(as_json(&rows)?);
        query.execute(&mut *conn).await.map_err(error::in_use)?;
        sqlx::query(ENABLE).bind(sink).execute(&mut *conn).await.map_err(error::in_use)?;
        writing.commit().await?;
        Ok((records.len() as u64, more))
    }
}

async fn records(
    conn: &mut SqliteConnection,
    query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
) -> Result<Vec<(u64, Record)>, StoreError> {
    let rows = query.fetch_all(conn).await.map_err(error::in_use)?;
    rows.iter().map(|row| Ok((unsigned(row, "seq")?, super::rows::json(row, "record")?))).collect()
}

async fn read_sink(conn: &mut SqliteConnection, name: &str) -> Result<SinkMemory, StoreError> {
    let row = sqlx::query(SINK).bind(name).fetch_optional(conn).await.map_err(error::in_use)?;
    row.as_ref().map_or_else(|| Ok(SinkMemory::default()), sink_memory)
}
