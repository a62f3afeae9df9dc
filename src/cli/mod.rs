//! The command line: one file a command.

mod accept;
mod ack;
mod changes;
mod check;
mod completions;
mod config;
mod control;
mod deliveries;
mod demo;
mod events;
mod known;
mod orders;
mod outcome;
mod plan;
mod progress;
mod reload;
mod requeue;
mod run;
mod scopes;
mod show;
mod simulate;
mod status;
mod story;
mod text;
mod track;
mod wait;
mod watch;
mod webhooks;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use clap::{CommandFactory as _, Parser, Subcommand};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::fmt::format::{Format, Full, Writer, format};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::clock::{Clock as _, SystemClock};
use crate::config::{Loaded, Problems, Sources};
use crate::exit;
use crate::sink::journald::is_journal;
use crate::sink::log::STDERR;

/// Says which open stream is the journal, if one is.
const JOURNAL_STREAM: &str = "JOURNAL_STREAM";

/// How long the end of a daemon waits for whoever reads its last words.
const LAST_WORDS_MOST: Duration = Duration::from_secs(2);

/// Lines of diagnostics that may wait for whoever reads them.
const DIAGNOSTICS_MOST: usize = 4096;

/// Watches Amazon Chime SDK Voice phone-number orders and Amazon Connect claims.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch, until stopped
    Run(run::Args),
    /// See the whole story in about seventeen seconds: a simulated AWS and the real daemon, no account needed
    Demo,
    /// Serve the simulated AWS alone
    Simulate(simulate::Args),
    /// Show how everything is: open retry windows first, then scopes, sinks and the last changes
    Status(status::Args),
    /// Show the tracked orders, those that want somebody first
    Orders(orders::Args),
    /// Show one order: its window, its history, and why it is looked at when
    Show(show::Args),
    /// Show what was said, and with --follow what is being said
    Events(events::Args),
    /// Show how orders stand, and a line for each change
    Watch(watch::Args),
    /// Wait until an order is claimed, or has ended; exit 0 if so, 1 if it failed, 124 if it took too long
    Wait(wait::Args),
    /// Watch an order: put it into watch.d/local.toml, check, and have the daemon read its lists again
    Track(track::Args),
    /// Watch an order no more: take it out of watch.d/local.toml
    Untrack(track::UntrackArgs),
    /// Say that an order's open retry window is known of: no more warnings come before its end
    Ack(ack::Args),
    /// Say that what went missing from a suspect scope is gone
    Accept(accept::Args),
    /// Show what waits for each sink, and a sink's deliveries; works while no daemon runs, too
    Deliveries(deliveries::Args),
    /// Have the running daemon send events to a webhook again: those that it refused, one, or all since a time
    Requeue(requeue::Args),
    /// Have the running daemon read the watch lists again; prints what changed, or why nothing did
    Reload(reload::Args),
    /// Show what a reload would change; exit 0 if nothing, 2 if something. Works while no daemon runs, too
    Plan(plan::Args),
    /// Check the configuration and the watch lists; exit 0 or 78
    Check(ConfigArg),
    /// Show the configuration that is in force after a start
    Config(config::Args),
    /// Print a shell's completions for these commands
    Completions(completions::Args),
}

/// Where the configuration is.
#[derive(Debug, Clone, clap::Args)]
struct ConfigArg {
    /// The main configuration file
    #[arg(
        long,
        env = "CLAIMWATCH_CONFIG",
        default_value = "/etc/claimwatch/claimwatch.toml",
        value_name = "FILE"
    )]
    config: PathBuf,
}

/// The command line as it describes itself: for manual pages and completions.
pub fn command() -> clap::Command {
    Args::command()
}

/// The program, from its arguments and its environment to its exit code.
pub fn main(
    args: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(refused) => {
            let code = if refused.use_stderr() { exit::USAGE } else { exit::OK };
            return if refused.print().is_ok() { code.into() } else { exit::FAILURE.into() };
        }
    };
    let environment: BTreeMap<String, String> = environment
        .into_iter()
        // What is not UTF-8 is not dropped without a word: it is no valid value of anything.
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let _diagnostics = start_diagnostics(&environment);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => return fail(exit::FAILURE, &format!("no runtime: {cause}")),
    };
    let clock = SystemClock::start();
    let code = runtime.block_on(async {
        match args.command {
            Command::Run(args) => Box::pin(run::run(args, environment, clock)).await,
            Command::Demo => Box::pin(demo::run(clock, colours(&environment))).await,
            Command::Simulate(args) => simulate::run(args, clock).await,
            Command::Accept(args) => accept::run(args, environment, clock).await,
            Command::Status(args) => status::run(args, environment, clock).await,
            Command::Orders(args) => orders::run(args, environment, clock).await,
            Command::Show(args) => show::run(args, environment, clock).await,
            Command::Events(args) => events::run(args, environment, clock).await,
            Command::Watch(args) => watch::run(args, environment, clock).await,
            Command::Wait(args) => wait::run(args, environment, clock).await,
            Command::Track(args) => track::run(args, environment, clock).await,
            Command::Untrack(args) => track::untrack(args, environment, clock).await,
            Command::Ack(args) => ack::run(args, environment, clock).await,
            Command::Config(args) => config::run(&args, environment, clock),
            Command::Deliveries(args) => deliveries::run(args, environment, clock).await,
            Command::Requeue(args) => requeue::run(args, environment, clock).await,
            Command::Reload(args) => reload::run(args, environment, clock).await,
            Command::Plan(args) => plan::run(args, environment, clock).await,
            Command::Check(args) => check::run(&args, &environment, clock),
            Command::Completions(args) => completions::run(&args),
        }
    });
    // A blocked read of the outside must not hold up the end; everything that matters was flushed.
    runtime.shutdown_timeout(Duration::from_millis(200));
    code.into()
}

