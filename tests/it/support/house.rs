//! A folder with a configuration, watch lists, and what the daemon leaves beside them.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::process::{Ended, PROGRAM, Running, claimwatch};
use super::records::lines;
use super::sim::{number_id, order_id};

/// A configuration of its own, in a folder that goes away with it.
#[derive(Debug)]
pub(crate) struct House {
    folder: TempDir,
}

impl House {
    /// One account `sim` at `address`, times of a tenth of a second, the log and the event file.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self::with(address, "")
    }

    /// The same with more sections.
    pub(crate) fn with(address: SocketAddr, more: &str) -> Self {
        let house = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(house.path("watch.d")).unwrap();
        house.write("claimwatch.toml", &main(address, more));
        house
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Changes the main file.
    pub(crate) fn alter(&self, from: &str, to: &str) {
        let before = fs::read_to_string(self.path("claimwatch.toml")).unwrap();
        assert!(before.contains(from), "{from}");
        self.write("claimwatch.toml", &before.replace(from, to));
    }

    /// Writes a watch list.
    pub(crate) fn list(&self, name: &str, text: &str) {
        self.write(&format!("watch.d/{name}.toml"), text);
    }

    /// The records of the event file.
    pub(crate) fn events(&self) -> Vec<Value> {
        lines(&fs::read_to_string(self.path("events.jsonl")).unwrap_or_default())
    }

    /// A command with this configuration.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = claimwatch(args);
        command.arg("--config").arg(self.path("claimwatch.toml"));
        command
    }

    /// The same, with its standard output (1) or error (2) a full pipe that nobody reads.
    pub(crate) fn command_into_full_pipe(&self, descriptor: u8, args: &[&str]) -> Command {
        let full = format!(
            "mkfifo \"$1\"; exec 3<>\"$1\"; dd if=/dev/zero bs=65536 count=1 status=none >&3; shift; exec \"$0\" \"$@\" {descriptor}>&3"
        );
        let run = self.command(args);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &full, PROGRAM]).arg(self.path("pipe")).args(run.get_args()).env_clear();
        command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("PATH", "/usr/bin:/bin");
        command
    }

    /// Starts the daemon.
    pub(crate) fn run(&self) -> Running {
        Running::start(self.command(&["run"]))
    }

    /// Starts the daemon and waits until it says that it is up.
    pub(crate) fn up(&self) -> Running {
        let mut running = self.run();
        running.until_events(&["daemon.started"]);
        running
    }

    /// `run` with arguments, to its end.
    pub(crate) fn ended(&self, args: &[&str]) -> Ended {
        let mut all = vec!["run"];
        all.extend(args);
        Running::start(self.command(&all)).end()
    }
}

fn main(address: SocketAddr, more: &str) -> String {
    let service = format!("{{ rate = 100.0, burst = 100, share = 1.0, endpoint = \"http://{address}\" }}");
    format!(
        r#"[store]
url = "sqlite://claimwatch.db"
[account.sim]
region = "eu-west-2"
account_id = "123456789012"
connect = {service}
chime = {service}
[poll]
floor = "100ms"
steady = "200ms"
ceiling = "300ms"
timeout = "5s"
missing_grace = "0s"
missing_confirm = "200ms"
[events.file]
path = "events.jsonl"
[schedules]
heartbeat = "none"
prune = "none"
backup = "none"
digest = "none"
{more}"#
    )
}

/// A watch list of the account `sim` with these numbers and orders.
pub(crate) fn list(numbers: &[u32], orders: &[u32]) -> String {
    let mut text = "account = \"sim\"\n".to_owned();
    for n in numbers {
        let _ = write!(text, "[[number]]\nid = \"{}\"\n", number_id(*n));
    }
    for n in orders {
        let _ = write!(text, "[[order]]\nid = \"{}\"\n", order_id(*n));
    }
    text
}
