//! Looks with credentials whose account is checked first.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use claimwatch::aws::sign::{Scope, Unsigned, sign};
use claimwatch::clock::{Clock, SystemClock};
use claimwatch::core::inquiry::Errand;
use claimwatch::core::observation::{Observation, Reach};
use claimwatch::core::time::{Now, Tick};
use claimwatch::provider::{Aws, Look};
use claimwatch::sim;
use claimwatch::sim::scenario::Scenario;
use claimwatch::sim::served::Operation;
use claimwatch::sim::world::World;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::loopback::{Answer, PLENTY, Server, ask, aws_of, claimed, credentials, header, http, see};
use super::{kind, received_at};

pub(super) const OURS: &str = "123456789012";
pub(super) const THEIRS: &str = "210987654321";

/// A clock that is moved by hand.
#[derive(Clone, Default)]
pub(super) struct Moved(Arc<AtomicU64>);

impl Moved {
    pub(super) fn on(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for Moved {
    fn now(&self) -> Now {
        let passed = Duration::from_secs(self.0.load(Ordering::SeqCst));
        Now { wall: received_at().plus(passed), tick: Tick::ZERO.plus(passed) }
    }
}

pub(super) fn caller(id: &str) -> Answer {
    let body = format!(
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::{id}:user/x</Arn><Account>{id}</Account>\
         </GetCallerIdentityResult></GetCallerIdentityResponse>"
    );
    Answer::Send(http("200 OK", "", &body))
}

pub(super) fn refusal(status: &str, headers: &str, code: &str, message: &str) -> Answer {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    );
    Answer::Send(http(status, headers, &body))
}

fn fixed() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(credentials())
}

/// The account `prod-eu`, configured as [`OURS`].
pub(super) fn aws(server: &Server, clock: &Moved) -> Aws {
    aws_of(server.port, Some(OURS), fixed(), Arc::new(clock.clone()))
}

/// Takes looks one after another and tells what they saw, and who was asked in which order.
async fn looks(aws: &Aws, server: &Server, count: usize) -> (Vec<&'static str>, String) {
    let mut seen = Vec::new();
    for _ in 0..count {
        seen.push(kind(&see(aws, ask(PLENTY)).await));
    }
    (seen, asked(server))
}

/// `s` for each time that STS was asked, `c` for each time that Connect was.
pub(super) fn asked(server: &Server) -> String {
    server.requests().iter().map(|request| if request.starts_with("POST / ") { 's' } else { 'c' }).collect()
}

#[track_caller]
pub(super) fn assert_mismatch(seen: &Observation) {
    let Observation::Denied { reach: Reach::Scope, code, message: Some(message), .. } = seen else {
        panic!("{seen:?}");
    };
    assert_eq!(code, "AccountMismatch");
    assert_eq!(message, "the credentials are of account 210987654321, the configuration says 123456789012");
}

#[tokio::test]
async fn the_right_account_is_asked_for_once_and_in_the_form_that_sts_knows() {
    let server = Server::start([caller(OURS), claimed(), claimed(), claimed()]).await;
    let aws = aws(&server, &Moved::default());
    assert_eq!(looks(&aws, &server, 3).await, (vec!["seen"; 3], "sccc".to_owned()));

    let request = server.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(head.lines().next(), Some("POST / HTTP/1.1"));
    assert_eq!(body, "Action=GetCallerIdentity&Version=2011-06-15");
    let content = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    assert_eq!(header(head, content.0), Some(content.1));
    let url = format!("http://{}/", header(head, "host").unwrap());
    let unsigned = Unsigned { method: "POST", url: &url, headers: &[content], body: body.as_bytes() };
    let scope = Scope { region: "eu-west-2", service: "sts" };
    for (name, value) in sign(unsigned, &credentials(), scope, received_at()).unwrap() {
        assert_eq!(header(head, name), Some(value.as_str()), "{name}");
    }
}

#[tokio::test]
async fn without_an_account_id_sts_is_never_asked() {
    let server = Server::start([claimed(), claimed()]).await;
    let aws = aws_of(server.port, None, fixed(), Arc::new(Moved::default()));
    assert_eq!(looks(&aws, &server, 2).await, (vec!["seen"; 2], "cc".to_owned()));
}

#[tokio::test]
async fn with_another_accounts_credentials_the_service_is_not_asked_at_all() {
    let server = Server::start([caller(THEIRS), caller(THEIRS), caller(OURS), claimed()]).await;
    let (clock, ask) = (Moved::default(), || ask(PLENTY));
    let aws = aws(&server, &clock);
    for _ in 0..3 {
        assert_mismatch(&see(&aws, ask()).await);
        clock.on(Duration::from_hours(1));
    }
    assert_eq!(asked(&server), "s", "it is remembered");
    aws.refresh("prod-eu");
    assert_mismatch(&see(&aws, ask()).await);
    aws.refresh("prod-eu");
    assert_eq!(looks(&aws, &server, 1).await, (vec!["seen"], "sssc".to_owned()));
}

#[tokio::test]
async fn another_account_stands_until_sts_says_otherwise() {
    let server =
        Server::start([caller(THEIRS), Answer::Reset, caller(OURS), claimed(), Answer::Reset, claimed()])
            .await;
    let aws = aws(&server, &Moved::default());
    for _ in 0..2 {
        assert_mismatch(&see(&aws, ask(PLENTY)).await);
        aws.refresh("prod-eu");
    }
    assert_eq!(looks(&aws, &server, 1).await, (vec!["seen"], "sssc".to_owned()));
    aws.refresh("prod-eu");
    assert_eq!(looks(&aws, &server, 1).await, (vec!["seen"], "ssscsc".to_owned()), "it has said otherwise");
}

