//! `reload`: the running daemon reads the configuration again.

use std::collections::BTreeMap;

use super::{ConfigArg, changes, colours_of_errors, complain, control, load_main, say};
use crate::clock::SystemClock;
use crate::daemon::Outcome;
use crate::exit;

/// How to reload.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Go on although the watch lists drop more than half of the orders
    #[arg(long)]
    force: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, environment: BTreeMap<String, String>, clock: SystemClock) -> u8 {
    let colour = colours_of_errors(&environment);
    let loaded = load_main(&args.config, environment, clock);
    let Some(config) = loaded.config else {
        complain(&loaded.problems.render(colour));
        complain("claimwatch: the main configuration is at fault: nothing was reloaded");
        return exit::CONFIG;
    };
    let path = format!("/api/v1/reload?force={}", args.force);
    let (status, told) = match control::post_and_wait(&config, &path).await {
        Ok(answered) => answered,
        Err(error) => {
            complain(&format!("claimwatch: {error}"));
            return exit::UNAVAILABLE;
        }
    };
    let Ok(outcome) = serde_json::from_value::<Outcome>(told.clone()) else {
        let why = told["error"].as_str().map_or_else(|| format!("it answered {status}"), str::to_owned);
        complain(&format!("claimwatch: {why}"));
        return exit::FAILURE;
    };
    if args.json {
        say(&told.to_string());
    } else {
        tell(&outcome);
    }
    match outcome {
        Outcome { refused: Some(_), at_fault: false, .. } => exit::FAILURE,
        Outcome { refused: None, bad_lists, .. } if bad_lists.is_empty() => exit::OK,
        Outcome { .. } => exit::CONFIG,
    }
}

/// What became of it, for people: what changed on standard output, what is wrong on standard error.
fn tell(outcome: &Outcome) {
    if !outcome.report.is_empty() {
        complain(&outcome.report);
    }
    if let Some(why) = &outcome.refused {
        complain(&format!("claimwatch: nothing changed: {why}"));
        return;
    }
    changes::tell(&outcome.lists);
    if outcome.lists.is_empty() && outcome.bad_lists.is_empty() {
        say("reloaded: the watch lists are as they were");
    }
    for list in &outcome.bad_lists {
        complain(&format!("claimwatch: {list} is at fault and stays as it was"));
    }
    if !outcome.needs_restart.is_empty() {
        let sections = outcome.needs_restart.join(", ");
        say(&format!("these sections differ and take effect at the next start: {sections}"));
    }
}
