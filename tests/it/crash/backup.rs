//! Killed at every call of a backup: what is called a backup is whole, and the next one is made.

use std::fs;
use std::path::{Path, PathBuf};

use claimwatch::exit;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::shim::{Fault, How, Tally};
use super::tell;
use crate::support::house::{House, list};
use crate::support::process::Running;
use crate::support::sim::{Sim, WIDE, number};

/// Calls on the files of a backup, at least: else the library does not see them.
const POINTS_LEAST: u64 = 10;

/// Houses at a time: each waits for the alarm clock most of the time.
const ABREAST: usize = 4;

/// Ends of the process that are tried at each call.
const WAYS: [How; 5] = [How::Before, How::Half, How::After, How::Power, How::PowerInPart(7)];

/// What has the name of a backup.
fn backups(house: &House) -> Vec<PathBuf> {
    let Ok(folder) = fs::read_dir(house.path("backups")) else { return Vec::new() };
    let named = folder.map(|entry| entry.unwrap().path());
    named.filter(|path| path.extension().is_some_and(|kind| kind == "db")).collect()
}

/// A backup can be read as it lies there, is sound, and has the events up to the last that it names.
fn check(backup: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(backup).read_only(true).immutable(true);
        let mut copy = options.connect().await.unwrap();
        let sound: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut copy).await.unwrap();
        assert_eq!(sound, "ok", "{}", backup.display());
        let last = "SELECT value FROM meta WHERE key = 'last_seq'";
        let last: i64 = sqlx::query_scalar(last).fetch_one(&mut copy).await.unwrap();
        let events: i64 =
            sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&mut copy).await.unwrap();
        assert!(events > 0 && events == last, "{events} events of {last} in {}", backup.display());
        copy.close().await.unwrap();
    });
}

fn check_all(house: &House) {
    for backup in &backups(house) {
        check(backup);
    }
}

/// A life that is ended at the `n`-th call on the files of its backup. False: the backup was made before that.
fn is_hit(house: &House, n: u64, how: How) -> bool {
    let tally = Tally::at(house.path("tally"));
    let fault = Fault { on: Some("/backups"), ..Fault::at(n, how) };
    let mut running = Running::start(tally.around(house.command(&["run"]), &fault));
    let before = backups(house);
    running.reaches("a backup or the end", |_| backups(house).iter().any(|backup| !before.contains(backup)));
    let ended = running.stop_or_end();
    let hit = tally.hit();
    fs::remove_file(house.path("tally")).unwrap();
    check_all(house);
    assert_eq!(ended.code, hit.is_none().then_some(i32::from(exit::OK)), "{hit:?}: {}", ended.stderr);
    tell(&format_args!("{n} {how:?}: {hit:?}, {} backups", backups(house).len()));
    hit.is_some()
}

/// Every so many-th call, beginning with the `first`, until a backup is made. Gives how often the process was ended.
fn every_call(first: u64) -> u64 {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "IN_PROGRESS")])].concat());
    let house = House::with(sim.address, "[backup]\nkeep = 3\n");
    house.alter("backup = \"none\"", "backup = \"* * * * * *\"");
    house.list("emea", &list(&[1], &[]));
    let ways = WAYS.into_iter().cycle().skip(usize::try_from(first).unwrap());
    let calls = (first..).step_by(ABREAST).zip(ways);
    let hits = calls.take_while(|(n, how)| is_hit(&house, *n, *how)).count() as u64;
    // Whatever all these left behind.
    let mut running = house.run();
    let before = backups(&house);
    running.reaches("one more", |_| backups(&house).iter().any(|backup| !before.contains(backup)));
    assert_eq!(running.stop_or_end().code, Some(i32::from(exit::OK)));
    check_all(&house);
    hits
}

#[test]
fn killed_at_every_call_of_a_backup_whatever_is_called_so_is_whole() {
    let hits: u64 = std::thread::scope(|scope| {
        let runs: Vec<_> = (1..=ABREAST as u64).map(|first| scope.spawn(move || every_call(first))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).sum()
    });
    tell(&format_args!("killed at {hits} calls"));
    assert!(hits >= POINTS_LEAST, "killed at {hits} calls only");
}
