//! When to look: claimwatch's cadence beside four simple ones, on four loads of orders.

use std::time::Duration;

use crate::claimwatch::Claimwatch;
use crate::policies::{Pace, Paced};
use crate::table::Table;
use crate::world::{self, Client, Life, Random, Rate, Setting, Tally, median, percentile, seconds};

/// What all policies may use: 1.8 looks a second.
const QUOTA: Rate = Rate { per_second: 2.25, burst: 5 };
/// Of the quota.
const SHARE: f64 = 0.8;
/// Times to completion are lognormal, with this deviation of their logarithm.
const SIGMA: f64 = 1.5;
/// This part of the orders never completes.
const STUCK: f64 = 0.02;
/// An order that completes within this time is quick.
const QUICK: Duration = Duration::from_mins(2);

/// A load of orders.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) orders: u32,
    /// They come in this time, at random.
    pub(crate) within: Duration,
    /// Half of them complete within this time.
    pub(crate) median: Duration,
    /// How long it is watched.
    pub(crate) lasts: Duration,
    /// Calls at most, as a multiple of the flat minute's.
    pub(crate) calls_bar: f64,
    /// The median delay of quick orders at most, as a part of the flat minute's.
    pub(crate) quick_bar: Option<f64>,
}

const HOUR: Duration = Duration::from_hours(1);

/// The loads of the table.
pub(crate) const LOADS: [Load; 4] = [
    Load {
        name: "steady: 1,440 orders over 4 h, median 60 s",
        orders: 1440,
        within: Duration::from_hours(4),
        median: Duration::from_mins(1),
        lasts: Duration::from_hours(5),
        calls_bar: 1.9,
        quick_bar: Some(0.2),
    },
    Load {
        name: "slow: 700 orders over 4 h, median 900 s",
        orders: 700,
        within: Duration::from_hours(4),
        median: Duration::from_mins(15),
        lasts: Duration::from_hours(9),
        calls_bar: 1.2,
        quick_bar: Some(0.4),
    },
    Load {
        name: "burst: 300 orders in 1 min, median 300 s",
        orders: 300,
        within: Duration::from_mins(1),
        median: Duration::from_mins(5),
        lasts: Duration::from_hours(3),
        calls_bar: 1.0,
        quick_bar: None,
    },
    Load {
        name: "bulk: 2,000 orders in 10 min, median 60 s",
        orders: 2000,
        within: Duration::from_mins(10),
        median: Duration::from_mins(1),
        lasts: Duration::from_hours(4),
        calls_bar: 1.0,
        quick_bar: None,
    },
];

/// Whoever decides, made anew for each run.
pub(crate) struct Policy {
    pub(crate) name: &'static str,
    pub(crate) make: Box<dyn Fn(usize) -> Box<dyn Client>>,
}

/// The flat minute is what claimwatch is measured by.
const FLAT_MINUTE: &str = "every 60 s";
const CLAIMWATCH: &str = "**claimwatch**";

fn policies() -> Vec<Policy> {
    let flat = |interval| move || -> Pace { Box::new(move |_, _| interval) };
    vec![
        paced("every 10 s", flat(Duration::from_secs(10))),
        paced(FLAT_MINUTE, flat(Duration::from_mins(1))),
        paced("doubling from 1 s to 30 min", || {
            Box::new(|_, looks| {
                Duration::from_secs(1 << looks.saturating_sub(1).min(20)).min(Duration::from_mins(30))
            })
        }),
        paced("0.25 × age, 5 s to 6 h", || {
            Box::new(|age, _| (age / 4).clamp(Duration::from_secs(5), 6 * HOUR))
        }),
        Policy { name: CLAIMWATCH, make: Box::new(|orders| Box::new(Claimwatch::new(QUOTA, SHARE, orders))) },
    ]
}

pub(crate) fn paced(name: &'static str, pace: impl Fn() -> Pace + 'static) -> Policy {
    Policy { name, make: Box::new(move |orders| Box::new(Paced::new(pace(), QUOTA, SHARE, orders))) }
}

