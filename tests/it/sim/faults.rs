//! Quotas, and what goes wrong.

use std::time::Duration;

use claimwatch::sim::DEFAULT_SCENARIO;
use claimwatch::sim::wire::{Delivery, Reply};
use claimwatch::sim::world::World;
use serde_json::{Value, json};

use super::{Ask, NUMBER, body, by_arn_of, describe, error_type, order, small, world};

#[test]
fn a_request_too_many_is_throttled_in_the_service_s_own_words() {
    let mut world = world(DEFAULT_SCENARIO);
    let (number, order) = (describe(), order());
    let statuses: Vec<u16> = (0..7).map(|_| Ask::get("connect", &number).of(&mut world, 0).status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429]);
    let reply = Ask::get("connect", &number).of(&mut world, 0);
    assert_eq!(error_type(&reply), "ThrottlingException");
    let statuses: Vec<u16> = (0..11).map(|_| Ask::get("chime", &order).of(&mut world, 0).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 10, "Chime's quota is its own");
    assert_eq!(error_type(&Ask::get("chime", &order).of(&mut world, 0)), "ThrottledClientException");
    assert_eq!(Ask::get("connect", &number).of(&mut world, 500).status, 200, "half a second is one token");
}

#[test]
fn a_list_draws_on_both_buckets_and_on_neither_if_one_is_empty() {
    let text = "[quota.chime]\nrate = 0.0\nburst = 5\nlist = { rate = 0.0, burst = 2 }";
    let mut world = world(text);
    let mut list = || Ask::get("chime", "/phone-number-orders").of(&mut world, 0).status;
    assert_eq!([list(), list(), list(), list()], [200, 200, 429, 429]);
    let get = order();
    let mut single = || Ask::get("chime", &get).of(&mut world, 0).status;
    assert_eq!([single(), single(), single(), single()], [404, 404, 404, 429]);
}

#[test]
fn the_code_and_the_retry_time_are_carried_as_the_scenario_says() {
    let quota = |more: &str| format!("[quota.connect]\nrate = 0.0\nburst = 0\n{more}");
    for (carried, header, members) in [
        ("header", "ThrottlingException", json!({ "message": "Rate exceeded" })),
        ("code", "", json!({ "code": "ThrottlingException", "message": "Rate exceeded" })),
        ("Code", "", json!({ "Code": "ThrottlingException", "Message": "Rate exceeded" })),
        (
            "__type",
            "",
            json!({ "__type": "com.amazonaws.connect#ThrottlingException", "message": "Rate exceeded" }),
        ),
        ("none", "", json!({ "message": "Rate exceeded" })),
    ] {
        let mut world = world(&quota(&format!("carried = \"{carried}\"")));
        let reply = Ask::get("connect", &describe()).of(&mut world, 0);
        assert_eq!((reply.status, error_type(&reply), body(&reply)), (429, header, members));
    }
    for (text, header, value) in [
        ("1", "retry-after", "1"),
        ("date:3s", "retry-after", "Wed, 18 Nov 2026 11:06:43 GMT"),
        ("rfc850:3s", "retry-after", "Wednesday, 18-Nov-26 11:06:43 GMT"),
        ("asctime:3s", "retry-after", "Wed Nov 18 11:06:43 2026"),
        ("ms:1500", "x-amz-retry-after", "1500"),
    ] {
        let mut world = world(&quota(&format!("retry_after = \"{text}\"")));
        let reply = Ask::get("connect", &describe()).of(&mut world, 0);
        assert_eq!(reply.header(header), Some(value), "{text}");
    }
}

#[test]
fn a_fault_befalls_whom_it_names_while_it_lasts_each_nth_time() {
    let mut world = small(&format!(
        "[[fault]]\nservice = \"connect\"\nid = \"{NUMBER}\"\nfrom = \"1s\"\nuntil = \"2s\"\nevery = 2\nkind = \"status\"\nstatus = 503\nretry_after = \"7\""
    ));
    let (number, arn, order) = (describe(), by_arn_of("eu-west-2"), order());
    let mut status =
        |target: &str, service: &str, millis| Ask::get(service, target).of(&mut world, millis).status;
    assert_eq!([status(&number, "connect", 999), status(&number, "connect", 999)], [200, 200]);
    assert_eq!([status(&number, "connect", 1_000), status(&arn, "connect", 1_999)], [200, 503]);
    assert_eq!([status(&order, "chime", 1_000), status(&order, "chime", 1_000)], [200, 200]);
    assert_eq!([status(&number, "connect", 2_000), status(&number, "connect", 2_000)], [200, 200]);
    let list = Ask::post("connect", "/phone-number/list", "{}");
    assert_eq!([list.of(&mut world, 1_500).status, list.of(&mut world, 1_500).status], [200, 200]);
}

#[test]
fn errors_come_as_json_as_a_page_or_bare() {
    for (more, status, code, kind) in [
        ("status = 500", 500, "InternalServiceException", "application/json"),
        ("status = 404\nbody = \"html\"", 404, "", "text/html"),
        ("status = 502\nbody = \"empty\"", 502, "", "text/plain"),
    ] {
        let mut world = small(&format!("[[fault]]\nkind = \"status\"\n{more}"));
        let reply = Ask::get("connect", &describe()).of(&mut world, 0);
        assert_eq!(
            (reply.status, error_type(&reply), reply.header("content-type")),
            (status, code, Some(kind))
        );
    }
    let mut world = small("[[fault]]\nkind = \"deny\"\nstatus = 401\ncode = \"UnauthorizedClientException\"");
    let reply = Ask::get("chime", &order()).of(&mut world, 0);
    assert_eq!((reply.status, error_type(&reply)), (401, "UnauthorizedClientException"));
}

