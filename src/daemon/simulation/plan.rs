//! What happens in one simulated world: decided by its seed, before anything runs.

use crate::core::random::Random;

/// What happens now and then.
pub(super) trait Chance {
    /// True in that part of the calls.
    fn chance(&mut self, part: f64) -> bool;
}

impl Chance for Random {
    fn chance(&mut self, part: f64) -> bool {
        self.part() < part
    }
}

/// Milliseconds in a second.
pub(super) const S: u64 = 1000;
/// Milliseconds in a minute.
pub(super) const MIN: u64 = 60 * S;

/// Numbers for which the quota is enough, whatever was learned of it.
const FEW: u32 = 5;

/// How long after everything works something changes that has to be noticed in time: by then every order that was not at
/// fault itself is looked at as usual.
pub(super) const LATE: u64 = 20 * MIN;

/// What the service has of a Connect number, or of a number of a Chime order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    /// It does not know it.
    Absent,
    InProgress,
    Claimed,
    Failed,
}

impl Truth {
    /// Connect's word.
    pub(super) fn connect(self) -> &'static str {
        match self {
            Self::Absent => "",
            Self::InProgress => "IN_PROGRESS",
            Self::Claimed => "CLAIMED",
            Self::Failed => "FAILED",
        }
    }

    /// Chime's word.
    pub(super) fn chime(self) -> &'static str {
        match self {
            Self::Absent => "",
            Self::InProgress => "Processing",
            Self::Claimed => "Acquired",
            Self::Failed => "Failed",
        }
    }
}

/// A Connect number's life.
#[derive(Debug, Clone)]
pub(super) struct Number {
    pub(super) id: String,
    pub(super) e164: String,
    pub(super) account: &'static str,
    /// What it is from when on, milliseconds; the first one at 0.
    pub(super) life: Vec<(u64, Truth)>,
    /// From when on another id holds the same number, claimed.
    pub(super) rescued_at: Option<u64>,
}

/// A Chime order's life: its numbers; its own status follows from them.
#[derive(Debug, Clone)]
pub(super) struct ChimeOrder {
    pub(super) id: String,
    pub(super) account: &'static str,
    pub(super) numbers: Vec<(String, Vec<(u64, Truth)>)>,
}

/// How often what goes wrong, in parts of the calls. Many seeds leave many of them out: what hides behind one kind of
/// trouble is found where there is none of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rates {
    pub(super) throttled: f64,
    pub(super) unavailable: f64,
    pub(super) lost: f64,
    pub(super) truncated: f64,
    pub(super) stale: f64,
    pub(super) slow: f64,
    pub(super) forbidden: f64,
    pub(super) expired: f64,
    pub(super) wrong_account: f64,
    pub(super) store_before: f64,
    pub(super) store_after: f64,
    pub(super) store_slow: f64,
    pub(super) sink: f64,
    /// Somebody else changes an order that was just read.
    pub(super) edited: f64,
}

/// How a webhook's receiver behaves while things go wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Receiver {
    Well,
    /// Down from the first time to the second.
    Down(u64, u64),
    /// Answers 503 to a part of the posts, some with `Retry-After`.
    Flaky(f64),
    /// Takes the event, and the sender does not hear of it.
    Mute(f64),
    /// Never answers, not even by closing, to a part of the posts.
    Hangs(f64),
    /// Refuses some events for good.
    Picky,
    /// Cannot digest some events, until things are quiet.
    Poisoned,
    /// Takes so many posts a minute, and answers 503 to the others.
    Limited(u32),
    /// Says once that it is gone.
    Gone(u64),
}

