//! The outbox in memory.

use std::collections::BTreeMap;

use super::{Inner, MemoryStore, size};
use crate::core::delivery::SinkMemory;
use crate::core::record::Record;
use crate::core::time::Timestamp;
use crate::store::outbox::{
    Delivery, DeliveryStatus, LAST_ERROR_MAX, Outbox, REQUEUED_AT_ONCE, Registration, Requeue, Settlement,
    SinkStatus, Stands, Takes, Waiting,
};
use crate::store::{Pruned, Pruning, StoreError};

/// Every store in memory is the same one, so that what is told of it is the same each time.
const STORE_ID: u64 = 0x00c0_ffee;

/// What is queued to a sink.
#[derive(Debug, Default)]
pub(super) struct Queue {
    memory: SinkMemory,
    place: Option<String>,
    last_sink_seq: u64,
    rows: BTreeMap<u64, Row>,
    /// Up to here a sink that gets everything has everything.
    through: u64,
}

#[derive(Debug)]
struct Row {
    stream: String,
    sink_seq: u64,
    stands: Stands,
    strikes: u32,
    attempts: u32,
    last_error: Option<String>,
    updated_at: Option<Timestamp>,
}

impl Queue {
    fn push(&mut self, seq: u64, stream: &str) {
        // One that gets everything counts by `seq`.
        self.last_sink_seq += u64::from(self.place.is_some());
        let row = Row {
            stream: stream.to_owned(),
            sink_seq: self.last_sink_seq,
            stands: Stands::Pending,
            strikes: 0,
            attempts: 0,
            last_error: None,
            updated_at: None,
        };
        self.rows.insert(seq, row);
    }

    fn standing(&self, stands: Stands) -> impl Iterator<Item = (&u64, &Row)> {
        self.rows.iter().filter(move |(_, row)| row.stands == stands)
    }
}

impl Inner {
    /// Queues an event to the sinks that want it.
    pub(super) fn queue(&mut self, record: &Record) {
        for sink in &self.registered {
            let wants = match &sink.takes {
                Takes::Everything => true,
                Takes::Chosen { filter, .. } => filter.wants(&sink.name, record),
            };
            if wants && let Some(queue) = self.sinks.get_mut(&sink.name) {
                queue.push(record.seq, record.stream());
            }
        }
    }

    /// Removes old events that nobody waits for. There is no history here.
    pub(super) fn prune(&mut self, before: Timestamp, after: u64, limit: u32) -> Pruned {
        let first_pending = |queue: &Queue| queue.standing(Stands::Pending).next().map(|(seq, _)| seq - 1);
        let held = self.sinks.values().filter(|queue| queue.place.is_none()).filter_map(first_pending);
        let floor = held.chain([self.last_seq]).min().unwrap_or_default();
        let page = self.events.range(after.saturating_add(1)..).map(|(seq, _)| *seq);
        let page: Vec<u64> = page.take_while(|seq| *seq < floor).take(size(limit)).collect();
        let is_old =
            |seq: &u64| self.record(*seq).and_then(|record| record.time).is_some_and(|at| at < before);
        let old: Vec<u64> = page.iter().copied().filter(is_old).collect();
        let waits = |seq: &u64| {
            let mut rows = self.sinks.values().filter_map(|queue| queue.rows.get(seq));
            rows.any(|row| row.stands == Stands::Pending)
        };
        let gone: Vec<u64> = old.iter().copied().filter(|seq| !waits(seq)).collect();
        for seq in &gone {
            self.events.remove(seq);
            self.sinks.values_mut().for_each(|queue| drop(queue.rows.remove(seq)));
        }
        let more = page.len() == size(limit) && !old.is_empty();
        let next = page.last().filter(|_| more).map(|after| Pruning::Events { after: *after });
        Pruned {
            events: gone.len() as u64,
            transitions: 0,
            next: Some(next.unwrap_or(Pruning::History { after: None })),
        }
    }

    fn record(&self, seq: u64) -> Option<Record> {
        serde_json::from_str(self.events.get(&seq)?).ok()
    }

