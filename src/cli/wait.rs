//! `wait`: until an order stands as wanted.

use std::collections::BTreeMap;
use std::time::Duration;

use super::events::ASK_EVERY;
use super::known::{Known, as_json, complained};
use super::outcome::{Ended, ended};
use super::progress::Progress;
use super::text::{WIDTH, wrapped};
use super::{ConfigArg, complain, interrupted, say};
use crate::clock::SystemClock;
use crate::config::parse_duration;
use crate::daemon::observe::orders::OrderView;
use crate::exit;

/// What to wait for.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// The order: its id, the beginning of it, its ARN, or its number
    id: String,
    /// What for: that the number is claimed (a Chime order: Successful), or that it has ended, however that was. FAILED is an
    /// end, though its retry window is open: after a retry, see first that it goes on, by `claimwatch watch`
    #[arg(long = "for", default_value = "claimed", value_parser = ["claimed", "terminal"])]
    what: String,
    /// For how long at most, as in 10m; exit 124 after it
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Print the order as JSON at the end
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, environment: BTreeMap<String, String>, clock: SystemClock) -> u8 {
    let known = match Known::open(&args.config, environment, clock) {
        Ok(known) => known,
        Err(code) => return code,
    };
    let too_late = async {
        match args.timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        code = wait(&known, &args) => code,
        () = too_late => {
            let after = args.timeout.unwrap_or_default();
            complain(&format!("claimwatch: {} is not {} after {after:?}", args.id, args.what));
            exit::TIMED_OUT
        }
        () = interrupted() => exit::FAILURE,
    }
}

async fn wait(known: &Known, args: &Args) -> u8 {
    let mut warned = false;
    let progress = Progress::of(&format!("waiting for {}", args.id));
    loop {
        let order = match known.detail(&args.id).await {
            Ok(detail) => detail.order,
            Err(refused) => return complained(&refused),
        };
        let code = match (ended(&order), args.what.as_str()) {
            (Ended::Well, _) | (Ended::Badly, "terminal") => exit::OK,
            (Ended::Badly, _) => exit::FAILURE,
            (Ended::Not, _) if !order.tracked => exit::FAILURE,
            (Ended::Not, _) => {
                if !std::mem::replace(&mut warned, true) {
                    known.warn_of_no_daemon();
                }
                progress.say(format!("{} is {}", args.id, order.status));
                tokio::time::sleep(ASK_EVERY).await;
                continue;
            }
        };
        drop(progress);
        tell(&order, args.json);
        return code;
    }
}

fn tell(order: &OrderView, json: bool) {
    if json {
        say(&as_json(order).unwrap_or_default());
        return;
    }
    let name = order.number.as_ref().unwrap_or(&order.order_id);
    let left = if order.tracked { "" } else { ", and no watch list names it any more" };
    let reason = order.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    say(&wrapped(&format!("{name} is {}{left}{reason}", order.status), WIDTH).join("\n"));
}
