//! HTTP dates: the three forms of RFC 9110, section 5.6.7.

use std::time::{Duration, UNIX_EPOCH};

use crate::core::time::Timestamp;

/// Reads an HTTP date in any of the three forms (`Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`,
/// `Sun Nov  6 08:49:37 1994`).
///
/// A leap second counts as the second after 59. A two-digit year is the one less than fifty years ahead of `now`, as RFC
/// 9110 wants it. `None` for everything else, a wrong day of the week included.
pub fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    let (text, leap) = without_leap_second(text)?;
    let text = with_whole_year(&text, now).unwrap_or(text);
    let at = httpdate::parse_http_date(&text).ok()?;
    let at = at.duration_since(UNIX_EPOCH).ok()?.checked_add(leap)?;
    Some(Timestamp::from_millis(i64::try_from(at.as_millis()).ok()?))
}

/// `23:59:60` as `23:59:59` and one second. `httpdate` knows no leap second.
fn without_leap_second(text: &str) -> Option<(String, Duration)> {
    let Some(colon) = text.rfind(':') else { return Some((text.to_owned(), Duration::ZERO)) };
    let (before, seconds) = text.split_at_checked(colon + 1)?;
    match seconds.strip_prefix("60") {
        Some(rest) => Some((format!("{before}59{rest}"), Duration::from_secs(1))),
        None => Some((text.to_owned(), Duration::ZERO)),
    }
}

/// RFC 850's `Sunday, 06-Nov-94 08:49:37 GMT` as `Sun, 06 Nov 1994 08:49:37 GMT`; `None` if it is another form.
fn with_whole_year(text: &str, now: Timestamp) -> Option<String> {
    let (weekday, rest) = text.split_once("day, ")?;
    let (date, time) = rest.split_once(' ')?;
    let [day, month, year] = date.split('-').collect::<Vec<_>>().try_into().ok()?;
    if year.len() != 2 || !year.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let short = weekday.get(..3)?;
    let this = year_of(now);
    let year = this - this.rem_euclid(100) + year.parse::<i32>().ok()?;
    let year = match year - this {
        ahead if ahead > CENTURY / 2 => year - CENTURY,
        behind if behind < -CENTURY / 2 => year + CENTURY,
        _near => year,
    };
    Some(format!("{short}, {day} {month} {year:04} {time}"))
}

const CENTURY: i32 = 100;

/// `Timestamp` shows a four-digit year first.
fn year_of(at: Timestamp) -> i32 {
    at.to_string().get(..4).and_then(|year| year.parse().ok()).unwrap_or(1970)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        let now = Timestamp::parse("2026-11-22T00:00:00Z")?;
        parse(text, now).map(|at| at.to_string())
    }

    #[test]
    fn all_three_forms_are_read() {
        let at = Some("1994-11-06T08:49:37.000Z".to_owned());
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(read(text), at, "{text}");
        }
        assert_eq!(read(" Sun, 06 Nov 1994 08:49:37 GMT "), at);
    }

    #[test]
    fn two_digit_years_are_the_nearest_ones() {
        assert_eq!(read("Friday, 20-Nov-26 08:49:37 GMT"), Some("2026-11-20T08:49:37.000Z".to_owned()));
        // 2076 is exactly fifty years ahead; httpdate alone would take 76 for 1976.
        assert_eq!(read("Friday, 06-Nov-76 08:49:37 GMT"), Some("2076-11-06T08:49:37.000Z".to_owned()));
        assert_eq!(read("Sunday, 06-Nov-77 08:49:37 GMT"), Some("1977-11-06T08:49:37.000Z".to_owned()));
    }

    #[test]
    fn a_leap_second_is_the_next_second() {
        let at = Some("2017-01-01T00:00:00.000Z".to_owned());
        for text in
            ["Sat, 31 Dec 2016 23:59:60 GMT", "Saturday, 31-Dec-16 23:59:60 GMT", "Sat Dec 31 23:59:60 2016"]
        {
            assert_eq!(read(text), at, "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            ":",
            ":60",
            "Sun, 06 Nov 1994 08:49:37",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94",
            "day, --- x",
            "éday, 06-Nov-94 08:49:37 GMT",
            "120",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Thu, 01 Jan 116 00:00:00 GMT",
            "Sunday, +6-Nov-94 08:49:37 GMT",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
