//! The store in one SQLite file.
//!
//! # Guarantees
//! What was committed survives a power cut (write-ahead log, `synchronous=FULL`). One writer, whose transactions begin as
//! writers; readers see what was committed before they began. A file that claimwatch did not make, does not know, or
//! that is damaged is refused before a byte of it changes; one store has one daemon.

mod backup;
mod commit;
mod error;
mod fill;
mod open;
mod outbox;
mod peek;
mod prune;
mod read;
mod rows;
mod shown;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqlitePoolOptions, SqliteRow};

pub use self::peek::Peek;
use self::read::Readers;
use self::writer::Writer;
use super::lock::{Lock, StoreFile};
use super::outbox::Registration;
use super::shown::Shown as _;
use super::{Batch, Committed, Pruned, Pruning, Store, StoreError};
use crate::core::event::{ScopeKey, Summary};
use crate::core::scope::ScopeMemory;
use crate::core::time::Timestamp;

/// Readers at once of the daemon itself, and as many for whoever asks about it, who thus holds it up in nothing. Each is a thread.
const READERS: u32 = 2;

/// How long a reader waits for its turn before the store counts as failing.
const READER_TURN: Duration = Duration::from_secs(10);

/// Reads all numbers, once a day: an index for it would cost every change of one.
const SUMMARY: &str = "
    SELECT
        count(*) FILTER (WHERE numbers.status = 'IN_PROGRESS' OR (numbers.status IS NULL AND due_at IS NOT NULL)) AS pending,
        count(*) FILTER (WHERE numbers.status = 'FAILED') AS failed,
        count(window_earliest) AS windows
    FROM orders LEFT JOIN numbers USING (stream) WHERE tracked = 1";

const SOONEST: &str = "
    SELECT number, id, list, window_earliest FROM orders JOIN numbers USING (stream)
    WHERE tracked = 1 AND window_earliest IS NOT NULL ORDER BY window_earliest, number, stream LIMIT ?1";

/// The store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    readers: SqlitePool,
    /// The readers of whoever asks.
    views: SqlitePool,
    /// The sinks that events go to.
    registered: Mutex<Arc<Vec<Registration>>>,
    file: StoreFile,
    _lock: Lock,
}

impl SqliteStore {
    /// Opens the store at `path`, makes it if it is not there (not its folder), and brings it to the newest schema.
    ///
    /// # Errors
    /// `Unusable` for what trying again will not mend: no folder, another daemon on it, a file that is damaged, of
    /// another program, or of a newer claimwatch. Such a file is left as it is.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let path = open::absolute(path)?;
        let lock = Lock::take(&path)?;
        match Box::pin(open::prepare(&path)).await {
            Ok(writer) => Ok(Self {
                writer: Writer::new(open::writer_options(&path), writer),
                readers: readers(&path),
                views: readers(&path),
                registered: Mutex::default(),
                file: StoreFile::held(path)?,
                _lock: lock,
            }),
            Err(error) => {
                lock.undo();
                Err(error)
            }
        }
    }

    /// What is shown of it.
    pub fn views(&self) -> Views {
        Views { readers: self.views.clone() }
    }

    fn registered(&self) -> Arc<Vec<Registration>> {
        Arc::clone(&self.registered.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_registered(&self, sinks: Vec<Registration>) {
        *self.registered.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(sinks);
    }
}

fn readers(path: &Path) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(READER_TURN)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_lazy_with(open::reader_options(path))
}

/// What is shown of a store that is open, through its own readers.
#[derive(Debug, Clone)]
pub struct Views {
    readers: SqlitePool,
}

impl Readers for Views {
    fn readers(&self) -> &SqlitePool {
        &self.readers
    }
}

impl Readers for SqliteStore {
    fn readers(&self) -> &SqlitePool {
        &self.readers
    }
}

impl Store for SqliteStore {
    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        self.file.check()?;
        let mut writing = self.writer.begin().await?;
        let committed = commit::write(writing.conn(), batch, &self.registered()).await?;
        writing.commit().await?;
        Ok(committed)
    }

    async fn scopes(&self) -> Result<Vec<(ScopeKey, ScopeMemory)>, StoreError> {
        self.remembered().await
    }

    async fn daemon_generation(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT value FROM meta WHERE key = 'daemon_generation'")
            .fetch_one(&self.readers)
            .await
            .map_err(error::in_use)?;
        rows::unsigned(&row, "value")
    }

    async fn runs(&self) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        let sql = "SELECT chore, at FROM runs";
        let rows = sqlx::query(sql).fetch_all(&self.readers).await.map_err(error::in_use)?;
        let run = |row: &SqliteRow| Ok((rows::get(row, "chore")?, rows::time(row, "at")?));
        let runs = rows.iter().map(run).collect::<Result<Vec<_>, StoreError>>()?;
        Ok(runs.into_iter().filter_map(|(chore, at)| Some((chore, at?))).collect())
    }

    async fn summary(&self, soonest: u32) -> Result<Summary, StoreError> {
        let row = sqlx::query(SUMMARY).fetch_one(&self.readers).await.map_err(error::in_use)?;
        let query = sqlx::query(SOONEST).bind(soonest);
        let windows = query.fetch_all(&self.readers).await.map_err(error::in_use)?;
        Ok(Summary {
            pending: rows::unsigned(&row, "pending")?,
            failed: rows::unsigned(&row, "failed")?,
            windows: rows::unsigned(&row, "windows")?,
            soonest: windows.iter().map(rows::open_window).collect::<Result<_, _>>()?,
        })
    }

    async fn prune(&self, before: Timestamp, from: Pruning, limit: u32) -> Result<Pruned, StoreError> {
        match from {
            Pruning::Events { after } => self.prune_events(before, after, limit).await,
            Pruning::History { after } => self.prune_history(before, after, limit).await,
        }
    }

    async fn copy_to(&self, to: &Path) -> Result<u64, StoreError> {
        backup::copy(self.file.path(), to).await
    }

    async fn touch(&self) -> Result<(), StoreError> {
        self.writer.begin().await?.commit().await
    }

    async fn close(&self) {
        self.readers.close().await;
        self.views.close().await;
        self.writer.close().await;
    }
}
