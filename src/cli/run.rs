//! `run`: the daemon, or one round of it.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{
    ConfigArg, JOURNAL_STREAM, colours, complain, complain_last, complain_of, control, sources, webhooks,
};
use crate::clock::SystemClock;
use crate::config::{self, Config, LogFormat, parse_duration};
use crate::daemon::{self, DaemonError, Keys, Parts, Setup};
use crate::exit;
use crate::http::transport::Transport;
use crate::sink::Log;
use crate::sink::file::FileSink;
use crate::sink::journald::{self, JournalSink};
use crate::sink::log::{Format, LogSink, STDOUT};
use crate::sink::webhook::Webhook;

/// The credential with AWS keys, as the shipped unit names it.
const CREDENTIALS: &str = "claimwatch.aws";

/// What to run.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Look once at every order that is due, deliver what there is to say, and end; exit 69 if a look had no answer
    #[arg(long)]
    once: bool,
    /// With --once: end after this long at the latest, and a second more to deliver
    #[arg(long, requires = "once", value_name = "DURATION", value_parser = parse_duration)]
    deadline: Option<Duration>,
    /// Go on although the watch lists drop more than half of the orders
    #[arg(long)]
    accept_removal: bool,
}

pub(super) async fn run(args: Args, environment: BTreeMap<String, String>, clock: SystemClock) -> u8 {
    let colour = colours(&environment);
    let sources = sources(&args.config, environment.clone(), clock);
    let loaded = config::load(&sources);
    if !loaded.problems.is_empty() {
        complain_of(&loaded.problems, io::stderr().is_terminal() && colour);
    }
    let Some(config) = loaded.config.clone() else { return exit::CONFIG };
    let webhooks = match webhooks(&config, &environment) {
        Ok(webhooks) => webhooks,
        Err(code) => return code,
    };
    let look = match daemon::aws(&config, Arc::new(clock), &Keys::Chain(handed_over(&environment))) {
        Ok(look) => look,
        Err(error) => return failed(&error),
    };
    let control = (!args.once).then(|| control::socket(&config, &environment));
    let log = log(&config, colour, environment.get(JOURNAL_STREAM));
    let file = config.events.file.clone().map(FileSink::new);
    let parts = Parts { look, log, file, webhooks, clock };
    let setup = Setup {
        loaded,
        once: args.once,
        deadline: args.deadline,
        accept_removal: args.accept_removal,
        control,
        sources,
    };
    let ended = daemon::run(setup, parts, CancellationToken::new()).await;
    match ended {
        Ok(finish) if finish.unanswered > 0 => {
            complain_last(&format!("claimwatch: {} of the looks had no answer", finish.unanswered));
            exit::UNAVAILABLE
        }
        Ok(finish) if finish.undelivered && args.once => {
            complain_last("claimwatch: some events are not delivered yet; they go out after the next start");
            exit::UNAVAILABLE
        }
        Ok(_) => exit::OK,
        Err(error) => failed(&error),
    }
}

/// The webhooks, or the exit code once it is said why there are none.
fn webhooks(config: &Config, environment: &BTreeMap<String, String>) -> Result<Vec<Webhook>, u8> {
    if config.events.webhooks.is_empty() {
        return Ok(Vec::new());
    }
    let secrets = webhooks::secrets(config, environment);
    for line in &secrets.warnings {
        complain(&format!("warning: {line}"));
    }
    let errors: Vec<&String> = secrets.errors.iter().chain(&secrets.not_handed).collect();
    for line in &errors {
        complain(&format!("error: {line}"));
    }
    if !errors.is_empty() {
        return Err(exit::CONFIG);
    }
    let transport = Transport::new();
    let transport = transport.map_err(|cause| failed(&DaemonError::Unavailable(cause.to_string())))?;
    Ok(secrets.webhooks(config, &transport))
}

/// The credentials file that the service manager handed over, unless another one is meant.
fn handed_over(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    if environment.contains_key("AWS_SHARED_CREDENTIALS_FILE") {
        return None;
    }
    let path = Path::new(environment.get("CREDENTIALS_DIRECTORY")?).join(CREDENTIALS);
    path.is_file().then_some(path)
}

/// The log: the journal where standard output is that, text on a terminal, else JSON lines, unless the configuration wants one
/// of them.
fn log(config: &Config, colour: bool, journal: Option<&String>) -> Log {
    let lines = |format| Log::Lines(LogSink::stdout(format));
    let entries = || Log::Journal(JournalSink::new(Path::new(journald::SOCKET), tokio::io::stderr()));
    match config.events.log {
        LogFormat::Text => lines(Format::Text { colour }),
        LogFormat::Journald => entries(),
        LogFormat::Auto if io::stdout().is_terminal() => lines(Format::Text { colour }),
        LogFormat::Auto if journal.is_some_and(|stream| journald::is_journal(stream, STDOUT)) => entries(),
        LogFormat::Json | LogFormat::Auto => lines(Format::Json),
    }
}

/// Says why the daemon did not run, with all causes, and gives the exit code.
pub(super) fn failed(error: &DaemonError) -> u8 {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        line.push_str(": ");
        line.push_str(&next.to_string());
        cause = next.source();
    }
    complain_last(&format!("claimwatch: {line}"));
    match error {
        DaemonError::Config(_) => exit::CONFIG,
        DaemonError::Store(_) => exit::STORE,
        DaemonError::Unavailable(_) => exit::UNAVAILABLE,
        DaemonError::Aborted => exit::FAILURE,
    }
}
