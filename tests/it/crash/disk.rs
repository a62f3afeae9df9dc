//! Disks that are full, fail or may not be written, and a store that somebody else has locked: events wait, and all come.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use claimwatch::exit;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::shim::{Fault, How, Tally};
use super::tale::Tale;
use super::wreck::{check_life, check_wreck};
use super::{asked_for, tell};
use crate::daemon::alter_store;
use crate::support::house::{House, list};
use crate::support::process::{Running, ended};
use crate::support::records::{about, of};
use crate::support::sim::order_id;
use crate::support::wait_for;

/// What is said on standard error when the store does not take writes, and when it does again.
const STORE_FAILS: &str = "store.failing";
const STORE_WORKS: &str = "the store works again";
/// The same of a sink.
const SINK_FAILS: &str = "events wait for their sink";
const SINK_WORKS: &str = "events leave through their sink again";

/// Errors begin at every so many calls in an ordinary run: each costs a second, which is how long the daemon waits.
const ERROR_STEP: u64 = 11;

/// Runs at a time.
const ABREAST: usize = 6;

/// A fault that lasts as long as a file of the house is there.
fn while_there(house: &House, how: How, on: Option<&'static str>, at: u64) -> Fault {
    Fault { on, lasts: Some(house.path("trouble")), ..Fault::at(at, how) }
}

fn begin_trouble(house: &House) {
    house.write("trouble", "");
}

fn end_trouble(house: &House) {
    fs::remove_file(house.path("trouble")).unwrap();
}

/// What was there before the trouble, trouble, and the rest of the tale after it.
fn trouble_in_the_middle(how: How, on: &'static str, (fails, works): (&str, &str)) {
    let tale = Tale::short();
    let (sim, house) = tale.begin();
    let tally = Tally::at(house.path("tally"));
    let run = house.command(&["run"]);
    let mut running = Running::start(tally.around(run, &while_there(&house, how, Some(on), 1)));
    running.until("the beginning", |_| tale.is_told(0, &house.events()));
    begin_trouble(&house);
    sim.move_to(1);
    running.wait("trouble", || running.stderr().contains(fails));
    assert!(!tale.is_told(1, &house.events()), "{how:?} on {on}: nothing failed");
    assert!(tally.hit().is_some());
    // What is in the file and the store now is what was there, whole, and what came since as far as it could.
    check_wreck(&house);
    end_trouble(&house);
    let mut second = 1;
    assert!(tale.go_on(&sim, &house, &mut running, &mut second));
    let ended = running.stop();
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    assert!(ended.stderr.contains(works) && !ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches(fails).count(), 1, "said once: {}", ended.stderr);
    tale.check(&check_life(&house, &ended.records()));
}

#[test]
fn a_store_without_room_waits_and_loses_nothing() {
    trouble_in_the_middle(How::NoSpace, "claimwatch.db", (STORE_FAILS, STORE_WORKS));
}

#[test]
fn a_store_on_a_failing_disk_waits_and_loses_nothing() {
    trouble_in_the_middle(How::IoError, "claimwatch.db", (STORE_FAILS, STORE_WORKS));
}

#[test]
fn an_event_file_without_room_waits_and_loses_nothing() {
    trouble_in_the_middle(How::NoSpace, "events.jsonl", (SINK_FAILS, SINK_WORKS));
}

#[test]
fn an_event_file_on_a_failing_disk_waits_and_loses_nothing() {
    trouble_in_the_middle(How::IoError, "events.jsonl", (SINK_FAILS, SINK_WORKS));
}

#[test]
fn a_reload_that_a_full_disk_does_not_take_is_tried_again_once_there_is_room() {
    let tale = Tale::short();
    let (_sim, house) = tale.begin();
    house.list("emea", &list(&[1], &[]));
    let tally = Tally::at(house.path("tally"));
    let fault = while_there(&house, How::NoSpace, Some("claimwatch.db"), 1);
    let mut running = Running::start(tally.around(house.command(&["run"]), &fault));
    running.until_events(&["daemon.started", "number.in_progress"]);
    begin_trouble(&house);
    house.list("emea", &list(&[1], &[1]));
    house.list("us", "nonsense");
    let told = ended(house.command(&["reload"]));
    assert_eq!(told.code, Some(i32::from(exit::FAILURE)), "{}", told.stderr);
    assert!(told.stderr.contains("it is tried again every 10 s"), "{}", told.stderr);
    end_trouble(&house);
    running.until("what it added", |records| !about(records, &order_id(1)).is_empty());
    // The list at fault was not told before there was room.
    running.until_events(&["config.rejected"]);
    let ended = running.stop();
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    let records = check_life(&house, &ended.records());
    assert_eq!(of(&records, "config.applied").len(), 2, "said once");
}

