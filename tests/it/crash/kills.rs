//! Hundreds of orders, and the process killed at random moments, again and again.

use std::sync::mpsc::channel;
use std::time::Duration;

use claimwatch::clock::{Clock as _, SystemClock};
use claimwatch::exit;
use serde_json::Value;

use super::wreck::{check_life, check_posts, check_wreck, wait_for_posts};
use super::{asked_for, tell};
use crate::support::Stopwatch;
use crate::support::house::{House, list};
use crate::support::receiver::{Receiver, SECRET};
use crate::support::records::of;
use crate::support::sim::{Sim, WIDE, number, number_id, order, order_id};

/// Connect numbers and Chime orders that are watched.
const NUMBERS: u32 = 180;
const ORDERS: u32 = 40;

/// The longest life before a kill. A start takes some fifty milliseconds, all looks a few hundred.
const LIFE_MOST_US: u64 = 400_000;

/// Kills in one second of the world, of which there are at least three, and at most so many that signatures are still good
/// by its clock.
const KILLS_A_SECOND: u64 = 20;
const SECONDS_LEAST: u64 = 3;
const SECONDS_MOST: u64 = 200;

/// Numbers that look random and are the same for the same seed (splitmix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// A subject and the words that it goes through: the world's second, and the word of the record.
struct Subject {
    id: String,
    words: Vec<(u32, &'static str)>,
}

/// A claim that fails and is tried again at random seconds, and is claimed in the last one.
fn claim(dice: &mut Dice, last: u32) -> Vec<(u32, &'static str)> {
    let mut words = vec![(0, "IN_PROGRESS")];
    for second in 1..last {
        if dice.below(2) == 0 {
            let next = if words.len() % 2 == 1 { "FAILED" } else { "IN_PROGRESS" };
            words.push((second, next));
        }
    }
    words.push((last, "CLAIMED"));
    words
}

/// The world, and what is to be told of it.
fn world(dice: &mut Dice, last: u32) -> (String, Vec<Subject>) {
    let (mut scenario, mut subjects) = (WIDE.to_owned(), Vec::new());
    for n in 1..=NUMBERS {
        let words = claim(dice, last);
        scenario.push_str(&number(n, &words));
        subjects.push(Subject { id: number_id(n), words });
    }
    for n in 1..=ORDERS {
        let done = 1 + u32::try_from(dice.below(u64::from(last))).unwrap();
        scenario.push_str(&order(n, &[(0, "Processing", "Processing"), (done, "Successful", "Acquired")]));
        subjects.push(Subject { id: order_id(n), words: vec![(0, "IN_PROGRESS"), (done, "CLAIMED")] });
    }
    (scenario, subjects)
}

/// The words of a subject's number, as told.
fn told<'a>(records: &'a [Value], id: &str) -> Vec<&'a str> {
    let about =
        records.iter().filter(|r| r["order_id"] == id && r["event"].as_str().unwrap().starts_with("number."));
    about.map(|record| record["to"].as_str().unwrap()).collect()
}

/// How many words have to be told up to a second.
fn wanted(subjects: &[Subject], second: u32) -> usize {
    subjects.iter().map(|subject| subject.words.iter().filter(|(at, _)| *at <= second).count()).sum()
}

/// Changes of status among the records.
fn changes(house: &House) -> usize {
    let text = std::fs::read_to_string(house.path("events.jsonl")).unwrap_or_default();
    // Not parsed, for this is asked again and again.
    text.lines().filter(|line| line.contains("\"event\":\"number.")).count()
}

/// Waits that long. Not for anything: it is the moment itself that is random.
fn pass(time: Duration) {
    let (_kept, never) = channel::<()>();
    assert!(never.recv_timeout(time).is_err());
}

#[test]
fn killed_at_random_under_load_every_transition_is_told_once() {
    let kills = asked_for("CLAIMWATCH_KILLS", 25);
    let now = SystemClock::start().now().wall.as_millis().unsigned_abs();
    let seed = asked_for("CLAIMWATCH_SEED", now);
    let last = u32::try_from((kills / KILLS_A_SECOND).clamp(SECONDS_LEAST, SECONDS_MOST)).unwrap();
    let how = format!("CLAIMWATCH_KILLS={kills} CLAIMWATCH_SEED={seed}");
    tell(&format_args!("{how}"));
    let watch = Stopwatch::start();
    let mut dice = Dice(seed);
    let (scenario, subjects) = world(&mut dice, last);
    let sim = Sim::start(&scenario);
    let receiver = Receiver::start();
    let mut refusals = Dice(seed);
    // Now and then it does not work, so that events wait when the process ends.
    receiver
        .answer(move |_| if refusals.below(200) == 0 { (503, String::new()) } else { (200, String::new()) });
    let house = House::with(sim.address, &receiver.section("pager", ""));
    house.write("pager.secret", SECRET);
    let (numbers, orders): (Vec<u32>, Vec<u32>) = ((1..=NUMBERS).collect(), (1..=ORDERS).collect());
    house.list("emea", &list(&numbers, &orders));

    let (mut second, mut killed, mut logs) = (0, 0, Vec::new());
    while killed < kills {
        let mut running = house.run();
        let share = u64::from(second + 1) * kills / u64::from(last + 1);
        if killed + 1 < share {
            pass(Duration::from_micros(dice.below(LIFE_MOST_US)));
        } else {
            // Enough of this second: let it come to its end.
            running
                .until(&format!("second {second}, {how}"), |_| changes(&house) >= wanted(&subjects, second));
        }
        logs.extend(running.kill().records());
        killed += 1;
        check_wreck(&house);
        if changes(&house) >= wanted(&subjects, second) && second < last {
            second += 1;
            sim.move_to(second);
        }
    }
    let mut running = house.up();
    loop {
        running.until(&format!("second {second}, {how}"), |_| changes(&house) >= wanted(&subjects, second));
        if second == last {
            break;
        }
        second += 1;
        sim.move_to(second);
    }
    wait_for_posts(&house, &receiver);
    let ended = running.stop();
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    logs.extend(ended.records());

    let records = check_life(&house, &logs);
    check_posts(&records, &receiver.taken());
    for Subject { id, words } in &subjects {
        let words: Vec<&str> = words.iter().map(|(_, word)| *word).collect();
        assert_eq!(told(&records, id), words, "{id}, {how}");
    }
    let failed =
        subjects.iter().filter(|subject| subject.words.iter().any(|(_, word)| *word == "FAILED")).count();
    assert_eq!(of(&records, "window.opened").len(), failed, "{how}");
    assert_eq!(of(&records, "window.resolved").len(), failed, "{how}");
    tell(&format_args!(
        "{killed} kills, {} events, {} transitions, {} log lines, {} posts, {:?}",
        records.len(),
        wanted(&subjects, last),
        logs.len(),
        receiver.taken().len(),
        watch.elapsed()
    ));
}
