//! Looks at a server of our own on loopback, which answers as it is told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use claimwatch::aws::credentials::CredentialCache;
use claimwatch::aws::sign::{Scope, Unsigned, sign};
use claimwatch::aws::{Account, AccountSettings, Client};
use claimwatch::clock::Clock;
use claimwatch::core::inquiry::Errand;
use claimwatch::core::observation::{Observation, Outage, Reach, Sighting};
use claimwatch::core::order::Provider;
use claimwatch::core::time::{Now, Tick, Timestamp};
use claimwatch::http::transport::{MAX_BODY, Transport};
use claimwatch::provider::{Ask, Aws, Look};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{CONNECT_ID, key, kind, observed, received_at};

pub(super) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(super) const TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJ==";

/// Enough for anything on loopback; only a test that expects to wait gives less.
pub(super) const PLENTY: Duration = Duration::from_secs(30);

/// What the server does about one request.
#[derive(Clone)]
pub(super) enum Answer {
    /// Sends this and keeps the connection.
    Send(Vec<u8>),
    /// Sends this and closes.
    SendAndClose(Vec<u8>),
    /// Sends this and then nothing, for ever.
    SendAndStall(Vec<u8>),
    /// Closes so that the client sees a reset.
    Reset,
}

pub(super) fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub(super) fn claimed() -> Answer {
    let body = format!(
        r#"{{"ClaimedPhoneNumberSummary":{{"PhoneNumberId":"{CONNECT_ID}","PhoneNumberStatus":{{"Status":"CLAIMED"}}}}}}"#
    );
    Answer::Send(http("200 OK", "", &body))
}

#[derive(Default)]
struct Log {
    connections: usize,
    /// The requests, as they came.
    requests: Vec<String>,
}

/// A server that lives as long as this does.
pub(super) struct Server {
    pub(super) port: u16,
    log: Arc<Mutex<Log>>,
    _running: JoinSet<()>,
}

impl Server {
    pub(super) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Mutex::new(Log::default()));
        let answers = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
        let mut running = JoinSet::new();
        let kept = Arc::clone(&log);
        running.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                kept.lock().unwrap().connections += 1;
                connections.spawn(serve(stream, Arc::clone(&kept), Arc::clone(&answers)));
            }
        });
        Self { port, log, _running: running }
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.log.lock().unwrap().requests.clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.log.lock().unwrap().connections
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Log>>, answers: Arc<Mutex<VecDeque<Answer>>>) {
    loop {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { return };
            request.push(byte);
        }
        let mut request = String::from_utf8(request).unwrap();
        let length = header(&request, "content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        request.push_str(std::str::from_utf8(&body).unwrap());
        log.lock().unwrap().requests.push(request);
        let answer = answers.lock().unwrap().pop_front();
        match answer {
            // The client may have gone before all is sent: it has read enough.
            Some(Answer::Send(bytes)) => drop(stream.write_all(&bytes).await),
            Some(Answer::SendAndClose(bytes)) => return drop(stream.write_all(&bytes).await),
            Some(Answer::SendAndStall(bytes)) => {
                drop(stream.write_all(&bytes).await);
                std::future::pending::<()>().await;
            }
            Some(Answer::Reset) => return stream.set_zero_linger().unwrap(),
            None => return,
        }
    }
}

/// A clock that stands still.
struct Still(Timestamp);

impl Clock for Still {
    fn now(&self) -> Now {
        Now { wall: self.0, tick: Tick::ZERO }
    }
}

pub(super) fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", SECRET, Some(TOKEN.to_owned()), None, "test")
}

pub(super) fn aws(port: u16) -> Aws {
    aws_of(port, None, SharedCredentialsProvider::new(credentials()), Arc::new(Still(received_at())))
}

/// The account `prod-eu` at a port, of that id, with credentials from there.
pub(super) fn aws_of(
    port: u16,
    account_id: Option<&str>,
    provider: SharedCredentialsProvider,
    clock: Arc<dyn Clock>,
) -> Aws {
    aws_at((port, port), account_id, provider, clock)
}

/// [`aws_of`], with Chime and STS at the first port, and Connect at the second.
pub(super) fn aws_at(
    (chime, connect): (u16, u16),
    account_id: Option<&str>,
    provider: SharedCredentialsProvider,
    clock: Arc<dyn Clock>,
) -> Aws {
    let at = |port| Some(url::Url::parse(&format!("http://127.0.0.1:{port}")).unwrap());
    let settings = AccountSettings {
        region: "eu-west-2".into(),
        account_id: account_id.map(str::to_owned),
        chime_endpoint: at(chime),
        connect_endpoint: at(connect),
        ..AccountSettings::default()
    };
    let cache = CredentialCache::from_provider(provider);
    let account = Account::with_credentials("prod-eu", &settings, cache).unwrap();
    let client = Client::new(Transport::new().unwrap(), clock);
    Aws::new(client, BTreeMap::from([("prod-eu".to_owned(), account)]))
}

