//! Where events leave in the simulation: a log and a file that outlive the process, and the receivers of two webhooks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Trouble;
use super::life::Life;
use super::plan::{Chance as _, MIN, Receiver};
use crate::core::delivery::Posted;
use crate::core::random::Random;
use crate::sink::{Line, Parcel, Post, Sink, SinkError};

/// What is outside of the process: it stays when that ends.
#[derive(Debug, Default)]
pub(super) struct Outside {
    /// The log, as whoever reads it sees it: whole lines and torn ones.
    pub(super) log: Mutex<String>,
    /// The event file.
    pub(super) file: Mutex<String>,
    /// What the receivers got.
    pub(super) got: [Mutex<Vec<Got>>; 2],
    /// The minute of the last post to each receiver, and posts in it.
    pub(super) minutes: [Mutex<(u64, u32)>; 2],
}

/// A post as its receiver got it.
#[derive(Debug, Clone)]
pub(super) struct Got {
    pub(super) id: String,
    pub(super) sink_seq: u64,
    pub(super) json: String,
}

pub(super) fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A sink of lines.
pub(super) struct Lines {
    pub(super) name: &'static str,
    pub(super) outside: Arc<Outside>,
    pub(super) life: Arc<Life>,
    pub(super) trouble: Arc<Trouble>,
    pub(super) random: Random,
    /// Where the last batch began that was not written whole, and could not be cut off yet.
    pub(super) torn_at: Option<usize>,
}

impl Lines {
    fn is_file(&self) -> bool {
        self.name == "file"
    }

    fn text(&self) -> MutexGuard<'_, String> {
        lock(if self.is_file() { &self.outside.file } else { &self.outside.log })
    }

    fn fails(&mut self) -> bool {
        let part = self.trouble.rates().sink;
        part > 0.0 && self.random.chance(part)
    }
}

fn full() -> SinkError {
    SinkError::Failing(std::io::Error::other("no space left on device"))
}

impl Sink for Lines {
    fn name(&self) -> &str {
        self.name
    }

    async fn start(&mut self) -> Result<Option<Line>, SinkError> {
        self.life.step().await;
        if !self.is_file() {
            // A line that the life before tore ends where its stream ends.
            let mut text = self.text();
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            return Ok(None);
        }
        let mut text = self.text();
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        text.truncate(whole);
        let Some(last) = text.lines().last() else { return Ok(None) };
        let record: serde_json::Value =
            serde_json::from_str(last).map_err(std::io::Error::other).map_err(SinkError::Failing)?;
        let seq = record["seq"].as_u64().unwrap_or_default();
        Ok(Some(Line { seq, json: last.to_owned() }))
    }

    async fn deliver(&mut self, batch: &[Line]) -> Result<(), SinkError> {
        self.life.step().await;
        if self.fails() {
            return Err(full());
        }
        let lines: String = batch.iter().flat_map(|line| [line.json.as_str(), "\n"]).collect();
        // Cut anywhere.
        let half = self.random.below(u32::try_from(lines.len()).unwrap()) as usize;
        let half = (0..=half).rev().find(|at| lines.is_char_boundary(*at)).unwrap_or_default();
        if let Some(at) = self.torn_at.take() {
            if self.is_file() {
                self.text().truncate(at);
            } else {
                self.text().push('\n');
            }
        }
        let before = self.text().len();
        self.text().push_str(&lines[..half]);
        self.torn_at = Some(before);
        self.life.step().await;
        if self.fails() {
            return Err(full());
        }
        self.text().push_str(&lines[half..]);
        self.torn_at = None;
        self.life.step().await;
        Ok(())
    }
}

/// A webhook's way to its receiver.
pub(super) struct Hook {
    pub(super) name: &'static str,
    pub(super) place: usize,
    pub(super) behaviour: Receiver,
    pub(super) outside: Arc<Outside>,
    pub(super) life: Arc<Life>,
    pub(super) trouble: Arc<Trouble>,
    pub(super) random: Mutex<Random>,
}

/// Whether a receiver that dislikes some events dislikes this one.
pub(super) fn disliked(id: &str) -> bool {
    id.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte))).is_multiple_of(5)
}

impl Hook {
    fn chance(&self, part: f64) -> bool {
        lock(&self.random).chance(part)
    }

    fn take(&self, parcel: &Parcel) {
        let got = Got { id: parcel.id.clone(), sink_seq: parcel.sink_seq, json: parcel.json.clone() };
        lock(&self.outside.got[self.place]).push(got);
    }

    /// Counts a post, and says whether it is among the first so many of its minute.
    fn is_within(&self, most: u32, now: u64) -> bool {
        let mut minute = lock(&self.outside.minutes[self.place]);
        if minute.0 != now / MIN {
            *minute = (now / MIN, 0);
        }
        minute.1 += 1;
        minute.1 <= most
    }

    fn failing(&self) -> Posted {
        let retry_after =
            self.chance(0.3).then(|| Duration::from_secs(u64::from(lock(&self.random).below(90))));
        if self.chance(0.5) {
            return Posted::Busy { reason: "HTTP 429".to_owned(), retry_after };
        }
        Posted::Failing { reason: "HTTP 503".to_owned(), retry_after }
    }
}

impl Post for Hook {
    fn name(&self) -> &str {
        self.name
    }

    async fn post(&self, parcel: Parcel) -> Posted {
        self.life.step().await;
        let millis = u64::from(lock(&self.random).below(300));
        tokio::time::sleep(Duration::from_millis(millis)).await;
        self.life.step().await;
        let now = self.trouble.now_ms();
        if self.trouble.is_quiet() {
            if self.behaviour == Receiver::Picky && disliked(&parcel.id) {
                return Posted::Refused { reason: "HTTP 400".to_owned() };
            }
            self.take(&parcel);
            return Posted::Taken;
        }
        let answer = match self.behaviour {
            Receiver::Down(from, to) if (from..to).contains(&now) => {
                return Posted::Failing { reason: "no connection".to_owned(), retry_after: None };
            }
            Receiver::Flaky(part) if self.chance(part) => return self.failing(),
            Receiver::Hangs(part) if self.chance(part) => std::future::pending().await,
            Receiver::Picky if disliked(&parcel.id) => Posted::Refused { reason: "HTTP 400".to_owned() },
            Receiver::Poisoned if disliked(&parcel.id) => return self.failing(),
            Receiver::Limited(most) if !self.is_within(most, now) => {
                Posted::Failing { reason: "HTTP 503".to_owned(), retry_after: None }
            }
            Receiver::Gone(from) if now >= from => Posted::Gone { reason: "HTTP 410".to_owned() },
            Receiver::Mute(part) if self.chance(part) => {
                self.take(&parcel);
                Posted::Failing { reason: "no answer in time".to_owned(), retry_after: None }
            }
            Receiver::Well
            | Receiver::Down(..)
            | Receiver::Flaky(_)
            | Receiver::Mute(_)
            | Receiver::Hangs(_)
            | Receiver::Picky
            | Receiver::Poisoned
            | Receiver::Limited(_)
            | Receiver::Gone(_) => {
                self.take(&parcel);
                Posted::Taken
            }
        };
        self.life.step().await;
        answer
    }
}
