//! Amazon Chime SDK Voice: `GetPhoneNumberOrder`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::lenient::{self, Object};
use crate::aws;
use crate::core::observation::{ChimeNumber, ChimeOrder, ChimeStatus, Progress, Source};

pub use super::lenient::Unreadable;

/// The path that asks for one order.
pub fn path(id: &str) -> String {
    format!("/phone-number-orders/{}", aws::segment(id))
}

/// Reads the answer's body. `id` is the one asked for; an answer about another one is not believed.
///
/// The model requires no member, so that only a body without the order itself is an error.
pub fn read(body: &[u8], id: &str) -> Result<ChimeOrder, Unreadable> {
    let order = lenient::outer(body, "PhoneNumberOrder")?;
    lenient::same_id(lenient::text(&order, "PhoneNumberOrderId"), id)?;
    Ok(describe(&order, Source::Own))
}

/// What a row of a list says.
pub(super) fn listed(order: &Object) -> ChimeOrder {
    describe(order, Source::List)
}

/// What a `PhoneNumberOrder` says.
fn describe(order: &Object, source: Source) -> ChimeOrder {
    ChimeOrder {
        source,
        status: lenient::word(order, "Status", ChimeStatus::parse),
        porting: lenient::text(order, "OrderType") == Some("Porting"),
        numbers: numbers(order),
        updated_at: lenient::time(order, "UpdatedTimestamp"),
        foc_date: lenient::time(order, "FocDate"),
    }
}

/// The numbers in the order they are first named; where one is named twice, its last status counts.
fn numbers(order: &Object) -> Vec<ChimeNumber> {
    let mut numbers: Vec<ChimeNumber> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let listed = order.get("OrderedPhoneNumbers").and_then(Value::as_array);
    for ordered in listed.into_iter().flatten().filter_map(Value::as_object) {
        let Some(number) = lenient::e164(ordered, "E164PhoneNumber") else { continue };
        let status = lenient::word(ordered, "Status", progress);
        let place = *places.entry(number.clone()).or_insert(numbers.len());
        let described = ChimeNumber { number, status };
        match numbers.get_mut(place) {
            Some(known) => *known = described,
            None => numbers.push(described),
        }
    }
    numbers
}

/// `OrderedPhoneNumberStatus`.
fn progress(word: &str) -> Option<Progress> {
    match word {
        "Processing" => Some(Progress::InProgress),
        "Acquired" => Some(Progress::Claimed),
        "Failed" => Some(Progress::Failed),
        _ => None,
    }
}
