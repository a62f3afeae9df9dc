//! How long a service asks to be left alone, in all the forms there are.

use std::time::Duration;

use claimwatch::core::time::Timestamp;
use claimwatch::http::date;
use claimwatch::http::retry_after::LONGEST;
use claimwatch::http::transport::Headers;
use claimwatch::provider::retry_after::retry_after;

use super::http::RECEIVED_MS;

/// Reads lines `name: value` as headers; `now` is our clock in milliseconds.
pub(crate) fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let pairs: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(": ")).collect();
    let told = |wanted: &str| {
        pairs.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value)
    };
    let now = told("now").and_then(|value| value.parse().ok()).unwrap_or(RECEIVED_MS);
    let now = Timestamp::from_millis(now);
    let headers = Headers::from_pairs(pairs.iter().copied());
    let wait = retry_after(&headers, now);
    assert_eq!(wait, retry_after(&headers, now), "read in two ways");
    assert!(wait.unwrap_or_default() <= LONGEST, "{wait:?}");

    let standard = told("retry-after").and_then(|text| from_standard(text, told("date"), now));
    let amazon = told("x-amz-retry-after").and_then(digits).map(Duration::from_millis);
    assert_eq!(wait, standard.max(amazon).map(|wait| wait.min(LONGEST)), "{text}");

    for text in pairs.iter().map(|(_, value)| *value) {
        dates(text, now);
    }
    our_clock_does_not_matter_beside_a_date(&headers, now, told("date"));
}

/// RFC 9110, 10.2.3.
fn from_standard(text: &str, date: Option<&str>, now: Timestamp) -> Option<Duration> {
    if let Some(seconds) = digits(text) {
        return Some(Duration::from_secs(seconds));
    }
    let from = date.and_then(|date| date::parse(date, now)).unwrap_or(now);
    let until = date::parse(text, from)?;
    let millis = until.as_millis().checked_sub(from.as_millis())?;
    Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

fn digits(text: &str) -> Option<u64> {
    let text = text.trim();
    let all = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    all.then(|| {
        text.bytes().fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    })
}

/// A date is a whole second since the epoch, and one of two digits is at most fifty years ahead.
fn dates(text: &str, now: Timestamp) {
    let Some(at) = date::parse(text, now) else { return };
    assert!(at.as_millis() >= 0, "{text} is {at}");
    if at < Timestamp::from_millis(i64::MAX) {
        assert_eq!(at.as_millis() % 1000, 0, "{text} is {at}");
    }
    if text.contains('-') {
        // Fifty years have thirteen leap days at most; a leap second counts into the next second.
        let fifty_years = Duration::from_secs((50 * 365 + 13) * 86_400 + 1);
        assert!(at <= now.plus(fifty_years), "{text} at {now} is {at}");
    }
}

/// Where the answer says its own time in full, ours may be anything.
fn our_clock_does_not_matter_beside_a_date(headers: &Headers, now: Timestamp, date: Option<&str>) {
    let Some(date) = date else { return };
    if date.contains('-') || date::parse(date, now).is_none() {
        return;
    }
    for millis in [i64::MIN, 0, RECEIVED_MS, i64::MAX] {
        let other = Timestamp::from_millis(millis);
        assert_eq!(retry_after(headers, now), retry_after(headers, other), "at {now} and at {other}");
    }
}
