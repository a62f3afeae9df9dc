//! The bodies of answers, member by member as botocore 1.44.5's service models name them.

use std::fmt::Write as _;

use serde_json::Value;

use super::call::Service;
use super::error::{Error, escaped};
use super::fault::Garbage;
use super::json::{Object, array};
use super::offset::Offset;
use super::scenario::{ChimeOrder, ConnectNumber, FocDate, NumberState, OrderState, Scenario, TimestampForm};
use super::served::Operation;
use super::wire::{JSON, Reply};
use crate::core::time::Timestamp;

/// What times and ARNs are written with.
pub(super) struct Writer<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) started: Timestamp,
}

impl Writer<'_> {
    pub(super) fn get_order(&self, order: &ChimeOrder, state: &OrderState) -> Reply {
        let mut body = String::with_capacity(512);
        let mut object = Object::open(&mut body);
        self.order(object.member("PhoneNumberOrder"), order, state);
        object.close();
        Reply::json(body)
    }

    pub(super) fn list_orders(&self, orders: &[(&ChimeOrder, &OrderState)], next: Option<&str>) -> Reply {
        let mut body = String::with_capacity(512 * orders.len() + 64);
        let mut object = Object::open(&mut body);
        array(object.member("PhoneNumberOrders"), orders, |out, (order, state)| {
            self.order(out, order, state);
        });
        object.text_if("NextToken", next);
        object.close();
        Reply::json(body)
    }

    fn order(&self, out: &mut String, order: &ChimeOrder, state: &OrderState) {
        let mut object = Object::open(out);
        object.text("PhoneNumberOrderId", &order.id);
        object.text("ProductType", &order.product_type);
        object.text_if("Status", state.status.as_deref());
        object.text("OrderType", &order.order_type);
        array(object.member("OrderedPhoneNumbers"), &state.numbers, |out, (number, status)| {
            let mut object = Object::open(out);
            object.text("E164PhoneNumber", number);
            object.text("Status", status);
            object.close();
        });
        self.time(object.member("CreatedTimestamp"), order.created);
        self.time(object.member("UpdatedTimestamp"), state.updated);
        match &state.foc_date {
            FocDate::Absent => {}
            FocDate::Null => object.member("FocDate").push_str("null"),
            FocDate::Text(text) => object.text("FocDate", text),
            FocDate::At(at) => self.time(object.member("FocDate"), *at),
        }
        object.close();
    }

    fn time(&self, out: &mut String, at: Offset) {
        let at = at.from(self.started);
        match self.scenario.timestamps {
            TimestampForm::Iso8601 => super::json::string(out, &at.to_string()),
            TimestampForm::Epoch => {
                let millis = at.as_millis();
                let _ = write!(out, "{}.{:03}", millis.div_euclid(1_000), millis.rem_euclid(1_000));
            }
        }
    }

    pub(super) fn describe_number(&self, number: &ConnectNumber, state: &NumberState) -> Reply {
        let mut body = String::with_capacity(768);
        let mut outer = Object::open(&mut body);
        let mut object = Object::open(outer.member("ClaimedPhoneNumberSummary"));
        self.number(&mut object, number, state);
        object.member("Tags").push_str("{}");
        if let Some(status) = &state.status {
            let mut held = Object::open(object.member("PhoneNumberStatus"));
            held.text("Status", status);
            held.text_if("Message", state.message.as_deref());
            held.close();
        }
        object.close();
        outer.close();
        Reply::json(body)
    }

    pub(super) fn list_numbers(
        &self,
        numbers: &[(&ConnectNumber, &NumberState)],
        next: Option<&str>,
    ) -> Reply {
        let mut body = String::with_capacity(512 * numbers.len() + 64);
        let mut outer = Object::open(&mut body);
        array(outer.member("ListPhoneNumbersSummaryList"), numbers, |out, (number, state)| {
            let mut object = Object::open(out);
            self.number(&mut object, number, state);
            object.close();
        });
        outer.text_if("NextToken", next);
        outer.close();
        Reply::json(body)
    }

    fn number(&self, object: &mut Object<'_>, number: &ConnectNumber, state: &NumberState) {
        object.text("PhoneNumberId", &number.id);
        object.text("PhoneNumberArn", &self.arn(&number.id));
        object.text("PhoneNumber", &state.number);
        object.text("PhoneNumberCountryCode", &number.country);
        object.text("PhoneNumberType", &number.kind);
        object.text_if("PhoneNumberDescription", number.description.as_deref());
        object.text("TargetArn", &state.target_arn);
        object.text_if("InstanceId", instance_id(&state.target_arn));
    }

    /// The ARN of a number.
    pub(super) fn arn(&self, id: &str) -> String {
        format!("arn:aws:connect:{}:{}:phone-number/{id}", self.scenario.region, self.scenario.account_id)
    }
}

/// The instance that a target names; a traffic distribution group has none.
pub(super) fn instance_id(target_arn: &str) -> Option<&str> {
    target_arn.split_once(":instance/").map(|(_, id)| id)
}

