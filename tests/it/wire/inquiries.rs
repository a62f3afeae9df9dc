//! What is asked of Connect besides an order itself, as it is sent: who holds its number, and another id.

use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use claimwatch::aws::sign::{Scope, Unsigned, sign};
use claimwatch::clock::{Clock, SystemClock};
use claimwatch::core::inquiry::{Answer, Errand, Holder, Page};
use claimwatch::core::observation::{Observation, Reach, Sighting};
use claimwatch::core::order::Provider;
use claimwatch::provider::{Ask, Look};
use claimwatch::sim;
use claimwatch::sim::scenario::Scenario;
use claimwatch::sim::served::Operation;
use claimwatch::sim::world::World;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::holders::HELD;
use super::identity::{self, Moved, OURS, THEIRS, asked, caller};
use super::loopback::{
    self, Answer as Told, PLENTY, SECRET, Server, TEN_MINUTES_LATER, TOKEN, credentials, header, http, see,
    skewed,
};
use super::{CONNECT_ID, key, kind, observed, received_at};

const OTHER_ID: &str = "7a2d9c40-1b5e-4f63-8d21-3c4b5a697887";

fn ask(errand: Errand) -> Ask {
    Ask { errand, ..loopback::ask(PLENTY) }
}

fn holders(number: &str, token: Option<&str>) -> Ask {
    ask(Errand::Holders { number: number.to_owned(), token: token.map(str::to_owned) })
}

fn holder(id: &str) -> Holder {
    Holder { id: id.to_owned(), ask: format!("arn:aws:connect:eu-west-2:{OURS}:phone-number/{id}") }
}

fn listed(ids: &[&str], next: Option<&str>) -> Told {
    let rows: Vec<_> = ids
        .iter()
        .map(|id| serde_json::json!({ "PhoneNumberArn": holder(id).ask, "PhoneNumber": HELD }))
        .collect();
    let body = serde_json::json!({ "ListPhoneNumbersSummaryList": rows, "NextToken": next });
    Told::Send(http("200 OK", "", &body.to_string()))
}

#[tokio::test]
async fn a_list_is_asked_for_with_one_signed_post_a_page() {
    let server = Server::start([listed(&[CONNECT_ID], Some("a/b+c==\"")), listed(&[OTHER_ID], None)]).await;
    let aws = loopback::aws(server.port);
    let first = Page { holders: vec![holder(CONNECT_ID)], next: Some("a/b+c==\"".to_owned()) };
    let second = Page { holders: vec![holder(OTHER_ID)], next: None };
    assert_eq!(aws.look(holders(HELD, None)).await, Answer::Page(first.clone()));
    assert_eq!(aws.look(holders(HELD, first.next.as_deref())).await, Answer::Page(second));

    let bodies = [
        r#"{"MaxResults":1000,"PhoneNumberPrefix":"+44207183875"}"#,
        r#"{"MaxResults":1000,"NextToken":"a/b+c==\"","PhoneNumberPrefix":"+44207183875"}"#,
    ];
    let requests = server.requests();
    assert_eq!(requests.len(), bodies.len());
    for (request, wanted) in requests.iter().zip(bodies) {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!(head.lines().next(), Some("POST /phone-number/list HTTP/1.1"));
        assert_eq!(body, wanted);
        let content = ("content-type", "application/json");
        assert_eq!(header(head, content.0), Some(content.1));
        // What was received is signed again, its body and its media type included.
        let url = format!("http://{}/phone-number/list", header(head, "host").unwrap());
        let unsigned = Unsigned { method: "POST", url: &url, headers: &[content], body: body.as_bytes() };
        let scope = Scope { region: "eu-west-2", service: "connect" };
        for (name, value) in sign(unsigned, &credentials(), scope, received_at()).unwrap() {
            assert_eq!(header(head, name), Some(value.as_str()), "{name}");
        }
    }
}