    fn settle(&mut self, settlement: Settlement) -> Result<u64, StoreError> {
        let Settlement { sink, delivered, failed, memory, mut records, at } = settlement;
        if let Some(queue) = self.sinks.get_mut(&sink) {
            for seq in delivered {
                if let Some(row) = queue.rows.get_mut(&seq).filter(|row| row.stands == Stands::Pending) {
                    (row.stands, row.last_error, row.updated_at) = (Stands::Delivered, None, Some(at));
                }
            }
            for failed in failed {
                if let Some(row) = queue.rows.get_mut(&failed.seq).filter(|row| row.stands == Stands::Pending)
                {
                    row.attempts += 1;
                    row.strikes = failed.strikes;
                    row.last_error = Some(failed.error.chars().take(LAST_ERROR_MAX).collect());
                    row.updated_at = Some(at);
                    row.stands = if failed.dead { Stands::Dead } else { Stands::Pending };
                }
            }
            if let Some(memory) = memory {
                let said = queue.memory.generation;
                records.retain(|record| record.generation.is_none_or(|generation| generation > said));
                // Whoever is to be revived stays so until it is: what is written may be from before it was asked for.
                let revived = (queue.memory.revived || memory.revived) && memory.disabled_since.is_some();
                queue.memory = SinkMemory { generation: memory.generation.max(said), revived, ..memory };
            }
        }
        for record in records {
            self.say(record)?;
        }
        Ok(self.last_seq)
    }

    fn requeue(&mut self, sink: &str, what: Requeue, after: u64) -> (u64, Option<u64>) {
        let chosen = self.registered.iter().find_map(|known| match &known.takes {
            Takes::Chosen { filter, .. } if known.name == sink => Some(filter),
            Takes::Chosen { .. } | Takes::Everything => None,
        });
        let Some(filter) = chosen else { return (0, None) };
        let limit = size(REQUEUED_AT_ONCE);
        let dead = |seq: &u64| {
            let row = self.sinks.get(sink).and_then(|queue| queue.rows.get(seq));
            row.is_some_and(|row| row.stands == Stands::Dead)
        };
        let later = self.events.range(after.saturating_add(1)..).map(|(seq, _)| *seq);
        let seqs: Vec<u64> = match what {
            Requeue::Dead => later.filter(dead).take(limit).collect(),
            Requeue::One(seq) => self.events.contains_key(&seq).then_some(seq).into_iter().collect(),
            Requeue::From(since) => {
                let young = |seq: &u64| {
                    self.record(*seq).and_then(|record| record.time).is_some_and(|at| at >= since)
                };
                later.skip_while(|seq| !young(seq)).take(limit).collect()
            }
        };
        let more = (seqs.len() == limit).then(|| seqs.last().copied()).flatten();
        let wants = |record: &Record| match what {
            Requeue::Dead => true,
            Requeue::One(_) => record.sink.as_deref() != Some(sink),
            Requeue::From(_) => filter.wants(sink, record),
        };
        let records: Vec<(u64, Record)> = seqs
            .iter()
            .filter_map(|seq| Some((*seq, self.record(*seq)?)))
            .filter(|(_, record)| wants(record))
            .collect();
        let Some(queue) = self.sinks.get_mut(sink) else { return (0, None) };
        queue.memory.revived = queue.memory.disabled_since.is_some();
        for (seq, record) in &records {
            match queue.rows.get_mut(seq) {
                Some(row) => (row.stands, row.strikes, row.updated_at) = (Stands::Pending, 0, None),
                None => queue.push(*seq, record.stream()),
            }
        }
        (records.len() as u64, more)
    }
}

impl Outbox for MemoryStore {
    async fn store_id(&self) -> Result<u64, StoreError> {
        Ok(STORE_ID)
    }

