//! The simulator's scenario files, and the worlds made of those that are accepted.

use claimwatch::core::time::Timestamp;
use claimwatch::sim::scenario::Scenario;
use claimwatch::sim::wire::Request;
use claimwatch::sim::world::World;

use super::http::RECEIVED_MS;

/// What is wrong, in bytes.
const MESSAGE_MOST: usize = 403;
/// Numbers in the states of all orders.
const HELD_MOST: usize = 250_000;
/// A hundred years in milliseconds: no time of a scenario is further from its start.
const FURTHEST: i64 = 100 * 366 * 86_400_000;
/// When the world is asked, in milliseconds after its start.
const ASKED_AT: [i64; 5] = [-1_000, 0, 1_500, 3_600_000, FURTHEST];

/// Reads the bytes as a scenario file.
pub(crate) fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let read = Scenario::parse(&text);
    assert_eq!(read, Scenario::parse(&text), "read in two ways");
    match read {
        Err(error) => {
            assert!((1..=text.split('\n').count()).contains(&error.line), "{error}");
            assert!(error.column >= 1, "{error}");
            assert!(error.message.len() <= MESSAGE_MOST, "{} bytes", error.message.len());
        }
        Ok(scenario) => {
            assert_eq!(Scenario::parse(&format!("{text}\n# the same\n")).as_ref(), Ok(&scenario));
            bounded(&scenario, text.len());
            lives(scenario);
        }
    }
}

fn bounded(scenario: &Scenario, length: usize) {
    let (mut states, mut held) = (0, 0);
    for order in &scenario.orders {
        assert!(!order.states.is_empty() && order.states.is_sorted_by_key(|state| state.at), "{order:?}");
        states += order.states.len();
        held += order.states.iter().map(|state| state.numbers.len()).sum::<usize>();
        assert!(order.states.iter().all(|state| state.numbers.len() <= 1_000));
    }
    for number in &scenario.numbers {
        assert!(!number.states.is_empty() && number.states.is_sorted_by_key(|state| state.at), "{number:?}");
        states += number.states.len();
    }
    assert!(states <= length, "{states} states out of {length} bytes");
    assert!(held <= HELD_MOST, "{held} numbers in the states out of {length} bytes");
    for terms in [&scenario.connect, &scenario.chime] {
        assert!(terms.rate.rate.is_finite() && terms.rate.rate >= 0.0, "{terms:?}");
        assert!((200..600).contains(&terms.throttle.status), "{terms:?}");
    }
    for fault in &scenario.faults {
        assert!(fault.every >= 1 && (0.0..=1.0).contains(&fault.chance), "{fault:?}");
        assert!([fault.from, fault.until].iter().all(|at| at.as_millis().abs() <= FURTHEST), "{fault:?}");
    }
}

/// The world answers whatever it is asked, whenever.
fn lives(mut scenario: Scenario) {
    scenario.signatures = false;
    let order = scenario.orders.first().map_or("x", |order| &order.id).to_owned();
    let number = scenario.numbers.first().map_or("x", |number| &number.id).to_owned();
    let list = r#"{"MaxResults":1000,"PhoneNumberPrefix":"+4"}"#;
    let asked = [
        ("GET", format!("/phone-number-orders/{order}"), "", ""),
        ("GET", "/phone-number-orders".to_owned(), "max-results=100", ""),
        ("GET", format!("/phone-number/{number}"), "", ""),
        ("POST", "/phone-number/list".to_owned(), "", list),
        ("POST", "/".to_owned(), "", "Action=GetCallerIdentity&Version=2011-06-15"),
    ];
    let started = Timestamp::from_millis(RECEIVED_MS);
    let mut world = World::new(scenario, started);
    for at in ASKED_AT {
        for (method, path, query, body) in &asked {
            let headers = Vec::new();
            let request = Request { method, path, query, headers, body: body.as_bytes() };
            let now = Timestamp::from_millis(RECEIVED_MS + at);
            let reply = world.handle(&request, now);
            assert!((200..600).contains(&reply.status), "{reply:?}");
        }
    }
}
