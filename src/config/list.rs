//! Reads one watch list.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::problem::{Fault, Notes};
use super::section::{Placed, Section};
use super::text::{Lines, Span};
use super::value::{is_e164, line, nearest, number_arn, uuid, word};
use super::{Account, Config, Entry, WatchList, events, policy};
use crate::core::order::{Declared, ListTerms, Operation, Provider};
use crate::core::policy::Policy;
use crate::core::time::Timestamp;

/// So many orders and numbers may be watched: what the store and the scheduler are measured with.
pub(super) const MOST_ENTRIES: usize = 1_000_000;
/// The longest name for people.
const LONGEST_LABEL: usize = 200;
/// Clocks differ, but not by more than this: a request from the future is a slip of the finger.
const FUTURE: Duration = Duration::from_hours(24);

/// Where every order is first listed: the account by its number, the service, the id.
pub(super) type Listed = HashMap<(usize, Provider, u128), Span>;

/// What a list is read against.
pub(super) struct Against<'c> {
    pub(super) config: &'c Config,
    /// Whether all of the main configuration could be parsed: else nothing is said about accounts that may be in it.
    pub(super) main_is_complete: bool,
    /// The accounts in their order; an account's place in it is its number in [`Listed`].
    pub(super) accounts: Vec<Arc<Account>>,
    pub(super) now: Timestamp,
}

/// Reads a list. What is at fault is noted; `None` is a file without any key: everything in it is commented out.
pub(super) fn read(
    root: Section<'_>,
    (name, path, text): (&str, &Path, &str),
    against: &Against<'_>,
    listed: &mut Listed,
    notes: &mut Notes,
) -> Option<WatchList> {
    let whole = root.at();
    if !root.has("account") {
        if ["order", "number", "labels", "stalled_after", "poll", "retry_window"]
            .iter()
            .all(|key| !root.has(key))
        {
            return None;
        }
        notes.error(
            whole,
            Fault::new("the list names no account").help("add account = \"…\" above its orders"),
        );
    }
    let named = root.text("account");
    let account = named.as_ref().and_then(|named| find(named, against, notes));
    let policy = Policy {
        poll: policy::poll(root.table("poll"), &against.config.poll, true, notes),
        window: policy::retry_window(root.table("retry_window"), &against.config.retry_window, true, notes),
        window_for_chime: root.has("retry_window"),
        stalled_after: root
            .read("stalled_after", notes, policy::stalled_after)
            .map_or(Policy::default().stalled_after, |read| read.value),
    };
    let terms = ListTerms {
        name: name.to_owned(),
        account: named.map(|named| named.value.to_owned()).unwrap_or_default(),
        labels: events::labels(root.table("labels"), notes),
        policy,
    };
    let lines = Lines::of(text);
    let base = notes.texts.of(whole).map_or(0, super::text::Text::base);
    let mut entries = Vec::new();
    for (key, provider) in [("order", Provider::Chime), ("number", Provider::Connect)] {
        for table in root.tables(key) {
            let line = lines.line(table.at().start.saturating_sub(base));
            entries.extend(entry(&table, (provider, line), account, against, listed, notes));
        }
    }
    entries.sort_by_key(|entry| entry.line);
    Some(WatchList { path: path.to_path_buf(), terms: Arc::new(terms), entries })
}

/// The account that a list names, and its number.
fn find<'c>(
    named: &Placed<&str>,
    against: &'c Against<'_>,
    notes: &mut Notes,
) -> Option<(usize, &'c Account)> {
    let found = against.accounts.iter().enumerate().find(|(_, account)| account.name == named.value);
    if let Some((number, account)) = found {
        return Some((number, account));
    }
    if against.main_is_complete {
        let fault = Fault::new(format!("there is no account {:?}", named.value));
        let near = nearest(named.value, against.accounts.iter().map(|account| account.name.as_str()));
        let help = match near {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("add [account.{}] to the main file", named.value.escape_debug()),
        };
        notes.error(named.span, fault.help(help));
    }
    None
}

fn entry(
    table: &Section<'_>,
    (provider, line_number): (Provider, u32),
    account: Option<(usize, &Account)>,
    against: &Against<'_>,
    listed: &mut Listed,
    notes: &mut Notes,
) -> Option<Entry> {
    if !table.has("id") {
        notes.error(
            table.at(),
            Fault::new(format!(
                "{} without an id",
                if provider == Provider::Chime { "an order" } else { "a number" }
            ))
            .help("add id = \"…\""),
        );
    }
    let id = match provider {
        Provider::Chime => table.read("id", notes, order_id),
        Provider::Connect => table.read("id", notes, number_id),
    };
    let number = table.read("number", notes, |text| {
        let fault = Fault::new(format!("{text:?} is not a number in E.164"))
            .help("a plus sign and 2 to 15 digits, no spaces: \"+442071838750\"");
        if is_e164(text) { Ok(text.to_owned()) } else { Err(fault) }
    });
    let words = [("claim", Operation::Claim), ("update", Operation::Update)];
    let operation = table.read("operation", notes, |text| word(text, &words));
    let requested_at = requested_at(table, against.now, notes);
    let label = table.read("label", notes, |text| line(text, LONGEST_LABEL));
    let id = id?;
    if let (Provider::Connect, Some((_, account))) = (provider, account) {
        arn_fits(&id, account, notes);
    }
    if let Some((number, _)) = account {
        once((number, provider), &id, listed, notes);
    }
    Some(Entry {
        provider,
        id: id.value.bare,
        declared: Declared {
            ask: id.value.ask,
            number: number.map(|number| number.value),
            operation: operation.map(|operation| operation.value),
            requested_at,
            label: label.map(|label| label.value),
        },
        line: line_number,
    })
}

