//! The one connection that writes.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard};

use super::error;
use crate::store::StoreError;

/// Hands out the one connection that writes, a transaction at a time.
///
/// A connection on which anything failed, or whose transaction was dropped half-way, is closed and another is opened:
/// SQLite rolls some errors back by itself (a full disk), after which sqlx believes for ever that it is inside a
/// transaction.
#[derive(Debug)]
pub(super) struct Writer {
    options: SqliteConnectOptions,
    slot: Mutex<Slot>,
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
}

impl Writer {
    pub(super) fn new(options: SqliteConnectOptions, conn: SqliteConnection) -> Self {
        Self { options, slot: Mutex::new(Slot::Ready(conn)) }
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
        Ok(Writing { slot, conn })
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
        *self.slot = Slot::Ready(self.conn);
        Ok(())
    }
}

async fn statement(conn: &mut SqliteConnection, sql: &'static str) -> Result<(), StoreError> {
    sqlx::query(sql).execute(conn).await.map(drop).map_err(error::in_use)
}
