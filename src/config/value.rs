//! Reads single values: from the text in a file to a type that cannot be wrong, or what is wrong with it.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use url::{Host, Url};

use super::problem::Fault;

/// The units of a duration, in milliseconds.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// Longer durations are mistakes, and sums of them must not overflow.
const LONGEST: Duration = Duration::from_hours(24 * 3650);

/// Reads `90s`, `1h30m`, `500ms`.
pub(super) fn duration(text: &str) -> Result<Duration, Fault> {
    let fault = |message: String| {
        Fault::new(message).help("write a whole number and ms, s, m, h or d: \"90s\", \"1h30m\"")
    };
    if text.trim_start().starts_with('-') {
        return Err(fault(format!("a duration cannot be negative: {text:?}")));
    }
    let (mut rest, mut total) = (text, Duration::ZERO);
    while !rest.is_empty() || text.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, tail) = tail.split_at(letters);
        if number.is_empty() {
            return Err(fault(format!("{text:?} is not a duration")));
        }
        if unit.is_empty() {
            let message = if tail.is_empty() { "has no unit" } else { "is not a duration" };
            return Err(fault(format!("{text:?} {message}")));
        }
        let Some((_, millis)) = UNITS.into_iter().find(|(name, _)| *name == unit) else {
            return Err(fault(format!("{unit:?} is not a unit of time")));
        };
        let part =
            number.parse::<u64>().ok().and_then(|count| count.checked_mul(millis)).map(Duration::from_millis);
        total = part
            .and_then(|part| total.checked_add(part))
            .filter(|sum| *sum <= LONGEST)
            .ok_or_else(|| Fault::new(format!("{text:?} is longer than ten years")))?;
        rest = tail;
    }
    Ok(total)
}

/// Reads a duration within bounds.
pub(super) fn duration_in(text: &str, least: Duration, most: Duration) -> Result<Duration, Fault> {
    let read = duration(text)?;
    if read < least || read > most {
        let (least, most) = (spoken(least), spoken(most));
        return Err(Fault::new(format!("must be between {least} and {most}, but is {}", spoken(read))));
    }
    Ok(read)
}

