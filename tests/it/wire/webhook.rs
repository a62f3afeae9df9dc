//! A webhook at a server of our own on loopback, which answers as it is told.

use std::time::Duration;

use claimwatch::core::delivery::Posted;
use claimwatch::core::time::Timestamp;
use claimwatch::http::transport::Transport;
use claimwatch::sink::webhook::{Secret, Webhook};
use claimwatch::sink::{Parcel, Post};
use tokio::net::TcpListener;

use super::loopback::{Answer, Server, header, http};
use crate::support::Stopwatch;

/// The published example of a secret.
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// How long a post may take, as the sink has it: 15 s until the status, 1 s more for the text beside it.
const TIMEOUT: Duration = Duration::from_secs(15);

fn webhook(port: u16) -> Webhook {
    let url = url::Url::parse(&format!("http://127.0.0.1:{port}/hooks/T000?key=hidden")).unwrap();
    Webhook::new("pager".into(), url, vec![Secret::parse(SECRET).unwrap()], Transport::new().unwrap())
}

fn parcel(n: u64) -> Parcel {
    let json = format!(r#"{{"schema":1,"event":"window.opened","id":"x-{n}-0","message":"Zürich"}}"#);
    let at = Timestamp::parse("2026-11-22T23:12:10.999Z").unwrap();
    Parcel { store: 7, id: format!("x-{n}-0"), sink_seq: n, json, at }
}

async fn posted(answer: Answer) -> (Posted, Server) {
    let server = Server::start([answer]).await;
    let posted = webhook(server.port).post(parcel(1)).await;
    (posted, server)
}

fn failing(posted: &Posted) -> (&str, Option<u64>) {
    match posted {
        Posted::Busy { reason, retry_after } | Posted::Failing { reason, retry_after } => {
            (reason, retry_after.map(|wait| wait.as_secs()))
        }
        other @ (Posted::Taken | Posted::Refused { .. } | Posted::Gone { .. }) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_event_is_one_post_that_is_signed_as_it_is_sent() {
    let answers = [http("200 OK", "", "thanks"), http("204 No Content", "", ""), http("299 Fine", "", "")];
    let server = Server::start(answers.map(Answer::Send)).await;
    let webhook = webhook(server.port);
    for n in 1..=3 {
        assert_eq!(webhook.post(parcel(n)).await, Posted::Taken);
    }
    assert_eq!(server.connections(), 1, "the connection is kept");
    for (n, request) in (1..=3).zip(server.requests()) {
        assert!(request.starts_with("POST /hooks/T000?key=hidden HTTP/1.1\r\n"), "{request}");
        let get = |name| header(&request, name).unwrap_or_default();
        assert_eq!(get("content-type"), "application/cloudevents+json; charset=utf-8");
        assert_eq!(get("user-agent"), concat!("claimwatch/", env!("CARGO_PKG_VERSION")));
        assert_eq!(
            (get("webhook-id"), get("webhook-timestamp")),
            (format!("x-{n}-0").as_str(), "1795389130")
        );
        for absent in ["referer", "cookie", "accept-encoding", "authorization", "transfer-encoding"] {
            assert_eq!(header(&request, absent), None, "{absent}");
        }
        let body = request.split_once("\r\n\r\n").unwrap().1;
        let sent: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(sent["id"], format!("x-{n}-0"));
        assert_eq!(sent["source"], "urn:claimwatch:store:0000000000000007");
        assert!(body.ends_with(&format!(",\"data\":{}}}", parcel(n).json)), "{body}");
        // The library that signs is asked the other way round: from what came over the wire.
        let signer = standardwebhooks::Webhook::new(SECRET).unwrap();
        assert_eq!(
            get("webhook-signature"),
            signer.sign(&format!("x-{n}-0"), 1_795_389_130, body.as_bytes()).unwrap()
        );
    }
}

#[tokio::test]
async fn what_an_answer_means() {
    for (status, headers, expected) in [
        ("429 Too Many Requests", "Retry-After: 30\r\n", Some(30)),
        (
            "503 Service Unavailable",
            "Date: Sun, 06 Nov 1994 08:49:00 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
            Some(37),
        ),
        ("500 Oops", "Retry-After: -5\r\n", None),
        ("502 Bad Gateway", "Retry-After: soon\r\n", None),
        ("408 Request Timeout", "", None),
    ] {
        let (posted, _) = posted(Answer::Send(http(status, headers, "a\r\nb"))).await;
        let code = &status[..3];
        assert_eq!(failing(&posted), (format!("HTTP {code}: a b").as_str(), expected), "{status}");
    }
    for status in ["400 Bad Request", "401 Unauthorized", "404 Not Found", "413 Too Large", "415 Unsupported"]
    {
        let (posted, _) = posted(Answer::Send(http(status, "Retry-After: 30\r\n", "no"))).await;
        assert_eq!(posted, Posted::Refused { reason: format!("HTTP {}: no", &status[..3]) });
    }
    let (posted, _) = posted(Answer::Send(http("410 Gone", "", ""))).await;
    assert_eq!(posted, Posted::Gone { reason: "HTTP 410".into() });
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start([Answer::Send(http("200 OK", "", ""))]).await;
    let location = format!("Location: http://127.0.0.1:{}/\r\n", elsewhere.port);
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let (posted, server) = posted(Answer::Send(http(status, &location, ""))).await;
        let said = format!("HTTP {}, a redirect, which is not followed", &status[..3]);
        assert_eq!(failing(&posted), (said.as_str(), None));
        assert_eq!(server.requests().len(), 1);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn the_status_decides_however_the_body_ends() {
    let head = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 100\r\n\r\nhalf").into_bytes();
    let watch = Stopwatch::start();
    for answer in [Answer::SendAndClose, Answer::SendAndStall] {
        assert_eq!(posted(answer(head("200 OK"))).await.0, Posted::Taken);
        let (posted, _) = posted(answer(head("422 Unprocessable"))).await;
        assert_eq!(posted, Posted::Refused { reason: "HTTP 422: half".into() });
    }
    assert!(watch.elapsed() < TIMEOUT, "a body that hangs is not waited for: {:?}", watch.elapsed());
}

#[tokio::test]
async fn a_huge_body_is_cut() {
    let mut chunked = b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    chunked.extend_from_slice(b"4000000\r\n");
    chunked.extend(std::iter::repeat_n(b'x', 1 << 20));
    let declared =
        format!("HTTP/1.1 500 Oops\r\nContent-Length: {}\r\n\r\n{}", u64::MAX / 2, " no ".repeat(4096));
    for (answer, said) in
        [(chunked, "***".to_owned()), (declared.into_bytes(), "no ".repeat(67)[..200].to_owned())]
    {
        let (posted, _) = posted(Answer::SendAndStall(answer)).await;
        assert_eq!(failing(&posted), (format!("HTTP 500: {}", said.trim_end()).as_str(), None));
    }
}

#[tokio::test]
async fn no_answer_is_the_endpoints_failure_and_shows_no_address() {
    for answer in [
        Answer::Reset,
        Answer::SendAndClose(Vec::new()),
        Answer::SendAndClose(b"SSH-2.0-x\r\n".to_vec()),
        Answer::SendAndClose(b"HTTP/1.1 200 OK\r\n".to_vec()),
        Answer::SendAndClose(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
    ] {
        let (posted, server) = posted(answer).await;
        let (reason, retry_after) = failing(&posted);
        assert!(reason.starts_with("no connection: ") && retry_after.is_none(), "{reason}");
        assert!(!reason.contains("hidden") && !reason.contains("T000"), "{reason}");
        assert_eq!(server.requests().len(), 1, "nothing is repeated");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let posted = webhook(port).post(parcel(1)).await;
    assert!(failing(&posted).0.starts_with("no connection: "), "{posted:?}");
}

#[tokio::test]
async fn one_that_hangs_is_given_up() {
    let given_up = async |begun: &str| {
        let watch = Stopwatch::start();
        let (posted, _server) = posted(Answer::SendAndStall(begun.into())).await;
        assert_eq!(failing(&posted), ("no answer in time", None));
        let took = watch.elapsed();
        assert!(took >= TIMEOUT && took < TIMEOUT * 2, "{took:?}");
    };
    tokio::join!(given_up(""), given_up("HTTP/1.1 200 OK\r\nX: "));
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_and_not_sent() {
    let server = Server::start([Answer::Send(http("200 OK", "", ""))]).await;
    let webhook = webhook(server.port);
    let large =
        Parcel { json: format!(r#"{{"event":"x","label_a":"{}"}}"#, "x".repeat(30_000)), ..parcel(1) };
    let refused = webhook.post(large).await;
    assert!(
        matches!(&refused, Posted::Refused { reason } if reason.contains("cannot be read")),
        "{refused:?}"
    );
    assert_eq!(server.connections(), 0);
    assert_eq!(webhook.post(parcel(2)).await, Posted::Taken);
}
