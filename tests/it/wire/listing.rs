//! What is asked of a list, as it is sent, and what is made of its pages.

use std::fmt::Write as _;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use claimwatch::aws::sign::{Scope, Unsigned, sign};
use claimwatch::clock::{Clock, SystemClock};
use claimwatch::core::observation::{ChimeStatus, Observation, Reach, Sighting, Source};
use claimwatch::core::order::Provider;
use claimwatch::core::sweep::{Listed, Page, Row};
use claimwatch::provider::{self, AskPage, Aws, Look};
use claimwatch::sim;
use claimwatch::sim::scenario::Scenario;
use claimwatch::sim::served::Operation;
use claimwatch::sim::world::World;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::identity::{self, Moved, OURS, THEIRS, asked, caller};
use super::loopback::{
    self, Answer as Told, PLENTY, SECRET, Server, TEN_MINUTES_LATER, TOKEN, credentials, header, http, skewed,
};
use super::{compare, kind, received_at, reply, told};

/// A token with all that a URL gives a meaning of its own, and more.
const ODD: &str = "a/b+c==&max-results=1?#% \"\u{e9}\n";

const BOTH: [Provider; 2] = [Provider::Chime, Provider::Connect];

fn ask(provider: Provider, token: Option<&str>) -> AskPage {
    AskPage { provider, account: "prod-eu".into(), token: token.map(str::to_owned), timeout: PLENTY }
}

/// The member of a body that holds the list, and the one of a row that holds its id.
fn members(provider: Provider) -> (&'static str, &'static str) {
    match provider {
        Provider::Chime => ("PhoneNumberOrders", "PhoneNumberOrderId"),
        Provider::Connect => ("ListPhoneNumbersSummaryList", "PhoneNumberId"),
    }
}

fn body(provider: Provider, ids: &[String], next: Option<&str>) -> String {
    let (list, id) = members(provider);
    let rows: Vec<Value> =
        ids.iter().map(|held| json!({ id: held, "Status": "Failed", "OrderedPhoneNumbers": [] })).collect();
    json!({ list: rows, "NextToken": next }).to_string()
}

fn ids(page: &Page) -> Vec<&str> {
    page.rows.iter().map(|(Row::Order { id, .. } | Row::Number { id })| id.as_str()).collect()
}

#[track_caller]
fn page(listed: Listed) -> Page {
    match listed {
        Listed::Page(page) => page,
        Listed::Observed(observation) => panic!("{observation:?}"),
    }
}

#[track_caller]
fn refused(listed: Listed) -> Observation {
    match listed {
        Listed::Observed(observation) => observation,
        Listed::Page(page) => panic!("{page:?}"),
    }
}

fn read(provider: Provider, body: impl Into<Vec<u8>>) -> Listed {
    provider::page(provider, &reply(200, &[], body))
}

#[test]
fn every_recorded_page_means_what_is_written_beside_it() {
    let cases = compare("lists", |case, reply| {
        let provider = if case.starts_with("chime-") { Provider::Chime } else { Provider::Connect };
        let page = match provider::page(provider, reply) {
            Listed::Observed(observation) => return told(&observation),
            Listed::Page(page) => page,
        };
        let mut lines = String::new();
        for row in page.rows {
            match row {
                Row::Number { id } => {
                    let _ = writeln!(lines, "{id} is there");
                }
                Row::Order { id, seen } => {
                    assert_eq!(seen.source, Source::List, "{case}");
                    let _ = write!(lines, "{id}\n{}", told(&Observation::Seen(Sighting::Chime(seen))));
                }
            }
        }
        let _ = writeln!(lines, "next: {}", page.next.as_deref().unwrap_or("-"));
        lines
    });
    assert!(cases >= 81, "fixtures were lost: {cases} left");
}

