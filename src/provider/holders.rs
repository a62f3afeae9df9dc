//! Amazon Connect: `ListPhoneNumbersV2`, which ids hold a number. Names and bounds are those of its API reference.

use serde_json::{Value, json};

use super::lenient::{self, Object, Unreadable};
use crate::core::inquiry::{Holder, Page};
use crate::core::observation::Observation;
use crate::http::mask;

/// The path that asks for a page of the account's numbers.
pub(super) const PATH: &str = "/phone-number/list";

/// The rows of a page, as many as the service gives (1 to 1000): each page costs a request of a small quota. Those of
/// one number fit in [`MAX_BODY`](crate::http::transport::MAX_BODY), since hardly any other number shares its prefix.
const ROWS: u16 = 1000;

/// Digits of a prefix: `PhoneNumberPrefix` is `\+?[0-9]{1,11}`, while a number has up to fifteen.
const PREFIX_DIGITS: usize = 11;

/// `NextToken` has at most so many characters. The service would refuse a longer one.
const MAX_TOKEN: usize = 100_000;

/// Holders kept of one page: each costs a request of its own, and a number is claimed anew a few times at most within
/// the day that is there for it.
const MAX_HOLDERS: usize = 100;

/// The member that holds the rows.
pub(super) const LIST: &str = "ListPhoneNumbersSummaryList";

/// The body that asks for the ids that hold a number; none if it is no number in E.164, since without a prefix all
/// numbers of the account would come.
pub(super) fn request(number: &str, token: Option<&str>) -> Option<String> {
    let number = lenient::number(number)?;
    let prefix: String = number.chars().take(1 + PREFIX_DIGITS).collect();
    let mut body = json!({ "PhoneNumberPrefix": prefix, "MaxResults": ROWS });
    if let Some(token) = token {
        body["NextToken"] = token.into();
    }
    Some(body.to_string())
}

/// Reads the answer's body: the ids that hold exactly this number. A prefix is that of other numbers too.
///
/// The model requires no member, but a body without the list is no page: it would mean that nobody holds the number.
pub(super) fn read(body: &[u8], number: &str) -> Result<Page, Unreadable> {
    let (rows, members) = lenient::list(body, LIST)?;
    let asked = lenient::number(number);
    let mut holders: Vec<Holder> = Vec::new();
    for row in rows.iter().filter_map(Value::as_object) {
        let told = lenient::e164(row, "PhoneNumber");
        if told.is_none() || told != asked {
            continue;
        }
        let Some(holder) = holder(row) else { continue };
        if holders.iter().all(|known| known.id != holder.id) {
            holders.push(holder);
        }
        if holders.len() == MAX_HOLDERS {
            break;
        }
    }
    Ok(Page { holders, next: next(&members) })
}

/// Who holds the number of a row, if it says so. The ARN is what finds it from another region.
fn holder(row: &Object) -> Option<Holder> {
    let told = |member| lenient::text(row, member).filter(|text| mask::mask(text) == *text);
    let arn = told("PhoneNumberArn");
    let id = told("PhoneNumberId").or(arn)?;
    let bare = lenient::bare(id);
    if bare.is_empty() {
        return None;
    }
    Some(Holder { id: bare.to_ascii_lowercase(), ask: arn.unwrap_or(id).to_owned() })
}

/// The token of the next page, exactly as it came: only the service knows what is in it.
fn next(members: &Object) -> Option<String> {
    let token = members.get("NextToken")?.as_str()?;
    let usable = !token.is_empty() && token.chars().count() <= MAX_TOKEN;
    usable.then(|| token.to_owned())
}

/// What a refusal says here. A list that is not found says nothing of the order.
pub(super) fn refused(observation: Observation) -> Observation {
    match observation {
        Observation::Missing { message, .. } => {
            let message = message.map(|message| format!(": {message}")).unwrap_or_default();
            Observation::Malformed { detail: format!("there is no list of numbers to be found{message}") }
        }
        other @ (Observation::Seen(_)
        | Observation::Throttled { .. }
        | Observation::Unavailable { .. }
        | Observation::Denied { .. }
        | Observation::Malformed { .. }
        | Observation::Elsewhere(_)
        | Observation::Elapsed
        | Observation::Acknowledged) => other,
    }
}
