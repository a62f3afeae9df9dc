//! Lists, orders, numbers and records to store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use claimwatch::core::order::{Declared, ListTerms, Operation, OrderKey, Provider, Watch};
use claimwatch::core::policy::Policy;
use claimwatch::core::record::{self, Record};
use claimwatch::core::state::{Cause, CauseBasis, ClaimedBefore, Number, Order, Place, Status};
use claimwatch::core::time::Timestamp;
use claimwatch::core::window::{Closed, Outcome, Window, WindowBasis, WindowState};
use claimwatch::store::outbox::{Failed, Registration, Settlement, Takes};
use claimwatch::store::{Change, ListRow};

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_763_632_800_123 + seconds * 1000)
}

pub(crate) fn list(name: &str, hash: &str) -> ListRow {
    let labels = BTreeMap::from([("team".to_owned(), format!("{hash} \"voice\" \u{1f4de}"))]);
    let terms =
        ListTerms { name: name.to_owned(), account: "prod-eu".into(), labels, policy: Policy::default() };
    ListRow { terms: Arc::new(terms), content_hash: hash.to_owned() }
}

pub(crate) fn order(provider: Provider, id: &str, list: &ListRow) -> Order {
    let key = OrderKey { provider, account: "prod-eu".into(), region: "eu-west-2".into(), id: id.to_owned() };
    let declared = Declared {
        ask: format!("arn:aws:connect:eu-west-2:123456789012:phone-number/{id}"),
        number: Some("+442071838750".into()),
        operation: Some(Operation::Claim),
        requested_at: Some(at(-500)),
        label: Some("it's \"the\" support\nline\u{0}".into()),
    };
    Order::new(Watch { key, declared, terms: Arc::clone(&list.terms) }, at(0))
}

pub(crate) fn record_of(order: &Order, n: usize, event: &str) -> Record {
    Record {
        schema: record::SCHEMA,
        time: Some(at(1)),
        level: "info".into(),
        event: event.to_owned(),
        id: record::event_id(&order.stream().to_string(), order.generation, n),
        order_id: Some(order.watch.key.id.clone()),
        message: "a sentence\nof two lines".into(),
        ..Record::default()
    }
}

/// The order's next step, with that many records.
pub(crate) fn change(order: &Order, records: usize) -> Change {
    let mut order = order.clone();
    let was = order.generation;
    order.generation += 1;
    let records = (0..records).map(|n| record_of(&order, n, "order.tracked")).collect();
    Change { was, order, records }
}

pub(crate) fn daemon_record(generation: u64) -> Record {
    Record {
        schema: record::SCHEMA,
        level: "info".into(),
        event: "heartbeat".into(),
        id: record::event_id(record::DAEMON_STREAM, generation, 0),
        ..Record::default()
    }
}

/// Sinks that get everything.
pub(crate) fn sinks(names: &[&str]) -> Vec<Registration> {
    let everything = |name: &&str| Registration { name: (*name).to_owned(), takes: Takes::Everything };
    names.iter().map(everything).collect()
}

/// A settlement in which a sink did not take one event.
pub(crate) fn refusal(sink: &str, seq: u64, error: &str, seconds: i64) -> Settlement {
    let failed = vec![Failed { seq, error: error.to_owned(), strikes: 0, dead: false }];
    Settlement { failed, ..Settlement::of(sink, at(seconds)) }
}

/// A number in every shape that it can have.
pub(crate) fn numbers() -> BTreeMap<String, Number> {
    let causes = [
        None,
        Some(Cause { operation: Operation::Claim, basis: CauseBasis::Declared }),
        Some(Cause { operation: Operation::Update, basis: CauseBasis::NeverClaimed }),
        Some(Cause { operation: Operation::Update, basis: CauseBasis::ClaimedBefore }),
    ];
    let mut statuses =
        vec![Status::NeverSeen, Status::Claimed { since: at(3) }, Status::Released { since: at(4) }];
    for cause in causes {
        statuses.push(Status::InProgress { since: at(5), cause });
        for reason in [None, Some("it's \"gone\"\u{0}\u{1}\n\u{1f4de}".to_owned())] {
            statuses.push(Status::Failed { since: at(6), cause, reason });
        }
    }
    let mut windows = vec![WindowState::Never];
    for basis in [
        WindowBasis::RequestedAt,
        WindowBasis::FirstLook,
        WindowBasis::LastLookBeforeFailure,
        WindowBasis::FailureFirstSeen,
        WindowBasis::AlreadyPast,
        WindowBasis::Reopened,
    ] {
        for warned in [None, Some(Duration::new(1800, 5))] {
            let (earliest, latest) = (at(7), Timestamp::from_millis(253_402_207_200_000));
            let window = Window {
                id: "s-1-0".into(),
                basis,
                counted_from: warned.map(|_| at(2)),
                length: Duration::from_millis(86_400_001),
                failed_at: at(6),
                earliest,
                latest,
                warned,
                acknowledged_at: warned.map(|_| at(7)),
            };
            for outcome in [
                Outcome::Claimed,
                Outcome::ClaimedElsewhere { other_id: "\"id\"".into() },
                Outcome::Unconfirmed,
                Outcome::Released,
            ] {
                windows.push(WindowState::Closed(Closed { window: window.clone(), outcome, at: at(9) }));
            }
            windows.push(WindowState::Open(window));
        }
    }
    let mut numbers = BTreeMap::new();
    for (row, status) in statuses.iter().enumerate() {
        for (column, window) in windows.iter().enumerate() {
            let flag = (row + column) % 2 == 0;
            let number = Number {
                status: status.clone(),
                raw: flag.then(|| "Weird \\ \"word\"".to_owned()),
                claimed_before: [
                    None,
                    Some(ClaimedBefore::Declared),
                    Some(ClaimedBefore::Seen { at: at(1) }),
                ][column % 3],
                declared_holds: !flag,
                window: window.clone(),
                place: [Place::Listed, Place::LackedOnce, Place::Vanished][row % 3],
            };
            numbers.insert(format!("+44{row:03}{column:03}"), number);
        }
    }
    numbers.insert(String::new(), Number::default());
    numbers
}
