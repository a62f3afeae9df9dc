//! `track` and `untrack`: put an order into a watch list that this command keeps, and take it out again.
//!
//! # Expected flow
//! The list's new text is made, the whole configuration is checked as if it stood there, and only then is the file replaced, as
//! a whole; then the daemon is asked to read its lists again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::control::Refused;
use super::known::complained;
use super::progress::Progress;
use super::{ConfigArg, changes, complain, control, say, sources};
use crate::clock::SystemClock;
use crate::config::local::{self, EditError, Kind, NewEntry};
use crate::config::{self, Config, Instead, Loaded, Sources};
use crate::daemon::Outcome;
use crate::exit;

/// The list that is edited, if none is named.
const LIST: &str = "local";

/// What to watch.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// A Chime order's id, or a Connect number's id or ARN
    id: String,
    /// What a bare id is: an order of Chime, or a number of Connect
    #[arg(long, value_parser = ["order", "number"])]
    kind: Option<String>,
    /// The account, where the configuration has several
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// The number, as in +442079460103
    #[arg(long, value_name = "E164")]
    number: Option<String>,
    /// What was asked for last: a claim, or an update
    #[arg(long, value_parser = ["claim", "update"])]
    operation: Option<String>,
    /// When that was, as in 2026-11-20T10:00:00Z: a claim's retry window is counted from it
    #[arg(long, value_name = "TIME")]
    requested_at: Option<String>,
    /// A name for people
    #[arg(long)]
    label: Option<String>,
    /// The list to put it into: watch.d/NAME.toml, made if it is not there
    #[arg(long, default_value = LIST, value_name = "NAME")]
    list: String,
}

/// What not to watch any more.
#[derive(Debug, clap::Args)]
pub(super) struct UntrackArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The order's id, or the number's id or ARN, as the list has it
    id: String,
    /// The list to take it out of: watch.d/NAME.toml
    #[arg(long, default_value = LIST, value_name = "NAME")]
    list: String,
}

pub(super) async fn run(args: Args, environment: BTreeMap<String, String>, clock: SystemClock) -> u8 {
    let sources = sources(&args.config, environment, clock);
    let edit = |config: &Config, path: &Path, text: &str| {
        let account = account(config, args.account.as_deref())?;
        let entry = entry(&args)?;
        local::with(text, &account, &entry).map_err(|error| of_edit(path, &args.id, &error))
    };
    match edited(sources, &args.list, edit).await {
        Ok(()) => exit::OK,
        Err(refused) => complained(&refused),
    }
}

pub(super) async fn untrack(
    args: UntrackArgs,
    environment: BTreeMap<String, String>,
    clock: SystemClock,
) -> u8 {
    let sources = sources(&args.config, environment, clock);
    let before = config::load(&sources);
    let edit = |_: &Config, path: &Path, text: &str| {
        let rest =
            local::without(text, &args.id).map_err(|error| match (&error, elsewhere(&before, &args.id)) {
                (EditError::NotListed, Some(place)) => {
                    let why = format!(
                        "{} is not in {}: it is listed at {place}; take it out there",
                        args.id,
                        path.display()
                    );
                    (exit::FAILURE, why)
                }
                _ => of_edit(path, &args.id, &error),
            })?;
        Ok(rest.text)
    };
    match edited(sources, &args.list, edit).await {
        Ok(()) => exit::OK,
        Err(refused) => complained(&refused),
    }
}

/// Edits a list, if the configuration is good with what comes out.
async fn edited(
    sources: Sources,
    list: &str,
    edit: impl Fn(&Config, &Path, &str) -> Result<String, Refused>,
) -> Result<(), Refused> {
    let before = config::load(&sources);
    let Some(config) = before.config else {
        complain(&before.problems.render(false));
        return Err((exit::CONFIG, "the main configuration is at fault: nothing was edited".to_owned()));
    };
    let Some(folder) = config.watch_dirs.first() else {
        return Err((exit::CONFIG, "watch.dirs names no folder for lists".to_owned()));
    };
    let path = folder.join(format!("{list}.toml"));
    let _turn = turn(folder)?;
    let text = read(&path)?;
    let text = edit(&config, &path, &text)?;
    let instead = Instead { path: path.clone(), text: text.clone() };
    let after = config::load_as_if(&sources, Some(&instead));
    if after.bad_lists.iter().any(|bad| bad.path == path) {
        complain(&after.problems.render(false));
        return Err((exit::FAILURE, format!("{} would be at fault: nothing was edited", path.display())));
    }
    local::replace(&path, &text).map_err(|cause| of_file(&path, &cause))?;
    say(&format!("{} is written", path.display()));
    reload(&config).await
}