pub(super) fn ask(timeout: Duration) -> Ask {
    Ask { key: key(Provider::Connect), errand: Errand::Itself(CONNECT_ID.to_owned()), timeout }
}

/// A look at the order itself.
pub(super) async fn see(aws: &Aws, ask: Ask) -> Observation {
    observed(aws.look(ask).await)
}

async fn one_look(answer: Answer, timeout: Duration) -> (Observation, Vec<String>) {
    let server = Server::start([answer]).await;
    let seen = see(&aws(server.port), ask(timeout)).await;
    (seen, server.requests())
}

pub(super) fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.lines().find_map(|line| {
        let (known, value) = line.split_once(": ")?;
        known.eq_ignore_ascii_case(name).then_some(value)
    })
}

#[tokio::test]
async fn a_look_is_one_signed_get_on_a_connection_that_is_kept() {
    let server = Server::start([claimed(), claimed()]).await;
    let aws = aws(server.port);
    let arn = format!("arn:aws:connect:eu-west-2:123456789012:phone-number/{CONNECT_ID}");
    for _ in 0..2 {
        let seen = see(&aws, Ask { errand: Errand::Itself(arn.clone()), ..ask(PLENTY) }).await;
        assert!(matches!(seen, Observation::Seen(Sighting::Connect(_))), "{seen:?}");
    }
    assert_eq!(server.connections(), 1);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    let path =
        format!("/phone-number/arn%3Aaws%3Aconnect%3Aeu-west-2%3A123456789012%3Aphone-number%2F{CONNECT_ID}");
    let request = &requests[0];
    assert_eq!(request.lines().next(), Some(format!("GET {path} HTTP/1.1").as_str()));

    // What was received is signed again: the host and the path on the wire are the ones that were signed.
    let host = header(request, "host").unwrap();
    assert_eq!(host, format!("127.0.0.1:{}", server.port));
    let url = format!("http://{host}{path}");
    let scope = Scope { region: "eu-west-2", service: "connect" };
    let unsigned = Unsigned { method: "GET", url: &url, headers: &[], body: &[] };
    for (name, value) in sign(unsigned, &credentials(), scope, received_at()).unwrap() {
        assert_eq!(header(request, name), Some(value.as_str()), "{name}");
    }
    assert_eq!(header(request, "user-agent"), Some(concat!("claimwatch/", env!("CARGO_PKG_VERSION"))));
    for absent in
        ["referer", "cookie", "accept-encoding", "content-type", "content-length", "x-amz-content-sha256"]
    {
        assert_eq!(header(request, absent), None, "{absent}");
    }
}

