use std::time::Duration;

use super::*;
use crate::core::record::Record;
use crate::http::transport::Headers;

const GOLDEN: &str = include_str!("../../../tests/data/webhook/envelope.json");

const AT: &str = "2026-11-22T23:12:10.999Z";

fn at() -> Timestamp {
    Timestamp::parse(AT).unwrap()
}

fn parcel(record: &Record) -> Parcel {
    let json = serde_json::to_string(record).unwrap();
    Parcel { store: 0x00c0_ffee, id: record.id.clone(), sink_seq: 42, json, at: at() }
}

fn opened() -> Record {
    Record {
        schema: 1,
        time: Timestamp::parse("2026-11-22T23:12:09.544Z"),
        level: "warn".into(),
        event: "window.opened".into(),
        id: "9a0364b9e99bb480dd25e1f0284c8555-3-1".into(),
        seq: 718,
        provider: Some("connect".into()),
        order_id: Some("0c1f3b6e-7d2a-4b8e-9a41-5f6d2c3b1a03".into()),
        reason: Some("\"Target\" instance\\is full\n".into()),
        labels: [("label_site".into(), "Zürich 🏔".into())].into(),
        message: "it must be claimed again".into(),
        ..Record::default()
    }
}

#[test]
fn the_envelope_is_what_it_always_was() {
    let body = envelope::body(&parcel(&opened())).unwrap();
    assert_eq!(body, GOLDEN.trim_end());
    let started = Record { event: "daemon.started".into(), id: "daemon-1-0".into(), ..Record::default() };
    let body = envelope::body(&parcel(&started)).unwrap();
    let attributes = body.split_once("\"data\"").unwrap().0;
    assert!(attributes.contains(r#""type":"claimwatch.daemon.started""#), "{body}");
    assert!(!attributes.contains("subject") && !attributes.contains("time\""), "it has none: {body}");
}

#[test]
fn the_record_goes_out_byte_for_byte() {
    // What reading and writing it again would change: numbers, escapes, order, unknown keys, spaces.
    let json =
        r#"{"zzz": 1.50, "event":"window.opened","a\u0041":1e3,"big":123456789012345678901,"id":"x-1-0"}"#;
    let odd = Parcel { json: json.into(), ..parcel(&opened()) };
    let body = envelope::body(&odd).unwrap();
    assert!(body.ends_with(&format!(",\"data\":{json}}}")), "{body}");
}

#[test]
fn what_is_too_large_is_cut_to_the_byte_reason_first() {
    let base = envelope::body(&parcel(&opened())).unwrap().len();
    let reason = |text: &str| Record { reason: Some(text.into()), ..opened() };
    let room = envelope::BODY_MAX - base + r#"\"Target\" instance\\is full\n"#.len();
    for (text, kept) in [
        ("x".repeat(room), "x".repeat(room)),
        ("x".repeat(room + 1), format!("{}…", "x".repeat(room - 3))),
        ("x".repeat(100_000), format!("{}…", "x".repeat(room - 3))),
        // Two bytes each, and six when they are escaped: never cut within one.
        ("é".repeat(room), format!("{}…", "é".repeat((room - 3) / 2))),
        ("\u{1}".repeat(room), format!("{}…", "\u{1}".repeat((room - 3) / 6))),
    ] {
        let body = envelope::body(&parcel(&reason(&text))).unwrap();
        assert!(body.len() <= envelope::BODY_MAX, "{}", body.len());
        let sent: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert!(sent["data"]["reason"] == kept, "{}", body.len());
        assert_eq!(sent["data"]["message"], "it must be claimed again");
    }
}

#[test]
fn the_message_is_cut_when_the_reason_is_gone() {
    let long = Record { message: "m".repeat(30_000), ..opened() };
    let sent = envelope::body(&parcel(&long)).unwrap();
    assert_eq!(sent.len(), envelope::BODY_MAX);
    let sent: serde_json::Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(sent["data"]["reason"], "…");
    assert!(sent["data"]["message"].as_str().unwrap().ends_with("m…"));
    assert_eq!(sent["data"]["label_site"], "Zürich 🏔");
}

#[test]
fn what_cannot_be_cut_and_what_cannot_be_read_is_refused() {
    let labels = (0..200).map(|n| (format!("label_{n:03}"), "v".repeat(100))).collect();
    let large = parcel(&Record { labels, ..opened() });
    let said = envelope::body(&large).unwrap_err();
    assert!(said.starts_with("it takes 2") && said.contains("20000 can be sent"), "{said}");
    let broken = Parcel { json: "{\"event\"".into(), ..parcel(&opened()) };
    assert!(envelope::body(&broken).unwrap_err().starts_with("the stored record cannot be read"));
}

fn url() -> Url {
    Url::parse("https://hooks.example.com/T000/B0%20longer-than-words?key=hunter2&other=longer-than-words-2")
        .unwrap()
}

fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Response {
    Response { status, headers: Headers::from_pairs(headers.iter().copied()), body: body.to_vec() }
}

#[test]
fn the_status_alone_decides() {
    for status in 100..1000 {
        let posted = judged(&answer(status, &[("retry-after", "7")], b"no"), &url(), at());
        let reason = |meaning: &str| format!("HTTP {status}{meaning}: no");
        let failing = |meaning: &str| Posted::Failing {
            reason: reason(meaning),
            retry_after: Some(Duration::from_secs(7)),
        };
        let expected = match status {
            200..=299 => Posted::Taken,
            410 => Posted::Gone { reason: reason("") },
            408 | 429 => Posted::Busy { reason: reason(""), retry_after: Some(Duration::from_secs(7)) },
            400..=499 => Posted::Refused { reason: reason("") },
            300..=399 => failing(", a redirect, which is not followed"),
            _ => failing(""),
        };
        assert_eq!(posted, expected, "{status}");
    }
}

#[test]
fn a_wait_is_counted_from_the_answers_own_date() {
    let wait = |text: &str| {
        let date = ("date", "Sun, 22 Nov 2026 20:00:00 GMT");
        match judged(&answer(503, &[("retry-after", text), date], b""), &url(), at()) {
            Posted::Failing { retry_after, .. } => retry_after.map(|wait| wait.as_secs()),
            other @ (Posted::Taken | Posted::Refused { .. } | Posted::Gone { .. } | Posted::Busy { .. }) => {
                unreachable!("{other:?}")
            }
        }
    };
    for (text, seconds) in [
        ("120", Some(120)),
        ("Sun, 22 Nov 2026 20:00:30 GMT", Some(30)),
        ("Sunday, 22-Nov-26 20:00:30 GMT", Some(30)),
        ("Sun Nov 22 20:00:30 2026", Some(30)),
        ("Sun, 22 Nov 2026 19:00:00 GMT", Some(0)),
        ("-1", None),
        ("soon", None),
        ("1.5", None),
    ] {
        assert_eq!(wait(text), seconds, "{text}");
    }
}

#[test]
fn a_reason_is_one_short_line_without_secrets() {
    let said = |body: &[u8]| reason(&answer(500, &[], body), &url());
    assert_eq!(said(b""), "HTTP 500");
    assert_eq!(said(b"\r\n \0"), "HTTP 500");
    assert_eq!(said(b"<h1>\x1b[31mNo\r\nroom\t</h1>"), "HTTP 500: <h1> [31mNo room </h1>");
    assert_eq!(said(b"\xff\xfe"), "HTTP 500: \u{fffd}\u{fffd}");
    assert_eq!(said("é".repeat(2000).as_bytes()), format!("HTTP 500: {}", "é".repeat(200)));
    assert_eq!(said(b"bad whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"), "HTTP 500: bad ***");
    // What lets in may be in the address, and receivers repeat that.
    for (repeated, shown) in [
        ("cannot POST /T000/B0%20longer-than-words", "cannot POST ***"),
        ("cannot POST /T000/B0 longer-than-words", "cannot POST ***"),
        ("no B0%20longer-than-words here", "no *** here"),
        ("POST /T000/B0%20longer-than-words?key=hunter2&other=longer-than-words-2 HTTP", "POST ***?*** HTTP"),
        ("bad longer-than-words-2, T000", "bad ***, T000"),
    ] {
        assert_eq!(said(repeated.as_bytes()), format!("HTTP 500: {shown}"));
    }
    assert_eq!(said(b"not v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="), "HTTP 500: not v1,***");
}

#[test]
fn both_secrets_sign_and_nothing_shows_them() {
    let texts = ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"];
    let of = |texts: &[&str]| {
        let secrets = texts.iter().map(|text| Secret::parse(text).unwrap()).collect();
        let url = Url::parse("https://hooks.example.com/T000/B000?key=hidden").unwrap();
        Webhook::new("pager".into(), url, secrets, Transport::new().unwrap())
    };
    let signature = |texts: &[&str]| {
        let headers = of(texts).headers("x-1-0", at(), "{}").unwrap();
        let value = |name: &str| headers.iter().find(|(known, _)| *known == name).unwrap().1.clone();
        assert_eq!(
            (value("webhook-id").as_str(), value("webhook-timestamp").as_str()),
            ("x-1-0", "1795389130")
        );
        value("webhook-signature")
    };
    let [first, second] = texts.map(|text| signature(&[text]));
    assert!(first.starts_with("v1,") && first != second);
    assert_eq!(signature(&texts), format!("{first} {second}"));
    assert_eq!(
        format!("{:?}", of(&texts)),
        r#"Webhook { name: "pager", host: Some("hooks.example.com"), .. }"#
    );
}