#[test]
fn more_rows_than_were_asked_for_are_not_read() {
    for (provider, most) in [(Provider::Chime, 100), (Provider::Connect, 1000)] {
        let all: Vec<String> = (0..=most).map(|n| format!("id-{n}")).collect();
        for count in [most - 1, most, most + 1] {
            let page = page(read(provider, body(provider, &all[..count], Some("t"))));
            assert_eq!(ids(&page), &all[..count.min(most)], "{provider:?}: {count}");
            assert_eq!(page.next.as_deref(), Some("t"));
        }
    }
    let senseless = {
        let id = |n| if n < 150 { json!(n) } else { json!("x") };
        let row = |n| json!({ "PhoneNumberOrderId": id(n), "Status": "Failed", "OrderedPhoneNumbers": [] });
        json!({ "PhoneNumberOrders": (0..200).map(row).collect::<Vec<_>>() })
    };
    let page = page(read(Provider::Chime, senseless.to_string()));
    assert_eq!(page.rows.len(), 50, "what is no row does not count");
}

#[test]
fn a_token_is_kept_as_it_came_up_to_the_longest_there_is() {
    for (provider, most) in [(Provider::Chime, 65_535), (Provider::Connect, 100_000)] {
        for token in [ODD, " a token ", " ", &"x".repeat(most), &"\u{e9}".repeat(most)] {
            let page = page(read(provider, body(provider, &[], Some(token))));
            assert_eq!(page.next.as_deref(), Some(token), "{provider:?}");
        }
        // It could not be asked with, and without it the rest of the list would seem not to be.
        let long = refused(read(provider, body(provider, &[], Some(&"x".repeat(most + 1)))));
        assert!(
            matches!(&long, Observation::Malformed { detail } if detail.contains("token") && detail.len() < 100),
            "{long:?}"
        );
    }
}

#[test]
fn no_refusal_of_a_page_shows_a_secret() {
    let message = "AKIAIOSFODNN7EXAMPLE in AWS4-HMAC-SHA256 Credential=x, Signature=y";
    for provider in BOTH {
        for status in [200, 400, 401, 403, 404, 409, 429, 500] {
            for code in ["ResourceNotFoundException", "NotFoundException", "AccessDeniedException", "Other"] {
                let body = json!({ "Message": message, "NextToken": message }).to_string();
                let seen = provider::page(provider, &reply(status, &[("x-amzn-errortype", code)], body));
                let shown = format!("{:?}", refused(seen));
                for secret in ["AKIAIOSFODNN7EXAMPLE", "Signature="] {
                    assert!(!shown.contains(secret), "{shown}");
                }
            }
        }
    }
}

fn any_provider() -> impl Strategy<Value = Provider> {
    prop_oneof![Just(Provider::Chime), Just(Provider::Connect)]
}

proptest! {
    #[test]
    fn nothing_that_comes_as_a_page_panics(
        provider in any_provider(),
        status in prop_oneof![4 => Just(200u16), 1 => 0u16..1000],
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let _any = provider::page(provider, &reply(status, &[], body));
    }

    #[test]
    fn any_values_in_known_members_are_a_page(
        provider in any_provider(),
        id in any::<String>(),
        arn in any::<Option<String>>(),
        status in any::<String>(),
        token in any::<Option<String>>(),
    ) {
        let (list, member) = members(provider);
        let row = json!({ member: id, "PhoneNumberArn": arn, "Status": status, "OrderedPhoneNumbers": [status] });
        let page = page(read(provider, json!({ list: [row], "NextToken": token }).to_string()));
        prop_assert!(ids(&page).iter().all(|id| !id.is_empty() && !id.contains('/')));
        prop_assert_eq!(page.next, token.filter(|token| !token.is_empty()));
    }
}

