//! What comes over the wire, and what is made of it.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read should stop the test")]

mod clocks;
mod holders;
mod identity;
mod inquiries;
mod listing;
mod loopback;
mod renewal;
mod webhook;

use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::time::Duration;

use claimwatch::aws::Reply;
use claimwatch::core::inquiry::{Answer, Errand};
use claimwatch::core::observation::{Observation, Outage, Reach, Sighting, Word};
use claimwatch::core::order::{OrderKey, Provider};
use claimwatch::core::time::Timestamp;
use claimwatch::http::transport::Headers;
use claimwatch::provider;
use proptest::prelude::*;

const CHIME_ID: &str = "6f1c0d4e-3f0b-4c1e-9a57-0d0c8e0a1b2c";
const CONNECT_ID: &str = "0c1f3b6e-3f0b-4c1e-9a57-0d0c8e0a1b2c";

fn key(provider: Provider) -> OrderKey {
    let id = match provider {
        Provider::Chime => CHIME_ID,
        Provider::Connect => CONNECT_ID,
    };
    OrderKey { provider, account: "prod-eu".into(), region: "eu-west-2".into(), id: id.into() }
}

fn received_at() -> Timestamp {
    Timestamp::parse("2026-11-20T10:00:00Z").unwrap()
}

fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Reply {
    Reply {
        status,
        headers: Headers::from_pairs(headers.iter().copied()),
        body: body.into(),
        received_at: received_at(),
        clock_offset_s: None,
    }
}

/// The observation in an answer; a page where none was asked for is a failed test.
#[track_caller]
fn observed(answer: Answer) -> Observation {
    match answer {
        Answer::Observed(observation) => observation,
        Answer::Page(page) => panic!("nobody asked for a page: {page:?}"),
    }
}

/// What an answer says of the order itself.
#[track_caller]
fn observe(key: &OrderKey, reply: &Reply) -> Observation {
    observed(provider::answer(key, &Errand::Itself(key.id.clone()), reply))
}

/// An answer as it stands in a `.http` file.
fn parse(text: &str) -> Reply {
    let (head, body) = text.split_once("\n\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(&str, &str)> = lines.map(|line| line.split_once(": ").unwrap()).collect();
    reply(status, &headers, body.trim_end())
}

#[test]
fn every_recorded_answer_means_what_is_written_beside_it() {
    let mut cases = 0;
    for group in ["chime", "connect", "errors"] {
        cases += compare(group, |case, reply| {
            let asked_chime = group == "chime" || case.starts_with("chime-");
            let provider = if asked_chime { Provider::Chime } else { Provider::Connect };
            told(&observe(&key(provider), reply))
        });
    }
    assert!(cases >= 70, "fixtures were lost: {cases} left");
}

/// Compares what is told of each answer in a folder with what is written beside it. Returns how many there are.
#[track_caller]
fn compare(group: &str, told: impl Fn(&str, &Reply) -> String) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wire").join(group);
    let mut differing = Vec::new();
    let mut cases = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "http") {
            continue;
        }
        let case = path.file_stem().unwrap().to_string_lossy().into_owned();
        let seen = told(&case, &parse(&fs::read_to_string(&path).unwrap()));
        let expected = fs::read_to_string(path.with_extension("expected")).unwrap_or_default();
        if seen != expected {
            differing.push(format!("{group}/{case}: {seen}expected: {expected}"));
        }
        cases += 1;
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    cases
}

/// An observation in lines that a person can check: a word of the provider, then what it means.
fn told(observation: &Observation) -> String {
    fn word<T: Debug>(word: Option<&Word<T>>) -> String {
        match word {
            None => "-".to_owned(),
            Some(Word { raw, known: None }) => format!("{raw} = ?"),
            Some(Word { raw, known: Some(known) }) => format!("{raw} = {known:?}"),
        }
    }
    fn time(at: Option<Timestamp>) -> String {
        at.map_or_else(|| "-".to_owned(), |at| at.to_string())
    }
    match observation {
        Observation::Seen(Sighting::Chime(order)) => {
            let kind = if order.porting { "porting order" } else { "order" };
            let mut lines = vec![format!("{kind}: {}", word(order.status.as_ref()))];
            lines.extend(order.numbers.iter().map(|n| format!("{}: {}", n.number, word(n.status.as_ref()))));
            lines.push(format!("updated: {}", time(order.updated_at)));
            lines.push(format!("foc date: {}", time(order.foc_date)));
            lines.join("\n") + "\n"
        }
        Observation::Seen(Sighting::Connect(number)) => format!(
            "number: {}\nstatus: {}\nmessage: {}\ntarget: {}\n",
            number.number.as_deref().unwrap_or("-"),
            word(number.status.as_ref()),
            number.message.as_deref().unwrap_or("-"),
            number.target.as_deref().unwrap_or("-"),
        ),
        Observation::Missing { message, .. } => format!("Missing {{ message: {message:?} }}\n"),
        other @ (Observation::Throttled { .. }
        | Observation::Elsewhere(_)
        | Observation::Unavailable { .. }
        | Observation::Denied { .. }
        | Observation::Malformed { .. }
        | Observation::Elapsed
        | Observation::Acknowledged) => format!("{other:?}\n"),
    }
}

