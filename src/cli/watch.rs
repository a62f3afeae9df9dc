//! `watch`: how orders stand, and a line for each change, until all have ended or somebody interrupts.

use std::collections::{BTreeMap, BTreeSet};

use super::events::{ASK_EVERY, shown};
use super::known::{Events, Known, complained};
use super::outcome::{Ended, ended};
use super::text::{cell, relative};
use super::{ConfigArg, interrupted, say};
use crate::clock::SystemClock;
use crate::core::record::Record;
use crate::core::time::Timestamp;
use crate::daemon::observe::events::{EVENTS_MOST, From};
use crate::daemon::observe::orders::{Detail, Filters, ORDERS_USUAL, OrderView};
use crate::exit;

/// What to watch.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Orders: ids, beginnings of them, ARNs, or numbers. Without any: all
    #[arg(value_name = "ID", num_args = 0..=50)]
    ids: Vec<String>,
    /// End when all of them have ended: 0 if all went well, 1 if one did not
    #[arg(long, requires = "ids")]
    exit_status: bool,
    /// Print the records of changes, one a line, and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, environment: BTreeMap<String, String>, clock: SystemClock) -> u8 {
    let known = match Known::open(&args.config, environment, clock) {
        Ok(known) => known,
        Err(code) => return code,
    };
    tokio::select! {
        ended = watch(&known, &args) => ended.unwrap_or_else(|refused| complained(&refused)),
        () = interrupted() => exit::OK,
    }
}

async fn watch(known: &Known, args: &Args) -> Result<u8, super::control::Refused> {
    // From before the orders are read: a change in between is told, and not missed.
    let mut after = known.events(&Events::default(), From::Last(0), EVENTS_MOST).await?.next;
    let mut watched = BTreeSet::new();
    for id in &args.ids {
        let Detail { order, at, .. } = known.detail(id).await?;
        tell(&order, at, args.json);
        watched.insert(order.order_id);
    }
    if args.ids.is_empty() {
        let page = known.orders(&Filters::default(), None, ORDERS_USUAL).await?;
        page.orders.iter().for_each(|order| tell(order, page.at, args.json));
        if page.next.is_some() && !args.json {
            say("…  (`claimwatch orders` shows all)");
        }
    }
    known.warn_of_no_daemon();
    loop {
        // Before what was said is fetched: so what ended it is told.
        let code = if args.exit_status { all_ended(known, &watched).await? } else { None };
        let page = known.events(&Events::default(), From::After(after), EVENTS_MOST).await?;
        after = page.next;
        for event in &page.events {
            if is_change(event.get(), &watched) {
                say(&shown(event.get(), args.json, known.colour));
            }
        }
        if page.more {
            continue;
        }
        if let Some(code) = code {
            return Ok(code);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Whether a record tells a change of one of these orders, or of any if there are none.
fn is_change(json: &str, watched: &BTreeSet<String>) -> bool {
    let Ok(record) = serde_json::from_str::<Record>(json) else { return false };
    let told = ["number.", "window.", "order."].iter().any(|kind| record.event.starts_with(kind));
    let named = record.order_id.is_some_and(|id| watched.is_empty() || watched.contains(&id));
    told && named
}

/// 0 or 1 once all have ended.
async fn all_ended(known: &Known, watched: &BTreeSet<String>) -> Result<Option<u8>, super::control::Refused> {
    let mut code = exit::OK;
    for id in watched {
        match ended(&known.detail(id).await?.order) {
            Ended::Not => return Ok(None),
            Ended::Well => {}
            Ended::Badly => code = exit::FAILURE,
        }
    }
    Ok(Some(code))
}

/// How an order stands, on one line.
fn tell(order: &OrderView, now: Timestamp, json: bool) {
    if !json {
        say(&stands(order, now));
    }
}

fn stands(order: &OrderView, now: Timestamp) -> String {
    let name = order.number.as_ref().unwrap_or(&order.order_id);
    let label = order.label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
    format!(
        "{} {} {}",
        cell(&order.status, 16),
        cell(&relative(order.since, now), 12),
        super::text::cut(&format!("{name}{label}"), 50)
    )
}
