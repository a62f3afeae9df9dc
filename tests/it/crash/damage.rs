//! A store that was cut short, or in which bits are not what was written.

use std::collections::BTreeMap;
use std::fs;

use claimwatch::exit;
use serde_json::Value;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::kills::Dice;
use super::{asked_for, tell};
use crate::support::house::{House, list};
use crate::support::records::{check, lines};
use crate::support::sim::{Sim, WIDE, number, order};
use crate::support::wait_for;

/// Numbers and orders in the store, which make some hundred pages.
const NUMBERS: u32 = 20;
const ORDERS: u32 = 10;

/// The bytes of a page of SQLite.
const PAGE: u64 = 4096;

/// What a store consists of, and the event file beside it.
const FILES: [&str; 3] = ["claimwatch.db", "claimwatch.db-wal", "events.jsonl"];

/// What is left to be said: two events of each number and three of each order.
const EVENTS: usize = (2 * NUMBERS + 3 * ORDERS) as usize;

type Files = BTreeMap<&'static str, Vec<u8>>;

fn files(house: &House) -> Files {
    FILES.iter().filter_map(|name| Some((*name, fs::read(house.path(name)).ok()?))).collect()
}

fn put(house: &House, files: &Files) {
    for name in FILES.iter().chain(&["claimwatch.db-shm"]) {
        let _not_there = fs::remove_file(house.path(name));
    }
    for (name, bytes) in files {
        fs::write(house.path(name), bytes).unwrap();
    }
}

/// A world, a house, and the store in the middle of its story: closed, and as a kill leaves it.
fn stores() -> (Sim, House, Files, Files) {
    let mut scenario = WIDE.to_owned();
    for n in 1..=NUMBERS {
        scenario.push_str(&number(n, &[(0, "IN_PROGRESS"), (1, "FAILED"), (2, "CLAIMED")]));
    }
    for n in 1..=ORDERS {
        scenario.push_str(&order(n, &[(0, "Processing", "Processing"), (2, "Successful", "Acquired")]));
    }
    let sim = Sim::start(&scenario);
    let house = House::at(sim.address);
    let (numbers, orders): (Vec<u32>, Vec<u32>) = ((1..=NUMBERS).collect(), (1..=ORDERS).collect());
    house.list("emea", &list(&numbers, &orders));
    let mut running = house.run();
    let all = (NUMBERS + ORDERS) as usize;
    let count = |event: &str| house.events().iter().filter(|record| record["event"] == event).count();
    running.until("the beginning", |_| count("number.in_progress") == all);
    sim.move_to(1);
    running.until("failures", |_| count("window.opened") == NUMBERS as usize);
    running.kill();
    let killed = files(&house);
    let mut running = house.up();
    running.until("the file", |records| house.events().last() == records.last());
    running.stop();
    let closed = files(&house);
    assert!(killed.contains_key("claimwatch.db-wal") && !closed.contains_key("claimwatch.db-wal"));
    sim.move_to(2);
    (sim, house, closed, killed)
}

/// What the program made of a store.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Verdict {
    /// Exit 74 at the start, and not a byte was changed.
    Refused,
    /// Exit 74 when it came to the damage.
    Ended,
    /// It did and said what it would have without the damage.
    Harmless,
    /// It went on from something else, and said on standard error that it did.
    Told,
    /// It went on from something else and did not know: a value that is as good as the one before.
    Unnoticed,
}

/// What a round added to the event file, of whom, without times and places: what depends on the store alone. The log may
/// say again what a damaged store does not know to be delivered.
fn said(house: &House, before: &Files) -> Vec<String> {
    const KEYS: [&str; 6] = ["order_id", "number", "event", "from", "to", "outcome"];
    let of = |record: &Value| KEYS.map(|key| record[key].to_string()).join(" ");
    let text = fs::read_to_string(house.path("events.jsonl")).unwrap();
    let mut said: Vec<String> = lines(&text[before["events.jsonl"].len()..]).iter().map(of).collect();
    said.sort();
    said
}

/// Whether SQLite has anything to say against a store.
fn is_sound(house: &House) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let path = house.path("claimwatch.db");
        let mut store = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
        let found = sqlx::query_scalar::<_, String>("PRAGMA integrity_check").fetch_one(&mut store).await;
        found.is_ok_and(|found| found == "ok")
    })
}

