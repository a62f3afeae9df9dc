//! `deliveries`: what waits for each sink, and a sink's deliveries. Asks the running daemon; where none listens, it reads
//! the store itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::control::{PATIENCE, Refused, asked, of_store, peek};
use super::requeue::encoded;
use super::text::{WIDTH, cell, clean, line, short, wrapped};
use super::{ConfigArg, complain, load_main, say};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::daemon::outbox::{PAGE_MOST, Page, Sinks};
use crate::exit;
use crate::store::outbox::{DeliveryStatus, SinkStatus, Stands};

/// Columns of a sink's name; one that is longer is cut.
const NAME_WIDTH: usize = 20;
/// Columns of an event's name: the longest there is.
const EVENT_WIDTH: usize = 20;
/// Columns of what an event is about: a phone number with its sign.
const ABOUT_WIDTH: usize = 16;
/// Characters that are shown of what a sink said; `--json` has all that is kept.
const SAID_MOST: usize = 200;

/// What to show.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// The sink whose deliveries to show; without it, one line a sink
    sink: Option<String>,
    /// Where they stand
    #[arg(long, default_value = "dead", requires = "sink", value_parser = ["pending", "dead", "delivered"])]
    state: String,
    /// Only those after this seq: the next page
    #[arg(long, default_value_t = 0, requires = "sink", value_name = "SEQ")]
    after: u64,
    /// At most so many
    #[arg(long, default_value_t = PAGE_MOST, requires = "sink", value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(PAGE_MOST)))]
    limit: u32,
    /// Print what GET /api/v1/sinks (or SINK/deliveries below it) answers
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, environment: BTreeMap<String, String>, clock: SystemClock) -> u8 {
    let loaded = load_main(&args.config, environment, clock);
    let Some(config) = loaded.config else {
        complain(&loaded.problems.render(false));
        return exit::CONFIG;
    };
    let shown = match &args.sink {
        None => told(sinks(&config).await, args.json, render_sinks),
        Some(sink) => told(page(&config, sink, &args).await, args.json, render_page),
    };
    match shown {
        Ok(text) => {
            say(text.trim_end());
            exit::OK
        }
        Err((code, why)) => {
            complain(&format!("claimwatch: {why}"));
            code
        }
    }
}

fn told<T: Serialize>(
    answer: Result<T, Refused>,
    json: bool,
    render: fn(&T) -> String,
) -> Result<String, Refused> {
    let answer = answer?;
    if !json {
        return Ok(render(&answer));
    }
    serde_json::to_string(&answer).map_err(|cause| (exit::FAILURE, cause.to_string()))
}

async fn sinks(config: &Config) -> Result<Sinks, Refused> {
    if let Some(sinks) = asked(config, "/api/v1/sinks", PATIENCE).await? {
        return Ok(sinks);
    }
    let store = peek(config).await?;
    Ok(Sinks { sinks: store.sinks().await.map_err(|error| of_store(&error))? })
}

async fn page(config: &Config, sink: &str, args: &Args) -> Result<Page, Refused> {
    let Args { state, after, limit, .. } = args;
    let path =
        format!("/api/v1/sinks/{}/deliveries?state={state}&after={after}&limit={limit}", encoded(sink));
    if let Some(page) = asked(config, &path, PATIENCE).await? {
        return Ok(page);
    }
    let store = peek(config).await?;
    let sinks = Sinks { sinks: store.sinks().await.map_err(|error| of_store(&error))? };
    if !sinks.sinks.iter().any(|known| known.name == sink) {
        return Err((exit::FAILURE, sinks.no_such(sink)));
    }
    let stands = Stands::parse(state).unwrap_or(Stands::Dead);
    let rows = store.deliveries(sink, stands, *after, *limit).await.map_err(|error| of_store(&error))?;
    Ok(Page::new(sink.to_owned(), stands, rows, *limit))
}

fn render_sinks(sinks: &Sinks) -> String {
    if sinks.sinks.is_empty() {
        return "There is no sink: the daemon has not run yet.\n".to_owned();
    }
    let mut text = format!("{:NAME_WIDTH$} {:>9} {:>7}  OLDEST THAT WAITS\n", "SINK", "WAITING", "DEAD");
    for sink in &sinks.sinks {
        let SinkStatus { name, pending, dead, oldest, last_error, memory, chooses: _ } = sink;
        let oldest = oldest.map_or_else(String::new, |at| format!("  {}", short(at)));
        let _ = writeln!(text, "{} {pending:>9} {dead:>7}{oldest}", cell(name, NAME_WIDTH));
        if let Some(since) = memory.disabled_since {
            let _ = writeln!(
                text,
                "  ! disabled since {}: it said that it is gone; `requeue` tries it",
                short(since)
            );
        } else if let Some(since) = memory.failing_since {
            let _ = writeln!(text, "  ! failing since {}: it takes nothing", short(since));
        }
        if let Some(error) = last_error {
            let said: String = error.chars().take(SAID_MOST).collect();
            for part in wrapped(&format!("it said last: {said}"), WIDTH - 4) {
                let _ = writeln!(text, "    {part}");
            }
        }
    }
    text
}

fn render_page(page: &Page) -> String {
    let (sink, state) = (clean(&page.sink), page.state.as_str());
    if page.deliveries.is_empty() {
        return format!("{sink}: nothing is {state}\n");
    }
    let mut text = format!(
        "{:>9}  {:20} {:EVENT_WIDTH$} {:ABOUT_WIDTH$} {:>6}\n",
        "SEQ", "TIME", "EVENT", "ABOUT", "FAILED"
    );
    for delivery in &page.deliveries {
        let DeliveryStatus {
            seq,
            id,
            event,
            about,
            time,
            attempts,
            last_error,
            updated_at,
            sink: _,
            stands: _,
        } = delivery;
        let about = cell(about.as_deref().unwrap_or_default(), ABOUT_WIDTH);
        let time = time.map_or_else(String::new, short);
        let _ = writeln!(text, "{seq:>9}  {time:20} {} {about} {attempts:>6}", cell(event, EVENT_WIDTH));
        let _ = writeln!(text, "{}", line(&format!("{:11}{id}", "")));
        if let Some(error) = last_error {
            let at = updated_at.map_or_else(String::new, |at| format!(" at {}", short(at)));
            let said: String = error.chars().take(SAID_MOST).collect();
            for part in wrapped(&format!("it said{at}: {said}"), WIDTH - 11) {
                let _ = writeln!(text, "{:11}{part}", "");
            }
        }
    }
    if let Some(next) = page.next {
        let _ = writeln!(text, "\nThere may be more: --after {next}");
    }
    text
}
