//! AWS in the simulation: it knows the truth and does not always tell it. Its answers are bytes, read by the code that reads
//! AWS's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::life::Life;
use super::plan::{self, Chance as _, ChimeOrder, MIN, Number, Plan, S, Truth};
use super::sinks::lock;
use super::{START, Trouble};
use crate::aws::Reply;
use crate::core::inquiry::{Answer, Errand};
use crate::core::observation::{Observation, Outage};
use crate::core::order::Provider;
use crate::core::random::Random;
use crate::core::sweep::Listed;
use crate::core::time::Timestamp;
use crate::http::transport::Headers;
use crate::provider::{Ask, AskPage, Look, answer, page};

/// Calls a second that the service grants, of which the daemon's share is four fifths.
const RATE: f64 = 2.0;
/// Calls that it grants at once.
const BURST: f64 = 5.0;
/// The other id that holds a number that was rescued.
const OTHER: &str = "beef";

/// What was told of a number, or of an order that is not there.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) id: String,
    pub(super) number: String,
    pub(super) truth: Truth,
}

/// How long the daemon may take to hear an answer, milliseconds.
const HEARD_WITHIN: u64 = 20;

/// A 429 that a life of the daemon was told.
#[derive(Debug, Clone, Copy)]
struct Held {
    life: u64,
    told: u64,
    until: u64,
}

/// The tokens that are left, and since when.
type Bucket = (f64, u64);

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) trouble: Arc<Trouble>,
    pub(super) random: Mutex<Random>,
    pub(super) given: Mutex<Vec<Given>>,
    buckets: Mutex<BTreeMap<String, Bucket>>,
    /// Until when a life of the daemon was asked to leave a scope alone.
    held: Mutex<BTreeMap<String, Held>>,
    /// What the service complains of: calls beyond the quota, and calls in spite of a 429.
    pub(super) complaints: Mutex<Vec<String>>,
}

/// The world as one life of the daemon sees it.
pub(super) struct Eyes {
    pub(super) world: Arc<World>,
    pub(super) life: Arc<Life>,
}

impl World {
    pub(super) fn new(plan: Plan, trouble: Arc<Trouble>) -> Self {
        let random = Mutex::new(Random(plan.seed ^ 0x00d1_ce00));
        Self {
            plan,
            trouble,
            random,
            given: Mutex::default(),
            buckets: Mutex::default(),
            held: Mutex::default(),
            complaints: Mutex::default(),
        }
    }

    fn chance(&self, part: f64) -> bool {
        part > 0.0 && lock(&self.random).chance(part)
    }

    fn below(&self, most: u32) -> u64 {
        u64::from(lock(&self.random).below(most))
    }

    /// Takes a token of the service's own bucket.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of hours")]
    fn admits(&self, provider: Provider, account: &str, now: u64) -> bool {
        let mut buckets = lock(&self.buckets);
        let bucket = buckets.entry(format!("{provider} {account}")).or_insert((BURST, now));
        let gained = (now - bucket.1) as f64 / 1000.0 * RATE;
        *bucket = ((bucket.0 + gained).min(BURST), now);
        if bucket.0 < 1.0 {
            return false;
        }
        bucket.0 -= 1.0;
        true
    }

    /// The service's answer at a time, before anything happens to it on its way; with what it says of numbers.
    fn describe(&self, ask: &Ask, now: u64) -> (u16, Value, Vec<Given>) {
        match &ask.errand {
            Errand::Itself(_) if ask.key.provider == Provider::Chime => {
                let order = self.plan.orders.iter().find(|order| order.id == ask.key.id);
                match order {
                    None => absent(&ask.key.id),
                    Some(order) => {
                        let (body, given) = chime(order, now);
                        (200, json!({ "PhoneNumberOrder": body }), given)
                    }
                }
            }
            Errand::Itself(_) => {
                let number = self.plan.numbers.iter().find(|number| number.id == ask.key.id);
                let truth = number.map_or(Truth::Absent, |number| plan::at(&number.life, now));
                match number {
                    Some(number) if truth != Truth::Absent => {
                        let given = Given { id: number.id.clone(), number: number.e164.clone(), truth };
                        (200, connect(&number.id, &number.e164, truth), vec![given])
                    }
                    Some(_) | None => absent(&ask.key.id),
                }
            }
            Errand::Holders { number: e164, .. } => {
                let number = self.plan.numbers.iter().find(|number| number.e164 == *e164);
                let own = number.filter(|number| plan::at(&number.life, now) != Truth::Absent);
                let own = own.map(|number| row(&number.id, e164));
                let other = number.filter(|number| number.rescued_at.is_some_and(|at| at <= now));
                let other = other.map(|number| row(&other_id(number), e164));
                let rows: Vec<Value> = own.into_iter().chain(other).collect();
                (200, json!({ "ListPhoneNumbersSummaryList": rows }), Vec::new())
            }
            Errand::Holder(holder) => {
                let rescued = |number: &&Number| {
                    other_id(number) == holder.id && number.rescued_at.is_some_and(|at| at <= now)
                };
                match self.plan.numbers.iter().find(rescued) {
                    Some(number) => (200, connect(&holder.id, &number.e164, Truth::Claimed), Vec::new()),
                    None => absent(&holder.id),
                }
            }
        }
    }

