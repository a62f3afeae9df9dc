//! Killed at the first call that matters, at the second, at the third, … until a run comes to its end unharmed.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use claimwatch::exit;

use super::shim::{Fault, How, Tally};
use super::tale::Tale;
use super::wreck::{check_life, check_posts, check_wreck, wait_for_posts};
use super::{asked_for, tell};
use crate::support::process::Running;

/// Runs at a time: most of the time each waits for its own floor of polling.
const ABREAST: usize = 6;

/// What the shortest run does at least: else the library does not see the program's calls.
const POINTS_LEAST: u64 = 150;

/// Every so many runs the second life is killed as well, at its own `n`-th call.
const TWICE_EVERY: u64 = 11;

/// Runs the tale with a fault at the `n`-th call, again without one to its end, and checks everything. False: the end came
/// before the fault.
fn is_hit(tale: &Tale, n: u64, how: How) -> bool {
    let (sim, house, receiver) = tale.begin_posting();
    let (mut second, mut logs) = (0, Vec::new());
    let lives = if n.is_multiple_of(TWICE_EVERY) { 2 } else { 1 };
    let mut hits = Vec::new();
    for life in 0..lives {
        let tally = Tally::at(house.path(&format!("tally-{life}")));
        let mut running = Running::start(tally.around(house.command(&["run"]), &Fault::at(n, how)));
        let told = tale.go_on(&sim, &house, &mut running, &mut second);
        let ended = if told { running.stop_or_end() } else { running.end() };
        logs.extend(ended.records());
        let Some(hit) = tally.hit() else {
            assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
            assert!(life > 0 || tally.seen() >= POINTS_LEAST, "only {} calls were seen", tally.seen());
            break;
        };
        assert_eq!(ended.code, None, "{hit}: {}", ended.stderr);
        hits.push(hit);
        check_wreck(&house);
    }
    tell(&format_args!("{n} {how:?}: {hits:?}"));
    let mut running = house.run();
    let told = tale.go_on(&sim, &house, &mut running, &mut second);
    wait_for_posts(&house, &receiver);
    let ended = running.stop_or_end();
    assert!(told && ended.code == Some(i32::from(exit::OK)), "{:?} {}", ended.code, ended.stderr);
    logs.extend(ended.records());
    let records = check_life(&house, &logs);
    tale.check(&records);
    check_posts(&records, &receiver.taken());
    !hits.is_empty()
}

/// Every point in turn, until a run is not hit.
fn every_point(tale: &Tale, how: impl Fn(u64) -> How + Sync) {
    let (next, done, hit) = (AtomicU64::new(1), AtomicBool::new(false), AtomicU64::new(0));
    let work = || {
        while !done.load(Ordering::SeqCst) {
            let n = next.fetch_add(1, Ordering::SeqCst);
            match catch_unwind(AssertUnwindSafe(|| is_hit(tale, n, how(n)))) {
                Ok(true) => {
                    hit.fetch_add(1, Ordering::SeqCst);
                }
                Ok(false) => done.store(true, Ordering::SeqCst),
                Err(panic) => {
                    done.store(true, Ordering::SeqCst);
                    tell(&format_args!("with {:?} at call {n}", how(n)));
                    resume_unwind(panic);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..ABREAST {
            scope.spawn(work);
        }
    });
    tell(&format_args!("killed at {} points", hit.load(Ordering::SeqCst)));
    assert!(hit.load(Ordering::SeqCst) >= POINTS_LEAST, "killed at {hit:?} points only");
}

/// What happens at the `n`-th call: each in turn.
fn in_turn(n: u64) -> How {
    match n % 5 {
        0 => How::Before,
        1 => How::Half,
        2 => How::Power,
        3 => How::PowerInPart(u32::try_from(n).unwrap_or(u32::MAX)),
        _ => How::After,
    }
}

/// Each call once. The big run takes the long story, and in five passes does everything at each of its calls.
#[test]
fn killed_at_every_call_nothing_is_lost_torn_or_said_twice() {
    match asked_for("CLAIMWATCH_PASSES", 0) {
        0 => every_point(&Tale::short(), in_turn),
        passes => (0..passes).for_each(|pass| every_point(&Tale::long(), |n| in_turn(n + pass))),
    }
}