/// How an error code may be carried.
const CARRIERS: [&str; 4] = ["header", "code", "Code", "__type"];

fn carried(status: u16, carrier: &str, code: &str) -> Reply {
    if carrier == "header" {
        reply(status, &[("x-amzn-errortype", &format!("{code}:http://internal.amazon.com/"))], "{}")
    } else {
        let value = if carrier == "__type" { format!("com.amazonaws#{code}") } else { code.to_owned() };
        reply(status, &[], format!("{{\"{carrier}\":\"{value}\"}}"))
    }
}

/// The kind of an observation in a word.
fn kind(observation: &Observation) -> &'static str {
    match observation {
        Observation::Seen(_) => "seen",
        Observation::Missing { .. } => "missing",
        Observation::Throttled { .. } => "throttled",
        Observation::Unavailable { .. } => "unavailable",
        Observation::Denied { reach: Reach::Scope, .. } => "denied",
        Observation::Denied { reach: Reach::Order, .. } => "denied-order",
        Observation::Malformed { .. } => "malformed",
        Observation::Elsewhere(_) => "elsewhere",
        Observation::Elapsed | Observation::Acknowledged => "elapsed",
    }
}

#[test]
fn a_code_means_the_same_however_it_is_carried() {
    #[rustfmt::skip]
    let table = [
        (429, "Whatever", "throttled"),
        (429, "AccessDeniedException", "throttled"),
        (429, "ThrottledClientException", "throttled"),
        (400, "ThrottledClientException", "throttled"),
        (400, "ThrottlingException", "throttled"),
        (400, "SlowDown", "throttled"),
        (400, "LimitExceededException", "throttled"),
        (400, "ResourceLimitExceededException", "malformed"),
        (403, "ThrottlingException", "throttled"),
        (403, "SlowDown", "denied-order"),
        (503, "ThrottlingException", "unavailable"),
        (503, "SlowDown", "unavailable"),
        (500, "InternalFailure", "unavailable"),
        (502, "AccessDeniedException", "unavailable"),
        (504, "ResourceNotFoundException", "unavailable"),
        (599, "Whatever", "unavailable"),
        (404, "ResourceNotFoundException", "missing"),
        (404, "resourcenotfoundexception", "unavailable"),
        (404, "NotFoundException", "unavailable"),
        (404, "UnknownOperationException", "unavailable"),
        (404, "AccessDeniedException", "denied-order"),
        (400, "ResourceNotFoundException", "malformed"),
        (403, "AccessDenied", "denied-order"),
        (400, "AccessDeniedException", "denied-order"),
        (403, "ForbiddenException", "denied-order"),
        (403, "Whatever", "denied-order"),
        (403, "UnrecognizedClientException", "denied"),
        (403, "InvalidClientTokenId", "denied"),
        (403, "ExpiredToken", "denied"),
        (400, "ExpiredTokenException", "denied"),
        (403, "InvalidSignatureException", "denied"),
        (403, "SignatureDoesNotMatch", "denied"),
        (400, "IncompleteSignature", "denied"),
        (400, "RequestExpired", "denied"),
        (403, "RequestTimeTooSkewed", "denied"),
        (403, "OptInRequired", "denied"),
        (401, "Whatever", "denied"),
        (401, "ThrottlingException", "denied"),
        (500, "ExpiredTokenException", "denied"),
        (429, "ExpiredTokenException", "denied"),
        (400, "InvalidParameterException", "malformed"),
        (400, "InvalidToken", "malformed"),
        (405, "Whatever", "malformed"),
        (409, "IdempotencyException", "malformed"),
        (302, "Whatever", "malformed"),
        (204, "Whatever", "malformed"),
        (101, "Whatever", "malformed"),
        // The body of a 200 is read as a description, whatever a header says.
        (200, "ThrottlingException", "malformed"),
    ];
    for (status, code, expected) in table {
        for carrier in CARRIERS {
            let seen = observe(&key(Provider::Connect), &carried(status, carrier, code));
            assert_eq!(kind(&seen), expected, "{status} {code} in {carrier}: {seen:?}");
        }
    }
}

