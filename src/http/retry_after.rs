//! How long an answer asks to be left alone.

use std::time::Duration;

use super::date;
use super::transport::Headers;
use crate::core::time::Timestamp;

/// Nobody is left alone for longer: who says "tomorrow" is asked again within the hour, since an open window may end
/// sooner.
pub const LONGEST: Duration = Duration::from_hours(1);

/// Reads `Retry-After` (RFC 9110, 10.2.3: seconds, or a date counted from the answer's own `Date`), at most [`LONGEST`].
///
/// `None` if it is not there or makes no sense. A time in the past is zero.
pub fn retry_after(headers: &Headers, now: Timestamp) -> Option<Duration> {
    let text = headers.get("retry-after")?;
    let wait = number(text).map(Duration::from_secs).or_else(|| {
        let from = headers.get("date").and_then(|text| date::parse(text, now)).unwrap_or(now);
        date::parse(text, from).map(|until| until.since(from))
    });
    wait.map(|wait| wait.min(LONGEST))
}

/// Digits and nothing else, which rules out signs, fractions and lists; too many of them are the largest number.
pub fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// What is no number, in a header that wants one.
#[cfg(test)]
pub(crate) const NO_NUMBERS: [&str; 20] = [
    "", " ", "-1", "-0", "+5", "1.5", "1.0", ".5", "1e3", "0x10", "1_000", "1 000", "1, 2", "1,2", "1;2",
    "1s", "NaN", "inf", "\u{663}", "soon",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Our clock is an hour ahead of the service's.
    const NOW: &str = "2026-11-20T10:00:00Z";
    const DATE: &str = "Fri, 20 Nov 2026 09:00:00 GMT";

    const HOUR: Option<u64> = Some(3_600_000);

    /// Milliseconds.
    fn read_at(now: &str, pairs: &[(&str, &str)]) -> Option<u64> {
        let headers = Headers::from_pairs(pairs.iter().copied());
        let now = Timestamp::parse(now)?;
        retry_after(&headers, now).map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
    }

    fn read(pairs: &[(&str, &str)]) -> Option<u64> {
        read_at(NOW, pairs)
    }

    #[test]
    fn seconds() {
        for (text, millis) in [
            ("0", Some(0)),
            ("1", Some(1_000)),
            (" 120 ", Some(120_000)),
            ("\t120", Some(120_000)),
            ("007", Some(7_000)),
            ("3599", Some(3_599_000)),
            ("3600", HOUR),
            ("3601", HOUR),
            ("18446744073709551615", HOUR),
            ("18446744073709551616", HOUR),
            ("99999999999999999999999999", HOUR),
        ] {
            assert_eq!(read(&[("Retry-After", text)]), millis, "{text:?}");
            // A number needs no clock.
            assert_eq!(read(&[("Retry-After", text), ("Date", DATE)]), millis, "{text:?}");
        }
        for text in NO_NUMBERS {
            assert_eq!(read(&[("Retry-After", text)]), None, "{text:?}");
        }
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[("Date", DATE)]), None);
    }

    #[test]
    fn dates_count_from_the_answers_date_else_from_now() {
        for (text, from_date, from_now) in [
            ("Fri, 20 Nov 2026 10:00:30 GMT", HOUR, Some(30_000)),
            ("Fri, 20 Nov 2026 09:00:30 GMT", Some(30_000), Some(0)),
            ("Friday, 20-Nov-26 09:00:30 GMT", Some(30_000), Some(0)),
            ("Fri Nov 20 09:00:30 2026", Some(30_000), Some(0)),
            (" Fri, 20 Nov 2026 09:00:30 GMT ", Some(30_000), Some(0)),
            // Leap seconds, in all three forms.
            ("Fri, 20 Nov 2026 09:00:60 GMT", Some(60_000), Some(0)),
            ("Friday, 20-Nov-26 09:00:60 GMT", Some(60_000), Some(0)),
            ("Fri Nov 20 09:00:60 2026", Some(60_000), Some(0)),
            ("Fri, 20 Nov 2026 09:59:60 GMT", HOUR, Some(0)),
            ("Fri, 20 Nov 2026 10:00:60 GMT", HOUR, Some(60_000)),
            // Just now, past, long past.
            ("Fri, 20 Nov 2026 09:00:00 GMT", Some(0), Some(0)),
            ("Fri, 20 Nov 2026 08:59:59 GMT", Some(0), Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0), Some(0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0), Some(0)),
            // Far ahead.
            ("Fri, 20 Nov 2026 11:00:01 GMT", HOUR, HOUR),
            ("Thu, 20 Nov 2036 09:00:00 GMT", HOUR, HOUR),
            ("Fri, 31 Dec 9999 23:59:60 GMT", HOUR, HOUR),
            // Two digits of a year: at most fifty years ahead, else in the past.
            ("Friday, 20-Nov-76 08:00:00 GMT", HOUR, HOUR),
            ("Saturday, 20-Nov-76 11:00:00 GMT", Some(0), Some(0)),
            ("Saturday, 20-Nov-99 09:00:00 GMT", Some(0), Some(0)),
            ("Saturday, 20-Nov-77 09:00:00 GMT", None, None),
            ("Sunday, 20-Nov-77 09:00:00 GMT", Some(0), Some(0)),
            // No dates.
            ("Thu, 20 Nov 2026 09:00:30 GMT", None, None),
            ("Fri, 20 Nov 2026 09:00:61 GMT", None, None),
            ("Fri, 20 Nov 2026 09:00:30 UTC", None, None),
            ("Fri, 20 Nov 2026 09:00:30 +0000", None, None),
            ("Fri, 20 Nov 2026 09:00:30", None, None),
            ("Fri, 31 Feb 2026 09:00:30 GMT", None, None),
            ("Fri, 01 Jan 1960 00:00:00 GMT", None, None),
            ("2026-11-20T09:00:30Z", None, None),
            ("Fri, 20 Nov 2026 09:00:30 GMT, Fri, 20 Nov 2026 09:00:31 GMT", None, None),
        ] {
            assert_eq!(read(&[("Retry-After", text), ("Date", DATE)]), from_date, "{text}");
            assert_eq!(read(&[("Retry-After", text)]), from_now, "{text}");
            for garbage in
                ["yesterday", "", "1763629200", "2026-11-20T09:00:00Z", "Thu, 20 Nov 2026 09:00:00 GMT"]
            {
                let pairs = [("Retry-After", text), ("Date", garbage)];
                assert_eq!(read(&pairs), from_now, "{text}, Date {garbage:?}");
            }
        }
    }

    #[test]
    fn a_clock_of_ours_that_is_wrong_matters_only_where_there_is_no_date() {
        for date in [DATE, "Friday, 20-Nov-26 09:00:00 GMT", "Fri Nov 20 09:00:00 2026"] {
            for until in [
                "Fri, 20 Nov 2026 09:01:00 GMT",
                "Friday, 20-Nov-26 09:01:00 GMT",
                "Fri Nov 20 09:01:00 2026",
            ] {
                for now in [
                    "2026-11-20T09:00:00Z",
                    "2026-11-20T08:00:00Z",
                    "2030-01-01T00:00:00Z",
                    "2000-01-01T00:00:00Z",
                ] {
                    let pairs = [("Retry-After", until), ("Date", date)];
                    assert_eq!(read_at(now, &pairs), Some(60_000), "{now}: {date} to {until}");
                }
            }
        }
        // A machine without a clock of its own begins at the epoch: what two digits of a year mean is in the answer too.
        let pairs = [("Retry-After", "Friday, 20-Nov-26 09:01:00 GMT"), ("Date", DATE)];
        assert_eq!(read_at("1970-01-01T00:00:00Z", &pairs), Some(60_000));
    }
}
