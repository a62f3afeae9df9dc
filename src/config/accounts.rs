//! Reads `[account.NAME]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::problem::{Fault, Notes};
use super::section::{Placed, Section};
use super::value::{address, is_account_id, is_region, line, role_account};
use super::{Account, Quota, Service};

/// Amazon Connect's documented default, for an account and region: 2 requests a second with a burst of 5 ("Amazon Connect
/// service quotas", API throttling quotas; no phone-number operation is among its exceptions).
const CONNECT: Service = service(Quota { rate: 2.0, burst: 5 });
/// Amazon Chime SDK Voice publishes no figure: one a second disturbs nobody.
const CHIME: Service = service(Quota { rate: 1.0, burst: 3 });
/// Other programs of the account have a right to the rest.
const SHARE: f64 = 0.8;
/// No quota that AWS grants comes near; more is a slip of the finger.
const MOST_RATE: f64 = 10_000.0;
/// The same for the burst.
const MOST_BURST: u32 = 10_000;
/// Sockets and memory for more looks at once than this are not spent on one scope.
const MOST_IN_FLIGHT: u32 = 256;
/// The longest name of an account: it is in every record and every metric.
const LONGEST_NAME: usize = 64;
/// The longest external id (`AssumeRole` in the API reference of AWS STS).
const LONGEST_EXTERNAL_ID: usize = 1_224;

const fn service(quota: Quota) -> Service {
    Service { quota, share: SHARE, endpoint: None, list: None, in_flight: None }
}

/// Whether a text can be an account's name. No `_` and no capitals, so that a variable of the environment, which has
/// neither dashes nor case, names exactly one account.
pub(super) fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b == b'-' || b.is_ascii_lowercase() || b.is_ascii_digit();
    !text.is_empty() && text.len() <= LONGEST_NAME && text.bytes().all(allowed)
}

/// Reads all accounts. `whole` says that all layers are in them, so that what is missing is missing.
pub(super) fn read(
    section: Option<Section<'_>>,
    whole: bool,
    notes: &mut Notes,
) -> BTreeMap<String, Arc<Account>> {
    let mut accounts = BTreeMap::new();
    let Some(section) = section else { return accounts };
    for name in section.names() {
        if !is_name(name.value) && !whole {
            let fault = Fault::new(format!("{:?} cannot be the name of an account", name.value))
                .help("use small letters, digits and dashes, at most 64");
            notes.error(name.span, fault);
        }
        if let Some(table) = section.table(name.value) {
            accounts.insert(name.value.to_owned(), Arc::new(account(name.value, table, whole, notes)));
        }
    }
    accounts
}

fn account(name: &str, table: Section<'_>, whole: bool, notes: &mut Notes) -> Account {
    let region = table.read("region", notes, |text| {
        let fault =
            Fault::new(format!("{text:?} is not a region")).help("a region is written like \"eu-west-2\"");
        if is_region(text) { Ok(text.to_owned()) } else { Err(fault) }
    });
    if whole && !table.has("region") {
        notes.error(
            table.at(),
            Fault::new(format!("account {name:?} has no region")).help("add region = \"…\""),
        );
    }
    let account_id = table.read("account_id", notes, |text| {
        let fault = Fault::new(format!("{text:?} is not an account id: it has twelve digits"));
        if is_account_id(text) { Ok(text.to_owned()) } else { Err(fault) }
    });
    let role_arn = table.read("role_arn", notes, |text| match role_account(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(Fault::new("not the ARN of a role").help("it is arn:aws:iam::ACCOUNT:role/NAME")),
    });
    let external_id = table.read("external_id", notes, |text| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b);
        let fits = (2..=LONGEST_EXTERNAL_ID).contains(&text.len()) && text.bytes().all(allowed);
        if fits {
            Ok(text.to_owned())
        } else {
            Err(Fault::new("not an external id").help("2 to 1224 of A-Z a-z 0-9 _+=,.@:/-"))
        }
    });
    let profile = table.read("profile", notes, |text| line(text, 200));
    let (fips, dual_stack) = (table.flag("fips"), table.flag("dual_stack"));
    let connect = read_service(table.table("connect"), &CONNECT, notes);
    let chime = read_service(table.table("chime"), &CHIME, notes);
    if whole {
        role_fits(&table, role_arn.as_ref(), account_id.as_ref(), notes);
        endpoint_fits(&table, [fips.as_ref(), dual_stack.as_ref()], notes);
    }
    let text = |read: Option<Placed<String>>| read.map(|read| read.value);
    Account {
        name: name.to_owned(),
        region: text(region).unwrap_or_default(),
        profile: text(profile),
        role_arn: text(role_arn),
        external_id: text(external_id),
        account_id: text(account_id),
        fips: fips.is_some_and(|flag| flag.value),
        dual_stack: dual_stack.is_some_and(|flag| flag.value),
        connect,
        chime,
    }
}

