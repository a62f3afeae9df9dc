//! Paths, members, errors and pages.

use claimwatch::sim::DEFAULT_SCENARIO;
use claimwatch::sim::served::Operation;
use claimwatch::sim::wire::Reply;
use claimwatch::sim::world::World;
use serde_json::{Value, json};

use super::{Ask, NUMBER, body, by_arn_of, describe, error_type, small, world};

#[test]
fn a_number_is_described_by_its_id_and_by_its_arn() {
    let mut world = small("");
    let arn = format!("arn:aws:connect:eu-west-2:123456789012:phone-number/{NUMBER}");
    let by_arn = format!("/phone-number/{}", arn.replace(':', "%3A").replace('/', "%2F"));
    for target in [describe(), by_arn, describe().to_uppercase().replace("/PHONE-NUMBER", "/phone-number")] {
        let reply = Ask::get("connect", &target).of(&mut world, 0);
        assert_eq!(
            body(&reply)["ClaimedPhoneNumberSummary"],
            json!({
                "PhoneNumberId": NUMBER,
                "PhoneNumberArn": arn,
                "PhoneNumber": "+442079460001",
                "PhoneNumberCountryCode": "US",
                "PhoneNumberType": "DID",
                "TargetArn": "arn:aws:connect:eu-west-2:123456789012:instance/4d1e8a0c-52b7-4c0e-9b7e-6b0f6a2d9c11",
                "InstanceId": "4d1e8a0c-52b7-4c0e-9b7e-6b0f6a2d9c11",
                "Tags": {},
                "PhoneNumberStatus": { "Status": "IN_PROGRESS" },
            }),
            "{target}"
        );
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(reply.header("date"), Some("Wed, 18 Nov 2026 11:06:40 GMT"));
        assert_eq!(reply.header("x-amzn-RequestId").map(str::len), Some(36));
    }
    let elsewhere = by_arn_of("us-east-1");
    let reply = Ask::get("connect", &elsewhere).of(&mut world, 0);
    assert_eq!((reply.status, error_type(&reply)), (404, "ResourceNotFoundException"));
    let reply = Ask::get("connect", "/phone-number/nonsense").of(&mut world, 0);
    assert_eq!((reply.status, error_type(&reply)), (400, "InvalidParameterException"));
}

#[test]
fn an_order_is_answered_with_aws_s_members_and_only_those() {
    let mut world = world(DEFAULT_SCENARIO);
    let get = |id: u8| format!("/phone-number-orders/22222222-bbbb-4bbb-8bbb-00000000000{id}");
    let reply = Ask::get("chime", &get(2)).of(&mut world, 36_000);
    assert_eq!(
        body(&reply),
        json!({ "PhoneNumberOrder": {
            "PhoneNumberOrderId": "22222222-bbbb-4bbb-8bbb-000000000002",
            "ProductType": "VoiceConnector",
            "Status": "Partial",
            "OrderType": "New",
            "OrderedPhoneNumbers": [
                { "E164PhoneNumber": "+12065550121", "Status": "Acquired" },
                { "E164PhoneNumber": "+12065550122", "Status": "Failed" },
            ],
            "CreatedTimestamp": "2026-11-18T11:06:40.000Z",
            "UpdatedTimestamp": "2026-11-18T11:07:15.000Z",
        } })
    );
    let foc = |world: &mut World, millis| {
        let ask = Ask { signed_at: millis, ..Ask::get("chime", "") };
        let target = get(4);
        let reply = Ask { target: &target, ..ask }.of(world, millis);
        body(&reply)["PhoneNumberOrder"].clone()
    };
    assert_eq!(foc(&mut world, 60_000).get("FocDate"), Some(&Value::Null));
    let dated = foc(&mut world, 120_000);
    assert_eq!(
        (dated["Status"].as_str(), dated["FocDate"].as_str()),
        (Some("FOC"), Some("2026-11-18T11:10:40.000Z"))
    );
    let reply =
        Ask::get("chime", "/phone-number-orders/22222222-bbbb-4bbb-8bbb-0000000000ff").of(&mut world, 0);
    assert_eq!((reply.status, error_type(&reply)), (404, "NotFoundException"));
    let reply = Ask::get("chime", "/phone-number-orders/seven").of(&mut world, 0);
    assert_eq!((reply.status, error_type(&reply)), (400, "BadRequestException"));
}

#[test]
fn whatever_would_change_something_is_refused_and_counted() {
    let mut world = small("");
    let served = world.served();
    let target = describe();
    for (method, target) in [("DELETE", target.as_str()), ("PUT", &target), ("POST", "/phone-number/claim")] {
        let reply = Ask { method, ..Ask::get("connect", target) }.of(&mut world, 0);
        assert_eq!((reply.status, error_type(&reply)), (404, "UnknownOperationException"));
    }
    assert_eq!((served.of(Operation::Other), served.with_status(404), served.total()), (3, 3, 3));
}

/// A world of that many orders and numbers; every third of either is gone.
fn crowd(count: usize) -> World {
    use std::fmt::Write as _;
    let mut text =
        "[quota.connect]\nrate = 1e6\nburst = 1000000\n[quota.chime]\nrate = 1e6\nburst = 1000000\n"
            .to_owned();
    for index in 0..count {
        let gone = index % 3 == 2;
        let _ = write!(
            text,
            "[[chime_order]]\nid = \"00000000-0000-4000-8000-{index:012}\"\ntimeline = [{{ at = \"0s\", status = \"Processing\", gone = {gone} }}]\n\
             [[connect_number]]\nid = \"00000000-0000-4000-9000-{index:012}\"\nnumber = \"+1206{index:07}\"\ntimeline = [{{ at = \"0s\", status = \"CLAIMED\", gone = {gone} }}]\n"
        );
    }
    world(&text)
}

