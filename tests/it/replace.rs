//! A file is replaced as a whole, or not at all: also by somebody who may not, on a full disk, and by one who is killed.

#![expect(clippy::unwrap_used, reason = "what cannot be done here is a failed test")]

use std::env;
use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use claimwatch::config::local::replace;
use tempfile::TempDir;

/// Which file the child is to replace; whoever has no such variable is no child.
const PATH: &str = "REPLACE_PATH";
/// More than the child may write where its files are limited.
const LONG: usize = 1 << 20;
/// Who owns nothing and may nothing: the number of `nobody`, and the group of that name.
const NOBODY: u32 = 65_534;
const GROUP: u32 = 54_321;
const SIGXFSZ: i32 = 25;

#[test]
fn child() {
    let Some(path) = env::var_os(PATH) else { return };
    let done = replace(Path::new(&path), &"n".repeat(LONG)).map_err(|cause| cause.kind());
    write!(io::stdout(), "{done:?}").unwrap();
}

/// This program again as that child, begun by a command that takes a command: in this folder, for this file.
fn child_by(words: &[&str], folder: &Path, path: &str) -> Output {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(env::current_exe().unwrap()).args([
        "--exact",
        "replace::child",
        "--nocapture",
    ]);
    command.current_dir(folder).env(PATH, path).output().unwrap()
}

/// What the child said.
fn said(output: &Output, word: &str) -> bool {
    String::from_utf8_lossy(&output.stdout).contains(word)
}

/// A folder that anybody may read, with a file of this text and mode in it.
fn folder(text: &str, mode: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("local.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Whether a file of this name is read as a list.
fn is_list(name: &str) -> bool {
    name.as_bytes().ends_with(b".toml") && !name.starts_with('.')
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// The words that make a command another user's; `None` where that cannot be done, and then the test is skipped.
#[expect(clippy::print_stderr, reason = "shown with --nocapture")]
fn as_nobody(groups: &'static str) -> Option<Vec<&'static str>> {
    let words = vec!["setpriv", "--reuid=65534", "--regid=65534", groups];
    let exe = env::current_exe().unwrap();
    let can = is_root()
        && Command::new(words[0])
            .args(&words[1..])
            .arg(exe)
            .arg("--list")
            .output()
            .is_ok_and(|output| output.status.success());
    if !can {
        eprintln!("skipped: it takes root, setpriv, and a test program that anybody may run");
    }
    can.then_some(words)
}

#[test]
fn a_new_file_has_what_the_umask_leaves() {
    for (umask, expected) in [("022", 0o644), ("027", 0o640), ("077", 0o600), ("000", 0o644)] {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("umask {umask}; exec \"$@\"");
        let output = child_by(&["sh", "-c", &script, "sh"], folder.path(), "local.toml");
        assert!(said(&output, "Ok(())"), "{output:?}");
        assert_eq!(mode(&folder.path().join("local.toml")), expected, "{umask}");
        assert_eq!(names(folder.path()), ["local.toml"]);
    }
}

#[test]
fn an_old_file_keeps_its_mode_and_is_not_written_to() {
    for kept in [0o600, 0o640, 0o644, 0o664, 0o666, 0o444] {
        let folder = folder("old", kept);
        let (path, other) = (folder.path().join("local.toml"), folder.path().join("other"));
        fs::hard_link(&path, &other).unwrap();
        replace(&path, "new").unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("new", kept));
        // Had the old file been written to, its other name would show it.
        assert_eq!((fs::read_to_string(&other).unwrap().as_str(), mode(&other)), ("old", kept));
        replace(&path, "").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        assert_eq!(names(folder.path()), ["local.toml", "other"]);
    }
}

#[test]
fn links_stay_and_what_they_lead_to_is_replaced() {
    let (here, there) = (folder("other", 0o644), folder("old", 0o640));
    let (link, middle, target) =
        (here.path().join("link.toml"), there.path().join("middle"), there.path().join("local.toml"));
    symlink("local.toml", &middle).unwrap();
    symlink(&middle, &link).unwrap();
    replace(&link, "new").unwrap();
    assert_eq!(fs::read_link(&link).unwrap(), middle);
    assert_eq!(fs::read_link(&middle).unwrap(), Path::new("local.toml"));
    assert_eq!((fs::read_to_string(&target).unwrap().as_str(), mode(&target)), ("new", 0o640));
    // One that leads nowhere: it does afterwards.
    fs::remove_file(&target).unwrap();
    replace(&link, "newer").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&target).unwrap(), "newer");
    // Two that lead to each other.
    fs::remove_file(&target).unwrap();
    symlink(&link, &target).unwrap();
    assert!(replace(&link, "new").is_err());
    assert_eq!(names(here.path()), ["link.toml", "local.toml"]);
    assert_eq!(names(there.path()), ["local.toml", "middle"]);
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = folder("old", 0o644);
    let (socket, inner) = (folder.path().join("socket"), folder.path().join("folder"));
    let _listener = UnixListener::bind(&socket).unwrap();
    fs::create_dir(&inner).unwrap();
    symlink("folder", folder.path().join("link")).unwrap();
    for name in ["socket", "folder", "link"] {
        let refused = replace(&folder.path().join(name), "new").map_err(|cause| cause.kind());
        assert_eq!(refused, Err(io::ErrorKind::InvalidInput), "{name}");
    }
    for (name, kind) in
        [("none/local.toml", io::ErrorKind::NotFound), ("local.toml/x", io::ErrorKind::NotADirectory)]
    {
        assert_eq!(
            replace(&folder.path().join(name), "new").map_err(|cause| cause.kind()),
            Err(kind),
            "{name}"
        );
    }
    assert_eq!(names(folder.path()), ["folder", "link", "local.toml", "socket"]);
}

#[test]
fn readers_see_one_text_or_the_other_as_a_whole() {
    let folder = folder("", 0o644);
    let path = folder.path().join("local.toml");
    let texts = ["a".repeat(LONG), "b".repeat(LONG / 2)];
    replace(&path, &texts[0]).unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut looks = 0_u32;
            while !is_over.load(Ordering::SeqCst) {
                let seen = fs::read_to_string(&path).unwrap();
                assert!(texts.contains(&seen), "{} bytes", seen.len());
                let lists = names(folder.path()).into_iter().filter(|name| is_list(name));
                assert_eq!(lists.collect::<Vec<_>>(), ["local.toml"]);
                looks += 1;
            }
            looks
        });
        let written: io::Result<()> = (0..200).try_for_each(|turn| replace(&path, &texts[turn % 2]));
        is_over.store(true, Ordering::SeqCst);
        written.unwrap();
        assert!(reader.join().unwrap() > 0);
    });
    assert_eq!(names(folder.path()), ["local.toml"]);
}

