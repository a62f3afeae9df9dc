//! The alarm clock: `tokio-cron-scheduler` runs the cron lines of `[schedules]` in UTC, and each only wakes somebody: the
//! loop, or the housekeeper. What is to be done is decided and done there; whoever finds a queue full finds its owner
//! awake already. What was to ring while no daemon ran is not made up.

use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use super::housekeeping::Chore;
use super::poller::Wish;
use crate::config::Schedules;

/// Whom the alarms wake.
#[derive(Debug)]
pub(super) struct Sleepers {
    pub(super) wishes: mpsc::Sender<Wish>,
    pub(super) chores: mpsc::Sender<Chore>,
}

/// Starts the alarms of a configuration. They end when what is returned is shut down; there is nothing to shut down where
/// none is set.
pub(super) async fn set(
    schedules: Option<&Schedules>,
    sleepers: Sleepers,
) -> Result<Option<JobScheduler>, JobSchedulerError> {
    let Sleepers { wishes, chores } = sleepers;
    let mut jobs = Vec::new();
    if let Some(line) = schedules.and_then(|schedules| schedules.heartbeat.as_deref()) {
        // Full or closed: the loop is awake, or gone.
        jobs.push(Job::new(line, move |_, _| drop(wishes.try_send(Wish::Heartbeat)))?);
    }
    let lines = schedules.map(|schedules| (&schedules.prune, &schedules.backup));
    for (line, chore) in lines.into_iter().flat_map(|(p, b)| [(p, Chore::Prune), (b, Chore::Backup)]) {
        if let Some(line) = line.as_deref() {
            let chores = chores.clone();
            jobs.push(Job::new(line, move |_, _| {
                let _awake = chores.try_send(chore);
            })?);
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
