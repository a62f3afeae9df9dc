//! Random histories of one order, each from its seed alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use claimwatch::core::observation::{
    ChimeNumber, ChimeOrder, ChimeStatus, ConnectNumber, Elsewhere, Observation, Outage, Progress, Reach,
    Sighting, Source, Word,
};
use claimwatch::core::order::{Declared, ListTerms, Operation, OrderKey, Provider, Watch};
use claimwatch::core::policy::{CountsFrom, Policy, Poll, WindowTerms};
use claimwatch::core::state::Order;
use claimwatch::core::time::Timestamp;

use super::plain::{DAY, HOUR, MINUTE, SECOND};

/// 2026-11-22T10:00:00Z: when the order is first watched.
const START: i64 = 1_795_341_600_000;

/// One observation and its time.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    pub(super) observation: Observation,
}

/// An order and what comes to be seen of it.
pub(super) fn history(seed: u64) -> (Order, Vec<Moment>) {
    let mut random = Random(seed);
    let provider = if random.one_in(3) { Provider::Chime } else { Provider::Connect };
    let order = order(&mut random, provider);
    let mood = random.below(6);
    let mut now = START;
    let mut moments: Vec<Moment> = Vec::new();
    for _ in 0..10 + random.below(21) {
        now += gap(&mut random);
        let observation = match moments.last() {
            Some(last) if random.one_in(5) => last.observation.clone(),
            _ => observation(&mut random, provider, mood, now),
        };
        moments.push(Moment { at: at(now), observation });
    }
    (order, moments)
}

/// splitmix64: small, fast, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.below(high.abs_diff(low))).unwrap_or(0)
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let at = self.below(from.len() as u64);
        from[usize::try_from(at).unwrap_or(0)].clone()
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A look's pace, an hour, days; round gaps, so that times meet exactly; and a clock that steps back.
fn gap(random: &mut Random) -> i64 {
    if random.one_in(12) {
        return -random.pick(&[1, SECOND, MINUTE, 10 * MINUTE, HOUR, 3 * HOUR, 26 * HOUR]);
    }
    let round =
        [0, 30 * SECOND, MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 12 * HOUR, DAY];
    match random.below(10) {
        0..=3 => random.between(0, 150) * SECOND,
        4..=6 => random.pick(&round),
        7 => random.pick(&round) - random.pick(&[0, 1, SECOND, MINUTE]),
        8 => random.between(0, 3 * HOUR),
        _ => random.between(0, 4 * DAY),
    }
}

fn order(random: &mut Random, provider: Provider) -> Order {
    let requested = random.between(-2 * DAY, 2 * DAY);
    let declared = Declared {
        ask: "i".into(),
        number: random.pick(&[None, None, Some("+1".into())]),
        operation: random.pick(&[None, None, Some(Operation::Claim), Some(Operation::Update)]),
        requested_at: random.pick(&[None, Some(at(START + requested))]),
        label: None,
    };
    let policy = policy(random);
    let terms = ListTerms { name: "l".into(), account: "a".into(), labels: BTreeMap::new(), policy };
    let key = OrderKey { provider, account: "a".into(), region: "r".into(), id: "i".into() };
    Order::new(Watch { key, declared, terms: Arc::new(terms) }, at(START))
}

fn policy(random: &mut Random) -> Policy {
    let minutes = |minutes: &[u64]| minutes.iter().map(|m| Duration::from_mins(*m)).collect::<Vec<_>>();
    Policy {
        poll: Poll {
            missing_grace: Duration::from_mins(random.pick(&[0, 10])),
            missing_confirm: Duration::from_mins(random.pick(&[1, 5])),
            ..Poll::default()
        },
        window: WindowTerms {
            length: Duration::from_hours(random.pick(&[2, 24])),
            warn_before: random.pick(&[
                minutes(&[720, 120, 30]),
                minutes(&[120, 30]),
                minutes(&[60, 10, 1]),
                minutes(&[5]),
                minutes(&[]),
            ]),
            counts_from: random.pick(&[CountsFrom::Claim, CountsFrom::Failure]),
        },
        window_for_chime: random.one_in(2),
        stalled_after: random.pick(&[None, Some(Duration::from_mins(30))]),
    }
}

