//! Answers out of bytes, in the form of the wire fixtures, and what is asked of them.

use claimwatch::aws::Reply;
use claimwatch::core::inquiry::{Errand, Holder};
use claimwatch::core::order::{OrderKey, Provider};
use claimwatch::core::time::Timestamp;
use claimwatch::http::transport::Headers;

pub(super) const BOTH: [Provider; 2] = [Provider::Chime, Provider::Connect];

/// The ids that the fixtures are about.
const CHIME_ID: &str = "6f1c0d4e-3f0b-4c1e-9a57-0d0c8e0a1b2c";
const CONNECT_ID: &str = "0c1f3b6e-3f0b-4c1e-9a57-0d0c8e0a1b2c";
const OTHER_ID: &str = "7a2d9c40-1b5e-4f63-8d21-3c4b5a697887";

/// The number that they are about.
pub(super) const HELD: &str = "+442071838750";

/// 2026-11-20T10:00:00Z, as in the fixtures.
pub(super) const RECEIVED_MS: i64 = 1_795_168_800_000;

/// A status line, headers and a body, as far as the bytes have them: nothing is refused, so that no input is lost.
pub(super) fn reply(data: &[u8]) -> Reply {
    let blank = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = blank.map_or((data, &b""[..]), |at| (&data[..at], &data[at + 2..]));
    let head = String::from_utf8_lossy(head);
    let status = head.lines().next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    Reply {
        status: status.unwrap_or(200),
        headers: Headers::from_pairs(head.lines().skip(1).filter_map(|line| line.split_once(": "))),
        body: body.to_vec(),
        received_at: Timestamp::from_millis(RECEIVED_MS),
        clock_offset_s: None,
    }
}

pub(super) fn key(provider: Provider) -> OrderKey {
    let id = match provider {
        Provider::Chime => CHIME_ID,
        Provider::Connect => CONNECT_ID,
    };
    OrderKey { provider, account: "prod-eu".into(), region: "eu-west-2".into(), id: id.into() }
}

/// Everything that a provider's orders are asked.
pub(super) fn errands(provider: Provider) -> Vec<Errand> {
    let mut errands = vec![Errand::Itself(key(provider).id)];
    match provider {
        Provider::Chime => {}
        Provider::Connect => {
            errands.push(Errand::Holders { number: HELD.into(), token: None });
            errands.push(Errand::Holder(Holder { id: OTHER_ID.into(), ask: OTHER_ID.into() }));
        }
    }
    errands
}

/// Whether a text could show a credential: what `http::mask` promises to leave out, said in other words.
pub(super) fn shows_a_secret(text: &str) -> bool {
    let joins = |c: char| c.is_ascii_alphanumeric() || "+/=%_".contains(c);
    let key_id = |run: &str, prefix: &str| {
        run.match_indices(prefix).any(|(at, _)| {
            run[at..].chars().take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit()).count() >= 16
        })
    };
    text.contains("AWS4-")
        || text.split(|c| !joins(c)).any(|run| run.len() >= 40 || key_id(run, "AKIA") || key_id(run, "ASIA"))
}

/// A text for people: something is in it, it is on one line, and at most so many characters long.
#[track_caller]
pub(super) fn assert_fit(text: &str, most: usize) {
    assert!(!text.is_empty(), "a text that says nothing");
    assert!(text.chars().count() <= most, "{} characters: {text:?}", text.chars().count());
    assert!(!text.chars().any(char::is_control), "control characters: {text:?}");
}