/// Statuses that are no description and no 401 or 429, which mean something by themselves.
const CLIENT_ERRORS: [u16; 7] = [400, 402, 403, 404, 405, 409, 499];
const SERVER_ERRORS: [u16; 6] = [500, 501, 502, 503, 504, 599];

/// Compares what both services mean by codes at statuses, however carried, with and without `Exception` at the end.
#[track_caller]
fn mean(codes: &[&str], statuses: &[u16], expected: &str) {
    for provider in [Provider::Chime, Provider::Connect] {
        for (code, status) in codes.iter().flat_map(|code| statuses.iter().map(move |status| (code, *status)))
        {
            for carrier in CARRIERS {
                let seen = observe(&key(provider), &carried(status, carrier, code));
                assert_eq!(kind(&seen), expected, "{provider:?}: {status} {code} in {carrier}: {seen:?}");
            }
        }
    }
}

#[test]
fn what_concerns_the_credentials_does_so_at_any_status() {
    const CODES: [&str; 9] = [
        "UnrecognizedClient",
        "InvalidClientTokenId",
        "ExpiredToken",
        "InvalidSignature",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "OptInRequired",
    ];
    let with_exception = CODES.map(|code| format!("{code}Exception"));
    let codes: Vec<&str> = CODES.into_iter().chain(with_exception.iter().map(String::as_str)).collect();
    for statuses in [&CLIENT_ERRORS[..], &SERVER_ERRORS, &[101, 204, 301, 302, 401, 429]] {
        mean(&codes, statuses, "denied");
    }
    // A 401 needs no code, and none makes it another thing.
    let others = [
        "",
        "Whatever",
        "AccessDenied",
        "Forbidden",
        "TooManyRequestsException",
        "ResourceNotFoundException",
    ];
    mean(&others, &[401], "denied");
    assert_eq!(kind(&observe(&key(Provider::Chime), &reply(401, &[], ""))), "denied");
}

#[test]
fn what_is_forbidden_may_be_so_for_one_order_only() {
    let codes = ["AccessDenied", "AccessDeniedException", "Forbidden", "ForbiddenException"];
    mean(&codes, &CLIENT_ERRORS, "denied-order");
    mean(&codes, &SERVER_ERRORS, "unavailable");
    mean(&codes, &[429], "throttled");
    mean(&["", "Whatever"], &[403], "denied-order");
}

#[test]
fn the_quota_is_told_from_an_outage_by_the_status_first() {
    let documented = ["ThrottledClientException", "ThrottlingException", "TooManyRequestsException"];
    mean(&documented, &CLIENT_ERRORS, "throttled");
    mean(&["", "Whatever", "ResourceNotFoundException", "InternalFailure"], &[429], "throttled");
    let elsewhere = [
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "TransactionInProgressException",
    ];
    mean(&elsewhere, &[400, 429], "throttled");
    let contradicted = ["", "Whatever", "ResourceNotFoundException", "NotFoundException"];
    for codes in [&documented[..], &elsewhere, &contradicted] {
        mean(codes, &SERVER_ERRORS, "unavailable");
    }
    mean(&["", "Whatever"], &[404], "unavailable");
    for status in SERVER_ERRORS.into_iter().chain([404]) {
        let seen = observe(&key(Provider::Connect), &reply(status, &[], ""));
        assert_eq!(kind(&seen), "unavailable", "{status}, bare");
    }
}

#[test]
fn only_an_answer_that_says_so_makes_anybody_wait() {
    let waits = |status, retry_after| {
        let seen = observe(&key(Provider::Chime), &reply(status, &[("retry-after", retry_after)], ""));
        let (Observation::Throttled { retry_after } | Observation::Unavailable { retry_after, .. }) = seen
        else {
            panic!("{seen:?}")
        };
        retry_after
    };
    assert_eq!(waits(429, "30"), Some(Duration::from_secs(30)));
    assert_eq!(waits(503, "Fri, 20 Nov 2026 10:02:00 GMT"), Some(Duration::from_mins(2)));
    assert_eq!(waits(503, "86400"), Some(Duration::from_hours(1)));
    assert_eq!(waits(429, "-1"), None);
}

#[test]
fn a_clock_that_is_off_is_told_with_the_refusal() {
    let mut answer = carried(403, "header", "RequestTimeTooSkewed");
    answer.clock_offset_s = Some(-600);
    let seen = observe(&key(Provider::Connect), &answer);
    assert!(matches!(seen, Observation::Denied { clock_offset_s: Some(-600), .. }), "{seen:?}");
}

