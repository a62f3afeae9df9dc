//! What the files of a configuration look like from outside, so that a change is noticed without reading them.
//!
//! Looking is chosen over being told by the kernel: it sees a file that was renamed over another one, a folder or file behind a
//! symbolic link that was swapped, and a network file system alike, for a stat a file.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::CONF_D;
use super::files::toml_files;

/// Device, inode, length, and the times of the last change of content and of anything.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

/// The files that there are, and how each stands. What is not there, or cannot be looked at, is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    main: PathBuf,
    files: BTreeMap<PathBuf, Stamp>,
}

impl Outline {
    /// That of the main file, of what is read over it, and of the lists in these folders.
    pub fn of(main: &Path, dirs: &[PathBuf]) -> Self {
        let conf_d = main.parent().unwrap_or(Path::new("")).join(CONF_D);
        let files = stamp(main).map(|stamp| (main.to_path_buf(), stamp)).into_iter().collect();
        let mut outline = Self { main: main.to_path_buf(), files };
        outline.add(&[conf_d]);
        outline.add(dirs);
        outline
    }

    /// Whether the main file stands as it does there.
    pub fn has_main_of(&self, other: &Self) -> bool {
        self.files.get(&self.main) == other.files.get(&other.main)
    }

    /// Whether a file of this folder is in it.
    pub fn is_within(&self, dir: &Path) -> bool {
        self.files.keys().any(|path| path.parent() == Some(dir))
    }

    /// Adds the lists in these folders.
    pub(super) fn add(&mut self, dirs: &[PathBuf]) {
        let files = dirs.iter().filter_map(|dir| toml_files(dir).ok()).flatten();
        self.files.extend(files.filter_map(|path| stamp(&path).map(|stamp| (path, stamp))));
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    // Of a link that leads nowhere, the link: it is a fault when it is read.
    let about = fs::metadata(path).or_else(|_| fs::symlink_metadata(path)).ok()?;
    let (changed, touched) = ((about.mtime(), about.mtime_nsec()), (about.ctime(), about.ctime_nsec()));
    Some((about.dev(), about.ino(), about.len(), changed, touched))
}

/// Says when files have changed and stayed as they are from one look to the next: whoever writes them is done then.
#[derive(Debug)]
pub struct Follower {
    /// As they were when they were last read.
    read: Outline,
    /// As they were at the last look, if that is another one.
    seen: Option<Outline>,
}

impl Follower {
    /// From when they were last read on.
    pub fn new(read: Outline) -> Self {
        Self { read, seen: None }
    }

    /// As they were when they were last read.
    pub fn read(&self) -> &Outline {
        &self.read
    }

    /// They are read as they are now.
    pub fn note(&mut self, read: Outline) {
        *self = Self::new(read);
    }

    /// Looks. Whether they are to be read now.
    pub fn look(&mut self, now: Outline) -> bool {
        if now == self.read {
            self.seen = None;
            return false;
        }
        if self.seen.as_ref() != Some(&now) {
            self.seen = Some(now);
            return false;
        }
        self.note(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_way_to_change_a_file_shows() {
        let house = tempfile::tempdir().unwrap();
        let path = |name: &str| house.path().join(name);
        for dir in ["conf.d", "one", "two"] {
            fs::create_dir(path(dir)).unwrap();
        }
        let write = |name: &str, text: &str| fs::write(path(name), text).unwrap();
        write("claimwatch.toml", "a");
        write("one/emea.toml", "a");
        write("two/emea.toml", "a");
        symlink("one", path("watch.d")).unwrap();
        let look = || Outline::of(&path("claimwatch.toml"), &[path("watch.d")]);
        let mut before = Outline::default();
        let mut differs = |what: &str, differs: bool| {
            let now = look();
            assert_eq!(before != now, differs, "{what}");
            before = now;
        };
        differs("they are there", true);
        differs("nothing happened", false);
        write("one/emea.toml", "bb");
        differs("written", true);
        write("one/new", "a");
        fs::rename(path("one/new"), path("one/emea.toml")).unwrap();
        differs("renamed over", true);
        write("one/.emea.toml.swp", "a");
        write("one/README", "a");
        differs("what is no list", false);
        write("one/apac.toml", "a");
        differs("a new one", true);
        fs::remove_file(path("one/apac.toml")).unwrap();
        differs("one that is gone", true);
        symlink("two", path("next")).unwrap();
        fs::rename(path("next"), path("watch.d")).unwrap();
        differs("a folder behind a link", true);
        write("conf.d/10.toml", "a");
        differs("what is read over the main file", true);
        write("claimwatch.toml", "b");
        differs("the main file", true);
        fs::remove_file(path("watch.d")).unwrap();
        differs("a folder that is gone", true);
        symlink("nowhere", path("two/link.toml")).unwrap();
        fs::rename(path("two"), path("watch.d")).unwrap();
        differs("a folder that is back, with a link that leads nowhere", true);
        fs::remove_file(path("watch.d/link.toml")).unwrap();
        differs("and without it", true);
        differs("and stays so", false);
    }

    #[test]
    fn files_are_read_once_they_have_stayed_the_same() {
        let house = tempfile::tempdir().unwrap();
        let main = house.path().join("claimwatch.toml");
        let with = |text: &str| {
            fs::write(&main, text).unwrap();
            Outline::of(&main, &[])
        };
        let first = with("");
        let mut follower = Follower::new(first.clone());
        assert!(!follower.look(first.clone()));
        let half = with("half");
        assert!(!follower.look(half.clone()), "it may not be whole");
        let whole = with("whole");
        assert!(!follower.look(whole.clone()), "nor may this");
        assert!(follower.look(whole.clone()), "it stayed");
        assert!(!follower.look(whole.clone()) && !follower.look(whole), "once");
        assert!(!follower.look(half.clone()));
        follower.note(half.clone());
        assert!(!follower.look(half.clone()), "somebody asked for it meanwhile");
        assert!(!follower.look(first.clone()) && !follower.look(half.clone()), "as it was again");
        assert!(!follower.look(first.clone()) && follower.look(first));
    }
}
