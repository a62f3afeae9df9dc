//! Orders as people and scripts are shown them: where each stands, its open windows, its history, and why it is looked at when.
//!
//! The keys are those of the event record. What has no value is left out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::cadence;
use crate::core::order::{OrderKey, Provider, Stream};
use crate::core::record::SCHEMA;
use crate::core::standing::{NEVER_SEEN, Urgency};
use crate::core::state::{Cause, Number, Order, Status, Subject};
use crate::core::time::Timestamp;
use crate::core::window::{Closed, Outcome, Window, WindowState};
use crate::store::StoreError;
use crate::store::shown::{Placed, Sent, Shown, Transition, Wanted};

/// Orders of a page, at most,
pub const ORDERS_MOST: u32 = 500;
/// and where nothing else is asked for.
pub const ORDERS_USUAL: u32 = 50;
/// Steps of a history that are shown.
const HISTORY_MOST: u32 = 100;
/// Events of an order whose deliveries are shown.
const SENT_MOST: usize = 20;
/// Orders that are named where a name may mean several.
const ALIKE_MOST: u32 = 20;

/// What the builders of views need besides the order.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'a> {
    /// Finds the twelve digits of an account.
    pub account_ids: &'a BTreeMap<String, String>,
    /// When it is shown.
    pub now: Timestamp,
}

/// An order in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderView {
    /// The service.
    pub provider: Provider,
    /// The account's name in the configuration.
    pub account: String,
    /// The account's twelve digits, where the configuration has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The region.
    pub region: String,
    /// The watch list.
    pub list: String,
    /// The bare id.
    pub order_id: String,
    /// The number of a Connect id, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The instance or traffic distribution group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether a watch list names it.
    pub tracked: bool,
    /// Where it stands, in a word.
    pub status: String,
    /// How much it wants somebody.
    pub urgency: Urgency,
    /// What is the matter with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The provider's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// The provider's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Which operation its status belongs to,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// and how that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_basis: Option<String>,
    /// When its status last changed.
    pub since: Timestamp,
    /// How many of its numbers have which status.
    pub numbers: BTreeMap<String, u64>,
    /// Its open retry windows, the one that ends first first.
    pub windows: Vec<WindowView>,
    /// When the service last said something of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<Timestamp>,
    /// When it is looked at next; without it, it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// How urgent that look is.
    pub lane: String,
    /// How often it has changed.
    pub generation: u64,
    /// The labels of its list, as `label_KEY`.
    #[serde(flatten)]
    pub labels: BTreeMap<String, String>,
}

/// An open retry window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowView {
    /// The service.
    pub provider: Provider,
    /// The account's name in the configuration.
    pub account: String,
    /// The region.
    pub region: String,
    /// The watch list.
    pub list: String,
    /// The order.
    pub order_id: String,
    /// The number, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The order's name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The number's status.
    pub status: String,
    /// `retrying`: an operation is in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Why it failed, as the service said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The id of the event that opened it.
    pub window_id: String,
    /// Why its earliest end is what it is.
    pub window_basis: String,
    /// What that is counted from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_counted_from: Option<Timestamp>,
    /// Seconds that the service gives.
    pub window_length_s: u64,
    /// It may end from here on.
    pub window_earliest: Timestamp,
    /// It has ended by then.
    pub window_latest: Timestamp,
    /// Seconds until `window_earliest`; 0: it may end at any time.
    pub remaining_s: u64,
    /// Whether a person said that it is known of.
    pub acknowledged: bool,
}

impl OrderView {
    /// As it stands.
    pub fn of(order: &Order, beside: &Beside<'_>) -> Self {
        let key = &order.watch.key;
        let standing = order.standing();
        let current = current(order);
        let labels = &order.watch.terms.labels;
        let (operation, basis) = operation(current);
        Self {
            provider: key.provider,
            account: key.account.clone(),
            account_id: beside.account_ids.get(&key.account).cloned(),
            region: key.region.clone(),
            list: order.watch.terms.name.clone(),
            order_id: key.id.clone(),
            number: number_of(order),
            label: order.watch.declared.label.clone(),
            target: match &order.state.subject {
                Subject::Connect(connect) => connect.target.clone(),
                Subject::Chime(_) => None,
            },
            tracked: order.tracked,
            status: standing.word.to_owned(),
            urgency: standing.urgency,
            condition: order.condition().map(str::to_owned),
            raw: match &order.state.subject {
                Subject::Connect(_) => current.and_then(|number| number.raw.clone()),
                Subject::Chime(chime) => chime.status.map(|status| status.as_str().to_owned()),
            },
            reason: current.and_then(reason),
            operation,
            operation_basis: basis,
            since: order.state.changed_at,
            numbers: counts(order),
            windows: windows(order, beside),
            observed_at: order.looked.answered_at,
            due_at: order.looked.due_at.filter(|_| order.tracked),
            lane: order.looked.lane.as_str().to_owned(),
            generation: order.generation,
            labels: labels.iter().map(|(key, value)| (format!("label_{key}"), value.clone())).collect(),
        }
    }
}

