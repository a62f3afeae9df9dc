//! How long a service asks to be left alone.

use std::time::Duration;

use crate::core::time::Timestamp;
use crate::http::retry_after::{self, LONGEST};
use crate::http::transport::Headers;

/// Reads `Retry-After` and `x-amz-retry-after` (milliseconds, as the AWS SDKs read it); the longer one counts, at most
/// [`LONGEST`].
///
/// `None` if neither is there or makes sense. A time in the past is zero.
pub fn retry_after(headers: &Headers, now: Timestamp) -> Option<Duration> {
    let standard = retry_after::retry_after(headers, now);
    let amazon = headers.get("x-amz-retry-after").and_then(retry_after::number).map(Duration::from_millis);
    standard.max(amazon.map(|wait| wait.min(LONGEST)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::retry_after::NO_NUMBERS;

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
    fn amazons_own_is_in_milliseconds() {
        for (text, millis) in [
            ("0", Some(0)),
            ("1", Some(1)),
            (" 1500 ", Some(1_500)),
            ("007", Some(7)),
            ("3600000", HOUR),
            ("3600001", HOUR),
            ("18446744073709551615", HOUR),
            ("18446744073709551616", HOUR),
            ("99999999999999999999", HOUR),
        ] {
            assert_eq!(read(&[("x-amz-retry-after", text)]), millis, "{text:?}");
        }
        for text in NO_NUMBERS.into_iter().chain([
            "Fri, 20 Nov 2026 09:00:30 GMT",
            "Friday, 20-Nov-26 09:00:60 GMT",
            "Fri Nov 20 09:00:30 2026",
        ]) {
            assert_eq!(read(&[("x-amz-retry-after", text), ("Date", DATE)]), None, "{text:?}");
        }
    }

    #[test]
    fn of_both_the_longer_one_counts_and_nonsense_in_one_leaves_the_other() {
        for (amazon, standard, millis) in [
            ("1500", "1", Some(1_500)),
            ("1500", "2", Some(2_000)),
            ("0", "0", Some(0)),
            ("0", "2", Some(2_000)),
            ("1500", "0", Some(1_500)),
            ("1500", "Fri, 20 Nov 2026 09:00:30 GMT", Some(30_000)),
            ("31000", "Fri, 20 Nov 2026 09:00:30 GMT", Some(31_000)),
            ("1500", "Sun, 06 Nov 1994 08:49:37 GMT", Some(1_500)),
            ("99999999999999999999", "1", HOUR),
            ("1", "99999999999999999999", HOUR),
            ("-1", "2", Some(2_000)),
            ("1500", "-1", Some(1_500)),
            ("-1", "0", Some(0)),
            ("-1", "x", None),
        ] {
            let pairs = [("x-amz-retry-after", amazon), ("retry-after", standard), ("date", DATE)];
            assert_eq!(read(&pairs), millis, "{amazon} {standard}");
        }
    }
}
