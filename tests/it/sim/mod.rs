//! The simulated AWS: its signature check against AWS's own vectors and an independent signer, its paging, its
//! scenario files, and its faults over a real socket.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails here fails the test")]

mod answers;
mod faults;
mod files;
mod signatures;
mod socket;

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as aws_sign};
use aws_sigv4::sign::v4;
use claimwatch::core::time::Timestamp;
use claimwatch::sim::scenario::Scenario;
use claimwatch::sim::wire::{Reply, Request};
use claimwatch::sim::world::World;
use serde_json::Value;

const START: i64 = 1_795_000_000_000;
const NUMBER: &str = "11111111-aaaa-4aaa-8aaa-000000000001";
const ORDER: &str = "22222222-bbbb-4bbb-8bbb-000000000001";

/// `START` and so many milliseconds.
fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(START + millis)
}

type Headers = Vec<(String, String)>;

/// What a test asks, signed by AWS's own signer.
struct Ask<'a> {
    method: &'a str,
    target: &'a str,
    body: &'a str,
    service: &'a str,
    key: &'a str,
    secret: &'a str,
    token: Option<&'a str>,
    signed_at: i64,
}

impl<'a> Ask<'a> {
    fn get(service: &'a str, target: &'a str) -> Self {
        let (key, secret) = ("simulated", "simulated");
        Self { method: "GET", target, body: "", service, key, secret, token: None, signed_at: 0 }
    }

    fn post(service: &'a str, target: &'a str, body: &'a str) -> Self {
        Self { method: "POST", body, ..Self::get(service, target) }
    }

    fn headers(&self, host: &str) -> Headers {
        let token = self.token.map(str::to_owned);
        let identity = Credentials::new(self.key, self.secret, token, None, "test").into();
        let time = UNIX_EPOCH + Duration::from_millis(u64::try_from(START + self.signed_at).unwrap());
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-west-2")
            .name(self.service)
            .time(time)
            .settings(SigningSettings::default())
            .build()
            .unwrap();
        let url = format!("http://{host}{}", self.target);
        let body = SignableBody::Bytes(self.body.as_bytes());
        let request = SignableRequest::new(self.method, url, [("host", host)].into_iter(), body).unwrap();
        let (signed, _) = aws_sign(request, &params.into()).unwrap().into_parts();
        let mut headers: Headers = vec![("host".to_owned(), host.to_owned())];
        headers.extend(signed.headers().map(|(name, value)| (name.to_owned(), value.to_owned())));
        headers
    }

    /// Asks the world without a socket.
    fn of(&self, world: &mut World, millis: i64) -> Reply {
        let headers = self.headers("sim.example");
        ask_with(world, self.method, self.target, &headers, self.body, at(millis))
    }
}

fn ask_with(
    world: &mut World,
    method: &str,
    target: &str,
    headers: &Headers,
    body: &str,
    now: Timestamp,
) -> Reply {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    world.handle(&Request { method, path, query, headers, body: body.as_bytes() }, now)
}

fn world(scenario: &str) -> World {
    World::new(Scenario::parse(scenario).unwrap(), at(0))
}

/// A world with one order, one number, ample quota, and what the test adds.
fn small(more: &str) -> World {
    world(&format!(
        r#"
        [quota.connect]
        rate = 1000.0
        burst = 1000
        [quota.chime]
        rate = 1000.0
        burst = 1000
        [[connect_number]]
        id = "{NUMBER}"
        number = "+442079460001"
        timeline = [{{ at = "0s", status = "IN_PROGRESS" }}, {{ at = "10s", status = "CLAIMED" }}]
        [[chime_order]]
        id = "{ORDER}"
        timeline = [{{ at = "0s", status = "Processing", numbers = {{ "+12065550111" = "Processing" }} }}]
        {more}"#
    ))
}

fn describe() -> String {
    format!("/phone-number/{NUMBER}")
}

fn order() -> String {
    format!("/phone-number-orders/{ORDER}")
}

fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

fn error_type(reply: &Reply) -> &str {
    reply.header("x-amzn-errortype").unwrap_or("")
}

fn by_arn_of(region: &str) -> String {
    format!("/phone-number/arn%3Aaws%3Aconnect%3A{region}%3A123456789012%3Aphone-number%2F{NUMBER}")
}
