//! `plan`: what a reload would change. The running daemon is asked; where none is, the store itself.

use std::collections::BTreeMap;

use super::control::{PATIENCE_LONG, Refused, asked, of_store, peek};
use super::{ConfigArg, changes, complain, load, say};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Loaded;
use crate::daemon::{self, Outcome};
use crate::exit;
use crate::store::memory::MemoryStore;

/// How to show it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, environment: BTreeMap<String, String>, clock: SystemClock) -> u8 {
    let loaded = load(&args.config, environment, clock);
    let outcome = match outcome(&loaded, clock).await {
        Ok(outcome) => outcome,
        Err((code, why)) => {
            complain(&format!("claimwatch: {why}"));
            return code;
        }
    };
    if args.json {
        say(&serde_json::to_string(&outcome).unwrap_or_default());
    } else {
        tell(&outcome);
    }
    match outcome {
        Outcome { refused: Some(_), at_fault: false, .. } => exit::FAILURE,
        Outcome { refused: Some(_), .. } => exit::CONFIG,
        Outcome { bad_lists, .. } if !bad_lists.is_empty() => exit::CONFIG,
        Outcome { lists, needs_restart, .. } if lists.is_empty() && needs_restart.is_empty() => exit::OK,
        Outcome { .. } => exit::CHANGES,
    }
}

/// What the daemon says, else what the store says; where there is no store yet, everything is new.
async fn outcome(loaded: &Loaded, clock: SystemClock) -> Result<Outcome, Refused> {
    let now = clock.now().wall;
    if let Some(config) = &loaded.config {
        if let Some(outcome) = asked(config, "/api/v1/plan", PATIENCE_LONG).await? {
            return Ok(outcome);
        }
        if config.store.exists() {
            let store = peek(config).await?;
            return daemon::planned(&store, loaded, now).await.map_err(|error| of_store(&error));
        }
    }
    daemon::planned(&MemoryStore::new(), loaded, now).await.map_err(|error| of_store(&error))
}

fn tell(outcome: &Outcome) {
    if !outcome.report.is_empty() {
        complain(&outcome.report);
    }
    changes::tell(&outcome.lists);
    if let Some(why) = &outcome.refused {
        complain(&format!("claimwatch: a reload would change nothing: {why}"));
    } else if outcome.lists.is_empty() {
        say("the watch lists would stay as they are");
    }
    for list in &outcome.bad_lists {
        complain(&format!("claimwatch: {list} is at fault and would stay as it is"));
    }
    if !outcome.needs_restart.is_empty() {
        let sections = outcome.needs_restart.join(", ");
        say(&format!("these sections differ and take effect at the next start: {sections}"));
    }
}
