//! Finds and reads files: bounded, without ever waiting for a pipe, and told from their neighbours by name.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::problem::{Fault, Notes};
use super::text::TextId;

/// The largest file that is read. A list of a million numbers with labels is below it.
pub(super) const LARGEST_FILE: u64 = 64 * 1024 * 1024;
/// `O_NONBLOCK` of Linux: opening a named pipe must not wait for a writer.
const O_NONBLOCK: i32 = 0o4000;

/// The TOML files of a folder, in the order of their names: those that end in `.toml` and do not begin with a dot.
pub(super) fn toml_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let bytes = name.as_encoded_bytes();
        if bytes.ends_with(b".toml") && !bytes.starts_with(b".") {
            files.push(dir.join(&name));
        }
    }
    files.sort();
    Ok(files)
}

/// Reads a file into the texts. What stands in its way is noted as an error of the file, and then there is no text to
/// parse; the id names the file all the same.
pub(super) fn read(path: &Path, notes: &mut Notes) -> (TextId, bool) {
    match bytes(path) {
        Ok((bytes, mode)) => {
            let (id, whole) = decode(path, &bytes, notes);
            if mode & 0o022 != 0 {
                let fault = Fault::new(format!(
                    "others than its owner may write this file (mode {:03o})",
                    mode & 0o777
                ))
                .help("who writes it decides what is watched and where events go: chmod go-w");
                let span = notes.texts.get(id).whole();
                notes.warning(span, fault);
            }
            (id, whole)
        }
        Err(fault) => {
            let id = notes.texts.add(path.to_path_buf(), "");
            let span = notes.texts.get(id).whole();
            notes.error(span, fault);
            (id, false)
        }
    }
}

fn decode(path: &Path, bytes: &[u8], notes: &mut Notes) -> (TextId, bool) {
    let good = match std::str::from_utf8(bytes) {
        Ok(text) => return (notes.texts.add(path.to_path_buf(), text), true),
        Err(error) => error.valid_up_to(),
    };
    let shown = String::from_utf8_lossy(bytes);
    let id = notes.texts.add(path.to_path_buf(), &shown);
    let mark = if bytes.starts_with("\u{feff}".as_bytes()) { '\u{feff}'.len_utf8() } else { 0 };
    let start = good.saturating_sub(mark);
    let span = super::text::Span::at(notes.texts.get(id).base(), &(start..start + '\u{fffd}'.len_utf8()));
    notes.error(span, Fault::new("the file is not UTF-8 from here on"));
    (id, false)
}

fn bytes(path: &Path) -> Result<(Vec<u8>, u32), Fault> {
    let cannot = |cause: io::Error| Fault::new(format!("cannot be read: {}", spoken(&cause)));
    let file = fs::OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    if !metadata.is_file() {
        return Err(Fault::new("cannot be read: it is not a file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > LARGEST_FILE {
        let fault = Fault::new(format!("is larger than {} MiB", LARGEST_FILE / 1024 / 1024));
        return Err(fault.help("split it into several lists"));
    }
    Ok((bytes, metadata.mode()))
}

/// The cause in words, without the number that the standard library adds.
pub(super) fn spoken(cause: &io::Error) -> String {
    if cause.kind() == io::ErrorKind::NotFound {
        "no such file or folder".to_owned()
    } else if cause.kind() == io::ErrorKind::PermissionDenied {
        "permission denied".to_owned()
    } else {
        cause.to_string()
    }
}
