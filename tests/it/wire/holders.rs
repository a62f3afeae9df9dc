//! What is made of a list of numbers: who holds the one that was asked for.

use std::fmt::Write as _;

use claimwatch::aws::Reply;
use claimwatch::core::inquiry::{Answer, Errand, Page};
use claimwatch::core::order::Provider;
use claimwatch::provider;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{CONNECT_ID, compare, key, kind, observed, reply, told};

pub(super) const HELD: &str = "+442071838750";

fn holders() -> Errand {
    Errand::Holders { number: HELD.to_owned(), token: None }
}

fn answer(reply: &Reply) -> Answer {
    provider::answer(&key(Provider::Connect), &holders(), reply)
}

fn page(body: &Value) -> Page {
    match answer(&reply(200, &[], body.to_string())) {
        Answer::Page(page) => page,
        Answer::Observed(observation) => panic!("{observation:?}"),
    }
}

fn row(id: &str, number: &str) -> Value {
    json!({ "PhoneNumberId": id, "PhoneNumber": number })
}

#[test]
fn every_recorded_list_means_what_is_written_beside_it() {
    let cases = compare("holders", |_, reply| match answer(reply) {
        Answer::Observed(observation) => told(&observation),
        Answer::Page(page) => {
            let mut lines = String::new();
            for holder in &page.holders {
                let _ = writeln!(lines, "{} by {}", holder.id, holder.ask);
            }
            let _ = writeln!(lines, "next: {}", page.next.as_deref().unwrap_or("-"));
            lines
        }
    });
    assert!(cases >= 33, "fixtures were lost: {cases} left");
}

#[test]
fn a_token_is_kept_as_it_came_up_to_the_longest_there_is() {
    let next = |token: &str| page(&json!({ "ListPhoneNumbersSummaryList": [], "NextToken": token })).next;
    for token in [" a token ", "\u{e9}\n", &"\u{e9}".repeat(100_000)] {
        assert_eq!(next(token).as_deref(), Some(token));
    }
    assert_eq!(next(&"x".repeat(100_001)), None);
}

#[test]
fn of_one_page_a_hundred_holders_are_kept() {
    let rows: Vec<Value> = (0..250).map(|n| row(&format!("{CONNECT_ID}-{}", n / 2), HELD)).collect();
    let page = page(&json!({ "ListPhoneNumbersSummaryList": rows, "NextToken": "t" }));
    assert_eq!(page.holders.len(), 100);
    assert_eq!(page.holders[99].id, format!("{CONNECT_ID}-99"));
    assert_eq!(page.next.as_deref(), Some("t"));
}

#[test]
fn a_list_that_cannot_be_read_is_malformed() {
    for body in [b"".to_vec(), "[".repeat(200_000).into_bytes(), b"{\"\xff\":1}".to_vec(), vec![0; 100]] {
        assert_eq!(kind(&observed(answer(&reply(200, &[], body)))), "malformed");
    }
}

#[test]
fn no_refusal_of_a_list_shows_a_secret_or_is_about_the_order() {
    let body = json!({ "Message": "AKIAIOSFODNN7EXAMPLE in AWS4-HMAC-SHA256 Credential=x, Signature=y" });
    for status in [400, 401, 403, 404, 409, 429, 500] {
        for code in ["ResourceNotFoundException", "NotFoundException", "AccessDeniedException", "Other"] {
            let seen = observed(answer(&reply(status, &[("x-amzn-errortype", code)], body.to_string())));
            assert_ne!(kind(&seen), "missing", "{status} {code}");
            let shown = format!("{seen:?}");
            for secret in ["AKIAIOSFODNN7EXAMPLE", "Signature="] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }
}

proptest! {
    #[test]
    fn nothing_that_is_listed_panics_or_is_another_number(
        status in prop_oneof![4 => Just(200u16), 1 => 0u16..1000],
        id in any::<String>(),
        arn in any::<Option<String>>(),
        number in prop_oneof![Just(HELD.to_owned()), any::<String>()],
        token in any::<Option<String>>(),
    ) {
        let body = json!({
            "ListPhoneNumbersSummaryList": [{ "PhoneNumberId": id, "PhoneNumberArn": arn, "PhoneNumber": number }],
            "NextToken": token,
        });
        if let Answer::Page(page) = answer(&reply(status, &[], body.to_string())) {
            prop_assert!(number == HELD || page.holders.is_empty());
            prop_assert!(page.holders.iter().all(|holder| !holder.id.is_empty() && !holder.ask.is_empty()));
        }
    }
}