/// Runs a round on a damaged store. It may be refused, or be gone on from; never is there a panic, and never a word of
/// nothing about what SQLite itself can see.
fn judge(house: &House, damaged: &Files, good: &[String], what: &str) -> Verdict {
    put(house, damaged);
    let ended = house.ended(&["--once", "--deadline", "20s"]);
    assert!(!ended.stderr.contains("panicked"), "{what}: {}", ended.stderr);
    if ended.code == Some(i32::from(exit::STORE)) {
        assert!(ended.stderr.contains("claimwatch:"), "{what}: not a word: {}", ended.stderr);
        return if files(house) == *damaged { Verdict::Refused } else { Verdict::Ended };
    }
    // A look that had no answer: at an order whose id is another one now.
    let codes = [exit::OK, exit::UNAVAILABLE].map(|code| Some(i32::from(code)));
    assert!(codes.contains(&ended.code), "{what}: {}", ended.stderr);
    assert!(
        !ended.stderr.contains("cannot be read"),
        "damage is tried again for ever, {what}: {}",
        ended.stderr
    );
    if said(house, damaged) == good {
        Verdict::Harmless
    } else if ended.stderr.is_empty() {
        put(house, damaged);
        assert!(is_sound(house), "{what}: SQLite would have noticed");
        tell(&format_args!("not noticed: {what}"));
        Verdict::Unnoticed
    } else {
        Verdict::Told
    }
}

/// A round on the store as it is, when everything in it is due.
fn good_round(house: &House, whole: &Files) -> Vec<String> {
    wait_for(
        "everything to be due",
        || {
            put(house, whole);
            let ended = house.ended(&["--once"]);
            assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
            check(&house.events());
            let good = said(house, whole);
            (good.len() == EVENTS).then_some(good)
        },
        String::new,
    )
}

/// Where a bit is to be flipped: in a header each second time, since most of what can go wrong is there.
fn place(dice: &mut Dice, length: usize) -> usize {
    let page = dice.below(length as u64 / PAGE) * PAGE;
    let within = match dice.below(4) {
        0 => return usize::try_from(dice.below(100)).unwrap(),
        1 => dice.below(16),
        _ => dice.below(PAGE),
    };
    usize::try_from(page + within).unwrap()
}

/// Damages a file of a store in many ways, one at a time, and counts what came of it.
fn damage(
    house: &House,
    whole: &Files,
    file: &'static str,
    good: &[String],
    dice: &mut Dice,
) -> BTreeMap<Verdict, u64> {
    let times = asked_for("CLAIMWATCH_DAMAGES", 18);
    let length = whole[file].len();
    let mut verdicts = BTreeMap::new();
    for n in 0..times {
        let mut damaged = whole.clone();
        let bytes = damaged.get_mut(file).unwrap();
        let what = if n % 3 == 0 {
            let anywhere = dice.below(length as u64);
            let keep = if n % 2 == 0 { anywhere } else { anywhere / PAGE * PAGE };
            bytes.truncate(usize::try_from(keep).unwrap());
            format!("{file} cut to {keep} bytes")
        } else {
            let (at, bit) = (place(dice, length), dice.below(8));
            bytes[at] ^= 1 << bit;
            format!("{file}, bit {bit} of byte {at}")
        };
        *verdicts.entry(judge(house, &damaged, good, &what)).or_default() += 1;
    }
    tell(&format_args!("{file} of {length} bytes: {verdicts:?}"));
    verdicts
}

#[test]
fn a_damaged_store_is_refused_or_ends_it_or_is_told() {
    let (_sim, house, closed, killed) = stores();
    let seed = asked_for("CLAIMWATCH_SEED", 1);
    tell(&format_args!("CLAIMWATCH_SEED={seed}"));
    let mut dice = Dice(seed);

    let good = good_round(&house, &closed);
    let verdicts = damage(&house, &closed, "claimwatch.db", &good, &mut dice);
    assert!(verdicts.get(&Verdict::Refused).is_some_and(|refused| *refused > 0), "{verdicts:?}");

    let good = good_round(&house, &killed);
    damage(&house, &killed, "claimwatch.db", &good, &mut dice);
    // What follows damage in the log is to SQLite what follows a torn write: the store is an older one, which the event
    // file shows.
    let verdicts = damage(&house, &killed, "claimwatch.db-wal", &good, &mut dice);
    assert!(!verdicts.contains_key(&Verdict::Unnoticed), "{verdicts:?}");
    assert!(verdicts.get(&Verdict::Told).is_some_and(|told| *told > 0), "{verdicts:?}");
}
