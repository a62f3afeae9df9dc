//! How long a service asks to be left alone.

use std::time::Duration;

use crate::aws::date;
use crate::aws::transport::Headers;
use crate::core::time::Timestamp;

/// Nobody is left alone for longer: a service that says "tomorrow" is asked again within the hour, since an open window
/// may end sooner.
pub const LONGEST: Duration = Duration::from_hours(1);

/// Reads `Retry-After` (RFC 9110, 10.2.3: seconds, or a date counted from the answer's own `Date`) and
/// `x-amz-retry-after` (milliseconds, as the AWS SDKs read it); the longer one counts, at most [`LONGEST`].
///
/// `None` if neither is there or makes sense. A time in the past is zero.
pub fn retry_after(headers: &Headers, now: Timestamp) -> Option<Duration> {
    let standard = headers.get("retry-after").and_then(|text| {
        number(text).map(Duration::from_secs).or_else(|| {
            let from = headers.get("date").and_then(|text| date::parse(text, now)).unwrap_or(now);
            date::parse(text, now).map(|until| until.since(from))
        })
    });
    let amazon = headers.get("x-amz-retry-after").and_then(number).map(Duration::from_millis);
    standard.max(amazon).map(|wait| wait.min(LONGEST))
}

/// Digits and nothing else, which rules out signs, fractions and lists; too many of them are the largest number.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-20T10:00:00Z";
    const DATE: &str = "Fri, 20 Nov 2026 09:00:00 GMT";

    fn read(pairs: &[(&str, &str)]) -> Option<u64> {
        let headers = Headers::from_pairs(pairs.iter().copied());
        let now = Timestamp::parse(NOW)?;
        retry_after(&headers, now).map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
    }

    #[test]
    fn seconds() {
        for (text, millis) in [
            ("0", Some(0)),
            ("1", Some(1_000)),
            (" 120 ", Some(120_000)),
            ("007", Some(7_000)),
            ("3600", Some(3_600_000)),
            ("3601", Some(3_600_000)),
            ("99999999999999999999999999", Some(3_600_000)),
            ("", None),
            (" ", None),
            ("+5", None),
            ("-1", None),
            ("1.5", None),
            ("1e3", None),
            ("0x10", None),
            ("1, 2", None),
            ("٣", None),
            ("soon", None),
        ] {
            assert_eq!(read(&[("Retry-After", text)]), millis, "{text:?}");
        }
    }

    #[test]
    fn dates_count_from_the_answers_date_else_from_now() {
        for (text, from_date, from_now) in [
            ("Fri, 20 Nov 2026 10:00:30 GMT", 3_600_000, 30_000),
            ("Fri, 20 Nov 2026 09:00:30 GMT", 30_000, 0),
            ("Friday, 20-Nov-26 09:00:30 GMT", 30_000, 0),
            ("Fri Nov 20 09:00:30 2026", 30_000, 0),
            ("Fri, 20 Nov 2026 09:00:60 GMT", 60_000, 0),
            ("Thu, 20 Nov 2036 09:00:00 GMT", 3_600_000, 3_600_000),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 0, 0),
        ] {
            assert_eq!(read(&[("Retry-After", text), ("Date", DATE)]), Some(from_date), "{text}");
            assert_eq!(read(&[("Retry-After", text)]), Some(from_now), "{text}");
            assert_eq!(read(&[("Retry-After", text), ("Date", "yesterday")]), Some(from_now), "{text}");
        }
    }

    #[test]
    fn amazons_own_is_in_milliseconds_and_the_longer_one_counts() {
        assert_eq!(read(&[("x-amz-retry-after", "1500")]), Some(1_500));
        assert_eq!(read(&[("x-amz-retry-after", "1500"), ("retry-after", "1")]), Some(1_500));
        assert_eq!(read(&[("x-amz-retry-after", "1500"), ("retry-after", "2")]), Some(2_000));
        assert_eq!(read(&[("x-amz-retry-after", "-1"), ("retry-after", "x")]), None);
        assert_eq!(read(&[("x-amz-retry-after", "99999999999999999999")]), Some(3_600_000));
    }
}
