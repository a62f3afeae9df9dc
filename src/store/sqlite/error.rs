//! What SQLite's errors mean for the daemon.

use std::path::Path;

use sqlx::migrate::MigrateError;

use crate::store::StoreError;

/// Primary result codes (<https://www.sqlite.org/rescode.html>); the low byte of an extended one.
const ERROR: u32 = 1;
const READONLY: u32 = 8;
const CORRUPT: u32 = 11;
const CANTOPEN: u32 = 14;
const CONSTRAINT: u32 = 19;
const MISMATCH: u32 = 20;
const NOTADB: u32 = 26;

/// An extended one: a batch that names what is not stored is its writer's mistake, and says nothing of the store.
const CONSTRAINT_FOREIGN_KEY: u32 = CONSTRAINT | (3 << 8);

fn code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

fn primary_code(error: &sqlx::Error) -> Option<u32> {
    code(error).map(|code| code & 0xff)
}

/// An error while the store is in use: damage and a read-only file do not pass, everything else may.
pub(super) fn in_use(error: sqlx::Error) -> StoreError {
    match primary_code(&error) {
        Some(READONLY) => {
            StoreError::Unusable { detail: format!("the store cannot be written any more: {error}") }
        }
        _ if is_damage(&error) => {
            StoreError::Unusable { detail: format!("the store is damaged: restore a backup ({error})") }
        }
        _ => StoreError::Failing(Box::new(error)),
    }
}

/// Whether what is stored is not what we wrote. It is the same at the next try, and whoever shares a batch with it would
/// wait for ever: SQLite has no checksums, so damage in a row shows as text that is no UTF-8 or no JSON any more, or as
/// rows that contradict each other. Statements of ours that cannot be understood are seen in every test.
fn is_damage(error: &sqlx::Error) -> bool {
    let says_so = matches!(primary_code(error), Some(ERROR | CORRUPT | CONSTRAINT | MISMATCH | NOTADB));
    says_so && code(error) != Some(CONSTRAINT_FOREIGN_KEY)
        || matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))
}

/// An error while it is opened, where a file that cannot be opened is wrong too.
pub(super) fn at_open(path: &Path, error: sqlx::Error) -> StoreError {
    let path = path.display();
    match primary_code(&error) {
        Some(CORRUPT | NOTADB) => {
            StoreError::Unusable { detail: format!("{path} is damaged: restore a backup ({error})") }
        }
        Some(READONLY | CANTOPEN) => StoreError::Unusable {
            detail: format!("{path} cannot be opened for writing, or its folder cannot: {error}"),
        },
        _ => StoreError::Failing(Box::new(error)),
    }
}

/// An error of a migration.
pub(super) fn at_migration(path: &Path, error: MigrateError) -> StoreError {
    if let MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) = error {
        return at_open(path, error);
    }
    StoreError::Unusable { detail: format!("{} cannot be migrated: {error}", path.display()) }
}

/// A row that we wrote and cannot read.
pub(super) fn unreadable(what: &str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unusable { detail: format!("the store is damaged: {what} cannot be read ({error})") }
}
