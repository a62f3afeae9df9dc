//! What the demo has to show, and whether it did: a sink that prints every event and ticks it off.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

use crate::core::record::Record;
use crate::sink::{Line, Sink, SinkError, text};

/// One thing that the demo has to show.
#[derive(Debug, Clone, Copy)]
struct Chapter {
    title: &'static str,
    /// A word by which the order or number is known in records; empty where it is about a scope.
    about: &'static str,
    /// Events that must come in this order, as `event` or `event=outcome`, where the outcome is any of the record's `to`,
    /// `outcome` and `condition`.
    events: &'static [&'static str],
}

/// The story of `config/scenarios/demo.toml`.
const CHAPTERS: &[Chapter] = &[
    Chapter {
        title: "a claim that succeeds",
        about: "+442079460101",
        events: &["number.in_progress", "number.claimed"],
    },
    Chapter {
        title: "a claim that fails and is rescued inside its window",
        about: "+442079460102",
        events: &[
            "number.failed",
            "window.opened",
            "number.in_progress=retrying",
            "number.claimed",
            "window.resolved=claimed",
        ],
    },
    Chapter {
        title: "a claim that fails and is released after warnings",
        about: "+442079460103",
        events: &[
            "number.failed",
            "window.opened",
            "window.closing",
            "window.closing",
            "window.closed=released",
            "number.released",
        ],
    },
    Chapter {
        title: "a Chime order that ends Partial",
        about: "6f1c0d4e-3f0b-4c1e-9a57-0d0c8e0a1b21",
        events: &["number.claimed", "number.failed", "order.completed=Partial"],
    },
    Chapter { title: "a 429: the whole scope holds", about: "", events: &["scope.throttled=throttled"] },
    Chapter {
        title: "a 503 outage, and recovery",
        about: "",
        events: &["scope.unavailable=unavailable", "scope.recovered=unavailable"],
    },
    Chapter {
        title: "a Chime order that succeeds after the outage",
        about: "6f1c0d4e-3f0b-4c1e-9a57-0d0c8e0a1b22",
        events: &["order.completed=Successful"],
    },
];

/// How far the story got. Copies share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Story(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    /// Events seen of each chapter.
    seen: BTreeMap<usize, usize>,
    ids: BTreeSet<String>,
    repeated: bool,
}

impl Story {
    fn hear(&self, record: &Record) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.repeated |= !told.ids.insert(record.id.clone());
        for (place, chapter) in CHAPTERS.iter().enumerate() {
            let seen = told.seen.entry(place).or_default();
            if chapter.events.get(*seen).is_some_and(|wanted| is_of(chapter, record) && is(wanted, record)) {
                *seen += 1;
            }
        }
    }

    /// Whether everything was shown, and nothing twice.
    pub(super) fn is_whole(&self) -> bool {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !told.repeated
            && CHAPTERS
                .iter()
                .enumerate()
                .all(|(place, chapter)| told.seen.get(&place) == Some(&chapter.events.len()))
    }

    /// A line for each chapter: whether it was shown, and what is missing.
    pub(super) fn table(&self) -> Vec<String> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<String> = CHAPTERS
            .iter()
            .enumerate()
            .map(|(place, chapter)| {
                let seen = told.seen.get(&place).copied().unwrap_or_default();
                match chapter.events.get(seen) {
                    None => format!("  seen     {}", chapter.title),
                    Some(wanted) => format!("  MISSING  {}: no {wanted}", chapter.title),
                }
            })
            .collect();
        if told.repeated {
            lines.push("  WRONG    an event came twice".to_owned());
        }
        lines
    }
}

fn is_of(chapter: &Chapter, record: &Record) -> bool {
    chapter.about.is_empty()
        || record.number.as_deref() == Some(chapter.about)
        || record.order_id.as_deref() == Some(chapter.about)
}

fn is(wanted: &str, record: &Record) -> bool {
    let (event, outcome) =
        wanted.split_once('=').map_or((wanted, None), |(event, outcome)| (event, Some(outcome)));
    let outcomes = [&record.to, &record.outcome, &record.condition];
    record.event == event
        && outcome.is_none_or(|outcome| outcomes.iter().any(|known| known.as_deref() == Some(outcome)))
}

/// Prints each event for people, and tells the story; ends the daemon when the story is whole.
#[derive(Debug)]
pub(super) struct StorySink {
    pub(super) story: Story,
    pub(super) colour: bool,
    pub(super) stop: CancellationToken,
}

impl Sink for StorySink {
    fn name(&self) -> &'static str {
        "log"
    }

    async fn start(&mut self) -> Result<Option<Line>, SinkError> {
        std::future::ready(Ok(None)).await
    }

    async fn deliver(&mut self, batch: &[Line]) -> Result<(), SinkError> {
        let mut lines = String::new();
        for line in batch {
            let record: Record = serde_json::from_str(&line.json)
                .map_err(|cause| SinkError::Failing(io::Error::new(io::ErrorKind::InvalidData, cause)))?;
            lines.push_str(&text::render(&record, self.colour));
            lines.push('\n');
            self.story.hear(&record);
        }
        let mut out = tokio::io::stdout();
        // Whoever stopped reading does not change the story.
        let _closed = out.write_all(lines.as_bytes()).await;
        let _closed = out.flush().await;
        if self.story.is_whole() {
            self.stop.cancel();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, event: &str, number: &str, outcome: Option<&str>) -> Record {
        Record {
            id: id.into(),
            event: event.into(),
            number: Some(number.into()),
            outcome: outcome.map(str::to_owned),
            ..Record::default()
        }
    }

    #[test]
    fn a_chapter_is_seen_only_in_its_order_and_about_its_number() {
        let story = Story::default();
        story.hear(&record("1", "number.claimed", "+442079460101", None));
        story.hear(&record("2", "number.in_progress", "+442079460102", None));
        assert!(story.table()[0].contains("no number.in_progress"));
        story.hear(&record("3", "number.in_progress", "+442079460101", None));
        story.hear(&record("4", "number.claimed", "+442079460101", None));
        assert!(story.table()[0].starts_with("  seen"));
        assert!(!story.is_whole());
    }

    #[test]
    fn an_event_that_comes_twice_spoils_it() {
        let story = Story::default();
        story.hear(&record("1", "number.claimed", "+1", None));
        story.hear(&record("1", "number.claimed", "+1", None));
        assert!(story.table().last().is_some_and(|line| line.contains("twice")));
    }
}