#[test]
fn a_full_disk_changes_nothing_and_leaves_nothing() {
    let folder = folder("old", 0o644);
    let path = folder.path().join("local.toml");
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$@\"";
    for name in ["local.toml", "new.toml"] {
        let output = child_by(&["sh", "-c", script, "sh"], folder.path(), name);
        assert!(said(&output, "Err(FileTooLarge)"), "{output:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()), ["local.toml"]);
    }
}

#[test]
fn who_is_killed_while_writing_has_changed_nothing() {
    let folder = folder("old", 0o644);
    let path = folder.path().join("local.toml");
    let script = "ulimit -c 0; ulimit -f 8; exec \"$@\"";
    let output = child_by(&["sh", "-c", script, "sh"], folder.path(), "local.toml");
    assert_eq!(output.status.signal(), Some(SIGXFSZ), "{output:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    // What it left is no list, and nobody else may read it.
    let left = names(folder.path());
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left[0].starts_with(".claimwatch-") && !is_list(&left[0]), "{left:?}");
    let partial = folder.path().join(&left[0]);
    assert!(partial.extension().is_some_and(|extension| extension == "tmp"));
    assert_eq!(mode(&partial), 0o600);
    assert!((1..LONG as u64).contains(&fs::metadata(&partial).unwrap().len()));
    replace(&path, "new").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
}

#[test]
fn who_may_not_write_in_the_folder_changes_nothing() {
    let folder = folder("old", 0o666);
    fs::set_permissions(folder.path(), Permissions::from_mode(0o555)).unwrap();
    let words = if is_root() { as_nobody("--clear-groups") } else { Some(vec!["env"]) };
    let Some(words) = words else { return };
    let output = child_by(&words, folder.path(), "local.toml");
    assert!(said(&output, "Err(PermissionDenied)"), "{output:?}");
    assert_eq!(fs::read_to_string(folder.path().join("local.toml")).unwrap(), "old");
    assert_eq!(names(folder.path()), ["local.toml"]);
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
}

/// In such a folder anybody may make a file, but not take the place of another's.
#[test]
fn who_may_write_but_not_replace_leaves_nothing() {
    let Some(words) = as_nobody("--clear-groups") else { return };
    let folder = folder("old", 0o644);
    fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).unwrap();
    let output = child_by(&words, folder.path(), "local.toml");
    assert!(said(&output, "Err(PermissionDenied)"), "{output:?}");
    assert_eq!(fs::read_to_string(folder.path().join("local.toml")).unwrap(), "old");
    assert_eq!(names(folder.path()), ["local.toml"]);
}

#[test]
fn owner_and_group_are_kept_where_that_is_permitted() {
    let owner = |path: &Path| fs::metadata(path).map(|about| (about.uid(), about.gid(), mode(path))).unwrap();
    let (Some(alone), Some(member)) = (as_nobody("--clear-groups"), as_nobody("--groups=54321")) else {
        return;
    };
    let by_root = folder("old", 0o640);
    let path = by_root.path().join("local.toml");
    chown(&path, Some(NOBODY - 1), Some(GROUP)).unwrap();
    replace(&path, "new").unwrap();
    assert_eq!(owner(&path), (NOBODY - 1, GROUP, 0o640));
    for (words, kept, expected) in [
        (&member, 0o640, (NOBODY, GROUP, 0o640)),
        (&member, 0o664, (NOBODY, GROUP, 0o664)),
        // Another group than the one that was allowed to: it may what all may.
        (&alone, 0o640, (NOBODY, NOBODY, 0o600)),
        (&alone, 0o664, (NOBODY, NOBODY, 0o644)),
        (&alone, 0o604, (NOBODY, NOBODY, 0o644)),
    ] {
        let folder = folder("old", kept);
        let path = folder.path().join("local.toml");
        chown(folder.path(), Some(NOBODY), None).unwrap();
        chown(&path, None, Some(GROUP)).unwrap();
        let output = child_by(words, folder.path(), "local.toml");
        assert!(said(&output, "Ok(())"), "{output:?}");
        assert_eq!(owner(&path), expected);
        assert_eq!(names(folder.path()), ["local.toml"]);
    }
}
