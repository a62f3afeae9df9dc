//! The signature check: AWS's own vectors, and AWS's own signer.

use claimwatch::core::time::Timestamp;
use claimwatch::sim::verify::{Keys, Refusal, verify};
use claimwatch::sim::wire::Request;

use super::{Ask, NUMBER, ask_with, at, body, describe, error_type, order, small};

const EXAMPLE: Keys<'static> =
    Keys { access: "AKIDEXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };

struct Vector {
    name: String,
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Vector {
    fn read(name: &str, text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
        let target = target.trim_end_matches(" HTTP/1.1");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_owned(), value.as_bytes().to_vec())
        };
        Self {
            name: name.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: lines.map(header).collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    fn all() -> Vec<Self> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sigv4");
        let mut all = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                let text = std::fs::read_to_string(path.join("header-signed-request.txt")).unwrap();
                all.push(Self::read(path.file_name().unwrap().to_str().unwrap(), &text));
            }
        }
        assert!(all.len() >= 16, "only {} vectors were found", all.len());
        all
    }

    fn verified(&self) -> Result<(), Refusal> {
        let keys = match self.name.as_str() {
            "double-encode-path" => Keys { access: "ANOTREAL", secret: "notrealrnrELgWzOk3IfjzDKtFBhDby" },
            _ => EXAMPLE,
        };
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let (method, path, query) = (self.method.as_str(), self.path.as_str(), self.query.as_str());
        let request = Request { method, path, query, headers, body: &self.body };
        verify(&request, keys, "service", Timestamp::parse("2015-08-30T12:36:00Z").unwrap())
    }
}

#[test]
fn aws_s_own_vectors_verify() {
    for vector in Vector::all() {
        assert_eq!(vector.verified(), Ok(()), "{}", vector.name);
    }
}

#[test]
fn a_vector_that_was_touched_anywhere_does_not() {
    for mut vector in Vector::all() {
        let name = vector.name.clone();
        vector.path.push('x');
        assert_eq!(vector.verified(), Err(Refusal::Mismatch), "{name}: path");
        vector.path.pop();
        vector.query.push_str("&z=1");
        assert_eq!(vector.verified(), Err(Refusal::Mismatch), "{name}: query");
        vector.query.truncate(vector.query.len() - 4);
        vector.body.push(b'x');
        assert_eq!(vector.verified(), Err(Refusal::Mismatch), "{name}: body");
        vector.body.pop();
        let host = vector.headers.iter_mut().find(|(name, _)| name == "Host").unwrap();
        host.1.push(b'x');
        assert_eq!(vector.verified(), Err(Refusal::Mismatch), "{name}: a signed header");
        vector.headers.iter_mut().find(|(name, _)| name == "Host").unwrap().1.pop();
        vector.headers.push(("x-amz-target".to_owned(), b"x".to_vec()));
        assert_eq!(vector.verified(), Err(Refusal::Mismatch), "{name}: an unsigned header that matters");
        vector.headers.pop();
        assert_eq!(vector.verified(), Ok(()), "{name}: put back");
    }
}

#[test]
fn what_aws_s_signer_signs_is_let_in() {
    let mut world = small("");
    let arn =
        format!("/phone-number/arn%3Aaws%3Aconnect%3Aeu-west-2%3A123456789012%3Aphone-number%2F{NUMBER}");
    let list = "/phone-number-orders?next-token=&max-results=5";
    for ask in [
        Ask::get("connect", &describe()),
        Ask::get("connect", &arn),
        Ask { token: Some("a+session/token=="), ..Ask::get("chime", &order()) },
        Ask::post("connect", "/phone-number/list", r#"{"PhoneNumberPrefix":"+44"}"#),
        Ask::post("sts", "/", "Action=GetCallerIdentity&Version=2011-06-15"),
    ] {
        assert_eq!(ask.of(&mut world, 0).status, 200, "{} {}", ask.method, ask.target);
    }
    // An empty token is a token, and not one of ours.
    assert_eq!(error_type(&Ask::get("chime", list).of(&mut world, 0)), "BadRequestException");
}

#[test]
fn each_way_of_being_wrong_has_its_code() {
    let mut world = small("");
    let target = describe();
    let right = Ask::get("connect", &target);
    let five = 5 * 60 * 1_000;
    for (ask, now, status, code, message) in [
        (
            Ask { secret: "other", ..Ask::get("connect", &target) },
            0,
            403,
            "InvalidSignatureException",
            "does not match",
        ),
        (
            Ask { key: "AKIAOTHER", ..Ask::get("connect", &target) },
            0,
            403,
            "UnrecognizedClientException",
            "invalid",
        ),
        (Ask::get("chime", &target), 0, 403, "InvalidSignatureException", "correct service: 'connect'"),
        (Ask::get("connect", &target), five + 1_000, 403, "InvalidSignatureException", "Signature expired: "),
        (
            Ask::get("connect", &target),
            -five - 1_000,
            403,
            "InvalidSignatureException",
            "Signature not yet current: ",
        ),
    ] {
        let reply = ask.of(&mut world, now);
        assert_eq!((reply.status, error_type(&reply)), (status, code));
        assert!(body(&reply)["message"].as_str().unwrap().contains(message), "{}", body(&reply));
    }
    for now in [five - 1_000, -five + 1_000] {
        assert_eq!(right.of(&mut world, now).status, 200, "inside the five minutes");
    }
    let reply = ask_with(&mut world, "GET", &target, &Vec::new(), "", at(0));
    assert_eq!((reply.status, error_type(&reply)), (403, "MissingAuthenticationTokenException"));
    let basic = vec![("authorization".to_owned(), "Basic x".to_owned())];
    let reply = ask_with(&mut world, "GET", &target, &basic, "", at(0));
    assert_eq!((reply.status, error_type(&reply)), (400, "IncompleteSignature"));
    // A token that was added after signing.
    let mut headers = right.headers("sim.example");
    headers.push(("x-amz-security-token".to_owned(), "x".to_owned()));
    let reply = ask_with(&mut world, "GET", &target, &headers, "", at(0));
    assert_eq!(error_type(&reply), "InvalidSignatureException");
    let sts =
        Ask { key: "AKIAOTHER", ..Ask::post("sts", "/", "Action=GetCallerIdentity&Version=2011-06-15") };
    let reply = sts.of(&mut world, 0);
    assert_eq!((reply.status, error_type(&reply)), (403, ""));
    assert!(String::from_utf8(reply.body).unwrap().contains("<Code>InvalidClientTokenId</Code>"));
}

#[test]
fn no_reply_and_no_debug_form_shows_a_secret() {
    let mut world = small("");
    let ask = Ask { secret: "hunter2", token: Some("sesame"), ..Ask::get("connect", "/phone-number/x") };
    let reply = ask.of(&mut world, 0);
    assert_eq!(reply.status, 403);
    let signature =
        ask.headers("sim.example").iter().find(|(name, _)| name == "authorization").unwrap().1.clone();
    let signature = signature.rsplit('=').next().unwrap().to_owned();
    let shown = format!("{reply:?}{}", String::from_utf8_lossy(&reply.body));
    for secret in ["hunter2", "sesame", signature.as_str()] {
        assert!(!shown.contains(secret));
    }
}
