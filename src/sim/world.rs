//! The world: a request and a time in, a reply out.

use std::collections::BTreeMap;

use super::answer::{NumberQuery, Writer, caller_identity, garbage};
use super::call::{Call, Service};
use super::error::Error;
use super::fault::{DateForm, Effects, Failure, FailureBody, Faults, Instead, STRANGER, scrambled};
use super::offset::Offset;
use super::page::{TokenError, issue, read};
use super::quota::{Bucket, QuotaTerms};
use super::scenario::Scenario;
use super::scenario_file::is_uuid;
use super::served::{NO_ANSWER, Operation, Served};
use super::verify::{SIMULATED, verify};
use super::wire::{Delivery, Reply, Request};
use crate::core::time::Timestamp;

/// The most orders on a page of Chime's list, and how many there are on one that does not say.
const CHIME_PAGE: u64 = 100;
/// The most numbers on a page of Connect's list.
const CONNECT_PAGE_MAX: u64 = 1_000;
/// How many numbers are on a page of Connect's list that does not say.
const CONNECT_PAGE: u64 = 100;

/// The simulated AWS account in one region.
#[derive(Debug)]
pub struct World {
    scenario: Scenario,
    started: Timestamp,
    requests: u64,
    faults: Faults,
    connect: Buckets,
    chime: Buckets,
    orders: BTreeMap<String, usize>,
    numbers: BTreeMap<String, usize>,
    served: Served,
}

/// A service's bucket, and the second one for its lists.
#[derive(Debug)]
struct Buckets {
    all: Bucket,
    list: Option<Bucket>,
}

impl Buckets {
    fn new(terms: &QuotaTerms) -> Self {
        Self {
            all: Bucket::new(terms.rate, terms.phases.clone()),
            list: terms.list.map(|rate| Bucket::new(rate, Vec::new())),
        }
    }

    /// Takes a token of each bucket that the call draws on, or none at all.
    fn admit(&mut self, list: bool, at: Offset) -> bool {
        let second = self.list.as_mut().filter(|_| list);
        let mut drawn: Vec<&mut Bucket> = std::iter::once(&mut self.all).chain(second).collect();
        let admitted = drawn.iter_mut().all(|bucket| bucket.ready(at));
        if admitted {
            drawn.into_iter().for_each(Bucket::take);
        }
        admitted
    }
}

impl World {
    /// A world whose times count from `started`.
    pub fn new(mut scenario: Scenario, started: Timestamp) -> Self {
        let faults = Faults::new(std::mem::take(&mut scenario.faults), scenario.seed);
        Self {
            started,
            requests: 0,
            faults,
            connect: Buckets::new(&scenario.connect),
            chime: Buckets::new(&scenario.chime),
            orders: (0..).zip(&scenario.orders).map(|(index, order)| (order.id.clone(), index)).collect(),
            numbers: (0..).zip(&scenario.numbers).map(|(index, held)| (held.id.clone(), index)).collect(),
            served: Served::default(),
            scenario,
        }
    }

    /// The counts of what was served. The copy stays up to date.
    pub fn served(&self) -> Served {
        self.served.clone()
    }

    /// Answers one request.
    pub fn handle(&mut self, request: &Request<'_>, now: Timestamp) -> Reply {
        self.requests += 1;
        let request_id = self.request_id();
        let at = Offset::between(self.started, now);
        let call = Call::of(request);
        let effects = self.faults.befall(&call, at);
        let its_now = effects.clock.from(now);
        let mut reply = match self.answer(request, &call, &effects, at, its_now, &request_id) {
            Ok(reply) => reply,
            Err(error) => error.reply(call.service, self.scenario.errors, its_now, &request_id),
        };
        reply.headers.push(("x-amzn-requestid", request_id));
        reply.headers.push(("date", DateForm::Imf.write(its_now)));
        reply.delay = effects.delay;
        reply.delivery = effects.delivery;
        let status = match reply.delivery {
            Delivery::Whole | Delivery::Truncate(_) => reply.status,
            Delivery::Hang | Delivery::Reset => NO_ANSWER,
        };
        self.served.add(call.operation, status);
        reply
    }

    fn request_id(&self) -> String {
        let high = scrambled(self.scenario.seed ^ self.requests);
        let low = scrambled(high);
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }

    fn answer(
        &mut self,
        request: &Request<'_>,
        call: &Call,
        effects: &Effects,
        at: Offset,
        its_now: Timestamp,
        request_id: &str,
    ) -> Result<Reply, Error> {
        match &effects.instead {
            Some(Instead::Failure(failure)) => return failed(failure, its_now),
            Some(Instead::Garbage(kind)) => return Ok(garbage(*kind, call.operation)),
            None => {}
        }
        if self.scenario.signatures {
            verify(request, SIMULATED, call.service.signing_name(), its_now)
                .map_err(|refusal| Error::refused(call.service, &refusal))?;
        }
        self.admit(call, at)?;
        let seen_at = Offset::from_millis(
            at.as_millis().saturating_sub(i64::try_from(effects.stale.as_millis()).unwrap_or(i64::MAX)),
        );
        match call.operation {
            Operation::GetPhoneNumberOrder => self.get_order(call, effects, seen_at),
            Operation::ListPhoneNumberOrders => self.list_orders(request, effects, at, seen_at),
            Operation::DescribePhoneNumber => self.describe_number(call, effects, seen_at),
            Operation::ListPhoneNumbersV2 => self.list_numbers(request, effects, at, seen_at),
            Operation::GetCallerIdentity => {
                let account = if effects.stranger { STRANGER } else { &self.scenario.account_id };
                Ok(caller_identity(account, request_id))
            }
            Operation::Other => Err(Error::new(404, "UnknownOperationException", "Unknown operation")),
        }
    }

    fn admit(&mut self, call: &Call, at: Offset) -> Result<(), Error> {
        let (buckets, terms) = match call.service {
            Service::Chime => (&mut self.chime, &self.scenario.chime),
            Service::Connect => (&mut self.connect, &self.scenario.connect),
            Service::Sts => return Ok(()),
        };
        let list = match call.operation {
            Operation::ListPhoneNumberOrders | Operation::ListPhoneNumbersV2 => true,
            Operation::GetPhoneNumberOrder
            | Operation::DescribePhoneNumber
            | Operation::GetCallerIdentity
            | Operation::Other => false,
        };
        if buckets.admit(list, at) {
            return Ok(());
        }
        let throttle = &terms.throttle;
        Err(Error {
            status: throttle.status,
            code: throttle.code.clone(),
            message: throttle.message.clone(),
            carried: throttle.carried,
            retry_after: throttle.retry_after.clone(),
        })
    }

    fn get_order(&self, call: &Call, effects: &Effects, at: Offset) -> Result<Reply, Error> {
        if !is_uuid(&call.id) {
            return Err(Error::bad_request(Service::Chime, "phoneNumberOrderId must be a UUID"));
        }
        let found = self.orders.get(&call.id.to_ascii_lowercase()).filter(|_| !effects.stranger);
        let order = found.and_then(|index| self.scenario.orders.get(*index));
        let seen = order.and_then(|order| Some((order, order.seen(at)?)));
        let (order, state) = seen.ok_or_else(|| {
            Error::not_found(Service::Chime, &format!("Phone number order {} was not found.", call.id))
        })?;
        Ok(self.writer().get_order(order, state))
    }

    fn list_orders(
        &self,
        request: &Request<'_>,
        effects: &Effects,
        at: Offset,
        seen_at: Offset,
    ) -> Result<Reply, Error> {
        let max = match request.parameter("max-results") {
            None => CHIME_PAGE,
            Some(text) => {
                text.parse().ok().filter(|max| (1..=CHIME_PAGE).contains(max)).ok_or_else(|| {
                    Error::bad_request(Service::Chime, "max-results must be between 1 and 100")
                })?
            }
        };
        let token = request.parameter("next-token");
        let from = self.start_of_page(Service::Chime, token.as_deref(), effects, at)?;
        let orders = self.scenario.orders.iter().enumerate().skip(from);
        let orders = orders.filter(|(_, order)| order.listed && !effects.stranger);
        let seen = orders.filter_map(|(index, order)| Some((index, (order, order.seen(seen_at)?))));
        let (page, next) = page_of(seen, max);
        let next = self.next_token(from, next, effects, at);
        Ok(self.writer().list_orders(&page, next.as_deref()))
    }

