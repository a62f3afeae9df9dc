//! Loads everything: the main file and its layers, then every list.
//!
//! # Guarantees
//! Nothing stops at the first problem, and a problem of one file hides none of another. No byte of any file makes it
//! panic.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::layers::{Held, Layer, join_webhooks, merge, placed};
use super::list::{self, Against, Listed};
use super::main_file::{self, Main};
use super::problem::{Fault, Notes, Problems};
use super::section::{Placed, Section};
use super::text::{BUILT_IN, Span, TextId};
use super::{CONF_D, Config, Outline, Setting, WatchList, environment, events, files, origin, schema, shape};
use crate::core::time::Timestamp;

/// The lowest layer.
const DEFAULTS: &str = include_str!("defaults.toml");

/// Where a configuration comes from, and what is told to its reader.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The main file. Other paths in the configuration are relative to its folder.
    pub path: PathBuf,
    /// The variables of the environment; those that begin with `CLAIMWATCH__` are read.
    pub environment: BTreeMap<String, String>,
    /// The time: a `requested_at` far ahead of it is doubted.
    pub now: Timestamp,
}

/// What was loaded, as far as it could be.
#[derive(Debug)]
pub struct Loaded {
    /// The main configuration; `None` where a file of it, a variable, or a folder of lists is at fault.
    pub config: Option<Config>,
    /// The good lists, in the order of their paths. None where the main configuration is at fault, since a list takes
    /// from it what it does not say itself.
    pub lists: Vec<WatchList>,
    /// The lists at fault.
    pub bad_lists: Vec<BadList>,
    /// Everything that is wrong, and the warnings.
    pub problems: Problems,
    /// Every setting of the main configuration, and where it comes from.
    pub settings: Vec<Setting>,
    /// How the files stood before they were read; without the lists where their folders are not known.
    pub outline: Outline,
}

/// A list that cannot be used as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadList {
    /// Its name: the file's name without `.toml`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// A watch list as it would be: what is checked before it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instead {
    /// Where it would be. Its folder is one that lists are read from.
    pub path: PathBuf,
    /// What it would say.
    pub text: String,
}

/// Loads a configuration.
pub fn load(sources: &Sources) -> Loaded {
    load_as_if(sources, None)
}

/// Loads the main configuration alone, without the lists: they may be large, and who asks the daemon needs none.
pub fn load_main_alone(sources: &Sources) -> Loaded {
    let mut notes = Notes::default();
    let (main, settings, _complete, good) = load_main(sources, &mut notes);
    Loaded {
        lists: Vec::new(),
        bad_lists: Vec::new(),
        config: good.then_some(main.config),
        problems: notes.finish(),
        settings,
        outline: Outline::default(),
    }
}

/// Loads a configuration as if this list were one of its files.
pub fn load_as_if(sources: &Sources, instead: Option<&Instead>) -> Loaded {
    let mut notes = Notes::default();
    let mut outline = Outline::of(&sources.path, &[]);
    let (main, settings, main_is_complete, main_is_good) = load_main(sources, &mut notes);
    outline.add(&main.config.watch_dirs);
    let (mut files, dirs_are_good) = list_files(&main, main_is_complete, &mut notes);
    if let Some(new) = instead.filter(|new| !files.contains(&new.path)) {
        files.push(new.path.clone());
        files.sort();
    }
    let against = Against {
        main_is_complete,
        accounts: list::numbered(&main.config.accounts),
        config: &main.config,
        now: sources.now,
    };
    let (lists, bad_lists) = load_lists(files, &against, instead, &mut notes);
    let good = main_is_good && dirs_are_good;
    Loaded {
        lists: if good { lists } else { Vec::new() },
        bad_lists,
        config: good.then_some(main.config),
        problems: notes.finish(),
        settings,
        outline,
    }
}

/// The main configuration, its settings, whether all of it could be parsed, and whether it is good.
fn load_main(sources: &Sources, notes: &mut Notes) -> (Main, Vec<Setting>, bool, bool) {
    let folder = sources.path.parent().unwrap_or(Path::new(""));
    let (main, mut good) = read_main(&sources.path, notes);
    let mut held = vec![Held::of(main, notes)];
    let conf_d = folder.join(CONF_D);
    for file in conf_files(&conf_d, notes) {
        let (id, readable) = files::read(&file, notes);
        good &= readable;
        held.push(Held::of(id, notes));
    }
    let whole = notes.texts.get(main).whole();
    let defaults = DeTable::parse_recoverable(DEFAULTS).0.into_inner();
    let mut layers = vec![Layer { table: placed(&defaults, BUILT_IN), written: false }];
    let mut broken = false;
    for text in &held {
        let (table, sound) = text.parse(notes);
        let table = placed(&table, text.base);
        if sound {
            check_layer(&table, whole, &sources.path, notes);
        }
        broken |= !sound;
        layers.push(Layer { table, written: true });
    }
    let accounts = account_names(&layers);
    let variables = environment::variables(&sources.environment, &accounts, notes);
    let table = environment::layer(&variables, &accounts, notes);
    check_layer(&table, whole, &sources.path, notes);
    layers.push(Layer { table, written: true });
    let merged = match merge(&layers, whole) {
        Ok(mut merged) => {
            join_webhooks(&layers, &mut merged);
            merged
        }
        Err(cause) => {
            notes.error(whole, Fault::new(format!("the layers cannot be merged: {cause}")));
            DeTable::new()
        }
    };
    // A file that could not be parsed lacks keys that are in it: nothing is said about the whole then.
    let complete = good && !broken;
    let read = main_file::read(Section::root(&merged, 0, whole), &sources.path, complete, notes);
    let settings = origin::settings(&merged, &notes.texts, DEFAULTS);
    (read, settings, complete, notes.errors() == 0)
}

