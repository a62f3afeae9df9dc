//! Who is watched: identities, and what a watch list says of an order.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::policy::Policy;
use super::time::Timestamp;

/// The service that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Amazon Chime SDK Voice: phone-number orders.
    Chime,
    /// Amazon Connect: phone numbers whose claim is watched.
    Connect,
}

impl Provider {
    /// The word used in records, the store and the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chime => "chime",
            Self::Connect => "connect",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What names an order: the same wherever it is listed, and however its id was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderKey {
    /// The service.
    pub provider: Provider,
    /// The account's name in the configuration.
    pub account: String,
    /// The account's region.
    pub region: String,
    /// The bare id, lower case.
    pub id: String,
}

impl OrderKey {
    /// The order's identity as one value.
    pub fn stream(&self) -> Stream {
        Stream::of(&[self.provider.as_str(), &self.account, &self.region, &self.id])
    }
}

/// A 128-bit hash that names an order or a scope: the first part of its events' ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream(u128);

impl Stream {
    /// No other comes before it.
    pub(super) const LEAST: Self = Self(0);

    /// The hash of the parts; each is preceded by its length, so that no two lists of parts run together.
    pub(crate) fn of(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        let mut first = [0u8; 16];
        first.copy_from_slice(&digest[..16]);
        Self(u128::from_be_bytes(first))
    }

    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if plain { u128::from_str_radix(text, 16).ok().map(Self) } else { None }
    }

    /// A number in `0..of` that depends on nothing but this and `salt`: jitter without randomness.
    pub fn spread(self, salt: u64, of: u64) -> u64 {
        let bytes = [self.0.to_be_bytes().as_slice(), salt.to_be_bytes().as_slice()].concat();
        let digest = Sha256::digest(bytes);
        let mut first = [0u8; 8];
        first.copy_from_slice(&digest[..8]);
        u64::from_be_bytes(first) % of.max(1)
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which of Connect's operations a status belongs to. The answer does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// `ClaimPhoneNumber`: its failure starts the retry window.
    Claim,
    /// `UpdatePhoneNumber`: its failure leaves the number where it was.
    Update,
}

impl Operation {
    /// The word used in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Update => "update",
        }
    }
}

/// What a watch list says of all its orders. Shared by them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListTerms {
    /// The list's name: its file name without `.toml`.
    pub name: String,
    /// The account's name in the configuration.
    pub account: String,
    /// Labels, copied to every record as `label_<key>`.
    pub labels: BTreeMap<String, String>,
    /// The rules for its orders.
    pub policy: Policy,
}

/// What a watch list says of one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// The id as it is put in the request: an ARN finds a number from another region, where the bare id does not.
    pub ask: String,
    /// The number in E.164, if the list gives it.
    pub number: Option<String>,
    /// The first operation to be seen, if the list gives it.
    pub operation: Option<Operation>,
    /// When the claim was requested, if the list gives it.
    pub requested_at: Option<Timestamp>,
    /// A name for people.
    pub label: Option<String>,
}

/// An order as its watch list describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Who it is.
    pub key: OrderKey,
    /// What the list says of it.
    pub declared: Declared,
    /// What the list says of all its orders.
    pub terms: Arc<ListTerms>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(account: &str, region: &str) -> OrderKey {
        OrderKey { provider: Provider::Chime, account: account.into(), region: region.into(), id: "x".into() }
    }

    #[test]
    fn streams_differ_where_the_parts_do_and_stay_readable() {
        let stream = key("ab", "c").stream();
        assert_ne!(stream, key("a", "bc").stream());
        assert_eq!(stream, key("ab", "c").stream());
        assert_eq!(Stream::parse(&stream.to_string()), Some(stream));
        assert_eq!(Stream::parse("+f"), None);
    }

    #[test]
    fn spread_reaches_the_whole_range_and_is_stable() {
        let stream = key("ab", "c").stream();
        assert_eq!(stream.spread(7, 100), stream.spread(7, 100));
        let seen: std::collections::BTreeSet<u64> = (0..1000).map(|salt| stream.spread(salt, 10)).collect();
        assert_eq!(seen, (0..10).collect());
    }
}