/// The number that a Connect id stands for.
fn current(order: &Order) -> Option<&Number> {
    match &order.state.subject {
        Subject::Connect(connect) => order.state.numbers.get(&connect.current),
        Subject::Chime(_) => None,
    }
}

fn number_of(order: &Order) -> Option<String> {
    let declared = &order.watch.declared.number;
    match &order.state.subject {
        Subject::Connect(connect) if !connect.current.is_empty() => Some(connect.current.clone()),
        Subject::Connect(_) | Subject::Chime(_) => declared.clone(),
    }
}

fn reason(number: &Number) -> Option<String> {
    match &number.status {
        Status::Failed { reason, .. } => reason.clone(),
        Status::NeverSeen | Status::InProgress { .. } | Status::Claimed { .. } | Status::Released { .. } => {
            None
        }
    }
}

fn cause(number: &Number) -> Option<Cause> {
    match number.status {
        Status::InProgress { cause, .. } | Status::Failed { cause, .. } => cause,
        Status::NeverSeen | Status::Claimed { .. } | Status::Released { .. } => None,
    }
}

fn operation(number: Option<&Number>) -> (Option<String>, Option<String>) {
    let cause = number.and_then(cause);
    let word = cause.map(|cause| cause.operation.as_str().to_owned());
    (word, cause.map(|cause| cause.basis.as_str().to_owned()))
}

fn counts(order: &Order) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for number in order.state.numbers.values() {
        let word = number.status.word().unwrap_or(NEVER_SEEN);
        *counts.entry(word.to_owned()).or_default() += 1;
    }
    counts
}

/// The open windows of an order.
fn windows(order: &Order, beside: &Beside<'_>) -> Vec<WindowView> {
    let open =
        order.state.numbers.iter().filter_map(|(key, number)| Some((key, number, number.window.open()?)));
    let mut views: Vec<WindowView> =
        open.map(|(key, number, window)| window_view(order, (key, number, window), beside)).collect();
    views.sort_by_key(|view| view.window_earliest);
    views
}

fn window_view(
    order: &Order,
    (key, number, window): (&str, &Number, &Window),
    beside: &Beside<'_>,
) -> WindowView {
    let of = &order.watch.key;
    let named = if key.is_empty() { order.watch.declared.number.clone() } else { Some(key.to_owned()) };
    WindowView {
        provider: of.provider,
        account: of.account.clone(),
        region: of.region.clone(),
        list: order.watch.terms.name.clone(),
        order_id: of.id.clone(),
        number: named,
        label: order.watch.declared.label.clone(),
        status: number.status.word().unwrap_or(NEVER_SEEN).to_owned(),
        condition: matches!(number.status, Status::InProgress { .. }).then(|| "retrying".to_owned()),
        reason: reason(number),
        window_id: window.id.clone(),
        window_basis: window.basis.as_str().to_owned(),
        window_counted_from: window.counted_from,
        window_length_s: window.length.as_secs(),
        window_earliest: window.earliest,
        window_latest: window.latest,
        remaining_s: window.earliest.since(beside.now).as_secs(),
        acknowledged: window.acknowledged_at.is_some(),
    }
}

/// Which orders are asked for, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    /// A watch list.
    pub list: Option<String>,
    /// Where they stand, whatever the case.
    pub status: Option<String>,
    /// A service, or a service and an account: `connect` or `connect/prod-eu`.
    pub scope: Option<String>,
    /// A label of their list: `team=voice`.
    pub label: Option<String>,
    /// How much they want somebody.
    pub urgency: Option<String>,
}