/// An id in both its forms.
#[derive(Debug)]
struct Id {
    /// The UUID, lower case.
    bare: String,
    /// As it is asked for.
    ask: String,
}

fn order_id(text: &str) -> Result<Id, Fault> {
    let fault = || {
        let help = if text.starts_with("arn:") || is_e164(text) {
            "a Connect phone number stands under [[number]]; an order has the UUID that CreatePhoneNumberOrder returned"
        } else {
            "it is the UUID that CreatePhoneNumberOrder returned"
        };
        Fault::new(format!("{text:?} is not the id of an order")).help(help)
    };
    uuid(text).map(|bare| Id { ask: bare.clone(), bare }).ok_or_else(fault)
}

fn number_id(text: &str) -> Result<Id, Fault> {
    if text.starts_with("arn:") {
        let arn = number_arn(text)?;
        let (partition, region, account_id) = (arn.partition, arn.region, arn.account_id);
        let ask = format!("arn:{partition}:connect:{region}:{account_id}:phone-number/{}", arn.id);
        return Ok(Id { bare: arn.id, ask });
    }
    let help = if is_e164(text) {
        "that is the number itself: it goes to number = \"…\", and the id is what ClaimPhoneNumber returned"
    } else {
        "it is the UUID or the ARN that ClaimPhoneNumber returned"
    };
    let fault = || Fault::new(format!("{text:?} is not the id of a phone number")).help(help);
    uuid(text).map(|bare| Id { ask: bare.clone(), bare }).ok_or_else(fault)
}

fn arn_fits(id: &Placed<Id>, account: &Account, notes: &mut Notes) {
    let Ok(arn) = number_arn(&id.value.ask) else { return };
    if let Some(expected) = account.account_id.as_deref().filter(|expected| *expected != arn.account_id) {
        let message =
            format!("the ARN is of account {}, but {:?} is {expected}", arn.account_id, account.name);
        notes.error(id.span, Fault::new(message).help("list it under its own account"));
    }
    if arn.region != account.region && !account.region.is_empty() {
        let message =
            format!("the ARN is of region {}, but {:?} is in {}", arn.region, account.name, account.region);
        let help =
            "right for the other region of a traffic distribution group; else list it under an account there";
        notes.warning(id.span, Fault::new(message).help(help));
    }
}

/// Notes an order that is listed a second time: here, or in a list read before.
fn once((account, provider): (usize, Provider), id: &Placed<Id>, listed: &mut Listed, notes: &mut Notes) {
    let Ok(number) = u128::from_str_radix(&id.value.bare.replace('-', ""), 16) else { return };
    if let Some(first) = listed.get(&(account, provider, number)) {
        let fault = Fault::new(format!("{} is listed twice", id.value.bare))
            .help("an ARN and its bare id are one number; keep one of the two entries");
        let first = (*first, "first listed here".to_owned());
        notes.error_with(id.span, fault, Some("listed again here"), first);
        return;
    }
    listed.insert((account, provider, number), id.span);
}

fn requested_at(table: &Section<'_>, now: Timestamp, notes: &mut Notes) -> Option<Timestamp> {
    let Placed { value, span } = table.time("requested_at")?;
    if value.offset.is_none() {
        let missing = if value.time.is_some() && value.date.is_some() {
            "no offset"
        } else {
            "no date, time and offset"
        };
        let fault = Fault::new(format!("{value} has {missing}: it is not one moment"));
        notes.error(span, fault.help("add Z for UTC: 2026-11-20T10:00:00Z"));
        return None;
    }
    let Some(at) = Timestamp::parse(&value.to_string()) else {
        notes.error(span, Fault::new(format!("{value} is not a moment that a clock shows")));
        return None;
    };
    if at > now.plus(FUTURE) {
        notes.warning(
            span,
            Fault::new(format!("{at} is more than a day ahead")).help("check the year and the month"),
        );
    }
    Some(at)
}

/// The names of all accounts, for messages.
pub(super) fn numbered(accounts: &BTreeMap<String, Arc<Account>>) -> Vec<Arc<Account>> {
    accounts.values().cloned().collect()
}
