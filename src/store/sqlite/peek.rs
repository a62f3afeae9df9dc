//! Reading the outbox: the queries of the daemon's commands, through the daemon's own readers or beside it.

use std::path::Path;

use sqlx::sqlite::{SqlitePoolOptions, SqliteRow};
use sqlx::{Row as _, SqlitePool};

use super::read::Readers;
use super::rows::{get, signed, time, unsigned};
use super::{READER_TURN, error, open};
use crate::core::delivery::SinkMemory;
use crate::core::time::Timestamp;
use crate::store::StoreError;
use crate::store::outbox::{DeliveryStatus, SinkStatus, Stands};

const SINKS: &str = "
    SELECT name, chooses, generation, failing_since, disabled_since, revived,
        (SELECT count(*) FROM deliveries WHERE sink = name AND state = 'pending') AS pending,
        (SELECT count(*) FROM deliveries WHERE sink = name AND state = 'dead') AS dead,
        (SELECT seq FROM deliveries WHERE sink = name AND state = 'pending' ORDER BY seq LIMIT 1) AS oldest
    FROM sinks ORDER BY name";

const OLDEST: &str = "
    SELECT events.time AS time, deliveries.last_error AS last_error FROM deliveries
    LEFT JOIN events ON events.seq = deliveries.seq WHERE deliveries.sink = ?1 AND deliveries.seq = ?2";

/// The state stands in the text, so that the index of that state is used however long the history is.
macro_rules! deliveries {
    ($state:literal) => {
        concat!(
            "SELECT deliveries.seq, events.id, events.event, events.time,
                coalesce(events.record ->> '$.number', events.record ->> '$.order_id', events.record ->> '$.account') AS about, deliveries.attempts, deliveries.last_error,
                deliveries.updated_at
            FROM deliveries CROSS JOIN events ON events.seq = deliveries.seq
            WHERE deliveries.sink = ?1 AND deliveries.state = '",
            $state,
            "' AND deliveries.seq > ?2 ORDER BY deliveries.seq LIMIT ?3"
        )
    };
}

const PENDING: &str = deliveries!("pending");
const DELIVERED: &str = deliveries!("delivered");
const DEAD: &str = deliveries!("dead");

/// The statements over tables that grow, for the test of their plans.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[SINKS, OLDEST, PENDING, DELIVERED, DEAD];

/// A store that is looked at while no daemon need be there. Nothing is locked, and nothing written.
#[derive(Debug)]
pub struct Peek {
    readers: SqlitePool,
}

impl Peek {
    /// Opens the store at `path` for reading.
    ///
    /// Without a write-ahead log not a byte changes and nothing is made beside the file. With one, which a daemon that
    /// runs or was killed leaves, SQLite uses the shared memory that lies there too; file and log stay as they are.
    ///
    /// # Errors
    /// `Unusable`: there is none, or it is damaged, of another program, or of another claimwatch, older or newer.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let path = open::absolute(path)?;
        if !path.exists() {
            return Err(open::unusable(&path, &"there is none yet"));
        }
        open::inspect(&path, open::Check::Head).await?;
        let beside = |suffix: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            Path::new(&name).exists()
        };
        let alone = !beside("-wal") && !beside("-shm");
        let options = open::reader_options(&path).immutable(alone);
        let readers = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(READER_TURN)
            .connect_with(options)
            .await
            .map_err(|cause| error::at_open(&path, cause))?;
        let schema = sqlx::query_scalar::<_, i64>("SELECT coalesce(max(version), 0) FROM _sqlx_migrations");
        let schema = schema.fetch_one(&readers).await.map_err(|cause| open::unusable(&path, &cause))?;
        if schema < open::newest() {
            let why = "it was written by an older claimwatch: the daemon brings it up to date when it starts";
            return Err(open::unusable(&path, &why));
        }
        Ok(Self { readers })
    }

    /// As [`crate::store::outbox::Outbox::sinks`].
    pub async fn sinks(&self) -> Result<Vec<SinkStatus>, StoreError> {
        sinks(&self.readers).await
    }

    /// As [`crate::store::outbox::Outbox::deliveries`].
    pub async fn deliveries(
        &self,
        sink: &str,
        stands: Stands,
        after: u64,
        limit: u32,
    ) -> Result<Vec<DeliveryStatus>, StoreError> {
        deliveries(&self.readers, sink, stands, (after, limit)).await
    }
}

impl Readers for Peek {
    fn readers(&self) -> &SqlitePool {
        &self.readers
    }
}

/// The sinks by name.
pub(super) async fn sinks(readers: &SqlitePool) -> Result<Vec<SinkStatus>, StoreError> {
    let rows = sqlx::query(SINKS).fetch_all(readers).await.map_err(error::in_use)?;
    let mut sinks = Vec::with_capacity(rows.len());
    for row in &rows {
        let name: String = get(row, "name")?;
        let first: Option<i64> = get(row, "oldest")?;
        let query = sqlx::query(OLDEST).bind(&name).bind(first);
        let oldest = query.fetch_optional(readers).await.map_err(error::in_use)?;
        let (oldest, last_error) = match &oldest {
            Some(oldest) => (event_time(oldest)?, get(oldest, "last_error")?),
            None => (None, None),
        };
        sinks.push(SinkStatus {
            name,
            chooses: get(row, "chooses")?,
            pending: unsigned(row, "pending")?,
            dead: unsigned(row, "dead")?,
            oldest,
            last_error,
            memory: sink_memory(row)?,
        });
    }
    Ok(sinks)
}

/// A sink's deliveries that stand so, a page of them.
pub(super) async fn deliveries(
    readers: &SqlitePool,
    sink: &str,
    stands: Stands,
    (after, limit): (u64, u32),
) -> Result<Vec<DeliveryStatus>, StoreError> {
    let sql = match stands {
        Stands::Pending => PENDING,
        Stands::Delivered => DELIVERED,
        Stands::Dead => DEAD,
    };
    let query = sqlx::query(sql).bind(sink).bind(signed(after)).bind(limit);
    let rows = query.fetch_all(readers).await.map_err(error::in_use)?;
    rows.iter()
        .map(|row| {
            Ok(DeliveryStatus {
                sink: sink.to_owned(),
                seq: unsigned(row, "seq")?,
                id: get(row, "id")?,
                event: get(row, "event")?,
                about: get(row, "about")?,
                time: event_time(row)?,
                stands,
                attempts: get(row, "attempts")?,
                last_error: get(row, "last_error")?,
                updated_at: time(row, "updated_at")?,
            })
        })
        .collect()
}

/// Reads what is remembered of a sink.
pub(super) fn sink_memory(row: &SqliteRow) -> Result<SinkMemory, StoreError> {
    Ok(SinkMemory {
        generation: unsigned(row, "generation")?,
        failing_since: time(row, "failing_since")?,
        disabled_since: time(row, "disabled_since")?,
        revived: get(row, "revived")?,
    })
}

/// The time of an event's record.
fn event_time(row: &SqliteRow) -> Result<Option<Timestamp>, StoreError> {
    let text: Option<&str> = row.try_get("time").map_err(error::in_use)?;
    Ok(text.and_then(Timestamp::parse))
}