    async fn register_sinks(&self, sinks: &[Registration]) -> Result<Vec<(String, u64)>, StoreError> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        inner.registered = sinks.to_vec();
        let stays = |name: &str, queue: &Queue| {
            let chooses = queue.place.is_some();
            sinks.iter().any(|sink| sink.name == name && sink.takes.is_chosen() == chooses)
        };
        let gone = inner.sinks.extract_if(.., |name, queue| !stays(name, queue));
        let mut dropped = Vec::new();
        for (name, queue) in gone {
            let waiting = queue.standing(Stands::Pending).count() as u64;
            inner.gone.insert(name.clone(), (queue.memory.generation, queue.last_sink_seq));
            dropped.push((name, waiting));
        }
        dropped.retain(|(_, waiting)| *waiting > 0);
        for sink in sinks {
            let place = match &sink.takes {
                Takes::Everything => None,
                Takes::Chosen { place, .. } => Some(place.clone()),
            };
            let (generation, last_sink_seq) = inner.gone.get(&sink.name).copied().unwrap_or_default();
            let queue = inner.sinks.entry(sink.name.clone()).or_insert_with(|| Queue {
                memory: SinkMemory { generation, ..SinkMemory::default() },
                place: place.clone(),
                last_sink_seq,
                ..Queue::default()
            });
            if queue.place != place {
                queue.memory.revived = queue.memory.disabled_since.is_some();
                queue.place = place;
            }
        }
        Ok(dropped)
    }

    async fn pending(&self, sink: &str, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let inner = self.inner();
        let Some(queue) = inner.sinks.get(sink) else { return Ok(Vec::new()) };
        let waiting = queue.rows.range(queue.through + 1..).filter(|(_, row)| row.stands == Stands::Pending);
        let delivery =
            |(seq, _): (&u64, &Row)| Some(Delivery { seq: *seq, json: inner.events.get(seq)?.clone() });
        Ok(waiting.take(size(limit)).filter_map(delivery).collect())
    }

    async fn place_of(&self, id: &str) -> Result<Option<u64>, StoreError> {
        let inner = self.inner();
        let found = |seq: &&u64| inner.record(**seq).is_some_and(|record| record.id == id);
        Ok(inner.events.keys().rev().find(found).copied())
    }

    async fn event(&self, seq: u64) -> Result<Option<Delivery>, StoreError> {
        Ok(self.inner().events.get(&seq).map(|json| Delivery { seq, json: json.clone() }))
    }

    async fn delivered(&self, sink: &str, through: u64, at: Timestamp) -> Result<(), StoreError> {
        let mut inner = self.inner();
        let last_seq = inner.last_seq;
        if let Some(queue) = inner.sinks.get_mut(sink) {
            let before = queue.through;
            queue.through = before.max(through.min(last_seq));
            for (_, row) in queue.rows.range_mut(..=queue.through).rev().take_while(|(seq, _)| **seq > before)
            {
                if row.stands == Stands::Pending {
                    (row.stands, row.updated_at) = (Stands::Delivered, Some(at));
                }
            }
        }
        Ok(())
    }

    async fn waiting(&self, sink: &str, except: &[String], limit: u32) -> Result<Vec<Waiting>, StoreError> {
        let inner = self.inner();
        let Some(queue) = inner.sinks.get(sink) else { return Ok(Vec::new()) };
        let mut seen: Vec<&str> = except.iter().map(String::as_str).collect();
        let mut first = Vec::new();
        for (seq, row) in queue.standing(Stands::Pending) {
            if first.len() >= size(limit) {
                break;
            }
            let Some(json) = inner.events.get(seq).filter(|_| !seen.contains(&row.stream.as_str())) else {
                continue;
            };
            seen.push(&row.stream);
            first.push(Waiting {
                stream: row.stream.clone(),
                seq: *seq,
                sink_seq: row.sink_seq,
                strikes: row.strikes,
                json: json.clone(),
            });
        }
        Ok(first)
    }

    async fn settle(&self, settlement: Settlement) -> Result<u64, StoreError> {
        self.inner().settle(settlement)
    }

    async fn sink(&self, name: &str) -> Result<SinkMemory, StoreError> {
        Ok(self.inner().sinks.get(name).map(|queue| queue.memory).unwrap_or_default())
    }

    async fn sinks(&self) -> Result<Vec<SinkStatus>, StoreError> {
        let inner = self.inner();
        let status = |(name, queue): (&String, &Queue)| {
            let oldest = queue.standing(Stands::Pending).next();
            SinkStatus {
                name: name.clone(),
                chooses: queue.place.is_some(),
                pending: queue.standing(Stands::Pending).count() as u64,
                dead: queue.standing(Stands::Dead).count() as u64,
                oldest: oldest.and_then(|(seq, _)| inner.record(*seq)?.time),
                last_error: oldest.and_then(|(_, row)| row.last_error.clone()),
                memory: queue.memory,
            }
        };
        Ok(inner.sinks.iter().map(status).collect())
    }

    async fn deliveries(
        &self,
        sink: &str,
        stands: Stands,
        after: u64,
        limit: u32,
    ) -> Result<Vec<DeliveryStatus>, StoreError> {
        let inner = self.inner();
        let Some(queue) = inner.sinks.get(sink) else { return Ok(Vec::new()) };
        let status = |(seq, row): (&u64, &Row)| {
            let record = inner.record(*seq)?;
            Some(DeliveryStatus {
                sink: sink.to_owned(),
                seq: *seq,
                id: record.id,
                event: record.event,
                about: record.number.or(record.order_id).or(record.account),
                time: record.time,
                stands,
                attempts: row.attempts,
                last_error: row.last_error.clone(),
                updated_at: row.updated_at,
            })
        };
        let rows = queue.standing(stands).filter(|(seq, _)| **seq > after);
        Ok(rows.take(size(limit)).filter_map(status).collect())
    }

    async fn requeue(&self, sink: &str, what: Requeue, after: u64) -> Result<(u64, Option<u64>), StoreError> {
        Ok(self.inner().requeue(sink, what, after))
    }
}
