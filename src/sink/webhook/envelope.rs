//! What is posted: an event in the structured JSON form of CloudEvents 1.0.

use serde::{Deserialize, Serialize};

use crate::core::record::Record;
use crate::sink::Parcel;

/// The media type of what is posted (JSON Event Format for CloudEvents 1.0, section 3).
pub(super) const CONTENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";

/// The largest body: Standard Webhooks 1.0.0 asks for less than 20 kB, and receivers may refuse more.
pub(super) const BODY_MAX: usize = 20_000;

/// What stands where a text was cut.
const ELLIPSIS: char = '…';

/// The attributes, in the order in which they are written. `data` follows them.
#[derive(Serialize)]
struct Attributes<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    datacontenttype: &'static str,
    sequence: String,
}

/// What the attributes need of the record.
#[derive(Deserialize)]
struct About {
    event: String,
    time: Option<String>,
    provider: Option<String>,
    order_id: Option<String>,
}

/// The body for an event. `data` is the record as it stands, unless that would be too large: then its free texts are
/// shortened, `reason` before `message`.
///
/// # Errors
/// Why it cannot be sent, for people.
pub(super) fn body(parcel: &Parcel) -> Result<String, String> {
    let unreadable = |cause: serde_json::Error| format!("the stored record cannot be read: {cause}");
    let about: About = serde_json::from_str(&parcel.json).map_err(unreadable)?;
    let attributes = attributes(parcel, &about).map_err(unreadable)?;
    let whole = with_data(&attributes, &parcel.json);
    if whole.len() <= BODY_MAX {
        return Ok(whole);
    }
    let record: Record = serde_json::from_str(&parcel.json).map_err(unreadable)?;
    let short = shortened(record, BODY_MAX.saturating_sub(with_data(&attributes, "").len()));
    short.map(|json| with_data(&attributes, &json)).ok_or_else(|| {
        format!("it takes {} bytes, and {BODY_MAX} can be sent, with its texts cut as well", whole.len())
    })
}

/// The attributes as a JSON object.
fn attributes(parcel: &Parcel, about: &About) -> Result<String, serde_json::Error> {
    let subject = match (&about.provider, &about.order_id) {
        (Some(provider), Some(order)) => Some(format!("{provider}/{order}")),
        (Some(_), None) | (None, _) => None,
    };
    serde_json::to_string(&Attributes {
        specversion: "1.0",
        id: &parcel.id,
        source: format!("urn:claimwatch:store:{:016x}", parcel.store),
        kind: format!("claimwatch.{}", about.event),
        time: about.time.as_deref(),
        subject,
        datacontenttype: "application/json",
        // The extension wants an order of texts: with leading zeros it is the one of the numbers.
        sequence: format!("{:020}", parcel.sink_seq),
    })
}

/// The record's text goes in as it is: read and written again it could come out as another text.
fn with_data(attributes: &str, json: &str) -> String {
    let open = attributes.strip_suffix('}').unwrap_or(attributes);
    format!("{open},\"data\":{json}}}")
}

/// The record as JSON of at most `most` bytes, by cutting its free texts. `None`: it has too much else.
fn shortened(mut record: Record, most: usize) -> Option<String> {
    if let Some(reason) = record.reason.take() {
        let with = |text: String| Record { reason: Some(text), ..record.clone() };
        let reason = cut(&reason, |text| fits(&with(text), most));
        record.reason = Some(reason);
    }
    if !fits(&record, most) {
        let with = |text: String| Record { message: text, ..record.clone() };
        record.message = cut(&record.message, |text| fits(&with(text), most));
    }
    serde_json::to_string(&record).ok().filter(|json| json.len() <= most)
}

fn fits(record: &Record, most: usize) -> bool {
    serde_json::to_string(record).is_ok_and(|json| json.len() <= most)
}

/// The text, or as much of its beginning as fits, with an ellipsis; the ellipsis alone if nothing does.
fn cut(text: &str, fits: impl Fn(String) -> bool) -> String {
    if fits(text.to_owned()) {
        return text.to_owned();
    }
    let until = |end: usize| format!("{}{ELLIPSIS}", &text[..end]);
    let ends: Vec<usize> = text.char_indices().map(|(end, _)| end).collect();
    let fitting = ends.partition_point(|end| fits(until(*end)));
    until(fitting.checked_sub(1).and_then(|last| ends.get(last)).copied().unwrap_or(0))
}