/// The right to edit lists: whoever came first ends first, so that no edit is lost.
fn turn(folder: &Path) -> Result<File, Refused> {
    let held = File::open(folder).map_err(|cause| of_file(folder, &cause))?;
    flock(&held, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| (exit::FAILURE, "somebody else edits the lists right now: try again".to_owned()))?;
    Ok(held)
}

fn read(path: &Path) -> Result<String, Refused> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(cause) => Err(of_file(path, &cause)),
    }
}

fn of_file(path: &Path, cause: &std::io::Error) -> Refused {
    let hint = if cause.kind() == ErrorKind::PermissionDenied { " (as root?)" } else { "" };
    (exit::FAILURE, format!("{}: {cause}{hint}", path.display()))
}

fn of_edit(path: &Path, id: &str, error: &EditError) -> Refused {
    (exit::FAILURE, format!("{id}: {}: {error}", path.display()))
}

/// The account that is meant.
fn account(config: &Config, named: Option<&str>) -> Result<String, Refused> {
    let known: Vec<&str> = config.accounts.keys().map(String::as_str).collect();
    match (named, known.as_slice()) {
        (Some(named), _) if known.contains(&named) => Ok(named.to_owned()),
        (None, [only]) => Ok((*only).to_owned()),
        (_, []) => Err((exit::CONFIG, "the configuration has no account".to_owned())),
        (Some(named), _) => {
            Err((exit::USAGE, format!("there is no account {named}; there are: {}", known.join(", "))))
        }
        (None, _) => Err((exit::USAGE, format!("which account? --account is one of: {}", known.join(", ")))),
    }
}

fn entry(args: &Args) -> Result<NewEntry, Refused> {
    let kind = match (args.kind.as_deref(), args.id.starts_with("arn:")) {
        (Some("order"), false) if args.number.is_some() || args.operation.is_some() => {
            let why = "a Chime order has no --number and no --operation";
            return Err((exit::USAGE, why.to_owned()));
        }
        (Some("order"), false) => Kind::Order,
        (Some(_), _) | (None, true) => {
            Kind::Number { number: args.number.clone(), operation: args.operation.clone() }
        }
        (None, false) => {
            let why = "a bare id may be either: add --kind order (Chime) or --kind number (Connect)";
            return Err((exit::USAGE, why.to_owned()));
        }
    };
    let (requested_at, label) = (args.requested_at.clone(), args.label.clone());
    Ok(NewEntry { kind, id: args.id.clone(), requested_at, label })
}

/// The place at which an id is listed, if it is.
fn elsewhere(loaded: &Loaded, id: &str) -> Option<String> {
    let bare = crate::daemon::observe::orders::bare(id);
    loaded.lists.iter().find_map(|list| {
        let entry = list.entries.iter().find(|entry| entry.id == bare)?;
        let path: &PathBuf = &list.path;
        Some(format!("{}:{}", path.display(), entry.line))
    })
}

/// Has the daemon read the lists again, if one runs.
async fn reload(config: &Config) -> Result<(), Refused> {
    let progress = Progress::of("the daemon reads its lists again");
    let told = control::post_and_wait(config, "/api/v1/reload?force=false").await;
    drop(progress);
    let (status, told) = match told {
        Ok(answered) => answered,
        Err(control::NoAnswer::Nobody { .. }) => {
            say("no daemon runs: it takes effect when one starts");
            return Ok(());
        }
        Err(refused @ (control::NoAnswer::Silent { .. } | control::NoAnswer::NotAllowed { .. })) => {
            return Err((exit::UNAVAILABLE, format!("the daemon was not told: {refused}")));
        }
    };
    let Ok(outcome) = serde_json::from_value::<Outcome>(told) else {
        return Err((exit::FAILURE, format!("the daemon was told, and answered {status}")));
    };
    changes::tell(&outcome.lists);
    match outcome.refused {
        None => Ok(()),
        Some(why) => Err((exit::FAILURE, format!("the daemon did not take it: {why}"))),
    }
}