#[test]
fn a_removal_that_was_meant_is_not_another_one_when_it_is_tried_again() {
    let tale = Tale::short();
    let (_sim, house) = tale.begin();
    let all: Vec<u32> = (1..=12).collect();
    house.list("emea", &list(&all, &[]));
    let tally = Tally::at(house.path("tally"));
    let fault = while_there(&house, How::NoSpace, Some("claimwatch.db"), 1);
    let mut running = Running::start(tally.around(house.command(&["run"]), &fault));
    running.until_events(&["daemon.started"]);
    begin_trouble(&house);
    house.list("emea", &list(&all[..5], &[]));
    let told = ended(house.command(&["reload", "--force"]));
    assert_eq!(told.code, Some(i32::from(exit::FAILURE)), "{}", told.stderr);
    // Meanwhile the list is lost, and then there is room.
    house.list("emea", "account = \"sim\"\n");
    end_trouble(&house);
    running.until_events(&["config.rejected"]);
    let ended = running.stop();
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    assert!(of(&check_life(&house, &ended.records()), "order.untracked").is_empty());
}

/// Files fail from the `n`-th call on, until the daemon has said so or has ended; then they work. False: it came to the
/// end of the tale first.
fn fails_from(n: u64, how: How) -> bool {
    let tale = Tale::short();
    let (sim, house) = tale.begin();
    begin_trouble(&house);
    let tally = Tally::at(house.path("tally"));
    let mut running =
        Running::start(tally.around(house.command(&["run"]), &while_there(&house, how, None, n)));
    let mut second = 0;
    let mut logs: Vec<Value> = Vec::new();
    let noticed = [STORE_FAILS, SINK_FAILS];
    let told = loop {
        let stderr = running.error();
        let done = running.reaches("an end or trouble", |_| {
            tale.is_told(second, &house.events()) || noticed.iter().any(|said| stderr().contains(said))
        });
        if !done || noticed.iter().any(|said| stderr().contains(said)) {
            break false;
        }
        if second == tale.last {
            break true;
        }
        second += 1;
        sim.move_to(second);
    };
    end_trouble(&house);
    let told = told || tale.go_on(&sim, &house, &mut running, &mut second);
    let ended = if told { running.stop_or_end() } else { running.end() };
    assert!(!ended.stderr.contains("panicked"), "{how:?} from call {n}: {}", ended.stderr);
    let hit = tally.hit();
    if !told {
        // It may refuse to start on a disk that takes nothing, and says why.
        let code = ended.code.unwrap_or_default();
        assert!(
            [exit::STORE, exit::UNAVAILABLE].map(i32::from).contains(&code),
            "{n} {code} {}",
            ended.stderr
        );
        assert!(!ended.stderr.is_empty());
        check_wreck(&house);
    }
    tell(&format_args!("{n} {how:?}: {hit:?}, {:?}", ended.code));
    logs.extend(ended.records());
    let mut running = house.run();
    assert!(tale.go_on(&sim, &house, &mut running, &mut second));
    let ended = running.stop();
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{how:?} from call {n} {hit:?}: {}", ended.stderr);
    logs.extend(ended.records());
    tale.check(&check_life(&house, &logs));
    hit.is_some()
}

#[test]
fn whenever_the_disk_begins_to_fail_nothing_is_lost_or_torn() {
    let step = if asked_for("CLAIMWATCH_PASSES", 0) > 0 { 1 } else { ERROR_STEP };
    for how in [How::NoSpace, How::IoError] {
        let (next, end) = (AtomicU64::new(1), AtomicU64::new(u64::MAX));
        let work = || {
            while end.load(Ordering::SeqCst) == u64::MAX {
                let n = next.fetch_add(step, Ordering::SeqCst);
                if !fails_from(n, how) {
                    end.fetch_min(n, Ordering::SeqCst);
                }
            }
        };
        std::thread::scope(|scope| (0..ABREAST).for_each(|_| drop(scope.spawn(work))));
        assert!(end.load(Ordering::SeqCst) > 50, "{how:?}: {end:?} calls on files");
    }
}