#[test]
fn garbage_is_a_200_that_means_nothing() {
    for (kind, readable) in [
        ("html", false),
        ("empty", false),
        ("object", true),
        ("array", true),
        ("null", true),
        ("deep", false),
        ("huge", true),
        ("types", true),
        ("half", false),
        ("bytes", false),
    ] {
        let mut world = small(&format!("[[fault]]\nkind = \"garbage\"\nbody = \"{kind}\""));
        for (service, target) in [("connect", describe()), ("chime", order())] {
            let reply = Ask::get(service, &target).of(&mut world, 0);
            assert_eq!(reply.status, 200);
            let value = serde_json::from_slice::<Value>(&reply.body);
            assert_eq!(value.is_ok(), readable, "{kind}");
            assert!(kind != "huge" || reply.body.len() > 1024 * 1024);
            let status = value.map(|value| value["PhoneNumberOrder"]["Status"].is_string());
            assert_ne!(status.ok(), Some(true), "{kind}");
        }
    }
}

#[test]
fn a_clock_that_is_off_shows_in_the_date_and_in_what_it_thinks_of_signatures() {
    let mut world = small("[[fault]]\nkind = \"skew\"\nclock = \"10m\"");
    let (target, ten) = (describe(), 600_000);
    let reply = Ask::get("connect", &target).of(&mut world, 0);
    assert_eq!((reply.status, error_type(&reply)), (403, "InvalidSignatureException"));
    assert_eq!(reply.header("date"), Some("Wed, 18 Nov 2026 11:16:40 GMT"));
    let corrected = Ask { signed_at: ten, ..Ask::get("connect", &target) };
    assert_eq!(corrected.of(&mut world, 0).status, 200);
}

#[test]
fn answers_can_be_old_a_stranger_s_or_lead_in_circles() {
    let status = |world: &mut World, millis| {
        let target = describe();
        let reply = Ask::get("connect", &target).of(world, millis);
        body(&reply)["ClaimedPhoneNumberSummary"]["PhoneNumberStatus"]["Status"].as_str().map(str::to_owned)
    };
    let mut old = small("[[fault]]\nkind = \"stale\"\nby = \"5s\"\nfrom = \"12s\"");
    assert_eq!(status(&mut old, 11_999).as_deref(), Some("CLAIMED"));
    assert_eq!(status(&mut old, 12_000).as_deref(), Some("IN_PROGRESS"));
    let mut strange = small("[[fault]]\nkind = \"stranger\"");
    assert_eq!(status(&mut strange, 0), None);
    let identity = Ask::post("sts", "/", "Action=GetCallerIdentity&Version=2011-06-15").of(&mut strange, 0);
    assert!(String::from_utf8(identity.body).unwrap().contains("<Account>999999999999</Account>"));
    let mut circle = small("[[fault]]\nkind = \"loop\"");
    let reply = body(&Ask::get("chime", "/phone-number-orders").of(&mut circle, 0));
    let encoded = percent_encoding::utf8_percent_encode(
        reply["NextToken"].as_str().unwrap(),
        percent_encoding::NON_ALPHANUMERIC,
    );
    let again = format!("/phone-number-orders?next-token={encoded}");
    assert_eq!(body(&Ask::get("chime", &again).of(&mut circle, 0)), reply);
    let mut expired = small("[[fault]]\nkind = \"expired-token\"");
    let reply = Ask::post("connect", "/phone-number/list", r#"{"NextToken":"any"}"#).of(&mut expired, 0);
    assert_eq!((reply.status, error_type(&reply)), (400, "InvalidToken"));
}

#[test]
fn delays_and_deliveries_are_told_to_the_one_who_writes() {
    for (more, delay, delivery) in [
        ("kind = \"slow\"\ndelay = \"5s\"", 5, Delivery::Whole),
        ("kind = \"hang\"", 0, Delivery::Hang),
        ("kind = \"reset\"", 0, Delivery::Reset),
        ("kind = \"truncate\"\nafter_bytes = 10", 0, Delivery::Truncate(10)),
    ] {
        let mut world = small(&format!("[[fault]]\n{more}"));
        let reply = Ask::get("connect", &describe()).of(&mut world, 0);
        assert_eq!((reply.delay, reply.delivery), (Duration::from_secs(delay), delivery));
    }
}

#[test]
fn the_same_requests_at_the_same_times_have_the_same_answers() {
    let run = || {
        let mut world = small("[[fault]]\nkind = \"status\"\nstatus = 500\nchance = 0.5");
        (0..50).map(|i| Ask::get("connect", &describe()).of(&mut world, i)).collect::<Vec<Reply>>()
    };
    let replies = run();
    assert_eq!(replies, run());
    let failed = replies.iter().filter(|reply| reply.status == 500).count();
    assert!((10..40).contains(&failed), "{failed} of 50");
}
