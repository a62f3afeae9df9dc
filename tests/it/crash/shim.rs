//! The library of `tests/faults/faults.c` around the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The size of its `struct tally`: two counters and a text.
const TALLY: usize = 8 + 8 + 240;

/// The library, compiled once a run of the tests.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/faults.c");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let made = folder.join(format!("faults-{}.so", std::process::id()));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o"]).arg(&made).arg(source);
        let ended = compiler.args(["-ldl", "-pthread"]).output().expect("a C compiler, cc, is needed");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        // One name, so that they do not pile up; renamed, so that nobody loads half of it.
        let library = folder.join("faults.so");
        fs::rename(&made, &library).unwrap();
        library
    })
}

/// What happens at the point that is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// The process ends before the call.
    Before,
    /// After half of the call's bytes.
    Half,
    /// After the call.
    After,
    /// Before the call, and what was not synced is gone.
    Power,
    /// The same, but a part of it, by this seed, is there.
    PowerInPart(u32),
    /// Writes to files fail from here on: no space.
    NoSpace,
    /// Writes and syncs of files fail from here on.
    IoError,
}

/// What is to go wrong.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) at: u64,
    pub(super) how: How,
    /// Only calls on files whose name contains this.
    pub(super) on: Option<&'static str>,
    /// Errors: as long as this file exists.
    pub(super) lasts: Option<PathBuf>,
}

impl Fault {
    pub(super) fn at(at: u64, how: How) -> Self {
        Self { at, how, on: None, lasts: None }
    }
}

/// Where the library counts, over all processes that it was put around.
#[derive(Debug)]
pub(super) struct Tally {
    path: PathBuf,
}

impl Tally {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Puts the library around a command.
    pub(super) fn around(&self, mut command: Command, fault: &Fault) -> Command {
        let (how, seed) = match fault.how {
            How::Before => ("before", 0),
            How::Half => ("half", 0),
            How::After => ("after", 0),
            How::Power => ("power", 0),
            How::PowerInPart(seed) => ("power", seed.max(1)),
            How::NoSpace => ("enospc", 0),
            How::IoError => ("eio", 0),
        };
        command.env("LD_PRELOAD", library()).env("FAULT_COUNT", &self.path);
        command
            .env("FAULT_AT", fault.at.to_string())
            .env("FAULT_HOW", how)
            .env("FAULT_SEED", seed.to_string());
        if let Some(on) = fault.on {
            command.env("FAULT_PATH", on);
        }
        if let Some(lasts) = &fault.lasts {
            command.env("FAULT_WHILE", lasts);
        }
        command
    }

    fn bytes(&self) -> [u8; TALLY] {
        let bytes = fs::read(&self.path).unwrap_or_default();
        bytes.try_into().unwrap_or([0; TALLY])
    }

    /// Calls that were counted.
    pub(super) fn seen(&self) -> u64 {
        u64::from_ne_bytes(self.bytes()[..8].try_into().unwrap())
    }

    /// The call that was hit, and on what.
    pub(super) fn hit(&self) -> Option<String> {
        let bytes = self.bytes();
        let end = bytes[16..].iter().position(|byte| *byte == 0).unwrap_or_default();
        (bytes[8] != 0).then(|| String::from_utf8_lossy(&bytes[16..16 + end]).into_owned())
    }
}
