//! Reads `[events]` and its sinks.

use std::collections::BTreeMap;
use std::path::Path;

use crate::core::{delivery, event};

use super::problem::{Fault, Notes};
use super::section::Section;
use super::text::Span;
use super::value::{address, line, word};
use super::{Events, LogFormat, Numbers, SecretFile, Webhook};

/// The longest name of a webhook: it is in records and metrics.
const LONGEST_NAME: usize = 64;
/// One secret, and a second one while it is rotated.
const MOST_SECRETS: usize = 2;
/// What stands before the name of a credential in the place of a path.
const CREDENTIAL: &str = "credential:";
/// So many labels are enough for any routing, and each is in every record.
const MOST_LABELS: usize = 20;
/// The longest key of a label: it becomes a field `CLAIMWATCH_LABEL_…` of the journal, whose names have 64 bytes.
const LONGEST_LABEL_KEY: usize = 40;
/// The longest value of a label.
const LONGEST_LABEL: usize = 200;

/// Reads `[events]`; paths are resolved against `folder`.
pub(super) fn read(section: Option<Section<'_>>, folder: &Path, whole: bool, notes: &mut Notes) -> Events {
    let mut events =
        Events { numbers: Numbers::Full, log: LogFormat::Auto, file: None, webhooks: Vec::new() };
    let Some(section) = section else { return events };
    let numbers = [("full", Numbers::Full), ("masked", Numbers::Masked)];
    if let Some(read) = section.read("numbers", notes, |text| word(text, &numbers)) {
        events.numbers = read.value;
    }
    let formats = [
        ("auto", LogFormat::Auto),
        ("journald", LogFormat::Journald),
        ("json", LogFormat::Json),
        ("text", LogFormat::Text),
    ];
    let log = section.table("log");
    if let Some(read) = log.and_then(|log| log.read("format", notes, |text| word(text, &formats))) {
        events.log = read.value;
    }
    if let Some(file) = section.table("file") {
        events.file = file.read("path", notes, path_text).map(|path| folder.join(path.value));
        if whole && !file.has("path") {
            notes.error(
                file.at(),
                Fault::new("[events.file] has no path").help("add path = \"events.jsonl\""),
            );
        }
    }
    let mut names = BTreeMap::new();
    for hook in section.tables("webhook") {
        events.webhooks.extend(webhook(&hook, folder, whole, &mut names, notes));
    }
    events
}

/// Checks a path: not empty, no NUL, which no system call takes.
pub(super) fn path_text(text: &str) -> Result<String, Fault> {
    if text.is_empty() {
        return Err(Fault::new("a path must not be empty"));
    }
    if text.contains('\0') {
        return Err(Fault::new("a path must not contain a NUL character"));
    }
    Ok(text.to_owned())
}

fn webhook(
    section: &Section<'_>,
    folder: &Path,
    whole: bool,
    names: &mut BTreeMap<String, Span>,
    notes: &mut Notes,
) -> Option<Webhook> {
    let name = section.read("name", notes, hook_name);
    let url = section.read("url", notes, address);
    let secret_files = section.read_all("secret_files", notes, |text| secret_file(text, folder));
    // Those at fault count as well: they were meant.
    if let Some(files) = section.read_all("secret_files", notes, |_| Ok(()))
        && (files.is_empty() || files.len() > MOST_SECRETS)
    {
        let span = section.span_of("secret_files").unwrap_or(section.at());
        notes.error(span, Fault::new("secret_files takes one file, or two while the secret is rotated"));
    }
    let events = section.read_all("events", notes, pattern).unwrap_or_default();
    for pattern in &events {
        if !event::NAMES.iter().any(|name| delivery::matches(&pattern.value, name)) {
            let fault =
                Fault::new(format!("no event has a name like {:?}: it chooses nothing", pattern.value))
                    .help("docs/events.md has all names");
            notes.warning(pattern.span, fault);
        }
    }
    let lists = section.read_all("lists", notes, list_name).unwrap_or_default();
    let labels = labels(section.table("labels"), notes);
    let level = |text: &str| word(text, &[("info", "info"), ("warn", "warn"), ("error", "error")]);
    let min_level = section.read("min_level", notes, level);
    if !whole {
        return None;
    }
    for (key, what) in [("name", "a name"), ("url", "a url"), ("secret_files", "secret_files")] {
        if !section.has(key) {
            notes.error(section.at(), Fault::new(format!("a webhook needs {what}")));
        }
    }
    let name = name?;
    if let Some(first) = names.get(&name.value) {
        let fault = Fault::new(format!("two webhooks are called {:?}", name.value));
        notes.error_with(name.span, fault, None, (*first, "the first one".to_owned()));
        return None;
    }
    names.insert(name.value.clone(), name.span);
    Some(Webhook {
        name: name.value,
        url: url?.value,
        secret_files: secret_files?.into_iter().map(|file| file.value).collect(),
        events: events.into_iter().map(|pattern| pattern.value).collect(),
        labels,
        lists: lists.into_iter().map(|list| list.value).collect(),
        min_level: min_level.map(|level| level.value.to_owned()),
    })
}

fn hook_name(text: &str) -> Result<String, Fault> {
    if delivery::EVERYTHING.contains(&text) {
        return Err(
            Fault::new(format!("{text:?} is the name of another sink")).help("call it something else")
        );
    }
    line(text, LONGEST_NAME)
}

fn secret_file(text: &str, folder: &Path) -> Result<SecretFile, Fault> {
    let Some(name) = text.strip_prefix(CREDENTIAL) else {
        return Ok(SecretFile::File(folder.join(path_text(text)?)));
    };
    // What systemd takes for the name of a credential is a file's name, of ASCII.
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(allowed) {
        let fault = Fault::new(format!("{name:?} is not the name of a credential"));
        return Err(
            fault.help("the one after LoadCredential= in the unit, as in \"credential:claimwatch.pager\"")
        );
    }
    Ok(SecretFile::Credential(name.to_owned()))
}

fn pattern(text: &str) -> Result<String, Fault> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.*".contains(&b);
    if !text.is_empty() && text.len() <= LONGEST_NAME && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    Err(Fault::new(format!("{text:?} is not a pattern of event names"))
        .help("as in \"window.*\" or \"number.failed\""))
}

fn list_name(text: &str) -> Result<String, Fault> {
    if is_list_name(text) {
        return Ok(text.to_owned());
    }
    Err(Fault::new(format!("{text:?} is not the name of a list"))
        .help("a list is called like its file, without .toml"))
}

/// Whether a text can be a list's name: letters, digits, dot, underscore and dash of ASCII.
pub(super) fn is_list_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// Reads a table of labels.
pub(super) fn labels(section: Option<Section<'_>>, notes: &mut Notes) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let Some(section) = section else { return labels };
    for key in section.names() {
        if !is_label_key(key.value) {
            let fault = Fault::new(format!("{:?} cannot be the key of a label", key.value))
                .help("a small letter, then small letters, digits and underscores, at most 40");
            notes.error(key.span, fault);
        }
        if let Some(read) = section.read(key.value, notes, |text| line(text, LONGEST_LABEL)) {
            labels.insert(key.value.to_owned(), read.value);
        }
    }
    if section.names().len() > MOST_LABELS {
        notes.error(section.at(), Fault::new(format!("more than {MOST_LABELS} labels")));
    }
    labels
}

fn is_label_key(key: &str) -> bool {
    let allowed = |b: u8| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit();
    key.len() <= LONGEST_LABEL_KEY
        && key.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && key.bytes().all(allowed)
}