/// Everything that is decided.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) numbers: Vec<Number>,
    pub(super) orders: Vec<ChimeOrder>,
    /// Milliseconds until everything works.
    pub(super) quiet_at: u64,
    pub(super) rates: Rates,
    /// From when to when nobody answers.
    pub(super) outages: Vec<(u64, u64)>,
    /// When the process is killed, whatever it does.
    pub(super) kills: Vec<u64>,
    /// After how many steps towards the outside it is killed, a life; 0: not.
    pub(super) kill_after_steps: u32,
    /// When it is asked to stop.
    pub(super) stops: Vec<u64>,
    /// When the wall clock is set by how many seconds.
    pub(super) clock: Vec<(u64, i64)>,
    pub(super) receivers: [Receiver; 2],
    /// When the watch lists leave out the last number, and when they name it again.
    pub(super) untracked: Option<(u64, u64)>,
    /// When the lists are read again by the running daemon, which is stopped for that if there is no such time.
    pub(super) reloads: Vec<u64>,
    /// Whether what is done is looked at on.
    pub(super) watched_on: bool,
}

/// The plan of a seed.
pub(super) fn plan(seed: u64) -> Plan {
    let mut r = Random(seed);
    let r = &mut r;
    let quiet_at = (5 + u64::from(r.below(25))) * MIN;
    let watched_on = r.chance(0.5);
    // Few make all that may go wrong likely for each; in some worlds there are more than the quota is enough for.
    let count = if r.chance(0.05) { 60 } else { 1 + r.below(FEW) };
    let mut gone = 0;
    let numbers: Vec<Number> = (0..count).map(|n| number(r, n, quiet_at, watched_on, &mut gone)).collect();
    let orders = (0..r.below(3)).map(|n| chime_order(r, n, quiet_at, watched_on)).collect();
    let within = |r: &mut Random| u64::from(r.below(u32::try_from(quiet_at).unwrap()));
    let span = |r: &mut Random, most: u64| {
        let from = within(r);
        (from, (from + u64::from(r.below(u32::try_from(most).unwrap()))).min(quiet_at))
    };
    let crashing = r.below(4);
    let untracked = r.chance(0.3).then(|| span(r, 15 * MIN)).filter(|_| count > 1);
    let mut stops: Vec<u64> =
        if r.chance(0.3) { (0..r.below(4)).map(|_| within(r)).collect() } else { Vec::new() };
    // Lists are read when the daemon starts, or when it is asked to.
    let edges = untracked.iter().flat_map(|(from, to)| [*from, *to]);
    let mut reloads = Vec::new();
    if r.chance(0.5) {
        reloads.extend(edges);
        reloads.extend((0..r.below(3)).map(|_| within(r)));
    } else {
        stops.extend(edges);
    }
    Plan {
        seed,
        numbers,
        orders,
        quiet_at,
        rates: rates(r),
        outages: (0..r.below(3)).map(|_| span(r, 10 * MIN)).collect(),
        kills: if crashing == 1 { (0..r.below(12)).map(|_| within(r)).collect() } else { Vec::new() },
        kill_after_steps: if crashing == 2 { 5 + r.below(200) } else { 0 },
        stops,
        clock: if r.chance(0.3) {
            (0..=r.below(3)).map(|_| (within(r), i64::from(r.below(7200)) - 3600)).collect()
        } else {
            Vec::new()
        },
        receivers: [receiver(r, quiet_at), receiver(r, quiet_at)],
        untracked,
        reloads,
        watched_on,
    }
}

fn rates(r: &mut Random) -> Rates {
    let harsh = r.one_of(&[0.0, 0.3, 1.0]);
    let mut part = |most: f64| if r.chance(0.35) { r.part() * most * harsh } else { 0.0 };
    Rates {
        throttled: part(0.3),
        unavailable: part(0.4),
        lost: part(0.3),
        truncated: part(0.2),
        stale: part(0.3),
        slow: part(0.5),
        forbidden: part(0.1),
        expired: part(0.05),
        wrong_account: part(0.02),
        store_before: part(0.2),
        store_after: part(0.1),
        store_slow: part(0.5),
        sink: part(0.5),
        edited: part(0.2),
    }
}

fn receiver(r: &mut Random, quiet_at: u64) -> Receiver {
    let from = u64::from(r.below(u32::try_from(quiet_at).unwrap()));
    match r.below(10) {
        0 | 1 => Receiver::Well,
        2 => Receiver::Down(from, quiet_at.min(from + 40 * MIN)),
        3 => Receiver::Flaky(r.part() * 0.2),
        4 => Receiver::Mute(r.part() * 0.2),
        5 => Receiver::Hangs(r.part() * 0.1),
        6 => Receiver::Picky,
        7 => Receiver::Poisoned,
        8 => Receiver::Limited(1 + r.below(60)),
        _ => Receiver::Gone(from),
    }
}