/// Writes a duration as it is written in the configuration.
pub(super) fn spoken(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut out = String::new();
    for (unit, millis) in UNITS.into_iter().rev() {
        if left >= millis {
            let _ = write!(out, "{}{unit}", left / millis);
            left %= millis;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// Reads one of a few words.
pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Fault> {
    if let Some((_, value)) = words.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    let fault = Fault::new(format!("{text:?} is none of {}", listed(&names)));
    Err(match nearest(text, names.into_iter()) {
        Some(name) => fault.help(format!("did you mean {name:?}?")),
        None => fault,
    })
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

/// How alike (0 to 1) a name must be to be suggested: `acount` and `account` are 0.98, two unrelated keys seldom 0.7.
const ALIKE: f64 = 0.8;

/// The known name nearest to one that is not known, if any is near.
pub(super) fn nearest<'n>(unknown: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // The comparison takes time and memory by the square of the length, and no name of ours is this long.
    if unknown.len() > 100 {
        return None;
    }
    let lower = unknown.to_ascii_lowercase();
    known
        .map(|name| (strsim::jaro_winkler(&lower, name), name))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// Reads a UUID in its usual form and returns it in lower case.
pub(super) fn uuid(text: &str) -> Option<String> {
    let plain = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    plain.then(|| text.to_ascii_lowercase())
}

/// The parts of `arn:aws:connect:REGION:ACCOUNT:phone-number/UUID` that matter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NumberArn<'t> {
    pub(super) partition: &'t str,
    pub(super) region: &'t str,
    pub(super) account_id: &'t str,
    /// The bare id, lower case.
    pub(super) id: String,
}

/// Reads the ARN of a Connect phone number.
pub(super) fn number_arn(text: &str) -> Result<NumberArn<'_>, Fault> {
    let fault = |what: &str| {
        Fault::new(format!("not the ARN of a Connect phone number: {what}"))
            .help("it is arn:aws:connect:REGION:ACCOUNT:phone-number/UUID, or give the UUID alone")
    };
    let parts: Vec<&str> = text.split(':').collect();
    let [_, partition, service, region, account_id, resource] = parts[..] else {
        return Err(fault("it has six parts with colons between them"));
    };
    if !is_partition(partition) {
        return Err(fault("its second part is aws, aws-us-gov or the like"));
    }
    if service != "connect" {
        return Err(fault("its third part is connect"));
    }
    if !is_region(region) {
        return Err(fault("its fourth part is a region"));
    }
    if !is_account_id(account_id) {
        return Err(fault("its fifth part is the account's twelve digits"));
    }
    let id = resource.strip_prefix("phone-number/").and_then(uuid);
    let id = id.ok_or_else(|| fault("it ends in phone-number/ and a UUID"))?;
    Ok(NumberArn { partition, region, account_id, id })
}

fn is_partition(text: &str) -> bool {
    text.strip_prefix("aws").is_some_and(|rest| rest.bytes().all(|b| b == b'-' || b.is_ascii_lowercase()))
}

/// Whether a text has the shape of a region: `eu-west-2`, `us-gov-east-1`.
pub(super) fn is_region(text: &str) -> bool {
    let mut parts = text.split('-').rev();
    let number =
        parts.next().is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let words: Vec<&str> = parts.collect();
    let lower = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    number
        && words.len() >= 2
        && words.iter().all(lower)
        && words.last().is_some_and(|first| first.len() >= 2)
}

/// Whether a text is an account's twelve digits.
pub(super) fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// The account of a role's ARN, where the text is one.
pub(super) fn role_account(text: &str) -> Option<&str> {
    let mut parts = text.splitn(6, ':');
    let (arn, partition, iam, region) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (account, role) = (parts.next()?, parts.next()?.strip_prefix("role/")?);
    let named =
        !role.is_empty() && role.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@/-".contains(&b));
    let sound = arn == "arn" && is_partition(partition) && iam == "iam" && region.is_empty();
    (sound && is_account_id(account) && named).then_some(account)
}

/// Whether a text is a number in E.164: a plus sign, then 2 to 15 digits of which the first is not 0.
pub(super) fn is_e164(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    (2..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}

/// Reads an address that requests are sent to: https, or http to this machine. The address is never repeated in the
/// fault, since it may carry a secret.
pub(super) fn address(text: &str) -> Result<Url, Fault> {
    let url = Url::parse(text).map_err(|cause| Fault::new(format!("not a web address: {cause}")))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            return Err(Fault::new("http is for loopback addresses only")
                .help("use https, or 127.0.0.1, [::1] or localhost for a test"));
        }
        _ => return Err(Fault::new("must begin with https://")),
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(Fault::new("the address names no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Fault::new("the address must not carry a user name or password"));
    }
    if url.fragment().is_some() {
        return Err(Fault::new("the address must not have a fragment (#…)"));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Whether an IP address is of this machine alone.
pub(super) fn is_loopback_ip(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Checks text that a person reads: short, on one line.
pub(super) fn line(text: &str, longest: usize) -> Result<String, Fault> {
    let length = text.chars().count();
    if length == 0 {
        return Err(Fault::new("must not be empty"));
    }
    if length > longest {
        return Err(Fault::new(format!("is {length} characters long, at most {longest} are allowed")));
    }
    if text.chars().any(char::is_control) {
        return Err(Fault::new("must not contain control characters"));
    }
    Ok(text.to_owned())
}

/// The fields of a cron line: their names, their least and greatest numbers.
const CRON: [(&str, u32, u32); 6] = [
    ("second", 0, 59),
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 7),
];

/// Checks a cron line of six fields. `None` is "none", which switches the schedule off.
pub(super) fn cron(text: &str) -> Result<Option<String>, Fault> {
    if text == "none" {
        return Ok(None);
    }
    let help =
        "six fields: second minute hour day-of-month month day-of-week, as in \"0 */5 * * * *\"; or \"none\"";
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    if fields.len() != CRON.len() {
        return Err(
            Fault::new(format!("a schedule has six fields, this one has {}", fields.len())).help(help)
        );
    }
    for (field, (name, least, most)) in fields.iter().zip(CRON) {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "*/,-?#".contains(c);
        if !field.chars().all(allowed) {
            return Err(Fault::new(format!("{field:?} is no {name} of a schedule")).help(help));
        }
        if field.split('/').skip(1).any(|step| step.trim_start_matches('0').is_empty()) {
            return Err(Fault::new(format!("the step of {field:?} must be 1 or more")));
        }
        let numbers = field.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
        for number in numbers.filter(|part| part.bytes().all(|b| b.is_ascii_digit())) {
            let value = number.parse::<u32>().unwrap_or(u32::MAX);
            if value > most || value < least {
                return Err(Fault::new(format!(
                    "the {name} of a schedule is {least} to {most}, not {number}"
                )));
            }
        }
    }
    Ok(Some(fields.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_number_and_a_unit() {
        let read = |text| duration(text).ok().map(|read| read.as_millis());
        assert_eq!(read("90s"), Some(90_000));
        assert_eq!(read("1h30m"), Some(5_400_000));
        assert_eq!(read("500ms"), Some(500));
        assert_eq!(read("2d"), Some(172_800_000));
        assert_eq!(read("0s"), Some(0));
        for bad in [
            "",
            "90",
            "-5s",
            "5 parsecs",
            "5parsecs",
            "s",
            "1.5h",
            " 5s",
            "5s ",
            "1h 30m",
            "5S",
            "٣s",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_is_spoken_is_read_back() {
        for millis in [1, 999, 1_000, 61_001, 3_600_000, 86_400_000, 90_061_001] {
            let duration_said = Duration::from_millis(millis);
            assert_eq!(duration(&spoken(duration_said)), Ok(duration_said));
        }
    }

    #[test]
    fn regions_numbers_and_roles_have_their_shapes() {
        for good in ["eu-west-2", "us-gov-east-1", "ap-southeast-12"] {
            assert!(is_region(good), "{good}");
        }
        for bad in ["", "eu", "eu-2", "e-west-2", "EU-west-2", "eu-west-", "eu--2", "eu-west-2a"] {
            assert!(!is_region(bad), "{bad}");
        }
        for good in ["+442071838750", "+12", "+123456789012345"] {
            assert!(is_e164(good), "{good}");
        }
        for bad in ["", "+", "+1", "442071838750", "+0123", "+1234567890123456", "+44 207", "+４４２"] {
            assert!(!is_e164(bad), "{bad}");
        }
        assert_eq!(role_account("arn:aws:iam::123456789012:role/path/name"), Some("123456789012"));
        assert_eq!(role_account("arn:aws:iam::123456789012:user/name"), None);
        assert_eq!(role_account("arn:aws:iam:eu-west-2:123456789012:role/name"), None);
    }

    #[test]
    fn an_arn_gives_the_bare_id_in_lower_case() {
        let read = number_arn(
            "arn:aws-us-gov:connect:us-gov-west-1:123456789012:phone-number/0C1F3B6E-0000-4000-8000-00000000000A",
        );
        assert_eq!(read.unwrap().id, "0c1f3b6e-0000-4000-8000-00000000000a");
        for bad in [
            "arn:aws:connect:eu-west-2:123456789012:phone-number/x",
            "arn:aws:s3:eu-west-2:123456789012:phone-number/0c1f3b6e-0000-4000-8000-00000000000a",
            "arn:aws:connect:eu-west-2:1:phone-number/0c1f3b6e-0000-4000-8000-00000000000a",
        ] {
            assert!(number_arn(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn http_is_for_loopback_only_and_addresses_carry_no_password() {
        for good in [
            "https://hooks.example.com/x?y=1",
            "http://127.9.0.1:4566",
            "http://[::1]:80/",
            "http://localhost/",
        ] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in [
            "http://example.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "https://u:p@example.com",
            "ftp://example.com",
            "https://example.com/#x",
            "example.com",
            "",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
        assert!(!address("https://u:hunter2@example.com").unwrap_err().message.contains("hunter2"));
    }

    #[test]
    fn cron_lines_have_six_fields_of_numbers_in_range() {
        for good in ["0 */5 * * * *", "0 0 8 * * MON-FRI", "0 30 3 1,15 JAN *", "0 0 0 ? * 5#2"] {
            assert_eq!(cron(good), Ok(Some(good.to_owned())));
        }
        assert_eq!(cron("none"), Ok(None));
        for bad in [
            "",
            "* * * * *",
            "60 * * * * *",
            "0 0 24 * * *",
            "0 0 0 0 * *",
            "*/0 * * * * *",
            "*/ * * * * *",
            "0 0 0 * * 8",
            "0 ; * * * *",
            "0 0 0 * 99999999999 *",
        ] {
            assert!(cron(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn suggestions_are_near_or_none() {
        let known = ["account", "labels", "retry_window"];
        assert_eq!(nearest("acount", known.into_iter()), Some("account"));
        assert_eq!(nearest("retry-window", known.into_iter()), Some("retry_window"));
        assert_eq!(nearest("zzz", known.into_iter()), None);
    }
}
