//! `ack`: a person says that the open retry windows of an order are known of.

use std::collections::BTreeMap;

use super::known::Known;
use super::requeue::encoded;
use super::{ConfigArg, complain, control, say};
use crate::clock::SystemClock;
use crate::exit;

/// Which order.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// The order: its id, the beginning of it, its ARN, or its number
    id: String,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, environment: BTreeMap<String, String>, clock: SystemClock) -> u8 {
    let known = match Known::open(&args.config, environment, clock) {
        Ok(known) => known,
        Err(code) => return code,
    };
    let path = format!("/api/v1/orders/{}/ack", encoded(&args.id));
    let (status, told) = match control::post(&known.config, &path).await {
        Ok(answered) => answered,
        Err(error) => {
            complain(&format!("claimwatch: {error}"));
            return exit::UNAVAILABLE;
        }
    };
    if !status.is_success() {
        complain(&format!("claimwatch: {}", told["error"].as_str().unwrap_or("the daemon refused")));
        return exit::FAILURE;
    }
    if args.json {
        say(&told.to_string());
    } else {
        let windows = match told["acknowledged"].as_u64() {
            Some(1) | None => "its retry window is known of".to_owned(),
            Some(many) => format!("its {many} retry windows are known of"),
        };
        say(&format!(
            "{}: {windows}\nno more warnings come before its end, which is told all the same",
            args.id
        ));
    }
    exit::OK
}
