//! Tokens of list calls: opaque to callers, with the characters that have to be encoded in a URL.

use super::fault::scrambled;
use super::offset::Offset;

/// Tokens live for a day, as Connect's best-practices page says of its own.
const TOKEN_LIFE_MS: i64 = 24 * 60 * 60 * 1_000;

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenError {
    Unknown,
    Expired,
}

/// A token that leads to the item at `next`, issued at `at`.
pub(super) fn issue(seed: u64, next: usize, at: Offset) -> String {
    let issued = at.as_millis();
    format!("sim/{next}+{issued}+{:016x}==", seal(seed, next, issued))
}

/// Where a token leads.
pub(super) fn read(token: &str, seed: u64, at: Offset) -> Result<usize, TokenError> {
    let (next, issued) = parts(token, seed).ok_or(TokenError::Unknown)?;
    if at.as_millis().saturating_sub(issued) > TOKEN_LIFE_MS {
        return Err(TokenError::Expired);
    }
    Ok(next)
}

fn parts(token: &str, seed: u64) -> Option<(usize, i64)> {
    let mut parts = token.strip_prefix("sim/")?.strip_suffix("==")?.split('+');
    let next = parts.next()?.parse().ok()?;
    let issued = parts.next()?.parse().ok()?;
    let given = u64::from_str_radix(parts.next()?, 16).ok()?;
    (parts.next().is_none() && given == seal(seed, next, issued)).then_some((next, issued))
}

fn seal(seed: u64, next: usize, issued: i64) -> u64 {
    scrambled(scrambled(seed ^ next as u64) ^ issued.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_where_it_was_meant_to_for_a_day() {
        let at = |millis| Offset::from_millis(millis);
        let token = issue(7, 100, at(5));
        assert_eq!(read(&token, 7, at(5)), Ok(100));
        assert_eq!(read(&token, 7, at(5 + TOKEN_LIFE_MS)), Ok(100));
        assert_eq!(read(&token, 7, at(6 + TOKEN_LIFE_MS)), Err(TokenError::Expired));
        assert_eq!(read(&token, 8, at(5)), Err(TokenError::Unknown));
        assert_eq!(read(&token.replace("100", "200"), 7, at(5)), Err(TokenError::Unknown));
        assert_eq!(read("", 7, at(5)), Err(TokenError::Unknown));
    }
}
