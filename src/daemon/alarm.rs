//! The alarm clock: `tokio-cron-scheduler` runs the cron lines of `[schedules]` in UTC, and each only wakes somebody: the
//! loop, or the housekeeper. What is to be done is decided and done there; whoever finds the loop's queue full finds it awake
//! already.
//!
//! # Guarantees
//! A chore that was due while no daemon ran is made up once, after the start. A heartbeat is not: it would say of then what is
//! true now.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use croner::parser::{CronParser, Seconds};
use tokio::sync::mpsc;
pub(super) use tokio_cron_scheduler::JobScheduler;
use tokio_cron_scheduler::{Job, JobSchedulerError};

use super::housekeeping::{Chore, ToDo};
use super::poller::Wish;
use crate::config::Schedules;
use crate::core::time::Timestamp;
use crate::store::{Batch, Store, StoreError};

/// Whom the alarms wake.
#[derive(Debug)]
pub(super) struct Sleepers {
    pub(super) wishes: mpsc::Sender<Wish>,
    pub(super) to_do: Arc<ToDo>,
}

/// Starts the alarms of a configuration. They end when what is returned is shut down; there is nothing to shut down where
/// none is set.
pub(super) async fn set(
    schedules: &Schedules,
    sleepers: Sleepers,
) -> Result<Option<JobScheduler>, JobSchedulerError> {
    let Sleepers { wishes, to_do } = sleepers;
    let mut jobs = Vec::new();
    if let Some(line) = &schedules.heartbeat {
        // Full or closed: the loop is awake, or gone.
        jobs.push(Job::new(line, move |_, _| drop(wishes.try_send(Wish::Heartbeat)))?);
    }
    for chore in ToDo::ALL {
        if let Some(line) = chore.line(schedules) {
            let to_do = Arc::clone(&to_do);
            jobs.push(Job::new(line, move |_, _| to_do.add(chore))?);
        }
    }
    if jobs.is_empty() {
        return Ok(None);
    }
    let clock = JobScheduler::new().await?;
    for job in jobs {
        clock.add(job).await?;
    }
    clock.start().await?;
    Ok(Some(clock))
}

/// The chores that were due since they were last done. One that was never waited for is from now on.
pub(super) async fn missed<S: Store>(
    schedules: &Schedules,
    store: &S,
    now: Timestamp,
) -> Result<Vec<Chore>, StoreError> {
    let done = store.runs().await?;
    let (mut missed, mut waited_for) = (Vec::new(), Vec::new());
    for chore in ToDo::ALL {
        let Some(line) = chore.line(schedules) else { continue };
        match done.get(chore.word()) {
            Some(last) if *last <= now => missed.extend(was_due(line, *last, now).then_some(chore)),
            // One from ahead of now is by a clock that was wrong.
            Some(_) | None => waited_for.push((chore.word().to_owned(), now)),
        }
    }
    if !waited_for.is_empty() {
        store.commit(Batch { runs: waited_for, ..Batch::default() }).await?;
    }
    Ok(missed)
}

/// Whether a cron line has a time in `after < time <= until`.
fn was_due(line: &str, after: Timestamp, until: Timestamp) -> bool {
    // Whole seconds, as the lines have: from within one, the next would be looked for within each.
    let time = |at: Timestamp| DateTime::<Utc>::from_timestamp(at.as_millis().div_euclid(1000), 0);
    let cron = CronParser::builder().seconds(Seconds::Required).build().parse(line);
    let next = cron.ok().zip(time(after)).and_then(|(cron, at)| cron.find_next_occurrence(&at, false).ok());
    next.zip(time(until)).is_some_and(|(next, until)| next <= until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_time_between_two_others_was_due() {
        let daily = "0 0 4 * * *";
        let cases = [
            ("2026-11-20T04:00:01Z", "2026-11-21T03:59:59Z", false),
            ("2026-11-20T04:00:01Z", "2026-11-21T04:00:00Z", true),
            ("2026-11-20T03:59:59.999Z", "2026-11-20T04:00:00Z", true),
            ("2026-11-20T04:00:00Z", "2026-11-20T04:00:00Z", false),
            ("2026-11-20T04:00:00Z", "2026-12-20T00:00:00Z", true),
        ];
        for (after, until, due) in cases {
            assert_eq!(was_due(daily, at(after), at(until)), due, "{after} {until}");
        }
        assert!(!was_due("0 0 4 30 2 *", at("2020-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z")), "never");
    }

    #[tokio::test]
    async fn what_was_due_is_made_up_once_and_what_is_new_waits() {
        let schedules = Schedules {
            heartbeat: Some("* * * * * *".to_owned()),
            prune: None,
            backup: Some("0 0 4 * * *".to_owned()),
            digest: Some("0 0 8 * * *".to_owned()),
            ..Schedules::default()
        };
        let store = MemoryStore::new();
        let missed = async |now: &str| missed(&schedules, &store, at(now)).await.unwrap();
        assert_eq!(missed("2026-11-20T12:00:00Z").await, [], "nothing is due that was never waited for");
        assert_eq!(missed("2026-11-21T03:00:00Z").await, []);
        assert_eq!(missed("2026-11-21T05:00:00Z").await, [Chore::Backup]);
        assert_eq!(missed("2026-11-25T05:00:00Z").await, [Chore::Backup, Chore::Digest], "once");
        let done = vec![("backup".to_owned(), at("2026-11-25T05:00:01Z"))];
        store.commit(Batch { runs: done, ..Batch::default() }).await.unwrap();
        assert_eq!(missed("2026-11-25T06:00:00Z").await, [Chore::Digest]);
        // A clock that was ahead has gone back: the next time counts from now.
        assert_eq!(missed("2026-11-23T12:00:00Z").await, [Chore::Digest]);
        assert_eq!(missed("2026-11-24T05:00:00Z").await, [Chore::Backup, Chore::Digest]);
    }
}