/// A mood of the history makes one kind of thing frequent: 1 failures, 2 absence, 3 faults and refusals, 4 odd words.
fn observation(random: &mut Random, provider: Provider, mood: u64, now: i64) -> Observation {
    let kind = match mood {
        2 if random.one_in(2) => 14,
        3 if random.one_in(2) => 26,
        4 if random.one_in(2) => 0,
        _ => random.below(32),
    };
    match kind {
        0..=13 => Observation::Seen(match provider {
            Provider::Connect => Sighting::Connect(connect(random, mood)),
            Provider::Chime => Sighting::Chime(chime(random, mood, now)),
        }),
        14..=17 => Observation::Missing {
            message: random.pick(&[None, Some("no such".to_owned())]),
            suspect: random.one_in(4),
        },
        18 | 19 => Observation::Elapsed,
        20 => Observation::Acknowledged,
        21..=24 => Observation::Elsewhere(elsewhere(random)),
        25 => Observation::Throttled { retry_after: random.pick(&[None, Some(Duration::from_mins(1))]) },
        26 | 27 => Observation::Malformed { detail: random.pick(&["no JSON", "no body"]).to_owned() },
        28 => Observation::Unavailable {
            outage: random.pick(&[Outage::Status(503), Outage::Timeout]),
            retry_after: None,
        },
        _ => Observation::Denied {
            reach: random.pick(&[Reach::Order, Reach::Order, Reach::Scope]),
            code: random.pick(&["AccessDenied", "Forbidden"]).to_owned(),
            message: random.pick(&[None, Some("not you".to_owned())]),
            clock_offset_s: random.pick(&[None, Some(900)]),
        },
    }
}

/// A word that nobody knows; in the fourth mood hardly ever the same twice.
fn odd<T>(random: &mut Random, mood: u64) -> Word<T> {
    let raw = if mood == 4 { format!("ODD-{}", random.below(200)) } else { "HIBERNATING".to_owned() };
    Word { raw, known: None }
}

fn progress(random: &mut Random, mood: u64, words: [&str; 3]) -> Option<Word<Progress>> {
    let (raw, known) = match random.below(if mood == 4 { 24 } else { 14 }) {
        0 => return None,
        1..=4 => (words[0], Progress::InProgress),
        5..=7 if mood != 1 => (words[1], Progress::Claimed),
        8 if mood == 1 => (words[1], Progress::Claimed),
        5..=12 => (words[2], Progress::Failed),
        _ => return Some(odd(random, mood)),
    };
    Some(Word { raw: raw.to_owned(), known: Some(known) })
}

fn connect(random: &mut Random, mood: u64) -> ConnectNumber {
    let number = match random.below(24) {
        0..=2 => None,
        3 => Some("+2"),
        4 => Some("+3"),
        5 => Some(""),
        _ => Some("+1"),
    };
    let messages = [
        "limit of 5 reached",
        "limit of 17 reached",
        "not offered",
        "failed (RequestId:0c1f3b6e-11aa-4bcd-9e10-0a0b0c0d0e0f)",
        "failed (RequestId:9c1f3b6e-11aa-4bcd-9e10-0a0b0c0d0e0a)",
        "",
    ];
    let message = random.pick(&messages).to_owned();
    ConnectNumber {
        number: number.map(str::to_owned),
        status: progress(random, mood, ["IN_PROGRESS", "CLAIMED", "FAILED"]),
        message: if random.one_in(3) { None } else { Some(message) },
        target: random.pick(&[
            None,
            None,
            Some("instance-a".into()),
            Some("instance-a".into()),
            Some("b".into()),
        ]),
    }
}

fn chime(random: &mut Random, mood: u64, now: i64) -> ChimeOrder {
    let status = match random.below(10) {
        0 => None,
        1 => Some(odd(random, mood)),
        _ => {
            let known = random.pick(&ChimeStatus::ALL);
            Some(Word { raw: known.as_str().to_owned(), known: Some(known) })
        }
    };
    // So many, that more unknown words come together than are remembered.
    let (most, of) = if mood == 4 { (12, 10) } else { (4, 6) };
    let names = ["+1", "+1", "+2", "+2", "+3", "", "+4", "+5", "+6", "+7"];
    let numbers = (0..random.below(most)).map(|_| ChimeNumber {
        number: random.pick(&names[..of]).to_owned(),
        status: progress(random, mood, ["Processing", "Acquired", "Failed"]),
    });
    let numbers = numbers.collect();
    let updated = match random.below(12) {
        0..=5 => None,
        6..=8 => Some(now - random.between(0, HOUR)),
        9 => Some(now - random.between(0, 2 * DAY)),
        10 => Some(now + random.pick(&[0, 1, MINUTE, DAY])),
        _ => Some(now + DAY + random.pick(&[1, 20 * DAY])),
    };
    ChimeOrder {
        source: random.pick(&[Source::Own, Source::List]),
        status,
        porting: random.one_in(4),
        numbers,
        updated_at: updated.map(at),
        foc_date: random.pick(&[None, None, None, Some(at(START + DAY)), Some(at(START + 2 * DAY))]),
    }
}

fn elsewhere(random: &mut Random) -> Elsewhere {
    match random.below(8) {
        0 => Elsewhere::Searching,
        1 | 2 => Elsewhere::Nobody,
        3..=5 => Elsewhere::Held {
            by: random.pick(&["x", "x", "y"]).to_owned(),
            status: progress(random, 0, ["IN_PROGRESS", "CLAIMED", "FAILED"]),
        },
        _ => Elsewhere::Unknown {
            why: random.pick(&["busy", "busy", "refused"]).to_owned(),
            refused: random.pick(&[None, Some("AccessDenied".to_owned())]),
        },
    }
}
