//! What is shown of the store, through the daemon's own readers or beside it.

use sqlx::sqlite::SqliteRow;

use super::read::Readers;
use super::rows::{get, json, provider, signed, time, unsigned};
use super::{commit, error, peek};
use crate::core::event::ScopeKey;
use crate::core::order::Stream;
use crate::core::scope::ScopeMemory;
use crate::core::standing::Urgency;
use crate::core::time::Timestamp;
use crate::store::StoreError;
use crate::store::outbox::{Delivery, SinkStatus, Stands};
use crate::store::shown::{Count, Placed, Sent, Shown, Told, Transition, Wanted};

const COUNTS: &str = "
    SELECT provider, list, coalesce(standing, 'NEVER_SEEN') AS standing, urgency, count(*) AS orders,
        coalesce(sum(windows), 0) AS windows, coalesce(sum(unacknowledged), 0) AS unacknowledged,
        min(place) FILTER (WHERE unacknowledged > 0) AS soonest
    FROM orders INDEXED BY orders_shown WHERE tracked = 1
    GROUP BY provider, list, standing, urgency ORDER BY provider, list, standing, urgency";

/// In the order of the index, so that nothing is sorted.
const URGENCIES: &str = "
    SELECT urgency, count(*) AS orders, coalesce(sum(windows), 0) AS windows FROM orders INDEXED BY orders_shown
    WHERE tracked = 1 GROUP BY urgency";

/// What is not asked for is NULL.
const PLACED: &str = "
    SELECT coalesce(urgency, 0) AS urgency, coalesce(place, 0) AS place, stream FROM orders INDEXED BY orders_shown
    WHERE tracked = 1 AND (urgency, place, stream) > (?1, ?2, ?3)
      AND (?5 IS NULL OR list IN (SELECT value FROM json_each(?5)))
      AND (?6 IS NULL OR standing = ?6 COLLATE NOCASE)
      AND (?7 IS NULL OR provider = ?7) AND (?8 IS NULL OR account = ?8)
      AND (?9 IS NULL OR urgency = ?9)
    ORDER BY orders.urgency, orders.place, orders.stream LIMIT ?4";

const LISTS_WITH: &str = "
    SELECT name FROM lists, json_each(terms, '$.labels') AS label
    WHERE in_force = 1 AND label.key = ?1 AND label.value = ?2 ORDER BY name";

const BY_ID: &str = "
    SELECT stream, tracked FROM orders WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3";

const BY_NUMBER: &str = "
    SELECT numbers.stream AS stream, orders.tracked AS tracked
    FROM numbers CROSS JOIN orders ON orders.stream = numbers.stream WHERE numbers.number = ?1
    UNION
    SELECT stream, tracked FROM orders INDEXED BY orders_by_declared WHERE declared ->> '$.number' = ?1 LIMIT ?2";

const HISTORY: &str = "
    SELECT seq, generation, event, number, from_word, to_word, raw, reason, at, observed_after FROM transitions
    WHERE stream = ?1 ORDER BY generation DESC, n DESC LIMIT ?2";

const SENT: &str = "
    SELECT sinks.name AS sink, asked.value AS seq, deliveries.state, deliveries.attempts, deliveries.last_error,
        deliveries.updated_at
    FROM json_each(?1) AS asked CROSS JOIN sinks
    CROSS JOIN deliveries ON deliveries.sink = sinks.name AND deliveries.seq = asked.value
    ORDER BY asked.value, sinks.name";

const LATEST_CHANGES: &str = "
    SELECT events.seq, events.record FROM transitions INDEXED BY transitions_by_seq
    CROSS JOIN events ON events.seq = transitions.seq
    WHERE transitions.seq IS NOT NULL ORDER BY transitions.seq DESC LIMIT ?1";

const EVENTS: &str = "SELECT seq, record FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2";

const EVENTS_BEFORE: &str = "SELECT seq, record FROM events WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2";

/// The first event at or after a place, and when it was recorded: there may be gaps where others were pruned.
const TIME_FROM: &str = "SELECT seq, time FROM events WHERE seq >= ?1 ORDER BY seq LIMIT 1";

const FIRST_SEQ: &str = "SELECT coalesce(min(seq), 0) FROM events";

const TOLD: &str = "
    SELECT event, level, record ->> '$.provider' AS provider, record ->> '$.list' AS list, record ->> '$.to' AS became,
        count(*) AS count
    FROM events WHERE seq > ?1 AND seq <= ?2 GROUP BY 1, 2, 3, 4, 5";