    /// What becomes of a call, given how the service would answer it.
    async fn call(
        &self,
        life: &Life,
        (provider, account): (Provider, &str),
        timeout: Duration,
        describe: impl FnOnce(u64) -> (u16, Value, Vec<Given>),
    ) -> Result<(Reply, Vec<Given>), Observation> {
        life.step().await;
        let rates = self.trouble.rates();
        let unanswered = |outage| Observation::Unavailable { outage, retry_after: None };
        let sent = self.trouble.now_ms();
        let scope = format!("{provider} {account}");
        self.complain_of_haste(&scope, life, sent);
        if self.plan.outages.iter().any(|(from, to)| (*from..*to).contains(&sent)) {
            tokio::time::sleep(Duration::from_millis(200)).await;
            return Err(unanswered(Outage::Connection("refused".to_owned())));
        }
        tokio::time::sleep(Duration::from_millis(20 + self.below(60))).await;
        let now = self.trouble.now_ms();
        let admitted = self.admits(provider, account, now);
        if !admitted {
            lock(&self.complaints)
                .push(format!("a call beyond the quota of {provider} {account} at {now} ms"));
        }
        // A stale read is a replica that is behind.
        let lag = if self.chance(rates.stale) { self.below(20_000) } else { 0 };
        let described = describe(now.saturating_sub(lag));
        let back = if self.chance(rates.slow) { self.below(9000) } else { self.below(80) };
        if self.chance(rates.lost) {
            tokio::time::sleep(timeout).await;
            life.step().await;
            return Err(unanswered(Outage::Timeout));
        }
        tokio::time::sleep(Duration::from_millis(back)).await;
        life.step().await;
        let throttled = !admitted || self.chance(rates.throttled);
        let (reply, given) = self.answered(provider, described, throttled);
        if reply.status == 429 {
            let asked = reply.headers.get("retry-after").and_then(|seconds| seconds.parse().ok());
            let told = self.trouble.now_ms();
            let until = told + asked.unwrap_or(1).max(1) * S;
            lock(&self.held).insert(scope, Held { life: life.number, told, until });
        }
        Ok((reply, given))
    }

    /// A scope that said 429 is left alone. Where the store is slow, a look may be on its way already.
    fn complain_of_haste(&self, scope: &str, life: &Life, now: u64) {
        let rates = self.plan.rates;
        if rates.store_slow > 0.0 || rates.store_before > 0.0 || rates.store_after > 0.0 {
            return;
        }
        let held = lock(&self.held).get(scope).copied().filter(|held| held.life == life.number);
        if let Some(Held { told, until, .. }) = held
            && (told + HEARD_WITHIN..until).contains(&now)
        {
            let complaint =
                format!("{scope} was asked at {now} ms, and had said at {told} to wait until {until}");
            lock(&self.complaints).push(complaint);
        }
    }

    fn answered(
        &self,
        provider: Provider,
        (status, body, given): (u16, Value, Vec<Given>),
        throttled: bool,
    ) -> (Reply, Vec<Given>) {
        let rates = self.trouble.rates();
        let (missing, throttling) = match provider {
            Provider::Chime => ("NotFoundException", "ThrottledClientException"),
            Provider::Connect => ("ResourceNotFoundException", "ThrottlingException"),
        };
        let mut headers: Vec<(&str, String)> = Vec::new();
        let none = |status: u16, code: &'static str| (status, Some(code), json!({}), Vec::new());
        let (status, code, body, given) = if throttled {
            if self.chance(0.3) {
                headers.push(("retry-after", self.below(90).to_string()));
            }
            none(429, throttling)
        } else if self.chance(rates.unavailable) {
            if self.chance(0.3) {
                headers.push(("retry-after", self.below(90).to_string()));
            }
            none(503, "ServiceUnavailableException")
        } else if self.chance(rates.forbidden) {
            none(403, "AccessDeniedException")
        } else if self.chance(rates.expired) {
            none(403, "ExpiredTokenException")
        } else if self.chance(rates.wrong_account) {
            none(404, missing)
        } else if status == 404 {
            (404, Some(missing), body, given)
        } else {
            (status, None, body, given)
        };
        if let Some(code) = code {
            headers.push(("x-amzn-errortype", code.to_owned()));
        }
        let mut body = body.to_string();
        let mut given = given;
        if status == 200 && self.chance(rates.truncated) {
            let at = usize::try_from(self.below(u32::try_from(body.len()).unwrap())).unwrap();
            body.truncate(at);
            given.clear();
        }
        let reply = Reply {
            status,
            headers: Headers::from_pairs(headers.iter().map(|(name, value)| (*name, value.as_str()))),
            body: body.into_bytes(),
            received_at: self.trouble.wall(),
            clock_offset_s: None,
        };
        (reply, given)
    }