#[test]
fn a_body_that_cannot_be_read_is_malformed_at_200_and_no_matter_elsewhere() {
    let deep = |open: &str, n: usize| open.repeat(n);
    let bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b" ".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"7".to_vec(),
        b"\"PhoneNumberOrder\"".to_vec(),
        b"<html><body>200 OK</body></html>".to_vec(),
        b"{\"PhoneNumberOrder\":{\"Status\":\"Proc".to_vec(),
        b"{\"PhoneNumberOrder\":{}} trailing".to_vec(),
        b"{\"PhoneNumberOrder\":[]}".to_vec(),
        b"{\"PhoneNumberOrder\":{\"Status\":\"\xff\xfe\"}}".to_vec(),
        b"{\"PhoneNumberOrder\":{\"Status\":\"\\ud800\"}}".to_vec(),
        b"{\"PhoneNumberOrder\":{\"FocDate\":1e999}}".to_vec(),
        b"\xef\xbb\xbf{\"PhoneNumberOrder\":{}}".to_vec(),
        vec![0; 1000],
        deep("[", 200_000).into_bytes(),
        deep("{\"PhoneNumberOrder\":", 50_000).into_bytes(),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let at = |status| kind(&observe(&key(Provider::Chime), &reply(status, &[], body.clone())));
        assert_eq!(at(200), "malformed", "{shown}");
        assert_eq!(at(429), "throttled", "{shown}");
        assert_eq!(at(503), "unavailable", "{shown}");
        assert_eq!(at(404), "unavailable", "{shown}");
        assert_eq!(at(403), "denied-order", "{shown}");
    }
}

#[test]
fn huge_numbers_are_no_times() {
    for number in ["1e300", "-1e300", "99999999999999999999999", "-99999999999999", "18446744073709551615"] {
        let body = format!("{{\"PhoneNumberOrder\":{{\"UpdatedTimestamp\":{number},\"FocDate\":{number}}}}}");
        assert_eq!(kind(&observe(&key(Provider::Chime), &reply(200, &[], body))), "seen", "{number}");
    }
}

#[test]
fn no_refusal_shows_a_secret() {
    let signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let message =
        format!("bad {signature} of AKIAIOSFODNN7EXAMPLE. AWS4-HMAC-SHA256 Credential=x, Signature=y");
    for status in [400, 401, 403, 404, 409, 429, 500] {
        for code in
            ["InvalidSignatureException", "AccessDeniedException", "ResourceNotFoundException", "Other"]
        {
            let body = serde_json::json!({ "__type": code, "message": message }).to_string();
            let shown = format!("{:?}", observe(&key(Provider::Connect), &reply(status, &[], body)));
            for secret in [signature, "AKIAIOSFODNN7EXAMPLE", "Signature="] {
                assert!(!shown.contains(secret), "{status} {code}: {shown}");
            }
        }
    }
}

fn any_provider() -> impl Strategy<Value = Provider> {
    prop_oneof![Just(Provider::Chime), Just(Provider::Connect)]
}

proptest! {
    #[test]
    fn nothing_that_comes_panics(
        provider in any_provider(),
        status in 0u16..1000,
        body in proptest::collection::vec(any::<u8>(), 0..200),
        values in proptest::collection::vec(".{0,40}", 4),
    ) {
        let names = ["x-amzn-errortype", "retry-after", "x-amz-retry-after", "date"];
        let headers: Vec<(&str, &str)> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
        let _any = observe(&key(provider), &reply(status, &headers, body));
    }

    #[test]
    fn any_values_in_known_members_are_a_sighting(
        status in any::<String>(),
        number in any::<String>(),
        time in prop_oneof![any::<f64>().prop_map(serde_json::Value::from), any::<String>().prop_map(serde_json::Value::from)],
    ) {
        let chime = serde_json::json!({ "PhoneNumberOrder": {
            "Status": status, "UpdatedTimestamp": time, "FocDate": time,
            "OrderedPhoneNumbers": [{ "E164PhoneNumber": number, "Status": status }],
        }});
        prop_assert_eq!(kind(&observe(&key(Provider::Chime), &reply(200, &[], chime.to_string()))), "seen");
        let connect = serde_json::json!({ "ClaimedPhoneNumberSummary": {
            "PhoneNumber": number, "PhoneNumberStatus": { "Status": status, "Message": number },
        }});
        prop_assert_eq!(kind(&observe(&key(Provider::Connect), &reply(200, &[], connect.to_string()))), "seen");
    }
}

#[test]
fn an_outage_keeps_its_status() {
    let seen = observe(&key(Provider::Chime), &reply(502, &[], "<html>"));
    assert_eq!(seen, Observation::Unavailable { outage: Outage::Status(502), retry_after: None });
}
