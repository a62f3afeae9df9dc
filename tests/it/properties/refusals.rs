//! What an answer that describes nothing means: the promises of `provider::classify`.

use std::time::Duration;

use claimwatch::aws::Reply;
use claimwatch::aws::fault::Fault;
use claimwatch::core::inquiry::{Answer, Errand};
use claimwatch::core::observation::{Observation, Outage, Reach};
use claimwatch::core::order::Provider;
use claimwatch::core::sweep::Listed;
use claimwatch::http::retry_after::LONGEST;
use claimwatch::http::transport::Headers;
use claimwatch::provider::classify::{Verdict, classify};
use claimwatch::provider::{self};

use super::http::{BOTH, assert_fit, errands, key, reply, shows_a_secret};

/// A code or a message (`http::mask::MAX_TEXT`).
const TEXT_MOST: usize = 500;
/// `HTTP 400: `, a code of 128 bytes, a colon, a message; or words before a message.
const DETAIL_MOST: usize = 700;

/// Judges the bytes as an answer to everything that is asked.
pub(crate) fn check(data: &[u8]) {
    let reply = reply(data);
    for provider in BOTH {
        let verdict = classify(provider, &reply);
        assert_eq!(verdict, classify(provider, &reply), "judged in two ways");
        match &verdict {
            Verdict::Described => assert_eq!(reply.status, 200),
            Verdict::Ruled(observation) => {
                assert_ne!(reply.status, 200);
                bounded(observation);
                by_status(provider, &reply, observation);
                the_place_of_the_code_does_not_matter(provider, &reply, observation);
                for errand in errands(provider) {
                    asked(provider, &errand, &reply, observation);
                }
                let listed = provider::page(provider, &reply);
                assert_eq!(listed, Listed::Observed(observation.clone()));
            }
        }
    }
}

/// Whatever is asked, a refusal is one; only that a list which is not found says nothing of the order.
fn asked(provider: Provider, errand: &Errand, reply: &Reply, ruled: &Observation) {
    let Answer::Observed(told) = provider::answer(&key(provider), errand, reply) else {
        panic!("a refusal has no page")
    };
    match (errand, ruled) {
        (Errand::Holders { .. }, Observation::Missing { .. }) => {
            assert!(matches!(told, Observation::Malformed { .. }), "{told:?}");
            bounded(&told);
        }
        _ => assert_eq!(told, *ruled),
    }
}

fn bounded(observation: &Observation) {
    let mut texts: Vec<(&str, usize)> = Vec::new();
    match observation {
        Observation::Missing { message, suspect } => {
            assert!(!suspect, "one answer says nothing of the others");
            texts.extend(message.as_deref().map(|message| (message, TEXT_MOST)));
        }
        Observation::Throttled { retry_after } | Observation::Unavailable { retry_after, .. } => {
            assert!(retry_after.unwrap_or(Duration::ZERO) <= LONGEST);
        }
        Observation::Denied { code, message, clock_offset_s, .. } => {
            assert_eq!(*clock_offset_s, None);
            texts.push((code, TEXT_MOST));
            texts.extend(message.as_deref().map(|message| (message, TEXT_MOST)));
        }
        Observation::Malformed { detail } => texts.push((detail, DETAIL_MOST)),
        Observation::Seen(_)
        | Observation::Elsewhere(_)
        | Observation::Elapsed
        | Observation::Acknowledged => {
            panic!("a refusal sees nothing: {observation:?}")
        }
    }
    for (text, most) in texts {
        assert_fit(text, most);
        assert!(!shows_a_secret(text), "{text}");
    }
}

/// DESIGN: 429 is the quota and nobody's fault; a 5xx or a bare 404 is an outage; a 401 is the credentials.
fn by_status(provider: Provider, reply: &Reply, observation: &Observation) {
    let (throttled, unavailable, missing, denied) = (
        matches!(observation, Observation::Throttled { .. }),
        matches!(observation, Observation::Unavailable { outage: Outage::Status(status), .. } if *status == reply.status),
        matches!(observation, Observation::Missing { .. }),
        matches!(observation, Observation::Denied { reach: Reach::Scope, .. }),
    );
    let denied_order = matches!(observation, Observation::Denied { reach: Reach::Order, .. });
    let fits = match reply.status {
        401 => denied,
        429 => throttled || denied,
        403 => throttled || denied || denied_order,
        404 => unavailable || missing || throttled || denied || denied_order,
        500.. => unavailable || denied,
        400..=499 => !unavailable && !missing,
        _ => denied || matches!(observation, Observation::Malformed { .. }),
    };
    assert!(fits, "HTTP {} is {observation:?}", reply.status);
    let own_word = match provider {
        Provider::Chime => "NotFoundException",
        Provider::Connect => "ResourceNotFoundException",
    };
    if missing {
        let code = Fault::read(&reply.headers, &reply.body).code;
        assert_eq!((reply.status, code.as_deref()), (404, Some(own_word)));
        let header = reply.headers.get("x-amzn-errortype").is_some_and(|text| text.contains(own_word));
        let body = String::from_utf8_lossy(&reply.body);
        // A word may be written with escapes in JSON.
        assert!(header || body.contains(own_word) || body.contains('\\'), "a bare 404 is no missing order");
    }
}

/// A code means the same in the header as in the body.
fn the_place_of_the_code_does_not_matter(provider: Provider, reply: &Reply, ruled: &Observation) {
    let Some(code) = Fault::read(&reply.headers, &reply.body).code else { return };
    let kept = ["date", "retry-after", "x-amz-retry-after"];
    let mut pairs: Vec<(&str, &str)> =
        kept.iter().filter_map(|name| Some((*name, reply.headers.get(name)?))).collect();
    pairs.push(("x-amzn-errortype", &code));
    let moved = Reply { headers: Headers::from_pairs(pairs), ..reply.clone() };
    assert_eq!(classify(provider, &moved), Verdict::Ruled(ruled.clone()), "{code:?} in the header");
}
