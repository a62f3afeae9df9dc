//! `accept`: a person says that what went missing from a suspect scope is gone.

use std::collections::BTreeMap;

use hyper::StatusCode;

use super::{ConfigArg, complain, control, load_main, say};
use crate::clock::SystemClock;
use crate::exit;

/// Which scope.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// The scope, as provider and account: connect/prod-eu
    #[arg(value_parser = scope)]
    scope: String,
}

/// A provider and the name of an account, which both are fit for a path as they are.
fn scope(text: &str) -> Result<String, String> {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    match text.split_once('/') {
        Some((provider, account)) if plain(provider) && plain(account) => Ok(text.to_owned()),
        _ => Err("a scope is a provider and an account, as in connect/prod-eu".to_owned()),
    }
}

pub(super) async fn run(args: Args, environment: BTreeMap<String, String>, clock: SystemClock) -> u8 {
    let loaded = load_main(&args.config, environment, clock);
    let Some(config) = loaded.config else {
        complain(&loaded.problems.render(false));
        return exit::CONFIG;
    };
    let (status, told) = match control::post(&config, &format!("/api/v1/scopes/{}/accept", args.scope)).await
    {
        Ok(answered) => answered,
        Err(error) => {
            complain(&format!("claimwatch: {error}"));
            return exit::UNAVAILABLE;
        }
    };
    if status == StatusCode::OK {
        say(&format!("{}: accepted; the next looks say what is gone", args.scope));
        return exit::OK;
    }
    complain(&format!("claimwatch: {}", told["error"].as_str().unwrap_or("the daemon refused")));
    exit::FAILURE
}