fn number(r: &mut Random, n: u32, quiet_at: u64, watched_on: bool, gone: &mut u32) -> Number {
    use Truth::{Absent, Claimed, Failed, InProgress};
    let mut at = 0;
    // Changes lie before the quiet time, half a minute apart at least.
    let mut later = |r: &mut Random| {
        let room = u32::try_from(quiet_at.saturating_sub(at).max(2 * MIN)).unwrap();
        at = (at + 30 * S + u64::from(r.below(room / 2))).min(quiet_at);
        at
    };
    let mut rescued_at = None;
    let kind = r.below(11);
    let mut life = vec![(0, if kind == 5 { Failed } else { InProgress })];
    match kind {
        // 5: failed at first sight.
        0 | 1 | 5 => life.push((later(r), Claimed)),
        2 => life.push((later(r), Failed)),
        3 => {
            for truth in [Failed, InProgress, Claimed] {
                life.push((later(r), truth));
            }
        }
        4 => {
            life.push((later(r), Failed));
            rescued_at = Some(later(r));
        }
        6 => {
            life = vec![
                (0, Absent),
                (30 * S + u64::from(r.below(120_000)), InProgress),
                (later(r) + 3 * MIN, Claimed),
            ];
        }
        7 => {
            for truth in [Failed, InProgress, Failed] {
                life.push((later(r), truth));
            }
        }
        // Two at most are really gone: three would be taken for the credentials of another account.
        8 if *gone < 2 && n > 2 => {
            *gone += 1;
            life.extend([(later(r), Failed), (later(r), Absent)]);
        }
        // Long after everything has come right.
        9 => life.push((quiet_at + LATE, Claimed)),
        _ if watched_on => {
            for truth in [Claimed, InProgress, Failed] {
                life.push((later(r), truth));
            }
        }
        _ => {}
    }
    Number {
        id: format!("0c1f3b6e-0000-4000-8000-{n:012}"),
        e164: format!("+4420794601{n:02}"),
        account: if n % 3 == 2 { "b" } else { "a" },
        life,
        rescued_at,
    }
}

fn chime_order(r: &mut Random, n: u32, quiet_at: u64, watched_on: bool) -> ChimeOrder {
    let numbers = (0..=r.below(2)).map(|k| {
        let end = u64::from(r.below(u32::try_from(quiet_at).unwrap())).max(S);
        let truth = r.one_of(&[Truth::Claimed, Truth::Claimed, Truth::Failed]);
        let mut life = vec![(0, Truth::InProgress), (end, truth)];
        if watched_on && truth == Truth::Failed && r.chance(0.3) {
            life.push((end + MIN, Truth::Claimed));
        }
        (format!("+1206555{n:02}{k:02}"), life)
    });
    ChimeOrder {
        id: format!("6f1c0d4e-0000-4000-8000-{n:012}"),
        account: if n % 2 == 1 { "b" } else { "a" },
        numbers: numbers.collect(),
    }
}

impl Plan {
    /// Whether looks are never late for want of calls.
    pub(super) fn has_quota_enough(&self) -> bool {
        self.numbers.len() <= FEW as usize
    }

    /// By how much the wall clock is set back in all, milliseconds.
    pub(super) fn set_back(&self) -> u64 {
        self.clock
            .iter()
            .filter(|(_, seconds)| *seconds < 0)
            .map(|(_, seconds)| seconds.unsigned_abs() * S)
            .sum()
    }

    /// When something last changes in this world.
    pub(super) fn last_change(&self) -> u64 {
        let numbers = self.numbers.iter().flat_map(|number| &number.life);
        numbers.map(|(at, _)| *at).max().unwrap_or_default()
    }
}

/// What is so at a time of a life.
pub(super) fn at(life: &[(u64, Truth)], when: u64) -> Truth {
    life.iter().rev().find(|(from, _)| *from <= when).map_or(Truth::Absent, |(_, truth)| *truth)
}