#[tokio::test]
async fn a_prefix_has_eleven_digits_at_most() {
    for (number, prefix) in [
        ("+123456789012345", "+12345678901"),
        ("123456789012", "+12345678901"),
        ("+12065550111", "+12065550111"),
        ("+4930123", "+4930123"),
    ] {
        let server = Server::start([listed(&[], None)]).await;
        assert_eq!(
            loopback::aws(server.port).look(holders(number, None)).await,
            Answer::Page(Page::default())
        );
        let wanted = format!(r#"{{"MaxResults":1000,"PhoneNumberPrefix":"{prefix}"}}"#);
        assert!(server.requests()[0].ends_with(&wanted), "{number}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_malformed_and_not_sent() {
    let server = Server::start([]).await;
    let aws = loopback::aws(server.port);
    for number in ["", "+", "+0123", "nobody", "+12345678901234567"] {
        assert_eq!(kind(&observed(aws.look(holders(number, None)).await)), "malformed", "{number}");
    }
    let chime = key(Provider::Chime);
    for errand in [holders(HELD, None).errand, Errand::Holder(holder(OTHER_ID))] {
        let seen = see(&aws, Ask { key: chime.clone(), ..ask(errand) }).await;
        assert!(matches!(&seen, Observation::Malformed { detail } if detail.contains("Chime")), "{seen:?}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn another_id_is_described_by_its_arn_and_has_to_be_the_one() {
    let about = |id: &str| {
        let body = serde_json::json!({ "ClaimedPhoneNumberSummary": {
            "PhoneNumberId": id, "PhoneNumber": HELD, "PhoneNumberStatus": { "Status": "CLAIMED" },
        }});
        Told::Send(http("200 OK", "", &body.to_string()))
    };
    let gone = http("404 Not Found", "x-amzn-errortype: ResourceNotFoundException\r\n", "{}");
    let server = Server::start([about(OTHER_ID), about(CONNECT_ID), Told::Send(gone)]).await;
    let aws = loopback::aws(server.port);
    let other = || ask(Errand::Holder(holder(OTHER_ID)));
    let seen = see(&aws, other()).await;
    assert!(
        matches!(&seen, Observation::Seen(Sighting::Connect(number)) if number.number.as_deref() == Some(HELD)),
        "{seen:?}"
    );
    let path = format!("/phone-number/arn%3Aaws%3Aconnect%3Aeu-west-2%3A{OURS}%3Aphone-number%2F{OTHER_ID}");
    assert!(server.requests()[0].starts_with(&format!("GET {path} HTTP/1.1")));
    assert_eq!(kind(&see(&aws, other()).await), "malformed", "it is about the order itself");
    assert_eq!(kind(&see(&aws, other()).await), "missing");
}

#[tokio::test]
async fn no_inquiry_is_signed_with_another_accounts_credentials() {
    for errand in [holders(HELD, None).errand, Errand::Holder(holder(OTHER_ID))] {
        let server = Server::start([caller(THEIRS)]).await;
        let seen = see(&identity::aws(&server, &Moved::default()), ask(errand.clone())).await;
        assert!(
            matches!(&seen, Observation::Denied { reach: Reach::Scope, code, .. } if code == "AccountMismatch"),
            "{seen:?}"
        );
        assert_eq!(asked(&server), "s");

        let mut nobody = ask(errand);
        nobody.key.account = "other".into();
        assert_eq!(kind(&see(&loopback::aws(server.port), nobody).await), "denied");
    }
}

#[tokio::test]
async fn a_list_refused_for_its_time_is_signed_and_sent_once_more() {
    let server = Server::start([skewed(TEN_MINUTES_LATER), listed(&[OTHER_ID], None)]).await;
    let seen = loopback::aws(server.port).look(holders(HELD, Some("t"))).await;
    assert_eq!(seen, Answer::Page(Page { holders: vec![holder(OTHER_ID)], next: None }));
    let requests = server.requests();
    let bodies: Vec<&str> =
        requests.iter().map(|request| request.split_once("\r\n\r\n").unwrap().1).collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(header(&requests[1], "x-amz-date"), Some("20261120T101000Z"));
}

#[tokio::test]
async fn no_page_and_no_refusal_of_one_holds_a_secret() {
    let echo = format!("SIGNED {SECRET} {TOKEN}");
    let server = Server::start([
        Told::Send(http("200 OK", "", &format!(r#"{{"{SECRET}":"{TOKEN}"}}"#))),
        Told::Send(http("400 Bad Request", "", &format!(r#"{{"message":"{echo}"}}"#))),
        Told::Send(http(
            "404 Not Found",
            "x-amzn-errortype: ResourceNotFoundException\r\n",
            &format!(r#"{{"message":"{echo}"}}"#),
        )),
        Told::SendAndClose(echo.into_bytes()),
    ])
    .await;
    let aws = loopback::aws(server.port);
    for wanted in ["malformed", "malformed", "malformed", "unavailable"] {
        let seen = see(&aws, holders(HELD, None)).await;
        assert_eq!(kind(&seen), wanted);
        let shown = format!("{aws:?} {seen:?}");
        for secret in [SECRET, TOKEN, "AKIDEXAMPLE"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

/// A number of fifteen digits whose first eleven are those of a thousand others.
const CROWDED: &str = "+123456789010000";

/// A world in which two ids hold [`CROWDED`]: one stands on the first page, one on the second.
fn crowd() -> String {
    let number = |n: u32, held: &str, status: &str| {
        format!(
            "[[connect_number]]\nid = \"00000000-0000-4000-9000-{n:012}\"\nnumber = \"{held}\"\n\
             timeline = [{{ at = \"0s\", status = \"{status}\" }}]\n"
        )
    };
    let mut text =
        "[world]\nregion = \"eu-west-2\"\n[quota.connect]\nrate = 1000.0\nburst = 1000\n".to_owned();
    text += &number(0, CROWDED, "FAILED");
    for n in 1..=1000 {
        text += &number(n, &format!("+12345678901{n:04}"), "CLAIMED");
    }
    text += &number(1001, CROWDED, "CLAIMED");
    text
}

#[tokio::test]
async fn the_simulated_connect_is_understood() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let clock = Arc::new(SystemClock::start());
    let world = World::new(Scenario::parse(&crowd()).unwrap(), clock.now().wall);
    let (served, stop) = (world.served(), CancellationToken::new());
    let told = async {
        let keys = |secret| {
            SharedCredentialsProvider::new(Credentials::new("simulated", secret, None, None, "test"))
        };
        let account =
            |secret| loopback::aws_of(port, Some(OURS), keys(secret), Arc::clone(&clock) as Arc<dyn Clock>);
        let aws = account("simulated");
        let (mut held, mut token) = (Vec::new(), None);
        loop {
            let Answer::Page(page) = aws.look(holders(CROWDED, token.as_deref())).await else { panic!() };
            held.extend(page.holders);
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        let wanted = |n: u32| holder(&format!("00000000-0000-4000-9000-{n:012}"));
        assert_eq!(held, [wanted(0), wanted(1001)]);
        assert_eq!(served.of(Operation::ListPhoneNumbersV2), 2);

        let seen = see(&aws, ask(Errand::Holder(wanted(1001)))).await;
        assert!(
            matches!(&seen, Observation::Seen(Sighting::Connect(number)) if number.number.as_deref() == Some(CROWDED)),
            "{seen:?}"
        );
        assert_eq!(kind(&see(&aws, ask(Errand::Holder(wanted(1002)))).await), "missing");
        assert_eq!(kind(&see(&aws, holders(CROWDED, Some("x"))).await), "malformed");
        assert_eq!(kind(&see(&account("other"), holders(CROWDED, None)).await), "denied");
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(sim::http::serve(listener, world, clock.clone(), stop.clone()), told);
    ended.unwrap();
}
