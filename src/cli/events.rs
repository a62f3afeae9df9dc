//! `events`: what was said, and with `--follow` what is being said.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use super::known::{Events, Known, complained};
use super::{ConfigArg, complain, interrupted, say};
use crate::clock::SystemClock;
use crate::config::parse_duration;
use crate::core::event::Level;
use crate::core::record::Record;
use crate::core::time::Timestamp;
use crate::daemon::observe::events::{EVENTS_MOST, From};
use crate::exit;
use crate::sink::text;

/// How often it is asked whether there is more.
pub(super) const ASK_EVERY: Duration = Duration::from_millis(500);

/// Where nothing is found: of the last ones so many are looked through, and since a time all.
const NONE_OF_THE_LAST: &str =
    "none of the last events is so; --since, as in --since 30d, looks at all from then on";
const NONE_SINCE: &str = "no event is so since then";

/// Which events to show.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Go on with what comes, until interrupted
    #[arg(long, short)]
    follow: bool,
    /// From then on: a time (2026-11-20T10:00:00Z), or how long ago (2h, 1d)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only the last so many; not with --since
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, conflicts_with = "since",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(EVENTS_MOST)))]
    last: u32,
    /// Only those of this name, or with * for any letters: window.*
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Nothing below this level
    #[arg(long, value_parser = ["info", "warn", "error"])]
    level: Option<String>,
    /// Only those of this watch list
    #[arg(long, value_name = "NAME")]
    list: Option<String>,
    /// Only those of this order: its id, the beginning of it, or its number
    #[arg(long, value_name = "ID")]
    order: Option<String>,
    /// Print the records, one a line
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, environment: BTreeMap<String, String>, clock: SystemClock) -> u8 {
    let known = match Known::open(&args.config, environment, clock) {
        Ok(known) => known,
        Err(code) => return code,
    };
    let from = match args.since.as_deref().map(|since| when(since, known.now())) {
        None => From::Last(args.last),
        Some(Ok(time)) => From::Since(time),
        Some(Err(why)) => return complained(&(exit::USAGE, format!("--since: {why}"))),
    };
    let wanted = Events {
        event: args.event,
        level: args.level.as_deref().and_then(Level::parse),
        list: args.list,
        order: args.order,
    };
    let since = args.since.is_some();
    let any = Cell::new(false);
    let show = |json: &str| {
        any.set(true);
        say(&shown(json, args.json, known.colour));
    };
    let code = tokio::select! {
        code = told(&known, (&wanted, from), args.follow, show) => code,
        () = interrupted(), if args.follow => exit::OK,
    };
    if code == exit::OK && !args.json {
        known.warn_of_no_daemon();
        if !any.get() && !args.follow {
            complain(if since { NONE_SINCE } else { NONE_OF_THE_LAST });
        }
    }
    code
}

/// A time, or how long ago.
fn when(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Some(time) = Timestamp::parse(text) {
        return Ok(time);
    }
    parse_duration(text).map(|ago| now.minus(ago)).map_err(|_| {
        format!("{text:?} is neither a time, as in 2026-11-20T10:00:00Z, nor how long ago, as in 2h or 1d12h")
    })
}

/// Shows page after page, and with `follow` goes on.
async fn told(known: &Known, (wanted, from): (&Events, From), follow: bool, show: impl Fn(&str)) -> u8 {
    let (mut from, mut warned) = (from, false);
    loop {
        match known.events(wanted, from, EVENTS_MOST).await {
            Ok(page) => {
                page.events.iter().for_each(|event| show(event.get()));
                from = From::After(page.next);
                if page.more {
                    continue;
                }
            }
            Err(refused) => return complained(&refused),
        }
        if !follow {
            return exit::OK;
        }
        if !std::mem::replace(&mut warned, true) {
            known.warn_of_no_daemon();
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// A record as a line.
pub(super) fn shown(json: &str, as_json: bool, colour: bool) -> String {
    match serde_json::from_str::<Record>(json) {
        Ok(record) if !as_json => text::render(&record, colour),
        Ok(_) | Err(_) => json.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_how_long_ago() {
        let now = Timestamp::from_millis(1_795_341_600_000);
        assert_eq!(when("2026-11-20T10:00:00Z", now), Ok(Timestamp::parse("2026-11-20T10:00:00Z").unwrap()));
        assert_eq!(when("1d12h", now), Ok(now.minus(Duration::from_hours(36))));
        assert!(when("yesterday", now).unwrap_err().contains("as in 2h"));
    }
}
