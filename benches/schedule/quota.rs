//! Who uses a quota well: claimwatch's scheduler beside what others do, on one simulated quota.

use std::time::Duration;

use crate::claimwatch::Claimwatch;
use crate::policies::{Backoff, SharedGcra, Workers};
use crate::table::{Table, thousands};
use crate::world::{self, Client, Life, Rate, Setting, Tally, count};

/// Connect's default (`docs/simulator.md`).
const QUOTA: Rate = Rate { per_second: 2.0, burst: 5 };
/// What the quota really is where it is configured 2.5 times too high.
const LESS: Rate = Rate { per_second: 0.8, burst: 5 };
/// The same of a slow quota.
const SLOW: Rate = Rate { per_second: 0.5, burst: 5 };
const SLOWER: Rate = Rate { per_second: 0.2, burst: 5 };
/// What somebody else uses of it, calls a second.
const OTHERS: f64 = 0.5;
const ORDERS: usize = 20_000;
const LASTS: Duration = Duration::from_hours(4);
const RESTART_EVERY: Duration = Duration::from_secs(30);
const OUTAGE: (Duration, Duration) = (Duration::from_hours(1), Duration::from_mins(70));
const SEED: u64 = 1;
/// The workers of those who have some; kubernetes' controllers have from one to ten.
const WORKERS: u32 = 8;

/// Bars (claimwatch with the whole quota): refused at most, and answered at least, alone;
const REFUSED_ALONE: f64 = 0.001;
const ANSWERED_ALONE: f64 = 0.98;
/// the same beside somebody else, of what he leaves;
const REFUSED_BESIDE: f64 = 0.03;
const ANSWERED_BESIDE: f64 = 0.90;
/// the same of a quota that is smaller than configured, below one a second a little more;
const REFUSED_WRONG: f64 = 0.04;
const REFUSED_WRONG_SLOW: f64 = 0.05;
const ANSWERED_WRONG: f64 = 0.90;
/// how evenly looks fall on orders, where that many of them can be so even;
const JAIN: f64 = 0.90;
/// and calls in an outage of ten minutes, and a minute in it after the first.
const OUTAGE_CALLS: f64 = 30.0;
const OUTAGE_CALLS_A_MINUTE: f64 = 1.0;

/// A competitor in one setting.
struct Runner {
    name: String,
    /// The part of the quota it is set to use, where it has such a thing.
    share: Option<f64>,
    client: Box<dyn Client>,
}

fn claimwatch(share: f64) -> Runner {
    Runner {
        name: format!("**claimwatch**, share {share:.1}"),
        share: Some(share),
        client: Box::new(Claimwatch::new(QUOTA, share, ORDERS)),
    }
}

fn gcra() -> Runner {
    let client = Box::new(SharedGcra::new(QUOTA, SEED));
    Runner { name: "one GCRA, 2/s burst 5, first come first served".to_owned(), share: None, client }
}

fn workers(name: &str, backoff: Backoff, retries: Option<Rate>) -> Runner {
    let client = Box::new(Workers::new(backoff, retries, WORKERS, SEED));
    Runner { name: name.to_owned(), share: None, client }
}

fn all() -> Vec<Runner> {
    let ms = Duration::from_millis;
    let kubernetes = Backoff::Doubling(ms(5), ms(1_000_000));
    let retries = Rate { per_second: 10.0, burst: 100 };
    vec![
        claimwatch(1.0),
        claimwatch(0.8),
        gcra(),
        workers(
            "Kubernetes' client-go: 5 ms to 1000 s by order, retries 10/s burst 100",
            kubernetes,
            Some(retries),
        ),
        workers("the same without the bucket for retries", kubernetes, None),
        workers("external-secrets: 1 s to 420 s by order", Backoff::Doubling(ms(1000), ms(420_000)), None),
        workers("full jitter by order, 1 s to 300 s", Backoff::FullJitter(ms(1000), ms(300_000)), None),
        workers("every 60 s, no limiter", Backoff::None, None),
    ]
}

