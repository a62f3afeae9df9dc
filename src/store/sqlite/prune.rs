//! Pruning: what is old and over goes, a bounded part at a time.

use serde::Serialize;

use super::rows::{get, signed, unsigned};
use super::{SqliteStore, commit, error};
use crate::core::order::Stream;
use crate::core::time::Timestamp;
use crate::store::{Known as _, Pruned, Pruning, StoreError};

/// Orders whose histories are looked at in one step.
const ORDERS_AT_ONCE: u32 = 500;

/// Below this `seq` events may go.
const FLOOR: &str = "
    SELECT min(seq) AS floor FROM (
        SELECT max(seq) AS seq FROM events
        UNION ALL
        SELECT (SELECT seq FROM deliveries WHERE sink = name AND state = 'pending' ORDER BY seq LIMIT 1) - 1
        FROM sinks WHERE chooses = 0)";

const PAGE: &str = "
    SELECT seq, coalesce(time < ?3, 0) AS old FROM events WHERE seq > ?1 AND seq < ?2 ORDER BY seq LIMIT ?4";

const DELETE_EVENTS: &str = "
    DELETE FROM events
    WHERE seq IN (SELECT value FROM json_each(?1))
      AND NOT EXISTS (SELECT 1 FROM sinks CROSS JOIN deliveries ON deliveries.sink = sinks.name
                      WHERE deliveries.seq = events.seq AND deliveries.state = 'pending')
    RETURNING seq";

const DELETE_DELIVERIES: &str = "
    DELETE FROM deliveries
    WHERE sink IN (SELECT name FROM sinks) AND seq IN (SELECT value FROM json_each(?1))";

const STREAMS: &str = "SELECT DISTINCT stream FROM transitions WHERE stream > ?1 ORDER BY stream LIMIT ?2";

/// Orders of which something is old and not the last of its kind.
const WITH_OLD: &str = "
    SELECT DISTINCT step.stream AS stream FROM json_each(?1) AS asked
    CROSS JOIN transitions AS step ON step.stream = asked.value
    WHERE step.at < ?2 AND EXISTS (
        SELECT 1 FROM transitions AS later
        WHERE later.stream = step.stream AND (later.generation, later.n) > (step.generation, step.n)
          AND later.number IS step.number)";

/// The generation says that the order is still as it was when it was found to be over.
const DELETE_HISTORY: &str = "
    DELETE FROM transitions WHERE (stream, generation, n) IN (
        SELECT step.stream, step.generation, step.n FROM json_each(?1) AS asked
        CROSS JOIN orders ON orders.stream = asked.value ->> '$.stream'
            AND orders.generation = asked.value ->> '$.generation'
        CROSS JOIN transitions AS step ON step.stream = orders.stream
        WHERE step.at < ?2 AND EXISTS (
            SELECT 1 FROM transitions AS later
            WHERE later.stream = step.stream AND (later.generation, later.n) > (step.generation, step.n)
              AND later.number IS step.number)
        LIMIT ?3)";

/// The statements over tables that grow, for the test of their plans.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] =
    &[FLOOR, PAGE, DELETE_EVENTS, DELETE_DELIVERIES, STREAMS, WITH_OLD, DELETE_HISTORY];

#[derive(Serialize)]
struct Over {
    stream: String,
    generation: u64,
}

impl SqliteStore {
    pub(super) async fn prune_events(
        &self,
        before: Timestamp,
        after: u64,
        limit: u32,
    ) -> Result<Pruned, StoreError> {
        self.file.check()?;
        let query = sqlx::query_scalar::<_, Option<i64>>(FLOOR);
        let floor = query.fetch_one(&self.readers).await.map_err(error::in_use)?.unwrap_or_default();
        let query = sqlx::query(PAGE).bind(signed(after)).bind(floor).bind(before.to_string()).bind(limit);
        let page = query.fetch_all(&self.readers).await.map_err(error::in_use)?;
        let mut old: Vec<u64> = Vec::new();
        for row in &page {
            if get(row, "old")? {
                old.push(unsigned(row, "seq")?);
            }
        }
        let more = page.len() as u64 >= u64::from(limit) && !old.is_empty();
        let next = match page.last().filter(|_| more) {
            Some(last) => Pruning::Events { after: unsigned(last, "seq")? },
            None => Pruning::History { after: None },
        };
        let mut gone = Vec::new();
        if !old.is_empty() {
            let mut writing = self.writer.begin().await?;
            let query = sqlx::query_scalar::<_, i64>(DELETE_EVENTS).bind(commit::as_json(&old)?);
            gone = query.fetch_all(writing.conn()).await.map_err(error::in_use)?;
            let query = sqlx::query(DELETE_DELIVERIES).bind(commit::as_json(&gone)?);
            query.execute(writing.conn()).await.map_err(error::in_use)?;
            writing.commit().await?;
        }
        Ok(Pruned { events: gone.len() as u64, transitions: 0, next: Some(next) })
    }

    pub(super) async fn prune_history(
        &self,
        before: Timestamp,
        after: Option<Stream>,
        limit: u32,
    ) -> Result<Pruned, StoreError> {
        self.file.check()?;
        let from = after.map(|stream| stream.to_string()).unwrap_or_default();
        let query = sqlx::query_scalar::<_, String>(STREAMS).bind(from).bind(ORDERS_AT_ONCE);
        let page = query.fetch_all(&self.readers).await.map_err(error::in_use)?;
        let query = sqlx::query_scalar::<_, String>(WITH_OLD).bind(commit::as_json(&page)?);
        let query = query.bind(before.as_millis());
        let with_old = query.fetch_all(&self.readers).await.map_err(error::in_use)?;
        let with_old: Vec<Stream> = with_old.iter().filter_map(|stream| Stream::parse(stream)).collect();
        let over: Vec<Over> = self
            .load(&with_old)
            .await?
            .iter()
            .filter(|order| order.is_over())
            .map(|order| Over { stream: order.stream().to_string(), generation: order.generation })
            .collect();
        let mut transitions = 0;
        if !over.is_empty() {
            let mut writing = self.writer.begin().await?;
            let query = sqlx::query(DELETE_HISTORY).bind(commit::as_json(&over)?);
            let query = query.bind(before.as_millis()).bind(limit);
            transitions = query.execute(writing.conn()).await.map_err(error::in_use)?.rows_affected();
            writing.commit().await?;
        }
        let next = if transitions >= u64::from(limit) {
            Some(Pruning::History { after })
        } else {
            let full = page.len() as u64 >= u64::from(ORDERS_AT_ONCE);
            let last = page.last().filter(|_| full).and_then(|stream| Stream::parse(stream));
            last.map(|last| Pruning::History { after: Some(last) })
        };
        Ok(Pruned { events: 0, transitions, next })
    }
}