    fn give(&self, given: Vec<Given>) {
        lock(&self.given).extend(given);
    }
}

impl Look for Eyes {
    async fn look(&self, ask: Ask) -> Answer {
        let world = &self.world;
        let whom = (ask.key.provider, ask.key.account.as_str());
        let called = world.call(&self.life, whom, ask.timeout, |now| world.describe(&ask, now)).await;
        match called {
            Ok((reply, given)) => {
                let answer = answer(&ask.key, &ask.errand, &reply);
                let missing = matches!(answer, Answer::Observed(Observation::Missing { .. }));
                let given = if missing && matches!(ask.errand, Errand::Itself(_)) {
                    absent(&ask.key.id).2
                } else {
                    given
                };
                world.give(given);
                answer
            }
            Err(observation) => Answer::Observed(observation),
        }
    }

    async fn page(&self, ask: AskPage) -> Listed {
        let world = &self.world;
        let describe = |now| match ask.provider {
            Provider::Chime => {
                let orders = world.plan.orders.iter().filter(|order| order.account == ask.account);
                let (rows, given): (Vec<Value>, Vec<Vec<Given>>) =
                    orders.map(|order| chime(order, now)).unzip();
                (200, json!({ "PhoneNumberOrders": rows }), given.concat())
            }
            Provider::Connect => {
                let numbers = world.plan.numbers.iter().filter(|number| number.account == ask.account);
                let there = numbers.filter(|number| plan::at(&number.life, now) != Truth::Absent);
                let rows: Vec<Value> = there.map(|number| row(&number.id, &number.e164)).collect();
                (200, json!({ "ListPhoneNumbersSummaryList": rows }), Vec::new())
            }
        };
        let called = world.call(&self.life, (ask.provider, &ask.account), ask.timeout, describe).await;
        match called {
            Ok((reply, given)) => {
                let listed = page(ask.provider, &reply);
                if matches!(listed, Listed::Page(_)) {
                    world.give(given);
                }
                listed
            }
            Err(observation) => Listed::Observed(observation),
        }
    }

    fn clock_differs(&self, _account: &str, _provider: Provider) -> bool {
        let truth = Timestamp::from_millis(START).plus(Duration::from_millis(self.world.trouble.now_ms()));
        let shown = self.world.trouble.wall();
        shown.since(truth).max(truth.since(shown)) > Duration::from_millis(2 * MIN)
    }

    fn refresh(&self, _account: &str) {}
}

fn absent(id: &str) -> (u16, Value, Vec<Given>) {
    let given = Given { id: id.to_owned(), number: String::new(), truth: Truth::Absent };
    (404, json!({ "Message": "not found" }), vec![given])
}

fn other_id(number: &Number) -> String {
    format!("{}{OTHER}", &number.id[..number.id.len() - OTHER.len()])
}

fn row(id: &str, e164: &str) -> Value {
    json!({ "PhoneNumberId": id, "PhoneNumber": e164 })
}

fn connect(id: &str, e164: &str, truth: Truth) -> Value {
    let mut status = json!({ "Status": truth.connect() });
    if truth == Truth::Failed {
        status["Message"] = "the carrier said no".into();
    }
    json!({ "ClaimedPhoneNumberSummary": {
        "PhoneNumberId": id, "PhoneNumber": e164, "PhoneNumberStatus": status
    } })
}

/// The order with its own status, which follows from its numbers'.
fn chime(order: &ChimeOrder, now: u64) -> (Value, Vec<Given>) {
    let truths: Vec<(&String, Truth)> =
        order.numbers.iter().map(|(number, life)| (number, plan::at(life, now))).collect();
    let all = |wanted: Truth| truths.iter().all(|(_, truth)| *truth == wanted);
    let open = truths.iter().any(|(_, truth)| *truth == Truth::InProgress);
    let status = if open {
        "Processing"
    } else if all(Truth::Claimed) {
        "Successful"
    } else if all(Truth::Failed) {
        "Failed"
    } else {
        "Partial"
    };
    let changed =
        order.numbers.iter().flat_map(|(_, life)| life).map(|(at, _)| *at).filter(|at| *at <= now).max();
    let changed =
        Timestamp::from_millis(START).plus(Duration::from_millis(changed.unwrap_or_default() / S * S));
    let numbers: Vec<Value> = truths
        .iter()
        .map(|(number, truth)| json!({ "E164PhoneNumber": number, "Status": truth.chime() }))
        .collect();
    let body = json!({
        "PhoneNumberOrderId": order.id, "Status": status, "OrderType": "New",
        "OrderedPhoneNumbers": numbers, "UpdatedTimestamp": changed.to_string(),
    });
    let given = truths
        .iter()
        .map(|(number, truth)| Given { id: order.id.clone(), number: (*number).clone(), truth: *truth })
        .collect();
    (body, given)
}