#[tokio::test]
async fn looks_that_begin_together_wait_for_one_question() {
    for (id, wanted, who) in [(OURS, "seen", "sccc"), (THEIRS, "denied", "s")] {
        let server = Server::start([caller(id), claimed(), claimed(), claimed()]).await;
        let aws = aws(&server, &Moved::default());
        let look = || see(&aws, ask(PLENTY));
        let seen = tokio::join!(look(), look(), look());
        assert_eq!([kind(&seen.0), kind(&seen.1), kind(&seen.2)], [wanted; 3]);
        assert_eq!(asked(&server), who);
    }
}

#[tokio::test]
async fn after_a_refresh_the_fresh_ones_are_checked() {
    let server = Server::start([caller(OURS), claimed(), caller(THEIRS)]).await;
    let aws = aws(&server, &Moved::default());
    assert_eq!(looks(&aws, &server, 1).await.0, ["seen"]);
    aws.refresh("prod-eu");
    assert_eq!(looks(&aws, &server, 1).await, (vec!["denied"], "scs".to_owned()));
}

#[tokio::test]
async fn where_sts_does_not_say_looks_go_on_and_it_is_asked_again_after_five_minutes() {
    let proxy = Answer::Send(http("401 Unauthorized", "", "<html>"));
    let of_connect = http("403 Forbidden", "x-amzn-errortype: InvalidSignatureException\r\n", "{}");
    for nothing in [
        Answer::Reset,
        refusal("400 Bad Request", "", "Throttling", "Rate exceeded"),
        refusal("403 Forbidden", "", "AccessDenied", "the VPC endpoint's policy"),
        refusal("503 Service Unavailable", "", "ServiceUnavailable", ""),
        Answer::Send(http("200 OK", "", "<Account>1234</Account>")),
        proxy,
        Answer::Send(of_connect),
    ] {
        let server =
            Server::start([nothing.clone(), claimed(), claimed(), nothing, claimed(), caller(THEIRS)]).await;
        let clock = Moved::default();
        let aws = aws(&server, &clock);
        assert_eq!(looks(&aws, &server, 2).await, (vec!["seen"; 2], "scc".to_owned()));
        clock.on(Duration::from_mins(5));
        assert_eq!(looks(&aws, &server, 1).await, (vec!["seen"], "sccsc".to_owned()));
        clock.on(Duration::from_secs(299));
        aws.refresh("prod-eu");
        assert_eq!(looks(&aws, &server, 1).await, (vec!["denied"], "sccscs".to_owned()));
    }
}

#[tokio::test]
async fn credentials_that_sts_refuses_are_denied_with_its_code() {
    for code in ["ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch"] {
        let refused = refusal("403 Forbidden", "", code, "No. The canonical string was AKIDEXAMPLE");
        let server = Server::start([refused, caller(OURS), claimed()]).await;
        let aws = aws(&server, &Moved::default());
        for _ in 0..2 {
            let wanted = Observation::Denied {
                reach: Reach::Scope,
                code: code.to_owned(),
                message: Some("No.".to_owned()),
                clock_offset_s: None,
            };
            assert_eq!(see(&aws, ask(PLENTY)).await, wanted);
        }
        aws.refresh("prod-eu");
        assert_eq!(looks(&aws, &server, 1).await, (vec!["seen"], "ssc".to_owned()));
    }
}

/// Diagnostics as lines.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Gathers what this thread says until the guard is dropped.
    pub(super) fn gather(&self) -> tracing::subscriber::DefaultGuard {
        let writer = self.clone();
        let subscriber =
            tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub(super) fn said(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().map_err(|_| std::io::ErrorKind::Other)?.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn that_sts_does_not_say_is_one_warning_until_it_does() {
    let lines = Lines::default();
    let _here = lines.gather();
    let reset = || Answer::Reset;
    let server =
        Server::start([reset(), claimed(), reset(), claimed(), caller(OURS), claimed(), reset(), claimed()])
            .await;
    let aws = aws(&server, &Moved::default());
    let mut warnings = Vec::new();
    for _ in 0..4 {
        assert_eq!(kind(&see(&aws, ask(PLENTY)).await), "seen");
        aws.refresh("prod-eu");
        warnings.push(lines.said().matches("account_id is not checked").count());
    }
    assert_eq!(warnings, [1, 1, 1, 2]);
}

#[tokio::test]
async fn the_simulated_sts_is_understood() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let clock = Arc::new(SystemClock::start());
    let world = World::new(Scenario::parse(sim::DEMO_SCENARIO).unwrap(), clock.now().wall);
    let (served, stop) = (world.served(), CancellationToken::new());
    let told = async {
        let keys =
            || SharedCredentialsProvider::new(Credentials::new("simulated", "simulated", None, None, "test"));
        let look = async |id| {
            let mut ask = ask(PLENTY);
            ask.key.id = "0c1f3b6e-7d2a-4b8e-9a41-5f6d2c3b1a01".into();
            ask.errand = Errand::Itself(ask.key.id.clone());
            see(&aws_of(port, Some(id), keys(), Arc::clone(&clock) as Arc<dyn Clock>), ask).await
        };
        assert_eq!(kind(&look(OURS).await), "seen");
        assert_eq!(kind(&look(THEIRS).await), "denied");
        assert_eq!(served.of(Operation::GetCallerIdentity), 2);
        assert_eq!(served.of(Operation::DescribePhoneNumber), 1);
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(sim::http::serve(listener, world, clock.clone(), stop.clone()), told);
    ended.unwrap();
}
