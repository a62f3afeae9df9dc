//! A copy of the store while it is in use.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::{error, open};
use crate::store::{FILE_MODE, StoreError};

/// Steps of SQLite's machine between two looks at whether the copy is still wanted: well under a millisecond.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// Says, when it is dropped, that what a connection does is not wanted any more.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// What a copy leaves free, bytes: the store has to be written to while it is made, and after.
const RESERVE: u64 = 32 << 20;

/// A copy would fill the disk, on which the store itself may be.
#[derive(Debug, thiserror::Error)]
#[error("there is not enough room: {} MiB are free where {} MiB are wanted", free >> 20, wanted >> 20)]
struct NoRoom {
    free: u64,
    wanted: u64,
}

/// Copies the store at `from` into a new file, reads the copy back, and sees it to the disk.
///
/// `VACUUM INTO` on a connection of its own holds a read transaction while it copies: writers go on, and the log grows by
/// what they write meanwhile, since it cannot be copied back (<https://www.sqlite.org/lang_vacuum.html#vacuuminto>).
pub(super) async fn copy(from: &Path, to: &Path) -> Result<u64, StoreError> {
    let failing = |cause: io::Error| StoreError::Failing(Box::new(cause));
    let Some(name) = to.to_str() else {
        return Err(open::unusable(to, &"a copy's path has to be UTF-8"));
    };
    let from_bytes = std::fs::metadata(from).map_err(failing)?.len();
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let about = rustix::fs::statvfs(folder).map_err(|cause| failing(cause.into()))?;
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    if free < from_bytes.saturating_add(RESERVE) {
        return Err(StoreError::Failing(Box::new(NoRoom { free, wanted: from_bytes + RESERVE })));
    }
    // An empty file is taken as it is, mode included.
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(to).map_err(failing)?;
    let mut reader = open::reader_options(from).connect().await.map_err(error::in_use)?;
    let _wanted = interruptible(&mut reader).await?;
    sqlx::query("VACUUM INTO ?1").bind(name).execute(&mut reader).await.map_err(error::in_use)?;
    reader.close().await.map_err(error::in_use)?;
    let last_seq = verify(to).await?;
    let file = File::open(to).map_err(failing)?;
    let synced = tokio::task::spawn_blocking(move || file.sync_all()).await;
    synced.map_err(io::Error::other).and_then(|synced| synced).map_err(failing)?;
    Ok(last_seq)
}

/// Makes a connection give up when what is returned is dropped: its thread would finish the statement otherwise.
async fn interruptible(conn: &mut SqliteConnection) -> Result<Wanted, StoreError> {
    let wanted = Arc::new(AtomicBool::new(true));
    let goes_on = Arc::clone(&wanted);
    let mut handle = conn.lock_handle().await.map_err(error::in_use)?;
    handle.set_progress_handler(STEPS_BETWEEN_LOOKS, move || goes_on.load(Ordering::Relaxed));
    Ok(Wanted(wanted))
}

/// Reads a copy through: whole, ours, of a schema that is known. Gives the `seq` of its last event.
async fn verify(path: &Path) -> Result<u64, StoreError> {
    open::inspect(path, open::Check::Whole).await?;
    let mut copy = open::reader_options(path)
        .immutable(true)
        .connect()
        .await
        .map_err(|cause| error::at_open(path, cause))?;
    let _wanted = interruptible(&mut copy).await?;
    let said = sqlx::query_scalar::<_, String>("PRAGMA integrity_check(1)");
    let said = said.fetch_one(&mut copy).await.map_err(error::in_use)?;
    if said != "ok" {
        return Err(open::unusable(path, &format_args!("the copy is damaged ({said})")));
    }
    let last = "SELECT value FROM meta
        WHERE key = 'last_seq' AND value = coalesce((SELECT max(seq) FROM events), value)";
    let last = sqlx::query_scalar::<_, i64>(last).fetch_optional(&mut copy).await.map_err(error::in_use)?;
    copy.close().await.map_err(error::in_use)?;
    let last = last.and_then(|last| u64::try_from(last).ok());
    last.ok_or_else(|| open::unusable(path, &"the copy does not say which event is its last"))
}
