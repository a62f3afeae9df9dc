//! Which events a webhook gets.

use std::collections::BTreeMap;

use super::super::event::{Level, SinkEvent};
use super::super::record::Record;

/// The heartbeat goes to webhooks that name it, and to no other: a pager is no place for it.
const HEARTBEAT: &str = "heartbeat";

/// What a webhook wants. Empty wants everything but the heartbeat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Patterns of event names, of which one has to match; empty is all. `*` stands for any characters.
    pub events: Vec<String>,
    /// Labels that have to be on the record.
    pub labels: BTreeMap<String, String>,
    /// Watch lists, of which one has to be the record's; empty is all.
    pub lists: Vec<String>,
    /// The lowest level.
    pub min_level: Option<Level>,
}

impl Filter {
    /// Whether the webhook called `sink` gets this record. What is about a sink is never sent to that sink; and that such an
    /// event is dead is told to no webhook, else two of them that refuse all would have news for each other for ever.
    pub fn wants(&self, sink: &str, record: &Record) -> bool {
        let name = &record.event;
        let named = if name == HEARTBEAT {
            self.events.iter().any(|pattern| pattern == HEARTBEAT)
        } else {
            self.events.is_empty() || self.events.iter().any(|pattern| matches(pattern, name))
        };
        let labelled = self.labels.iter().all(|(key, value)| {
            record.labels.get(&format!("label_{key}")).is_some_and(|label| label == value)
        });
        let listed =
            self.lists.is_empty() || record.list.as_ref().is_some_and(|list| self.lists.contains(list));
        let loud =
            self.min_level.is_none_or(|least| Level::parse(&record.level).is_none_or(|level| level >= least));
        let echo = record.about_event.as_deref().is_some_and(SinkEvent::is_named);
        record.sink.as_deref() != Some(sink) && !echo && named && labelled && listed && loud
    }
}

/// Whether a pattern, in which `*` stands for any characters, is the whole of a name.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(event: &str, level: Level) -> Record {
        Record { event: event.into(), level: level.as_str().into(), ..Record::default() }
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, expected) in [
            ("window.*", "window.opened", true),
            ("window.*", "window.", true),
            ("window.*", "number.failed", false),
            ("window", "window.opened", false),
            ("number.failed", "number.failed", true),
            ("number.failed", "number.failed2", false),
            ("*.failed", "number.failed", true),
            ("*.failed", "number.failing", false),
            ("*", "anything", true),
            ("*.*ed", "window.closed", true),
            ("w*.c*d", "window.closed", true),
            ("w*o*o*o", "window.closed", false),
            ("a*a", "a", false),
            ("**", "", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn all_conditions_have_to_hold() {
        let labels = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let failed = Record {
            list: Some("emea".into()),
            labels: labels(&[("label_team", "voice"), ("label_site", "london")]),
            ..record("number.failed", Level::Warn)
        };
        let all = Filter::default();
        assert!(all.wants("pager", &failed));
        for (expected, filter) in [
            (true, Filter { events: vec!["x".into(), "number.*".into()], ..all.clone() }),
            (false, Filter { events: vec!["window.*".into()], ..all.clone() }),
            (true, Filter { labels: labels(&[("team", "voice"), ("site", "london")]), ..all.clone() }),
            (false, Filter { labels: labels(&[("team", "voice"), ("site", "paris")]), ..all.clone() }),
            (false, Filter { labels: labels(&[("label_team", "voice")]), ..all.clone() }),
            (true, Filter { lists: vec!["us".into(), "emea".into()], ..all.clone() }),
            (false, Filter { lists: vec!["us".into()], ..all.clone() }),
            (true, Filter { min_level: Some(Level::Warn), ..all.clone() }),
            (false, Filter { min_level: Some(Level::Error), ..all.clone() }),
        ] {
            assert_eq!(filter.wants("pager", &failed), expected, "{filter:?}");
        }
        let denied = record("scope.denied", Level::Error);
        assert!(all.wants("pager", &denied));
        assert!(
            !Filter { lists: vec!["emea".into()], ..all.clone() }.wants("pager", &denied),
            "it has no list"
        );
    }

    #[test]
    fn the_heartbeat_goes_to_those_that_name_it() {
        let beat = record("heartbeat", Level::Info);
        let with = |events: &[&str]| Filter {
            events: events.iter().map(|e| (*e).into()).collect(),
            ..Filter::default()
        };
        assert!(!with(&[]).wants("pager", &beat) && !with(&["*"]).wants("pager", &beat));
        assert!(!with(&["heart*"]).wants("pager", &beat));
        assert!(with(&["window.*", "heartbeat"]).wants("pager", &beat));
    }

    #[test]
    fn nobody_is_told_about_itself() {
        let failing = Record { sink: Some("pager".into()), ..record("sink.failing", Level::Warn) };
        assert!(!Filter::default().wants("pager", &failing));
        assert!(Filter::default().wants("chat", &failing));
    }

    #[test]
    fn that_an_event_about_a_sink_is_dead_is_for_no_webhook() {
        for (about, wanted) in [("window.closing", true), ("sink.failing", false), ("delivery.dead", false)] {
            let dead = Record {
                sink: Some("pager".into()),
                about_event: Some(about.into()),
                ..record("delivery.dead", Level::Error)
            };
            assert_eq!(Filter::default().wants("chat", &dead), wanted, "{about}");
        }
    }
}
