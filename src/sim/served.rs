//! What the world was asked and what it answered, for tests and for the demo.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Chime SDK Voice: one order.
    GetPhoneNumberOrder,
    /// Chime SDK Voice: a page of orders.
    ListPhoneNumberOrders,
    /// Connect: one number.
    DescribePhoneNumber,
    /// Connect: a page of numbers.
    ListPhoneNumbersV2,
    /// STS: whose credentials these are.
    GetCallerIdentity,
    /// Anything else. Whatever would change something at AWS is among it, so this has to stay at zero.
    Other,
}

impl Operation {
    /// AWS's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::GetPhoneNumberOrder => "GetPhoneNumberOrder",
            Self::ListPhoneNumberOrders => "ListPhoneNumberOrders",
            Self::DescribePhoneNumber => "DescribePhoneNumber",
            Self::ListPhoneNumbersV2 => "ListPhoneNumbersV2",
            Self::GetCallerIdentity => "GetCallerIdentity",
            Self::Other => "Other",
        }
    }
}

/// The status under which replies are counted that never arrive: hung or reset.
pub const NO_ANSWER: u16 = 0;

/// The counts of a world, readable while it runs. Copies share the counts.
#[derive(Debug, Clone, Default)]
pub struct Served(Arc<Mutex<BTreeMap<(Operation, u16), u64>>>);

impl Served {
    pub(super) fn add(&self, operation: Operation, status: u16) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry((operation, status)).or_default() += 1;
    }

    /// How often each operation was answered with each status ([`NO_ANSWER`]: not at all).
    pub fn all(&self) -> BTreeMap<(Operation, u16), u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        self.all().values().sum()
    }

    /// The requests for an operation.
    pub fn of(&self, operation: Operation) -> u64 {
        self.sum(|(held, _)| held == operation)
    }

    /// The requests answered with a status.
    pub fn with_status(&self, status: u16) -> u64 {
        self.sum(|(_, held)| held == status)
    }

    fn sum(&self, counts: impl Fn((Operation, u16)) -> bool) -> u64 {
        self.all().into_iter().filter(|(key, _)| counts(*key)).map(|(_, count)| count).sum()
    }
}
