//! The one connection that writes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard};

use super::{error, open};
use crate::store::StoreError;

/// Bytes of write-ahead log at which the writer waits for a gap between readers. SQLite begins the log anew only at a moment
/// in which nobody reads from it; where readers relieve each other that moment never comes by itself, and the log grows
/// for ever (<https://www.sqlite.org/wal.html>, "Avoiding Excessively Large WAL Files"). Once all of it was copied back,
/// new readers read from the file alone, so the wait is for those that read already. Half as much again as the size at which
/// the log is copied back, since in most stores the moment comes before that.
const LOG_GAP: u64 = 24 * 1024 * 1024;

/// How long it waits: what readers of ours take is milliseconds. For one that stays longer, a person's shell, the log has to
/// grow; then it is tried again each [`LOG_GAP`].
const GAP_WAIT: Duration = Duration::from_secs(1);

/// Hands out the one connection that writes, a transaction at a time.
///
/// A connection on which anything failed, or whose transaction was dropped half-way, is closed and another is opened:
/// SQLite rolls some errors back by itself (a full disk), after which sqlx believes for ever that it is inside a
/// transaction.
#[derive(Debug)]
pub(super) struct Writer {
    options: SqliteConnectOptions,
    slot: Mutex<Slot>,
    /// The size of the log at which a gap is waited for.
    gap_at: AtomicU64,
}

#[derive(Debug)]
enum Slot {
    /// Idle, in no transaction.
    Ready(SqliteConnection),
    /// The last one broke, or is in use.
    Empty,
    /// The store is closed.
    Closed,
}

#[derive(Debug, thiserror::Error)]
#[error("the store is closed")]
struct Closed;

/// A transaction. Dropped, it is as if it had not been.
#[derive(Debug)]
pub(super) struct Writing<'a> {
    slot: MutexGuard<'a, Slot>,
    conn: SqliteConnection,
    writer: &'a Writer,
}

impl Writer {
    pub(super) fn new(options: SqliteConnectOptions, conn: SqliteConnection) -> Self {
        Self { options, slot: Mutex::new(Slot::Ready(conn)), gap_at: AtomicU64::new(LOG_GAP) }
    }

    /// Begins a transaction that may write: others wait from here on, so nothing that is read in it can be outdated.
    pub(super) async fn begin(&self) -> Result<Writing<'_>, StoreError> {
        let mut slot = self.slot.lock().await;
        let mut conn = match std::mem::replace(&mut *slot, Slot::Empty) {
            Slot::Ready(conn) => conn,
            Slot::Empty => self.options.connect().await.map_err(error::in_use)?,
            Slot::Closed => {
                *slot = Slot::Closed;
                return Err(StoreError::Failing(Box::new(Closed)));
            }
        };
        statement(&mut conn, "BEGIN IMMEDIATE").await?;
        Ok(Writing { slot, conn, writer: self })
    }

    /// Keeps the log from growing for ever under readers that relieve each other. What was committed is committed, whatever
    /// becomes of this; after an error the connection is of no use.
    async fn bound_log(&self, conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let size = open::log_size(self.options.get_filename());
        if size < LOG_GAP {
            self.gap_at.store(LOG_GAP, Ordering::Relaxed);
        }
        if size < self.gap_at.load(Ordering::Relaxed) {
            return Ok(());
        }
        busy_timeout(conn, GAP_WAIT).await?;
        // Not an error if readers stay: then it says so in its first column.
        let stayed: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *conn).await?;
        busy_timeout(conn, open::BUSY).await?;
        if stayed != 0 {
            self.gap_at.store(size.saturating_add(LOG_GAP), Ordering::Relaxed);
            tracing::debug!(size, "readers stay: the store's log grows");
        }
        Ok(())
    }

    /// Copies the log back into the file and closes the connection.
    pub(super) async fn close(&self) {
        let mut slot = self.slot.lock().await;
        if let Slot::Ready(mut conn) = std::mem::replace(&mut *slot, Slot::Closed) {
            // What fails here is done at the next opening.
            for sql in ["PRAGMA optimize", "PRAGMA wal_checkpoint(TRUNCATE)"] {
                if let Err(error) = sqlx::query(sql).fetch_all(&mut conn).await {
                    tracing::debug!(%error, sql, "the store was not tidied");
                }
            }
            if let Err(error) = conn.close().await {
                tracing::debug!(%error, "the store was not closed");
            }
        }
    }
}

impl Writing<'_> {
    /// The connection.
    pub(super) fn conn(&mut self) -> &mut SqliteConnection {
        &mut self.conn
    }

    /// Makes it last.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        statement(&mut self.conn, "COMMIT").await?;
        if self.writer.bound_log(&mut self.conn).await.is_ok() {
            *self.slot = Slot::Ready(self.conn);
        }
        Ok(())
    }
}

async fn statement(conn: &mut SqliteConnection, sql: &'static str) -> Result<(), StoreError> {
    sqlx::query(sql).execute(conn).await.map(drop).map_err(error::in_use)
}

async fn busy_timeout(conn: &mut SqliteConnection, wait: Duration) -> Result<(), sqlx::Error> {
    // The pragma takes no parameter.
    let sql = sqlx::AssertSqlSafe(format!("PRAGMA busy_timeout = {}", wait.as_millis()));
    sqlx::query(sql).fetch_all(conn).await.map(drop)
}
