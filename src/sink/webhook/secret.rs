//! Signing secrets, as Standard Webhooks 1.0.0 writes them: `whsec_` and the Base64 of 24 to 64 bytes.
//!
//! # Guarantees
//! A secret is in no `Debug`, and no error repeats a byte of the file.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::ops::RangeInclusive;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// What a secret begins with ("Symmetric" under "Signature scheme" of the specification).
const PREFIX: &str = "whsec_";
/// The bytes of a key that the specification allows.
const KEY_BYTES: RangeInclusive<usize> = 24..=64;
/// The largest file that is read: the longest secret has 94 characters, and space around it is allowed.
const FILE_MAX: usize = 4096;
/// `O_NONBLOCK` of Linux: opening a named pipe must not wait for a writer.
const O_NONBLOCK: i32 = 0o4000;
/// The permission of everybody to read.
const READABLE_BY_ALL: u32 = 0o004;

/// A secret that signs.
pub struct Secret(standardwebhooks::Webhook);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// There is no secret, or it is none. For people; to be told after the file's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSecret(String);

impl BadSecret {
    fn new(said: impl Into<String>) -> Self {
        Self(said.into())
    }
}

impl Secret {
    /// Reads a secret's text, with or without space around it.
    ///
    /// # Errors
    /// What is wrong with it, without any of it.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadSecret::new("is empty"));
        }
        let Some(base64) = text.strip_prefix(PREFIX) else {
            return Err(BadSecret::new(format!("does not begin with {PREFIX}")));
        };
        // The cause names the first wrong character, which is a part of a secret.
        let key = standardwebhooks::Webhook::new(text)
            .map_err(|_cause| BadSecret::new(format!("what follows {PREFIX} is not Base64")))?;
        let padding = base64.bytes().rev().take_while(|byte| *byte == b'=').count();
        let bytes = base64.len() / 4 * 3 - padding;
        if !KEY_BYTES.contains(&bytes) {
            let (least, most) = (KEY_BYTES.start(), KEY_BYTES.end());
            return Err(BadSecret::new(format!("has a key of {bytes} bytes instead of {least} to {most}")));
        }
        Ok(Self(key))
    }

    /// Reads a secret from a file, and says whether everybody on the machine may do so.
    ///
    /// # Errors
    /// Why the file gives none, without any of its content.
    pub fn read(path: &Path) -> Result<(Self, bool), BadSecret> {
        let cannot = |cause: io::Error| BadSecret::new(format!("cannot be read: {}", spoken(&cause)));
        let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        if !metadata.is_file() {
            return Err(BadSecret::new("cannot be read: it is not a file"));
        }
        let mut bytes = Vec::with_capacity(FILE_MAX);
        file.take(FILE_MAX as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
        if bytes.len() > FILE_MAX {
            return Err(BadSecret::new(format!("has more than {FILE_MAX} bytes: it is no secret")));
        }
        let text = str::from_utf8(&bytes).map_err(|_cause| BadSecret::new("is not a text"))?;
        Ok((Self::parse(text)?, metadata.mode() & READABLE_BY_ALL != 0))
    }

    /// The signature of a message, with its version in front. `at` is the attempt, in seconds since the Unix epoch.
    pub(super) fn sign(&self, id: &str, at: i64, body: &str) -> Option<String> {
        self.0.sign(id, at, body.as_bytes()).ok()
    }
}

/// The cause in words, without the number that the standard library adds.
fn spoken(cause: &io::Error) -> String {
    if cause.kind() == io::ErrorKind::NotFound {
        "no such file".to_owned()
    } else if cause.kind() == io::ErrorKind::PermissionDenied {
        "permission denied".to_owned()
    } else {
        cause.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    /// `whsec_` and the Base64 of so many bytes.
    fn of_bytes(count: usize) -> String {
        let padding = (3 - count % 3) % 3;
        let digits = (count * 4).div_ceil(3);
        // An "A" is six zero bits, so that those beyond the last byte are zero as well.
        format!("{PREFIX}{}{}", "A".repeat(digits), "=".repeat(padding))
    }

    #[test]
    fn the_published_vector_is_signed_as_published() {
        let body = r#"{"email":"test@example.com","username":"test_user"}"#;
        let secret = Secret::parse(SECRET).unwrap();
        let signature = secret.sign("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body);
        assert_eq!(signature.as_deref(), Some("v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="));
    }

    #[test]
    fn what_is_no_secret_is_told_without_repeating_it() {
        for (text, said) in [
            ("", "is empty"),
            (" \n", "is empty"),
            ("C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "does not begin with whsec_"),
            ("whsk_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "does not begin with whsec_"),
            ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7o", "what follows whsec_ is not Base64"),
            ("whsec_C2FVsBQIhrscChlQIMV-b5sSYspob7oD", "what follows whsec_ is not Base64"),
            (&format!("{SECRET}\n{SECRET}"), "what follows whsec_ is not Base64"),
            ("whsec_", "has a key of 0 bytes instead of 24 to 64"),
            (&of_bytes(23), "has a key of 23 bytes instead of 24 to 64"),
            (&of_bytes(65), "has a key of 65 bytes instead of 24 to 64"),
        ] {
            assert_eq!(Secret::parse(text).unwrap_err().to_string(), said, "{text:?}");
        }
        for good in [SECRET, &format!("\u{a0}\t{SECRET}\r\n"), &of_bytes(24), &of_bytes(25), &of_bytes(64)] {
            let secret = Secret::parse(good).unwrap();
            assert_eq!(format!("{secret:?}"), "Secret");
        }
    }

    #[test]
    fn a_file_is_read_within_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let told = |path: &Path| Secret::read(path).unwrap_err().to_string();
        assert_eq!(told(&path), "cannot be read: no such file");
        assert_eq!(told(folder.path()), "cannot be read: it is not a file");
        for (mode, by_all) in [(0o600, false), (0o640, false), (0o644, true)] {
            fs::write(&path, format!("{SECRET}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Secret::read(&path).unwrap().1, by_all, "{mode:o}");
        }
        fs::write(&path, format!("{}{SECRET}", " ".repeat(FILE_MAX - SECRET.len()))).unwrap();
        assert!(Secret::read(&path).is_ok());
        fs::write(&path, format!("{}{SECRET}", " ".repeat(FILE_MAX + 1 - SECRET.len()))).unwrap();
        assert_eq!(told(&path), "has more than 4096 bytes: it is no secret");
        fs::write(&path, b"whsec_\xff").unwrap();
        assert_eq!(told(&path), "is not a text");
    }
}
