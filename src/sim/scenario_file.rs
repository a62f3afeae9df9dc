//! Scenario files: TOML in, a checked [`Scenario`] out. An unknown key is an error, and an error names its line.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::error::Carried;
use super::fault::RetryAfter;
use super::fault_file::FaultSection;
use super::offset::Offset;
use super::quota::{Phase, QuotaTerms, Rate, Throttle};
use super::scenario::{
    ChimeOrder, ConnectNumber, FocDate, NumberState, OrderState, Scenario, ScenarioError, TimestampForm,
};

/// Something wrong, and where in the text.
pub(super) type Problem = (Range<usize>, String);

/// A message longer than this, in bytes, repeats a value that nobody would read to its end.
const MESSAGE_MOST: usize = 400;
/// Numbers of one order: a story needs a few, and each is looked for among the others.
const NUMBERS_MOST: usize = 1_000;
/// Numbers in all states of all orders. Each state holds all numbers of its order, so that a file of twenty kilobytes could
/// fill the memory; these take some thirty megabytes.
const HELD_MOST: usize = 250_000;

pub(super) fn parse(text: &str) -> Result<Scenario, ScenarioError> {
    let file: File = toml::from_str(text)
        .map_err(|error| place(text, error.span().unwrap_or(0..0), error.message().to_owned()))?;
    file.check().map_err(|(span, message)| place(text, span, message))
}