fn setting() -> Setting {
    Setting {
        orders: vec![Life { appears: Duration::ZERO, completes: None }; ORDERS],
        quota: Some(QUOTA),
        others: None,
        restart_every: None,
        outage: None,
        lasts: LASTS,
        seed: SEED,
    }
}

/// The tables, as markdown.
pub(crate) fn tables() -> String {
    [alone(), beside(), wrong(), restarted(), outage()].concat()
}

const HEAD: [&str; 9] = [
    "scheduler",
    "sent",
    "rejected",
    "rejected %",
    "rejected per success",
    "goodput, % of the quota",
    "% of its share",
    "never looked at",
    "Jain",
];

/// What a table's bars are for claimwatch; how much is answered counts with the whole quota only.
#[derive(Debug, Clone, Copy, Default)]
struct Bars {
    refused: Option<f64>,
    answered: Option<f64>,
    all_looked_at: bool,
    jain: Option<f64>,
    /// Whether the quota is as configured and ours alone, so that our share of it is all that we may use.
    shared_out: bool,
}

fn alone() -> String {
    let mut table = Table::new("Alone on the quota:", &HEAD);
    let bars = Bars {
        refused: Some(REFUSED_ALONE),
        answered: Some(ANSWERED_ALONE),
        all_looked_at: true,
        jain: Some(JAIN),
        shared_out: true,
    };
    for mut runner in all() {
        let tally = world::run(&setting(), runner.client.as_mut());
        table.row(row(&runner, &tally, QUOTA, bars));
    }
    table.markdown()
}

fn beside() -> String {
    let head: Vec<&str> = HEAD.into_iter().chain(["of the other's calls refused"]).collect();
    let title = "Somebody else makes 0.5 calls a second on the same quota, which leaves 75 % of it:";
    let mut table = Table::new(title, &head);
    let bars = Bars {
        refused: Some(REFUSED_BESIDE),
        answered: Some(ANSWERED_BESIDE * (1.0 - OTHERS / QUOTA.per_second)),
        ..Bars::default()
    };
    let setting = Setting { others: Some(OTHERS), ..setting() };
    for mut runner in all() {
        let tally = world::run(&setting, runner.client.as_mut());
        let mut cells = row(&runner, &tally, QUOTA, bars);
        cells.push(percent(part(tally.others_rejected, tally.others_sent)));
        table.row(cells);
    }
    table.markdown()
}

fn wrong() -> String {
    let title = "The configured quota is 2.5 times the true one, which is 0.8 calls a second:";
    let mut table = Table::new(title, &HEAD);
    let bars = |refused| Bars { refused: Some(refused), answered: Some(ANSWERED_WRONG), ..Bars::default() };
    for mut runner in [claimwatch(1.0), claimwatch(0.8), gcra()] {
        let setting = Setting { quota: Some(LESS), ..setting() };
        let tally = world::run(&setting, runner.client.as_mut());
        table.row(row(&runner, &tally, LESS, bars(REFUSED_WRONG)));
    }
    let mut runner = Runner {
        name: "**claimwatch**, share 1.0, of 0.5 a second where 0.2 are true".to_owned(),
        share: Some(1.0),
        client: Box::new(Claimwatch::new(SLOW, 1.0, ORDERS)),
    };
    let tally = world::run(&Setting { quota: Some(SLOWER), ..setting() }, runner.client.as_mut());
    table.row(row(&runner, &tally, SLOWER, bars(REFUSED_WRONG_SLOW)));
    table.markdown()
}

fn restarted() -> String {
    let title = "Killed and started again every 30 s:";
    let mut table = Table::new(title, &HEAD);
    let setting = Setting { restart_every: Some(RESTART_EVERY), ..setting() };
    let bars = Bars { refused: Some(0.0), all_looked_at: true, shared_out: true, ..Bars::default() };
    for mut runner in all() {
        let tally = world::run(&setting, runner.client.as_mut());
        table.row(row(&runner, &tally, QUOTA, bars));
    }
    table.markdown()
}