/// Diagnostics go to standard error and carry no `event`, `id` or `seq`; events are never filtered by `RUST_LOG`.
///
/// Other crates are never heard below INFO, whatever is wanted: the signer's details are the request's signature, and
/// the HTTP client's are its headers.
///
/// They are dropped rather than waited for: whoever does not read standard error must not stop the daemon. What is
/// returned writes what is left when it is dropped.
fn start_diagnostics(environment: &BTreeMap<String, String>) -> WorkerGuard {
    let (out, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(DIAGNOSTICS_MOST)
        .lossy(true)
        .thread_name("diagnostics")
        .finish(io::stderr());
    let wanted = environment.get("RUST_LOG").map_or("warn,claimwatch=info", String::as_str);
    let wanted = EnvFilter::builder().parse_lossy(wanted);
    let fit = filter_fn(|about| *about.level() <= Level::INFO || is_ours(about.target()));
    let lines = tracing_subscriber::fmt::layer().with_writer(out);
    let journal = environment.get(JOURNAL_STREAM).is_some_and(|stream| is_journal(stream, STDERR));
    let layer = if journal {
        let _already = TO_THE_JOURNAL.set(());
        lines.with_ansi(false).event_format(ForTheJournal(format().without_time().with_level(false))).boxed()
    } else {
        lines.with_ansi(io::stderr().is_terminal()).boxed()
    };
    // A second start in one process (tests) keeps the first one's.
    let _already = tracing_subscriber::registry().with(layer.with_filter(wanted.and(fit))).try_init();
    guard
}

/// A diagnostic as the journal reads it from standard error: the level before it as in sd-daemon(3). The journal knows the time.
struct ForTheJournal(Format<Full, ()>);

impl<S, N> FormatEvent<S, N> for ForTheJournal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}

fn is_ours(target: &str) -> bool {
    target.strip_prefix("claimwatch").is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn load(config: &ConfigArg, environment: BTreeMap<String, String>, clock: SystemClock) -> Loaded {
    crate::config::load(&sources(config, environment, clock))
}

/// The main configuration alone: enough to ask the daemon, or the store.
fn load_main(config: &ConfigArg, environment: BTreeMap<String, String>, clock: SystemClock) -> Loaded {
    crate::config::load_main_alone(&sources(config, environment, clock))
}

/// Where the configuration is, to be read now.
fn sources(config: &ConfigArg, environment: BTreeMap<String, String>, clock: SystemClock) -> Sources {
    Sources { path: config.config.clone(), environment, now: clock.now().wall }
}

/// Whether standard output takes colours: a terminal, unless `NO_COLOR` is set to anything.
fn colours(environment: &BTreeMap<String, String>) -> bool {
    io::stdout().is_terminal() && environment.get("NO_COLOR").is_none_or(String::is_empty)
}

/// The same of standard error.
fn colours_of_errors(environment: &BTreeMap<String, String>) -> bool {
    io::stderr().is_terminal() && environment.get("NO_COLOR").is_none_or(String::is_empty)
}

/// Writes a line for people to standard output. Nobody listening is no reason to fail.
fn say(line: &str) {
    let _closed = writeln!(io::stdout().lock(), "{line}");
}

/// Set once standard error is known to be the journal.
static TO_THE_JOURNAL: OnceLock<()> = OnceLock::new();

/// Writes a line for people to standard error: what is wrong, or a warning that says so.
fn complain(text: &str) {
    let mut out = io::stderr().lock();
    if TO_THE_JOURNAL.get().is_none() {
        let _closed = writeln!(out, "{text}");
        return;
    }
    let priority = if text.starts_with("warning") { 4 } else { 3 };
    for line in text.lines() {
        let _closed = writeln!(out, "<{priority}>{line}");
    }
}

/// Says what is wrong with a configuration; in the journal each problem is one entry.
fn complain_of(problems: &Problems, colour: bool) {
    if TO_THE_JOURNAL.get().is_none() {
        complain(&problems.render(colour));
        return;
    }
    for problem in problems {
        complain(&problem.line());
    }
}

/// [`complain`] at the end of a daemon: nobody hears signals any more, so whoever does not read must not hold it up.
fn complain_last(line: &str) {
    let (written, done) = mpsc::channel();
    let line = line.to_owned();
    let writer = std::thread::Builder::new().spawn(move || {
        complain(&line);
        let _gone = written.send(());
    });
    if writer.is_ok() {
        let _late = done.recv_timeout(LAST_WORDS_MOST);
    }
}

fn fail(code: u8, line: &str) -> ExitCode {
    complain(&format!("claimwatch: {line}"));
    code.into()
}

/// Ends at SIGINT or SIGTERM.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        // Without handlers the signals end the process by themselves.
        _ => std::future::pending().await,
    }
}