fn place(text: &str, span: Range<usize>, mut message: String) -> ScenarioError {
    if message.len() > MESSAGE_MOST {
        message.truncate(message.floor_char_boundary(MESSAGE_MOST));
        message.push('…');
    }
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).unwrap_or("").chars().count() + 1;
    ScenarioError { line: before.matches('\n').count() + 1, column, message }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    world: WorldSection,
    #[serde(default)]
    quota: QuotaSection,
    #[serde(default)]
    chime_order: Vec<OrderSection>,
    #[serde(default)]
    connect_number: Vec<NumberSection>,
    #[serde(default)]
    fault: Vec<FaultSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WorldSection {
    seed: u64,
    account_id: String,
    region: String,
    signatures: Signatures,
    errors: Carried,
    timestamps: TimestampForm,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Signatures {
    Verified,
    Ignored,
}

impl Default for WorldSection {
    fn default() -> Self {
        Self {
            seed: 0,
            account_id: "123456789012".to_owned(),
            region: "eu-west-2".to_owned(),
            signatures: Signatures::Verified,
            errors: Carried::default(),
            timestamps: TimestampForm::default(),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct QuotaSection {
    connect: RateSection,
    chime: RateSection,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RateSection {
    rate: Option<Spanned<f64>>,
    burst: Option<u32>,
    list: Option<ListSection>,
    phases: Vec<PhaseSection>,
    status: Option<Spanned<u16>>,
    code: Option<String>,
    message: Option<String>,
    carried: Option<Carried>,
    retry_after: Option<RetryAfter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListSection {
    rate: Spanned<f64>,
    burst: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PhaseSection {
    from: Offset,
    until: Spanned<Offset>,
    rate: Spanned<f64>,
    burst: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderSection {
    id: Spanned<String>,
    #[serde(default = "voice_connector")]
    product_type: String,
    #[serde(default = "new_order")]
    order_type: String,
    #[serde(default = "start")]
    created: Offset,
    hidden_until: Option<Offset>,
    #[serde(default = "listed")]
    listed: bool,
    foc_date: Option<String>,
    timeline: Spanned<Vec<OrderEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderEntry {
    at: Spanned<Offset>,
    status: Option<String>,
    #[serde(default)]
    absent: bool,
    #[serde(default)]
    gone: bool,
    #[serde(default)]
    numbers: BTreeMap<String, String>,
    #[serde(default)]
    drop: Vec<String>,
    foc_date: Option<String>,
    updated: Option<Offset>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NumberSection {
    id: Spanned<String>,
    number: String,
    target_arn: Option<String>,
    #[serde(default = "country")]
    country: String,
    #[serde(default = "did", rename = "type")]
    kind: String,
    description: Option<String>,
    hidden_until: Option<Offset>,
    #[serde(default)]
    arn_only: bool,
    #[serde(default = "listed")]
    listed: bool,
    timeline: Spanned<Vec<NumberEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NumberEntry {
    at: Spanned<Offset>,
    status: Option<String>,
    message: Option<String>,
    #[serde(default)]
    absent: bool,
    #[serde(default)]
    gone: bool,
    number: Option<String>,
    target_arn: Option<String>,
}

fn voice_connector() -> String {
    "VoiceConnector".to_owned()
}

fn new_order() -> String {
    "New".to_owned()
}

fn start() -> Offset {
    Offset::START
}

fn country() -> String {
    "US".to_owned()
}

fn did() -> String {
    "DID".to_owned()
}

fn listed() -> bool {
    true
}

impl File {
    fn check(self) -> Result<Scenario, Problem> {
        let mut ids = BTreeSet::new();
        let world = self.world;
        let instance = format!(
            "arn:aws:connect:{}:{}:instance/4d1e8a0c-52b7-4c0e-9b7e-6b0f6a2d9c11",
            world.region, world.account_id
        );
        let (mut orders, mut held) = (Vec::new(), 0);
        for order in self.chime_order {
            orders.push(order.check(&mut ids, &mut held)?);
        }
        let mut numbers = Vec::new();
        for number in self.connect_number {
            numbers.push(number.check(&mut ids, &instance)?);
        }
        let mut faults = Vec::new();
        for fault in self.fault {
            faults.push(fault.check()?);
        }
        Ok(Scenario {
            seed: world.seed,
            account_id: world.account_id,
            region: world.region,
            signatures: matches!(world.signatures, Signatures::Verified),
            errors: world.errors,
            timestamps: world.timestamps,
            connect: self.quota.connect.check(CONNECT_RATE, "ThrottlingException")?,
            chime: self.quota.chime.check(CHIME_RATE, "ThrottledClientException")?,
            orders,
            numbers,
            faults,
        })
    }
}

/// The default of every Connect operation without one of its own (Amazon Connect service quotas).
const CONNECT_RATE: Rate = Rate { rate: 2.0, burst: 5 };
/// AWS publishes none for Chime's orders: a guess on the generous side.
const CHIME_RATE: Rate = Rate { rate: 5.0, burst: 10 };

impl RateSection {
    fn check(self, usual: Rate, code: &str) -> Result<QuotaTerms, Problem> {
        let mut phases = Vec::new();
        for phase in self.phases {
            if *phase.until.get_ref() <= phase.from {
                return Err((phase.until.span(), "the phase ends before it begins".to_owned()));
            }
            let rate = Rate { rate: check_rate(&phase.rate)?, burst: phase.burst };
            phases.push(Phase { from: phase.from, until: phase.until.into_inner(), rate });
        }
        let list = match self.list {
            Some(list) => Some(Rate { rate: check_rate(&list.rate)?, burst: list.burst }),
            None => None,
        };
        let rate = self.rate.as_ref().map(check_rate).transpose()?.unwrap_or(usual.rate);
        Ok(QuotaTerms {
            rate: Rate { rate, burst: self.burst.unwrap_or(usual.burst) },
            phases,
            list,
            throttle: Throttle {
                status: check_status(self.status.as_ref(), 429)?,
                code: self.code.unwrap_or_else(|| code.to_owned()),
                message: self.message.unwrap_or_else(|| "Rate exceeded".to_owned()),
                carried: self.carried,
                retry_after: self.retry_after,
            },
        })
    }
}

fn check_rate(rate: &Spanned<f64>) -> Result<f64, Problem> {
    let value = *rate.get_ref();
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        Err((rate.span(), "a rate is a number of requests a second, 0 or more".to_owned()))
    }
}

pub(super) fn check_status(status: Option<&Spanned<u16>>, usual: u16) -> Result<u16, Problem> {
    match status {
        Some(status) if !(200..600).contains(status.get_ref()) => {
            Err((status.span(), "a status is a number from 200 to 599".to_owned()))
        }
        Some(status) => Ok(*status.get_ref()),
        None => Ok(usual),
    }
}

fn check_id(id: &Spanned<String>, ids: &mut BTreeSet<String>) -> Result<String, Problem> {
    let bare = id.get_ref().to_ascii_lowercase();
    if !is_uuid(&bare) {
        return Err((id.span(), format!("not a UUID: {:?}", id.get_ref())));
    }
    if !ids.insert(bare.clone()) {
        return Err((id.span(), "this id stands in the file already".to_owned()));
    }
    Ok(bare)
}

/// Whether a text is `8-4-4-4-12` hexadecimal digits, in either case.
pub(super) fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Each state begins after the one before it.
fn check_at(at: &Spanned<Offset>, last: Option<Offset>) -> Result<Offset, Problem> {
    if last.is_some_and(|last| *at.get_ref() <= last) {
        return Err((at.span(), "the timeline is not in order".to_owned()));
    }
    Ok(*at.get_ref())
}

fn foc_date(text: Option<&str>) -> Option<FocDate> {
    let text = text?;
    if text == "null" {
        return Some(FocDate::Null);
    }
    let offset = text.strip_prefix('+').and_then(Offset::parse);
    Some(offset.map_or_else(|| FocDate::Text(text.to_owned()), FocDate::At))
}

impl OrderSection {
    /// `held` counts the numbers in the states of all orders.
    fn check(self, ids: &mut BTreeSet<String>, held: &mut usize) -> Result<ChimeOrder, Problem> {
        let id = check_id(&self.id, ids)?;
        let span = self.timeline.span();
        let mut states: Vec<OrderState> = Vec::new();
        let mut numbers: Vec<(String, String)> = Vec::new();
        let mut status = None;
        let mut foc = foc_date(self.foc_date.as_deref()).unwrap_or(FocDate::Absent);
        for entry in self.timeline.into_inner() {
            let at = check_at(&entry.at, states.last().map(|state| state.at))?;
            if entry.absent {
                status = None;
            } else if entry.status.is_some() {
                status = entry.status;
            }
            numbers.retain(|(number, _)| !entry.drop.contains(number));
            for (number, word) in entry.numbers {
                match numbers.iter_mut().find(|(known, _)| *known == number) {
                    Some((_, known)) => *known = word,
                    None => numbers.push((number, word)),
                }
                if numbers.len() > NUMBERS_MOST {
                    return Err((span, format!("more than {NUMBERS_MOST} numbers of one order")));
                }
            }
            *held += numbers.len();
            if *held > HELD_MOST {
                return Err((span, format!("more than {HELD_MOST} numbers in the states of all orders")));
            }
            foc = foc_date(entry.foc_date.as_deref()).unwrap_or(foc);
            let usual = if states.is_empty() { self.created } else { at };
            states.push(OrderState {
                at,
                gone: entry.gone,
                status: status.clone(),
                numbers: numbers.clone(),
                updated: entry.updated.unwrap_or(usual),
                foc_date: foc.clone(),
            });
        }
        if states.is_empty() {
            return Err((span, "a timeline has at least one entry".to_owned()));
        }
        Ok(ChimeOrder {
            id,
            product_type: self.product_type,
            order_type: self.order_type,
            created: self.created,
            hidden_until: self.hidden_until.unwrap_or(Offset::ALWAYS),
            listed: self.listed,
            states,
        })
    }
}

impl NumberSection {
    fn check(self, ids: &mut BTreeSet<String>, instance: &str) -> Result<ConnectNumber, Problem> {
        let id = check_id(&self.id, ids)?;
        let span = self.timeline.span();
        let mut states: Vec<NumberState> = Vec::new();
        let mut number = self.number;
        let mut target_arn = self.target_arn.unwrap_or_else(|| instance.to_owned());
        let mut status = None;
        for entry in self.timeline.into_inner() {
            let at = check_at(&entry.at, states.last().map(|state| state.at))?;
            if entry.absent {
                status = None;
            } else if entry.status.is_some() {
                status = entry.status;
            }
            number = entry.number.unwrap_or(number);
            target_arn = entry.target_arn.unwrap_or(target_arn);
            states.push(NumberState {
                at,
                gone: entry.gone,
                number: number.clone(),
                target_arn: target_arn.clone(),
                status: status.clone(),
                message: entry.message,
            });
        }
        if states.is_empty() {
            return Err((span, "a timeline has at least one entry".to_owned()));
        }
        Ok(ConnectNumber {
            id,
            country: self.country,
            kind: self.kind,
            description: self.description,
            hidden_until: self.hidden_until.unwrap_or(Offset::ALWAYS),
            arn_only: self.arn_only,
            listed: self.listed,
            states,
        })
    }
}
