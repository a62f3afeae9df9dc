//! Housekeeping: backups of the store, pruning of what is old, and a digest. The alarm clock says when; the work is done here,
//! beside the loop, one chore at a time. What went wrong is a diagnostic, and the next alarm tries again.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use super::observe::seconds;
use super::poller::Wish;
use crate::clock::Clock;
use crate::config::{Config, Schedules};
use crate::core::time::Timestamp;
use crate::store::{Batch, PRUNED_AT_ONCE, Pruned, Pruning, Store, StoreError};

/// Where backups go if nothing else is said: a folder beside the store, which is where a service may write.
const BACKUPS: &str = "backups";
/// The mode of a folder that is made for backups: phone numbers are nobody else's business.
const FOLDER_MODE: u32 = 0o700;
/// What a backup that is not finished is called. There is one at a time.
const UNFINISHED: &str = ".claimwatch-backup.tmp";
/// Between two steps of pruning: as long again as a step may take, so that others have half of the disk.
const BREATH: Duration = Duration::from_millis(50);

/// Open windows that a digest names; the others it counts.
const SOONEST: u32 = 10;

/// Something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Chore {
    /// Remove what is old.
    Prune,
    /// Copy the store.
    Backup,
    /// Sum up what is open.
    Digest,
}

impl Chore {
    /// Its word in the store.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Prune => "prune",
            Self::Backup => "backup",
            Self::Digest => "digest",
        }
    }

    /// When it is to be done: a cron line, if there is one.
    pub(super) fn line(self, schedules: &Schedules) -> Option<&str> {
        match self {
            Self::Prune => schedules.prune.as_deref(),
            Self::Backup => schedules.backup.as_deref(),
            Self::Digest => schedules.digest.as_deref(),
        }
    }
}

/// What waits to be done or is being done. Nothing is on it twice: what is at work when its time comes again goes on, and is not
/// begun anew.
#[derive(Debug, Default)]
pub(super) struct ToDo {
    list: Mutex<BTreeSet<Chore>>,
    longer: Notify,
}

impl ToDo {
    /// All chores.
    pub(super) const ALL: [Chore; 3] = [Chore::Prune, Chore::Backup, Chore::Digest];

    /// Puts a chore on the list and wakes the housekeeper.
    pub(super) fn add(&self, chore: Chore) {
        if self.list().insert(chore) {
            self.longer.notify_one();
        } else {
            tracing::warn!(chore = chore.word(), "it is still to be done or being done, and not begun again");
        }
    }

    /// The first chore on the list, which stays on it until it is [`done`](Self::done).
    async fn first(&self) -> Chore {
        loop {
            let first = self.list().first().copied();
            match first {
                Some(chore) => return chore,
                None => self.longer.notified().await,
            }
        }
    }

    fn done(&self, chore: Chore) {
        self.list().remove(&chore);
    }

    fn list(&self) -> MutexGuard<'_, BTreeSet<Chore>> {
        // Nothing panics while it is held.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a backup was not made.
#[derive(Debug, thiserror::Error)]
enum BackupError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{path}: {cause}")]
    Files { path: PathBuf, cause: io::Error },
}

/// Does the chores.
#[derive(Debug)]
pub(super) struct Housekeeper<S, C> {
    store: Arc<S>,
    clock: Arc<C>,
    wishes: mpsc::Sender<Wish>,
    /// How long what is over is kept.
    history: Duration,
    folder: PathBuf,
    /// How many backups are kept.
    backups: usize,
}

impl<S: Store, C: Clock> Housekeeper<S, C> {
    /// Asks the loop at `wishes` to say what is to be said.
    pub(super) fn new(config: &Config, store: Arc<S>, clock: Arc<C>, wishes: mpsc::Sender<Wish>) -> Self {
        let schedules = &config.schedules;
        let beside = || config.store.parent().unwrap_or(Path::new("")).join(BACKUPS);
        Self {
            store,
            clock,
            wishes,
            history: schedules.prune_keep,
            folder: schedules.backup_dir.clone().unwrap_or_else(beside),
            backups: usize::try_from(schedules.backup_keep).unwrap_or(usize::MAX),
        }
    }

