//! What is read from an answer that describes something.

use std::collections::BTreeSet;

use claimwatch::aws::Reply;
use claimwatch::core::inquiry::{self, Answer, Errand};
use claimwatch::core::observation::{
    ChimeOrder, ChimeStatus, ConnectNumber, Observation, Progress, Sighting, Source, Word,
};
use claimwatch::core::order::Provider;
use claimwatch::core::sweep::{self, Listed, Row};
use claimwatch::core::time::Timestamp;
use claimwatch::http::transport::Headers;
use claimwatch::provider;
use serde_json::{Value, json};

use super::http::{BOTH, HELD, assert_fit, errands, key, reply, shows_a_secret};

/// A provider's word (`MAX_WORD` of `provider::lenient`).
const WORD_MOST: usize = 100;
/// A message or a target (`http::mask::MAX_TEXT`).
const TEXT_MOST: usize = 500;
/// Why a body cannot be read: a masked text, or an id of a hundred characters each escaped with ten, and words around it.
const DETAIL_MOST: usize = 1_200;

/// Reads the bytes as a good answer to everything that is asked.
pub(crate) fn check(data: &[u8]) {
    let reply = Reply { status: 200, ..reply(data) };
    for provider in BOTH {
        for errand in errands(provider) {
            let answer = provider::answer(&key(provider), &errand, &reply);
            let again = provider::answer(&key(provider), &errand, &reply);
            assert_eq!(answer, again, "{errand:?} is read in two ways");
            match answer {
                Answer::Observed(observation) => observed(provider, &errand, &observation),
                Answer::Page(page) => holders(&errand, &page),
            }
        }
        let listed = provider::page(provider, &reply);
        assert_eq!(listed, provider::page(provider, &reply), "a page is read in two ways");
        match listed {
            Listed::Observed(observation) => malformed(&observation),
            Listed::Page(page) => rows(provider, &page),
        }
    }
    the_list_says_what_the_look_says(&reply);
}

fn observed(provider: Provider, errand: &Errand, observation: &Observation) {
    match (observation, provider, errand) {
        (Observation::Seen(Sighting::Chime(seen)), Provider::Chime, Errand::Itself(_)) => {
            assert_eq!(seen.source, Source::Own);
            order(seen);
        }
        (
            Observation::Seen(Sighting::Connect(seen)),
            Provider::Connect,
            Errand::Itself(_) | Errand::Holder(_),
        ) => number(seen),
        (other, ..) => malformed(other),
    }
}

/// A good answer is a description or makes no sense; it is nothing else.
fn malformed(observation: &Observation) {
    let Observation::Malformed { detail } = observation else { panic!("{observation:?}") };
    assert_fit(detail, DETAIL_MOST);
    assert!(!shows_a_secret(detail), "{detail}");
}

fn order(order: &ChimeOrder) {
    word(order.status.as_ref(), ChimeStatus::parse);
    let mut numbers = BTreeSet::new();
    for ordered in &order.numbers {
        assert_e164(&ordered.number);
        assert!(numbers.insert(&ordered.number), "{} is there twice", ordered.number);
        word(ordered.status.as_ref(), |raw| match raw {
            "Processing" => Some(Progress::InProgress),
            "Acquired" => Some(Progress::Claimed),
            "Failed" => Some(Progress::Failed),
            _ => None,
        });
    }
    for at in [order.updated_at, order.foc_date].into_iter().flatten() {
        assert_eq!(Timestamp::parse(&at.to_string()), Some(at), "a time that cannot be stored");
    }
}

fn number(number: &ConnectNumber) {
    if let Some(number) = &number.number {
        assert_e164(number);
    }
    word(number.status.as_ref(), |raw| match raw {
        "IN_PROGRESS" => Some(Progress::InProgress),
        "CLAIMED" => Some(Progress::Claimed),
        "FAILED" => Some(Progress::Failed),
        _ => None,
    });
    for text in [&number.message, &number.target].into_iter().flatten() {
        assert_fit(text, TEXT_MOST);
    }
}

fn word<T: PartialEq + std::fmt::Debug>(word: Option<&Word<T>>, meant: impl Fn(&str) -> Option<T>) {
    if let Some(word) = word {
        assert_fit(&word.raw, WORD_MOST);
        assert_eq!(word.known, meant(&word.raw), "{word:?}");
    }
}

#[track_caller]
fn assert_e164(number: &str) {
    let digits = number.strip_prefix('+').unwrap_or_default();
    let sound = (2..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit());
    assert!(sound, "{number:?} is no number");
}

/// `MAX_HOLDERS` and `MAX_TOKEN` of `provider::holders`.
fn holders(errand: &Errand, page: &inquiry::Page) {
    assert!(matches!(errand, Errand::Holders { number, .. } if number == HELD), "nobody asked: {errand:?}");
    assert!(page.holders.len() <= 100);
    let mut ids = BTreeSet::new();
    for holder in &page.holders {
        assert_fit(&holder.id, TEXT_MOST);
        assert_fit(&holder.ask, TEXT_MOST);
        assert_eq!(holder.id, holder.id.to_ascii_lowercase());
        assert!(ids.insert(&holder.id), "{} holds it twice", holder.id);
        assert!(!shows_a_secret(&format!("{} {}", holder.id, holder.ask)), "{holder:?}");
    }
    assert!(page.next.as_ref().is_none_or(|token| (1..=100_000).contains(&token.chars().count())));
}

/// The bounds of `provider::listing`.
fn rows(provider: Provider, page: &sweep::Page) {
    let (rows_most, token_most) = match provider {
        Provider::Chime => (100, 65_535),
        Provider::Connect => (1000, 100_000),
    };
    assert!(page.rows.len() <= rows_most);
    for row in &page.rows {
        let id = match (provider, row) {
            (Provider::Chime, Row::Order { id, seen }) => {
                assert_eq!(seen.source, Source::List);
                order(seen);
                id
            }
            (Provider::Connect, Row::Number { id }) => id,
            (_, other) => panic!("a row of the other service: {other:?}"),
        };
        assert!(!id.is_empty() && *id == id.to_ascii_lowercase(), "{id:?}");
    }
    assert!(page.next.as_ref().is_none_or(|token| (1..=token_most).contains(&token.chars().count())));
}

/// One order, described by a look and by a row of a list, is the same but for where it was described.
fn the_list_says_what_the_look_says(reply: &Reply) {
    let Ok(Value::Object(mut members)) = serde_json::from_slice(&reply.body) else { return };
    let Some(described @ Value::Object(_)) = members.remove("PhoneNumberOrder") else { return };
    let told = |body: &Value| Reply {
        headers: Headers::default(),
        body: body.to_string().into_bytes(),
        ..reply.clone()
    };
    let key = key(Provider::Chime);
    let look = told(&json!({ "PhoneNumberOrder": described }));
    let look = provider::answer(&key, &Errand::Itself(key.id.clone()), &look);
    // A row is nested more deeply, and may be so too deeply.
    let list = told(&json!({ "PhoneNumberOrders": [described] }));
    let Listed::Page(page) = provider::page(Provider::Chime, &list) else { return };
    if let (Answer::Observed(Observation::Seen(Sighting::Chime(own))), [Row::Order { seen, .. }]) =
        (look, &page.rows[..])
    {
        assert_eq!(*seen, ChimeOrder { source: Source::List, ..own });
    }
}
