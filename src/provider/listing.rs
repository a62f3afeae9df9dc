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
/// `next-token` of Chime has at most so many characters. A longer one could not be asked with.
const ORDERS_TOKEN_MOST: usize = 65_535;
/// `NextToken` of Connect has at most so many.
const NUMBERS_TOKEN_MOST: usize = 100_000;

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

/// Reads a page. A row without an id is left out: nobody is looked for by it. So is an order without its status or its
/// numbers, since whoever the list shows is not looked at.
///
/// The models require no member, but a body without the list is no page: it would mean that nothing is there.
pub(super) fn read(provider: Provider, body: &[u8]) -> Result<Page, Unreadable> {
    let (member, row, rows_most, token_most): (_, fn(&Object) -> Option<Row>, _, _) = match provider {
        Provider::Chime => ("PhoneNumberOrders", order, ORDERS, ORDERS_TOKEN_MOST),
        Provider::Connect => (super::holders::LIST, number, NUMBERS, NUMBERS_TOKEN_MOST),
    };
    let (rows, members) = lenient::list(body, member)?;
    let rows =
        rows.iter().filter_map(Value::as_object).filter_map(row).take(usize::from(rows_most)).collect();
    Ok(Page { rows, next: next(&members, token_most)? })
}

fn order(row: &Object) -> Option<Row> {
    let id = id(row, "PhoneNumberOrderId")?;
    let tells_all =
        lenient::text(row, "Status").is_some() && row.get("OrderedPhoneNumbers").is_some_and(Value::is_array);
    tells_all.then(|| Row::Order { id, seen: chime::listed(row) })
}

fn number(row: &Object) -> Option<Row> {
    let id = id(row, "PhoneNumberId").or_else(|| id(row, "PhoneNumberArn"))?;
    Some(Row::Number { id })
}

fn id(row: &Object, member: &str) -> Option<String> {
    Some(lenient::bare(lenient::text(row, member)?).to_ascii_lowercase()).filter(|id| !id.is_empty())
}

/// The token of the next page, exactly as it came. One that cannot be asked with is not the end of the list.
fn next(members: &Object, most: usize) -> Result<Option<String>, Unreadable> {
    match members.get("NextToken") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(token)) if token.is_empty() => Ok(None),
        Some(Value::String(token)) if token.chars().count() <= most => Ok(Some(token.clone())),
        Some(_) => Err(Unreadable::Token),
    }
}

/// What it says that the list could not be read.
pub(super) fn unreadable(unreadable: &Unreadable) -> Observation {
    malformed(format!("the list cannot be read: {unreadable}"))
}
