//! Opening: what is not ours is refused before a byte of it changes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqlSafeStr as _, SqliteConnection};

use super::{error, fill};
use crate::store::{FILE_MODE, StoreError};

/// Marks the file as claimwatch's (`PRAGMA application_id`): the letters `clmw`.
const APPLICATION_ID: i64 = 0x636c_6d77;

/// What every SQLite file begins with (<https://www.sqlite.org/fileformat.html>).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// How long a statement waits for somebody else's lock: a backup, or a person's shell.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// The page cache of a connection, in KiB: measured half as fast again as the default of 2 MB at batches of 500.
const CACHE_KIB: u32 = 32 * 1024;

/// Pages (4 KiB) of write-ahead log before it is copied back: fewer, larger checkpoints.
const AUTOCHECKPOINT_PAGES: u32 = 4000;

/// Bytes that the log file is cut back to after a checkpoint, so that one burst does not hold disk for ever.
const LOG_SIZE_LIMIT: u32 = 64 * 1024 * 1024;

/// Bytes of file and log up to which everything is checked at the opening: half a second's work, measured at 0.3 s for
/// 71 MiB. Of a larger store only the first pages of its tables are; what is damaged elsewhere shows when it is read.
const CHECKED_MOST: u64 = 128 * 1024 * 1024;

/// The tables that must be there once all migrations are applied.
const TABLES: [&str; 10] = [
    "meta",
    "lists",
    "orders",
    "numbers",
    "transitions",
    "events",
    "sinks",
    "sink_generations",
    "deliveries",
    "scopes",
];

/// The migrations, oldest first.
fn migrator() -> Migrator {
    let all = [
        (1, "initial", include_str!("../../../migrations/sqlite/0001_initial.sql")),
        (2, "webhooks", include_str!("../../../migrations/sqlite/0002_webhooks.sql")),
        (3, "decided_at", include_str!("../../../migrations/sqlite/0003_decided_at.sql")),
        (4, "runs", include_str!("../../../migrations/sqlite/0004_runs.sql")),
        (5, "shown", include_str!("../../../migrations/sqlite/0005_shown.sql")),
    ];
    let migration = |(version, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(all.map(migration).to_vec())
}

/// The newest schema that this program knows.
pub(super) fn newest() -> i64 {
    migrator().iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// How the writer connects.
pub(super) fn writer_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .pragma("cache_size", format!("-{CACHE_KIB}"))
        .pragma("temp_store", "memory")
        .pragma("wal_autocheckpoint", AUTOCHECKPOINT_PAGES.to_string())
        .pragma("journal_size_limit", LOG_SIZE_LIMIT.to_string())
        .disable_statement_logging()
}

/// How readers connect.
pub(super) fn reader_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY)
        .pragma("temp_store", "memory")
        .disable_statement_logging()
}

/// The path from the root, so that SQLite cannot take it for a URI or for `:memory:`; its folder must be there.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    let whole = std::path::absolute(path).map_err(|error| unusable(path, &error))?;
    match whole.parent() {
        // One file has one lock, whatever links lead to it.
        Some(folder) if folder.is_dir() => {
            if whole.is_symlink() || whole.exists() {
                fs::canonicalize(&whole).map_err(|error| unusable(path, &error))
            } else {
                Ok(whole)
            }
        }
        Some(folder) => Err(unusable(path, &format_args!("the folder {} does not exist", folder.display()))),
        None => Err(unusable(path, &"it is not a file")),
    }
}

/// Makes the file if it is not there, checks it if it is, and brings it to the newest schema.
pub(super) async fn prepare(path: &Path) -> Result<SqliteConnection, StoreError> {
    if is_new(path)? {
        create(path).map_err(|error| unusable(path, &error))?;
    } else {
        inspect(path, Check::Whole).await?;
    }
    let mut writer = writer_options(path).connect().await.map_err(|e| error::at_open(path, e))?;
    let mode: String = scalar(&mut writer, "PRAGMA journal_mode", path).await?;
    if mode != "wal" {
        return Err(unusable(path, &"its file system has no shared memory, which the store needs"));
    }
    let id: i64 = scalar(&mut writer, "PRAGMA application_id", path).await?;
    if id == 0 {
        // The pragma takes no parameter.
        let mark = sqlx::AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION_ID}"));
        sqlx::query(mark).execute(&mut writer).await.map_err(|e| error::at_open(path, e))?;
    }
    migrator().run(&mut writer).await.map_err(|e| error::at_migration(path, e))?;
    fill::standings(&mut writer).await?;
    Ok(writer)
}

fn create(path: &Path) -> io::Result<()> {
    // SQLite gives the log and the shared memory the mode of this file.
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path).map(drop)
}

/// Whether there is no file yet.
fn is_new(path: &Path) -> Result<bool, StoreError> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(false),
        Ok(_) => Err(unusable(path, &"it is not a file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(unusable(path, &error)),
    }
}

