//! The lists of a scope, for what they tell of many at once: Chime's `ListPhoneNumberOrders` has the orders in full,
//! Connect's `ListPhoneNumbersV2` only says which numbers are there. Names and bounds are those of their API references.

use serde_json::{Value, json};

use super::lenient::{self, Object, Unreadable};
use super::{Request, chime, malformed};
use crate::aws;
use crate::core::observation::Observation;
use crate::core::order::Provider;
use crate::core::sweep::{Page, Row};

/// Orders of a page of `ListPhoneNumberOrders`, as many as it gives (`max-results` is 1 to 100).
const ORDERS: u16 = 100;
/// Numbers of a page of `ListPhoneNumbersV2`, as many as it gives (`MaxResults` is 1 to 1000). With their ARNs they take
/// about half of what a body may have.
const NUMBERS: u16 = 1000;
/// A longer token is none: 65,535 characters are the most that Chime takes, 100,000 Connect.
const TOKEN_MOST: usize = 65_535;

/// The request for a page.
pub(super) fn request(provider: Provider, token: Option<&str>) -> Request {
    match provider {
        Provider::Chime => {
            let token = token.map(|token| format!("&next-token={}", aws::segment(token))).unwrap_or_default();
            Request::Get(format!("/phone-number-orders?max-results={ORDERS}{token}"))
        }
        Provider::Connect => {
            let mut body = json!({ "MaxResults": NUMBERS });
            if let Some(token) = token {
                body["NextToken"] = token.into();
            }
            Request::Post(super::holders::PATH, body.to_string())
        }
    }
}

/// Reads a page. A row without an id is left out: nobody is looked for by it.
///
/// The models require no member, but a body without the list is no page: it would mean that nothing is there.
pub(super) fn read(provider: Provider, body: &[u8]) -> Result<Page, Unreadable> {
    let (member, row): (_, fn(&Object) -> Option<Row>) = match provider {
        Provider::Chime => ("PhoneNumberOrders", order),
        Provider::Connect => (super::holders::LIST, number),
    };
    let (rows, members) = lenient::list(body, member)?;
    let most = match provider {
        Provider::Chime => ORDERS,
        Provider::Connect => NUMBERS,
    };
    let rows = rows.iter().filter_map(Value::as_object).filter_map(row).take(usize::from(most)).collect();
    Ok(Page { rows, next: next(&members)? })
}

fn order(row: &Object) -> Option<Row> {
    let id = id(row, "PhoneNumberOrderId")?;
    Some(Row::Order { id, seen: chime::listed(row) })
}

fn number(row: &Object) -> Option<Row> {
    let id = id(row, "PhoneNumberId").or_else(|| id(row, "PhoneNumberArn"))?;
    Some(Row::Number { id })
}

fn id(row: &Object, member: &str) -> Option<String> {
    Some(lenient::bare(lenient::text(row, member)?).to_ascii_lowercase()).filter(|id| !id.is_empty())
}

/// The token of the next page, exactly as it came. One that cannot be asked with is not the end of the list.
fn next(members: &Object) -> Result<Option<String>, Unreadable> {
    match members.get("NextToken") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(token)) if token.is_empty() => Ok(None),
        Some(Value::String(token)) if token.len() <= TOKEN_MOST => Ok(Some(token.clone())),
        Some(_) => Err(Unreadable::Token),
    }
}

/// What it says that the list could not be read.
pub(super) fn unreadable(unreadable: &Unreadable) -> Observation {
    malformed(format!("the list cannot be read: {unreadable}"))
}
