//! Services of one account whose clocks do not agree: each is asked by its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::SharedCredentialsProvider;
use claimwatch::core::inquiry::Errand;
use claimwatch::core::order::Provider;
use claimwatch::provider::{Ask, Aws, Look};

use super::identity::{self, Moved, OURS, caller, refusal};
use super::loopback::{
    Answer, PLENTY, Server, TEN_MINUTES_LATER, aws, aws_of, claimed, header, http, see, skewed,
};
use super::{key, kind, received_at};

const TEN_MINUTES_EARLIER: &str = "Fri, 20 Nov 2026 09:50:00 GMT";

fn described(provider: Provider) -> Answer {
    match provider {
        Provider::Connect => claimed(),
        Provider::Chime => {
            Answer::Send(http("200 OK", "", r#"{"PhoneNumberOrder":{"Status":"Processing"}}"#))
        }
    }
}

/// A look that is answered with a description.
async fn look(aws: &Aws, provider: Provider) {
    let key = key(provider);
    let seen = see(aws, Ask { errand: Errand::Itself(key.id.clone()), key, timeout: PLENTY }).await;
    assert_eq!(kind(&seen), "seen");
}

/// The service and the time of day that each request was signed for.
fn signed(server: &Server) -> Vec<String> {
    let told = |request: &String| {
        let scope = header(request, "authorization").unwrap().split('/').nth(3).unwrap();
        let date = header(request, "x-amz-date").unwrap();
        format!("{scope} {}", &date[9..13])
    };
    server.requests().iter().map(told).collect()
}

/// Of which services the clock is known to differ from ours: of Chime, of Connect.
fn differ(aws: &Aws) -> (bool, bool) {
    (aws.clock_differs("prod-eu", Provider::Chime), aws.clock_differs("prod-eu", Provider::Connect))
}

#[tokio::test]
async fn each_service_is_signed_for_by_its_own_clock() {
    let (chime, connect) = (Provider::Chime, Provider::Connect);
    let server = Server::start([
        skewed(TEN_MINUTES_LATER),
        described(connect),
        skewed(TEN_MINUTES_EARLIER),
        described(chime),
        described(connect),
        described(chime),
    ])
    .await;
    let aws = aws(server.port);
    assert_eq!(differ(&aws), (false, false));
    look(&aws, connect).await;
    assert_eq!(differ(&aws), (false, true), "of the other one nothing is known");
    look(&aws, chime).await;
    assert_eq!(differ(&aws), (true, true));
    for provider in [connect, chime] {
        look(&aws, provider).await;
    }
    assert_eq!(
        signed(&server),
        ["connect 1000", "connect 1010", "chime 1000", "chime 0950", "connect 1010", "chime 0950"]
    );
    assert!(!aws.clock_differs("other", connect), "of an account that nobody configured nothing is known");
}

#[tokio::test]
async fn a_service_that_agrees_again_says_nothing_of_the_other() {
    let (chime, connect) = (Provider::Chime, Provider::Connect);
    let server = Server::start([
        skewed(TEN_MINUTES_LATER),
        described(connect),
        skewed(TEN_MINUTES_LATER),
        described(chime),
        skewed("Fri, 20 Nov 2026 10:00:01 GMT"),
        described(connect),
    ])
    .await;
    let aws = aws(server.port);
    for provider in [connect, chime, connect] {
        look(&aws, provider).await;
    }
    assert_eq!(differ(&aws), (true, false));
}

#[tokio::test]
async fn the_clock_of_sts_is_its_own_too() {
    let date = format!("Date: {TEN_MINUTES_LATER}\r\n");
    let late = "Signature not yet current: 20261120T101500Z is still later than 20261120T101000Z";
    let refused = refusal("403 Forbidden", &date, "SignatureDoesNotMatch", late);
    let server = Server::start([refused, caller(OURS), claimed(), caller(OURS), claimed()]).await;
    let aws = identity::aws(&server, &Moved::default());
    look(&aws, Provider::Connect).await;
    assert_eq!(differ(&aws), (false, false));
    aws.refresh("prod-eu");
    look(&aws, Provider::Connect).await;
    assert_eq!(signed(&server), ["sts 1000", "sts 1010", "connect 1000", "sts 1010", "connect 1000"]);
}

#[tokio::test]
async fn credentials_are_expired_when_the_service_that_is_asked_would_say_so() {
    let (chime, connect) = (Provider::Chime, Provider::Connect);
    let server =
        Server::start([skewed(TEN_MINUTES_LATER), described(connect), described(chime), described(connect)])
            .await;
    // They end at 10:08, by whatever clock: a service that is ten minutes ahead takes them no more.
    let millis = received_at().plus(Duration::from_mins(8)).as_millis();
    let end = UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap());
    let fetches = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&fetches);
    let provider = provide_credentials_fn(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async move { Ok(Credentials::new("AKIDEXAMPLE", "secret", None, Some(end), "test")) }
    });
    let provider = SharedCredentialsProvider::new(provider);
    let aws = aws_of(server.port, None, provider, Arc::new(Moved::default()));
    for (provider, wanted) in [(connect, 1), (chime, 1), (connect, 2)] {
        look(&aws, provider).await;
        assert_eq!(fetches.load(Ordering::SeqCst), wanted, "{provider:?}");
    }
}