#[test]
fn a_locked_store_is_waited_for() {
    let tale = Tale::short();
    let (sim, house) = tale.begin();
    let mut running = house.run();
    running.until("the beginning", |_| tale.is_told(0, &house.events()));
    let before = house.events().len();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let lock = async |statement: &'static str| {
        let mut other =
            SqliteConnectOptions::new().filename(house.path("claimwatch.db")).connect().await.unwrap();
        sqlx::query(statement).execute(&mut other).await.unwrap();
        other
    };
    // As a person's shell or a backup would, for longer than a statement waits.
    let mut other = runtime.block_on(lock("BEGIN IMMEDIATE"));
    sim.move_to(1);
    running.wait("trouble", || running.stderr().contains(STORE_FAILS));
    assert_eq!(house.events().len(), before);
    runtime.block_on(async {
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
    });
    let mut second = 1;
    assert!(tale.go_on(&sim, &house, &mut running, &mut second));
    let ended = running.stop();
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    assert!(ended.stderr.contains("locked") && ended.stderr.contains(STORE_WORKS), "{}", ended.stderr);
    tale.check(&check_life(&house, &ended.records()));
}

/// A small file system of its own in memory, in a mount namespace that a process holds.
struct SmallDisk {
    holder: Child,
    folder: PathBuf,
}

impl SmallDisk {
    /// At `disk` in a house; `None` where this may not be done.
    fn mount(house: &House, size: &str) -> Option<Self> {
        let folder = house.path("disk");
        fs::create_dir(&folder).unwrap();
        let script = "mount -t tmpfs -o size=$1,mode=700 claimwatch \"$0\" && touch \"$0/there\" && exec cat";
        let mut holder = Command::new("unshare");
        holder.args(["--mount", "--", "sh", "-c", script]).arg(&folder).arg(size);
        holder.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut disk = Self { holder: holder.spawn().ok()?, folder };
        let up = wait_for(
            "a mount",
            || {
                let there = disk.seen().join("there").exists();
                if there { Some(true) } else { disk.holder.try_wait().unwrap().map(|_| false) }
            },
            String::new,
        );
        up.then_some(disk)
    }

    /// The folder, seen from outside.
    fn seen(&self) -> PathBuf {
        let root = Path::new("/proc").join(self.holder.id().to_string()).join("root");
        root.join(self.folder.strip_prefix("/").unwrap())
    }

    /// A command in there.
    fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id())).arg("--");
        inside.arg(command.get_program()).args(command.get_args()).env_clear();
        inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        inside.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        inside
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let filled = fs::write(self.seen().join("filler"), vec![7; 64 << 20]);
        assert!(filled.is_err(), "it has room for more than its size");
    }

    fn make_room(&self) {
        fs::remove_file(self.seen().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ended_already = self.holder.kill();
        let _status = self.holder.wait();
    }
}

/// A house whose store and event file are on a small disk; from outside, its own files lead there.
fn on_small_disk(house: &House) -> Option<SmallDisk> {
    let disk = SmallDisk::mount(house, "3m")?;
    house.alter("sqlite://claimwatch.db", "sqlite://disk/claimwatch.db");
    house.alter("path = \"events.jsonl\"", "path = \"disk/events.jsonl\"");
    for name in ["claimwatch.db", "claimwatch.db-wal", "events.jsonl"] {
        std::os::unix::fs::symlink(disk.seen().join(name), house.path(name)).unwrap();
    }
    Some(disk)
}

