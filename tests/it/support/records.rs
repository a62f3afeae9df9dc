//! Records as consumers read them: JSON, not claimwatch's own type.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The records of whole lines. What is after the last line break is still being written.
pub(crate) fn lines(text: &str) -> Vec<Value> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}")))
        .collect()
}

/// The names of the events.
pub(crate) fn names(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["event"].as_str().unwrap()).collect()
}

/// The records of an event.
pub(crate) fn of<'a>(records: &'a [Value], event: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["event"] == event).collect()
}

/// The only record of an event.
pub(crate) fn only<'a>(records: &'a [Value], event: &str) -> &'a Value {
    let found = of(records, event);
    assert_eq!(found.len(), 1, "{event} among {:?}", names(records));
    found[0]
}

/// The events of one number or order, by its id.
pub(crate) fn about<'a>(records: &'a [Value], id: &str) -> Vec<&'a str> {
    let about = records.iter().filter(|record| record["order_id"] == id);
    about.map(|record| record["event"].as_str().unwrap()).collect()
}

/// What every whole history has to be: `seq` from 1 without a gap, no id twice, each change of a status beginning where
/// the one before it ended.
pub(crate) fn check(records: &[Value]) {
    let seqs: Vec<u64> = records.iter().map(|record| record["seq"].as_u64().unwrap()).collect();
    let wanted: Vec<u64> = (1..=records.len() as u64).collect();
    assert_eq!(seqs, wanted, "{:?}", names(records));
    let mut ids = BTreeSet::new();
    let mut words: BTreeMap<String, Value> = BTreeMap::new();
    for record in records {
        assert!(ids.insert(record["id"].as_str().unwrap()), "twice: {record}");
        let event = record["event"].as_str().unwrap();
        let subject = match event {
            "order.status_changed" => record["order_id"].to_string(),
            _ if event.starts_with("number.") => format!("{} {}", record["order_id"], record["number"]),
            _ => continue,
        };
        let before = words.insert(subject, record["to"].clone()).unwrap_or(Value::Null);
        assert_eq!(record["from"], before, "a link is missing before {record}");
    }
}