/// The statements over tables that grow, for the test of their plans. Those that count or filter read an index as a whole.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    PLACED,
    BY_ID,
    BY_NUMBER,
    HISTORY,
    SENT,
    LATEST_CHANGES,
    EVENTS,
    EVENTS_BEFORE,
    TIME_FROM,
    FIRST_SEQ,
    TOLD,
];

impl<R: Readers + Send + Sync + 'static> Shown for R {
    async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        let rows = sqlx::query(COUNTS).fetch_all(self.readers()).await.map_err(error::in_use)?;
        rows.iter().map(count).collect()
    }

    async fn urgencies(&self) -> Result<Vec<(Option<Urgency>, u64, u64)>, StoreError> {
        let rows = sqlx::query(URGENCIES).fetch_all(self.readers()).await.map_err(error::in_use)?;
        rows.iter()
            .map(|row| Ok((urgency_of(row)?, unsigned(row, "orders")?, unsigned(row, "windows")?)))
            .collect()
    }

    async fn placed(
        &self,
        wanted: &Wanted,
        after: Option<Placed>,
        limit: u32,
    ) -> Result<Vec<Placed>, StoreError> {
        let lists = wanted.lists.as_ref().map(commit::as_json).transpose()?;
        let (rank, place, stream) = after
            .map_or((-1, 0, String::new()), |placed| (placed.rank, placed.place, placed.stream.to_string()));
        let rows = sqlx::query(PLACED)
            .bind(rank)
            .bind(place)
            .bind(stream)
            .bind(limit)
            .bind(lists)
            .bind(wanted.standing.as_deref())
            .bind(wanted.provider.as_deref())
            .bind(wanted.account.as_deref())
            .bind(wanted.urgency.map(Urgency::rank))
            .fetch_all(self.readers())
            .await
            .map_err(error::in_use)?;
        rows.iter()
            .map(|row| {
                let place = get(row, "place")?;
                Ok(Placed { rank: get(row, "urgency")?, place, stream: stream_of(row)? })
            })
            .collect()
    }

    async fn lists_with(&self, label: &str, value: &str) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query_scalar(LISTS_WITH).bind(label).bind(value);
        query.fetch_all(self.readers()).await.map_err(error::in_use)
    }

    async fn named(&self, name: &str, limit: u32) -> Result<Vec<Stream>, StoreError> {
        let (sql, after) = if name.starts_with('+') {
            (BY_NUMBER, None)
        } else {
            // Ids are ASCII: everything that begins so comes before this.
            (BY_ID, Some(format!("{name}\u{7f}")))
        };
        let mut query = sqlx::query(sql).bind(name);
        if let Some(after) = after {
            query = query.bind(after);
        }
        let rows = query.bind(limit).fetch_all(self.readers()).await.map_err(error::in_use)?;
        let mut found: Vec<(bool, Stream)> = rows
            .iter()
            .map(|row| Ok((!get::<bool>(row, "tracked")?, stream_of(row)?)))
            .collect::<Result<_, StoreError>>()?;
        found.sort_by_key(|(untracked, _)| *untracked);
        Ok(found.into_iter().map(|(_, stream)| stream).collect())
    }

    async fn history(&self, stream: Stream, limit: u32) -> Result<Vec<Transition>, StoreError> {
        let query = sqlx::query(HISTORY).bind(stream.to_string()).bind(limit);
        let rows = query.fetch_all(self.readers()).await.map_err(error::in_use)?;
        rows.iter().map(transition).collect()
    }

    async fn sent(&self, seqs: &[u64]) -> Result<Vec<Sent>, StoreError> {
        let query = sqlx::query(SENT).bind(commit::as_json(seqs)?);
        let rows = query.fetch_all(self.readers()).await.map_err(error::in_use)?;
        rows.iter()
            .map(|row| {
                let state: String = get(row, "state")?;
                let stands = Stands::parse(&state);
                Ok(Sent {
                    sink: get(row, "sink")?,
                    seq: unsigned(row, "seq")?,
                    stands: stands.ok_or_else(|| error::unreadable("a delivery's state", &state))?,
                    attempts: get(row, "attempts")?,
                    last_error: get(row, "last_error")?,
                    updated_at: time(row, "updated_at")?,
                })
            })
            .collect()
    }

    async fn latest_changes(&self, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let query = sqlx::query(LATEST_CHANGES).bind(limit);
        events(&query.fetch_all(self.readers()).await.map_err(error::in_use)?)
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let query = sqlx::query(EVENTS).bind(signed(after)).bind(limit);
        events(&query.fetch_all(self.readers()).await.map_err(error::in_use)?)
    }

    async fn events_before(&self, before: u64, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let query = sqlx::query(EVENTS_BEFORE).bind(signed(before)).bind(limit);
        events(&query.fetch_all(self.readers()).await.map_err(error::in_use)?)
    }

    /// Times rise with `seq` but where the clock was set back, so halving the distance finds the place, or one near it.
    async fn before(&self, wanted: Timestamp) -> Result<u64, StoreError> {
        let first: i64 =
            sqlx::query_scalar(FIRST_SEQ).fetch_one(self.readers()).await.map_err(error::in_use)?;
        let (mut low, mut high) = (u64::try_from(first).unwrap_or_default(), self.last_seq().await? + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let query = sqlx::query(TIME_FROM).bind(signed(middle));
            let row = query.fetch_optional(self.readers()).await.map_err(error::in_use)?;
            let Some(row) = row else {
                high = middle;
                continue;
            };
            let at = Timestamp::parse(&get::<String>(&row, "time")?);
            if at.is_some_and(|at| at < wanted) {
                low = unsigned(&row, "seq")? + 1;
            } else {
                high = middle;
            }
        }
        Ok(low.saturating_sub(1))
    }

    async fn last_seq(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT value FROM meta WHERE key = 'last_seq'")
            .fetch_one(self.readers())
            .await
            .map_err(error::in_use)?;
        unsigned(&row, "value")
    }

    async fn told(&self, after: u64, through: u64) -> Result<Vec<Told>, StoreError> {
        let query = sqlx::query(TOLD).bind(signed(after)).bind(signed(through));
        let rows = query.fetch_all(self.readers()).await.map_err(error::in_use)?;
        rows.iter()
            .map(|row| {
                Ok(Told {
                    event: get(row, "event")?,
                    level: get(row, "level")?,
                    provider: get(row, "provider")?,
                    list: get(row, "list")?,
                    to: get(row, "became")?,
                    count: unsigned(row, "count")?,
                })
            })
            .collect()
    }

    async fn remembered(&self) -> Result<Vec<(ScopeKey, ScopeMemory)>, StoreError> {
        let sql = "SELECT provider, account, region, memory FROM scopes ORDER BY provider, account, region";
        let rows = sqlx::query(sql).fetch_all(self.readers()).await.map_err(error::in_use)?;
        rows.iter()
            .map(|row| {
                let (account, region) = (get(row, "account")?, get(row, "region")?);
                Ok((ScopeKey { provider: provider(row)?, account, region }, json(row, "memory")?))
            })
            .collect()
    }

    async fn shown_sinks(&self) -> Result<Vec<SinkStatus>, StoreError> {
        peek::sinks(self.readers()).await
    }
}