    /// Does what is on the list, for ever.
    pub(super) async fn run(self, to_do: Arc<ToDo>) {
        let left = self.folder.join(UNFINISHED);
        if let Err(error) = blocking(&self.folder, move || remove(&left)).await {
            tracing::warn!(%error, "what a backup left that was cut short is still there");
        }
        loop {
            let chore = to_do.first().await;
            if self.does(chore).await {
                self.note(chore).await;
            }
            to_do.done(chore);
        }
    }

    /// Does a chore and says what became of it. Whether it is done, and the store is to know.
    async fn does(&self, chore: Chore) -> bool {
        let began = self.clock.now().tick;
        let took = || seconds(self.clock.now().tick.since(began));
        match chore {
            Chore::Prune => match self.prune().await {
                Ok((events, transitions)) => {
                    tracing::info!(events, transitions, seconds = took(), "old history is pruned");
                    true
                }
                Err(error) => {
                    let cause = whole(&error);
                    tracing::error!(
                        cause,
                        "old history could not be pruned; the next time it is tried again"
                    );
                    false
                }
            },
            Chore::Backup => match self.back_up().await {
                Ok((path, last_seq)) => {
                    tracing::info!(path = %path.display(), last_seq, seconds = took(), "the store is backed up");
                    true
                }
                Err(error) => {
                    let (folder, cause) = (self.folder.display(), whole(&error));
                    tracing::error!(%folder, cause, "the store could not be backed up; the next time it is tried again");
                    false
                }
            },
            Chore::Digest => {
                match self.store.summary(SOONEST).await {
                    // The loop notes it together with the event. It may have ended.
                    Ok(summary) => drop(self.wishes.send(Wish::Digest(summary)).await),
                    Err(error) => {
                        let cause = whole(&error);
                        tracing::error!(cause, "there is no digest: the store could not be read");
                    }
                }
                false
            }
        }
    }

    /// Has the store know that a chore was done.
    async fn note(&self, chore: Chore) {
        let runs = vec![(chore.word().to_owned(), self.clock.now().wall)];
        if let Err(error) = self.store.commit(Batch { runs, ..Batch::default() }).await {
            let cause = whole(&error);
            tracing::warn!(
                chore = chore.word(),
                cause,
                "the store does not know that it was done: the next start repeats it"
            );
        }
    }

    /// Removes what is old. Gives how many events and steps of histories.
    async fn prune(&self) -> Result<(u64, u64), StoreError> {
        let before = self.clock.now().wall.minus(self.history);
        let (mut events, mut transitions) = (0, 0);
        let mut from = Some(Pruning::START);
        while let Some(place) = from {
            let Pruned { events: gone, transitions: steps, next } =
                self.store.prune(before, place, PRUNED_AT_ONCE).await?;
            (events, transitions, from) = (events + gone, transitions + steps, next);
            tokio::time::sleep(BREATH).await;
        }
        Ok((events, transitions))
    }

    /// Makes a backup under a name of its own once it is whole, and removes the oldest. Gives its path and last event.
    async fn back_up(&self) -> Result<(PathBuf, u64), BackupError> {
        let (folder, unfinished) = (self.folder.clone(), self.folder.join(UNFINISHED));
        let (prepared, left) = (folder.clone(), unfinished.clone());
        blocking(&folder, move || prepare(&prepared, &left)).await?;
        let last_seq = match self.store.copy_to(&unfinished).await {
            Ok(last_seq) => last_seq,
            Err(error) => {
                // What there is of it may have filled the disk that the store is on.
                let left = unfinished.clone();
                blocking(&unfinished, move || remove(&left)).await?;
                return Err(error.into());
            }
        };
        let path = folder.join(name(self.clock.now().wall));
        let (made, keep) = (path.clone(), self.backups);
        blocking(&path, move || finish(&unfinished, &made, keep)).await?;
        Ok((path, last_seq))
    }
}

/// Runs what blocks on a thread of its own.
async fn blocking(
    path: &Path,
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Result<(), BackupError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(io::Error::other);
    done.and_then(|done| done).map_err(|cause| BackupError::Files { path: path.to_owned(), cause })
}

/// Makes the folder if it is not there, and takes away what an attempt left that was cut short.
fn prepare(folder: &Path, unfinished: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    remove(unfinished)
}