/// What these words choose, or what is wrong with them.
pub async fn wanted<S: Shown>(store: &S, filters: &Filters) -> Result<Result<Wanted, String>, StoreError> {
    let mut wanted = Wanted { standing: filters.status.clone(), ..Wanted::default() };
    if let Some(scope) = &filters.scope {
        let (provider, account) = scope.split_once('/').map_or((scope.as_str(), None), |(p, a)| (p, Some(a)));
        if ![Provider::Chime, Provider::Connect].iter().any(|known| known.as_str() == provider) {
            return Ok(Err(format!("{scope:?} is no scope: as in connect or chime/prod-eu")));
        }
        wanted.provider = Some(provider.to_owned());
        wanted.account = account.map(str::to_owned);
    }
    if let Some(word) = &filters.urgency {
        let Some(urgency) = Urgency::parse(word) else {
            let known = Urgency::ALL.map(Urgency::as_str).join(", ");
            return Ok(Err(format!("{word:?} is no urgency; there are: {known}")));
        };
        wanted.urgency = Some(urgency);
    }
    wanted.lists = filters.list.clone().map(|list| vec![list]);
    if let Some(label) = &filters.label {
        let Some((key, value)) = label.split_once('=') else {
            return Ok(Err(format!("{label:?} is no label: as in team=voice")));
        };
        let mut with = store.lists_with(key, value).await?;
        with.retain(|list| filters.list.as_ref().is_none_or(|wanted| wanted == list));
        wanted.lists = Some(with);
    }
    Ok(Ok(wanted))
}

/// A page of orders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Orders {
    /// The version of what is shown.
    pub schema: u32,
    /// When it was so.
    pub at: Timestamp,
    /// Those of the page, the most urgent first.
    pub orders: Vec<OrderView>,
    /// Where to go on; without it that was all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A page of tracked orders, the most urgent first.
pub async fn orders<S: Shown>(
    store: &S,
    wanted: &Wanted,
    (after, limit): (Option<Placed>, u32),
    beside: &Beside<'_>,
) -> Result<Orders, StoreError> {
    let mut placed = store.placed(wanted, after, limit.saturating_add(1)).await?;
    let more = placed.len() > limit as usize;
    placed.truncate(limit as usize);
    let next = placed.last().filter(|_| more).map(Placed::cursor);
    let streams: Vec<Stream> = placed.iter().map(|placed| placed.stream).collect();
    let orders = views(store, &streams, beside).await?;
    Ok(Orders { schema: SCHEMA, at: beside.now, orders, next })
}

/// Orders in the order in which they are asked for.
pub(super) async fn views<S: Shown>(
    store: &S,
    streams: &[Stream],
    beside: &Beside<'_>,
) -> Result<Vec<OrderView>, StoreError> {
    let loaded = store.load(streams).await?;
    let mut by_stream: BTreeMap<Stream, Order> =
        loaded.into_iter().map(|order| (order.stream(), order)).collect();
    let found = streams.iter().filter_map(|stream| by_stream.remove(stream));
    Ok(found.map(|order| OrderView::of(&order, beside)).collect())
}

/// One order with everything that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// The version of what is shown.
    pub schema: u32,
    /// When it was so.
    pub at: Timestamp,
    /// The order as in lists.
    pub order: OrderView,
    /// When and why it is looked at next.
    pub next_look: NextLook,
    /// Its numbers with their windows, open or closed.
    pub numbers: Vec<NumberView>,
    /// What became of it, the earliest first; the last hundred steps.
    pub history: Vec<Transition>,
    /// What became of its last events at each sink.
    pub deliveries: Vec<Delivered>,
}

/// When and why an order is looked at next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NextLook {
    /// When; without it, never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// How urgently.
    pub lane: String,
    /// Why then.
    pub why: String,
    /// When a time that matters comes though nobody looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Timestamp>,
}

/// One number of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberView {
    /// E.164, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Its status.
    pub status: String,
    /// The provider's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// The provider's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The look that first showed its status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Which operation its status belongs to,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// and how that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_basis: Option<String>,
    /// Its retry window, if it ever had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowEvidence>,
}