    fn describe_number(&self, call: &Call, effects: &Effects, at: Offset) -> Result<Reply, Error> {
        let asked = call.id.to_ascii_lowercase();
        let (id, by_arn) = match asked.rsplit_once(":phone-number/") {
            Some((_, id)) => (id, true),
            None => (asked.as_str(), false),
        };
        if !is_uuid(id) {
            return Err(Error::bad_request(Service::Connect, "PhoneNumberId must be a UUID or an ARN"));
        }
        let found = self.numbers.get(id).filter(|_| !effects.stranger);
        let number = found.and_then(|index| self.scenario.numbers.get(*index));
        let reachable = number
            .filter(|number| if by_arn { asked == self.writer().arn(&number.id) } else { !number.arn_only });
        let seen = reachable.and_then(|number| Some((number, number.seen(at)?)));
        let (number, state) =
            seen.ok_or_else(|| Error::not_found(Service::Connect, "Phone number not found"))?;
        Ok(self.writer().describe_number(number, state))
    }

    fn list_numbers(
        &self,
        request: &Request<'_>,
        effects: &Effects,
        at: Offset,
        seen_at: Offset,
    ) -> Result<Reply, Error> {
        let query = NumberQuery::read(request.body)?;
        let max = query.max.unwrap_or(CONNECT_PAGE);
        if !(1..=CONNECT_PAGE_MAX).contains(&max) {
            return Err(Error::bad_request(Service::Connect, "MaxResults must be between 1 and 1000"));
        }
        let from = self.start_of_page(Service::Connect, query.token.as_deref(), effects, at)?;
        let numbers = self.scenario.numbers.iter().enumerate().skip(from);
        let numbers = numbers.filter(|(_, number)| number.listed && !effects.stranger);
        let seen = numbers.filter_map(|(index, number)| {
            let state = number.seen(seen_at)?;
            query.wants(number, state).then_some((index, (number, state)))
        });
        let (page, next) = page_of(seen, max);
        let next = self.next_token(from, next, effects, at);
        Ok(self.writer().list_numbers(&page, next.as_deref()))
    }

    fn start_of_page(
        &self,
        service: Service,
        token: Option<&str>,
        effects: &Effects,
        at: Offset,
    ) -> Result<usize, Error> {
        let Some(token) = token else { return Ok(0) };
        let read =
            if effects.expired { Err(TokenError::Expired) } else { read(token, self.scenario.seed, at) };
        read.map_err(|error| match (service, error) {
            (Service::Connect, TokenError::Expired) => {
                Error::new(400, "InvalidToken", "The token has expired.")
            }
            (Service::Connect | Service::Chime | Service::Sts, TokenError::Expired | TokenError::Unknown) => {
                Error::bad_request(service, "The pagination token is not valid.")
            }
        })
    }

    fn next_token(&self, from: usize, next: Option<usize>, effects: &Effects, at: Offset) -> Option<String> {
        let next = if effects.looping { Some(from) } else { next };
        next.map(|next| issue(self.scenario.seed, next, at))
    }

    fn writer(&self) -> Writer<'_> {
        Writer { scenario: &self.scenario, started: self.started }
    }
}

/// The first `max` items, and the index of the one after them.
fn page_of<T>(mut items: impl Iterator<Item = (usize, T)>, max: u64) -> (Vec<T>, Option<usize>) {
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let page = items.by_ref().take(max).map(|(_, item)| item).collect();
    (page, items.next().map(|(index, _)| index))
}

fn failed(failure: &Failure, now: Timestamp) -> Result<Reply, Error> {
    let mut reply = match failure.body {
        FailureBody::Json => {
            return Err(Error {
                status: failure.status,
                code: failure.code.clone(),
                message: failure.message.clone(),
                carried: failure.carried,
                retry_after: failure.retry_after.clone(),
            });
        }
        FailureBody::Html => {
            let page = format!("<html><body><h1>{}</h1></body></html>\n", failure.status);
            Reply::new(failure.status, "text/html", page)
        }
        FailureBody::Empty => Reply::new(failure.status, "text/plain", ""),
    };
    if let Some(retry_after) = &failure.retry_after {
        reply.headers.push(retry_after.header(now));
    }
    Ok(reply)
}
