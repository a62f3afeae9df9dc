//! HTTP dates: the three forms of RFC 9110, section 5.6.7.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::core::time::Timestamp;

/// Reads an HTTP date in any of the three forms (`Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`,
/// `Sun Nov  6 08:49:37 1994`).
///
/// A leap second counts as the second after 59. A two-digit year is the last one that is at most fifty years ahead of
/// `now`, to the second, as RFC 9110 wants it. `None` for everything else, a wrong day of the week included.
pub fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    let (text, leap) = without_leap_second(text)?;
    let text = with_whole_year(&text, now).unwrap_or(text);
    let at = httpdate::parse_http_date(&text).ok()?;
    if !is_written(&text, at) {
        return None;
    }
    let at = at.duration_since(UNIX_EPOCH).ok()?.checked_add(leap)?;
    Some(Timestamp::from_millis(i64::try_from(at.as_millis()).ok()?))
}

/// Whether the text is exactly how one of the two forms with a whole year writes that time: `httpdate` does not look at every
/// sign between the parts, and what it lets pass as the third form has a year by another rule.
fn is_written(text: &str, at: SystemTime) -> bool {
    let written = httpdate::fmt_http_date(at);
    let asctime = || {
        let mut parts = written.strip_suffix(" GMT")?.split(' ');
        let (weekday, day) = (parts.next()?.strip_suffix(',')?, parts.next()?);
        let (month, year, time) = (parts.next()?, parts.next()?, parts.next()?);
        let padded = day.strip_prefix('0').map(|digit| format!(" {digit}"));
        let with = |day: &str| format!("{weekday} {month} {day} {time} {year}");
        Some(text == with(day) || padded.is_some_and(|day| text == with(&day)))
    };
    text == written || asctime().unwrap_or(false)
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
    if !WEEKDAYS.contains(&weekday) || year.len() != 2 || !year.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let short = weekday.get(..3)?;
    let month_number = MONTHS.iter().position(|name| *name == month)? + 1;
    let this = year_of(now);
    let next_century = this - this.rem_euclid(CENTURY) + CENTURY + year.parse::<i32>().ok()?;
    // As `Timestamp` shows its seconds, fifty years before: it is ahead of now if it is more than fifty years ahead.
    let too_far = |year: i32| {
        let before =
            format!("{:04}-{month_number:02}-{day}T{}", year - CENTURY / 2, time.trim_end_matches(" GMT"));
        before.as_str() > now.to_string().get(..before.len()).unwrap_or_default()
    };
    let year = [next_century, next_century - CENTURY].into_iter().find(|year| !too_far(*year));
    let year = year.unwrap_or(next_century - 2 * CENTURY);
    Some(format!("{short}, {day} {month} {year:04} {time}"))
}

/// The days of the week without their last three letters.
const WEEKDAYS: [&str; 7] = ["Mon", "Tues", "Wednes", "Thurs", "Fri", "Satur", "Sun"];

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

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
        assert_eq!(read("Sun Nov 06 08:49:37 1994"), at, "RFC 9110 lets a zero stand for the space");
    }

    #[test]
    fn a_two_digit_year_is_at_most_fifty_years_ahead() {
        for (now, text, at) in [
            ("2026-11-22T00:00:00Z", "Friday, 20-Nov-26 08:49:37 GMT", "2026-11-20T08:49:37.000Z"),
            // httpdate alone would take 76 for 1976.
            ("2026-11-22T00:00:00Z", "Friday, 06-Nov-76 08:49:37 GMT", "2076-11-06T08:49:37.000Z"),
            ("2026-11-22T00:00:00Z", "Sunday, 22-Nov-76 00:00:00 GMT", "2076-11-22T00:00:00.000Z"),
            ("2026-11-22T00:00:00Z", "Monday, 22-Nov-76 00:00:01 GMT", "1976-11-22T00:00:01.000Z"),
            ("2026-11-22T00:00:00Z", "Tuesday, 23-Nov-76 00:00:00 GMT", "1976-11-23T00:00:00.000Z"),
            ("2026-11-22T00:00:00Z", "Sunday, 06-Nov-77 08:49:37 GMT", "1977-11-06T08:49:37.000Z"),
            ("2026-11-22T00:00:00Z", "Saturday, 01-Jan-00 00:00:00 GMT", "2000-01-01T00:00:00.000Z"),
            ("2026-11-22T00:00:00Z", "Friday, 31-Dec-99 23:59:60 GMT", "2000-01-01T00:00:00.000Z"),
            // Near the end of a century, small numbers are of the next one.
            ("2099-12-31T23:59:59Z", "Friday, 01-Jan-00 00:00:00 GMT", "2100-01-01T00:00:00.000Z"),
            ("2080-06-01T00:00:00Z", "Wednesday, 20-Nov-26 08:49:37 GMT", "2126-11-20T08:49:37.000Z"),
            // Either may show a day that the other year lacks.
            ("2024-02-29T12:00:00Z", "Friday, 01-Mar-74 00:00:00 GMT", "1974-03-01T00:00:00.000Z"),
            ("2022-02-28T12:00:00Z", "Tuesday, 29-Feb-72 00:00:00 GMT", "1972-02-29T00:00:00.000Z"),
            ("2022-03-01T00:00:00Z", "Monday, 29-Feb-72 00:00:00 GMT", "2072-02-29T00:00:00.000Z"),
        ] {
            let told = Timestamp::parse(now).and_then(|now| parse(text, now)).map(|at| at.to_string());
            assert_eq!(told.as_deref(), Some(at), "{text} at {now}");
        }
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
            "Sun, 06-Nov-94 08:49:37 GMT",
            "Sundayday, 06-Nov-94 08:49:37 GMT",
            "Sunxday, 06-Nov-94 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 gmt",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sunday, 06-nov-94 08:49:37 GMT",
            "Sunday, 6-Nov-94 08:49:37 GMT",
            "Sunday, 06-Nov-94(08:49:37 GMT",
            "Sun, 06 Nov 1994(08:49:37 GMT",
            "Sun Nov 06(08:49:37 1994",
            "Sunday, 06-Nov-94 é GMT",
            "Sun Nov 6 08:49:37 1994 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 23:60:00 GMT",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
