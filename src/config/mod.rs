//! The configuration: read once, into types that cannot be wrong.
//!
//! # Guarantees
//! A [`Config`] and its [`WatchList`]s have been checked as a whole: accounts that lists name exist, durations are in
//! range, ids are well formed, no order is listed twice. All problems of all files are reported at once.

mod accounts;
mod environment;
mod events;
mod files;
mod follow;
mod layers;
mod list;
mod load;
pub mod local;
mod main_file;
mod origin;
mod policy;
mod problem;
mod render;
mod schema;
mod section;
mod shape;
mod text;
mod value;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use follow::{Follower, Outline};
pub use load::{BadList, Instead, Loaded, Sources, load, load_as_if, load_main_alone};
pub use origin::Setting;
pub use problem::{Problem, Problems, Severity};

use crate::core::order::{Declared, ListTerms, Provider};
use crate::core::policy::{Poll, WindowTerms};

/// The folder beside the main file whose files are read over it.
const CONF_D: &str = "conf.d";

/// The main file and its layers, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The main file's path, as it was found.
    pub path: PathBuf,
    /// The SQLite file (`store.url` without `sqlite://`), resolved against the main file's folder.
    pub store: PathBuf,
    /// The folders with watch lists, resolved against the main file's folder.
    pub watch_dirs: Vec<PathBuf>,
    /// Whether the files are read again when they change.
    pub follow: bool,
    /// The accounts by name.
    pub accounts: BTreeMap<String, Arc<Account>>,
    /// How often to look, where a list does not say.
    pub poll: Poll,
    /// The retry window, where a list does not say.
    pub retry_window: WindowTerms,
    /// What leaves the daemon.
    pub events: Events,
    /// The HTTP endpoint; `None` is off.
    pub http: Option<Http>,
    /// When housekeeping wakes.
    pub schedules: Schedules,
    /// Where the control socket is, if set.
    pub control_socket: Option<PathBuf>,
}

/// One account in one region.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Its name in the configuration: `[a-z0-9-]+`.
    pub name: String,
    /// The AWS region.
    pub region: String,
    /// A profile of the shared AWS files; else the default credential chain.
    pub profile: Option<String>,
    /// A role to assume.
    pub role_arn: Option<String>,
    /// The external id that the role asks for.
    pub external_id: Option<String>,
    /// The account's twelve digits.
    pub account_id: Option<String>,
    /// Whether FIPS endpoints are used.
    pub fips: bool,
    /// Whether dual-stack endpoints are used.
    pub dual_stack: bool,
    /// Amazon Connect's quota and endpoint.
    pub connect: Service,
    /// Amazon Chime SDK Voice's quota and endpoint.
    pub chime: Service,
}

impl Account {
    /// The service of a provider.
    pub fn service(&self, provider: Provider) -> &Service {
        match provider {
            Provider::Chime => &self.chime,
            Provider::Connect => &self.connect,
        }
    }
}

/// A service's quota, our share of it, and where it answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// The account's quota and burst.
    pub quota: Quota,
    /// The part of the rate that is ours: above 0, at most 1.
    pub share: f64,
    /// Another endpoint than AWS's: https, or http on loopback.
    pub endpoint: Option<url::Url>,
    /// A second quota that list calls draw on too.
    pub list: Option<Quota>,
    /// The bound on looks in flight, instead of the derived one.
    pub in_flight: Option<u32>,
}

/// A rate and a burst.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quota {
    /// Requests a second.
    pub rate: f64,
    /// Requests at once.
    pub burst: u32,
}

/// What leaves the daemon.
#[derive(Debug, Clone, PartialEq)]
pub struct Events {
    /// Whether phone numbers are masked in records.
    pub numbers: Numbers,
    /// The log on standard output.
    pub log: LogFormat,
    /// The event file, resolved against the main file's folder; `None` is off.
    pub file: Option<PathBuf>,
    /// The webhooks.
    pub webhooks: Vec<Webhook>,
}

/// How phone numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// In full.
    Full,
    /// With their middle digits replaced.
    Masked,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON lines.
    Auto,
    /// The journal's own protocol.
    Journald,
    /// JSON lines.
    Json,
    /// Lines for people.
    Text,
}

/// Where a webhook's signing secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFile {
    /// In a file, resolved against the main file's folder.
    File(PathBuf),
    /// In the credential of this name that systemd hands over (`LoadCredential=`).
    Credential(String),
}

impl std::fmt::Display for SecretFile {
    /// As it is written.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Credential(name) => write!(f, "credential:{name}"),
        }
    }
}

/// One webhook.
#[derive(Clone, PartialEq)]
pub struct Webhook {
    /// Its name, unique.
    pub name: String,
    /// Where it is sent: https, or http on loopback.
    pub url: url::Url,
    /// Where the signing secret is, and a second one while it is rotated.
    pub secret_files: Vec<SecretFile>,
    /// Patterns of event names; empty is all.
    pub events: Vec<String>,
    /// Labels that must match.
    pub labels: BTreeMap<String, String>,
    /// Lists that are sent; empty is all.
    pub lists: Vec<String>,
    /// The lowest level that is sent.
    pub min_level: Option<String>,
}

impl std::fmt::Debug for Webhook {
    /// Shows the host of the address alone: a path or query may be what lets in.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("name", &self.name)
            .field("host", &self.url.host_str())
            .field("events", &self.events)
            .field("labels", &self.labels)
            .field("lists", &self.lists)
            .field("min_level", &self.min_level)
            .finish_non_exhaustive()
    }
}

/// The HTTP endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// Where it listens.
    pub listen: std::net::SocketAddr,
    /// Whether an address that is not loopback is meant.
    pub allow_remote: bool,
    /// Names by which it may be asked for, beside addresses and `localhost`.
    pub hosts: Vec<String>,
}

/// When housekeeping wakes: six-field cron expressions, UTC. `None` is never.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schedules {
    /// The heartbeat record.
    pub heartbeat: Option<String>,
    /// Pruning of old history.
    pub prune: Option<String>,
    /// How long history is kept.
    pub prune_keep: Duration,
    /// Backup of the store.
    pub backup: Option<String>,
    /// Where backups go.
    pub backup_dir: Option<PathBuf>,
    /// How many backups are kept.
    pub backup_keep: u32,
    /// The digest record.
    pub digest: Option<String>,
}

/// One file of `watch.d`, checked.
#[derive(Debug, Clone)]
pub struct WatchList {
    /// Where it is.
    pub path: PathBuf,
    /// What it says of all its orders.
    pub terms: Arc<ListTerms>,
    /// Its orders, as they stand in it.
    pub entries: Vec<Entry>,
}

/// One `[[order]]` or `[[number]]`.
#[derive(Debug, Clone)]
pub struct Entry {
    /// `[[order]]` is Chime's, `[[number]]` is Connect's.
    pub provider: Provider,
    /// The bare id, lower case.
    pub id: String,
    /// What else is said of it.
    pub declared: Declared,
    /// The line it begins on, from 1.
    pub line: u32,
}

/// Reads a duration as the configuration writes it: `500ms`, `90s`, `1h30m`.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    value::duration(text).map_err(|fault| fault.message)
}