fn outage() -> String {
    let title = "Every call is answered with a 503 for ten minutes:";
    let head = [
        "scheduler",
        "calls in it",
        "a minute, after the first",
        "first order seen after it, s",
        "goodput of the four hours, %",
    ];
    let mut table = Table::new(title, &head);
    let setting = Setting { outage: Some(OUTAGE), ..setting() };
    for mut runner in all() {
        let tally = world::run(&setting, runner.client.as_mut());
        let later =
            f64::from(tally.in_outage_later) / (OUTAGE.1.saturating_sub(OUTAGE.0).as_secs_f64() / 60.0 - 1.0);
        let bar = runner.share.map(|_| OUTAGE_CALLS_A_MINUTE);
        table.row(vec![
            runner.name,
            judged(
                thousands(tally.in_outage),
                runner.share.map(|_| OUTAGE_CALLS),
                |bar| f64::from(tally.in_outage) > bar,
                |bar| format!("{bar:.0}"),
            ),
            judged(format!("{later:.1}"), bar, |bar| later > bar, |bar| format!("{bar:.0}")),
            tally.back_after.map_or("never".to_owned(), |after| format!("{:.1}", after.as_secs_f64())),
            format!("{:.1}", 100.0 * f64::from(tally.answered()) / calls(QUOTA)),
        ]);
    }
    table.markdown()
}

/// The calls that a quota admits in a whole run.
fn calls(quota: Rate) -> f64 {
    quota.per_second * LASTS.as_secs_f64() + f64::from(quota.burst)
}

fn part(some: u32, of: u32) -> f64 {
    if of == 0 { 0.0 } else { f64::from(some) / f64::from(of) }
}

fn percent(part: f64) -> String {
    let percent = 100.0 * part;
    if percent > 0.0 && percent < 0.095 { format!("{percent:.3}") } else { format!("{percent:.1}") }
}

/// A figure with its bar, and whether that is missed.
fn judged(
    text: String,
    bar: Option<f64>,
    missed: impl Fn(f64) -> bool,
    shown: impl Fn(f64) -> String,
) -> String {
    match bar {
        Some(bar) if missed(bar) => format!("{text} (bar {}: **missed**)", shown(bar)),
        Some(bar) => format!("{text} (bar {})", shown(bar)),
        None => text,
    }
}

fn row(runner: &Runner, tally: &Tally, quota: Rate, bars: Bars) -> Vec<String> {
    let whole = runner.share.is_some_and(|share| share >= 1.0);
    let ours = runner.share.is_some();
    let goodput = f64::from(tally.answered()) / calls(quota);
    let refused = part(tally.rejected, tally.sent);
    let never = part(tally.never(), count(tally.looks.len()));
    let jain = tally.jain();
    // Looks are whole: where they do not come out even, nobody could reach more.
    let jain_bar = bars.jain.filter(|_| ours).map(|bar| bar.min(tally.most_even() - 1e-9));
    let answered_bar = bars.answered.filter(|_| whole);
    let of_share = runner.share.filter(|_| bars.shared_out).map(|share| goodput / share);
    let never_bar = Some(0.0).filter(|_| ours && bars.all_looked_at);
    vec![
        runner.name.clone(),
        thousands(tally.sent),
        thousands(tally.rejected),
        judged(percent(refused), bars.refused.filter(|_| ours), |bar| refused > bar, percent),
        format!("{:.3}", part(tally.rejected, tally.answered())),
        judged(percent(goodput), answered_bar, |bar| goodput < bar, percent),
        of_share.map_or("–".to_owned(), percent),
        judged(format!("{} %", percent(never)), never_bar, |bar| never > bar, |_| "0".to_owned()),
        judged(format!("{jain:.3}"), jain_bar, |bar| jain < bar, |bar| format!("{bar:.3}")),
    ]
}