#[tokio::test]
async fn an_orders_page_is_one_signed_get() {
    let first = body(Provider::Chime, &["one".to_owned()], Some(ODD));
    let last = body(Provider::Chime, &["two".to_owned()], None);
    let server = Server::start([first, last].map(|body| Told::Send(http("200 OK", "", &body)))).await;
    let aws = loopback::aws(server.port);
    let first = page(aws.page(ask(Provider::Chime, None)).await);
    assert_eq!((ids(&first), first.next.as_deref()), (vec!["one"], Some(ODD)));
    let last = page(aws.page(ask(Provider::Chime, first.next.as_deref())).await);
    assert_eq!((ids(&last), last.next.as_deref()), (vec!["two"], None));

    let paths = [
        "/phone-number-orders?max-results=100",
        "/phone-number-orders?max-results=100&next-token=a%2Fb%2Bc%3D%3D%26max-results%3D1%3F%23%25%20%22%C3%A9%0A",
    ];
    let requests = server.requests();
    assert_eq!(requests.len(), paths.len());
    for (request, path) in requests.iter().zip(paths) {
        assert_eq!(request.lines().next(), Some(format!("GET {path} HTTP/1.1").as_str()));
        // What was received is signed again.
        let url = format!("http://{}{path}", header(request, "host").unwrap());
        let unsigned = Unsigned { method: "GET", url: &url, headers: &[], body: &[] };
        let scope = Scope { region: "eu-west-2", service: "chime" };
        for (name, value) in sign(unsigned, &credentials(), scope, received_at()).unwrap() {
            assert_eq!(header(request, name), Some(value.as_str()), "{name}");
        }
        assert_eq!((header(request, "content-type"), header(request, "content-length")), (None, None));
    }
}

#[tokio::test]
async fn a_numbers_page_is_one_signed_post() {
    let answers = [Some(ODD), None].map(|next| body(Provider::Connect, &["one".to_owned()], next));
    let server = Server::start(answers.map(|body| Told::Send(http("200 OK", "", &body)))).await;
    let aws = loopback::aws(server.port);
    let first = page(aws.page(ask(Provider::Connect, None)).await);
    assert_eq!((first.rows, first.next.as_deref()), (vec![Row::Number { id: "one".into() }], Some(ODD)));
    page(aws.page(ask(Provider::Connect, Some(ODD))).await);

    let bodies = [json!({ "MaxResults": 1000 }), json!({ "MaxResults": 1000, "NextToken": ODD })];
    let requests = server.requests();
    assert_eq!(requests.len(), bodies.len());
    for (request, wanted) in requests.iter().zip(bodies) {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!(head.lines().next(), Some("POST /phone-number/list HTTP/1.1"));
        assert_eq!(serde_json::from_str::<Value>(body).unwrap(), wanted);
        let content = ("content-type", "application/json");
        assert_eq!(header(head, content.0), Some(content.1));
        let url = format!("http://{}/phone-number/list", header(head, "host").unwrap());
        let unsigned = Unsigned { method: "POST", url: &url, headers: &[content], body: body.as_bytes() };
        let scope = Scope { region: "eu-west-2", service: "connect" };
        for (name, value) in sign(unsigned, &credentials(), scope, received_at()).unwrap() {
            assert_eq!(header(head, name), Some(value.as_str()), "{name}");
        }
    }
}

#[tokio::test]
async fn no_page_is_signed_with_another_accounts_credentials() {
    for provider in BOTH {
        let server = Server::start([caller(THEIRS)]).await;
        let seen = refused(identity::aws(&server, &Moved::default()).page(ask(provider, None)).await);
        assert!(
            matches!(&seen, Observation::Denied { reach: Reach::Scope, code, .. } if code == "AccountMismatch"),
            "{seen:?}"
        );
        assert_eq!(asked(&server), "s");

        let nobody = AskPage { account: "other".into(), ..ask(provider, None) };
        assert_eq!(kind(&refused(loopback::aws(server.port).page(nobody).await)), "denied");
    }
}

