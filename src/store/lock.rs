//! One daemon a store: an advisory lock beside it, held for life.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::StoreError;

/// A lock on a store. Dropping it, or the death of the process, releases it; the file stays.
///
/// It is a file of its own, since closing any handle on the database would drop the locks that SQLite holds on it
/// (POSIX locks belong to the process).
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
    /// Whether this call made the file.
    created: bool,
}

impl Lock {
    /// Takes the lock of the store at `store`, or says who is in the way.
    pub(super) fn take(store: &Path) -> Result<Self, StoreError> {
        let mut name = store.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let unusable =
            |error: &io::Error| StoreError::Unusable { detail: format!("{}: {error}", path.display()) };
        let (file, created) = open(&path).map_err(|error| unusable(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(store)),
            Err(TryLockError::Error(error)) => return Err(unusable(&error)),
        }
        // Between opening and locking, a daemon that refused its store may have removed the file: a lock on what is
        // not there any more excludes nobody.
        if is_same(&file, &path) { Ok(Self { file, path, created }) } else { Err(taken(store)) }
    }

    /// Releases the lock and leaves the folder as it was found.
    pub(super) fn undo(self) {
        if self.created {
            // What cannot be removed stays and harms nobody.
            let _ = std::fs::remove_file(&self.path);
        }
        drop(self.file);
    }
}

/// The database file as it was opened: SQLite writes on into a file that was deleted, and nobody would notice.
#[derive(Debug)]
pub(super) struct StoreFile {
    path: PathBuf,
    place: (u64, u64),
}

impl StoreFile {
    /// The file that is at `path`.
    pub(super) fn held(path: PathBuf) -> Result<Self, StoreError> {
        match place(&path) {
            Some(place) => Ok(Self { path, place }),
            None => Err(gone(&path)),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is there still.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if place(&self.path) == Some(self.place) { Ok(()) } else { Err(gone(&self.path)) }
    }
}

fn place(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

fn gone(path: &Path) -> StoreError {
    StoreError::Unusable { detail: format!("{} was deleted or replaced while it was in use", path.display()) }
}

fn open(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(super::FILE_MODE);
    match options.clone().create_new(true).open(path) {
        Ok(file) => Ok((file, true)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok((options.open(path)?, false)),
        Err(error) => Err(error),
    }
}

fn is_same(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(held), Ok(there)) => held.ino() == there.ino() && held.dev() == there.dev(),
        _ => false,
    }
}

fn taken(store: &Path) -> StoreError {
    StoreError::Unusable {
        detail: format!("{} is in use by another claimwatch: one store has one daemon", store.display()),
    }
}