fn role_fits(
    table: &Section<'_>,
    role: Option<&Placed<String>>,
    account_id: Option<&Placed<String>>,
    notes: &mut Notes,
) {
    if let Some(span) = table.span_of("external_id").filter(|_| !table.has("role_arn")) {
        let fault = Fault::new("external_id is set without role_arn")
            .help("it is said when a role is assumed; add role_arn");
        notes.error(span, fault);
    }
    if let (Some(role), Some(account_id)) = (role, account_id) {
        let of_role = role_account(&role.value).unwrap_or_default();
        if of_role != account_id.value {
            let message =
                format!("the role belongs to account {of_role}, but account_id is {}", account_id.value);
            notes.error_with(
                role.span,
                Fault::new(message),
                None,
                (account_id.span, "the account's id".to_owned()),
            );
        }
    }
}

fn endpoint_fits(table: &Section<'_>, flags: [Option<&Placed<bool>>; 2], notes: &mut Notes) {
    for (flag, name) in flags.into_iter().zip(["fips", "dual_stack"]) {
        let set = flag.is_some_and(|flag| flag.value);
        for service in ["connect", "chime"].into_iter().filter(|_| set) {
            if let Some(span) = table.table(service).and_then(|section| section.span_of("endpoint")) {
                let fault = Fault::new(format!("endpoint and {name} are both set"))
                    .help(format!("{name} chooses another endpoint of AWS, endpoint replaces it: keep one"));
                notes.error(span, fault);
            }
        }
    }
}

fn read_service(section: Option<Section<'_>>, base: &Service, notes: &mut Notes) -> Service {
    let Some(section) = section else { return base.clone() };
    let quota = Quota {
        rate: section.number("rate", notes, 0.0, MOST_RATE).unwrap_or(base.quota.rate),
        burst: section.integer("burst", notes, 1, MOST_BURST).unwrap_or(base.quota.burst),
    };
    Service {
        quota,
        share: section.number("share", notes, 0.0, 1.0).unwrap_or(base.share),
        endpoint: section.read("endpoint", notes, endpoint).map(|read| read.value),
        list: section.table("list").map(|list| list_quota(&list, quota, notes)),
        in_flight: section.integer("in_flight", notes, 1, MOST_IN_FLIGHT),
    }
}

/// The quota of list calls; a key that is left out is as for the other calls.
fn list_quota(section: &Section<'_>, base: Quota, notes: &mut Notes) -> Quota {
    Quota {
        rate: section.number("rate", notes, 0.0, MOST_RATE).unwrap_or(base.rate),
        burst: section.integer("burst", notes, 1, MOST_BURST).unwrap_or(base.burst),
    }
}

fn endpoint(text: &str) -> Result<url::Url, Fault> {
    let url = address(text)?;
    if url.query().is_some() {
        return Err(Fault::new("an endpoint must not have a query (?…)"));
    }
    Ok(url)
}
