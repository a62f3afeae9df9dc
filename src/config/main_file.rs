//! Reads the main configuration out of one table: one layer of it, or all of them merged.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::problem::{Fault, Notes};
use super::section::{Placed, Section};
use super::text::Span;
use super::value::{cron, duration_in, is_loopback_ip};
use super::{Config, Http, Schedules, accounts, events, policy};
use crate::core::policy::{Poll, WindowTerms};

/// History shorter than a day would be gone before anybody looks.
const LEAST_KEPT: Duration = Duration::from_hours(24);
/// Ten years.
const MOST_KEPT: Duration = Duration::from_hours(24 * 3650);
/// More backups than this are a mistake.
const MOST_BACKUPS: u32 = 10_000;
/// A socket's path has 108 bytes with its NUL (`sockaddr_un` of Linux).
const LONGEST_SOCKET: usize = 107;

/// What the main file says, and where it says which folders have lists.
pub(super) struct Main {
    pub(super) config: Config,
    pub(super) dirs: Vec<Placed<PathBuf>>,
}

/// Reads the table. `whole` says that all layers are in it: then values are compared and missing ones are missed.
/// What is at fault is noted, and a default stands in its place.
pub(super) fn read(root: Section<'_>, path: &Path, whole: bool, notes: &mut Notes) -> Main {
    let folder = path.parent().unwrap_or(Path::new(""));
    let store = root.table("store").and_then(|store| store.read("url", notes, store_file));
    let dirs: Vec<Placed<PathBuf>> = root
        .table("watch")
        .and_then(|watch| watch.read_all("dirs", notes, events::path_text))
        .unwrap_or_default()
        .into_iter()
        .map(|dir| Placed { value: folder.join(dir.value), span: dir.span })
        .collect();
    let config = Config {
        path: path.to_path_buf(),
        store: folder.join(store.map_or_else(PathBuf::new, |store| store.value)),
        watch_dirs: dirs.iter().map(|dir| dir.value.clone()).collect(),
        follow: root.table("watch").and_then(|watch| watch.flag("follow")).is_some_and(|follow| follow.value),
        accounts: accounts::read(root.table("account"), whole, notes),
        poll: policy::poll(root.table("poll"), &Poll::default(), whole, notes),
        retry_window: policy::retry_window(root.table("retry_window"), &WindowTerms::default(), whole, notes),
        events: events::read(root.table("events"), folder, whole, notes),
        http: root.table("http").and_then(|section| http(&section, whole, notes)),
        schedules: schedules(root, folder, notes),
        control_socket: root
            .table("control")
            .and_then(|control| control.read("socket", notes, |text| socket(text, folder)))
            .map(|socket| socket.value),
    };
    if whole
        && let Some(file) = root.table("events").and_then(|events| events.table("file"))
        && config.events.file.as_ref() == Some(&config.store)
    {
        let fault =
            Fault::new("the event file is the store").help("give it a name of its own, as \"events.jsonl\"");
        notes.error(file.span_of("path").unwrap_or(file.at()), fault);
    }
    Main { config, dirs }
}

fn store_file(text: &str) -> Result<PathBuf, Fault> {
    let fault =
        |message: &str| Fault::new(message).help("as in \"sqlite:///var/lib/claimwatch/claimwatch.db\"");
    let Some(file) = text.strip_prefix("sqlite://") else {
        return Err(fault("the store is a SQLite file: its url begins with sqlite://"));
    };
    if file.is_empty() || file.ends_with('/') {
        return Err(fault("the store's url names no file"));
    }
    if file.contains(['?', '#', '\0']) {
        return Err(fault("the store's url takes no options (?…)"));
    }
    Ok(PathBuf::from(file))
}

fn http(section: &Section<'_>, whole: bool, notes: &mut Notes) -> Option<Http> {
    let listen = section.read("listen", notes, |text| {
        text.parse::<std::net::SocketAddr>().map_err(|_| {
            Fault::new(format!("{text:?} is not an address and a port"))
                .help("as in \"127.0.0.1:9185\" or \"[::1]:9185\"")
        })
    });
    let allow_remote = section.flag("allow_remote").is_some_and(|flag| flag.value);
    let hosts = section.read_all("hosts", notes, host).unwrap_or_default();
    let hosts = hosts.into_iter().map(|host| host.value).collect();
    if whole && !section.has("listen") {
        notes.error(section.at(), Fault::new("[http] has no listen").help("add listen = \"127.0.0.1:9185\""));
    }
    let listen = listen?;
    if whole && !allow_remote && !is_loopback_ip(listen.value.ip()) {
        let fault = Fault::new(format!("{} can be reached from other machines", listen.value))
            .help("it needs no password to read: listen on 127.0.0.1, or set allow_remote = true");
        notes.error(listen.span, fault);
    }
    Some(Http { listen: listen.value, allow_remote, hosts })
}

/// A name as a browser asks for it.
fn host(text: &str) -> Result<String, Fault> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    if text.is_empty() || text.len() > 253 || !text.chars().all(fits) {
        let fault = Fault::new(format!("{text:?} is no name of a host"));
        return Err(fault.help("without a port, as in \"claimwatch.example.com\""));
    }
    Ok(text.to_owned())
}

fn schedules(root: Section<'_>, folder: &Path, notes: &mut Notes) -> Schedules {
    let section = root.table("schedules");
    let mut line =
        |key: &str| section.and_then(|section| section.read(key, notes, cron)).and_then(|line| line.value);
    let (heartbeat, prune, backup, digest) =
        (line("heartbeat"), line("prune"), line("backup"), line("digest"));
    let kept = |text: &str| duration_in(text, LEAST_KEPT, MOST_KEPT);
    let backups = root.table("backup");
    Schedules {
        heartbeat,
        prune,
        prune_keep: root
            .table("prune")
            .and_then(|section| section.read("keep", notes, kept))
            .map_or(Duration::ZERO, |keep| keep.value),
        backup,
        backup_dir: backups
            .and_then(|section| section.read("dir", notes, events::path_text))
            .map(|dir| folder.join(dir.value)),
        backup_keep: backups
            .and_then(|section| section.integer("keep", notes, 1, MOST_BACKUPS))
            .unwrap_or_default(),
        digest,
    }
}

fn socket(text: &str, folder: &Path) -> Result<PathBuf, Fault> {
    let path = folder.join(events::path_text(text)?);
    if path.as_os_str().len() > LONGEST_SOCKET {
        return Err(Fault::new(format!("a socket's path has at most {LONGEST_SOCKET} bytes")));
    }
    Ok(path)
}

/// Warns of folders that are named twice, and returns the others in their order.
pub(super) fn distinct(dirs: Vec<Placed<PathBuf>>, notes: &mut Notes) -> Vec<Placed<PathBuf>> {
    let mut known = BTreeSet::new();
    let mut out: Vec<Placed<PathBuf>> = Vec::new();
    for dir in dirs {
        if known.insert(dir.value.clone()) {
            out.push(dir);
        } else {
            notes.warning(dir.span, Fault::new("the folder is named twice"));
        }
    }
    out
}

/// The place to name for something about a folder: where it is written, or the main file where it is the default.
pub(super) fn place_of(dir: &Placed<PathBuf>, whole: Span) -> Span {
    if dir.span.is_written() { dir.span } else { whole }
}