#[test]
fn a_full_disk_is_waited_for_by_the_store_and_the_event_file() {
    let tale = Tale::short();
    let (sim, house) = tale.begin();
    let Some(disk) = on_small_disk(&house) else {
        tell(&format_args!("skipped: a file system cannot be mounted here"));
        return;
    };
    let mut running = Running::start(disk.inside(&house.command(&["run"])));
    running.until("the beginning", |_| tale.is_told(0, &house.events()));
    disk.fill();
    sim.move_to(1);
    running.wait("trouble", || [STORE_FAILS, SINK_FAILS].iter().any(|said| running.stderr().contains(said)));
    check_wreck(&house);
    disk.make_room();
    let mut second = 1;
    assert!(tale.go_on(&sim, &house, &mut running, &mut second));
    let ended = running.stop();
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    let mut logs = ended.records();

    // Nor does it start on a full disk and lose something: it goes on when there is room.
    disk.fill();
    let full = Running::start(disk.inside(&house.command(&["run", "--once", "--deadline", "2s"]))).end();
    assert!(!full.stderr.contains("panicked"), "{}", full.stderr);
    logs.extend(full.records());
    disk.make_room();
    let mut running = Running::start(disk.inside(&house.command(&["run"])));
    running.until_events(&["daemon.started"]);
    logs.extend(running.stop().records());
    tale.check(&check_life(&house, &logs));
}

#[test]
fn a_read_only_disk_is_refused_as_it_is() {
    let (_sim, house) = Tale::short().begin();
    let Some(disk) = on_small_disk(&house) else {
        tell(&format_args!("skipped: a file system cannot be mounted here"));
        return;
    };
    let remount = |how: &str| {
        let mut mount = Command::new("mount");
        mount.args(["-o", how]).arg(&disk.folder);
        assert!(disk.inside(&mount).status().unwrap().success());
    };
    // Without a store, and with one.
    for _ in 0..2 {
        remount("remount,ro");
        let ended = Running::start(disk.inside(&house.command(&["run"]))).end();
        assert_eq!(ended.code, Some(i32::from(exit::STORE)), "{}", ended.stderr);
        assert!(ended.stderr.to_lowercase().contains("read-only"), "{}", ended.stderr);
        assert_eq!((ended.stdout.as_str(), ended.stderr.lines().count()), ("", 1), "{}", ended.stderr);
        tell(&format_args!("{}", ended.stderr));
        remount("remount,rw");
        let mut running = Running::start(disk.inside(&house.command(&["run"])));
        running.until_events(&["daemon.started"]);
        assert_eq!(running.stop().code, Some(i32::from(exit::OK)));
    }
}

#[test]
fn a_backup_that_would_fill_the_disk_is_not_begun() {
    let tale = Tale::short();
    let (sim, house) = tale.begin();
    house.alter("backup = \"none\"", "backup = \"* * * * * *\"");
    let Some(disk) = on_small_disk(&house) else {
        tell(&format_args!("skipped: a file system cannot be mounted here"));
        return;
    };
    let backups = disk.seen().join("backups");
    fs::create_dir(&backups).unwrap();
    fs::write(backups.join(".claimwatch-backup.tmp"), vec![7; 1 << 20]).unwrap();
    let mut running = Running::start(disk.inside(&house.command(&["run"])));
    running.wait("a refusal", || running.stderr().contains("there is not enough room"));
    assert_eq!(fs::read_dir(&backups).unwrap().count(), 0, "what a kill left is gone as well");
    let mut second = 0;
    assert!(tale.go_on(&sim, &house, &mut running, &mut second));
    let ended = running.stop();
    assert!(![STORE_FAILS, SINK_FAILS].iter().any(|said| ended.stderr.contains(said)), "{}", ended.stderr);
    tale.check(&check_life(&house, &ended.records()));
}

#[test]
fn what_there_is_of_a_backup_that_fails_goes_at_once() {
    let tale = Tale::short();
    let (_sim, house) = tale.begin();
    house.alter("backup = \"none\"", "backup = \"0 0 4 29 2 *\"");
    assert_eq!(house.up().stop().code, Some(i32::from(exit::OK)));
    // It was due long ago, and is made up for at the start.
    alter_store(&house.path("claimwatch.db"), "UPDATE runs SET at = 0 WHERE chore = ?1", Some("backup"));
    let tally = Tally::at(house.path("tally"));
    let fault = Fault { on: Some(".claimwatch-backup.tmp"), ..Fault::at(3, How::NoSpace) };
    let running = Running::start(tally.around(house.command(&["run"]), &fault));
    running.wait("a failure", || running.stderr().contains("the store could not be backed up"));
    assert!(tally.hit().is_some(), "{}", running.stderr());
    assert_eq!(fs::read_dir(house.path("backups")).unwrap().count(), 0);
    assert_eq!(running.stop().code, Some(i32::from(exit::OK)));
}
