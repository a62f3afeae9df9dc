//! What a world is made of.

use serde::Deserialize;

use super::error::Carried;
use super::fault::Fault;
use super::offset::Offset;
use super::quota::QuotaTerms;

/// A world's whole story. Read from TOML with [`Scenario::parse`], or built in code.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Whatever is random is drawn from it.
    pub seed: u64,
    /// The account's twelve digits.
    pub account_id: String,
    /// The region in ARNs.
    pub region: String,
    /// Whether signatures are checked.
    pub signatures: bool,
    /// Where an error's code stands.
    pub errors: Carried,
    /// How Chime writes times.
    pub timestamps: TimestampForm,
    /// Connect's quota.
    pub connect: QuotaTerms,
    /// Chime's quota.
    pub chime: QuotaTerms,
    /// Chime's orders, in the order in which they are listed.
    pub orders: Vec<ChimeOrder>,
    /// Connect's numbers, in the order in which they are listed.
    pub numbers: Vec<ConnectNumber>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

/// How Chime writes times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimestampForm {
    /// `"2026-11-20T10:00:00.000Z"`, as the service's model says.
    #[default]
    Iso8601,
    /// Seconds as a number, as pages of the service's predecessor show.
    Epoch,
}

/// A Chime SDK Voice phone-number order.
#[derive(Debug, Clone, PartialEq)]
pub struct ChimeOrder {
    /// A UUID, lower case.
    pub id: String,
    /// `VoiceConnector` or `SipMediaApplicationDialIn`.
    pub product_type: String,
    /// `New` or `Porting`.
    pub order_type: String,
    /// When it was made.
    pub created: Offset,
    /// Until when reads do not see it yet.
    pub hidden_until: Offset,
    /// Whether lists show it.
    pub listed: bool,
    /// Its story, earliest first; never empty. The first state holds from its creation.
    pub states: Vec<OrderState>,
}

/// A Chime order from one moment to the next state's.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderState {
    /// Its first moment.
    pub at: Offset,
    /// Whether the order is gone.
    pub gone: bool,
    /// The status; the member is left out without one.
    pub status: Option<String>,
    /// The numbers with their statuses.
    pub numbers: Vec<(String, String)>,
    /// The order's `UpdatedTimestamp`.
    pub updated: Offset,
    /// The order's `FocDate`.
    pub foc_date: FocDate,
}

/// A porting order's firm order commitment date. The service's documents disagree about its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FocDate {
    /// The member is left out.
    Absent,
    /// It is `null`.
    Null,
    /// It is this text.
    Text(String),
    /// It is that time.
    At(Offset),
}

/// A number claimed for Connect.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectNumber {
    /// A UUID, lower case.
    pub id: String,
    /// ISO 3166 two-letter country.
    pub country: String,
    /// `DID`, `TOLL_FREE`, ….
    pub kind: String,
    /// Its description, if any.
    pub description: Option<String>,
    /// Until when reads do not see it yet.
    pub hidden_until: Offset,
    /// Whether the bare id is not found while the ARN is, as in a traffic distribution group's other region.
    pub arn_only: bool,
    /// Whether lists show it.
    pub listed: bool,
    /// Its story, earliest first; never empty.
    pub states: Vec<NumberState>,
}

/// A number from one moment to the next state's.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberState {
    /// Its first moment.
    pub at: Offset,
    /// Whether the number is gone: released to the inventory.
    pub gone: bool,
    /// The E.164 line.
    pub number: String,
    /// What it is claimed for.
    pub target_arn: String,
    /// The status; the whole status member is left out without one.
    pub status: Option<String>,
    /// Why.
    pub message: Option<String>,
}

impl ChimeOrder {
    /// What a read sees at `at`.
    pub(super) fn seen(&self, at: Offset) -> Option<&OrderState> {
        if at < self.created || at < self.hidden_until {
            return None;
        }
        let next = self.states.partition_point(|state| state.at <= at);
        self.states.get(next.saturating_sub(1)).filter(|state| !state.gone)
    }
}

impl ConnectNumber {
    /// What a read sees at `at`.
    pub(super) fn seen(&self, at: Offset) -> Option<&NumberState> {
        if at < self.hidden_until {
            return None;
        }
        let next = self.states.partition_point(|state| state.at <= at);
        self.states.get(next.saturating_sub(1)).filter(|state| !state.gone)
    }
}

/// A scenario file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ScenarioError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl Scenario {
    /// Reads a scenario file. The error names the place of the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        super::scenario_file::parse(text)
    }
}