/// Takes away what an attempt left that was cut short.
fn remove(unfinished: &Path) -> io::Result<()> {
    let mut journal = unfinished.as_os_str().to_owned();
    journal.push("-journal");
    for left in [unfinished, Path::new(&journal)] {
        match fs::remove_file(left) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Gives a copy its name for good, and removes the oldest beyond `keep`.
fn finish(unfinished: &Path, made: &Path, keep: usize) -> io::Result<()> {
    fs::rename(unfinished, made)?;
    let folder = made.parent().unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let ours = entry.file_name().to_str().is_some_and(is_backup);
        if ours && entry.file_type()?.is_file() {
            all.push(entry.path());
        }
    }
    all.sort_unstable();
    // The one just made is never among them, though a clock that was ahead left younger names.
    all.retain(|path| path != made);
    let surplus = (all.len() + 1).saturating_sub(keep);
    all.iter().take(surplus).try_for_each(fs::remove_file)
}

/// The name of a backup that was made then: names sort as they are old.
fn name(at: Timestamp) -> String {
    let digits: String = at.to_string().chars().filter(|c| !['-', ':'].contains(c)).collect();
    format!("claimwatch-{}Z.db", digits.split('.').next().unwrap_or_default())
}

/// Whether a file is called exactly as a backup: others are nobody's to remove.
fn is_backup(file: &str) -> bool {
    let time = file.strip_prefix("claimwatch-").and_then(|rest| rest.strip_suffix("Z.db"));
    let Some((day, second)) = time.and_then(|time| time.split_once('T')) else { return false };
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    digits(day, 8) && digits(second, 6)
}

/// An error with what caused it, on one line.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backups_name_is_its_time() {
        let at = Timestamp::parse("2026-11-25T04:00:07.891Z").unwrap();
        assert_eq!(name(at), "claimwatch-20261125T040007Z.db");
        assert!(is_backup(&name(at)));
    }

    #[tokio::test]
    async fn what_is_at_work_is_not_begun_again_and_nothing_waits_twice() {
        let to_do = ToDo::default();
        to_do.add(Chore::Backup);
        to_do.add(Chore::Backup);
        assert_eq!(to_do.first().await, Chore::Backup);
        // Its time comes again while it is at work, and another's.
        to_do.add(Chore::Backup);
        to_do.add(Chore::Prune);
        to_do.done(Chore::Backup);
        assert_eq!(to_do.first().await, Chore::Prune);
        to_do.done(Chore::Prune);
        assert!(tokio::time::timeout(Duration::ZERO, to_do.first()).await.is_err(), "nothing is left");
        to_do.add(Chore::Backup);
        assert_eq!(to_do.first().await, Chore::Backup);
    }

    #[test]
    fn the_oldest_go_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let others = [
            "claimwatch.db",
            "claimwatch-2026.db",
            "claimwatch-20200101T000000Z.db.bak",
            "my-claimwatch-20200101T000000Z.db",
            "claimwatch-2020010xT000000Z.db",
            "claimwatch-20200101T0000001Z.db",
            "claimwatch-20200101-000000Z.db",
        ];
        let backups = [
            "claimwatch-20200101T000000Z.db",
            "claimwatch-20200102T000000Z.db",
            "claimwatch-20990101T000000Z.db",
        ];
        others.iter().chain(&backups).for_each(|name| fs::write(path(name), "x").unwrap());
        fs::create_dir(path("claimwatch-20190101T000000Z.db")).unwrap();
        fs::write(path(UNFINISHED), "new").unwrap();
        let made = "claimwatch-20200103T000000Z.db";
        finish(&path(UNFINISHED), &path(made), 2).unwrap();
        assert!(others.iter().all(|name| path(name).exists()));
        assert!(path("claimwatch-20190101T000000Z.db").exists());
        let left: Vec<bool> = backups.iter().map(|name| path(name).exists()).collect();
        assert_eq!(
            (left, fs::read_to_string(path(made)).unwrap().as_str()),
            (vec![false, false, true], "new")
        );
        // One is kept: the new one, whatever its name says.
        fs::write(path(UNFINISHED), "newer").unwrap();
        finish(&path(UNFINISHED), &path(made), 1).unwrap();
        assert!(path(made).exists() && !path(backups[2]).exists());
    }
}