/// A retry window with what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowEvidence {
    /// `open` or `closed`.
    pub state: String,
    /// The id of the event that opened it.
    pub window_id: String,
    /// Why its earliest end is what it is.
    pub window_basis: String,
    /// What that is counted from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_counted_from: Option<Timestamp>,
    /// Seconds that the service gives.
    pub window_length_s: u64,
    /// The last look that showed another failure: the latest end is counted from it.
    pub failed_at: Timestamp,
    /// It may end, or could have ended, from here on.
    pub window_earliest: Timestamp,
    /// It has ended by then.
    pub window_latest: Timestamp,
    /// The last mark that was warned at, seconds before the earliest end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warned_s: Option<u64>,
    /// When the next warning is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_mark_at: Option<Timestamp>,
    /// Whether a person said that it is known of.
    pub acknowledged: bool,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// When that was known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// The id that claimed the number instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_id: Option<String>,
}

/// What became of an event of an order at one sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivered {
    /// The event's name.
    pub event: String,
    /// What became of it.
    #[serde(flatten)]
    pub sent: Sent,
}

/// The order that a name means.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// This one.
    One(Stream),
    /// One of several, by their ids.
    Several(Vec<String>),
    /// None.
    Nothing,
}

/// Finds an order by its id, the beginning of it, its ARN, or a number of it. Where a number has been several orders', the one
/// that is tracked is meant, if it is one.
pub async fn find<S: Shown>(store: &S, name: &str) -> Result<Found, StoreError> {
    let Named { scope, region, bare } = Named::read(name);
    if bare.is_empty() || !bare.chars().all(|c| c.is_ascii_alphanumeric() || "+-_".contains(c)) {
        return Ok(Found::Nothing);
    }
    let streams = store.named(&bare, ALIKE_MOST).await?;
    let mut orders = store.load(&streams).await?;
    orders.retain(|order| scope.is_none_or(|scope| scope == scope_of(&order.watch.key)));
    // An alternate region may be asked by the ARN of another one.
    if orders.iter().any(|order| region == Some(order.watch.key.region.as_str())) {
        orders.retain(|order| region == Some(order.watch.key.region.as_str()));
    }
    // What is meant is what stands there in full, before what begins so.
    if orders.iter().any(|order| order.watch.key.id == bare) {
        orders.retain(|order| order.watch.key.id == bare);
    }
    if orders.iter().any(|order| order.tracked) {
        orders.retain(|order| order.tracked);
    }
    Ok(match orders.as_slice() {
        [] => Found::Nothing,
        [one] => Found::One(one.stream()),
        several => Found::Several(several.iter().map(|order| full_name(&order.watch.key)).collect()),
    })
}

/// What a name is searched by: of an ARN the bare id, in small letters.
pub fn bare(name: &str) -> String {
    let name = name.trim();
    let bare = name.strip_prefix("arn:").map_or(name, |arn| arn.rsplit(['/', ':']).next().unwrap_or(arn));
    bare.to_ascii_lowercase()
}

/// What whoever asked for another order is told.
pub fn no_such(name: &str) -> String {
    format!(
        "no order is known by {name:?}: give its id, the beginning of it, its ARN, its number as in +442079460103, or, where accounts share it, connect/prod-eu/ID"
    )
}

/// The same where a name means several.
pub fn several(name: &str, known: &[String]) -> String {
    format!("{name:?} may be each of these: {}", known.join("; "))
}

/// By what no other order is known.
fn full_name(key: &OrderKey) -> String {
    format!("{}/{}", scope_of(key), key.id)
}

fn scope_of(key: &OrderKey) -> String {
    format!("{}/{}", key.provider, key.account)
}

/// What a name says.
struct Named<'a> {
    /// `connect/prod-eu`, where it begins so.
    scope: Option<&'a str>,
    /// Of an ARN.
    region: Option<&'a str>,
    bare: String,
}

impl<'a> Named<'a> {
    fn read(name: &'a str) -> Self {
        let name = name.trim();
        if let Some(arn) = name.strip_prefix("arn:") {
            return Self { scope: None, region: arn.split(':').nth(2), bare: bare(name) };
        }
        let (scope, id) = name.rsplit_once('/').map_or((None, name), |(scope, id)| (Some(scope), id));
        Self { scope, region: None, bare: bare(id) }
    }
}