#[test]
fn pages_of_orders_give_each_once_and_end() {
    let mut world = crowd(40);
    let mut seen = Vec::new();
    let mut token: Option<String> = None;
    let mut pages = 0;
    loop {
        let target = token.as_ref().map_or("/phone-number-orders?max-results=10".to_owned(), |token| {
            let token = percent_encoding::utf8_percent_encode(token, percent_encoding::NON_ALPHANUMERIC);
            format!("/phone-number-orders?max-results=10&next-token={token}")
        });
        let reply = body(&Ask::get("chime", &target).of(&mut world, 0));
        let page = reply["PhoneNumberOrders"].as_array().unwrap().clone();
        assert!(page.len() <= 10);
        seen.extend(page.iter().map(|order| order["PhoneNumberOrderId"].as_str().unwrap().to_owned()));
        pages += 1;
        match reply.get("NextToken") {
            Some(next) => token = Some(next.as_str().unwrap().to_owned()),
            None => break,
        }
    }
    let expected: Vec<String> =
        (0..40).filter(|i| i % 3 != 2).map(|i| format!("00000000-0000-4000-8000-{i:012}")).collect();
    assert_eq!((seen, pages), (expected, 3));
    for bad in ["0", "101", "many"] {
        let target = format!("/phone-number-orders?max-results={bad}");
        assert_eq!(error_type(&Ask::get("chime", &target).of(&mut world, 0)), "BadRequestException", "{bad}");
    }
}

#[test]
fn what_is_not_listed_is_there_all_the_same() {
    use std::fmt::Write as _;
    let mut text = String::new();
    for n in 1..=3 {
        let listed = n != 2;
        let _ = write!(
            text,
            "[[chime_order]]\nid = \"22222222-bbbb-4bbb-8bbb-00000000000{n}\"\nlisted = {listed}\ntimeline = [{{ at = \"0s\", status = \"Successful\" }}]\n\
             [[connect_number]]\nid = \"11111111-aaaa-4aaa-8aaa-00000000000{n}\"\nnumber = \"+1206555010{n}\"\nlisted = {listed}\ntimeline = [{{ at = \"0s\", status = \"CLAIMED\" }}]\n"
        );
    }
    let mut world = world(&text);
    let ids = |list: &Value, id: &str| -> Vec<char> {
        list.as_array().unwrap().iter().filter_map(|row| row[id].as_str()?.chars().last()).collect()
    };
    let orders = body(&Ask::get("chime", "/phone-number-orders").of(&mut world, 0));
    assert_eq!(ids(&orders["PhoneNumberOrders"], "PhoneNumberOrderId"), ['1', '3']);
    let numbers = body(&Ask::post("connect", "/phone-number/list", r#"{"MaxResults":2}"#).of(&mut world, 0));
    assert_eq!(ids(&numbers["ListPhoneNumbersSummaryList"], "PhoneNumberId"), ['1', '3']);
    assert_eq!(numbers.get("NextToken"), None);
    for (service, target) in [
        ("chime", "/phone-number-orders/22222222-bbbb-4bbb-8bbb-000000000002"),
        ("connect", "/phone-number/11111111-aaaa-4aaa-8aaa-000000000002"),
    ] {
        assert_eq!(Ask::get(service, target).of(&mut world, 0).status, 200);
    }
}

#[test]
fn pages_of_numbers_are_filtered_bounded_and_carry_no_status() {
    let mut world = crowd(20);
    let mut list = |body_text: &str| Ask::post("connect", "/phone-number/list", body_text).of(&mut world, 0);
    let first = body(&list(r#"{"MaxResults":5}"#));
    let rows = first["ListPhoneNumbersSummaryList"].as_array().unwrap();
    assert_eq!(rows.len(), 5);
    assert!(rows.iter().all(|row| row.get("PhoneNumberStatus").is_none() && row.get("Tags").is_none()));
    let token = first["NextToken"].as_str().unwrap();
    let rest = body(&list(&json!({ "NextToken": token, "MaxResults": 1000 }).to_string()));
    assert_eq!(rest["ListPhoneNumbersSummaryList"].as_array().unwrap().len(), 14 - 5);
    assert_eq!(rest.get("NextToken"), None);
    let rows = |reply: &Reply| body(reply)["ListPhoneNumbersSummaryList"].as_array().unwrap().len();
    assert_eq!(rows(&list(r#"{"PhoneNumberPrefix":"+120600000"}"#)), 14);
    assert_eq!(rows(&list(r#"{"PhoneNumberPrefix":"120600000"}"#)), 14);
    assert_eq!(rows(&list(r#"{"PhoneNumberPrefix":"+44"}"#)), 0);
    assert_eq!(rows(&list(r#"{"PhoneNumberTypes":["TOLL_FREE"]}"#)), 0);
    assert_eq!(rows(&list(r#"{"PhoneNumberCountryCodes":["US","GB"],"PhoneNumberTypes":["DID"]}"#)), 14);
    assert_eq!(rows(&list(r#"{"TargetArn":"arn:aws:connect:eu-west-2:123456789012:instance/other"}"#)), 0);
    for bad in [
        r#"{"MaxResults":0}"#,
        r#"{"MaxResults":1001}"#,
        r#"{"PhoneNumberPrefix":"+1 2"}"#,
        "[]",
        "{",
        r#"{"NextToken":"x"}"#,
    ] {
        let reply = list(bad);
        assert_eq!((reply.status, error_type(&reply)), (400, "InvalidParameterException"), "{bad}");
    }
}