#[tokio::test]
async fn a_page_refused_for_its_time_is_signed_and_sent_once_more() {
    for provider in BOTH {
        let answer = Told::Send(http("200 OK", "", &body(provider, &["one".to_owned()], None)));
        let server = Server::start([skewed(TEN_MINUTES_LATER), answer]).await;
        let seen = page(loopback::aws(server.port).page(ask(provider, Some(ODD))).await);
        assert_eq!(ids(&seen), ["one"]);
        let requests = server.requests();
        let times: Vec<_> = requests.iter().map(|request| header(request, "x-amz-date").unwrap()).collect();
        assert_eq!(times, ["20261120T100000Z", "20261120T101000Z"]);
        assert_eq!(requests[0].lines().next(), requests[1].lines().next());
        assert_eq!(
            requests[0].split_once("\r\n\r\n").unwrap().1,
            requests[1].split_once("\r\n\r\n").unwrap().1
        );
    }
}

#[tokio::test]
async fn what_breaks_on_the_way_is_an_outage_and_holds_no_secret() {
    for provider in BOTH {
        let echo = format!("SIGNED {SECRET} {TOKEN}");
        for answer in [Told::Reset, Told::SendAndClose(echo.into_bytes())] {
            let server = Server::start([answer]).await;
            let aws = loopback::aws(server.port);
            let seen = refused(aws.page(ask(provider, Some(ODD))).await);
            assert_eq!(kind(&seen), "unavailable");
            assert_eq!(server.requests().len(), 1, "nothing is repeated");
            let shown = format!("{aws:?} {seen:?}");
            for secret in [SECRET, TOKEN, "AKIDEXAMPLE"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }
}

/// A world with 250 orders and 2,100 numbers, of which each third is gone.
fn crowd() -> String {
    let mut text =
        "[quota.connect]\nrate = 1000.0\nburst = 1000\n[quota.chime]\nrate = 1000.0\nburst = 1000\n"
            .to_owned();
    for n in 0..2100 {
        let gone = n % 3 == 2;
        if n < 250 {
            let _ = writeln!(
                text,
                "[[chime_order]]\nid = \"00000000-0000-4000-8000-{n:012}\"\ntimeline = [{{ at = \"0s\", status = \"Successful\", gone = {gone} }}]"
            );
        }
        let _ = writeln!(
            text,
            "[[connect_number]]\nid = \"00000000-0000-4000-9000-{n:012}\"\nnumber = \"+1206{n:07}\"\ntimeline = [{{ at = \"0s\", status = \"CLAIMED\", gone = {gone} }}]"
        );
    }
    text
}

/// All rows of a list, and how many pages they took.
async fn all(aws: &Aws, provider: Provider) -> (Vec<Row>, usize) {
    let (mut rows, mut token, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = page(aws.page(ask(provider, token.as_deref())).await);
        rows.extend(page.rows);
        pages += 1;
        token = page.next;
        if token.is_none() || pages > 10 {
            return (rows, pages);
        }
    }
}

#[tokio::test]
async fn the_simulated_lists_are_understood() {
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
        let there = |count: u32| (0..count).filter(|n| n % 3 != 2);

        let (orders, pages) = all(&aws, Provider::Chime).await;
        assert_eq!((pages, served.of(Operation::ListPhoneNumberOrders)), (2, 2));
        let wanted: Vec<String> = there(250).map(|n| format!("00000000-0000-4000-8000-{n:012}")).collect();
        assert_eq!(ids(&Page { rows: orders.clone(), next: None }), wanted);
        assert!(orders.iter().all(|row| matches!(row, Row::Order { seen, .. }
            if seen.status.as_ref().and_then(|word| word.known) == Some(ChimeStatus::Successful))));

        let (numbers, pages) = all(&aws, Provider::Connect).await;
        assert_eq!((pages, served.of(Operation::ListPhoneNumbersV2)), (2, 2));
        let wanted: Vec<Row> =
            there(2100).map(|n| Row::Number { id: format!("00000000-0000-4000-9000-{n:012}") }).collect();
        assert_eq!(numbers, wanted);

        for provider in BOTH {
            assert_eq!(kind(&refused(aws.page(ask(provider, Some(ODD))).await)), "malformed");
            assert_eq!(kind(&refused(account("other").page(ask(provider, None)).await)), "denied");
        }
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(sim::http::serve(listener, world, clock.clone(), stop.clone()), told);
    ended.unwrap();
}