#[tokio::test]
async fn chime_is_asked_under_its_own_name() {
    let server =
        Server::start([Answer::Send(http("200 OK", "", r#"{"PhoneNumberOrder":{"Status":"Successful"}}"#))])
            .await;
    let key = key(Provider::Chime);
    let ask = Ask { errand: Errand::Itself(key.id.clone()), key: key.clone(), timeout: PLENTY };
    let seen = see(&aws(server.port), ask).await;
    assert_eq!(kind(&seen), "seen");
    let request = server.requests().remove(0);
    assert!(request.starts_with(&format!("GET /phone-number-orders/{} HTTP/1.1", key.id)), "{request}");
    assert!(header(&request, "authorization").unwrap().contains("/eu-west-2/chime/aws4_request"));
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_a_timeout() {
    let little = Duration::from_millis(200);
    for begun in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"] {
        let (seen, _) = one_look(Answer::SendAndStall(begun.into()), little).await;
        assert_eq!(
            seen,
            Observation::Unavailable { outage: Outage::Timeout, retry_after: None },
            "{begun:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_an_outage_and_nothing_is_repeated() {
    for answer in
        [Answer::Reset, Answer::SendAndClose(Vec::new()), Answer::SendAndClose(b"SSH-2.0-x\r\n".to_vec())]
    {
        let (seen, requests) = one_look(answer, PLENTY).await;
        assert!(
            matches!(&seen, Observation::Unavailable { outage: Outage::Connection(text), .. } if !text.contains(CONNECT_ID)),
            "{seen:?}"
        );
        assert_eq!(requests.len(), 1);
    }
    let short = Answer::SendAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec());
    let (seen, _) = one_look(short, PLENTY).await;
    assert!(matches!(seen, Observation::Unavailable { outage: Outage::Body(_), .. }), "{seen:?}");
}

#[tokio::test]
async fn a_refused_connection_is_an_outage() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let seen = see(&aws(port), ask(PLENTY)).await;
    assert!(matches!(seen, Observation::Unavailable { outage: Outage::Connection(_), .. }), "{seen:?}");
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_not_read() {
    let declared = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", MAX_BODY + 1).into_bytes();
    let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    chunked.extend_from_slice(format!("{:x}\r\n", MAX_BODY + 1).as_bytes());
    chunked.extend(std::iter::repeat_n(b' ', MAX_BODY + 1));
    // Neither ends: only the limit can end the look.
    for answer in [declared, chunked] {
        let (seen, _) = one_look(Answer::SendAndStall(answer), PLENTY).await;
        assert!(
            matches!(&seen, Observation::Unavailable { outage: Outage::Body(text), .. } if text.contains("more than")),
            "{seen:?}"
        );
    }
    let full = Answer::Send(http("200 OK", "", &" ".repeat(MAX_BODY)));
    assert_eq!(kind(&one_look(full, PLENTY).await.0), "malformed");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start([claimed()]).await;
    let location = format!("Location: http://127.0.0.1:{}/\r\n", elsewhere.port);
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let (seen, requests) = one_look(Answer::Send(http(status, &location, "")), PLENTY).await;
        assert_eq!(kind(&seen), "malformed", "{status}");
        assert_eq!(requests.len(), 1);
    }
    assert_eq!(elsewhere.connections(), 0);
}

pub(super) fn skewed(date: &str) -> Answer {
    let headers = format!("Date: {date}\r\nx-amzn-ErrorType: InvalidSignatureException\r\n");
    let body = r#"{"message":"Signature expired: 20261120T100000Z is now earlier than 20261120T100500Z"}"#;
    Answer::Send(http("403 Forbidden", &headers, body))
}

pub(super) const TEN_MINUTES_LATER: &str = "Fri, 20 Nov 2026 10:10:00 GMT";

#[tokio::test]
async fn a_request_refused_for_its_time_is_signed_once_more_with_the_services() {
    let server = Server::start([skewed(TEN_MINUTES_LATER), claimed(), claimed()]).await;
    let aws = aws(server.port);
    assert_eq!(kind(&see(&aws, ask(PLENTY)).await), "seen");
    // The offset is remembered: the second look needs no refusal.
    assert_eq!(kind(&see(&aws, ask(PLENTY)).await), "seen");
    let times: Vec<String> =
        server.requests().iter().map(|request| header(request, "x-amz-date").unwrap().to_owned()).collect();
    assert_eq!(times, ["20261120T100000Z", "20261120T101000Z", "20261120T101000Z"]);
}

#[tokio::test]
async fn a_second_refusal_stands_and_says_how_far_the_clock_is_off() {
    let server = Server::start([skewed(TEN_MINUTES_LATER), skewed(TEN_MINUTES_LATER), claimed()]).await;
    let seen = see(&aws(server.port), ask(PLENTY)).await;
    assert!(
        matches!(&seen, Observation::Denied { reach: Reach::Scope, clock_offset_s: Some(600), .. }),
        "{seen:?}"
    );
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_refusal_by_a_service_whose_clock_agrees_is_not_signed_again() {
    let (seen, requests) = one_look(skewed("Fri, 20 Nov 2026 10:01:59 GMT"), PLENTY).await;
    assert!(matches!(&seen, Observation::Denied { clock_offset_s: None, .. }), "{seen:?}");
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn a_clock_that_is_set_right_is_believed_again() {
    let server = Server::start([
        skewed(TEN_MINUTES_LATER),
        claimed(),
        skewed("Fri, 20 Nov 2026 10:00:01 GMT"),
        claimed(),
    ])
    .await;
    let aws = aws(server.port);
    for _ in 0..2 {
        assert_eq!(kind(&see(&aws, ask(PLENTY)).await), "seen");
    }
    let last = server.requests().pop().unwrap();
    assert_eq!(header(&last, "x-amz-date"), Some("20261120T100001Z"));
}

#[tokio::test]
async fn an_account_that_nobody_configured_is_denied() {
    let mut ask = ask(PLENTY);
    ask.key.account = "other".into();
    let seen = see(&aws(1), ask).await;
    assert!(matches!(seen, Observation::Denied { reach: Reach::Scope, .. }), "{seen:?}");
}

#[tokio::test]
async fn no_debug_and_no_observation_holds_a_secret() {
    let answer = format!("SIGNED {SECRET} {TOKEN}");
    let server = Server::start([Answer::SendAndClose(answer.into_bytes())]).await;
    let aws = aws(server.port);
    let seen = see(&aws, ask(PLENTY)).await;
    let signature =
        header(&server.requests()[0], "authorization").unwrap().rsplit('=').next().unwrap().to_owned();
    let shown = format!("{aws:?} {seen:?}");
    for secret in [SECRET, TOKEN, "AKIDEXAMPLE", signature.as_str()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
