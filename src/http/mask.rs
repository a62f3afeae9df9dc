//! Makes foreign text fit to be shown: no control characters, no great length, nothing that could be a credential.

use std::borrow::Cow;
use std::error::Error;

/// What stands for a part that was left out.
pub const HIDDEN: &str = "***";

/// A text for people is not longer, in characters: enough for the longest documented message (255) and its like.
pub const MAX_TEXT: usize = 500;

/// A run of Base64 or hexadecimal characters from this length on may be a secret: a secret access key has 40, a
/// signature 64, a session token hundreds. A UUID has runs of 12 at most, an ARN's parts end at colons and hyphens.
const SECRET_RUN: usize = 40;

/// Access key ids begin with one of these and have 16 characters or more ("IAM identifiers" in the IAM user guide).
const KEY_ID_PREFIXES: [&str; 2] = ["AKIA", "ASIA"];

/// The shortest access key id.
const KEY_ID_RUN: usize = 16;

/// A webhook's secret begins with it (Standard Webhooks 1.0.0).
const SECRET_PREFIX: &str = "whsec_";

/// Where a quoted `Authorization` header begins: what follows is of no use to people.
const SCHEME: &str = "AWS4-";

/// White space and control characters become single spaces, and at most [`MAX_TEXT`] characters stay.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_TEXT));
    let words = text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
    for word in words {
        if out.len() > MAX_TEXT * 4 {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    cut(&out, MAX_TEXT).to_owned()
}

/// [`clean`], and whatever could be a key id, a signature, a token or an `Authorization` header is left out.
pub fn mask(text: &str) -> String {
    let text =
        text.split_once(SCHEME).map_or(Cow::Borrowed(text), |(before, _)| format!("{before}{HIDDEN}").into());
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '%' | '_') {
            run.push(c);
        } else {
            out.push_str(if may_be_secret(&run) { HIDDEN } else { &run });
            run.clear();
            out.push(c);
        }
    }
    clean(&out)
}

/// An error and its sources as one line, masked.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let part = error.to_string();
        // Many libraries repeat their source's text in their own.
        if !parts.iter().any(|said| said.contains(&part)) {
            parts.push(part);
        }
        next = error.source();
    }
    mask(&parts.join(": "))
}

/// At most that many characters from the beginning.
pub fn cut(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(end, _)| &text[..end])
}

fn may_be_secret(run: &str) -> bool {
    let holds_key_id = || {
        KEY_ID_PREFIXES.iter().flat_map(|prefix| run.match_indices(prefix)).any(|(at, _)| {
            let rest = run[at..].bytes();
            rest.take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).count() >= KEY_ID_RUN
        })
    };
    run.len() >= SECRET_RUN || run.contains(SECRET_PREFIX) || holds_key_id()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_could_be_a_credential_stays() {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        let cases = [
            (format!("bad signature {signature}, sorry"), "bad signature ***, sorry"),
            (format!("key {secret}."), "key ***."),
            ("the id 'AKIAIOSFODNN7EXAMPLE' is gone".to_owned(), "the id '***' is gone"),
            ("x/ASIAIOSFODNN7EXAMPLE/y".to_owned(), "***"),
            ("your key is whsec_C2FVsBQIhrscChlQIMV+b5sS!".to_owned(), "your key is ***!"),
            (format!("got 'AWS4-HMAC-SHA256 Credential=x, Signature={signature}' in it"), "got '***"),
        ];
        for (text, shown) in cases {
            assert_eq!(mask(&text), shown);
        }
    }

    #[test]
    fn what_people_need_stays() {
        let text = "User: arn:aws:sts::123456789012:assumed-role/claimwatch/i-0123456789abcdef0 is not authorized to \
                    perform: connect:DescribePhoneNumber on 0c1f3b6e-3f0b-4c1e-9a57-0d0c8e0a1b2c";
        assert_eq!(mask(text), text);
    }

    #[test]
    fn control_characters_and_great_lengths_go() {
        assert_eq!(clean(" a\u{1b}[31m\r\n\tb\0 "), "a [31m b");
        assert_eq!(clean(&"é".repeat(2_000)).chars().count(), MAX_TEXT);
        assert_eq!(cut("añb", 2), "añ");
    }
}
