//! Amazon Connect: `DescribePhoneNumber`. The list of who holds a number is in `holders.rs`.

use serde_json::Value;

use super::lenient;
use crate::aws;
use crate::core::observation::{ConnectNumber, Progress};

pub use super::lenient::Unreadable;

/// The path that asks for one number, by its id or its ARN.
pub fn path(id: &str) -> String {
    format!("/phone-number/{}", aws::segment(id))
}

/// Reads the answer's body. `id` is the bare one asked for; an answer about another one is not believed.
///
/// The model requires no member, so that only a body without the summary itself is an error.
pub fn read(body: &[u8], id: &str) -> Result<ConnectNumber, Unreadable> {
    let summary = lenient::outer(body, "ClaimedPhoneNumberSummary")?;
    lenient::same_id(lenient::text(&summary, "PhoneNumberId"), id)?;
    let status = summary.get("PhoneNumberStatus").and_then(Value::as_object);
    Ok(ConnectNumber {
        number: lenient::e164(&summary, "PhoneNumber"),
        status: status.and_then(|status| lenient::word(status, "Status", progress)),
        message: status.and_then(|status| lenient::line(status, "Message")),
        target: lenient::line(&summary, "TargetArn").or_else(|| lenient::line(&summary, "InstanceId")),
    })
}

/// `PhoneNumberWorkflowStatus`.
fn progress(word: &str) -> Option<Progress> {
    match word {
        "IN_PROGRESS" => Some(Progress::InProgress),
        "CLAIMED" => Some(Progress::Claimed),
        "FAILED" => Some(Progress::Failed),
        _ => None,
    }
}