/// STS's answer for an account.
pub(super) fn caller_identity(account: &str, request_id: &str) -> Reply {
    let account = escaped(account);
    Reply::new(
        200,
        "text/xml",
        format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  \
             <GetCallerIdentityResult>\n    \
             <Arn>arn:aws:sts::{account}:assumed-role/simulated/claimwatch</Arn>\n    \
             <UserId>AROASIMULATED:claimwatch</UserId>\n    <Account>{account}</Account>\n  \
             </GetCallerIdentityResult>\n  <ResponseMetadata>\n    <RequestId>{request_id}</RequestId>\n  \
             </ResponseMetadata>\n</GetCallerIdentityResponse>\n"
        ),
    )
}

/// What a Connect list call asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NumberQuery {
    pub(super) max: Option<u64>,
    pub(super) token: Option<String>,
    prefix: Option<String>,
    target_arn: Option<String>,
    instance: Option<String>,
    countries: Vec<String>,
    kinds: Vec<String>,
}

impl NumberQuery {
    /// Reads the request's body.
    pub(super) fn read(body: &[u8]) -> Result<Self, Error> {
        let bad = |what: &str| Error::bad_request(Service::Connect, what);
        if body.is_empty() {
            return Ok(Self::default());
        }
        let value: Value = serde_json::from_slice(body).map_err(|_| bad("Could not parse request body"))?;
        let Value::Object(members) = value else { return Err(bad("Could not parse request body")) };
        let text = |name: &str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(bad(&format!("{name} must be a string"))),
        };
        let list = |name: &str, most: usize| match members.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) if items.len() <= most => {
                let item = |item: &Value| item.as_str().map(str::to_owned);
                items
                    .iter()
                    .map(item)
                    .collect::<Option<_>>()
                    .ok_or_else(|| bad(&format!("{name} is malformed")))
            }
            Some(_) => Err(bad(&format!("{name} must have at most {most} entries"))),
        };
        let max = match members.get("MaxResults") {
            None | Some(Value::Null) => None,
            Some(max) => Some(max.as_u64().ok_or_else(|| bad("MaxResults must be a number"))?),
        };
        let prefix = text("PhoneNumberPrefix")?;
        if prefix.as_deref().is_some_and(|prefix| !is_prefix(prefix)) {
            return Err(bad("PhoneNumberPrefix must match \\+?[0-9]{1,11}"));
        }
        Ok(Self {
            max,
            token: text("NextToken")?,
            prefix,
            target_arn: text("TargetArn")?,
            instance: text("InstanceId")?,
            countries: list("PhoneNumberCountryCodes", 10)?,
            kinds: list("PhoneNumberTypes", 6)?,
        })
    }

    pub(super) fn wants(&self, number: &ConnectNumber, state: &NumberState) -> bool {
        let digits = |text: &str| text.trim_start_matches('+').to_owned();
        self.prefix.as_deref().is_none_or(|prefix| digits(&state.number).starts_with(&digits(prefix)))
            && self.target_arn.as_deref().is_none_or(|target| target == state.target_arn)
            && self.instance.as_deref().is_none_or(|held| Some(held) == instance_id(&state.target_arn))
            && (self.countries.is_empty() || self.countries.contains(&number.country))
            && (self.kinds.is_empty() || self.kinds.contains(&number.kind))
    }
}

fn is_prefix(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (1..=11).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// How deep the deep body is: far beyond what a recursive parser's stack holds.
const DEEP: usize = 100_000;
/// How large the large body is: over a mebibyte.
const HUGE: usize = 1024 * 1024 + 64 * 1024;

/// A 200 whose body means nothing.
pub(super) fn garbage(kind: Garbage, operation: Operation) -> Reply {
    let body: Vec<u8> = match kind {
        Garbage::Html => {
            return Reply::new(200, "text/html", "<!DOCTYPE html><html><body>Please sign in</body></html>");
        }
        Garbage::Empty => Vec::new(),
        Garbage::Object => b"{}".to_vec(),
        Garbage::Array => b"[]".to_vec(),
        Garbage::Null => b"null".to_vec(),
        Garbage::Deep => format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP)).into_bytes(),
        Garbage::Huge => format!("{{\"Padding\":\"{}\"}}", "x".repeat(HUGE)).into_bytes(),
        Garbage::Types => wrong_types(operation).as_bytes().to_vec(),
        Garbage::Half => {
            let whole = wrong_types(operation).as_bytes();
            whole.get(..whole.len() / 2).unwrap_or(whole).to_vec()
        }
        Garbage::Bytes => vec![b'{', b'"', 0xff, 0xfe, 0xc3, b'"', b':', b'1', b'}'],
    };
    Reply::new(200, JSON, body)
}

fn wrong_types(operation: Operation) -> &'static str {
    match operation {
        Operation::GetPhoneNumberOrder => {
            r#"{"PhoneNumberOrder":{"PhoneNumberOrderId":7,"Status":["Successful"],"OrderedPhoneNumbers":"none","UpdatedTimestamp":{}}}"#
        }
        Operation::ListPhoneNumberOrders => {
            r#"{"PhoneNumberOrders":{"PhoneNumberOrderId":"x"},"NextToken":12}"#
        }
        Operation::DescribePhoneNumber => {
            r#"{"ClaimedPhoneNumberSummary":{"PhoneNumberId":false,"PhoneNumber":15550100,"PhoneNumberStatus":"CLAIMED"}}"#
        }
        Operation::ListPhoneNumbersV2 => r#"{"ListPhoneNumbersSummaryList":[null,3],"NextToken":{}}"#,
        Operation::GetCallerIdentity | Operation::Other => r#"{"Account":[]}"#,
    }
}
