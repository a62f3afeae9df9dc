//! Our signatures are those of AWS's published vectors and of botocore.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read should stop the test")]

use std::fs;
use std::path::{Path, PathBuf};

use aws_credential_types::Credentials;
use claimwatch::aws;
use claimwatch::aws::sign::{Scope, Unsigned, sign};
use claimwatch::core::time::Timestamp;
use serde_json::Value;

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sigv4-client")
}

fn credentials(key: &str, secret: &str, token: Option<&str>) -> Credentials {
    Credentials::new(key, secret, token.map(ToOwned::to_owned), None, "test")
}

fn added<'a>(headers: &'a [(&'static str, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

/// A request of the suite: method, target, headers, body.
struct Case {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

fn parse(text: &str) -> Case {
    let text = text.replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap();
    let (method, rest) = first.split_once(' ').unwrap();
    let target = rest.strip_suffix(" HTTP/1.1").unwrap();
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        if line.starts_with(' ') {
            // A continuation line, which HTTP once allowed.
            headers.last_mut().unwrap().1.push_str(line);
        } else {
            let (name, value) = line.split_once(':').unwrap();
            headers.push((name.to_lowercase(), value.to_owned()));
        }
    }
    Case { method: method.to_owned(), target: target.to_owned(), headers, body: body.to_owned() }
}

#[test]
fn awss_vectors_are_signed_as_aws_signs_them() {
    let mut cases = 0;
    for entry in fs::read_dir(data()).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
        let context: Value = serde_json::from_str(&read("context.json")).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let request = parse(&read("request.txt"));
        let wanted = parse(&read("header-signed-request.txt"));
        let wanted = |header: &str| {
            wanted.headers.iter().find(|(name, _)| name == header).map(|(_, value)| value.clone())
        };

        let mut headers: Vec<(&str, &str)> =
            request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        // Where the suite signs the body's hash as a header, the caller would give it, since only S3 needs it.
        let hash = wanted("x-amz-content-sha256");
        headers.extend(hash.as_deref().map(|hash| ("x-amz-content-sha256", hash)));
        let keys = &context["credentials"];
        let signed = sign(
            Unsigned {
                method: &request.method,
                url: &format!("https://example.amazonaws.com{}", request.target),
                headers: &headers,
                body: request.body.as_bytes(),
            },
            &credentials(
                &text(&keys["access_key_id"]),
                &text(&keys["secret_access_key"]),
                keys["token"].as_str(),
            ),
            Scope { region: &text(&context["region"]), service: &text(&context["service"]) },
            Timestamp::parse(&text(&context["timestamp"])).unwrap(),
        )
        .unwrap();
        for header in ["authorization", "x-amz-date", "x-amz-security-token"] {
            assert_eq!(added(&signed, header), wanted(header).as_deref(), "{name}: {header}");
        }
        cases += 1;
    }
    assert_eq!(cases, 28, "a folder was lost or added");
}

#[test]
fn requests_of_both_services_are_signed_as_botocore_signs_them() {
    let cases: Value =
        serde_json::from_str(&fs::read_to_string(data().join("botocore.json")).unwrap()).unwrap();
    let cases = cases.as_array().unwrap();
    for case in cases {
        let text = |member: &str| case[member].as_str().unwrap();
        let token = case["session_token"].as_str();
        let request = Unsigned { method: "GET", url: text("url"), headers: &[], body: &[] };
        let scope = Scope { region: text("region"), service: text("service") };
        let at = Timestamp::parse(text("at")).unwrap();
        let signed = sign(request, &credentials(KEY, SECRET, token), scope, at).unwrap();
        assert_eq!(added(&signed, "authorization"), Some(text("authorization")), "{}", text("url"));
        assert_eq!(added(&signed, "x-amz-security-token"), token);
    }
    assert_eq!(cases.len(), 4);
}

#[test]
fn a_path_segment_is_encoded_as_botocore_does() {
    let arn = "arn:aws:connect:eu-west-2:123456789012:phone-number/0c1f3b6e-3f0b-4c1e-9a57-0d0c8e0a1b2c";
    let path = format!("/phone-number/{}", aws::segment(arn));
    let cases = fs::read_to_string(data().join("botocore.json")).unwrap();
    assert!(cases.contains(&path), "{path}");
    assert_eq!(aws::segment("+15551234567"), "%2B15551234567");
    assert_eq!(aws::segment("a-b_c.d~e f%?#é"), "a-b_c.d~e%20f%25%3F%23%C3%A9");
}

#[test]
fn an_address_that_is_none_is_refused_without_a_word_of_it() {
    let request = Unsigned { method: "GET", url: "https://exa mple/SECRET", headers: &[], body: &[] };
    let scope = Scope { region: "eu-west-2", service: "connect" };
    let error = sign(request, &credentials(KEY, SECRET, None), scope, Timestamp::from_millis(0)).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("SECRET"));
}