fn stream_of(row: &SqliteRow) -> Result<Stream, StoreError> {
    let stream: String = get(row, "stream")?;
    Stream::parse(&stream).ok_or_else(|| error::unreadable("an order's stream", &stream))
}

fn urgency_of(row: &SqliteRow) -> Result<Option<Urgency>, StoreError> {
    let rank: Option<u8> = get(row, "urgency")?;
    Ok(rank.and_then(|rank| Urgency::ALL.into_iter().find(|urgency| urgency.rank() == rank)))
}

fn count(row: &SqliteRow) -> Result<Count, StoreError> {
    Ok(Count {
        provider: get(row, "provider")?,
        list: get(row, "list")?,
        standing: get(row, "standing")?,
        urgency: urgency_of(row)?,
        orders: unsigned(row, "orders")?,
        windows: unsigned(row, "windows")?,
        unacknowledged: unsigned(row, "unacknowledged")?,
        soonest: time(row, "soonest")?,
    })
}

fn events(rows: &[SqliteRow]) -> Result<Vec<Delivery>, StoreError> {
    rows.iter().map(|row| Ok(Delivery { seq: unsigned(row, "seq")?, json: get(row, "record")? })).collect()
}

fn transition(row: &SqliteRow) -> Result<Transition, StoreError> {
    let seq: Option<i64> = get(row, "seq")?;
    Ok(Transition {
        seq: seq.and_then(|seq| u64::try_from(seq).ok()),
        generation: unsigned(row, "generation")?,
        event: get(row, "event")?,
        number: get(row, "number")?,
        from: get(row, "from_word")?,
        to: get(row, "to_word")?,
        raw: get(row, "raw")?,
        reason: get(row, "reason")?,
        time: time(row, "at")?,
        observed_after: time(row, "observed_after")?,
    })
}