fn read_main(path: &Path, notes: &mut Notes) -> (TextId, bool) {
    if matches!(path.try_exists(), Ok(false)) {
        let id = notes.texts.add(path.to_path_buf(), "");
        let span = notes.texts.get(id).whole();
        let fault = Fault::new("there is no such configuration file")
            .help("name another one with --config or CLAIMWATCH_CONFIG");
        notes.error(span, fault);
        return (id, false);
    }
    files::read(path, notes)
}

fn conf_files(dir: &Path, notes: &mut Notes) -> Vec<PathBuf> {
    match files::toml_files(dir) {
        Ok(files) => files,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(cause) => {
            let id = notes.texts.add(dir.to_path_buf(), "");
            let span = notes.texts.get(id).whole();
            notes.error(span, Fault::new(format!("the folder cannot be read: {}", files::spoken(&cause))));
            Vec::new()
        }
    }
}

/// Checks one layer by itself: keys, types and ranges, also of what a later layer hides.
fn check_layer(table: &DeTable<'_>, whole: Span, path: &Path, notes: &mut Notes) {
    shape::check(table, 0, schema::MAIN, notes);
    let root = Section::root(table, 0, whole);
    main_file::read(root, path, false, notes);
}

fn account_names(layers: &[Layer<'_>]) -> Vec<String> {
    let tables = layers.iter().filter_map(|layer| layer.table.get("account")?.get_ref().as_table());
    let names: std::collections::BTreeSet<String> =
        tables.flat_map(|table| table.keys().map(|key| key.get_ref().clone().into_owned())).collect();
    names.into_iter().collect()
}

/// The files of all folders, in the order of their paths, and whether all folders could be read.
fn list_files(main: &Main, main_is_complete: bool, notes: &mut Notes) -> (Vec<PathBuf>, bool) {
    let whole = Span { start: 0, end: 0 };
    let whole = notes.texts.of(whole).map_or(whole, super::text::Text::whole);
    let mut all = Vec::new();
    let mut good = true;
    let dirs: Vec<Placed<PathBuf>> = main_file::distinct(main.dirs.clone(), notes);
    for dir in dirs {
        let span = main_file::place_of(&dir, whole);
        match files::toml_files(&dir.value) {
            Ok(files) => all.extend(files),
            Err(cause) => {
                let message = format!("{} cannot be read: {}", dir.value.display(), files::spoken(&cause));
                if cause.kind() != std::io::ErrorKind::NotFound {
                    good = false;
                    notes.error(span, Fault::new(message));
                } else if main_is_complete {
                    notes.warning(span, Fault::new(message).help("nothing is watched from there"));
                }
            }
        }
    }
    all.sort();
    (all, good)
}

fn load_lists(
    files: Vec<PathBuf>,
    against: &Against<'_>,
    instead: Option<&Instead>,
    notes: &mut Notes,
) -> (Vec<WatchList>, Vec<BadList>) {
    let (mut lists, mut bad_lists) = (Vec::new(), Vec::new());
    let mut names: HashMap<String, Span> = HashMap::new();
    let (mut listed, mut count) = (Listed::new(), 0);
    for path in files {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let (id, readable) = match instead.filter(|new| new.path == path) {
            Some(new) => (notes.texts.add(path.clone(), &new.text), true),
            None => files::read(&path, notes),
        };
        named(&name, id, &mut names, notes);
        let list = if readable { load_list(&name, &path, id, against, &mut listed, notes) } else { None };
        count += list.as_ref().map_or(0, |list| list.entries.len());
        if count > list::MOST_ENTRIES {
            let span = notes.texts.get(id).whole();
            let fault =
                Fault::new(format!("with this list more than {} entries are watched", list::MOST_ENTRIES));
            notes.error(span, fault);
        }
        if notes.has_errors(id) {
            bad_lists.push(BadList { name, path });
        } else {
            lists.extend(list);
        }
    }
    (lists, bad_lists)
}

/// Checks a list's name: its characters, and that no other list has it.
fn named(name: &str, id: TextId, names: &mut HashMap<String, Span>, notes: &mut Notes) {
    let span = notes.texts.get(id).whole();
    if !events::is_list_name(name) {
        let fault = Fault::new(format!("{name:?} cannot be the name of a list"))
            .help("name the file with letters, digits, dots, dashes and underscores of ASCII");
        notes.error(span, fault);
    }
    if let Some(first) = names.get(name) {
        let other = notes.texts.of(*first).map(|text| text.name.display().to_string()).unwrap_or_default();
        let fault = Fault::new(format!("another list is called {name:?}: {other}"));
        notes.error(
            span,
            fault.help("a list is called like its file, in whatever folder that is: rename one"),
        );
        return;
    }
    names.insert(name.to_owned(), span);
}

fn load_list(
    name: &str,
    path: &Path,
    id: TextId,
    against: &Against<'_>,
    listed: &mut Listed,
    notes: &mut Notes,
) -> Option<WatchList> {
    let held = Held::of(id, notes);
    let whole = notes.texts.get(id).whole();
    if held.text.trim().is_empty() {
        notes.warning(whole, Fault::new("the list is an empty file: nothing is watched by it"));
        return None;
    }
    let (table, sound) = held.parse(notes);
    if !sound {
        return None;
    }
    shape::check(&table, held.base, schema::LIST, notes);
    list::read(Section::root(&table, held.base, whole), (name, path, &held.text), against, listed, notes)
}