/// How closely a file is looked at before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// All of it, if it is not too large: it is to be written.
    Whole,
    /// Whose it is, and its tables: somebody only reads, and waits.
    Head,
}

/// Looks at a file without changing it, and refuses what claimwatch did not make or does not know.
pub(super) async fn inspect(path: &Path, check: Check) -> Result<(), StoreError> {
    let log = log_size(path);
    let mut magic = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut magic))
        .map_err(|error| unusable(path, &error))?;
    if magic.is_empty() && log == 0 {
        // Made by somebody who was killed before the first write.
        return Ok(());
    }
    if magic != MAGIC {
        return Err(unusable(path, &"it is no SQLite database, or it is damaged"));
    }
    // Without a log the file is complete, and opened as immutable nothing is created beside it. With one, what is in the
    // log counts, and a read-only connection leaves file and log as they are.
    let options = reader_options(path).immutable(log == 0);
    let mut reader = options.connect().await.map_err(|e| error::at_open(path, e))?;
    let verdict = judge(&mut reader, path, check).await;
    reader.close().await.map_err(|e| error::at_open(path, e))?;
    verdict
}

/// The size of the write-ahead log; 0 if there is none.
pub(super) fn log_size(path: &Path) -> u64 {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    fs::metadata(PathBuf::from(name)).map_or(0, |found| found.len())
}

async fn judge(reader: &mut SqliteConnection, path: &Path, check: Check) -> Result<(), StoreError> {
    let id: i64 = scalar(reader, "PRAGMA application_id", path).await?;
    let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .fetch_all(&mut *reader)
        .await
        .map_err(|e| error::at_open(path, e))?;
    if tables.is_empty() && (id == 0 || id == APPLICATION_ID) {
        return Ok(());
    }
    if id != APPLICATION_ID {
        return Err(unusable(path, &"it is a database of another program"));
    }
    if !tables.iter().any(|table| table == "_sqlx_migrations") {
        return Err(unusable(path, &"it is damaged: the list of its migrations is missing"));
    }
    let applied: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations ORDER BY version")
            .fetch_all(&mut *reader)
            .await
            .map_err(|e| error::at_open(path, e))?;
    if judge_migrations(path, &applied)? == Schema::Newest {
        for table in TABLES {
            // The name is one of ours. Reading a row touches the table's first page.
            let touch = sqlx::AssertSqlSafe(format!("SELECT 1 FROM {table} LIMIT 1"));
            sqlx::query(touch).fetch_optional(&mut *reader).await.map_err(|error| {
                unusable(path, &format_args!("it is damaged: the table {table} cannot be read ({error})"))
            })?;
        }
    }
    let size = fs::metadata(path).map_or(0, |found| found.len()).saturating_add(log_size(path));
    let whole = check == Check::Whole && size <= CHECKED_MOST;
    if whole { check_whole(reader, path).await } else { Ok(()) }
}

/// Looks at every page and every row: damage that is found after something was written costs more than a start that takes
/// a moment longer.
async fn check_whole(reader: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let found: String = scalar(reader, "PRAGMA integrity_check(1)", path).await?;
    if found != "ok" {
        let found = found.replace('\n', " ");
        return Err(unusable(path, &format_args!("it is damaged: restore a backup ({found})")));
    }
    let stray = sqlx::query_scalar::<_, String>("PRAGMA foreign_key_check")
        .fetch_optional(reader)
        .await
        .map_err(|e| error::at_open(path, e))?;
    match stray {
        Some(table) => {
            let what = format!("it is damaged: restore a backup (a row of {table} belongs to nothing)");
            Err(unusable(path, &what))
        }
        None => Ok(()),
    }
}

#[derive(PartialEq)]
enum Schema {
    Older,
    Newest,
}

fn judge_migrations(path: &Path, applied: &[(i64, Vec<u8>)]) -> Result<Schema, StoreError> {
    let known = migrator();
    for (version, checksum) in applied {
        match known.iter().find(|migration| migration.version == *version) {
            Some(migration) if *migration.checksum == **checksum => {}
            Some(_) => {
                let what = format!("its migration {version} differs from this claimwatch's");
                return Err(unusable(path, &what));
            }
            None => {
                let what = format!(
                    "it was written by a newer claimwatch (migration {version} is not known): install that version, or restore a backup"
                );
                return Err(unusable(path, &what));
            }
        }
    }
    Ok(if applied.len() == known.iter().count() { Schema::Newest } else { Schema::Older })
}

async fn scalar<T>(conn: &mut SqliteConnection, sql: &'static str, path: &Path) -> Result<T, StoreError>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite> + Send + Unpin,
{
    sqlx::query_scalar(sql).fetch_one(conn).await.map_err(|e| error::at_open(path, e))
}

pub(super) fn unusable(path: &Path, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unusable { detail: format!("the store {} cannot be used: {why}", path.display()) }
}