/// Everything that is known of an order; `None`: it is not stored.
pub async fn detail<S: Shown>(
    store: &S,
    stream: Stream,
    beside: &Beside<'_>,
) -> Result<Option<Detail>, StoreError> {
    let Some(order) = store.load(&[stream]).await?.pop() else { return Ok(None) };
    let mut history = store.history(stream, HISTORY_MOST).await?;
    let seqs: Vec<u64> = history.iter().filter_map(|step| step.seq).take(SENT_MOST).collect();
    let name = |seq: u64| history.iter().find(|step| step.seq == Some(seq)).map(|step| step.event.clone());
    let sent = store.sent(&seqs).await?;
    let deliveries =
        sent.into_iter().filter_map(|sent| Some(Delivered { event: name(sent.seq)?, sent })).collect();
    history.reverse();
    let view = OrderView::of(&order, beside);
    let next_look = NextLook {
        due_at: view.due_at,
        lane: view.lane.clone(),
        why: cadence::why(&order, beside.now),
        wake_at: order.looked.wake_at.filter(|_| order.tracked),
    };
    let numbers = order.state.numbers.iter().map(|(key, number)| number_view(&order, key, number));
    let numbers = numbers.collect();
    Ok(Some(Detail { schema: SCHEMA, at: beside.now, order: view, next_look, numbers, history, deliveries }))
}

fn number_view(order: &Order, key: &str, number: &Number) -> NumberView {
    let named = if key.is_empty() { order.watch.declared.number.clone() } else { Some(key.to_owned()) };
    let (operation, operation_basis) = operation(Some(number));
    let since = match number.status {
        Status::NeverSeen => None,
        Status::InProgress { since, .. }
        | Status::Claimed { since }
        | Status::Failed { since, .. }
        | Status::Released { since } => Some(since),
    };
    let terms = &order.watch.terms.policy.window;
    let window = match &number.window {
        WindowState::Never => None,
        WindowState::Open(window) => {
            Some(WindowEvidence { next_mark_at: window.next_mark(terms), ..evidence("open", window) })
        }
        WindowState::Closed(Closed { window, outcome, at }) => {
            let (outcome, other_id) = match outcome {
                Outcome::Claimed => ("claimed", None),
                Outcome::ClaimedElsewhere { other_id } => ("claimed_elsewhere", Some(other_id.clone())),
                Outcome::Unconfirmed => ("unconfirmed", None),
                Outcome::Released => ("released", None),
            };
            let (outcome, closed_at) = (Some(outcome.to_owned()), Some(*at));
            Some(WindowEvidence { outcome, closed_at, other_id, ..evidence("closed", window) })
        }
    };
    NumberView {
        number: named,
        status: number.status.word().unwrap_or(NEVER_SEEN).to_owned(),
        raw: number.raw.clone(),
        reason: reason(number),
        since,
        operation,
        operation_basis,
        window,
    }
}

fn evidence(state: &str, window: &Window) -> WindowEvidence {
    WindowEvidence {
        state: state.to_owned(),
        window_id: window.id.clone(),
        window_basis: window.basis.as_str().to_owned(),
        window_counted_from: window.counted_from,
        window_length_s: window.length.as_secs(),
        failed_at: window.failed_at,
        window_earliest: window.earliest,
        window_latest: window.latest,
        warned_s: window.warned.map(|mark| mark.as_secs()),
        next_mark_at: None,
        acknowledged: window.acknowledged_at.is_some(),
        outcome: None,
        closed_at: None,
        other_id: None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An order of which next to nothing is known.
    pub(crate) fn view() -> OrderView {
        OrderView {
            provider: Provider::Connect,
            account: "prod-eu".to_owned(),
            account_id: None,
            region: "eu-west-2".to_owned(),
            list: "emea".to_owned(),
            order_id: "0c1f3b6e-7d2a-4b8e-9a41-5f6d2c3b1a03".to_owned(),
            number: None,
            label: None,
            target: None,
            tracked: true,
            status: NEVER_SEEN.to_owned(),
            urgency: Urgency::Pending,
            condition: None,
            raw: None,
            reason: None,
            operation: None,
            operation_basis: None,
            since: Timestamp::from_millis(1_795_341_600_000),
            numbers: BTreeMap::new(),
            windows: Vec::new(),
            observed_at: None,
            due_at: None,
            lane: "pending".to_owned(),
            generation: 1,
            labels: BTreeMap::new(),
        }
    }
}
