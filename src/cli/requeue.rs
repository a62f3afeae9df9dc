//! `requeue`: the running daemon puts deliveries of a webhook back in its queue.

use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{ConfigArg, complain, control, load_main, say};
use crate::clock::SystemClock;
use crate::core::time::Timestamp;
use crate::exit;

/// What the daemon answers to what cannot be: the command line asked for it.
const BAD_REQUEST: u16 = 400;

/// What to send again.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what"))]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// The webhook's name
    sink: String,
    /// Only the event with this id
    #[arg(long, group = "what", value_name = "ID")]
    event: Option<String>,
    /// Only the event with this seq
    #[arg(long, group = "what", value_name = "N")]
    seq: Option<u64>,
    /// Everything that the webhook wants since then, delivered or not, and from before it was added too
    #[arg(long, group = "what", value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "a time is written as 2026-11-20T10:00:00Z".to_owned())
}

/// A text as a part of a path or query.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

pub(super) async fn run(args: Args, environment: BTreeMap<String, String>, clock: SystemClock) -> u8 {
    if ["log", "file"].contains(&args.sink.as_str()) {
        let why = "gets every event once and in order: nothing of it can be requeued";
        complain(&format!("claimwatch: {} {why}", args.sink));
        return exit::USAGE;
    }
    let loaded = load_main(&args.config, environment, clock);
    let Some(config) = loaded.config else {
        complain(&loaded.problems.render(false));
        return exit::CONFIG;
    };
    let what = match (&args.event, args.seq, args.from) {
        (Some(id), _, _) => format!("event={}&", encoded(id)),
        (None, Some(seq), _) => format!("seq={seq}&"),
        (None, None, Some(from)) => format!("from={}&", encoded(&from.to_string())),
        (None, None, None) => String::new(),
    };
    let (mut requeued, mut after) = (0, 0);
    loop {
        let path = format!("/api/v1/sinks/{}/requeue?{what}after={after}", encoded(&args.sink));
        let (status, told) = match control::post(&config, &path).await {
            Ok(answered) => answered,
            Err(error) => {
                complain(&format!("claimwatch: {error}"));
                return exit::UNAVAILABLE;
            }
        };
        if !status.is_success() {
            let why = told["error"].as_str().map_or_else(|| format!("it answered {status}"), str::to_owned);
            complain(&format!("claimwatch: {why}"));
            return if status.as_u16() == BAD_REQUEST { exit::USAGE } else { exit::FAILURE };
        }
        requeued += told["requeued"].as_u64().unwrap_or_default();
        match told["next"].as_u64() {
            Some(next) => after = next,
            None => break,
        }
    }
    if args.json {
        say(&json!({ "sink": args.sink, "requeued": requeued, "next": Value::Null }).to_string());
    } else {
        say(&match requeued {
            0 => format!(
                "{}: nothing was put back in its queue; if it is disabled or failing, it is tried now",
                args.sink
            ),
            1 => format!("{}: 1 event is in its queue (again)", args.sink),
            many => format!("{}: {many} events are in its queue (again)", args.sink),
        });
    }
    exit::OK
}
