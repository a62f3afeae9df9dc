//! Puts a text in a file's place.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

/// So many links one after the other are followed: as many as Linux follows.
const MOST_LINKS: usize = 40;
/// The permissions of a new file, less what the umask takes: whoever runs the daemon may read it.
const NEW: u32 = 0o644;
/// The permissions of a file that becomes another one's successor, until it has that one's.
const PRIVATE: u32 = 0o600;

/// Writes a text to a file. Whoever reads the file meanwhile sees the old text or the new one as a whole, and so does
/// who reads it after a loss of power.
///
/// The text is written to another file in the same folder, which then takes the place and the name of the old one. Its
/// name begins with a dot and does not end in `.toml`, so that it is no list; where this fails it is removed, and the old
/// file is as it was. Only when the very last step fails, that the folder is told to the disk, the new text is there.
///
/// A symbolic link stays one, and what it leads to is replaced, or made if it leads nowhere. The file keeps its
/// permissions, and its owner and group where that is permitted; where not even the group can be kept, the new group may
/// do what anybody may. A new file has 0644, less the umask. Not kept are access control lists and other attributes, and
/// other names (hard links) of the file still have the old text. That the file itself is read-only does not hinder
/// anything: it is the folder that has to be writable.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = followed(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let old = if_any(fs::metadata(&path))?;
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let in_folder = File::open(folder)?;
    let mut successor = tempfile::Builder::new()
        .prefix(".claimwatch-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(if old.is_some() { PRIVATE } else { NEW }))
        .tempfile_in(folder)?;
    successor.write_all(text.as_bytes())?;
    if let Some(old) = &old {
        resemble(successor.as_file(), old)?;
    }
    successor.as_file().sync_all()?;
    successor.persist(&path).map_err(|failed| failed.error)?;
    in_folder.sync_all()
}

/// Where a path leads when all links at its end are followed, whether something is there or not.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..=MOST_LINKS {
        if if_any(fs::symlink_metadata(&path))?.is_none_or(|about| !about.is_symlink()) {
            return Ok(path);
        }
        path = path.parent().unwrap_or(Path::new("")).join(fs::read_link(&path)?);
    }
    Err(io::Error::other("too many symbolic links lead to each other"))
}

/// What is known of a file; `None` where there is none.
fn if_any(about: io::Result<Metadata>) -> io::Result<Option<Metadata>> {
    match about {
        Ok(about) => Ok(Some(about)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// Gives a file the owner, group and permissions of another one, as far as the caller may.
fn resemble(file: &File, old: &Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    let mut mode = old.mode() & 0o777;
    let is_same = (own.uid(), own.gid()) == (old.uid(), old.gid());
    let is_kept = is_same
        || fchown(file, Some(old.uid()), Some(old.gid())).is_ok()
        || fchown(file, None, Some(old.gid())).is_ok();
    if !is_kept {
        // What was for one group is not for another.
        mode = mode & !0o070 | (mode & 0o007) << 3;
    }
    file.set_permissions(Permissions::from_mode(mode))
}
