//! The state machine against a model of it that was written from the specification alone: on random histories of one
//! order both must say the same events and know the same state after each observation.

mod histories;
mod plain;
mod rules;
mod translate;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use claimwatch::core::observation::{Elsewhere, Observation, Progress, Sighting};
use claimwatch::core::state::Order;
use claimwatch::core::step::step;
use claimwatch::core::time::Timestamp;

use histories::{Moment, history};
use plain::State;
use rules::Model;

/// The first seed. To see one history alone again, put its seed here and 1 below.
const SEED_FROM: u64 = 0;
/// How many histories are compared.
const HISTORIES: u64 = 100_000;
/// They are shared among so many threads.
const THREADS: u64 = 2;

/// What was met: a number's status, its window, what was observed.
type Met = BTreeSet<(&'static str, &'static str, &'static str)>;

#[test]
fn the_model_and_the_state_machine_agree() {
    let met: Met = std::thread::scope(|scope| {
        let share = |thread| {
            let mut met = Met::new();
            for seed in (SEED_FROM..SEED_FROM + HISTORIES).filter(|seed| seed % THREADS == thread) {
                let (order, moments) = history(seed);
                if let Some((at, _)) = difference(&order, &moments, &mut met) {
                    panic!("{}", report(seed, &order, &moments[..=at]));
                }
            }
            met
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || share(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(HISTORIES == 1 || met.len() >= 300, "the histories meet {} cases only: {met:#?}", met.len());
}

/// Runs both over a history; answers the place of the first difference and what each of them said and knew.
fn difference(order: &Order, moments: &[Moment], met: &mut Met) -> Option<(usize, String)> {
    let mut order = order.clone();
    let mut model = Model::new(translate::terms(&order), order.state.first_watched.as_millis());
    for (place, Moment { at, observation }) in moments.iter().enumerate() {
        meet(&model.state, observation, met);
        before_the_step(&mut order, observation);
        model.looks = translate::looks(&order);
        let made = step(&order, observation, *at);
        let expected = model.step(observation, at.as_millis());
        let said: Vec<_> = made.events.iter().map(translate::event).collect();
        order = made.order;
        let known = translate::state(&order);
        if said != expected || known != model.state {
            let said = format!("the model says {expected:#?}\nthe code says {said:#?}");
            let knows = format!("the model knows {:#?}\nthe code knows {known:#?}", model.state);
            let text = without_the_empty(&format!("{said}\n{knows}"));
            return Some((place, text));
        }
        after_the_step(&mut order, observation, *at);
    }
    None
}

fn without_the_empty(text: &str) -> String {
    let empty = [": \"\",", ": None,", ": 0,", ": false,"];
    let lines = text.lines().filter(|line| !empty.iter().any(|empty| line.ends_with(empty)));
    lines.collect::<Vec<_>>().join("\n")
}

/// What is kept of a look whatever it changes, as far as the step reads it.
fn before_the_step(order: &mut Order, observation: &Observation) {
    match observation {
        Observation::Seen(_) | Observation::Missing { .. } => order.looked.faults = 0,
        Observation::Malformed { .. } => order.looked.faults += 1,
        Observation::Elsewhere(_)
        | Observation::Throttled { .. }
        | Observation::Unavailable { .. }
        | Observation::Denied { .. }
        | Observation::Elapsed
        | Observation::Acknowledged => {}
    }
}

fn after_the_step(order: &mut Order, observation: &Observation, now: Timestamp) {
    match observation {
        Observation::Seen(sighting) => {
            order.looked.answered_at = Some(now);
            let not_failed = |known: Option<Progress>| known.is_some_and(|known| known != Progress::Failed);
            let shows = match sighting {
                Sighting::Connect(seen) => not_failed(seen.status.as_ref().and_then(|word| word.known)),
                Sighting::Chime(seen) => {
                    let words = seen.numbers.iter().filter_map(|number| number.status.as_ref());
                    words.map(|word| word.known).any(not_failed)
                }
            };
            if shows {
                order.looked.not_failed_at = Some(now);
            }
        }
        Observation::Missing { .. } => order.looked.answered_at = Some(now),
        Observation::Elsewhere(Elsewhere::Nobody | Elsewhere::Held { .. } | Elsewhere::Unknown { .. }) => {
            order.looked.elsewhere_at = Some(now);
        }
        Observation::Elsewhere(Elsewhere::Searching)
        | Observation::Throttled { .. }
        | Observation::Unavailable { .. }
        | Observation::Denied { .. }
        | Observation::Malformed { .. }
        | Observation::Elapsed
        | Observation::Acknowledged => {}
    }
}

fn meet(state: &State, observation: &Observation, met: &mut Met) {
    let word = |known: Option<Progress>| known.map_or("seen ?", rules::progress);
    let kind = match observation {
        Observation::Seen(Sighting::Connect(seen)) => {
            seen.status.as_ref().map_or("seen -", |status| word(status.known))
        }
        Observation::Seen(Sighting::Chime(_)) => "chime",
        Observation::Missing { suspect: false, .. } => "missing",
        Observation::Missing { suspect: true, .. } => "suspect",
        Observation::Elsewhere(_) => "elsewhere",
        Observation::Elapsed => "elapsed",
        Observation::Acknowledged => "acknowledged",
        Observation::Throttled { .. } => "throttled",
        Observation::Unavailable { .. } => "unavailable",
        Observation::Denied { .. } => "denied",
        Observation::Malformed { .. } => "malformed",
    };
    for number in state.numbers.values() {
        let window = number.window.as_ref().map_or("never", |window| match window.outcome {
            "" => "open",
            outcome => outcome,
        });
        met.insert((number.status, window, kind));
    }
}

/// A difference for people: the history, first as short as leaving moments out makes it, then whole.
fn report(seed: u64, order: &Order, moments: &[Moment]) -> String {
    let mut short = moments.to_vec();
    let mut place = 0;
    while place < short.len() {
        let mut without = short.clone();
        without.remove(place);
        match difference(order, &without, &mut Met::new()) {
            Some((at, _)) => {
                without.truncate(at + 1);
                short = without;
                place = 0;
            }
            None => place += 1,
        }
    }
    let (declared, policy) = (&order.watch.declared, &order.watch.terms.policy);
    let mut text = format!("seed {seed}: set SEED_FROM to it and HISTORIES to 1\n{declared:?}\n{policy:?}\n");
    for (name, moments) in [("as short as may be", &short[..]), ("whole", moments)] {
        let _ = writeln!(text, "{name}, from {}:", order.state.first_watched);
        for Moment { at, observation } in moments {
            let _ = writeln!(text, "  {at} {observation:?}");
        }
    }
    for (name, moments) in [("short", &short[..]), ("whole", moments)] {
        let answers = difference(order, moments, &mut Met::new()).map(|(_, answers)| answers);
        let _ = writeln!(text, "at the end of the {name} history {}", answers.unwrap_or_default());
    }
    text
}
