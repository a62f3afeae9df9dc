//! The program as a process.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use super::records::{lines, names};
use super::wait_for;

/// The program that is tested.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_claimwatch");

/// The program with arguments and nothing in its environment but the simulator's credentials.
pub(crate) fn claimwatch(args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(args).env_clear();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "simulated"),
        ("AWS_SECRET_ACCESS_KEY", "simulated"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ] {
        command.env(name, value);
    }
    command
}

/// What a process wrote so far.
type Written = Arc<Mutex<Vec<u8>>>;

/// A running process. It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    out: Written,
    err: Written,
    readers: Vec<JoinHandle<()>>,
}

/// How a process ended, and all that it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; `None`: a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The records on standard output.
    pub(crate) fn records(&self) -> Vec<Value> {
        lines(&self.stdout)
    }
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (out, from_out) = collect(child.stdout.take().unwrap());
        let (err, from_err) = collect(child.stderr.take().unwrap());
        Self { child, out, err, readers: vec![from_out, from_err] }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stdout(&self) -> String {
        text(&self.out)
    }

    pub(crate) fn stderr(&self) -> String {
        text(&self.err)
    }

    /// What [`Running::stderr`] gives, to be asked while the process is waited for.
    pub(crate) fn error(&self) -> impl Fn() -> String + use<> {
        let err = Arc::clone(&self.err);
        move || text(&err)
    }

    /// The records on standard output so far.
    pub(crate) fn records(&self) -> Vec<Value> {
        lines(&self.stdout())
    }

    /// Waits until the records on standard output are as wanted, and gives them.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let (out, err) = (Arc::clone(&self.out), Arc::clone(&self.err));
        let level = || {
            let ended = self.child.try_wait().unwrap();
            let records = lines(&text(&out));
            let reached = wanted(&records);
            assert!(reached || ended.is_none(), "it ended ({ended:?}) before {what}: {}", text(&err));
            reached.then_some(records)
        };
        wait_for(what, level, || format!("{:?}\n{}\n{}", names(&lines(&text(&out))), text(&out), text(&err)))
    }

    /// Waits for a level that is not among the records.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, level: impl Fn() -> bool) {
        wait_for(what, || level().then_some(()), || format!("{}\n{}", self.stdout(), self.stderr()));
    }

    /// Waits for records of these events, in any order, and gives all records.
    #[track_caller]
    pub(crate) fn until_events(&mut self, wanted: &[&str]) -> Vec<Value> {
        self.until(&format!("{wanted:?}"), |records| {
            let seen = names(records);
            wanted.iter().all(|name| seen.contains(name))
        })
    }

    /// Waits for a level, which may ask for the records on standard output, or for the end of the process, and says
    /// whether it was the level.
    #[track_caller]
    pub(crate) fn reaches(&mut self, what: &str, level: impl Fn(&[Value]) -> bool) -> bool {
        let (out, err) = (Arc::clone(&self.out), Arc::clone(&self.err));
        let either = || {
            let ended = self.child.try_wait().unwrap().is_some();
            if level(&lines(&text(&out))) { Some(true) } else { ended.then_some(false) }
        };
        wait_for(what, either, || format!("{}\n{}", text(&out), text(&err)))
    }

    /// Sends a signal: `TERM`, `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Ends it without a chance to do anything about it.
    pub(crate) fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.end()
    }

    /// Asks it to stop, and waits.
    pub(crate) fn stop(self) -> Ended {
        self.signal("TERM");
        self.end()
    }

    /// The same for one that may have ended by itself.
    pub(crate) fn stop_or_end(mut self) -> Ended {
        if self.child.try_wait().unwrap().is_none() {
            // Not waited for yet, so that the id is its own even if it ended meanwhile.
            self.signal("TERM");
        }
        self.end()
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let (out, err) = (Arc::clone(&self.out), Arc::clone(&self.err));
        let told = || format!("{}\n{}", text(&out), text(&err));
        let status: ExitStatus = wait_for("the end", || self.child.try_wait().unwrap(), told);
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        Ended { code: status.code(), stdout: text(&out), stderr: text(&err) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> (Written, JoinHandle<()>) {
    let written = Written::default();
    let kept = Arc::clone(&written);
    let reader = std::thread::spawn(move || {
        let mut some = [0; 8192];
        while let Ok(count @ 1..) = pipe.read(&mut some) {
            kept.lock().unwrap().extend_from_slice(&some[..count]);
        }
    });
    (written, reader)
}

fn text(written: &Written) -> String {
    String::from_utf8_lossy(&written.lock().unwrap()).into_owned()
}

/// Runs the program to its end.
pub(crate) fn ended(command: Command) -> Ended {
    Running::start(command).end()
}
