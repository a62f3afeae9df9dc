//! `orders`: the tracked orders, those that want somebody first.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::ConfigArg;
use super::known::{Known, as_json, told};
use super::text::{Tone, cell, coarse, coming, cut, line, paint, short};
use crate::clock::SystemClock;
use crate::core::standing::Urgency;
use crate::core::time::Timestamp;
use crate::daemon::observe::orders::{Filters, ORDERS_MOST, ORDERS_USUAL, OrderView, Orders};

/// Columns of the longest status (`PendingDocuments`),
const STATUS: usize = 16;
/// of a time in one unit,
const FOR: usize = 7;
/// of a phone number with its sign,
const NUMBER: usize = 16;
/// and of an id.
const ID: usize = 36;

/// Which orders to show.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Only those of this watch list
    #[arg(long, value_name = "NAME")]
    list: Option<String>,
    /// Only those that stand so: FAILED, CLAIMED, Partial, …; any case
    #[arg(long, value_name = "WORD")]
    status: Option<String>,
    /// Only those of a service, or of a service and an account: connect, chime/prod-eu
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// Only those whose list has this label: team=voice
    #[arg(long, value_name = "KEY=VALUE")]
    label: Option<String>,
    /// Only those that want somebody so much
    #[arg(long, value_parser = ["window", "attention", "failed", "pending", "done"])]
    urgency: Option<String>,
    /// The next page: what the page before said
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = ORDERS_USUAL, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(ORDERS_MOST)))]
    limit: u32,
    /// Add the list, the label and the next look; wider than 80 columns
    #[arg(long)]
    wide: bool,
    /// Print what GET /api/v1/orders answers
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, environment: BTreeMap<String, String>, clock: SystemClock) -> u8 {
    let known = match Known::open(&args.config, environment, clock) {
        Ok(known) => known,
        Err(code) => return code,
    };
    let filters = Filters {
        list: args.list,
        status: args.status,
        scope: args.scope,
        label: args.label,
        urgency: args.urgency,
    };
    let page = known.orders(&filters, args.after.as_deref(), args.limit).await;
    if !args.json {
        known.warn_of_no_daemon();
    }
    told(page.and_then(|page| {
        if args.json { as_json(&page) } else { Ok(render(&page, &filters, (args.wide, known.colour))) }
    }))
}

/// For people: plain text of at most 80 columns, unless it is to be wide.
fn render(page: &Orders, filters: &Filters, (wide, colour): (bool, bool)) -> String {
    if page.orders.is_empty() {
        return if *filters == Filters::default() {
            "Nothing is watched: name orders and numbers in a file of watch.d, or say `claimwatch track ID`.\n"
        } else {
            "No order is so. `claimwatch orders` without a filter shows all.\n"
        }
        .to_owned();
    }
    let mut head = format!("  {:STATUS$} {:FOR$} {:NUMBER$} ID", "STATUS", "FOR", "NUMBER");
    if wide {
        let _infallible = write!(head, "{:w$} {:12} {:20} LABEL", "", "NEXT LOOK", "LIST", w = ID - 1);
    }
    let mut text = format!("{}\n", paint(&head, Tone::Head, colour));
    for order in &page.orders {
        row(&mut text, order, page.at, (wide, colour));
    }
    if let Some(next) = &page.next {
        let _infallible = writeln!(text, "\nThere may be more: --after {next}");
    }
    text
}

fn row(text: &mut String, order: &OrderView, now: Timestamp, (wide, colour): (bool, bool)) {
    let tone = Tone::of(order.urgency);
    let mark = match order.urgency {
        Urgency::Window | Urgency::Attention => "!",
        Urgency::Failed => "x",
        Urgency::Pending | Urgency::Done => " ",
    };
    let status = paint(&format!("{mark} {}", cell(&order.status, STATUS)), tone, colour);
    let number = order.number.clone().unwrap_or_else(|| numbers(order));
    let mut shown = format!(
        "{status} {} {} {}",
        cell(&coarse(now.since(order.since)), FOR),
        cell(&number, NUMBER),
        cut(&order.order_id, ID)
    );
    if wide {
        let next = order.due_at.map_or_else(|| "never".to_owned(), |due| coming(due, now));
        let label = order.label.as_deref().unwrap_or_default();
        let _infallible = write!(
            shown,
            "{:w$} {} {} {}",
            "",
            cell(&next, 12),
            cell(&order.list, 20),
            cut(label, 200),
            w = ID.saturating_sub(order.order_id.chars().count())
        );
    }
    let _infallible = writeln!(text, "{}", shown.trim_end());
    for note in notes(order) {
        let _infallible = writeln!(text, "{}", paint(&line(&format!("    {note}")), tone, colour));
    }
}

/// What there is to say of an order that wants somebody.
fn notes(order: &OrderView) -> Vec<String> {
    let mut notes = Vec::new();
    for window in &order.windows {
        let left = match window.remaining_s {
            0 => format!("may be lost at any time, until {}", short(window.window_latest)),
            left => format!(
                "may be lost in {} (from {})",
                coarse(Duration::from_secs(left)),
                short(window.window_earliest)
            ),
        };
        let known = if window.acknowledged { ", acknowledged" } else { "" };
        let retrying = if window.condition.is_some() { ", retrying" } else { "" };
        notes.push(format!("{left}{retrying}{known}"));
    }
    match order.urgency {
        Urgency::Window | Urgency::Attention | Urgency::Failed => {
            let condition = order.condition.as_deref().filter(|_| order.urgency == Urgency::Attention);
            notes.extend(condition.map(|word| word.replace('_', " ")));
            notes.extend(order.reason.clone());
        }
        Urgency::Pending | Urgency::Done => {}
    }
    notes
}

/// What a Chime order has for a number: how many.
fn numbers(order: &OrderView) -> String {
    match order.numbers.values().sum::<u64>() {
        0 => String::new(),
        1 => "1 number".to_owned(),
        many => format!("{many} numbers"),
    }
}