/// What one policy made of one load: medians over the seeds. Delays in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) calls: f64,
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) quick: f64,
}

impl Outcome {
    fn of(tally: &Tally) -> Self {
        let sorted = |only: Duration| {
            let delays = tally.noticed.iter().filter(|(took, _)| *took <= only);
            let mut delays: Vec<f64> = delays.map(|(_, delay)| delay.as_secs_f64()).collect();
            delays.sort_by(f64::total_cmp);
            delays
        };
        let all = sorted(Duration::MAX);
        Self {
            calls: f64::from(tally.sent),
            mean: all.iter().sum::<f64>() / f64::from(world::count(all.len())),
            p50: percentile(&all, 50),
            p95: percentile(&all, 95),
            p99: percentile(&all, 99),
            quick: median(sorted(QUICK)),
        }
    }

    fn median(of: &[Self]) -> Self {
        let of = |what: fn(&Self) -> f64| median(of.iter().map(what).collect());
        Self {
            calls: of(|o| o.calls),
            mean: of(|o| o.mean),
            p50: of(|o| o.p50),
            p95: of(|o| o.p95),
            p99: of(|o| o.p99),
            quick: of(|o| o.quick),
        }
    }
}

/// Plays a load with a policy, once a seed.
pub(crate) fn play(load: &Load, policy: &Policy, seeds: u64) -> Outcome {
    let outcomes: Vec<Outcome> = (1..=seeds)
        .map(|seed| {
            let setting = setting(load, seed);
            let mut client = (policy.make)(setting.orders.len());
            Outcome::of(&world::run(&setting, client.as_mut()))
        })
        .collect();
    Outcome::median(&outcomes)
}

fn setting(load: &Load, seed: u64) -> Setting {
    let mut random = Random::new(seed);
    let orders = (0..load.orders)
        .map(|_| {
            let appears = load.within.mul_f64(random.unit());
            let takes = load.median.as_secs_f64() * (SIGMA * random.normal()).exp();
            let stuck = random.unit() < STUCK;
            Life { appears, completes: (!stuck).then(|| appears + seconds(takes)) }
        })
        .collect();
    Setting { orders, quota: None, others: None, restart_every: None, outage: None, lasts: load.lasts, seed }
}

/// The tables, as markdown.
pub(crate) fn tables(seeds: u64) -> String {
    let mut out = String::new();
    for load in &LOADS {
        let mut table =
            Table::new(load.name, &["policy", "calls", "mean", "p50", "p95", "p99", "median of the quick"]);
        let played: Vec<(&str, Outcome)> =
            policies().iter().map(|policy| (policy.name, play(load, policy, seeds))).collect();
        let flat = played.iter().find(|(name, _)| *name == FLAT_MINUTE).map(|(_, flat)| *flat);
        for (name, outcome) in played {
            table.row(row(name, &outcome, flat.filter(|_| name == CLAIMWATCH), load));
        }
        out += &table.markdown();
    }
    out
}

fn row(name: &str, of: &Outcome, flat: Option<Outcome>, load: &Load) -> Vec<String> {
    let calls_bar = flat.map(|flat| flat.calls * load.calls_bar);
    let quick_bar = flat.and_then(|flat| load.quick_bar.map(|bar| flat.quick * bar));
    vec![
        name.to_owned(),
        judged(of.calls, 0, calls_bar),
        judged(of.mean, 1, flat.map(|flat| flat.mean)),
        format!("{:.1}", of.p50),
        format!("{:.0}", of.p95),
        format!("{:.0}", of.p99),
        judged(of.quick, 1, quick_bar),
    ]
}

/// A figure with so many digits, what it may be at most, and whether it is more.
fn judged(value: f64, digits: usize, bar: Option<f64>) -> String {
    match bar {
        Some(bar) if value > bar => format!("{value:.digits$} (bar {bar:.digits$}: **missed**)"),
        Some(bar) => format!("{value:.digits$} (bar {bar:.digits$})"),
        None => format!("{value:.digits$}"),
    }
}
